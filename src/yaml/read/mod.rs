//! Reading YAML as go-yaml v2 does: text to tokens ([`scanner`]), tokens to nodes ([`compose`]), nodes to values
//! ([`decode`]).

mod block;
mod characters;
mod compose;
pub mod decode;
mod failure;
mod lines;
mod outline;
pub mod place;
mod plain;
mod properties;
mod quoted;
pub mod resolve;
mod scanner;
mod skim;
mod tag;
mod timestamp;
mod token;
mod tree;
