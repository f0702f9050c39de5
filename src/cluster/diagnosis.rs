//! Why a workload is not healthy. Its own status counts pods; why they are missing is told by the pods themselves (an
//! image that cannot be pulled, no node, a crash) or by the warnings that others publish about them (a probe that
//! fails, a volume that cannot be mounted) or about the workload (a quota).
//!
//! Nothing of this is watched. It is read when somebody is to be told, with the rights of the request: the workload, one
//! list of its pods, one of events.

use std::time::Duration;

use kube::api::ListParams;
use tokio::time::timeout;

use super::client::Cluster;
use super::health::{is_telling, pod as judge};
use super::object::ObjectKey;
use super::pods;
use super::redact::redacted;
use super::request::core_kind;
use crate::value::Json;

/// How long finding out may take.
const LIMIT: Duration = Duration::from_secs(10);
/// The longest text that is told, in characters.
const LONGEST: usize = 300;
/// How many warnings are looked at.
const WARNINGS: u32 = 100;

/// Whether an object is one that pods are made for, or a pod.
pub fn runs_pods(object: &ObjectKey) -> bool {
    let ObjectKey { group, kind, .. } = object;
    matches!(
        (group.as_str(), kind.as_str()),
        ("apps", "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet")
            | ("batch", "Job")
            | ("", "ReplicationController" | "Pod")
    )
}

impl Cluster {
    /// Why an object is not healthy, beyond what its own status tells; nothing where no more is known or may be read.
    /// On one line, without values that the API server quotes. Takes three requests at most.
    pub async fn diagnose(&self, object: &ObjectKey) -> Option<String> {
        if !runs_pods(object) {
            return None;
        }
        let found = timeout(LIMIT, self.find_cause(object)).await.ok()??;
        Some(shortened(&redacted(&found)))
    }

    async fn find_cause(&self, object: &ObjectKey) -> Option<String> {
        let kind = self.discovery().resolve_any_version(&object.group, &object.kind).await.ok()??;
        let live: Json = self.call(self.collection(&kind, &object.namespace).get(&object.name)).await.ok()?;
        if object.kind == "Pod" {
            return self.newest_warning(&live).await;
        }
        let parameters = ListParams::default().labels(&selector(&live)?);
        let mut pods = self.pods(&object.namespace, parameters).await;
        pods.retain(|pod| belongs(pod, &live, object) && !judge(pod).is_current() && !is_leaving(pod));
        if let Some(pod) = pods.iter().find(|pod| is_telling(pod)) {
            return Some(pods::state(pod));
        }
        let Some(newest) = pods.first() else { return self.newest_warning(&live).await };
        let warning = self.newest_warning(newest).await;
        Some(warning.map_or_else(|| pods::state(newest), |warning| format!("pod {:?}: {warning}", pods::name(newest))))
    }

    /// The newest warning about an object.
    async fn newest_warning(&self, object: &Json) -> Option<String> {
        let (namespace, uid) = (text(object, "/metadata/namespace"), text(object, "/metadata/uid"));
        let fields = format!("involvedObject.uid={uid},type=Warning");
        let parameters = ListParams::default().fields(&fields).limit(WARNINGS);
        let request = self.collection(&core_kind("Event", "events", true), namespace).list(&parameters);
        let list: Json = self.call(request).await.ok()?;
        let events = list.get("items")?.as_array()?.iter();
        // A pod that has found its node had none before.
        let newest =
            events.filter(|event| text(event, "/reason") != "FailedScheduling").max_by_key(|event| seen(event))?;
        Some(format!("{}: {}", text(newest, "/reason"), text(newest, "/message")))
    }
}

/// When an event was last seen; writers use different fields for it.
fn seen(event: &Json) -> &str {
    let fields = ["/series/lastObservedTime", "/lastTimestamp", "/eventTime", "/metadata/creationTimestamp"];
    fields.into_iter().map(|field| text(event, field)).find(|time| !time.is_empty()).unwrap_or_default()
}

