//! What a request's status says, computed from what was found out. Pure: the same facts give the same status, so that
//! it is written only when it says something new.

mod chart;

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;

pub use self::chart::DeployedChart;
use crate::api::conditions::{self, ConditionStatus, ConditionType};
use crate::api::helm_request::{DriftStatus, HelmRequestStatus, ObjectsStatus, Phase, RevisionEntry};
use crate::api::{Condition, Reason};
use crate::controller::failure::Failure;

/// How it stands with the wanted state.
#[derive(Clone, Debug, PartialEq)]
pub enum Standing {
    /// Nothing may be written.
    Suspended,
    /// An operation runs; the sentence says which.
    Working(String),
    /// It could not be deployed.
    Failed {
        /// Why.
        failure: Failure,
        /// When it is tried again by itself.
        retry: Option<Duration>,
    },
    /// The cluster that it is deployed into cannot be reached: what was known of it is as it was.
    Away(Failure),
    /// It could not be deployed, and what was deployed before is live again until the inputs change.
    RolledBack(Failure),
    /// Something new may not be begun yet.
    Waiting(Failure),
    /// It is deployed.
    Deployed,
}

/// How it stands with the chart's tests.
#[derive(Clone, Debug, PartialEq)]
pub enum Tests {
    /// They are yet to be run.
    Due,
    /// None failed.
    Succeeded,
    /// One failed; why, where this operator knows it.
    Failed(Option<String>),
}

/// The deployed revision.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Deployed {
    /// Its number.
    pub revision: i64,
    /// Its chart, where this operator knows it.
    pub chart: Option<DeployedChart>,
    /// The rendered notes, where this operator knows them.
    pub notes: Option<String>,
}

/// What was found out about a request.
#[derive(Clone, Debug, PartialEq)]
pub struct Facts {
    /// The generation of the request that was looked at.
    pub generation: Option<i64>,
    /// How it stands with the wanted state.
    pub standing: Standing,
    /// The deployed revision, where there is one.
    pub deployed: Option<Deployed>,
    /// The chart's tests; nothing where they are not asked for.
    pub tests: Option<Tests>,
    /// The revisions, the newest first; nothing where the known ones stay.
    pub history: Option<Vec<RevisionEntry>>,
    /// The health of the deployed objects.
    pub objects: Option<ObjectsStatus>,
    /// What differs from what was deployed.
    pub drift: Option<DriftStatus>,
    /// Why changes of some objects are not noticed.
    pub blind: Option<Failure>,
    /// The digest of the spec, once it is deployed.
    pub spec_hash: Option<String>,
    /// The value of the resync annotation that was acted on.
    pub handled_resync: Option<String>,
}

/// The status that tells these facts, given what it told before.
pub fn compose(previous: &HelmRequestStatus, facts: &Facts, now: Timestamp) -> HelmRequestStatus {
    let mut status = previous.clone();
    status.phase = Some(phase(facts, previous));
    status.observed_generation = facts.generation;
    status.reason = match &facts.standing {
        Standing::Failed { failure, .. }
        | Standing::RolledBack(failure)
        | Standing::Away(failure)
        | Standing::Waiting(failure) => Some(failure.message.clone()),
        _ => None,
    };
    if let Some(deployed) = &facts.deployed {
        status.revision = Some(deployed.revision);
        if let Some(chart) = &deployed.chart {
            chart.tell(&mut status);
        }
        status.notes = deployed.notes.clone().or(status.notes);
    }
    status.history = facts.history.clone().unwrap_or(status.history);
    if !matches!(facts.standing, Standing::Away(_)) {
        status.objects = facts.objects.clone();
        let since = status.drift.take().and_then(|drift| drift.since).unwrap_or_else(|| Time(whole_seconds(now)));
        status.drift = facts.drift.clone().map(|drift| DriftStatus { since: Some(since), ..drift });
    }
    status.last_spec_hash = facts.spec_hash.clone().or(status.last_spec_hash);
    status.last_handled_resync = facts.handled_resync.clone().or(status.last_handled_resync);
    Conditions { list: &mut status.conditions, generation: facts.generation, now }.tell(facts);
    status
}

/// The status that tells that a cluster cannot be reached, given what it told before.
pub fn away(
    previous: &HelmRequestStatus,
    generation: Option<i64>,
    failure: Failure,
    now: Timestamp,
) -> HelmRequestStatus {
    let facts = Facts {
        generation,
        standing: Standing::Away(failure),
        deployed: None,
        tests: None,
        history: None,
        objects: None,
        drift: None,
        blind: None,
        spec_hash: None,
        handled_resync: None,
    };
    compose(previous, &facts, now)
}

