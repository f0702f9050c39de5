//! The index of release records: which revisions every release has and how they stand, kept by one metadata watch.
//!
//! Helm's record Secrets carry name, status and revision as labels, and ours carry [`Notes`] as annotations. So a
//! decision about a
//! release needs no read, after a restart neither: the watch's first list tells all. What the operator itself writes
//! is noted at once, so that a decision never lags behind its own writes.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use futures::{Stream, StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{ListParams, PartialObjectMeta};
use kube::runtime::watcher::{self, Event};
use kube::{Client, ResourceExt};
use tokio::time::{Instant, sleep};

use super::error::ApiError;
use super::notes::Notes;
use super::observe::of_watch;
use super::pages::metadata_pages;
use super::scope::Scope;
use crate::release::Status;

/// What tells the Secrets of records from others.
const SELECTOR: &str = "owner=helm";
/// The records of one page of a list.
const PAGE: u32 = 200;
/// How long the watch may lag behind a list before it is made again, and how often it is made.
const LAG: Duration = Duration::from_secs(2);
const LOOKS: usize = 5;
/// The pause between looks at what the watch has told.
const PAUSE: Duration = Duration::from_millis(50);

/// A release: the namespace of its records and its name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ReleaseKey {
    /// The namespace that holds the records.
    pub namespace: String,
    /// The release name.
    pub name: String,
}

/// What a record's metadata tells of one revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevisionMeta {
    /// Its number.
    pub revision: i64,
    /// Its status.
    pub status: Status,
    /// What the operator noted on it.
    pub notes: Notes,
    /// The Secret's resource version, as a number.
    pub resource_version: u64,
}

/// The revisions of each release, oldest first. They are few, and a map of them would take ten times their memory.
type Releases = HashMap<ReleaseKey, Vec<RevisionMeta>>;

/// The index; every clone is a handle on the same entries.
#[derive(Clone, Default)]
pub struct RecordIndex {
    releases: Arc<RwLock<Releases>>,
}

impl RecordIndex {
    /// The revisions of a release, oldest first.
    pub fn revisions(&self, release: &ReleaseKey) -> Vec<RevisionMeta> {
        self.read(|releases| releases.get(release).cloned()).unwrap_or_default()
    }

    /// Takes in a revision that the caller has just written.
    pub fn note(&self, release: &ReleaseKey, meta: RevisionMeta) {
        self.write(|releases| insert(releases, release.clone(), meta));
    }

    /// Takes in that the caller has just deleted a revision.
    pub fn forget(&self, release: &ReleaseKey, revision: i64) {
        self.write(|releases| remove(releases, release, revision));
    }

    /// Watches the records of a scope, and yields the key of each release whose records changed; a list ends with one
    /// `None`. A failure is waited out with growing pauses.
    pub fn watch(
        &self,
        client: &Client,
        scope: &Scope,
    ) -> impl Stream<Item = Result<Option<ReleaseKey>, ApiError>> + Send + use<> {
        let index = self.clone();
        let selector = watcher::Config::default().labels(SELECTOR).page_size(PAGE);
        let events = scope.watch_typed::<PartialObjectMeta<Secret>>(client, &selector);
        let mut listed: Releases = HashMap::new();
        events.filter_map(move |event| {
            let changed = match event {
                Ok(event) => index.take(event, &mut listed).map(Ok),
                Err(error) => Some(Err(of_watch(error))),
            };
            std::future::ready(changed)
        })
    }

    /// Waits until the watch has told everything that another operator wrote before now.
    ///
    /// # Errors
    /// The records could not be listed.
    pub async fn catch_up(&self, client: &Client, scope: &Scope) -> Result<(), ApiError> {
        for _ in 0..LOOKS {
            let listed = list(client, scope).await?;
            let deadline = Instant::now() + LAG;
            while Instant::now() < deadline {
                if self.read(|known| !lags(known, &listed)) {
                    return Ok(());
                }
                sleep(PAUSE).await;
            }
            // What was deleted since the list was made is never told again.
        }
        Ok(())
    }

    fn take(&self, event: Event<PartialObjectMeta<Secret>>, listed: &mut Releases) -> Option<Option<ReleaseKey>> {
        match event {
            Event::Init => {
                listed.clear();
                None
            }
            Event::InitApply(secret) => {
                let (release, meta) = read_metadata(&secret)?;
                insert(listed, release, meta);
                None
            }
            Event::InitDone => {
                let listed = std::mem::take(listed);
                self.write(|releases| replace(releases, listed));
                Some(None)
            }
            Event::Apply(secret) => {
                let (release, meta) = read_metadata(&secret)?;
                self.write(|releases| insert(releases, release.clone(), meta)).then_some(Some(release))
            }
            Event::Delete(secret) => {
                let (release, meta) = read_metadata(&secret)?;
                self.write(|releases| remove(releases, &release, meta.revision)).then_some(Some(release))
            }
        }
    }

