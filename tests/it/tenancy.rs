//! Tenants: an operator that has Roles in some namespaces and nothing else, requests that are confined to their
//! namespace and made with a tenant's token, and an account that may what it was granted.

use std::path::PathBuf;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::installed::{Installed, LIMIT};
use crate::support::{command, wait};
use crate::world::condition;

const OURS: &str = "tenant-a";
const OTHERS: &str = "tenant-b";
const OPERATOR: &str = "system:serviceaccount:captain-system:coxswain";

/// A tenant of [`OURS`], who may write requests there and nothing else.
struct Tenant {
    installed: Installed,
    kubeconfig: PathBuf,
}

impl Tenant {
    fn start() -> Result<Self> {
        let namespaces = format!("{OURS},{OTHERS}");
        let values = [&*format!("watchNamespaces={{{namespaces}}}"), "rbac.clusterAdmin=false"];
        let flags = [
            &*format!("--watch-namespaces={namespaces}"),
            "--no-cross-namespace",
            "--default-service-account=deployer",
        ];
        let installed = Installed::for_namespaces(&[OURS, OTHERS, "elsewhere"], &values, &flags)?;
        let admin =
            |arguments: &[&str]| command::output(installed.cluster().kubectl().args(["-n", OURS]).args(arguments));
        admin(&["create", "serviceaccount", "tenant"])?;
        admin(&["create", "role", "tenant", "--verb=*", "--resource=helmrequests.app.alauda.io"])?;
        let subject = format!("--serviceaccount={OURS}:tenant");
        admin(&["create", "rolebinding", "tenant", "--role=tenant", &subject])?;
        let kubeconfig = installed.cluster().service_account_kubeconfig(OURS, "tenant")?;
        Ok(Self { installed, kubeconfig })
    }

    /// What the tenant does.
    fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        command::output(self.installed.cluster().kubectl().env("KUBECONFIG", &self.kubeconfig).args(arguments))
    }

    /// What an administrator does in the tenant's namespace.
    fn admin(&self, arguments: &[&str]) -> Result<String> {
        command::output(self.installed.cluster().kubectl().args(["-n", OURS]).args(arguments))
    }

    fn ask(&self, name: &str, spec: &Value) -> Result<()> {
        let request = json!({
            "apiVersion": "app.alauda.io/v1", "kind": "HelmRequest", "metadata": {"name": name}, "spec": spec,
        });
        let file = self.installed.cluster().folder().join(format!("{name}.json"));
        std::fs::write(&file, request.to_string())?;
        self.kubectl(&["apply", "-f", &file.display().to_string()]).map(drop)
    }

    /// Waits until a request has a reason, and gives the message beside it.
    fn until(&self, namespace: &str, name: &str, reason: &str) -> Result<String> {
        let request = || self.installed.cluster().objects().get(namespace, "helmrequest", name);
        let told = wait::until(LIMIT, &format!("{name} to tell {reason}"), || {
            let found = request()?.and_then(|request| condition(&request, "Ready").cloned());
            let told = found.filter(|ready| ready["reason"] == reason);
            Ok(told.map(|ready| ready["message"].as_str().unwrap_or_default().to_owned()))
        });
        told.with_context(|| request().ok().flatten().map(|request| request.to_string()).unwrap_or_default())
    }

    fn refused(&self, name: &str, spec: &Value, words: &[&str]) -> Result<()> {
        self.ask(name, spec)?;
        let message = self.until(OURS, name, "NamespaceNotAllowed")?;
        for word in words {
            anyhow::ensure!(message.contains(word), "{word} in {message}");
        }
        self.kubectl(&["delete", "hr", name, "--timeout=30s"]).map(drop)
    }
}

