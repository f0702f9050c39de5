//! From characters to items (`toml/lex.go`): a machine of states that calls back for one item at a time, so that the
//! reader knows its last key when a character is refused.

use std::collections::VecDeque;

use super::item::{Fault, Item, ItemKind};

/// The states of the machine, one method each.
#[derive(Clone, Copy, Debug)]
pub enum State {
    Top,
    TopEnd,
    TableStart,
    TableEnd,
    ArrayTableEnd,
    TableNameStart,
    TableNameEnd,
    BareName,
    QuotedName,
    KeyStart,
    KeyNameStart,
    KeyEnd,
    Value,
    ArrayValue,
    ArrayValueEnd,
    ArrayEnd,
    InlineTableValue,
    InlineTableValueEnd,
    InlineTableEnd,
    CommentStart,
    Comment,
    BasicString,
    MultilineString,
    MultilineStringEscape,
    StringEscape,
    HexEscape(u8),
    RawString,
    MultilineRawString,
    NumberOrDateStart,
    NumberOrDate,
    BaseNumberOrDate,
    Datetime,
    /// Digits of a base, after its prefix.
    BaseInteger(u32),
    DecimalNumber,
    DecimalNumberStart,
    Float,
    Bool,
}

/// The character that stands for the end of the text.
pub const EOF: char = '\0';

/// The machine over one text.
pub struct Lexer<'a> {
    pub(super) input: &'a [u8],
    pub(super) start: usize,
    pub(super) position: usize,
    pub(super) line: usize,
    /// The string being read has escapes.
    pub(super) escaped: bool,
    pub(super) at_end: bool,
    state: Option<State>,
    stack: Vec<State>,
    items: VecDeque<Result<Item<'a>, Fault>>,
    /// The widths of the last characters, to go back over.
    widths: [usize; 4],
}

impl<'a> Lexer<'a> {
    pub fn new(input: &'a [u8]) -> Self {
        Self {
            input,
            start: 0,
            position: 0,
            line: 1,
            escaped: false,
            at_end: false,
            state: Some(State::Top),
            stack: Vec::new(),
            items: VecDeque::new(),
            widths: [0; 4],
        }
    }

    /// The next item.
    pub fn next_item(&mut self) -> Result<Item<'a>, Fault> {
        loop {
            if let Some(item) = self.items.pop_front() {
                return item;
            }
            let Some(state) = self.state else {
                return Ok(Item { kind: ItemKind::Eof, text: "", line: self.line });
            };
            self.state = self.step(state);
        }
    }

    pub(super) fn push(&mut self, state: State) {
        self.stack.push(state);
    }

    pub(super) fn pop(&mut self) -> Option<State> {
        self.stack.pop()
    }

    pub(super) fn current(&self) -> &'a [u8] {
        self.input.get(self.start..self.position).unwrap_or_default()
    }

    /// The next character, [`EOF`] at the end. What TOML forbids becomes a fault and U+FFFD.
    pub(super) fn next(&mut self) -> char {
        let Some(byte) = self.input.get(self.position).copied() else {
            self.at_end = true;
            return EOF;
        };
        if byte == b'\n' {
            self.line += 1;
        }
        self.widths.rotate_right(1);
        let rest = &self.input[self.position..];
        let Some(c) = first_char(rest) else {
            self.fault(format!("invalid UTF-8 byte: 0x{byte:02x}"));
            return char::REPLACEMENT_CHARACTER;
        };
        let lone_return = c == '\r' && rest.get(1) != Some(&b'\n');
        if lone_return || (c.is_ascii_control() && !matches!(c, '\t' | '\r' | '\n')) {
            let message = format!("TOML files cannot contain control characters: '0x{:02x}'", u32::from(c));
            self.items.push_back(Err(Fault { message, line: self.line }));
            return char::REPLACEMENT_CHARACTER;
        }
        self.widths[0] = c.len_utf8();
        self.position += c.len_utf8();
        c
    }

    /// Takes the last character back.
    pub(super) fn backup(&mut self) {
        if self.at_end {
            self.at_end = false;
            return;
        }
        self.position = self.position.saturating_sub(self.widths[0]);
        self.widths.rotate_left(1);
        if self.input.get(self.position) == Some(&b'\n') {
            self.line -= 1;
        }
    }

    pub(super) fn peek(&mut self) -> char {
        let c = self.next();
        self.backup();
        c
    }

    pub(super) fn accept(&mut self, wanted: char) -> bool {
        let found = self.next() == wanted;
        if !found {
            self.backup();
        }
        found
    }

    /// Forgets what was read since the last item.
    pub(super) fn ignore(&mut self) {
        self.start = self.position;
    }

    pub(super) fn skip_blanks(&mut self) {
        while is_blank(self.next()) {}
        self.backup();
        self.ignore();
    }

    pub(super) fn emit(&mut self, kind: ItemKind) {
        let text = std::str::from_utf8(self.current()).unwrap_or_default();
        self.items.push_back(Ok(Item { kind, text, line: self.line }));
        self.start = self.position;
    }

    pub(super) fn emit_trimmed(&mut self, kind: ItemKind) {
        let text = std::str::from_utf8(self.current()).unwrap_or_default().trim();
        self.items.push_back(Ok(Item { kind, text, line: self.line }));
        self.start = self.position;
    }

    /// A fault where the text ended counts for the line before an ending line break.
    pub(super) fn fault(&mut self, message: String) -> Option<State> {
        let after_break = self.at_end && self.position >= 1 && self.input.get(self.position - 1) == Some(&b'\n');
        let line = if after_break { self.line - 1 } else { self.line };
        self.items.push_back(Err(Fault { message, line }));
        None
    }

    /// A fault for the line before, of which the line break itself was read.
    pub(super) fn fault_on_previous_line(&mut self, message: String) -> Option<State> {
        self.items.push_back(Err(Fault { message, line: self.line - 1 }));
        None
    }
}

/// The first character, where the bytes begin with one.
fn first_char(bytes: &[u8]) -> Option<char> {
    let head = &bytes[..bytes.len().min(4)];
    match std::str::from_utf8(head) {
        Ok(text) => text.chars().next(),
        Err(error) => std::str::from_utf8(&head[..error.valid_up_to()]).ok()?.chars().next(),
    }
}

pub fn is_blank(c: char) -> bool {
    matches!(c, '\t' | ' ')
}

pub fn is_line_break(c: char) -> bool {
    matches!(c, '\n' | '\r')
}

pub fn is_bare(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-')
}
