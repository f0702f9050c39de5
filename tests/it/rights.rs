//! The operator without rights of its own, as `docs/operations.md` describes it: a request without a service account is
//! refused before anything is written, and one with the sample's account lives its whole life with that account's
//! rights.

use std::time::Duration;

use anyhow::{Context, Result};

use crate::support::manifests::{NAMESPACE, RELEASE, chart, project};
use crate::support::{ChartServer, ControlPlane, Operator, Options, charts, command, folder::Folder, wait};

const LIMIT: Duration = Duration::from_secs(60);
const REQUEST: &str = "greeter-as-deployer";

/// A control plane of its own: the operator would act on the requests of all other tests.
struct Installed {
    _operator: Operator,
    _server: ChartServer,
    _charts: Folder,
    cluster: ControlPlane,
}

impl Installed {
    fn with_few_rights() -> Result<Self> {
        let cluster = ControlPlane::start(Options::default())?;
        let mut helm = cluster.helm();
        helm.args(["install", RELEASE, "--namespace", NAMESPACE, "--create-namespace"]).arg(chart());
        command::output(helm.args(["--set", "rbac.clusterAdmin=false"]))?;
        let charts = Folder::new("charts")?;
        charts::repository(&[charts::folder("hello-0.1.0")], charts.path())?;
        let server = ChartServer::start(charts.path())?;
        let rights = cluster.service_account_kubeconfig(NAMESPACE, RELEASE)?;
        let operator = Operator::start(&cluster, &rights, &[])?;

        let installed = Self { _operator: operator, _server: server, _charts: charts, cluster };
        let repository = std::fs::read_to_string(project("config/samples/chartrepo.yaml"))?;
        let file = installed.cluster.folder().join("chartrepo.yaml");
        std::fs::write(&file, repository.replace("https://charts.example.com", &installed._server.url()))?;
        installed.kubectl(&["apply", "-f", &file.display().to_string()])?;
        Ok(installed)
    }

    fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        command::output(self.cluster.kubectl().args(["--namespace", "default"]).args(arguments))
    }

    fn apply_sample(&self, name: &str) -> Result<()> {
        self.kubectl(&["apply", "-f", &project("config/samples").join(name).display().to_string()]).map(drop)
    }

    fn field(&self, kind: &str, name: &str, path: &str) -> Result<String> {
        self.kubectl(&["get", kind, name, "-o", &format!("jsonpath={path}")])
    }

    fn records(&self) -> Result<String> {
        self.kubectl(&["get", "secrets", "-l", "owner=helm", "-o", "name"])
    }

    fn until_ready(&self) -> Result<()> {
        let request = format!("hr/{REQUEST}");
        self.kubectl(&["wait", "--for=condition=Ready", &request, "--timeout=50s"]).map(drop)
    }
}

#[test]
fn without_rights_of_its_own_the_operator_acts_as_the_account_of_a_request() -> Result<()> {
    let installed = Installed::with_few_rights()?;

    installed.apply_sample("helmrequest.yaml")?;
    let ready = "{.status.conditions[?(@.type==\"Ready\")].reason}";
    wait::until(LIMIT, "the request without an account to be refused", || {
        Ok((installed.field("hr", "greeter", ready)? == "PermissionDenied").then_some(()))
    })?;
    assert_eq!(installed.records()?, "", "nothing is written for it");
    installed.kubectl(&["delete", "hr", "greeter", "--timeout=30s"])?;

    installed.apply_sample("service-account.yaml")?;
    installed.until_ready()?;

    let deployment = format!("{REQUEST}-hello");
    let before = installed.field("deployment", &deployment, "{.metadata.uid}")?;
    installed.kubectl(&["delete", "deployment", &deployment])?;
    wait::until(LIMIT, "the deleted object to be back", || {
        let now = installed.field("deployment", &deployment, "{.metadata.uid}").unwrap_or_default();
        Ok((!now.is_empty() && now != before).then_some(()))
    })?;

    let more = r#"{"spec":{"values":{"replicas":2}}}"#;
    installed.kubectl(&["patch", "hr", REQUEST, "--type=merge", "-p", more])?;
    wait::until(LIMIT, "the second revision", || {
        Ok((installed.field("hr", REQUEST, "{.status.revision}")? == "2").then_some(()))
    })?;
    installed.until_ready()?;

    installed
        .kubectl(&["delete", "hr", REQUEST, "--timeout=50s"])
        .with_context(|| installed.field("hr", REQUEST, "{.status.reason}").unwrap_or_default())?;
    assert_eq!(installed.records()?, "", "the records are gone");
    assert!(installed.field("deployment", &deployment, "{.metadata.uid}").is_err(), "the objects are gone");
    Ok(())
}
