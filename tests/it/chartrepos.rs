//! The ChartRepo controller against a real API server and a chart server.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use coxswain::api::chart::Chart;
use coxswain::api::chart_repo::{ChartRepo, RepositoryPhase};
use coxswain::api::definitions::definitions;
use coxswain::api::{Reason, names};
use coxswain::cluster::scope::Scope;
use coxswain::controller::chartrepo::ChartRepos;
use coxswain::controller::metrics::Metrics;
use coxswain::controller::repositories::{Repositories, RepositoryKey};
use futures::StreamExt;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::definitions::install;
use crate::support::folder::Folder;
use crate::support::{ChartServer, Fault, charts, shared, wait};

const LIMIT: Duration = Duration::from_secs(30);

/// A namespace with a controller of its own, and a chart server.
struct Harbour {
    client: Client,
    namespace: String,
    repositories: Repositories,
    server: ChartServer,
    folder: Folder,
    running: JoinHandle<()>,
    /// Dropping it ends the controller.
    stop: oneshot::Sender<()>,
}

impl Harbour {
    async fn open(purpose: &str) -> Result<Self> {
        let (client, namespace) = (shared().client().await?, shared().namespace(purpose).await?);
        install(&client, definitions()).await?;
        let folder = Folder::new(purpose)?;
        charts::repository(&[charts::folder("hello-0.1.0"), charts::folder("hooks")], folder.path())?;
        let server = ChartServer::start(folder.path())?;
        let (repositories, stop, running) = run(&client, &namespace);
        Ok(Self { client, namespace, repositories, server, folder, running, stop })
    }

    /// Ends the controller and starts another one, as a new process would.
    async fn restart(self) -> Result<Self> {
        let Self { client, namespace, server, folder, running, stop, .. } = self;
        drop(stop);
        tokio::time::timeout(LIMIT, running).await??;
        let (repositories, stop, running) = run(&client, &namespace);
        Ok(Self { client, namespace, repositories, server, folder, running, stop })
    }

    fn repos(&self) -> Api<ChartRepo> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    fn charts(&self) -> Api<Chart> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    async fn create(&self, name: &str, spec: Value) -> Result<()> {
        let object = json!({"apiVersion": "app.alauda.io/v1beta1", "kind": "ChartRepo",
            "metadata": {"name": name, "labels": {"alauda.io/project": "fleet"}}, "spec": spec});
        self.repos().create(&PostParams::default(), &serde_json::from_value(object)?).await?;
        Ok(())
    }

    async fn patch(&self, name: &str, patch: Value) -> Result<()> {
        self.repos().patch(name, &PatchParams::default(), &Patch::Merge(patch)).await?;
        Ok(())
    }

    async fn until(&self, name: &str, what: &str, holds: impl Fn(&ChartRepo) -> bool) -> Result<ChartRepo> {
        let repos = self.repos();
        wait::until_async(LIMIT, what, || async { Ok(Some(repos.get(name).await?).filter(|repo| holds(repo))) })
            .await
            .with_context(|| format!("{name} of {}", self.namespace))
    }

    async fn until_synced(&self, name: &str) -> Result<ChartRepo> {
        self.until(name, "the repository to be read", |repo| phase(repo) == Some(RepositoryPhase::Synced)).await
    }

    /// Waits for a failure and gives its reason and message.
    async fn until_failed(&self, name: &str) -> Result<(String, String)> {
        let repo = self.until(name, "a failure", |repo| phase(repo) == Some(RepositoryPhase::Failed)).await?;
        let status = repo.status.unwrap_or_default();
        let ready = status.conditions.into_iter().find(|condition| condition.type_ == "Ready").context("Ready")?;
        assert_eq!(status.reason.as_deref(), Some(ready.message.as_str()));
        Ok((ready.reason, ready.message))
    }

    fn publish_second_version(&self) -> Result<()> {
        let charts = [charts::folder("hello-0.1.0"), charts::folder("hello-0.2.0")];
        charts::repository(&charts, self.folder.path()).map(|_| ())
    }

