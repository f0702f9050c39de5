//! ChartRepo: a place that charts come from.
//!
//! There is no status subresource, as with Captain: its clients ask for a refresh by writing `status.phase`
//! through the object itself, and old tools must go on working.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;

use super::conditions::Condition;
use super::lenient;
use super::rules::{self, rule};
use super::{GoDuration, Verification};

/// How often a repository is read unless it says otherwise.
pub const DEFAULT_INTERVAL: Duration = Duration::from_secs(600);

/// Where the charts are and how they are read.
#[derive(CustomResource, JsonSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "app.alauda.io",
    version = "v1beta1",
    kind = "ChartRepo",
    plural = "chartrepos",
    shortname = "ctr",
    namespaced,
    derive = "PartialEq",
    status = "ChartRepoStatus",
    doc = "ChartRepo is a place that charts come from: an HTTP repository, an OCI registry, a Git or Subversion repository, or charts kept in ConfigMaps and Secrets.",
    printcolumn = r#"{"name":"URL","type":"string","description":"The address","jsonPath":".spec.url"}"#,
    printcolumn = r#"{"name":"Phase","type":"string","description":"Whether the charts were read","jsonPath":".status.phase"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#,
    printcolumn = r#"{"name":"Type","type":"string","description":"The type","priority":1,"jsonPath":".spec.type"}"#,
    printcolumn = r#"{"name":"Charts","type":"integer","description":"How many charts it has","priority":1,"jsonPath":".status.charts"}"#,
    printcolumn = r#"{"name":"Reason","type":"string","description":"Why the charts were not read","priority":1,"jsonPath":".status.reason"}"#
)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("x-kubernetes-validations" = rules::repository()))]
pub struct ChartRepoSpec {
    /// The address of the repository: where index.yaml is (HTTP), or oci://registry/path (OCI). Not needed for Git,
    /// SVN and Local, whose address is in source or nowhere.
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    pub url: Option<String>,
    /// What it is: HTTP, also called Chart, is a Helm repository with an index.yaml; OCI a registry; Git and SVN a
    /// repository with chart folders; Local what ConfigMaps and Secrets of the namespace with the label
    /// coxswain.dev/repository hold. Default: OCI if url begins with oci://, else HTTP.
    #[serde(rename = "type", deserialize_with = "lenient::known", skip_serializing_if = "Option::is_none")]
    pub type_: Option<RepositoryType>,
    /// The Secret with credentials: username and password, or token, or Docker's configuration in .dockerconfigjson; for
    /// Git over ssh identity (or ssh-privatekey) and known_hosts.
    #[serde(deserialize_with = "lenient::filled", skip_serializing_if = "Option::is_none")]
    pub secret: Option<SecretReference>,
    /// Where the chart folders are; only for Git and SVN.
    #[serde(deserialize_with = "lenient::filled", skip_serializing_if = "Option::is_none")]
    pub source: Option<VersionControl>,
    /// How often it is read, for example `1h`. Default: 10m.
    #[serde(deserialize_with = "lenient::known", skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-validations" = rule(rules::POSITIVE_DURATION, "interval is a number and a unit and more than zero, for example 30s, 10m or 1h; to stop reading set enabled to false")))]
    pub interval: Option<GoDuration>,
    /// Whether it is read. When false, the charts that are known stay. Default: true.
    #[serde(deserialize_with = "lenient::known", skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Certificates (PEM) of the authorities that the server's certificate may be signed by, instead of the
    /// system's.
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "Option::is_none")]
    pub ca_bundle: Option<String>,
    /// The Secret with certificates: ca.crt for the server's authority, tls.crt and tls.key to identify the client.
    #[serde(deserialize_with = "lenient::filled", skip_serializing_if = "Option::is_none")]
    pub tls_secret: Option<SecretReference>,
    /// The ConfigMap with certificates: ca.crt for the server's authority, if neither caBundle nor tlsSecret has it.
    #[serde(deserialize_with = "lenient::filled", skip_serializing_if = "Option::is_none")]
    pub ca_config_map: Option<ConfigMapReference>,
    /// The Secret whose key token webhooks prove to know (POST /hooks/NAMESPACE/NAME of the operator's API), by a
    /// signature of their body or as a password. Default: none, and no webhook is taken.
    #[serde(deserialize_with = "lenient::filled", skip_serializing_if = "Option::is_none")]
    pub webhook_secret: Option<SecretReference>,
    /// Do not verify the server's certificate. Anyone on the way can then replace charts and read the credentials.
    /// Default: false.
    #[serde(
        rename = "insecureSkipTLSVerify",
        deserialize_with = "lenient::or_default",
        skip_serializing_if = "lenient::is_default"
    )]
    pub insecure_skip_tls_verify: bool,
    /// Give the credentials also to other hosts that the index names. Default: false.
    #[serde(deserialize_with = "lenient::or_default", skip_serializing_if = "lenient::is_default")]
    pub pass_credentials_all: bool,
    /// Speak HTTP instead of HTTPS; only for OCI. Default: false.
    #[serde(
        rename = "plainHTTP",
        deserialize_with = "lenient::or_default",
        skip_serializing_if = "lenient::is_default"
    )]
    pub plain_http: bool,
    /// The names of the charts below url; only for OCI, and needed where the registry does not list them. Default: url
    /// is itself one chart or, where it has no tags, a path above the charts that the registry lists.
    #[serde(deserialize_with = "lenient::or_default", skip_serializing_if = "Vec::is_empty")]
    pub charts: Vec<String>,
    /// A regular expression that a tag must match to be a version, for example `^1[.]` or `^[^-]+$`; only for OCI.
    /// Default: every tag that is a version.
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub tag_filter: Option<String>,
    /// Who must have signed the charts; only for HTTP and OCI. Default: nobody.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verify: Option<Verification>,
}

