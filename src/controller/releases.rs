//! Which requests have which release: asked whenever somebody else writes a release record, so it must not take a look
//! at every request.
//!
//! Most releases have the name and namespace of their request and are found there; only the others are noted.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kube::ResourceExt;
use kube::runtime::reflector::{ObjectRef, Store};
use kube::runtime::watcher::Event;

use super::context::release_of;
use crate::api::HelmRequest;
use crate::cluster::records::ReleaseKey;

/// The requests of releases; every clone is a handle on the same notes.
#[derive(Clone)]
pub struct Releases {
    requests: Store<HelmRequest>,
    elsewhere: Arc<Mutex<HashMap<ReleaseKey, HashSet<ObjectRef<HelmRequest>>>>>,
}

impl Releases {
    /// The releases of the requests that the watch shows.
    pub fn new(requests: Store<HelmRequest>) -> Self {
        Self { requests, elsewhere: Arc::default() }
    }

    /// Takes in what the watch tells.
    pub fn note(&self, event: &Event<HelmRequest>) {
        match event {
            Event::Apply(request) | Event::InitApply(request) if is_elsewhere(request) => {
                self.elsewhere().entry(release_of(request)).or_default().insert(ObjectRef::from_obj(request));
            }
            Event::Delete(request) if is_elsewhere(request) => {
                self.forget(&release_of(request), &ObjectRef::from_obj(request));
            }
            _ => {}
        }
    }

    /// The requests of a release, mostly one. What was noted of requests that have another release by now is dropped.
    pub fn requests_of(&self, release: &ReleaseKey) -> Vec<ObjectRef<HelmRequest>> {
        let namesake = ObjectRef::new(&release.name).within(&release.namespace);
        let noted: Vec<_> = self.elsewhere().get(release).into_iter().flatten().cloned().collect();
        let has_it = |request: &ObjectRef<HelmRequest>| {
            self.requests.get(request).is_some_and(|request| release_of(&request) == *release)
        };
        for request in noted.iter().filter(|request| !has_it(request)) {
            self.forget(release, request);
        }
        noted.into_iter().chain([namesake]).filter(has_it).collect()
    }

    fn forget(&self, release: &ReleaseKey, request: &ObjectRef<HelmRequest>) {
        let mut elsewhere = self.elsewhere();
        let Some(requests) = elsewhere.get_mut(release) else { return };
        requests.remove(request);
        if requests.is_empty() {
            elsewhere.remove(release);
        }
    }

    fn elsewhere(&self) -> MutexGuard<'_, HashMap<ReleaseKey, HashSet<ObjectRef<HelmRequest>>>> {
        self.elsewhere.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether its release has another name or namespace.
fn is_elsewhere(request: &HelmRequest) -> bool {
    let release = release_of(request);
    release.name != request.name_any() || Some(release.namespace) != request.namespace()
}

#[cfg(test)]
mod tests {
    use kube::runtime::reflector::store;
    use serde_json::json;

    use super::*;

    fn request(name: &str, namespace: Option<&str>) -> HelmRequest {
        serde_json::from_value(json!({
            "apiVersion": "app.alauda.io/v1", "kind": "HelmRequest", "spec": {"namespace": namespace},
            "metadata": {"name": name, "namespace": "demo"},
        }))
        .expect("a request")
    }

    #[test]
    fn a_release_is_found_by_its_own_name_where_its_requests_are_elsewhere_too() {
        let (requests, mut writer) = store();
        let releases = Releases::new(requests);
        let mut tell = |event: Event<HelmRequest>| {
            releases.note(&event);
            writer.apply_watcher_event(&event);
        };
        let found = |namespace: &str, name: &str| {
            let key = ReleaseKey { namespace: namespace.to_owned(), name: name.to_owned() };
            let mut found: Vec<String> = releases.requests_of(&key).into_iter().map(|request| request.name).collect();
            found.sort();
            found
        };
        tell(Event::Apply(request("here", None)));
        tell(Event::Apply(request("there", Some("other"))));
        assert_eq!(found("demo", "here"), ["here"]);
        assert_eq!(found("other", "there"), ["there"]);
        assert!(found("demo", "there").is_empty() && found("other", "here").is_empty());

        tell(Event::Apply(request("there", Some("third"))));
        assert!(found("other", "there").is_empty());
        assert_eq!(found("third", "there"), ["there"]);
        tell(Event::Delete(request("there", Some("third"))));
        tell(Event::Delete(request("here", None)));
        assert!(found("third", "there").is_empty() && found("demo", "here").is_empty());
        assert!(releases.elsewhere().is_empty(), "nothing is kept of what is gone");
    }
}
