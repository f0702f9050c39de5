//! Charts in Git repositories, over HTTP and over ssh with the real server of OpenSSH.

use std::sync::OnceLock;

use anyhow::{Context, Result};
use coxswain::api::{Reason, names};
use serde_json::{Value, json};

use crate::bad_input::{CONFIG_MAP, SECRET, list, pack, shows_no_secret, told};
use crate::plugin::printed;
use crate::support::git::GitRepository;
use crate::support::sshd::Sshd;
use crate::support::{ChartServer, Fault};
use crate::world::{Place, condition, with, world};

/// The server of ssh that all tests share, where the machine has one.
fn sshd() -> Option<&'static Sshd> {
    static SHARED: OnceLock<std::result::Result<Option<Sshd>, String>> = OnceLock::new();
    let start = || Sshd::start(&world().cluster).map_err(|error| format!("{error:#}"));
    SHARED.get_or_init(start).as_ref().unwrap_or_else(|error| panic!("sshd does not start: {error}")).as_ref()
}

fn forge(place: &Place<'_>) -> Result<GitRepository> {
    GitRepository::new(&place.folder.path().join("charts.git"))
}

/// Commits a version of the chart `plain` to the folder `charts` below one; its message makes it another one.
pub fn commit_plain(
    below: &str,
    version: &str,
    message: &str,
    commit: impl FnOnce(&[(&str, &str)]) -> Result<String>,
) -> Result<String> {
    let metadata = format!("apiVersion: v2\nname: plain\nversion: {version}\n");
    let values = format!("message: {message}\n");
    let path = |file: &str| format!("{below}charts/plain/{file}");
    commit(&[
        (&path("Chart.yaml"), &metadata),
        (&path("values.yaml"), &values),
        (&path("templates/configmap.yaml"), CONFIG_MAP),
    ])
}

fn commit(repository: &GitRepository, version: &str, message: &str) -> Result<String> {
    commit_plain("", version, message, |files| repository.commit(files))
}

/// Creates a ChartRepo of the type Git with these fields of its source, and more beside.
fn repository(place: &Place<'_>, name: &str, url: &str, source: &Value, more: &Value) -> Result<()> {
    let source = with(json!({"url": url, "path": "charts"}), source);
    place.apply(&place.version_control("Git", name, source, more))
}

fn refresh(place: &Place<'_>, name: &str, token: &str) -> Result<()> {
    place.merge("chartrepo", name, &json!({"metadata": {"annotations": {names::REFRESH: token}}}))
}

pub fn until_revision(place: &Place<'_>, name: &str, commit: &str) -> Result<()> {
    let what = format!("the repository {name} to be read at {commit}");
    let is_read =
        |repository: &Value| repository["status"]["phase"] == "Synced" && repository["status"]["revision"] == commit;
    place.until("chartrepo", name, &what, is_read).map(drop)
}

/// Waits until a repository has failed for a reason, with every word in its message.
pub fn until_failed(place: &Place<'_>, name: &str, reason: Reason, words: &[&str]) -> Result<()> {
    let what = format!("the repository {name} to fail with {reason} and {words:?}");
    place.until("chartrepo", name, &what, |repository| {
        let ready = condition(repository, "Ready").cloned().unwrap_or_default();
        let message = ready["message"].as_str().unwrap_or_default();
        ready["reason"] == reason.as_str() && words.iter().all(|word| message.contains(word))
    })?;
    Ok(())
}

pub fn until_message(place: &Place<'_>, name: &str, message: &str) -> Result<Value> {
    place.until("configmap", name, &format!("the message {message:?}"), |map| map["data"]["message"] == message)?;
    place.until_ready(name)
}

pub fn secret(place: &Place<'_>, name: &str, data: &Value) -> Result<()> {
    place.apply(&json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": name, "namespace": place.namespace}, "stringData": data,
    }))
}

