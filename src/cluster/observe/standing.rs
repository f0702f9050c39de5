//! How objects stand: whether each is there and healthy, and what that makes of a release.

use std::cmp::Reverse;

use crate::cluster::ObjectKey;
use crate::cluster::health::Verdict;

/// How an expected object stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is there.
    Seen(Verdict),
    /// It is not there.
    Missing,
    /// It was written a moment ago and not seen since.
    NotSeen,
}

impl Standing {
    /// kstatus's word for it.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Seen(verdict) => verdict.as_str(),
            Self::Missing => "NotFound",
            Self::NotSeen => "InProgress",
        }
    }

    /// Why it is not healthy.
    pub fn message(&self) -> Option<&str> {
        match self {
            Self::Seen(verdict) => verdict.message(),
            Self::Missing => Some("the object does not exist"),
            Self::NotSeen => Some("the object was just written"),
        }
    }

    /// The worst is the greatest.
    const fn gravity(&self) -> u8 {
        match self {
            Self::Seen(Verdict::Failed(_)) => 5,
            Self::Missing => 4,
            Self::Seen(Verdict::Unknown) => 3,
            Self::Seen(Verdict::Terminating) => 2,
            Self::Seen(Verdict::InProgress(_)) => 1,
            Self::NotSeen | Self::Seen(Verdict::Current) => 0,
        }
    }
}

/// The health of an owner's objects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReleaseHealth {
    /// How many objects there should be.
    pub total: usize,
    /// How many are healthy.
    pub ready: usize,
    /// The others, the worst first.
    pub unhealthy: Vec<(ObjectKey, Standing)>,
}

impl ReleaseHealth {
    pub(super) fn of(standings: impl Iterator<Item = (ObjectKey, Standing)>) -> Self {
        let mut health = Self::default();
        for (object, standing) in standings {
            health.total += 1;
            if standing == Standing::Seen(Verdict::Current) {
                health.ready += 1;
            } else {
                health.unhealthy.push((object, standing));
            }
        }
        health.unhealthy.sort_by(|a, b| (Reverse(a.1.gravity()), &a.0).cmp(&(Reverse(b.1.gravity()), &b.0)));
        health
    }

    /// Whether every object is healthy.
    pub fn is_ready(&self) -> bool {
        self.ready == self.total
    }

    /// Whether an object has failed and waiting for it is in vain.
    pub fn has_failed(&self) -> bool {
        self.unhealthy.iter().any(|(_, standing)| matches!(standing, Standing::Seen(Verdict::Failed(_))))
    }
}
