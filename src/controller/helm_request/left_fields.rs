//! The fields that are left to others: by the rules in `spec.drift.ignore`, and the number of replicas of what an
//! autoscaler scales. They are set when the object is made and not written any more.

use super::deploy::Deployment;
use crate::api::helm_request::DriftIgnore;
use crate::api::{HelmRequest, Reason};
use crate::cluster::Object;
use crate::cluster::left::LeftField;
use crate::controller::autoscalers::scaled_by;
use crate::controller::failure::Failure;
use crate::plan::Digest;

/// Checks the rules of a request.
///
/// # Errors
/// A path cannot be read.
pub fn check(request: &HelmRequest) -> Result<(), Failure> {
    for (place, rule) in request.spec.drift_ignore().iter().enumerate() {
        for (index, path) in rule.paths.iter().enumerate() {
            LeftField::parse(path).map_err(|error| {
                let message = format!("spec.drift.ignore[{place}].paths[{index}] {path:?}: {error}");
                Failure::new(Reason::InvalidRequest, message)
            })?;
        }
    }
    Ok(())
}

/// The digest of the rules of a request that leave fields to others; nothing where there are none.
pub fn left_rules(request: &HelmRequest) -> Option<Digest> {
    let rules = request.spec.drift_ignore().iter().filter(|rule| !rule.paths.is_empty());
    let rules: Vec<String> = rules.filter_map(|rule| serde_json::to_string(rule).ok()).collect();
    (!rules.is_empty()).then(|| Digest::of(&rules))
}

impl Deployment<'_> {
    /// Has the objects leave what they do not keep.
    pub(super) fn leave_fields(&self, objects: &mut [Object]) {
        let scaled = scaled_by(objects);
        let rules = self.request.spec.drift_ignore();
        let fields = |rule: &DriftIgnore| rule.paths.iter().filter_map(|path| LeftField::parse(path).ok()).collect();
        let rules: Vec<(&DriftIgnore, Vec<LeftField>)> = rules.iter().map(|rule| (rule, fields(rule))).collect();
        for object in objects {
            let has_replicas = object.json.pointer("/spec/replicas").is_some();
            if has_replicas && (scaled.contains(&object.key) || self.context.autoscalers.scale(&object.key)) {
                object.leave(LeftField::replicas());
            }
            for (rule, fields) in &rules {
                if rule.is_about(&object.key.kind, &object.key.name) {
                    fields.iter().cloned().for_each(|field| object.leave(field));
                }
            }
        }
    }
}