/// What a ChartRepo is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub enum RepositoryType {
    /// A Helm repository with an `index.yaml`.
    #[default]
    #[serde(rename = "HTTP")]
    Http,
    /// The same; Captain's word.
    Chart,
    /// An OCI registry.
    #[serde(rename = "OCI")]
    Oci,
    /// A Git repository with chart folders.
    Git,
    /// A Subversion repository with chart folders.
    #[serde(rename = "SVN")]
    Svn,
    /// Charts in ConfigMaps and Secrets.
    Local,
}

impl RepositoryType {
    /// All types, as they are written.
    pub const ALL: [(&str, Self); 6] = [
        ("HTTP", Self::Http),
        ("Chart", Self::Chart),
        ("OCI", Self::Oci),
        ("Git", Self::Git),
        ("SVN", Self::Svn),
        ("Local", Self::Local),
    ];
}

/// The case of the letters does not matter: Captain's own example says `Svn`.
impl<'de> Deserialize<'de> for RepositoryType {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::ALL
            .into_iter()
            .find_map(|(name, type_)| name.eq_ignore_ascii_case(&text).then_some(type_))
            .ok_or_else(|| serde::de::Error::custom("not a type of repository"))
    }
}

/// An empty type is allowed, because Captain's Go clients write it.
impl schemars::JsonSchema for RepositoryType {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "RepositoryType".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let mut names: Vec<&str> = Self::ALL.iter().map(|(name, _)| *name).collect();
        names.push("");
        schemars::json_schema!({"type": "string", "enum": names})
    }
}

/// A Secret.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SecretReference {
    /// The Secret's name.
    #[serde(deserialize_with = "lenient::or_default", skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The Secret's namespace. Default: the ChartRepo's. Another one is allowed only for a ChartRepo of the
    /// operator's namespace.
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
}

/// A ConfigMap.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ConfigMapReference {
    /// The ConfigMap's name; it is in the ChartRepo's namespace.
    #[serde(deserialize_with = "lenient::or_default", skip_serializing_if = "String::is_empty")]
    pub name: String,
}

