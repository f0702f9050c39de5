//! What is known of every ChartRepo, for those who need charts.
//!
//! The ChartRepo controller writes, the HelmRequest controller asks ([`Repositories::resolve`]) and is told when an
//! answer may have become another one ([`Repositories::changes`]). A repository that cannot be read any more keeps
//! answering with the index that was read last. Who does not find what it should have asks for a new look
//! ([`Repositories::ask_anew`]), so that what was published a moment ago is not missed until the interval is over.

mod error;

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use futures::channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};

pub use self::error::ResolveError;
use crate::api::Reason;
use crate::chart::Dependency;
use crate::source::index::{Entry, Index};
use crate::source::{Dependencies, Repository};

/// Namespace and name of a ChartRepo.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RepositoryKey {
    /// The namespace.
    pub namespace: String,
    /// The name.
    pub name: String,
}

/// The registry; a handle that is cheap to clone.
#[derive(Clone, Debug)]
pub struct Repositories {
    shared: Arc<Shared>,
    /// Whether requests are served from the operator's namespace only.
    is_for_members: bool,
}

#[derive(Debug)]
struct Shared {
    operator_namespace: String,
    registry: RwLock<Registry>,
}

#[derive(Debug, Default)]
struct Registry {
    /// Whether every ChartRepo of the cluster is in `known`.
    listed: bool,
    known: HashMap<RepositoryKey, Known>,
    listeners: Vec<UnboundedSender<RepositoryKey>>,
    /// Those who read repositories, told when somebody wants a new look at one.
    readers: Vec<UnboundedSender<RepositoryKey>>,
}

/// A ChartRepo: why it cannot be read just now, and what was read last.
#[derive(Clone, Debug, Default)]
struct Known {
    disabled: bool,
    failure: Option<(Reason, String)>,
    read: Option<Read>,
    /// Whether somebody wants a new look.
    asked: bool,
}

/// What a successful read gave.
#[derive(Clone, Debug)]
struct Read {
    index: Arc<Index>,
    repository: Repository,
}

/// A chart version that can be fetched: `charts.program(&resolved.repository, &resolved.entry)`.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// Version, URL and digest.
    pub entry: Entry,
    /// Where to fetch it from.
    pub repository: Repository,
}

impl Repositories {
    /// An empty registry. Repositories of the operator's namespace serve requests of every namespace.
    pub fn new(operator_namespace: impl Into<String>) -> Self {
        let shared = Shared { operator_namespace: operator_namespace.into(), registry: RwLock::default() };
        Self { shared: Arc::new(shared), is_for_members: false }
    }

    /// The same for requests that live in other clusters: a namespace there is not the namespace of the same name here, so
    /// those of the operator's namespace serve them all.
    #[must_use]
    pub fn for_members(&self) -> Self {
        Self { is_for_members: true, ..self.clone() }
    }

    /// Finds a chart version for a request of `namespace`: the repository in that namespace, else in the operator's;
    /// then the version as [`Index::choose`] does. No I/O.
    ///
    /// # Errors
    /// [`ResolveError`], which tells whether waiting can help.
    pub fn resolve(
        &self,
        namespace: &str,
        repository: &str,
        chart: &str,
        version: &str,
    ) -> Result<Resolved, ResolveError> {
        let name = repository.to_owned();
        let registry = self.read();
        let candidates = self.candidates(namespace, repository);
        let Some(known) = candidates.iter().find_map(|key| registry.known.get(key)) else {
            let namespaces = candidates.into_iter().map(|key| key.namespace).collect();
            let missing = ResolveError::RepositoryNotFound { name: name.clone(), namespaces };
            return Err(if registry.listed { missing } else { ResolveError::NotRead { name } });
        };
        let Some(Read { index, repository }) = &known.read else { return Err(known.unread(name)) };
        match index.choose(chart, version) {
            Ok(entry) => Ok(Resolved { entry: entry.clone(), repository: repository.clone() }),
            Err(error) => {
                let failure = known.failure.as_ref().map(|(_, message)| message.clone());
                Err(ResolveError::Choice { name, error: Box::new(error), failure })
            }
        }
    }

    /// Finds exactly a version of a chart of a repository. No I/O.
    ///
    /// # Errors
    /// [`ResolveError`], which tells whether waiting can help.
    pub fn version(&self, key: &RepositoryKey, chart: &str, version: &str) -> Result<Resolved, ResolveError> {
        let registry = self.read();
        let name = || key.name.clone();
        let Some(known) = registry.known.get(key) else {
            let missing = ResolveError::RepositoryNotFound { name: name(), namespaces: vec![key.namespace.clone()] };
            return Err(if registry.listed { missing } else { ResolveError::NotRead { name: name() } });
        };
        let Some(Read { index, repository }) = &known.read else { return Err(known.unread(name())) };
        let found = index.exactly(chart, version).map_err(Box::new);
        let entry = found.map_err(|error| ResolveError::Choice { name: name(), error, failure: None })?;
        Ok(Resolved { entry: entry.clone(), repository: repository.clone() })
    }

