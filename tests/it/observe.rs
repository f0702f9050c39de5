//! Observing a real cluster: what exists, what drifts, what gets well, and what a cut of the watches leaves behind.

use std::pin::pin;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use coxswain::cluster::apply::ApplyOptions;
use coxswain::cluster::health::Verdict;
use coxswain::cluster::observe::{
    Change, Expectation, ObserveError, Observed, Observer, OwnerKey, SourceRead, Trigger, cause,
};
use coxswain::cluster::{Cluster, Kind, Object, ObjectKey};
use futures::{Stream, StreamExt};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{DynamicObject, GroupVersionKind, Patch, PatchParams};
use kube::{Api, Client, Config};
use serde_json::{Value, json};

use crate::lent::Lent;
use crate::support::{ControlPlane, command, shared, wait};

const LIMIT: Duration = Duration::from_secs(30);
/// How long nothing may come before it counts as nothing.
const QUIET: Duration = Duration::from_millis(700);

/// A release of one Deployment and one ConfigMap in a namespace of its own, applied and observed.
struct Release {
    cluster: Cluster,
    observer: Observer,
    namespace: String,
    owner: OwnerKey,
    objects: Vec<Object>,
}

const MANIFEST: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: app, image: 'example.invalid/web:1'}]}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {color: green, size: large}
";

impl Release {
    async fn deploy(control_plane: &ControlPlane, purpose: &str) -> Result<Self> {
        let namespace = control_plane.namespace(purpose).await?;
        let cluster = Cluster::from_client(control_plane.client().await?);
        let mut objects = cluster.read_manifest(MANIFEST, &namespace).await?;
        objects.iter_mut().for_each(|object| object.stamp("web", &namespace));
        let owner = OwnerKey { namespace: namespace.clone(), name: "web".into() };
        let release = Self { observer: Observer::new(&cluster), cluster, namespace, owner, objects };
        release.ensure().await?;
        let hold = release.observer.hold(&release.owner);
        release.apply().await?;
        drop(hold);
        Ok(release)
    }

    async fn ensure(&self) -> Result<()> {
        let kinds: Vec<_> = self.objects.iter().map(|object| object.kind.clone()).collect();
        Ok(self.observer.ensure(&kinds, LIMIT).await?)
    }

    /// Applies everything and expects what the replies show.
    async fn apply(&self) -> Result<()> {
        for object in &self.objects {
            let applied = self.cluster.apply(object, ApplyOptions::default()).await?;
            self.observer.expect(&self.owner, &object.key, Expectation::from_reply(&applied.json));
        }
        Ok(())
    }

    async fn healthy(&self) -> Result<()> {
        wait::until_async(LIMIT, "all objects to be healthy", || async {
            Ok(self.observer.health(&self.owner).is_ready().then_some(()))
        })
        .await
    }

    fn live(&self, object: &Object) -> Api<DynamicObject> {
        Api::namespaced_with(self.cluster.client(), &self.namespace, &object.kind.resource)
    }

    fn object(&self, kind: &str) -> &Object {
        self.objects.iter().find(|object| object.key.kind == kind).expect("an object of the manifest")
    }
}

/// The next trigger that is a deviation.
async fn next_deviation(triggers: &mut (impl Stream<Item = Trigger> + Unpin)) -> Result<Trigger> {
    next(triggers, |change| matches!(change, Change::Modified | Change::Deleted)).await
}

async fn next(triggers: &mut (impl Stream<Item = Trigger> + Unpin), wanted: fn(Change) -> bool) -> Result<Trigger> {
    let search = async {
        loop {
            match triggers.next().await {
                Some(trigger) if wanted(trigger.change) => return Ok(trigger),
                Some(_) => {}
                None => bail!("no more triggers"),
            }
        }
    };
    tokio::time::timeout(LIMIT, search).await.context("no trigger came")?
}