/// A Git or Subversion repository with chart folders.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[schemars(extend("required" = ["url"]))]
pub struct VersionControl {
    /// The address to clone or check out: https://, http:// or, for Git, ssh:// and user@host:path, for SVN svn://.
    #[serde(deserialize_with = "lenient::or_default")]
    pub url: String,
    /// The folder: either one chart, or a folder with charts in it or in folders below. Default: the root.
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The branch, tag or whole commit of Git, or the number of a revision of SVN. Default: the repository's default
    /// branch, or the newest revision.
    #[serde(rename = "ref", deserialize_with = "lenient::text", skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// A range of versions, for example `^1.2`, of which the newest tag is taken instead of ref; only for Git.
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub semver: Option<String>,
    /// Check out submodules too; only for Git. Default: false.
    #[serde(deserialize_with = "lenient::or_default", skip_serializing_if = "lenient::is_default")]
    pub submodules: bool,
}

/// Whether the charts were read: Synced, Failed, or Pending, which a client may write to have them read now.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RepositoryPhase {
    /// They were read.
    Synced,
    /// Reading them failed.
    Failed,
    /// They are to be read; a client writes it to ask for a refresh.
    Pending,
}

/// What was found out about the repository.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ChartRepoStatus {
    /// Whether the charts were read.
    #[serde(deserialize_with = "lenient::known", skip_serializing_if = "Option::is_none")]
    pub phase: Option<RepositoryPhase>,
    /// Why they were not read; empty when they were.
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Observations: Ready, Stalled, WebhookReady.
    #[serde(deserialize_with = "lenient::or_default", skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// How many charts the repository has.
    #[serde(deserialize_with = "lenient::known", skip_serializing_if = "Option::is_none")]
    pub charts: Option<i64>,
    /// What was read: the index's digest, the commit, or the revision.
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// The value of a refresh annotation (coxswain.dev/refresh or cpaas.io/last-sync-at) that was last acted on.
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "Option::is_none")]
    pub last_handled_refresh: Option<String>,
}

impl ChartRepoSpec {
    /// What it is, also where an old object does not say it.
    pub fn type_(&self) -> RepositoryType {
        let registry = self.url.as_deref().is_some_and(|url| url.starts_with("oci://"));
        match self.type_ {
            None | Some(RepositoryType::Http | RepositoryType::Chart) if registry => RepositoryType::Oci,
            None | Some(RepositoryType::Chart) => RepositoryType::Http,
            Some(type_) => type_,
        }
    }

    /// How often it is read.
    pub fn interval(&self) -> Duration {
        self.interval.map_or(DEFAULT_INTERVAL, |interval| interval.0)
    }

    /// Whether it is read at all.
    pub fn is_enabled(&self) -> bool {
        self.enabled.unwrap_or(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn spec(json: serde_json::Value) -> ChartRepoSpec {
        serde_json::from_value(json).expect("a spec")
    }

    #[test]
    fn the_type_is_found_out_where_it_is_not_said() {
        for (json, expected) in [
            (json!({"url": "https://charts.example.com"}), RepositoryType::Http),
            (json!({"url": "https://charts.example.com", "type": ""}), RepositoryType::Http),
            (json!({"url": "https://charts.example.com", "type": "Chart"}), RepositoryType::Http),
            (json!({"url": "https://charts.example.com", "type": "Whatever"}), RepositoryType::Http),
            (json!({"url": "oci://registry.example.com/charts"}), RepositoryType::Oci),
            (json!({"type": "Svn", "url": null, "secret": null}), RepositoryType::Svn),
            (json!({"type": "git"}), RepositoryType::Git),
            (json!({"type": "Local"}), RepositoryType::Local),
        ] {
            assert_eq!(spec(json.clone()).type_(), expected, "{json}");
        }
    }

    #[test]
    fn it_is_read_every_ten_minutes_unless_told_otherwise() {
        assert_eq!(spec(json!({})).interval(), Duration::from_secs(600));
        assert_eq!(spec(json!({"interval": "1h"})).interval(), Duration::from_secs(3600));
        assert!(spec(json!({})).is_enabled());
        assert!(!spec(json!({"enabled": false})).is_enabled());
    }
}
