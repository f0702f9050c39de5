//! Charts in OCI registries (`pkg/registry`, the distribution specification).
//!
//! There are crates for registries (`oci-client`), but what would be left of them is little: the exchanges go over the
//! one [`Transport`] of all sources, with its limits, its rules for credentials and redirects and an error for each
//! cause, and of the specification charts need only the four requests of [`registry`], with what a registry asks for
//! before it answers in [`authorization`].
//!
//! A repository of charts is either one repository of the registry, whose tags are the versions of one chart, or a path
//! above several, which the ChartRepo or the registry names. [`listing`] makes an index of either. Versions are known
//! by their tags alone; the manifest and the metadata of the [`DESCRIBED`] newest of each chart are read too, once for
//! each digest, and at each refresh it is asked whether their tags have moved. An older version is looked at when it is
//! used, and then at each refresh too.

mod attached;
mod authorization;
mod listing;
mod manifest;
mod reference;
mod registry;

use std::sync::Arc;
use std::time::Duration;

use regex::Regex;

pub use self::authorization::docker_credentials;
use self::listing::Listing;
use self::manifest::Manifest;
use self::reference::{Reference, is_tag, tag_of};
use self::registry::Registry;
use super::access::{Credentials, Tls};
use super::index::Entry;
use super::reach::Reach;
use super::repository::{Fetched, Validators};
use super::signatures::Trust;
use super::signatures::gate::Gate;
use super::transport::Transport;
use super::{Digest, SourceError};
use crate::chart::version::{Constraint, Version};

/// Of how many versions of a chart, the newest, the metadata is read and the tag looked at again.
pub const DESCRIBED: usize = 30;
/// Manifests of an index that are looked at for a chart.
const CANDIDATES: usize = 5;

/// How charts in a registry are reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// `oci://HOST/PATH`: one chart, or a path above several.
    pub url: String,
    /// The charts below the path; where there are none, the registry is asked.
    pub charts: Vec<String>,
    /// A pattern that tags must match to be versions.
    pub tag_filter: Option<String>,
    /// For the registry, or for the server of its tokens.
    pub credentials: Option<Credentials>,
    /// Whom to trust.
    pub tls: Tls,
    /// Which addresses are asked, those of tokens and redirects too.
    pub reach: Reach,
    /// Speak HTTP.
    pub plain_http: bool,
    /// For one request, the whole answer included.
    pub timeout: Duration,
    /// The most bytes of an archive.
    pub archive_limit: u64,
    /// Who must have signed the charts.
    pub trust: Option<Trust>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            url: String::new(),
            charts: Vec::new(),
            tag_filter: None,
            credentials: None,
            tls: Tls::default(),
            reach: Reach::default(),
            plain_http: false,
            timeout: Duration::from_secs(60),
            archive_limit: 64 << 20,
            trust: None,
        }
    }
}

/// Charts in a registry; a handle that is cheap to clone.
#[derive(Clone, Debug)]
pub struct Repository {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    place: Reference,
    charts: Vec<String>,
    tag_filter: Option<Regex>,
    plain_http: bool,
    registry: Registry,
    listing: Listing,
    archive_limit: u64,
    /// Who must have signed the charts, and which are known to be signed.
    guard: Option<(Trust, Gate)>,
}

/// A manifest of a chart.
struct ChartManifest {
    digest: Digest,
    archive: Digest,
    config: Option<Digest>,
    provenance: Option<Digest>,
    created: Option<String>,
}

