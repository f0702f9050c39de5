//! What the API server serves, kept in memory: kinds for applying, versions for `.Capabilities`.
//!
//! A snapshot is two aggregated requests and `/version`. It is taken when first needed and again when a kind is
//! unknown, at most once in [`PAUSE`]; whoever asks meanwhile waits for the one that runs. A group whose server is
//! down is left as the previous snapshot had it and is no reason for the others to fail.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, RwLock};
use std::time::Duration;

use http::Request;
use kube::Client;
use kube::core::ApiResource;
use kube::core::discovery::v2::{
    ACCEPT_AGGREGATED_DISCOVERY_V2, APIGroupDiscovery, APIGroupDiscoveryList, APIResourceDiscovery, APIVersionDiscovery,
};
use serde::Deserialize;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use super::error::ApiError;
use crate::render::{Capabilities, KubeVersion};

/// The shortest time between two snapshots that unknown kinds ask for.
const PAUSE: Duration = Duration::from_secs(5);
/// How old a snapshot may be for `.Capabilities`.
const CAPABILITIES_AGE: Duration = Duration::from_secs(600);
/// How long one discovery request may take.
const REQUEST: Duration = Duration::from_secs(30);

/// A kind that the API server serves at one version.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Kind {
    /// Group, version, kind and the plural name that stands in URLs.
    pub resource: ApiResource,
    /// Whether objects of it live in a namespace.
    pub namespaced: bool,
}

/// The version of the API server, as `/version` gives it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ServerVersion {
    git_version: String,
    major: String,
    minor: String,
}

impl From<ServerVersion> for KubeVersion {
    fn from(server: ServerVersion) -> Self {
        let ServerVersion { git_version, major, minor } = server;
        Self { version: git_version, normalized: String::new(), major, minor }
    }
}

/// One picture of what is served.
#[derive(Debug)]
pub struct Snapshot {
    /// By group, then kind: the versions in the server's order of preference.
    kinds: HashMap<(String, String), Vec<Kind>>,
    /// What templates see: the server's version, and `group/version` and `group/version/Kind`, sorted.
    capabilities: Arc<Capabilities>,
    /// Groups whose server did not answer.
    stale: Vec<String>,
}

impl Snapshot {
    /// The kind at exactly this version.
    pub fn kind(&self, group: &str, version: &str, kind: &str) -> Option<&Kind> {
        self.versions_of(group, kind).iter().find(|found| found.resource.version == version)
    }

    /// The kind at the version that the server prefers.
    pub fn preferred(&self, group: &str, kind: &str) -> Option<&Kind> {
        self.versions_of(group, kind).first()
    }

    /// The kind that a word names as kubectl takes it, in any case: a kind, a plural, or either with `.GROUP`; of several
    /// that of the core group, else of the first group.
    pub fn named(&self, word: &str) -> Option<&Kind> {
        let word = word.to_lowercase();
        let is_it = |kind: &Kind| {
            let ApiResource { group, kind, plural, .. } = &kind.resource;
            [kind.to_lowercase(), plural.clone()].iter().any(|name| word == *name || word == format!("{name}.{group}"))
        };
        let preferred = self.kinds.values().filter_map(|versions| versions.first());
        preferred.filter(|kind| is_it(kind)).min_by(|left, right| left.resource.group.cmp(&right.resource.group))
    }

    /// What templates see as `.Capabilities`: the API versions are those of Helm's `GetVersionSet`, sorted.
    pub fn capabilities(&self) -> Arc<Capabilities> {
        Arc::clone(&self.capabilities)
    }

    /// The groups whose server did not answer.
    pub fn stale_groups(&self) -> &[String] {
        &self.stale
    }

    /// At how many versions a kind is served.
    pub fn count_versions(&self, group: &str, kind: &str) -> usize {
        self.versions_of(group, kind).len()
    }

    fn versions_of(&self, group: &str, kind: &str) -> &[Kind] {
        self.kinds.get(&(group.to_owned(), kind.to_owned())).map_or(&[], Vec::as_slice)
    }
}

/// The shared cache of what is served.
pub struct Discovery {
    client: Client,
    current: RwLock<Option<Taken>>,
    /// Held while a snapshot is taken, so that there is one at a time.
    taking: Mutex<()>,
}

#[derive(Clone)]
struct Taken {
    snapshot: Arc<Snapshot>,
    at: Instant,
}

impl Discovery {
    pub(super) fn new(client: Client) -> Self {
        Self { client, current: RwLock::new(None), taking: Mutex::new(()) }
    }

