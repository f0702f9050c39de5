//! From files to a chart: which file is what, subcharts, values (`pkg/chart/v2/loader/load.go`).

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::archive::{Budget, read_archive};
use super::metadata::Decoded;
use super::{Chart, File, Limits, LoadError, Lock, Metadata};
use crate::value::Json;
use crate::yaml;

/// Loads a chart archive (`.tgz`).
///
/// # Errors
/// [`LoadError`], in Helm's words, when the archive or the chart in it is not valid or larger than `limits`.
pub fn load_archive(archive: &[u8], limits: &Limits) -> Result<Chart, LoadError> {
    let mut budget = Budget::new(limits);
    let files = read_archive(archive, &mut budget)?;
    check_version(&files)?;
    let chart = chart_from_files(files, &mut budget, 0)?;
    Ok(Chart { digest: hex_digest(Sha256::digest(archive).as_slice()).into(), ..chart })
}

/// Reads a values file: the documents of a YAML stream, merged in order.
///
/// # Errors
/// Helm's text, where the file is not YAML or not a map.
pub fn load_values(data: &[u8]) -> Result<Json, String> {
    let mut values = serde_json::Map::new();
    for document in documents(data)? {
        let parsed = parse_yaml(&document).map_err(|error| format!("cannot unmarshal yaml document: {error}"))?;
        match parsed {
            Json::Null => {}
            Json::Object(object) => merge_maps(&mut values, object),
            other => {
                let kind = json_kind(&other);
                return Err(format!(
                    "cannot unmarshal yaml document: error unmarshaling JSON: while decoding JSON: json: cannot \
                     unmarshal {kind} into Go value of type map[string]interface {{}}"
                ));
            }
        }
    }
    Ok(Json::Object(values))
}

/// Merges values files: maps merge, anything else of the later one replaces (`MergeMaps`).
pub fn merge_maps(target: &mut serde_json::Map<String, Json>, source: serde_json::Map<String, Json>) {
    for (key, value) in source {
        match (target.get_mut(&key), value) {
            (Some(Json::Object(inner)), Json::Object(value)) => merge_maps(inner, value),
            (_, value) => drop(target.insert(key, value)),
        }
    }
}

/// Names and contents of files as one digest, for charts that are no archive.
pub fn content_digest(files: &[File]) -> String {
    let mut hash = Sha256::new();
    for file in files {
        hash.update((file.name.len() as u64).to_be_bytes());
        hash.update(file.name.as_bytes());
        hash.update((file.data.len() as u64).to_be_bytes());
        hash.update(&file.data);
    }
    hex_digest(hash.finalize().as_slice())
}

