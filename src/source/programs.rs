//! Parsed charts by digest, shared by every request that uses them.
//!
//! A chart is downloaded, verified, unpacked and parsed once, however many requests ask for it at the same time: those
//! that come later wait for the first and get its result, the error too.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use tokio::sync::Semaphore;

use super::cache::Archives;
use super::http::Repository;
use super::index::Entry;
use super::{Digest, SourceError};
use crate::chart::{self, Limits};
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
        if let Some(program) = entry.digest.and_then(|digest| self.shared.parsed().get(&digest)) {
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
        let (store, digest) = (Arc::clone(&self), entry.digest);
        let stored = tokio::task::spawn_blocking(move || store.archives.as_ref()?.get(&digest?));
        let (archive, is_new) = match stored.await.map_err(|_| interrupted())? {
            Some(archive) => (archive, false),
            None => (repository.download(&entry.url, entry.digest).await?, true),
        };
        let _permit = self.unpacking.acquire().await.map_err(|_| interrupted())?;
        let (store, place) = (Arc::clone(&self), url.clone());
        let parsed = tokio::task::spawn_blocking(move || store.parse(&archive, is_new, &place));
        parsed.await.map_err(|_| interrupted())?
    }

    fn parse(&self, archive: &[u8], is_new: bool, url: &str) -> Outcome {
        let digest = Digest::of(archive);
        if let Some(program) = self.parsed().get(&digest) {
            return Ok(program);
        }
        let chart = chart::load_archive(archive, &self.limits).map_err(|error| SourceError::chart(url, &error))?;
        if let Some(archives) = self.archives.as_ref().filter(|_| is_new)
            && let Err(error) = archives.put(&digest, archive)
        {
            tracing::warn!(%error, "cannot store a chart archive, it will be downloaded again");
        }
        let bytes = size(&chart);
        let program = Arc::new(Program::new(chart));
        self.parsed().insert(digest, Arc::clone(&program), bytes);
        Ok(program)
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
