//! HelmRequest: what to install, with which values, where and how.
//!
//! The spec is Captain's with optional additions; a request without them behaves as with Captain. A default is
//! stated in the field's description and lives in an accessor here, never in the schema: a schema default would be
//! written into objects that other tools own.

mod depends_on;
mod deploy;
mod source;
mod status;
mod values;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::{CustomResource, ResourceExt};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

pub use depends_on::{Dependency, DependsOn};
pub use deploy::{
    CrdPolicy, Drift, DriftIgnore, DriftMode, FailureStrategy, Image, OnFailure, Patch, PatchTarget, PostRender,
    ReplaceRule,
};
pub use source::{ChartSource, ConfigMapSource, GitSource, HttpSource, OciSource};
pub use status::{
    ClusterEntry, DriftChange, DriftStatus, DriftedObject, HelmRequestStatus, ObjectHealth, ObjectsStatus, Phase,
    RevisionEntry, SHOWN_OBJECTS,
};
pub use values::{KeyReference, ValuesSource};

use super::lenient;
use super::rules::{self, rule};
use super::{GoDuration, names};

/// How long one operation may take unless the request says otherwise.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(300);
/// How many revisions are kept unless the request says otherwise.
pub const DEFAULT_HISTORY_MAX: i64 = 10;

/// What to install and how to keep it. A chart is named either by `chart` (a ChartRepo's) or by `source`.
#[derive(CustomResource, JsonSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "app.alauda.io",
    version = "v1",
    kind = "HelmRequest",
    plural = "helmrequests",
    shortname = "hr",
    shortname = "hrs",
    namespaced,
    status = "HelmRequestStatus",
    derive = "PartialEq",
    doc = "HelmRequest installs a Helm chart and keeps the release as declared.",
    printcolumn = r#"{"name":"Chart","type":"string","description":"The chart of this request","jsonPath":".spec.chart"}"#,
    printcolumn = r#"{"name":"Version","type":"string","description":"The version that is asked for","jsonPath":".spec.version"}"#,
    printcolumn = r#"{"name":"Namespace","type":"string","description":"The namespace of the release","jsonPath":".spec.namespace"}"#,
    printcolumn = r#"{"name":"AllCluster","type":"boolean","description":"Whether it is installed into every cluster","jsonPath":".spec.installToAllClusters"}"#,
    printcolumn = r#"{"name":"Phase","type":"string","description":"Whether the spec is deployed","jsonPath":".status.phase"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#,
    printcolumn = r#"{"name":"Ready","type":"string","description":"Whether every object is healthy and as deployed","priority":1,"jsonPath":".status.conditions[?(@.type==\"Ready\")].status"}"#,
    printcolumn = r#"{"name":"Revision","type":"integer","description":"The deployed revision","priority":1,"jsonPath":".status.revision"}"#,
    printcolumn = r#"{"name":"Status","type":"string","description":"What is going on","priority":1,"jsonPath":".status.conditions[?(@.type==\"Ready\")].message"}"#
)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("x-kubernetes-validations" = rules::request()))]
pub struct HelmRequestSpec {
    /// The chart as repository/name, for example `stable/nginx`. The repository is a ChartRepo of the request's
    /// namespace or, if there is none, of the operator's.
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    #[schemars(extend("x-kubernetes-validations" = rules::chart()))]
    pub chart: Option<String>,
    /// The chart's version: an exact one (`1.2.3`), or a range (`^1.2`, `>=1.2 <2`, `1.x`) of which the newest is
    /// taken. Pre-releases count only if the range names one. Empty: the newest version. A chart of a registry can be
    /// named by its digest too (`sha256:…`). The chart of source.http and of source.git must have it.
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The name of the release. Default: the name of this object. It cannot change.
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    #[schemars(extend("x-kubernetes-validations" = rules::release_name()))]
    pub release_name: Option<String>,
    /// The namespace that the chart is installed into. Default: the namespace of this object. It cannot change.
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub namespace: Option<String>,
    /// The name of the Cluster that the chart is installed into. Default: the cluster that this object lives in.
    /// Ignored with installToAllClusters. It cannot change.
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub cluster_name: Option<String>,
    /// Install into every registered Cluster, also into those added later. Default: false. It cannot change.
    #[serde(deserialize_with = "lenient::or_default", skip_serializing_if = "lenient::is_default")]
    pub install_to_all_clusters: bool,
    /// Install into every registered Cluster with these labels, also into those that get them later; from one that loses
    /// them the release is removed. Ignored with installToAllClusters. It can be neither added nor removed later.
    #[serde(deserialize_with = "lenient::known", skip_serializing_if = "Option::is_none")]
    pub cluster_selector: Option<Box<LabelSelector>>,
    /// Names of HelmRequests in the same namespace that this one depends on, as in dependsOn.
    #[serde(deserialize_with = "lenient::or_default", skip_serializing_if = "Vec::is_empty")]
    pub dependencies: Vec<String>,
    /// HelmRequests that have to be deployed and ready before this one is installed or upgraded. What it waits for is in
    /// its status. When they are deleted together, this one is uninstalled before them.
    #[serde(deserialize_with = "lenient::or_default", skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub depends_on: Vec<DependsOn>,
    /// Values for the chart, as in a values file. They win over valuesFrom.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "values::free_form")]
    pub values: Option<Value>,
    /// ConfigMaps and Secrets with values files, merged in order: a later one wins. A change of their content
    /// deploys again.
    #[serde(deserialize_with = "lenient::or_default", skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256))]
    pub values_from: Vec<ValuesSource>,
    /// A chart that comes from no ChartRepo. It wins over chart.
    #[serde(deserialize_with = "lenient::filled", skip_serializing_if = "Option::is_none")]
    pub source: Option<ChartSource>,

