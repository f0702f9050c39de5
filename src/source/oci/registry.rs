//! The interface of a registry (the distribution specification): tags, manifests, blobs, the catalog, and Harbor's own
//! list of what a project has.
//!
//! Who we are is told only when the registry asks for it, and in the way that it asks for: user and password to the
//! registry itself, or to the server that it names for tokens, as Docker's client does. Tokens are kept for each scope
//! until they expire. A token that we were given goes to the registry as it is.

use std::collections::HashMap;
use std::time::Instant;

use reqwest::header::{ACCEPT, HeaderMap, HeaderName, HeaderValue, LINK};
use reqwest::{Method, Url};
use serde::Deserialize;
use tokio::sync::Mutex;

use super::authorization::{self, Challenge};
use super::manifest::{ACCEPTED, INDEX, Manifest};
use super::reference::Reference;
use crate::source::transport::{Answer, Request, Transport};
use crate::source::{Credentials, Digest, SourceError, address};

/// The most bytes of a manifest or a chart's metadata; registries have the same limit for manifests.
const MANIFEST_LIMIT: u64 = 4 << 20;
/// The most bytes of a page of tags or repositories.
const PAGE_LIMIT: u64 = 16 << 20;
/// The most pages that are followed.
const PAGES: usize = 200;
/// The most bytes of a token server's answer.
const TOKEN_LIMIT: u64 = 1 << 20;
const CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");

/// A registry.
#[derive(Debug)]
pub(super) struct Registry {
    base: Url,
    credentials: Option<Credentials>,
    transport: Transport,
    /// What is sent for each scope.
    granted: Mutex<HashMap<String, Granted>>,
}

#[derive(Clone, Debug)]
struct Granted {
    header: HeaderValue,
    /// Nothing where it does not expire.
    until: Option<Instant>,
}