fn hex_digest(hash: &[u8]) -> String {
    hash.iter().fold(String::from("sha256:"), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Which generation of charts this is, before anything else is read (`pkg/chart/loader/load.go`).
pub fn check_version(files: &[File]) -> Result<(), LoadError> {
    let chart_yaml = files.iter().find(|file| file.name == "Chart.yaml").ok_or(LoadError::NoChartYaml)?;
    let mut decoded = Decoded::default();
    decoded
        .read(&read_yaml("Chart.yaml", &chart_yaml.data)?)
        .map_err(|reason| LoadError::File { file: "Chart.yaml", reason })?;
    match decoded.metadata.api_version.as_str() {
        "" | "v1" | "v2" => Ok(()),
        "v3" => Err(LoadError::InvalidVersion),
        _ => Err(LoadError::UnsupportedVersion),
    }
}

/// Assembles a chart of its files; `level` counts the charts around it.
pub fn chart_from_files(files: Vec<File>, budget: &mut Budget, level: usize) -> Result<Chart, LoadError> {
    if level > budget.depth() {
        return Err(LoadError::TooDeep(budget.depth()));
    }
    let mut parts = Parts::default();
    for file in files.iter().filter(|file| file.name == "Chart.yaml") {
        parts.read_metadata("Chart.yaml", file)?;
        let version = &mut parts.decoded.metadata.api_version;
        if version.is_empty() {
            "v1".clone_into(version);
        }
        parts.modified = file.modified;
    }
    for file in files {
        parts.add(file)?;
    }
    parts.assemble(budget, level)
}

/// The parts of a chart while its files are sorted.
#[derive(Default)]
struct Parts {
    decoded: Decoded,
    has_metadata: bool,
    modified: Option<jiff::Timestamp>,
    lock: Option<Lock>,
    templates: Vec<File>,
    files: Vec<File>,
    values: Json,
    schema: Option<File>,
    subcharts: BTreeMap<String, Vec<File>>,
}

impl Parts {
    fn read_metadata(&mut self, name: &'static str, file: &File) -> Result<(), LoadError> {
        let json = read_yaml(name, &file.data)?;
        self.has_metadata = true;
        self.decoded.read(&json).map_err(|reason| LoadError::File { file: name, reason })
    }

    fn read_lock(&mut self, name: &'static str, file: &File) -> Result<(), LoadError> {
        let json = read_yaml(name, &file.data)?;
        self.lock = Lock::read(&json).map_err(|reason| LoadError::File { file: name, reason })?;
        Ok(())
    }

    fn add(&mut self, file: File) -> Result<(), LoadError> {
        match file.name.as_str() {
            "Chart.yaml" => {}
            "Chart.lock" => self.read_lock("Chart.lock", &file)?,
            "values.yaml" => {
                let values = load_values(&file.data);
                self.values = values.map_err(|reason| LoadError::File { file: "values.yaml", reason })?;
            }
            "values.schema.json" => self.schema = Some(file),
            "requirements.yaml" => {
                self.read_metadata("requirements.yaml", &file)?;
                self.keep_if_first_version(file);
            }
            "requirements.lock" => {
                self.read_lock("requirements.lock", &file)?;
                self.has_metadata = true;
                self.keep_if_first_version(file);
            }
            name if name.starts_with("templates/") => self.templates.push(file),
            name => match name.strip_prefix("charts/").map(str::to_owned) {
                Some(inner) if !has_extension(name, "prov") => {
                    let directory = inner.split('/').next().unwrap_or(&inner).to_owned();
                    self.subcharts.entry(directory).or_default().push(File { name: inner, ..file });
                }
                _ => self.files.push(file),
            },
        }
        Ok(())
    }

    fn keep_if_first_version(&mut self, file: File) {
        if self.decoded.metadata.api_version == "v1" {
            self.files.push(file);
        }
    }

    fn assemble(self, budget: &mut Budget, level: usize) -> Result<Chart, LoadError> {
        if !self.has_metadata {
            return Err(LoadError::MissingChartYaml);
        }
        let metadata = self.decoded.validate().map_err(LoadError::Validation)?;
        let dependencies = load_subcharts(self.subcharts, &metadata, budget, level)?;
        Ok(Chart {
            metadata: Arc::new(metadata),
            lock: self.lock.map(Arc::new),
            templates: self.templates.into(),
            files: self.files.into(),
            values: Arc::new(self.values),
            schema_modified: self.schema.as_ref().and_then(|file| file.modified),
            schema: self.schema.map(|file| file.data),
            modified: self.modified,
            dependencies,
            digest: "".into(),
        })
    }
}

fn load_subcharts(
    subcharts: BTreeMap<String, Vec<File>>,
    parent: &Metadata,
    budget: &mut Budget,
    level: usize,
) -> Result<Vec<Chart>, LoadError> {
    let mut charts = Vec::new();
    for (name, files) in subcharts {
        if name.starts_with(['_', '.']) {
            continue;
        }
        let chart = load_subchart(&name, files, parent, budget, level + 1)?;
        charts.push(chart);
    }
    Ok(charts)
}

fn load_subchart(
    name: &str,
    files: Vec<File>,
    parent: &Metadata,
    budget: &mut Budget,
    level: usize,
) -> Result<Chart, LoadError> {
    let wrap =
        |source| LoadError::Subchart { name: name.to_owned(), parent: parent.name.clone(), source: Box::new(source) };
    if !has_extension(name, "tgz") {
        let inner = files.into_iter().filter_map(|file| {
            let inner = file.name.split_once('/')?.1.to_owned();
            Some(File { name: inner, ..file })
        });
        return chart_from_files(inner.collect(), budget, level).map_err(wrap);
    }
    let Some(archive) = files.first() else { return Err(wrap(LoadError::Empty)) };
    if archive.name != name {
        return Err(LoadError::SubchartArchive {
            parent: parent.name.clone(),
            expected: name.to_owned(),
            got: archive.name.clone(),
        });
    }
    let files = read_archive(&archive.data, budget).map_err(wrap)?;
    chart_from_files(files, budget, level).map_err(wrap)
}

fn has_extension(name: &str, extension: &str) -> bool {
    let base = name.rsplit('/').next().unwrap_or(name);
    base.rsplit_once('.').is_some_and(|(_, found)| found == extension)
}

fn read_yaml(file: &'static str, data: &[u8]) -> Result<Json, LoadError> {
    parse_yaml(data).map_err(|reason| LoadError::File { file, reason })
}

fn parse_yaml(data: &[u8]) -> Result<Json, String> {
    match std::str::from_utf8(data) {
        Ok(text) => yaml::parse(text).map_err(|error| error.to_string()),
        Err(_) => Err("error converting YAML to JSON: yaml: invalid UTF-8".to_owned()),
    }
}

/// The documents of a stream, as Kubernetes' YAMLReader cuts them: at lines that start with `---`. Such a line with
/// more than a comment on it is an error; carriage returns before a line's end are dropped.
fn documents(data: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    let mut documents = Vec::new();
    let mut document: Vec<u8> = Vec::new();
    let data = data.strip_suffix(b"\n").unwrap_or(data);
    for line in data.split(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if let Some(rest) = line.strip_prefix(b"---") {
            let rest = String::from_utf8_lossy(rest).trim().to_owned();
            if !rest.is_empty() && !rest.starts_with('#') {
                return Err(format!("error reading yaml document: invalid Yaml document separator: {rest}"));
            }
            if !document.is_empty() {
                documents.push(std::mem::take(&mut document));
                continue;
            }
        }
        document.extend_from_slice(line);
        document.push(b'\n');
    }
    if !document.is_empty() {
        documents.push(document);
    }
    Ok(documents)
}

fn json_kind(json: &Json) -> &'static str {
    match json {
        Json::Null => "null",
        Json::Bool(_) => "bool",
        Json::Number(_) => "number",
        Json::String(_) => "string",
        Json::Array(_) => "array",
        Json::Object(_) => "object",
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use serde_json::json;

    use super::*;

    const CHART_YAML: &str = "apiVersion: v2\nname: c\nversion: 1.2.3\n";

    /// A gzip-compressed tar archive of the given entries.
    fn archive(entries: &[(&str, &str)]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, text) in entries {
            let mut header = tar::Header::new_gnu();
            header.set_size(text.len() as u64);
            header.set_mode(0o644);
            header.set_mtime(1_700_000_000);
            builder.append_data(&mut header, name, text.as_bytes()).expect("memory");
        }
        compress(&builder.into_inner().expect("memory"))
    }

    fn compress(data: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(data).expect("memory");
        encoder.finish().expect("memory")
    }

    fn load(entries: &[(&str, &str)]) -> Result<Chart, String> {
        load_archive(&archive(entries), &Limits::default()).map_err(|error| error.to_string())
    }

    #[test]
    fn files_are_sorted_into_their_places() {
        let chart = load(&[
            ("c/values.yaml", "\u{feff}a: 1\n---\nb: {c: 2}\n"),
            ("c/Chart.yaml", CHART_YAML),
            ("c/templates/x.yaml", "\u{feff}x"),
            ("c/templates/nested/NOTES.txt", "n"),
            ("c/crds/crd.yaml", "k"),
            ("c/README.md", "r"),
            ("c/charts/sub/Chart.yaml", "apiVersion: v1\nname: sub\nversion: 0.1.0\n"),
            ("c/charts/sub/crds/crd.YML", "k"),
            ("c/charts/_ignored/x", "x"),
            ("c/charts/sub.tgz.prov", "p"),
        ])
        .expect("valid");
        let names = |files: &[File]| files.iter().map(|file| file.name.clone()).collect::<Vec<_>>();
        assert_eq!(*chart.values, json!({"a": 1.0, "b": {"c": 2.0}}));
        assert_eq!(names(&chart.templates), ["templates/x.yaml", "templates/nested/NOTES.txt"]);
        assert_eq!(&*chart.templates[0].data, b"x", "the byte order mark is removed");
        assert_eq!(names(&chart.files), ["crds/crd.yaml", "README.md", "charts/sub.tgz.prov"]);
        let crds: Vec<String> = chart.crds().into_iter().map(|crd| crd.path).collect();
        assert_eq!(crds, ["c/crds/crd.yaml", "c/charts/sub/crds/crd.YML"]);
        assert!(chart.digest.starts_with("sha256:"));
        assert_eq!(chart.modified.map(jiff::Timestamp::as_second), Some(1_700_000_000));
    }

    #[test]
    fn numbers_in_chart_yaml_become_helms_text() {
        let yaml = "apiVersion: v2\nNAME: c\nversion: 1.2\nappVersion: 1.10\nannotations: {a: 12, b: true, c: 0123}\n";
        let chart = load(&[("c/Chart.yaml", yaml)]).expect("valid");
        assert_eq!((chart.metadata.version.as_str(), chart.metadata.app_version.as_str()), ("1.2", "1.1"));
        let annotations: Vec<&str> = chart.metadata.annotations.values().map(String::as_str).collect();
        assert_eq!(annotations, ["12", "true", "83"]);
    }

    #[test]
    fn invalid_charts_are_refused_in_helms_words() {
        let head = "apiVersion: v2\nversion: 1.0.0\n";
        let table = [
            ("name: c\nversion: 1.0.0\napiVersion: v9\n".to_owned(), "unsupported chart version"),
            ("name: c\nversion: 1.0.0\napiVersion: v3\n".to_owned(), "invalid chart apiVersion"),
            (head.to_owned(), "validation: chart.metadata.name is required"),
            (format!("{head}name: ..\n"), "validation: chart.metadata.name \"..\" is not allowed"),
            (format!("{head}name: a/b\n"), "validation: chart.metadata.name \"a/b\" is invalid"),
            ("apiVersion: v2\nname: c\n".to_owned(), "validation: chart.metadata.version is required"),
            (
                "apiVersion: v2\nname: c\nversion: x.y\n".to_owned(),
                "validation: chart.metadata.version \"x.y\" is invalid",
            ),
            (format!("{head}name: c\ntype: other\n"), "validation: chart.metadata.type must be application or library"),
            (
                format!("{head}name: c\nmaintainers: [~]\n"),
                "validation: maintainers must not contain empty or null nodes",
            ),
            (
                format!("{head}name: c\ndependencies: [{{name: a}}, {{name: b, alias: a}}]\n"),
                "validation: more than one dependency with name or alias \"a\"",
            ),
            (
                format!("{head}name: c\ndependencies: [{{name: a, alias: 'x y'}}]\n"),
                "validation: dependency \"a\" has disallowed characters in the alias",
            ),
            (
                format!("{head}name: c\nkeywords: {{}}\n"),
                "cannot load Chart.yaml: error unmarshaling JSON: while decoding JSON: json: cannot unmarshal object \
                 into Go struct field Metadata.keywords of type []string",
            ),
        ];
        for (yaml, expected) in table {
            assert_eq!(load(&[("c/Chart.yaml", &yaml)]).err().as_deref(), Some(expected), "{yaml}");
        }
    }

    #[test]
    fn subcharts_are_unpacked_from_archives_and_folders() {
        let inner = archive(&[("sub/Chart.yaml", "apiVersion: v2\nname: sub\nversion: 1.0.0\n")]);
        let mut builder = tar::Builder::new(Vec::new());
        for (name, data) in [("c/Chart.yaml", CHART_YAML.as_bytes()), ("c/charts/sub-1.0.0.tgz", &inner)] {
            let mut header = tar::Header::new_gnu();
            header.set_size(data.len() as u64);
            builder.append_data(&mut header, name, data).expect("memory");
        }
        let outer = compress(&builder.into_inner().expect("memory"));
        let chart = load_archive(&outer, &Limits::default()).expect("valid");
        assert_eq!(chart.dependencies[0].name(), "sub");

        let stray = load(&[("c/Chart.yaml", CHART_YAML), ("c/charts/README.md", "x")]);
        let expected = "error unpacking subchart README.md in c: Chart.yaml file is missing";
        assert_eq!(stray.err().as_deref(), Some(expected));
    }

    #[test]
    fn links_and_limits_end_a_load() {
        let mut builder = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        builder.append_link(&mut header, "c/templates/x.yaml", "/etc/passwd").expect("memory");
        let linked = compress(&builder.into_inner().expect("memory"));
        let error = load_archive(&linked, &Limits::default()).expect_err("a link");
        let expected = "chart archive entry \"templates/x.yaml\" is a symbolic link: only regular files are allowed";
        assert_eq!(error.to_string(), expected);

        let large = archive(&[("c/Chart.yaml", CHART_YAML), ("c/a", &"x".repeat(3_000)), ("c/b", &"x".repeat(3_000))]);
        let limits = |file, total, entries| Limits { file, total, entries, depth: 4 };
        let table = [
            (limits(2_999, 100_000, 9), "decompressed chart file \"a\" is larger than the maximum file size 2999"),
            (limits(5_000, 5_000, 9), "decompressed chart is larger than the maximum size 5000"),
            (limits(5_000, 50_000, 2), "chart has more than 2 files"),
        ];
        for (limits, expected) in table {
            assert_eq!(load_archive(&large, &limits).expect_err(expected).to_string(), expected);
        }
    }

    #[test]
    fn archives_that_are_none_are_refused() {
        let load = |data: &[u8]| load_archive(data, &Limits::default()).map(drop).map_err(|error| error.to_string());
        let not_gzip = "stream does not appear to be a valid chart file (details: gzip: invalid header)";
        assert_eq!(load(b""), Err(not_gzip.to_owned()));
        assert_eq!(load(b"apiVersion: v2\n"), Err(not_gzip.to_owned()));
        assert_eq!(load(&archive(&[])), Err("no files in chart archive".to_owned()));
        let missing = "unable to detect chart version, no Chart.yaml found";
        assert_eq!(load(&archive(&[("c/x", "")])), Err(missing.to_owned()));
    }

    #[test]
    fn values_files_hold_several_documents() {
        let load = |text: &str| load_values(text.as_bytes());
        assert_eq!(load("a: {b: 1, c: 2}\n---\na: {b: ~}\n"), Ok(json!({"a": {"b": null, "c": 2.0}})));
        assert_eq!(load("# none\n"), Ok(json!({})));
        assert_eq!(load("--- # note\r\na: 1\r\n"), Ok(json!({"a": 1.0})));
        let separator = "error reading yaml document: invalid Yaml document separator: x";
        assert_eq!(load("a: 1\n--- x\n"), Err(separator.to_owned()));
        let list = "cannot unmarshal yaml document: error unmarshaling JSON: while decoding JSON: json: cannot \
                    unmarshal array into Go value of type map[string]interface {}";
        assert_eq!(load("- a\n"), Err(list.to_owned()));
    }
}
