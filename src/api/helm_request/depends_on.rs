//! The requests that a request depends on.

use kube::ResourceExt;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::HelmRequest;
use crate::api::lenient;
use crate::api::rules::rule;

/// A request that has to be deployed and to work before this one is.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DependsOn {
    /// The name of the HelmRequest.
    #[serde(deserialize_with = "lenient::or_default", skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 253))]
    #[schemars(extend("x-kubernetes-validations" = rule("self != ''", "name a HelmRequest")))]
    pub name: String,
    /// Its namespace. Default: the namespace of this object.
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub namespace: Option<String>,
    /// A CEL expression that has to be true of it instead of its condition Ready; `dep` is that HelmRequest and `self`
    /// this one, for example `dep.status.version.startsWith('2.')`. That it is Synced is needed all the same.
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    pub ready: Option<String>,
}

/// A dependency of a request, however it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dependency<'a> {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: &'a str,
    /// What has to be true of it instead of its readiness.
    pub ready: Option<&'a str>,
    /// The field that names it, for example `spec.dependsOn[0]`.
    pub field: String,
}

impl HelmRequest {
    /// What it depends on.
    pub fn dependencies(&self) -> Vec<Dependency<'_>> {
        let own = self.namespace().unwrap_or_default();
        let of_captain = self.spec.dependencies.iter().enumerate().map(|(place, name)| Dependency {
            namespace: own.clone(),
            name,
            ready: None,
            field: format!("spec.dependencies[{place}]"),
        });
        let named = self.spec.depends_on.iter().enumerate().map(|(place, depends_on)| Dependency {
            namespace: depends_on.namespace.clone().unwrap_or_else(|| own.clone()),
            name: &depends_on.name,
            ready: depends_on.ready.as_deref(),
            field: format!("spec.dependsOn[{place}]"),
        });
        of_captain.chain(named).filter(|dependency| !dependency.name.is_empty()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn captains_names_and_ours_are_one_list() {
        let request: HelmRequest = serde_json::from_value(json!({
            "apiVersion": "app.alauda.io/v1", "kind": "HelmRequest", "metadata": {"name": "web", "namespace": "demo"},
            "spec": {
                "dependencies": ["db", ""],
                "dependsOn": [{"name": "cache"}, {"name": "dns", "namespace": "infra", "ready": "true"}],
            },
        }))
        .expect("a request");
        let told: Vec<String> = request
            .dependencies()
            .iter()
            .map(|found| format!("{} {}/{} {:?}", found.field, found.namespace, found.name, found.ready))
            .collect();
        let expected = [
            "spec.dependencies[0] demo/db None",
            "spec.dependsOn[0] demo/cache None",
            "spec.dependsOn[1] infra/dns Some(\"true\")",
        ];
        assert_eq!(told, expected);
    }
}
