//! Quoted scalars.

use super::plain::{Content, Gap};
use super::scanner::{Scan, Scanner};
use super::token::{Mark, TokenKind};

impl<'a> Scanner<'a> {
    /// A single- or double-quoted scalar.
    pub(super) fn scan_quoted(&mut self, single: bool) -> Scan<TokenKind<'a>> {
        let start = self.mark;
        let quote = if single { b'\'' } else { b'"' };
        self.skip();
        let mut content = Content::new(self.text);
        loop {
            if self.at_document_indicator() {
                return Err(self.failure(start, "found unexpected document indicator"));
            }
            if self.at_end() {
                return Err(self.failure(start, "found unexpected end of stream"));
            }
            let mut gap = Gap { broken: self.scan_quoted_run(&mut content, single, start)?, ..Gap::default() };
            if self.byte(0) == quote {
                break;
            }
            loop {
                if self.is_blank(0) {
                    self.skip_blank(&mut gap);
                } else if self.is_break(0) {
                    self.take_gap_break(&mut gap);
                } else {
                    break;
                }
            }
            if gap.broken || gap.blanks.0 < gap.blanks.1 {
                gap.fill(&mut content);
            }
        }
        self.skip();
        Ok(TokenKind::Scalar { value: content.finish(), plain: false })
    }

    /// The characters up to a blank, a line break or the closing quote. True after an escaped line break, which joins
    /// the lines without a space.
    fn scan_quoted_run(&mut self, content: &mut Content<'a>, single: bool, start: Mark) -> Scan<bool> {
        loop {
            let run_start = self.position;
            let mut offset = 0;
            loop {
                match self.byte(offset) {
                    b' ' | b'\t' | b'\n' | b'\r' | 0 => break,
                    b'\'' if single => break,
                    b'"' | b'\\' if !single => break,
                    0xC2 | 0xE2 if self.is_break(offset) => break,
                    _ => offset += 1,
                }
            }
            content.push_source(run_start, run_start + offset);
            self.advance_to(run_start + offset);
            match self.byte(0) {
                b'\'' if single && self.byte(1) == b'\'' => {
                    content.push_source(self.position, self.position + 1);
                    self.advance_to(self.position + 2);
                }
                b'\\' if !single && self.is_break(1) => {
                    self.skip();
                    self.take_break();
                    return Ok(true);
                }
                b'\\' if !single => self.scan_escape(content, start)?,
                _ => return Ok(false),
            }
        }
    }

    fn scan_escape(&mut self, content: &mut Content<'a>, start: Mark) -> Scan<()> {
        let literal = match self.byte(1) {
            b'0' => "\0",
            b'a' => "\x07",
            b'b' => "\x08",
            b't' | b'\t' => "\t",
            b'n' => "\n",
            b'v' => "\x0B",
            b'f' => "\x0C",
            b'r' => "\r",
            b'e' => "\x1B",
            b' ' => " ",
            b'"' => "\"",
            b'\'' => "'",
            b'\\' => "\\",
            b'N' => "\u{85}",
            b'_' => "\u{A0}",
            b'L' => "\u{2028}",
            b'P' => "\u{2029}",
            b'x' => return self.scan_code(content, 2, start),
            b'u' => return self.scan_code(content, 4, start),
            b'U' => return self.scan_code(content, 8, start),
            _ => return Err(self.failure(start, "found unknown escape character")),
        };
        content.push_str(literal);
        self.advance_to(self.position + 2);
        Ok(())
    }

    fn scan_code(&mut self, content: &mut Content<'a>, length: usize, start: Mark) -> Scan<()> {
        self.advance_to(self.position + 2);
        let digits = self.text.get(self.position..self.position + length).unwrap_or_default();
        if digits.len() < length || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(self.failure(start, "did not find expected hexdecimal number"));
        }
        let Some(c) = u32::from_str_radix(digits, 16).ok().and_then(char::from_u32) else {
            return Err(self.failure(start, "found invalid Unicode character escape code"));
        };
        content.push_str(c.encode_utf8(&mut [0; 4]));
        self.advance_to(self.position + length);
        Ok(())
    }
}
