//! Writing YAML as go-yaml v2 and v3 do: the block structure ([`emit`]), a string's style ([`scalar`]), the characters
//! ([`text`]).

pub mod emit;
mod order;
mod scalar;
mod text;