#[tokio::test]
async fn git_charts_are_installed_and_follow_pushes_of_any_kind() -> Result<()> {
    let place = world().bare_place("git").await?;
    let forge = forge(&place)?;
    let first = commit(&forge, "0.1.0", "first")?;
    let url = format!("{}/charts.git", place.server.url());
    repository(&place, "store", &url, &json!({}), &json!({}))?;
    until_revision(&place, "store", &first)?;
    let chart = place.get("charts.app.alauda.io", "plain.store")?.context("the catalog's object")?;
    assert_eq!(chart["spec"]["versions"][0]["version"], format!("0.1.0+{}", &first[..12]), "{chart}");
    place.apply(&place.request("web", json!({"chart": "store/plain"})))?;
    place.apply(&place.request("pinned", json!({"chart": "store/plain", "version": "0.1.0"})))?;
    let revision = until_message(&place, "web", "first")?["status"]["revision"].clone();
    // The command line checks it out by itself.
    assert_eq!(printed(&place, &["show", "values", "store/plain"])?, "message: first\n");
    assert!(printed(&place, &["template", "web"])?.contains("message: \"first\""));

    // A commit that leaves the chart alone is no news to its releases.
    let aside = forge.commit(&[("README.md", "nothing to see")])?;
    refresh(&place, "store", "1")?;
    until_revision(&place, "store", &aside)?;
    assert_eq!(until_message(&place, "web", "first")?["status"]["revision"], revision);

    let second = commit(&forge, "0.1.0", "second")?;
    refresh(&place, "store", "2")?;
    until_revision(&place, "store", &second)?;
    until_message(&place, "web", "second")?;
    until_message(&place, "pinned", "second")?;
    let version = format!("0.1.0+{}", &second[..12]);
    place.until("helmrequest", "web", &version, |request| request["status"]["version"] == version.as_str())?;
    // Another history, with another version.
    forge.git(&["checkout", "--quiet", "--orphan", "other"])?;
    let forced = commit(&forge, "0.2.0", "forced")?;
    forge.git(&["branch", "--force", "main", "other"])?;
    forge.git(&["switch", "--quiet", "main"])?;
    refresh(&place, "store", "3")?;
    until_revision(&place, "store", &forced)?;
    until_message(&place, "web", "forced")?;
    // Who wants a version that is not there any more keeps what it has.
    told(&place, "pinned", Reason::ChartVersionNotFound, &["\"0.1.0\"", "0.2.0+"])?;
    let kept = place.get("configmap", "pinned")?.context("what was deployed")?;
    assert_eq!(kept["data"]["message"], "second");

    // Another address is another repository.
    let elsewhere = GitRepository::new(&place.folder.path().join("elsewhere.git"))?;
    let moved = commit(&elsewhere, "0.3.0", "moved")?;
    let source = json!({"spec": {"source": {"url": format!("{}/elsewhere.git", place.server.url())}}});
    place.merge("chartrepo", "store", &source)?;
    until_revision(&place, "store", &moved)?;
    until_message(&place, "web", "moved")?;
    shows_no_secret(&place)
}

#[tokio::test]
async fn git_over_https_is_read_with_a_password_and_an_authority() -> Result<()> {
    let place = world().bare_place("git-private").await?;
    let commit = commit(&forge(&place)?, "0.1.0", "private")?;
    let (server, authority) = ChartServer::start_tls(place.folder.path())?;
    server.require_basic("ann", SECRET);
    let url = format!("{}/charts.git", server.url());
    secret(&place, "login", &json!({"username": "ann", "password": SECRET}))?;
    secret(&place, "wrong", &json!({"username": "ann", "password": format!("{SECRET}-not")}))?;
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"ca.crt": authority},
        "metadata": {"name": "authority", "namespace": place.namespace}});
    place.apply(&map)?;
    let trusting = |secret: &str| json!({"secret": {"name": secret}, "caConfigMap": {"name": "authority"}});
    repository(&place, "store", &url, &json!({}), &trusting("login"))?;
    repository(&place, "untrusted", &url, &json!({}), &json!({}))?;
    repository(&place, "anonymous", &url, &json!({}), &json!({"caConfigMap": {"name": "authority"}}))?;
    repository(&place, "wrong", &url, &json!({}), &trusting("wrong"))?;
    repository(&place, "absent", &url, &json!({}), &trusting("absent"))?;
    until_revision(&place, "store", &commit)?;
    place.apply(&place.request("web", json!({"chart": "store/plain"})))?;
    until_message(&place, "web", "private")?;
    until_failed(&place, "untrusted", Reason::TLSNotTrusted, &["unknown authority", "caBundle"])?;
    until_failed(&place, "anonymous", Reason::AuthenticationRequired, &["401", "name a Secret"])?;
    until_failed(&place, "wrong", Reason::AuthenticationRequired, &["401", "credentials are wrong"])?;
    until_failed(&place, "absent", Reason::CredentialsMissing, &["\"absent\"", "spec.secret"])?;
    shows_no_secret(&place)
}

