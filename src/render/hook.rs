//! Hooks: documents that run around an operation instead of belonging to the release (`pkg/release/v1/hook.go`).

/// When a hook runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the variants are Helm's own names")]
pub enum Event {
    PreInstall,
    PostInstall,
    PreDelete,
    PostDelete,
    PreUpgrade,
    PostUpgrade,
    PreRollback,
    PostRollback,
    Test,
}

impl Event {
    const NAMES: [(Self, &'static str); 10] = [
        (Self::PreInstall, "pre-install"),
        (Self::PostInstall, "post-install"),
        (Self::PreDelete, "pre-delete"),
        (Self::PostDelete, "post-delete"),
        (Self::PreUpgrade, "pre-upgrade"),
        (Self::PostUpgrade, "post-upgrade"),
        (Self::PreRollback, "pre-rollback"),
        (Self::PostRollback, "post-rollback"),
        (Self::Test, "test"),
        (Self::Test, "test-success"),
    ];

    /// The name in annotations and records.
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(event, _)| *event == self).map_or("", |(_, name)| name)
    }

    /// The event of an annotation's word, lower case; `test-success` is Helm 2's name of `test`.
    pub fn parse(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(_, known)| *known == name).map(|(event, _)| *event)
    }
}

/// A hook as the release record has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hook {
    /// `metadata.name`.
    pub name: String,
    /// The object's kind.
    pub kind: String,
    /// The template that made it.
    pub path: String,
    /// The document.
    pub manifest: String,
    /// When it runs.
    pub events: Vec<Event>,
    /// Its weight; smaller runs earlier.
    pub weight: i64,
    /// `helm.sh/hook-delete-policy`, lower case, not checked.
    pub delete_policies: Vec<String>,
    /// `helm.sh/hook-output-log-policy`, lower case, not checked.
    pub output_log_policies: Vec<String>,
}
