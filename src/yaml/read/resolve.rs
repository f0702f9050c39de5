//! What a plain scalar means: go-yaml v2's reading of YAML 1.1 (`yaml/v2/resolve.go`).

use super::super::number::{Integer, parse_decimal, parse_integer};
use super::timestamp::is_timestamp;

/// A resolved scalar; texts (timestamps among them) keep their source text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Resolved {
    Null,
    Bool(bool),
    Signed(i64),
    Unsigned(u64),
    Float(f64),
    Timestamp,
    Text,
}

impl Resolved {
    /// The short tag that go-yaml names in errors.
    pub fn short_tag(self) -> &'static str {
        match self {
            Self::Null => "!!null",
            Self::Bool(_) => "!!bool",
            Self::Signed(_) | Self::Unsigned(_) => "!!int",
            Self::Float(_) => "!!float",
            Self::Timestamp => "!!timestamp",
            Self::Text => "!!str",
        }
    }
}

/// Resolves a scalar without a tag.
pub fn resolve(text: &str) -> Resolved {
    match text.as_bytes().first() {
        None => Resolved::Null,
        Some(b'+' | b'-' | b'0'..=b'9') => resolve_number(text),
        Some(b'.') => word(text).or_else(|| parse_decimal(text).map(Resolved::Float)).unwrap_or(Resolved::Text),
        Some(b'y' | b'Y' | b'n' | b'N' | b't' | b'T' | b'f' | b'F' | b'o' | b'O' | b'~') => {
            word(text).unwrap_or(Resolved::Text)
        }
        Some(_) => Resolved::Text,
    }
}

fn word(text: &str) -> Option<Resolved> {
    Some(match text {
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => Resolved::Bool(true),
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => Resolved::Bool(false),
        "~" | "null" | "Null" | "NULL" => Resolved::Null,
        ".nan" | ".NaN" | ".NAN" => Resolved::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => Resolved::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => Resolved::Float(f64::NEG_INFINITY),
        _ => return None,
    })
}

fn resolve_number(text: &str) -> Resolved {
    if let Some(infinity) = word(text) {
        return infinity;
    }
    if is_timestamp(text) {
        return Resolved::Timestamp;
    }
    let without_separators: String;
    let plain = if text.contains('_') {
        without_separators = text.replace('_', "");
        &without_separators
    } else {
        text
    };
    match parse_integer(plain) {
        Some(Integer::Signed(n)) => Resolved::Signed(n),
        Some(Integer::Unsigned(n)) => Resolved::Unsigned(n),
        None => parse_decimal(plain).map_or(Resolved::Text, Resolved::Float),
    }
}

/// Whether the text is a number to base 60 in YAML 1.1 (`12:30:45`). It is read as a string, but written quoted for
/// other readers (`yaml/v2/encode.go`).
pub fn is_base_60(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let mut parts = unsigned.split(':');
    let whole = parts.next().unwrap_or_default();
    if !whole.starts_with(|c: char| c.is_ascii_digit())
        || !whole.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_')
    {
        return false;
    }
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return false;
    }
    while let Some(part) = parts.next() {
        let part = match part.split_once('.') {
            Some((part, fraction)) if parts.peek().is_none() => {
                if !fraction.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_') {
                    return false;
                }
                part
            }
            _ => part,
        };
        if !matches!(part.as_bytes(), [b'0'..=b'9'] | [b'0'..=b'5', b'0'..=b'9']) {
            return false;
        }
    }
    true
}
