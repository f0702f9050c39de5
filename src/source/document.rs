//! An index as text, of which one version at a time is parsed.
//!
//! Indexes of tens of megabytes are common, and parsed they take ten times that. So a large text is in a file
//! ([`Scroll`]) and is only cut ([`cut`]): of each version the place is kept, newest first. What cannot be cut (flow style,
//! aliases between charts) is parsed whole.

mod cut;

use std::collections::BTreeMap;
use std::io::{self, BufRead};
use std::ops::Range;

use self::cut::{Cut, Piece};
use super::index::{Entry, Index};
use super::scroll::Scroll;
use crate::chart::version::Version;
use crate::value::Json;
use crate::value::message::one_line;
use crate::yaml;

/// An index as it was read.
#[derive(Debug, Default)]
pub struct Document {
    text: Scroll,
    notation: Notation,
    charts: BTreeMap<String, Source>,
    skipped: usize,
    /// Why something is left out that is no entry.
    problem: Option<String>,
}

/// How the entries are written.
#[derive(Clone, Copy, Debug, Default)]
enum Notation {
    #[default]
    Yaml,
    Json,
}

/// The versions of a chart.
#[derive(Debug)]
enum Source {
    /// Their places in the text.
    Cut(Box<[Range<u64>]>),
    /// What they are.
    Parsed(Vec<Json>),
}

/// A version in a [`Document`].
#[derive(Clone, Debug)]
pub struct Listed {
    order: Version,
    /// The entry as the index has it; texts are texts, whole numbers have no fraction, and there are no nulls.
    pub entry: Json,
}

/// Why a text is no [`Document`].
#[derive(Debug, thiserror::Error)]
pub(super) enum ReadError {
    /// A sentence that says what it is instead.
    #[error("{0}")]
    NotAnIndex(String),
    /// The text cannot be read again.
    #[error("{0}")]
    Io(#[from] io::Error),
}

impl Document {
    /// Reads an index, JSON or YAML, and gives the part that is kept with it.
    ///
    /// # Errors
    /// A sentence that says what it is instead.
    pub fn parse(bytes: Vec<u8>) -> Result<(Self, Index), String> {
        Self::read(Scroll::Memory(bytes)).map_err(|error| error.to_string())
    }

    /// Reads an index from where it was written.
    ///
    /// # Errors
    /// [`ReadError`].
    pub(super) fn read(text: Scroll) -> Result<(Self, Index), ReadError> {
        let first = first(&mut *text.reader()?)?;
        let not_an_index = |reason: &str| Err(ReadError::NotAnIndex(reason.to_owned()));
        let cut = match first {
            None => return not_an_index("it is empty"),
            Some(b'<') => return not_an_index("it is an HTML or XML page"),
            Some(b'{') => cut::json(&mut *text.reader()?)?.map(|cut| (Notation::Json, cut)),
            Some(_) => cut::yaml(&mut *text.reader()?)?.map(|cut| (Notation::Yaml, cut)),
        };
        if let Some((notation, Cut { charts, api_version })) = cut {
            check_api_version(api_version.as_ref()).map_err(ReadError::NotAnIndex)?;
            let mut document = Self { text, notation, ..Self::default() };
            return match document.condense(charts) {
                Ok(index) => Ok((document, index)),
                // A piece is not what it should be: the text was cut wrongly.
                Err(ReadError::NotAnIndex(_)) => Self::read_whole(&document.text),
                Err(error) => Err(error),
            };
        }
        Self::read_whole(&text)
    }

    fn read_whole(text: &Scroll) -> Result<(Self, Index), ReadError> {
        let not_text = |_| ReadError::NotAnIndex("it is not text".to_owned());
        let text = String::from_utf8(text.whole()?).map_err(not_text)?;
        let charts = whole(&text).map_err(ReadError::NotAnIndex)?;
        drop(text);
        let mut document = Self::default();
        let index = document.condense(charts)?;
        Ok((document, index))
    }

    /// An index of charts whose entries are known.
    ///
    /// # Errors
    /// Never for entries with a version and an address.
    pub(super) fn of(charts: BTreeMap<String, Vec<Json>>) -> Result<(Self, Index), String> {
        let charts = charts.into_iter().map(|(name, entries)| (name, Piece::Value(Json::Array(entries)))).collect();
        let mut document = Self::default();
        let index = document.condense(charts).map_err(|error| error.to_string())?;
        Ok((document, index))
    }

