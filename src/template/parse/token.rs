//! What the lexer hands to the parser.

use super::tree::Place;
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

/// One token: its kind, its place in the text and its line. The lexer keeps the message of an error token.
#[derive(Clone, Copy, Debug)]
pub(super) struct Token {
    pub(super) kind: TokenKind,
    pub(super) line: u32,
    pub(super) start: u32,
    end: u32,
}

impl Token {
    /// A token between two places of a text, which is smaller than 4 GiB.
    pub(super) fn new(kind: TokenKind, start: usize, end: usize, line: u32) -> Self {
        let place = |position: usize| u32::try_from(position).unwrap_or(u32::MAX);
        Self { kind, line, start: place(start), end: place(end) }
    }

    /// Whether there is nothing in it.
    pub(super) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Its place in the text.
    pub(super) fn place(&self) -> Place {
        Place { start: self.start, end: self.end }
    }

    /// The token's text.
    pub(super) fn value<'t>(&self, text: &'t [u8]) -> &'t [u8] {
        text.get(self.start as usize..self.end as usize).unwrap_or_default()
    }

    /// How messages name it: keywords in angle brackets, everything else quoted and cut at ten runes.
    pub(super) fn describe(&self, text: &[u8]) -> String {
        let value = self.value(text);
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
