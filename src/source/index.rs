//! The index of a repository: which charts it has, in which versions, and which version a request means
//! (`pkg/repo/v1/index.go`).
//!
//! A [`Document`] is the whole index, which lives only while a repository is read. An [`Index`] is what is kept of it:
//! of each version the text, the URL and the digest.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use super::Digest;
use crate::chart::version::{Constraint, Version};
use crate::value::Json;
use crate::yaml;

/// An index as it was read, charts by name and versions newest first.
#[derive(Clone, Debug, Default)]
pub struct Document {
    /// The charts.
    pub charts: BTreeMap<String, Vec<Listed>>,
    /// How many entries were left out because they are not valid.
    pub skipped: usize,
}

/// A version in a [`Document`].
#[derive(Clone, Debug)]
pub struct Listed {
    /// Its version, loosely read; nothing for one that is not semantic.
    version: Option<Version>,
    /// The entry as the index has it; names and versions are texts and whole numbers have no fraction.
    pub entry: Json,
}

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
    #[error("the repository has no chart {chart:?}{}", listed(.similar))]
    ChartNotFound {
        /// The chart.
        chart: String,
        /// Charts with a similar name.
        similar: Vec<String>,
    },
    /// No version is as wanted.
    #[error("chart {chart:?} has no version {wanted}: the newest is {newest}")]
    VersionNotFound {
        /// The chart.
        chart: String,
        /// The version or range, or `that is stable`.
        wanted: String,
        /// The newest version.
        newest: String,
    },
    /// What is wanted is neither a version nor a range.
    #[error("version {wanted:?} is neither a version of chart {chart:?} nor a range: {reason}")]
    InvalidConstraint {
        /// The chart.
        chart: String,
        /// The text.
        wanted: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl Document {
    /// Reads an index, JSON or YAML.
    ///
    /// # Errors
    /// A sentence that says what it is instead.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(bytes).map_err(|_| "it is not text".to_owned())?;
        let start = text.trim_start_matches('\u{feff}').trim_start();
        if start.is_empty() {
            return Err("it is empty".to_owned());
        }
        if start.starts_with('<') {
            return Err("it is an HTML or XML page: url must be the folder that holds index.yaml".to_owned());
        }
        let mut root = read(start).map_err(|reason| one_line(&reason))?;
        if root.get("apiVersion").is_none_or(|version| version.as_str().is_none_or(str::is_empty)) {
            return Err("no API version specified".to_owned());
        }
        let Some(entries) = root.get_mut("entries").map(Json::take) else { return Ok(Self::default()) };
        match entries {
            Json::Object(charts) => Ok(Self::of(charts)),
            Json::Null => Ok(Self::default()),
            _ => Err("its entries are not a map of charts".to_owned()),
        }
    }

    fn of(charts: serde_json::Map<String, Json>) -> Self {
        let mut document = Self::default();
        for (name, versions) in charts {
            let Json::Array(versions) = versions else {
                document.skipped += usize::from(!versions.is_null());
                continue;
            };
            let all = versions.len();
            let mut listed: Vec<Listed> = versions.into_iter().filter_map(|entry| Listed::new(entry, &name)).collect();
            document.skipped += all - listed.len();
            listed.sort_by(Listed::newest_first);
            document.charts.insert(name, listed);
        }
        document
    }
}

impl Listed {
    /// Cleans and checks an entry as Helm does; an entry without an archive is of no use to anyone.
    fn new(mut entry: Json, chart: &str) -> Option<Self> {
        whole_numbers(&mut entry);
        let fields = entry.as_object_mut()?;
        for field in ["name", "version", "appVersion", "apiVersion", "kubeVersion", "digest", "description"] {
            match fields.get_mut(field) {
                Some(Json::String(_)) => {}
                Some(value @ (Json::Number(_) | Json::Bool(_))) => *value = Json::String(value.to_string()),
                Some(_) => drop(fields.remove(field)),
                None => {}
            }
        }
        fields.entry("name").or_insert_with(|| Json::String(chart.to_owned()));
        fields.entry("apiVersion").or_insert_with(|| Json::String("v1".to_owned()));
        let kind = fields.get("type").and_then(Json::as_str).unwrap_or_default();
        let text = fields.get("version")?.as_str().filter(|version| !version.is_empty())?;
        let version = Version::parse(text).ok();
        let archive = fields.get("urls")?.get(0)?.as_str().is_some_and(|url| !url.is_empty());
        let valid = archive && version.is_some() && matches!(kind, "" | "application" | "library");
        valid.then_some(Self { version, entry })
    }

