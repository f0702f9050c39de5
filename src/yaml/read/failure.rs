//! Why a text is no YAML, and on which line go-yaml says so.

use std::borrow::Cow;

/// Which layer found the fault; go-yaml counts lines differently for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layer {
    /// Characters that may not occur.
    Reader,
    /// Characters that form no token.
    Scanner,
    /// Tokens that form no document.
    Parser,
    /// What has no place in the text: aliases, limits.
    Composer,
}

/// A fault, with lines counted from zero.
#[derive(Clone, Debug)]
pub struct Failure {
    pub layer: Layer,
    pub problem: Cow<'static, str>,
    pub line: usize,
    /// The line where the enclosing construct begins.
    pub context_line: usize,
}

impl Failure {
    /// go-yaml's text without the prefix `yaml: ` (`decode.go` parser.fail). Scanner faults name the line, parser
    /// faults the one before it, and the first line is never named.
    pub fn describe(&self) -> String {
        let line = match (self.line, self.layer) {
            (_, Layer::Reader | Layer::Composer) => 0,
            (0, _) => self.context_line,
            (line, Layer::Scanner) => line + 1,
            (line, Layer::Parser) => line,
        };
        match line {
            0 => self.problem.to_string(),
            line => format!("line {line}: {}", self.problem),
        }
    }
}
