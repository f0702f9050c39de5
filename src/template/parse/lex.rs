//! The lexer: from text to tokens (`text/template/parse/lex.go`), with the delimiters `{{` and `}}`.
//!
//! Tokens are made when the parser asks for them. Trim markers are dealt with here; the parser never sees them, nor
//! comments.

use std::borrow::Cow;

use memchr::memmem;

use super::characters::{
    has_left_trim_marker, has_right_trim_marker, is_alphanumeric, leading_spaces, length_without_blanks, newlines,
    word_length,
};
use super::token::{Token, TokenKind};
use crate::template::{print, unicode};

const LEFT: &[u8] = b"{{";
const RIGHT: &[u8] = b"}}";
const LEFT_COMMENT: &[u8] = b"/*";
const RIGHT_COMMENT: &[u8] = b"*/";
/// The minus and the space beside it.
const TRIM_MARKER_LENGTH: usize = 2;

/// The state of the scan.
pub(super) struct Lexer<'t> {
    text: &'t [u8],
    position: usize,
    start: usize,
    line: u32,
    start_line: u32,
    parentheses: i32,
    inside_action: bool,
    /// What was wrong with the text, once something was.
    message: Option<Cow<'static, str>>,
    left: memmem::Finder<'static>,
}

impl<'t> Lexer<'t> {
    pub(super) fn new(text: &'t [u8]) -> Self {
        Self {
            text,
            position: 0,
            start: 0,
            line: 1,
            start_line: 1,
            parentheses: 0,
            inside_action: false,
            message: None,
            left: memmem::Finder::new(LEFT),
        }
    }

    /// The next token; after an error only the end of the text follows.
    pub(super) fn next_token(&mut self) -> Token {
        if self.message.is_some() {
            return Token::new(TokenKind::Eof, 0, 0, self.start_line);
        }
        if self.inside_action { self.inside_action() } else { self.text() }
    }

    /// The message of the error token, where there was one.
    pub(super) fn message(&self) -> Option<&str> {
        self.message.as_deref()
    }

