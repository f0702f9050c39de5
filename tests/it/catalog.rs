//! The catalog of the operator's API, read by a real HTTP client with tokens of real service accounts.

use std::time::Duration;

use anyhow::{Context, Result};
use reqwest::{Client, Response, StatusCode};
use serde_json::{Value, json};

use crate::bad_input::{CONFIG_MAP, list, open_store, pack, shows_no_secret};
use crate::support::{Fault, Operator, charts::Packed, wait};
use crate::world::{LIMIT, Place, World, world};

const README: &str = "# Plain\n\nOne ConfigMap.\n";
const VALUES: &str = "# Shown to people.\nmessage: hello\n";
const SCHEMA: &str = r#"{"type": "object"}"#;
const QUESTIONS: &str = "questions:\n- variable: message\n  label: Message\n  type: string\n";

fn publish(place: &Place<'_>) -> Result<Packed> {
    let files = [
        ("templates/configmap.yaml", CONFIG_MAP),
        ("README.md", README),
        ("values.yaml", VALUES),
        ("values.schema.json", SCHEMA),
        ("questions.yml", QUESTIONS),
        ("ci/page.html", "<script>alert(1)</script>"),
    ];
    let chart = pack(place, "plain", "0.1.0+a.1", &files)?;
    let bare = pack(place, "bare", "0.1.0", &[("templates/configmap.yaml", CONFIG_MAP)])?;
    list(place, &[chart.clone(), bare])?;
    open_store(place)?;
    place.until("charts.app.alauda.io", "plain.store", "the Chart", |_| true)?;
    Ok(chart)
}

/// Makes a service account that may get some Charts, and gives its token.
fn reader(place: &Place<'_>, name: &str, charts: &[&str]) -> Result<String> {
    place.kubectl(&["create", "serviceaccount", name])?;
    let account = format!("--serviceaccount={}:{name}", place.namespace);
    for chart in charts {
        let role = format!("{name}-{chart}");
        let resource = format!("--resource-name={chart}");
        place.kubectl(&["create", "role", &role, "--verb=get", "--resource=charts.app.alauda.io", &resource])?;
        place.kubectl(&["create", "rolebinding", &role, &format!("--role={role}"), &account])?;
    }
    Ok(place.kubectl(&["create", "token", name])?.trim().to_owned())
}

struct Page<'a> {
    place: &'a Place<'a>,
    api: String,
    client: Client,
    token: String,
}

impl<'a> Page<'a> {
    fn new(place: &'a Place<'a>, token: &str) -> Result<Self> {
        // Fails when there is one already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder().timeout(LIMIT).no_proxy().build()?;
        Ok(Self { place, api: place.world.api()?, client, token: token.to_owned() })
    }

    async fn get(&self, path: &str) -> Result<Response> {
        self.get_unless(path, "").await
    }

    /// Asks for a part unless it is known by its tag.
    async fn get_unless(&self, path: &str, tag: &str) -> Result<Response> {
        let address = format!("{}/charts/{}/store/{path}", self.api, self.place.namespace);
        let request = self.client.get(address).bearer_auth(&self.token).header("if-none-match", tag);
        Ok(request.send().await?)
    }

    async fn text(&self, path: &str, type_: &str) -> Result<String> {
        let answer = self.get(path).await?;
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        assert_eq!(answer.headers()["content-type"], type_, "{path}");
        assert_eq!(answer.headers()["x-content-type-options"], "nosniff");
        Ok(answer.text().await?)
    }

    /// Asks in vain, and gives the message of the Status.
    async fn refused(&self, path: &str, code: u16) -> Result<String> {
        let answer = self.get(path).await?;
        assert_eq!(answer.status().as_u16(), code, "{path}");
        let status: Value = answer.json_value().await?;
        assert_eq!((&status["kind"], &status["code"]), (&json!("Status"), &json!(code)));
        Ok(status["message"].as_str().context("a message")?.to_owned())
    }
}

/// reqwest has its own only with another feature.
trait JsonValue {
    async fn json_value(self) -> Result<Value>;
}

impl JsonValue for Response {
    async fn json_value(self) -> Result<Value> {
        Ok(serde_json::from_str(&self.text().await?)?)
    }
}

