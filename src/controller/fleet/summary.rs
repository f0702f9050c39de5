//! What a request tells that several clusters have, computed from what each of them tells. Pure: the same facts give the
//! same status.

use k8s_openapi::jiff::Timestamp;

use crate::api::conditions::{self, ConditionStatus, ConditionType};
use crate::api::helm_request::{
    ClusterEntry, DriftStatus, HelmRequestStatus, ObjectHealth, ObjectsStatus, Phase, SHOWN_OBJECTS,
};
use crate::api::{Condition, Reason};

/// How many clusters a message names.
const NAMED: usize = 3;

/// One of the clusters of a request.
#[derive(Clone, Debug)]
pub(super) struct Member {
    /// Its name.
    pub(super) name: String,
    /// What it tells.
    pub(super) status: HelmRequestStatus,
    /// Whether the request is for it; else its release is still there.
    pub(super) is_wanted: bool,
}

impl Member {
    fn is_ready(&self) -> bool {
        conditions::is_true(&self.status.conditions, ConditionType::Ready) && self.is_synced()
    }

    fn is_synced(&self) -> bool {
        self.status.phase == Some(Phase::Synced)
    }

    fn is_stalled(&self) -> bool {
        conditions::is_true(&self.status.conditions, ConditionType::Stalled)
    }

    /// Why it is ready, or not.
    fn told(&self) -> Option<&Condition> {
        conditions::find(&self.status.conditions, ConditionType::Ready)
    }

    fn entry(&self) -> ClusterEntry {
        let ready = self.told().filter(|_| !self.is_ready());
        ClusterEntry {
            name: self.name.clone(),
            phase: self.status.phase.or(Some(Phase::Pending)),
            ready: self.is_ready(),
            revision: self.status.revision,
            version: self.status.version.clone(),
            reason: ready.map(|ready| ready.reason.clone()),
            message: ready.map(|ready| ready.message.clone()),
            observed_generation: self.status.observed_generation,
        }
    }
}

/// The status of one cluster, as far as its entry tells it.
pub(super) fn status_of(entry: &ClusterEntry) -> HelmRequestStatus {
    let told = entry.reason.is_some() || entry.ready;
    let status = if entry.ready { ConditionStatus::True } else { ConditionStatus::Unknown };
    let ready = told.then(|| Condition {
        type_: ConditionType::Ready.as_str().to_owned(),
        status,
        reason: entry.reason.clone().unwrap_or_else(|| Reason::Ready.as_str().to_owned()),
        message: entry.message.clone().unwrap_or_default(),
        observed_generation: entry.observed_generation,
        ..Condition::default()
    });
    HelmRequestStatus {
        phase: entry.phase,
        revision: entry.revision,
        version: entry.version.clone(),
        observed_generation: entry.observed_generation,
        conditions: ready.into_iter().collect(),
        ..HelmRequestStatus::default()
    }
}

/// The status of the whole; `none` says why the request is for no cluster, where it is.
pub(super) fn summarize(
    previous: &HelmRequestStatus,
    generation: Option<i64>,
    members: &[Member],
    none: &str,
    now: Timestamp,
) -> HelmRequestStatus {
    let wanted: Vec<&Member> = members.iter().filter(|member| member.is_wanted).collect();
    let mut status = previous.clone();
    let synced: Vec<&&Member> = wanted.iter().filter(|member| member.is_synced()).collect();
    status.observed_generation = generation;
    status.phase = Some(phase(&wanted, synced.len()));
    status.synced_clusters = synced.iter().map(|member| member.name.clone()).collect();
    status.clusters = members.iter().map(Member::entry).collect();
    let newest = synced.first().map(|member| &member.status);
    status.version = newest.and_then(|status| status.version.clone()).or(status.version);
    status.chart_digest = newest.and_then(|status| status.chart_digest.clone()).or(status.chart_digest);
    status.chart_signed_by = newest.and_then(|status| status.chart_signed_by.clone()).or(status.chart_signed_by);
    status.notes = newest.and_then(|status| status.notes.clone()).or(status.notes);
    if synced.len() == wanted.len() {
        status.last_spec_hash = newest.and_then(|status| status.last_spec_hash.clone()).or(status.last_spec_hash);
        let handled = newest.and_then(|status| status.last_handled_resync.clone());
        status.last_handled_resync = handled.or(status.last_handled_resync);
    }
    status.objects = objects(members).or(status.objects);
    status.drift = drift(members);
    let failing: Vec<&Member> =
        wanted.iter().copied().filter(|member| member.status.phase == Some(Phase::Failed)).collect();
    status.reason = (!failing.is_empty()).then(|| named(&failing, |member| member.status.reason.clone()));
    tell(&mut status.conditions, &wanted, none, generation, now);
    status
}

