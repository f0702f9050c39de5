//! Events about a request. An event that repeats is one object with a count, not one object a time, also where the
//! operator was started anew in between.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, MutexGuard, PoisonError};

use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::jiff::Timestamp;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
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

impl Note {
    /// The same, said of another cluster than the request's: the object that it concerns is there.
    #[must_use]
    pub fn of_cluster(&self, name: &str) -> Self {
        Self { text: format!("cluster {name}: {}", self.text), related: None, ..self.clone() }
    }
}

/// Publishes events.
pub struct Events {
    client: Client,
    instance: String,
    counts: Mutex<HashMap<Key, i32>>,
}

/// The identity of the object that an event is about, and the hash of what it tells.
type Key = (String, u64);

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
        let key = key(regarding, note);
        let (api, name) = (self.api(regarding), event_name(regarding, key.1));
        let count = self.count(key.clone());
        if count > 1 && count_up(&api, &name, count).await? {
            return Ok(());
        }
        let event = self.event(regarding, note, &name)?;
        match api.create(&PostParams::default(), &event).await {
            // Published before the operator was started anew.
            Err(kube::Error::Api(status)) if status.is_already_exists() => {
                let told = api.get_opt(&name).await?.map_or(0, |event| told(&event));
                self.set_count(key, told + 1);
                count_up(&api, &name, told + 1).await.map(drop)
            }
            created => created.map(drop),
        }
    }

    /// Takes back an event that was published last: what it tells has not come about.
    ///
    /// # Errors
    /// The API server refused.
    pub async fn take_back(&self, regarding: &ObjectReference, note: &Note) -> Result<(), kube::Error> {
        let key = key(regarding, note);
        let (api, name) = (self.api(regarding), event_name(regarding, key.1));
        let left = self.count(key.clone()) - 2;
        self.set_count(key, left);
        if left > 0 {
            return count_up(&api, &name, left).await.map(drop);
        }
        match api.delete(&name, &DeleteParams::default()).await {
            Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
            deleted => deleted.map(drop),
        }
    }

    fn api(&self, regarding: &ObjectReference) -> Api<Event> {
        let namespace = regarding.namespace.as_deref().unwrap_or("default");
        Api::namespaced(self.client.clone(), namespace)
    }

    fn count(&self, key: Key) -> i32 {
        let mut counts = self.counts();
        if counts.len() > REMEMBERED {
            counts.clear();
        }
        let count = counts.entry(key).or_insert(0);
        *count += 1;
        *count
    }

    fn set_count(&self, key: Key, count: i32) {
        self.counts().insert(key, count.max(0));
    }

    fn counts(&self) -> MutexGuard<'_, HashMap<Key, i32>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
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

fn key(regarding: &ObjectReference, note: &Note) -> Key {
    let mut hasher = DefaultHasher::new();
    note.hash(&mut hasher);
    (regarding.uid.clone().unwrap_or_default(), hasher.finish())
}

/// How often an event was published.
fn told(event: &Event) -> i32 {
    event.series.as_ref().map_or(1, |series| series.count)
}

/// Writes how often an event was published; tells whether it is there. It may have been cleaned up.
async fn count_up(api: &Api<Event>, name: &str, count: i32) -> Result<bool, kube::Error> {
    let series = json!({"series": {"count": count, "lastObservedTime": micro(Timestamp::now())}});
    match api.patch(name, &PatchParams::default(), &Patch::Merge(&series)).await {
        Ok(_) => Ok(true),
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(false),
        Err(error) => Err(error),
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
    use std::convert::Infallible;
    use std::sync::Arc;

    use http::{Method, Request, Response};
    use kube::client::Body;
    use serde_json::Value;
    use tower::service_fn;

    use super::*;

    /// An API server with one event, or none, that counts; gives what is written to it.
    fn server(present: Option<i32>) -> (Client, Arc<Mutex<Vec<String>>>) {
        let (state, written) = (Arc::new(Mutex::new(present)), Arc::new(Mutex::new(Vec::new())));
        let log = Arc::clone(&written);
        let client = Client::new(
            service_fn(move |request: Request<Body>| {
                let (state, log) = (Arc::clone(&state), Arc::clone(&log));
                async move {
                    let method = request.method().clone();
                    let sent = request.into_body().collect_bytes().await.unwrap_or_default();
                    let sent: Value = serde_json::from_slice(&sent).unwrap_or_default();
                    let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
                    let failure = |code: u16, reason: &str| {
                        let status = json!({"kind": "Status", "status": "Failure", "code": code, "reason": reason,
                            "message": "no"});
                        (code, status)
                    };
                    let event = |count: i32| {
                        json!({"eventTime": null, "metadata": {"name": "e"},
                        "series": {"count": count, "lastObservedTime": "2026-01-01T00:00:00.000000Z"}})
                    };
                    let (code, body) = match (method.clone(), *state) {
                        (Method::POST, Some(_)) => failure(409, "AlreadyExists"),
                        (Method::POST, None) => {
                            *state = Some(1);
                            (201, event(1))
                        }
                        (_, None) => failure(404, "NotFound"),
                        (Method::PATCH, Some(_)) => {
                            *state = sent["series"]["count"].as_i64().and_then(|count| count.try_into().ok());
                            (200, event(state.unwrap_or_default()))
                        }
                        (Method::DELETE, Some(_)) => {
                            *state = None;
                            (200, json!({"kind": "Status", "status": "Success"}))
                        }
                        (_, Some(count)) => (200, event(count)),
                    };
                    let told = format!("{method} {code} {}", state.map_or("-".to_owned(), |count| count.to_string()));
                    log.lock().unwrap_or_else(PoisonError::into_inner).push(told);
                    let answer = Response::builder().status(code).body(Body::from(body.to_string().into_bytes()));
                    Ok::<_, Infallible>(answer.expect("an answer"))
                }
            }),
            "default",
        );
        (client, written)
    }

    fn note(text: &str) -> Note {
        let (reason, action) = ("DriftRepaired".to_owned(), "Repair".to_owned());
        Note { event_type: EventType::Normal, reason, action, text: text.to_owned(), related: None }
    }

    #[tokio::test]
    async fn what_repeats_is_counted_across_starts_and_what_is_taken_back_is_gone() {
        let about = ObjectReference { name: Some("web".to_owned()), ..ObjectReference::default() };
        let (client, written) = server(Some(3));
        let events = Events::new(client, "a".to_owned());
        for _ in 0..2 {
            events.publish(&about, &note("again")).await.expect("an answer");
        }
        events.take_back(&about, &note("again")).await.expect("an answer");
        let log = std::mem::take(&mut *written.lock().expect("a log"));
        assert_eq!(log, ["POST 409 3", "GET 200 3", "PATCH 200 4", "PATCH 200 5", "PATCH 200 4"]);

        let (client, written) = server(None);
        let events = Events::new(client, "a".to_owned());
        events.publish(&about, &note("new")).await.expect("an answer");
        events.take_back(&about, &note("new")).await.expect("an answer");
        events.publish(&about, &note("new")).await.expect("an answer");
        let log = std::mem::take(&mut *written.lock().expect("a log"));
        assert_eq!(log, ["POST 201 1", "DELETE 200 -", "POST 201 1"]);
    }

    #[test]
    fn times_have_six_digits_after_the_second() {
        assert_eq!(micro(Timestamp::UNIX_EPOCH), "1970-01-01T00:00:00.000000Z");
    }
}
