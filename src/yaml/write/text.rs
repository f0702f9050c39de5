//! The characters of written YAML: indentation, indicators and the four scalar styles (`yaml/v2/emitterc.go` write_*).

use std::fmt::{Display, Write as _};

use super::scalar::{is_break, is_printable};

/// The text so far and what libyaml remembers of its end.
pub struct Writer {
    out: String,
    /// The width after which a single space becomes a line break.
    width: usize,
    /// Characters since the last line break.
    column: usize,
    /// The last thing written was white space (or nothing).
    whitespace: bool,
    /// Only indentation and block indicators are on this line.
    indention: bool,
}

impl Writer {
    pub fn new(width: usize) -> Self {
        Self { out: String::with_capacity(256), width, column: 0, whitespace: true, indention: true }
    }

    pub fn finish(self) -> String {
        self.out
    }

    pub fn len(&self) -> usize {
        self.out.len()
    }

    pub fn indention(&self) -> bool {
        self.indention
    }

    fn put(&mut self, c: char) {
        self.out.push(c);
        self.column += 1;
    }

    fn put_str(&mut self, text: &str) {
        self.out.push_str(text);
        self.column += if text.is_ascii() { text.len() } else { text.chars().count() };
    }

    fn put_break(&mut self, c: char) {
        self.out.push(c);
        self.column = 0;
        self.indention = true;
    }

    /// Moves to the given column, on a new line unless this one is still only indentation.
    pub fn write_indent(&mut self, indent: i32) {
        let indent = usize::try_from(indent).unwrap_or(0);
        if !self.indention || self.column > indent || (self.column == indent && !self.whitespace) {
            self.put_break('\n');
        }
        while self.column < indent {
            self.put(' ');
        }
        self.whitespace = true;
        self.indention = true;
    }

    /// Writes an indicator and says how it counts: as white space, as part of the indentation.
    pub fn indicator(&mut self, indicator: &str, need_whitespace: bool, is_whitespace: bool, is_indention: bool) {
        if need_whitespace && !self.whitespace {
            self.put(' ');
        }
        self.put_str(indicator);
        self.whitespace = is_whitespace;
        self.indention &= is_indention;
    }

    fn separate(&mut self) {
        if !self.whitespace {
            self.put(' ');
        }
    }

    fn end_scalar(&mut self) {
        self.whitespace = false;
        self.indention = false;
    }

    /// A number.
    pub fn plain_display(&mut self, scalar: impl Display) {
        self.separate();
        let start = self.out.len();
        let _ = write!(self.out, "{scalar}");
        self.column += self.out.len() - start;
        self.end_scalar();
    }

    /// A plain scalar, which has no line breaks; `fold` is the column of continuation lines where it may fold.
    pub fn plain(&mut self, text: &str, fold: Option<i32>) {
        self.separate();
        match fold {
            Some(indent) if self.column.saturating_add(text.len()) > self.width => self.folded(text, indent),
            _ => self.put_str(text),
        }
        self.end_scalar();
    }

    fn folded(&mut self, text: &str, indent: i32) {
        let mut after_space = false;
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            rest = &rest[c.len_utf8()..];
            if c != ' ' {
                self.put(c);
                self.indention = false;
            } else if !after_space && self.column > self.width && !rest.starts_with(' ') {
                self.write_indent(indent);
            } else {
                self.put(c);
            }
            after_space = c == ' ';
        }
    }

    /// A single-quoted scalar; the breaks it may hold are U+2028 and U+2029.
    pub fn single_quoted(&mut self, text: &str, indent: i32, fold: Option<i32>) {
        self.indicator("'", true, false, false);
        let (mut after_space, mut after_break) = (false, false);
        for (at, c) in text.char_indices() {
            let rest = &text[at + c.len_utf8()..];
            if c == ' ' {
                match fold {
                    Some(indent)
                        if !after_space
                            && self.column > self.width
                            && at > 0
                            && !rest.is_empty()
                            && !rest.starts_with(' ') =>
                    {
                        self.write_indent(indent);
                    }
                    _ => self.put(' '),
                }
                after_space = true;
            } else if is_break(c) {
                self.put_break(c);
                after_break = true;
            } else {
                if after_break {
                    self.write_indent(indent);
                }
                if c == '\'' {
                    self.put('\'');
                }
                self.put(c);
                self.indention = false;
                (after_space, after_break) = (false, false);
            }
        }
        self.indicator("'", false, false, false);
        self.end_scalar();
    }

    /// A double-quoted scalar. Where the text starts with a byte order mark, go-yaml escapes every character.
    pub fn double_quoted(&mut self, text: &str, fold: Option<i32>) {
        self.indicator("\"", true, false, false);
        let escape_all = text.starts_with('\u{FEFF}');
        let mut after_space = false;
        for (at, c) in text.char_indices() {
            if escape_all || matches!(c, '"' | '\\') || is_break(c) || !is_printable(c) {
                self.escape(c);
                after_space = false;
                continue;
            }
            let rest = &text[at + c.len_utf8()..];
            match fold {
                Some(indent) if c == ' ' && !after_space && self.column > self.width && at > 0 && !rest.is_empty() => {
                    self.write_indent(indent);
                    if rest.starts_with(' ') {
                        self.put('\\');
                    }
                }
                _ => self.put(c),
            }
            after_space = c == ' ';
        }
        self.indicator("\"", false, false, false);
        self.end_scalar();
    }

    fn escape(&mut self, c: char) {
        let short = match c {
            '\0' => '0',
            '\x07' => 'a',
            '\x08' => 'b',
            '\t' => 't',
            '\n' => 'n',
            '\x0b' => 'v',
            '\x0c' => 'f',
            '\r' => 'r',
            '\x1b' => 'e',
            '"' | '\\' => c,
            '\u{85}' => 'N',
            '\u{A0}' => '_',
            '\u{2028}' => 'L',
            '\u{2029}' => 'P',
            _ => {
                let code = u32::from(c);
                let escaped = match code {
                    0..=0xFF => format!("\\x{code:02X}"),
                    0x100..=0xFFFF => format!("\\u{code:04X}"),
                    _ => format!("\\U{code:08X}"),
                };
                self.put_str(&escaped);
                return;
            }
        };
        self.put('\\');
        self.put(short);
    }

    /// A literal block.
    pub fn literal(&mut self, text: &str, indent: i32) {
        self.indicator("|", true, false, false);
        if text.starts_with(|c: char| c == ' ' || is_break(c)) {
            self.indicator("2", false, false, false);
        }
        let mut from_end = text.chars().rev();
        match (from_end.next().is_some_and(is_break), from_end.next()) {
            (false, _) => self.indicator("-", false, false, false),
            (true, Some(before)) if !is_break(before) => {}
            (true, _) => self.indicator("+", false, false, false),
        }
        self.put_break('\n');
        self.whitespace = true;
        for line in text.split_inclusive(is_break) {
            let content = line.trim_end_matches(is_break);
            if !content.is_empty() {
                self.write_indent(indent);
                self.put_str(content);
                self.indention = false;
            }
            if let Some(line_break) = line[content.len()..].chars().next() {
                self.put_break(line_break);
            }
        }
    }
}
