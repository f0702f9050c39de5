//! The index of a repository: which charts it has, in which versions, and which version a request means
//! (`pkg/repo/v1/index.go`).
//!
//! An [`Index`] is what is kept of a [`Document`](super::Document): of each version the text, the URL and the digest.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use super::Digest;
use super::document::Listed;
use crate::chart::version::{Constraint, Version};

/// The part of an index that is kept.
#[derive(Clone, Debug, Default)]
pub struct Index {
    charts: BTreeMap<Box<str>, Box<[Entry]>>,
}

/// A version of a chart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The version.
    pub version: Box<str>,
    /// Where its archive is, as the index says it.
    pub url: Box<str>,
    /// The archive's digest, where the index has one.
    pub digest: Option<Digest>,
    /// Where the index has none: the digest of what was downloaded since the index was read.
    learned: Option<Arc<OnceLock<Digest>>>,
}

/// Why no version can be chosen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChoiceError {
    /// The repository has no such chart.
    #[error("the repository has no chart {chart:?}: it has {}; correct spec.chart or publish it", .known.as_list("charts"))]
    ChartNotFound {
        /// The chart.
        chart: String,
        /// What it has: charts with a similar name, else the first ones.
        known: Known,
    },
    /// No version is as wanted.
    #[error("chart {chart:?} has no version {wanted}: it has {}; correct spec.version or publish it", .known.as_list("versions"))]
    VersionNotFound {
        /// The chart.
        chart: String,
        /// The version or range, or `that is stable`.
        wanted: String,
        /// The newest versions.
        known: Known,
    },
    /// What is wanted is neither a version nor a range.
    #[error("version {wanted:?} is neither a version of chart {chart:?} nor a range: {reason}; correct spec.version")]
    InvalidConstraint {
        /// The chart.
        chart: String,
        /// The text.
        wanted: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// Some names of a longer list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// The names that are shown.
    pub shown: Vec<String>,
    /// How many there are in all.
    pub total: usize,
}

impl Known {
    /// How many names a message shows.
    const SHOWN: usize = 5;

    fn first_of<'a>(names: impl Iterator<Item = &'a str>, total: usize) -> Self {
        Self { shown: names.take(Self::SHOWN).map(str::to_owned).collect(), total }
    }

    /// `a, b and 3 other charts`.
    fn as_list(&self, what: &str) -> String {
        let shown = self.shown.join(", ");
        match self.total - self.shown.len() {
            _ if self.total == 0 => format!("no {what}"),
            0 => shown,
            1 => format!("{shown} and one more"),
            others => format!("{shown} and {others} others"),
        }
    }
}

impl From<&Listed> for Entry {
    fn from(listed: &Listed) -> Self {
        Self::new(listed.version(), listed.url(), Digest::parse(listed.digest()))
    }
}

impl FromIterator<(Box<str>, Box<[Entry]>)> for Index {
    fn from_iter<T: IntoIterator<Item = (Box<str>, Box<[Entry]>)>>(charts: T) -> Self {
        Self { charts: charts.into_iter().collect() }
    }
}

impl Entry {
    /// A version of a chart, with the digest of its archive where it is known. The version is empty where it is not.
    pub fn new(version: &str, url: &str, digest: Option<Digest>) -> Self {
        let learned = digest.is_none().then(Arc::default);
        Self { version: version.into(), url: url.into(), digest, learned }
    }

    /// The digest by which the chart is cached: the index's, else the one of an earlier download.
    pub(super) fn cached_digest(&self) -> Option<Digest> {
        self.digest.or_else(|| self.learned.as_ref()?.get().copied())
    }

    /// Notes the digest of the archive, so that this version need not be downloaded again until the index changes.
    pub(super) fn learn(&self, digest: Digest) {
        if let Some(learned) = &self.learned {
            learned.get_or_init(|| digest);
        }
    }
}

impl Index {
    /// The number of charts.
    pub fn len(&self) -> usize {
        self.charts.len()
    }

    /// Whether there are no charts.
    pub fn is_empty(&self) -> bool {
        self.charts.is_empty()
    }

    /// The versions of a chart, newest first.
    pub fn versions(&self, chart: &str) -> &[Entry] {
        self.charts.get(chart).map_or(&[], AsRef::as_ref)
    }

    /// Chooses a version: one with exactly the wanted text or digest, else the newest that satisfies it as a range; for
    /// an empty text the newest that is no pre-release.
    ///
    /// # Errors
    /// [`ChoiceError`], which names what is there.
    pub fn choose(&self, chart: &str, wanted: &str) -> Result<&Entry, ChoiceError> {
        let versions = self.versions(chart);
        if versions.is_empty() {
            return Err(self.no_chart(chart));
        }
        let exact = versions.iter().find(|entry| !wanted.is_empty() && &*entry.version == wanted);
        if let Some(entry) = exact {
            return Ok(entry);
        }
        if wanted.starts_with("sha256:") {
            let has_it = |entry: &&Entry| {
                entry.url.ends_with(wanted) || Digest::parse(wanted).is_some_and(|it| entry.digest == Some(it))
            };
            return versions.iter().find(has_it).ok_or_else(|| not_found(versions, chart, wanted));
        }
        let range = if wanted.is_empty() { "*" } else { wanted };
        let constraint = Constraint::parse(range).map_err(|error| ChoiceError::InvalidConstraint {
            chart: chart.to_owned(),
            wanted: wanted.to_owned(),
            reason: error.to_string(),
        })?;
        let satisfies = |entry: &&Entry| Version::parse(&entry.version).is_ok_and(|version| constraint.check(&version));
        versions.iter().find(satisfies).ok_or_else(|| not_found(versions, chart, wanted))
    }

