//! The status of a revision (`pkg/release/common/status.go`).

use std::fmt;

use serde::{Deserialize, Serialize};

/// The status of a revision, by Helm's names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// This revision is live.
    Deployed,
    /// Its objects are deleted and its history is kept.
    Uninstalled,
    /// A newer revision is live, or was.
    Superseded,
    /// The operation that made it failed.
    Failed,
    /// Its objects are being deleted.
    Uninstalling,
    /// The first installation is underway.
    PendingInstall,
    /// An upgrade to this revision is underway.
    PendingUpgrade,
    /// A rollback that made this revision is underway.
    PendingRollback,
    /// None of the above: Helm's own `unknown`, or a word that it does not know.
    #[default]
    #[serde(other)]
    Unknown,
}

impl Status {
    const ALL: [Self; 9] = [
        Self::Deployed,
        Self::Uninstalled,
        Self::Superseded,
        Self::Failed,
        Self::Uninstalling,
        Self::PendingInstall,
        Self::PendingUpgrade,
        Self::PendingRollback,
        Self::Unknown,
    ];

    /// Helm's name, as in the JSON and in the Secret's label.
    pub fn name(self) -> &'static str {
        match self {
            Self::Deployed => "deployed",
            Self::Uninstalled => "uninstalled",
            Self::Superseded => "superseded",
            Self::Failed => "failed",
            Self::Uninstalling => "uninstalling",
            Self::PendingInstall => "pending-install",
            Self::PendingUpgrade => "pending-upgrade",
            Self::PendingRollback => "pending-rollback",
            Self::Unknown => "unknown",
        }
    }

    /// The status of a name; [`Status::Unknown`] for any other word.
    pub fn parse(name: &str) -> Self {
        Self::ALL.into_iter().find(|status| status.name() == name).unwrap_or_default()
    }

    /// Whether an install, upgrade or rollback is underway.
    pub fn is_pending(self) -> bool {
        matches!(self, Self::PendingInstall | Self::PendingUpgrade | Self::PendingRollback)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_json() -> Result<(), serde_json::Error> {
        for status in Status::ALL {
            assert_eq!(serde_json::to_string(&status)?, format!("{:?}", status.name()));
            assert_eq!(serde_json::from_str::<Status>(&format!("{:?}", status.name()))?, status);
            assert_eq!(Status::parse(status.name()), status);
        }
        Ok(())
    }

    #[test]
    fn a_word_of_another_version_is_unknown() -> Result<(), serde_json::Error> {
        assert_eq!(serde_json::from_str::<Status>("\"paused\"")?, Status::Unknown);
        assert_eq!(Status::parse("DEPLOYED"), Status::Unknown);
        Ok(())
    }
}
