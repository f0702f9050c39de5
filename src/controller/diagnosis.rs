//! Why objects are not healthy, asked of the cluster now and then. That pods are missing is an event of the watches; why
//! they are is not, so it is asked for while a release is unhealthy: first when an object has stood the same for a
//! moment, because most of what is deployed is only starting, then after pauses that double.

use std::time::{Duration, Instant};

use super::context::{Context, owner};
use crate::api::HelmRequest;
use crate::api::helm_request::{ObjectHealth, ObjectsStatus};
use crate::cluster::observe::Standing;
use crate::cluster::{ObjectKey, runs_pods};

/// How long an object stands the same before it is asked about.
const FIRST: Duration = Duration::from_secs(5);
/// The longest pause until it is asked about again.
const LONGEST: Duration = Duration::from_secs(300);
/// About how many objects of a release is asked, the worst first.
const ASKED: usize = 3;

/// What is known about an unhealthy object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnosis {
    /// What its own status tells.
    standing: String,
    /// Since when.
    since: Instant,
    /// When it was asked about last.
    asked: Option<Instant>,
    /// What came out.
    cause: Option<String>,
}

impl Diagnosis {
    fn new(standing: &str) -> Self {
        Self { standing: standing.to_owned(), since: Instant::now(), asked: None, cause: None }
    }

    /// When to ask again.
    fn due(&self) -> Instant {
        match self.asked {
            None => self.since + FIRST,
            Some(asked) => asked + (asked - self.since).clamp(FIRST, LONGEST),
        }
    }
}

impl Context {
    /// Finds out why objects of a request are not healthy, where it is time to; gives how long it is until the next
    /// time.
    pub async fn diagnose(&self, request: &HelmRequest) -> Option<Duration> {
        let now = Instant::now();
        for object in self.undiagnosed(request, now) {
            self.ask(request, &object).await;
        }
        let next = self.recall(request, |memory| memory.diagnoses.values().map(Diagnosis::due).min())?;
        Some(next.saturating_duration_since(Instant::now()))
    }

    /// Finds out why the worst object of a request is not healthy.
    pub async fn diagnose_worst(&self, request: &HelmRequest) -> Option<String> {
        let (object, _) = self.unhealthy_workloads(request).into_iter().next()?;
        self.undiagnosed(request, Instant::now());
        self.ask(request, &object).await;
        self.recall(request, |memory| memory.diagnoses.get(&object)?.cause.clone())
    }

    /// The unhealthy objects that are to be asked about now. Those that are healthy or stand otherwise are forgotten.
    fn undiagnosed(&self, request: &HelmRequest, now: Instant) -> Vec<ObjectKey> {
        let unhealthy = self.unhealthy_workloads(request);
        self.with_memory(request, |memory| {
            let known = &mut memory.diagnoses;
            known.retain(|object, known| unhealthy.contains(&(object.clone(), known.standing.clone())));
            for (object, standing) in unhealthy {
                known.entry(object).or_insert_with(|| Diagnosis::new(&standing));
            }
            known.iter().filter(|(_, known)| known.due() <= now).map(|(object, _)| object.clone()).collect()
        })
    }

    async fn ask(&self, request: &HelmRequest, object: &ObjectKey) {
        let Ok(cluster) = self.cluster_of(request) else { return };
        let cause = cluster.diagnose(object).await;
        self.with_memory(request, |memory| {
            if let Some(known) = memory.diagnoses.get_mut(object) {
                (known.asked, known.cause) = (Some(Instant::now()), cause);
            }
        });
    }

    /// The first unhealthy objects that pods are made for, with what their status tells.
    fn unhealthy_workloads(&self, request: &HelmRequest) -> Vec<(ObjectKey, String)> {
        let unhealthy = self.observer.look_at_health(&owner(request)).unhealthy.into_iter();
        let told = unhealthy.filter_map(|(object, standing)| match &standing {
            Standing::Seen(verdict) if runs_pods(&object) => Some((object, verdict.message()?.to_owned())),
            _ => None,
        });
        told.take(ASKED).collect()
    }

    /// Adds what is known about why objects are not healthy to what their status tells. What this process has not asked
    /// about yet keeps the cause that was told last.
    pub fn explain(&self, request: &HelmRequest, objects: &mut ObjectsStatus) {
        if objects.worst.is_empty() {
            return;
        }
        let diagnoses = self.recall(request, |memory| memory.diagnoses.clone());
        let told = self.last_status(request).objects.unwrap_or_default().worst;
        for object in &mut objects.worst {
            let Some(standing) = object.message.take() else { continue };
            let known = diagnoses.iter().find(|(key, known)| is_about(object, key) && known.standing == standing);
            let cause = match known.map(|(_, known)| known) {
                Some(Diagnosis { asked: Some(_), cause, .. }) => cause.clone(),
                _ => told.iter().find_map(|told| told_cause(told, object, &standing)),
            };
            object.message = Some(cause.map_or_else(|| standing.clone(), |cause| format!("{standing}: {cause}")));
        }
    }
}

fn is_about(object: &ObjectHealth, key: &ObjectKey) -> bool {
    object.kind == key.kind
        && object.name == key.name
        && object.namespace.as_deref().unwrap_or_default() == key.namespace
}

/// The cause that a status tells of an object that stands the same.
fn told_cause(told: &ObjectHealth, object: &ObjectHealth, standing: &str) -> Option<String> {
    let is_same = (&told.kind, &told.name, &told.namespace) == (&object.kind, &object.name, &object.namespace);
    let message = told.message.as_deref().filter(|_| is_same)?;
    Some(message.strip_prefix(standing)?.strip_prefix(": ")?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pauses_double() {
        let mut known = Diagnosis::new("0 of 1 replicas are available");
        let since = known.since;
        assert_eq!(known.due() - since, FIRST);
        for (asked, due) in [(5, 10), (10, 20), (20, 40), (1_000, 1_300)] {
            known.asked = Some(since + Duration::from_secs(asked));
            assert_eq!(known.due() - since, Duration::from_secs(due));
        }
    }

    #[test]
    fn a_told_cause_counts_for_the_same_object_in_the_same_state() {
        let health = |name: &str, message: &str| ObjectHealth {
            kind: "Deployment".into(),
            name: name.into(),
            message: Some(message.into()),
            ..ObjectHealth::default()
        };
        let told = health("web", "0 of 1 replicas are ready: pod \"a\": no image");
        let cause = |name: &str, standing: &str| told_cause(&told, &health(name, standing), standing);
        assert_eq!(cause("web", "0 of 1 replicas are ready").as_deref(), Some("pod \"a\": no image"));
        assert_eq!(cause("web", "0 of 2 replicas are ready"), None);
        assert_eq!(cause("api", "0 of 1 replicas are ready"), None);
    }
}
