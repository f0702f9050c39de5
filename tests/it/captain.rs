//! Taking over from Captain: objects as it made them, and the operator started after them.

use std::io::{Read, Write};

use anyhow::{Context, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::read::GzDecoder;
use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};

use crate::support::charts;
use crate::world::{Place, World};

/// The four objects of the chart.
const OBJECTS: [&str; 4] = ["deployment", "service", "configmap", "serviceaccount"];

/// JSON as Captain packs it.
fn packed(part: &Value) -> Result<String> {
    let mut writer = GzEncoder::new(Vec::new(), Compression::default());
    writer.write_all(part.to_string().as_bytes())?;
    Ok(STANDARD.encode(writer.finish()?))
}

/// Puts a Release object of Captain in the place of a record of Helm.
fn record_as_captain(place: &Place<'_>, revision: i64) -> Result<()> {
    let name = format!("sh.helm.release.v1.web.v{revision}");
    let secret = place.get("secret", &name)?.context("a record of helm")?;
    let text = STANDARD.decode(secret["data"]["release"].as_str().unwrap_or_default())?;
    let mut json = String::new();
    GzDecoder::new(&STANDARD.decode(text)?[..]).read_to_string(&mut json)?;
    let record: Value = serde_json::from_str(&json)?;
    let info = &record["info"];
    let hooks = record.get("hooks").cloned().unwrap_or(Value::Null);
    let labels = json!({"name": "web", "owner": "helm", "status": info["status"], "version": revision.to_string(),
                        "modifiedAt": "1795236602"});
    let release = json!({
        "apiVersion": "app.alauda.io/v1alpha1", "kind": "Release",
        "metadata": {"name": name, "namespace": place.namespace, "labels": labels},
        "spec": {
            "name": "web", "version": revision, "chartData": packed(&record["chart"])?,
            "configData": packed(&record["config"])?, "manifestData": packed(&record["manifest"])?,
            "hooksData": packed(&hooks)?,
        },
        "status": {
            "status": info["status"], "first_deployed": info["first_deployed"], "deleted": "",
            "last_deployed": info["last_deployed"], "Description": info["description"], "notes": info["notes"],
        },
    });
    place.kubectl(&["delete", "secret", &name])?;
    place.apply(&release)
}

/// Makes Captain the owner of an object's fields: its program is called `manager` and updates.
fn own_as_captain(place: &Place<'_>, kind: &str) -> Result<()> {
    let object = place.kubectl(&["get", kind, "web-hello", "--show-managed-fields", "-o", "json"])?;
    let object: Value = serde_json::from_str(&object)?;
    let entries = object["metadata"]["managedFields"].as_array().context("managed fields")?;
    let place_of_helm = entries.iter().position(|entry| entry["manager"] == "helm").context("an entry of helm")?;
    let path = format!("/metadata/managedFields/{place_of_helm}/manager");
    let patch = json!([{"op": "replace", "path": path, "value": "manager"}]).to_string();
    place.kubectl(&["patch", kind, "web-hello", "--type", "json", "-p", &patch]).map(drop)
}

/// Two revisions of the release `web`, with the request, as Captain leaves them.
pub fn captain_leaves(place: &Place<'_>) -> Result<()> {
    let chart = charts::folder("hello-0.1.0");
    let chart = chart.to_string_lossy();
    for arguments in [["install", "message=one"], ["upgrade", "message=two"]] {
        let [command, values] = arguments;
        place.helm(&[command, "web", &chart, "--set", values, "--server-side=false", "--wait"])?;
    }
    (1..=2).try_for_each(|revision| record_as_captain(place, revision))?;
    OBJECTS.iter().try_for_each(|kind| own_as_captain(place, kind))?;
    let mut request = place.request("web", json!({"chart": "charts/hello", "values": {"message": "two"}}));
    request["metadata"]["finalizers"] = json!(["captain.cpaas.io"]);
    place.apply(&request)?;
    let status = json!({"status": {"phase": "Synced", "lastSpecHash": "4281660189866827659", "version": "0.1.0"}});
    place
        .kubectl(&[
            "patch",
            "helmrequest",
            "web",
            "--subresource",
            "status",
            "--type",
            "merge",
            "-p",
            &status.to_string(),
        ])
        .map(drop)
}

