//! The index of a registry: which repositories are charts, and which of their tags are versions.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write;
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures::{StreamExt, TryStreamExt};
use regex::Regex;

use super::reference::version_of;
use super::registry::below;
use super::{ChartManifest, DESCRIBED, Inner};
use crate::chart::version::Version;
use crate::source::{Digest, Document, Fetched, SourceError, Validators};
use crate::value::Json;

/// Repositories that are looked at at the same time.
const REPOSITORIES: usize = 2;
/// Manifests that are remembered at most without being versions of a chart.
const REMEMBERED: usize = 20_000;
/// Tags of each that are looked at at the same time.
const TAGS: usize = 8;

/// What is remembered from one listing to the next.
#[derive(Debug, Default)]
pub(super) struct Listing {
    memory: Mutex<Memory>,
}

#[derive(Debug, Default)]
struct Memory {
    /// What was read of manifests.
    described: HashMap<Digest, Described>,
    /// Repositories and tags that were used without being among the newest.
    used: HashSet<(String, String)>,
}

/// What a manifest says.
#[derive(Clone, Debug)]
enum Described {
    Chart { archive: Digest, metadata: Json },
    Other { found: String },
}

/// A tag that is a version.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) order: Version,
    pub(super) tag: String,
}

/// A repository of the registry that may be a chart.
struct Candidate {
    /// The chart's name in the index.
    name: String,
    path: String,
    /// Somebody says that it is a chart; else the registry only says that it exists.
    is_named: bool,
    /// Its tags, where they were asked for already.
    tags: Option<Vec<String>>,
}

/// A version of a chart: its tag and, where it was looked at, what the tag means.
struct Looked {
    tag: String,
    manifest: Option<(Digest, Described)>,
}

impl Listing {
    /// Notes that a version was used, so that it is looked at from now on.
    pub(super) fn note_use(&self, path: &str, tag: Option<&str>) {
        if let Some(tag) = tag {
            self.memory().used.insert((path.to_owned(), tag.to_owned()));
        }
    }

