//! The namespaces that an operator serves: all of a cluster, or some, for which it needs no right beyond them.
//!
//! A watch of some namespaces is one watch a namespace, put together so that it tells the same as one watch of all: one
//! beginning, one end of the first list, and what a later list of one namespace no longer has as deleted.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Debug;
use std::sync::Arc;

use futures::stream::{BoxStream, select_all};
use futures::{Stream, StreamExt};
use kube::core::NamespaceResourceScope;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;

/// What is watched, or why it is not.
type Told<K> = Result<Event<K>, watcher::Error>;

/// The namespaces that are served.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// All, and what belongs to the whole cluster.
    #[default]
    Cluster,
    /// These.
    Namespaces(Arc<BTreeSet<String>>),
}

impl Scope {
    /// These namespaces; all, where none is named.
    pub fn of(namespaces: impl IntoIterator<Item = String>) -> Self {
        let namespaces: BTreeSet<String> = namespaces.into_iter().filter(|name| !name.is_empty()).collect();
        if namespaces.is_empty() { Self::Cluster } else { Self::Namespaces(Arc::new(namespaces)) }
    }

    /// The same with one more.
    #[must_use]
    pub fn and(&self, namespace: &str) -> Self {
        match self {
            Self::Cluster => Self::Cluster,
            Self::Namespaces(known) => Self::of(known.iter().cloned().chain([namespace.to_owned()])),
        }
    }

    /// Whether all is served.
    pub fn is_cluster(&self) -> bool {
        *self == Self::Cluster
    }

    /// Whether objects of a namespace are served; those of the whole cluster have an empty one.
    pub fn contains(&self, namespace: &str) -> bool {
        match self {
            Self::Cluster => true,
            Self::Namespaces(known) => known.contains(namespace),
        }
    }

    /// The ways to objects: `api` gives the one to a namespace, and to all without one.
    pub fn apis<K>(&self, api: impl Fn(Option<&str>) -> Api<K>) -> Vec<Api<K>> {
        match self {
            Self::Cluster => vec![api(None)],
            Self::Namespaces(known) => known.iter().map(|namespace| api(Some(namespace))).collect(),
        }
    }

    /// The ways to objects of a kind that lives in namespaces.
    pub fn typed<K>(&self, client: &Client) -> Vec<Api<K>>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    {
        self.apis(|namespace| within(client, namespace))
    }

    /// Watches objects of a kind that lives in namespaces, with pauses after failures.
    pub fn watch_typed<K>(&self, client: &Client, config: &watcher::Config) -> BoxStream<'static, Told<K>>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
        K: Clone + DeserializeOwned + Debug + Send + 'static,
    {
        let key = |object: &K| (object.namespace().unwrap_or_default(), object.name_any());
        self.watch(|namespace| within(client, namespace), config, key)
    }

    /// Watches objects, with pauses after failures; `api` as for [`Scope::apis`], and `key` tells namespace
    /// and name of an object.
    pub fn watch<K>(
        &self,
        api: impl Fn(Option<&str>) -> Api<K>,
        config: &watcher::Config,
        key: fn(&K) -> Key,
    ) -> BoxStream<'static, Told<K>>
    where
        K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
    {
        let streams = self.apis(api).into_iter().map(|api| watcher(api, config.clone()).default_backoff().boxed());
        merged(streams.collect(), key)
    }
}

impl std::fmt::Display for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Cluster => f.write_str("all namespaces"),
            Self::Namespaces(known) => f.write_str(&known.iter().cloned().collect::<Vec<_>>().join(", ")),
        }
    }
}

fn within<K>(client: &Client, namespace: Option<&str>) -> Api<K>
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
{
    match namespace {
        None => Api::all(client.clone()),
        Some(namespace) => Api::namespaced(client.clone(), namespace),
    }
}

/// One stream that tells what all tell.
fn merged<K, S>(mut streams: Vec<S>, key: fn(&K) -> Key) -> BoxStream<'static, Told<K>>
where
    K: Clone + Send + 'static,
    S: Stream<Item = Told<K>> + Send + Unpin + 'static,
{
    match streams.len() {
        1 => streams.remove(0).boxed(),
        count => {
            let mut merge = Merge::new(count, key);
            let numbered = streams.into_iter().enumerate();
            let all = select_all(numbered.map(|(part, stream)| stream.map(move |told| (part, told))));
            let told = all.flat_map(move |(part, told)| {
                let told: Vec<Told<K>> = match told {
                    Ok(event) => merge.take(part, event).into_iter().map(Ok).collect(),
                    Err(error) => vec![Err(error)],
                };
                futures::stream::iter(told)
            });
            told.boxed()
        }
    }
}

/// The namespace and the name of an object.
type Key = (String, String);

type Objects<K> = HashMap<Key, K>;

/// What was told of each part.
struct Merge<K> {
    key: fn(&K) -> Key,
    parts: Vec<Part<K>>,
    begun: bool,
    /// Whether the first list of every part is over.
    listed: bool,
    /// What went before that.
    gone: Objects<K>,
}

struct Part<K> {
    known: Objects<K>,
    /// The list that is being told.
    list: Option<Objects<K>>,
    listed: bool,
}

