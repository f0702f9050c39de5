//! TOML as BurntSushi's Go library reads and writes it.
//!
//! Reading goes from characters to items ([`lexer`], with the states of [`structure`] and [`scalars`]), from items to
//! tables ([`reader`], [`tables`]). Refusals are the library's texts, with its line and last key.

mod item;
mod lexer;
mod reader;
mod scalars;
mod structure;
mod tables;
mod text;
mod writer;

pub use reader::read;
pub use writer::{TOO_LARGE, write};

#[cfg(test)]
mod tests;
