//! A chart that a request names without a ChartRepo: an archive's address or an OCI repository.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::lenient;
use crate::api::rules::rule;

/// Where the chart comes from: http or oci.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[schemars(extend("x-kubernetes-validations" = rule("has(self.http) || has(self.oci)", "set source.http or source.oci")))]
pub struct ChartSource {
    /// A chart archive (.tgz) at an address. It wins over oci.
    #[serde(deserialize_with = "lenient::filled", skip_serializing_if = "Option::is_none")]
    pub http: Option<HttpSource>,
    /// A chart in an OCI registry.
    #[serde(deserialize_with = "lenient::filled", skip_serializing_if = "Option::is_none")]
    pub oci: Option<OciSource>,
}

/// A chart archive at an address.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["url"]))]
pub struct HttpSource {
    /// The address of the archive, for example `https://example.com/charts/web-1.2.3.tgz`.
    #[serde(deserialize_with = "lenient::or_default")]
    pub url: String,
    /// The name of a Secret in the request's namespace with the keys username and password.
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<String>,
    /// The SHA-256 digest that the archive must have, as 64 hexadecimal digits with or without `sha256:` in front.
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Certificates (PEM) of the authorities that the server's certificate may be signed by, instead of the
    /// system's.
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "Option::is_none")]
    pub ca_bundle: Option<String>,
    /// Do not verify the server's certificate. Anyone on the way can then replace the chart. Default: false.
    #[serde(
        rename = "insecureSkipTLSVerify",
        deserialize_with = "lenient::or_default",
        skip_serializing_if = "lenient::is_default"
    )]
    pub insecure_skip_tls_verify: bool,
}

/// A chart in an OCI registry.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["repo"]))]
pub struct OciSource {
    /// The repository, for example `registry.example.com/charts/web`; `oci://` in front is allowed.
    /// A tag or a digest (`@sha256:…`) may follow; else the tag is that of spec.version, exact or the newest of a range.
    #[serde(deserialize_with = "lenient::or_default")]
    pub repo: String,
    /// The name of a Secret in the request's namespace with the keys username and password, or of the type
    /// kubernetes.io/dockerconfigjson.
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<String>,
    /// The digest that the chart's manifest must have, for example `sha256:…`.
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Certificates (PEM) of the authorities that the registry's certificate may be signed by, instead of the
    /// system's.
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "Option::is_none")]
    pub ca_bundle: Option<String>,
    /// Do not verify the registry's certificate. Anyone on the way can then replace the chart. Default: false.
    #[serde(
        rename = "insecureSkipTLSVerify",
        deserialize_with = "lenient::or_default",
        skip_serializing_if = "lenient::is_default"
    )]
    pub insecure_skip_tls_verify: bool,
    /// Speak HTTP instead of HTTPS. Default: false.
    #[serde(
        rename = "plainHTTP",
        deserialize_with = "lenient::or_default",
        skip_serializing_if = "lenient::is_default"
    )]
    pub plain_http: bool,
}
