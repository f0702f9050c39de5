//! Parsed charts by digest, shared by every request that uses them.
//!
//! A chart is downloaded, verified, unpacked and parsed once, however many requests ask for it at the same time: those
//! that come later wait for the first and get its result, the error too.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use tokio::sync::Semaphore;
use tokio::task::JoinError;

use super::cache::Archives;
use super::index::Entry;
use super::{Digest, Repository, SourceError};
use crate::chart::{self, Chart, File, Limits};
use crate::render::Program;

/// Charts that unpack at the same time; each may take as much memory as [`Limits::total`].
const UNPACKING: usize = 2;

type Outcome = Result<Arc<Program>, SourceError>;
type Flight = Shared<BoxFuture<'static, Outcome>>;

/// What two requests for the same chart have in common.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Key {
    /// The content.
    Content(Digest),
    /// Where the index has no digest: the repository with its credentials, and the URL.
    Place(usize, Box<str>),
}

/// The charts of all repositories.
#[derive(Clone, Debug)]
pub struct Charts {
    shared: Arc<Store>,
}

#[derive(Debug)]
struct Store {
    archives: Option<Archives>,
    limits: Limits,
    parsed: Mutex<Parsed>,
    flights: Mutex<HashMap<Key, Flight>>,
    unpacking: Semaphore,
}

/// Parsed charts, bounded by the bytes of their files.
#[derive(Debug)]
struct Parsed {
    charts: HashMap<Digest, Kept>,
    bytes: u64,
    limit: u64,
    /// Counts uses, so that the longest unused one is known.
    clock: u64,
}

#[derive(Debug)]
struct Kept {
    program: Arc<Program>,
    bytes: u64,
    used: u64,
}

impl Charts {
    /// Keeps parsed charts of `limit` bytes of files in memory and archives in a folder, if there is one. A chart that
    /// is in use stays alive wherever it is used.
    pub fn new(archives: Option<Archives>, limit: u64, limits: Limits) -> Self {
        let parsed = Mutex::new(Parsed { charts: HashMap::new(), bytes: 0, limit, clock: 0 });
        let flights = Mutex::default();
        let unpacking = Semaphore::new(UNPACKING);
        Self { shared: Arc::new(Store { archives, limits, parsed, flights, unpacking }) }
    }

    /// The chart of an index entry.
    ///
    /// # Errors
    /// [`SourceError`] of the download, or [`SourceError::Chart`] where the archive is not a chart.
    pub async fn program(&self, repository: &Repository, entry: &Entry) -> Outcome {
        let entry = &*self.verified(repository, entry).await?;
        if let Some(program) = entry.cached_digest().and_then(|digest| self.shared.parsed().get(&digest)) {
            return Ok(program);
        }
        let place = || Key::Place(repository.identity(), entry.url.clone());
        let key = entry.digest.map_or_else(place, Key::Content);
        let flight = self.join(key.clone(), repository, entry);
        let outcome = flight.clone().await;
        let mut flights = lock(&self.shared.flights);
        if flights.get(&key).is_some_and(|current| current.ptr_eq(&flight)) {
            flights.remove(&key);
        }
        outcome
    }

    /// The files of the archive of an index entry, and its digest.
    ///
    /// # Errors
    /// As for [`Charts::program`], by which it is fetched where it is not at hand.
    pub async fn files(&self, repository: &Repository, entry: &Entry) -> Result<(Digest, Vec<File>), SourceError> {
        let entry = &*self.verified(repository, entry).await?;
        let url = repository.shown_archive(&entry.url);
        let interrupted = || SourceError::Interrupted { url: url.clone() };
        let archive = match self.shared.stored(entry).await.map_err(|_| interrupted())? {
            Some(archive) => archive,
            None => {
                self.program(repository, entry).await?;
                let stored = self.shared.stored(entry).await.map_err(|_| interrupted())?;
                match stored {
                    Some(archive) => archive,
                    // It has no room in the folder, or there is none.
                    None => repository.download(&entry.url, entry.digest).await?,
                }
            }
        };
        let Ok(_permit) = self.shared.unpacking.acquire().await else { return Err(interrupted()) };
        let (limits, place) = (self.shared.limits, url.clone());
        let unpacked = tokio::task::spawn_blocking(move || {
            let files = chart::load_files(&archive, &limits).map_err(|error| SourceError::chart(&place, &error))?;
            Ok((Digest::of(&archive), files))
        });
        unpacked.await.map_err(|_| interrupted())?
    }

    /// The chart of an archive that was downloaded from a URL, as messages show it; it is kept like all others.
    ///
    /// # Errors
    /// [`SourceError::Chart`] where the archive is not a chart.
    pub(super) async fn take(&self, archive: Vec<u8>, url: String) -> Result<(Digest, Arc<Program>), SourceError> {
        Arc::clone(&self.shared).take(archive, true, url).await
    }

