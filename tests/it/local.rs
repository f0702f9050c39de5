//! Charts kept in the cluster, put there with plain kubectl.

use std::time::Instant;

use anyhow::Result;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use coxswain::api::{Reason, names};
use serde_json::json;

use crate::bad_input::{CONFIG_MAP, PROMPT, pack, told};
use crate::plugin::printed;
use crate::support::charts::Packed;
use crate::support::wait;
use crate::world::{LIMIT, Place, World, condition, world};

fn plain(place: &Place<'_>, version: &str, message: &str) -> Result<Packed> {
    let values = format!("message: {message}\n");
    pack(place, "plain", version, &[("templates/configmap.yaml", CONFIG_MAP), ("values.yaml", &values)])
}

/// Makes an object of a file and says which repository it belongs to.
fn put(place: &Place<'_>, kind: &[&str], name: &str, key: &str, content: &[u8]) -> Result<()> {
    let file = place.folder.path().join(key);
    std::fs::write(&file, content)?;
    let from = format!("--from-file={key}={}", file.display());
    place.kubectl(&[&["create"], kind, &[name, &from]].concat())?;
    let label = format!("{}=store", names::REPOSITORY_LABEL);
    place.kubectl(&["label", kind[0], name, &label]).map(drop)
}

fn repository(place: &Place<'_>) -> Result<()> {
    place.apply(&place.chart_repo("store", json!({"type": "Local", "interval": "10h"})))
}

fn until_told(place: &Place<'_>, status: &str, message: &str) -> Result<()> {
    place.until("chartrepo", "store", &format!("{message:?} of the repository"), |repository| {
        condition(repository, "Ready").is_some_and(|ready| {
            ready["status"] == status && ready["message"].as_str().is_some_and(|told| told.contains(message))
        })
    })?;
    Ok(())
}

fn until_message(place: &Place<'_>, message: &str) -> Result<()> {
    place.until("configmap", "web", &format!("the message {message:?}"), |map| map["data"]["message"] == message)?;
    Ok(())
}

#[tokio::test]
async fn local_charts_are_installed_noticed_and_go_with_their_repository() -> Result<()> {
    let place = world().bare_place("local").await?;
    repository(&place)?;
    until_told(&place, "True", "0 charts")?;
    let first = plain(&place, "0.1.0", "first")?;
    put(&place, &["configmap"], "plain-1", "plain-0.1.0.tgz", &std::fs::read(&first.path)?)?;
    let put_at = Instant::now();
    let chart = place.until("charts.app.alauda.io", "plain.store", "the Chart", |_| true)?;
    assert!(put_at.elapsed() < PROMPT, "{:?}", put_at.elapsed());
    let version = &chart["spec"]["versions"][0];
    let digest = first.digest.trim_start_matches("sha256:");
    assert_eq!((&version["version"], &version["digest"]), (&json!("0.1.0"), &json!(digest)), "{version}");
    place.apply(&place.request("web", json!({"chart": "store/plain", "version": "^0.1"})))?;
    until_message(&place, "first")?;
    assert_eq!(printed(&place, &["show", "values", "store/plain"])?, "message: first\n");

    // In two parts, in a ConfigMap and a Secret.
    let second = std::fs::read(plain(&place, "0.1.1", "second")?.path)?;
    let (beginning, end) = second.split_at(second.len() / 2);
    put(&place, &["secret", "generic"], "plain-2", "plain-0.1.1.tgz.01", end)?;
    until_told(&place, "True", "plain-0.1.1.tgz.00 is in no object")?;
    put(&place, &["configmap"], "plain-2", "plain-0.1.1.tgz.00", beginning)?;
    until_message(&place, "second")?;
    place.until_ready("web")?;
    until_told(&place, "True", "1 chart")?;

    place.delete("secret", "plain-2")?;
    until_told(&place, "True", "plain-0.1.1.tgz of configmap/plain-2 is not a chart")?;
    place.delete("chartrepo", "store")?;
    wait::until(LIMIT, "the objects to be gone", || {
        let gone = place.get("configmap", "plain-1")?.is_none() && place.get("configmap", "plain-2")?.is_none();
        Ok((gone && place.get("charts.app.alauda.io", "plain.store")?.is_none()).then_some(()))
    })
}

