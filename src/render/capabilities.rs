//! `.Capabilities`: what the cluster can do, as plain data (`pkg/chart/common/capabilities.go`).

mod object;
mod version;

use std::sync::{Arc, LazyLock};

use sha2::{Digest, Sha256};

pub(super) use object::object;
pub use version::KubeVersionError;

use crate::value::hex;

/// The Kubernetes version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KubeVersion {
    /// The full text, `v1.33.4-gke.1245000`.
    pub version: String,
    /// Without suffix, where the version was given by hand; compared with a chart's `kubeVersion`. Empty for a live
    /// cluster, whose full version is compared.
    pub normalized: String,
    /// `1`.
    pub major: String,
    /// `33`; some servers say `33+`.
    pub minor: String,
}

/// The build information that templates see as `.Capabilities.HelmVersion`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HelmVersion {
    /// `v4.3.1`.
    pub version: String,
    /// The commit.
    pub git_commit: String,
    /// `clean` or `dirty`.
    pub git_tree_state: String,
    /// The Go release.
    pub go_version: String,
    /// The version of client-go as a Kubernetes version.
    pub kube_client_version: String,
}

/// What the cluster can do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// The server's version.
    pub kube_version: KubeVersion,
    /// The served `group/version` and `group/version/Kind` names, which every render shares.
    pub api_versions: Arc<Vec<String>>,
    /// The version of Helm that is reproduced.
    pub helm_version: HelmVersion,
}

impl KubeVersion {
    /// What constraints are compared with.
    pub fn comparable(&self) -> &str {
        if self.normalized.is_empty() { &self.version } else { &self.normalized }
    }
}

impl Capabilities {
    /// Whether a `group/version` or `group/version/Kind` is served.
    pub fn has(&self, wanted: &str) -> bool {
        self.api_versions.iter().any(|version| version == wanted)
    }

    /// The SHA-256 of the list of API versions, as hexadecimal digits.
    pub fn api_versions_digest(&self) -> String {
        hex(&Sha256::digest(self.api_versions.join(" ")))
    }

    /// The same with more API versions, names of the form `group/version` or `group/version/Kind`.
    #[must_use]
    pub fn with_api_versions(&self, more: impl IntoIterator<Item = String>) -> Self {
        let mut capabilities = self.clone();
        let versions = Arc::make_mut(&mut capabilities.api_versions);
        versions.extend(more);
        versions.sort();
        versions.dedup();
        capabilities
    }
}

/// Whether an API group is one of Kubernetes' own, whose objects the API server checks by fixed rules.
pub fn is_builtin_group(group: &str) -> bool {
    group.is_empty()
        || DEFAULT_API_VERSIONS.iter().any(|name| name.split_once('/').is_some_and(|(own, _)| own == group))
}

/// The API versions that Helm v4.3.1 assumes without a cluster: those its Kubernetes libraries know.
const DEFAULT_API_VERSIONS: [&str; 57] = [
    "v1",
    "admissionregistration.k8s.io/v1",
    "admissionregistration.k8s.io/v1alpha1",
    "admissionregistration.k8s.io/v1beta1",
    "internal.apiserver.k8s.io/v1alpha1",
    "apps/v1",
    "apps/v1beta1",
    "apps/v1beta2",
    "authentication.k8s.io/v1",
    "authentication.k8s.io/v1alpha1",
    "authentication.k8s.io/v1beta1",
    "authorization.k8s.io/v1",
    "authorization.k8s.io/v1beta1",
    "autoscaling/v1",
    "autoscaling/v2",
    "batch/v1",
    "batch/v1beta1",
    "certificates.k8s.io/v1",
    "certificates.k8s.io/v1beta1",
    "certificates.k8s.io/v1alpha1",
    "coordination.k8s.io/v1alpha2",
    "coordination.k8s.io/v1beta1",
    "coordination.k8s.io/v1",
    "discovery.k8s.io/v1",
    "discovery.k8s.io/v1beta1",
    "events.k8s.io/v1",
    "events.k8s.io/v1beta1",
    "extensions/v1beta1",
    "flowcontrol.apiserver.k8s.io/v1",
    "flowcontrol.apiserver.k8s.io/v1beta1",
    "flowcontrol.apiserver.k8s.io/v1beta2",
    "flowcontrol.apiserver.k8s.io/v1beta3",
    "lifecycle.k8s.io/v1alpha1",
    "networking.k8s.io/v1",
    "networking.k8s.io/v1beta1",
    "node.k8s.io/v1",
    "node.k8s.io/v1alpha1",
    "node.k8s.io/v1beta1",
    "policy/v1",
    "policy/v1beta1",
    "rbac.authorization.k8s.io/v1",
    "rbac.authorization.k8s.io/v1beta1",
    "rbac.authorization.k8s.io/v1alpha1",
    "resource.k8s.io/v1",
    "resource.k8s.io/v1beta2",
    "resource.k8s.io/v1beta1",
    "resource.k8s.io/v1alpha3",
    "scheduling.k8s.io/v1alpha3",
    "scheduling.k8s.io/v1beta1",
    "scheduling.k8s.io/v1",
    "storage.k8s.io/v1beta1",
    "storage.k8s.io/v1",
    "storage.k8s.io/v1alpha1",
    "storagemigration.k8s.io/v1",
    "storagemigration.k8s.io/v1beta1",
    "apiextensions.k8s.io/v1beta1",
    "apiextensions.k8s.io/v1",
];

static DEFAULTS: LazyLock<Arc<Vec<String>>> =
    LazyLock::new(|| Arc::new(DEFAULT_API_VERSIONS.iter().map(|&name| name.to_owned()).collect()));

impl Default for HelmVersion {
    fn default() -> Self {
        Self {
            version: "v4.3.1".to_owned(),
            git_commit: String::new(),
            git_tree_state: String::new(),
            go_version: "go1.26.8".to_owned(),
            kube_client_version: "v1.37".to_owned(),
        }
    }
}

impl Default for Capabilities {
    /// What Helm v4.3.1 assumes without a cluster: Kubernetes v1.37.0.
    fn default() -> Self {
        let version = "v1.37.0".to_owned();
        Self {
            kube_version: KubeVersion {
                normalized: version.clone(),
                version,
                major: "1".to_owned(),
                minor: "37".to_owned(),
            },
            api_versions: Arc::clone(&DEFAULTS),
            helm_version: HelmVersion::default(),
        }
    }
}