    /// Write nothing for this request; its status is still reported. Default: false.
    #[serde(deserialize_with = "lenient::or_default", skip_serializing_if = "lenient::is_default")]
    pub suspend: bool,
    /// How long one operation may take, waits and each hook included, for example `90s` or `10m`. Default: 5m.
    #[serde(deserialize_with = "lenient::known", skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-validations" = rule(rules::POSITIVE_DURATION, "timeout is a number and a unit and more than zero, for example 90s, 5m or 1h30m")))]
    pub timeout: Option<GoDuration>,
    /// An operation succeeds only when every object is healthy; until then, or if it does not happen within
    /// timeout, the operation is not a success. Default: false.
    #[serde(deserialize_with = "lenient::or_default", skip_serializing_if = "lenient::is_default")]
    pub wait: bool,
    /// Create the release's namespace if it does not exist. Default: false.
    #[serde(deserialize_with = "lenient::or_default", skip_serializing_if = "lenient::is_default")]
    pub create_namespace: bool,
    /// How many revisions are kept; 0 keeps all. Default: 10.
    #[serde(deserialize_with = "lenient::known", skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-validations" = rule("self >= 0", "historyMax is 0, which keeps all revisions, or more")))]
    pub history_max: Option<i64>,
    /// The ServiceAccount of this object's namespace as which everything is written. It needs the rights for all
    /// objects of the chart. Default: the operator's own account.
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub service_account_name: Option<String>,
    /// What happens to the chart's crds/ folder.
    #[serde(deserialize_with = "lenient::known", skip_serializing_if = "Option::is_none")]
    pub crds: Option<CrdPolicy>,
    /// Objects that may be deleted and made anew where the API server refuses to change them because a field is fixed
    /// at creation. PersistentVolumeClaims, PersistentVolumes, Namespaces and definitions never are. Default: only
    /// objects with the annotation coxswain.dev/replace.
    #[serde(deserialize_with = "lenient::or_default", skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256))]
    pub replace: Vec<ReplaceRule>,
    /// What happens when an install or an upgrade fails.
    #[serde(deserialize_with = "lenient::filled", skip_serializing_if = "Option::is_none")]
    pub on_failure: Option<OnFailure>,
    /// Roll back to this revision. It stays live until the spec or the chart really changes.
    #[serde(deserialize_with = "lenient::known", skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-validations" = rule("self >= 1", "rollbackTo is the number of a revision, 1 or more")))]
    pub rollback_to: Option<i64>,
    /// What happens when somebody changes what was deployed.
    #[serde(deserialize_with = "lenient::filled", skip_serializing_if = "Option::is_none")]
    pub drift: Option<Drift>,
    /// Run the chart's tests after each successful install, upgrade and rollback. Default: false.
    #[serde(deserialize_with = "lenient::or_default", skip_serializing_if = "lenient::is_default")]
    pub test: bool,
    /// Changes to the rendered objects before they are applied.
    #[serde(deserialize_with = "lenient::filled", skip_serializing_if = "Option::is_none")]
    pub post_render: Option<PostRender>,
}