#[tokio::test]
async fn local_charts_that_cannot_be_used_say_why() -> Result<()> {
    let place = world().bare_place("local-bad").await?;
    put(&place, &["configmap"], "text", "values.yaml", b"a: 1")?;
    repository(&place)?;
    until_told(&place, "False", "configmap/text has no key that ends in .tgz")?;
    place.apply(&place.request("web", json!({"chart": "store/plain"})))?;
    told(&place, "web", Reason::ChartInvalid, &["configmap/text"])?;
    place.merge("configmap", "text", &json!({"data": {"broken-1.0.0.tgz": "nothing"}}))?;
    until_told(&place, "False", "broken-1.0.0.tgz of configmap/text is not a chart")?;
    let chart = plain(&place, "0.1.0", "whole")?;
    put(&place, &["configmap"], "plain", "plain-0.1.0.tgz", &std::fs::read(&chart.path)?)?;
    until_message(&place, "whole")?;
    until_told(&place, "True", "left out: broken-1.0.0.tgz")
}

#[tokio::test]
async fn local_charts_are_named_straight_by_a_request() -> Result<()> {
    let place = world().bare_place("local-source").await?;
    place.apply(&place.request("web", json!({"source": {"configMap": {"name": "chart"}}})))?;
    told(&place, "web", Reason::CredentialsMissing, &["\"chart\"", "spec.source.configMap"])?;
    let first = plain(&place, "0.1.0", "first")?;
    put(&place, &["configmap"], "chart", "plain-0.1.0.tgz", &std::fs::read(&first.path)?)?;
    until_message(&place, "first")?;
    place.until_ready("web")?;

    let second = plain(&place, "0.2.0", "second")?;
    let key = |chart: &Packed| Ok::<_, anyhow::Error>(STANDARD.encode(std::fs::read(&chart.path)?));
    let binary = json!({"plain-0.1.0.tgz": null, "plain-0.2.0.tgz": key(&second)?});
    place.merge("configmap", "chart", &json!({"binaryData": binary}))?;
    until_message(&place, "second")?;

    let other = pack(&place, "other", "0.1.0", &[("templates/configmap.yaml", CONFIG_MAP)])?;
    place.merge("configmap", "chart", &json!({"binaryData": {"other-0.1.0.tgz": key(&other)?}}))?;
    told(&place, "web", Reason::InvalidRequest, &["other and plain", "spec.source.configMap.key"])?;
    place.change(&json!({"source": {"configMap": {"key": "plain-0.3.0.tgz"}}}))?;
    told(&place, "web", Reason::ChartNotFound, &["\"plain-0.3.0.tgz\""])?;
    place.change(&json!({"source": {"configMap": {"key": "plain-0.2.0.tgz"}}}))?;
    place.until_ready("web").map(drop)
}

#[tokio::test]
async fn local_charts_outlive_the_operator_and_its_cache() -> Result<()> {
    let world = World::start()?;
    let place = world.bare_place("local-restart").await?;
    repository(&place)?;
    let first = plain(&place, "0.1.0", "first")?;
    put(&place, &["configmap"], "plain-1", "plain-0.1.0.tgz", &std::fs::read(&first.path)?)?;
    place.apply(&place.request("web", json!({"chart": "store/plain", "version": "^0.1"})))?;
    until_message(&place, "first")?;
    place.until_ready("web")?;

    world.kill_operator();
    std::fs::remove_dir_all(world.cluster.folder().join("charts"))?;
    let second = plain(&place, "0.1.1", "second")?;
    put(&place, &["secret", "generic"], "plain-2", "plain-0.1.1.tgz", &std::fs::read(&second.path)?)?;
    world.start_operator()?;
    until_message(&place, "second")?;
    place.until("helmrequest", "web", "revision 2", |request| request["status"]["revision"] == 2).map(drop)
}
