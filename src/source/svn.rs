//! Charts in Subversion repositories, over HTTP and `svn://`.
//!
//! As with Git ([`super::git`]) a refresh asks for the newest revision only; a new one is exported by the svn program
//! ([`client`]) on a bench of the [`Workshop`] and its charts are packed. What identifies a state is the last revision
//! that changed the folder, so that a commit elsewhere in a large repository is no news here.
//!
//! ```text
//! knock ─ find ─ export ─ folders ─ archives ─ index
//! who     last   state             pack       versions with the revision
//! answers change
//! ```

mod client;
mod failure;
mod settings;

use std::sync::Arc;
use std::time::Duration;

use reqwest::{Method, StatusCode, Url};

use self::client::Client;
use super::access::{Credentials, Tls};
use super::folder::{Folder, Found};
use super::reach::Reach;
use super::repository::{Fetched, Validators};
use super::revision::{self, Revision};
use super::transport::{Request, Transport};
use super::workshop::Workshop;
use super::{Digest, SourceError, address, dependencies};

/// The most bytes of an answer to the question who is there.
const ANSWER: u64 = 64 << 10;

/// How a repository is reached, and what of it is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Its address; may carry credentials.
    pub url: String,
    /// The number of a revision; the newest where there is none.
    pub revision: Option<String>,
    /// The folder below the address: one chart, or a folder above charts.
    pub path: String,
    /// The namespace that it is read for, whose repositories have what charts depend on.
    pub namespace: String,
    /// A user and password; those in the URL where none are given.
    pub credentials: Option<Credentials>,
    /// Whom to trust over HTTP.
    pub tls: Tls,
    /// Which addresses are asked.
    pub reach: Reach,
    /// Where it is exported.
    pub workshop: Workshop,
    /// For the question which revision there is.
    pub timeout: Duration,
}

impl Options {
    /// The newest revision of a repository, with all charts in it, as nobody.
    pub fn new(url: impl Into<String>, workshop: Workshop) -> Self {
        Self {
            url: url.into(),
            revision: None,
            path: String::new(),
            namespace: String::new(),
            credentials: None,
            tls: Tls::default(),
            reach: Reach::default(),
            workshop,
            timeout: Duration::from_secs(60),
        }
    }
}

/// Charts in a Subversion repository; a handle that is cheap to clone.
#[derive(Clone, Debug)]
pub struct Repository {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    options: Options,
    /// The folder, without credentials.
    url: Url,
    /// The number of a revision, or `HEAD`.
    wanted: String,
    credentials: Option<Login>,
    transport: Transport,
}

/// Who we are.
struct Login {
    username: String,
    password: String,
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Login(..)")
    }
}

/// A state of the folder.
struct Target {
    /// Where the address leads to.
    url: Url,
    /// The revision in which it is looked for. A folder that was copied is in no earlier one, though what is in it was
    /// last changed before.
    peg: String,
    revision: Revision,
}

impl Repository {
    /// Prepares a repository; nothing is sent.
    ///
    /// # Errors
    /// [`SourceError::InvalidSvnUrl`], [`SourceError::ReferenceNotFound`] for what is no number of a revision, and
    /// [`SourceError::InvalidCertificate`].
    pub fn new(options: Options) -> Result<Self, SourceError> {
        let (url, of_url) = parse(&options.url, &options.path)?;
        let credentials = login(options.credentials.clone().or(of_url))?;
        if options.tls.identity.is_some() {
            return Err(unusable(
                "tls.crt of the Secret",
                "Subversion repositories are read without client certificates",
            ));
        }
        let wanted = number(options.revision.as_deref()).ok_or_else(|| SourceError::ReferenceNotFound {
            url: url.to_string(),
            wanted: format!("revision {:?}, which is no number", options.revision.as_deref().unwrap_or_default()),
        })?;
        let transport = Transport::new(&options.tls, options.reach, options.timeout)?;
        Ok(Self { inner: Arc::new(Inner { options, url, wanted, credentials, transport }) })
    }

    /// The same for clones of one repository, different for any two that live at the same time.
    pub(super) fn identity(&self) -> usize {
        Arc::as_ptr(&self.inner) as usize
    }

    /// The address for messages, without credentials.
    pub fn shown(&self) -> String {
        self.inner.url.to_string()
    }

