//! A digest over inputs or objects: one short text that is equal exactly when they are.

use std::fmt;

use sha2::{Digest as _, Sha256};

use crate::value::hex;

/// SHA-256 over a sequence of parts, as lower-case hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Digest(String);

impl Digest {
    /// The digest of parts in order. Each part's length goes in with it, so that moving a character from one part to
    /// the next changes the digest.
    pub fn of<T: AsRef<[u8]>>(parts: impl IntoIterator<Item = T>) -> Self {
        let mut hasher = Sha256::new();
        for part in parts {
            let part = part.as_ref();
            hasher.update((part.len() as u64).to_be_bytes());
            hasher.update(part);
        }
        Self(hex(&hasher.finalize()))
    }

    /// What stands for a rollback to a revision that the user wants instead of these inputs.
    #[must_use]
    pub fn rolled_back(&self, revision: i64) -> Self {
        Self::of([self.as_str(), "rolled back to", &revision.to_string()])
    }

    /// What stands for the rollback that was made because these inputs failed.
    #[must_use]
    pub fn after_failure(&self) -> Self {
        Self::of([self.as_str(), "failed"])
    }

    /// A digest that was stored as text.
    pub fn stored(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text to store.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_border_between_parts_counts() {
        assert_ne!(Digest::of(["ab", "c"]), Digest::of(["a", "bc"]));
        assert_eq!(Digest::of(["ab", "c"]), Digest::stored(Digest::of(["ab", "c"]).as_str()));
    }
}
