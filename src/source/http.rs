//! Chart repositories over HTTP: an `index.yaml` and the archives that it names (`pkg/repo/v1`, `pkg/getter`).

mod arrival;

use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use flate2::read::MultiGzDecoder;
use futures::FutureExt;
use jiff::Timestamp;
use reqwest::header::{
    ACCEPT_ENCODING, CONTENT_ENCODING, ETAG, HeaderMap, HeaderName, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH,
    LAST_MODIFIED,
};
use reqwest::{StatusCode, Url};

use super::access::{Credentials, Tls};
use super::document::ReadError;
use super::index::{Entry, Index};
use super::reach::Reach;
use super::repository::{Fetched, Validators};
use super::scroll::{Scroll, ScrollError};
use super::signatures::gate::Gate;
use super::signatures::{Keyring, Refusal, Signer, provenance};
use super::transport::{Request, Transport};
use super::{Digest, Document, SourceError, address};

/// The most bytes of a provenance file.
const PROVENANCE_LIMIT: u64 = 1 << 20;

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
    /// Which addresses are asked, those that are redirected to too.
    pub reach: Reach,
    /// For one request, the whole answer included.
    pub timeout: Duration,
    /// The most bytes of an index.
    pub index_limit: u64,
    /// The most bytes of an archive.
    pub archive_limit: u64,
    /// Where a large index is while it is read; in memory where there is no such folder.
    pub folder: Option<PathBuf>,
    /// Who must have signed the charts, with provenance files beside them.
    pub keyring: Option<Keyring>,
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
    folder: Option<PathBuf>,
    /// Who must have signed the charts, and which are known to be signed.
    guard: Option<(Keyring, Gate)>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            url: String::new(),
            credentials: None,
            pass_credentials_all: false,
            tls: Tls::default(),
            reach: Reach::default(),
            timeout: Duration::from_secs(60),
            index_limit: 256 << 20,
            archive_limit: 64 << 20,
            folder: None,
            keyring: None,
        }
    }
}

impl Repository {
    /// Prepares a repository; nothing is sent.
    ///
    /// # Errors
    /// [`SourceError::InvalidUrl`] and [`SourceError::InvalidCertificate`].
    pub fn new(options: Options) -> Result<Self, SourceError> {
        let Options { url, credentials, pass_credentials_all, tls, reach, timeout, .. } = options;
        let Options { index_limit, archive_limit, folder, keyring, .. } = options;
        let (url, credentials_of_url) = address::parse(&url)?;
        let transport = Transport::new(&tls, reach, timeout)?;
        let credentials = credentials.or(credentials_of_url);
        let guard = keyring.map(|keyring| (keyring, Gate::default()));
        let inner =
            Inner { url, credentials, pass_credentials_all, transport, index_limit, archive_limit, folder, guard };
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
        let authorization = self.inner.credentials.as_ref().map(Credentials::header);
        let mut headers = known.conditions();
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        let request = Request { authorization, headers, ..Request::get(url, self.inner.index_limit) };
        let incoming = self.inner.transport.open(&request).await?.checked()?;
        if incoming.answer.status == StatusCode::NOT_MODIFIED {
            return Ok(Fetched::Unchanged);
        }
        let url = address::shown(&incoming.answer.url);
        let answered = incoming.answer.headers.clone();
        let is_packed =
            answered.get(CONTENT_ENCODING).is_some_and(|encoding| encoding.as_bytes().eq_ignore_ascii_case(b"gzip"));
        let desk =
            Desk { folder: self.inner.folder.clone(), limit: self.inner.index_limit, is_packed, known: known.digest };
        let read = arrival::pass(incoming, move |arriving| desk.read(arriving)).await?;
        match read.map_err(|error| error.of(&url, self.inner.index_limit))? {
            None => Ok(Fetched::Unchanged),
            Some((document, index, digest)) => {
                Ok(Fetched::Index { document, index, validators: Validators::of(&answered, digest) })
            }
        }
    }

    /// Downloads an archive that the index names, and verifies its digest where the index has one.
    ///
    /// # Errors
    /// [`SourceError`], one kind for each cause.
    pub async fn download(&self, named: &str, digest: Option<Digest>) -> Result<Vec<u8>, SourceError> {
        let (url, own) = address::archive(&self.inner.url, named)?;
        let shown = address::shown(&url);
        let body = self.file(url, own, self.inner.archive_limit).await.map_err(|error| match error {
            SourceError::NotFound { url } => SourceError::ArchiveNotFound { url },
            error => error,
        })?;
        Digest::verified(digest, body, &shown)
    }

    /// Which charts are known to be signed, where they must be.
    pub(super) fn gate(&self) -> Option<&Gate> {
        self.inner.guard.as_ref().map(|(_, gate)| gate)
    }

    /// Verifies that an archive is signed, where it must be.
    pub(super) async fn verify(&self, entry: &Entry, digest: Digest) -> Result<(), SourceError> {
        let Some((keyring, gate)) = &self.inner.guard else { return Ok(()) };
        let check = || {
            let (repository, keyring, entry) = (self.clone(), keyring.clone(), entry.clone());
            let check = async move {
                let verdict = repository.verdict(&keyring, &entry.url, digest).await?;
                verdict.map_err(|refusal| refusal.of(&entry, repository.shown_archive(&entry.url), keyring.named()))
            };
            check.boxed()
        };
        gate.pass(entry, digest, check).await
    }