    /// Lists the charts of the wanted revision, unless it is the one that `known` tells of.
    ///
    /// # Errors
    /// [`SourceError`], one kind for each cause.
    pub async fn fetch_index(&self, known: &Validators) -> Result<Fetched, SourceError> {
        let inner = &self.inner;
        let target = inner.find().await?;
        if known.commit.as_ref() == Some(&target.revision.id) {
            return Ok(Fetched::Unchanged);
        }
        let validators = Validators::of_commit(&target.revision.id);
        let store = inner.options.workshop.charts().clone();
        let (document, index) = inner.with_folder(target, "", move |folder| folder.index(&store)).await?;
        Ok(Fetched::Index { document, index, validators })
    }

    /// Packs a chart that the index names, of the revision that it names, and verifies its digest.
    ///
    /// # Errors
    /// [`SourceError`], one kind for each cause.
    pub async fn download(&self, named: &str, digest: Option<Digest>) -> Result<Vec<u8>, SourceError> {
        let inner = &self.inner;
        let (id, path) = revision::parse(named).ok_or_else(|| invalid(named, "it names no revision"))?;
        let mut target = inner.find().await?;
        if target.revision.id != id {
            target.peg = id.trim_start_matches('r').to_owned();
            target.revision.id = id.to_owned();
        }
        let found = inner.with_folder(target, path, Folder::only).await?;
        let Options { namespace, workshop, .. } = &inner.options;
        let Found { archive, .. } = dependencies::complete(found, namespace, workshop).await?;
        Digest::verified(digest, archive, named)
    }
}

impl Inner {
    /// Asks for the last revision that changed the folder, up to the wanted one.
    async fn find(&self) -> Result<Target, SourceError> {
        let url = match self.url.scheme() {
            "svn" => {
                self.options.reach.check(&self.url, self.url.as_str()).await?;
                self.url.clone()
            }
            _ => self.knock().await?,
        };
        let bench = self.options.workshop.begin(self.url.as_str()).await?;
        Client::new(self, &bench)?.find(url).await
    }

    /// Where the address leads to. Why one cannot be reached is known better to our own client, which is nobody here: the
    /// program says who we are where a server wants to know.
    async fn knock(&self) -> Result<Url, SourceError> {
        let request = Request { method: Method::OPTIONS, ..Request::get(self.url.clone(), ANSWER) };
        let answer = self.transport.exchange(&request).await?;
        let is_same = address::same_origin(&answer.url, &self.url);
        let url = answer.url.clone();
        if !(answer.status == StatusCode::UNAUTHORIZED && self.credentials.is_some()) {
            let answer = answer.checked()?;
            let mut extensions = answer.headers.get_all("DAV").iter().filter_map(|value| value.to_str().ok());
            if !extensions.any(|extension| extension.contains("/dav/svn/")) {
                let reason = "the server does not answer as Subversion's servers do".to_owned();
                return Err(SourceError::NotARepository { url: address::shown(&url), kind: "Subversion", reason });
            }
        }
        if is_same {
            Ok(url)
        } else {
            Err(invalid(self.url.as_str(), "it redirects to another host: write that address"))
        }
    }

    /// Does something with a folder below the one that is wanted, which is there as long as that takes.
    async fn with_folder<T: Send + 'static>(
        &self,
        target: Target,
        path: &str,
        work: impl FnOnce(&Folder) -> Result<T, SourceError> + Send + 'static,
    ) -> Result<T, SourceError> {
        let bench = self.options.workshop.begin(self.url.as_str()).await?;
        let tree = Client::new(self, &bench)?.export(&target).await?;
        Folder::visit(bench, tree, path.to_owned(), target.revision, work).await
    }
}

