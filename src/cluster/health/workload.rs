//! The rules for what runs pods.

use serde_json::Value;

use super::{Completion, Verdict, condition, explain, is_true, number, text};

/// `have` of `want` replicas are something that all should be.
fn counted(what: &str, have: i64, want: i64) -> Option<Verdict> {
    (have < want).then(|| Verdict::in_progress(format!("{have} of {want} replicas are {what}")))
}

fn surplus(have: i64, want: i64) -> Option<Verdict> {
    (have > want).then(|| Verdict::in_progress(format!("{} old replicas are still to go", have - want)))
}

fn status(object: &Value, field: &str) -> i64 {
    number(object, &format!("/status/{field}")).unwrap_or(0)
}

fn wanted(object: &Value) -> i64 {
    number(object, "/spec/replicas").unwrap_or(1)
}

/// Adds the reason why pods cannot be made, which a controller tells in a condition.
fn with_failure(verdict: Verdict, object: &Value) -> Verdict {
    let failure = condition(object, "ReplicaFailure").filter(|condition| is_true(condition)).map(explain);
    match (verdict, failure) {
        (Verdict::InProgress(message), Some(failure)) => Verdict::InProgress(format!("{message}: {failure}")),
        (verdict, _) => verdict,
    }
}

pub(super) fn deployment(object: &Value) -> Verdict {
    let progressing = condition(object, "Progressing");
    if let Some(late) = progressing.filter(|condition| text(condition, "/reason") == "ProgressDeadlineExceeded") {
        let failure = condition(object, "ReplicaFailure").filter(|condition| is_true(condition)).map(explain);
        return Verdict::Failed(failure.unwrap_or_else(|| explain(late)));
    }
    let wanted = wanted(object);
    let (all, updated) = (status(object, "replicas"), status(object, "updatedReplicas"));
    let missing = counted("created", all, wanted)
        .or_else(|| counted("updated", updated, wanted))
        .or_else(|| surplus(all, wanted))
        .or_else(|| counted("available", status(object, "availableReplicas"), updated))
        .or_else(|| counted("ready", status(object, "readyReplicas"), wanted));
    if let Some(missing) = missing {
        return with_failure(paused(missing, object), object);
    }
    // Without a deadline the controller does not tell progress. 2^31-1 is its way to say "no deadline"
    // (kubernetes pkg/controller/deployment/util, HasProgressDeadline).
    let deadline = number(object, "/spec/progressDeadlineSeconds").filter(|&seconds| seconds != i64::from(i32::MAX));
    let complete = progressing
        .is_some_and(|condition| is_true(condition) && text(condition, "/reason") == "NewReplicaSetAvailable");
    if deadline.is_some() && !complete {
        return paused(Verdict::in_progress("the new replica set is not available yet"), object);
    }
    match condition(object, "Available") {
        Some(available) if is_true(available) => Verdict::Current,
        Some(available) => Verdict::InProgress(explain(available)),
        None => Verdict::in_progress("nothing is known about its availability yet"),
    }
}

fn paused(verdict: Verdict, object: &Value) -> Verdict {
    match verdict {
        Verdict::InProgress(message) if object.pointer("/spec/paused") == Some(&Value::Bool(true)) => {
            Verdict::InProgress(format!("{message}; the rollout is paused by spec.paused"))
        }
        verdict => verdict,
    }
}

pub(super) fn stateful_set(object: &Value) -> Verdict {
    if text(object, "/spec/updateStrategy/type") == "OnDelete" {
        return Verdict::Current;
    }
    let wanted = wanted(object);
    let (all, updated) = (status(object, "replicas"), status(object, "updatedReplicas"));
    let missing = counted("created", all, wanted)
        .or_else(|| counted("ready", status(object, "readyReplicas"), wanted))
        .or_else(|| surplus(all, wanted));
    if let Some(missing) = missing {
        return missing;
    }
    if let Some(partition) = number(object, "/spec/updateStrategy/rollingUpdate/partition") {
        return counted("updated", updated, wanted - partition).unwrap_or(Verdict::Current);
    }
    if let Some(missing) = counted("current", status(object, "currentReplicas"), wanted) {
        return missing;
    }
    if text(object, "/status/currentRevision") != text(object, "/status/updateRevision") {
        return Verdict::in_progress("the new revision has not become the current one yet");
    }
    Verdict::Current
}

pub(super) fn daemon_set(object: &Value) -> Verdict {
    // Other kinds may leave the generation out; a DaemonSet's controller never does (kstatus checkGenerationSet).
    let wanted = number(object, "/status/observedGeneration").and(number(object, "/status/desiredNumberScheduled"));
    let Some(wanted) = wanted else {
        return Verdict::in_progress("its controller has not seen it yet");
    };
    let missing = |what: &str, field: &str| {
        let have = status(object, field);
        (have < wanted).then(|| Verdict::in_progress(format!("{what} on {have} of {wanted} nodes")))
    };
    missing("scheduled", "currentNumberScheduled")
        .or_else(|| missing("updated", "updatedNumberScheduled"))
        .or_else(|| missing("available", "numberAvailable"))
        .or_else(|| missing("ready", "numberReady"))
        .unwrap_or(Verdict::Current)
}

