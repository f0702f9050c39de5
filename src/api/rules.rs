//! Rules that the API server checks when an object is written (CEL, `x-kubernetes-validations`), in place of
//! Captain's webhooks.
//!
//! An object that broke a rule before the rule was there can still be changed elsewhere: since Kubernetes 1.30 the
//! server checks only what an update touches.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::ValidationRule;
use serde_json::{Value, json};

/// The form of a positive Go duration, see [`super::duration::PATTERN`].
pub const POSITIVE_DURATION: &str =
    "self.matches('^([0-9]+([.][0-9]+)?(ns|us|µs|ms|s|m|h))+$') && self.matches('[1-9]')";

/// That charts are not to be signed with cosign.
pub const NOT_COSIGN: &str = "!has(self.provider) || self.provider != 'Cosign'";

/// The name that a release keeps: the spec's, else the object's.
const RELEASE_NAME_KEPT: (&str, &str) = (
    "has(self.spec.releaseName) && self.spec.releaseName != '' \
     ? has(oldSelf.spec.releaseName) && self.spec.releaseName == oldSelf.spec.releaseName || \
     (!has(oldSelf.spec.releaseName) || oldSelf.spec.releaseName == '') && \
     self.spec.releaseName == self.metadata.name \
     : !has(oldSelf.spec.releaseName) || oldSelf.spec.releaseName in ['', self.metadata.name]",
    "spec.releaseName cannot change, the installed release would be left behind: delete this HelmRequest and create \
     another",
);

/// Pairs of a condition and the sentence that is shown when it does not hold.
pub fn rules(rules: &[(&str, &str)]) -> Value {
    rules.iter().map(|(rule, message)| json!({"rule": rule, "message": message})).collect()
}

/// One condition and its sentence.
pub fn rule(rule: &str, message: &str) -> Value {
    rules(&[(rule, message)])
}

/// The rule of a whole HelmRequest: it needs the object's name.
pub fn whole_request() -> ValidationRule {
    let (rule, message) = RELEASE_NAME_KEPT;
    ValidationRule { rule: rule.to_owned(), message: Some(message.to_owned()), ..Default::default() }
}

/// Rules between fields of a HelmRequest's spec. `namespace` is a reserved word of CEL, so it is written
/// `__namespace__`.
pub fn request() -> Value {
    rules(&[
        (
            "has(self.chart) && self.chart != '' || has(self.source)",
            "name a chart: set chart to repository/name, or set source.http, source.oci, source.git or source.configMap",
        ),
        (
            "(has(self.__namespace__) && self.__namespace__ != '') == \
             (has(oldSelf.__namespace__) && oldSelf.__namespace__ != '') && \
             (!has(self.__namespace__) || !has(oldSelf.__namespace__) || self.__namespace__ == oldSelf.__namespace__)",
            "namespace cannot change, the installed release would be left behind: delete this HelmRequest and create \
             another",
        ),
        (
            "(has(self.clusterName) && self.clusterName != '') == (has(oldSelf.clusterName) && oldSelf.clusterName != '') && \
             (!has(self.clusterName) || !has(oldSelf.clusterName) || self.clusterName == oldSelf.clusterName)",
            "clusterName cannot change, the installed release would be left behind: delete this HelmRequest and \
             create another",
        ),
        (
            "(has(self.installToAllClusters) && self.installToAllClusters) == \
             (has(oldSelf.installToAllClusters) && oldSelf.installToAllClusters)",
            "installToAllClusters cannot change: delete this HelmRequest and create another",
        ),
        (
            "has(self.clusterSelector) == has(oldSelf.clusterSelector)",
            "clusterSelector can be changed, but neither added nor removed: delete this HelmRequest and create another",
        ),
    ])
}

/// The form of `chart`; its repository may change, the chart's name may not.
pub fn chart() -> Value {
    rules(&[
        ("self == '' || self.matches('^[^/ ]+(/[^/ ]+)+$')", "chart is repository/name, for example stable/nginx"),
        (
            "self == '' || oldSelf == '' || \
             self.substring(self.indexOf('/') + 1) == oldSelf.substring(oldSelf.indexOf('/') + 1)",
            "the chart's name cannot change, only its repository: delete this HelmRequest and create another",
        ),
    ])
}

/// The form of a release's name, as Helm allows it (pkg/chart/common/util/validate_name.go).
pub fn release_name() -> Value {
    rule(
        "self == '' || self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$')",
        "releaseName consists of lower case letters, digits, '-' and '.', and begins and ends with a letter or digit",
    )
}

/// What a ChartRepo needs, by its type.
pub fn repository() -> Value {
    rules(&[
        (
            "has(self.type) && self.type in ['Git', 'SVN', 'Local'] || has(self.url) && self.url != ''",
            "url is needed: the address of the repository, for example https://charts.example.com",
        ),
        (
            "!(has(self.type) && self.type in ['Git', 'SVN']) || has(self.source) && self.source != null",
            "a Git or SVN repository needs source.url, the address to check out",
        ),
        (
            "!has(self.verify) || self.verify == null || !(has(self.type) && self.type in ['Git', 'SVN', 'Local'])",
            "verify is for repositories of the types HTTP and OCI: charts in Git, SVN and Local have no signatures",
        ),
        (
            "!has(self.verify) || self.verify == null || !has(self.verify.provider) || self.verify.provider != 'Cosign' \
             || has(self.type) && self.type == 'OCI' || has(self.url) && self.url.startsWith('oci://')",
            "signatures of cosign are in registries: set verify.provider to Provenance, or type to OCI",
        ),
    ])
}