/// Reads an address, takes the credentials out of it and adds the path.
fn parse(text: &str, path: &str) -> Result<(Url, Option<Credentials>), SourceError> {
    let parsed = Url::parse(text.trim()).map_err(|error| invalid(text, &error.to_string()))?;
    let (mut url, credentials) = address::without_credentials(parsed);
    if !matches!(url.scheme(), "https" | "http" | "svn") {
        return Err(invalid(text, &format!("scheme {:?} is not https, http or svn", url.scheme())));
    }
    if url.host_str().is_none_or(|host| host.is_empty() || host.starts_with('-')) {
        return Err(invalid(text, "it has no host"));
    }
    if url.query().is_some() {
        return Err(invalid(text, "it has a query"));
    }
    let folders: Vec<&str> = path.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    if folders.contains(&"..") {
        return Err(SourceError::NoChart {
            url: url.to_string(),
            path: path.to_owned(),
            revision: "any revision, as it leads out of it".to_owned(),
        });
    }
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().extend(folders);
    }
    Ok((url, credentials))
}

/// The number of a revision, also as `r1500`; `HEAD` where the newest is wanted.
fn number(revision: Option<&str>) -> Option<String> {
    let text = revision.unwrap_or_default().trim();
    if text.is_empty() || text.eq_ignore_ascii_case("HEAD") {
        return Some("HEAD".to_owned());
    }
    let digits = text.strip_prefix('r').unwrap_or(text);
    (!digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())).then(|| digits.to_owned())
}

fn login(credentials: Option<Credentials>) -> Result<Option<Login>, SourceError> {
    match credentials {
        None => Ok(None),
        Some(Credentials::Basic { username, password }) => Ok(Some(Login { username, password })),
        Some(Credentials::Token(_)) => {
            Err(unusable("token of the Secret", "Subversion knows users by username and password only"))
        }
    }
}

fn invalid(url: &str, reason: &str) -> SourceError {
    SourceError::InvalidSvnUrl { url: address::displayable(url), reason: reason.to_owned() }
}

fn unusable(field: &'static str, reason: &str) -> SourceError {
    SourceError::InvalidCertificate { field, reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Identity;
    use crate::source::workshop::tests::workshop;

    fn parsed(text: &str, path: &str) -> Result<String, String> {
        parse(text, path).map(|(url, _)| url.to_string()).map_err(|error| error.to_string())
    }

    #[test]
    fn an_address_is_one_of_subversion_with_the_path_below_it() {
        for (text, path, expected) in [
            ("https://x.org/charts/trunk", "", "https://x.org/charts/trunk"),
            ("svn://x.org/charts/", "/a b/./c@d/", "svn://x.org/charts/a%20b/c@d"),
            ("svn://ann:s3cret@x.org:3691/charts", "", "svn://x.org:3691/charts"),
        ] {
            assert_eq!(parsed(text, path).as_deref(), Ok(expected));
        }
        for (text, path, expected) in [
            ("file:///etc", "", "\"file\""),
            ("svn+ssh://ann:s3cret@x.org/charts", "", "\"svn+ssh\""),
            ("svn://-x/charts", "", "no host"),
            ("https://x.org/charts?token=s3cret", "", "query"),
            ("charts", "", "svn://"),
            ("svn://x.org/charts", "a/../../b", "source.path"),
        ] {
            let error = parsed(text, path).expect_err(text);
            assert!(error.contains(expected) && !error.contains("s3cret"), "{error}");
        }
    }

    #[test]
    fn a_revision_is_a_number_or_the_newest() {
        for (text, expected) in [
            (None, Some("HEAD")),
            (Some("head"), Some("HEAD")),
            (Some("r17"), Some("17")),
            (Some("17"), Some("17")),
            (Some("r"), None),
            (Some("trunk"), None),
            (Some("-1"), None),
        ] {
            assert_eq!(number(text).as_deref(), expected, "{text:?}");
        }
    }

    #[test]
    fn what_subversion_does_not_know_is_refused() -> anyhow::Result<()> {
        let options = Options::new("https://x.org/charts", workshop("svn")?);
        let identity = Identity { certificate: "x".to_owned(), key: "s3cret".to_owned() };
        for (options, expected) in [
            (Options { credentials: Some(Credentials::Token("s3cret".to_owned())), ..options.clone() }, "username"),
            (Options { tls: Tls { identity: Some(identity), ..Tls::default() }, ..options.clone() }, "tls.crt"),
            (Options { revision: Some("trunk".to_owned()), ..options.clone() }, "source.ref"),
        ] {
            let error = Repository::new(options).expect_err(expected).to_string();
            assert!(error.contains(expected) && !error.contains("s3cret"), "{error}");
        }
        Ok(())
    }
}