    /// The same, with what was left out before there were entries.
    pub(super) fn without(mut self, mut problems: Vec<String>) -> Self {
        self.skipped += problems.len();
        self.problem = (!problems.is_empty()).then(|| problems.swap_remove(0));
        self
    }

    /// Why one of those was left out that are no entries.
    pub fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }

    /// How many entries were left out because they are not valid.
    pub fn skipped(&self) -> usize {
        self.skipped
    }

    /// The names of the charts, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.charts.keys().map(String::as_str)
    }

    /// The number of valid versions of a chart.
    pub fn count(&self, chart: &str) -> usize {
        match self.charts.get(chart) {
            Some(Source::Cut(places)) => places.len(),
            Some(Source::Parsed(entries)) => entries.len(),
            None => 0,
        }
    }

    /// The valid versions of a chart, newest first; each is parsed when it is its turn.
    pub fn versions<'a>(&'a self, chart: &'a str) -> impl Iterator<Item = Listed> + 'a {
        let (places, parsed) = match self.charts.get(chart) {
            Some(Source::Cut(places)) => (&**places, &[][..]),
            Some(Source::Parsed(entries)) => (&[][..], entries.as_slice()),
            None => (&[][..], &[][..]),
        };
        let cut = places.iter().filter_map(|place| self.entry(place).ok());
        cut.chain(parsed.iter().cloned()).filter_map(move |entry| Listed::of(entry, chart))
    }

    /// Reads every version once: for the part that is kept, for the order and to count what is not valid.
    fn condense(&mut self, charts: BTreeMap<String, Piece>) -> Result<Index, ReadError> {
        let mut condensed = Vec::with_capacity(charts.len());
        for (name, piece) in charts {
            let (source, entries) = match piece {
                Piece::At(places) => self.order(places, &name)?,
                Piece::Value(value) => self.keep(value, &name),
            };
            condensed.push((name.as_str().into(), entries));
            self.charts.insert(name, source);
        }
        Ok(condensed.into_iter().collect())
    }

    /// The places of the valid versions of a chart.
    fn order(&mut self, places: Vec<Range<u64>>, chart: &str) -> Result<(Source, Box<[Entry]>), ReadError> {
        let (all, mut valid) = (places.len(), Vec::with_capacity(places.len()));
        for place in places {
            let listed = Listed::of(self.entry(&place)?, chart);
            valid.extend(listed.map(|listed| (Entry::from(&listed), listed.order, place)));
        }
        self.skipped += all - valid.len();
        valid.sort_by(|(_, left, _), (_, right, _)| right.compare(left));
        let (entries, places): (Vec<Entry>, Vec<_>) = valid.into_iter().map(|(entry, _, place)| (entry, place)).unzip();
        Ok((Source::Cut(places.into()), entries.into()))
    }

    /// The valid versions of a chart that is parsed.
    fn keep(&mut self, value: Json, chart: &str) -> (Source, Box<[Entry]>) {
        let entries = match value {
            Json::Array(entries) => entries,
            other => {
                self.skipped += usize::from(!other.is_null());
                Vec::new()
            }
        };
        let all = entries.len();
        let mut listed: Vec<Listed> = entries.into_iter().filter_map(|entry| Listed::of(entry, chart)).collect();
        self.skipped += all - listed.len();
        listed.sort_by(|left, right| right.order.compare(&left.order));
        let entries = listed.iter().map(Entry::from).collect();
        (Source::Parsed(listed.into_iter().map(|listed| listed.entry).collect()), entries)
    }

    /// The entry at a place.
    fn entry(&self, place: &Range<u64>) -> Result<Json, ReadError> {
        let not_an_entry = |error: &dyn std::fmt::Display| ReadError::NotAnIndex(one_line(&error.to_string()));
        let piece = String::from_utf8(self.text.piece(place.clone())?).map_err(|_| not_an_entry(&"it is not text"))?;
        match self.notation {
            Notation::Json => serde_json::from_str(&piece).map_err(|error| not_an_entry(&error)),
            Notation::Yaml => match yaml::parse(&piece).map_err(|error| not_an_entry(&error))? {
                Json::Array(mut entries) if entries.len() == 1 => Ok(entries.swap_remove(0)),
                _ => Err(not_an_entry(&"not one entry")),
            },
        }
    }
}