#[tokio::test]
async fn git_repositories_of_the_cluster_that_cannot_be_read_say_why() -> Result<()> {
    let place = world().bare_place("git-bad").await?;
    commit(&forge(&place)?, "0.1.0", "bad")?;
    let url = format!("{}/charts.git", place.server.url());
    let with_password = url.replace("//", &format!("//ann:{SECRET}@"));
    let reference = |name: &str| json!({"ref": name});
    for (name, url, source) in [
        ("none", with_password.replace("charts.git", "none.git"), json!({})),
        ("reference", with_password.clone(), reference("release")),
        ("range", with_password.clone(), json!({"semver": "^1"})),
        ("path", with_password.clone(), json!({"path": "helm"})),
        ("file", "file:///etc".to_owned(), json!({})),
        ("metadata", "http://169.254.169.254/charts.git".to_owned(), json!({})),
        ("dns", "https://no-such-host.invalid/charts.git".to_owned(), json!({})),
        ("refused", "http://127.0.0.1:1/charts.git".to_owned(), json!({})),
        ("keyless", "ssh://git@127.0.0.1/charts.git".to_owned(), json!({})),
    ] {
        repository(&place, name, &url, &source, &json!({}))?;
    }
    until_failed(&place, "none", Reason::NotFound, &["404", "url"])?;
    until_failed(&place, "reference", Reason::ReferenceNotFound, &["\"release\"", "source.ref"])?;
    until_failed(&place, "range", Reason::ReferenceNotFound, &["\"^1\"", "source.semver"])?;
    until_failed(&place, "path", Reason::ChartNotFound, &["\"helm\"", "source.path"])?;
    until_failed(&place, "file", Reason::InvalidAddress, &["\"file\""])?;
    until_failed(&place, "metadata", Reason::InvalidAddress, &["--allow-metadata-addresses"])?;
    until_failed(&place, "dns", Reason::DNSLookupFailed, &["no-such-host.invalid"])?;
    until_failed(&place, "refused", Reason::RepositoryUnreachable, &["127.0.0.1:1", "refuses"])?;
    until_failed(&place, "keyless", Reason::CredentialsMissing, &["identity", "known_hosts", "spec.secret"])?;
    shows_no_secret(&place)
}

#[tokio::test]
async fn git_over_ssh_is_read_with_a_key_from_a_known_host() -> Result<()> {
    let Some(sshd) = sshd() else { return Ok(()) };
    let place = world().bare_place("git-ssh").await?;
    let commit = commit(&forge(&place)?, "0.1.0", "by ssh")?;
    let path = place.folder.path().join("charts.git");
    let url = format!("{}{}", sshd.url, path.display());
    let keys = |identity: &str, known_hosts: &str| json!({"identity": identity, "known_hosts": known_hosts});
    secret(&place, "login", &keys(&sshd.identity, &sshd.known_hosts))?;
    let other = sshd.known_hosts.replace("127.0.0.1", "127.0.0.2");
    secret(&place, "stranger", &keys(&sshd.identity, &other))?;
    secret(&place, "broken", &keys(SECRET, &sshd.known_hosts))?;
    secret(&place, "half", &json!({"identity": SECRET}))?;
    let with = |secret: &str| json!({"secret": {"name": secret}});
    repository(&place, "store", &url, &json!({"ref": "main"}), &with("login"))?;
    repository(&place, "none", &format!("{url}-none"), &json!({}), &with("login"))?;
    for name in ["stranger", "broken", "half"] {
        repository(&place, name, &url, &json!({}), &with(name))?;
    }
    until_revision(&place, "store", &commit)?;
    place.apply(&place.request("web", json!({"chart": "store/plain"})))?;
    until_message(&place, "web", "by ssh")?;
    until_failed(&place, "none", Reason::NotFound, &["charts.git-none", "check the path"])?;
    until_failed(&place, "stranger", Reason::HostKeyNotTrusted, &["127.0.0.1", "known_hosts"])?;
    until_failed(&place, "broken", Reason::CredentialsMissing, &["identity", "private key"])?;
    until_failed(&place, "half", Reason::CredentialsMissing, &["known_hosts"])?;
    shows_no_secret(&place)
}

