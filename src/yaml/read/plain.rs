//! Plain scalars, and the text that a scalar builds up: a slice of the source as long as nothing in it changes.

use std::borrow::Cow;

use super::scanner::{Scan, Scanner};
use super::token::TokenKind;

/// The value of a scalar while it is scanned.
pub struct Content<'a> {
    text: &'a str,
    start: usize,
    end: usize,
    owned: Option<String>,
}

impl<'a> Content<'a> {
    pub fn new(text: &'a str) -> Self {
        Self { text, start: 0, end: 0, owned: None }
    }

    /// Appends a piece of the source.
    pub fn push_source(&mut self, start: usize, end: usize) {
        if start == end {
            return;
        }
        if self.owned.is_none() {
            if self.start == self.end {
                (self.start, self.end) = (start, end);
                return;
            }
            if start == self.end {
                self.end = end;
                return;
            }
        }
        let text = self.text;
        self.owned().push_str(text.get(start..end).unwrap_or_default());
    }

    /// Appends what does not stand in the source like that.
    pub fn push_str(&mut self, piece: &str) {
        self.owned().push_str(piece);
    }

    fn owned(&mut self) -> &mut String {
        let so_far = self.text.get(self.start..self.end).unwrap_or_default();
        self.owned.get_or_insert_with(|| so_far.to_owned())
    }

    pub fn finish(self) -> Cow<'a, str> {
        match self.owned {
            Some(owned) => owned.into(),
            None => self.text.get(self.start..self.end).unwrap_or_default().into(),
        }
    }
}

/// The white space between two pieces of a scalar that may span lines: blanks on one line, or line breaks.
#[derive(Default)]
pub struct Gap {
    /// The blanks, as positions in the source; dropped once a line break follows.
    pub blanks: (usize, usize),
    pub first_break: &'static str,
    pub more_breaks: String,
    /// A line break was met.
    pub broken: bool,
}

impl Gap {
    /// Joins the pieces: a single line break becomes a space, of several the first one goes.
    pub fn fill(&mut self, content: &mut Content<'_>) {
        if !self.broken {
            content.push_source(self.blanks.0, self.blanks.1);
        } else if self.first_break != "\n" {
            content.push_str(self.first_break);
            content.push_str(&self.more_breaks);
        } else if self.more_breaks.is_empty() {
            content.push_str(" ");
        } else {
            content.push_str(&self.more_breaks);
        }
        self.blanks = (0, 0);
        self.first_break = "";
        self.more_breaks.clear();
    }
}

impl<'a> Scanner<'a> {
    /// A plain scalar, which ends at a comment, a colon, a lesser indentation or, in flow context, an indicator.
    pub(super) fn scan_plain(&mut self) -> Scan<TokenKind<'a>> {
        let start = self.mark;
        let indent = usize::try_from(self.indent + 1).unwrap_or(0);
        let mut content = Content::new(self.text);
        let mut gap = Gap::default();
        loop {
            if self.at_document_indicator() || self.byte(0) == b'#' {
                break;
            }
            let end = self.plain_run_end();
            if end > self.position {
                gap.fill(&mut content);
                gap.broken = false;
                content.push_source(self.position, end);
                self.advance_to(end);
            }
            if !(self.is_blank(0) || self.is_break(0)) {
                break;
            }
            loop {
                if self.is_blank(0) {
                    if gap.broken && self.mark.column < indent && self.byte(0) == b'\t' {
                        return Err(self.failure(start, "found a tab character that violates indentation"));
                    }
                    self.skip_blank(&mut gap);
                } else if self.is_break(0) {
                    self.take_gap_break(&mut gap);
                } else {
                    break;
                }
            }
            if self.flow_level == 0 && self.mark.column < indent {
                break;
            }
        }
        if gap.broken {
            self.simple_key_allowed = true;
        }
        Ok(TokenKind::Scalar { value: content.finish(), plain: true })
    }

    /// Where the run of characters without blanks ends.
    fn plain_run_end(&self) -> usize {
        let in_flow = self.flow_level > 0;
        let mut offset = 0;
        loop {
            match self.byte(offset) {
                b' ' | b'\t' | b'\n' | b'\r' | 0 => break,
                b':' if self.is_blank_or_end(offset + 1) => break,
                b',' | b'?' | b'[' | b']' | b'{' | b'}' if in_flow => break,
                0xC2 | 0xE2 if self.is_break(offset) => break,
                _ => offset += 1,
            }
        }
        self.position + offset
    }

    /// A blank, remembered unless it follows a line break.
    pub(super) fn skip_blank(&mut self, gap: &mut Gap) {
        if !gap.broken {
            if gap.blanks.0 == gap.blanks.1 {
                gap.blanks = (self.position, self.position);
            }
            gap.blanks.1 += 1;
        }
        self.skip();
    }

    /// A line break between two pieces.
    pub(super) fn take_gap_break(&mut self, gap: &mut Gap) {
        let line_break = self.take_break();
        if gap.broken {
            gap.more_breaks.push_str(line_break);
        } else {
            gap.blanks = (0, 0);
            gap.first_break = line_break;
            gap.broken = true;
        }
    }
}
