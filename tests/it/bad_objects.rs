//! Objects that the cluster does not take: unknown kinds, objects of others, missing namespaces and rights, and what the
//! API server refuses.

use anyhow::{Context, Result};
use coxswain::api::Reason;
use serde_json::{Value, json};

use crate::bad_input::{
    CONFIG_MAP, SECRET, ask, cured, list, open_store, pack, promptly_cured, publish_plain, refused, told,
};
use crate::support::wait;
use crate::world::{LIMIT, Place, world};

/// A group that no other test defines kinds in.
fn group(place: &Place<'_>) -> String {
    format!("{}.example.org", place.namespace)
}

fn definition(place: &Place<'_>) -> Value {
    let schema = json!({"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}});
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("contraptions.{}", group(place))},
        "spec": {
            "group": group(place), "scope": "Namespaced",
            "names": {"kind": "Contraption", "listKind": "ContraptionList", "plural": "contraptions", "singular": "contraption"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": schema}],
        },
    })
}

#[tokio::test]
async fn bad_kind_that_the_cluster_does_not_have() -> Result<()> {
    let place = world().bare_place("kind").await?;
    let contraption =
        format!("apiVersion: {}/v1\nkind: Contraption\nmetadata:\n  name: {{{{ .Release.Name }}}}\n", group(&place));
    let files = [("templates/contraption.yaml", contraption.as_str()), ("templates/configmap.yaml", CONFIG_MAP)];
    list(&place, &[pack(&place, "contraption", "0.1.0", &files)?])?;
    open_store(&place)?;
    ask(&place, "web", "store/contraption", &json!({}))?;
    let version = format!("\"{}/v1\"", group(&place));
    let words = [
        "contraption/templates/contraption.yaml",
        "Contraption \"web\"",
        &version,
        "install its custom resource definition",
    ];
    refused(&place, "web", Reason::UnknownKind, &words)?;
    place.apply(&definition(&place))?;
    cured(&place, "web")?;
    assert!(place.get(&format!("contraptions.{}", group(&place)), "web")?.is_some());
    Ok(())
}

#[tokio::test]
async fn bad_object_that_belongs_to_another_release() -> Result<()> {
    let place = world().bare_place("owned").await?;
    publish_plain(&place)?;
    open_store(&place)?;
    let other = json!({"meta.helm.sh/release-name": "other", "meta.helm.sh/release-namespace": place.namespace});
    place.apply(&json!({
        "apiVersion": "v1", "kind": "ConfigMap", "data": {"password": SECRET},
        "metadata": {"name": "web", "namespace": place.namespace, "annotations": other,
            "labels": {"app.kubernetes.io/managed-by": "Helm"}},
    }))?;
    ask(&place, "web", "store/plain", &json!({}))?;
    let words = ["ConfigMap \"web\"", &place.namespace, "current value is \"other\"", "delete or rename"];
    refused(&place, "web", Reason::ObjectOwnedByOther, &words)?;
    let live = place.get("configmap", "web")?.context("the object of the other release")?;
    assert_eq!(live["data"], json!({"password": SECRET}), "it is left alone");
    place.kubectl(&["delete", "configmap", "web"])?;
    cured(&place, "web").map(drop)
}

#[tokio::test]
async fn bad_namespace_that_does_not_exist() -> Result<()> {
    let place = world().bare_place("namespace").await?;
    let elsewhere = format!("{}-elsewhere", place.namespace);
    let template = CONFIG_MAP.replace("metadata:", &format!("metadata:\n  namespace: {elsewhere}"));
    let files = [("templates/configmap.yaml", CONFIG_MAP), ("templates/elsewhere.yaml", &template)];
    let charts = [publish_plain(&place)?, pack(&place, "spread", "0.1.0", &files)?];
    list(&place, &charts)?;
    open_store(&place)?;
    let (later, made) = (format!("{}-later", place.namespace), format!("{}-made", place.namespace));
    ask(&place, "web", "store/plain", &json!({"namespace": later}))?;
    ask(&place, "spread", "store/spread", &json!({}))?;
    ask(&place, "self-made", "store/plain", &json!({"namespace": made, "createNamespace": true}))?;
    let missing = format!("namespace \"{later}\" does not exist");
    refused(&place, "web", Reason::NamespaceNotFound, &[&missing, "create it", "createNamespace"])?;
    let words = ["ConfigMap \"spread\"", &elsewhere, "the namespace does not exist", "create it"];
    refused(&place, "spread", Reason::NamespaceNotFound, &words)?;
    cured(&place, "self-made")?;
    assert!(place.get("namespace", &made)?.is_some());

    place.kubectl(&["create", "namespace", &later])?;
    place.kubectl(&["create", "namespace", &elsewhere])?;
    promptly_cured(&place, "web")?;
    promptly_cured(&place, "spread")
}