    /// Whether the archive that the index names so, of this digest, is signed by the provenance file beside it.
    async fn verdict(
        &self,
        keyring: &Keyring,
        named: &str,
        digest: Digest,
    ) -> Result<Result<Signer, Refusal>, SourceError> {
        let (url, own) = address::archive(&self.inner.url, named)?;
        let (file, beside) = (address::file_name(&url), address::with_suffix(&url, ".prov"));
        match self.file(beside, own, PROVENANCE_LIMIT).await {
            Ok(signed) => Ok(provenance::verify(keyring, &signed, &file, digest, Timestamp::now())),
            Err(SourceError::NotFound { url: wanted }) => Ok(Err(Refusal::NoProvenance { wanted })),
            Err(error) => Err(error),
        }
    }

    /// What is at a URL, which may have credentials of its own; those of the repository go only where they belong.
    async fn file(&self, url: Url, own: Option<Credentials>, limit: u64) -> Result<Vec<u8>, SourceError> {
        let shown = address::shown(&url);
        let ours = self.inner.pass_credentials_all || address::same_origin(&self.inner.url, &url);
        let credentials = own.as_ref().or(self.inner.credentials.as_ref().filter(|_| ours));
        let authorization = credentials.map(Credentials::header);
        let answer = self.inner.transport.get(&Request { authorization, ..Request::get(url, limit) }).await?;
        answer.body.ok_or(SourceError::Status { url: shown, status: 304 })
    }

    /// Downloads the archive that is at the address itself, unless it is the one that `known` tells of.
    ///
    /// # Errors
    /// [`SourceError`], one kind for each cause.
    pub(super) async fn fetch_archive(&self, known: &Validators) -> Result<Option<(Vec<u8>, Validators)>, SourceError> {
        let authorization = self.inner.credentials.as_ref().map(Credentials::header);
        let request = Request {
            authorization,
            headers: known.conditions(),
            ..Request::get(self.inner.url.clone(), self.inner.archive_limit)
        };
        let answer = self.inner.transport.get(&request).await?;
        let fetched = answer.body.map(|body| (Validators::of(&answer.headers, Digest::of(&body)), body));
        Ok(fetched.filter(|(now, _)| now.digest != known.digest).map(|(now, body)| (body, now)))
    }

    /// The address itself, without credentials.
    pub fn url(&self) -> &str {
        self.inner.url.as_str()
    }

    /// The URL of an archive for messages.
    pub fn shown_archive(&self, named: &str) -> String {
        address::archive(&self.inner.url, named).map_or_else(|_| self.shown(), |(url, _)| address::shown(&url))
    }
}

/// Where an index is read that arrives.
struct Desk {
    folder: Option<PathBuf>,
    limit: u64,
    /// It is compressed.
    is_packed: bool,
    /// The digest of the one that was read last.
    known: Option<Digest>,
}

/// Why an index that has arrived is not read.
#[derive(Debug, thiserror::Error)]
enum IndexError {
    #[error("{0}")]
    Written(#[from] ScrollError),
    #[error("{0}")]
    Read(#[from] ReadError),
}

impl Desk {
    /// Reads an index; nothing where it is the known one.
    fn read(&self, arriving: impl Read) -> Result<Option<(Document, Index, Digest)>, IndexError> {
        let folder = self.folder.as_deref();
        let (text, digest) = match self.is_packed {
            true => Scroll::write(MultiGzDecoder::new(arriving), folder, self.limit)?,
            false => Scroll::write(arriving, folder, self.limit)?,
        };
        if self.known == Some(digest) {
            return Ok(None);
        }
        let (document, index) = Document::read(text)?;
        Ok(Some((document, index, digest)))
    }
}

impl IndexError {
    /// What it is called for an index at a URL.
    fn of(self, url: &str, limit: u64) -> SourceError {
        use std::io::ErrorKind::{InvalidData, InvalidInput, UnexpectedEof};
        let url = url.to_owned();
        match self {
            Self::Written(ScrollError::TooLong) => SourceError::TooLarge { url, limit },
            Self::Written(ScrollError::Io(error))
                if matches!(error.kind(), InvalidData | InvalidInput | UnexpectedEof) =>
            {
                SourceError::NotAnIndex { url, reason: "it is not the gzip that the server says it is".to_owned() }
            }
            Self::Written(ScrollError::Io(error)) | Self::Read(ReadError::Io(error)) => SourceError::disk(&url, &error),
            Self::Read(ReadError::NotAnIndex(reason)) => SourceError::NotAnIndex { url, reason },
        }
    }
}

impl Validators {
    fn of(headers: &HeaderMap, digest: Digest) -> Self {
        let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        Self { etag: text(ETAG), last_modified: text(LAST_MODIFIED), digest: Some(digest), commit: None }
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
