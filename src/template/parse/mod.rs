//! From text to a checked tree (`text/template/parse`).
//!
//! Functions are resolved and variables checked while parsing, so that an undefined one is an error of the file and not
//! of a branch that is perhaps never taken.

mod action;
mod characters;
mod lex;
mod number;
mod operand;
mod parser;
mod token;
mod tokens;
mod tree;

pub(crate) use number::{Ideal, Number};
pub(crate) use parser::multiple_definition;
pub use tree::Parsed;
pub(crate) use tree::{Branch, Callee, Children, NodeId, NodeKind, Pipe, ROOT_VARIABLE, StringId, VariableId};

use super::error::ParseError;
use super::limits::on_large_stack;
use crate::value::Str;
use parser::Parser;

/// Parses a file's text, which the result shares. Deep nesting is parsed on a thread with a larger stack.
///
/// # Errors
/// [`ParseError`], in Go's words.
pub fn parse(text: &Str) -> Result<Parsed, ParseError> {
    let here = Parser::new(text).parse();
    let parsed = match here {
        Err(error) if error.is_too_deep => {
            let there = on_large_stack(|| Parser::new(text).parse());
            there.unwrap_or(Err(error))
        }
        other => other,
    };
    parsed.map_err(|error| *error)
}
