//! Webhooks of ChartRepos: what each kind of sender sends, through a real HTTP client to the running operator.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use coxswain::value::hex;
use reqwest::{Client, Response};
use ring::hmac;
use serde_json::{Value, json};

use crate::bad_input::{CONFIG_MAP, PROMPT, SECRET, list, pack, shows_no_secret};
use crate::support::charts::Packed;
use crate::world::{LIMIT, Place, condition, world};

const BODY: &str = r#"{"type": "PUSH_ARTIFACT"}"#;

fn client() -> Result<Client> {
    // Fails when there is one already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Ok(Client::builder().timeout(LIMIT).no_proxy().build()?)
}

async fn send(place: &Place<'_>, repository: &str, header: (&str, &str)) -> Result<Response> {
    let address = format!("{}/hooks/{}/{repository}", place.world.api()?, place.namespace);
    Ok(client()?.post(address).header(header.0, header.1).body(BODY).send().await?)
}

fn signature() -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    format!("sha256={}", hex(hmac::sign(&key, BODY.as_bytes()).as_ref()))
}

fn plain(place: &Place<'_>, version: &str) -> Result<Packed> {
    pack(place, "plain", version, &[("templates/configmap.yaml", CONFIG_MAP)])
}

/// Creates a repository that is not read again by itself, and the Secret of its webhook.
fn open(place: &Place<'_>) -> Result<()> {
    list(place, &[plain(place, "0.1.0")?])?;
    place.apply(&json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "hook", "namespace": place.namespace},
        "stringData": {"token": SECRET},
    }))?;
    let mut repository = place.repository("store", &place.server.url());
    repository["spec"]["interval"] = json!("10h");
    repository["spec"]["webhookSecret"] = json!({"name": "hook"});
    place.apply(&repository)?;
    until_webhook(place, "store", "True", "POST /hooks/")
}

fn until_webhook(place: &Place<'_>, name: &str, status: &str, message: &str) -> Result<()> {
    let what = format!("WebhookReady to be {status}");
    let told = |repository: &Value| {
        let is_read = repository["status"]["phase"] == "Synced";
        let told = condition(repository, "WebhookReady").cloned().unwrap_or_default();
        is_read && told["status"] == status && told["message"].as_str().is_some_and(|told| told.contains(message))
    };
    place.until("chartrepo", name, &what, told).map(drop)
}

fn handled(place: &Place<'_>) -> Result<Value> {
    let repository = place.get("chartrepo", "store")?.context("the repository")?;
    Ok(repository["status"]["lastHandledRefresh"].clone())
}

#[tokio::test]
async fn webhooks_of_every_kind_of_sender_have_the_repository_read_once() -> Result<()> {
    let place = world().bare_place("webhooks").await?;
    open(&place)?;
    let signature = signature();
    for (version, header) in [
        ("0.2.0", ("x-hub-signature-256", signature.as_str())),
        ("0.3.0", ("x-signature", signature.as_str())),
        ("0.4.0", ("x-gitlab-token", SECRET)),
        ("0.5.0", ("authorization", SECRET)),
    ] {
        let before = handled(&place)?;
        list(&place, &[plain(&place, version)?])?;
        assert_eq!(send(&place, "store", header).await?.status().as_u16(), 202, "{header:?}");
        let pushed = Instant::now();
        place.until("charts.app.alauda.io", "plain.store", &format!("{version} to be seen"), |chart| {
            chart["spec"]["versions"][0]["version"] == version
        })?;
        assert!(pushed.elapsed() < PROMPT, "{:?}", pushed.elapsed());
        place.until("chartrepo", "store", "the wish to be answered", |repository| {
            let last = &repository["status"]["lastHandledRefresh"];
            last != &before && last.as_str().is_some_and(|last| last.starts_with("webhook-"))
        })?;
    }

    let read = place.server.count("index.yaml");
    let before = handled(&place)?;
    let many = (0..20).map(|_| send(&place, "store", ("x-gitlab-token", SECRET)));
    for answer in futures::future::try_join_all(many).await? {
        assert_eq!(answer.status().as_u16(), 202);
    }
    place.until("chartrepo", "store", "the last wish to be answered", |repository| {
        repository["status"]["lastHandledRefresh"] != before
    })?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let reads = place.server.count("index.yaml") - read;
    assert!((1..=3).contains(&reads), "{reads} reads for 20 webhooks");
    shows_no_secret(&place)
}