    fn read<T>(&self, with: impl FnOnce(&Releases) -> T) -> T {
        with(&self.releases.read().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    fn write<T>(&self, with: impl FnOnce(&mut Releases) -> T) -> T {
        with(&mut self.releases.write().unwrap_or_else(std::sync::PoisonError::into_inner))
    }
}

/// The records that there are.
async fn list(client: &Client, scope: &Scope) -> Result<Releases, ApiError> {
    let mut listed = Releases::new();
    for api in scope.typed::<Secret>(client) {
        let mut pages = pin!(metadata_pages(&api, ListParams::default().labels(SELECTOR).limit(PAGE)));
        while let Some(page) = pages.try_next().await? {
            for (release, meta) in page.iter().filter_map(read_metadata) {
                insert(&mut listed, release, meta);
            }
        }
    }
    Ok(listed)
}

/// Whether what is known is older than a list: a record is missing, in an older state, or gone.
fn lags(known: &Releases, listed: &Releases) -> bool {
    let version = |releases: &Releases, release: &ReleaseKey, meta: &RevisionMeta| {
        let revisions = releases.get(release)?;
        place(revisions, meta.revision).ok().map(|place| revisions[place].resource_version)
    };
    let listed_until = all(listed).map(|(_, meta)| meta.resource_version).max().unwrap_or(0);
    let is_old =
        |(release, meta): (&ReleaseKey, &RevisionMeta)| version(known, release, meta) < Some(meta.resource_version);
    let is_gone = |(release, meta): (&ReleaseKey, &RevisionMeta)| {
        meta.resource_version <= listed_until && version(listed, release, meta).is_none()
    };
    all(listed).any(is_old) || all(known).any(is_gone)
}

fn all(releases: &Releases) -> impl Iterator<Item = (&ReleaseKey, &RevisionMeta)> {
    releases.iter().flat_map(|(release, revisions)| revisions.iter().map(move |meta| (release, meta)))
}

/// Takes a whole list in place of what is known, save what was noted after the list was made.
fn replace(releases: &mut Releases, listed: Releases) {
    let listed_until = listed.values().flatten().map(|meta| meta.resource_version).max().unwrap_or(0);
    let known = std::mem::replace(releases, listed);
    for (release, revisions) in known {
        for meta in revisions.into_iter().filter(|meta| meta.resource_version > listed_until) {
            insert(releases, release.clone(), meta);
        }
    }
}

/// Puts a revision in unless a newer state of it is known; tells whether it changed anything.
fn insert(releases: &mut Releases, release: ReleaseKey, meta: RevisionMeta) -> bool {
    let revisions = releases.entry(release).or_default();
    match place(revisions, meta.revision) {
        Ok(place) if revisions[place].resource_version >= meta.resource_version => return false,
        Ok(place) => revisions[place] = meta,
        Err(place) => {
            revisions.reserve_exact(1);
            revisions.insert(place, meta);
        }
    }
    true
}

/// Where a revision is, or where it belongs.
fn place(revisions: &[RevisionMeta], revision: i64) -> Result<usize, usize> {
    revisions.binary_search_by_key(&revision, |meta| meta.revision)
}

/// Takes a revision out; tells whether it was there.
fn remove(releases: &mut Releases, release: &ReleaseKey, revision: i64) -> bool {
    let Some(revisions) = releases.get_mut(release) else { return false };
    let Ok(place) = place(revisions, revision) else { return false };
    revisions.remove(place);
    if revisions.is_empty() {
        releases.remove(release);
    }
    true
}

/// What the metadata of a record Secret tells, or nothing where it is not a record of Helm's form.
fn read_metadata(secret: &PartialObjectMeta<Secret>) -> Option<(ReleaseKey, RevisionMeta)> {
    let labels = secret.labels();
    let release = ReleaseKey { namespace: secret.namespace()?, name: labels.get("name")?.clone() };
    let meta = RevisionMeta {
        revision: labels.get("version")?.parse().ok()?,
        status: labels.get("status").map_or(Status::Unknown, |status| Status::parse(status)),
        notes: Notes::read(secret.annotations()),
        resource_version: secret.resource_version().and_then(|version| version.parse().ok()).unwrap_or(0),
    };
    Some((release, meta))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> ReleaseKey {
        ReleaseKey { namespace: "demo".into(), name: "web".into() }
    }

    fn meta(revision: i64, status: Status, resource_version: u64) -> RevisionMeta {
        RevisionMeta { revision, status, notes: Notes::default(), resource_version }
    }

    #[test]
    fn a_late_event_does_not_undo_what_was_noted() {
        let index = RecordIndex::default();
        index.note(&key(), meta(1, Status::Deployed, 20));
        index.note(&key(), meta(1, Status::PendingInstall, 10));
        assert_eq!(index.revisions(&key()), [meta(1, Status::Deployed, 20)]);
    }

    #[test]
    fn a_list_replaces_what_is_older_and_keeps_what_is_newer() {
        let other = ReleaseKey { namespace: "demo".into(), name: "other".into() };
        let mut releases = Releases::new();
        insert(&mut releases, key(), meta(1, Status::Deployed, 20));
        insert(&mut releases, key(), meta(2, Status::PendingUpgrade, 40));
        replace(&mut releases, HashMap::from([(other.clone(), vec![meta(1, Status::Failed, 30)])]));
        assert_eq!(releases[&key()], [meta(2, Status::PendingUpgrade, 40)]);
        assert!(releases.contains_key(&other));
    }

    #[test]
    fn what_is_known_lags_behind_a_list_with_something_newer_or_without_something_older() {
        let releases = |revisions: &[(i64, u64)]| {
            let mut releases = Releases::new();
            for (revision, version) in revisions {
                insert(&mut releases, key(), meta(*revision, Status::Deployed, *version));
            }
            releases
        };
        let listed = releases(&[(1, 20), (2, 40)]);
        for (known, expected) in [
            (&[(1, 20), (2, 40)][..], false),
            (&[(1, 20), (2, 40), (3, 50)], false),
            (&[(1, 20), (2, 41)], false),
            (&[(1, 20), (2, 30)], true),
            (&[(1, 20)], true),
            (&[(0, 10), (1, 20), (2, 40)], true),
        ] {
            assert_eq!(lags(&releases(known), &listed), expected, "{known:?}");
        }
    }

    #[test]
    fn a_forgotten_revision_is_gone() {
        let index = RecordIndex::default();
        index.note(&key(), meta(1, Status::Deployed, 20));
        index.forget(&key(), 1);
        assert!(index.revisions(&key()).is_empty());
    }
}