    /// Whether the repository that serves a request of `namespace` shows one state at a time, so that who names no
    /// version has the one that is there.
    pub fn has_one_state(&self, namespace: &str, repository: &str) -> bool {
        let registry = self.read();
        let candidates = self.candidates(namespace, repository);
        let known = candidates.iter().find_map(|key| registry.known.get(key));
        known.and_then(|known| known.read.as_ref()).is_some_and(|read| read.repository.has_one_state())
    }

    /// Tells of every repository that is read with a new index, fails for the first time, appears or goes.
    pub fn changes(&self) -> UnboundedReceiver<RepositoryKey> {
        let (sender, receiver) = unbounded();
        self.write().listeners.push(sender);
        receiver
    }

    /// Asks for a new look at the repository that serves a request of `namespace`; it is taken soon, but not more often
    /// than the reader finds right.
    pub fn ask_anew(&self, namespace: &str, repository: &str) {
        let mut registry = self.write();
        let candidates = self.candidates(namespace, repository);
        let Some(key) = candidates.into_iter().find(|key| registry.known.contains_key(key)) else { return };
        if let Some(known) = registry.known.get_mut(&key) {
            known.asked = true;
        }
        registry.readers.retain(|reader| reader.unbounded_send(key.clone()).is_ok());
    }

    /// Tells of every repository that somebody wants a new look at.
    pub(super) fn asked(&self) -> UnboundedReceiver<RepositoryKey> {
        let (sender, receiver) = unbounded();
        self.write().readers.push(sender);
        receiver
    }

    /// Whether somebody wants a new look; from now on it counts as answered.
    pub(super) fn take_asked(&self, key: &RepositoryKey) -> bool {
        self.write().known.get_mut(key).is_some_and(|known| std::mem::take(&mut known.asked))
    }

    /// Whether a request of `namespace` that names `repository` is served by the ChartRepo `key`, or would be.
    pub fn concerns(&self, key: &RepositoryKey, namespace: &str, repository: &str) -> bool {
        self.candidates(namespace, repository).contains(key)
    }

    /// The operator's own namespace.
    pub fn operator_namespace(&self) -> &str {
        &self.shared.operator_namespace
    }

    /// Notes which ChartRepos there are: others are forgotten, new ones wait to be read.
    pub(super) fn list(&self, keys: impl IntoIterator<Item = RepositoryKey>) {
        let mut registry = self.write();
        let mut before = std::mem::take(&mut registry.known);
        let mut changed = Vec::new();
        for key in keys {
            let known = before.remove(&key);
            if known.is_none() {
                changed.push(key.clone());
            }
            registry.known.insert(key, known.unwrap_or_default());
        }
        changed.extend(before.into_keys());
        registry.listed = true;
        changed.iter().for_each(|key| registry.tell(key));
    }

    /// Notes that there is a ChartRepo.
    pub(super) fn add(&self, key: RepositoryKey) {
        let mut registry = self.write();
        if !registry.known.contains_key(&key) {
            registry.tell(&key);
            registry.known.insert(key, Known::default());
        }
    }

    /// Forgets a ChartRepo.
    pub(super) fn remove(&self, key: &RepositoryKey) {
        let mut registry = self.write();
        if registry.known.remove(key).is_some() {
            registry.tell(key);
        }
    }

    /// Notes what a read gave.
    pub(super) fn set_read(&self, key: &RepositoryKey, index: Arc<Index>, repository: Repository) {
        self.change(key, |known| {
            *known = Known { read: Some(Read { index, repository }), ..Known::default() };
            true
        });
    }

    /// Forgets what was read of a ChartRepo, as its charts may no longer be had in the same way. What is read next is told.
    pub(super) fn forget_read(&self, key: &RepositoryKey) {
        if let Some(known) = self.write().known.get_mut(key) {
            known.read = None;
        }
    }

    /// Notes that the index is still what it was.
    pub(super) fn set_unchanged(&self, key: &RepositoryKey) {
        self.change(key, |known| {
            let was_failing = known.failure.take().is_some();
            std::mem::take(&mut known.disabled) || was_failing
        });
    }

    /// Notes that a read failed.
    pub(super) fn set_failed(&self, key: &RepositoryKey, reason: Reason, message: &str) {
        self.change(key, |known| {
            let is_new = known.failure.as_ref().is_none_or(|(before, _)| *before != reason);
            known.failure = Some((reason, message.to_owned()));
            known.disabled = false;
            is_new
        });
    }

