//! The characters under the scanner: where it stands, line breaks, and what may not occur at all.

use super::failure::{Failure, Layer};
use super::scanner::Scanner;

/// How many bytes go-yaml reads at a time.
const CHUNK: usize = 512;

/// How far the scanner looks ahead of its position.
const LOOKAHEAD: usize = 4;

impl Scanner<'_> {
    /// The fault of a forbidden character, where go-yaml has read one: it reads in chunks, ahead of its position.
    pub fn forbidden_so_far(&self) -> Option<Failure> {
        let forbidden = self.forbidden?;
        let needed = (self.position + LOOKAHEAD).min(self.text.len());
        let mut decoded = 0;
        let mut chunk_end = CHUNK - self.skipped;
        while decoded < needed {
            decoded = floor_char_boundary(self.text, chunk_end);
            if chunk_end >= self.text.len() {
                break;
            }
            chunk_end = decoded + CHUNK;
        }
        (forbidden < decoded.max(1)).then(|| Failure {
            layer: Layer::Reader,
            problem: "control characters are not allowed".into(),
            line: 0,
            context_line: 0,
        })
    }

    /// The byte at an offset from the position; NUL past the end.
    pub(super) fn byte(&self, offset: usize) -> u8 {
        self.text.as_bytes().get(self.position + offset).copied().unwrap_or(0)
    }

    pub(super) fn at_end(&self) -> bool {
        self.byte(0) == 0
    }

    pub(super) fn is_blank(&self, offset: usize) -> bool {
        matches!(self.byte(offset), b' ' | b'\t')
    }

    pub(super) fn is_break(&self, offset: usize) -> bool {
        break_length(self.text.as_bytes(), self.position + offset) > 0
    }

    /// A blank, a line break or the end.
    pub(super) fn is_blank_or_end(&self, offset: usize) -> bool {
        matches!(self.byte(offset), b' ' | b'\t' | b'\n' | 0) || self.is_break(offset)
    }

    /// Moves over characters of the current line, up to a byte position.
    pub(super) fn advance_to(&mut self, position: usize) {
        let passed = self.text.get(self.position..position).unwrap_or_default();
        let characters = if passed.is_ascii() { passed.len() } else { passed.chars().count() };
        self.mark.index += characters;
        self.mark.column += characters;
        self.position = position;
    }

    /// Moves over one character.
    pub(super) fn skip(&mut self) {
        if let Some(c) = self.text.get(self.position..).and_then(|rest| rest.chars().next()) {
            self.position += c.len_utf8();
        }
        self.mark.index += 1;
        self.mark.column += 1;
    }

    /// Moves over a line break, if there is one, and says what it counts as.
    pub(super) fn take_break(&mut self) -> &'static str {
        let length = break_length(self.text.as_bytes(), self.position);
        let counts_as = match (length, self.text.as_bytes().get(self.position + 2)) {
            (0, _) => return "",
            (3, Some(0xA8)) => "\u{2028}",
            (3, _) => "\u{2029}",
            _ => "\n",
        };
        self.mark.index += if self.byte(0) == b'\r' { length } else { 1 };
        self.mark.column = 0;
        self.mark.line += 1;
        self.position += length;
        counts_as
    }

    pub(super) fn skip_blanks(&mut self) {
        while self.is_blank(0) {
            self.skip();
        }
    }

    /// Moves to the end of the line.
    pub(super) fn skip_line_rest(&mut self) {
        self.advance_to(line_end(self.text.as_bytes(), self.position));
    }

    pub(super) fn skip_comment(&mut self) {
        if self.byte(0) == b'#' {
            self.skip_line_rest();
        }
    }

    /// Whether a document indicator stands at the position.
    pub(super) fn at_document_indicator(&self) -> bool {
        self.mark.column == 0
            && matches!(self.text.as_bytes().get(self.position..self.position + 3), Some(b"---" | b"..."))
            && self.is_blank_or_end(3)
    }
}

/// The length in bytes of the line break at a position; nothing where there is none.
fn break_length(bytes: &[u8], at: usize) -> usize {
    match bytes.get(at..).unwrap_or_default() {
        [b'\r', b'\n', ..] => 2,
        [b'\n' | b'\r', ..] => 1,
        [0xC2, 0x85, ..] => 2,
        [0xE2, 0x80, 0xA8 | 0xA9, ..] => 3,
        _ => 0,
    }
}

/// The position of the next line break, NUL or the end.
fn line_end(bytes: &[u8], from: usize) -> usize {
    let mut at = from;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'\n' | b'\r' | 0 => break,
            0xC2 | 0xE2 if break_length(bytes, at) > 0 => break,
            _ => at += 1,
        }
    }
    at
}

/// The position of the first character outside of YAML's set.
pub(super) fn first_forbidden(text: &str) -> Option<usize> {
    let suspicious =
        |byte: u8| (byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r')) || matches!(byte, 0x7F | 0xC2 | 0xEF);
    if !text.bytes().any(suspicious) {
        return None;
    }
    text.char_indices().find_map(|(at, c)| {
        let allowed = matches!(c, '\t' | '\n' | '\r' | ' '..='~' | '\u{85}' | '\u{A0}'..='\u{FFFD}' | '\u{10000}'..);
        (!allowed).then_some(at)
    })
}

/// The last character boundary up to a position.
fn floor_char_boundary(text: &str, position: usize) -> usize {
    let mut boundary = position.min(text.len());
    while !text.is_char_boundary(boundary) {
        boundary -= 1;
    }
    boundary
}