#[tokio::test]
async fn git_charts_are_named_straight_by_a_request() -> Result<()> {
    let place = world().bare_place("git-source").await?;
    let forge = forge(&place)?;
    commit(&forge, "0.1.0", "first")?;
    forge.git(&["tag", "v0.1.0"])?;
    place.server.require_basic("ann", SECRET);
    let url = format!("{}/charts.git", place.server.url());
    let source = json!({"git": {"url": url, "interval": "1s", "secretRef": "login"}});
    place.apply(&place.request("web", json!({"source": source, "version": "0.x"})))?;
    told(&place, "web", Reason::CredentialsMissing, &["\"login\"", "spec.source.git.secretRef"])?;
    secret(&place, "login", &json!({"username": "ann", "password": SECRET}))?;
    until_message(&place, "web", "first")?;
    commit(&forge, "0.2.0", "second")?;
    until_message(&place, "web", "second")?;
    // What was read last counts while the server is away.
    place.server.fail("/info/refs", Fault::Broken);
    place.until_event("web", "FailedSync", "answered 500")?;
    place.until_ready("web")?;
    place.server.heal();

    for (change, reason, words) in [
        (json!({"ref": "none"}), Reason::ReferenceNotFound, ["\"none\"", "source.ref"]),
        (json!({"ref": null, "path": "charts/plain/templates"}), Reason::ChartNotFound, ["templates", "source.path"]),
        (json!({"path": null, "url": format!("{url}-none")}), Reason::NotFound, ["404", "spec.source.git.url"]),
    ] {
        place.change(&json!({"source": {"git": change}}))?;
        told(&place, "web", reason, &words)?;
    }
    place.change(&json!({"source": {"git": {"url": url, "semver": "^0.1.0"}}, "version": "^1"}))?;
    told(&place, "web", Reason::ChartVersionNotFound, &["0.1.0", "spec.source.git"])?;
    place.change(&json!({"version": null}))?;
    until_message(&place, "web", "first")?;
    shows_no_secret(&place)
}

#[tokio::test]
async fn git_over_ssh_is_named_straight_by_a_request() -> Result<()> {
    let Some(sshd) = sshd() else { return Ok(()) };
    let place = world().bare_place("git-ssh-source").await?;
    commit(&forge(&place)?, "0.1.0", "by ssh")?;
    let url = format!("{}{}", sshd.url, place.folder.path().join("charts.git").display());
    place.apply(&place.request("web", json!({"source": {"git": {"url": url}}})))?;
    told(&place, "web", Reason::CredentialsMissing, &["known_hosts", "spec.source.git.secretRef"])?;
    secret(&place, "login", &json!({"ssh-privatekey": sshd.identity, "known_hosts": sshd.known_hosts}))?;
    place.change(&json!({"source": {"git": {"secretRef": "login"}}}))?;
    until_message(&place, "web", "by ssh")?;
    shows_no_secret(&place)
}

#[tokio::test]
async fn git_charts_have_their_dependencies_from_other_repositories() -> Result<()> {
    let place = world().bare_place("git-locked").await?;
    let common = pack(
        &place,
        "common",
        "1.2.0",
        &[("templates/configmap.yaml", &CONFIG_MAP.replace("Name }}", "Name }}-common"))],
    )?;
    list(&place, &[common])?;
    let dependency = |version: &str| {
        let address = place.server.url();
        format!("dependencies:\n- {{name: common, version: {version}, repository: '{address}/'}}\n")
    };
    let chart = format!("apiVersion: v2\nname: plain\nversion: 0.1.0\n{}", dependency("1.x"));
    let forge = forge(&place)?;
    forge.commit(&[
        ("charts/plain/Chart.yaml", &chart),
        ("charts/plain/Chart.lock", &dependency("1.2.0")),
        ("charts/plain/templates/configmap.yaml", CONFIG_MAP),
    ])?;
    let url = format!("{}/charts.git", place.server.url());
    repository(&place, "store", &url, &json!({}), &json!({}))?;
    place.apply(&place.request("web", json!({"chart": "store/plain"})))?;
    let source = json!({"git": {"url": url, "path": "charts/plain"}});
    place.apply(&place.request("direct", json!({"source": source})))?;
    for name in ["web", "direct"] {
        told(&place, name, Reason::ChartNotFound, &["dependency common 1.2.0", "no ChartRepo", &place.server.url()])?;
    }
    place.apply(&place.repository("library", &place.server.url()))?;
    for name in ["web", "direct"] {
        place.until_ready(name)?;
        place.until("configmap", &format!("{name}-common"), "the dependency's object", |_| true)?;
    }
    Ok(())
}