impl<K: Clone> Merge<K> {
    fn new(parts: usize, key: fn(&K) -> Key) -> Self {
        let part = || Part { known: HashMap::new(), list: None, listed: false };
        let parts = std::iter::repeat_with(part).take(parts).collect();
        Self { key, parts, begun: false, listed: false, gone: HashMap::new() }
    }

    fn take(&mut self, part: usize, event: Event<K>) -> Vec<Event<K>> {
        let (of, key) = (&mut self.parts[part], self.key);
        match event {
            Event::Init => {
                // A list that broke off is made anew; what it has told counts.
                of.known.extend(of.list.replace(HashMap::new()).into_iter().flatten());
                let first = !std::mem::replace(&mut self.begun, true);
                if first { vec![Event::Init] } else { Vec::new() }
            }
            Event::InitApply(object) => {
                of.list.get_or_insert_default().insert(key(&object), object.clone());
                vec![self.there(object)]
            }
            Event::Apply(object) => {
                of.known.insert(key(&object), object.clone());
                vec![self.there(object)]
            }
            Event::Delete(object) => {
                of.known.remove(&key(&object));
                self.gone(vec![object])
            }
            Event::InitDone => {
                let list = of.list.take().unwrap_or_default();
                let mut before = std::mem::replace(&mut of.known, list);
                before.retain(|key, _| !of.known.contains_key(key));
                of.listed = true;
                let mut told = self.gone(before.into_values().collect());
                if !self.listed && self.parts.iter().all(|part| part.listed) {
                    self.listed = true;
                    told.push(Event::InitDone);
                    told.extend(std::mem::take(&mut self.gone).into_values().map(Event::Delete));
                }
                told
            }
        }
    }

    fn there(&mut self, object: K) -> Event<K> {
        self.gone.remove(&(self.key)(&object));
        if self.listed { Event::Apply(object) } else { Event::InitApply(object) }
    }

    /// During the first list nothing can be told as deleted.
    fn gone(&mut self, objects: Vec<K>) -> Vec<Event<K>> {
        if self.listed {
            return objects.into_iter().map(Event::Delete).collect();
        }
        let key = self.key;
        self.gone.extend(objects.into_iter().map(|object| (key(&object), object)));
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::ConfigMap;
    use serde_json::json;

    use super::*;

    fn object(namespace: &str, name: &str) -> ConfigMap {
        serde_json::from_value(json!({"metadata": {"namespace": namespace, "name": name}})).expect("an object")
    }

    fn word(event: &Event<ConfigMap>) -> String {
        let name = |object: &ConfigMap| format!("{}/{}", object.namespace().unwrap_or_default(), object.name_any());
        match event {
            Event::Init => "begin".to_owned(),
            Event::InitDone => "end".to_owned(),
            Event::InitApply(object) => format!("({})", name(object)),
            Event::Apply(object) => format!("+{}", name(object)),
            Event::Delete(object) => format!("-{}", name(object)),
        }
    }

    #[test]
    fn the_watches_of_some_namespaces_tell_what_one_watch_would() {
        let mut merge = Merge::new(2, |object: &ConfigMap| (object.namespace().unwrap_or_default(), object.name_any()));
        let mut told = |part: usize, event: Event<ConfigMap>| -> String {
            merge.take(part, event).iter().map(word).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(told(0, Event::Init), "begin");
        assert_eq!(told(0, Event::InitApply(object("a", "one"))), "(a/one)");
        assert_eq!(told(0, Event::InitApply(object("a", "two"))), "(a/two)");
        assert_eq!(told(0, Event::InitDone), "");
        assert_eq!(told(1, Event::Init), "");
        assert_eq!(told(0, Event::Delete(object("a", "one"))), "", "nothing is deleted during the first list");
        assert_eq!(told(0, Event::Apply(object("a", "three"))), "(a/three)");
        assert_eq!(told(1, Event::InitApply(object("b", "one"))), "(b/one)");
        assert_eq!(told(1, Event::Init), "", "the list breaks off");
        assert_eq!(told(1, Event::InitApply(object("b", "two"))), "(b/two)");
        let end = told(1, Event::InitDone);
        assert!(end.starts_with("end -") && end.contains("-a/one") && end.contains("-b/one"), "{end}");

        assert_eq!(told(1, Event::Apply(object("b", "two"))), "+b/two");
        assert_eq!(told(0, Event::Init), "", "one of them lists anew");
        assert_eq!(told(0, Event::InitApply(object("a", "three"))), "+a/three");
        assert_eq!(told(0, Event::InitDone), "-a/two");
        assert_eq!(told(0, Event::Delete(object("a", "three"))), "-a/three");
    }

    #[test]
    fn without_names_all_namespaces_are_served() {
        assert!(Scope::of([]).contains("anything") && Scope::of([String::new()]).contains(""));
        let some = Scope::of(["a".to_owned(), "b".to_owned()]);
        assert!(some.contains("a") && !some.contains("c") && !some.contains(""));
        assert!(some.and("c").contains("c") && Scope::Cluster.and("c").is_cluster());
        assert_eq!(some.to_string(), "a, b");
    }
}
