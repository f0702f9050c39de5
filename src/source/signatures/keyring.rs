//! Keyrings: the public keys of OpenPGP that `helm verify --keyring` is given, as `gpg --export` writes them, binary or
//! armored (`pkg/provenance/sign.go` loadKeyRing).

use std::fmt;
use std::io::Cursor;
use std::sync::Arc;

use pgp::composed::{Deserializable, SignedPublicKey};

use super::openpgp::fingerprint;
use super::{InvalidKeys, Refusal};

const ARMOR: &str = "-----BEGIN PGP";
const PUBLIC: &str = "-----BEGIN PGP PUBLIC KEY BLOCK-----";
/// What GnuPG's own store of keys has at its ninth byte.
const KEYBOX: &[u8] = b"KBXf";
/// The most keys of a keyring: each may take a check.
const LIMIT: usize = 1_000;

/// Public keys of OpenPGP; cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct Keyring {
    named: String,
    keys: Arc<[SignedPublicKey]>,
}

impl Keyring {
    /// Reads the keys of one or more files, each named for messages.
    ///
    /// # Errors
    /// One of them is no keyring, or there is no key in any.
    pub fn read<'a>(named: &str, files: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Result<Self, InvalidKeys> {
        let mut keys = Vec::new();
        for (name, content) in files {
            let invalid = |reason| InvalidKeys { named: format!("key {name:?} of {named}"), reason };
            keys.extend(certificates(content).map_err(invalid)?);
        }
        let invalid = |reason: String| InvalidKeys { named: named.to_owned(), reason };
        match keys.len() {
            0 => Err(invalid("it has no keyring: add one made by gpg --export".to_owned())),
            more if more > LIMIT => {
                Err(invalid(format!("it has {more} keys, more than {LIMIT}: keep those that sign")))
            }
            _ => Ok(Self { named: named.to_owned(), keys: keys.into() }),
        }
    }

    /// How messages name it.
    pub(in crate::source) fn named(&self) -> &str {
        &self.named
    }

    /// The certificates in it.
    pub(super) fn certificates(&self) -> &[SignedPublicKey] {
        &self.keys
    }

    /// That none of its keys is one of the given ids.
    pub(super) fn unknown(&self, key: String) -> Refusal {
        Refusal::UnknownKey { key, known: shown(self.keys.iter().map(fingerprint)) }
    }
}

/// The first fingerprints of several, for messages.
pub(super) fn shown(fingerprints: impl ExactSizeIterator<Item = String>) -> String {
    const SHOWN: usize = 3;
    let rest = fingerprints.len().saturating_sub(SHOWN);
    let shown = fingerprints.take(SHOWN).collect::<Vec<_>>().join(", ");
    if rest == 0 { shown } else { format!("{shown} and {rest} others") }
}

/// The certificates of a keyring.
fn certificates(content: &[u8]) -> Result<Vec<SignedPublicKey>, String> {
    if content.get(8..12) == Some(KEYBOX) {
        return Err("it is GnuPG's own store of keys: export them with gpg --export".to_owned());
    }
    let text = std::str::from_utf8(content).ok().filter(|text| text.trim_start().starts_with(ARMOR));
    let found = match text {
        None => parsed(content, false)?,
        Some(text) => {
            // Each block has a checksum and an end of its own.
            let blocks = text.split(PUBLIC).skip(1).map(|rest| format!("{PUBLIC}{rest}"));
            let read: Result<Vec<_>, _> = blocks.map(|block| parsed(block.as_bytes(), true)).collect();
            read?.into_iter().flatten().collect()
        }
    };
    if found.is_empty() {
        return Err("it has no public key of OpenPGP: put there what gpg --export writes".to_owned());
    }
    Ok(found)
}

fn parsed(content: &[u8], is_armored: bool) -> Result<Vec<SignedPublicKey>, String> {
    let unreadable = |error: pgp::errors::Error| format!("it is no keyring of OpenPGP: {error}; export it again");
    let cursor = Cursor::new(content);
    let keys = match is_armored {
        true => SignedPublicKey::from_armor_many(cursor).map(|(keys, _)| keys),
        false => SignedPublicKey::from_bytes_many(cursor),
    };
    keys.map_err(unreadable)?.collect::<Result<_, _>>().map_err(unreadable)
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Keyring").field(&shown(self.keys.iter().map(fingerprint))).finish()
    }
}
