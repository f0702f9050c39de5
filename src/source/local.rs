//! Charts that are kept in objects of the cluster: archives, or numbered parts of archives that are too large for one.
//!
//! An object's key that ends in `.tgz` is an archive; `web-1.2.3.tgz.00`, `web-1.2.3.tgz.01` and so on, as `split -d`
//! names them, are the parts of one, in whichever objects they are. The objects themselves are behind a [`Shelf`]. They
//! are read one after the other and only where they changed.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::future::BoxFuture;
use k8s_openapi::api::core::v1::ConfigMap;
use sha2::{Digest as _, Sha256};

use super::{Digest, Document, Fetched, SourceError, Validators};
use crate::chart::{self, Limits};
use crate::value::Json;
use crate::value::message::one_line;

/// What the address of a chart begins with that is kept in objects.
const SCHEME: &str = "local:";
/// What an archive's name ends with.
const ARCHIVE: &str = ".tgz";

/// An object that holds archives or parts of them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Holder {
    /// What it is, `configmap` or `secret`.
    pub kind: String,
    /// Its name.
    pub name: String,
}

/// An object's contents by their keys.
pub type Contents = BTreeMap<String, Vec<u8>>;

/// What a ConfigMap holds.
pub fn contents(map: ConfigMap) -> Contents {
    let binary = map.binary_data.into_iter().flatten().map(|(key, bytes)| (key, bytes.0));
    map.data.into_iter().flatten().map(|(key, text)| (key, text.into_bytes())).chain(binary).collect()
}

/// Where the objects are.
pub trait Shelf: fmt::Debug + Send + Sync {
    /// The objects, each with what changes whenever its contents do.
    fn list(&self) -> BoxFuture<'_, Result<BTreeMap<Holder, String>, SourceError>>;

    /// What an object holds.
    fn read(&self, holder: Holder) -> BoxFuture<'_, Result<Contents, SourceError>>;
}

/// How charts in objects are reached.
#[derive(Clone, Debug)]
pub struct Options {
    /// What the objects are, for messages; equal for equal ones.
    pub shown: String,
    /// Where they are.
    pub shelf: Arc<dyn Shelf>,
}

impl PartialEq for Options {
    fn eq(&self, other: &Self) -> bool {
        self.shown == other.shown
    }
}

impl Eq for Options {}

/// Charts in objects; a handle that is cheap to clone.
#[derive(Clone, Debug)]
pub struct Repository {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    options: Options,
    limits: Limits,
    /// The keys of the objects, with the versions that have them.
    keys: Mutex<HashMap<Holder, (String, Vec<String>)>>,
    /// The charts of archives, by the digest of the versions of the objects that they are in.
    described: Mutex<HashMap<(String, Digest), Described>>,
}

/// What an archive holds: an entry as an index has it, or why it is no chart.
type Described = Result<Json, String>;

/// An archive, and where it or its parts are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Place {
    archive: String,
    /// By the number of the part; whole archives have one without a number.
    parts: BTreeMap<Option<u32>, Holder>,
}

impl Repository {
    /// Prepares a repository; nothing is read.
    pub fn new(options: Options) -> Self {
        let inner = Inner { options, limits: Limits::default(), keys: Mutex::default(), described: Mutex::default() };
        Self { inner: Arc::new(inner) }
    }

    pub(super) fn identity(&self) -> usize {
        Arc::as_ptr(&self.inner) as usize
    }

    /// What the objects are, for messages.
    pub fn shown(&self) -> String {
        self.inner.options.shown.clone()
    }

    /// Reads the objects that changed, unless all are as `known` tells.
    ///
    /// # Errors
    /// The objects cannot be read, or none of them holds a chart.
    pub async fn fetch_index(&self, known: &Validators) -> Result<Fetched, SourceError> {
        let holders = self.inner.options.shelf.list().await?;
        let revision = digest_of(holders.iter().map(|(holder, version)| (holder, version.as_str())));
        if known.digest == Some(revision) {
            return Ok(Fetched::Unchanged);
        }
        let (places, mut problems) = self.inner.places(&holders).await?;
        self.inner.forget_others(&places);
        let mut charts = BTreeMap::<String, Vec<Json>>::new();
        for place in places {
            match self.inner.describe(&place, &holders).await? {
                Ok(entry) => charts.entry(text(&entry, "name").to_owned()).or_default().push(entry),
                Err(problem) => problems.push(problem),
            }
        }
        if charts.is_empty() && !problems.is_empty() {
            return Err(SourceError::Kept { shown: self.shown(), problem: problems.swap_remove(0) });
        }
        for problem in &problems {
            tracing::warn!(repository = self.inner.options.shown, problem, "an archive is left out");
        }
        let indexed = Document::of(charts);
        let (document, index) =
            indexed.map_err(|problem| SourceError::Kept { shown: self.shown(), problem: one_line(&problem) })?;
        let document = document.without(problems);
        Ok(Fetched::Index { document, index, validators: Validators::of_digest(revision) })
    }

