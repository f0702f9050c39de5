//! A chart in a ConfigMap of the request's namespace: `spec.source.configMap`. The ConfigMap is followed, so there is
//! no interval.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use k8s_openapi::api::core::v1::ConfigMap;

use super::{Found, Reader, Search};
use crate::api::helm_request::ConfigMapSource;
use crate::api::{HelmRequest, Reason};
use crate::cluster::Cluster;
use crate::cluster::reference::Keeper;
use crate::controller::failure::Failure;
use crate::controller::repositories::Resolved;
use crate::source::local::{self, Contents, Holder, Shelf};
use crate::source::{Fetched, Repository, SourceError, Validators};

const FIELD: &str = "spec.source.configMap";

/// The one ConfigMap; it is read with the rights that the request has.
#[derive(Clone)]
struct OneMap {
    cluster: Cluster,
    namespace: String,
    source: ConfigMapSource,
    version: String,
}

/// Finds the chart that a request names.
pub(super) async fn find(search: &Search<'_>, source: &ConfigMapSource) -> Result<Found, Failure> {
    let mut reader = search.reader();
    let chosen = choose(&mut reader, search.request, source).await;
    search.follow(&reader.reads).await?;
    Ok(search.found(chosen?, reader.reads, None))
}

/// Reads the ConfigMap and chooses the chart.
///
/// # Errors
/// It is missing, or holds not what the request wants.
pub(super) async fn choose(
    reader: &mut Reader<'_>,
    request: &HelmRequest,
    source: &ConfigMapSource,
) -> Result<Resolved, Failure> {
    let map: ConfigMap = reader.read(Keeper::ConfigMap, &source.name, FIELD).await?;
    if let Some(key) = &source.key {
        let holds = |name: &String| name == key || is_part_of(name, key);
        let mut keys = map.data.iter().flat_map(BTreeMap::keys).chain(map.binary_data.iter().flat_map(BTreeMap::keys));
        if !keys.any(holds) {
            let name = &source.name;
            let message = format!("ConfigMap {name:?} of {FIELD} has no key {key:?}: add it or correct {FIELD}.key");
            return Err(Failure::new(Reason::ChartNotFound, message));
        }
    }
    let shelf = OneMap {
        cluster: reader.cluster.clone(),
        namespace: reader.namespace.to_owned(),
        source: source.clone(),
        version: map.metadata.resource_version.unwrap_or_default(),
    };
    let shown = format!("ConfigMap {:?} of {FIELD}", source.name);
    let repository = local::Repository::new(local::Options { shown, shelf: Arc::new(shelf) });
    let Fetched::Index { document, index, .. } = repository.fetch_index(&Validators::default()).await? else {
        return Err(Failure::new(Reason::InternalError, format!("{FIELD} was not read")));
    };
    let names: Vec<&str> = document.names().collect();
    let [chart] = names.as_slice() else {
        let message = format!(
            "ConfigMap {:?} holds several charts, {}: name the archive of one in {FIELD}.key",
            source.name,
            names.join(" and ")
        );
        return Err(Failure::new(Reason::InvalidRequest, message));
    };
    // What is there is what is wanted, so that a new archive is installed as soon as it replaces another one.
    let chosen = match (&request.spec.version, index.versions(chart)) {
        (None, [only]) => Ok(only),
        (wanted, _) => index.choose(chart, wanted.as_deref().unwrap_or_default()),
    };
    let entry =
        chosen.map_err(|error| Failure::new(Reason::ChartVersionNotFound, format!("{FIELD}: {error}")))?.clone();
    Ok(Resolved { entry, repository: Repository::Local(repository) })
}

/// Whether a key is a part of an archive.
fn is_part_of(name: &str, archive: &str) -> bool {
    name.strip_prefix(archive).is_some_and(|rest| rest.starts_with('.'))
}

impl Shelf for OneMap {
    fn list(&self) -> BoxFuture<'_, Result<BTreeMap<Holder, String>, SourceError>> {
        let holder = Holder { kind: "configmap".to_owned(), name: self.source.name.clone() };
        std::future::ready(Ok(BTreeMap::from([(holder, self.version.clone())]))).boxed()
    }

    fn read(&self, holder: Holder) -> BoxFuture<'_, Result<Contents, SourceError>> {
        async move {
            let map: Result<ConfigMap, _> =
                self.cluster.read_object(Keeper::ConfigMap, &self.namespace, &holder.name).await;
            let map = map.map_err(|error| SourceError::Objects { problem: error.to_string() })?;
            let mut contents = local::contents(map);
            if let Some(key) = &self.source.key {
                contents.retain(|name, _| name == key || is_part_of(name, key));
            }
            Ok(contents)
        }
        .boxed()
    }
}

impl fmt::Debug for OneMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OneMap({}/{})", self.namespace, self.source.name)
    }
}
