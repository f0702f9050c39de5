//! Charts from the real registry of the distribution project, pushed by the real helm.

use std::path::PathBuf;
use std::sync::OnceLock;

use anyhow::{Context, Result};
use base64::Engine as _;
use coxswain::api::{Reason, names};
use serde_json::{Value, json};

use crate::bad_input::{CONFIG_MAP, SECRET, pack, shows_no_secret, told};
use crate::git::until_failed;
use crate::support::registry::{Registry, USER};
use crate::world::{Place, condition, with, world};

/// The registry that all tests share; each works below a path of its own, the name of its namespace.
pub fn registry() -> &'static Registry {
    static SHARED: OnceLock<std::result::Result<Registry, String>> = OnceLock::new();
    let start = || Registry::start(&world().cluster, SECRET).map_err(|error| format!("{error:#}"));
    SHARED.get_or_init(start).as_ref().unwrap_or_else(|error| panic!("the registry does not start: {error}"))
}

/// Packs a version of the chart `plain`; its message makes it another one.
fn plain(place: &Place<'_>, version: &str, message: &str) -> Result<PathBuf> {
    let values = format!("message: {message}\n");
    Ok(pack(place, "plain", version, &[("templates/configmap.yaml", CONFIG_MAP), ("values.yaml", &values)])?.path)
}

fn push(place: &Place<'_>, version: &str, message: &str) -> Result<()> {
    registry().push(&place.world.cluster, &plain(place, version, message)?, &place.namespace)
}

/// Creates a ChartRepo with these fields beside its address.
fn repository(place: &Place<'_>, name: &str, host: &str, path: &str, more: &Value) -> Result<()> {
    let url = format!("oci://{host}/{}{path}", place.namespace);
    place.apply(&place.chart_repo(name, with(json!({"url": url}), more)))
}

fn until_synced(place: &Place<'_>, name: &str) -> Result<()> {
    let what = format!("the repository {name} to be read");
    place.until("chartrepo", name, &what, |repository| repository["status"]["phase"] == "Synced").map(drop)
}

fn login(place: &Place<'_>, name: &str, type_: &str, data: &Value) -> Result<()> {
    place.apply(&json!({
        "apiVersion": "v1", "kind": "Secret", "type": type_,
        "metadata": {"name": name, "namespace": place.namespace}, "stringData": data,
    }))
}

/// Waits until the release of `web` says something and its chart has another digest than before; gives the digest.
fn until_message(place: &Place<'_>, message: &str, before: &str) -> Result<String> {
    place.until("configmap", "web", &format!("the message {message:?}"), |map| map["data"]["message"] == message)?;
    let request = place.until("helmrequest", "web", "the chart's digest", |request| {
        request["status"]["chartDigest"].as_str().is_some_and(|digest| digest != before)
            && condition(request, "Ready").is_some_and(|ready| ready["status"] == "True")
    })?;
    Ok(request["status"]["chartDigest"].as_str().context("a digest")?.to_owned())
}

#[tokio::test]
async fn oci_charts_are_installed_upgraded_and_pinned() -> Result<()> {
    let place = world().bare_place("oci").await?;
    push(&place, "0.1.0+a.1", "first")?;
    repository(&place, "store", &registry().open, "", &json!({"plainHTTP": true, "interval": "1h"}))?;
    until_synced(&place, "store")?;
    let refresh =
        |token: &str| place.merge("chartrepo", "store", &json!({"metadata": {"annotations": {names::REFRESH: token}}}));
    let chart = place.get("charts.app.alauda.io", "plain.store")?.context("the catalog's object")?;
    let version = &chart["spec"]["versions"][0];
    assert_eq!((&version["version"], &version["name"]), (&json!("0.1.0+a.1"), &json!("plain")), "{version}");

    place.apply(&place.request("web", json!({"chart": "store/plain", "version": "^0.1"})))?;
    let first = until_message(&place, "first", "")?;
    push(&place, "0.1.1", "second")?;
    refresh("1")?;
    let second = until_message(&place, "second", &first)?;
    push(&place, "0.1.1", "moved")?;
    refresh("2")?;
    let moved = until_message(&place, "moved", &second)?;
    assert!(first != second && second != moved, "{first} {second} {moved}");

    place.change(&json!({"version": first}))?;
    assert_eq!(until_message(&place, "first", &moved)?, first);
    Ok(())
}