impl Listed {
    /// Cleans and checks an entry as Helm does; an entry without an archive is of no use to anyone.
    pub fn of(mut entry: Json, chart: &str) -> Option<Self> {
        clean(&mut entry);
        let fields = entry.as_object_mut()?;
        for field in ["name", "version", "appVersion", "apiVersion", "kubeVersion", "digest", "description"] {
            match fields.get_mut(field) {
                Some(Json::String(_)) | None => {}
                Some(value @ (Json::Number(_) | Json::Bool(_))) => *value = Json::String(value.to_string()),
                Some(_) => drop(fields.remove(field)),
            }
        }
        fields.entry("name").or_insert_with(|| Json::String(chart.to_owned()));
        fields.entry("apiVersion").or_insert_with(|| Json::String("v1".to_owned()));
        let kind = fields.get("type").and_then(Json::as_str).unwrap_or_default();
        let order = Version::parse(fields.get("version")?.as_str()?).ok()?;
        let archive = fields.get("urls")?.get(0)?.as_str().is_some_and(|url| !url.is_empty());
        let valid = archive && matches!(kind, "" | "application" | "library");
        valid.then_some(Self { order, entry })
    }

    /// The version.
    pub fn version(&self) -> &str {
        self.text("/version")
    }

    /// Where the archive is.
    pub fn url(&self) -> &str {
        self.text("/urls/0")
    }

    /// The archive's digest, empty where the index has none.
    pub fn digest(&self) -> &str {
        self.text("/digest")
    }

    fn text(&self, pointer: &str) -> &str {
        self.entry.pointer(pointer).and_then(Json::as_str).unwrap_or_default()
    }
}

/// The first byte that is neither a mark of the order of bytes nor a space.
fn first(reader: &mut dyn BufRead) -> io::Result<Option<u8>> {
    let start = reader.fill_buf()?;
    let start = start.strip_prefix("\u{feff}".as_bytes()).unwrap_or(start);
    Ok(start.iter().copied().find(|byte| !byte.is_ascii_whitespace()))
}

/// The charts of an index that cannot be cut.
fn whole(text: &str) -> Result<BTreeMap<String, Piece>, String> {
    let mut root = yaml::parse(text).map_err(|error| one_line(&error.to_string()))?;
    check_api_version(root.get("apiVersion"))?;
    match root.get_mut("entries").map(Json::take) {
        None | Some(Json::Null) => Ok(BTreeMap::new()),
        Some(Json::Object(charts)) => Ok(charts.into_iter().map(|(name, all)| (name, Piece::Value(all))).collect()),
        Some(_) => Err("its entries are not a map of charts".to_owned()),
    }
}

fn check_api_version(version: Option<&Json>) -> Result<(), String> {
    let is_said = version.and_then(Json::as_str).is_some_and(|version| !version.is_empty());
    if is_said { Ok(()) } else { Err("no API version specified".to_owned()) }
}

