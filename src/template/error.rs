//! The errors of templates, in Go's words.

use std::fmt;

use super::report;

/// A file that does not parse. The name under which it is used is given when the text is asked for, so that one parsed
/// file can stand under many names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    pub(crate) line: u32,
    pub(crate) message: String,
    /// The line of the action that the unexpected end left open, where Go adds it, and whether the word ` action` is
    /// already there.
    pub(crate) action: Option<(u32, bool)>,
    /// Whether the stack was too small, and a larger one may do.
    pub(crate) is_too_deep: bool,
}

impl ParseError {
    pub(crate) fn new(line: u32, message: String) -> Self {
        Self { line, message, action: None, is_too_deep: false }
    }

    /// Go's text: `template: NAME:LINE: MESSAGE`.
    pub fn text(&self, name: &str) -> String {
        let mut text = format!("template: {name}:{}: {}", self.line, self.message);
        if let Some((line, has_word)) = self.action {
            let start = if has_word { " started at" } else { " in action started at" };
            text.push_str(&format!("{start} {name}:{line}"));
        }
        text
    }

    /// The error of a render whose file of that name does not parse, with Helm's text.
    pub fn into_template_error(self, name: &str) -> TemplateError {
        TemplateError::Parse(report::parse_error(name, &self.text(name)))
    }
}

/// How long the texts of a chain may get: longer than those of Helm's thousand nested includes.
const MAX_CHAIN_BYTES: usize = 1 << 20;

/// An error of execution: a chain of Go errors, each of whose texts ends in the text of the one that it wraps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecError {
    /// What each error of the chain puts before the text of the next, innermost first.
    parts: Vec<String>,
    /// The length of all of them.
    length: usize,
    /// Whether the render's limits are used up, which is not reported as a chain.
    is_limit: bool,
}

impl ExecError {
    /// An error that wraps nothing.
    pub(crate) fn new(text: String) -> Self {
        Self { length: text.len(), parts: vec![text], is_limit: false }
    }

    /// The end of a render that used up its limits.
    pub(crate) fn limit(text: String) -> Self {
        Self { length: text.len(), parts: vec![text], is_limit: true }
    }

    /// The same error, wrapped with a text before it (Go's `%w`). Of a chain that is long already only the outermost
    /// text changes: the place where it began stays, and so does the cause.
    pub(crate) fn wrap(mut self, prefix: String) -> Self {
        if self.parts.len() > 1 && self.length > MAX_CHAIN_BYTES {
            self.length -= self.parts.pop().map_or(0, |outermost| outermost.len());
        }
        self.length += prefix.len();
        self.parts.push(prefix);
        self
    }

    /// Whether the render's limits are used up.
    pub(crate) fn is_limit(&self) -> bool {
        self.is_limit
    }

    /// Whether nothing has wrapped the error yet.
    pub(crate) fn is_bare(&self) -> bool {
        self.parts.len() == 1
    }

    /// The whole text.
    pub fn text(&self) -> String {
        self.parts.iter().rev().map(String::as_str).collect()
    }

    /// Where in [`Self::text`] the text of each error of the chain begins, outermost first.
    pub(crate) fn offsets(&self) -> impl Iterator<Item = usize> {
        let mut offset = 0;
        self.parts.iter().rev().map(move |part| {
            let start = offset;
            offset += part.len();
            start
        })
    }
}

impl fmt::Display for ExecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

/// A render that failed. The text is Helm's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// A file does not parse: `parse error at (FILE:LINE): MESSAGE`.
    #[error("{0}")]
    Parse(String),
    /// A template failed.
    #[error("{0}")]
    Execution(String),
    /// The render used up its limits; the text names template and line.
    #[error("{0}")]
    Limit(String),
}
