//! Charts in Subversion repositories, from the real svnserve and over HTTP from the real web server of Apache.

use anyhow::Result;
use coxswain::api::{Reason, names};
use serde_json::{Value, json};

use crate::bad_input::{SECRET, shows_no_secret};
use crate::git::{commit_plain, secret, until_failed, until_message, until_revision};
use crate::plugin::printed;
use crate::support::apache::Apache;
use crate::support::svn::{SvnRepository, Svnserve};
use crate::world::{Place, with, world};

fn commit(repository: &SvnRepository, version: &str, message: &str) -> Result<String> {
    commit_plain("trunk/", version, message, |files| repository.commit(files))
}

/// Creates a ChartRepo of the type SVN with these fields of its source, and more beside.
fn repository(place: &Place<'_>, name: &str, url: &str, source: &Value, more: &Value) -> Result<()> {
    let source = with(json!({"url": url, "path": "trunk"}), source);
    place.apply(&place.version_control("SVN", name, source, more))
}

fn logins(place: &Place<'_>) -> Result<()> {
    secret(place, "login", &json!({"username": "ann", "password": SECRET}))?;
    secret(place, "wrong", &json!({"username": "ann", "password": format!("{SECRET}-not")}))?;
    secret(place, "token", &json!({"token": SECRET}))
}

#[tokio::test]
async fn svn_charts_are_installed_and_follow_commits() -> Result<()> {
    let place = world().bare_place("svn").await?;
    let Some(store) = SvnRepository::new(&place.folder.path().join("svn"))? else { return Ok(()) };
    let server = Svnserve::start(&world().cluster, &store, "ann", SECRET)?;
    let first = commit(&store, "0.1.0", "first")?;
    logins(&place)?;
    let login = json!({"secret": {"name": "login"}});
    repository(&place, "store", &server.url, &json!({}), &login)?;
    until_revision(&place, "store", &format!("r{first}"))?;
    place.apply(&place.request("web", json!({"chart": "store/plain"})))?;
    let deployed = until_message(&place, "web", "first")?;
    assert_eq!(deployed["status"]["version"], format!("0.1.0+r{first}"));
    assert_eq!(printed(&place, &["show", "values", "store/plain"])?, "message: first\n");
    // What changes elsewhere is no news, also where it is a copy of the folder.
    store.copy_folder("trunk", "branch")?;
    let second = commit(&store, "0.2.0", "second")?;
    place.merge("chartrepo", "store", &json!({"metadata": {"annotations": {names::REFRESH: "1"}}}))?;
    until_revision(&place, "store", &format!("r{second}"))?;
    until_message(&place, "web", "second")?;

    let old = json!({"ref": format!("r{first}")});
    repository(&place, "older", &server.url, &old, &login)?;
    repository(&place, "copied", &server.url, &json!({"path": "branch/charts"}), &login)?;
    for name in ["older", "copied"] {
        until_revision(&place, name, &format!("r{first}"))?;
        place.apply(&place.request(name, json!({"chart": format!("{name}/plain"), "version": "0.1.0"})))?;
        until_message(&place, name, "first")?;
    }
    svn_repositories_that_cannot_be_read_say_why(&place, &store, &server.url)
}

