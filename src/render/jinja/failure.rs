//! The errors of Jinja templates, in the form of the Go engine's: file, line, what.

use std::error::Error as _;

use minijinja::{Error, ErrorKind};

use crate::value::message::{one_line, shortened};

/// The longest message, in bytes; a chart can make one of any length.
const LONGEST: usize = 1_000;

/// Why a template does not compile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseFailure {
    line: usize,
    message: String,
}

impl ParseFailure {
    /// A failure at a line.
    pub fn new(line: usize, message: impl Into<String>) -> Self {
        Self { line, message: message.into() }
    }

    /// Helm's text for a file that does not parse.
    pub fn text(&self, path: &str) -> String {
        format!("parse error at ({path}:{}): {}", self.line, short(&self.message))
    }
}

impl From<&Error> for ParseFailure {
    fn from(error: &Error) -> Self {
        Self::new(error.line().unwrap_or(1), what(error))
    }
}

/// The text for a template that failed; `chart` is the path of its chart, `template` its name in it. Where a template
/// that it includes failed, that one is named.
pub fn execution(chart: &str, template: &str, error: &Error) -> String {
    let innermost = innermost(error);
    let (name, line) = (innermost.name().unwrap_or(template), innermost.line().unwrap_or(1));
    format!("template: {chart}/{name}:{line}: {}", short(&what(innermost)))
}

/// The error that all others wrap and that has a place.
fn innermost(error: &Error) -> &Error {
    let mut found = error;
    let mut next = error.source();
    while let Some(inner) = next {
        match inner.downcast_ref::<Error>() {
            Some(inner) if inner.line().is_some() => found = inner,
            _ => {}
        }
        next = inner.source();
    }
    found
}

fn what(error: &Error) -> String {
    match (error.kind(), error.detail()) {
        (ErrorKind::InvalidOperation | ErrorKind::UndefinedError | ErrorKind::TemplateNotFound, Some(detail)) => {
            detail.to_owned()
        }
        (kind, Some(detail)) => format!("{kind}: {detail}"),
        (kind, None) => kind.to_string(),
    }
}

fn short(message: &str) -> String {
    shortened(&one_line(message), LONGEST).into_owned()
}
