//! An index as text, of which one chart at a time is parsed.
//!
//! Indexes of tens of megabytes are common, and parsed they take ten times that. So the text is cut where charts
//! begin: a line of YAML as Helm writes it, or a member of a JSON object. YAML that cannot be cut safely (flow style,
//! aliases across charts) is parsed whole.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry as Slot;
use std::ops::Range;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::index::{Entry, Index};
use crate::chart::version::Version;
use crate::value::Json;
use crate::value::message::one_line;
use crate::yaml;

/// An index as it was read.
#[derive(Debug, Default)]
pub struct Document {
    text: String,
    charts: BTreeMap<String, Source>,
    skipped: usize,
}

/// Where the versions of a chart are.
#[derive(Clone, Debug)]
enum Source {
    /// A piece of the text: a YAML map of one chart.
    Yaml(Range<usize>),
    /// A piece of the text: a JSON array.
    Json(Range<usize>),
    /// Parsed already.
    Parsed(Json),
}

/// A version in a [`Document`].
#[derive(Clone, Debug)]
pub struct Listed {
    order: Version,
    /// The entry as the index has it; texts are texts, whole numbers have no fraction, and there are no nulls.
    pub entry: Json,
}

/// The top of an index in JSON.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct JsonIndex<'a> {
    api_version: Option<Json>,
    #[serde(borrow)]
    entries: Option<BTreeMap<String, &'a RawValue>>,
}

impl Document {
    /// Reads an index, JSON or YAML, and gives the part that is kept with it.
    ///
    /// # Errors
    /// A sentence that says what it is instead.
    pub fn parse(bytes: Vec<u8>) -> Result<(Self, Index), String> {
        let text = String::from_utf8(bytes).map_err(|_| "it is not text".to_owned())?;
        let start = text.trim_start_matches('\u{feff}').trim_start();
        if start.is_empty() {
            return Err("it is empty".to_owned());
        }
        if start.starts_with('<') {
            return Err("it is an HTML or XML page".to_owned());
        }
        let charts = match json_charts(&text).or_else(|| yaml_charts(&text)) {
            Some(charts) => charts?,
            None => whole(&text)?,
        };
        let mut document = Self { text, charts, skipped: 0 };
        if let Ok(index) = document.condense() {
            return Ok((document, index));
        }
        // A piece is not what it should be: the text was cut wrongly.
        let mut document = Self { charts: whole(&document.text)?, ..Self::default() };
        document.condense().map(|index| (document, index))
    }

    /// An index of charts whose entries are known.
    ///
    /// # Errors
    /// Never for entries with a version and an address.
    pub(super) fn of(charts: BTreeMap<String, Vec<Json>>) -> Result<(Self, Index), String> {
        let charts = charts.into_iter().map(|(name, entries)| (name, Source::Parsed(Json::Array(entries)))).collect();
        let mut document = Self { charts, ..Self::default() };
        document.condense().map(|index| (document, index))
    }

    /// How many entries were left out because they are not valid.
    pub fn skipped(&self) -> usize {
        self.skipped
    }

    /// The names of the charts, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.charts.keys().map(String::as_str)
    }

    /// The valid versions of a chart, newest first.
    pub fn versions(&self, chart: &str) -> Vec<Listed> {
        self.charts.get(chart).and_then(|source| self.read(source, chart).ok()).unwrap_or_default().0
    }

    /// Reads every chart once, for the part that is kept and to count what is not valid.
    fn condense(&mut self) -> Result<Index, String> {
        let mut skipped = 0;
        let condensed = self.charts.iter().map(|(name, source)| {
            let (versions, invalid) = self.read(source, name)?;
            skipped += invalid;
            Ok((name.as_str().into(), versions.iter().map(Entry::from).collect()))
        });
        let index = condensed.collect::<Result<Index, String>>()?;
        self.skipped = skipped;
        Ok(index)
    }

    /// The valid versions of a chart and the number of invalid ones.
    fn read(&self, source: &Source, chart: &str) -> Result<(Vec<Listed>, usize), String> {
        let versions = match source {
            Source::Parsed(versions) => versions.clone(),
            Source::Json(piece) => {
                serde_json::from_str(&self.text[piece.clone()]).map_err(|error| error.to_string())?
            }
            Source::Yaml(piece) => match yaml::parse(&self.text[piece.clone()]).map_err(|error| error.to_string())? {
                Json::Object(map) if map.len() == 1 => map.into_values().next().unwrap_or_default(),
                _ => return Err("not one chart".to_owned()),
            },
        };
        let Json::Array(versions) = versions else { return Ok((Vec::new(), usize::from(!versions.is_null()))) };
        let all = versions.len();
        let mut listed: Vec<Listed> = versions.into_iter().filter_map(|entry| Listed::new(entry, chart)).collect();
        listed.sort_by(|left, right| right.order.compare(&left.order));
        let invalid = all - listed.len();
        Ok((listed, invalid))
    }
}