#[tokio::test]
async fn bad_rights_of_a_service_account() -> Result<()> {
    let place = world().bare_place("account").await?;
    let hook = "apiVersion: v1\nkind: ServiceAccount\nmetadata:\n  name: before\n  annotations:\n    helm.sh/hook: pre-install\n";
    let files = [("templates/configmap.yaml", CONFIG_MAP), ("templates/before.yaml", hook)];
    list(&place, &[pack(&place, "hooked", "0.1.0", &files)?])?;
    open_store(&place)?;
    place.kubectl(&["create", "serviceaccount", "deployer"])?;
    ask(&place, "web", "store/hooked", &json!({"serviceAccountName": "deployer"}))?;
    let account = format!("system:serviceaccount:{}:deployer may not", place.namespace);
    let within = format!("in namespace {:?}", place.namespace);
    let rights =
        ["create configmaps", "patch configmaps", "create secrets", "update secrets", "delete serviceaccounts"];
    let rights = rights.map(|right| format!("{right} {within}"));
    let mut words = vec![account.as_str(), "grant the rights"];
    words.extend(rights.iter().map(String::as_str));
    refused(&place, "web", Reason::PermissionDenied, &words)?;

    let resources = "--resource=configmaps,secrets,serviceaccounts";
    place.kubectl(&["create", "role", "deployer", "--verb=*", resources])?;
    let subject = format!("--serviceaccount={}:deployer", place.namespace);
    place.kubectl(&["create", "rolebinding", "deployer", "--role=deployer", &subject])?;
    cured(&place, "web").map(drop)
}

/// A Service whose port is a value, beside a ConfigMap that the API server takes first.
fn publish_service(place: &Place<'_>) -> Result<()> {
    let service = "apiVersion: v1\nkind: Service\nmetadata:\n  name: {{ .Release.Name }}\n  annotations:\n    \
                   note: {{ .Values.planted }}\nspec:\n  ports:\n    - port: {{ .Values.port }}\n";
    let files = [("templates/service.yaml", service), ("templates/configmap.yaml", CONFIG_MAP)];
    list(place, &[pack(place, "service", "0.1.0", &files)?])?;
    open_store(place)
}

const PORT: &str = "spec.ports[0].port: must be between 1 and 65535";

#[tokio::test]
async fn bad_object_that_the_api_server_refuses() -> Result<()> {
    let place = world().bare_place("refused").await?;
    publish_service(&place)?;
    place.kubectl(&["create", "configmap", "tuning", "--from-literal=values.yaml=port: 70000"])?;
    let from = json!({"valuesFrom": [{"configMapKeyRef": {"name": "tuning"}}]});
    ask(&place, "web", "store/service", &from)?;
    let words = ["Service \"web\"", &place.namespace, PORT, "correct the"];
    refused(&place, "web", Reason::ObjectRefused, &words)?;
    // The next attempts ask first and write nothing.
    let attempts = |place: &Place<'_>| -> Result<usize> {
        let log = place.world.log()?;
        Ok(log.lines().filter(|line| line.contains(PORT) && line.contains(&place.namespace)).count())
    };
    let before = attempts(&place)?;
    let mark = place.world.cluster.audit_mark()?;
    wait::until(LIMIT, "another attempt", || Ok((attempts(&place)? > before).then_some(())))?;
    let created = mark.requests()?.into_iter().filter(|request| {
        request.namespace == place.namespace && request.verb == "create" && request.resource == "secrets"
    });
    assert_eq!(created.count(), 0, "no record is made for what is known to be refused");
    refused(&place, "web", Reason::ObjectRefused, &words)?;

    place.merge("configmap", "tuning", &json!({"data": {"values.yaml": "port: 80"}}))?;
    promptly_cured(&place, "web")?;
    assert!(!place.helm(&["history", "web"])?.contains("failed"));
    Ok(())
}

#[tokio::test]
async fn bad_upgrade_that_the_api_server_refuses() -> Result<()> {
    let place = world().bare_place("refused-later").await?;
    publish_service(&place)?;
    let values = "--from-literal=values.yaml={port: 80, message: before}";
    place.kubectl(&["create", "configmap", "tuning", values])?;
    let from = json!({"valuesFrom": [{"configMapKeyRef": {"name": "tuning"}}]});
    ask(&place, "web", "store/service", &from)?;
    cured(&place, "web")?;
    place.merge("configmap", "tuning", &json!({"data": {"values.yaml": "{port: 70000, message: after}"}}))?;
    told(&place, "web", Reason::ObjectRefused, &["Service \"web\"", &place.namespace, PORT, "correct the"])?;
    let history = place.helm(&["history", "web"])?;
    assert!(history.contains("deployed") && !history.contains("failed"), "{history}");
    let live = place.get("configmap", "web")?.context("the object of the release")?;
    assert_eq!(live["data"]["message"], "before", "nothing of the upgrade was applied");

    place.merge("configmap", "tuning", &json!({"data": {"values.yaml": "{port: 81, message: after}"}}))?;
    promptly_cured(&place, "web")?;
    assert_eq!(place.get("configmap", "web")?.context("the object")?["data"]["message"], "after");
    Ok(())
}