/// Makes an entry what an object of Kubernetes can hold and gives back: YAML's numbers are all floats here, and nulls
/// do not come back.
fn clean(json: &mut Json) {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match json {
        Json::Number(number) => {
            let whole = number.as_f64().filter(|float| float.fract() == 0.0 && float.abs() <= EXACT);
            #[expect(clippy::cast_possible_truncation, reason = "whole and within the exact range")]
            if let Some(whole) = whole {
                *json = Json::from(whole as i64);
            }
        }
        Json::Array(items) => items.iter_mut().for_each(clean),
        Json::Object(fields) => {
            fields.retain(|_, value| !value.is_null());
            fields.values_mut().for_each(clean);
        }
        Json::Null | Json::Bool(_) | Json::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INDEX: &str = r#"apiVersion: v1
entries:
  web:
  - version: 1.2.0
    urls: [web-1.2.0.tgz]
    description: |
      entries:

    home: null
  - version: 2.0.0-rc.1
    urls: [https://other.org/web-2.0.0-rc.1.tgz]
# a comment
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
  "quoted: name":
    - version: 0.1.0
      urls: [early.tgz]
  broken: true
  nothing:
generated: "2026-01-01T00:00:00Z"
"#;

    fn parse(text: &str) -> Result<Document, String> {
        Document::parse(text.as_bytes().to_vec()).map(|(document, _)| document)
    }

    fn versions(document: &Document, chart: &str) -> Vec<String> {
        document.versions(chart).map(|listed| listed.version().to_owned()).collect()
    }

    fn is_cut(document: &Document, chart: &str) -> bool {
        matches!(document.charts[chart], Source::Cut(_))
    }

    #[test]
    fn versions_are_newest_first_and_invalid_entries_are_counted() {
        let document = parse(INDEX).expect("an index");
        assert!(is_cut(&document, "web"));
        assert_eq!(versions(&document, "web"), ["2.0.0-rc.1", "v1.10.0", "1.2.0"]);
        assert_eq!(versions(&document, "quoted: name"), ["0.1.0"]);
        assert_eq!(document.names().collect::<Vec<_>>(), ["broken", "nothing", "quoted: name", "web"]);
        assert_eq!(document.skipped(), 5);
    }

    #[test]
    fn cut_or_whole_yaml_or_json_is_the_same() {
        let yaml = parse(INDEX).expect("an index");
        let json = serde_json::to_string(&yaml::parse(INDEX).expect("YAML")).expect("JSON");
        let cut = parse(&json).expect("an index");
        assert!(is_cut(&cut, "web"));
        let flow = parse(&format!("# flow style\n{json}")).expect("an index");
        assert!(!is_cut(&flow, "web"));
        for other in [&cut, &flow] {
            assert_eq!(other.skipped(), yaml.skipped());
            for name in yaml.names() {
                let entries =
                    |document: &Document| document.versions(name).map(|listed| listed.entry).collect::<Vec<_>>();
                assert_eq!(entries(other), entries(&yaml), "{name}");
            }
        }
    }

    #[test]
    fn what_cannot_be_cut_is_parsed_whole() {
        for text in [
            "apiVersion: v1\nentries:\n  a:\n  - &first {version: 1.0.0, urls: [a.tgz]}\n  b:\n  - *first\n",
            "apiVersion: v1\nentries:\n  a: [{version: 1.0.0,\n  urls: [a.tgz]}]\n  b:\n  - {version: 1.0.0, urls: [b.tgz]}\n",
            "{apiVersion: v1, entries: {a: [{version: 1.0.0, urls: [a.tgz]}], b: [{version: 1.0.0, urls: [b.tgz]}]}}",
        ] {
            let document = parse(text).expect("an index");
            assert_eq!((versions(&document, "a").len(), versions(&document, "b").len()), (1, 1), "{text}");
        }
    }

    #[test]
    fn entries_are_as_objects_of_kubernetes_have_them() {
        let document = parse(INDEX).expect("an index");
        let listed: Vec<Listed> = document.versions("web").collect();
        assert_eq!(listed[1].entry["appVersion"], "1.5");
        assert_eq!((&listed[1].entry["name"], &listed[1].entry["apiVersion"]), (&"web".into(), &"v1".into()));
        assert_eq!(listed[1].entry["maintainers"][0]["priority"].to_string(), "3");
        assert_eq!(listed[2].entry.get("home"), None);
    }

    #[test]
    fn what_is_no_index_is_named() {
        for (text, expected) in [
            ("", "it is empty"),
            ("<!DOCTYPE html><html>", "it is an HTML or XML page"),
            ("entries: {}", "no API version specified"),
            ("entries:\n  a:\n  - {version: 1.0.0, urls: [a.tgz]}", "no API version specified"),
            ("{\"entries\": {}}", "no API version specified"),
            ("apiVersion: v1\nentries: [a]", "its entries are not a map"),
            ("just a sentence", "no API version specified"),
        ] {
            let error = parse(text).expect_err("no index");
            assert!(error.starts_with(expected), "{text:?}: {error}");
        }
        assert!(Document::parse(b"\xff\xfe".to_vec()).is_err());
        assert!(parse("a: [").is_err_and(|error| !error.contains('\n')));
    }

    #[test]
    fn an_index_may_be_bare() {
        for text in ["apiVersion: v1", "apiVersion: v1\nentries:\n", "{\"apiVersion\": \"v1\"}"] {
            assert_eq!(parse(text).map(|document| document.names().count()), Ok(0), "{text}");
        }
    }
}
