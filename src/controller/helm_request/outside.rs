//! Other writers of a release, such as the `helm` command: what they have begun may end, what they have done is told.
//! Then the request is what counts.

use std::time::{Duration, Instant};

use super::Reconciliation;
use super::deploy::Adoption;
use super::status::Standing;
use crate::api::Reason;
use crate::controller::events::EventType;
use crate::controller::failure::Failure;
use crate::plan::{Recorded, Situation};

/// How long an operation of another writer may take from when it was first seen. A record does not tell whether its
/// writer still lives; the `helm` command is mostly done within seconds, and one that was killed must not hold a
/// release up.
const PATIENCE: Duration = Duration::from_secs(30);

impl Reconciliation<'_> {
    /// Whether an operation that another writer began may still be underway.
    pub(super) fn is_busy_elsewhere(&self, situation: &Situation) -> bool {
        let begun = situation.begun_elsewhere();
        self.context.with_memory(self.request, |memory| {
            let known = memory.begun_elsewhere.filter(|(revision, _)| Some(*revision) == begun);
            memory.begun_elsewhere = begun.map(|revision| known.unwrap_or((revision, Instant::now())));
            memory.begun_elsewhere.is_some_and(|(_, seen)| seen.elapsed() < PATIENCE)
        })
    }

    /// Leaves a release alone while another writer works on it; returns when to look again.
    pub(super) async fn give_way(&self, revision: i64, situation: &Situation) -> Result<Option<Duration>, Failure> {
        let begun = self.context.recall(self.request, |memory| memory.begun_elsewhere);
        let seen = begun.map_or(PATIENCE, |(_, seen)| seen.elapsed());
        let limit = PATIENCE.as_secs();
        let what =
            format!("another writer works on revision {revision}; it is taken over if that takes over {limit} s");
        self.report().standing(Standing::Working(what), super::deployed(situation)).await?;
        Ok(Some(PATIENCE.saturating_sub(seen) + Duration::from_millis(1)))
    }

    /// Tells why a new revision is made where another writer is the cause.
    pub(super) async fn tell_of_others(&self, situation: &Situation, next: i64) {
        let was_deployed = self.context.last_status(self.request).revision.is_some();
        if let Some(note) = left_by_others(situation.revisions.last(), was_deployed, next) {
            self.warn_once(note).await;
        }
    }

    /// Tells that a release that was ours has a revision of another writer.
    pub(super) async fn tell_of_adoption(&self, revision: i64, adoption: &Adoption) {
        if self.context.last_status(self.request).revision.is_some() {
            let outcome = match adoption {
                Adoption::Done(_) => "it is as the request says and stays".to_owned(),
                Adoption::Differs => format!("revision {} is as the request says", revision + 1),
            };
            self.warn_once(format!("revision {revision} was made by another writer; {outcome}")).await;
        }
    }

    /// Tells something once, however often it leads to an attempt.
    async fn warn_once(&self, note: String) {
        let is_known = self.context.with_memory(self.request, |memory| {
            memory.told_of_others.replace(note.clone()).is_some_and(|told| told == note)
        });
        if !is_known {
            self.report().event(EventType::Warning, Reason::ChangedOutside.as_str(), "Deploy", &note).await;
        }
    }
}

/// What another writer left of a release, and what follows.
fn left_by_others(last: Option<&Recorded>, was_deployed: bool, next: i64) -> Option<String> {
    match last {
        None if was_deployed => {
            Some(format!("the release was uninstalled by another writer; it is installed again as revision {next}"))
        }
        Some(Recorded { revision, status, inputs: None, .. }) => Some(format!(
            "revision {revision} was left {status} by another writer; revision {next} is as the request says"
        )),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Digest;
    use crate::release::Status;

    #[test]
    fn only_what_others_did_is_told() {
        let left = Recorded::new(2, Status::PendingUpgrade);
        let ours = Recorded { inputs: Some(Digest::of(["ours"])), ..left.clone() };
        let told = |last: Option<&Recorded>, was_deployed| left_by_others(last, was_deployed, 3);
        assert!(told(Some(&left), false).is_some_and(|note| note.contains("revision 2 was left pending-upgrade")));
        assert!(told(None, true).is_some_and(|note| note.contains("uninstalled by another writer")));
        assert_eq!((told(None, false), told(Some(&ours), true)), (None, None));
    }
}