#[tokio::test]
async fn webhooks_let_a_request_go_on_that_waits_for_a_version() -> Result<()> {
    let place = world().bare_place("webhook-waiting").await?;
    open(&place)?;
    place.apply(&place.request("web", json!({"chart": "store/plain", "version": "0.2.0"})))?;
    place.until_failed("web", "ChartVersionNotFound")?;
    list(&place, &[plain(&place, "0.2.0")?])?;
    let pushed = Instant::now();
    assert_eq!(send(&place, "store", ("x-signature", &signature())).await?.status().as_u16(), 202);
    place.until_ready("web")?;
    assert!(pushed.elapsed() < PROMPT, "{:?}", pushed.elapsed());
    Ok(())
}

#[tokio::test]
async fn webhooks_of_nobody_learn_nothing() -> Result<()> {
    let place = world().bare_place("webhook-refused").await?;
    open(&place)?;
    place.apply(&place.repository("closed", &place.server.url()))?;
    let read = place.server.count("index.yaml");
    let mut answers = Vec::new();
    for (repository, header) in [
        ("store", ("x-gitlab-token", "wrong")),
        ("store", ("x-hub-signature-256", "sha256=00")),
        ("store", ("x-other", SECRET)),
        ("closed", ("x-gitlab-token", SECRET)),
        ("closed", ("x-gitlab-token", "nobody")),
        ("missing", ("x-gitlab-token", SECRET)),
    ] {
        let answer = send(&place, repository, header).await?;
        assert_eq!(answer.status().as_u16(), 401, "{repository} {header:?}");
        answers.push(answer.text().await?);
    }
    answers.dedup();
    let [answer] = answers.as_slice() else { panic!("they differ: {answers:?}") };
    let status: Value = serde_json::from_str(answer)?;
    assert_eq!((&status["kind"], &status["code"]), (&json!("Status"), &json!(401)));

    let address = format!("{}/hooks/{}/store", place.world.api()?, place.namespace);
    assert_eq!(client()?.get(&address).send().await?.status().as_u16(), 405);
    assert_eq!(client()?.get(format!("{address}/more")).send().await?.status().as_u16(), 404);
    let huge = client()?.post(&address).header("x-gitlab-token", SECRET).body(vec![b'x'; (25 << 20) + 1]);
    assert!(huge.send().await.map_or(true, |answer| answer.status().as_u16() == 413));
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(handled(&place)?, Value::Null);
    assert!(place.server.count("index.yaml") <= read + 1, "only the other repository was read");
    Ok(())
}

#[tokio::test]
async fn webhooks_without_a_token_are_told_in_the_status() -> Result<()> {
    let place = world().bare_place("webhook-secret").await?;
    open(&place)?;
    place.delete("secret", "hook")?;
    until_webhook(&place, "store", "False", "\"hook\" of spec.webhookSecret")?;
    place.apply(&json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "hook", "namespace": place.namespace},
        "stringData": {"password": SECRET},
    }))?;
    until_webhook(&place, "store", "False", "needs the key token")?;
    place.merge("secret", "hook", &json!({"stringData": {"token": SECRET}}))?;
    until_webhook(&place, "store", "True", "POST /hooks/")?;
    place.merge("chartrepo", "store", &json!({"spec": {"webhookSecret": null}}))?;
    place.until("chartrepo", "store", "no webhook", |repository| condition(repository, "WebhookReady").is_none())?;
    shows_no_secret(&place)
}
