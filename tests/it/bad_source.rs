//! Repositories that cannot be read: each has its reason, and the request recovers when it can be.

use std::time::Duration;

use anyhow::Result;
use coxswain::api::{Reason, names};
use serde_json::json;

use crate::bad_input::{
    CONFIG_MAP, SECRET, ask, cured, list, open_store, pack, promptly_cured, publish_plain, refused,
};
use crate::support::cluster::free_port;
use crate::support::{ChartServer, Fault};
use crate::world::{Place, condition, world};

/// Waits until the repository itself says why it cannot be read.
fn repository_failed(place: &Place<'_>, reason: Reason) -> Result<()> {
    let what = format!("the repository to fail with {reason}");
    place.until("chartrepo", "store", &what, |repository| {
        repository["status"]["phase"] == "Failed"
            && condition(repository, "Ready").is_some_and(|ready| ready["reason"] == reason.as_str())
    })?;
    place.until_event("store", "FailedSync", reason.as_str())?;
    Ok(())
}

#[tokio::test]
async fn bad_repository_that_is_slow() -> Result<()> {
    let place = world().bare_place("slow").await?;
    publish_plain(&place)?;
    place.server.fail("", Fault::Slow(Duration::from_secs(4)));
    open_store(&place)?;
    ask(&place, "web", "store/plain", &json!({}))?;
    let request = place.until("helmrequest", "web", "the request to say that it waits", |request| {
        condition(request, "Ready").is_some_and(|ready| ready["reason"] == "Progressing")
    })?;
    let message = condition(&request, "Ready").map(|ready| ready["message"].to_string()).unwrap_or_default();
    assert!(message.contains("store") && message.contains("is being read"), "{message}");
    place.server.heal();
    cured(&place, "web").map(drop)
}

#[tokio::test]
async fn bad_repositories_that_hang_delay_nobody() -> Result<()> {
    // Connections are taken, and nobody ever answers, or an answer begins and goes no further. In turns of 8 this would
    // take more than 6 minutes.
    let hanging = std::net::TcpListener::bind("127.0.0.1:0")?;
    let place = world().bare_place("hanging").await?;
    let old = publish_plain(&place)?;
    place.server.fail("/stuck/index.yaml", Fault::Stuck);
    for number in 0..50 {
        let url = match number % 2 {
            0 => format!("http://{}/{number}", hanging.local_addr()?),
            _ => format!("{}/{number}/stuck", place.server.url()),
        };
        place.apply(&place.repository(&format!("hanging-{number}"), &url))?;
    }
    open_store(&place)?;
    ask(&place, "web", "store/plain", &json!({}))?;
    cured(&place, "web")?;
    // A version that is missed is found as soon as it is there.
    ask(&place, "next", "store/plain", &json!({"version": "0.2.0"}))?;
    refused(&place, "next", Reason::ChartVersionNotFound, &["0.2.0"])?;
    let new = pack(&place, "plain", "0.2.0", &[("templates/configmap.yaml", CONFIG_MAP)])?;
    list(&place, &[old, new])?;
    place.merge("chartrepo", "store", &json!({"metadata": {"annotations": {names::REFRESH: "1"}}}))?;
    cured(&place, "next").map(drop)
}

#[tokio::test]
async fn bad_repository_that_does_not_exist_yet() -> Result<()> {
    let place = world().bare_place("no-repository").await?;
    publish_plain(&place)?;
    ask(&place, "web", "store/plain", &json!({}))?;
    refused(&place, "web", Reason::RepositoryNotFound, &["\"store\"", &place.namespace, "create it"])?;
    open_store(&place)?;
    promptly_cured(&place, "web")
}

#[tokio::test]
async fn bad_repository_that_does_not_answer() -> Result<()> {
    let place = world().bare_place("unreachable").await?;
    publish_plain(&place)?;
    let port = free_port()?;
    place.apply(&place.repository("store", &format!("http://127.0.0.1:{port}")))?;
    ask(&place, "web", "store/plain", &json!({}))?;
    let words = ["\"store\"", &format!("127.0.0.1:{port}"), "refuses connections", "check host and port"];
    refused(&place, "web", Reason::RepositoryUnreachable, &words)?;
    repository_failed(&place, Reason::RepositoryUnreachable)?;
    let _server = ChartServer::start_at(place.folder.path(), port)?;
    cured(&place, "web").map(drop)
}