#[derive(Deserialize)]
struct Tags {
    tags: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Catalog {
    repositories: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct HarborRepository {
    name: String,
}

impl Registry {
    pub(super) fn new(base: Url, credentials: Option<Credentials>, transport: Transport) -> Self {
        Self { base, credentials, transport, granted: Mutex::default() }
    }

    /// All tags of a repository.
    pub(super) async fn tags(&self, path: &str) -> Result<Vec<String>, SourceError> {
        let first = self.url(&format!("v2/{path}/tags/list"))?;
        self.pages(first, &pull(path), |page: Tags| page.tags.unwrap_or_default()).await
    }

    /// All repositories, where the registry tells them.
    pub(super) async fn catalog(&self) -> Result<Vec<String>, SourceError> {
        let first = self.url("v2/_catalog?n=1000")?;
        self.pages(first, "registry:catalog:*", |page: Catalog| page.repositories.unwrap_or_default()).await
    }

    /// All repositories of a project of Harbor, which tells its catalog only to administrators.
    pub(super) async fn project(&self, project: &str) -> Result<Vec<String>, SourceError> {
        let first = self.url(&format!("api/v2.0/projects/{project}/repositories?page_size=100"))?;
        let names = |page: Vec<HarborRepository>| page.into_iter().map(|repository| repository.name).collect();
        self.pages(first, "", names).await
    }

    /// The manifest of a tag or digest, and its digest; it must have the digest that was asked for.
    pub(super) async fn manifest(&self, path: &str, of: &str) -> Result<(Digest, Manifest), SourceError> {
        let body = self.document(path, of).await?;
        let shown = || format!("{}v2/{path}/manifests/{of}", address::shown(&self.base));
        let unreadable = |reason| SourceError::NotARegistry { url: shown(), reason };
        Ok((Digest::of(&body), Manifest::parse(&body).map_err(unreadable)?))
    }

    /// The bytes of the manifest of a tag or digest; they must have the digest that was asked for.
    pub(super) async fn document(&self, path: &str, of: &str) -> Result<Vec<u8>, SourceError> {
        let url = self.url(&format!("v2/{path}/manifests/{of}"))?;
        let request = Request { headers: accepting(ACCEPTED), ..Request::get(url, MANIFEST_LIMIT) };
        let answer = self.ask(request, &pull(path)).await?;
        let (shown, told) = (address::shown(&answer.url), told_digest(&answer));
        let body = answer.body.unwrap_or_default();
        Digest::verified(Digest::parse(of).or(told), body, &shown)
    }

    /// The list of what refers to a manifest, where the registry keeps one.
    pub(super) async fn referrers(&self, path: &str, manifest: Digest) -> Result<Vec<u8>, SourceError> {
        let url = self.url(&format!("v2/{path}/referrers/sha256:{manifest}"))?;
        let request = Request { headers: accepting(INDEX), ..Request::get(url, MANIFEST_LIMIT) };
        Ok(self.ask(request, &pull(path)).await?.body.unwrap_or_default())
    }

    /// The digest of a tag's manifest, without reading it where the registry tells it.
    pub(super) async fn digest(&self, path: &str, tag: &str) -> Result<Digest, SourceError> {
        let url = self.url(&format!("v2/{path}/manifests/{tag}"))?;
        let headers = accepting(ACCEPTED);
        let request = Request { method: Method::HEAD, headers, ..Request::get(url, MANIFEST_LIMIT) };
        match told_digest(&self.ask(request, &pull(path)).await?) {
            Some(digest) => Ok(digest),
            None => Ok(self.manifest(path, tag).await?.0),
        }
    }

    /// A blob, verified.
    pub(super) async fn blob(&self, path: &str, digest: Digest, limit: u64) -> Result<Vec<u8>, SourceError> {
        let url = self.url(&format!("v2/{path}/blobs/sha256:{digest}"))?;
        let answer = self.ask(Request::get(url, limit), &pull(path)).await?;
        Digest::verified(Some(digest), answer.body.unwrap_or_default(), &address::shown(&answer.url))
    }

    /// A chart's metadata.
    pub(super) async fn config(&self, path: &str, digest: Digest) -> Result<Vec<u8>, SourceError> {
        self.blob(path, digest, MANIFEST_LIMIT).await
    }

    fn url(&self, path: &str) -> Result<Url, SourceError> {
        let invalid = |reason: String| SourceError::InvalidReference { url: address::shown(&self.base), reason };
        self.base.join(path).map_err(|error| invalid(error.to_string()))
    }

    /// Reads a list page by page, as far as the answers link to the next one.
    async fn pages<T: for<'a> Deserialize<'a>>(
        &self,
        first: Url,
        scope: &str,
        names: impl Fn(T) -> Vec<String>,
    ) -> Result<Vec<String>, SourceError> {
        let (mut all, mut url) = (Vec::new(), first.clone());
        for _ in 0..PAGES {
            let answer = self.ask(Request::get(url, PAGE_LIMIT), scope).await?;
            let body = answer.body.as_deref().unwrap_or_default();
            let page = serde_json::from_slice(body).map_err(|error| SourceError::NotARegistry {
                url: address::shown(&answer.url),
                reason: format!("its answer is not the JSON of a list (line {})", error.line()),
            })?;
            all.extend(names(page));
            match next_page(&answer) {
                Some(next) if address::same_origin(&next, &first) => url = next,
                _ => return Ok(all),
            }
        }
        Err(SourceError::TooLarge { url: address::shown(&first), limit: PAGE_LIMIT })
    }

    /// Sends a request, and once more with what the registry asks for.
    async fn ask(&self, request: Request, scope: &str) -> Result<Answer, SourceError> {
        let known = self.known(scope).await;
        let request = Request { authorization: known.clone(), ..request };
        let answer = self.transport.exchange(&request).await?;
        if answer.status.as_u16() != 401 {
            return answer.checked();
        }
        let refused = |url: &Url| SourceError::Unauthorized {
            url: address::shown(url),
            with_credentials: self.credentials.is_some(),
        };
        let Some(challenge) = Challenge::of(&answer.headers) else { return Err(refused(&answer.url)) };
        let Some(header) = self.authorize(&challenge, scope, known.as_ref()).await? else {
            return Err(refused(&answer.url));
        };
        let answer = self.transport.exchange(&Request { authorization: Some(header), ..request }).await?;
        if answer.status.as_u16() == 401 { Err(refused(&answer.url)) } else { answer.checked() }
    }

    /// What was granted for a scope and is still good.
    async fn known(&self, scope: &str) -> Option<HeaderValue> {
        self.granted.lock().await.get(scope).filter(|granted| granted.is_good()).map(|granted| granted.header.clone())
    }

    /// What a challenge asks for; nothing where we have it not. Others who need the same wait and get it too.
    async fn authorize(
        &self,
        challenge: &Challenge,
        scope: &str,
        refused: Option<&HeaderValue>,
    ) -> Result<Option<HeaderValue>, SourceError> {
        let mut granted = self.granted.lock().await;
        if let Some(other) = granted.get(scope).filter(|other| other.is_good() && Some(&other.header) != refused) {
            return Ok(Some(other.header.clone()));
        }
        let fresh = match (challenge, &self.credentials) {
            // A token of ours is for the registry itself, whatever it asks for.
            (_, Some(ours @ Credentials::Token(_))) | (Challenge::Basic, Some(ours)) => {
                Granted { header: ours.header(), until: None }
            }
            (Challenge::Basic, None) => return Ok(None),
            (Challenge::Bearer { realm, service, scope: asked }, _) => {
                let asked = asked.as_deref().unwrap_or(scope);
                self.token(authorization::token_url(&self.base, realm, service.as_deref(), asked)?).await?
            }
        };
        if Some(&fresh.header) == refused {
            return Ok(None);
        }
        granted.retain(|_, other| other.is_good());
        granted.insert(scope.to_owned(), fresh.clone());
        Ok(Some(fresh.header))
    }

    async fn token(&self, url: Url) -> Result<Granted, SourceError> {
        let shown = address::shown(&url);
        let authorization = self.credentials.as_ref().map(Credentials::header);
        let request = Request { authorization, ..Request::get(url, TOKEN_LIMIT) };
        let answer = self.transport.get(&request).await?;
        let token = authorization::token(answer.body.as_deref().unwrap_or_default());
        let reason = || "it answered with no token".to_owned();
        let (header, life) = token.ok_or_else(|| SourceError::NotARegistry { url: shown, reason: reason() })?;
        Ok(Granted { header, until: Some(Instant::now() + life) })
    }
}

impl Granted {
    fn is_good(&self) -> bool {
        self.until.is_none_or(|until| Instant::now() < until)
    }
}

/// The repositories that a reference covers: those below its path.
pub(super) fn below<'a>(reference: &Reference, names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let inside = |name: &&str| {
        let rest = if reference.path.is_empty() { Some(*name) } else { name.strip_prefix(reference.path.as_str()) };
        rest.is_some_and(|rest| reference.path.is_empty() || rest.starts_with('/'))
    };
    names.filter(inside).map(str::to_owned).collect()
}

fn pull(path: &str) -> String {
    format!("repository:{path}:pull")
}

fn accepting(types: &'static str) -> HeaderMap {
    HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(types))])
}

fn told_digest(answer: &Answer) -> Option<Digest> {
    Digest::parse(answer.headers.get(CONTENT_DIGEST)?.to_str().ok()?.strip_prefix("sha256:")?)
}

/// Where the next page is: `Link: </v2/…>; rel="next"`.
fn next_page(answer: &Answer) -> Option<Url> {
    let link = answer.headers.get_all(LINK).iter().filter_map(|link| link.to_str().ok());
    let next = link
        .flat_map(|link| link.split(','))
        .find(|link| link.contains("rel=\"next\"") || link.contains("rel=next"))?;
    let target = next.trim().strip_prefix('<')?.split_once('>')?.0;
    answer.url.join(target).ok()
}
