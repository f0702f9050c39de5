//! The decision: from what is wanted, recorded and observed to the next step. Pure, one function, one closed enum.
//!
//! A request's *inputs* are everything that decides what is deployed: the chart's digest, the merged values, the
//! release's name and namespace, the post-render rules. One [`Digest`] stands for them. The pending record of an
//! operation carries the digest of the inputs that it was made for, so the records alone tell whether a release is up
//! to date, whether an interrupted operation may be resumed from its own manifest, and whether a failed one was tried
//! with these very inputs before. A rollback carries a digest that is derived from the inputs which it stands in for:
//! it holds exactly as long as these do not change.
//!
//! ```
//! use coxswain::plan::{Digest, Objects, OnFailure, Recorded, Situation, Step, decide};
//! use coxswain::release::Status;
//!
//! let inputs = Digest::of(["chart", "values"]);
//! let situation = Situation {
//!     inputs: Some(inputs.clone()),
//!     revisions: vec![Recorded { inputs: Some(inputs), ..Recorded::new(3, Status::Deployed) }],
//!     objects: Objects::AsDeclared,
//!     suspended: false,
//!     rollback_to: None,
//!     on_failure: OnFailure::Retry { retries: None },
//!     test: false,
//!     busy_elsewhere: false,
//!     cluster_changed: false,
//! };
//! assert_eq!(decide(&situation), Step::Settled);
//! ```

mod digest;
mod ring;
#[cfg(test)]
mod tests;

pub use digest::Digest;
pub use ring::ring_through;

use crate::release::Status;

/// A revision of a release, as the metadata of its record tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// Its number.
    pub revision: i64,
    /// Its status.
    pub status: Status,
    /// The inputs it was made for; absent on records that the `helm` command line or Captain made.
    pub inputs: Option<Digest>,
    /// How often its operation was begun.
    pub attempts: u32,
    /// What `rollbackTo` was when it was made.
    pub rollback_to: Option<i64>,
    /// How the chart's tests ended, once they have.
    pub tests: Option<Tested>,
}

impl Recorded {
    /// A revision of which nothing is noted.
    pub fn new(revision: i64, status: Status) -> Self {
        Self { revision, status, inputs: None, attempts: 0, rollback_to: None, tests: None }
    }
}

/// How a chart's tests ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tested {
    /// The chart has none.
    None,
    /// All succeeded.
    Succeeded,
    /// One failed.
    Failed,
}

impl Tested {
    /// The word that is noted.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
        }
    }

    /// Reads the word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::None, Self::Succeeded, Self::Failed].into_iter().find(|tested| tested.as_str() == word)
    }
}

/// What the watches tell of a release's objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Objects {
    /// Every object carries exactly what was applied last.
    AsDeclared,
    /// The same, and all are healthy.
    Healthy,
    /// Not followed yet (after a restart), and the live objects give the digest that the record names.
    Unfollowed,
    /// Not followed yet, and the live objects differ from what the record names, or the record names nothing.
    Unproven,
    /// Some objects were deleted or changed; how many.
    Deviating(usize),
}

/// What becomes of an operation that failed after it was begun. `retries` is how often it is begun again before that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFailure {
    /// It is tried again; without a number, for ever.
    Retry {
        /// How often.
        retries: Option<u32>,
    },
    /// The deployed revision is put back.
    Rollback {
        /// After how many more attempts.
        retries: u32,
    },
    /// A first install is uninstalled and begun anew.
    Uninstall {
        /// After how many more attempts.
        retries: u32,
    },
    /// Everything stays as it is.
    Keep {
        /// After how many more attempts.
        retries: u32,
    },
}

/// Everything that the decision depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Situation {
    /// The digest of the wanted inputs; absent while the chart or a value source cannot be had.
    pub inputs: Option<Digest>,
    /// The revisions, oldest first.
    pub revisions: Vec<Recorded>,
    /// The objects of the deployed revision.
    pub objects: Objects,
    /// Whether the request is suspended: nothing may be written for it.
    pub suspended: bool,
    /// The revision that the user wants back.
    pub rollback_to: Option<i64>,
    /// What becomes of a failed operation.
    pub on_failure: OnFailure,
    /// Whether the chart's tests are to be run.
    pub test: bool,
    /// Whether an operation that another writer began may still be underway.
    pub busy_elsewhere: bool,
    /// Whether what the render of the deployed revision read of the cluster is no longer so.
    pub cluster_changed: bool,
}