    fn resolve(&self, version: &str) -> Result<String, Reason> {
        let resolved = self.repositories.resolve(&self.namespace, "fleet", "hello", version);
        resolved.map(|resolved| resolved.entry.version.to_string()).map_err(|error| error.reason())
    }
}

fn run(client: &Client, namespace: &str) -> (Repositories, oneshot::Sender<()>, JoinHandle<()>) {
    let repositories = Repositories::new("captain");
    let controller = ChartRepos::new(client.clone(), repositories.clone(), Arc::new(Metrics::default()));
    let (stop, stopped) = oneshot::channel::<()>();
    let running = tokio::spawn(controller.within(Scope::of([namespace.to_owned()])).run(async move {
        let _ = stopped.await;
    }));
    (repositories, stop, running)
}

fn phase(repo: &ChartRepo) -> Option<RepositoryPhase> {
    repo.status.as_ref()?.phase
}

#[tokio::test]
async fn a_repository_is_read_and_its_charts_are_as_captain_makes_them() -> Result<()> {
    let harbour = Harbour::open("chartrepo").await?;
    harbour.create("fleet", json!({"url": harbour.server.url()})).await?;
    let repo = harbour.until_synced("fleet").await?;
    let status = repo.status.clone().unwrap_or_default();
    assert_eq!((status.charts, status.reason), (Some(2), None));
    assert!(repo.annotations().contains_key(names::LAST_SYNC_AT));

    let chart = harbour.charts().get("hello.fleet").await?;
    let labels = [("alauda.io/project", "fleet"), ("repo", "fleet")];
    assert!(chart.labels().iter().map(|(label, value)| (label.as_str(), value.as_str())).eq(labels));
    let owner = chart.owner_references().first().context("an owner")?;
    assert_eq!((owner.api_version.as_str(), owner.kind.as_str()), ("app.alauda.io/v1alpha1", "ChartRepo"));
    assert_eq!((owner.controller, Some(&owner.uid)), (Some(true), repo.uid().as_ref()));
    assert_eq!(chart.spec.versions[0]["version"], "0.1.0");
    assert_eq!(chart.spec.versions[0]["urls"][0], "hello-0.1.0.tgz");
    assert_eq!(harbour.resolve(""), Ok("0.1.0".to_owned()));
    Ok(())
}

#[tokio::test]
async fn a_refresh_shows_new_versions_and_removes_charts_that_are_gone() -> Result<()> {
    let harbour = Harbour::open("refresh").await?;
    harbour.create("fleet", json!({"url": harbour.server.url()})).await?;
    harbour.until_synced("fleet").await?;
    let mut changes = harbour.repositories.changes();
    harbour.publish_second_version()?;
    harbour.patch("fleet", json!({"metadata": {"annotations": {names::REFRESH: "1"}}})).await?;
    let handled = |repo: &ChartRepo| repo.status.as_ref().and_then(|s| s.last_handled_refresh.clone());
    harbour.until("fleet", "the refresh", |repo| handled(repo).as_deref() == Some("1")).await?;

    let chart = harbour.charts().get("hello.fleet").await?;
    let versions: Vec<_> = chart.spec.versions.iter().map(|entry| &entry["version"]).collect();
    assert_eq!(versions, ["0.2.0", "0.1.0"]);
    assert!(harbour.charts().get_opt("hooks.fleet").await?.is_none());
    assert_eq!(harbour.resolve("0.2.x"), Ok("0.2.0".to_owned()));
    let key = RepositoryKey { namespace: harbour.namespace.clone(), name: "fleet".to_owned() };
    assert_eq!(tokio::time::timeout(LIMIT, changes.next()).await?, Some(key));

    // The way of Captain's clients.
    let before = harbour.server.count("index.yaml");
    harbour.patch("fleet", json!({"status": {"phase": "Pending"}})).await?;
    harbour.until_synced("fleet").await?;
    assert!(harbour.server.count("index.yaml") > before);
    Ok(())
}

