//! Go's `encoding/json`: its text for a value, and what it says of a text that is none.

mod decode;
mod encode;

pub use decode::{DecodeError, decode};
pub use encode::{Escape, encode, encode_pretty, encode_raw, encode_with};