impl Repository {
    /// Prepares a repository; nothing is sent.
    ///
    /// # Errors
    /// [`SourceError::InvalidReference`], [`SourceError::InvalidTagFilter`] and [`SourceError::InvalidCertificate`].
    pub fn new(options: Options) -> Result<Self, SourceError> {
        let Options { url, charts, tag_filter, credentials, tls, reach, plain_http, timeout, archive_limit, trust } =
            options;
        let place = Reference::parse(&url, plain_http)?;
        let compile = |pattern: String| {
            let compiled = regex::RegexBuilder::new(&pattern).size_limit(1 << 20).build();
            compiled.map_err(|error| {
                let reason = error.to_string().lines().last().unwrap_or_default().trim().to_owned();
                SourceError::InvalidTagFilter { pattern, reason }
            })
        };
        let tag_filter = tag_filter.map(compile).transpose()?;
        let registry = Registry::new(place.base.clone(), credentials, Transport::new(&tls, reach, timeout)?);
        let listing = Listing::default();
        let guard = trust.map(|trust| (trust, Gate::default()));
        let inner = Inner { place, charts, tag_filter, plain_http, registry, listing, archive_limit, guard };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The same for clones of one repository, different for any two that live at the same time.
    pub(super) fn identity(&self) -> usize {
        Arc::as_ptr(&self.inner) as usize
    }

    /// Which charts are known to be signed, where they must be.
    pub(super) fn gate(&self) -> Option<&Gate> {
        self.inner.guard.as_ref().map(|(_, gate)| gate)
    }

    /// The address for messages.
    pub fn shown(&self) -> String {
        self.inner.place.shown(&self.inner.place.path)
    }

    /// The reference of a version for messages.
    pub fn shown_archive(&self, named: &str) -> String {
        named.to_owned()
    }

    /// Lists the charts and their versions, unless they are those that `known` tells of.
    ///
    /// # Errors
    /// [`SourceError`], one kind for each cause.
    pub async fn fetch_index(&self, known: &Validators) -> Result<Fetched, SourceError> {
        self.inner.list(known).await
    }

    /// Downloads the archive of a version that the index names; its digest is verified.
    ///
    /// # Errors
    /// [`SourceError`], one kind for each cause.
    pub async fn download(&self, named: &str, digest: Option<Digest>) -> Result<Vec<u8>, SourceError> {
        let inner = &self.inner;
        let reference = Reference::parse(named, inner.plain_http)?;
        let archive = match digest {
            Some(digest) => digest,
            None => {
                let manifest = inner.chart(&reference.path, &reference.wanted()).await?;
                inner.listing.note_use(&reference.path, reference.tag.as_deref());
                manifest.archive
            }
        };
        inner.registry.blob(&reference.path, archive, inner.archive_limit).await.map_err(|error| match error {
            SourceError::NotFound { url } => SourceError::ArchiveNotFound { url },
            error => error,
        })
    }

    /// Finds a version of the one chart that the address names: a digest, an exact version, whose tag is taken as it
    /// is (`pkg/registry/client.go`), a range of which the newest version is taken, or for an empty text the newest
    /// that is no pre-release. A tag or digest in the address itself comes first.
    ///
    /// # Errors
    /// [`SourceError`], one kind for each cause.
    pub async fn find(&self, wanted: &str) -> Result<Entry, SourceError> {
        let place = &self.inner.place;
        let digest = Digest::parse(wanted).filter(|_| wanted.starts_with("sha256:"));
        let pinned = place.digest.or(digest);
        let wanted = if digest.is_some() { "" } else { wanted };
        let tag = match (&place.tag, pinned) {
            (Some(tag), _) => Some(tag.clone()),
            (None, Some(_)) if wanted.is_empty() => None,
            (None, _) => Some(self.inner.tag_for(wanted).await?),
        };
        let of = tag.clone().or(pinned.map(|digest| format!("sha256:{digest}"))).unwrap_or_default();
        let ChartManifest { digest, archive, .. } = self.inner.chart(&place.path, &of).await?;
        if let Some(expected) = pinned.filter(|expected| *expected != digest) {
            let url = place.of(&place.path, &of, None);
            return Err(SourceError::NotThePinned { url, expected: expected.to_string(), actual: digest.to_string() });
        }
        let url = match &tag {
            Some(tag) => place.of(&place.path, tag, Some(digest)),
            None => format!("{}@sha256:{digest}", place.shown(&place.path)),
        };
        Ok(Entry::new(&tag.unwrap_or_default().replace('_', "+"), &url, Some(archive)))
    }
}

/// The digest of the manifest that an entry of an index names, where it is one of a registry.
pub fn manifest_digest(url: &str) -> Option<&str> {
    url.strip_prefix("oci://")?.rsplit_once('@').map(|(_, digest)| digest)
}

impl Inner {
    /// The tag of a version, or the newest one of a range.
    async fn tag_for(&self, wanted: &str) -> Result<String, SourceError> {
        if !wanted.is_empty() && Version::parse(wanted).is_ok() {
            return Ok(tag_of(wanted));
        }
        let path = &self.place.path;
        let missing = || SourceError::TagNotFound { repository: self.place.shown(path), wanted: wanted.to_owned() };
        let range = if wanted.is_empty() { "*" } else { wanted };
        let Ok(constraint) = Constraint::parse(range) else {
            // Not a range: then it is a tag that is no version, for example `latest`.
            return if is_tag(wanted) { Ok(wanted.to_owned()) } else { Err(missing()) };
        };
        let versions = listing::versions(self.registry.tags(path).await?, self.tag_filter.as_ref());
        let satisfies = |known: &&listing::Known| constraint.check(&known.order);
        versions.iter().find(satisfies).map(|known| known.tag.clone()).ok_or_else(missing)
    }

    /// The manifest of a tag or digest, which must be a chart's.
    async fn chart(&self, path: &str, of: &str) -> Result<ChartManifest, SourceError> {
        let not_found = |error| match error {
            SourceError::NotFound { .. } => {
                SourceError::TagNotFound { repository: self.place.shown(path), wanted: of.to_owned() }
            }
            error => error,
        };
        let (digest, mut manifest) = self.registry.manifest(path, of).await.map_err(not_found)?;
        if let Manifest::Index(candidates) = manifest {
            manifest = self.chart_of_index(path, &candidates).await?;
        }
        match manifest {
            Manifest::Chart { archive, config, provenance, created } => {
                Ok(ChartManifest { digest, archive, config, provenance, created })
            }
            Manifest::Index(_) => Err(self.not_a_chart(path, of, "an index".to_owned())),
            Manifest::Other(found) => Err(self.not_a_chart(path, of, found)),
        }
    }

    /// The first manifest of an index that is a chart's.
    async fn chart_of_index(&self, path: &str, candidates: &[Digest]) -> Result<Manifest, SourceError> {
        for candidate in candidates.iter().take(CANDIDATES) {
            let (_, manifest) = self.registry.manifest(path, &format!("sha256:{candidate}")).await?;
            if matches!(manifest, Manifest::Chart { .. }) {
                return Ok(manifest);
            }
        }
        Ok(Manifest::Other("an index without a chart".to_owned()))
    }

    fn not_a_chart(&self, path: &str, of: &str, found: String) -> SourceError {
        SourceError::NotAChart { url: format!("{}:{of}", self.place.shown(path)), found }
    }
}

#[cfg(test)]
mod tests;