fn svn_repositories_that_cannot_be_read_say_why(place: &Place<'_>, store: &SvnRepository, url: &str) -> Result<()> {
    store.commit(&[("empty/README", "no chart")])?;
    let none = json!({});
    let path = |path: &str| json!({"path": path});
    for (name, url, source, login) in [
        ("anonymous", url.to_owned(), none.clone(), None),
        ("wrong", url.to_owned(), none.clone(), Some("wrong")),
        ("token", url.to_owned(), none.clone(), Some("token")),
        ("path", url.to_owned(), path("trunk/none"), Some("login")),
        ("number", url.to_owned(), json!({"ref": "999"}), Some("login")),
        ("word", url.to_owned(), json!({"ref": "trunk"}), Some("login")),
        ("none", format!("{url}-none").replace("//", &format!("//ann:{SECRET}@")), none.clone(), None),
        ("empty", url.to_owned(), path("empty"), Some("login")),
        ("file", "file:///etc".to_owned(), none.clone(), None),
        ("metadata", "svn://169.254.169.254/charts".to_owned(), none.clone(), None),
        ("dns", "svn://no-such-host.invalid/charts".to_owned(), none.clone(), None),
        ("refused", "svn://127.0.0.1:1/charts".to_owned(), none, None),
    ] {
        let more = login.map_or(json!({}), |login| json!({"secret": {"name": login}}));
        repository(place, name, &url, &source, &more)?;
    }
    until_failed(place, "anonymous", Reason::AuthenticationRequired, &["name a Secret"])?;
    until_failed(place, "wrong", Reason::AuthenticationRequired, &["credentials are wrong"])?;
    until_failed(place, "token", Reason::CredentialsMissing, &["token", "username and password"])?;
    until_failed(place, "path", Reason::NotFound, &["trunk/none", "check the path"])?;
    until_failed(place, "number", Reason::ReferenceNotFound, &["999", "source.ref"])?;
    until_failed(place, "word", Reason::ReferenceNotFound, &["no number", "source.ref"])?;
    until_failed(place, "none", Reason::NotFound, &["check the path"])?;
    until_failed(place, "empty", Reason::ChartNotFound, &["Chart.yaml", "source.path"])?;
    until_failed(place, "file", Reason::InvalidAddress, &["svn://"])?;
    until_failed(place, "metadata", Reason::InvalidAddress, &["--allow-metadata-addresses"])?;
    until_failed(place, "dns", Reason::DNSLookupFailed, &["no-such-host.invalid"])?;
    until_failed(place, "refused", Reason::RepositoryUnreachable, &["127.0.0.1:1", "refuses"])?;
    shows_no_secret(place)
}

#[tokio::test]
async fn svn_over_http_is_read_with_a_password_and_an_authority() -> Result<()> {
    let place = world().bare_place("svn-http").await?;
    let Some(store) = SvnRepository::new(&place.folder.path().join("svn"))? else { return Ok(()) };
    let started = Apache::start(&world().cluster, place.folder.path(), &store, "ann", SECRET)?;
    let Some(server) = started else { return Ok(()) };
    let first = format!("r{}", commit(&store, "0.1.0", "over HTTP")?);
    logins(&place)?;
    let trusting = |secret: Value| json!({"secret": secret, "caBundle": server.authority});
    let login = trusting(json!({"name": "login"}));
    let with = |name: &str, url: &str, more: Value| repository(&place, name, url, &json!({}), &more);
    with("open", &server.open, json!({}))?;
    with("closed", &server.closed, login)?;
    with("unverified", &server.closed, json!({"secret": {"name": "login"}, "insecureSkipTLSVerify": true}))?;
    for name in ["open", "closed", "unverified"] {
        until_revision(&place, name, &first)?;
    }
    place.apply(&place.request("web", json!({"chart": "closed/plain"})))?;
    until_message(&place, "web", "over HTTP")?;

    with("untrusted", &server.closed, json!({"secret": {"name": "login"}}))?;
    with("anonymous", &server.closed, trusting(Value::Null))?;
    with("wrong", &server.closed, trusting(json!({"name": "wrong"})))?;
    with("moved", &server.moved, json!({}))?;
    with("other", &server.other, json!({}))?;
    with("query", &format!("{}?token={SECRET}", server.open), json!({}))?;
    with("metadata", "http://169.254.169.254/charts", json!({}))?;
    with("refused", "https://127.0.0.1:1/charts", json!({}))?;
    until_failed(&place, "untrusted", Reason::TLSNotTrusted, &["unknown authority", "caBundle"])?;
    until_failed(&place, "anonymous", Reason::AuthenticationRequired, &["401", "name a Secret"])?;
    until_failed(&place, "wrong", Reason::AuthenticationRequired, &["401", "credentials are wrong"])?;
    until_failed(&place, "moved", Reason::InvalidAddress, &["redirects to another host"])?;
    until_failed(&place, "other", Reason::NotAnIndex, &["not a Subversion repository", "url"])?;
    until_failed(&place, "query", Reason::InvalidAddress, &["query"])?;
    until_failed(&place, "metadata", Reason::InvalidAddress, &["--allow-metadata-addresses"])?;
    until_failed(&place, "refused", Reason::RepositoryUnreachable, &["127.0.0.1:1", "refuses"])?;
    shows_no_secret(&place)
}
