//! Who takes which shard: the decision of one replica from what the Lease objects tell.
//!
//! Every replica that lives is known to all, so each computes the same shares without asking anybody: of N shards and R
//! replicas the first N mod R by name have one more than the others. A replica takes free shards up to its share and
//! gives back what it has beyond it. The shares add up to N, so every free shard has somebody who wants it, and a shard
//! is never taken from a replica that lives; it moves when its holder gives it back or falls silent.
//!
//! Replicas that divide the requests otherwise (another number of shards, during an upgrade) must never work at the same
//! time, since one request is in different shards then. A replica tells its presence before it looks, so of two that
//! come at once at least one sees the other, and one that sees another division does not begin. Where both wait, the
//! one with more shards withdraws for a while.

use std::collections::{BTreeMap, BTreeSet};

/// What the Lease objects tell of the replicas that live and of the shards.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Roll {
    /// The replicas that live and into how many shards each divides the requests.
    pub(super) members: BTreeMap<String, u16>,
    /// The holders of the shards; a shard that never was held is missing.
    pub(super) holders: BTreeMap<u16, String>,
}

/// What a replica is and has.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standing<'a> {
    /// Its name.
    pub(super) identity: &'a str,
    /// Into how many shards it divides the requests.
    pub(super) count: u16,
    /// Whether it has begun to take shards.
    pub(super) has_begun: bool,
    /// The shards that it works on.
    pub(super) works_on: &'a BTreeSet<u16>,
    /// The shards that it has stopped to work on and not given back yet.
    pub(super) leaves: &'a BTreeSet<u16>,
}

/// What a replica does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Move {
    /// Others divide the requests otherwise: it waits until they are gone.
    Wait,
    /// The same, and they wait too: it makes place for a while.
    Withdraw,
    /// It takes and gives back shards.
    Share {
        /// The shards to take.
        take: Vec<u16>,
        /// The shards to give back.
        give: Vec<u16>,
    },
}

/// What a replica does next.
pub(super) fn next_move(roll: &Roll, standing: Standing<'_>) -> Move {
    let Standing { count, has_begun, works_on, leaves, .. } = standing;
    let smallest_other = roll.members.values().copied().filter(|other| *other != count).min();
    match smallest_other.filter(|_| !has_begun) {
        Some(other) if other < count => return Move::Withdraw,
        Some(_) => return Move::Wait,
        None => {}
    }
    let share = share(roll, standing);
    let is_free = |shard: &u16| match roll.holders.get(shard) {
        Some(holder) if holder == standing.identity => !works_on.contains(shard) && !leaves.contains(shard),
        Some(holder) => !roll.members.contains_key(holder),
        None => true,
    };
    let room = share.saturating_sub(works_on.len());
    let own = |shard: &u16| roll.holders.get(shard).is_some_and(|holder| holder == standing.identity);
    // What still bears its own name from an earlier life nobody else can take, so it takes that all, and gives back later.
    let (mut take, free): (Vec<u16>, Vec<u16>) = (0..count).filter(is_free).partition(own);
    let more = room.saturating_sub(take.len());
    take.extend(free.into_iter().take(more));
    let give = works_on.iter().rev().take(works_on.len().saturating_sub(share)).copied().collect();
    Move::Share { take, give }
}