    /// The archive of an index entry.
    ///
    /// # Errors
    /// [`SourceError`] of the download.
    pub(super) fn archive<'a>(
        &'a self,
        repository: &'a Repository,
        entry: &'a Entry,
    ) -> BoxFuture<'a, Result<Vec<u8>, SourceError>> {
        let fetch = async move {
            let entry = self.verified(repository, entry).await?;
            self.fetch(repository, &entry).await
        };
        fetch.boxed()
    }

    /// The entry of an archive that is signed as its repository asks for; what is in the cache may be there for somebody
    /// who does not ask. It has the digest that is signed, so that nothing else can come from elsewhere.
    async fn verified<'a>(&self, repository: &Repository, entry: &'a Entry) -> Result<Cow<'a, Entry>, SourceError> {
        if repository.gate().is_none() {
            return Ok(Cow::Borrowed(entry));
        }
        let digest = match entry.cached_digest() {
            Some(digest) => digest,
            None => Digest::of(&self.fetch(repository, entry).await?),
        };
        repository.verify(entry, digest).await?;
        Ok(Cow::Owned(Entry::new(&entry.version, &entry.url, Some(digest))))
    }

    /// The archive of an index entry from the folder or its place, whoever has signed it.
    async fn fetch(&self, repository: &Repository, entry: &Entry) -> Result<Vec<u8>, SourceError> {
        if let Ok(Some(archive)) = self.shared.stored(entry).await {
            return Ok(archive);
        }
        let archive = repository.download(&entry.url, entry.digest).await?;
        entry.learn(self.keep(&archive));
        Ok(archive)
    }

    /// Keeps an archive whose chart nobody uses yet; gives its digest.
    pub(super) fn keep(&self, archive: &[u8]) -> Digest {
        let digest = Digest::of(archive);
        self.shared.store(digest, archive);
        digest
    }

    fn join(&self, key: Key, repository: &Repository, entry: &Entry) -> Flight {
        let (store, repository, entry) = (Arc::clone(&self.shared), repository.clone(), entry.clone());
        let start = || async move { store.fetch(&repository, &entry).await }.boxed().shared();
        lock(&self.shared.flights).entry(key).or_insert_with(start).clone()
    }
}

impl Store {
    async fn fetch(self: Arc<Self>, repository: &Repository, entry: &Entry) -> Outcome {
        let url = repository.shown_archive(&entry.url);
        let interrupted = || SourceError::Interrupted { url: url.clone() };
        let (archive, is_new) = match self.stored(entry).await.map_err(|_| interrupted())? {
            Some(archive) => (archive, false),
            None => (repository.download(&entry.url, entry.digest).await?, true),
        };
        let (digest, program) = self.take(archive, is_new, url).await?;
        entry.learn(digest);
        Ok(program)
    }

    /// The archive of an entry, where it is in the folder.
    async fn stored(self: &Arc<Self>, entry: &Entry) -> Result<Option<Vec<u8>>, JoinError> {
        let (store, digest) = (Arc::clone(self), entry.cached_digest());
        tokio::task::spawn_blocking(move || store.archives.as_ref()?.get(&digest?)).await
    }

    /// Unpacks and parses an archive, and keeps it.
    async fn take(
        self: Arc<Self>,
        archive: Vec<u8>,
        is_new: bool,
        url: String,
    ) -> Result<(Digest, Arc<Program>), SourceError> {
        let interrupted = SourceError::Interrupted { url: url.clone() };
        let Ok(_permit) = self.unpacking.acquire().await else { return Err(interrupted) };
        let store = Arc::clone(&self);
        let parsed = tokio::task::spawn_blocking(move || {
            let digest = Digest::of(&archive);
            Ok((digest, store.parse(&archive, digest, is_new, &url)?))
        });
        parsed.await.map_err(|_| interrupted)?
    }

    fn parse(&self, archive: &[u8], digest: Digest, is_new: bool, url: &str) -> Outcome {
        if let Some(program) = self.parsed().get(&digest) {
            return Ok(program);
        }
        let chart = chart::load_archive(archive, &self.limits).map_err(|error| SourceError::chart(url, &error))?;
        if is_new {
            self.store(digest, archive);
        }
        let bytes = size(&chart);
        let program = Arc::new(Program::new(Chart { digest: format!("sha256:{digest}").into(), ..chart }));
        self.parsed().insert(digest, Arc::clone(&program), bytes);
        Ok(program)
    }

    fn store(&self, digest: Digest, archive: &[u8]) {
        if let Some(archives) = &self.archives
            && let Err(error) = archives.put(&digest, archive)
        {
            tracing::warn!(%error, "cannot store a chart archive, it will be downloaded again");
        }
    }

    fn parsed(&self) -> MutexGuard<'_, Parsed> {
        lock(&self.parsed)
    }
}

impl Parsed {
    fn get(&mut self, digest: &Digest) -> Option<Arc<Program>> {
        self.clock += 1;
        let kept = self.charts.get_mut(digest)?;
        kept.used = self.clock;
        Some(Arc::clone(&kept.program))
    }

