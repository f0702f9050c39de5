//! Helm's final form of template errors (`pkg/engine/engine.go` cleanupParseError, reformatExecErrorMsg).
//!
//! Helm takes Go's texts apart again: a message of `fail` or `required` is cut out of its markers; a chain of errors of
//! execution becomes an indented trace; where any error of the chain has another form, the whole text is kept.

use super::error::ExecError;

/// The marks around messages of `fail` and `required`.
const WARNING_START: &str = "HELM_ERR_START";
const WARNING_END: &str = "HELM_ERR_END";

/// Go's text of an error, without the marks that Helm's `fail` puts around its message.
pub fn plain_error(error: &ExecError) -> String {
    error.text().replace(WARNING_START, "").replace(WARNING_END, "")
}

/// Marks a message of `fail` or `required`.
pub(super) fn wrap_warning(message: &str) -> String {
    format!("{WARNING_START}{message}{WARNING_END}")
}

/// The text for a file that does not parse, from Go's.
pub(super) fn parse_error(name: &str, text: &str) -> String {
    let mut tokens = text.split(": ").skip(1);
    match (tokens.next(), text.rsplit(": ").next()) {
        (Some(location), Some(message)) => format!("parse error at ({location}): {message}"),
        _ => format!("parse error in ({name}): {text}"),
    }
}

/// The text for a template that failed.
pub(super) fn execution_error(name: &str, error: &ExecError) -> String {
    let text = error.text();
    let mut tokens = text.splitn(3, ": ").skip(1);
    let (Some(location), Some(message)) = (tokens.next(), tokens.next()) else {
        return format!("execution error in ({name}): {text}");
    };
    if let Some(warning) = warning(message) {
        return format!("execution error at ({location}): {warning}");
    }
    let mut traces: Vec<Trace<'_>> = Vec::new();
    for offset in error.offsets() {
        let Some(trace) = Trace::parse(&text[offset..]) else { return text };
        if traces.last() != Some(&trace) {
            traces.push(trace);
        }
    }
    traces.iter().map(Trace::text).collect::<String>().trim().to_owned()
}

/// What stands between the marks.
fn warning(message: &str) -> Option<&str> {
    let start = message.find(WARNING_START)? + WARNING_START.len();
    let end = message.rfind(WARNING_END)?;
    message.get(start..end)
}

/// One error of a chain, taken apart.
#[derive(Debug, PartialEq, Eq)]
struct Trace<'t> {
    location: &'t str,
    /// `executing "T" at <EXPR>:`
    executing: Option<(&'t str, &'t str)>,
    message: &'t str,
}

impl<'t> Trace<'t> {
    fn parse(text: &'t str) -> Option<Self> {
        let remainder = text.strip_prefix("template: ")?;
        if remainder.starts_with("no template ") {
            return Some(Self { location: "", executing: None, message: text });
        }
        Self::parse_executing(remainder).or_else(|| Self::parse_simple(remainder))
    }

    /// `NAME: executing "FUNCTION" at <EXPRESSION>: MESSAGE`, without the next error of the chain.
    fn parse_executing(remainder: &'t str) -> Option<Self> {
        let (location, after) = remainder.split_once(": executing ")?;
        let (function, after) = after.strip_prefix('"')?.split_once('"')?;
        let (expression, message) = after.strip_prefix(" at <")?.split_once(">: ")?;
        Some(Self { location, executing: Some((function, expression)), message: without_next(message) })
    }

    /// `NAME: MESSAGE`.
    fn parse_simple(remainder: &'t str) -> Option<Self> {
        let (location, message) = remainder.rsplit_once(": ")?;
        Some(Self { location, executing: None, message: without_next(message) })
    }

    fn text(&self) -> String {
        let mut text = String::new();
        if !self.location.is_empty() {
            text.push_str(self.location);
            text.push_str("\n  ");
        }
        if let Some((function, expression)) = self.executing {
            text.push_str(&format!("executing \"{function}\" at <{expression}>:\n    "));
        }
        if !self.message.is_empty() {
            text.push_str(self.message);
            text.push('\n');
        }
        text
    }
}

fn without_next(message: &str) -> &str {
    message.find(" template:").map_or(message, |end| &message[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_of_execution_errors_becomes_a_trace() {
        let error = ExecError::new("template: a/_h.tpl:2:3: executing \"inner\" at <.x.y>: nil pointer".to_owned())
            .wrap(
                "template: a/t.yaml:1:3: executing \"a/t.yaml\" at <include \"inner\" .>: error calling include: "
                    .to_owned(),
            );
        let expected = "a/t.yaml:1:3\n  executing \"a/t.yaml\" at <include \"inner\" .>:\n    error calling \
                        include:\na/_h.tpl:2:3\n  executing \"inner\" at <.x.y>:\n    nil pointer";
        assert_eq!(execution_error("a/t.yaml", &error), expected);
    }

    #[test]
    fn a_foreign_error_in_the_chain_keeps_the_text_whole() {
        let prefix = "template: t:1:3: executing \"t\" at <index . 9>: error calling index: ";
        let error = ExecError::new("index out of range: 9".to_owned()).wrap(prefix.to_owned());
        assert_eq!(execution_error("t", &error), format!("{prefix}index out of range: 9"));
    }

    #[test]
    fn a_warning_is_cut_out_of_everything_around_it() {
        let prefix = "template: t:1:3: executing \"t\" at <fail \"a: b\">: error calling fail: ";
        let error = ExecError::new(wrap_warning("a: b\nc")).wrap(prefix.to_owned());
        assert_eq!(execution_error("t", &error), "execution error at (t:1:3): a: b\nc");
    }
}
