//! The definitions that a chart brings: created, replaced without loss, and found where charts for Helm 2 have them.

use std::fs;
use std::path::PathBuf;

use anyhow::Result;
use serde_json::{Value, json};

use crate::support::charts;
use crate::support::folder::Folder;
use crate::world::{Place, world};

/// A definition of `Gauge` in a group; each version is a name and whether it is served, and the first one is stored.
fn definition(group: &str, versions: &[(&str, bool)]) -> Value {
    let schema = json!({"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}});
    let version = |(index, (name, served)): (usize, &(&str, bool))| json!({"name": name, "served": served, "storage": index == 0, "schema": schema});
    json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("gauges.{group}")},
        "spec": {"group": group, "scope": "Namespaced", "versions": versions.iter().enumerate().map(version).collect::<Vec<_>>(),
            "names": {"kind": "Gauge", "plural": "gauges", "singular": "gauge"}},
    })
}

fn gauge(group: &str, version: &str) -> Value {
    json!({"apiVersion": format!("{group}/{version}"), "kind": "Gauge", "metadata": {"name": "web"}, "spec": {"size": 1}})
}

/// A template that writes down which version the cluster serves.
fn seen(group: &str, version: &str) -> String {
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: seen}}\ndata:\n  \
         seen: {{{{ .Capabilities.APIVersions.Has \"{group}/{version}/Gauge\" | quote }}}}\n"
    )
}

/// Publishes charts `gauges`: of each the version and its files.
fn publish(place: &Place<'_>, releases: &[(&str, Vec<(&str, String)>)]) -> Result<()> {
    let source = Folder::new("gauges")?;
    let mut folders: Vec<PathBuf> = Vec::new();
    for (version, files) in releases {
        let folder = source.path().join(version);
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("Chart.yaml"), format!("apiVersion: v2\nname: gauges\nversion: {version}\n"))?;
        for (path, content) in files {
            let path = folder.join(path);
            fs::create_dir_all(path.parent().unwrap_or(&folder))?;
            fs::write(path, content)?;
        }
        folders.push(folder);
    }
    charts::repository(&folders, place.folder.path())?;
    place.apply(&place.repository("charts", &place.server.url()))
}

fn until_deployed(place: &Place<'_>, revision: i64) -> Result<Value> {
    place.until("helmrequest", "web", &format!("revision {revision} to be deployed"), |request| {
        request["status"]["phase"] == "Synced" && request["status"]["revision"] == revision
    })
}

#[tokio::test]
async fn definitions_are_replaced_unless_stored_objects_would_be_lost() -> Result<()> {
    let place = world().bare_place("definitions").await?;
    let group = "replaced.example.com";
    let release = |versions: &[(&str, bool)], used: &str| {
        vec![
            ("crds/gauges.yaml", definition(group, versions).to_string()),
            ("templates/gauge.yaml", gauge(group, used).to_string()),
            ("templates/seen.yaml", seen(group, "v2")),
        ]
    };
    publish(
        &place,
        &[
            ("1.0.0", release(&[("v1", true)], "v1")),
            ("2.0.0", release(&[("v1", true), ("v2", true)], "v2")),
            ("3.0.0", release(&[("v2", true)], "v2")),
            ("4.0.0", release(&[("v1", false), ("v2", true)], "v2")),
        ],
    )?;
    let ask = |version: &str| {
        let spec = json!({"chart": "charts/gauges", "version": version, "crds": "CreateReplace"});
        place.apply(&place.request("web", spec))
    };
    let served = || -> Result<Value> {
        let live = place.get("customresourcedefinition", "gauges.replaced.example.com")?.unwrap_or_default();
        Ok(live["spec"]["versions"].as_array().into_iter().flatten().map(|version| version["name"].clone()).collect())
    };
    ask("1.0.0")?;
    until_deployed(&place, 1)?;
    assert_eq!(place.get("configmap", "seen")?.unwrap_or_default()["data"]["seen"], "false");
    ask("2.0.0")?;
    until_deployed(&place, 2)?;
    assert_eq!(served()?, json!(["v1", "v2"]));
    assert_eq!(
        place.get("configmap", "seen")?.unwrap_or_default()["data"]["seen"],
        "true",
        "templates see what is new"
    );

    for (version, lost) in [("3.0.0", "status.storedVersions"), ("4.0.0", "there are objects of the kind")] {
        ask(version)?;
        place.until("helmrequest", "web", &format!("{version} to be refused"), |request| {
            let message = request["status"]["reason"].as_str().unwrap_or_default();
            request["status"]["phase"] == "Failed"
                && message.contains("CustomResourceDefinition \"gauges.replaced.example.com\": field spec.versions[v1]")
                && message.contains(lost)
        })?;
        assert_eq!(served()?, json!(["v1", "v2"]), "nothing was written");
    }
    Ok(())
}

#[tokio::test]
async fn definitions_that_are_hooks_of_helm_2_are_treated_like_those_of_crds() -> Result<()> {
    let place = world().bare_place("crd-install").await?;
    let group = "hooked.example.com";
    let mut hook = definition(group, &[("v1", true)]);
    hook["metadata"]["annotations"] =
        json!({"helm.sh/hook": "crd-install", "helm.sh/hook-delete-policy": "before-hook-creation"});
    let files = vec![
        ("templates/definition.yaml", hook.to_string()),
        ("templates/gauge.yaml", gauge(group, "v1").to_string()),
        ("templates/seen.yaml", seen(group, "v1")),
    ];
    publish(&place, &[("1.0.0", files)])?;
    place.apply(&place.request("web", json!({"chart": "charts/gauges", "crds": "Skip"})))?;
    place.until_failed("web", "UnknownKind")?;
    place.apply(&place.request("web", json!({"chart": "charts/gauges"})))?;
    until_deployed(&place, 1)?;
    assert_eq!(place.get("configmap", "seen")?.unwrap_or_default()["data"]["seen"], "true");
    let manifest = place.helm(&["get", "manifest", "web"])?;
    assert!(!manifest.contains("crd-install"), "it is no part of the release: {manifest}");
    place.kubectl(&["delete", "helmrequest", "web"])?;
    assert!(place.get("gauges.hooked.example.com", "web")?.is_none());
    assert!(place.get("customresourcedefinition", "gauges.hooked.example.com")?.is_some(), "it outlives the release");
    Ok(())
}