    /// The version with exactly a text.
    ///
    /// # Errors
    /// [`ChoiceError`], which names what is there.
    pub fn exactly(&self, chart: &str, version: &str) -> Result<&Entry, ChoiceError> {
        let versions = self.versions(chart);
        if versions.is_empty() {
            return Err(self.no_chart(chart));
        }
        let found = versions.iter().find(|entry| &*entry.version == version);
        found.ok_or_else(|| not_found(versions, chart, version))
    }

    fn no_chart(&self, chart: &str) -> ChoiceError {
        let wanted = chart.to_lowercase();
        let resembles = |name: &str| {
            let name = name.to_lowercase();
            !wanted.is_empty() && (name.contains(&wanted) || wanted.contains(&name) || one_edit_apart(&name, &wanted))
        };
        let (similar, other): (Vec<&str>, Vec<&str>) =
            self.charts.keys().map(AsRef::as_ref).partition(|name| resembles(name));
        let names = if similar.is_empty() { other } else { similar };
        ChoiceError::ChartNotFound { chart: chart.to_owned(), known: Known::first_of(names.into_iter(), self.len()) }
    }
}

fn not_found(versions: &[Entry], chart: &str, wanted: &str) -> ChoiceError {
    ChoiceError::VersionNotFound {
        chart: chart.to_owned(),
        wanted: if wanted.is_empty() { "that is stable".to_owned() } else { format!("{wanted:?}") },
        known: Known::first_of(versions.iter().map(|entry| &*entry.version), versions.len()),
    }
}

/// Whether one character more, less or other makes the names equal, or two neighbours in another order.
fn one_edit_apart(left: &str, right: &str) -> bool {
    let (left, right): (Vec<char>, Vec<char>) = (left.chars().collect(), right.chars().collect());
    let same = left.iter().zip(&right).take_while(|(l, r)| l == r).count();
    let (left, right) = (&left[same..], &right[same..]);
    match (left, right) {
        ([], rest) | (rest, []) => rest.len() <= 1,
        ([a, b, left @ ..], [c, d, right @ ..]) if a == d && b == c && left == right => true,
        ([_, l @ ..], [_, r @ ..]) => l == r || l == right || left == r,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Document;

    fn index() -> Index {
        let text = r#"
apiVersion: v1
entries:
  web:
  - {version: 1.2.0, urls: [web.tgz], digest: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855}
  - {version: 2.0.0-rc.1, urls: [web.tgz]}
  - {version: v1.10.0, urls: [web.tgz]}
  early:
  - {version: 0.1.0-alpha, urls: [early.tgz]}
"#;
        Document::parse(text.as_bytes().to_vec()).expect("an index").1
    }

    #[test]
    fn digests_are_read_where_there_are_some() {
        let digests: Vec<_> = index().versions("web").iter().map(|entry| entry.digest).collect();
        assert_eq!(digests, [None, None, Some(Digest::of(b""))]);
    }

    #[test]
    fn a_version_is_chosen_by_text_then_by_range() {
        let index = index();
        for (wanted, chosen) in [
            ("", "v1.10.0"),
            ("1.2.0", "1.2.0"),
            ("v1.10.0", "v1.10.0"),
            ("1.10.0", "v1.10.0"),
            ("1.x", "v1.10.0"),
            ("<1.5", "1.2.0"),
            ("2.0.0-rc.1", "2.0.0-rc.1"),
            (">1.0.0-0", "2.0.0-rc.1"),
        ] {
            let version = index.choose("web", wanted).map(|entry| entry.version.to_string());
            assert_eq!(version.as_deref(), Ok(chosen), "{wanted:?}");
        }
    }

    #[test]
    fn errors_name_what_is_there() {
        let index = index();
        for (chart, wanted, expected) in [
            (
                "web",
                "3.x",
                "chart \"web\" has no version \"3.x\": it has 2.0.0-rc.1, v1.10.0, 1.2.0; correct spec.version or publish it",
            ),
            (
                "early",
                "",
                "chart \"early\" has no version that is stable: it has 0.1.0-alpha; correct spec.version or publish it",
            ),
            (
                "wbe",
                "",
                "the repository has no chart \"wbe\": it has web and one more; correct spec.chart or publish it",
            ),
            (
                "erly",
                "1.0",
                "the repository has no chart \"erly\": it has early and one more; correct spec.chart or publish it",
            ),
            (
                "database",
                "",
                "the repository has no chart \"database\": it has early, web; correct spec.chart or publish it",
            ),
        ] {
            let error = index.choose(chart, wanted).expect_err("nothing to choose");
            assert_eq!(error.to_string(), expected);
        }
        assert!(matches!(index.choose("web", "newest!"), Err(ChoiceError::InvalidConstraint { .. })));
    }
}
