//! Drift beyond its repair: what is left to autoscalers and by rules, and what is only reported.

use anyhow::{Context, Result};
use coxswain::api::Reason;
use serde_json::{Value, json};

use crate::bad_input::{CONFIG_MAP, list, open_store, pack, refused};
use crate::support::wait;
use crate::world::{LIMIT, Place, world};

const DEPLOYMENT: &str = "apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
        - {name: app, image: 'example.org/app:1', ports: [{containerPort: 80}]}
        - {name: side, image: 'example.org/side:1'}
";

/// A request for a Deployment and a ConfigMap with `message` and `tuned`.
fn publish(place: &Place<'_>) -> Result<()> {
    let config_map = format!("{CONFIG_MAP}  tuned: chart\n");
    let files = [("templates/deployment.yaml", DEPLOYMENT), ("templates/configmap.yaml", config_map.as_str())];
    list(place, &[pack(place, "web", "0.1.0", &files)?])?;
    open_store(place)
}

fn spec(message: &str, drift: &Value) -> Value {
    json!({"chart": "store/web", "values": {"message": message}, "drift": drift})
}

fn patch(place: &Place<'_>, object: &str, patch: &Value) -> Result<()> {
    place.kubectl(&["patch", object, "--type", "strategic", "-p", &patch.to_string()]).map(drop)
}

fn live(place: &Place<'_>, kind: &str) -> Result<Value> {
    place.get(kind, "web")?.context("an object of the release")
}

/// Has another field repaired, so that everything before was looked at.
fn until_looked_at(place: &Place<'_>, message: &str) -> Result<()> {
    patch(place, "configmap/web", &json!({"data": {"message": "mine"}}))?;
    wait::until(LIMIT, "another field to be repaired", || {
        Ok((live(place, "configmap")?["data"]["message"] == message).then_some(()))
    })
}

#[tokio::test]
async fn fields_that_a_rule_leaves_to_others_stay_as_they_make_them() -> Result<()> {
    let place = world().bare_place("ignored").await?;
    publish(&place)?;
    let drift = json!({"ignore": [
        {"kind": "ConfigMap", "name": "web", "paths": ["/data/tuned"]},
        {"kind": "Deployment", "paths": [".spec.template.spec.containers[name=app].image"]},
    ]});
    place.apply(&place.request("web", spec("one", &drift)))?;
    place.until_ready("web")?;
    assert_eq!(live(&place, "configmap")?["data"]["tuned"], "chart", "made as the chart says");

    let image = json!([{"name": "app", "image": "example.org/app:9"}]);
    patch(&place, "deployment/web", &json!({"spec": {"template": {"spec": {"containers": image}}}}))?;
    patch(&place, "configmap/web", &json!({"data": {"tuned": "mine"}}))?;
    until_looked_at(&place, "one")?;
    let as_others_made_them = |place: &Place<'_>| -> Result<()> {
        assert_eq!(live(place, "configmap")?["data"]["tuned"], "mine");
        let containers = live(place, "deployment")?["spec"]["template"]["spec"]["containers"].take();
        assert_eq!(
            (&containers[0]["image"], &containers[1]["image"]),
            (&json!("example.org/app:9"), &json!("example.org/side:1"))
        );
        Ok(())
    };
    as_others_made_them(&place)?;

    place.apply(&place.request("web", spec("two", &drift)))?;
    place.until("helmrequest", "web", "revision 2", |request| {
        request["status"]["revision"] == 2 && request["status"]["phase"] == "Synced"
    })?;
    assert_eq!(live(&place, "configmap")?["data"]["message"], "two");
    as_others_made_them(&place)?;
    let image = json!([{"name": "side", "image": "example.org/side:9"}]);
    patch(&place, "deployment/web", &json!({"spec": {"template": {"spec": {"containers": image}}}}))?;
    place.until_event("web", "DriftRepaired", "containers[name=side].image")?;
    // The event is written before the repair, so that it cannot be lost.
    wait::until(LIMIT, "the other container's image to be the chart's", || {
        let image = &live(&place, "deployment")?["spec"]["template"]["spec"]["containers"][1]["image"];
        Ok((image == "example.org/side:1").then_some(()))
    })?;
    as_others_made_them(&place)?;

    // A rule that goes, goes at once and without a revision.
    let fewer = json!({"ignore": [{"kind": "ConfigMap", "name": "web", "paths": ["/data/tuned"]}]});
    place.apply(&place.request("web", spec("two", &fewer)))?;
    wait::until(LIMIT, "the image to be the chart's", || {
        let image = &live(&place, "deployment")?["spec"]["template"]["spec"]["containers"][0]["image"];
        Ok((image == "example.org/app:1").then_some(()))
    })?;
    assert_eq!(live(&place, "configmap")?["data"]["tuned"], "mine");
    assert_eq!(place.until_ready("web")?["status"]["revision"], 2);
    place.apply(&place.request("web", spec("two", &drift)))?;
    place.until_ready("web")?;
    let image = json!([{"name": "app", "image": "example.org/app:8"}]);
    let repairs = place.events("web", "DriftRepaired")?.len();
    patch(&place, "deployment/web", &json!({"spec": {"template": {"spec": {"containers": image}}}}))?;
    until_looked_at(&place, "two")?;
    let containers = live(&place, "deployment")?["spec"]["template"]["spec"]["containers"].take();
    assert_eq!(containers[0]["image"], "example.org/app:8", "a rule that comes counts at once too");
    assert!(place.events("web", "DriftRepaired")?.len() <= repairs + 1);
    Ok(())
}