#[tokio::test]
async fn an_index_that_did_not_change_costs_no_write_not_even_after_a_restart() -> Result<()> {
    let harbour = Harbour::open("unchanged").await?;
    harbour.create("fleet", json!({"url": harbour.server.url(), "interval": "1s"})).await?;
    harbour.until_synced("fleet").await?;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let mark = shared().audit_mark()?;
    let read = harbour.server.count("index.yaml");
    let enough = |harbour: &Harbour, reads| Ok((harbour.server.count("index.yaml") >= reads).then_some(()));
    wait::until_async(LIMIT, "three more reads", || async { enough(&harbour, read + 3) }).await?;
    assert_eq!(harbour.server.served().last().map(|served| served.status), Some(304));

    let harbour = harbour.restart().await?;
    let read = harbour.server.count("index.yaml");
    wait::until_async(LIMIT, "reads after the restart", || async { enough(&harbour, read + 2) }).await?;
    assert_eq!(harbour.resolve("0.1.0"), Ok("0.1.0".to_owned()));
    let writes: Vec<_> =
        mark.requests()?.into_iter().filter(|r| r.writes() && r.namespace == harbour.namespace).collect();
    assert!(writes.iter().all(|request| request.group != names::GROUP), "{writes:?}");
    Ok(())
}

#[tokio::test]
async fn each_failure_has_its_reason_and_what_was_read_stays() -> Result<()> {
    let harbour = Harbour::open("failures").await?;
    harbour.create("fleet", json!({"url": harbour.server.url(), "interval": "1s"})).await?;
    harbour.until_synced("fleet").await?;
    for (fault, reason) in [
        (Fault::NotFound, Reason::NotFound),
        (Fault::Unauthorized, Reason::AuthenticationRequired),
        (Fault::Broken, Reason::ServerError),
        (Fault::Garbage, Reason::NotAnIndex),
    ] {
        harbour.server.fail("index.yaml", fault);
        let (found, message) = harbour.until_failed("fleet").await?;
        assert_eq!(found, reason.as_str(), "{message}");
        assert_eq!(harbour.resolve(""), Ok("0.1.0".to_owned()), "the index that was read last");
        harbour.server.heal();
        harbour.until_synced("fleet").await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_secret_that_appears_is_used_at_once() -> Result<()> {
    let harbour = Harbour::open("secret").await?;
    harbour.server.require_basic("ann", "s3cret");
    harbour.create("fleet", json!({"url": harbour.server.url(), "secret": {"name": "login"}})).await?;
    let (reason, message) = harbour.until_failed("fleet").await?;
    assert_eq!(reason, Reason::CredentialsMissing.as_str());
    assert!(message.contains("\"login\""), "{message}");

    let secrets: Api<Secret> = Api::namespaced(harbour.client.clone(), &harbour.namespace);
    let secret = json!({"metadata": {"name": "login"}, "stringData": {"username": "ann", "password": "s3cret"}});
    secrets.create(&PostParams::default(), &serde_json::from_value(secret)?).await?;
    harbour.until_synced("fleet").await?;

    harbour.repos().delete("fleet", &DeleteParams::default()).await?;
    wait::until_async(LIMIT, "the repository to be forgotten", || async {
        Ok((harbour.resolve("") == Err(Reason::RepositoryNotFound)).then_some(()))
    })
    .await
}

#[tokio::test]
async fn a_token_is_acted_on_once_whichever_annotation_has_it() -> Result<()> {
    let harbour = Harbour::open("tokens").await?;
    harbour.create("fleet", json!({"url": harbour.server.url(), "interval": "10h"})).await?;
    harbour.until_synced("fleet").await?;
    let handled = |repo: &ChartRepo| repo.status.as_ref().and_then(|s| s.last_handled_refresh.clone());
    for (annotation, token) in [(names::REFRESH, "1"), (names::LAST_SYNC_AT, "2"), (names::REFRESH, "3")] {
        let before = harbour.server.count("index.yaml");
        for _ in 0..3 {
            harbour.patch("fleet", json!({"metadata": {"annotations": {annotation: token}}})).await?;
            harbour.until("fleet", "the refresh", |repo| handled(repo).as_deref() == Some(token)).await?;
        }
        tokio::time::sleep(Duration::from_millis(800)).await;
        assert_eq!(harbour.server.count("index.yaml"), before + 1, "{annotation} {token}");
    }
    Ok(())
}
