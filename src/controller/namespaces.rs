//! The namespaces of the cluster, from one watch: an operation need not ask whether its own is there.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::{Stream, StreamExt};
use k8s_openapi::api::core::v1::Namespace;
use kube::core::PartialObjectMeta;
use kube::runtime::watcher::Event;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, ResourceExt};

/// The namespaces that are there and are not being deleted; every clone is a handle on the same.
#[derive(Clone, Debug, Default)]
pub struct Namespaces {
    living: Arc<Mutex<HashSet<String>>>,
}

impl Namespaces {
    /// Whether a namespace is known to be there and not being deleted. What is not known is asked for.
    pub fn lives(&self, name: &str) -> bool {
        self.living().contains(name)
    }

    /// Keeps what is known up to date. Gives the names of those that are created, changed or deleted from now on.
    pub fn follow(&self, client: Client) -> impl Stream<Item = String> + use<> {
        let api = Api::<PartialObjectMeta<Namespace>>::all(client);
        let (known, mut told) = (self.clone(), HashSet::new());
        watcher(api, watcher::Config::default()).default_backoff().filter_map(move |event| {
            let changed = event.ok().and_then(|event| known.take(event, &mut told));
            std::future::ready(changed)
        })
    }

    fn take(&self, event: Event<PartialObjectMeta<Namespace>>, told: &mut HashSet<String>) -> Option<String> {
        match event {
            Event::Init => told.clear(),
            Event::InitApply(namespace) if is_living(&namespace) => drop(told.insert(namespace.name_any())),
            Event::InitApply(_) => {}
            Event::InitDone => *self.living() = std::mem::take(told),
            Event::Apply(namespace) if is_living(&namespace) => {
                self.living().insert(namespace.name_any());
                return Some(namespace.name_any());
            }
            Event::Apply(namespace) | Event::Delete(namespace) => {
                self.living().remove(&namespace.name_any());
                return Some(namespace.name_any());
            }
        }
        None
    }

    fn living(&self) -> MutexGuard<'_, HashSet<String>> {
        self.living.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_living(namespace: &PartialObjectMeta<Namespace>) -> bool {
    namespace.metadata.deletion_timestamp.is_none()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn namespace(name: &str, deleted: Option<&str>) -> PartialObjectMeta<Namespace> {
        serde_json::from_value(json!({"metadata": {"name": name, "deletionTimestamp": deleted}})).expect("a namespace")
    }

    #[test]
    fn a_namespace_lives_until_it_is_being_deleted() {
        let namespaces = Namespaces::default();
        let mut told = HashSet::new();
        let mut tell = |event| namespaces.take(event, &mut told);
        assert_eq!(tell(Event::Init), None);
        assert_eq!(tell(Event::InitApply(namespace("shop", None))), None);
        assert_eq!(tell(Event::InitApply(namespace("bank", Some("2026-01-01T00:00:00Z")))), None);
        assert!(!namespaces.lives("shop"), "what is told in part is not known");
        assert_eq!(tell(Event::InitDone), None);
        assert!(namespaces.lives("shop") && !namespaces.lives("bank") && !namespaces.lives("new"));

        assert_eq!(tell(Event::Apply(namespace("new", None))).as_deref(), Some("new"));
        assert!(namespaces.lives("new"));
        let leaving = namespace("shop", Some("2026-01-01T00:00:00Z"));
        assert_eq!(tell(Event::Apply(leaving)).as_deref(), Some("shop"));
        assert!(!namespaces.lives("shop"));
        assert_eq!(tell(Event::Delete(namespace("new", None))).as_deref(), Some("new"));
        assert!(!namespaces.lives("new"));
    }
}