/// Kubernetes writes times without fractions.
pub fn whole_seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(Timestamp::UNIX_EPOCH)
}

fn phase(facts: &Facts, previous: &HelmRequestStatus) -> Phase {
    match &facts.standing {
        Standing::Away(_) if is_deployed(facts, previous) => Phase::Synced,
        Standing::Away(_) => Phase::Failed,
        Standing::Suspended => previous.phase.unwrap_or(Phase::Pending),
        Standing::Working(_) | Standing::Waiting(_) => Phase::Pending,
        Standing::Failed { .. } | Standing::RolledBack(_) => Phase::Failed,
        Standing::Deployed => Phase::Synced,
    }
}

/// Whether the last thing that was told is that this generation is deployed.
fn is_deployed(facts: &Facts, previous: &HelmRequestStatus) -> bool {
    previous.phase == Some(Phase::Synced) && previous.observed_generation == facts.generation
}

/// The conditions of one status while they are being set.
struct Conditions<'a> {
    list: &'a mut Vec<Condition>,
    generation: Option<i64>,
    now: Timestamp,
}

impl Conditions<'_> {
    fn tell(&mut self, facts: &Facts) {
        if !matches!(facts.standing, Standing::Away(_)) {
            self.drifted(facts);
            self.tested(facts);
        }
        match &facts.standing {
            Standing::Suspended => {
                self.remove(ConditionType::Reconciling);
                self.remove(ConditionType::Stalled);
                let (ready, _, message) = health(facts);
                self.set(ConditionType::Ready, ready, Reason::Suspended, &format!("suspended; {message}"));
            }
            Standing::Working(what) => {
                self.set(ConditionType::Ready, ConditionStatus::False, Reason::Progressing, what);
                self.set(ConditionType::Reconciling, ConditionStatus::True, Reason::Progressing, what);
                self.remove(ConditionType::Stalled);
            }
            Standing::Waiting(failure) => {
                self.set(ConditionType::Ready, ConditionStatus::False, failure.reason, &failure.message);
                self.set(ConditionType::Reconciling, ConditionStatus::True, failure.reason, &failure.message);
                self.remove(ConditionType::Stalled);
            }
            Standing::Failed { failure, retry } => self.failed(failure, *retry),
            Standing::Away(failure) => self.away(failure),
            Standing::RolledBack(failure) => self.rolled_back(failure),
            Standing::Deployed => self.deployed(facts),
        }
    }

    fn failed(&mut self, failure: &Failure, retry: Option<Duration>) {
        let next = match retry {
            Some(pause) => format!("{}; next attempt in {}", failure.told(), rounded(pause)),
            None => failure.told(),
        };
        self.set(ConditionType::Ready, ConditionStatus::False, failure.reason, &next);
        self.set(ConditionType::Released, ConditionStatus::False, failure.reason, &failure.message);
        // kstatus: a request that only a change of its spec can cure is stalled, any other still reconciles.
        if failure.reason.stalls() || !failure.retries {
            self.set(ConditionType::Stalled, ConditionStatus::True, failure.reason, &failure.message);
            self.remove(ConditionType::Reconciling);
        } else {
            self.set(ConditionType::Reconciling, ConditionStatus::True, failure.reason, &failure.message);
            self.remove(ConditionType::Stalled);
        }
    }

    /// Nothing is known of the objects any more; all other conditions are as they were.
    fn away(&mut self, failure: &Failure) {
        self.set(ConditionType::Ready, ConditionStatus::Unknown, failure.reason, &failure.message);
        self.set(ConditionType::Reconciling, ConditionStatus::True, failure.reason, &failure.message);
        self.remove(ConditionType::Stalled);
    }

    fn rolled_back(&mut self, failure: &Failure) {
        self.set(ConditionType::Ready, ConditionStatus::False, failure.reason, &failure.message);
        self.set(ConditionType::Released, ConditionStatus::False, failure.reason, &failure.message);
        self.set(ConditionType::Stalled, ConditionStatus::True, failure.reason, &failure.message);
        self.remove(ConditionType::Reconciling);
    }

    fn tested(&mut self, facts: &Facts) {
        let told = conditions::find(self.list, ConditionType::TestSuccess);
        let told = told.filter(|told| told.reason == Reason::TestsFailed.as_str()).map(|told| told.message.clone());
        let (status, reason, message) = match &facts.tests {
            None => return self.remove(ConditionType::TestSuccess),
            Some(Tests::Due) => {
                let message = "the tests run once every object is healthy".to_owned();
                (ConditionStatus::Unknown, Reason::Progressing, message)
            }
            Some(Tests::Succeeded) => (ConditionStatus::True, Reason::TestsSucceeded, "no test failed".to_owned()),
            Some(Tests::Failed(why)) => {
                let why = why.clone().or(told).unwrap_or_else(|| "a test failed; helm status names it".to_owned());
                (ConditionStatus::False, Reason::TestsFailed, why)
            }
        };
        self.set(ConditionType::TestSuccess, status, reason, &message);
    }

    fn deployed(&mut self, facts: &Facts) {
        self.remove(ConditionType::Stalled);
        let revision = facts.deployed.as_ref().map_or(0, |deployed| deployed.revision);
        let released = format!("revision {revision} is deployed");
        self.set(ConditionType::Released, ConditionStatus::True, Reason::Released, &released);
        let (ready, reason, message) = health(facts);
        self.set(ConditionType::Ready, ready, reason, &message);
        match ready {
            ConditionStatus::True => self.remove(ConditionType::Reconciling),
            _ => self.set(ConditionType::Reconciling, ConditionStatus::True, reason, &message),
        }
    }

    fn drifted(&mut self, facts: &Facts) {
        match &facts.drift {
            Some(drift) => {
                let message = drift_message(drift);
                self.set(ConditionType::Drifted, ConditionStatus::True, Reason::Drifted, &message);
            }
            None if facts.deployed.is_some() => {
                let message = "every object is as it was deployed";
                self.set(ConditionType::Drifted, ConditionStatus::False, Reason::InSync, message);
            }
            None => self.remove(ConditionType::Drifted),
        }
    }

    fn set(&mut self, type_: ConditionType, status: ConditionStatus, reason: Reason, message: &str) {
        conditions::set(self.list, type_, status, reason, message, self.generation, self.now);
    }

    fn remove(&mut self, type_: ConditionType) {
        conditions::remove(self.list, type_);
    }
}

