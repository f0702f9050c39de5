//! The operator at work: a control plane of its own with the definitions and rights of `config/install.yaml`, and the
//! real binary running with those rights. Each test works in a namespace of its own with a chart server of its own.

use std::path::PathBuf;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::lent::Lent;
use crate::support::folder::Folder;
use crate::support::proxy::Proxy;
use crate::support::{ChartServer, Operator, charts, command, wait};

/// How long anything may take that is not timed.
pub const LIMIT: Duration = Duration::from_secs(60);

/// A control plane with the operator installed.
pub struct World {
    /// The running operator, where it runs.
    operator: Mutex<Option<Operator>>,
    /// The control plane.
    pub cluster: Lent,
    rights: PathBuf,
    /// The operator's flags.
    flags: &'static [&'static str],
}

const ALONE: &str = "--leader-election=false";

/// The world that all tests share which leave the operator alone.
///
/// # Panics
/// When it does not start; every test that asks then fails with the reason.
pub fn world() -> &'static World {
    static SHARED: OnceLock<std::result::Result<World, String>> = OnceLock::new();
    match SHARED.get_or_init(|| World::start().map_err(|error| format!("{error:#}"))) {
        Ok(world) => world,
        Err(error) => panic!("the operator does not start: {error}"),
    }
}

impl World {
    /// A world of one's own, to kill the operator in or to count its requests.
    pub fn start() -> Result<Self> {
        let world = Self::start_idle()?;
        world.start_operator()?;
        Ok(world)
    }

    /// A world of one's own whose operator reaches the API server through a proxy, and does not wait long for an answer
    /// that the proxy lost.
    pub fn start_proxied() -> Result<(Self, Proxy)> {
        let mut world = Self::start_idle()?;
        let proxy = world.proxy()?;
        world.rights = proxy.kubeconfig(&world.rights)?;
        world.flags = &[ALONE, "--request-timeout=10s"];
        world.start_operator()?;
        Ok((world, proxy))
    }

    /// A world of one's own whose operator also serves the requests that live in registered clusters.
    pub fn start_serving_members() -> Result<Self> {
        let mut world = Self::start_idle()?;
        world.flags = &[ALONE, "--serve-member-requests"];
        world.start_operator()?;
        Ok(world)
    }

    /// A proxy to the control plane.
    pub fn proxy(&self) -> Result<Proxy> {
        Proxy::start(&self.rights)
    }

    /// Starts a replica that stands for the lease through a proxy, and waits until it is ready.
    pub fn start_replica(&self, proxy: &Proxy, name: &str) -> Result<Operator> {
        Operator::start(&self.cluster, &proxy.kubeconfig(&self.rights)?, &[&format!("--identity={name}")])
    }

    /// Starts a replica that shares the requests with others, and waits until it is ready.
    pub fn start_sharing(&self, proxy: &Proxy, name: &str, shards: u16) -> Result<Operator> {
        let flags = [&*format!("--identity={name}"), &*format!("--shards={shards}")];
        Operator::start(&self.cluster, &proxy.kubeconfig(&self.rights)?, &flags)
    }

    /// Like [`World::start_replica`], without waiting.
    pub fn spawn_replica(&self, proxy: &Proxy, name: &str) -> Result<Operator> {
        Operator::spawn(&self.cluster, &proxy.kubeconfig(&self.rights)?, &[&format!("--identity={name}")])
    }

    /// A world of one's own with no operator running.
    pub fn start_idle() -> Result<Self> {
        Ok(Self::of(Lent::take()?))
    }

    /// A world of one's own in which nothing is installed.
    pub fn start_bare() -> Result<Self> {
        Ok(Self::of(Lent::bare()?))
    }

    fn of(cluster: Lent) -> Self {
        let rights = cluster.rights().to_owned();
        Self { operator: Mutex::new(None), cluster, rights, flags: &[ALONE] }
    }

    /// Starts the operator, after it was killed.
    pub fn start_operator(&self) -> Result<()> {
        *self.operator() = Some(Operator::start(&self.cluster, &self.rights, self.flags)?);
        Ok(())
    }