    /// Reads an archive that the index names; its digest is verified.
    ///
    /// # Errors
    /// A part of it is gone, or is another one than when the index was read.
    pub async fn download(&self, named: &str, digest: Option<Digest>) -> Result<Vec<u8>, SourceError> {
        let place = Place::parse(named).ok_or_else(|| SourceError::InvalidUrl {
            url: named.to_owned(),
            reason: "it is not one of a chart in the cluster".to_owned(),
        })?;
        Digest::verified(digest, self.inner.read(&place).await?, named)
    }
}

impl Inner {
    /// The archives that the objects hold, and what is wrong with some. Keys are only known by reading an object, so each
    /// is read; of one that is as it was, the keys are remembered.
    async fn places(&self, holders: &BTreeMap<Holder, String>) -> Result<(Vec<Place>, Vec<String>), SourceError> {
        let mut places = BTreeMap::<String, Place>::new();
        let mut problems = Vec::new();
        lock(&self.keys).retain(|holder, _| holders.contains_key(holder));
        for (holder, version) in holders {
            let mut is_used = false;
            for key in &self.keys(holder, version).await? {
                let Some((archive, part)) = archive_and_part(key) else { continue };
                is_used = true;
                let place = places.entry(archive.to_owned()).or_default();
                archive.clone_into(&mut place.archive);
                if let Some(other) = place.parts.insert(part, holder.clone()) {
                    problems.push(format!("{key} is both in {other} and in {holder}: delete one of them"));
                }
            }
            if !is_used {
                problems
                    .push(format!("{holder} has no key that ends in {ARCHIVE} or is a numbered part of one: add it"));
            }
        }
        Ok((places.into_values().collect(), problems))
    }

    /// Forgets the charts of archives that are nowhere any more.
    fn forget_others(&self, places: &[Place]) {
        let kept: HashSet<String> = places.iter().map(ToString::to_string).collect();
        lock(&self.described).retain(|(place, _), _| kept.contains(place));
    }

    async fn keys(&self, holder: &Holder, version: &str) -> Result<Vec<String>, SourceError> {
        let known = lock(&self.keys).get(holder).filter(|(known, _)| known == version).map(|(_, keys)| keys.clone());
        if let Some(keys) = known {
            return Ok(keys);
        }
        let keys: Vec<String> = self.options.shelf.read(holder.clone()).await?.into_keys().collect();
        lock(&self.keys).insert(holder.clone(), (version.to_owned(), keys.clone()));
        Ok(keys)
    }

    /// The entry of an archive, which is read only where an object with it has changed.
    async fn describe(&self, place: &Place, holders: &BTreeMap<Holder, String>) -> Result<Described, SourceError> {
        let version = |holder| holders.get(holder).map_or("", String::as_str);
        let versions = digest_of(place.parts.values().map(|holder| (holder, version(holder))));
        let key = (place.to_string(), versions);
        if let Some(known) = lock(&self.described).get(&key).cloned() {
            return Ok(known);
        }
        let archive = match self.read(place).await {
            Ok(archive) => archive,
            Err(SourceError::Kept { problem, .. }) => return Ok(Err(problem)),
            Err(error) => return Err(error),
        };
        let (limits, named) = (self.limits, place.clone());
        let described = tokio::task::spawn_blocking(move || describe(&archive, &named, &limits)).await;
        let described = described.map_err(|_| SourceError::Interrupted { url: place.to_string() })?;
        let mut known = lock(&self.described);
        known.retain(|(other, _), _| *other != key.0);
        known.insert(key, described.clone());
        Ok(described)
    }

