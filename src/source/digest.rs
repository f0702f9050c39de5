//! SHA-256 digests, by which archives are verified and cached.

use std::fmt;

use sha2::{Digest as _, Sha256};

use super::SourceError;
use crate::value::hex;

/// The SHA-256 digest of an archive.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of some bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The archive, where it is the one that an index names for a URL.
    ///
    /// # Errors
    /// [`SourceError::DigestMismatch`].
    pub(super) fn verified(expected: Option<Self>, archive: Vec<u8>, url: &str) -> Result<Vec<u8>, SourceError> {
        Self::check(expected, Self::of(&archive), url)?;
        Ok(archive)
    }

    /// Refuses what has another digest than the one that is expected at a URL.
    ///
    /// # Errors
    /// [`SourceError::DigestMismatch`].
    pub(super) fn check(expected: Option<Self>, actual: Self, url: &str) -> Result<(), SourceError> {
        match expected {
            Some(expected) if expected != actual => Err(SourceError::DigestMismatch {
                url: url.to_owned(),
                expected: expected.to_string(),
                actual: actual.to_string(),
            }),
            _ => Ok(()),
        }
    }

    /// Reads 64 hexadecimal digits, which `sha256:` may precede.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.strip_prefix("sha256:").unwrap_or(text).as_bytes();
        if text.len() != 64 {
            return None;
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
            *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
        }
        Some(Self(bytes))
    }
}

impl From<[u8; 32]> for Digest {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

fn nibble(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

/// The hexadecimal digits alone.
impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn digests_are_read_with_and_without_their_algorithm() {
        assert_eq!(Digest::of(b"").to_string(), EMPTY);
        for text in [EMPTY.to_owned(), format!("sha256:{EMPTY}"), EMPTY.to_uppercase()] {
            assert_eq!(Digest::parse(&text), Some(Digest::of(b"")), "{text}");
        }
    }

    #[test]
    fn anything_else_is_no_digest() {
        for text in ["", "sha256:", "abc", &EMPTY[1..], &EMPTY.replace('e', "g"), &format!("sha512:{EMPTY}")] {
            assert_eq!(Digest::parse(text), None, "{text}");
        }
    }
}
