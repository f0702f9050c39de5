//! What the lexer hands to the parser.

use std::borrow::Cow;
use std::ops::Range;

use crate::template::print;
use crate::template::unicode;

/// The kinds of tokens (`parse/lex.go` itemType). Keywords come after the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum TokenKind {
    Error,
    Bool,
    Char,
    CharConstant,
    Complex,
    Assign,
    Declare,
    Eof,
    Field,
    Identifier,
    LeftDelimiter,
    LeftParenthesis,
    Number,
    Pipe,
    RawString,
    RightDelimiter,
    RightParenthesis,
    Space,
    String,
    Text,
    Variable,
    // The keywords.
    Block,
    Break,
    Continue,
    Dot,
    Define,
    Else,
    End,
    If,
    Nil,
    Range,
    Template,
    With,
}

impl TokenKind {
    /// The keyword that a word is.
    pub(super) fn of_keyword(word: &[u8]) -> Option<Self> {
        Some(match word {
            b"block" => Self::Block,
            b"break" => Self::Break,
            b"continue" => Self::Continue,
            b"define" => Self::Define,
            b"else" => Self::Else,
            b"end" => Self::End,
            b"if" => Self::If,
            b"nil" => Self::Nil,
            b"range" => Self::Range,
            b"template" => Self::Template,
            b"with" => Self::With,
            _ => return None,
        })
    }
}

/// One token: its kind, its place in the text and its line. An error token carries its message.
#[derive(Clone, Debug)]
pub(super) struct Token {
    pub(super) kind: TokenKind,
    pub(super) range: Range<usize>,
    pub(super) line: u32,
    pub(super) error: Option<Cow<'static, str>>,
}

impl Token {
    /// What a parser holds before it has read anything.
    pub(super) const NONE: Self = Self { kind: TokenKind::Error, range: 0..0, line: 0, error: None };

    /// The token's text.
    pub(super) fn value<'t>(&self, text: &'t [u8]) -> &'t [u8] {
        text.get(self.range.clone()).unwrap_or_default()
    }

    /// How messages name it: keywords in angle brackets, everything else quoted and cut at ten runes.
    pub(super) fn describe(&self, text: &[u8]) -> String {
        let value = self.value(text);
        if let Some(error) = &self.error {
            return error.to_string();
        }
        if self.kind == TokenKind::Eof {
            return "EOF".to_owned();
        }
        if self.kind >= TokenKind::Block {
            return format!("<{}>", String::from_utf8_lossy(value));
        }
        let end = unicode::runes(value).nth(10).map_or(value.len(), |(offset, ..)| offset);
        let ellipsis = if value.len() > 10 { "..." } else { "" };
        let quoted = print::quote(value.get(..end).unwrap_or(value));
        format!("{}{ellipsis}", String::from_utf8_lossy(&quoted))
    }
}
