//! Writing JSON as Go does: sorted keys, HTML-safe escapes, Go's forms of numbers.

use super::super::binary;
use super::super::encode::{Encode, EncodeError, Sink};
use super::super::number::{format_general, format_json};
use super::super::{MAX_DEPTH, MAX_OUTPUT};

/// Whether `<`, `>` and `&` are escaped, as Go does unless told otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Escape {
    /// `\u003c`, `\u003e`, `\u0026`.
    Html,
    /// As they are.
    Raw,
}

/// `json.Marshal`.
pub fn encode<E: Encode + ?Sized>(value: &E) -> Result<String, EncodeError> {
    encode_with(value, Escape::Html, None)
}

/// `json.Marshal` without HTML escapes.
pub fn encode_raw<E: Encode + ?Sized>(value: &E) -> Result<String, EncodeError> {
    encode_with(value, Escape::Raw, None)
}

/// `json.MarshalIndent` with two spaces.
pub fn encode_pretty<E: Encode + ?Sized>(value: &E) -> Result<String, EncodeError> {
    encode_with(value, Escape::Html, Some("  "))
}

/// JSON with chosen escapes, each element on a line of its own where an indentation is given.
pub fn encode_with<E: Encode + ?Sized>(value: &E, escape: Escape, indent: Option<&str>) -> Result<String, EncodeError> {
    let mut writer = Writer { out: String::with_capacity(128), escape, indent, depth: 0 };
    value.encode(&mut writer)?;
    Ok(writer.out)
}

struct Writer<'a> {
    out: String,
    escape: Escape,
    indent: Option<&'a str>,
    depth: usize,
}

impl Writer<'_> {
    fn open(&mut self, bracket: char) -> Result<(), EncodeError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(EncodeError::Cycle);
        }
        if self.out.len() > MAX_OUTPUT {
            return Err(EncodeError::TooLarge);
        }
        self.out.push(bracket);
        Ok(())
    }

    fn separate(&mut self, first: bool) {
        if !first {
            self.out.push(',');
        }
        self.line();
    }

    fn line(&mut self) {
        if let Some(indent) = self.indent {
            self.out.push('\n');
            for _ in 0..self.depth {
                self.out.push_str(indent);
            }
        }
    }

    fn close(&mut self, bracket: char, empty: bool) {
        self.depth -= 1;
        if !empty {
            self.line();
        }
        self.out.push(bracket);
    }

    fn string(&mut self, bytes: &[u8]) {
        self.out.push('"');
        for chunk in bytes.utf8_chunks() {
            self.valid(chunk.valid());
            for _ in chunk.invalid() {
                self.out.push_str("\\ufffd");
            }
        }
        self.out.push('"');
    }

    fn valid(&mut self, text: &str) {
        let mut written = 0;
        for (at, byte) in text.bytes().enumerate() {
            let escaped = match byte {
                b'"' => "\\\"",
                b'\\' => "\\\\",
                b'\n' => "\\n",
                b'\r' => "\\r",
                b'\t' => "\\t",
                0x08 => "\\b",
                0x0c => "\\f",
                0..=0x1f => CONTROL[usize::from(byte)],
                b'<' if self.escape == Escape::Html => "\\u003c",
                b'>' if self.escape == Escape::Html => "\\u003e",
                b'&' if self.escape == Escape::Html => "\\u0026",
                0xe2 if text[at..].starts_with('\u{2028}') => "\\u2028",
                0xe2 if text[at..].starts_with('\u{2029}') => "\\u2029",
                _ => continue,
            };
            self.out.push_str(&text[written..at]);
            self.out.push_str(escaped);
            written = at + if byte == 0xe2 { 3 } else { 1 };
        }
        self.out.push_str(&text[written..]);
    }
}

/// The control characters without a short escape.
const CONTROL: [&str; 32] = [
    "\\u0000", "\\u0001", "\\u0002", "\\u0003", "\\u0004", "\\u0005", "\\u0006", "\\u0007", "\\u0008", "\\u0009",
    "\\u000a", "\\u000b", "\\u000c", "\\u000d", "\\u000e", "\\u000f", "\\u0010", "\\u0011", "\\u0012", "\\u0013",
    "\\u0014", "\\u0015", "\\u0016", "\\u0017", "\\u0018", "\\u0019", "\\u001a", "\\u001b", "\\u001c", "\\u001d",
    "\\u001e", "\\u001f",
];

impl Sink for Writer<'_> {
    type Error = EncodeError;

    fn null(&mut self) -> Result<(), EncodeError> {
        self.out.push_str("null");
        Ok(())
    }

    fn boolean(&mut self, b: bool) -> Result<(), EncodeError> {
        self.out.push_str(if b { "true" } else { "false" });
        Ok(())
    }

    fn integer(&mut self, n: i64) -> Result<(), EncodeError> {
        self.out.push_str(&n.to_string());
        Ok(())
    }

    fn unsigned(&mut self, n: u64) -> Result<(), EncodeError> {
        self.out.push_str(&n.to_string());
        Ok(())
    }

    fn float(&mut self, f: f64) -> Result<(), EncodeError> {
        if !f.is_finite() {
            return Err(EncodeError::NotFinite(format_general(f)));
        }
        self.out.push_str(&format_json(f));
        Ok(())
    }

    fn text(&mut self, text: &[u8]) -> Result<(), EncodeError> {
        self.string(text);
        Ok(())
    }

    fn bytes(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        self.string(binary::encode_line(bytes).as_bytes());
        Ok(())
    }

    fn list<E: Encode>(&mut self, items: &[E]) -> Result<(), EncodeError> {
        self.open('[')?;
        for (index, item) in items.iter().enumerate() {
            self.separate(index == 0);
            item.encode(self)?;
        }
        self.close(']', items.is_empty());
        Ok(())
    }

    fn map<'a, E: Encode + 'a>(
        &mut self,
        entries: impl ExactSizeIterator<Item = (&'a [u8], &'a E)>,
    ) -> Result<(), EncodeError> {
        self.open('{')?;
        let empty = entries.len() == 0;
        for (index, (key, value)) in entries.enumerate() {
            self.separate(index == 0);
            self.string(key);
            self.out.push_str(if self.indent.is_some() { ": " } else { ":" });
            value.encode(self)?;
        }
        self.close('}', empty);
        Ok(())
    }
}
