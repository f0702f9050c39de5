//! The words that tie objects together: groups, finalizers, annotations and labels, Captain's and our own.

/// The API group of HelmRequest, ChartRepo, Chart and Release.
pub const GROUP: &str = "app.alauda.io";

/// The finalizer of a HelmRequest: while it is there, the release is uninstalled before the object goes.
pub const FINALIZER: &str = "captain.cpaas.io";
/// The finalizer that early versions of Captain set; it is removed like [`FINALIZER`] and never added.
pub const OLD_FINALIZER: &str = "captain.alauda.io";

/// On a HelmRequest, `"true"`: nothing is written for it, as with `spec.suspend`; deletion still works.
pub const NO_SYNC: &str = "captain-no-sync";
/// On a HelmRequest, `"true"`: deleting it keeps the objects and removes only the release records.
pub const KEEP_RESOURCES: &str = "captain-keep-resources";
/// On a HelmRequest, `"true"`: objects that belong to nobody or to another release are taken over.
pub const FORCE_ADOPT: &str = "captain-force-adopt-resources";
/// On a HelmRequest: each new value deploys the same spec once more.
pub const RESYNC: &str = "kubectl-captain.resync";
/// On a HelmRequest: with `"false"`, an empty `spec.version` follows the newest version at every deploy.
pub const RESOLVE_VERSION_ONCE: &str = "auto-resolve-version-once";
/// On a HelmRequest: the spec before the last `kubectl captain upgrade`, as JSON.
pub const LAST_SPEC: &str = "last-spec";
/// On a HelmRequest: the names of Clusters, with commas. When it is deleted, its releases in those of them that cannot be
/// reached are left behind.
pub const ABANDON: &str = "coxswain.dev/abandon";
/// On a ChartRepo: when it was last read, RFC 3339 in UTC. A client that writes another value has it read at once.
pub const LAST_SYNC_AT: &str = "cpaas.io/last-sync-at";
/// On a ChartRepo: each new value reads the repository again at once.
pub const REFRESH: &str = "coxswain.dev/refresh";

/// On a ConfigMap or Secret with charts: the name of the ChartRepo of the type Local that has them.
pub const REPOSITORY_LABEL: &str = "coxswain.dev/repository";
/// On a Secret with a kubeconfig: the name of the cluster that it registers; empty for the Secret's own name.
pub const CLUSTER_LABEL: &str = "coxswain.dev/cluster";
/// The same as Cluster API writes it.
pub const CLUSTER_API_LABEL: &str = "cluster.x-k8s.io/cluster-name";
/// On a Cluster, `"true"`: the certificate of its API server is not verified.
pub const INSECURE_SKIP_TLS_VERIFY: &str = "coxswain.dev/insecure-skip-tls-verify";

/// On a Chart: the name of its ChartRepo.
pub const REPO_LABEL: &str = "repo";
/// On a ChartRepo, copied to its Charts: the project that it belongs to.
pub const PROJECT_LABEL: &str = "alauda.io/project";

/// Whether an annotation's value switches it on. Captain's documents write `True`, its code compared to `true`.
pub fn switched_on(value: Option<&str>) -> bool {
    value.is_some_and(|value| value.trim().eq_ignore_ascii_case("true"))
}