    fn insert(&mut self, digest: Digest, program: Arc<Program>, bytes: u64) {
        self.clock += 1;
        let previous = self.charts.insert(digest, Kept { program, bytes, used: self.clock });
        self.bytes += bytes;
        self.bytes -= previous.map_or(0, |previous| previous.bytes);
        while self.bytes > self.limit && self.charts.len() > 1 {
            let Some(oldest) = self.charts.iter().min_by_key(|(_, kept)| kept.used).map(|(digest, _)| *digest) else {
                return;
            };
            self.bytes -= self.charts.remove(&oldest).map_or(0, |kept| kept.bytes);
        }
    }
}

/// The bytes of a chart's files, those of its subcharts included.
fn size(chart: &chart::Chart) -> u64 {
    let own: usize = chart.templates.iter().chain(chart.files.iter()).map(|file| file.data.len()).sum();
    own as u64 + chart.dependencies.iter().map(size).sum::<u64>()
}

/// Nothing that holds these locks can leave them half changed.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::testing::{Server, archive};
    use crate::source::{Document, Options, http};

    fn entry(digest: &str) -> anyhow::Result<Entry> {
        let text =
            format!("{{apiVersion: v1, entries: {{web: [{{version: 1.0.0, urls: [web.tgz], digest: {digest:?}}}]}}}}");
        let (_, index) = Document::parse(text.into_bytes()).map_err(anyhow::Error::msg)?;
        Ok(index.choose("web", "")?.clone())
    }

    async fn serve(body: &[u8]) -> anyhow::Result<(Server, Repository)> {
        let server = Server::start(None).await?;
        server.answer("/web.tgz", "200 OK", "", body);
        let options = http::Options { url: format!("http://{}", server.address), ..http::Options::default() };
        Ok((server, Repository::new(Options::Http(options))?))
    }

    fn charts(limit: u64) -> Charts {
        Charts::new(None, limit, Limits::default())
    }

    #[tokio::test]
    async fn a_chart_is_downloaded_and_parsed_once_for_all_who_wait() -> anyhow::Result<()> {
        let archive = archive("web", 10)?;
        let (server, repository) = serve(&archive).await?;
        let (charts, entry) = (charts(1_000_000), entry(&Digest::of(&archive).to_string())?);
        let asking = (0..50).map(|_| charts.program(&repository, &entry));
        let programs = futures::future::try_join_all(asking).await?;
        assert!(programs.iter().all(|program| Arc::ptr_eq(program, &programs[0])));
        charts.program(&repository, &entry).await?;
        assert_eq!(server.requests().len(), 1);
        Ok(())
    }

    #[tokio::test]
    async fn without_a_digest_the_download_gives_one() -> anyhow::Result<()> {
        let (server, repository) = serve(&archive("web", 10)?).await?;
        let (charts, known) = (charts(1_000_000), entry("")?);
        charts.program(&repository, &known).await?;
        charts.program(&repository, &known.clone()).await?;
        assert_eq!(server.requests().len(), 1);
        charts.program(&repository, &entry("")?).await?;
        assert_eq!(server.requests().len(), 2, "a new index may mean another archive");
        Ok(())
    }

    #[tokio::test]
    async fn all_who_wait_get_the_error_and_the_next_one_tries_again() -> anyhow::Result<()> {
        let (server, repository) = serve(b"no archive").await?;
        let (charts, entry) = (charts(1_000_000), entry("")?);
        let (first, second) = futures::join!(charts.program(&repository, &entry), charts.program(&repository, &entry));
        assert!(matches!(&first, Err(SourceError::Chart { too_large: false, .. })), "{first:?}");
        assert!(second.is_err());
        assert_eq!(server.requests().len(), 1);
        server.answer("/web.tgz", "200 OK", "", &archive("web", 10)?);
        for _ in 0..2 {
            charts.program(&repository, &entry).await?;
        }
        assert_eq!(server.requests().len(), 2, "what was no chart left nothing behind");
        Ok(())
    }

    #[tokio::test]
    async fn the_longest_unused_chart_is_forgotten_and_found_on_disk() -> anyhow::Result<()> {
        let folder = std::env::temp_dir().join(format!("coxswain-programs-{}", std::process::id()));
        let charts = Charts::new(Some(Archives::open(&folder, 1 << 20)?), 1_500, Limits::default());
        let (first, second) = (archive("web", 1_000)?, archive("other", 1_000)?);
        let (server, repository) = serve(&first).await?;
        let (web, other) = (entry(&Digest::of(&first).to_string())?, entry(&Digest::of(&second).to_string())?);
        let before = charts.program(&repository, &web).await?;
        server.answer("/web.tgz", "200 OK", "", &second);
        charts.program(&repository, &other).await?;
        let again = charts.program(&repository, &web).await?;
        assert!(!Arc::ptr_eq(&before, &again), "it was forgotten");
        assert_eq!(server.requests().len(), 2, "but not downloaded again");
        std::fs::remove_dir_all(&folder)?;
        Ok(())
    }
}
