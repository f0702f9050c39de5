//! Whether an object has come to be what it is declared to be.
//!
//! The rules are kstatus's (cli-utils pkg/kstatus/status), the ones behind `helm --wait`: first what every object can
//! say (it is being deleted, its controller has not seen it yet, `Reconciling`, `Stalled`), then what its kind says,
//! then its `Ready` condition, and an object that says nothing is healthy. Three rules are stricter, because people
//! ask whether the release works: a failed Pod has failed, a load balancer needs an address, and an API service has
//! to answer. None needs a clock or a second object, so a verdict changes only when the object does.

mod workload;

use serde_json::Value;

pub(super) use self::workload::container_statuses;

/// The members of `spec` that the rules read, for those who keep no more of an object than they must. Of `metadata`
/// they read `generation` and `deletionTimestamp`, of `status` anything.
pub const SPEC_FIELDS: [&str; 7] =
    ["replicas", "paused", "progressDeadlineSeconds", "updateStrategy", "type", "externalIPs", "suspend"];

/// What an object's own status says about it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// It is as declared and works.
    Current,
    /// It is on its way; the text says what is missing.
    InProgress(String),
    /// It will not get there by waiting; the text says why.
    Failed(String),
    /// It is being deleted.
    Terminating,
    /// Its status cannot be read.
    Unknown,
}

impl Verdict {
    /// kstatus's word for it.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Current => "Current",
            Self::InProgress(_) => "InProgress",
            Self::Failed(_) => "Failed",
            Self::Terminating => "Terminating",
            Self::Unknown => "Unknown",
        }
    }

    /// Whether the object is healthy.
    pub const fn is_current(&self) -> bool {
        matches!(self, Self::Current)
    }

    /// Why it is not healthy.
    pub fn message(&self) -> Option<&str> {
        match self {
            Self::InProgress(message) | Self::Failed(message) => Some(message),
            Self::Current | Self::Terminating | Self::Unknown => None,
        }
    }

    fn in_progress(message: impl Into<String>) -> Self {
        Self::InProgress(message.into())
    }

    fn failed(message: impl Into<String>) -> Self {
        Self::Failed(message.into())
    }
}

/// What became of something that runs once: a Job or a Pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Completion {
    /// It is still to run or running.
    Running,
    /// It ended well.
    Succeeded,
    /// It ended badly; the text says why.
    Failed(String),
}

/// Judges an object as the API server returns it.
pub fn verdict(object: &Value) -> Verdict {
    if !object.is_object() {
        return Verdict::Unknown;
    }
    if object.pointer("/metadata/deletionTimestamp").is_some_and(|time| !time.is_null()) {
        return Verdict::Terminating;
    }
    general(object).or_else(|| by_kind(object)).unwrap_or_else(|| by_ready_condition(object))
}

/// What became of a Job or Pod; other kinds are done as soon as they are there.
pub fn completion(object: &Value) -> Completion {
    match (group(object), text(object, "/kind")) {
        ("batch", "Job") => workload::job_completion(object),
        ("", "Pod") => match text(object, "/status/phase") {
            "Succeeded" => Completion::Succeeded,
            "Failed" => Completion::Failed(workload::pod_failure(object)),
            _ => Completion::Running,
        },
        _ => Completion::Succeeded,
    }
}

/// Judges a pod as it stands in a list, where its kind is not told.
pub(super) fn pod(pod: &Value) -> Verdict {
    workload::pod(pod)
}

/// Whether a pod that is not ready tells the cause itself: no node takes it, or a container cannot start or has failed.
/// One that is only being made, or whose containers run, does not.
pub(super) fn is_telling(pod: &Value) -> bool {
    let starts = |reason: &str| matches!(reason, "ContainerCreating" | "PodInitializing");
    let is_unscheduled = condition(pod, "PodScheduled").is_some_and(is_false);
    let is_stuck = workload::waiting_container(pod).is_some_and(|(_, reason, _)| !starts(reason));
    is_unscheduled || is_stuck || text(pod, "/status/phase") == "Failed"
}

/// What every object can say: its generation and the conditions that kstatus asks controllers to set.
fn general(object: &Value) -> Option<Verdict> {
    let generation = object.pointer("/metadata/generation").and_then(Value::as_i64);
    let observed = object.pointer("/status/observedGeneration").and_then(Value::as_i64);
    if let (Some(generation), Some(observed)) = (generation, observed)
        && generation != observed
    {
        return Some(Verdict::in_progress(format!(
            "its controller has seen generation {observed}, the object has {generation}"
        )));
    }
    if let Some(condition) = condition(object, "Stalled").filter(|condition| is_true(condition)) {
        return Some(Verdict::Failed(explain(condition)));
    }
    let reconciling = condition(object, "Reconciling").filter(|condition| is_true(condition))?;
    Some(Verdict::InProgress(explain(reconciling)))
}

