//! Reading objects as `kubectl get -o json` does and writing them as `kubectl apply` and `patch` do, by a client that
//! stays: a test that runs a program each time takes the processor from what it waits for.

use std::path::Path;
use std::sync::{Mutex, OnceLock, PoisonError, mpsc};

use anyhow::{Context, Result, bail};
use axum::http::Request;
use kube::discovery::{ApiResource, Discovery, Scope};
use kube::{Client, Error};
use serde_json::Value;

use super::readiness;

/// How writes are made: fields that no schema knows are refused, and the writer is a person's tool.
const WRITES: &str = "fieldValidation=Strict&fieldManager=kubectl";

/// Objects of every kind, with every right; blocks the thread that asks, whatever runtime that belongs to.
pub struct Objects {
    client: Client,
    kinds: Mutex<Vec<(ApiResource, Scope)>>,
}

impl std::fmt::Debug for Objects {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Objects")
    }
}

impl Objects {
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
    /// As [`Objects::get`].
    pub fn list(&self, namespace: Option<&str>, kind: &str, selector: &str) -> Result<Vec<Value>> {
        self.items(namespace, kind, selector, "application/json")
    }

    /// The same with nothing of each object but its metadata.
    ///
    /// # Errors
    /// As [`Objects::get`].
    pub fn list_metadata(&self, namespace: Option<&str>, kind: &str, selector: &str) -> Result<Vec<Value>> {
        self.items(namespace, kind, selector, "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io")
    }

    fn items(&self, namespace: Option<&str>, kind: &str, selector: &str, accept: &str) -> Result<Vec<Value>> {
        let path = format!("{}?labelSelector={}", self.path(namespace, kind)?, selector.replace('=', "%3D"));
        let request = Request::get(path).header("accept", accept).body(Vec::new())?;
        let mut list = self.ask(request)?.unwrap_or_default();
        match list["items"].take() {
            Value::Array(items) => Ok(items),
            // Go writes so that there are none.
            Value::Null if list["kind"] == "PartialObjectMetadataList" => Ok(Vec::new()),
            _ => bail!("no list of {kind}: {list}"),
        }
    }

    /// Creates an object or makes it so, as `kubectl apply --server-side --force-conflicts` does. It stands in its own
    /// namespace, or else in the given one.
    ///
    /// # Errors
    /// When there is no such kind, or the API server refuses.
    pub fn apply(&self, namespace: &str, object: &Value) -> Result<()> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let namespace = object["metadata"]["namespace"].as_str().unwrap_or(namespace);
        let (version, name) = (text(&object["apiVersion"]), text(&object["metadata"]["name"]));
        let (group, version) = version.split_once('/').unwrap_or(("", &version));
        let kind = format!("{}.{group}", text(&object["kind"]));
        let (mut resource, scope) = self.resource(&kind)?;
        version.clone_into(&mut resource.version);
        let path = format!("{}/{name}?force=true&{WRITES}", path(&resource, &scope, Some(namespace)));
        let request = Request::patch(path).header("content-type", "application/apply-patch+yaml");
        self.ask(request.body(object.to_string().into_bytes())?).map(drop)
    }

    /// Merges into an object, as `kubectl patch --type merge` does.
    ///
    /// # Errors
    /// When there is no such object, or the API server refuses.
    pub fn merge(&self, namespace: &str, kind: &str, name: &str, patch: &Value) -> Result<()> {
        let path = format!("{}/{name}?{WRITES}", self.path(Some(namespace), kind)?);
        let request = Request::patch(path).header("content-type", "application/merge-patch+json");
        let merged = self.ask(request.body(patch.to_string().into_bytes())?)?;
        merged.map(drop).with_context(|| format!("there is no {kind} {name} in {namespace}"))
    }

    /// Deletes an object, as `kubectl delete --wait=false` does; one that does not exist is no error.
    ///
    /// # Errors
    /// When there is no such kind, or the API server refuses.
    pub fn delete(&self, namespace: &str, kind: &str, name: &str) -> Result<()> {
        let path = format!("{}/{name}", self.path(Some(namespace), kind)?);
        self.ask(Request::delete(path).body(Vec::new())?).map(drop)
    }

    fn read(&self, path: String) -> Result<Option<Value>> {
        self.ask(Request::get(path).body(Vec::new())?)
    }

    /// Nothing where the object does not exist.
    fn ask(&self, request: Request<Vec<u8>>) -> Result<Option<Value>> {
        let client = self.client.clone();
        let asked = format!("{} {}", request.method(), request.uri());
        block_on(async move {
            match client.request::<Value>(request).await {
                Ok(object) => Ok(Some(object)),
                Err(Error::Api(status)) if status.is_not_found() => Ok(None),
                Err(error) => Err(error).context(asked),
            }
        })
    }

    fn path(&self, namespace: Option<&str>, kind: &str) -> Result<String> {
        let (resource, scope) = self.resource(kind)?;
        Ok(path(&resource, &scope, namespace))
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

fn path(resource: &ApiResource, scope: &Scope, namespace: Option<&str>) -> String {
    let base = if resource.group.is_empty() { "/api" } else { "/apis" };
    let place = match (scope, namespace) {
        (Scope::Namespaced, Some(namespace)) => format!("/namespaces/{namespace}"),
        _ => String::new(),
    };
    let group = if resource.group.is_empty() { String::new() } else { format!("/{}", resource.group) };
    format!("{base}{group}/{}{place}/{}", resource.version, resource.plural)
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