#[tokio::test]
async fn what_an_autoscaler_scales_is_left_to_it_without_a_word() -> Result<()> {
    let place = world().bare_place("autoscaled").await?;
    publish(&place)?;
    place.apply(&place.request("web", spec("one", &json!({}))))?;
    place.until_ready("web")?;
    let replicas = || -> Result<Value> { Ok(live(&place, "deployment")?["spec"]["replicas"].clone()) };
    place.kubectl(&["scale", "deployment/web", "--replicas=4"])?;
    let note = place.until_event("web", "DriftRepaired", ".spec.replicas")?;
    assert!(note.contains("cause: person"), "{note}");
    wait::until(LIMIT, "the replicas to be the chart's", || Ok((replicas()? == 2).then_some(())))?;

    place.kubectl(&["autoscale", "deployment/web", "--min=3", "--max=5"])?;
    wait::until(LIMIT, "the autoscaler to scale", || Ok((replicas()? == 3).then_some(())))?;
    until_looked_at(&place, "one")?;
    assert_eq!(replicas()?, 3);
    place.apply(&place.request("web", spec("two", &json!({}))))?;
    place.until("helmrequest", "web", "revision 2", |request| {
        request["status"]["revision"] == 2 && request["status"]["phase"] == "Synced"
    })?;
    assert_eq!(replicas()?, 3, "an upgrade leaves it too");
    let told = place.events("web", "DriftRepaired")?;
    let of_replicas = told.iter().filter(|note| note.contains(".spec.replicas"));
    assert_eq!(of_replicas.count(), 1, "{told:?}");
    Ok(())
}

#[tokio::test]
async fn what_is_only_reported_is_told_with_its_fields_and_their_writer() -> Result<()> {
    let place = world().bare_place("reported").await?;
    publish(&place)?;
    place.apply(&place.request("web", spec("one", &json!({"mode": "Report", "ignore": [{"kind": "Deployment"}]}))))?;
    place.until_ready("web")?;
    place.kubectl(&["scale", "deployment/web", "--replicas=4"])?;
    patch(&place, "configmap/web", &json!({"data": {"message": "mine"}}))?;
    let told = place.until("helmrequest", "web", "the drift to be explained", |request| {
        request["status"]["drift"]["objects"][0]["fields"] == json!([".data.message"])
    })?;
    let drift = &told["status"]["drift"];
    assert_eq!((&drift["total"], &drift["objects"][0]["kind"]), (&json!(1), &json!("ConfigMap")), "{drift}");
    assert!(drift["objects"][0]["manager"].as_str().is_some_and(|manager| manager.starts_with("kubectl")), "{drift}");
    assert_eq!(live(&place, "configmap")?["data"]["message"], "mine", "nothing was repaired");
    Ok(())
}

#[tokio::test]
async fn bad_rule_of_drift() -> Result<()> {
    let place = world().bare_place("bad-rule").await?;
    publish(&place)?;
    let drift = json!({"ignore": [{"paths": ["/spec/replicas", "spec.containers[app].image"]}]});
    place.apply(&place.request("web", spec("one", &drift)))?;
    let words = ["spec.drift.ignore[0].paths[1]", "spec.containers[app].image", "[key=value]"];
    refused(&place, "web", Reason::InvalidRequest, &words).map(drop)
}
