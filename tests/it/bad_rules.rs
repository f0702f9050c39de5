//! Objects that the rules of the cluster refuse: the schema of a definition, a policy; and a refusal behind hooks.

use anyhow::{Context, Result};
use coxswain::api::Reason;
use serde_json::json;

use crate::bad_input::{CONFIG_MAP, ask, cured, list, open_store, pack, promptly_cured, refused, told};
use crate::world::{Place, world};

const SERVICE: &str = "apiVersion: v1\nkind: Service\nmetadata:\n  name: {{ .Release.Name }}\nspec:\n  ports:\n    - port: \
                       {{ .Values.port }}\n";

/// Publishes a chart and asks for it with values from the ConfigMap `tuning`.
fn ask_for(place: &Place<'_>, files: &[(&str, &str)], values: &str) -> Result<()> {
    list(place, &[pack(place, "web", "0.1.0", files)?])?;
    open_store(place)?;
    place.kubectl(&["create", "configmap", "tuning", &format!("--from-literal=values.yaml={values}")])?;
    ask(place, "web", "store/web", &json!({"valuesFrom": [{"configMapKeyRef": {"name": "tuning"}}]}))
}

fn tune(place: &Place<'_>, values: &str) -> Result<()> {
    place.merge("configmap", "tuning", &json!({"data": {"values.yaml": values}}))
}

fn never_failed(place: &Place<'_>) -> Result<()> {
    let history = place.helm(&["history", "web"])?;
    assert!(history.contains("deployed") && !history.contains("failed"), "{history}");
    Ok(())
}

#[tokio::test]
async fn bad_custom_resource_leaves_nothing() -> Result<()> {
    let place = world().bare_place("schema").await?;
    let group = format!("{}.example.org", place.namespace);
    let size = json!({"type": "object", "properties": {"size": {"type": "integer", "maximum": 10}}});
    let schema = json!({"openAPIV3Schema": {"type": "object", "properties": {"spec": size}}});
    place.apply(&json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("gadgets.{group}")},
        "spec": {
            "group": group, "scope": "Namespaced", "names": {"kind": "Gadget", "plural": "gadgets", "singular": "gadget"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": schema}],
        },
    }))?;
    let gadget = format!(
        "apiVersion: {group}/v1\nkind: Gadget\nmetadata:\n  name: {{{{ .Release.Name }}}}\nspec:\n  size: {{{{ .Values.size }}}}\n"
    );
    let files = [("templates/gadget.yaml", gadget.as_str()), ("templates/configmap.yaml", CONFIG_MAP)];
    ask_for(&place, &files, "size: 70")?;
    refused(&place, "web", Reason::ObjectRefused, &["Gadget", "\"web\"", "spec.size", "less than or equal to 10"])?;
    tune(&place, "size: 7")?;
    promptly_cured(&place, "web")?;
    never_failed(&place)?;

    tune(&place, "{size: 71, message: after}")?;
    told(&place, "web", Reason::ObjectRefused, &["Gadget", "spec.size"])?;
    never_failed(&place)?;
    let live = place.get("configmap", "web")?.context("the object of the release")?;
    assert_ne!(live["data"]["message"], "after", "nothing of the upgrade was applied");
    tune(&place, "{size: 8, message: after}")?;
    promptly_cured(&place, "web")
}

#[tokio::test]
async fn bad_object_by_a_policy_leaves_nothing() -> Result<()> {
    let place = world().bare_place("policy").await?;
    let name = make_policy(&place)?;
    bind(&place, &name)?;
    refuses_large_ports(&place)?;
    let words = ["Service \"web\"", "ports are below 1000"];
    ask_for(&place, &[("templates/service.yaml", SERVICE), ("templates/configmap.yaml", CONFIG_MAP)], "port: 8080")?;
    refused(&place, "web", Reason::ObjectRefused, &words)?;
    tune(&place, "{port: 80, message: before}")?;
    promptly_cured(&place, "web")?;

    tune(&place, "{port: 8081, message: after}")?;
    told(&place, "web", Reason::ObjectRefused, &words)?;
    never_failed(&place)?;
    let live = place.get("configmap", "web")?.context("the object of the release")?;
    assert_eq!(live["data"]["message"], "before", "nothing of the upgrade was applied");
    place.kubectl(&["delete", "validatingadmissionpolicybinding", &name])?;
    cured(&place, "web")?;
    never_failed(&place)?;
    place.kubectl(&["delete", "validatingadmissionpolicy", &name]).map(drop)
}

