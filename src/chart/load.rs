//! From files to a chart: which file is what, subcharts, values (`pkg/chart/v2/loader/load.go`).

use std::collections::BTreeMap;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::archive::{Budget, read_archive};
use super::metadata::Decoded;
use super::{Chart, File, Limits, LoadError, Lock, Metadata};
use crate::value::{Json, hex};
use crate::yaml;

/// Loads a chart archive (`.tgz`).
///
/// # Errors
/// [`LoadError`], in Helm's words, when the archive or the chart in it is not valid or larger than `limits`.
pub fn load_archive(archive: &[u8], limits: &Limits) -> Result<Chart, LoadError> {
    let mut budget = Budget::new(limits);
    let files = unpack(archive, &mut budget)?;
    check_version(&files)?;
    chart_from_files(files, &mut budget, 0)
}

/// Reads the files of a chart archive as they are, those that become parts of the chart included.
///
/// # Errors
/// [`LoadError`], when the archive is not valid or larger than `limits`.
pub fn load_files(archive: &[u8], limits: &Limits) -> Result<Vec<File>, LoadError> {
    unpack(archive, &mut Budget::new(limits))
}

fn unpack(archive: &[u8], budget: &mut Budget) -> Result<Vec<File>, LoadError> {
    read_archive(archive, budget).map_err(|error| match error {
        LoadError::NotGzip => LoadError::NotAnArchive,
        other => LoadError::Archive(Box::new(other)),
    })
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
    format!("sha256:{}", hex(&hash.finalize()))
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
            schema: self.schema.map(|file| file.data.bytes()),
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
mod tests;
