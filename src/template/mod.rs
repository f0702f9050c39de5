//! Go's `text/template`, as Helm uses it.
//!
//! A file is parsed once ([`parse`]) into a [`Parsed`], which is immutable, knows its functions, and is shared by every
//! render and thread. A [`Set`] gives parsed files their names and is one namespace of templates; it is shared too. An
//! [`Execution`] is one render: it runs templates of a set on one thread, within [`Limits`], and its errors are Helm's.

pub mod error;
pub mod functions;
pub mod keys;
pub mod print;

mod execution;
mod limits;
mod lookup;
mod parse;
mod report;
mod set;
pub mod strconv;
pub mod time;
pub mod toml;
pub mod trace;
pub mod unicode;

pub use error::{ParseError, TemplateError};
pub use execution::{Environment, Execution};
pub(crate) use limits::StackGuard;
pub use limits::{Limits, on_large_stack};
pub use lookup::{Lookup, NoLookup};
pub use parse::{Parsed, parse};
pub use set::Set;

#[cfg(test)]
mod tests;