pub(super) fn replica_set(object: &Value) -> Verdict {
    let wanted = wanted(object);
    let verdict = counted("created", status(object, "replicas"), wanted)
        .or_else(|| counted("labelled", status(object, "fullyLabeledReplicas"), wanted))
        .or_else(|| counted("available", status(object, "availableReplicas"), wanted))
        .or_else(|| counted("ready", status(object, "readyReplicas"), wanted))
        .or_else(|| surplus(status(object, "replicas"), wanted))
        .unwrap_or(Verdict::Current);
    with_failure(verdict, object)
}

/// A Job is healthy while it runs; whether it is done is [`job_completion`].
pub(super) fn job(object: &Value) -> Verdict {
    match job_completion(object) {
        Completion::Succeeded => Verdict::Current,
        Completion::Failed(why) => Verdict::Failed(why),
        Completion::Running if text(object, "/status/startTime").is_empty() => {
            let suspended = object.pointer("/spec/suspend") == Some(&Value::Bool(true));
            Verdict::in_progress(if suspended {
                "the job is suspended by spec.suspend"
            } else {
                "the job has not started"
            })
        }
        Completion::Running => Verdict::Current,
    }
}

pub(super) fn job_completion(object: &Value) -> Completion {
    let holds = |type_| condition(object, type_).filter(|condition| is_true(condition));
    // `FailureTarget` and `SuccessCriteriaMet` come first and tell the end before the last pods are gone.
    if let Some(failed) = holds("Failed").or_else(|| holds("FailureTarget")) {
        Completion::Failed(explain(failed))
    } else if holds("Complete").is_some() {
        Completion::Succeeded
    } else {
        Completion::Running
    }
}

pub(super) fn pod(object: &Value) -> Verdict {
    match text(object, "/status/phase") {
        "Succeeded" => Verdict::Current,
        "Failed" => Verdict::Failed(pod_failure(object)),
        "Running" => running_pod(object),
        "" => Verdict::in_progress("the pod has not been seen by a node yet"),
        phase => Verdict::InProgress(pending_pod(object).unwrap_or_else(|| format!("the pod is {phase}"))),
    }
}

fn running_pod(object: &Value) -> Verdict {
    if condition(object, "Ready").is_some_and(is_true) {
        return Verdict::Current;
    }
    match waiting_container(object) {
        Some((container, "CrashLoopBackOff", _)) => {
            let last = container.pointer("/lastState/terminated/exitCode").and_then(Value::as_i64);
            let code = last.map(|code| format!(", last exit code {code}")).unwrap_or_default();
            Verdict::Failed(format!("container {} keeps crashing{code}", text(container, "/name")))
        }
        Some((container, reason, message)) => Verdict::InProgress(waits(container, reason, message)),
        None => Verdict::InProgress(match condition(object, "Ready") {
            Some(ready) if !text(ready, "/message").is_empty() => explain(ready),
            _ => "the pod runs but is not ready".to_owned(),
        }),
    }
}

/// Why a pod that is not running yet waits: no node, or a container that cannot start.
fn pending_pod(object: &Value) -> Option<String> {
    let unscheduled = condition(object, "PodScheduled").filter(|condition| text(condition, "/status") == "False");
    let waiting = || waiting_container(object).map(|(container, reason, message)| waits(container, reason, message));
    unscheduled.map(explain).or_else(waiting)
}

fn waits(container: &Value, reason: &str, message: &str) -> String {
    let colon = if message.is_empty() { "" } else { ": " };
    format!("container {} waits: {reason}{colon}{message}", text(container, "/name"))
}

/// The first container that waits, with reason and message; init containers first, as they run first.
pub(super) fn waiting_container(object: &Value) -> Option<(&Value, &str, &str)> {
    container_statuses(object).find_map(|container| {
        let waiting = container.pointer("/state/waiting")?;
        let reason = text(waiting, "/reason");
        (!reason.is_empty()).then(|| (container, reason, text(waiting, "/message")))
    })
}

/// The states of a pod's containers, init containers first.
pub(in crate::cluster) fn container_statuses(object: &Value) -> impl Iterator<Item = &Value> {
    ["/status/initContainerStatuses", "/status/containerStatuses"]
        .into_iter()
        .filter_map(|pointer| object.pointer(pointer).and_then(Value::as_array))
        .flatten()
}

/// Why a pod has failed: what the node says, else the first container with an exit code.
pub(super) fn pod_failure(object: &Value) -> String {
    let said = text(object, "/status/message");
    if !said.is_empty() {
        return said.split_whitespace().collect::<Vec<_>>().join(" ");
    }
    let ended = container_statuses(object).find_map(|container| {
        let terminated = container.pointer("/state/terminated")?;
        let code = number(terminated, "/exitCode").filter(|&code| code != 0)?;
        let reason = Some(text(terminated, "/reason")).filter(|reason| !reason.is_empty() && *reason != "Error");
        let reason = reason.map(|reason| format!(" ({reason})")).unwrap_or_default();
        Some(format!("container {} ended with exit code {code}{reason}", text(container, "/name")))
    });
    let reason = text(object, "/status/reason");
    ended.unwrap_or_else(|| if reason.is_empty() { "the pod has failed".to_owned() } else { reason.to_owned() })
}
