//! A place with charts, whatever its kind: an index that is read, and archives that are downloaded.

use super::index::{Entry, Index};
use super::signatures::Trust;
use super::signatures::gate::Gate;
use super::{Digest, Document, SourceError, git, http, local, oci, svn};

/// How a repository is reached, by its kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Options {
    /// An `index.yaml` on a web server.
    Http(http::Options),
    /// A registry.
    Oci(oci::Options),
    /// Objects of the cluster.
    Local(local::Options),
    /// A Git repository.
    Git(git::Options),
    /// A Subversion repository.
    Svn(svn::Options),
}

/// A chart repository; a handle that is cheap to clone.
#[derive(Clone, Debug)]
pub enum Repository {
    /// An `index.yaml` on a web server.
    Http(http::Repository),
    /// A registry.
    Oci(oci::Repository),
    /// Objects of the cluster.
    Local(local::Repository),
    /// A Git repository.
    Git(git::Repository),
    /// A Subversion repository.
    Svn(svn::Repository),
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
    /// The commit or revision that it was read at.
    pub commit: Option<String>,
}

impl Validators {
    /// Of what was read at a commit or revision.
    pub(super) fn of_commit(commit: impl Into<String>) -> Self {
        Self { commit: Some(commit.into()), ..Self::default() }
    }

    /// Of what is known by a digest only.
    pub(super) fn of_digest(digest: Digest) -> Self {
        Self { digest: Some(digest), ..Self::default() }
    }

    /// What was read, for people: the commit or revision, else the digest of the index.
    pub fn revision(&self) -> Option<String> {
        self.commit.clone().or_else(|| self.digest.map(|digest| format!("sha256:{digest}")))
    }
}

/// An index that was asked for.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "one lives at a time, and most of it is on the heap")]
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

impl Options {
    /// Who must have signed the charts.
    pub fn trust(&self) -> Option<Trust> {
        match self {
            Self::Http(options) => options.keyring.clone().map(Trust::Provenance),
            Self::Oci(options) => options.trust.clone(),
            Self::Local(_) | Self::Git(_) | Self::Svn(_) => None,
        }
    }
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
            Options::Local(options) => Ok(Self::Local(local::Repository::new(options))),
            Options::Git(options) => git::Repository::new(options).map(Self::Git),
            Options::Svn(options) => svn::Repository::new(options).map(Self::Svn),
        }
    }

    /// Whether it shows one state at a time: a version that was there need not be there any more.
    pub fn has_one_state(&self) -> bool {
        matches!(self, Self::Git(_) | Self::Svn(_))
    }

    /// The same for clones of one repository, different for any two that live at the same time.
    pub(super) fn identity(&self) -> usize {
        match self {
            Self::Http(repository) => repository.identity(),
            Self::Oci(repository) => repository.identity(),
            Self::Local(repository) => repository.identity(),
            Self::Git(repository) => repository.identity(),
            Self::Svn(repository) => repository.identity(),
        }
    }

    /// The address for messages, without credentials and query.
    pub fn shown(&self) -> String {
        match self {
            Self::Http(repository) => repository.shown(),
            Self::Oci(repository) => repository.shown(),
            Self::Local(repository) => repository.shown(),
            Self::Git(repository) => repository.shown(),
            Self::Svn(repository) => repository.shown(),
        }
    }

    /// The URL of an archive for messages.
    pub fn shown_archive(&self, named: &str) -> String {
        match self {
            Self::Http(repository) => repository.shown_archive(named),
            Self::Oci(repository) => repository.shown_archive(named),
            // Nobody but us makes these, and there are no credentials in them.
            Self::Local(_) | Self::Git(_) | Self::Svn(_) => named.to_owned(),
        }
    }

    /// Downloads the archive of a version and verifies all that is known of it: its digest, and who signed it.
    ///
    /// # Errors
    /// [`SourceError`], one kind for each cause.
    pub async fn fetch(&self, entry: &Entry) -> Result<Vec<u8>, SourceError> {
        let archive = self.download(&entry.url, entry.digest).await?;
        self.verify(entry, Digest::of(&archive)).await?;
        Ok(archive)
    }

    /// Verifies that the archive of this digest is signed as its place asks for, where it does. It is asked for once,
    /// until the handle or the signer goes out of use.
    ///
    /// # Errors
    /// [`SourceError::NotTrusted`], or why the signature cannot be had.
    pub(super) async fn verify(&self, entry: &Entry, digest: Digest) -> Result<(), SourceError> {
        match self {
            Self::Http(repository) => repository.verify(entry, digest).await,
            Self::Oci(repository) => repository.verify(entry, digest).await,
            Self::Local(_) | Self::Git(_) | Self::Svn(_) => Ok(()),
        }
    }

    /// Which charts are known to be signed, where they must be.
    pub(super) fn gate(&self) -> Option<&Gate> {
        match self {
            Self::Http(repository) => repository.gate(),
            Self::Oci(repository) => repository.gate(),
            Self::Local(_) | Self::Git(_) | Self::Svn(_) => None,
        }
    }

    /// The fingerprint of the key that signed a version which was verified.
    pub fn signed_by(&self, entry: &Entry) -> Option<String> {
        self.gate()?.signer(entry)
    }

    /// Reads the index, unless it is the one that `known` tells of.
    ///
    /// # Errors
    /// [`SourceError`], one kind for each cause.
    pub async fn fetch_index(&self, known: &Validators) -> Result<Fetched, SourceError> {
        match self {
            Self::Http(repository) => repository.fetch_index(known).await,
            Self::Oci(repository) => repository.fetch_index(known).await,
            Self::Local(repository) => repository.fetch_index(known).await,
            Self::Git(repository) => repository.fetch_index(known).await,
            Self::Svn(repository) => repository.fetch_index(known).await,
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
            Self::Local(repository) => repository.download(named, digest).await,
            Self::Git(repository) => repository.download(named, digest).await,
            Self::Svn(repository) => repository.download(named, digest).await,
        }
    }
}
