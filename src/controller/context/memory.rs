//! What is remembered of a request while the operator runs.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use crate::api::helm_request::HelmRequestStatus;
use crate::cluster::observe::{SourceRead, Taken};
use crate::cluster::{ObjectError, ObjectKey};
use crate::controller::diagnosis::Diagnosis;
use crate::controller::following::LookedUp;
use crate::controller::helm_request::{Basis, Found};
use crate::plan::Digest;

/// The pause after the first render for a change of the cluster.
const FIRST_LOOK: Duration = Duration::from_secs(1);
/// The longest pause between such renders; after as long without one, the next is the first.
const LONGEST_LOOK: Duration = Duration::from_secs(600);

/// An install that the API server refused objects of.
#[derive(Clone, Debug)]
pub struct Refused {
    /// The digest of its inputs.
    pub inputs: Digest,
    /// The refusals.
    pub errors: Vec<ObjectError>,
}

/// What is remembered of a request while the operator runs. Losing it costs a look, never a release.
#[derive(Debug, Default)]
pub struct Memory {
    /// The revision whose objects are followed.
    pub followed: Option<i64>,
    /// The digest of its inputs, and what they were when it was computed.
    pub gathered: Option<(Basis, Digest)>,
    /// The chart behind an address of its own.
    pub direct: Option<Box<Found>>,
    /// Why objects deviate that are not repaired, and the resource version that was looked at.
    pub explained: HashMap<ObjectKey, (u64, Vec<Taken>)>,
    /// The last install that was taken back.
    pub refused: Option<Refused>,
    /// The objects that its values come from, as they were read.
    pub sources: Vec<SourceRead>,
    /// What is followed of the lookups of a revision.
    pub looked_up: Option<LookedUp>,
    /// The pause after the last render for a change of the cluster, and when it ends.
    look: Option<(Duration, Instant)>,
    /// Why a test of the chart failed.
    pub test_failure: Option<String>,
    /// The revision that another writer has begun, and when that was first seen.
    pub begun_elsewhere: Option<(i64, Instant)>,
    /// Why objects are not healthy.
    pub diagnoses: HashMap<ObjectKey, Diagnosis>,
    /// What was told last of another writer.
    pub told_of_others: Option<String>,
    /// The generation and inputs that failed last, and when they are tried again.
    failed: Option<(Option<i64>, Digest, Instant)>,
    /// The status as it was last written, and the resource version that the write made; only until the watch shows it.
    pub(super) written: Option<Box<(u64, HelmRequestStatus)>>,
    /// When it was last written.
    pub(super) written_at: Option<Instant>,
    /// Since when it waits for something that is being read.
    pub waits_since: Option<tokio::time::Instant>,
    /// The objects whose last repair failed.
    pub unrepaired: HashSet<ObjectKey>,
    /// The last repair of each object that was repaired.
    pub repairs: HashMap<ObjectKey, Repaired>,
}

/// A repair of an object.
#[derive(Clone, Debug)]
pub struct Repaired {
    /// When it may be repaired again.
    pub after: Instant,
    /// How long it has to wait until then.
    pub pause: Duration,
    /// What had been done to it; nothing where it was gone.
    pub taken: Vec<Taken>,
}

impl Memory {
    /// Counts a render for a change of the cluster, or gives the pause before it: each that follows the last one soon
    /// waits longer.
    pub fn pause_before_look(&mut self) -> Option<Duration> {
        let now = Instant::now();
        let (last, until) = self.look.unwrap_or((Duration::ZERO, now));
        if until > now {
            return Some(until - now);
        }
        let is_quiet = now.duration_since(until) > LONGEST_LOOK;
        let pause = if is_quiet { FIRST_LOOK } else { (last * 2).clamp(FIRST_LOOK, LONGEST_LOOK) };
        self.look = Some((pause, now + pause));
        None
    }

    /// Notes that an attempt of this generation failed, and the pause until the next.
    pub fn failed(&mut self, generation: Option<i64>, pause: Option<Duration>) {
        let inputs = self.gathered.as_ref().map(|(_, digest)| digest.clone());
        self.failed = inputs.zip(pause).map(|(inputs, pause)| (generation, inputs, Instant::now() + pause));
    }

    /// How long the next attempt of what failed has to wait.
    pub fn pause_left(&self, generation: Option<i64>, inputs: &Digest) -> Option<Duration> {
        let (failed, of, until) = self.failed.as_ref()?;
        let left = until.saturating_duration_since(Instant::now());
        (*failed == generation && of == inputs && !left.is_zero()).then_some(left)
    }
}
