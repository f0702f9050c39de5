use super::*;
use serde_json::json;

/// An object with a spec and a status; `kind` is `group/Kind` or `Kind`.
fn object(kind: &str, spec: Value, status: Value) -> Value {
    let (api_version, kind) = match kind.split_once('/') {
        Some((group, kind)) => (format!("{group}/v1"), kind),
        None => ("v1".to_owned(), kind),
    };
    json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": "x"}, "spec": spec, "status": status})
}

/// Checks a table of spec, status and what is expected: "" for current, "!…" for failed, else in progress.
fn judge(kind: &str, table: &[(Value, Value, &str)]) {
    for (spec, status, expected) in table {
        let verdict = verdict(&object(kind, spec.clone(), status.clone()));
        let matches = match (&verdict, expected.strip_prefix('!')) {
            (Verdict::Current, None) => expected.is_empty(),
            (Verdict::Failed(why), Some(expected)) => why.contains(expected),
            (Verdict::InProgress(why), None) => !expected.is_empty() && why.contains(expected),
            _ => false,
        };
        assert!(matches, "{kind} {status}: {verdict:?}, expected {expected:?}");
    }
}

fn condition(type_: &str, status: &str, reason: &str, message: &str) -> Value {
    json!({"type": type_, "status": status, "reason": reason, "message": message})
}

#[test]
fn a_deployment_is_current_when_the_new_replicas_are_available_and_the_old_gone() {
    let done = json!([
        condition("Progressing", "True", "NewReplicaSetAvailable", ""),
        condition("Available", "True", "MinimumReplicasAvailable", ""),
    ]);
    let counts = |all: i64, updated: i64, available: i64, ready: i64, conditions: &Value| {
        json!({"replicas": all, "updatedReplicas": updated, "availableReplicas": available, "readyReplicas": ready,
            "conditions": conditions})
    };
    let two = json!({"replicas": 2, "progressDeadlineSeconds": 600});
    judge(
        "apps/Deployment",
        &[
            (two.clone(), counts(2, 2, 2, 2, &done), ""),
            (two.clone(), json!({}), "0 of 2 replicas are created"),
            (two.clone(), counts(2, 1, 2, 2, &done), "1 of 2 replicas are updated"),
            (two.clone(), counts(3, 2, 2, 3, &done), "1 old replicas are still to go"),
            (two.clone(), counts(2, 2, 1, 2, &done), "1 of 2 replicas are available"),
            (two.clone(), counts(2, 2, 2, 2, &json!([])), "new replica set is not available"),
            (
                two.clone(),
                counts(2, 2, 2, 2, &json!([condition("Progressing", "True", "NewReplicaSetAvailable", "")])),
                "availability",
            ),
            (
                two.clone(),
                json!({"conditions": [condition("Progressing", "False", "ProgressDeadlineExceeded", "too late")]}),
                "!ProgressDeadlineExceeded: too late",
            ),
            (
                two.clone(),
                json!({"conditions": [
                    condition("Progressing", "False", "ProgressDeadlineExceeded", "too late"),
                    condition("ReplicaFailure", "True", "FailedCreate", "exceeded quota: pods"),
                ]}),
                "!exceeded quota",
            ),
            (
                two.clone(),
                json!({"conditions": [condition("ReplicaFailure", "True", "FailedCreate", "exceeded quota: pods")]}),
                "0 of 2 replicas are created: FailedCreate: exceeded quota: pods",
            ),
            (json!({"replicas": 2, "paused": true}), json!({}), "paused by spec.paused"),
            (json!({"replicas": 0}), json!({"conditions": done}), ""),
            (json!({}), counts(1, 1, 1, 1, &done), ""),
        ],
    );
}

