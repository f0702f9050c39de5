//! Who depends on whom, and who waits for whom. A request that waits for another is woken whenever the watch tells
//! something of that one; nobody looks again and again.
//!
//! A request says that it waits before it looks, so that what happens in between wakes it too.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::channel::mpsc::UnboundedSender;
use kube::runtime::reflector::{ObjectRef, Store};
use kube::runtime::watcher::Event;

use crate::api::HelmRequest;

type Request = ObjectRef<HelmRequest>;

/// The dependents of requests; every clone is a handle on the same notes.
#[derive(Clone)]
pub struct Dependents {
    requests: Store<HelmRequest>,
    triggers: UnboundedSender<Request>,
    notes: Arc<Mutex<Notes>>,
}

#[derive(Default)]
struct Notes {
    /// By what is depended on. Holds also who did once; whoever asks looks at the requests themselves.
    dependents: HashMap<Request, HashSet<Request>>,
    /// By what is waited for.
    waiting: HashMap<Request, HashSet<Request>>,
    /// What each waits for.
    awaited: HashMap<Request, Vec<Request>>,
}

impl Dependents {
    /// The dependents among the requests that the watch shows; who waits is woken through `triggers`.
    pub fn new(requests: Store<HelmRequest>, triggers: UnboundedSender<Request>) -> Self {
        Self { requests, triggers, notes: Arc::default() }
    }

    /// Takes in what the watch tells, after the store has.
    pub fn note(&self, event: &Event<HelmRequest>) {
        match event {
            Event::Apply(request) => {
                self.notes().take(request);
                self.wake(&ObjectRef::from_obj(request));
            }
            // The store has it only at the end of the list.
            Event::InitApply(request) => self.notes().take(request),
            Event::Delete(request) => {
                let of = ObjectRef::from_obj(request);
                let mut notes = self.notes();
                for dependency in dependencies(request) {
                    notes.remove_dependent(&dependency, &of);
                }
                notes.end_waiting(&of);
                drop(notes);
                self.wake(&of);
            }
            Event::Init => {}
            // What changed or went before the list is not told otherwise.
            Event::InitDone => {
                let mut notes = self.notes();
                notes.awaited.clear();
                let waiting = std::mem::take(&mut notes.waiting);
                drop(notes);
                self.trigger(waiting.into_values().flatten());
            }
        }
    }

    /// Wakes everyone who waits for a request.
    pub fn wake(&self, request: &Request) {
        let waiting = self.notes().waiting.remove(request).unwrap_or_default();
        self.trigger(waiting);
    }

    fn trigger(&self, waiting: impl IntoIterator<Item = Request>) {
        // A closed channel means that the operator is stopping.
        waiting.into_iter().for_each(|waiter| drop(self.triggers.unbounded_send(waiter)));
    }

    /// From now on, news of these requests wake this one, once; what it waited for before does not any more.
    pub fn wait(&self, waiter: &Request, awaited: Vec<Request>) {
        let mut notes = self.notes();
        notes.end_waiting(waiter);
        for request in &awaited {
            notes.waiting.entry(request.clone()).or_default().insert(waiter.clone());
        }
        if !awaited.is_empty() {
            notes.awaited.insert(waiter.clone(), awaited);
        }
    }