    /// The tags of a repository that were used.
    fn used(&self, path: &str) -> HashSet<String> {
        self.memory().used.iter().filter(|(other, _)| other == path).map(|(_, tag)| tag.clone()).collect()
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    pub(super) async fn list(&self, known: &Validators) -> Result<Fetched, SourceError> {
        if self.place.digest.is_some() {
            let reason = "versions are listed, so pin the digest in the version of a HelmRequest".to_owned();
            return Err(SourceError::InvalidReference { url: self.place.shown(&self.place.path), reason });
        }
        let candidates = self.candidates().await?;
        let looked = futures::stream::iter(candidates).map(|candidate| async move {
            let versions = self.look(&candidate).await?;
            Ok::<_, SourceError>((candidate, versions))
        });
        let mut looked: Vec<_> = looked.buffer_unordered(REPOSITORIES).try_collect().await?;
        looked.sort_by(|(left, _), (right, _)| left.name.cmp(&right.name));
        self.forget_but(looked.iter().flat_map(|(_, versions)| versions));
        let revision = revision(&looked);
        if known.digest == Some(revision) {
            return Ok(Fetched::Unchanged);
        }
        let charts =
            looked.iter().map(|(candidate, versions)| (candidate.name.clone(), self.entries(candidate, versions)));
        let (document, index) = Document::of(charts.filter(|(_, entries)| !entries.is_empty()).collect())
            .map_err(|reason| SourceError::NotARegistry { url: self.place.shown(&self.place.path), reason })?;
        Ok(Fetched::Index { document, index, validators: Validators::of_digest(revision) })
    }

    /// The repositories that may be charts: those that are named, the one at the address, or those below it.
    async fn candidates(&self) -> Result<Vec<Candidate>, SourceError> {
        let path = &self.place.path;
        if !self.charts.is_empty() {
            let named = self.charts.iter().map(|chart| chart.trim_matches('/')).filter(|chart| !chart.is_empty());
            return Ok(named.map(|chart| Candidate::below(path, chart, true)).collect());
        }
        let refusal = match path.is_empty() {
            true => None,
            false => match self.registry.tags(path).await {
                Ok(tags) if !tags.is_empty() => {
                    let name = path.rsplit('/').next().unwrap_or(path).to_owned();
                    return Ok(vec![Candidate { name, path: path.clone(), is_named: true, tags: Some(tags) }]);
                }
                Ok(_) | Err(SourceError::NotFound { .. } | SourceError::Status { .. }) => None,
                Err(error @ (SourceError::Unauthorized { .. } | SourceError::Forbidden { .. })) => Some(error),
                Err(error) => return Err(error),
            },
        };
        let names = self.catalog().await.map_err(|error| match refusal {
            None => error,
            // Who is nobody says who he is first.
            Some(refusal @ SourceError::Unauthorized { with_credentials: false, .. }) => refusal,
            Some(refusal) => SourceError::UnlistedBelow { path: path.clone(), refusal: Box::new(refusal) },
        })?;
        let below = below(&self.place, names.iter().map(String::as_str));
        let relative = |name: &String| name[path.len()..].trim_start_matches('/').to_owned();
        Ok(below.iter().map(|name| Candidate::below(path, &relative(name), false)).collect())
    }

    /// What the registry says that it has.
    async fn catalog(&self) -> Result<Vec<String>, SourceError> {
        let unlisted = || SourceError::Unlisted { registry: self.place.host.clone() };
        let is_refusal = |error: &SourceError| {
            matches!(
                error,
                SourceError::Unauthorized { .. }
                    | SourceError::Forbidden { .. }
                    | SourceError::NotFound { .. }
                    | SourceError::Status { .. }
                    | SourceError::NotARegistry { .. }
            )
        };
        match self.registry.catalog().await {
            Err(error) if is_refusal(&error) => {}
            other => return other,
        }
        let project = self.place.path.split('/').next().filter(|project| !project.is_empty()).ok_or_else(unlisted)?;
        self.registry.project(project).await.map_err(|error| if is_refusal(&error) { unlisted() } else { error })
    }

    /// The versions of a repository, newest first.
    async fn look(&self, candidate: &Candidate) -> Result<Vec<Looked>, SourceError> {
        let path = candidate.path.as_str();
        let tags = match &candidate.tags {
            Some(tags) => tags.clone(),
            None => self.registry.tags(path).await?,
        };
        let mut known = versions(tags, self.tag_filter.as_ref());
        if let Some(only) = &self.place.tag {
            known.retain(|known| known.tag == *only);
        }
        let used = self.listing.used(path);
        let tags = known.into_iter().enumerate().map(|(place, Known { tag, .. })| {
            let is_looked_at = place < DESCRIBED || used.contains(&tag);
            (tag, is_looked_at)
        });
        let looked = futures::stream::iter(tags).map(|(tag, is_looked_at)| async move {
            let manifest = if is_looked_at { self.describe(path, &tag).await? } else { None };
            // A tag that is gone by now is no version.
            let is_gone = is_looked_at && manifest.is_none();
            Ok::<_, SourceError>((!is_gone).then_some(Looked { tag, manifest }))
        });
        let looked: Vec<Option<Looked>> = looked.buffered(TAGS).try_collect().await?;
        self.charts_of(candidate, looked.into_iter().flatten().collect())
    }

    /// Without what is no chart. Where nothing is one, that is wrong if somebody says that it is; else there are images
    /// beside charts.
    fn charts_of(&self, candidate: &Candidate, looked: Vec<Looked>) -> Result<Vec<Looked>, SourceError> {
        let other = |looked: &Looked| match &looked.manifest {
            Some((_, Described::Other { found })) => Some(found.clone()),
            _ => None,
        };
        let is_chart = |looked: &Looked| matches!(looked.manifest, Some((_, Described::Chart { .. })));
        if looked.iter().any(is_chart) {
            return Ok(looked.into_iter().filter(|looked| other(looked).is_none()).collect());
        }
        let first = looked.iter().find_map(|looked| Some((&looked.tag, other(looked)?)));
        match first.filter(|_| candidate.is_named) {
            Some((tag, found)) => Err(self.not_a_chart(&candidate.path, tag, found)),
            None => Ok(Vec::new()),
        }
    }

    /// What a tag means; nothing where there is no such tag any more. What was read before is not read again.
    async fn describe(&self, path: &str, tag: &str) -> Result<Option<(Digest, Described)>, SourceError> {
        let digest = match self.registry.digest(path, tag).await {
            Err(SourceError::NotFound { .. }) => return Ok(None),
            other => other?,
        };
        if let Some(described) = self.listing.memory().described.get(&digest) {
            return Ok(Some((digest, described.clone())));
        }
        let described = match self.chart(path, &format!("sha256:{digest}")).await {
            Err(SourceError::TagNotFound { .. }) => return Ok(None),
            Err(SourceError::NotAChart { found, .. }) => Described::Other { found },
            Err(error) => return Err(error),
            Ok(chart) => self.metadata(path, chart).await?,
        };
        self.listing.memory().described.insert(digest, described.clone());
        Ok(Some((digest, described)))
    }

    async fn metadata(&self, path: &str, chart: ChartManifest) -> Result<Described, SourceError> {
        let config = match chart.config {
            Some(config) => self.registry.config(path, config).await?,
            None => Vec::new(),
        };
        // What is no JSON describes nothing; the archive itself may still be right.
        let mut metadata = serde_json::from_slice(&config).unwrap_or_else(|_| Json::Object(serde_json::Map::new()));
        if let (Json::Object(fields), Some(created)) = (&mut metadata, chart.created) {
            fields.insert("created".into(), Json::String(created));
        }
        Ok(Described::Chart { archive: chart.archive, metadata })
    }

    fn forget_but<'a>(&self, looked: impl Iterator<Item = &'a Looked>) {
        let seen: HashSet<Digest> = looked.filter_map(|looked| Some(looked.manifest.as_ref()?.0)).collect();
        let described = &mut self.listing.memory().described;
        // What is no chart is remembered too, or images would be read at each refresh.
        let has_room = described.len() < REMEMBERED;
        let is_other = |described: &Described| matches!(described, Described::Other { .. });
        described.retain(|digest, described| seen.contains(digest) || has_room && is_other(described));
    }

