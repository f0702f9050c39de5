//! Reading objects as `kubectl get -o json` does, by a client that stays: a test that asks again and again by a program
//! takes the processor from what it waits for.

use std::path::Path;
use std::sync::{Mutex, OnceLock, PoisonError, mpsc};

use anyhow::{Context, Result, bail};
use kube::discovery::{ApiResource, Discovery, Scope};
use kube::{Client, Error};
use serde_json::Value;

use super::readiness;

/// Reads objects of every kind with every right; blocks the thread that asks, whatever runtime that belongs to.
pub struct Reader {
    client: Client,
    kinds: Mutex<Vec<(ApiResource, Scope)>>,
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Reader")
    }
}

impl Reader {
    /// # Errors
    /// When the kubeconfig cannot be read.
    pub fn new(kubeconfig: &Path) -> Result<Self> {
        let kubeconfig = kubeconfig.to_owned();
        let client = block_on(async move { readiness::client(&kubeconfig).await })?;
        Ok(Self { client, kinds: Mutex::default() })
    }

    /// An object, or nothing where it does not exist. `kind` is what kubectl takes: `configmap`, `configmaps` or
    /// `configmaps.GROUP`, without short names.
    ///
    /// # Errors
    /// When there is no such kind or no answer.
    pub fn get(&self, namespace: &str, kind: &str, name: &str) -> Result<Option<Value>> {
        self.read(format!("{}/{name}", self.path(Some(namespace), kind)?))
    }

    /// The objects of a kind that a label selector picks, in one namespace or in all.
    ///
    /// # Errors
    /// As [`Reader::get`].
    pub fn list(&self, namespace: Option<&str>, kind: &str, selector: &str) -> Result<Vec<Value>> {
        let path = format!("{}?labelSelector={}", self.path(namespace, kind)?, selector.replace('=', "%3D"));
        let mut list = self.read(path)?.unwrap_or_default();
        match list["items"].take() {
            Value::Array(items) => Ok(items),
            _ => bail!("no list of {kind}: {list}"),
        }
    }

    fn read(&self, path: String) -> Result<Option<Value>> {
        let client = self.client.clone();
        block_on(async move {
            let request = axum::http::Request::get(&path).body(Vec::new())?;
            match client.request::<Value>(request).await {
                Ok(object) => Ok(Some(object)),
                Err(Error::Api(status)) if status.is_not_found() => Ok(None),
                Err(error) => Err(error).with_context(|| format!("reading {path}")),
            }
        })
    }

    fn path(&self, namespace: Option<&str>, kind: &str) -> Result<String> {
        let (resource, scope) = self.resource(kind)?;
        let base = if resource.group.is_empty() { "/api" } else { "/apis" };
        let place = match (scope, namespace) {
            (Scope::Namespaced, Some(namespace)) => format!("/namespaces/{namespace}"),
            _ => String::new(),
        };
        let group = if resource.group.is_empty() { String::new() } else { format!("/{}", resource.group) };
        Ok(format!("{base}{group}/{}{place}/{}", resource.version, resource.plural))
    }

    fn resource(&self, kind: &str) -> Result<(ApiResource, Scope)> {
        let mut kinds = self.kinds.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = find(&kinds, kind) {
            return Ok(found);
        }
        let client = self.client.clone();
        *kinds = block_on(async move { discover(client).await })?;
        find(&kinds, kind).with_context(|| format!("the API server has no {kind}"))
    }
}

/// What a name stands for; of several groups, the first that the API server names, as kubectl has it.
fn find(kinds: &[(ApiResource, Scope)], name: &str) -> Option<(ApiResource, Scope)> {
    let (name, group) = name.split_once('.').map_or((name, None), |(name, group)| (name, Some(group)));
    let named = |resource: &ApiResource| resource.plural == name || resource.kind.eq_ignore_ascii_case(name);
    let of_group = |resource: &ApiResource| group.is_none_or(|group| resource.group == group);
    kinds.iter().find(|(resource, _)| named(resource) && of_group(resource)).cloned()
}

async fn discover(client: Client) -> Result<Vec<(ApiResource, Scope)>> {
    let discovery = Discovery::new(client).run_aggregated().await?;
    let kinds = discovery.groups_alphabetical().into_iter().flat_map(|group| group.resources_by_stability());
    Ok(kinds.map(|(resource, capabilities)| (resource, capabilities.scope)).collect())
}

/// Runs on a runtime of its own: connections of a client belong to the runtime that opened them, and tests end theirs.
fn block_on<T: Send + 'static>(work: impl Future<Output = Result<T>> + Send + 'static) -> Result<T> {
    static RUNTIME: OnceLock<tokio::runtime::Runtime> = OnceLock::new();
    let runtime = RUNTIME.get_or_init(|| {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder.worker_threads(1).enable_all().build().expect("a runtime")
    });
    let (tell, told) = mpsc::sync_channel(1);
    runtime.spawn(async move { tell.send(work.await) });
    told.recv().context("the read ended without an answer")?
}