    /// Notes that the repository is switched off.
    pub(super) fn set_disabled(&self, key: &RepositoryKey) {
        self.change(key, |known| !std::mem::replace(&mut known.disabled, true));
    }

    fn change(&self, key: &RepositoryKey, change: impl FnOnce(&mut Known) -> bool) {
        let mut registry = self.write();
        if registry.known.get_mut(key).is_some_and(change) {
            registry.tell(key);
        }
    }

    fn candidates(&self, namespace: &str, name: &str) -> Vec<RepositoryKey> {
        let key = |namespace: &str| RepositoryKey { namespace: namespace.to_owned(), name: name.to_owned() };
        let operator = self.operator_namespace();
        let serves_all = self.is_for_members || namespace == operator;
        if serves_all { vec![key(operator)] } else { vec![key(namespace), key(operator)] }
    }

    fn read(&self) -> RwLockReadGuard<'_, Registry> {
        self.shared.registry.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Registry> {
        self.shared.registry.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a chart depends on is in the ChartRepo that its lock names: by the address, or by the name after `@` or
/// `alias:` as helm's own repositories are.
impl Dependencies for Repositories {
    fn find(&self, namespace: &str, dependency: &Dependency) -> Result<(Repository, Entry), String> {
        let address = dependency.repository.trim_end_matches('/');
        let alias = address.strip_prefix('@').or_else(|| address.strip_prefix("alias:"));
        let chart_address = format!("{address}/{}", dependency.name);
        let is_it = |key: &RepositoryKey, read: &Read| {
            let shown = read.repository.shown();
            let shown = shown.trim_end_matches('/');
            alias.map_or_else(|| shown == address || shown == chart_address, |alias| key.name == alias)
        };
        let registry = self.read();
        let known = registry.known.iter().filter_map(|(key, known)| Some((key, known.read.as_ref()?)));
        let reachable = known.filter(|(key, _)| [namespace, self.operator_namespace()].contains(&&*key.namespace));
        let mut found: Vec<_> = reachable.filter(|(key, read)| is_it(key, read)).collect();
        found.sort_by_key(|(key, _)| (key.namespace != namespace, &key.name));
        let chosen = found.iter().map(|(_, read)| (read, read.index.choose(&dependency.name, &dependency.version)));
        match chosen.min_by_key(|(_, chosen)| chosen.is_err()) {
            Some((read, Ok(entry))) => Ok((read.repository.clone(), entry.clone())),
            Some((_, Err(error))) => Err(error.to_string()),
            None => Err(format!(
                "no ChartRepo that could be read has the address {:?}: create one, or put the dependency in charts/",
                dependency.repository
            )),
        }
    }
}

impl Registry {
    /// Listeners that are gone are forgotten.
    fn tell(&mut self, key: &RepositoryKey) {
        self.listeners.retain(|listener| listener.unbounded_send(key.clone()).is_ok());
    }
}

impl Known {
    /// Why there is no index at all.
    fn unread(&self, name: String) -> ResolveError {
        match &self.failure {
            _ if self.disabled => ResolveError::Disabled { name },
            Some((reason, message)) => ResolveError::Unreadable { name, reason: *reason, message: message.clone() },
            None => ResolveError::NotRead { name },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{Document, Options, http};

    fn key(namespace: &str, name: &str) -> RepositoryKey {
        RepositoryKey { namespace: namespace.to_owned(), name: name.to_owned() }
    }

    fn index(version: &str) -> Arc<Index> {
        let text = format!("apiVersion: v1\nentries: {{web: [{{version: {version}, urls: [web.tgz]}}]}}");
        Arc::new(Document::parse(text.into_bytes()).expect("an index").1)
    }

    fn repository() -> Repository {
        let options = http::Options { url: "http://127.0.0.1:1".to_owned(), ..http::Options::default() };
        Repository::new(Options::Http(options)).expect("a repository")
    }

    fn outcome(repositories: &Repositories, namespace: &str, version: &str) -> Result<String, Reason> {
        let resolved = repositories.resolve(namespace, "stable", "web", version);
        resolved.map(|resolved| resolved.entry.version.to_string()).map_err(|error| error.reason())
    }

    #[test]
    fn a_repository_is_missing_only_once_all_are_listed() {
        let repositories = Repositories::new("captain");
        assert_eq!(outcome(&repositories, "team", ""), Err(Reason::Progressing));
        repositories.list([]);
        assert_eq!(outcome(&repositories, "team", ""), Err(Reason::RepositoryNotFound));
        let error = repositories.resolve("team", "stable", "web", "").expect_err("none");
        assert_eq!(error.to_string(), "no ChartRepo \"stable\" is in team or captain: create it or correct spec.chart");
    }

    #[test]
    fn a_repository_of_the_own_namespace_comes_before_the_operators() {
        let repositories = Repositories::new("captain");
        repositories.list([key("captain", "stable"), key("team", "stable")]);
        assert_eq!(outcome(&repositories, "team", ""), Err(Reason::Progressing));
        repositories.set_read(&key("captain", "stable"), index("1.0.0"), repository());
        repositories.set_read(&key("team", "stable"), index("2.0.0"), repository());
        assert_eq!(outcome(&repositories, "team", ""), Ok("2.0.0".to_owned()));
        assert_eq!(outcome(&repositories, "other", ""), Ok("1.0.0".to_owned()));
        repositories.remove(&key("team", "stable"));
        assert_eq!(outcome(&repositories, "team", ""), Ok("1.0.0".to_owned()));
    }

    #[test]
    fn a_request_of_another_cluster_is_served_from_the_operators_namespace_only() {
        let repositories = Repositories::new("captain");
        repositories.list([key("captain", "stable"), key("team", "stable")]);
        repositories.set_read(&key("captain", "stable"), index("1.0.0"), repository());
        repositories.set_read(&key("team", "stable"), index("2.0.0"), repository());
        assert_eq!(outcome(&repositories.for_members(), "team", ""), Ok("1.0.0".to_owned()));
        assert!(!repositories.for_members().concerns(&key("team", "stable"), "team", "stable"));
    }

    #[test]
    fn a_new_look_is_asked_for_until_it_is_taken() {
        let repositories = Repositories::new("captain");
        let mut asked = repositories.asked();
        repositories.ask_anew("team", "stable");
        assert!(asked.try_recv().is_err(), "there is no such repository");
        repositories.list([key("captain", "stable")]);
        repositories.ask_anew("team", "stable");
        assert_eq!(asked.try_recv().ok(), Some(key("captain", "stable")));
        assert!(repositories.take_asked(&key("captain", "stable")));
        assert!(!repositories.take_asked(&key("captain", "stable")));
    }

    #[test]
    fn what_was_read_stays_when_a_later_read_fails() {
        let repositories = Repositories::new("captain");
        let stable = key("captain", "stable");
        repositories.list([stable.clone()]);
        repositories.set_failed(&stable, Reason::DNSLookupFailed, "no such host");
        assert_eq!(outcome(&repositories, "team", ""), Err(Reason::DNSLookupFailed));
        repositories.set_read(&stable, index("1.0.0"), repository());
        repositories.set_failed(&stable, Reason::ServerError, "it answered 500");
        assert_eq!(outcome(&repositories, "team", ""), Ok("1.0.0".to_owned()));
        let error = repositories.resolve("team", "stable", "web", "2.0.0").expect_err("none").to_string();
        assert!(error.ends_with("(what is known may be old: it answered 500)"), "{error}");
    }

    #[test]
    fn what_a_lock_names_is_found_by_address_or_by_name() {
        let repositories = Repositories::new("captain");
        repositories.list([key("captain", "stable"), key("team", "other")]);
        repositories.set_read(&key("captain", "stable"), index("1.0.0"), repository());
        let find = |repository: &str, version: &str| {
            let (name, version, repository) = ("web".to_owned(), version.to_owned(), repository.to_owned());
            let dependency = Dependency { name, version, repository, ..Dependency::default() };
            repositories.find("team", &dependency).map(|(_, entry)| entry.version.to_string())
        };
        for repository in ["http://127.0.0.1:1", "http://127.0.0.1:1/", "@stable", "alias:stable"] {
            assert_eq!(find(repository, "1.0.0"), Ok("1.0.0".to_owned()), "{repository}");
        }
        assert!(find("@stable", "2.0.0").is_err_and(|error| error.contains("2.0.0")));
        for repository in ["http://127.0.0.1:2", "@other", ""] {
            assert!(find(repository, "1.0.0").is_err_and(|error| error.contains("ChartRepo")), "{repository}");
        }
    }

    #[test]
    fn listeners_hear_of_changes_and_of_nothing_else() {
        let repositories = Repositories::new("captain");
        let stable = key("captain", "stable");
        repositories.list([stable.clone()]);
        let mut changes = repositories.changes();
        let mut told = || std::iter::from_fn(|| changes.try_recv().ok()).count();
        repositories.set_read(&stable, index("1.0.0"), repository());
        assert_eq!(told(), 1);
        repositories.set_unchanged(&stable);
        assert_eq!(told(), 0);
        repositories.set_failed(&stable, Reason::ServerError, "it answered 500");
        repositories.set_failed(&stable, Reason::ServerError, "it answered 503");
        assert_eq!(told(), 1);
        repositories.set_unchanged(&stable);
        repositories.list([]);
        assert_eq!(told(), 2);
        assert!(repositories.concerns(&stable, "team", "stable") && !repositories.concerns(&stable, "team", "x"));
    }
}