#[tokio::test]
async fn bad_repository_whose_name_does_not_resolve() -> Result<()> {
    let place = world().bare_place("no-name").await?;
    publish_plain(&place)?;
    place.apply(&place.repository("store", "http://charts.invalid/stable"))?;
    ask(&place, "web", "store/plain", &json!({}))?;
    refused(&place, "web", Reason::DNSLookupFailed, &["\"charts.invalid\"", "check url"])?;
    repository_failed(&place, Reason::DNSLookupFailed)?;
    place.merge("chartrepo", "store", &json!({"spec": {"url": place.server.url()}}))?;
    promptly_cured(&place, "web")
}

#[tokio::test]
async fn bad_repository_whose_certificate_nobody_trusts() -> Result<()> {
    let place = world().bare_place("tls").await?;
    publish_plain(&place)?;
    let (server, authority) = ChartServer::start_tls(place.folder.path())?;
    place.apply(&place.repository("store", &server.url()))?;
    ask(&place, "web", "store/plain", &json!({}))?;
    let host = server.url().replace("https://", "");
    refused(&place, "web", Reason::TLSNotTrusted, &[&host, "unknown authority", "caBundle"])?;
    repository_failed(&place, Reason::TLSNotTrusted)?;
    place.merge("chartrepo", "store", &json!({"spec": {"caBundle": authority}}))?;
    promptly_cured(&place, "web")
}

#[tokio::test]
async fn bad_credentials_of_a_repository() -> Result<()> {
    let place = world().bare_place("login").await?;
    publish_plain(&place)?;
    place.server.require_basic("ann", SECRET);
    open_store(&place)?;
    ask(&place, "web", "store/plain", &json!({}))?;
    let words = ["index.yaml answered 401", "name a Secret"];
    refused(&place, "web", Reason::AuthenticationRequired, &words)?;
    repository_failed(&place, Reason::AuthenticationRequired)?;

    place.merge("chartrepo", "store", &json!({"spec": {"secret": {"name": "login"}}}))?;
    refused(&place, "web", Reason::CredentialsMissing, &["\"login\"", &place.namespace, "create it"])?;
    let wrong = format!("--from-literal=password={SECRET}-wrong");
    place.kubectl(&["create", "secret", "generic", "login", "--from-literal=username=ann", &wrong])?;
    let words = ["answered 401", "the credentials are wrong", "check the Secret"];
    refused(&place, "web", Reason::AuthenticationRequired, &words)?;
    place.merge("secret", "login", &json!({"stringData": {"password": SECRET}}))?;
    promptly_cured(&place, "web")
}

#[tokio::test]
async fn bad_address_without_an_index() -> Result<()> {
    let place = world().bare_place("no-index").await?;
    open_store(&place)?;
    ask(&place, "web", "store/plain", &json!({}))?;
    let index = format!("{}/index.yaml", place.server.url());
    refused(&place, "web", Reason::NotFound, &[&index, "answered 404", "check the path of url"])?;
    repository_failed(&place, Reason::NotFound)?;
    publish_plain(&place)?;
    cured(&place, "web").map(drop)
}

#[tokio::test]
async fn bad_index_that_is_something_else() -> Result<()> {
    let place = world().bare_place("not-an-index").await?;
    let page = format!("<!DOCTYPE html><p>{SECRET}</p>");
    std::fs::write(place.folder.path().join("index.yaml"), page)?;
    open_store(&place)?;
    ask(&place, "web", "store/plain", &json!({}))?;
    let words = ["index.yaml is not a chart index", "it is an HTML or XML page", "url must be"];
    refused(&place, "web", Reason::NotAnIndex, &words)?;
    repository_failed(&place, Reason::NotAnIndex)?;
    publish_plain(&place)?;
    cured(&place, "web").map(drop)
}