/// Whether everything is healthy and as deployed, and if not, what is not.
fn health(facts: &Facts) -> (ConditionStatus, Reason, String) {
    if let Some(drift) = &facts.drift {
        return (ConditionStatus::False, Reason::Drifted, drift_message(drift));
    }
    let Some(objects) = &facts.objects else {
        return (ConditionStatus::Unknown, Reason::Progressing, "nothing is known of the objects yet".to_owned());
    };
    if let Some(Failure { reason, message, .. }) = &facts.blind {
        let message = format!("{message}; until then it is not noticed what becomes of its objects");
        return (ConditionStatus::Unknown, *reason, message);
    }
    let ready = if objects.ready >= objects.total { ConditionStatus::True } else { ConditionStatus::False };
    let reason = if ready == ConditionStatus::True { Reason::Ready } else { Reason::NotReady };
    (ready, reason, readiness(objects))
}

/// How many objects are ready, and what holds up the worst of the others.
pub fn readiness(objects: &ObjectsStatus) -> String {
    let worst = objects.worst.first().map(|worst| {
        let why = worst.message.as_deref().unwrap_or(&worst.status);
        format!("; {} {}: {why}", worst.kind, worst.name)
    });
    format!("{} of {} objects are ready{}", objects.ready, objects.total, worst.unwrap_or_default())
}

fn drift_message(drift: &DriftStatus) -> String {
    let first = drift.objects.first().map(|object| {
        let fields = if object.fields.is_empty() { String::new() } else { format!(" {}", object.fields.join(", ")) };
        let who = object.manager.as_ref().map(|manager| format!(" by {manager}")).unwrap_or_default();
        let change = match object.change.unwrap_or_default() {
            crate::api::helm_request::DriftChange::Modified => "changed",
            crate::api::helm_request::DriftChange::Deleted => "deleted",
        };
        format!("; {} {}{fields} was {change}{who}", object.kind, object.name)
    });
    format!("{} objects differ from what was deployed{}", drift.total, first.unwrap_or_default())
}