impl HelmRequestSpec {
    /// The repository and the chart's name of `chart`, if it has both.
    pub fn chart_reference(&self) -> Option<(&str, &str)> {
        let (repository, name) = self.chart.as_deref()?.split_once('/')?;
        (!repository.is_empty() && !name.is_empty()).then_some((repository, name))
    }

    /// How long one operation may take.
    pub fn timeout(&self) -> Duration {
        self.timeout.map_or(DEFAULT_TIMEOUT, |timeout| timeout.0)
    }

    /// How many revisions are kept; `None` keeps all.
    pub fn history_max(&self) -> Option<usize> {
        usize::try_from(self.history_max.unwrap_or(DEFAULT_HISTORY_MAX)).ok().filter(|&max| max > 0)
    }

    /// What happens to the chart's `crds/` folder.
    pub fn crds(&self) -> CrdPolicy {
        self.crds.unwrap_or_default()
    }

    /// What happens when somebody changes what was deployed.
    pub fn drift_mode(&self) -> DriftMode {
        self.drift.as_ref().and_then(|drift| drift.mode).unwrap_or_default()
    }

    /// What others may change.
    pub fn drift_ignore(&self) -> &[DriftIgnore] {
        self.drift.as_ref().map_or(&[], |drift| &drift.ignore)
    }

    /// Whether all of an object is others' to change.
    pub fn ignores(&self, kind: &str, name: &str) -> bool {
        self.drift_ignore().iter().any(|rule| rule.paths.is_empty() && rule.is_about(kind, name))
    }

    /// What happens when an install or an upgrade fails.
    pub fn failure_strategy(&self) -> FailureStrategy {
        self.on_failure.as_ref().and_then(|on_failure| on_failure.strategy).unwrap_or_default()
    }
}

