//! The chart inside a record (`pkg/chart/v2/chart.go`): metadata, templates, files and defaults of the root chart.
//!
//! Subcharts are not stored; what they gave is in the manifest.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use jiff::Timestamp;
use serde::ser::SerializeSeq;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use super::time;
use crate::chart::{Chart, File, Lock, Metadata};
use crate::value::Json;

/// The chart inside a record. Contents are shared with the chart that it was made of.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct StoredChart {
    /// `Chart.yaml`.
    #[serde(deserialize_with = "read_metadata", serialize_with = "write_shared")]
    pub metadata: Arc<Metadata>,
    /// `Chart.lock`.
    #[serde(serialize_with = "write_lock", deserialize_with = "read_lock")]
    pub lock: Option<Arc<Lock>>,
    /// The templates.
    #[serde(serialize_with = "write_files", deserialize_with = "read_files")]
    pub templates: Arc<[File]>,
    /// The default values, imported values included.
    #[serde(serialize_with = "write_shared", deserialize_with = "read_values")]
    pub values: Arc<Json>,
    /// `values.schema.json`.
    #[serde(serialize_with = "write_schema", deserialize_with = "read_schema")]
    pub schema: Option<Bytes>,
    /// When the schema was last changed.
    #[serde(rename = "schemamodtime", with = "time::optional")]
    pub schema_modified: Option<Timestamp>,
    /// The other files.
    #[serde(serialize_with = "write_files", deserialize_with = "read_files")]
    pub files: Arc<[File]>,
    /// When `Chart.yaml` was last changed.
    #[serde(rename = "modtime", with = "time::optional", skip_serializing_if = "Option::is_none")]
    pub modified: Option<Timestamp>,
}

impl Default for StoredChart {
    fn default() -> Self {
        Self {
            metadata: Arc::default(),
            lock: None,
            templates: Arc::new([]),
            values: Arc::default(),
            schema: None,
            schema_modified: None,
            files: Arc::new([]),
            modified: None,
        }
    }
}

impl From<&Chart> for StoredChart {
    fn from(chart: &Chart) -> Self {
        Self {
            metadata: Arc::clone(&chart.metadata),
            lock: chart.lock.clone(),
            templates: Arc::clone(&chart.templates),
            values: Arc::clone(&chart.values),
            schema: chart.schema.clone(),
            schema_modified: chart.schema_modified,
            files: Arc::clone(&chart.files),
            modified: chart.modified,
        }
    }
}

/// A file as JSON has it.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct StoredFile {
    name: String,
    data: Option<String>,
    #[serde(rename = "modtime", with = "time::optional", skip_serializing_if = "Option::is_none")]
    modified: Option<Timestamp>,
}

fn write_shared<S: Serializer, T: Serialize>(shared: &Arc<T>, serializer: S) -> Result<S::Ok, S::Error> {
    shared.as_ref().serialize(serializer)
}

fn read_metadata<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Arc<Metadata>, D::Error> {
    time::null_is_default::<D, Metadata>(deserializer).map(Arc::new)
}

fn write_lock<S: Serializer>(lock: &Option<Arc<Lock>>, serializer: S) -> Result<S::Ok, S::Error> {
    let Some(lock) = lock else { return serializer.serialize_none() };
    if !lock.generated.is_empty() {
        return lock.as_ref().serialize(serializer);
    }
    Lock { generated: time::ZERO.to_owned(), ..lock.as_ref().clone() }.serialize(serializer)
}

fn read_lock<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Arc<Lock>>, D::Error> {
    Ok(Option::<Lock>::deserialize(deserializer)?.map(Arc::new))
}

fn read_values<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Arc<Json>, D::Error> {
    super::record::read_values(deserializer).map(Arc::new)
}

fn write_schema<S: Serializer>(schema: &Option<Bytes>, serializer: S) -> Result<S::Ok, S::Error> {
    schema.as_ref().map(|schema| STANDARD.encode(schema)).serialize(serializer)
}

fn read_schema<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Bytes>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    let schema = text.map(|text| STANDARD.decode(text)).transpose().map_err(D::Error::custom)?;
    Ok(schema.map(Bytes::from))
}

/// The JSON of a list of files alone.
pub(super) struct Files<'a>(pub(super) &'a Arc<[File]>);

impl Serialize for Files<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        write_files(self.0, serializer)
    }
}

/// Go writes a list that nothing was added to as null.
fn write_files<S: Serializer>(files: &Arc<[File]>, serializer: S) -> Result<S::Ok, S::Error> {
    if files.is_empty() {
        return serializer.serialize_none();
    }
    let mut list = serializer.serialize_seq(Some(files.len()))?;
    for file in files.iter() {
        let data = Some(STANDARD.encode(&file.data));
        list.serialize_element(&StoredFile { name: file.name.clone(), data, modified: file.modified })?;
    }
    list.end()
}

fn read_files<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Arc<[File]>, D::Error> {
    let stored = Option::<Vec<StoredFile>>::deserialize(deserializer)?.unwrap_or_default();
    let files = stored.into_iter().map(|file| {
        let data = STANDARD.decode(file.data.unwrap_or_default()).map_err(D::Error::custom)?;
        Ok(File { name: file.name, data: data.into(), modified: file.modified })
    });
    files.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_chart_is_written_as_go_does() -> Result<(), serde_json::Error> {
        let expected = r#"{"metadata":{},"lock":null,"templates":null,"values":null,"schema":null,"schemamodtime":"0001-01-01T00:00:00Z","files":null}"#;
        assert_eq!(serde_json::to_string(&StoredChart::default())?, expected);
        Ok(())
    }

    #[test]
    fn files_are_base64_with_their_times() -> Result<(), serde_json::Error> {
        let text = r#"[{"name":"templates/a.yaml","data":"a2luZDog4oKs","modtime":"2026-11-21T04:49:59Z"},{"name":"templates/empty","data":""}]"#;
        let chart: StoredChart = serde_json::from_str(&format!(r#"{{"metadata":null,"templates":{text}}}"#))?;
        assert_eq!(chart.templates[0].data.as_ref(), "kind: €".as_bytes());
        let written = serde_json::to_string(&chart)?;
        assert!(written.contains(text), "{written}");
        Ok(())
    }

    #[test]
    fn a_lock_without_a_time_gets_go_zero_time() -> Result<(), serde_json::Error> {
        let chart = StoredChart { lock: Some(Arc::default()), ..StoredChart::default() };
        let written = serde_json::to_string(&chart)?;
        assert!(
            written.contains(r#""lock":{"generated":"0001-01-01T00:00:00Z","digest":"","dependencies":[]}"#),
            "{written}"
        );
        Ok(())
    }
}
