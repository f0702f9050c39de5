//! A place with charts, whatever its kind: an index that is read, and archives that are downloaded.

use super::index::Index;
use super::{Digest, Document, SourceError, http, oci};

/// How a repository is reached, by its kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Options {
    /// An `index.yaml` on a web server.
    Http(http::Options),
    /// A registry.
    Oci(oci::Options),
}

/// A chart repository; a handle that is cheap to clone.
#[derive(Clone, Debug)]
pub enum Repository {
    /// An `index.yaml` on a web server.
    Http(http::Repository),
    /// A registry.
    Oci(oci::Repository),
}

/// What a later request needs to learn cheaply that nothing changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Validators {
    /// The server's `ETag`.
    pub etag: Option<String>,
    /// The server's `Last-Modified`.
    pub last_modified: Option<String>,
    /// The digest of the index, for servers that send neither.
    pub digest: Option<Digest>,
}

/// An index that was asked for.
#[derive(Debug)]
pub enum Fetched {
    /// It is what it was at the time of the given validators.
    Unchanged,
    /// It is new.
    Index {
        /// All of it.
        document: Document,
        /// The part that is kept.
        index: Index,
        /// For the next time.
        validators: Validators,
    },
}

impl Repository {
    /// Prepares a repository; nothing is sent.
    ///
    /// # Errors
    /// The address, a certificate or a pattern cannot be used.
    pub fn new(options: Options) -> Result<Self, SourceError> {
        match options {
            Options::Http(options) => http::Repository::new(options).map(Self::Http),
            Options::Oci(options) => oci::Repository::new(options).map(Self::Oci),
        }
    }

    /// The same for clones of one repository, different for any two that live at the same time.
    pub(super) fn identity(&self) -> usize {
        match self {
            Self::Http(repository) => repository.identity(),
            Self::Oci(repository) => repository.identity(),
        }
    }

    /// The address for messages, without credentials and query.
    pub fn shown(&self) -> String {
        match self {
            Self::Http(repository) => repository.shown(),
            Self::Oci(repository) => repository.shown(),
        }
    }

    /// The URL of an archive for messages.
    pub fn shown_archive(&self, named: &str) -> String {
        match self {
            Self::Http(repository) => repository.shown_archive(named),
            Self::Oci(repository) => repository.shown_archive(named),
        }
    }

    /// Reads the index, unless it is the one that `known` tells of.
    ///
    /// # Errors
    /// [`SourceError`], one kind for each cause.
    pub async fn fetch_index(&self, known: &Validators) -> Result<Fetched, SourceError> {
        match self {
            Self::Http(repository) => repository.fetch_index(known).await,
            Self::Oci(repository) => repository.fetch_index(known).await,
        }
    }

    /// Downloads an archive that the index names, and verifies its digest where the index has one.
    ///
    /// # Errors
    /// [`SourceError`], one kind for each cause.
    pub async fn download(&self, named: &str, digest: Option<Digest>) -> Result<Vec<u8>, SourceError> {
        match self {
            Self::Http(repository) => repository.download(named, digest).await,
            Self::Oci(repository) => repository.download(named, digest).await,
        }
    }
}