#[tokio::test]
async fn bad_rollback_by_a_policy_leaves_nothing() -> Result<()> {
    let place = world().bare_place("policy-rollback").await?;
    let name = make_policy(&place)?;
    ask_for(&place, &[("templates/service.yaml", SERVICE), ("templates/configmap.yaml", CONFIG_MAP)], "port: 8080")?;
    place.until_ready("web")?;
    tune(&place, "{port: 80, message: after}")?;
    place.until("service", "web", "the second revision", |live| live["spec"]["ports"][0]["port"] == 80)?;
    place.until_ready("web")?;
    bind(&place, &name)?;
    refuses_large_ports(&place)?;
    place.merge("helmrequest", "web", &json!({"spec": {"rollbackTo": 1}}))?;
    told(&place, "web", Reason::ObjectRefused, &["Service \"web\"", "ports are below 1000"])?;
    let history = place.helm(&["history", "web"])?;
    assert_eq!(history.lines().count(), 3, "a heading and two revisions: {history}");
    never_failed(&place)?;
    let live = place.get("configmap", "web")?.context("the object of the release")?;
    assert_eq!(live["data"]["message"], "after", "nothing of the rollback was applied");
    place.kubectl(&["delete", "validatingadmissionpolicybinding", &name])?;
    place.until_ready("web")?;
    place.until("service", "web", "the rollback", |live| live["spec"]["ports"][0]["port"] == 8080)?;
    never_failed(&place)?;
    place.kubectl(&["delete", "validatingadmissionpolicy", &name]).map(drop)
}

/// Makes a policy for the namespace that refuses Services with large ports; it is not bound yet. Gives its name.
fn make_policy(place: &Place<'_>) -> Result<String> {
    let name = format!("{}.example.org", place.namespace);
    let here = json!({"matchLabels": {"kubernetes.io/metadata.name": place.namespace}});
    place.apply(&json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy", "metadata": {"name": name},
        "spec": {
            "matchConstraints": {"namespaceSelector": here, "resourceRules": [
                {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": ["services"]},
            ]},
            "validations": [{"expression": "object.spec.ports.all(p, p.port < 1000)", "message": "ports are below 1000"}],
        },
    }))?;
    Ok(name)
}

fn bind(place: &Place<'_>, policy: &str) -> Result<()> {
    place.apply(&json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": policy}, "spec": {"policyName": policy, "validationActions": ["Deny"]},
    }))
}

/// A policy is in force some moments after it was bound.
fn refuses_large_ports(place: &Place<'_>) -> Result<()> {
    crate::support::wait::until(crate::world::LIMIT, "the policy to be in force", || {
        let tried = place.kubectl(&["create", "service", "clusterip", "probe", "--tcp=8080", "--dry-run=server"]);
        Ok(tried.is_err().then_some(()))
    })
}

#[tokio::test]
async fn bad_object_behind_hooks_runs_no_hook() -> Result<()> {
    let place = world().bare_place("behind-hooks").await?;
    let hook = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: first\n  annotations:\n    \
                helm.sh/hook: pre-install\n";
    let files = [("templates/hook.yaml", hook), ("templates/service.yaml", SERVICE)];
    ask_for(&place, &files, "port: 70000")?;
    refused(&place, "web", Reason::ObjectRefused, &["Service \"web\"", "spec.ports[0].port"])?;
    assert!(place.get("configmap", "first")?.is_none(), "the hook ran");
    tune(&place, "port: 80")?;
    promptly_cured(&place, "web")?;
    assert!(place.get("configmap", "first")?.is_some());
    never_failed(&place)
}
