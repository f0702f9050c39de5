//! How a release is deployed and kept: definitions, failure, drift and changes after rendering.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use crate::api::lenient;
use crate::api::rules::rule;

/// What happens to the chart's crds/ folder: Create makes those that are missing, CreateReplace also updates those
/// that are there, Skip leaves it out. Default: Create.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum CrdPolicy {
    /// Those that are missing are created; the others stay as they are, as with Helm.
    #[default]
    Create,
    /// Those that are missing are created, the others are updated.
    CreateReplace,
    /// They are left out.
    Skip,
}

/// Objects that may be deleted and made anew where a change of them is refused because a field is fixed.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ReplaceRule {
    /// The kind of the objects, for example `Job`. Empty: every kind.
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// The name of the object. Empty: every name.
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl ReplaceRule {
    /// Whether the rule is about an object. A rule that names neither kind nor name is about none.
    pub fn is_about(&self, kind: &str, name: &str) -> bool {
        let fits = |wanted: &Option<String>, is: &str| wanted.as_deref().is_none_or(|wanted| wanted == is);
        (self.kind.is_some() || self.name.is_some()) && fits(&self.kind, kind) && fits(&self.name, name)
    }
}

/// What happens when it has failed: Retry tries again with growing pauses; Rollback goes back to the last revision
/// that succeeded; Uninstall removes the release and installs it anew; Keep leaves everything as it is until the spec
/// changes. Default: Retry.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum FailureStrategy {
    /// Try again, with growing pauses.
    #[default]
    Retry,
    /// Roll back to the last revision that succeeded.
    Rollback,
    /// Uninstall and install anew.
    Uninstall,
    /// Leave everything as it is.
    Keep,
}

/// What happens when an install or an upgrade fails.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct OnFailure {
    /// What happens.
    #[serde(deserialize_with = "lenient::known", skip_serializing_if = "Option::is_none")]
    pub strategy: Option<FailureStrategy>,
    /// How often a failed operation is tried again before the strategy acts (Retry: before it stops). Default:
    /// Retry has no limit, the others act at once.
    #[serde(deserialize_with = "lenient::known", skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-validations" = rule("self >= 0", "retries is 0 or more")))]
    pub retries: Option<i64>,
}

/// What happens when somebody changes what was deployed: Repair puts it back at once, Report only tells, Off does not
/// look. Default: Repair.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum DriftMode {
    /// It is put back at once, and an event says what was changed by whom.
    #[default]
    Repair,
    /// It is only reported.
    Report,
    /// It is not looked at.
    Off,
}

/// What happens when somebody changes what was deployed.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Drift {
    /// What happens.
    #[serde(deserialize_with = "lenient::known", skip_serializing_if = "Option::is_none")]
    pub mode: Option<DriftMode>,
    /// Fields that others may change.
    #[serde(deserialize_with = "lenient::or_default", skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256))]
    pub ignore: Vec<DriftIgnore>,
}

/// Fields of some objects that others may change.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DriftIgnore {
    /// The kind of the objects, for example `Deployment`. Empty: every kind.
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// The name of the object. Empty: every name.
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Paths of the fields, for example `spec.replicas` or the JSON pointer `/spec/replicas`; `*` stands for every
    /// member or item, `containers[name=app]` selects items. Empty: the whole object.
    #[serde(deserialize_with = "lenient::or_default", skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<String>,
}

impl DriftIgnore {
    /// Whether the rule is about an object.
    pub fn is_about(&self, kind: &str, name: &str) -> bool {
        let fits = |wanted: &Option<String>, is: &str| wanted.as_deref().is_none_or(|wanted| wanted == is);
        fits(&self.kind, kind) && fits(&self.name, name)
    }
}

/// Changes to the rendered objects before they are applied: patches, then images, then labels and annotations.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PostRender {
    /// Patches of objects.
    #[serde(deserialize_with = "lenient::or_default", skip_serializing_if = "Vec::is_empty")]
    pub patches: Vec<Patch>,
    /// Replacements of container images.
    #[serde(deserialize_with = "lenient::or_default", skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<Image>,
    /// Labels that every object gets; selectors and pod templates stay as they are.
    #[serde(deserialize_with = "lenient::or_default", skip_serializing_if = "BTreeMap::is_empty")]
    pub common_labels: BTreeMap<String, String>,
    /// Annotations that every object gets.
    #[serde(deserialize_with = "lenient::or_default", skip_serializing_if = "BTreeMap::is_empty")]
    pub common_annotations: BTreeMap<String, String>,
    /// Change the chart's hooks too. Default: false.
    #[serde(deserialize_with = "lenient::or_default", skip_serializing_if = "lenient::is_default")]
    pub hooks: bool,
}

/// A patch of the objects that the target selects.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Patch {
    /// Which objects are patched. Without it, a strategic merge patch names its object by apiVersion, kind and
    /// metadata.name.
    #[serde(deserialize_with = "lenient::filled", skip_serializing_if = "Option::is_none")]
    pub target: Option<PatchTarget>,
    /// The patch as YAML: a map is a strategic merge patch, a list is a JSON patch (RFC 6902).
    #[serde(deserialize_with = "lenient::or_default", skip_serializing_if = "String::is_empty")]
    pub patch: String,
}

/// Which objects a patch is for. Group, version, kind, name and namespace are regular expressions that match as a whole;
/// what is not set selects everything.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PatchTarget {
    /// The API group, for example `apps`.
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// The API version, for example `v1`.
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The kind, for example `Deployment`.
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// The name of the object.
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The namespace of the object.
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// A label selector, for example `app=web,tier in (front, back)`.
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "Option::is_none")]
    pub label_selector: Option<String>,
}

/// A replacement of a container image.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Image {
    /// The image to look for, without tag and digest.
    #[serde(deserialize_with = "lenient::or_default", skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The image to take instead.
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "Option::is_none")]
    pub new_name: Option<String>,
    /// The tag to take instead of tag and digest.
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "Option::is_none")]
    pub new_tag: Option<String>,
    /// The digest to take, for example `sha256:…`; without newTag it stands instead of a tag.
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_about_the_kind_and_the_name_that_it_gives() {
        let rule = |kind: Option<&str>, name: Option<&str>| ReplaceRule {
            kind: kind.map(str::to_owned),
            name: name.map(str::to_owned),
        };
        let table = [
            (rule(Some("Job"), None), true),
            (rule(None, Some("seed")), true),
            (rule(Some("Job"), Some("seed")), true),
            (rule(Some("Job"), Some("other")), false),
            (rule(Some("Pod"), Some("seed")), false),
            (rule(None, None), false),
        ];
        for (rule, expected) in table {
            assert_eq!(rule.is_about("Job", "seed"), expected, "{rule:?}");
        }
    }
}