    /// Reads an archive, in parts where it has them.
    async fn read(&self, place: &Place) -> Result<Vec<u8>, SourceError> {
        let kept = |problem| SourceError::Kept { shown: self.options.shown.clone(), problem };
        let mut archive = Vec::new();
        for (expected, (part, holder)) in (0..).zip(&place.parts) {
            let missing = |part| format!("{}.{part:02} is in no object: create the one with this part", place.archive);
            if part.is_some_and(|part| part != expected) {
                return Err(kept(missing(expected)));
            }
            let key = place.key(*part);
            let mut contents = self.options.shelf.read(holder.clone()).await?;
            let found = contents.iter().find_map(|(name, _)| (archive_and_part(name)? == key).then(|| name.clone()));
            let bytes = found.and_then(|name| contents.remove(&name));
            let bytes =
                bytes.ok_or_else(|| kept(format!("{} is no longer in {holder}: put it back", place.archive)))?;
            if archive.len() as u64 + bytes.len() as u64 > self.limits.total {
                return Err(SourceError::TooLarge { url: place.to_string(), limit: self.limits.total });
            }
            archive.extend(bytes);
        }
        Ok(archive)
    }
}

impl Place {
    /// Reads what [`fmt::Display`] writes.
    fn parse(text: &str) -> Option<Self> {
        let (archive, holders) = text.strip_prefix(SCHEME)?.split_once('?')?;
        let mut parts = BTreeMap::new();
        for part in holders.split('&') {
            let (key, holder) = part.split_once('=')?;
            let (kind, name) = holder.split_once('/')?;
            let number = if key == "in" { None } else { Some(key.parse().ok()?) };
            parts.insert(number, Holder { kind: kind.to_owned(), name: name.to_owned() });
        }
        Some(Self { archive: archive.to_owned(), parts })
    }

    fn key(&self, part: Option<u32>) -> (&str, Option<u32>) {
        (&self.archive, part)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}", self.archive)?;
        for (place, (part, holder)) in self.parts.iter().enumerate() {
            let separator = if place == 0 { '?' } else { '&' };
            match part {
                None => write!(f, "{separator}in={holder}")?,
                Some(part) => write!(f, "{separator}{part}={holder}")?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind, self.name)
    }
}

/// The archive that a key belongs to, and the number of the part.
fn archive_and_part(key: &str) -> Option<(&str, Option<u32>)> {
    if key.ends_with(ARCHIVE) {
        return Some((key, None));
    }
    let (archive, part) = key.rsplit_once('.')?;
    let part = part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse().ok())??;
    archive.ends_with(ARCHIVE).then_some((archive, Some(part)))
}

fn describe(archive: &[u8], place: &Place, limits: &Limits) -> Described {
    let loaded = chart::load_archive(archive, limits).map_err(|error| {
        let holders: Vec<String> = place.parts.values().map(ToString::to_string).collect();
        let parts = if place.parts.contains_key(&None) { "" } else { ", or a part is missing at its end" };
        let reason = one_line(&error.to_string());
        format!("{} of {} is not a chart: {reason}{parts}; correct it", place.archive, holders.join(", "))
    })?;
    let mut entry = serde_json::to_value(&*loaded.metadata).unwrap_or_default();
    entry["urls"] = Json::from(vec![place.to_string()]);
    entry["digest"] = Json::from(Digest::of(archive).to_string());
    // When it was packed: an index has the time at which it was made, and there is none.
    if let Some(created) = loaded.modified.filter(|created| created.as_second() > 0) {
        entry["created"] = Json::from(created.to_string());
    }
    Ok(entry)
}

/// Nothing that holds these locks can leave them half changed.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn digest_of<'a>(versions: impl Iterator<Item = (&'a Holder, &'a str)>) -> Digest {
    let mut hash = Sha256::new();
    for (holder, version) in versions {
        hash.update(format!("{holder}@{version}\n"));
    }
    Digest::from(<[u8; 32]>::from(hash.finalize()))
}

