//! What installs the operator: `config/install.yaml` and `charts/coxswain` say the same, and the API server accepts
//! them.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::support::manifests::{NAMESPACE, RELEASE, chart, files, install, project};
use crate::support::{command, reference, shared};

const LIMIT: Duration = Duration::from_secs(60);

/// Compares a written file with what it should be.
pub fn assert_current(path: &str, expected: &str, command: &str) {
    let written = std::fs::read_to_string(project(path)).unwrap_or_default();
    let difference = written.lines().zip(expected.lines()).find(|(written, expected)| written != expected);
    assert!(written == expected, "{path} is not current: run `{command}`; first difference: {difference:?}");
}

#[test]
fn the_written_files_are_what_our_engine_makes_of_the_chart() -> Result<()> {
    for (path, expected) in files()? {
        assert_current(&path, &expected, "make manifests");
    }
    Ok(())
}

#[test]
fn the_install_manifest_is_what_helm_makes_of_the_chart() -> Result<()> {
    let mut helm = shared().helm();
    let rendered = command::output(helm.args(["template", RELEASE, "--namespace", NAMESPACE]).arg(chart()))?;
    assert_current("config/install.yaml", &install(&rendered)?, "make manifests");
    Ok(())
}

#[test]
fn the_chart_has_the_version_of_the_package() -> Result<()> {
    let text = std::fs::read_to_string(chart().join("Chart.yaml"))?;
    let metadata = coxswain::yaml::parse(&text)?;
    for key in ["version", "appVersion"] {
        assert_eq!(metadata[key], env!("CARGO_PKG_VERSION"), "{key} of charts/coxswain/Chart.yaml");
    }
    Ok(())
}

#[test]
fn what_is_installed_becomes_available_under_the_strictest_pod_security() -> Result<()> {
    let kubectl = |arguments: &[&str]| command::output(shared().kubectl().args(arguments));
    let manifest = project("config/install.yaml").display().to_string();
    kubectl(&["apply", "--server-side", "--force-conflicts", "-f", &manifest])?;
    let deployment = "deployment/coxswain";
    kubectl(&["wait", "--for=condition=Available", deployment, "-n", NAMESPACE, "--timeout=60s"])?;
    Ok(())
}

#[tokio::test]
async fn helm_installs_the_chart_with_few_rights_and_several_replicas() -> Result<()> {
    let namespace = shared().namespace("operator").await?;
    kubectl_label(&namespace)?;
    let mut helm = shared().helm();
    helm.args(["install", "trial", "--namespace", &namespace, "--wait", "--timeout", "60s"]).arg(chart());
    helm.args(["--set", "rbac.clusterAdmin=false,replicas=2,flags.workers=4,chartRepoNamespace=default"]);
    command::output(&mut helm)?;
    let account = format!("system:serviceaccount:{namespace}:trial-coxswain");
    let may = |verb: &str, resource: &str| {
        let mut kubectl = shared().kubectl();
        let asked = command::finish(kubectl.args(["auth", "can-i", verb, resource, "--as", &account]), LIMIT)?;
        anyhow::Ok(asked.success)
    };
    assert!(may("impersonate", "serviceaccounts")? && may("watch", "deployments.apps")?);
    assert!(may("patch", "helmrequests.app.alauda.io/status")?);
    assert!(may("create", "tokenreviews.authentication.k8s.io")?);
    assert!(may("create", "subjectaccessreviews.authorization.k8s.io")?);
    assert!(!may("create", "deployments.apps")? && !may("delete", "secrets")?);
    Ok(())
}

/// Holds the namespace to the strictest pod security.
fn kubectl_label(namespace: &str) -> Result<()> {
    let label = "pod-security.kubernetes.io/enforce=restricted";
    command::output(shared().kubectl().args(["label", "namespace", namespace, label])).map(drop)
}

/// The flags that the manifests fix themselves, in arguments, environment or ports.
const FIXED: [&str; 7] =
    ["namespace", "chartrepo-namespace", "cluster-namespace", "watch-namespaces", "cache-dir", "listen", "api-listen"];

#[test]
fn the_chart_knows_every_flag_of_the_operator() -> Result<()> {
    let text = std::fs::read_to_string(chart().join("values.schema.json"))?;
    let schema: serde_json::Value = serde_json::from_str(&text)?;
    let known = schema["properties"]["flags"]["properties"].as_object().context("no flags in the schema")?;
    let known: BTreeSet<&str> = known.keys().map(String::as_str).chain(FIXED).collect();
    let flags = reference::flag_names()?;
    assert_eq!(known, flags.iter().map(String::as_str).collect());
    Ok(())
}

#[test]
fn a_value_that_the_chart_does_not_know_is_refused() -> Result<()> {
    for unknown in ["replicaCount=2", "flags.worker=2", "image.pullPolicy=Sometimes"] {
        let mut helm = shared().helm();
        let tried = command::finish(helm.args(["template", RELEASE, "--set", unknown]).arg(chart()), LIMIT)?;
        assert!(!tried.success && tried.stderr.contains("schema"), "{unknown}: {}", tried.stderr);
    }
    Ok(())
}
