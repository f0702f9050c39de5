//! Server-side apply, its refusals, ownership and pruning against a real API server.

use std::time::Duration;

use anyhow::{Context, Result};
use coxswain::cluster::apply::{ApplyOptions, Replacing};
use coxswain::cluster::definitions::Existing;
use coxswain::cluster::manifest_error::ManifestError;
use coxswain::cluster::object::Object;
use coxswain::cluster::observe::Observer;
use coxswain::cluster::ownership::conflicts;
use coxswain::cluster::prune::{Owner, PruneOutcome, Spared, leftover};
use coxswain::cluster::records::ReleaseKey;
use coxswain::cluster::{ApiError, Cluster};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::support::audit::Request;
use crate::support::{ControlPlane, charts, command, shared, wait};

const LIMIT: Duration = Duration::from_secs(30);

async fn connect() -> Result<Cluster> {
    Ok(Cluster::from_client(shared().client().await?))
}

fn documents(objects: &[Value]) -> String {
    objects.iter().map(|object| format!("---\n# Source: web/templates/x.yaml\n{object}\n")).collect()
}

async fn read(cluster: &Cluster, namespace: &str, objects: &[Value]) -> Result<Vec<Object>> {
    Ok(cluster.read_manifest(&documents(objects), namespace).await?)
}

async fn refusal(cluster: &Cluster, namespace: &str, object: Value) -> Result<ApiError> {
    let objects = read(cluster, namespace, &[object]).await?;
    let result = cluster.apply(&objects[0], ApplyOptions::default()).await;
    Ok(result.err().context("the object was accepted")?.error)
}

fn config_map(name: &str, data: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data})
}

fn deployment(name: &str, app: &str) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": {
        "replicas": 1,
        "selector": {"matchLabels": {"app": app}},
        "template": {
            "metadata": {"labels": {"app": app}},
            "spec": {"containers": [{"name": "main", "image": "example.org/app:1"}]},
        },
    }})
}

fn kubectl(cluster: &ControlPlane, arguments: &[&str]) -> Result<String> {
    command::output(cluster.kubectl().args(arguments))
}

fn live(namespace: &str, kind: &str, name: &str) -> Result<Value> {
    let text = kubectl(shared(), &["get", kind, name, "-n", namespace, "-o", "json", "--show-managed-fields"])?;
    Ok(serde_json::from_str(&text)?)
}

#[tokio::test]
async fn applying_again_changes_nothing_and_tells_what_is_ours() -> Result<()> {
    let (cluster, namespace) = (connect().await?, shared().namespace("apply").await?);
    let objects = read(&cluster, &namespace, &[config_map("a", &json!({"k": "v"})), deployment("web", "web")]).await?;
    let first = cluster.apply_all(&objects, ApplyOptions::default()).await;
    assert_eq!(first.failed, []);
    let second = cluster.apply_all(&objects, ApplyOptions::default()).await;
    assert_eq!(first.applied[0].resource_version(), second.applied[0].resource_version());
    assert_eq!(first.applied[1].owned_fields(), second.applied[1].owned_fields());
    let fields = first.applied[0].owned_fields().context("no entry of ours")?;
    assert_eq!(fields, &json!({"f:data": {"f:k": {}}}));
    Ok(())
}

