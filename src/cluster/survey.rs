//! Which objects exist already, without asking for each one.
//!
//! Before a first write an operation must know which of its objects exist and whose they are. Those of releases are
//! known from the watches; what remains are *strangers*, objects without Helm's label. One metadata list of a kind's
//! strangers in a namespace is small, answered from the API server's watch cache, and serves every operation of the
//! next seconds, so a thousand installations of one chart into one namespace cost a handful of lists.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::{StreamExt, TryStreamExt, stream};
use kube::api::{ListParams, VersionMatch};
use tokio::sync::OnceCell;
use tokio::time::Instant;

use super::client::Cluster;
use super::discovery::Kind;
use super::error::{ApiError, ObjectError};
use super::object::{MANAGED_BY, MANAGED_BY_LABEL, Object, ObjectKey};
use super::ownership::Marks;
use crate::value::Json;

/// How long one list is used.
const AGE: Duration = Duration::from_secs(5);
/// How many lists or reads run at the same time for one operation.
const PARALLEL: usize = 8;

/// The marks of strangers by name.
type Strangers = BTreeMap<String, Marks>;

/// The shared lists of strangers.
#[derive(Clone)]
pub struct Survey {
    cluster: Cluster,
    lists: Arc<Mutex<HashMap<(Kind, String), List>>>,
}

#[derive(Clone)]
struct List {
    /// Set once the list is there; whoever asks meanwhile waits for it.
    strangers: Arc<OnceCell<Arc<Strangers>>>,
    since: Instant,
}

impl Survey {
    /// A survey that lists with this handle's rights.
    pub fn new(cluster: Cluster) -> Self {
        Self { cluster, lists: Arc::default() }
    }

    /// Those of the objects that exist without Helm's label, with their marks.
    ///
    /// # Errors
    /// Why a kind could not be listed, with the first object of that kind.
    pub async fn strangers(&self, objects: &[Object]) -> Result<Vec<(ObjectKey, Marks)>, ObjectError> {
        let mut collections: HashMap<(&Kind, &str), Vec<&ObjectKey>> = HashMap::new();
        for object in objects {
            collections.entry((&object.kind, object.key.namespace.as_str())).or_default().push(&object.key);
        }
        let asked = collections.into_iter().map(|((kind, namespace), keys)| async move {
            let listed = self.list(kind, namespace).await;
            let listed = listed.map_err(|error| ObjectError { object: keys[0].clone(), error })?;
            let found = |key: &&ObjectKey| listed.get(&key.name).map(|marks| ((*key).clone(), marks.clone()));
            Ok::<_, ObjectError>(keys.iter().filter_map(found).collect::<Vec<_>>())
        });
        let found: Vec<Vec<_>> = stream::iter(asked).buffer_unordered(PARALLEL).try_collect().await?;
        Ok(found.into_iter().flatten().collect())
    }

    async fn list(&self, kind: &Kind, namespace: &str) -> Result<Arc<Strangers>, ApiError> {
        let list = self.current(kind, namespace);
        list.strangers.get_or_try_init(|| self.ask(kind, namespace)).await.cloned()
    }

    fn current(&self, kind: &Kind, namespace: &str) -> List {
        let mut lists = self.lists.lock().unwrap_or_else(PoisonError::into_inner);
        lists.retain(|_, list| list.since.elapsed() < AGE);
        let fresh = || List { strangers: Arc::default(), since: Instant::now() };
        lists.entry((kind.clone(), namespace.to_owned())).or_insert_with(fresh).clone()
    }

    async fn ask(&self, kind: &Kind, namespace: &str) -> Result<Arc<Strangers>, ApiError> {
        let parameters = ListParams {
            label_selector: Some(format!("{MANAGED_BY_LABEL}!={MANAGED_BY}")),
            resource_version: Some("0".to_owned()),
            version_match: Some(VersionMatch::NotOlderThan),
            ..ListParams::default()
        };
        let request = self.cluster.collection(kind, namespace).list_metadata(&parameters);
        let listed: Json = match self.cluster.call(request).await {
            // A kind that this very operation brings has no objects yet.
            Err(ApiError::KindNotServed | ApiError::NotFound) => return Ok(Arc::default()),
            listed => listed?,
        };
        let items = listed.get("items").and_then(Json::as_array).into_iter().flatten();
        let named =
            items.filter_map(|item| Some((item.pointer("/metadata/name")?.as_str()?.to_owned(), Marks::of(item))));
        Ok(Arc::new(named.collect()))
    }
}

impl Cluster {
    /// Reads the marks of each object; those that do not exist are left out.
    ///
    /// # Errors
    /// Why an object could not be read.
    pub async fn read_marks(&self, objects: &[Object]) -> Result<Vec<(ObjectKey, Marks)>, ObjectError> {
        let reads = stream::iter(objects).map(|object| async move {
            match self.read_metadata(object).await {
                Ok(live) => Ok(Some((object.key.clone(), Marks::of(&live)))),
                Err(ApiError::NotFound | ApiError::KindNotServed) => Ok(None),
                Err(error) => Err(ObjectError { object: object.key.clone(), error }),
            }
        });
        let read: Vec<Option<_>> = reads.buffered(PARALLEL).try_collect().await?;
        Ok(read.into_iter().flatten().collect())
    }
}