#[test]
fn a_stateful_set_follows_its_update_strategy() {
    let status = |all: i64, ready: i64, current: i64, updated: i64, revisions: (&str, &str)| {
        json!({"replicas": all, "readyReplicas": ready, "currentReplicas": current, "updatedReplicas": updated,
            "currentRevision": revisions.0, "updateRevision": revisions.1})
    };
    let partition = json!({"replicas": 3, "updateStrategy": {"rollingUpdate": {"partition": 1}}});
    judge(
        "apps/StatefulSet",
        &[
            (json!({"replicas": 2}), status(2, 2, 2, 0, ("a", "a")), ""),
            (json!({"replicas": 2}), status(1, 1, 1, 0, ("a", "a")), "1 of 2 replicas are created"),
            (json!({"replicas": 2}), status(2, 1, 2, 0, ("a", "a")), "1 of 2 replicas are ready"),
            (json!({"replicas": 1}), status(2, 2, 2, 0, ("a", "a")), "still to go"),
            (json!({"replicas": 2}), status(2, 2, 1, 1, ("a", "b")), "1 of 2 replicas are current"),
            (json!({"replicas": 2}), status(2, 2, 2, 2, ("a", "b")), "new revision"),
            (json!({"updateStrategy": {"type": "OnDelete"}}), json!({}), ""),
            (partition.clone(), status(3, 3, 1, 1, ("a", "b")), "1 of 2 replicas are updated"),
            (partition, status(3, 3, 1, 2, ("a", "b")), ""),
        ],
    );
}

#[test]
fn a_daemon_set_covers_its_nodes() {
    let status = |current: i64, updated: i64, available: i64, ready: i64| {
        json!({"observedGeneration": 1, "desiredNumberScheduled": 3, "currentNumberScheduled": current,
            "updatedNumberScheduled": updated, "numberAvailable": available, "numberReady": ready})
    };
    judge(
        "apps/DaemonSet",
        &[
            (json!({}), status(3, 3, 3, 3), ""),
            (json!({}), json!({}), "has not seen it yet"),
            (json!({}), status(2, 3, 3, 3), "scheduled on 2 of 3 nodes"),
            (json!({}), status(3, 2, 3, 3), "updated on 2 of 3 nodes"),
            (json!({}), status(3, 3, 2, 3), "available on 2 of 3 nodes"),
            (json!({}), status(3, 3, 3, 2), "ready on 2 of 3 nodes"),
            (json!({}), json!({"observedGeneration": 1, "desiredNumberScheduled": 0}), ""),
        ],
    );
}

#[test]
fn a_replica_set_says_why_it_makes_no_pods() {
    let failure = json!({"conditions": [condition("ReplicaFailure", "True", "FailedCreate", "forbidden")]});
    let good = json!({"replicas": 1, "fullyLabeledReplicas": 1, "availableReplicas": 1, "readyReplicas": 1});
    let table = [(json!({}), good, ""), (json!({}), failure, "0 of 1 replicas are created: FailedCreate: forbidden")];
    judge("apps/ReplicaSet", &table);
}

#[test]
fn a_job_is_healthy_while_it_runs_and_until_it_fails() {
    let started = json!({"startTime": "2026-01-01T00:00:00Z", "active": 1});
    let failed = json!({"conditions": [condition("Failed", "True", "BackoffLimitExceeded", "limit reached")]});
    let complete = json!({"conditions": [condition("Complete", "True", "", "")]});
    judge(
        "batch/Job",
        &[
            (json!({}), json!({}), "has not started"),
            (json!({"suspend": true}), json!({}), "suspended by spec.suspend"),
            (json!({}), started.clone(), ""),
            (json!({}), complete.clone(), ""),
            (json!({}), failed.clone(), "!BackoffLimitExceeded: limit reached"),
        ],
    );
    let completion = |status: Value| completion(&object("batch/Job", json!({}), status));
    assert_eq!(completion(started), Completion::Running);
    assert_eq!(completion(complete), Completion::Succeeded);
    assert_eq!(completion(failed), Completion::Failed("BackoffLimitExceeded: limit reached".into()));
    assert_eq!(super::completion(&object("ConfigMap", json!({}), json!({}))), Completion::Succeeded);
}