    /// The entries of a chart as an index has them.
    fn entries(&self, candidate: &Candidate, versions: &[Looked]) -> Vec<Json> {
        let entry = |looked: &Looked| {
            let mut fields = match &looked.manifest {
                Some((_, Described::Chart { metadata: Json::Object(fields), .. })) => fields.clone(),
                _ => Default::default(),
            };
            let manifest = looked.manifest.as_ref().map(|(digest, _)| *digest);
            let url = self.place.of(&candidate.path, &looked.tag, manifest);
            fields.insert("version".into(), Json::String(version_of(&looked.tag)?));
            fields.insert("urls".into(), Json::Array(vec![Json::String(url)]));
            if let Some((_, Described::Chart { archive, .. })) = &looked.manifest {
                fields.insert("digest".into(), Json::String(archive.to_string()));
            }
            Some(Json::Object(fields))
        };
        versions.iter().filter_map(entry).collect()
    }
}

impl Candidate {
    fn below(path: &str, name: &str, is_named: bool) -> Self {
        let whole = if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") };
        Self { name: name.to_owned(), path: whole, is_named, tags: None }
    }
}

/// The tags that are versions and match the filter, newest first.
pub(super) fn versions(tags: Vec<String>, filter: Option<&Regex>) -> Vec<Known> {
    let matching = tags.into_iter().filter(|tag| filter.is_none_or(|filter| filter.is_match(tag)));
    let known = |tag: String| Some(Known { order: Version::parse(&version_of(&tag)?).ok()?, tag });
    let mut versions: Vec<Known> = matching.filter_map(known).collect();
    versions.sort_by(|left, right| right.order.compare(&left.order));
    versions
}

/// One digest over everything that was seen.
fn revision(looked: &[(Candidate, Vec<Looked>)]) -> Digest {
    let mut seen = BTreeMap::<&str, String>::new();
    for (candidate, versions) in looked {
        let text = seen.entry(&candidate.name).or_default();
        for Looked { tag, manifest } in versions {
            let digest = manifest.as_ref().map(|(digest, _)| digest.to_string()).unwrap_or_default();
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{tag} {digest}");
        }
    }
    let all: String = seen.into_iter().map(|(name, versions)| format!("{name}\n{versions}\n")).collect();
    Digest::of(all.as_bytes())
}