#[tokio::test]
async fn refusals_name_their_cause() -> Result<()> {
    let (cluster, namespace) = (connect().await?, shared().namespace("refusals").await?);

    let mut unknown = deployment("web", "web");
    unknown["spec"]["replcas"] = json!(2);
    let error = refusal(&cluster, &namespace, unknown).await?;
    assert_eq!(error, ApiError::UnknownField { fields: vec!["spec.replcas".into()] });

    let objects = read(&cluster, &namespace, &[deployment("web", "web")]).await?;
    cluster.apply(&objects[0], ApplyOptions::default()).await?;
    let error = refusal(&cluster, &namespace, deployment("web", "other")).await?;
    assert!(matches!(&error, ApiError::Immutable { field, .. } if field == "spec.selector"), "{error:?}");

    let mut invalid = deployment("bad", "web");
    invalid["spec"]["replicas"] = json!(-1);
    let error = refusal(&cluster, &namespace, invalid).await?;
    let expected = "not valid: spec.replicas: must be greater than or equal to 0; correct the template or the values \
                    that write it";
    assert_eq!(error.to_string(), expected);

    let error = refusal(&cluster, "nowhere-at-all", config_map("a", &json!({}))).await?;
    assert_eq!(error, ApiError::NamespaceNotFound { namespace: "nowhere-at-all".into() });

    let error = refusal(&cluster, &namespace, config_map("big", &json!({"k": "x".repeat(1_100_000)}))).await?;
    assert!(matches!(error, ApiError::TooLarge { .. }), "{error:?}");
    let error = refusal(&cluster, &namespace, config_map("huge", &json!({"k": "x".repeat(4_000_000)}))).await?;
    assert!(matches!(error, ApiError::TooLarge { .. }), "{error:?}");
    Ok(())
}

#[tokio::test]
async fn a_refused_secret_does_not_show_its_value() -> Result<()> {
    let (cluster, namespace) = (connect().await?, shared().namespace("secrets").await?);
    let secret = |data: Value| json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": data});
    for data in [json!({"k": 73_519}), json!({"k": {"deep": "hunter2"}}), json!({"k": "hunter2-not-base64!"})] {
        let error = refusal(&cluster, &namespace, secret(data)).await?.to_string();
        assert!(!error.contains("hunter2") && !error.contains("73519"), "{error}");
    }
    let text = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "type": "kubernetes.io/tls",
                      "stringData": {"tls.crt": "hunter2"}});
    let error = refusal(&cluster, &namespace, text).await?.to_string();
    assert!(!error.contains("hunter2"), "{error}");
    Ok(())
}

#[tokio::test]
async fn a_missing_right_is_named_before_and_after() -> Result<()> {
    let (cluster, namespace) = (connect().await?, shared().namespace("rights").await?);
    kubectl(shared(), &["create", "serviceaccount", "deployer", "-n", &namespace])?;
    kubectl(
        shared(),
        &["create", "role", "deployer", "-n", &namespace, "--verb=create,patch", "--resource=configmaps"],
    )?;
    let account = format!("--serviceaccount={namespace}:deployer");
    kubectl(shared(), &["create", "rolebinding", "deployer", "-n", &namespace, "--role=deployer", &account])?;
    let deployer = cluster.impersonate(&namespace, "deployer")?;

    let objects = read(&deployer, &namespace, &[config_map("a", &json!({})), deployment("web", "web")]).await?;
    let needed = coxswain::cluster::access::rights(&objects, &coxswain::cluster::access::APPLY);
    let missing: Vec<String> = deployer.missing_rights(&needed).await?.iter().map(ToString::to_string).collect();
    let in_namespace = |right: &str| format!("{right} deployments.apps in namespace {namespace:?}");
    assert_eq!(missing, [in_namespace("create"), in_namespace("patch")]);

    let outcome = deployer.apply_all(&objects, ApplyOptions::default()).await;
    assert_eq!(outcome.applied.len(), 1);
    let expected = ApiError::Forbidden {
        user: format!("system:serviceaccount:{namespace}:deployer"),
        verb: "patch".into(),
        resource: "deployments.apps".into(),
        namespace,
    };
    assert_eq!(outcome.failed[0].error, expected);
    Ok(())
}

#[tokio::test]
async fn a_definition_is_established_before_its_objects_are_applied() -> Result<()> {
    let (cluster, namespace) = (connect().await?, shared().namespace("definitions").await?);
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "gadgets.apply.example.org"},
        "spec": {
            "group": "apply.example.org", "scope": "Namespaced",
            "names": {"kind": "Gadget", "plural": "gadgets", "singular": "gadget", "listKind": "GadgetList"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {
                "type": "object", "properties": {"spec": {"type": "object", "properties": {"size": {"type": "integer"}}}},
            }}}],
        },
    });
    let gadget =
        json!({"apiVersion": "apply.example.org/v1", "kind": "Gadget", "metadata": {"name": "g"}, "spec": {"size": 3}});
    let unknown = cluster.read_manifest(&documents(std::slice::from_ref(&gadget)), &namespace).await;
    assert!(matches!(unknown, Err(ManifestError::Documents(_))), "{unknown:?}");

    let objects = read(&cluster, &namespace, &[definition, gadget]).await?;
    let outcome = cluster.apply_all(&objects, ApplyOptions::default()).await;
    assert_eq!(outcome.failed, []);
    assert_eq!(outcome.applied[1].json["spec"]["size"], 3);
    assert!(cluster.discovery().capabilities().await?.api_versions.contains(&"apply.example.org/v1/Gadget".into()));
    Ok(())
}