/// How many shards a replica works on when nothing moves.
fn share(roll: &Roll, Standing { identity, count, .. }: Standing<'_>) -> usize {
    let mut names: BTreeSet<&str> =
        roll.members.iter().filter(|(_, other)| **other == count).map(|(name, _)| name.as_str()).collect();
    names.insert(identity);
    let rank = names.iter().position(|name| *name == identity).unwrap_or(0);
    let (shards, replicas) = (usize::from(count), names.len());
    shards / replicas + usize::from(rank < shards % replicas)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roll(members: &[(&str, u16)], holders: &[(u16, &str)]) -> Roll {
        Roll {
            members: members.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect(),
            holders: holders.iter().map(|(shard, name)| (*shard, (*name).to_owned())).collect(),
        }
    }

    fn decide(roll: &Roll, identity: &str, has_begun: bool, works_on: &[u16], leaves: &[u16]) -> Move {
        let (works_on, leaves) = (works_on.iter().copied().collect(), leaves.iter().copied().collect());
        next_move(roll, Standing { identity, count: 4, has_begun, works_on: &works_on, leaves: &leaves })
    }

    fn share(take: &[u16], give: &[u16]) -> Move {
        Move::Share { take: take.to_vec(), give: give.to_vec() }
    }

    #[test]
    fn shards_are_taken_up_to_the_share_and_what_is_beyond_it_is_given_back() {
        let three = [("a", 4), ("b", 4), ("c", 4)];
        let full = [(0, "a"), (1, "a"), (2, "b"), (3, "c")];
        let all_a = [(0, "a"), (1, "a"), (2, "a"), (3, "a")];
        let table = [
            ("the first takes all", roll(&[("a", 4)], &[]), "a", &[][..], &[][..], share(&[0, 1, 2, 3], &[])),
            ("the first by name has one more", roll(&three, &[]), "a", &[], &[], share(&[0, 1], &[])),
            ("the others have fewer", roll(&three, &[]), "c", &[], &[], share(&[0], &[])),
            ("nothing moves", roll(&three, &full), "b", &[2], &[], share(&[], &[])),
            ("more came", roll(&three, &all_a), "a", &[0, 1, 2, 3], &[], share(&[], &[3, 2])),
            (
                "what is being left is not given back twice",
                roll(&three, &all_a),
                "a",
                &[0, 1],
                &[2, 3],
                share(&[], &[]),
            ),
            ("a living holder keeps", roll(&three, &all_a), "b", &[], &[], share(&[], &[])),
            ("a dead one loses", roll(&three[..2], &full), "b", &[2], &[], share(&[3], &[])),
            ("an earlier life of its own", roll(&three, &full), "b", &[], &[], share(&[2], &[])),
        ];
        for (what, roll, identity, works_on, leaves, expected) in table {
            assert_eq!(decide(&roll, identity, true, works_on, leaves), expected, "{what}");
        }
    }

    #[test]
    fn another_division_of_the_requests_is_waited_for_and_the_finer_one_makes_place() {
        let (fewer, more) = (roll(&[("a", 4), ("b", 1)], &[]), roll(&[("a", 4), ("b", 8)], &[]));
        assert_eq!(decide(&fewer, "a", false, &[], &[]), Move::Withdraw);
        assert_eq!(decide(&more, "a", false, &[], &[]), Move::Wait);
        assert_eq!(decide(&more, "a", true, &[], &[]), share(&[0, 1, 2, 3], &[]), "who came later waits");
    }

    #[test]
    fn any_number_of_replicas_ends_with_every_shard_held_once() {
        for replicas in 1..=6_u8 {
            let names: Vec<String> = (0..replicas).map(|number| format!("replica-{number}")).collect();
            let members: BTreeMap<String, u16> = names.iter().map(|name| (name.clone(), 4)).collect();
            let mut held: BTreeMap<String, BTreeSet<u16>> = BTreeMap::from([(names[0].clone(), (0..4).collect())]);
            for _ in 0..3 {
                for name in &names {
                    let holders = held.iter().flat_map(|(name, shards)| shards.iter().map(|s| (*s, name.clone())));
                    let roll = Roll { members: members.clone(), holders: holders.collect() };
                    let own = held.entry(name.clone()).or_default();
                    let none = BTreeSet::new();
                    let standing = Standing { identity: name, count: 4, has_begun: true, works_on: own, leaves: &none };
                    let Move::Share { take, give } = next_move(&roll, standing) else { panic!("{name} waits") };
                    own.extend(take);
                    own.retain(|shard| !give.contains(shard));
                }
            }
            let all: Vec<u16> = held.values().flatten().copied().collect();
            assert_eq!((all.len(), all.iter().collect::<BTreeSet<_>>().len()), (4, 4), "{held:?}");
            let (most, least) = (held.values().map(BTreeSet::len).max(), held.values().map(BTreeSet::len).min());
            assert!(most.unwrap_or(0) - least.unwrap_or(0) <= 1, "{held:?}");
        }
    }
}
