//! Merging of maps as `dario.cat/mergo` does it for Sprig's `merge` and `mergeOverwrite`.
//!
//! The destination is changed in place. A nested map that only the source has is taken over by reference, so later
//! changes show in both.

use super::defaults::is_empty;
use super::equality::{MAX_DEPTH, too_deep};
use super::{CallError, Host};
use crate::value::{Kind, Map, Value};

/// Which side wins where both have a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Precedence {
    /// The destination, unless its value is empty.
    Destination,
    /// The source, even where its value is empty or nil; but an empty map does not replace a map.
    Source,
}

/// Why a merge failed.
pub(super) enum MergeError {
    /// mergo's own error, which `merge` swallows.
    Types,
    /// The maps contain themselves or are nested too deep, or the render's limits are used up.
    Call(CallError),
}

impl From<MergeError> for CallError {
    fn from(error: MergeError) -> Self {
        match error {
            MergeError::Types => "src and dst must be of same type".into(),
            MergeError::Call(error) => error,
        }
    }
}

/// Merges `source` into `destination`.
pub(super) fn merge(
    host: &mut dyn Host,
    destination: &Map,
    source: &Map,
    precedence: Precedence,
) -> Result<(), MergeError> {
    merge_at(host, destination, source, precedence, 0)
}

fn merge_at(
    host: &mut dyn Host,
    destination: &Map,
    source: &Map,
    precedence: Precedence,
    depth: usize,
) -> Result<(), MergeError> {
    if depth > MAX_DEPTH {
        return Err(MergeError::Call(too_deep()));
    }
    host.charge(source.len() as u64, 0).map_err(MergeError::Call)?;
    for (key, new) in source.entries() {
        if matches!(new, Value::Nil) {
            if precedence == Precedence::Source {
                destination.insert(key, new);
            }
            continue;
        }
        let old = destination.get(key.as_bytes());
        if let (Some(Value::Map(old)), Value::Map(new)) = (&old, &new) {
            merge_at(host, old, new, precedence, depth + 1)?;
            if !old.is_empty() {
                continue;
            }
        }
        refuse_pointer(old.as_ref(), &new, precedence)?;
        if precedence == Precedence::Source || old.as_ref().is_none_or(is_empty) {
            destination.insert(key, new);
        }
    }
    Ok(())
}

/// A pointer in the destination is neither merged with a map nor with a struct.
fn refuse_pointer(old: Option<&Value>, new: &Value, precedence: Precedence) -> Result<(), MergeError> {
    let is_pointer = old.is_some_and(|old| old.kind() == Kind::Pointer);
    if is_pointer && precedence == Precedence::Destination && matches!(new.kind(), Kind::Map | Kind::Struct) {
        return Err(MergeError::Types);
    }
    Ok(())
}