#[tokio::test]
async fn fields_of_a_client_side_writer_go_with_the_manifest_and_no_generation_changes() -> Result<()> {
    let (cluster, namespace) = (connect().await?, shared().namespace("migrate").await?);
    let mut old = deployment("web", "web");
    old["metadata"]["annotations"] = json!({"note": "old"});
    old["spec"]["template"]["spec"]["containers"][0]["env"] = json!([{"name": "OLD", "value": "1"}]);
    let file = shared().folder().join(format!("{namespace}.json"));
    std::fs::write(&file, old.to_string())?;
    let file = file.to_string_lossy();
    kubectl(shared(), &["create", "--field-manager=helm", "-n", &namespace, "-f", &file])?;
    let before = live(&namespace, "deployment", "web")?;

    // Adoption: the same manifest, applied by the server. Nothing but the owner of the fields changes.
    let objects = read(&cluster, &namespace, &[old]).await?;
    let adopted = cluster.apply(&objects[0], ApplyOptions::default()).await?;
    assert_eq!(adopted.json["metadata"]["generation"], before["metadata"]["generation"]);
    let helms = |object: &Value| -> Vec<String> {
        let entries = object["metadata"]["managedFields"].as_array().cloned().unwrap_or_default();
        let of_helm = entries.iter().filter(|entry| entry["manager"] == "helm");
        of_helm.filter_map(|entry| entry["operation"].as_str().map(str::to_owned)).collect()
    };
    assert_eq!(helms(&adopted.json), ["Apply"]);

    let objects = read(&cluster, &namespace, &[deployment("web", "web")]).await?;
    let next = cluster.apply(&objects[0], ApplyOptions::default()).await?;
    assert_eq!(next.json.pointer("/metadata/annotations/note"), None);
    assert_eq!(next.json.pointer("/spec/template/spec/containers/0/env"), None);
    Ok(())
}

#[tokio::test]
async fn what_stands_in_the_way_is_named_at_once() -> Result<()> {
    let (cluster, namespace) = (connect().await?, shared().namespace("conflicts").await?);
    kubectl(shared(), &["create", "configmap", "foreign", "-n", &namespace])?;
    let new = [config_map("foreign", &json!({})), config_map("free", &json!({})), deployment("web", "web")];
    let objects = read(&cluster, &namespace, &new).await?;
    let existing = cluster.read_marks(&objects).await?;
    let found = conflicts("web", &namespace, existing.iter().map(|(key, marks)| (key, marks)));
    assert_eq!(found.iter().map(|conflict| conflict.object.name.as_str()).collect::<Vec<_>>(), ["foreign"]);
    Ok(())
}

#[tokio::test]
async fn pruning_spares_what_is_no_longer_ours() -> Result<()> {
    let (cluster, namespace) = (connect().await?, shared().namespace("prune").await?);
    let objects = leaving(&cluster, &namespace).await?;
    meddle(&namespace)?;
    let owner = Owner::Release { name: "web", namespace: &namespace };
    let outcome = cluster.prune(&objects, owner).await;
    assert_spared(&outcome);
    assert_eq!(cluster.wait_deleted(&objects, &outcome.deleted, LIMIT).await, []);
    assert!(live(&namespace, "configmap", "goes").is_err());
    assert!(live(&namespace, "configmap", "kept").is_ok());
    Ok(())
}