    /// The text of the version.
    pub fn version(&self) -> &str {
        self.text("version")
    }

    fn text(&self, field: &str) -> &str {
        self.entry.get(field).and_then(Json::as_str).unwrap_or_default()
    }

    fn newest_first(left: &Self, right: &Self) -> std::cmp::Ordering {
        match (&left.version, &right.version) {
            (Some(left), Some(right)) => right.compare(left),
            (left, right) => Reverse(left.is_some()).cmp(&Reverse(right.is_some())),
        }
    }
}

impl From<&Listed> for Entry {
    fn from(listed: &Listed) -> Self {
        let url = listed.entry.pointer("/urls/0").and_then(Json::as_str).unwrap_or_default();
        let digest = Digest::parse(listed.text("digest"));
        let learned = digest.is_none().then(Arc::default);
        Self { version: listed.version().into(), url: url.into(), digest, learned }
    }
}

impl Entry {
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

impl From<&Document> for Index {
    fn from(document: &Document) -> Self {
        let charts = document.charts.iter();
        let compact = |versions: &Vec<Listed>| versions.iter().map(Entry::from).collect();
        Self { charts: charts.map(|(name, versions)| (name.as_str().into(), compact(versions))).collect() }
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

    /// Chooses a version: one with exactly the wanted text, else the newest that satisfies it as a range; for an empty
    /// text the newest that is no pre-release.
    ///
    /// # Errors
    /// [`ChoiceError`], which names what is there.
    pub fn choose(&self, chart: &str, wanted: &str) -> Result<&Entry, ChoiceError> {
        let versions = self.versions(chart);
        let Some(newest) = versions.first() else { return Err(self.no_chart(chart)) };
        let exact = versions.iter().find(|entry| !wanted.is_empty() && &*entry.version == wanted);
        if let Some(entry) = exact {
            return Ok(entry);
        }
        let range = if wanted.is_empty() { "*" } else { wanted };
        let constraint = Constraint::parse(range).map_err(|error| ChoiceError::InvalidConstraint {
            chart: chart.to_owned(),
            wanted: wanted.to_owned(),
            reason: error.to_string(),
        })?;
        let satisfies = |entry: &&Entry| Version::parse(&entry.version).is_ok_and(|version| constraint.check(&version));
        versions.iter().find(satisfies).ok_or_else(|| ChoiceError::VersionNotFound {
            chart: chart.to_owned(),
            wanted: if wanted.is_empty() { "that is stable".to_owned() } else { format!("{wanted:?}") },
            newest: newest.version.to_string(),
        })
    }

    fn no_chart(&self, chart: &str) -> ChoiceError {
        let (wanted, most) = (chart.to_lowercase(), 3);
        let resembles = |name: &str| {
            let name = name.to_lowercase();
            !wanted.is_empty() && (name.contains(&wanted) || wanted.contains(&name) || one_edit_apart(&name, &wanted))
        };
        let similar = self.charts.keys().filter(|name| resembles(name)).take(most).map(ToString::to_string).collect();
        ChoiceError::ChartNotFound { chart: chart.to_owned(), similar }
    }
}

/// JSON where it is valid JSON, else YAML, as Helm has it.
fn read(text: &str) -> Result<Json, String> {
    if text.starts_with('{')
        && let Ok(root) = serde_json::from_str(text)
    {
        return Ok(root);
    }
    yaml::parse(text).map_err(|error| error.to_string())
}

/// YAML's numbers are all floats here; in objects of Kubernetes a whole one is an integer.
fn whole_numbers(json: &mut Json) {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match json {
        Json::Number(number) => {
            let whole = number.as_f64().filter(|float| float.fract() == 0.0 && float.abs() <= EXACT);
            #[expect(clippy::cast_possible_truncation, reason = "whole and within the exact range")]
            if let Some(whole) = whole {
                *json = Json::from(whole as i64);
            }
        }
        Json::Array(items) => items.iter_mut().for_each(whole_numbers),
        Json::Object(fields) => fields.values_mut().for_each(whole_numbers),
        Json::Null | Json::Bool(_) | Json::String(_) => {}
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
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

fn listed(names: &[String]) -> String {
    if names.is_empty() { String::new() } else { format!("; it has {}", names.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INDEX: &str = r#"
apiVersion: v1
entries:
  web:
  - version: 1.2.0
    urls: [web-1.2.0.tgz]
    digest: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
  - version: 2.0.0-rc.1
    urls: [https://other.org/web-2.0.0-rc.1.tgz]
  - version: v1.10.0
    appVersion: 1.5
    maintainers: [{name: Ann, priority: 3}]
    urls: [web-1.10.0.tgz]
  - null
  - version: not-a-version
    urls: [x.tgz]
  - version: 1.0.0
    urls: []
  - version: 1.0.0
    type: helper
    urls: [x.tgz]
  early:
  - version: 0.1.0-alpha
    urls: [early.tgz]
  broken: true
  nothing:
"#;

    fn index() -> (Document, Index) {
        let document = Document::parse(INDEX.as_bytes()).expect("an index");
        let index = Index::from(&document);
        (document, index)
    }

    #[test]
    fn versions_are_newest_first_and_invalid_entries_are_counted() {
        let (document, index) = index();
        let versions: Vec<_> = index.versions("web").iter().map(|entry| &*entry.version).collect();
        assert_eq!(versions, ["2.0.0-rc.1", "v1.10.0", "1.2.0"]);
        assert_eq!((document.skipped, index.len()), (5, 2));
    }

    #[test]
    fn entries_are_as_objects_of_kubernetes_have_them() {
        let (document, _) = index();
        let entry = &document.charts["web"][1].entry;
        assert_eq!(entry["appVersion"], "1.5");
        assert_eq!((&entry["name"], &entry["apiVersion"]), (&Json::from("web"), &Json::from("v1")));
        assert_eq!(entry["maintainers"][0]["priority"].to_string(), "3");
    }

    #[test]
    fn digests_are_read_where_there_are_some() {
        let (_, index) = index();
        let digests: Vec<_> = index.versions("web").iter().map(|entry| entry.digest).collect();
        assert_eq!(digests, [None, None, Some(Digest::of(b""))]);
    }

    #[test]
    fn a_version_is_chosen_by_text_then_by_range() {
        let (_, index) = index();
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
        let (_, index) = index();
        for (chart, wanted, expected) in [
            ("web", "3.x", "chart \"web\" has no version \"3.x\": the newest is 2.0.0-rc.1"),
            ("early", "", "chart \"early\" has no version that is stable: the newest is 0.1.0-alpha"),
            ("wbe", "", "the repository has no chart \"wbe\"; it has web"),
            ("erly", "1.0", "the repository has no chart \"erly\"; it has early"),
            ("database", "", "the repository has no chart \"database\""),
        ] {
            let error = index.choose(chart, wanted).expect_err("nothing to choose");
            assert_eq!(error.to_string(), expected);
        }
        assert!(matches!(index.choose("web", "newest!"), Err(ChoiceError::InvalidConstraint { .. })));
    }

    #[test]
    fn what_is_no_index_is_named() {
        for (text, expected) in [
            ("", "it is empty"),
            ("<!DOCTYPE html><html>", "it is an HTML or XML page"),
            ("entries: {}", "no API version specified"),
            ("{\"entries\": {}}", "no API version specified"),
            ("apiVersion: v1\nentries: [a]", "its entries are not a map"),
            ("just a sentence", "no API version specified"),
        ] {
            let error = Document::parse(text.as_bytes()).expect_err("no index");
            assert!(error.starts_with(expected), "{text:?}: {error}");
        }
        assert!(Document::parse(b"\xff\xfe").is_err());
        assert!(Document::parse(b"a: [").is_err_and(|error| !error.contains('\n')));
    }

    #[test]
    fn an_index_may_be_json_and_may_be_bare() {
        let json = br#"{"apiVersion":"v1","entries":{"web":[{"name":"web","version":"1.0.0","urls":["w.tgz"]}]}}"#;
        assert_eq!(Document::parse(json).map(|document| document.charts.len()), Ok(1));
        assert_eq!(Document::parse(b"apiVersion: v1").map(|document| document.charts.len()), Ok(0));
    }
}
