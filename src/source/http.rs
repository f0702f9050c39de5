//! Chart repositories over HTTP: an `index.yaml` and the archives that it names (`pkg/repo/v1`, `pkg/getter`).

use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;
use reqwest::header::{ETAG, HeaderMap, HeaderName, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED};

use super::access::{Credentials, Tls};
use super::repository::{Fetched, Validators};
use super::transport::{Request, Transport};
use super::{Digest, Document, SourceError, address};

/// How a repository is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Where `index.yaml` is; may carry credentials and a query.
    pub url: String,
    /// For basic authentication; those in the URL where none are given.
    pub credentials: Option<Credentials>,
    /// Send the credentials also to other hosts that the index names.
    pub pass_credentials_all: bool,
    /// Whom to trust.
    pub tls: Tls,
    /// For one request, the whole answer included.
    pub timeout: Duration,
    /// The most bytes of an index.
    pub index_limit: u64,
    /// The most bytes of an archive.
    pub archive_limit: u64,
}

/// A chart repository; a handle that is cheap to clone.
#[derive(Clone, Debug)]
pub struct Repository {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    url: Url,
    credentials: Option<Credentials>,
    pass_credentials_all: bool,
    transport: Transport,
    index_limit: u64,
    archive_limit: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            url: String::new(),
            credentials: None,
            pass_credentials_all: false,
            tls: Tls::default(),
            timeout: Duration::from_secs(60),
            index_limit: 256 << 20,
            archive_limit: 64 << 20,
        }
    }
}

impl Repository {
    /// Prepares a repository; nothing is sent.
    ///
    /// # Errors
    /// [`SourceError::InvalidUrl`] and [`SourceError::InvalidCertificate`].
    pub fn new(options: Options) -> Result<Self, SourceError> {
        let Options { url, credentials, pass_credentials_all, tls, timeout, index_limit, archive_limit } = options;
        let (url, credentials_of_url) = address::parse(&url)?;
        let transport = Transport::new(&tls, timeout)?;
        let credentials = credentials.or(credentials_of_url);
        let inner = Inner { url, credentials, pass_credentials_all, transport, index_limit, archive_limit };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The same for clones of one repository, different for any two that live at the same time.
    pub(super) fn identity(&self) -> usize {
        Arc::as_ptr(&self.inner) as usize
    }

    /// The address for messages, without credentials and query.
    pub fn shown(&self) -> String {
        address::shown(&self.inner.url)
    }

    /// Reads the index, unless it is the one that `known` tells of.
    ///
    /// # Errors
    /// [`SourceError`], one kind for each cause.
    pub async fn fetch_index(&self, known: &Validators) -> Result<Fetched, SourceError> {
        let url = address::below(&self.inner.url, "index.yaml")?;
        let shown = address::shown(&url);
        let authorization = self.inner.credentials.as_ref().map(Credentials::header);
        let request =
            Request { authorization, headers: known.conditions(), ..Request::get(url, self.inner.index_limit) };
        let answer = self.inner.transport.get(&request).await?;
        let Some(body) = answer.body else { return Ok(Fetched::Unchanged) };
        let validators = Validators::of(&answer.headers, &body);
        if validators.digest == known.digest {
            return Ok(Fetched::Unchanged);
        }
        let parsed = tokio::task::spawn_blocking(move || Document::parse(body)).await;
        let (document, index) = parsed
            .map_err(|_| SourceError::Interrupted { url: shown.clone() })?
            .map_err(|reason| SourceError::NotAnIndex { url: shown, reason })?;
        Ok(Fetched::Index { document, index, validators })
    }

    /// Downloads an archive that the index names, and verifies its digest where the index has one.
    ///
    /// # Errors
    /// [`SourceError`], one kind for each cause.
    pub async fn download(&self, named: &str, digest: Option<Digest>) -> Result<Vec<u8>, SourceError> {
        let (url, own) = address::archive(&self.inner.url, named)?;
        let shown = address::shown(&url);
        let ours = self.inner.pass_credentials_all || address::same_origin(&self.inner.url, &url);
        let credentials = own.as_ref().or(self.inner.credentials.as_ref().filter(|_| ours));
        let authorization = credentials.map(Credentials::header);
        let request = Request { authorization, ..Request::get(url, self.inner.archive_limit) };
        let answer = self.inner.transport.get(&request).await.map_err(|error| match error {
            SourceError::NotFound { url } => SourceError::ArchiveNotFound { url },
            error => error,
        })?;
        let body = answer.body.ok_or_else(|| SourceError::Status { url: shown.clone(), status: 304 })?;
        let actual = Digest::of(&body);
        match digest {
            Some(expected) if expected != actual => Err(SourceError::DigestMismatch {
                url: shown,
                expected: expected.to_string(),
                actual: actual.to_string(),
            }),
            _ => Ok(body),
        }
    }

    /// The URL of an archive for messages.
    pub fn shown_archive(&self, named: &str) -> String {
        address::archive(&self.inner.url, named).map_or_else(|_| self.shown(), |(url, _)| address::shown(&url))
    }
}

impl Validators {
    fn of(headers: &HeaderMap, body: &[u8]) -> Self {
        let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        Self { etag: text(ETAG), last_modified: text(LAST_MODIFIED), digest: Some(Digest::of(body)) }
    }

    fn conditions(&self) -> HeaderMap {
        let mut conditions = HeaderMap::new();
        for (name, value) in [(IF_NONE_MATCH, &self.etag), (IF_MODIFIED_SINCE, &self.last_modified)] {
            if let Some(value) = value.as_deref().and_then(|value| HeaderValue::from_str(value).ok()) {
                conditions.insert(name, value);
            }
        }
        conditions
    }
}

#[cfg(test)]
mod tests;