/// The rule of a kind, if it has one.
fn by_kind(object: &Value) -> Option<Verdict> {
    Some(match (group(object), text(object, "/kind")) {
        ("apps" | "extensions", "Deployment") => workload::deployment(object),
        ("apps" | "extensions", "DaemonSet") => workload::daemon_set(object),
        ("apps" | "extensions", "ReplicaSet") | ("", "ReplicationController") => workload::replica_set(object),
        ("apps", "StatefulSet") => workload::stateful_set(object),
        ("batch", "Job") => workload::job(object),
        ("", "Pod") => workload::pod(object),
        ("", "PersistentVolumeClaim") => volume_claim(object),
        ("", "Service") => service(object),
        ("apiextensions.k8s.io", "CustomResourceDefinition") => definition(object),
        ("apiregistration.k8s.io", "APIService") => api_service(object),
        // These say nothing about health, or say it in conditions that do not mean it.
        ("", "ConfigMap" | "Secret") | ("batch", "CronJob") | ("policy", "PodDisruptionBudget") => Verdict::Current,
        _ => return None,
    })
}

/// The rule for all other kinds: `Ready` if it is there, else the object is fine as it is.
fn by_ready_condition(object: &Value) -> Verdict {
    match condition(object, "Ready") {
        Some(ready) if !is_true(ready) => Verdict::InProgress(explain(ready)),
        _ => Verdict::Current,
    }
}

fn volume_claim(object: &Value) -> Verdict {
    match text(object, "/status/phase") {
        "Bound" => Verdict::Current,
        "Lost" => Verdict::failed("its volume is lost"),
        _ => Verdict::in_progress("no volume is bound to it yet"),
    }
}

fn service(object: &Value) -> Verdict {
    if text(object, "/spec/type") != "LoadBalancer" {
        return Verdict::Current;
    }
    let is_filled = |pointer| object.pointer(pointer).and_then(Value::as_array).is_some_and(|list| !list.is_empty());
    if is_filled("/status/loadBalancer/ingress") || is_filled("/spec/externalIPs") {
        Verdict::Current
    } else {
        Verdict::in_progress("the load balancer has no address yet")
    }
}

fn definition(object: &Value) -> Verdict {
    if let Some(names) = condition(object, "NamesAccepted").filter(|condition| is_false(condition)) {
        return Verdict::Failed(explain(names));
    }
    match condition(object, "Established") {
        Some(established) if is_true(established) => Verdict::Current,
        Some(established) if is_false(established) && text(established, "/reason") != "Installing" => {
            Verdict::Failed(explain(established))
        }
        _ => Verdict::in_progress("the definition is not established yet"),
    }
}

fn api_service(object: &Value) -> Verdict {
    match condition(object, "Available") {
        Some(available) if is_true(available) => Verdict::Current,
        Some(available) => Verdict::InProgress(explain(available)),
        None => Verdict::in_progress("nothing is known about its availability yet"),
    }
}

/// The API group of the object, empty for the core group.
fn group(object: &Value) -> &str {
    text(object, "/apiVersion").split_once('/').map_or("", |(group, _)| group)
}

/// The text at a JSON pointer, empty if there is none.
fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The number at a JSON pointer.
fn number(object: &Value, pointer: &str) -> Option<i64> {
    object.pointer(pointer).and_then(Value::as_i64)
}

/// The condition of a type in `status.conditions`.
fn condition<'a>(object: &'a Value, type_: &str) -> Option<&'a Value> {
    let conditions = object.pointer("/status/conditions").and_then(Value::as_array)?;
    conditions.iter().find(|condition| text(condition, "/type") == type_)
}

fn is_true(condition: &Value) -> bool {
    text(condition, "/status") == "True"
}

fn is_false(condition: &Value) -> bool {
    text(condition, "/status") == "False"
}

/// What a condition says, in one line: its message, else its reason.
fn explain(condition: &Value) -> String {
    let words = |pointer| text(condition, pointer).split_whitespace().collect::<Vec<_>>().join(" ");
    match (words("/reason"), words("/message")) {
        (reason, message) if message.is_empty() && reason.is_empty() => {
            format!("its condition {} is {}", text(condition, "/type"), text(condition, "/status"))
        }
        (reason, message) if message.is_empty() => reason,
        (reason, message) if reason.is_empty() => message,
        (reason, message) => format!("{reason}: {message}"),
    }
}

#[cfg(test)]
mod tests;
