//! What the samples of `config/samples` say they do, they do; and so do the annotations and fields that
//! `docs/helmrequest.md` describes beside them.

use std::time::Duration;

use anyhow::Result;

use super::installed::Installed;

const MESSAGE: &str = "/data/message";

#[test]
fn the_samples_do_what_they_say() -> Result<()> {
    let installed = Installed::with(&[])?;
    for sample in ["helmrequest.yaml", "values-from.yaml", "create-namespace.yaml", "suspended.yaml"] {
        installed.apply_sample(sample)?;
    }
    installed.until_ready("greeter")?;
    assert_eq!(installed.field("configmap", "greeter-hello", MESSAGE)?, "good morning");

    installed.until_ready("greeter-elsewhere")?;
    installed.kubectl(&["get", "deployment", "greeter-hello", "--namespace", "greetings"])?;

    installed.until_ready("greeter-values-from")?;
    values_come_from_everywhere(&installed)?;

    let reason = "/conditions/Ready/reason";
    installed.until_field("helmrequest", "greeter-suspended", reason, "Suspended")?;
    assert!(!installed.records()?.contains("greeter-suspended"));

    the_account_of_a_job_may_deploy_and_nothing_else(&installed)?;
    reported_and_not_repaired(&installed)?;
    deployed_once_more(&installed)?;
    objects_are_kept(&installed)
}

fn values_come_from_everywhere(installed: &Installed) -> Result<()> {
    let name = "greeter-values-from-hello";
    assert_eq!(installed.field("configmap", name, MESSAGE)?, "good afternoon", "from the ConfigMap");
    assert_eq!(installed.field("deployment", name, "/spec/replicas")?, "3", "spec.values wins");
    let token = "/spec/template/metadata/annotations/example.com~1token";
    assert_eq!(installed.field("deployment", name, token)?, "not-really-secret", "from the Secret");

    let changed = r#"{"data":{"values.yaml":"message: good evening"}}"#;
    installed.kubectl(&["patch", "configmap", "greeter-values", "-p", changed])?;
    installed.until_field("configmap", name, MESSAGE, "good evening")?;
    let missing = ["create", "configmap", "greeter-overrides", "--from-literal=more.yaml=message: good night"];
    installed.kubectl(&missing)?;
    installed.until_field("configmap", name, MESSAGE, "good night")
}

/// What may be done with its token is in `docs/api.md`, whose commands are all run.
fn the_account_of_a_job_may_deploy_and_nothing_else(installed: &Installed) -> Result<()> {
    installed.apply_sample("ci.yaml")?;
    let may = |verb: &str, resource: &str, namespace: &str| {
        let account = "--as=system:serviceaccount:default:ci";
        installed.kubectl(&["auth", "can-i", verb, resource, account, "--namespace", namespace]).is_ok()
    };
    assert!(may("patch", "helmrequests.app.alauda.io", "default"));
    assert!(!may("patch", "helmrequests.app.alauda.io", "kube-system"));
    assert!(!may("get", "secrets", "default"));
    assert!(!may("create", "deployments.apps", "default"));
    Ok(())
}

fn reported_and_not_repaired(installed: &Installed) -> Result<()> {
    let report = r#"{"spec":{"drift":{"mode":"Report"}}}"#;
    installed.kubectl(&["patch", "hr", "greeter", "--type=merge", "-p", report])?;
    let tampered = r#"{"data":{"message":"tampered with"}}"#;
    installed.kubectl(&["patch", "configmap", "greeter-hello", "-p", tampered])?;
    let drifted = "/conditions/Drifted/status";
    installed.until_field("helmrequest", "greeter", drifted, "True")?;
    assert_eq!(installed.field("helmrequest", "greeter", "/status/drift/objects/0/name")?, "greeter-hello");
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(installed.field("configmap", "greeter-hello", MESSAGE)?, "tampered with");

    let repair = r#"{"spec":{"drift":{"mode":"Repair"}}}"#;
    installed.kubectl(&["patch", "hr", "greeter", "--type=merge", "-p", repair])?;
    installed.until_field("configmap", "greeter-hello", MESSAGE, "good morning")?;
    installed.until_ready("greeter")
}

fn deployed_once_more(installed: &Installed) -> Result<()> {
    installed.kubectl(&["annotate", "hr", "greeter", "something=else"])?;
    installed.kubectl(&["annotate", "hr", "greeter", "kubectl-captain.resync=once"])?;
    installed.until_field("helmrequest", "greeter", "/status/revision", "2")?;
    installed.until_field("helmrequest", "greeter", "/status/lastHandledResync", "once")
}

fn objects_are_kept(installed: &Installed) -> Result<()> {
    installed.kubectl(&["annotate", "hr", "greeter", "captain-keep-resources=true"])?;
    installed.kubectl(&["delete", "hr", "greeter", "--timeout=50s"])?;
    installed.kubectl(&["get", "deployment", "greeter-hello"])?;
    assert!(!installed.records()?.contains("v1.greeter.v"));

    // A suspended request does not hold its own deletion up.
    installed.kubectl(&["delete", "hr", "greeter-suspended", "greeter-elsewhere", "--timeout=50s"])?;
    let left = installed.kubectl(&["get", "deployments", "--namespace", "greetings", "-o", "name"])?;
    assert_eq!(left, "");
    Ok(())
}