/// The clusters that a request is deployed into.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Destination<'a> {
    /// The one that it lives in.
    Own,
    /// Another one, by its name.
    One(&'a str),
    /// Each registered one, or each with certain labels.
    Several(Option<&'a LabelSelector>),
}

impl HelmRequest {
    /// The name of the release: the spec's, else the object's.
    pub fn release_name(&self) -> String {
        self.spec.release_name.clone().unwrap_or_else(|| self.name_any())
    }

    /// The namespace of the release: the spec's, else the object's.
    pub fn release_namespace(&self) -> String {
        self.spec.namespace.clone().or_else(|| self.namespace()).unwrap_or_default()
    }

    /// The clusters that it is deployed into.
    pub fn destination(&self) -> Destination<'_> {
        let HelmRequestSpec { install_to_all_clusters, cluster_selector, cluster_name, .. } = &self.spec;
        match (install_to_all_clusters, cluster_selector.as_deref(), cluster_name.as_deref()) {
            (true, ..) => Destination::Several(None),
            (false, Some(selector), _) => Destination::Several(Some(selector)),
            (false, None, Some(name)) => Destination::One(name),
            (false, None, None) => Destination::Own,
        }
    }

    /// Whether its release in a cluster that cannot be reached may be left behind when it is deleted.
    pub fn abandons(&self, cluster: &str) -> bool {
        let named = self.annotation(names::ABANDON).unwrap_or_default();
        named.split(',').any(|name| name.trim() == cluster)
    }

    /// Whether nothing may be written for it: `spec.suspend` or Captain's annotation.
    pub fn is_suspended(&self) -> bool {
        self.spec.suspend || self.switched_on(names::NO_SYNC)
    }

    /// Whether deleting the request keeps the objects.
    pub fn keeps_resources(&self) -> bool {
        self.switched_on(names::KEEP_RESOURCES)
    }

    /// Whether objects of others are taken over.
    pub fn force_adopts(&self) -> bool {
        self.switched_on(names::FORCE_ADOPT)
    }

    /// The annotation of which each new value deploys the same spec once more.
    pub fn resync_token(&self) -> Option<&str> {
        self.annotation(names::RESYNC)
    }

    fn switched_on(&self, key: &str) -> bool {
        names::switched_on(self.annotation(key))
    }

    fn annotation(&self, key: &str) -> Option<&str> {
        let annotations: Option<&BTreeMap<String, String>> = self.metadata.annotations.as_ref();
        annotations?.get(key).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn request(spec: Value) -> HelmRequest {
        serde_json::from_value(json!({
            "apiVersion": "app.alauda.io/v1", "kind": "HelmRequest",
            "metadata": {"name": "web", "namespace": "demo"}, "spec": spec,
        }))
        .expect("a request")
    }

    #[test]
    fn an_empty_spec_has_captains_defaults() {
        let request = request(json!({}));
        assert_eq!(request.release_name(), "web");
        assert_eq!(request.release_namespace(), "demo");
        assert_eq!(request.spec.timeout(), DEFAULT_TIMEOUT);
        assert_eq!(request.spec.history_max(), Some(10));
        assert_eq!(request.spec.crds(), CrdPolicy::Create);
        assert_eq!(request.spec.drift_mode(), DriftMode::Repair);
        assert_eq!(request.spec.failure_strategy(), FailureStrategy::Retry);
    }

    #[test]
    fn empty_texts_and_nulls_are_not_set() {
        let odd = json!({
            "chart": "stable/nginx", "version": "", "namespace": "", "releaseName": "", "clusterName": null,
            "values": null, "valuesFrom": null, "dependencies": null, "source": null, "installToAllClusters": null,
            "timeout": "soon", "crds": "Sometimes", "unheardOf": {"a": 1},
        });
        let plain = HelmRequestSpec { chart: Some("stable/nginx".into()), ..Default::default() };
        assert_eq!(request(odd).spec, plain);
    }

    #[test]
    fn a_spec_that_says_nothing_is_written_as_nothing() {
        assert_eq!(serde_json::to_value(HelmRequestSpec::default()).expect("json"), json!({}));
    }

    #[test]
    fn zero_keeps_all_revisions() {
        assert_eq!(request(json!({"historyMax": 0})).spec.history_max(), None);
        assert_eq!(request(json!({"historyMax": 3})).spec.history_max(), Some(3));
    }

    #[test]
    fn a_chart_reference_needs_both_parts() {
        for (chart, expected) in [
            ("stable/nginx", Some(("stable", "nginx"))),
            ("git/team/web", Some(("git", "team/web"))),
            ("nginx", None),
            ("/nginx", None),
            ("stable/", None),
        ] {
            let spec = HelmRequestSpec { chart: Some(chart.into()), ..Default::default() };
            assert_eq!(spec.chart_reference(), expected, "{chart}");
        }
    }

    #[test]
    fn a_request_has_one_destination() {
        assert_eq!(request(json!({"clusterName": ""})).destination(), Destination::Own);
        assert_eq!(request(json!({"clusterName": "east"})).destination(), Destination::One("east"));
        let all = request(json!({"clusterName": "east", "installToAllClusters": true}));
        assert_eq!(all.destination(), Destination::Several(None));
        let labelled = request(json!({"clusterSelector": {"matchLabels": {"tier": "edge"}}}));
        assert!(matches!(labelled.destination(), Destination::Several(Some(_))));
    }

    #[test]
    fn only_the_clusters_that_are_named_are_abandoned() {
        let mut request = request(json!({}));
        assert!(!request.abandons("east"));
        request.annotations_mut().insert(names::ABANDON.into(), "north, east".into());
        assert!(request.abandons("east") && request.abandons("north") && !request.abandons("eas"));
    }

    #[test]
    fn annotations_switch_as_captain_documented_them() {
        let mut request = request(json!({}));
        assert!(!request.is_suspended());
        request.annotations_mut().insert(names::NO_SYNC.into(), "True".into());
        request.annotations_mut().insert(names::FORCE_ADOPT.into(), "false".into());
        assert!(request.is_suspended());
        assert!(!request.force_adopts());
    }
}
