//! Signatures of charts: whom a place's charts must be signed by, and whether a chart is.
//!
//! Helm signs the SHA-256 of an archive under its file name ([`provenance`], with the keys of [`keyring`]); cosign
//! signs the digest of the manifest that names the archive ([`cosign`]). Both checks are of bytes alone; the place
//! fetches these bytes. Every chart of such a place passes the [`gate`] before anything is read of it, wherever its
//! archive is from.

pub(super) mod cosign;
pub(super) mod gate;
mod keyring;
mod openpgp;
pub(super) mod provenance;
mod refusal;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

use std::time::SystemTime;

pub use self::cosign::PublicKeys;
pub use self::keyring::Keyring;
pub use self::refusal::{NotTrusted, Refusal};

/// By whom, and in which way, the charts of a place must be signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Helm's provenance files: a key of the keyring has signed the digest of the archive.
    Provenance(Keyring),
    /// cosign's signatures in a registry: one of the keys has signed the digest of the manifest.
    Cosign(PublicKeys),
}

impl Trust {
    /// How messages name the keys.
    pub(in crate::source) fn named(&self) -> &str {
        match self {
            Self::Provenance(keyring) => keyring.named(),
            Self::Cosign(keys) => keys.named(),
        }
    }
}

/// Why keys cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{named} cannot be used: {reason}")]
pub struct InvalidKeys {
    /// The Secret, its field and its key.
    pub named: String,
    /// What is wrong, and what to do.
    pub reason: String,
}

/// Who signed a chart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Signer {
    /// The fingerprint of the key.
    pub(super) key: String,
    /// When the key or the signature expires.
    pub(super) until: Option<SystemTime>,
}