/// Why a rollback is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The user asks for it.
    Asked,
    /// This revision failed.
    Failure(i64),
}

/// The next step for a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing to do.
    Settled,
    /// Nothing may be done.
    Suspended,
    /// Follow the live objects of the deployed revision as they are: they are what was applied.
    Follow,
    /// Make sure of every object of the deployed revision, from its record, then follow them.
    Reapply,
    /// Apply the deviating objects again from the deployed revision's record.
    Repair,
    /// Render, and install as this revision.
    Install {
        /// The number of the new revision.
        revision: i64,
    },
    /// Render, and replace the deployed revision by this one.
    Upgrade {
        /// The number of the new revision.
        revision: i64,
    },
    /// Continue an interrupted or failed operation from the manifest in its record.
    Resume {
        /// The number of the revision.
        revision: i64,
    },
    /// Render and compare with a deployed record of unknown inputs: equal, it is taken over without a new revision;
    /// different, it is upgraded to this revision.
    Adopt {
        /// The number of the deployed revision.
        revision: i64,
    },
    /// Let another writer finish what it has begun.
    GiveWay {
        /// The number of its revision.
        revision: i64,
    },
    /// Make an earlier revision live again, as a new one.
    Rollback {
        /// The number of the earlier revision.
        to: i64,
        /// Why.
        cause: Cause,
    },
    /// The revision that the user wants back is not in the history.
    NoSuchRevision {
        /// Its number.
        to: i64,
    },
    /// Remove what a failed first install left, to begin anew.
    Uninstall {
        /// The number of the failed revision.
        revision: i64,
    },
    /// Leave a failed operation as it is until the inputs change.
    GiveUp {
        /// The number of the failed revision.
        revision: i64,
    },
    /// Render again, for the cluster gives other answers now, and deploy the next revision where that differs from the
    /// deployed one.
    RenderAnew {
        /// The number of the deployed revision.
        revision: i64,
    },
    /// Run the chart's tests.
    Test {
        /// The number of the deployed revision.
        revision: i64,
    },
    /// What is wanted is not known; keep what is deployed in repair meanwhile.
    Blocked,
}

impl Step {
    /// Whether it begins to deploy inputs, for which what the release depends on has to be ready. To continue what was
    /// begun, to keep what is deployed and to go back to it need nobody.
    pub fn begins_something_new(&self) -> bool {
        matches!(self, Self::Install { .. } | Self::Upgrade { .. } | Self::Adopt { .. })
    }
}

/// Decides the next step.
pub fn decide(situation: &Situation) -> Step {
    if situation.suspended {
        return Step::Suspended;
    }
    if let Some(revision) = situation.begun_elsewhere().filter(|_| situation.busy_elsewhere) {
        return Step::GiveWay { revision };
    }
    let Some(inputs) = &situation.inputs else {
        return situation.keep().unwrap_or(Step::Blocked);
    };
    if let Some(step) = situation.fresh_rollback(inputs) {
        return step;
    }
    let Some(last) = situation.revisions.last() else {
        return Step::Install { revision: 1 };
    };
    let is_wanted = situation.stands_for(last, inputs);
    let next = last.revision + 1;
    match last.status {
        Status::Deployed if is_wanted => {
            let anew = || situation.render_anew(last, inputs);
            situation.keep().or_else(anew).or_else(|| situation.test(last)).unwrap_or(Step::Settled)
        }
        Status::Deployed if last.inputs.is_none() => Step::Adopt { revision: last.revision },
        Status::Deployed => Step::Upgrade { revision: next },
        Status::PendingInstall | Status::PendingUpgrade | Status::PendingRollback if is_wanted => {
            Step::Resume { revision: last.revision }
        }
        Status::Failed if is_wanted => situation.after_failure(last, inputs),
        Status::Uninstalling | Status::Uninstalled | Status::Superseded if situation.deployed().is_none() => {
            Step::Install { revision: next }
        }
        // Where nothing was ever deployed, objects may exist all the same: the failed or interrupted revision is what
        // they are compared with.
        _ => Step::Upgrade { revision: next },
    }
}

impl Situation {
    /// The deployed revision.
    pub fn deployed(&self) -> Option<&Recorded> {
        self.revisions.iter().rev().find(|recorded| recorded.status == Status::Deployed)
    }

    /// The newest revision of the wanted inputs that failed.
    pub fn failed(&self) -> Option<&Recorded> {
        let of_inputs = |recorded: &&Recorded| recorded.status == Status::Failed && recorded.inputs == self.inputs;
        self.revisions.iter().rev().find(of_inputs)
    }