#[tokio::test]
async fn a_lookup_tells_from_memory_what_exists_and_whose_it_is() -> Result<()> {
    let release = Release::deploy(shared(), "lookup").await?;
    let (client, namespace) = (release.cluster.client(), &release.namespace);
    let foreign: ConfigMap = serde_json::from_value(json!({"metadata": {"name": "theirs"}}))?;
    Api::namespaced(client, namespace).create(&kube::api::PostParams::default(), &foreign).await?;

    let mut key = release.object("ConfigMap").key.clone();
    wait::until_async(LIMIT, "the release's object", || async {
        let Observed::Managed(state) = release.observer.lookup(&key) else { return Ok(None) };
        assert!(state.marks.are_of("web", namespace) && state.verdict == Verdict::Current, "{state:?}");
        Ok(Some(()))
    })
    .await?;
    key.name = "theirs".into();
    wait::until_async(LIMIT, "the other's object", || async {
        Ok((release.observer.lookup(&key) == Observed::Foreign).then_some(()))
    })
    .await?;
    key.name = "nobodys".into();
    assert_eq!(release.observer.lookup(&key), Observed::Absent);
    key.kind = "Gadget".into();
    assert_eq!(release.observer.lookup(&key), Observed::NotWatched);
    Ok(())
}

#[tokio::test]
async fn a_scaled_deployment_is_told_at_once_with_its_cause_and_a_repair_is_no_news() -> Result<()> {
    let release = Release::deploy(shared(), "scaled").await?;
    release.healthy().await?;
    let mut triggers = pin!(release.observer.triggers());
    let before = release.observer.digest(&release.owner);

    let scaled = tokio::time::Instant::now();
    command::output(shared().kubectl().args(["scale", "deployment/web", "--replicas=3", "-n", &release.namespace]))?;
    let trigger = next_deviation(&mut triggers).await?;
    assert!(scaled.elapsed() < Duration::from_secs(5), "{:?}", scaled.elapsed());
    assert_eq!((trigger.owner, trigger.change), (release.owner.clone(), Change::Modified));
    let deployment = release.object("Deployment");
    assert_eq!(release.observer.deviations(&release.owner).len(), 1);

    let hold = release.observer.hold(&release.owner);
    let found = serde_json::to_value(release.live(deployment).get("web").await?)?;
    let repaired = release.cluster.apply(deployment, ApplyOptions::default()).await?;
    release.observer.expect(&release.owner, &deployment.key, Expectation::from_reply(&repaired.json));
    let taken = cause(&found, repaired.owned_fields().context("fields of ours")?);
    let texts: Vec<_> = taken.iter().map(ToString::to_string).collect();
    assert_eq!(texts, [".spec.replicas changed by kubectl (subresource scale)"]);
    assert_eq!(taken[0].fields[0].of(&found), Some(&json!(3)));
    assert_eq!(release.observer.deviations(&release.owner), []);
    drop(hold);

    assert_eq!(release.observer.digest(&release.owner), before, "the repair restored the very same fields");
    let quiet = tokio::time::timeout(QUIET, next_deviation(&mut triggers)).await;
    assert!(quiet.is_err(), "{quiet:?}");
    Ok(())
}

#[tokio::test]
async fn deleted_edited_and_extended_objects_are_told_apart() -> Result<()> {
    let release = Release::deploy(shared(), "edited").await?;
    release.healthy().await?;
    let mut triggers = pin!(release.observer.triggers());
    let settings = release.live(release.object("ConfigMap"));
    let patch = |patch: Value| {
        let settings = settings.clone();
        async move { settings.patch("settings", &PatchParams::default(), &Patch::Merge(patch)).await }
    };

    patch(json!({"data": {"added": "by others"}, "metadata": {"labels": {"seen": "true"}}})).await?;
    let quiet = tokio::time::timeout(QUIET, next_deviation(&mut triggers)).await;
    assert!(quiet.is_err(), "what others add is theirs: {quiet:?}");

    patch(json!({"data": {"color": "red"}})).await?;
    assert_eq!(next_deviation(&mut triggers).await?.change, Change::Modified, "a value was changed");
    release.apply().await?;

    patch(json!({"data": {"size": null}})).await?;
    assert_eq!(next_deviation(&mut triggers).await?.change, Change::Modified, "a key was removed");
    release.apply().await?;

    patch(json!({"metadata": {"labels": {"app.kubernetes.io/managed-by": null}}})).await?;
    next_deviation(&mut triggers).await?;
    wait::until_async(LIMIT, "the object to be known as changed, not gone", || async {
        let deviations = release.observer.deviations(&release.owner);
        Ok(deviations.iter().any(|deviation| !deviation.gone).then_some(()))
    })
    .await?;
    release.apply().await?;
    release.healthy().await?;

    settings.delete("settings", &Default::default()).await?;
    // The loss of the label may have been told as a deletion too, so a trigger alone proves nothing here.
    wait::until_async(LIMIT, "the object to be known as gone", || async {
        let deviations = release.observer.deviations(&release.owner);
        Ok(deviations.iter().any(|deviation| deviation.gone).then_some(()))
    })
    .await?;
    let trigger = next(&mut triggers, |change| change == Change::Deleted).await?;
    assert_eq!(trigger.object, release.object("ConfigMap").key);
    release.apply().await?;
    release.healthy().await?;
    assert_eq!(release.observer.deviations(&release.owner), []);
    Ok(())
}

