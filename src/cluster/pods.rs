//! Pods: finding them, what each says about itself, and the end of its log.

use std::time::Duration;

use kube::api::ListParams;
use tokio::time::timeout;

use super::client::Cluster;
use super::discovery::Kind;
use super::health::{self, Verdict};
use super::request::core_kind;
use crate::value::Json;

/// How many lines of a log are read, and how many bytes at most.
const LOG_LINES: u32 = 20;
const LOG_BYTES: u32 = 16 << 10;
/// How long reading may take.
const READING: Duration = Duration::from_secs(10);
/// How many pods are looked at.
const LISTED: u32 = 500;

impl Cluster {
    /// The pods of a namespace that a selector finds, the newest first; none where they cannot be read.
    pub(super) async fn pods(&self, namespace: &str, parameters: ListParams) -> Vec<Json> {
        let request = self.collection(&kind(), namespace).list(&parameters.limit(LISTED));
        let listed = timeout(READING, self.call::<Json>(request)).await;
        let items = listed.ok().and_then(Result::ok).and_then(|mut list| list.get_mut("items").map(Json::take));
        let Some(Json::Array(mut pods)) = items else { return Vec::new() };
        pods.sort_by(|left, right| created(right).cmp(created(left)));
        pods
    }

    /// The last lines of a pod's log; empty where there is none to be had.
    pub(super) async fn log_of(&self, pod: &Json) -> Vec<String> {
        let Some(container) = container_to_blame(pod) else { return Vec::new() };
        let pods = self.collection(&kind(), text(pod, "/metadata/namespace"));
        let request = pods.log_tail(name(pod), container, LOG_LINES, LOG_BYTES);
        match timeout(READING, self.call_text(request)).await {
            Ok(Ok(text)) => text.lines().map(str::to_owned).collect(),
            _ => Vec::new(),
        }
    }
}

/// How a pod stands, in one line.
pub(super) fn state(pod: &Json) -> String {
    match health::pod(pod) {
        Verdict::InProgress(message) | Verdict::Failed(message) => format!("pod {:?}: {message}", name(pod)),
        _ => format!("pod {:?} is {}", name(pod), text(pod, "/status/phase")),
    }
}

/// Why a pod has failed; nothing for one that has not.
pub(super) fn failure(pod: &Json) -> Option<String> {
    (text(pod, "/status/phase") == "Failed").then(|| state(pod))
}

/// The name of a pod.
pub(super) fn name(pod: &Json) -> &str {
    text(pod, "/metadata/name")
}

fn kind() -> Kind {
    core_kind("Pod", "pods", true)
}

fn text<'a>(pod: &'a Json, pointer: &str) -> &'a str {
    pod.pointer(pointer).and_then(Json::as_str).unwrap_or_default()
}

fn created(pod: &Json) -> &str {
    text(pod, "/metadata/creationTimestamp")
}

/// The container whose log tells most: one that failed, else the first.
fn container_to_blame(pod: &Json) -> Option<&str> {
    let failed = health::container_statuses(pod).find(|container| {
        container.pointer("/state/terminated/exitCode").and_then(Json::as_i64).is_some_and(|code| code != 0)
    });
    failed
        .and_then(|container| container.get("name")?.as_str())
        .or_else(|| pod.pointer("/spec/containers/0/name")?.as_str())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_pod_says_what_it_waits_for_or_how_it_ended() {
        let pod = |status: Json| json!({"metadata": {"name": "p"}, "status": status});
        let waiting = json!({"waiting": {"reason": "ImagePullBackOff", "message": "not found"}});
        let ended = json!({"terminated": {"exitCode": 3, "reason": "Error"}});
        let unscheduled =
            json!({"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "no node"});
        let table = [
            (
                json!({"phase": "Pending", "containerStatuses": [{"name": "main", "state": waiting}]}),
                "pod \"p\": container main waits: ImagePullBackOff: not found",
            ),
            (
                json!({"phase": "Failed", "containerStatuses": [{"name": "main", "state": ended}]}),
                "pod \"p\": container main ended with exit code 3",
            ),
            (json!({"phase": "Pending", "conditions": [unscheduled]}), "pod \"p\": Unschedulable: no node"),
            (json!({"phase": "Succeeded"}), "pod \"p\" is Succeeded"),
        ];
        for (status, expected) in table {
            assert_eq!(state(&pod(status)), expected);
        }
        assert_eq!(failure(&pod(json!({"phase": "Running"}))), None);
    }

    #[test]
    fn the_log_is_read_from_the_container_that_failed() {
        let mut pod = json!({"spec": {"containers": [{"name": "first"}]}, "status": {}});
        assert_eq!(container_to_blame(&pod), Some("first"));
        pod["status"] = json!({"containerStatuses": [
            {"name": "first", "state": {"running": {}}}, {"name": "second", "state": {"terminated": {"exitCode": 1}}},
        ]});
        assert_eq!(container_to_blame(&pod), Some("second"));
    }
}
