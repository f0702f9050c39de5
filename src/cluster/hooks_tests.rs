use serde_json::json;

use super::*;

fn hook(policies: &[&str]) -> Hook {
    Hook {
        kind: "Job".into(),
        delete_policies: policies.iter().map(|policy| (*policy).to_owned()).collect(),
        ..Hook::default()
    }
}

#[test]
fn without_a_policy_a_hook_is_deleted_before_it_is_created_again() {
    let plain = hook(&[]);
    let after = hook(&["hook-succeeded"]);
    assert!(DeletePolicy::BeforeHookCreation.applies_to(&plain));
    assert!(!DeletePolicy::HookSucceeded.applies_to(&plain));
    assert!(!DeletePolicy::BeforeHookCreation.applies_to(&after));
    assert!(DeletePolicy::HookSucceeded.applies_to(&after));
    let definition = Hook { kind: "CustomResourceDefinition".into(), ..plain };
    assert!(!DeletePolicy::BeforeHookCreation.applies_to(&definition));
}

#[test]
fn the_status_tells_how_far_a_hook_is() {
    let condition = |kind: &str, status: &str| json!({"status": {"conditions": [{"type": kind, "status": status, "reason": "BackoffLimitExceeded"}]}});
    let exited = json!({"status": {"phase": "Failed", "containerStatuses": [
        {"name": "main", "state": {"terminated": {"exitCode": 3}}},
    ]}});
    let table = [
        ("Job", json!({}), Progress::Running("running".into())),
        ("Job", condition("Complete", "True"), Progress::Succeeded),
        ("Job", condition("Failed", "True"), Progress::Failed("BackoffLimitExceeded".into())),
        ("Job", condition("Failed", "False"), Progress::Running("running".into())),
        ("Pod", json!({"status": {"phase": "Running"}}), Progress::Running("Running".into())),
        ("Pod", json!({"status": {"phase": "Succeeded"}}), Progress::Succeeded),
        ("Pod", exited, Progress::Failed("container \"main\" exited with code 3".into())),
    ];
    for (kind, live, expected) in table {
        assert_eq!(progress(kind, &live), expected, "{kind} {live}");
    }
}

#[test]
fn a_waiting_container_explains_a_pod() {
    let pod = json!({"metadata": {"name": "p"}, "status": {"phase": "Pending", "containerStatuses": [
        {"name": "main", "state": {"waiting": {"reason": "ImagePullBackOff", "message": "not found"}}},
    ]}});
    let expected = "container \"main\" of pod \"p\" waits: ImagePullBackOff: not found";
    assert_eq!(pod_state(&pod).as_deref(), Some(expected));
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