    /// The kind that `api_version` and `kind` name, or nothing where it is not served; asks the server again before it
    /// says so, unless it did within the last seconds.
    pub async fn resolve(&self, api_version: &str, kind: &str) -> Result<Option<Kind>, ApiError> {
        let (group, version) = split_api_version(api_version);
        self.find(|snapshot| snapshot.kind(group, version, kind).cloned()).await
    }

    /// The kind at whatever version is served, the preferred one first: for objects whose recorded version is gone.
    pub async fn resolve_any_version(&self, group: &str, kind: &str) -> Result<Option<Kind>, ApiError> {
        self.find(|snapshot| snapshot.preferred(group, kind).cloned()).await
    }

    /// What is known of what is served; asks the server only where nothing is known yet.
    pub async fn snapshot(&self) -> Result<Arc<Snapshot>, ApiError> {
        self.no_older_than(Duration::MAX).await
    }

    /// What templates see as `.Capabilities`; at most some minutes old.
    pub async fn capabilities(&self) -> Result<Arc<Capabilities>, ApiError> {
        Ok(self.no_older_than(CAPABILITIES_AGE).await?.capabilities())
    }

    /// Asks the server now: after custom resource definitions were created.
    pub async fn refresh(&self) -> Result<Arc<Snapshot>, ApiError> {
        self.no_older_than(Duration::ZERO).await
    }

    async fn find<T>(&self, look: impl Fn(&Snapshot) -> Option<T>) -> Result<Option<T>, ApiError> {
        if let Some(found) = look(&*self.snapshot().await?) {
            return Ok(Some(found));
        }
        Ok(look(&*self.no_older_than(PAUSE).await?))
    }

    async fn no_older_than(&self, age: Duration) -> Result<Arc<Snapshot>, ApiError> {
        let asked = Instant::now();
        if let Some(snapshot) = self.taken(asked, age) {
            return Ok(snapshot);
        }
        let _one_at_a_time = self.taking.lock().await;
        // Another caller may have taken one since we asked; it is as fresh as our own would be.
        if let Some(snapshot) = self.taken(asked, age) {
            return Ok(snapshot);
        }
        let at = Instant::now();
        let snapshot = Arc::new(self.take().await?);
        let taken = Taken { snapshot: Arc::clone(&snapshot), at };
        *self.current.write().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(taken);
        Ok(snapshot)
    }

    fn taken(&self, asked: Instant, age: Duration) -> Option<Arc<Snapshot>> {
        let taken = self.last()?;
        (taken.at >= asked || asked.duration_since(taken.at) < age).then_some(taken.snapshot)
    }

    fn last(&self) -> Option<Taken> {
        self.current.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    async fn take(&self) -> Result<Snapshot, ApiError> {
        let core = self.get::<APIGroupDiscoveryList>("/api").await?;
        let named = self.get::<APIGroupDiscoveryList>("/apis").await?;
        let server = self.get::<ServerVersion>("/version").await?;
        if named.items.is_empty() {
            return Err(ApiError::Undecodable {
                message: "no aggregated discovery; Kubernetes 1.30 or newer is needed".to_owned(),
            });
        }
        let previous = self.last().map(|taken| taken.snapshot);
        Ok(build(core.items.into_iter().chain(named.items), server, previous.as_deref()))
    }

    async fn get<T: serde::de::DeserializeOwned>(&self, path: &str) -> Result<T, ApiError> {
        let request = Request::get(path).header(http::header::ACCEPT, ACCEPT_AGGREGATED_DISCOVERY_V2).body(vec![]);
        let request = request.map_err(|error| ApiError::Transport { message: error.to_string(), sent: false })?;
        let reply = timeout(REQUEST, self.client.request_text(request)).await;
        let text = reply.map_err(|_| ApiError::Timeout { seconds: REQUEST.as_secs() })??;
        serde_json::from_str(&text).map_err(|error| ApiError::undecodable(&error))
    }
}

/// Splits `apps/v1` into group and version; `v1` is the core group's.
pub fn split_api_version(api_version: &str) -> (&str, &str) {
    api_version.split_once('/').unwrap_or(("", api_version))
}

fn build(
    groups: impl Iterator<Item = APIGroupDiscovery>,
    server: ServerVersion,
    previous: Option<&Snapshot>,
) -> Snapshot {
    let mut reading = Reading::default();
    for group in groups {
        let name = group.metadata.and_then(|metadata| metadata.name).unwrap_or_default();
        for version in group.versions {
            reading.add(&name, version);
        }
    }
    if let Some(previous) = previous {
        reading.keep_stale(previous);
    }
    let Reading { kinds, versions, stale } = reading;
    let api_versions = Arc::new(versions.into_iter().collect());
    let capabilities = Capabilities { kube_version: server.into(), api_versions, ..Capabilities::default() };
    Snapshot { kinds, stale, capabilities: Arc::new(capabilities) }
}

/// A snapshot in the making.
#[derive(Default)]
struct Reading {
    kinds: HashMap<(String, String), Vec<Kind>>,
    versions: BTreeSet<String>,
    stale: Vec<String>,
}

impl Reading {
    fn add(&mut self, group: &str, discovered: APIVersionDiscovery) {
        let version = discovered.version.unwrap_or_default();
        let api_version = if group.is_empty() { version.clone() } else { format!("{group}/{version}") };
        self.versions.insert(api_version.clone());
        if discovered.freshness.as_deref() == Some("Stale") && !self.stale.iter().any(|stale| stale == group) {
            self.stale.push(group.to_owned());
        }
        for resource in discovered.resources {
            self.add_resource(group, &version, &api_version, resource);
        }
    }

