//! The seam through which `lookup` reads the cluster.

use crate::value::Json;

/// Answers `lookup`.
pub trait Lookup {
    /// The object of that name, or a list where the name is empty; null where nothing is found.
    ///
    /// # Errors
    /// The text that the template's error carries.
    fn lookup(&self, api_version: &str, kind: &str, namespace: &str, name: &str) -> Result<Json, String>;
}

/// No cluster: nothing is ever found.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoLookup;

impl Lookup for NoLookup {
    fn lookup(&self, _api_version: &str, _kind: &str, _namespace: &str, _name: &str) -> Result<Json, String> {
        Ok(Json::Null)
    }
}
