//! What the Lease objects tell: which replicas live, and who has which shard.
//!
//! As in [`super::lease`], a replica lives until its lease has been seen unchanged for its duration by our own clock.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::time::Instant;

use super::lease::Seen;
use super::sharing::Roll;
use crate::value::{Json, hex};

/// The Lease of the one operator that works where the requests are not divided, and the prefix of all others.
pub const LEASE: &str = "coxswain";
/// Into how many shards a replica divides the requests, on its own Lease.
pub(super) const SHARDS: &str = "coxswain.dev/shards";
/// How long the Lease of a replica that is gone is kept.
const KEPT: Duration = Duration::from_secs(60);

/// What was seen of the leases, by this process's own clock.
#[derive(Default)]
pub(super) struct Lookout {
    /// The last state of each replica's own lease, and since when it is the same.
    members: HashMap<String, (Seen, Instant)>,
    /// The shards' leases.
    pub(super) shards: BTreeMap<u16, Seen>,
}

impl Lookout {
    /// Takes in a list of leases.
    pub(super) fn look(&mut self, leases: &[Json], now: Instant) -> Roll {
        let (mut before, mut roll) = (std::mem::take(&mut self.members), Roll::default());
        self.shards.clear();
        for lease in leases {
            let Some(name) = lease.pointer("/metadata/name").and_then(Json::as_str) else { continue };
            let seen = Seen::read(lease);
            if let Some(shard) = shard_of_lease(name) {
                if !seen.holder.is_empty() {
                    roll.holders.insert(shard, seen.holder.clone());
                }
                self.shards.insert(shard, seen);
            } else if let Some(count) = count_of_member(name, lease) {
                let known = before.remove(name).filter(|(known, _)| *known == seen);
                let (seen, since) = known.unwrap_or((seen, now));
                if !seen.holder.is_empty() && now.duration_since(since) < seen.duration {
                    roll.members.insert(seen.holder.clone(), count);
                }
                self.members.insert(name.to_owned(), (seen, since));
            }
        }
        roll
    }

    /// The leases of replicas that are gone for good.
    pub(super) fn forgotten(&self, now: Instant) -> Vec<String> {
        let is_gone = |(_, since): &(Seen, Instant)| now.duration_since(*since) >= KEPT;
        let gone = self.members.iter().filter(|(name, seen)| *name != LEASE && is_gone(seen));
        gone.map(|(name, _)| name.clone()).collect()
    }
}

/// The name of a replica's own lease; an identity that cannot stand in a name is replaced by its digest.
pub(super) fn member_name(identity: &str) -> String {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'.';
    if identity.len() <= 200
        && !identity.is_empty()
        && !identity.ends_with(['-', '.'])
        && !identity.contains("..")
        && identity.bytes().all(fits)
    {
        return format!("{LEASE}-member-{identity}");
    }
    format!("{LEASE}-member-{}", hex(&Sha256::digest(identity)[..16]))
}

/// The name of a shard's lease.
pub(super) fn lease_of_shard(shard: u16) -> String {
    format!("{LEASE}-{shard}")
}

/// The shard that a lease is of.
fn shard_of_lease(name: &str) -> Option<u16> {
    name.strip_prefix(LEASE)?.strip_prefix('-')?.parse().ok()
}

/// Into how many shards the replica divides the requests whose own lease this is.
fn count_of_member(name: &str, lease: &Json) -> Option<u16> {
    if name == LEASE {
        return Some(1);
    }
    name.strip_prefix(LEASE)?.strip_prefix("-member-")?;
    lease.pointer("/metadata/annotations").and_then(|annotations| annotations.get(SHARDS)?.as_str()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn lease(name: &str, holder: &str, count: u16) -> Json {
        json!({
            "metadata": {"name": name, "annotations": {SHARDS: count.to_string()}},
            "spec": {"holderIdentity": holder, "leaseDurationSeconds": 10, "leaseTransitions": 3},
        })
    }

    #[test]
    fn a_replica_lives_as_long_as_its_lease_is_seen_to_change() {
        let (mut lookout, first) = (Lookout::default(), Instant::now());
        let leases = [lease("coxswain-member-a", "a", 4), lease("coxswain-2", "a", 0), lease("other", "x", 4)];
        let roll = lookout.look(&leases, first);
        assert_eq!((roll.members.get("a"), roll.holders.get(&2)), (Some(&4), Some(&"a".to_owned())));
        assert_eq!((roll.members.len(), roll.holders.len()), (1, 1));
        let later = |seconds| first + Duration::from_secs(seconds);
        assert_eq!(lookout.look(&leases, later(9)).members.len(), 1);
        assert_eq!(lookout.look(&leases, later(10)).members.len(), 0);
        assert_eq!(lookout.forgotten(later(10)), Vec::<String>::new());
        assert_eq!(lookout.forgotten(later(60)), ["coxswain-member-a"]);
    }

    #[test]
    fn names_tell_what_a_lease_is_of() {
        assert_eq!(shard_of_lease("coxswain-12"), Some(12));
        assert_eq!((shard_of_lease("coxswain"), shard_of_lease("coxswain-member-a")), (None, None));
        assert_eq!(count_of_member("coxswain", &json!({})), Some(1));
        assert_eq!(count_of_member("coxswain-member-a", &lease("", "a", 8)), Some(8));
        assert_eq!(member_name("coxswain-7d9f-x"), "coxswain-member-coxswain-7d9f-x");
        for odd in ["Host_A", "a/b", "x.", ""] {
            let name = member_name(odd);
            assert!(
                name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-'),
                "{name}"
            );
        }
    }
}
