//! Why a signature does not speak for a chart: one kind for each cause.

use jiff::Timestamp;

use crate::source::SourceError;
use crate::source::index::Entry;

/// Why a chart is refused. Messages end with the next step.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no provenance file.
    #[error("it has no provenance file: publish {wanted} of helm package --sign, or take verify away")]
    NoProvenance {
        /// What was looked for.
        wanted: String,
    },
    /// There is no signature of cosign.
    #[error("{manifest} has no signature of cosign: sign it with cosign sign --key, or take verify away")]
    NoSignature {
        /// The digest of the manifest.
        manifest: String,
    },
    /// The signature cannot be read.
    #[error("its signature cannot be read: {reason}; sign the chart again")]
    Unreadable {
        /// What is wrong with it.
        reason: String,
    },
    /// It is signed by a key that is not among the known ones.
    #[error("it is signed by key {key}, which is not among {known}: add that key if you trust it")]
    UnknownKey {
        /// The id or fingerprint of the key.
        key: String,
        /// The fingerprints that are known.
        known: String,
    },
    /// The key's self-signature does not let it sign.
    #[error("it is signed by key {key}, which is not for signing: sign the chart with another key")]
    NotForSigning {
        /// The fingerprint.
        key: String,
    },
    /// The owner has revoked the key.
    #[error("it is signed by key {key}, which is revoked: sign the chart with another key")]
    Revoked {
        /// The fingerprint.
        key: String,
    },
    /// The key has expired.
    #[error(
        "it is signed by key {key}, which expired at {at}: extend the key and replace it, or sign the chart with another"
    )]
    KeyExpired {
        /// The fingerprint.
        key: String,
        /// When.
        at: Timestamp,
    },
    /// The signature has expired.
    #[error("its signature by key {key} expired at {at}: sign the chart again")]
    SignatureExpired {
        /// The fingerprint.
        key: String,
        /// When.
        at: Timestamp,
    },
    /// The signature or the key is dated later than now.
    #[error("its signature by key {key} is of the future, {at}: correct the clock here or where it was signed")]
    NotYetValid {
        /// The fingerprint.
        key: String,
        /// When.
        at: Timestamp,
    },
    /// The signature uses what is no longer safe.
    #[error("its signature by key {key} uses {algorithm}, which is not safe: sign the chart again")]
    WeakAlgorithm {
        /// The fingerprint.
        key: String,
        /// The algorithm.
        algorithm: String,
    },
    /// The signature is not of this key over this text.
    #[error(
        "no signature is by {keys} over what is there: it was changed, or signed by another key; sign it again, or add \
         that key if you trust it"
    )]
    WrongSignature {
        /// The fingerprints.
        keys: String,
    },
    /// The signature is for other files.
    #[error(
        "its provenance is for {signed}, not for {file}: publish the archive under the name that it was signed under"
    )]
    OtherFile {
        /// The name of the archive.
        file: String,
        /// The names in the provenance.
        signed: String,
    },
    /// The signature is for another archive or manifest.
    #[error(
        "its signature by key {key} is for {signed}, but it has {actual}: it was replaced; publish and sign it again"
    )]
    OtherDigest {
        /// The fingerprint.
        key: String,
        /// What was signed.
        signed: String,
        /// What it is.
        actual: String,
    },
    /// What is signed is not that the chart is good.
    #[error("it has only statements of the type {type_:?} about it: sign it with cosign sign --key")]
    OtherStatement {
        /// The type.
        type_: String,
    },
}

/// A version of a chart that is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{url} is not trusted by {keys}: {refusal}", if .version.is_empty() { String::new() } else { format!("version {version} at ") })]
pub struct NotTrusted {
    /// The archive or the reference.
    pub url: String,
    /// The version; empty where it is not known.
    pub version: String,
    /// The Secret with the keys, and its field.
    pub keys: String,
    /// What is wrong.
    pub refusal: Refusal,
}

impl Refusal {
    /// The refusal of a version, with the keys that it was checked with.
    pub(in crate::source) fn of(self, entry: &Entry, url: String, keys: &str) -> SourceError {
        let (version, keys) = (entry.version.to_string(), keys.to_owned());
        SourceError::NotTrusted(Box::new(NotTrusted { url, version, keys, refusal: self }))
    }
}