/// What would be another if an object of the release `web` were made anew or restarted.
pub fn identities(place: &Place<'_>) -> Result<Vec<Value>> {
    let pods = place.kubectl(&[
        "get",
        "pods",
        "-l",
        "app.kubernetes.io/instance=web",
        "-o",
        "jsonpath={.items[*].metadata.uid}",
    ])?;
    let mut identities = vec![json!(pods)];
    for kind in OBJECTS {
        let object = place.get(kind, "web-hello")?.with_context(|| format!("no {kind}"))?;
        identities.push(json!([object["metadata"]["uid"], object["metadata"]["generation"]]));
    }
    Ok(identities)
}

#[tokio::test]
async fn a_release_of_captain_is_taken_over_with_its_history_and_nothing_restarts() -> Result<()> {
    let world = World::start()?;
    // The newer version must not be taken: Captain would have stayed at what it had deployed.
    let place = world.place("captain", &["hello-0.1.0", "hello-0.2.0"]).await?;
    world.kill_operator();
    captain_leaves(&place)?;
    let before = identities(&place)?;
    assert_eq!(place.helm(&["list", "-q"])?, "", "helm knows nothing of it yet");

    world.start_operator()?;
    let ready = place.until_ready("web")?;
    assert_eq!((&ready["status"]["version"], &ready["status"]["revision"]), (&json!("0.1.0"), &json!(2)));
    assert_eq!(identities(&place)?, before, "no new generation, no new object, no restart");
    let history: Value = serde_json::from_str(&place.helm(&["history", "web", "-o", "json"])?)?;
    let history: Vec<_> = history.as_array().context("a history")?.iter().map(|entry| &entry["status"]).collect();
    assert_eq!(history, ["superseded", "deployed"]);
    assert!(place.helm(&["get", "values", "web", "--revision", "1"])?.contains("message: one"));
    assert!(place.get("release.app.alauda.io", "sh.helm.release.v1.web.v2")?.is_some(), "Captain's objects stay");
    let owners = place.kubectl(&["get", "deployment", "web-hello", "--show-managed-fields", "-o", "json"])?;
    assert!(!owners.contains(r#""manager": "manager""#), "{owners}");

    place.merge("helmrequest", "web", &json!({"spec": {"rollbackTo": 1}}))?;
    place.until("configmap", "web-hello", "the message of Captain's first revision", |map| {
        map["data"]["message"] == "one"
    })?;
    place.kubectl(&["delete", "helmrequest", "web"])?;
    assert!(place.get("deployment", "web-hello")?.is_none());
    Ok(())
}

#[tokio::test]
async fn a_request_of_captain_that_is_deleted_before_it_is_taken_over_is_uninstalled() -> Result<()> {
    let world = World::start()?;
    let place = world.place("captain-gone", &["hello-0.1.0"]).await?;
    world.kill_operator();
    captain_leaves(&place)?;
    place.delete("helmrequest", "web")?;
    world.start_operator()?;
    crate::support::wait::until(crate::world::LIMIT, "the request to go", || {
        Ok(place.get("helmrequest", "web")?.is_none().then_some(()))
    })?;
    assert!(place.get("deployment", "web-hello")?.is_none());
    Ok(())
}

/// Where objects that Captain itself made are recorded; only some workplaces have them.
const RECORDED: &str = "../shared/captain/objects.yaml";

/// JSON that Captain has packed.
fn unpacked(release: &Value, part: &str) -> Result<Value> {
    let bytes = STANDARD.decode(release["spec"][part].as_str().unwrap_or_default())?;
    let mut json = String::new();
    GzDecoder::new(&bytes[..]).read_to_string(&mut json)?;
    Ok(serde_json::from_str(&json)?)
}

/// Puts the chart of a recorded Release into the repository `podinfo`.
fn publish_recorded(place: &Place<'_>, release: &Value) -> Result<()> {
    let mut chart = unpacked(release, "chartData")?;
    // Of quoted text the index of the test's repository would keep the quotes.
    chart["metadata"].as_object_mut().context("metadata")?.remove("kubeVersion");
    let folder = place.folder.path().join("source");
    let files = ["templates", "files"].into_iter().filter_map(|list| chart[list].as_array()).flatten();
    for file in files {
        let path = folder.join(file["name"].as_str().context("a file's name")?);
        std::fs::create_dir_all(path.parent().context("a folder")?)?;
        std::fs::write(path, STANDARD.decode(file["data"].as_str().unwrap_or_default())?)?;
    }
    std::fs::write(folder.join("Chart.yaml"), coxswain::yaml::to_string(&chart["metadata"])?)?;
    std::fs::write(folder.join("values.yaml"), coxswain::yaml::to_string(&chart["values"])?)?;
    charts::repository(&[folder], place.folder.path())?;
    place.apply(&place.repository("podinfo", &place.server.url()))
}

/// Makes the objects of a recorded Release as Captain made them.
fn create_recorded(place: &Place<'_>, release: &Value) -> Result<()> {
    let manifest = unpacked(release, "manifestData")?;
    for document in coxswain::render::split(manifest.as_str().context("a manifest")?) {
        let mut object = coxswain::yaml::parse(document)?;
        object["metadata"]["labels"]["app.kubernetes.io/managed-by"] = json!("Helm");
        object["metadata"]["annotations"]["meta.helm.sh/release-name"] = release["spec"]["name"].clone();
        object["metadata"]["annotations"]["meta.helm.sh/release-namespace"] = json!(place.namespace);
        let path = place.folder.path().join("object.json");
        std::fs::write(&path, object.to_string())?;
        place.kubectl(&["create", "--field-manager", "manager", "-f", &path.to_string_lossy()])?;
    }
    Ok(())
}

/// A recorded object as one that can be created.
fn anew(mut object: Value) -> Value {
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata
            .retain(|name, _| ["name", "namespace", "labels", "annotations", "finalizers"].contains(&name.as_str()));
    }
    object
}

#[tokio::test]
async fn what_captain_itself_made_is_taken_over_without_a_revision() -> Result<()> {
    let Ok(recorded) = std::fs::read_to_string(RECORDED) else {
        println!("skipped: {RECORDED} is not there");
        return Ok(());
    };
    let recorded: Vec<Value> = coxswain::render::split(&recorded)
        .into_iter()
        .map(coxswain::yaml::parse)
        .collect::<std::result::Result<_, _>>()?;
    let of_kind = |kind: &str| recorded.iter().find(|object| object["kind"] == kind).cloned().context("not recorded");
    let (release, request) = (anew(of_kind("Release")?), anew(of_kind("HelmRequest")?));
    let world = World::start()?;
    let mut place = world.bare_place("recorded").await?;
    place.namespace = "bench".to_owned();
    place.kubectl(&["create", "namespace", "bench"])?;
    publish_recorded(&place, &release)?;
    world.kill_operator();
    create_recorded(&place, &release)?;
    for object in [&release, &request] {
        place.apply(object)?;
    }
    let status = json!({"status": request["status"]}).to_string();
    let name = request["metadata"]["name"].as_str().context("a name")?;
    place.kubectl(&["patch", "helmrequest", name, "--subresource", "status", "--type", "merge", "-p", &status])?;
    let identity = |place: &Place<'_>| {
        let columns = "-o=custom-columns=U:.metadata.uid,G:.metadata.generation";
        place.kubectl(&["get", "deployments,services,ingresses,serviceaccounts", columns, "--no-headers"])
    };
    let before = identity(&place)?;

    world.start_operator()?;
    place.until("helmrequest", name, "the release to be taken over", |request| request["status"]["revision"] == 1)?;
    assert_eq!(identity(&place)?, before, "no new generation, no new object");
    let history: Value = serde_json::from_str(&place.helm(&["history", name, "-o", "json"])?)?;
    assert_eq!(history.as_array().map(Vec::len), Some(1), "{history}");
    assert_eq!(history[0]["status"], "deployed");
    Ok(())
}
