//! A chart that a request names without a ChartRepo: the address of an archive, an OCI or a Git repository, or a
//! ConfigMap.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;

use crate::api::chart_repo::DEFAULT_INTERVAL;
use crate::api::rules::{self, rule};
use crate::api::{GoDuration, Verification, lenient};

/// Where the chart comes from: http, oci, git or configMap.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("x-kubernetes-validations" = rule("has(self.http) || has(self.oci) || has(self.git) || has(self.configMap)", "set source.http, source.oci, source.git or source.configMap")))]
pub struct ChartSource {
    /// A chart archive (.tgz) at an address. It wins over oci and git.
    #[serde(deserialize_with = "lenient::filled", skip_serializing_if = "Option::is_none")]
    pub http: Option<HttpSource>,
    /// A chart in an OCI registry. It wins over git.
    #[serde(deserialize_with = "lenient::filled", skip_serializing_if = "Option::is_none")]
    pub oci: Option<OciSource>,
    /// A chart in a folder of a Git repository.
    #[serde(deserialize_with = "lenient::filled", skip_serializing_if = "Option::is_none")]
    pub git: Option<GitSource>,
    /// A chart in a ConfigMap. The others win over it.
    #[serde(deserialize_with = "lenient::filled", skip_serializing_if = "Option::is_none")]
    pub config_map: Option<ConfigMapSource>,
}

/// A chart in a ConfigMap of the request's namespace.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["name"]))]
pub struct ConfigMapSource {
    /// The ConfigMap's name.
    #[serde(deserialize_with = "lenient::or_default")]
    pub name: String,
    /// The key of the archive, for example `web-1.2.3.tgz`; it may be in parts, web-1.2.3.tgz.00 and so on. Default: the
    /// archives that are there, which are of one chart; spec.version chooses among them.
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// A chart archive at an address.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["url"]))]
pub struct HttpSource {
    /// The address of the archive, for example `https://example.com/charts/web-1.2.3.tgz`.
    #[serde(deserialize_with = "lenient::or_default")]
    pub url: String,
    /// The name of a Secret in the request's namespace with the keys username and password, or token; ca.crt, tls.crt
    /// and tls.key in it are used too.
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<String>,
    /// How often it is looked whether the archive has changed, for example `1h`; one with a digest cannot change.
    /// Default: 10m.
    #[serde(deserialize_with = "lenient::known", skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-validations" = rule(rules::POSITIVE_DURATION, "interval is a number and a unit and more than zero, for example 30s, 10m or 1h")))]
    pub interval: Option<GoDuration>,
    /// The SHA-256 digest that the archive must have, as 64 hexadecimal digits with or without `sha256:` in front.
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Who must have signed the chart. Default: nobody.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-validations" = rule(rules::NOT_COSIGN, "signatures of cosign are in registries: set verify.provider to Provenance, or fetch the chart by source.oci")))]
    pub verify: Option<Verification>,
    /// Certificates (PEM) of the authorities that the server's certificate may be signed by, instead of the
    /// system's.
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "Option::is_none")]
    pub ca_bundle: Option<String>,
    /// The name of a ConfigMap in the request's namespace whose ca.crt is such certificates, if neither caBundle nor
    /// the Secret has them.
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "Option::is_none")]
    pub ca_config_map_ref: Option<String>,
    /// Do not verify the server's certificate. Anyone on the way can then replace the chart. Default: false.
    #[serde(
        rename = "insecureSkipTLSVerify",
        deserialize_with = "lenient::or_default",
        skip_serializing_if = "lenient::is_default"
    )]
    pub insecure_skip_tls_verify: bool,
}

impl HttpSource {
    /// How often it is looked whether the archive has changed.
    pub fn interval(&self) -> Duration {
        self.interval.map_or(DEFAULT_INTERVAL, |interval| interval.0)
    }
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
    /// The name of a Secret in the request's namespace with the keys username and password, or token, or of the type
    /// kubernetes.io/dockerconfigjson.
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<String>,
    /// The digest that the chart's manifest must have, for example `sha256:…`.
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Who must have signed the chart. Default: nobody.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verify: Option<Verification>,
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

/// A chart in a folder of a Git repository.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["url"]))]
pub struct GitSource {
    /// The address to clone: https://, http://, ssh:// or user@host:path.
    #[serde(deserialize_with = "lenient::or_default")]
    pub url: String,
    /// The folder of the chart, or one above it if there is no other chart in it. Default: the root.
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The branch, tag or whole commit. Default: the repository's default branch.
    #[serde(rename = "ref", deserialize_with = "lenient::text", skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// A range of versions, for example `^1.2`, of which the newest tag is taken instead of ref.
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub semver: Option<String>,
    /// Check out submodules too. Default: false.
    #[serde(deserialize_with = "lenient::or_default", skip_serializing_if = "lenient::is_default")]
    pub submodules: bool,
    /// The name of a Secret in the request's namespace with the keys username and password, or token, or for ssh
    /// identity (or ssh-privatekey) and known_hosts; ca.crt, tls.crt and tls.key in it are used too.
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<String>,
    /// How often it is looked whether there is another commit, for example `1h`. Default: 10m.
    #[serde(deserialize_with = "lenient::known", skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-validations" = rule(rules::POSITIVE_DURATION, "interval is a number and a unit and more than zero, for example 30s, 10m or 1h")))]
    pub interval: Option<GoDuration>,
    /// Certificates (PEM) of the authorities that the server's certificate may be signed by, instead of the
    /// system's.
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "Option::is_none")]
    pub ca_bundle: Option<String>,
    /// The name of a ConfigMap in the request's namespace whose ca.crt is such certificates, if neither caBundle nor
    /// the Secret has them.
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "Option::is_none")]
    pub ca_config_map_ref: Option<String>,
    /// Do not verify the server's certificate. Anyone on the way can then replace the chart. Default: false.
    #[serde(
        rename = "insecureSkipTLSVerify",
        deserialize_with = "lenient::or_default",
        skip_serializing_if = "lenient::is_default"
    )]
    pub insecure_skip_tls_verify: bool,
}

impl GitSource {
    /// How often it is looked whether there is another commit.
    pub fn interval(&self) -> Duration {
        self.interval.map_or(DEFAULT_INTERVAL, |interval| interval.0)
    }
}