/// The selector of a workload as a list takes it; nothing where it would find every pod.
fn selector(workload: &Json) -> Option<String> {
    let selector = workload.pointer("/spec/selector")?;
    // A ReplicationController's is a plain map.
    let is_plain = text(workload, "/kind") == "ReplicationController";
    let labels = if is_plain { Some(selector) } else { selector.get("matchLabels") };
    let equal = labels.and_then(Json::as_object).into_iter().flatten();
    let mut terms: Vec<String> =
        equal.filter_map(|(name, value)| Some(format!("{name}={}", value.as_str()?))).collect();
    terms.extend(selector.get("matchExpressions").and_then(Json::as_array).into_iter().flatten().filter_map(term));
    (!terms.is_empty()).then(|| terms.join(","))
}

fn term(expression: &Json) -> Option<String> {
    let key = expression.get("key")?.as_str()?;
    let values = expression.get("values").and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str);
    let values = values.collect::<Vec<_>>().join(",");
    match expression.get("operator")?.as_str()? {
        "In" => Some(format!("{key} in ({values})")),
        "NotIn" => Some(format!("{key} notin ({values})")),
        "Exists" => Some(key.to_owned()),
        "DoesNotExist" => Some(format!("!{key}")),
        _ => None,
    }
}

/// Whether a pod was made for a workload; those of a Deployment are made by its replica sets.
fn belongs(pod: &Json, workload: &Json, object: &ObjectKey) -> bool {
    let owners = pod.pointer("/metadata/ownerReferences").and_then(Json::as_array).into_iter().flatten();
    let mut controllers = owners.filter(|owner| owner.get("controller").and_then(Json::as_bool) == Some(true));
    controllers.any(|owner| {
        let is_of_set = object.kind == "Deployment" && text(owner, "/kind") == "ReplicaSet";
        let set = text(owner, "/name").rsplit_once('-').map(|(deployment, _)| deployment);
        text(owner, "/uid") == text(workload, "/metadata/uid") || (is_of_set && set == Some(object.name.as_str()))
    })
}

fn is_leaving(pod: &Json) -> bool {
    !text(pod, "/metadata/deletionTimestamp").is_empty()
}

fn text<'a>(object: &'a Json, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Json::as_str).unwrap_or_default()
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_selector_is_written_as_a_list_takes_it() {
        let expressions = json!([
            {"key": "tier", "operator": "In", "values": ["a", "b"]}, {"key": "old", "operator": "DoesNotExist"},
            {"key": "track", "operator": "NotIn", "values": ["canary"]}, {"key": "app", "operator": "Exists"},
        ]);
        let table = [
            (json!({"spec": {"selector": {"matchLabels": {"app": "web"}}}}), Some("app=web")),
            (
                json!({"spec": {"selector": {"matchLabels": {"a": "b"}, "matchExpressions": expressions}}}),
                Some("a=b,tier in (a,b),!old,track notin (canary),app"),
            ),
            (json!({"kind": "ReplicationController", "spec": {"selector": {"app": "web"}}}), Some("app=web")),
            (json!({"spec": {"selector": {}}}), None),
            (json!({"spec": {}}), None),
        ];
        for (workload, expected) in table {
            assert_eq!(selector(&workload).as_deref(), expected, "{workload}");
        }
    }

    #[test]
    fn only_pods_that_were_made_for_a_workload_speak_for_it() {
        let of = |kind: &str, name: &str, uid: &str| json!({"metadata": {"ownerReferences": [{"controller": true, "kind": kind, "name": name, "uid": uid}]}});
        let (workload, key) = (json!({"metadata": {"uid": "1"}}), |kind: &str| ObjectKey {
            group: "apps".into(),
            kind: kind.into(),
            namespace: "shop".into(),
            name: "web".into(),
        });
        assert!(belongs(&of("StatefulSet", "web", "1"), &workload, &key("StatefulSet")));
        assert!(belongs(&of("ReplicaSet", "web-5d8f", "2"), &workload, &key("Deployment")));
        assert!(!belongs(&of("ReplicaSet", "web-api-5d8f", "2"), &workload, &key("Deployment")));
        assert!(!belongs(&of("ReplicaSet", "web-5d8f", "2"), &workload, &key("StatefulSet")));
        assert!(!belongs(&json!({}), &workload, &key("Deployment")));
    }

    #[test]
    fn the_newest_of_events_is_found_whatever_wrote_them() {
        let old = json!({"lastTimestamp": "2026-01-01T00:00:00Z", "eventTime": null});
        let new = json!({"eventTime": "2026-01-01T00:00:01.000000Z", "lastTimestamp": null});
        assert!(seen(&new) > seen(&old));
        assert_eq!(seen(&json!({})), "");
    }
}