/// The watches may or may not have told of what somebody did a moment ago.
#[tokio::test]
async fn pruning_by_what_was_seen_spares_what_is_no_longer_ours() -> Result<()> {
    let (cluster, namespace) = (connect().await?, shared().namespace("prune-seen").await?);
    let objects = leaving(&cluster, &namespace).await?;
    let observer = Observer::new(&cluster);
    observer.ensure(&[objects[0].kind.clone()], LIMIT).await?;
    let mark = shared().audit_mark()?;
    meddle(&namespace)?;
    let release = ReleaseKey { namespace: namespace.clone(), name: "web".to_owned() };
    let outcome = cluster.prune_observed(&objects, &release, &observer).await;
    assert_spared(&outcome);
    assert_eq!(cluster.wait_deleted_observed(&objects, &outcome.deleted, LIMIT, &observer).await, []);
    assert!(live(&namespace, "configmap", "goes").is_err());
    wait::until(LIMIT, "the deletion to be in the log", || {
        let of_it = |request: &Request| request.namespace == namespace && request.name == "goes";
        let requests: Vec<_> = mark.requests()?.into_iter().filter(of_it).collect();
        assert!(requests.iter().all(|request| request.user_agent.contains("kubectl") || request.verb == "delete"));
        Ok(requests.iter().any(|request| request.verb == "delete").then_some(()))
    })
}

/// Objects of the release `web` that leave it.
async fn leaving(cluster: &Cluster, namespace: &str) -> Result<Vec<Object>> {
    let mut kept = config_map("kept", &json!({}));
    kept["metadata"]["annotations"] = json!({"helm.sh/resource-policy": "keep"});
    let names = ["gone", "taken", "namesake", "late", "goes"];
    let all: Vec<_> = names.map(|name| config_map(name, &json!({}))).into_iter().chain([kept]).collect();
    let mut objects = read(cluster, namespace, &all).await?;
    objects.iter_mut().for_each(|object| object.stamp("web", namespace));
    assert_eq!(cluster.apply_all(&objects, ApplyOptions::default()).await.failed, []);
    let left = leftover(objects, &[]);
    assert_eq!(left.keep.iter().map(|object| object.key.name.as_str()).collect::<Vec<_>>(), ["kept"]);
    Ok(left.delete)
}

/// Somebody deletes one of them, takes one over, puts another in the place of one, and has one kept.
fn meddle(namespace: &str) -> Result<()> {
    for command in [
        &["delete", "configmap", "gone"][..],
        &["annotate", "configmap", "taken", "--overwrite", "meta.helm.sh/release-name=other"],
        &["delete", "configmap", "namesake"],
        &["create", "configmap", "namesake"],
        &["annotate", "configmap", "late", "helm.sh/resource-policy=keep"],
    ] {
        kubectl(shared(), &[command, &["-n", namespace]].concat())?;
    }
    Ok(())
}

fn assert_spared(outcome: &PruneOutcome) {
    assert_eq!(outcome.failed, []);
    let spared: Vec<_> = outcome.spared.iter().map(|(key, why)| (key.name.as_str(), *why)).collect();
    let expected =
        [("gone", Spared::Gone), ("taken", Spared::Foreign), ("namesake", Spared::Foreign), ("late", Spared::Kept)];
    assert_eq!(spared, expected);
    assert_eq!(outcome.deleted.iter().map(|deleted| deleted.key.name.as_str()).collect::<Vec<_>>(), ["goes"]);
}

#[tokio::test]
async fn existing_definitions_of_a_chart_stay_unless_they_are_to_be_replaced() -> Result<()> {
    let cluster = connect().await?;
    let definition = |note: &str| {
        json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": "parts.kept.example.org", "annotations": {"note": note}},
            "spec": {
                "group": "kept.example.org", "scope": "Cluster",
                "names": {"kind": "Part", "plural": "parts", "singular": "part", "listKind": "PartList"},
                "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {"type": "object"}}}],
            },
        })
    };
    let first = read(&cluster, "default", &[definition("first")]).await?;
    let created = cluster.install_definitions(&first, Existing::Keep).await;
    assert_eq!((created.applied.len(), created.failed.len()), (1, 0));
    assert!(cluster.discovery().resolve("kept.example.org/v1", "Part").await?.is_some());

    let second = read(&cluster, "default", &[definition("second")]).await?;
    let kept = cluster.install_definitions(&second, Existing::Keep).await;
    assert_eq!((kept.applied.len(), kept.failed.len()), (0, 0));
    let replaced = cluster.install_definitions(&second, Existing::Replace).await;
    assert_eq!(replaced.applied[0].json["metadata"]["annotations"]["note"], "second");
    Ok(())
}