fn text<'a>(entry: &'a Json, field: &str) -> &'a str {
    entry.get(field).and_then(Json::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::testing::archive;
    use futures::FutureExt;

    /// Objects in memory, by their names; their versions are their lengths.
    #[derive(Debug, Default)]
    struct Shelves(Mutex<BTreeMap<Holder, Contents>>);

    impl Shelves {
        fn put(&self, name: &str, key: &str, content: &[u8]) {
            lock(&self.0).entry(holder(name)).or_default().insert(key.to_owned(), content.to_vec());
        }
    }

    fn holder(name: &str) -> Holder {
        Holder { kind: "configmap".to_owned(), name: name.to_owned() }
    }

    impl Shelf for Shelves {
        fn list(&self) -> BoxFuture<'_, Result<BTreeMap<Holder, String>, SourceError>> {
            let objects = lock(&self.0);
            let version = |contents: &Contents| format!("{:?}", Digest::of(format!("{contents:?}").as_bytes()));
            let listed = objects.iter().map(|(holder, contents)| (holder.clone(), version(contents))).collect();
            std::future::ready(Ok(listed)).boxed()
        }

        fn read(&self, holder: Holder) -> BoxFuture<'_, Result<Contents, SourceError>> {
            let objects = lock(&self.0);
            std::future::ready(Ok(objects.get(&holder).cloned().unwrap_or_default())).boxed()
        }
    }

    fn repository() -> (Arc<Shelves>, Repository) {
        let shelf = Arc::new(Shelves::default());
        let options = Options { shown: "objects".to_owned(), shelf: Arc::clone(&shelf) as Arc<dyn Shelf> };
        (shelf, Repository::new(options))
    }

    async fn fetch(
        repository: &Repository,
    ) -> Result<(Document, crate::source::index::Index, Validators), SourceError> {
        match repository.fetch_index(&Validators::default()).await? {
            Fetched::Index { document, index, validators } => Ok((document, index, validators)),
            Fetched::Unchanged => unreachable!("nothing is known"),
        }
    }

    #[test]
    fn keys_are_archives_or_numbered_parts_of_them() {
        for (key, expected) in [
            ("web-1.0.0.tgz", Some(("web-1.0.0.tgz", None))),
            ("web-1.0.0.tgz.00", Some(("web-1.0.0.tgz", Some(0)))),
            ("web-1.0.0.tgz.12", Some(("web-1.0.0.tgz", Some(12)))),
            ("web-1.0.0.tgz.aa", None),
            ("web-1.0.0.tgz.", None),
            ("values.yaml", None),
        ] {
            assert_eq!(archive_and_part(key), expected, "{key}");
        }
    }

    #[tokio::test]
    async fn whole_archives_and_parts_are_listed_and_read_again() -> anyhow::Result<()> {
        let (shelf, repository) = repository();
        let (web, other) = (archive("web", 10)?, archive("other", 2_000)?);
        shelf.put("web", "web-1.0.0.tgz", &web);
        let (first, last) = other.split_at(100);
        shelf.put("other-2", "other-1.0.0.tgz.01", last);
        shelf.put("other-1", "other-1.0.0.tgz.00", first);
        let (_, index, validators) = fetch(&repository).await?;
        for (name, archive) in [("web", web), ("other", other)] {
            let entry = index.choose(name, "")?;
            assert_eq!(repository.download(&entry.url, entry.digest).await?, archive, "{name}");
        }
        assert!(matches!(repository.fetch_index(&validators).await?, Fetched::Unchanged));
        lock(&shelf.0).remove(&holder("web"));
        fetch(&repository).await?;
        let Inner { keys, described, .. } = &*repository.inner;
        assert_eq!((lock(keys).len(), lock(described).len()), (2, 1), "nothing is kept of what is gone");
        Ok(())
    }

    #[tokio::test]
    async fn what_is_wrong_is_told_and_the_rest_counts() -> anyhow::Result<()> {
        let (shelf, repository) = repository();
        let archive = archive("web", 2_000)?;
        shelf.put("part", "web-1.0.0.tgz.01", &archive);
        let error = fetch(&repository).await.expect_err("no chart").to_string();
        assert!(error.contains("web-1.0.0.tgz.00 is in no object"), "{error}");
        shelf.put("web", "web-2.0.0.tgz", &archive);
        shelf.put("text", "values.yaml", b"a: 1");
        shelf.put("bad", "bad-1.0.0.tgz", b"nothing");
        let (document, index, _) = fetch(&repository).await?;
        assert_eq!((index.len(), document.skipped()), (1, 3));
        let problem = document.problem().unwrap_or_default();
        assert!(problem.contains("configmap/text has no key"), "{problem}");
        Ok(())
    }

    #[tokio::test]
    async fn an_archive_that_was_replaced_meanwhile_is_not_taken() -> anyhow::Result<()> {
        let (shelf, repository) = repository();
        shelf.put("web", "web-1.0.0.tgz", &archive("web", 10)?);
        let (_, index, _) = fetch(&repository).await?;
        shelf.put("web", "web-1.0.0.tgz", &archive("web", 20)?);
        let entry = index.choose("web", "")?;
        let error = repository.download(&entry.url, entry.digest).await.expect_err("another one");
        assert!(matches!(error, SourceError::DigestMismatch { .. }), "{error}");
        Ok(())
    }
}
