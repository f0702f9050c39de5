//! Charts at addresses of their own, which no index names: archives, and folders of Git repositories. What is there may
//! change, so it is asked for again from time to time: a chart that did not change costs one request.
//!
//! All who name the same address in the same way share one [`Place`]: one download, one request at a refresh.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use super::folder::Found;
use super::index::Entry;
use super::{Charts, Digest, Repository, SourceError, Validators, git, http};

/// How soon an address is asked again that could not be read, where its archive is known from before.
const RETRY: Duration = Duration::from_secs(60);

/// The addresses that are in use; a handle that is cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Direct {
    /// By their URLs.
    places: Arc<Mutex<HashMap<String, Vec<Weak<Place>>>>>,
}

/// How an address is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// An archive on a web server.
    Http(http::Options),
    /// A folder of a Git repository.
    Git(git::Options),
}

/// What an address leads to.
#[derive(Debug)]
enum Source {
    Http(http::Repository),
    Git(git::Repository),
}

/// An address with a chart.
#[derive(Debug)]
pub struct Place {
    address: Address,
    source: Source,
    state: tokio::sync::Mutex<State>,
}

/// What is known of an address.
#[derive(Debug, Default)]
struct State {
    known: Option<(Entry, Validators)>,
    asked: Option<Instant>,
    /// Why the last request found nothing.
    failure: Option<SourceError>,
}

impl State {
    /// How long what is known still counts as new.
    fn left(&self, interval: Duration) -> Option<Duration> {
        let pause = if self.failure.is_some() { interval.min(RETRY) } else { interval };
        pause.checked_sub(self.asked?.elapsed())
    }
}

/// What is at an address.
#[derive(Debug)]
pub struct Look {
    /// The version that the chart itself has, and the archive's digest.
    pub entry: Entry,
    /// When to look again.
    pub again: Duration,
    /// Why this look found nothing; what an earlier one found goes on to count.
    pub failure: Option<SourceError>,
}

impl Address {
    fn url(&self) -> &str {
        match self {
            Self::Http(options) => &options.url,
            Self::Git(options) => &options.url,
        }
    }

    fn connect(&self) -> Result<Source, SourceError> {
        match self {
            Self::Http(options) => http::Repository::new(options.clone()).map(Source::Http),
            Self::Git(options) => git::Repository::new(options.clone()).map(Source::Git),
        }
    }
}

impl Direct {
    /// The place that is reached so; nothing is sent.
    ///
    /// # Errors
    /// The address or a certificate cannot be used.
    pub fn place(&self, address: Address) -> Result<Arc<Place>, SourceError> {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let same_url = places.get(address.url()).into_iter().flatten().filter_map(Weak::upgrade);
        if let Some(known) = same_url.into_iter().find(|place| place.address == address) {
            return Ok(known);
        }
        let (url, source) = (address.url().to_owned(), address.connect()?);
        let place = Arc::new(Place { address, source, state: tokio::sync::Mutex::default() });
        places.retain(|_, users| {
            users.retain(|place| place.strong_count() > 0);
            !users.is_empty()
        });
        places.entry(url).or_default().push(Arc::downgrade(&place));
        Ok(place)
    }
}

impl Place {
    /// What the chart is fetched from.
    pub fn repository(&self) -> Repository {
        match &self.source {
            Source::Http(repository) => Repository::Http(repository.clone()),
            Source::Git(repository) => Repository::Git(repository.clone()),
        }
    }

    /// Where it is, as an entry of an index would say it.
    pub fn url(&self) -> String {
        match &self.source {
            Source::Http(repository) => repository.url().to_owned(),
            Source::Git(repository) => repository.shown(),
        }
    }

    /// What is there. It is asked for if that was done longer ago than `interval`, or if somebody wants it anew.
    ///
    /// # Errors
    /// [`SourceError`], where nothing is known from before.
    pub async fn look(&self, charts: &Charts, interval: Duration, anew: bool) -> Result<Look, SourceError> {
        let wanted = Instant::now();
        let mut state = self.state.lock().await;
        // Who has waited for the request of another takes its answer.
        let is_answered = state.asked.is_some_and(|asked| asked > wanted);
        let mut failure = None;
        if !is_answered && (anew || state.known.is_none() || state.left(interval).is_none()) {
            let asked = self.ask(charts, &mut state).await;
            state.asked = Some(Instant::now());
            state.failure = asked.err();
            failure.clone_from(&state.failure);
        }
        match (&state.known, &state.failure) {
            (Some((entry, _)), _) => {
                Ok(Look { entry: entry.clone(), again: state.left(interval).unwrap_or_default(), failure })
            }
            (None, Some(error)) => Err(error.clone()),
            (None, None) => Err(SourceError::Interrupted { url: self.repository().shown() }),
        }
    }