    /// Kills the operator, as a node failure would.
    pub fn kill_operator(&self) {
        if let Some(operator) = self.operator().take() {
            operator.kill();
        }
    }

    /// The metrics page of the running operator.
    pub fn metrics(&self) -> Result<String> {
        self.operator().as_ref().context("the operator does not run")?.metrics()
    }

    /// The address of the running operator's API, with the scheme.
    pub fn api(&self) -> Result<String> {
        Ok(self.operator().as_ref().context("the operator does not run")?.api())
    }

    /// A line of the running operator's memory, in MiB: `VmRSS` now, `VmHWM` at its peak.
    pub fn memory(&self, line: &str) -> Result<f64> {
        self.operator().as_ref().context("the operator does not run")?.memory(line)
    }

    /// How much processor time the running operator has used.
    pub fn cpu(&self) -> Result<Duration> {
        self.operator().as_ref().context("the operator does not run")?.cpu()
    }

    /// Everything that the operator has logged.
    pub fn log(&self) -> Result<String> {
        self.operator().as_ref().context("the operator does not run")?.log()
    }

    fn operator(&self) -> MutexGuard<'_, Option<Operator>> {
        self.operator.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new namespace with a repository `charts` of the given chart folders.
    pub async fn place(&self, purpose: &str, folders: &[&str]) -> Result<Place<'_>> {
        let place = self.bare_place(purpose).await?;
        place.publish(folders)?;
        place.apply(&place.repository("charts", &place.server.url()))?;
        Ok(place)
    }

    /// A new namespace and a chart server that serves an empty folder; there is no repository yet.
    pub async fn bare_place(&self, purpose: &str) -> Result<Place<'_>> {
        let namespace = self.cluster.namespace(purpose).await?;
        let folder = Folder::new(purpose)?;
        let server = ChartServer::start(folder.path())?;
        Ok(Place { world: self, namespace, server, folder })
    }
}

/// A namespace, a chart server and its repository.
pub struct Place<'a> {
    /// Where it is.
    pub world: &'a World,
    /// The namespace.
    pub namespace: String,
    /// The chart server behind the repository `charts`.
    pub server: ChartServer,
    /// The folder that it serves.
    pub folder: Folder,
}