fn phase(wanted: &[&Member], synced: usize) -> Phase {
    let has_failed = wanted.iter().any(|member| member.status.phase == Some(Phase::Failed));
    match (wanted.len(), synced) {
        (0, _) => Phase::Pending,
        (all, synced) if all == synced => Phase::Synced,
        (_, 0) if has_failed => Phase::Failed,
        (_, 0) => Phase::Pending,
        _ => Phase::PartialSynced,
    }
}

/// Whether it is ready, why not, and the sentence.
fn readiness(wanted: &[&Member], none: &str) -> (ConditionStatus, Reason, String) {
    let unready: Vec<&Member> = wanted.iter().copied().filter(|member| !member.is_ready()).collect();
    let counted = format!("{} of {} clusters are ready", wanted.len() - unready.len(), wanted.len());
    if wanted.is_empty() {
        return (ConditionStatus::False, Reason::ClusterNotFound, none.to_owned());
    }
    let Some(first) = unready.first() else { return (ConditionStatus::True, Reason::Ready, counted) };
    // A cluster where it has failed tells more than one where it goes on.
    let worst = unready.iter().find(|member| member.status.phase == Some(Phase::Failed)).unwrap_or(first);
    let reason = worst.told().and_then(|ready| Reason::named(&ready.reason)).unwrap_or(Reason::Progressing);
    let told = named(&unready, |member| member.told().map(|ready| ready.message.clone()));
    (ConditionStatus::False, reason, format!("{counted}; {told}"))
}

fn tell(list: &mut Vec<Condition>, wanted: &[&Member], none: &str, generation: Option<i64>, now: Timestamp) {
    let (ready, reason, message) = readiness(wanted, none);
    let stalls = wanted.iter().any(|member| !member.is_ready())
        && wanted.iter().all(|member| member.is_ready() || member.is_stalled());
    let released = wanted.iter().filter(|member| member.is_synced()).count();
    let (deployed, why) = match released == wanted.len() && released > 0 {
        true => (ConditionStatus::True, Reason::Released),
        false => (ConditionStatus::False, reason),
    };
    let told = format!("deployed in {released} of {} clusters", wanted.len());
    let mut set = |type_, status, reason, message: &str| {
        conditions::set(list, type_, status, reason, message, generation, now);
    };
    set(ConditionType::Ready, ready, reason, &message);
    set(ConditionType::Released, deployed, why, &told);
    match (ready, stalls) {
        (ConditionStatus::True, _) => {}
        (_, true) => set(ConditionType::Stalled, ConditionStatus::True, reason, &message),
        (_, false) => set(ConditionType::Reconciling, ConditionStatus::True, reason, &message),
    }
    if ready == ConditionStatus::True || stalls {
        conditions::remove(list, ConditionType::Reconciling);
    }
    if !stalls {
        conditions::remove(list, ConditionType::Stalled);
    }
}

/// The first few clusters with what each tells.
fn named(members: &[&Member], tells: impl Fn(&Member) -> Option<String>) -> String {
    let shown = members.iter().take(NAMED).map(|member| match tells(member) {
        Some(told) => format!("{}: {told}", member.name),
        None => format!("{}: not deployed yet", member.name),
    });
    let more = members.len().saturating_sub(NAMED);
    let more = (more > 0).then(|| format!("and {more} more"));
    shown.chain(more).collect::<Vec<_>>().join("; ")
}

/// The objects in all clusters; the worst are named with theirs.
fn objects(members: &[Member]) -> Option<ObjectsStatus> {
    let told: Vec<_> = members.iter().filter_map(|member| Some((member, member.status.objects.as_ref()?))).collect();
    let sum = |count: fn(&ObjectsStatus) -> i64| told.iter().map(|(_, objects)| count(objects)).sum();
    let worst = told.iter().flat_map(|(member, objects)| {
        objects.worst.iter().map(|worst| {
            let message = worst.message.as_deref().unwrap_or(&worst.status);
            let message = Some(format!("cluster {}: {message}", member.name));
            ObjectHealth { message, ..worst.clone() }
        })
    });
    let worst = worst.take(SHOWN_OBJECTS).collect();
    (!told.is_empty()).then(|| ObjectsStatus { ready: sum(|it| it.ready), total: sum(|it| it.total), worst })
}

