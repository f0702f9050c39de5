//! The decision: from what is wanted, recorded and observed to the next step. Pure, one function, one closed enum.
//!
//! A request's *inputs* are everything that decides what is deployed: the chart's digest, the merged values, the release's
//! name and namespace, the post-render rules. One [`Digest`] stands for them. The pending record of an operation carries the
//! digest of the inputs that it was rendered from, so the record alone tells whether a release is up to date, whether
//! an interrupted operation may be resumed from its own manifest, and whether a failed one was tried with these very
//! inputs before.
//!
//! ```
//! use coxswain::plan::{Digest, Objects, Recorded, Situation, Step, decide};
//! use coxswain::release::Status;
//!
//! let inputs = Digest::of(["chart", "values"]);
//! let situation = Situation {
//!     inputs: Some(inputs.clone()),
//!     last: Some(Recorded { revision: 3, status: Status::Deployed, inputs: Some(inputs) }),
//!     deployed: Some(3),
//!     objects: Objects::AsDeclared,
//!     suspended: false,
//! };
//! assert_eq!(decide(&situation), Step::Settled);
//! ```

mod digest;

pub use digest::Digest;

use crate::release::Status;

/// The newest revision of a release, as its record tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// Its number.
    pub revision: i64,
    /// Its status.
    pub status: Status,
    /// The inputs it was made from; absent on records that the `helm` command line or Captain made.
    pub inputs: Option<Digest>,
}

/// What the watches tell of a release's objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Objects {
    /// Every object carries exactly what was applied last.
    AsDeclared,
    /// Not followed yet (after a restart), and the live objects give the digest that the record names.
    Unfollowed,
    /// Not followed yet, and the live objects differ from what the record names, or the record names nothing.
    Unproven,
    /// Some objects were deleted or changed; how many.
    Deviating(usize),
}

/// Everything that the decision depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Situation {
    /// The digest of the wanted inputs; absent while the chart or a value source cannot be had.
    pub inputs: Option<Digest>,
    /// The newest revision.
    pub last: Option<Recorded>,
    /// The number of the deployed revision, where there is one.
    pub deployed: Option<i64>,
    /// The objects of the deployed revision.
    pub objects: Objects,
    /// Whether the request is suspended: nothing may be written for it.
    pub suspended: bool,
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
    /// Apply every object of the deployed revision again from its record, then follow them.
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
    /// What is wanted is not known; keep what is deployed in repair meanwhile.
    Blocked,
}

/// Decides the next step.
pub fn decide(situation: &Situation) -> Step {
    if situation.suspended {
        return Step::Suspended;
    }
    let Some(inputs) = &situation.inputs else {
        return keep(situation).unwrap_or(Step::Blocked);
    };
    let Some(last) = &situation.last else {
        return Step::Install { revision: 1 };
    };
    let same_inputs = last.inputs.as_ref() == Some(inputs);
    let next = last.revision + 1;
    match last.status {
        Status::Deployed if same_inputs => keep(situation).unwrap_or(Step::Settled),
        Status::Deployed if last.inputs.is_none() => Step::Adopt { revision: last.revision },
        Status::Deployed => Step::Upgrade { revision: next },
        Status::PendingInstall | Status::PendingUpgrade | Status::PendingRollback | Status::Failed if same_inputs => {
            Step::Resume { revision: last.revision }
        }
        Status::Uninstalling | Status::Uninstalled | Status::Superseded if situation.deployed.is_none() => {
            Step::Install { revision: next }
        }
        _ if situation.deployed.is_some() => Step::Upgrade { revision: next },
        // Nothing was ever deployed, yet objects may exist: the failed or interrupted revision is what they are
        // compared with.
        _ => Step::Upgrade { revision: next },
    }
}

/// What keeps a deployed revision as declared, or nothing where it already is.
fn keep(situation: &Situation) -> Option<Step> {
    let deployed_is_last = situation.last.as_ref().is_some_and(|last| last.status == Status::Deployed);
    if !deployed_is_last {
        return None;
    }
    match situation.objects {
        Objects::AsDeclared => None,
        Objects::Unfollowed => Some(Step::Follow),
        Objects::Unproven => Some(Step::Reapply),
        Objects::Deviating(_) => Some(Step::Repair),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(text: &str) -> Digest {
        Digest::of([text])
    }

    fn situation(status: Status, recorded: Option<Digest>, objects: Objects) -> Situation {
        Situation {
            inputs: Some(digest("wanted")),
            last: Some(Recorded { revision: 4, status, inputs: recorded }),
            deployed: (status == Status::Deployed).then_some(4),
            objects,
            suspended: false,
        }
    }

    #[test]
    fn a_request_without_a_release_is_installed() {
        let situation = Situation {
            inputs: Some(digest("wanted")),
            last: None,
            deployed: None,
            objects: Objects::AsDeclared,
            suspended: false,
        };
        assert_eq!(decide(&situation), Step::Install { revision: 1 });
    }

    #[test]
    fn the_record_decides_the_step() {
        let same = || Some(digest("wanted"));
        let other = || Some(digest("other"));
        let table = [
            (Status::Deployed, same(), Objects::AsDeclared, Step::Settled),
            (Status::Deployed, same(), Objects::Unfollowed, Step::Follow),
            (Status::Deployed, same(), Objects::Unproven, Step::Reapply),
            (Status::Deployed, same(), Objects::Deviating(2), Step::Repair),
            (Status::Deployed, other(), Objects::Deviating(2), Step::Upgrade { revision: 5 }),
            (Status::Deployed, None, Objects::AsDeclared, Step::Adopt { revision: 4 }),
            (Status::PendingInstall, same(), Objects::AsDeclared, Step::Resume { revision: 4 }),
            (Status::PendingUpgrade, same(), Objects::AsDeclared, Step::Resume { revision: 4 }),
            (Status::PendingInstall, other(), Objects::AsDeclared, Step::Upgrade { revision: 5 }),
            (Status::Failed, same(), Objects::AsDeclared, Step::Resume { revision: 4 }),
            (Status::Failed, other(), Objects::AsDeclared, Step::Upgrade { revision: 5 }),
            (Status::Uninstalled, None, Objects::AsDeclared, Step::Install { revision: 5 }),
        ];
        for (status, recorded, objects, expected) in table {
            let situation = situation(status, recorded, objects);
            assert_eq!(decide(&situation), expected, "{situation:?}");
        }
    }

    #[test]
    fn a_suspended_request_is_left_alone_whatever_drifts() {
        let mut situation = situation(Status::Deployed, None, Objects::Deviating(1));
        situation.suspended = true;
        assert_eq!(decide(&situation), Step::Suspended);
    }

    #[test]
    fn a_deployed_release_stays_in_repair_while_its_chart_cannot_be_had() {
        let mut situation = situation(Status::Deployed, Some(digest("wanted")), Objects::Deviating(1));
        situation.inputs = None;
        assert_eq!(decide(&situation), Step::Repair);
        situation.objects = Objects::AsDeclared;
        assert_eq!(decide(&situation), Step::Blocked);
    }
}