    fn rest(&self) -> &'t [u8] {
        self.text.get(self.position..).unwrap_or_default()
    }

    /// The rune at the cursor, nothing at the end.
    fn peek(&self) -> Option<u32> {
        let (rune, width) = unicode::decode(self.rest());
        (width > 0).then_some(rune)
    }

    fn advance(&mut self) -> Option<u32> {
        let (rune, width) = unicode::decode(self.rest());
        if width == 0 {
            return None;
        }
        self.position += width;
        if rune == u32::from(b'\n') {
            self.line += 1;
        }
        Some(rune)
    }

    fn emit(&mut self, kind: TokenKind) -> Token {
        let token = Token::new(kind, self.start, self.position, self.start_line);
        self.start = self.position;
        self.start_line = self.line;
        token
    }

    /// Drops the text before the cursor, which was skipped without counting its lines.
    fn ignore(&mut self) {
        self.count_lines();
        self.start = self.position;
        self.start_line = self.line;
    }

    fn count_lines(&mut self) {
        let skipped = self.text.get(self.start..self.position).unwrap_or_default();
        self.line += newlines(skipped);
    }

    fn error(&mut self, message: impl Into<Cow<'static, str>>) -> Token {
        self.message = Some(message.into());
        Token::new(TokenKind::Error, self.start, self.start, self.start_line)
    }

    fn accept(&mut self, valid: &[u8]) -> bool {
        let accepted = self.rest().first().is_some_and(|byte| valid.contains(byte));
        self.position += usize::from(accepted);
        accepted
    }

    fn accept_run(&mut self, valid: &[u8]) {
        while self.accept(valid) {}
    }

    /// Text up to the next action.
    fn text(&mut self) -> Token {
        loop {
            let Some(length) = self.left.find(self.rest()) else {
                self.position = self.text.len();
                if self.position > self.start {
                    self.count_lines();
                    return self.emit(TokenKind::Text);
                }
                return self.emit(TokenKind::Eof);
            };
            if length > 0 {
                self.position += length;
                let token = self.text_before_action();
                if !token.is_empty() {
                    return token;
                }
            }
            if let Some(token) = self.left_delimiter() {
                return token;
            }
        }
    }

    /// The text before the cursor, which is at a left delimiter, without the space that a trim marker removes.
    fn text_before_action(&mut self) -> Token {
        let delimiter = self.position;
        let pending = self.text.get(self.start..delimiter).unwrap_or_default();
        if has_left_trim_marker(self.text.get(delimiter + LEFT.len()..).unwrap_or_default()) {
            self.position = self.start + length_without_blanks(pending);
        }
        self.count_lines();
        let token = self.emit(TokenKind::Text);
        self.position = delimiter;
        self.ignore();
        token
    }

    /// The left delimiter at the cursor; nothing where it only opened a comment.
    fn left_delimiter(&mut self) -> Option<Token> {
        self.position += LEFT.len();
        let marker = if has_left_trim_marker(self.rest()) { TRIM_MARKER_LENGTH } else { 0 };
        if self.text.get(self.position + marker..).is_some_and(|rest| rest.starts_with(LEFT_COMMENT)) {
            self.position += marker;
            self.ignore();
            return self.comment();
        }
        let token = self.emit(TokenKind::LeftDelimiter);
        self.inside_action = true;
        self.position += marker;
        self.ignore();
        self.parentheses = 0;
        Some(token)
    }

    /// Skips a comment; a token only where it is wrong.
    fn comment(&mut self) -> Option<Token> {
        self.position += LEFT_COMMENT.len();
        let Some(length) = memmem::find(self.rest(), RIGHT_COMMENT) else {
            return Some(self.error("unclosed comment"));
        };
        self.position += length + RIGHT_COMMENT.len();
        let (at_delimiter, trims) = self.at_right_delimiter();
        if !at_delimiter {
            return Some(self.error("comment ends before closing delimiter"));
        }
        self.position += RIGHT.len();
        if trims {
            self.position += TRIM_MARKER_LENGTH;
            self.position += leading_spaces(self.rest());
        }
        self.ignore();
        None
    }

    /// Whether the cursor is at a right delimiter, and whether that has a trim marker.
    fn at_right_delimiter(&self) -> (bool, bool) {
        let rest = self.rest();
        if has_right_trim_marker(rest) && rest.get(TRIM_MARKER_LENGTH..).is_some_and(|rest| rest.starts_with(RIGHT)) {
            return (true, true);
        }
        (rest.starts_with(RIGHT), false)
    }

    fn right_delimiter(&mut self) -> Token {
        let (_, trims) = self.at_right_delimiter();
        if trims {
            self.position += TRIM_MARKER_LENGTH;
            self.ignore();
        }
        self.position += RIGHT.len();
        let token = self.emit(TokenKind::RightDelimiter);
        if trims {
            self.position += leading_spaces(self.rest());
            self.ignore();
        }
        self.inside_action = false;
        token
    }

    fn inside_action(&mut self) -> Token {
        if self.at_right_delimiter().0 {
            if self.parentheses == 0 {
                return self.right_delimiter();
            }
            return self.error("unclosed left paren");
        }
        let Some(rune) = self.peek() else { return self.error("unclosed action") };
        let Ok(byte) = u8::try_from(rune) else { return self.unicode_inside_action(rune) };
        match byte {
            b' ' | b'\t' | b'\r' | b'\n' => self.space(),
            b'=' => self.single(TokenKind::Assign),
            b'|' => self.single(TokenKind::Pipe),
            b':' => self.declare(),
            b'"' => self.quoted(b'"', TokenKind::String, "unterminated quoted string"),
            b'\'' => self.quoted(b'\'', TokenKind::CharConstant, "unterminated character constant"),
            b'`' => self.raw_string(),
            b'$' => self.field_or_variable(TokenKind::Variable),
            b'.' if !self.rest().get(1).is_some_and(u8::is_ascii_digit) && self.rest().len() > 1 => {
                self.field_or_variable(TokenKind::Field)
            }
            b'.' | b'+' | b'-' | b'0'..=b'9' => self.number(),
            b'(' => {
                self.parentheses += 1;
                self.single(TokenKind::LeftParenthesis)
            }
            b')' => self.right_parenthesis(),
            b'_' | b'a'..=b'z' | b'A'..=b'Z' => self.identifier(),
            b' '..=b'~' => self.single(TokenKind::Char),
            _ => self.unicode_inside_action(rune),
        }
    }

    fn unicode_inside_action(&mut self, rune: u32) -> Token {
        if is_alphanumeric(rune) {
            return self.identifier();
        }
        self.advance();
        self.error(format!("unrecognized character in action: {}", print::unicode_point(rune)))
    }

    fn single(&mut self, kind: TokenKind) -> Token {
        self.position += 1;
        self.emit(kind)
    }

    fn declare(&mut self) -> Token {
        self.position += 1;
        if self.advance() != Some(u32::from(b'=')) {
            return self.error("expected :=");
        }
        self.emit(TokenKind::Declare)
    }

    fn right_parenthesis(&mut self) -> Token {
        self.position += 1;
        self.parentheses -= 1;
        if self.parentheses < 0 {
            return self.error("unexpected right paren");
        }
        self.emit(TokenKind::RightParenthesis)
    }

    /// A run of spaces, of which the last may belong to a trim marker.
    fn space(&mut self) -> Token {
        let first = self.position;
        self.position += leading_spaces(self.rest());
        self.count_lines();
        let last = self.text.get(self.position - 1..).unwrap_or_default();
        if has_right_trim_marker(last) && last.get(TRIM_MARKER_LENGTH..).is_some_and(|rest| rest.starts_with(RIGHT)) {
            self.position -= 1;
            if self.rest().first() == Some(&b'\n') {
                self.line -= 1;
            }
            if self.position == first {
                return self.right_delimiter();
            }
        }
        self.emit(TokenKind::Space)
    }

    fn identifier(&mut self) -> Token {
        self.alphanumeric_run();
        if let Some(rune) = self.bad_terminator() {
            return self.error(format!("bad character {}", print::unicode_point(rune)));
        }
        let word = self.text.get(self.start..self.position).unwrap_or_default();
        let kind = TokenKind::of_keyword(word);
        let is_bool = word == b"true" || word == b"false";
        self.emit(kind.unwrap_or(if is_bool { TokenKind::Bool } else { TokenKind::Identifier }))
    }

    /// A field or variable, whose first byte is at the cursor; alone they are the dot and `$`.
    fn field_or_variable(&mut self, kind: TokenKind) -> Token {
        self.position += 1;
        if self.at_terminator() {
            return self.emit(if kind == TokenKind::Field { TokenKind::Dot } else { kind });
        }
        self.alphanumeric_run();
        if let Some(rune) = self.bad_terminator() {
            return self.error(format!("bad character {}", print::unicode_point(rune)));
        }
        self.emit(kind)
    }

    fn alphanumeric_run(&mut self) {
        loop {
            self.position += word_length(self.rest());
            if self.rest().first().is_none_or(u8::is_ascii) || !self.peek().is_some_and(is_alphanumeric) {
                return;
            }
            self.advance();
        }
    }

    /// The rune at the cursor where it may not follow an identifier.
    fn bad_terminator(&self) -> Option<u32> {
        if self.at_terminator() { None } else { self.peek() }
    }

    fn at_terminator(&self) -> bool {
        match self.rest().first() {
            None | Some(b' ' | b'\t' | b'\r' | b'\n' | b'.' | b',' | b'|' | b':' | b')' | b'(') => true,
            Some(_) => self.rest().starts_with(RIGHT),
        }
    }

    /// A string or character constant with escapes, on one line; the opening quote is at the cursor.
    fn quoted(&mut self, quote: u8, kind: TokenKind, unterminated: &'static str) -> Token {
        self.position += 1;
        loop {
            let Some(length) = memchr::memchr3(quote, b'\\', b'\n', self.rest()) else {
                self.position = self.text.len();
                return self.error(unterminated);
            };
            self.position += length + 1;
            match self.text.get(self.position - 1) {
                Some(b'\\') if self.rest().first().is_some_and(|&byte| byte != b'\n') => {
                    self.advance();
                }
                Some(&byte) if byte == quote => return self.emit(kind),
                _ => return self.error(unterminated),
            }
        }
    }

    fn raw_string(&mut self) -> Token {
        self.position += 1;
        let Some(length) = memchr::memchr(b'`', self.rest()) else {
            return self.error("unterminated raw quoted string");
        };
        self.line += newlines(self.rest().get(..length).unwrap_or_default());
        self.position += length + 1;
        self.emit(TokenKind::RawString)
    }

    fn number(&mut self) -> Token {
        if !self.scan_number() {
            return self.bad_number();
        }
        if matches!(self.rest().first(), Some(b'+' | b'-')) {
            let is_complex = self.scan_number();
            if !is_complex || self.text.get(self.position - 1) != Some(&b'i') {
                return self.bad_number();
            }
            return self.emit(TokenKind::Complex);
        }
        self.emit(TokenKind::Number)
    }

    fn bad_number(&mut self) -> Token {
        let quoted = print::quote(self.text.get(self.start..self.position).unwrap_or_default());
        self.error(format!("bad number syntax: {}", String::from_utf8_lossy(&quoted)))
    }

    /// Scans what may be a number; conversion finds what is none.
    fn scan_number(&mut self) -> bool {
        self.accept(b"+-");
        let mut digits: &[u8] = b"0123456789_";
        let mut exponent: Option<&[u8]> = Some(b"eE");
        if self.accept(b"0") {
            if self.accept(b"xX") {
                digits = b"0123456789abcdefABCDEF_";
                exponent = Some(b"pP");
            } else if self.accept(b"oO") {
                digits = b"01234567_";
                exponent = None;
            } else if self.accept(b"bB") {
                digits = b"01_";
                exponent = None;
            }
        }
        self.accept_run(digits);
        if self.accept(b".") {
            self.accept_run(digits);
        }
        if exponent.is_some_and(|letters| self.accept(letters)) {
            self.accept(b"+-");
            self.accept_run(b"0123456789_");
        }
        self.accept(b"i");
        if self.peek().is_some_and(is_alphanumeric) {
            self.advance();
            return false;
        }
        true
    }
}