    /// Asks for the chart. Whoever can, answers that it is the one that is known.
    async fn ask(&self, charts: &Charts, state: &mut State) -> Result<(), SourceError> {
        let known = state.known.as_ref().map(|(_, validators)| validators.clone()).unwrap_or_default();
        let (found, validators) = match &self.source {
            Source::Http(repository) => {
                let Some((archive, validators)) = repository.fetch_archive(&known).await? else { return Ok(()) };
                let digest = Digest::of(&archive);
                repository.verify(&Entry::new("", repository.url(), Some(digest)), digest).await?;
                (Found { archive, version: None, url: repository.url().to_owned(), needed: Vec::new() }, validators)
            }
            Source::Git(repository) => {
                let Some(found) = repository.fetch_chart(&known).await? else { return Ok(()) };
                found
            }
        };
        let (digest, program) = charts.take(found.archive, self.repository().shown()).await?;
        let own = &program.chart().metadata.version;
        let entry = Entry::new(found.version.as_ref().unwrap_or(own), &found.url, Some(digest));
        state.known = Some((entry, validators));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chart::Limits;
    use crate::source::Digest;
    use crate::source::testing::{Server, archive};

    const INTERVAL: Duration = Duration::from_secs(600);

    struct Street {
        server: Server,
        direct: Direct,
        charts: Charts,
    }

    impl Street {
        async fn with(archive: &[u8]) -> anyhow::Result<Self> {
            let server = Server::start(None).await?;
            server.answer("/web.tgz?key=hunter2", "200 OK", "ETag: \"1\"\r\n", archive);
            let charts = Charts::new(None, 1 << 20, Limits::default());
            Ok(Self { server, direct: Direct::default(), charts })
        }

        fn place(&self) -> Result<Arc<Place>, SourceError> {
            let url = format!("http://{}/web.tgz?key=hunter2", self.server.address);
            self.direct.place(Address::Http(http::Options { url, ..http::Options::default() }))
        }

        async fn look(&self, anew: bool) -> Result<Look, SourceError> {
            self.place()?.look(&self.charts, INTERVAL, anew).await
        }
    }

    #[tokio::test]
    async fn all_who_name_an_address_share_one_request() -> anyhow::Result<()> {
        let (old, new) = (archive("web", 10)?, archive("web", 20)?);
        let street = Street::with(&old).await?;
        // A place is known as long as somebody uses it.
        let _used = street.place()?;
        let looks = futures::future::try_join_all((0..9).map(|_| street.look(false))).await?;
        assert!(
            looks.iter().all(|look| look.entry.digest == Some(Digest::of(&old)) && &*look.entry.version == "1.0.0")
        );
        assert_eq!(street.server.requests().len(), 1);

        street.server.answer("/web.tgz?key=hunter2", "304 Not Modified", "", b"");
        assert_eq!(street.look(true).await?.entry.digest, Some(Digest::of(&old)));
        assert!(street.server.requests()[1].contains("if-none-match: \"1\""));
        street.server.answer("/web.tgz?key=hunter2", "200 OK", "", &new);
        assert_eq!(street.look(false).await?.entry.digest, Some(Digest::of(&old)), "it is not due");
        let look = street.look(true).await?;
        assert_eq!(look.entry.digest, Some(Digest::of(&new)));
        assert_eq!(street.server.requests().len(), 3);
        // What was downloaded is fetched no more.
        street.charts.program(&street.place()?.repository(), &look.entry).await?;
        assert_eq!(street.server.requests().len(), 3);
        Ok(())
    }

    #[tokio::test]
    async fn what_is_known_counts_while_the_address_cannot_be_read() -> anyhow::Result<()> {
        let street = Street::with(b"no chart").await?;
        let _used = street.place()?;
        assert!(matches!(street.look(false).await, Err(SourceError::Chart { .. })));
        let archive = archive("web", 10)?;
        street.server.answer("/web.tgz?key=hunter2", "200 OK", "", &archive);
        assert!(street.look(false).await?.failure.is_none());
        street.server.answer("/web.tgz?key=hunter2", "503 Service Unavailable", "", b"");
        let look = street.look(true).await?;
        assert_eq!(look.entry.digest, Some(Digest::of(&archive)));
        assert!(look.again <= RETRY);
        let failure = look.failure.map(|failure| failure.to_string()).unwrap_or_default();
        assert!(failure.contains("answered 503") && !failure.contains("hunter2"), "{failure}");
        assert!(street.look(false).await?.failure.is_none(), "a failure is told once");
        Ok(())
    }

    #[tokio::test]
    async fn an_address_that_nobody_uses_is_forgotten() -> anyhow::Result<()> {
        let street = Street::with(b"").await?;
        let first = street.place()?;
        assert!(Arc::ptr_eq(&first, &street.place()?));
        let of = |url: &str, seconds| {
            let timeout = Duration::from_secs(seconds);
            Address::Http(http::Options { url: url.to_owned(), timeout, ..http::Options::default() })
        };
        let hurried = street.direct.place(of(first.address.url(), 1))?;
        assert!(!Arc::ptr_eq(&first, &hurried), "it is reached in another way");
        drop((first, hurried));
        let _other = street.direct.place(of("http://x.invalid/y", 1))?;
        assert_eq!(street.direct.places.lock().map(|places| places.len()).unwrap_or_default(), 1);
        Ok(())
    }
}