#[tokio::test]
async fn oci_registries_that_are_private_are_read_with_a_password_or_a_token() -> Result<()> {
    let place = world().bare_place("oci-private").await?;
    push(&place, "0.1.0", "private")?;
    let config = json!({"auths": {&registry().guarded: {
        "auth": base64::engine::general_purpose::STANDARD.encode(format!("{USER}:{SECRET}")),
    }}});
    login(&place, "login", "Opaque", &json!({"username": USER, "password": SECRET}))?;
    login(&place, "docker", "kubernetes.io/dockerconfigjson", &json!({".dockerconfigjson": config.to_string()}))?;
    let closed = json!({"caBundle": registry().authority, "secret": {"name": "login"}});
    repository(&place, "closed", &registry().closed, "", &closed)?;
    let guarded = json!({"plainHTTP": true, "secret": {"name": "docker"}, "charts": ["plain"]});
    repository(&place, "guarded", &registry().guarded, "", &guarded)?;
    until_synced(&place, "closed")?;
    until_synced(&place, "guarded")?;
    place.apply(&place.request("web", json!({"chart": "guarded/plain"})))?;
    until_message(&place, "private", "")?;
    assert!(registry().granted() > 0);
    shows_no_secret(&place)
}

#[tokio::test]
async fn oci_repositories_that_cannot_be_read_say_why() -> Result<()> {
    let place = world().bare_place("oci-bad").await?;
    push(&place, "0.1.0", "bad")?;
    login(&place, "wrong", "Opaque", &json!({"username": "nobody", "password": SECRET}))?;
    login(&place, "login", "Opaque", &json!({"username": USER, "password": SECRET}))?;
    let Registry { open, closed, guarded, authority, .. } = registry();
    let repositories = [
        ("untrusted", closed, "/plain", json!({})),
        ("anonymous", closed, "/plain", json!({"caBundle": authority})),
        ("wrong", closed, "/plain", json!({"caBundle": authority, "secret": {"name": "wrong"}})),
        ("refused", guarded, "/plain", json!({"plainHTTP": true, "secret": {"name": "wrong"}})),
        ("unlisted", guarded, "", json!({"plainHTTP": true, "secret": {"name": "login"}})),
        ("plain", open, "/plain", json!({})),
        ("filter", open, "/plain", json!({"plainHTTP": true, "tagFilter": "("})),
    ];
    for (name, host, path, more) in &repositories {
        repository(&place, name, host, path, more)?;
    }
    until_failed(&place, "untrusted", Reason::TLSNotTrusted, &["unknown authority", "caBundle"])?;
    until_failed(&place, "anonymous", Reason::AuthenticationRequired, &["401", "name a Secret"])?;
    until_failed(&place, "wrong", Reason::AuthenticationRequired, &["401", "credentials are wrong"])?;
    until_failed(&place, "refused", Reason::AuthenticationRequired, &["401", "credentials are wrong"])?;
    until_failed(&place, "unlisted", Reason::NotAnIndex, &["does not list", "spec.charts"])?;
    until_failed(&place, "plain", Reason::InvalidAddress, &["does not speak TLS", "plainHTTP"])?;
    until_failed(&place, "filter", Reason::InvalidRequest, &["spec.tagFilter"])?;
    shows_no_secret(&place)
}

#[tokio::test]
async fn oci_charts_are_named_straight_by_a_request() -> Result<()> {
    let place = world().bare_place("oci-source").await?;
    push(&place, "0.1.0", "older")?;
    push(&place, "0.2.0", "newer")?;
    let repo = format!("{}/{}/plain", registry().guarded, place.namespace);
    registry()
        .push_with_media_type(&format!("{}/plain", place.namespace), "0.1.0", "0.3.0", "application/vnd.example")
        .await?;
    let source = |secret: &str| json!({"oci": {"repo": repo, "plainHTTP": true, "secretRef": secret}});
    place.apply(&place.request("web", json!({"source": source("login"), "version": "~0.2"})))?;
    told(&place, "web", Reason::CredentialsMissing, &["\"login\"", "spec.source.oci.secretRef"])?;
    login(&place, "login", "Opaque", &json!({"username": USER, "password": SECRET}))?;
    let newer = until_message(&place, "newer", "")?;

    place.change(&json!({"version": "0.9.0"}))?;
    told(&place, "web", Reason::ChartVersionNotFound, &["has no version \"0.9.0\"", &place.namespace])?;
    place.change(&json!({"version": "0.3.0"}))?;
    told(&place, "web", Reason::ChartInvalid, &["application/vnd.example", "not a Helm chart"])?;
    place.change(&json!({"version": "0.1.0", "source": {"oci": {"digest": newer}}}))?;
    told(&place, "web", Reason::DigestMismatch, &[&newer, "correct the digest"])?;
    place.change(&json!({"version": null}))?;
    assert_eq!(until_message(&place, "newer", "")?, newer);
    shows_no_secret(&place)
}
