//! Charts in Git repositories, over HTTP and ssh.
//!
//! A refresh asks for branches and tags only, over HTTP by one request of our own: where the wanted one is still the
//! same commit, nothing else is done. A new commit is fetched without its history by the git program ([`client`]) and
//! checked out on a bench of the [`Workshop`], where its charts are packed into archives
//! ([`pack_directory`](crate::chart::pack_directory)); then the bench goes. What was there before plays no part, so a
//! branch that was forced to another history, or an address that was changed, is just another commit. An archive has the
//! digest of the chart's content, so that a commit that leaves a chart alone is no news to its releases.
//!
//! ```text
//! wanted ─ refs ─ commit ─ check out ─ folders ─ archives ─ index
//!          list   choose   fetch       find      pack       versions with the commit
//! ```

mod address;
mod client;
mod failure;
mod refs;
mod submodules;

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderMap};

use self::address::{Address, Protocol};
use self::client::Client;
pub use self::refs::Wanted;
use self::refs::{Chosen, NotChosen, Refs};
use super::access::{Credentials, SshKeys, Tls};
use super::folder::{Folder, Found};
use super::reach::Reach;
use super::repository::{Fetched, Validators};
use super::revision;
use super::transport::{Request, Transport};
use super::workshop::Workshop;
use super::{Digest, SourceError, dependencies};

/// The most bytes of a list of branches and tags.
const LISTED: u64 = 64 << 20;
/// Where a server tells its branches and tags, and as what.
const LIST: &str = "/info/refs";
const LIST_QUERY: &str = "service=git-upload-pack";
const LIST_TYPE: &str = "application/x-git-upload-pack-advertisement";

/// How a repository is reached, and what of it is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Its address; may carry credentials.
    pub url: String,
    /// The branch, tag or commit.
    pub wanted: Wanted,
    /// The folder: one chart, or a folder above charts.
    pub path: String,
    /// The namespace that it is read for, whose repositories have what charts depend on.
    pub namespace: String,
    /// Check out submodules too.
    pub submodules: bool,
    /// For HTTP; those in the URL where none are given.
    pub credentials: Option<Credentials>,
    /// For ssh.
    pub ssh: Option<SshKeys>,
    /// Whom to trust over HTTP.
    pub tls: Tls,
    /// Which addresses are asked.
    pub reach: Reach,
    /// Where it is checked out.
    pub workshop: Workshop,
    /// For the list of branches and tags.
    pub timeout: Duration,
}

impl Options {
    /// The default branch of a repository, with all charts in it, as nobody.
    pub fn new(url: impl Into<String>, workshop: Workshop) -> Self {
        Self {
            url: url.into(),
            wanted: Wanted::default(),
            path: String::new(),
            namespace: String::new(),
            submodules: false,
            credentials: None,
            ssh: None,
            tls: Tls::default(),
            reach: Reach::default(),
            workshop,
            timeout: Duration::from_secs(60),
        }
    }
}

/// Charts in a Git repository; a handle that is cheap to clone.
#[derive(Clone, Debug)]
pub struct Repository {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    options: Options,
    address: Address,
    transport: Transport,
}

/// A commit that is to be checked out.
struct Target {
    chosen: Chosen,
    /// Where the address leads to.
    url: String,
}

/// Whether an address is one of ssh, which needs a key.
pub fn needs_ssh(url: &str) -> bool {
    Address::parse(url).is_ok_and(|address| address.protocol == Protocol::Ssh)
}

impl Repository {
    /// Prepares a repository; nothing is sent.
    ///
    /// # Errors
    /// [`SourceError::InvalidGitUrl`] and [`SourceError::InvalidCertificate`].
    pub fn new(options: Options) -> Result<Self, SourceError> {
        let address = Address::parse(&options.url)?;
        let transport = Transport::new(&options.tls, options.reach, options.timeout)?;
        Ok(Self { inner: Arc::new(Inner { options, address, transport }) })
    }

    /// The same for clones of one repository, different for any two that live at the same time.
    pub(super) fn identity(&self) -> usize {
        Arc::as_ptr(&self.inner) as usize
    }

    /// The address for messages, without credentials.
    pub fn shown(&self) -> String {
        self.inner.address.shown().to_owned()
    }

    /// Lists the charts of the wanted commit, unless it is the one that `known` tells of.
    ///
    /// # Errors
    /// [`SourceError`], one kind for each cause.
    pub async fn fetch_index(&self, known: &Validators) -> Result<Fetched, SourceError> {
        let inner = &self.inner;
        let target = inner.find().await?;
        if known.commit.as_ref() == Some(&target.chosen.commit) {
            return Ok(Fetched::Unchanged);
        }
        let validators = Validators::of_commit(&target.chosen.commit);
        let store = inner.options.workshop.charts().clone();
        let (document, index) = inner.with_charts(&target, move |folder| folder.index(&store)).await?;
        Ok(Fetched::Index { document, index, validators })
    }

