//! Others who change what is applied at once: a policy of admission, which is told and lived with, and a controller that
//! takes a field again after each repair, which is not fought at full speed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use crate::support::wait;
use crate::world::{LIMIT, Place, condition, world};

/// How long the writer goes on.
const FIGHT: Duration = Duration::from_secs(20);

fn settings(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"color": "green", "size": "1"}})
}

fn ask(place: &Place<'_>, objects: &[Value]) -> Result<()> {
    place.apply(&place.request("web", json!({"chart": "charts/objects", "values": {"objects": objects}})))
}

/// A policy that paints every ConfigMap with a label blue.
fn paint(place: &Place<'_>) -> Result<String> {
    let name = format!("{}.example.org", place.namespace);
    let here = json!({"matchLabels": {"kubernetes.io/metadata.name": place.namespace}});
    let rule = json!({
        "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": ["configmaps"],
    });
    let version = "admissionregistration.k8s.io/v1";
    place.apply(&json!({
        "apiVersion": version, "kind": "MutatingAdmissionPolicy", "metadata": {"name": name},
        "spec": {
            "reinvocationPolicy": "Never", "failurePolicy": "Fail",
            "matchConstraints": {"namespaceSelector": here, "resourceRules": [rule]},
            "matchConditions": [{"name": "coloured", "expression": "has(object.data) && 'color' in object.data"}],
            "mutations": [{"patchType": "JSONPatch", "jsonPatch": {"expression":
                "[JSONPatch{op: 'replace', path: '/data/color', value: 'blue'}]"}}],
        },
    }))?;
    place.apply(&json!({
        "apiVersion": version, "kind": "MutatingAdmissionPolicyBinding", "metadata": {"name": name},
        "spec": {"policyName": name},
    }))?;
    wait::until(LIMIT, "the policy to be in force", || {
        let probe = ["create", "configmap", "probe", "--from-literal=color=red", "--dry-run=server", "-o", "json"];
        Ok(place.kubectl(&probe)?.contains("blue").then_some(()))
    })?;
    Ok(name)
}

#[tokio::test]
async fn what_admission_changes_is_told_once_and_not_fought() -> Result<()> {
    let place = world().place("painted", &["objects"]).await?;
    let policy = paint(&place)?;
    ask(&place, &[settings("web")])?;
    place.until_ready("web")?;
    let note = place.until_event("web", "ChangedByAdmission", ".data.color")?;
    assert!(note.contains("ConfigMap") && !note.contains("size") && !note.contains("blue"), "{note}");

    // What others change is repaired, and the policy has its way each time.
    place.merge("configmap", "web", &json!({"data": {"size": "9"}}))?;
    let live = place.until("configmap", "web", "the field to be restored", |live| live["data"]["size"] == "1")?;
    assert_eq!(live["data"]["color"], "blue");
    tokio::time::sleep(Duration::from_secs(3)).await;
    let later = place.get("configmap", "web")?.context("the object")?;
    assert_eq!(later["metadata"]["resourceVersion"], live["metadata"]["resourceVersion"], "nothing goes round");
    assert_eq!(place.events("web", "ChangedByAdmission")?.len(), 1);
    assert_eq!(place.events("web", "DriftRepaired")?.len(), 1);
    place.until_ready("web")?;
    place.kubectl(&["delete", "mutatingadmissionpolicybinding", &policy])?;
    place.kubectl(&["delete", "mutatingadmissionpolicy", &policy]).map(drop)
}

/// Takes a field again whenever it is restored, until it is told to stop; gives how often.
async fn take_again(place: &Place<'_>, stop: Arc<AtomicBool>) -> Result<Arc<AtomicUsize>> {
    let maps: Api<ConfigMap> = Api::namespaced(place.world.cluster.client().await?, &place.namespace);
    let (taken, count) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&count);
    tokio::spawn(async move {
        while !stop.load(Ordering::Relaxed) {
            let live = maps.get("web").await.ok().and_then(|map| map.data);
            if live.is_some_and(|data| data.get("color").is_some_and(|color| color == "green")) {
                let number = taken.fetch_add(1, Ordering::Relaxed);
                let patch = json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"color": format!("red{number}")}});
                let mine = PatchParams::apply("painter").force();
                if maps.patch("web", &mine, &Patch::Apply(&patch)).await.is_ok() {
                    counted.fetch_add(1, Ordering::Relaxed);
                }
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    Ok(count)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_that_takes_a_field_again_and_again_is_met_with_growing_pauses_and_named() -> Result<()> {
    let place = world().place("contested", &["objects"]).await?;
    ask(&place, &[settings("web"), settings("calm")])?;
    place.until_ready("web")?;
    let stop = Arc::new(AtomicBool::new(false));
    let began = Instant::now();
    let taken = take_again(&place, Arc::clone(&stop)).await?;
    let note = place.until_event("web", "DriftContested", ".data.color")?;
    assert!(note.contains("painter") && note.contains("spec.drift.ignore"), "{note}");
    let fought = place.until("helmrequest", "web", "the status to name the writer", |request| {
        let object = &request["status"]["drift"]["objects"][0];
        object["manager"] == "painter" && object["fields"] == json!([".data.color"])
    })?;
    assert!(condition(&fought, "Drifted").is_some_and(|drifted| drifted["status"] == "True"), "{fought}");
    place.kubectl(&["delete", "configmap", "calm"])?;
    place.until("configmap", "calm", "what nobody fights over to be repaired at once", |_| true)?;

    tokio::time::sleep(FIGHT).await;
    stop.store(true, Ordering::Relaxed);
    // It is restored four times at once, then after pauses of 8, 16, 32 seconds, each up to a tenth shorter, and taken
    // again each time.
    let (number, passed) = (taken.load(Ordering::Relaxed), began.elapsed());
    let most = 5 + [8, 24, 56, 120].iter().filter(|&&seconds| passed > Duration::from_secs(seconds) * 9 / 10).count();
    assert!((4..=most).contains(&number), "it was taken {number} times in {passed:?}");
    assert_eq!(place.events("web", "DriftContested")?.len(), 1);
    place.until("configmap", "web", "the last repair", |live| live["data"]["color"] == "green")?;
    place.until_ready("web").map(drop)
}