#[test]
fn a_tenant_installs_with_roles_only_and_nowhere_else() -> Result<()> {
    let tenant = Tenant::start()?;
    let mark = tenant.installed.cluster().audit_mark()?;
    let hello = json!({"chart": "samples/hello", "version": "0.1.0"});
    tenant.ask("web", &hello)?;
    let denied = tenant.until(OURS, "web", "PermissionDenied")?;
    for word in
        [&*format!("{OURS}:deployer may not"), "create deployments.apps in namespace \"tenant-a\"", "captain rbac"]
    {
        assert!(denied.contains(word), "{word} in {denied}");
    }
    assert_eq!(
        tenant.admin(&["get", "secrets,configmaps", "-l", "app.kubernetes.io/managed-by=Helm", "-o", "name"])?,
        ""
    );
    grant(&tenant)?;
    tenant.until(OURS, "web", "Ready")?;
    tenant.admin(&["delete", "configmap", "web-hello"])?;
    wait::until(LIMIT, "the deleted object to be back", || {
        Ok(tenant.admin(&["get", "configmap", "web-hello"]).is_ok().then_some(()))
    })?;

    let mut elsewhere = hello.clone();
    elsewhere["namespace"] = OTHERS.into();
    tenant.refused("across", &elsewhere, &["tenant-b", "--no-cross-namespace"])?;
    let rule =
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "wide"}});
    let wide = json!({"chart": "samples/objects", "values": {"objects": [rule]}});
    tenant.refused("wide", &wide, &["ClusterRole \"wide\"", "--watch-namespaces"])?;

    // The other namespace is served too, with its own account; others are not.
    for namespace in [OTHERS, "elsewhere"] {
        let file = tenant.installed.cluster().folder().join("web.json").display().to_string();
        command::output(tenant.installed.cluster().kubectl().args(["-n", namespace, "apply", "-f", &file]))?;
    }
    let denied = tenant.until(OTHERS, "web", "PermissionDenied")?;
    assert!(denied.contains(&format!("{OTHERS}:deployer may not")), "{denied}");

    tenant.kubectl(&["delete", "hr", "web", "--timeout=50s"])?;
    assert_eq!(tenant.admin(&["get", "secrets,deployments", "-l", "owner=helm", "-o", "name"])?, "");
    let unserved =
        tenant.installed.cluster().objects().get("elsewhere", "helmrequest", "web")?.context("the request")?;
    assert!(unserved["status"].is_null(), "{unserved}");

    let asked = mark.requests()?;
    let own = |user: &str, impersonated: &str| user == OPERATOR && impersonated.is_empty();
    let own: Vec<_> = asked.iter().filter(|request| own(&request.user, &request.impersonated)).collect();
    let writes = own.iter().filter(|request| request.writes() && request.group != "app.alauda.io");
    let writes = writes.filter(|request| request.resource != "events" && request.resource != "leases");
    let writes: Vec<String> = writes.map(|request| format!("{} {}", request.verb, request.uri)).collect();
    assert!(writes.is_empty(), "all else is written as the account: {writes:?}");
    let refused =
        own.iter().filter(|request| request.code == 403).map(|request| format!("{} {}", request.verb, request.uri));
    assert_eq!(refused.collect::<Vec<_>>(), Vec::<String>::new(), "the operator does not even try what it may not");
    Ok(())
}

/// An administrator grants the account what the request needs, and nothing else.
fn grant(tenant: &Tenant) -> Result<()> {
    let plugin = env!("CARGO_BIN_EXE_kubectl-captain");
    let mut rbac = std::process::Command::new(plugin);
    rbac.env("KUBECONFIG", tenant.installed.cluster().kubeconfig());
    rbac.args(["rbac", "web", "--account", "deployer", "-n", OURS]);
    let roles = command::output(&mut rbac)?;
    assert!(roles.contains("kind: RoleBinding") && !roles.contains("ClusterRole"), "{roles}");
    let file = tenant.installed.cluster().folder().join("roles.yaml");
    std::fs::write(&file, &roles)?;
    tenant.admin(&["apply", "-f", &file.display().to_string()])?;
    let missing = command::output(rbac.arg("--missing"))?;
    assert_eq!(missing, "", "nothing is missing any more");
    Ok(())
}