    fn add_resource(&mut self, group: &str, version: &str, api_version: &str, resource: APIResourceDiscovery) {
        let subresources = resource.subresources.into_iter().map(|subresource| subresource.response_kind);
        for served in subresources.chain([resource.response_kind.clone()]).flatten().filter_map(|named| named.kind) {
            self.versions.insert(format!("{api_version}/{served}"));
        }
        let Some(kind) = resource.response_kind.and_then(|named| named.kind) else { return };
        let api_resource = ApiResource {
            group: group.to_owned(),
            version: version.to_owned(),
            api_version: api_version.to_owned(),
            kind: kind.clone(),
            plural: resource.resource.unwrap_or_default(),
        };
        let namespaced = resource.scope.as_deref() == Some("Namespaced");
        let served = self.kinds.entry((group.to_owned(), kind)).or_default();
        if !served.iter().any(|known| known.resource.version == version) {
            served.push(Kind { resource: api_resource, namespaced });
        }
    }

    /// Keeps what was known of groups whose server is down now.
    fn keep_stale(&mut self, previous: &Snapshot) {
        for group in &self.stale {
            let of_group = previous.kinds.iter().filter(|((known, _), _)| known == group);
            for (key, kinds) in of_group {
                self.kinds.entry(key.clone()).or_insert_with(|| kinds.clone());
                let name = |kind: &Kind| format!("{}/{}", kind.resource.api_version, kind.resource.kind);
                self.versions.extend(kinds.iter().map(name));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn group(name: &str, freshness: &str, resources: serde_json::Value) -> APIGroupDiscovery {
        let version = json!({"version": "v1", "freshness": freshness, "resources": resources});
        serde_json::from_value(json!({"metadata": {"name": name}, "versions": [version]})).expect("a group")
    }

    fn resource(plural: &str, kind: &str) -> serde_json::Value {
        let scale = json!({"subresource": "scale", "responseKind": {"kind": "Scale"}});
        json!({"resource": plural, "scope": "Namespaced", "responseKind": {"kind": kind}, "subresources": [scale]})
    }

    fn server() -> ServerVersion {
        ServerVersion { git_version: "v1.37.1".into(), major: "1".into(), minor: "37".into() }
    }

    #[test]
    fn versions_are_those_of_helm() {
        let groups =
            [group("", "Current", json!([])), group("apps", "Current", json!([resource("deployments", "Deployment")]))];
        let snapshot = build(groups.into_iter(), server(), None);
        assert_eq!(**snapshot.capabilities().api_versions, ["apps/v1", "apps/v1/Deployment", "apps/v1/Scale", "v1"]);
        assert_eq!(snapshot.capabilities().kube_version.version, "v1.37.1");
        let kind = snapshot.kind("apps", "v1", "Deployment").expect("served");
        assert_eq!((kind.resource.plural.as_str(), kind.namespaced), ("deployments", true));
        assert_eq!(snapshot.kind("apps", "v1", "Scale"), None);
    }

    #[test]
    fn a_group_whose_server_is_down_is_left_as_it_was() {
        let widgets = || json!([resource("widgets", "Widget")]);
        let before = build([group("example.org", "Current", widgets())].into_iter(), server(), None);
        let down = build([group("example.org", "Stale", json!([]))].into_iter(), server(), Some(&before));
        assert_eq!(down.stale_groups(), ["example.org"]);
        assert!(down.kind("example.org", "v1", "Widget").is_some());
        assert!(down.capabilities().api_versions.contains(&"example.org/v1/Widget".to_owned()));
    }
}
