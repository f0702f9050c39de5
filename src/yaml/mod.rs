//! YAML and JSON exactly as Helm reads and writes them.
//!
//! Helm's library (`sigs.k8s.io/yaml`) goes through JSON in both directions: reading is YAML 1.1 by go-yaml v2, then
//! JSON's rules (string keys, every number a `float64`); writing is Go's `encoding/json`, read back and printed by
//! go-yaml v2. [`parse`] and [`to_string`] give the same results without the detour. [`to_string_pretty`] is go-yaml
//! v3 on the value itself, which only `toYamlPretty` uses. [`json`] is Go's `encoding/json`.
//!
//! Input is hostile: nesting, alias expansion and output size are limited, and nothing here panics.

mod binary;
mod encode;
mod error;
pub mod json;
pub mod number;
pub mod quote;
mod read;
mod write;

pub use encode::{Encode, EncodeError, Sink};
pub use error::ParseError;

use crate::value::{Json, Value};
use read::decode::Duplicates;

#[cfg(test)]
mod tests;

/// How deeply lists and maps may nest, in what is read and in what is written. Go allows 10,000; here every consumer
/// of a value may recurse on an ordinary thread's stack.
pub const MAX_DEPTH: usize = 500;

/// The largest text that is written, in bytes: a value that shares its parts can print exponentially larger than it
/// is.
pub const MAX_OUTPUT: usize = 64 << 20;

/// Reads the first document (`sigs.k8s.io/yaml` Unmarshal into an `interface{}`); an empty text is null.
///
/// Of duplicate keys the last wins. The error's text is the one that Helm prints.
pub fn parse(text: &str) -> Result<Json, ParseError> {
    read::decode::document(text, Duplicates::LastWins)
}

/// Like [`parse`], but of a map at the root only the given members need to be there; `a.b` asks for the member `b` of
/// the member `a`. The rest is checked all the same: the errors are those of [`parse`].
pub fn parse_members(text: &str, members: &[&str]) -> Result<Json, ParseError> {
    read::decode::members(text, members)
}

/// Like [`parse`], straight into a value of templates.
pub fn parse_value(text: &str) -> Result<Value, ParseError> {
    read::decode::value(text)
}

/// Like [`parse`], but duplicate keys are refused (`sigs.k8s.io/yaml` UnmarshalStrict).
pub fn parse_strict(text: &str) -> Result<Json, ParseError> {
    read::decode::document(text, Duplicates::Refused)
}

/// The line of a text, from zero, on which the value at a JSON pointer begins, or its key where it has one; nothing where
/// there is no such value in the first document.
pub fn line_of(text: &str, pointer: &str) -> Option<usize> {
    read::place::line_of(text, pointer)
}

/// Writes a value in the style of go-yaml v2 as `sigs.k8s.io/yaml` Marshal does, with the final newline.
pub fn to_string<E: Encode + ?Sized>(value: &E) -> Result<String, EncodeError> {
    write::emit::compact(value)
}

/// Writes a value in the style of go-yaml v3 with an indentation of two, with the final newline.
pub fn to_string_pretty<E: Encode + ?Sized>(value: &E) -> Result<String, EncodeError> {
    write::emit::pretty(value)
}