impl Listed {
    /// Cleans and checks an entry as Helm does; an entry without an archive is of no use to anyone.
    fn new(mut entry: Json, chart: &str) -> Option<Self> {
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

type Charts = BTreeMap<String, Source>;

/// The charts of an index in JSON; nothing where it is not JSON.
fn json_charts(text: &str) -> Option<Result<Charts, String>> {
    let index: JsonIndex<'_> = serde_json::from_str(text.trim_start_matches('\u{feff}')).ok()?;
    if let Err(error) = check_api_version(index.api_version.as_ref()) {
        return Some(Err(error));
    }
    let place = |piece: &RawValue| {
        let start = piece.get().as_ptr() as usize - text.as_ptr() as usize;
        Source::Json(start..start + piece.get().len())
    };
    Some(Ok(index.entries.unwrap_or_default().into_iter().map(|(name, piece)| (name, place(piece))).collect()))
}

/// The charts of an index in YAML of Helm's layout; nothing where it has another one.
fn yaml_charts(text: &str) -> Option<Result<Charts, String>> {
    let entries = section(text)?;
    let pieces = pieces(text, entries.clone())?;
    let rest = format!("{}\n{}", &text[..entries.start], &text[entries.end..]);
    let root = yaml::parse(&rest).ok()?;
    if let Err(error) = check_api_version(root.get("apiVersion")) {
        return Some(Err(error));
    }
    let mut charts = Charts::new();
    for piece in pieces {
        let name = chart_name(text.get(piece.clone())?)?;
        match charts.entry(name) {
            Slot::Vacant(slot) => slot.insert(Source::Yaml(piece)),
            Slot::Occupied(_) => return None,
        };
    }
    Some(Ok(charts))
}

/// The lines below `entries:`, up to the next key of the top level.
fn section(text: &str) -> Option<Range<usize>> {
    let mut lines = lines(text).skip_while(|line| text[line.clone()].trim_end() != "entries:");
    let start = lines.next()?.end;
    let is_top = |line: &Range<usize>| !text[line.clone()].starts_with([' ', '#', '\n', '\r']);
    let end = lines.find(is_top).map_or(text.len(), |line| line.start);
    Some(start..end)
}

/// Cuts the section where lines have the indentation of its first line and are keys.
fn pieces(text: &str, section: Range<usize>) -> Option<Vec<Range<usize>>> {
    let mut starts = Vec::new();
    let mut indentation = None;
    for line in lines(&text[section.clone()]) {
        let content = &text[section.clone()][line.clone()];
        let key = content.trim_start_matches(' ');
        if key.starts_with(['#', '\n', '\r']) || key.is_empty() {
            continue;
        }
        let depth = content.len() - key.len();
        let first = *indentation.get_or_insert(depth);
        if depth < first || key.starts_with('\t') {
            return None;
        }
        if depth == first && !key.starts_with('-') {
            starts.push(section.start + line.start);
        }
    }
    let ends = starts.iter().skip(1).copied().chain([section.end]);
    Some(starts.iter().copied().zip(ends).map(|(start, end)| start..end).collect())
}

/// The key of a piece.
fn chart_name(piece: &str) -> Option<String> {
    let head = yaml::parse(piece.lines().next()?.trim()).ok()?;
    head.as_object().filter(|map| map.len() == 1)?.keys().next().cloned()
}

fn lines(text: &str) -> impl Iterator<Item = Range<usize>> {
    let mut start = 0;
    text.split_inclusive('\n').map(move |line| {
        let range = start..start + line.len();
        start = range.end;
        range
    })
}

/// The charts of an index that cannot be cut.
fn whole(text: &str) -> Result<Charts, String> {
    let mut root = yaml::parse(text).map_err(|error| one_line(&error.to_string()))?;
    check_api_version(root.get("apiVersion"))?;
    match root.get_mut("entries").map(Json::take) {
        None | Some(Json::Null) => Ok(Charts::new()),
        Some(Json::Object(charts)) => Ok(charts.into_iter().map(|(name, all)| (name, Source::Parsed(all))).collect()),
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
        document.versions(chart).iter().map(|listed| listed.version().to_owned()).collect()
    }

    #[test]
    fn versions_are_newest_first_and_invalid_entries_are_counted() {
        let document = parse(INDEX).expect("an index");
        assert!(matches!(document.charts["web"], Source::Yaml(_)));
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
        assert!(matches!(cut.charts["web"], Source::Json(_)));
        let flow = parse(&format!("# flow style\n{json}")).expect("an index");
        assert!(matches!(flow.charts["web"], Source::Parsed(_)));
        for other in [&cut, &flow] {
            assert_eq!(other.skipped(), yaml.skipped());
            for name in yaml.names() {
                let entries = |document: &Document| {
                    document.versions(name).into_iter().map(|listed| listed.entry).collect::<Vec<_>>()
                };
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
        let listed = parse(INDEX).expect("an index").versions("web");
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