impl Place<'_> {
    /// Packs folders of `tests/charts` and lists them in the index.
    pub fn publish(&self, folders: &[&str]) -> Result<()> {
        let folders: Vec<PathBuf> = folders.iter().map(|name| charts::folder(name)).collect();
        charts::repository(&folders, self.folder.path())?;
        Ok(())
    }

    /// A ChartRepo object.
    pub fn chart_repo(&self, name: &str, spec: Value) -> Value {
        json!({
            "apiVersion": "app.alauda.io/v1beta1", "kind": "ChartRepo",
            "metadata": {"name": name, "namespace": self.namespace}, "spec": spec,
        })
    }

    /// The ChartRepo object of an index.
    pub fn repository(&self, name: &str, url: &str) -> Value {
        self.chart_repo(name, json!({"url": url}))
    }

    /// The ChartRepo object of what is checked out, with more fields beside.
    pub fn version_control(&self, type_: &str, name: &str, source: Value, more: &Value) -> Value {
        self.chart_repo(name, with(json!({"type": type_, "interval": "1h", "source": source}), more))
    }

    /// A HelmRequest object.
    pub fn request(&self, name: &str, spec: Value) -> Value {
        json!({
            "apiVersion": "app.alauda.io/v1", "kind": "HelmRequest",
            "metadata": {"name": name, "namespace": self.namespace}, "spec": spec,
        })
    }

    /// Creates or changes an object, as `kubectl apply` does.
    pub fn apply(&self, object: &Value) -> Result<()> {
        self.world.cluster.objects().apply(&self.namespace, object)
    }

    /// Merges into what the request `web` declares.
    pub fn change(&self, spec: &Value) -> Result<()> {
        self.merge("helmrequest", "web", &json!({"spec": spec}))
    }

    /// Merges into an object, as `kubectl patch --type merge` does.
    pub fn merge(&self, kind: &str, name: &str, patch: &Value) -> Result<()> {
        self.world.cluster.objects().merge(&self.namespace, kind, name, patch)
    }

    /// Deletes an object and waits for nothing.
    pub fn delete(&self, kind: &str, name: &str) -> Result<()> {
        self.world.cluster.objects().delete(&self.namespace, kind, name)
    }

    /// Runs kubectl in the namespace.
    pub fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        self.run(self.world.cluster.kubectl(), arguments)
    }

    /// Runs the real helm in the namespace.
    pub fn helm(&self, arguments: &[&str]) -> Result<String> {
        self.run(self.world.cluster.helm(), arguments)
    }

    fn run(&self, mut program: Command, arguments: &[&str]) -> Result<String> {
        command::output(program.args(arguments).args(["--namespace", &self.namespace]))
    }

    /// An object, or nothing where it does not exist.
    pub fn get(&self, kind: &str, name: &str) -> Result<Option<Value>> {
        self.world.cluster.objects().get(&self.namespace, kind, name)
    }

    /// Whether there is a record of the first revision of a release.
    pub fn is_recorded(&self, release: &str) -> Result<bool> {
        Ok(self.get("secret", &format!("sh.helm.release.v1.{release}.v1"))?.is_some())
    }

    /// Waits until an object exists and something holds of it.
    pub fn until(&self, kind: &str, name: &str, what: &str, holds: impl Fn(&Value) -> bool) -> Result<Value> {
        let waited = wait::until(LIMIT, what, || Ok(self.get(kind, name)?.filter(|object| holds(object))));
        waited.with_context(|| format!("{kind} {name} is {}", self.get(kind, name).ok().flatten().unwrap_or_default()))
    }

    /// Waits until a request is Ready for its present generation.
    pub fn until_ready(&self, name: &str) -> Result<Value> {
        self.until("helmrequest", name, "the request to be ready", |request| {
            request["status"]["observedGeneration"] == request["metadata"]["generation"]
                && request["status"]["phase"] == "Synced"
                && condition(request, "Ready").is_some_and(|ready| ready["status"] == "True")
        })
    }

    /// Waits until a request fails with a reason, and gives the message of its Ready condition.
    pub fn until_failed(&self, name: &str, reason: &str) -> Result<String> {
        let failed = self.until("helmrequest", name, &format!("the request to fail with {reason}"), |request| {
            request["status"]["phase"] == "Failed"
                && condition(request, "Ready").is_some_and(|ready| ready["reason"] == reason)
        })?;
        let message = condition(&failed, "Ready").and_then(|ready| ready["message"].as_str().map(str::to_owned));
        message.context("the condition has no message")
    }

    /// The notes of the events about a request that have a reason, oldest first.
    pub fn events(&self, request: &str, reason: &str) -> Result<Vec<String>> {
        let events = self.world.cluster.objects().list(Some(&self.namespace), "events.events.k8s.io", "")?;
        let of_request =
            events.iter().filter(|event| event["regarding"]["name"] == request && event["reason"] == reason);
        Ok(of_request.filter_map(|event| event["note"].as_str().map(str::to_owned)).collect())
    }

    /// Waits until there is an event with a reason whose note contains a text.
    pub fn until_event(&self, request: &str, reason: &str, text: &str) -> Result<String> {
        wait::until(LIMIT, &format!("an event {reason} with {text:?}"), || {
            Ok(self.events(request, reason)?.into_iter().find(|note| note.contains(text)))
        })
    }
}

/// An object with more fields, or others of the same name.
pub fn with(mut object: Value, more: &Value) -> Value {
    for (field, value) in more.as_object().into_iter().flatten() {
        object[field] = value.clone();
    }
    object
}

/// A condition of an object.
pub fn condition<'a>(object: &'a Value, name: &str) -> Option<&'a Value> {
    object["status"]["conditions"].as_array()?.iter().find(|condition| condition["type"] == name)
}