fn rounded(pause: Duration) -> String {
    let seconds = pause.as_secs_f64().round().max(1.0) as u64;
    if seconds >= 120 { format!("{} minutes", seconds / 60) } else { format!("{seconds} s") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::helm_request::ObjectHealth;

    fn facts(standing: Standing) -> Facts {
        let chart = DeployedChart { version: "1.2.3".into(), ..DeployedChart::default() };
        Facts {
            generation: Some(2),
            standing,
            deployed: Some(Deployed { revision: 3, chart: Some(chart), notes: None }),
            tests: None,
            history: None,
            objects: Some(ObjectsStatus { ready: 2, total: 2, worst: vec![] }),
            drift: None,
            blind: None,
            spec_hash: None,
            handled_resync: None,
        }
    }

    fn told(facts: &Facts) -> HelmRequestStatus {
        compose(&HelmRequestStatus::default(), facts, Timestamp::UNIX_EPOCH)
    }

    fn condition(status: &HelmRequestStatus, type_: ConditionType) -> Option<(ConditionStatus, String)> {
        conditions::find(&status.conditions, type_).map(|found| (found.status, found.reason.clone()))
    }

    #[test]
    fn a_healthy_release_is_synced_and_ready_and_nothing_else() {
        let status = told(&facts(Standing::Deployed));
        assert_eq!(status.phase, Some(Phase::Synced));
        assert_eq!(condition(&status, ConditionType::Ready), Some((ConditionStatus::True, "Ready".into())));
        assert_eq!(condition(&status, ConditionType::Reconciling), None);
        assert_eq!(condition(&status, ConditionType::Stalled), None);
    }

    #[test]
    fn a_deployed_release_with_an_unhealthy_object_is_synced_and_not_ready() {
        let mut facts = facts(Standing::Deployed);
        let worst = ObjectHealth {
            kind: "Deployment".into(),
            name: "web".into(),
            status: "InProgress".into(),
            message: Some("1 of 2 pods are available".into()),
            ..ObjectHealth::default()
        };
        facts.objects = Some(ObjectsStatus { ready: 1, total: 2, worst: vec![worst] });
        let status = told(&facts);
        assert_eq!(status.phase, Some(Phase::Synced));
        let ready = conditions::find(&status.conditions, ConditionType::Ready).expect("a Ready condition");
        assert_eq!(ready.status, ConditionStatus::False);
        assert_eq!(ready.message, "1 of 2 objects are ready; Deployment web: 1 of 2 pods are available");
    }

    #[test]
    fn what_only_the_spec_cures_stalls_and_says_so() {
        let failure = Failure::new(Reason::SchemaViolation, "replicas: got string, want number");
        let status = told(&facts(Standing::Failed { failure, retry: None }));
        assert_eq!(status.phase, Some(Phase::Failed));
        assert_eq!(status.reason.as_deref(), Some("replicas: got string, want number"));
        assert!(conditions::is_true(&status.conditions, ConditionType::Stalled));
        assert_eq!(condition(&status, ConditionType::Reconciling), None);
    }

    #[test]
    fn what_time_cures_says_when_it_is_tried_again() {
        let failure = Failure::new(Reason::RepositoryUnreachable, "charts.example.com does not answer");
        let status = told(&facts(Standing::Failed { failure, retry: Some(Duration::from_millis(3_800)) }));
        let ready = conditions::find(&status.conditions, ConditionType::Ready).expect("a Ready condition");
        assert_eq!(ready.message, "charts.example.com does not answer; next attempt in 4 s");
        assert!(conditions::is_true(&status.conditions, ConditionType::Reconciling));
    }

    #[test]
    fn a_cluster_that_is_away_changes_nothing_of_what_is_deployed_there() {
        let deployed = told(&facts(Standing::Deployed));
        let failure = Failure::new(Reason::ClusterUnreachable, "cluster east does not answer");
        let away = Facts { objects: None, ..facts(Standing::Away(failure)) };
        let status = compose(&deployed, &away, Timestamp::MAX);
        assert_eq!((status.phase, &status.objects), (Some(Phase::Synced), &deployed.objects));
        let ready = condition(&status, ConditionType::Ready);
        assert_eq!(ready, Some((ConditionStatus::Unknown, "ClusterUnreachable".into())));
        let changed = Facts { generation: Some(3), ..away };
        assert_eq!(compose(&deployed, &changed, Timestamp::MAX).phase, Some(Phase::Failed));
    }

    #[test]
    fn drift_tells_since_when_until_it_ends() {
        let mut drifting = facts(Standing::Deployed);
        drifting.drift = Some(DriftStatus { total: 1, ..DriftStatus::default() });
        let first = told(&drifting);
        let since = |status: &HelmRequestStatus| status.drift.clone().and_then(|drift| drift.since);
        assert_eq!(since(&first), Some(Time(Timestamp::UNIX_EPOCH)));
        let later = compose(&first, &drifting, Timestamp::MAX);
        assert_eq!(later, first);
        assert_eq!(compose(&later, &facts(Standing::Deployed), Timestamp::MAX).drift, None);
    }

    #[test]
    fn the_same_facts_give_the_same_status() {
        let facts = facts(Standing::Deployed);
        let first = told(&facts);
        assert_eq!(compose(&first, &facts, Timestamp::MAX), first);
    }
}
