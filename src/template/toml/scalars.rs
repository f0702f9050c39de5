//! The states of the lexer within values: strings, numbers, dates, booleans (`toml/lex.go`).

use super::item::ItemKind;
use super::lexer::{EOF, Lexer, State, is_line_break};
use super::text::quoted;
use crate::template::unicode::is_letter;
use crate::yaml::quote::quote;

impl Lexer<'_> {
    pub(super) fn scalar_step(&mut self, state: State) -> Option<State> {
        match state {
            State::BasicString => self.basic_string(),
            State::MultilineString => self.multiline('"', State::MultilineString, ItemKind::MultilineString),
            State::MultilineStringEscape => self.multiline_string_escape(),
            State::StringEscape => self.string_escape(),
            State::HexEscape(digits) => self.hex_escape(digits),
            State::RawString => self.raw_string(),
            State::MultilineRawString => self.multiline('\'', State::MultilineRawString, ItemKind::RawMultilineString),
            State::NumberOrDateStart => {
                Some(if self.next() == '0' { State::BaseNumberOrDate } else { State::NumberOrDate })
            }
            State::NumberOrDate => self.number_or_date(),
            State::BaseNumberOrDate => self.base_number_or_date(),
            State::Datetime => self.datetime(),
            State::BaseInteger(base) => match self.next() {
                c if c == '_' || c.is_digit(base) => Some(state),
                _ => self.number(ItemKind::Integer),
            },
            State::DecimalNumber => match self.next() {
                '0'..='9' | '_' => Some(State::DecimalNumber),
                '.' | 'e' | 'E' => Some(State::Float),
                _ => self.number(ItemKind::Integer),
            },
            State::DecimalNumberStart => self.decimal_number_start(),
            State::Float => match self.next() {
                '0'..='9' | '_' | '.' | '-' | '+' | 'e' | 'E' => Some(State::Float),
                _ => self.number(ItemKind::Float),
            },
            State::Bool => self.boolean(),
            _ => None,
        }
    }

    /// Ends a number before the character just read.
    fn number(&mut self, kind: ItemKind) -> Option<State> {
        self.backup();
        self.emit(kind);
        self.pop()
    }

    /// Ends a string at its closing quote, which was just read.
    fn string(&mut self, kind: ItemKind) -> Option<State> {
        self.backup();
        self.emit(kind);
        self.next();
        self.ignore();
        self.pop()
    }

    fn basic_string(&mut self) -> Option<State> {
        match self.next() {
            EOF => self.fault("unexpected EOF; expected '\"'".to_owned()),
            c if is_line_break(c) => self.fault_on_previous_line("strings cannot contain newlines".to_owned()),
            '\\' => {
                self.push(State::BasicString);
                Some(State::StringEscape)
            }
            '"' => {
                let escaped = std::mem::take(&mut self.escaped);
                self.string(if escaped { ItemKind::EscapedString } else { ItemKind::String })
            }
            _ => Some(State::BasicString),
        }
    }

    fn raw_string(&mut self) -> Option<State> {
        match self.next() {
            EOF => self.fault("unexpected EOF; expected \"'\"".to_owned()),
            c if is_line_break(c) => self.fault_on_previous_line("strings cannot contain newlines".to_owned()),
            '\'' => self.string(ItemKind::RawString),
            _ => Some(State::RawString),
        }
    }

    /// A string between three quotes. Up to two more quotes may stand before the closing ones.
    fn multiline(&mut self, delimiter: char, same: State, kind: ItemKind) -> Option<State> {
        let basic = delimiter == '"';
        match self.next() {
            EOF if basic => self.fault("unexpected EOF; expected '\"\"\"'".to_owned()),
            EOF => self.fault("unexpected EOF; expected \"'''\"".to_owned()),
            '\\' if basic => Some(State::MultilineStringEscape),
            c if c == delimiter && self.accept(delimiter) => {
                if !self.accept(delimiter) {
                    self.backup();
                    return Some(same);
                }
                if self.peek() == delimiter {
                    if basic && self.current().ends_with(b"\"\"\"\"\"") && !self.current().ends_with(b"\\\"\"\"\"\"") {
                        return self.fault("unexpected '\"\"\"\"\"\"'".to_owned());
                    }
                    if !basic && self.current().ends_with(b"'''''") {
                        return self.fault("unexpected \"''''''\"".to_owned());
                    }
                    self.backup();
                    self.backup();
                    return Some(same);
                }
                for _ in 0..3 {
                    self.backup();
                }
                self.escaped &= !basic;
                self.emit(kind);
                for _ in 0..3 {
                    self.next();
                }
                self.ignore();
                self.pop()
            }
            _ => Some(same),
        }
    }

    fn multiline_string_escape(&mut self) -> Option<State> {
        if is_line_break(self.next()) {
            return Some(State::MultilineString);
        }
        self.backup();
        self.push(State::MultilineString);
        self.string_escape()
    }

    fn string_escape(&mut self) -> Option<State> {
        self.escaped = true;
        match self.next() {
            'e' | 'b' | 't' | 'n' | 'f' | 'r' | '"' | ' ' | '\t' | '\\' => self.pop(),
            'x' => Some(State::HexEscape(2)),
            'u' => Some(State::HexEscape(4)),
            'U' => Some(State::HexEscape(8)),
            c => {
                let message = format!("invalid escape in string '\\{c}'");
                if self.at_end { self.fault_on_previous_line(message) } else { self.fault(message) }
            }
        }
    }

    fn hex_escape(&mut self, digits: u8) -> Option<State> {
        for _ in 0..digits {
            if !self.next().is_ascii_hexdigit() {
                let (number, letter) = match digits {
                    2 => ("two", 'x'),
                    4 => ("four", 'u'),
                    _ => ("eight", 'U'),
                };
                let current = quote(&String::from_utf8_lossy(self.current()));
                return self.fault(format!(
                    "expected {number} hexadecimal digits after '\\{letter}', but got {current} instead"
                ));
            }
        }
        self.pop()
    }

    fn number_or_date(&mut self) -> Option<State> {
        match self.next() {
            '0'..='9' => Some(State::NumberOrDate),
            '-' | ':' => Some(State::Datetime),
            '_' => Some(State::DecimalNumber),
            '.' | 'e' | 'E' => Some(State::Float),
            _ => self.number(ItemKind::Integer),
        }
    }

    fn base_number_or_date(&mut self) -> Option<State> {
        match self.next() {
            '0'..='9' => Some(State::NumberOrDate),
            '_' => Some(State::DecimalNumber),
            '.' | 'e' | 'E' => Some(State::Float),
            'b' => self.base_integer(2, "a binary"),
            'o' => self.base_integer(8, "an octal"),
            'x' => self.base_integer(16, "a hexadecimal"),
            _ => self.number(ItemKind::Integer),
        }
    }

    fn base_integer(&mut self, base: u32, name: &str) -> Option<State> {
        let c = self.peek();
        if !c.is_digit(base) {
            let current = String::from_utf8_lossy(self.current()).into_owned();
            self.fault(format!("not {name} number: '{current}{c}'"));
        }
        Some(State::BaseInteger(base))
    }

    fn datetime(&mut self) -> Option<State> {
        match self.next() {
            '0'..='9' | '-' | ':' | 'T' | 't' | ' ' | '.' | 'Z' | 'z' | '+' => Some(State::Datetime),
            _ => {
                self.backup();
                self.emit_trimmed(ItemKind::Datetime);
                self.pop()
            }
        }
    }

    fn decimal_number_start(&mut self) -> Option<State> {
        let c = self.next();
        let current = |lexer: &Self| String::from_utf8_lossy(lexer.current()).into_owned();
        match c {
            'i' | 'n' => {
                let word = if c == 'i' { ['n', 'f'] } else { ['a', 'n'] };
                if !word.into_iter().all(|letter| self.accept(letter)) {
                    let current = current(self);
                    return self.fault(format!("invalid float: '{current}'"));
                }
                self.emit(ItemKind::Float);
                return self.pop();
            }
            '0' => {
                let next = self.peek();
                if matches!(next, 'b' | 'o' | 'x') {
                    let current = current(self);
                    return self.fault(format!("cannot use sign with non-decimal numbers: '{current}{next}'"));
                }
            }
            '.' => return self.fault("floats must start with a digit, not '.'".to_owned()),
            _ => {}
        }
        if c.is_ascii_digit() {
            return Some(State::DecimalNumber);
        }
        self.fault(format!("expected a digit but got {}", quoted(c)))
    }

    fn boolean(&mut self) -> Option<State> {
        let start = self.position;
        while is_letter(u32::from(self.next())) {}
        self.backup();
        let word = String::from_utf8_lossy(self.input.get(start..self.position).unwrap_or_default()).into_owned();
        if matches!(word.as_str(), "true" | "false") {
            self.emit(ItemKind::Bool);
            return self.pop();
        }
        self.fault(format!("expected value but found {} instead", quote(&word)))
    }
}
