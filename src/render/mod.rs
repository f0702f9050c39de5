//! From a chart and values to manifests: Helm's rendering, byte for byte.
//!
//! A [`Program`] is a chart with its templates parsed once; it is shared by every release of that chart. A render
//! ([`Program::render`]) selects the dependencies for the given values, merges and checks values, runs every template
//! in Helm's order and sorts the resulting documents into manifests and hooks (`pkg/engine`, `pkg/action`
//! renderResources, `pkg/release/v1/util`).

mod capabilities;
mod chance;
mod context;
mod documents;
mod files;
mod glob;
mod hook;
mod jinja;
mod lint;
mod lookup;
mod manifest;
mod order;
mod pod;
pub mod post;
mod program;
mod secret;
mod source_map;
#[cfg(test)]
mod tests;
pub mod versioned;

pub use capabilities::{Capabilities, HelmVersion, KubeVersion, KubeVersionError, is_builtin_group};
pub use chance::OperatingSystem;
pub use hook::{Event, Hook};
pub use lint::lint;
pub use lookup::{Listed, Looked, Lookup, NoCluster, Query, Reads};
pub use manifest::{Head, Manifest, Sorted, sort_documents, split};
pub use order::{Order, sort_by_kind};
pub use program::Program;
pub use secret::encode_string_data;
pub use source_map::{Position, SourceMap, Written};

pub use crate::template::Limits;

use crate::chart::{Chart, Crd};
use crate::template::functions::Chance;
use crate::value::Json;

/// The release that is rendered: `.Release`.
#[derive(Clone, Debug)]
pub struct Release {
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// The revision that is being made, from 1.
    pub revision: i64,
    /// Whether an earlier revision exists.
    pub is_upgrade: bool,
}

/// All that a render depends on besides the chart.
#[derive(Clone, Copy)]
pub struct Input<'a> {
    /// The user's merged values: an object, or null for none.
    pub values: &'a Json,
    /// `.Release`.
    pub release: &'a Release,
    /// `.Capabilities`.
    pub capabilities: &'a Capabilities,
    /// Answers `lookup`.
    pub lookup: &'a dyn Lookup,
    /// Chance and the clock.
    pub chance: &'a dyn Chance,
    /// What the render may use up.
    pub limits: Limits,
    /// Whether values are checked against the charts' schemas.
    pub validate_schema: bool,
}

impl<'a> Input<'a> {
    /// A render without a cluster, within the usual limits: nothing is found by `lookup`, chance is the operating
    /// system's, values are checked.
    pub fn new(values: &'a Json, release: &'a Release, capabilities: &'a Capabilities) -> Self {
        Self {
            values,
            release,
            capabilities,
            lookup: &NoCluster,
            chance: &OperatingSystem,
            limits: Limits::default(),
            validate_schema: true,
        }
    }
}

/// What a render made.
#[derive(Clone, Debug)]
pub struct Rendered {
    /// The manifest as Helm stores it in a release: documents in install order, hooks not included.
    pub manifest: String,
    /// The same documents one by one.
    pub documents: Vec<Manifest>,
    /// The hooks, in Helm's order.
    pub hooks: Vec<Hook>,
    /// The rendered `NOTES.txt` of the root chart.
    pub notes: String,
    /// The files of `crds/`, parents first.
    pub crds: Vec<Crd>,
    /// Custom resource definitions that the chart brings as `crd-install` hooks of Helm 2.
    pub old_definitions: Vec<Manifest>,
    /// The chart as Helm records it: disabled dependencies removed, aliases and imported values applied.
    pub chart: Chart,
    /// What the render read of the cluster.
    pub reads: Reads,
}

/// Why a render failed. The texts are Helm's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// A library chart was asked for.
    #[error("library charts are not installable")]
    Library,
    /// Declared dependencies are not in `charts/`.
    #[error(
        "an error occurred while checking for chart dependencies. You may need to run `helm dependency build` to \
         fetch missing dependencies: found in Chart.yaml, but missing in charts/ directory: {}",
        .0.join(", ")
    )]
    MissingDependencies(Vec<String>),
    /// Dependencies could not be selected or their values merged.
    #[error("chart dependencies processing failed: {0}")]
    Dependencies(String),
    /// The cluster's version does not satisfy the chart's `kubeVersion`.
    #[error("chart requires kubeVersion: {constraint} which is incompatible with Kubernetes {version}")]
    KubeVersion {
        /// What the chart asks for.
        constraint: String,
        /// What the cluster has.
        version: String,
    },
    /// Values could not be merged.
    #[error("{0}")]
    Values(String),
    /// Values do not satisfy a schema.
    #[error("values don't meet the specifications of the schema(s) in the following chart(s):\n{0}")]
    Schema(String),
    /// A chart asks for an engine that there is not.
    #[error(
        "chart {chart:?} asks for the template engine {engine:?} in its annotation {}; there are {}",
        jinja::ANNOTATION,
        jinja::ENGINES.join(" and ")
    )]
    UnknownEngine {
        /// The chart.
        chart: String,
        /// What it asks for.
        engine: String,
    },
    /// A template could not be parsed or executed.
    #[error("{0}")]
    Template(String),
    /// The render's limits of steps, size, depth or time were used up; the text names template and line.
    #[error("{0}")]
    Limit(String),
    /// A template's output is not YAML.
    #[error("YAML parse error on {path}: {reason}")]
    Document {
        /// The template.
        path: String,
        /// What the YAML library says.
        reason: String,
    },
}