    /// The requests that depend on a request, by their names.
    pub fn of(&self, request: &Request) -> Vec<Arc<HelmRequest>> {
        let mut notes = self.notes();
        let noted: Vec<Request> = notes.dependents.get(request).into_iter().flatten().cloned().collect();
        let mut dependents = Vec::new();
        for dependent in noted {
            match self.requests.get(&dependent).filter(|found| dependencies(found).contains(request)) {
                Some(found) => dependents.push(found),
                None => notes.remove_dependent(request, &dependent),
            }
        }
        dependents.sort_by(|a, b| key(a).cmp(&key(b)));
        dependents
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Notes {
    /// Notes what a request depends on.
    fn take(&mut self, request: &HelmRequest) {
        for dependency in dependencies(request) {
            self.dependents.entry(dependency).or_default().insert(ObjectRef::from_obj(request));
        }
    }

    fn remove_dependent(&mut self, dependency: &Request, dependent: &Request) {
        remove(&mut self.dependents, dependency, dependent);
    }

    fn end_waiting(&mut self, waiter: &Request) {
        for request in self.awaited.remove(waiter).unwrap_or_default() {
            remove(&mut self.waiting, &request, waiter);
        }
    }
}

fn remove(sets: &mut HashMap<Request, HashSet<Request>>, of: &Request, member: &Request) {
    let Some(set) = sets.get_mut(of) else { return };
    set.remove(member);
    if set.is_empty() {
        sets.remove(of);
    }
}

/// What a request depends on.
pub fn dependencies(request: &HelmRequest) -> Vec<Request> {
    let found = request.dependencies().into_iter();
    found.map(|dependency| ObjectRef::new(dependency.name).within(&dependency.namespace)).collect()
}

fn key(request: &HelmRequest) -> (Option<&str>, Option<&str>) {
    (request.metadata.namespace.as_deref(), request.metadata.name.as_deref())
}

#[cfg(test)]
mod tests {
    use futures::channel::mpsc::{UnboundedReceiver, unbounded};
    use kube::runtime::reflector::store;
    use kube::runtime::reflector::store::Writer;
    use serde_json::json;

    use super::*;

    struct Scene {
        dependents: Dependents,
        writer: Writer<HelmRequest>,
        woken: UnboundedReceiver<Request>,
    }

    impl Scene {
        fn new() -> Self {
            let (requests, writer) = store();
            let (triggers, woken) = unbounded();
            Self { dependents: Dependents::new(requests, triggers), writer, woken }
        }

        fn tell(&mut self, event: Event<HelmRequest>) {
            self.writer.apply_watcher_event(&event);
            self.dependents.note(&event);
        }

        fn woken(&mut self) -> Vec<String> {
            let mut names: Vec<String> =
                std::iter::from_fn(|| self.woken.try_recv().ok()).map(|found| found.name).collect();
            names.sort();
            names
        }

        fn of(&self, name: &str) -> Vec<String> {
            let found = self.dependents.of(&reference(name)).into_iter();
            found.filter_map(|request| request.metadata.name.clone()).collect()
        }
    }

    fn reference(name: &str) -> Request {
        ObjectRef::new(name).within("demo")
    }

    fn request(name: &str, dependencies: &[&str]) -> HelmRequest {
        serde_json::from_value(json!({
            "apiVersion": "app.alauda.io/v1", "kind": "HelmRequest", "spec": {"dependencies": dependencies},
            "metadata": {"name": name, "namespace": "demo"},
        }))
        .expect("a request")
    }

    #[test]
    fn who_waits_is_woken_once_by_what_it_waits_for_and_by_nothing_else() {
        let mut scene = Scene::new();
        scene.dependents.wait(&reference("web"), vec![reference("db"), reference("cache")]);
        scene.dependents.wait(&reference("jobs"), vec![reference("db")]);
        scene.tell(Event::Apply(request("other", &[])));
        assert_eq!(scene.woken(), Vec::<String>::new());
        scene.tell(Event::Apply(request("db", &[])));
        assert_eq!(scene.woken(), ["jobs", "web"]);
        scene.tell(Event::Apply(request("db", &[])));
        assert_eq!(scene.woken(), Vec::<String>::new(), "whoever goes on waiting says so again");

        scene.dependents.wait(&reference("web"), vec![reference("cache")]);
        scene.dependents.wait(&reference("web"), vec![]);
        scene.tell(Event::Apply(request("cache", &[])));
        assert_eq!(scene.woken(), Vec::<String>::new());
    }

    #[test]
    fn who_waits_is_woken_at_the_end_of_a_list_when_the_store_has_it() {
        let mut scene = Scene::new();
        scene.tell(Event::Apply(request("db", &[])));
        scene.dependents.wait(&reference("web"), vec![reference("db")]);
        scene.dependents.wait(&reference("jobs"), vec![reference("gone")]);
        for event in [Event::Init, Event::InitApply(request("db", &[]))] {
            scene.tell(event);
            assert_eq!(scene.woken(), Vec::<String>::new(), "the store is as it was");
        }
        scene.tell(Event::InitDone);
        assert_eq!(scene.woken(), ["jobs", "web"]);
        scene.tell(Event::InitDone);
        assert_eq!(scene.woken(), Vec::<String>::new());
    }

    #[test]
    fn dependents_are_known_as_long_as_they_are() {
        let mut scene = Scene::new();
        scene.tell(Event::Apply(request("web", &["db"])));
        scene.tell(Event::InitApply(request("jobs", &["db", "web"])));
        scene.tell(Event::InitDone);
        scene.tell(Event::Apply(request("web", &["db"])));
        scene.tell(Event::Apply(request("jobs", &["db", "web"])));
        assert_eq!(scene.of("db"), ["jobs", "web"]);
        scene.tell(Event::Apply(request("web", &[])));
        assert_eq!(scene.of("db"), ["jobs"]);
        scene.dependents.wait(&reference("web"), vec![reference("jobs")]);
        scene.tell(Event::Delete(request("jobs", &["db", "web"])));
        assert_eq!((scene.of("db"), scene.woken()), (Vec::new(), vec!["web".to_owned()]));
        assert!(scene.dependents.notes().dependents.is_empty(), "nothing is kept of what is gone");
    }
}
