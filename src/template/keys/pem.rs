//! PEM (`encoding/pem`).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// A decoded block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// What stands after `BEGIN`.
    pub label: String,
    /// The content.
    pub bytes: Vec<u8>,
}

const BEGIN: &str = "-----BEGIN ";
const DASHES: &str = "-----";

/// The first complete block of a text.
pub fn decode(text: &str) -> Option<Block> {
    let mut rest = text;
    loop {
        let start = rest.match_indices(BEGIN).map(|(at, _)| at).find(|at| *at == 0 || rest[..*at].ends_with('\n'))?;
        rest = &rest[start + BEGIN.len()..];
        let (line, body) = rest.split_once('\n')?;
        let Some(label) = line.trim_end().strip_suffix(DASHES) else { continue };
        let end = format!("-----END {label}-----");
        let Some((content, _)) = body.split_once(&end) else { continue };
        let content = without_headers(content);
        let digits: String = content.chars().filter(|c| !c.is_ascii_whitespace()).collect();
        if let Ok(bytes) = STANDARD.decode(digits) {
            return Some(Block { label: label.to_owned(), bytes });
        }
    }
}

/// Drops `Name: value` lines and the blank line after them.
fn without_headers(mut content: &str) -> &str {
    while let Some((line, rest)) = content.split_once('\n') {
        if !line.contains(':') {
            break;
        }
        content = rest;
    }
    content
}

/// A block of lines of 64 characters.
pub fn encode(label: &str, bytes: &[u8]) -> String {
    let digits = STANDARD.encode(bytes);
    let mut text = format!("{BEGIN}{label}-----\n");
    let mut rest = digits.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(64));
        text.push_str(line);
        text.push('\n');
        rest = after;
    }
    text + "-----END " + label + "-----\n"
}
