//! Cluster: another cluster that charts are installed into, as the retired cluster registry defined it.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::conditions::Condition;
use super::lenient;

/// Where the cluster's API server is and how to talk to it.
#[derive(CustomResource, JsonSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "clusterregistry.k8s.io",
    version = "v1alpha1",
    kind = "Cluster",
    plural = "clusters",
    namespaced,
    derive = "PartialEq",
    status = "ClusterStatus",
    annotation("api-approved.kubernetes.io", "unapproved, the definition of the retired cluster registry"),
    doc = "Cluster is a cluster that charts can be installed into.",
    printcolumn = r#"{"name":"Server","type":"string","description":"The address of the API server","jsonPath":".spec.kubernetesApiEndpoints.serverEndpoints[0].serverAddress"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase", default)]
pub struct ClusterSpec {
    /// The addresses of the API server.
    #[serde(deserialize_with = "lenient::filled", skip_serializing_if = "Option::is_none")]
    pub kubernetes_api_endpoints: Option<ApiEndpoints>,
    /// How to log in.
    #[serde(deserialize_with = "lenient::filled", skip_serializing_if = "Option::is_none")]
    pub auth_info: Option<AuthInfo>,
}

/// The addresses of an API server.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ApiEndpoints {
    /// The addresses; the first is used.
    #[serde(deserialize_with = "lenient::or_default", skip_serializing_if = "Vec::is_empty")]
    pub server_endpoints: Vec<ServerEndpoint>,
    /// Certificates (PEM, in base64) of the authorities that the server's certificate may be signed by.
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "byte"))]
    pub ca_bundle: Option<String>,
}

/// One address of an API server.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ServerEndpoint {
    /// The clients that the address is for; not used.
    #[serde(rename = "clientCIDR", deserialize_with = "lenient::text", skip_serializing_if = "Option::is_none")]
    pub client_cidr: Option<String>,
    /// The address: a host, host:port or URL.
    #[serde(rename = "serverAddress", deserialize_with = "lenient::text", skip_serializing_if = "Option::is_none")]
    pub server_address: Option<String>,
}

/// How to log in to a cluster.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AuthInfo {
    /// What a person uses; not used by the operator.
    #[serde(deserialize_with = "lenient::filled", skip_serializing_if = "Option::is_none")]
    pub user: Option<ObjectReference>,
    /// What the operator uses: a Secret with the key token, or kubeconfig.
    #[serde(deserialize_with = "lenient::filled", skip_serializing_if = "Option::is_none")]
    pub controller: Option<ObjectReference>,
}

/// A reference to an object.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ObjectReference {
    /// The object's kind: Secret.
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// The object's namespace. Default: the Cluster's.
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The object's name.
    #[serde(deserialize_with = "lenient::or_default", skip_serializing_if = "String::is_empty")]
    pub name: String,
}

/// What was found out about the cluster.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClusterStatus {
    /// Observations: OK.
    #[serde(deserialize_with = "lenient::or_default", skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
}

impl ClusterSpec {
    /// The address that is used.
    pub fn server_address(&self) -> Option<&str> {
        self.kubernetes_api_endpoints.as_ref()?.server_endpoints.first()?.server_address.as_deref()
    }
}
