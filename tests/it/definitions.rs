//! The custom resource definitions against the API server: it accepts them, it refuses what is wrong in our words, and
//! it lets objects from before be changed.

use std::time::Duration;

use anyhow::{Context, Result};
use coxswain::api::definitions::definitions;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{ApiResource, DynamicObject, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::{Value, json};

use crate::support::{command, shared, wait};

const LIMIT: Duration = Duration::from_secs(30);

/// Creates or replaces definitions and waits until they are served.
pub async fn install(client: &Client, definitions: Vec<CustomResourceDefinition>) -> Result<()> {
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    for definition in definitions {
        let name = definition.metadata.name.clone().context("a name")?;
        api.patch(&name, &PatchParams::apply("test").force(), &Patch::Apply(&definition)).await?;
        wait::until_async(LIMIT, "the definition to be established", || async {
            let conditions = api.get(&name).await?.status.and_then(|status| status.conditions).unwrap_or_default();
            let has = |type_: &str| conditions.iter().any(|c| c.type_ == type_ && c.status == "True");
            assert!(!has("NonStructuralSchema"), "{conditions:?}");
            Ok(has("Established").then_some(()))
        })
        .await?;
    }
    Ok(())
}

fn resource(group: &str, version: &str, kind: &str, plural: &str) -> ApiResource {
    ApiResource {
        group: group.into(),
        version: version.into(),
        api_version: format!("{group}/{version}"),
        kind: kind.into(),
        plural: plural.into(),
    }
}

fn requests(client: &Client, namespace: &str, group: &str) -> Api<DynamicObject> {
    Api::namespaced_with(client.clone(), namespace, &resource(group, "v1", "HelmRequest", "helmrequests"))
}

fn object(group: &str, version: &str, kind: &str, name: &str, spec: Value) -> Result<DynamicObject> {
    let api_version = format!("{group}/{version}");
    let object = json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": name}, "spec": spec});
    Ok(serde_json::from_value(object)?)
}

#[tokio::test]
async fn what_is_wrong_is_refused_in_a_sentence() -> Result<()> {
    let client = shared().client().await?;
    let namespace = shared().namespace("refused").await?;
    install(&client, definitions()).await?;
    let api = requests(&client, &namespace, "app.alauda.io");
    let cases = [
        (json!({}), "name a chart"),
        (json!({"chart": "nginx"}), "chart is repository/name"),
        (json!({"chart": "a/b", "timeout": "5"}), "timeout is a number and a unit"),
        (json!({"chart": "a/b", "timeout": "0s"}), "timeout is a number and a unit"),
        (json!({"chart": "a/b", "historyMax": -1}), "historyMax is 0"),
        (json!({"chart": "a/b", "onFailure": {"retries": -1}}), "retries is 0 or more"),
        (json!({"chart": "a/b", "rollbackTo": 0}), "rollbackTo is the number"),
        (json!({"chart": "a/b", "releaseName": "Not_A_Name"}), "releaseName consists of"),
        (json!({"chart": "a/b", "valuesFrom": [{}]}), "set exactly one of"),
        (
            json!({"chart": "a/b", "valuesFrom": [{"secretKeyRef": {"name": "a"}, "configMapKeyRef": {"name": "a"}}]}),
            "set exactly one of",
        ),
        (json!({"source": {}}), "set source.http, source.oci, source.git or source.configMap"),
        (json!({"source": {"oci": {}}}), "spec.source.oci.repo"),
        (json!({"chart": "a/b", "crds": "Sometimes"}), "Unsupported value"),
        (json!({"chart": "a/b", "drift": {"mode": "Maybe"}}), "Unsupported value"),
    ];
    for (spec, expected) in cases {
        let object = object("app.alauda.io", "v1", "HelmRequest", "wrong", spec.clone())?;
        let refused = api.create(&PostParams { dry_run: true, ..Default::default() }, &object).await;
        let message = refused.map(drop).expect_err(&spec.to_string()).to_string();
        assert!(message.contains(expected), "{spec}: {message}");
    }
    Ok(())
}

#[tokio::test]
async fn what_names_the_release_cannot_be_changed() -> Result<()> {
    let client = shared().client().await?;
    let namespace = shared().namespace("immutable").await?;
    install(&client, definitions()).await?;
    let api = requests(&client, &namespace, "app.alauda.io");
    let spec = json!({"chart": "a/b", "namespace": "there", "values": null, "source": null});
    api.create(&PostParams::default(), &object("app.alauda.io", "v1", "HelmRequest", "web", spec)?).await?;

    let change = |spec: Value| {
        let api = api.clone();
        async move { api.patch("web", &PatchParams::default(), &Patch::Merge(json!({"spec": spec}))).await }
    };
    for (spec, expected) in [
        (json!({"chart": "a/c"}), "the chart's name cannot change"),
        (json!({"releaseName": "other"}), "spec.releaseName cannot change"),
        (json!({"namespace": "elsewhere"}), "namespace cannot change"),
        (json!({"namespace": null}), "namespace cannot change"),
        (json!({"clusterName": "west"}), "clusterName cannot change"),
        (json!({"installToAllClusters": true}), "installToAllClusters cannot change"),
    ] {
        let message = change(spec.clone()).await.map(drop).expect_err(&spec.to_string()).to_string();
        assert!(message.contains(expected), "{spec}: {message}");
    }
    // The repository may change, and what was the default may be said.
    change(json!({"chart": "other/b", "releaseName": "web", "installToAllClusters": false})).await?;
    Ok(())
}

#[tokio::test]
async fn a_client_of_the_old_version_loses_no_field() -> Result<()> {
    let client = shared().client().await?;
    let namespace = shared().namespace("versions").await?;
    install(&client, definitions()).await?;
    let spec = json!({
        "source": {"oci": {"repo": "registry.example.com/web"}}, "timeout": "10m", "drift": {"mode": "Report"},
        "values": {"a": {"b": [1, null, "c"]}},
    });
    let api = requests(&client, &namespace, "app.alauda.io");
    api.create(&PostParams::default(), &object("app.alauda.io", "v1", "HelmRequest", "web", spec.clone())?).await?;

    let old_version = resource("app.alauda.io", "v1alpha1", "HelmRequest", "helmrequests");
    let old: Api<DynamicObject> = Api::namespaced_with(client.clone(), &namespace, &old_version);
    let mut object = old.get("web").await?;
    object.metadata.labels.get_or_insert_default().insert("seen".into(), "true".into());
    old.replace("web", &PostParams::default(), &object).await?;
    assert_eq!(api.get("web").await?.data["spec"], spec);
    Ok(())
}

#[tokio::test]
async fn repositories_of_all_types_are_accepted_and_incomplete_ones_refused() -> Result<()> {
    let client = shared().client().await?;
    let namespace = shared().namespace("repositories").await?;
    install(&client, definitions()).await?;
    let api = |version: &str| -> Api<DynamicObject> {
        let kind = resource("app.alauda.io", version, "ChartRepo", "chartrepos");
        Api::namespaced_with(client.clone(), &namespace, &kind)
    };
    let dry_run = PostParams { dry_run: true, ..Default::default() };
    for (spec, expected) in [
        (json!({"url": "https://charts.example.com"}), None),
        (json!({"url": "https://charts.example.com", "type": "", "secret": null, "source": null}), None),
        (json!({"url": "https://charts.example.com", "type": "Chart"}), None),
        (json!({"url": "oci://registry.example.com/charts", "type": "OCI", "interval": "10m"}), None),
        (json!({"type": "Git", "source": {"url": "https://git.example.com/charts", "path": "/"}}), None),
        (json!({"type": "SVN", "url": "", "source": {"url": "https://svn.example.com/charts"}}), None),
        (json!({"type": "Local"}), None),
        (json!({"type": "HTTP"}), Some("url is needed")),
        (json!({"type": "Git", "url": "https://git.example.com"}), Some("needs source.url")),
        (json!({"type": "Git", "source": null}), Some("needs source.url")),
        (json!({"type": "Git", "source": {}}), Some("spec.source.url")),
        (json!({"url": "https://a", "interval": "often"}), Some("interval is a number and a unit")),
        (json!({"url": "https://a", "type": "Mercurial"}), Some("Unsupported value")),
    ] {
        for version in ["v1beta1", "v1alpha1"] {
            let object = object("app.alauda.io", version, "ChartRepo", "any", spec.clone())?;
            let answer = api(version).create(&dry_run, &object).await.map(drop).map_err(|error| error.to_string());
            match (&answer, expected) {
                (Ok(()), None) => {}
                (Err(message), Some(expected)) if message.contains(expected) => {}
                _ => panic!("{version} {spec}: {answer:?}"),
            }
        }
    }
    Ok(())
}

/// Objects that a definition without rules let in, as Captain's did, under a group of their own.
#[tokio::test]
async fn odd_objects_from_before_can_still_be_changed() -> Result<()> {
    const GROUP: &str = "before.example.com";
    let client = shared().client().await?;
    let namespace = shared().namespace("odd").await?;
    let mut ours = definitions().into_iter().find(|d| d.spec.names.kind == "HelmRequest").context("HelmRequest")?;
    ours.spec.group = GROUP.into();
    ours.spec.names.short_names = None;
    ours.metadata.name = Some(format!("helmrequests.{GROUP}"));
    let mut lax = ours.clone();
    for version in &mut lax.spec.versions {
        version.schema = serde_json::from_value(json!({"openAPIV3Schema": {
            "type": "object", "x-kubernetes-preserve-unknown-fields": true,
        }}))?;
    }
    install(&client, vec![lax]).await?;

    let odd = [
        ("empty", json!({}), json!({"phase": ""})),
        (
            "nulls",
            json!({"chart": "a/b", "version": "", "namespace": "", "values": null, "valuesFrom": null, "source": null,
                "clusterName": null, "extra": {"unknown": 1}}),
            json!({"phase": "Synced", "conditions": [{"type": "Initialized", "status": "True",
                "lastProbeTime": null, "lastTransitionTime": null}], "syncedClusters": null}),
        ),
        (
            "broken",
            json!({"chart": "no-slash", "releaseName": "Odd_Name", "valuesFrom": [{}, {"secretKeyRef": {"name": "a",
                "key": "b"}, "configMapKeyRef": {"name": "a", "key": "b"}}]}),
            json!({"conditions": [{"type": "Initialized", "status": "True"}, {"type": "Initialized", "status": ""}]}),
        ),
    ];
    let api = requests(&client, &namespace, GROUP);
    for (name, spec, status) in &odd {
        api.create(&PostParams::default(), &object(GROUP, "v1", "HelmRequest", name, spec.clone())?).await?;
        let patch = Patch::Merge(json!({"status": status}));
        api.patch_status(name, &PatchParams::default(), &patch).await?;
    }
    install(&client, vec![ours]).await?;

    for (name, ..) in &odd {
        // The new schema takes a moment to be served; until then the first patch would prove nothing.
        wait::until_async(LIMIT, "the new schema", || async {
            let wrong = json!({"spec": {"crds": "Sometimes"}});
            let dry_run = PatchParams { dry_run: true, ..Default::default() };
            Ok(api.patch(name, &dry_run, &Patch::Merge(wrong)).await.is_err().then_some(()))
        })
        .await?;
        let finalizer = json!({"metadata": {"finalizers": ["captain.cpaas.io"], "labels": {"a": "b"}}});
        api.patch(name, &PatchParams::default(), &Patch::Merge(finalizer)).await.with_context(|| (*name).to_owned())?;
        let status = json!({"status": {"observedGeneration": 1, "revision": 3}});
        api.patch_status(name, &PatchParams::default(), &Patch::Merge(status)).await?;
        let suspend = json!({"spec": {"suspend": true}});
        let changed = api.patch(name, &PatchParams::default(), &Patch::Merge(suspend)).await;
        assert_eq!(changed.is_ok(), *name != "empty", "a spec that is changed has to name a chart: {changed:?}");
        let none = json!({"metadata": {"finalizers": []}});
        api.patch(name, &PatchParams::default(), &Patch::Merge(none)).await?;
        api.delete(name, &Default::default()).await?;
    }
    Ok(())
}

#[tokio::test]
async fn kubectl_explains_and_lists_as_people_expect() -> Result<()> {
    let cluster = shared();
    let client = cluster.client().await?;
    let namespace = cluster.namespace("columns").await?;
    install(&client, definitions()).await?;
    let api = requests(&client, &namespace, "app.alauda.io");
    let spec = json!({"chart": "stable/nginx", "version": "1.2.3", "namespace": "web"});
    api.create(&PostParams::default(), &object("app.alauda.io", "v1", "HelmRequest", "web", spec)?).await?;

    let listed = command::output(cluster.kubectl().args(["get", "hr", "--namespace", &namespace]))?;
    let header: Vec<_> = listed.lines().next().unwrap_or_default().split_whitespace().collect();
    assert_eq!(header, ["NAME", "CHART", "VERSION", "NAMESPACE", "ALLCLUSTER", "PHASE", "AGE"]);
    let wide = command::output(cluster.kubectl().args(["get", "hr", "-o", "wide", "--namespace", &namespace]))?;
    assert!(wide.lines().next().unwrap_or_default().ends_with("READY   REVISION   STATUS"), "{wide}");

    let explained = wait::until_async(LIMIT, "the explanation", || async {
        Ok(command::output(cluster.kubectl().args(["explain", "hr.spec"])).ok())
    })
    .await?;
    assert!(explained.contains("Default: 5m"), "{explained}");
    assert!(explained.contains("Create, CreateReplace, Skip"), "{explained}");
    Ok(())
}
