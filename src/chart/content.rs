//! What is in a file of a chart: a part of the archive that it was unpacked from, or bytes of its own.

use std::ops::Deref;
use std::sync::OnceLock;

use bytes::Bytes;

use crate::value::Str;

/// A file's bytes, cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Content {
    bytes: Bytes,
    text: OnceLock<Str>,
}

impl Content {
    /// The bytes, shared.
    pub fn bytes(&self) -> Bytes {
        self.bytes.clone()
    }

    /// The bytes as templates have them. They are copied when they are first asked for: most files never are.
    pub fn text(&self) -> Str {
        self.text.get_or_init(|| Str::from(&self.bytes[..])).clone()
    }
}

impl Deref for Content {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl AsRef<[u8]> for Content {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl PartialEq for Content {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl Eq for Content {}

impl From<Bytes> for Content {
    fn from(bytes: Bytes) -> Self {
        Self { bytes, text: OnceLock::new() }
    }
}

impl From<Vec<u8>> for Content {
    fn from(bytes: Vec<u8>) -> Self {
        Bytes::from(bytes).into()
    }
}

impl From<&[u8]> for Content {
    fn from(bytes: &[u8]) -> Self {
        Bytes::copy_from_slice(bytes).into()
    }
}