#[tokio::test]
async fn catalog_pages_show_the_parts_of_a_chart_that_is_downloaded_once() -> Result<()> {
    let place = world().bare_place("catalog").await?;
    let chart = publish(&place)?;
    let page = Page::new(&place, &reader(&place, "reader", &["plain.store", "bare.store"])?)?;
    let archive = chart.path.file_name().and_then(|name| name.to_str()).context("a name")?.to_owned();

    let parts = ["readme", "values", "schema", "questions", "files"].map(|part| format!("plain/0.1.0+a.1/{part}"));
    let all = futures::future::try_join_all(parts.iter().map(|part| page.get(part))).await?;
    assert!(all.iter().all(|answer| answer.status() == StatusCode::OK), "{all:?}");
    assert_eq!(place.server.count(&archive), 1, "they share the download");

    assert_eq!(page.text(&parts[0], "text/markdown; charset=utf-8").await?, README);
    assert_eq!(page.text(&parts[1], "application/yaml").await?, VALUES);
    assert_eq!(page.text(&parts[2], "application/schema+json").await?, SCHEMA);
    assert_eq!(page.text(&parts[3], "application/yaml").await?, QUESTIONS);
    let files: Value = serde_json::from_str(&page.text(&parts[4], "application/json").await?)?;
    let readme = json!({"path": "README.md", "size": README.len()});
    assert!(files["files"].as_array().is_some_and(|files| files.contains(&readme)), "{files}");
    let script = page.text("plain/0.1.0+a.1/files/ci/page.html", "application/octet-stream").await?;
    assert!(script.contains("alert"));

    let tag = all[0].headers()["etag"].to_str()?.to_owned();
    assert_eq!(tag, format!("\"{}\"", chart.digest.trim_start_matches("sha256:")));
    assert_eq!(page.get_unless(&parts[0], &tag).await?.status(), StatusCode::NOT_MODIFIED);

    place.apply(&place.request("web", json!({"chart": "store/plain"})))?;
    place.until_ready("web")?;
    assert_eq!(place.server.count(&archive), 1, "the release shares it too");
    shows_no_secret(&place)
}

#[tokio::test]
async fn catalog_callers_see_what_they_may_get() -> Result<()> {
    let place = world().bare_place("catalog-rights").await?;
    publish(&place)?;
    let page = Page::new(&place, &reader(&place, "reader", &["plain.store"])?)?;
    page.text("plain/0.1.0+a.1/values", "application/yaml").await?;
    let forbidden = page.refused("bare/0.1.0/values", 403).await?;
    assert!(forbidden.contains("bare.store") && forbidden.contains("cannot get resource \"charts\""), "{forbidden}");
    page.refused("missing/0.1.0/values", 403).await?;

    let stranger = Page::new(&place, "stranger")?;
    stranger.refused("plain/0.1.0+a.1/values", 401).await?;
    let nobody = Client::builder().no_proxy().build()?;
    let address = format!("{}/charts/{}/store/plain/0.1.0+a.1/values", place.world.api()?, place.namespace);
    let answer = nobody.get(&address).send().await?;
    assert_eq!((answer.status().as_u16(), &answer.headers()["www-authenticate"]), (401, &"Bearer".parse()?));
    assert_eq!(nobody.delete(&address).bearer_auth(&page.token).send().await?.status().as_u16(), 405);
    let head = nobody.head(&address).bearer_auth(&page.token).send().await?;
    assert_eq!((head.status().as_u16(), head.text().await?.len()), (200, 0));
    assert!(!place.world.log()?.contains(&page.token));
    Ok(())
}

#[tokio::test]
async fn catalog_pages_say_what_is_missing() -> Result<()> {
    let place = world().bare_place("catalog-missing").await?;
    publish(&place)?;
    let page = Page::new(&place, &reader(&place, "reader", &["plain.store", "bare.store", "other.store"])?)?;
    assert!(page.refused("bare/0.1.0/readme", 404).await?.contains("has no README.md"));
    assert!(page.refused("bare/0.1.0/files/../../etc/passwd", 404).await.is_ok());
    assert!(page.refused("bare/0.1.0/icon", 404).await?.contains("no part of a chart"));
    assert!(page.refused("bare/9.0.0/values", 404).await?.contains("it has 0.1.0"));
    assert!(page.refused("other/0.1.0/values", 404).await?.contains("no chart \"other\""));
    place.server.fail(".tgz", Fault::NotFound);
    let failed = page.refused("plain/0.1.0+a.1/values", 502).await?;
    assert!(failed.contains("404"), "{failed}");
    place.server.heal();
    tokio::time::sleep(Duration::from_millis(100)).await;
    page.text("plain/0.1.0+a.1/values", "application/yaml").await?;
    Ok(())
}

#[tokio::test]
async fn catalog_pages_are_served_by_a_replica_that_waits_too() -> Result<()> {
    let world = World::start()?;
    let place = world.bare_place("catalog-standby").await?;
    publish(&place)?;
    let proxy = world.proxy()?;
    // The one that works holds no lease, so the first of these leads and the second waits.
    let leader = world.start_replica(&proxy, "leader")?;
    let leads = |replica: &Operator| anyhow::Ok(replica.metrics()?.lines().any(|line| line == "coxswain_leader 1"));
    wait::until(LIMIT, "the first to lead", || Ok(leads(&leader)?.then_some(())))?;
    let waiting = world.start_replica(&proxy, "waiting")?;
    let page = Page::new(&place, &reader(&place, "reader", &["plain.store", "other.store"])?)?;
    let page = Page { api: waiting.api(), ..page };
    assert_eq!(page.text("plain/0.1.0+a.1/readme", "text/markdown; charset=utf-8").await?, README);
    assert!(page.refused("plain/9.0.0/readme", 404).await?.contains("no version \"9.0.0\""));
    assert!(page.refused("other/0.1.0/readme", 404).await?.contains("no Chart \"other.store\""));
    assert!(leads(&leader)? && !leads(&waiting)?);
    Ok(())
}
