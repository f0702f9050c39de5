//! Events about a request. An event that repeats is one object with a count, not one object a time.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, PoisonError};

use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::jiff::Timestamp;
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::json;

use crate::value::message::shortened;

/// The longest note that the API server takes (`k8s.io/kubernetes/pkg/apis/core/validation/events.go`).
const LONGEST: usize = 1_024;
/// How many different events are remembered for counting; beyond it counting starts again.
const REMEMBERED: usize = 10_000;

/// Whether an event tells of trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventType {
    /// It went as wanted.
    Normal,
    /// It did not.
    Warning,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Note {
    /// Whether it is trouble.
    pub event_type: EventType,
    /// The stable word.
    pub reason: String,
    /// What the operator did or tried to do.
    pub action: String,
    /// The sentence.
    pub text: String,
    /// The object that it concerns besides the request.
    pub related: Option<Related>,
}

/// An object that an event concerns besides the request.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Related {
    /// Its API version.
    pub api_version: String,
    /// Its kind.
    pub kind: String,
    /// Its namespace, empty for none.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// Publishes events.
pub struct Events {
    client: Client,
    instance: String,
    counts: Mutex<HashMap<(String, u64), i32>>,
}

impl Events {
    /// Publishes in the name of this replica.
    pub fn new(client: Client, instance: String) -> Self {
        Self { client, instance, counts: Mutex::default() }
    }

    /// Publishes an event about an object, or counts one up that was published before.
    ///
    /// # Errors
    /// The API server refused it; nothing but the event is lost.
    pub async fn publish(&self, regarding: &ObjectReference, note: &Note) -> Result<(), kube::Error> {
        let mut hasher = DefaultHasher::new();
        note.hash(&mut hasher);
        let uid = regarding.uid.clone().unwrap_or_default();
        let key = (uid, hasher.finish());
        let namespace = regarding.namespace.clone().unwrap_or_else(|| "default".to_owned());
        let api: Api<Event> = Api::namespaced(self.client.clone(), &namespace);
        let name = event_name(regarding, key.1);
        let count = self.count(key);
        if count > 1 {
            let series = json!({"series": {"count": count, "lastObservedTime": micro(Timestamp::now())}});
            match api.patch(&name, &PatchParams::default(), &Patch::Merge(&series)).await {
                Ok(_) => return Ok(()),
                // It was cleaned up meanwhile: it is new again.
                Err(kube::Error::Api(status)) if status.is_not_found() => {}
                Err(error) => return Err(error),
            }
        }
        let event = self.event(regarding, note, &name)?;
        match api.create(&PostParams::default(), &event).await {
            Err(kube::Error::Api(status)) if status.is_already_exists() => Ok(()),
            created => created.map(drop),
        }
    }

    fn count(&self, key: (String, u64)) -> i32 {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.len() > REMEMBERED {
            counts.clear();
        }
        let count = counts.entry(key).or_insert(0);
        *count += 1;
        *count
    }

    fn event(&self, regarding: &ObjectReference, note: &Note, name: &str) -> Result<Event, kube::Error> {
        let related = note.related.as_ref().map(|related| {
            json!({
                "apiVersion": related.api_version, "kind": related.kind,
                "namespace": related.namespace, "name": related.name,
            })
        });
        let event = json!({
            "metadata": {"name": name},
            "eventTime": micro(Timestamp::now()),
            "reportingController": "coxswain.dev/controller",
            "reportingInstance": self.instance,
            "type": match note.event_type { EventType::Normal => "Normal", EventType::Warning => "Warning" },
            "reason": note.reason,
            "action": note.action,
            "note": shortened(&note.text, LONGEST),
            "regarding": regarding,
            "related": related,
        });
        serde_json::from_value(event).map_err(kube::Error::SerdeError)
    }
}

fn event_name(regarding: &ObjectReference, hash: u64) -> String {
    let mut name = regarding.name.clone().unwrap_or_default();
    name.truncate(230);
    format!("{}.{hash:016x}", name.trim_end_matches(['.', '-']))
}

/// Kubernetes' MicroTime: always six digits after the second.
fn micro(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_six_digits_after_the_second() {
        assert_eq!(micro(Timestamp::UNIX_EPOCH), "1970-01-01T00:00:00.000000Z");
    }
}