    /// Packs a chart that the index names, of the commit that it names, and verifies its digest.
    ///
    /// # Errors
    /// [`SourceError`], one kind for each cause.
    pub async fn download(&self, named: &str, digest: Option<Digest>) -> Result<Vec<u8>, SourceError> {
        let inner = &self.inner;
        let unknown = || SourceError::InvalidGitUrl { url: named.to_owned(), reason: "it names no commit".to_owned() };
        let (commit, path) = revision::parse(named).ok_or_else(unknown)?;
        let found = inner.find().await?;
        let name = found.chosen.name.filter(|_| found.chosen.commit == commit);
        let target = Target { chosen: Chosen { name, commit: commit.to_owned() }, url: found.url };
        let found = inner.with_folder(&target, path, Folder::only).await?;
        let Found { archive, .. } = inner.complete(found).await?;
        Digest::verified(digest, archive, named)
    }

    /// Packs the one chart of the wanted commit, unless that is the one that `known` tells of.
    ///
    /// # Errors
    /// [`SourceError`], one kind for each cause.
    pub(super) async fn fetch_chart(&self, known: &Validators) -> Result<Option<(Found, Validators)>, SourceError> {
        let target = self.inner.find().await?;
        if known.commit.as_ref() == Some(&target.chosen.commit) {
            return Ok(None);
        }
        let found = self.inner.with_charts(&target, |folder| folder.only()).await?;
        let found = self.inner.complete(found).await?;
        Ok(Some((found, Validators::of_commit(target.chosen.commit))))
    }
}

impl Inner {
    /// Asks which commit is wanted.
    async fn find(&self) -> Result<Target, SourceError> {
        let (refs, url) = match self.address.protocol {
            Protocol::Ssh => (self.list_over_ssh().await?, self.address.named.clone()),
            Protocol::Http | Protocol::Https => self.list_over_http().await?,
        };
        let chosen = refs.choose(&self.options.wanted).map_err(|refused| match refused {
            NotChosen::Missing => self.not_found(),
            NotChosen::Range(reason) => SourceError::InvalidRange { range: self.options.wanted.to_string(), reason },
        })?;
        Ok(Target { chosen, url })
    }

    async fn complete(&self, found: Found) -> Result<Found, SourceError> {
        dependencies::complete(found, &self.options.namespace, &self.options.workshop).await
    }

    fn not_found(&self) -> SourceError {
        let url = self.address.shown().to_owned();
        SourceError::ReferenceNotFound { url, wanted: self.options.wanted.to_string() }
    }

    /// The branches and tags, and where the address leads to.
    async fn list_over_http(&self) -> Result<(Refs, String), SourceError> {
        let mut url = self.address.url.clone();
        url.set_path(&format!("{}{LIST}", url.path().trim_end_matches('/')));
        url.set_query(Some(LIST_QUERY));
        let credentials = self.options.credentials.as_ref().or(self.address.credentials.as_ref());
        let authorization = credentials.map(Credentials::header);
        let request = Request { authorization, ..Request::get(url, LISTED) };
        let answer = self.transport.get(&request).await?;
        let no_repository =
            |reason: String| SourceError::NotARepository { url: self.address.shown().to_owned(), kind: "Git", reason };
        if !is_list(&answer.headers) {
            return Err(no_repository("the server does not answer as Git's servers do".to_owned()));
        }
        let mut url = answer.url;
        let path = url.path().strip_suffix(LIST).map(str::to_owned);
        url.set_path(&path.ok_or_else(|| no_repository("it redirects to another kind of address".to_owned()))?);
        url.set_query(None);
        let refs = Refs::of_advertisement(&answer.body.unwrap_or_default()).map_err(no_repository)?;
        Ok((refs, url.to_string()))
    }

    async fn list_over_ssh(&self) -> Result<Refs, SourceError> {
        self.options.reach.check(&self.address.url, self.address.shown()).await?;
        let bench = self.options.workshop.begin(self.address.shown()).await?;
        Client::new(&self.options, &self.address, &self.address.named, &bench)?.list().await
    }

    /// Does something with the folder that the options name.
    async fn with_charts<T: Send + 'static>(
        &self,
        target: &Target,
        work: impl FnOnce(&Folder) -> Result<T, SourceError> + Send + 'static,
    ) -> Result<T, SourceError> {
        self.with_folder(target, &self.options.path, work).await
    }

    /// Does something with a folder of a commit, which is there as long as that takes.
    async fn with_folder<T: Send + 'static>(
        &self,
        target: &Target,
        path: &str,
        work: impl FnOnce(&Folder) -> Result<T, SourceError> + Send + 'static,
    ) -> Result<T, SourceError> {
        let url = self.address.shown();
        let bench = self.options.workshop.begin(url).await?;
        let client = Client::new(&self.options, &self.address, &target.url, &bench)?;
        let (tree, revision) = client.check_out(&target.chosen).await?;
        Folder::visit(bench, tree, path.to_owned(), revision, work).await
    }
}

fn is_list(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(LIST_TYPE.as_bytes()))
}
