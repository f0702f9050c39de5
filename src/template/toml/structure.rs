//! The states of the lexer around values: tables, keys, lists, comments (`toml/lex.go`).

use super::item::ItemKind;
use super::lexer::{EOF, Lexer, State, is_bare, is_blank, is_line_break};
use super::text::{or_end, quoted};
use crate::template::unicode::is_letter;

impl Lexer<'_> {
    /// Runs one state; the result is the next one, nothing after a fault or at the end.
    pub(super) fn step(&mut self, state: State) -> Option<State> {
        match state {
            State::Top => self.top(),
            State::TopEnd => self.top_end(),
            State::TableStart => self.table_start(),
            State::TableEnd => {
                self.emit(ItemKind::TableEnd);
                Some(State::TopEnd)
            }
            State::ArrayTableEnd => self.array_table_end(),
            State::TableNameStart => self.table_name_start(),
            State::TableNameEnd => self.table_name_end(),
            State::BareName => self.bare_name(),
            State::QuotedName => self.quoted_name(),
            State::KeyStart => self.key_start(),
            State::KeyNameStart => self.key_name_start(),
            State::KeyEnd => self.key_end(),
            State::Value => self.value(),
            State::ArrayValue => self.array_value(),
            State::ArrayValueEnd => self.array_value_end(),
            State::ArrayEnd => self.end_of(ItemKind::ArrayEnd),
            State::InlineTableValue => self.inline_table_value(),
            State::InlineTableValueEnd => self.inline_table_value_end(),
            State::InlineTableEnd => self.end_of(ItemKind::InlineTableEnd),
            State::CommentStart => {
                self.ignore();
                self.emit(ItemKind::CommentStart);
                Some(State::Comment)
            }
            State::Comment => self.comment(),
            scalar => self.scalar_step(scalar),
        }
    }

    fn skip_to(&mut self, state: State) -> Option<State> {
        self.ignore();
        Some(state)
    }

    fn comment_then(&mut self, state: State) -> Option<State> {
        self.push(state);
        Some(State::CommentStart)
    }

    fn end_of(&mut self, kind: ItemKind) -> Option<State> {
        self.ignore();
        self.emit(kind);
        self.pop()
    }

    fn top(&mut self) -> Option<State> {
        match self.next() {
            c if is_blank(c) || is_line_break(c) => self.skip_to(State::Top),
            '#' => self.comment_then(State::Top),
            '[' => Some(State::TableStart),
            EOF if self.position > self.start => self.fault("unexpected EOF".to_owned()),
            EOF => {
                self.emit(ItemKind::Eof);
                None
            }
            _ => {
                self.backup();
                self.push(State::TopEnd);
                Some(State::KeyStart)
            }
        }
    }

    fn top_end(&mut self) -> Option<State> {
        match self.next() {
            '#' => self.comment_then(State::Top),
            c if is_blank(c) => Some(State::TopEnd),
            c if is_line_break(c) => self.skip_to(State::Top),
            EOF => {
                self.emit(ItemKind::Eof);
                None
            }
            c => self.fault(format!(
                "expected a top-level item to end with a newline, comment, or EOF, but got {} instead",
                quoted(c)
            )),
        }
    }

    fn table_start(&mut self) -> Option<State> {
        if self.accept('[') {
            self.emit(ItemKind::ArrayTableStart);
            self.push(State::ArrayTableEnd);
        } else {
            self.emit(ItemKind::TableStart);
            self.push(State::TableEnd);
        }
        Some(State::TableNameStart)
    }

    fn array_table_end(&mut self) -> Option<State> {
        let c = self.next();
        if c != ']' {
            let c = quoted(c);
            return self.fault(format!("expected end of table array name delimiter ']', but got {c} instead"));
        }
        self.emit(ItemKind::ArrayTableEnd);
        Some(State::TopEnd)
    }

    fn table_name_start(&mut self) -> Option<State> {
        self.skip_blanks();
        match self.peek() {
            ']' | EOF => self.fault("unexpected end of table name (table names cannot be empty)".to_owned()),
            '.' => self.fault("unexpected table separator (table names cannot be empty)".to_owned()),
            '"' | '\'' => {
                self.ignore();
                self.push(State::TableNameEnd);
                Some(State::QuotedName)
            }
            _ => {
                self.push(State::TableNameEnd);
                Some(State::BareName)
            }
        }
    }

    fn table_name_end(&mut self) -> Option<State> {
        self.skip_blanks();
        match self.next() {
            '.' => self.skip_to(State::TableNameStart),
            ']' => self.pop(),
            c => self.fault(format!("expected '.' or ']' to end table name, but got {} instead", quoted(c))),
        }
    }

    fn bare_name(&mut self) -> Option<State> {
        if is_bare(self.next()) {
            return Some(State::BareName);
        }
        self.backup();
        self.emit(ItemKind::Text);
        self.pop()
    }

    fn quoted_name(&mut self) -> Option<State> {
        match self.next() {
            '"' => self.skip_to(State::BasicString),
            '\'' => self.skip_to(State::RawString),
            c if is_blank(c) => self.skip_to(State::Value),
            EOF => self.fault("unexpected EOF; expected value".to_owned()),
            c => self.fault(format!("expected value but found {} instead", quoted(c))),
        }
    }

    fn key_start(&mut self) -> Option<State> {
        self.skip_blanks();
        match self.peek() {
            '=' | EOF => return self.fault("unexpected '=': key name appears blank".to_owned()),
            '.' => return self.fault("unexpected '.': keys cannot start with a '.'".to_owned()),
            '"' | '\'' => self.ignore(),
            _ => {}
        }
        self.emit(ItemKind::KeyStart);
        Some(State::KeyNameStart)
    }

    fn key_name_start(&mut self) -> Option<State> {
        self.skip_blanks();
        match self.peek() {
            '=' | EOF => self.fault("unexpected '='".to_owned()),
            '.' => self.fault("unexpected '.'".to_owned()),
            '"' | '\'' => {
                self.ignore();
                self.push(State::KeyEnd);
                Some(State::QuotedName)
            }
            _ => {
                self.push(State::KeyEnd);
                Some(State::BareName)
            }
        }
    }

    fn key_end(&mut self) -> Option<State> {
        self.skip_blanks();
        match self.next() {
            EOF => self.fault("unexpected EOF; expected key separator '='".to_owned()),
            '.' => self.skip_to(State::KeyNameStart),
            '=' => {
                self.emit(ItemKind::KeyEnd);
                self.skip_to(State::Value)
            }
            c => {
                let message = format!("expected '.' or '=', but got {} instead", quoted(c));
                if c == '\n' { self.fault_on_previous_line(message) } else { self.fault(message) }
            }
        }
    }

    fn value(&mut self) -> Option<State> {
        let c = self.next();
        match c {
            c if is_blank(c) => return self.skip_to(State::Value),
            '0'..='9' => {
                self.backup();
                return Some(State::NumberOrDateStart);
            }
            '[' => {
                self.ignore();
                self.emit(ItemKind::Array);
                return Some(State::ArrayValue);
            }
            '{' => {
                self.ignore();
                self.emit(ItemKind::InlineTableStart);
                return Some(State::InlineTableValue);
            }
            '"' => return self.opening_quote('"', State::BasicString, State::MultilineString),
            '\'' => return self.opening_quote('\'', State::RawString, State::MultilineRawString),
            '.' => return self.fault("floats must start with a digit, not '.'".to_owned()),
            'i' | 'n' if (self.accept('n') && self.accept('f')) || (self.accept('a') && self.accept('n')) => {
                self.emit(ItemKind::Float);
                return self.pop();
            }
            '-' | '+' => return Some(State::DecimalNumberStart),
            _ => {}
        }
        if is_letter(u32::from(c)) {
            self.backup();
            return Some(State::Bool);
        }
        match c {
            EOF => self.fault("unexpected EOF; expected value".to_owned()),
            '\n' => self.fault_on_previous_line(format!("expected value but found {} instead", quoted(c))),
            c => self.fault(format!("expected value but found {} instead", quoted(c))),
        }
    }

    /// One quote opens a string, three a string over several lines, two are an empty one.
    fn opening_quote(&mut self, quote: char, single: State, multiline: State) -> Option<State> {
        if self.accept(quote) {
            if self.accept(quote) {
                return self.skip_to(multiline);
            }
            self.backup();
        }
        self.skip_to(single)
    }

    fn array_value(&mut self) -> Option<State> {
        match self.next() {
            c if is_blank(c) || is_line_break(c) => self.skip_to(State::ArrayValue),
            '#' => self.comment_then(State::ArrayValue),
            ',' => self.fault("unexpected comma".to_owned()),
            ']' => Some(State::ArrayEnd),
            _ => {
                self.backup();
                self.push(State::ArrayValueEnd);
                Some(State::Value)
            }
        }
    }

    fn array_value_end(&mut self) -> Option<State> {
        match self.next() {
            c if is_blank(c) || is_line_break(c) => self.skip_to(State::ArrayValueEnd),
            '#' => self.comment_then(State::ArrayValueEnd),
            ',' => self.skip_to(State::ArrayValue),
            ']' => Some(State::ArrayEnd),
            c => self.fault(format!("expected a comma (',') or array terminator (']'), but got {}", or_end(c))),
        }
    }

    fn inline_table_value(&mut self) -> Option<State> {
        match self.next() {
            c if is_blank(c) || is_line_break(c) => self.skip_to(State::InlineTableValue),
            '#' => self.comment_then(State::InlineTableValue),
            ',' => self.fault("unexpected comma".to_owned()),
            '}' => Some(State::InlineTableEnd),
            _ => {
                self.backup();
                self.push(State::InlineTableValueEnd);
                Some(State::KeyStart)
            }
        }
    }

    fn inline_table_value_end(&mut self) -> Option<State> {
        match self.next() {
            c if is_blank(c) || is_line_break(c) => self.skip_to(State::InlineTableValueEnd),
            '#' => self.comment_then(State::InlineTableValueEnd),
            ',' => {
                self.ignore();
                self.skip_blanks();
                Some(if self.peek() == '}' { State::InlineTableValueEnd } else { State::InlineTableValue })
            }
            '}' => Some(State::InlineTableEnd),
            c => {
                let c = or_end(c);
                self.fault(format!("expected a comma or an inline table terminator '}}', but got {c} instead"))
            }
        }
    }

    fn comment(&mut self) -> Option<State> {
        match self.next() {
            c if is_line_break(c) || c == EOF => {
                self.backup();
                self.emit(ItemKind::Text);
                self.pop()
            }
            _ => Some(State::Comment),
        }
    }
}
