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
    let exited = json!({"metadata": {"name": "p"}, "status": {"phase": "Failed", "containerStatuses": [
        {"name": "main", "state": {"terminated": {"exitCode": 3}}},
    ]}});
    let table = [
        ("Job", json!({}), Progress::Running("running".into())),
        ("Job", condition("Complete", "True"), Progress::Succeeded),
        ("Job", condition("Failed", "True"), Progress::Failed("BackoffLimitExceeded".into())),
        ("Job", condition("Failed", "False"), Progress::Running("running".into())),
        ("Pod", json!({"status": {"phase": "Running"}}), Progress::Running("Running".into())),
        ("Pod", json!({"status": {"phase": "Succeeded"}}), Progress::Succeeded),
        ("Pod", exited, Progress::Failed("pod \"p\": container main ended with exit code 3".into())),
    ];
    for (kind, live, expected) in table {
        assert_eq!(progress(kind, &live), expected, "{kind} {live}");
    }
}