fn drift(members: &[Member]) -> Option<DriftStatus> {
    let told: Vec<&DriftStatus> = members.iter().filter_map(|member| member.status.drift.as_ref()).collect();
    let since = told.iter().filter_map(|drift| drift.since.clone()).min();
    let objects = told.iter().flat_map(|drift| drift.objects.iter().cloned()).take(SHOWN_OBJECTS).collect();
    (!told.is_empty()).then(|| DriftStatus { total: told.iter().map(|drift| drift.total).sum(), since, objects })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(name: &str, phase: Phase, ready: bool, reason: &str) -> Member {
        let entry = ClusterEntry {
            name: name.into(),
            phase: Some(phase),
            ready,
            version: Some("1.0.0".into()),
            reason: Some(reason.to_owned()).filter(|_| !ready),
            message: Some(format!("{name} says why")).filter(|_| !ready),
            observed_generation: Some(2),
            ..ClusterEntry::default()
        };
        Member { name: name.into(), status: status_of(&entry), is_wanted: true }
    }

    fn told(members: &[Member]) -> HelmRequestStatus {
        summarize(&HelmRequestStatus::default(), Some(2), members, "no cluster is registered", Timestamp::UNIX_EPOCH)
    }

    fn ready(status: &HelmRequestStatus) -> (ConditionStatus, String, String) {
        let ready = conditions::find(&status.conditions, ConditionType::Ready).expect("a Ready condition");
        (ready.status, ready.reason.clone(), ready.message.clone())
    }

    #[test]
    fn it_is_synced_where_it_is_in_each_cluster_and_ready_where_it_is_in_each() {
        let status = told(&[member("east", Phase::Synced, true, ""), member("west", Phase::Synced, true, "")]);
        assert_eq!(
            (status.phase, status.synced_clusters.as_slice()),
            (Some(Phase::Synced), &["east", "west"].map(String::from)[..])
        );
        assert_eq!(ready(&status), (ConditionStatus::True, "Ready".into(), "2 of 2 clusters are ready".into()));
        assert!(conditions::is_true(&status.conditions, ConditionType::Released));
        let status = told(&[member("east", Phase::Synced, true, ""), member("west", Phase::Synced, false, "NotReady")]);
        assert_eq!(status.phase, Some(Phase::Synced));
        assert_eq!(ready(&status).1, "NotReady");
    }

    #[test]
    fn one_cluster_that_is_away_makes_it_partly_synced_and_is_named() {
        let away = member("west", Phase::Failed, false, "ClusterUnreachable");
        let status = told(&[member("east", Phase::Synced, true, ""), away.clone()]);
        assert_eq!(status.phase, Some(Phase::PartialSynced));
        assert_eq!(status.synced_clusters, ["east"]);
        let message = "1 of 2 clusters are ready; west: west says why".to_owned();
        assert_eq!(ready(&status), (ConditionStatus::False, "ClusterUnreachable".into(), message));
        assert_eq!(status.clusters[1].reason.as_deref(), Some("ClusterUnreachable"));
        assert!(conditions::is_true(&status.conditions, ConditionType::Reconciling));
        assert_eq!(told(&[away]).phase, Some(Phase::Failed));
    }

    #[test]
    fn without_any_cluster_nothing_is_synced_and_it_says_so() {
        let status = told(&[]);
        assert_eq!(status.phase, Some(Phase::Pending));
        assert_eq!(ready(&status).2, "no cluster is registered");
    }

    #[test]
    fn a_release_that_is_still_to_go_counts_for_nothing_but_is_listed() {
        let leaving = Member { is_wanted: false, ..member("west", Phase::Failed, false, "UninstallFailed") };
        let status = told(&[member("east", Phase::Synced, true, ""), leaving]);
        assert_eq!((status.phase, status.clusters.len()), (Some(Phase::Synced), 2));
        assert_eq!(ready(&status).0, ConditionStatus::True);
    }

    #[test]
    fn an_entry_tells_what_it_was_made_of() {
        for member in [member("east", Phase::Synced, true, ""), member("west", Phase::Failed, false, "Timeout")] {
            let again = Member { status: status_of(&member.entry()), ..member.clone() };
            assert_eq!(again.entry(), member.entry());
        }
    }

    #[test]
    fn the_same_facts_give_the_same_status() {
        let members = [member("east", Phase::Synced, true, ""), member("west", Phase::Failed, false, "Timeout")];
        let first = told(&members);
        assert_eq!(summarize(&first, Some(2), &members, "", Timestamp::MAX), first);
    }
}
