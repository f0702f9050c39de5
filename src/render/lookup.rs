//! The seam through which templates read the cluster, and the record of what they read.

use std::collections::{BTreeMap, BTreeSet};

use crate::value::Json;

/// What `lookup` was asked for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Query {
    /// `v1`, `apps/v1`.
    pub api_version: String,
    /// `ConfigMap`.
    pub kind: String,
    /// Empty for cluster-scoped objects and for all namespaces.
    pub namespace: String,
    /// Empty for a list.
    pub name: String,
}

/// Answers `lookup`.
pub trait Lookup {
    /// The object, or a list object where the query has no name; an empty map (or null) where nothing is found.
    ///
    /// # Errors
    /// The text that the template's error carries.
    fn lookup(&self, query: &Query) -> Result<Json, String>;
}

/// No cluster at all: every lookup finds nothing, as in `helm template`.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoCluster;

impl Lookup for NoCluster {
    fn lookup(&self, _query: &Query) -> Result<Json, String> {
        Ok(Json::Null)
    }
}

/// What a render read of the cluster: with the same answers, the same chart and values render the same again
/// (chance and the clock aside).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reads {
    /// Each lookup and the SHA-256 of its answer's JSON.
    pub lookups: BTreeMap<Query, String>,
    /// Each version asked of `.Capabilities.APIVersions.Has` and the answer.
    pub api_versions: BTreeMap<String, bool>,
    /// Whether templates walked the whole list of API versions.
    pub all_api_versions: bool,
    /// The fields of `.Capabilities.KubeVersion` and `.HelmVersion` that were read.
    pub versions: BTreeSet<&'static str>,
}
