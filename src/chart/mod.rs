//! Charts: what an archive or a directory holds, and everything that happens to values before templates see them.
//!
//! A [`Chart`] is immutable and cheap to clone: file contents, values and schema are shared. A chart is loaded
//! ([`load_archive`], [`load_directory`]), its dependencies are selected for given values ([`dependencies::Selector`]),
//! its defaults and those of its subcharts are merged under the user's values ([`values::coalesce`]) and the result is
//! checked against the schemas ([`schema::validate`]). All of it follows Helm v4.3.1 (`pkg/chart`), messages included.

mod archive;
mod content;
pub mod decode;
pub mod dependencies;
mod directory;
mod error;
mod ignore;
pub mod lint;
mod load;
mod metadata;
pub mod origins;
mod pack;
pub mod pattern;
pub mod schema;
pub mod set;
mod unpack;
pub mod values;
pub mod version;

pub use archive::Limits;
pub use content::Content;
pub use directory::load_directory;
pub use error::LoadError;
pub use load::{load_archive, load_files, load_values, merge_maps};
pub use metadata::{Dependency, Lock, Maintainer, Metadata};
pub use pack::{Packed, pack_directory, with_subcharts};

use std::sync::Arc;

use bytes::Bytes;

use crate::value::Json;

/// One file of a chart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// The path inside the chart, with `/`.
    pub name: String,
    /// The content, without a leading byte order mark.
    pub data: Content,
    /// When it was last changed, where the archive or the file system says so.
    pub modified: Option<jiff::Timestamp>,
}

/// A chart with its subcharts.
#[derive(Clone, Debug)]
pub struct Chart {
    /// `Chart.yaml`.
    pub metadata: Arc<Metadata>,
    /// `Chart.lock` or `requirements.lock`.
    pub lock: Option<Arc<Lock>>,
    /// Everything under `templates/`, in archive order.
    pub templates: Arc<[File]>,
    /// Every other file that is not a chart file or a subchart, in archive order; `crds/` is among them.
    pub files: Arc<[File]>,
    /// The default values: an object, or null where the chart has no values.yaml.
    pub values: Arc<Json>,
    /// `values.schema.json`.
    pub schema: Option<Bytes>,
    /// When the schema file was last changed.
    pub schema_modified: Option<jiff::Timestamp>,
    /// When `Chart.yaml` was last changed.
    pub modified: Option<jiff::Timestamp>,
    /// The subcharts.
    pub dependencies: Vec<Chart>,
    /// What identifies the content: `sha256:` and the hex digest of names and contents of a directory's files, or of
    /// the archive, which whoever fetched it has to say. Empty for subcharts.
    pub digest: Arc<str>,
}

/// A file of `crds/`, which Helm applies before anything else and never renders.
#[derive(Clone, Debug)]
pub struct Crd {
    /// The path inside its chart, `crds/x.yaml`.
    pub name: String,
    /// The path from the root chart, `root/charts/sub/crds/x.yaml`.
    pub path: String,
    /// The content.
    pub data: Bytes,
}

impl Chart {
    /// The chart's name; of a subchart its alias, once dependencies are processed.
    pub fn name(&self) -> &str {
        &self.metadata.name
    }

    /// Whether this is a library chart, whose templates are never rendered.
    pub fn is_library(&self) -> bool {
        self.metadata.chart_type.eq_ignore_ascii_case("library")
    }

    /// The files of `crds/` of this chart and its subcharts, parents first (`pkg/chart/v2/chart.go` CRDObjects).
    pub fn crds(&self) -> Vec<Crd> {
        let mut crds = Vec::new();
        self.collect_crds(self.name(), &mut crds);
        crds
    }

    fn collect_crds(&self, path: &str, crds: &mut Vec<Crd>) {
        let manifests = self.files.iter().filter(|file| file.name.starts_with("crds/") && is_manifest(&file.name));
        crds.extend(manifests.map(|file| Crd {
            name: file.name.clone(),
            path: format!("{path}/{}", file.name),
            data: file.data.bytes(),
        }));
        for child in &self.dependencies {
            child.collect_crds(&format!("{path}/charts/{}", child.name()), crds);
        }
    }
}

fn is_manifest(name: &str) -> bool {
    let extension = name.rsplit('/').next().and_then(|base| base.rsplit_once('.')).map(|(_, extension)| extension);
    extension.is_some_and(|e| ["yaml", "yml", "json"].iter().any(|known| e.eq_ignore_ascii_case(known)))
}