    /// The newest revision, where another writer has begun an operation on it and not ended it.
    pub fn begun_elsewhere(&self) -> Option<i64> {
        let last = self.revisions.last().filter(|last| last.inputs.is_none())?;
        (last.status.is_pending() || last.status == Status::Uninstalling).then_some(last.revision)
    }

    /// Whether what is deployed stands in for wanted inputs that failed.
    pub fn is_rolled_back_after_failure(&self) -> bool {
        let (Some(last), Some(inputs)) = (self.revisions.last(), &self.inputs) else { return false };
        last.status == Status::Deployed && last.inputs.as_ref() == Some(&inputs.after_failure())
    }

    /// Whether a revision is what the wanted inputs ask for: made from them, or a rollback that stands in for them.
    fn stands_for(&self, recorded: &Recorded, inputs: &Digest) -> bool {
        let Some(made_for) = &recorded.inputs else { return false };
        made_for == inputs || *made_for == inputs.after_failure() || self.is_held_rollback(recorded, inputs)
    }

    fn is_held_rollback(&self, recorded: &Recorded, inputs: &Digest) -> bool {
        let held = self.rollback_to.is_some_and(|to| recorded.inputs == Some(inputs.rolled_back(to)));
        held && recorded.rollback_to == self.rollback_to
    }

    /// The rollback that the user asks for, unless it was made and still holds, or ended with a change since.
    fn fresh_rollback(&self, inputs: &Digest) -> Option<Step> {
        let to = self.rollback_to?;
        // A revision of another writer says nothing of what was asked for.
        let ours = self.revisions.iter().rev().find(|recorded| recorded.inputs.is_some());
        if let Some(ours) = ours.filter(|ours| ours.rollback_to == Some(to)) {
            let is_last = self.revisions.last() == Some(ours);
            if is_last || !self.is_held_rollback(ours, inputs) {
                return None;
            }
        }
        let exists = self.revisions.iter().any(|recorded| recorded.revision == to);
        Some(if exists { Step::Rollback { to, cause: Cause::Asked } } else { Step::NoSuchRevision { to } })
    }

    /// What follows a failed operation of the wanted inputs.
    fn after_failure(&self, failed: &Recorded, inputs: &Digest) -> Step {
        let again = Step::Resume { revision: failed.revision };
        let is_rollback = failed.inputs.as_ref() != Some(inputs);
        let is_over = |retries: u32| failed.attempts > retries;
        match self.on_failure {
            _ if is_rollback => again,
            OnFailure::Retry { retries: Some(retries) } | OnFailure::Keep { retries } if is_over(retries) => {
                Step::GiveUp { revision: failed.revision }
            }
            OnFailure::Rollback { retries } if is_over(retries) => match self.deployed() {
                Some(good) => Step::Rollback { to: good.revision, cause: Cause::Failure(failed.revision) },
                None => again,
            },
            OnFailure::Uninstall { retries } if is_over(retries) && self.was_never_deployed() => {
                Step::Uninstall { revision: failed.revision }
            }
            _ => again,
        }
    }

    fn was_never_deployed(&self) -> bool {
        self.revisions.iter().all(|recorded| recorded.status == Status::Failed)
    }

    /// What keeps a deployed revision as declared, or nothing where it already is.
    pub fn keep(&self) -> Option<Step> {
        let deployed_is_last = self.revisions.last().is_some_and(|last| last.status == Status::Deployed);
        if !deployed_is_last {
            return None;
        }
        match self.objects {
            Objects::AsDeclared | Objects::Healthy => None,
            Objects::Unfollowed => Some(Step::Follow),
            Objects::Unproven => Some(Step::Reapply),
            Objects::Deviating(_) => Some(Step::Repair),
        }
    }

    /// A new look at a revision that was made from the wanted inputs; a rollback stays as it is.
    fn render_anew(&self, last: &Recorded, inputs: &Digest) -> Option<Step> {
        let due = self.cluster_changed && last.inputs.as_ref() == Some(inputs);
        due.then_some(Step::RenderAnew { revision: last.revision })
    }

    /// The tests of a healthy revision that they were not run for.
    fn test(&self, last: &Recorded) -> Option<Step> {
        let due = self.test && last.tests.is_none() && self.objects == Objects::Healthy;
        due.then_some(Step::Test { revision: last.revision })
    }
}
