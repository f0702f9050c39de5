//! Characters as Go's error texts show them.

use crate::yaml::quote::push_escaped;

/// A character in single quotes, escaped where it does not print (`%q`).
pub fn quoted(c: char) -> String {
    let mut text = String::from("'");
    push_escaped(&mut text, c, '\'');
    text.push('\'');
    text
}

/// A character in single quotes, or the end of the text.
pub fn or_end(c: char) -> String {
    if c == super::lexer::EOF { "end of file".to_owned() } else { format!("'{c}'") }
}