#[tokio::test]
async fn what_cannot_be_changed_can_be_made_anew() -> Result<()> {
    let (cluster, namespace) = (connect().await?, shared().namespace("recreate").await?);
    let make = async |app: &str| -> Result<Object> {
        let mut objects = read(&cluster, &namespace, &[deployment("web", app)]).await?;
        objects[0].stamp("web", &namespace);
        Ok(objects.remove(0))
    };
    let replacing = Replacing::Refused { by: Instant::now() + LIMIT };
    let options = ApplyOptions { replacing, ..ApplyOptions::default() };
    let old = cluster.apply(&make("web").await?, options).await?;
    let mut next = make("other").await?;
    let refusal = cluster.apply(&next, options).await.err().context("it was changed")?.to_string();
    assert!(
        refusal.starts_with(&format!("Deployment \"web\" in namespace {namespace:?}: field spec.selector")),
        "{refusal}"
    );
    next.allow_replacing();
    cluster.apply(&next, ApplyOptions { dry_run: true, ..options }).await?;
    let mut invalid = next.clone();
    invalid.json["spec"]["template"]["spec"]["containers"][0]["image"] = json!("");
    let refusal = cluster.apply(&invalid, options).await.err().context("it was made anew")?.to_string();
    assert!(refusal.contains("containers[0].image"), "{refusal}");
    assert_eq!(live(&namespace, "deployment", "web")?["metadata"]["uid"], old.uid(), "nothing was deleted");
    let new = cluster.apply(&next, options).await?;
    assert_ne!(old.uid(), new.uid());
    Ok(())
}

/// Installs a chart by the `helm` command line and applies its recorded manifest as we would on taking it over.
async fn take_over(purpose: &str, flags: &[&str]) -> Result<(Value, Value)> {
    let (cluster, namespace) = (connect().await?, shared().namespace(purpose).await?);
    let chart = charts::folder("hello-0.1.0");
    let mut helm = shared().helm();
    command::output(helm.args(["install", "greeter", "--namespace", &namespace]).args(flags).arg(chart))?;
    let before = live(&namespace, "deployment", "greeter-hello")?;

    let record = cluster.last_record(&namespace, "greeter").await?.context("no record")?;
    let mut objects = cluster.read_manifest(&record.manifest, &namespace).await?;
    objects.iter_mut().for_each(|object| object.stamp("greeter", &namespace));
    let marks = cluster.read_marks(&objects).await?;
    assert_eq!(marks.len(), objects.len());
    assert_eq!(conflicts("greeter", &namespace, marks.iter().map(|(key, marks)| (key, marks))), []);
    let outcome = cluster.apply_all(&objects, ApplyOptions::default()).await;
    assert_eq!(outcome.failed, []);
    let after = live(&namespace, "deployment", "greeter-hello")?;
    Ok((before, after))
}

#[tokio::test]
async fn a_release_of_helm_4_is_taken_over_without_a_write() -> Result<()> {
    let (before, after) = take_over("helm4", &[]).await?;
    let ours = |object: &Value| {
        let entries = object["metadata"]["managedFields"].as_array().cloned().unwrap_or_default();
        entries.into_iter().find(|entry| entry["manager"] == "helm")
    };
    assert_eq!(ours(&before), ours(&after));
    Ok(())
}

#[tokio::test]
async fn a_client_side_release_is_taken_over_without_a_new_generation() -> Result<()> {
    let (before, after) = take_over("helm3", &["--server-side=false"]).await?;
    assert_eq!(before["metadata"]["generation"], after["metadata"]["generation"]);
    assert_eq!(before["spec"], after["spec"]);
    Ok(())
}