#[tokio::test]
async fn health_is_told_as_it_changes_with_its_reason() -> Result<()> {
    let release = Release::deploy(shared(), "health").await?;
    release.healthy().await?;
    let mut triggers = pin!(release.observer.triggers());
    let unready = json!({"spec": {"template": {"metadata": {"labels": {"kwok-unready": "true"}}}}});
    let deployments = release.live(release.object("Deployment"));
    deployments.patch("web", &PatchParams::default(), &Patch::Merge(unready)).await?;

    next(&mut triggers, |change| change >= Change::Health).await?;
    let standing = wait::until_async(LIMIT, "the reason", || async {
        Ok(release.observer.health(&release.owner).unhealthy.into_iter().next())
    })
    .await?;
    assert_eq!((standing.0.kind.as_str(), standing.1.as_str()), ("Deployment", "InProgress"));
    Ok(())
}

/// A namespaced kind of the core group.
fn core(kind: &str, plural: &str) -> Kind {
    let resource = kube::core::ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk("", "v1", kind), plural);
    Kind { resource, namespaced: true }
}

#[tokio::test]
async fn sources_of_values_trigger_when_they_change() -> Result<()> {
    let release = Release::deploy(shared(), "sources").await?;
    release.observer.ensure(&[core("Secret", "secrets")], LIMIT).await?;
    let mut triggers = pin!(release.observer.triggers());
    let (group, kind) = (String::new(), "Secret".to_owned());
    let object = ObjectKey { group, kind, namespace: release.namespace.clone(), name: "values".to_owned() };
    let read = |version: Option<&str>| vec![SourceRead::new(object.clone(), version)];
    let kubectl = |arguments: &[&str]| {
        command::output(shared().kubectl().args(arguments).args(["--namespace", &release.namespace]))
    };

    release.observer.read_sources(&release.owner, read(None));
    kubectl(&["create", "secret", "generic", "values", "--from-literal=values.yaml=a: 1"])?;
    next(&mut triggers, |change| change == Change::Source).await?;

    let version = kubectl(&["get", "secret", "values", "--output", "jsonpath={.metadata.resourceVersion}"])?;
    release.observer.read_sources(&release.owner, read(Some(&version)));
    kubectl(&["patch", "secret", "values", "--patch", r#"{"stringData": {"values.yaml": "a: 2"}}"#])?;
    next(&mut triggers, |change| change == Change::Source).await?;
    kubectl(&["delete", "secret", "values"])?;
    next(&mut triggers, |change| change == Change::Source).await?;
    Ok(())
}

#[tokio::test]
async fn a_missing_right_is_named_and_a_granted_one_is_used() -> Result<()> {
    let cluster = shared();
    let namespace = cluster.namespace("rights").await?;
    let admin = |arguments: &[&str]| command::output(cluster.kubectl().args(arguments));
    admin(&["create", "serviceaccount", "watcher", "--namespace", &namespace])?;
    let kubeconfig = kube::config::Kubeconfig::read_from(cluster.service_account_kubeconfig(&namespace, "watcher")?)?;
    let config = Config::from_custom_kubeconfig(kubeconfig, &Default::default()).await?;
    let observer = Observer::new(&Cluster::from_client(Client::try_from(config)?));

    let kinds = [core("ConfigMap", "configmaps")];
    let refused = observer.ensure(&kinds, LIMIT).await.expect_err("no rights yet");
    assert!(matches!(refused, ObserveError::Refused { .. }), "{refused:?}");
    let message = refused.to_string();
    assert!(message.contains("configmaps cannot be watched") && message.contains("list"), "{message}");

    let (role, account) = (format!("{namespace}-watcher"), format!("--serviceaccount={namespace}:watcher"));
    admin(&["create", "clusterrole", &role, "--verb=list,watch", "--resource=configmaps"])?;
    admin(&["create", "clusterrolebinding", &role, "--clusterrole", &role, &account])?;
    wait::until_async(LIMIT, "the granted right", || async { Ok(observer.ensure(&kinds, LIMIT).await.ok()) }).await
}

#[tokio::test]
async fn in_a_steady_state_no_request_is_sent() -> Result<()> {
    let release = Release::deploy(shared(), "steady").await?;
    let namespace = &release.namespace;
    let admin = |arguments: &[&str]| command::output(shared().kubectl().args(arguments));
    let account = format!("--serviceaccount={namespace}:watcher");
    admin(&["create", "clusterrolebinding", &format!("{namespace}-watcher"), "--clusterrole=cluster-admin", &account])?;
    let observer = Observer::new(&release.cluster.impersonate(namespace, "watcher")?);
    let kinds: Vec<_> = release.objects.iter().map(|object| object.kind.clone()).collect();

    let mark = shared().audit_mark()?;
    observer.ensure(&kinds, LIMIT).await?;
    let ours = || -> Result<Vec<_>> {
        let requests = mark.requests()?.into_iter();
        Ok(requests.filter(|request| request.impersonated.ends_with(":watcher")).map(|request| request.verb).collect())
    };
    // Two kinds, for each a list and a watch of the objects with Helm's label and of those without.
    let started = wait::until_async(LIMIT, "the watches", || async {
        let ours = ours()?;
        Ok((ours.iter().filter(|verb| *verb == "watch").count() >= 4).then_some(ours))
    })
    .await?;
    assert_eq!(started.iter().filter(|verb| *verb == "list").count(), 4, "{started:?}");

    let changed = json!({"data": {"color": "red"}});
    release
        .live(release.object("ConfigMap"))
        .patch("settings", &PatchParams::default(), &Patch::Merge(changed))
        .await?;
    observer.ensure(&kinds, LIMIT).await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(ours()?, started);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changed_while_the_api_server_was_away_is_told_afterwards() -> Result<()> {
    let cluster = Lent::take()?;
    let release = Release::deploy(&cluster, "restart").await?;
    release.healthy().await?;
    let mut triggers = pin!(release.observer.triggers());
    cluster.restart_apiserver()?;
    command::output(cluster.kubectl().args(["scale", "deployment/web", "--replicas=2", "-n", &release.namespace]))?;
    let trigger = next_deviation(&mut triggers).await?;
    assert_eq!((trigger.object.kind.as_str(), trigger.change), ("Deployment", Change::Modified));
    Ok(())
}

#[tokio::test]
async fn a_new_observer_finds_by_its_digest_that_nothing_changed() -> Result<()> {
    let release = Release::deploy(shared(), "restarted").await?;
    release.healthy().await?;
    let before = release.observer.digest(&release.owner);
    assert!(before.is_some());
    let restarted = Observer::new(&release.cluster);
    let kinds: Vec<_> = release.objects.iter().map(|object| object.kind.clone()).collect();
    restarted.ensure(&kinds, LIMIT).await?;
    let live = release.objects.iter().map(|object| (object.key.clone(), Expectation::Live)).collect();
    restarted.track(&release.owner, live);
    assert_eq!(restarted.digest(&release.owner), before);
    assert!(restarted.health(&release.owner).is_ready());
    Ok(())
}