#[test]
fn a_pod_names_the_container_and_the_cause() {
    let waiting = |phase: &str, reason: &str, message: &str| {
        json!({"phase": phase, "containerStatuses": [
            {"name": "side", "state": {"running": {}}},
            {"name": "app", "state": {"waiting": {"reason": reason, "message": message}},
             "lastState": {"terminated": {"exitCode": 3}}},
        ]})
    };
    let ended = json!({"phase": "Failed", "containerStatuses": [
        {"name": "app", "state": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}},
    ]});
    judge(
        "Pod",
        &[
            (json!({}), json!({"phase": "Running", "conditions": [condition("Ready", "True", "", "")]}), ""),
            (json!({}), json!({"phase": "Succeeded"}), ""),
            (json!({}), json!({}), "not been seen"),
            (json!({}), json!({"phase": "Pending"}), "the pod is Pending"),
            (
                json!({}),
                waiting("Pending", "ImagePullBackOff", "no such image"),
                "app waits: ImagePullBackOff: no such",
            ),
            (json!({}), waiting("Running", "CrashLoopBackOff", "back-off"), "!app keeps crashing, last exit code 3"),
            (
                json!({}),
                json!({"phase": "Pending", "conditions": [
                    condition("PodScheduled", "False", "Unschedulable", "0/2 nodes are available"),
                ]}),
                "0/2 nodes are available",
            ),
            (json!({}), ended.clone(), "!container app ended with exit code 137 (OOMKilled)"),
            (
                json!({}),
                json!({"phase": "Failed", "reason": "Evicted", "message": "low on\n memory"}),
                "!low on memory",
            ),
            (
                json!({}),
                json!({"phase": "Running", "conditions": [condition("Ready", "False", "ContainersNotReady", "[app]")]}),
                "ContainersNotReady: [app]",
            ),
        ],
    );
    let failed = completion(&object("Pod", json!({}), ended));
    assert_eq!(failed, Completion::Failed("container app ended with exit code 137 (OOMKilled)".into()));
}

#[test]
fn claims_services_and_definitions_wait_for_what_they_need() {
    judge(
        "PersistentVolumeClaim",
        &[
            (json!({}), json!({"phase": "Bound"}), ""),
            (json!({}), json!({"phase": "Pending"}), "no volume"),
            (json!({}), json!({"phase": "Lost"}), "!lost"),
        ],
    );
    judge(
        "Service",
        &[
            (json!({}), json!({}), ""),
            (json!({"type": "LoadBalancer"}), json!({"loadBalancer": {}}), "no address"),
            (json!({"type": "LoadBalancer"}), json!({"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}), ""),
            (json!({"type": "LoadBalancer", "externalIPs": ["192.0.2.1"]}), json!({}), ""),
        ],
    );
    let conditions = |conditions: Value| json!({"conditions": conditions});
    judge(
        "apiextensions.k8s.io/CustomResourceDefinition",
        &[
            (json!({}), json!({}), "not established"),
            (json!({}), conditions(json!([condition("Established", "True", "", "")])), ""),
            (json!({}), conditions(json!([condition("Established", "False", "Installing", "")])), "not established"),
            (json!({}), conditions(json!([condition("NamesAccepted", "False", "Conflict", "taken")])), "!taken"),
        ],
    );
    judge(
        "apiregistration.k8s.io/APIService",
        &[
            (json!({}), conditions(json!([condition("Available", "True", "", "")])), ""),
            (json!({}), conditions(json!([condition("Available", "False", "MissingEndpoints", "none")])), "none"),
            (json!({}), json!({}), "nothing is known"),
        ],
    );
    judge("policy/PodDisruptionBudget", &[(json!({}), conditions(json!([condition("Ready", "False", "", "")])), "")]);
}

#[test]
fn any_kind_with_standard_conditions_is_understood() {
    let with = |conditions: Value| json!({"conditions": conditions});
    judge(
        "example.com/Widget",
        &[
            (json!({}), json!({}), ""),
            (json!({}), with(json!([condition("Ready", "True", "", "")])), ""),
            (json!({}), with(json!([condition("Ready", "False", "Waiting", "for rain")])), "Waiting: for rain"),
            (json!({}), with(json!([condition("Ready", "Unknown", "", "")])), "Ready is Unknown"),
            (json!({}), with(json!([condition("Reconciling", "True", "Working", "")])), "Working"),
            (json!({}), with(json!([condition("Stalled", "True", "Broken", "badly")])), "!Broken: badly"),
            (
                json!({}),
                with(json!([condition("Reconciling", "False", "", ""), condition("Ready", "True", "", "")])),
                "",
            ),
        ],
    );
}

#[test]
fn a_generation_that_was_not_seen_is_progress() {
    let mut deployment = object("apps/Deployment", json!({"replicas": 0}), json!({"observedGeneration": 1}));
    deployment["metadata"]["generation"] = json!(2);
    let Verdict::InProgress(why) = verdict(&deployment) else { panic!("in progress") };
    assert_eq!(why, "its controller has seen generation 1, the object has 2");
}

#[test]
fn what_is_deleted_terminates_and_what_is_no_object_is_unknown() {
    let mut claim = object("PersistentVolumeClaim", json!({}), json!({"phase": "Bound"}));
    claim["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    assert_eq!(verdict(&claim), Verdict::Terminating);
    assert_eq!(verdict(&json!("text")), Verdict::Unknown);
}
