//! The tokens that the parser is at: the lexer makes those of an action at once, and the parser goes to and fro among
//! them.

use super::lex::Lexer;
use super::token::{Token, TokenKind};

/// How many tokens the parser may go back.
pub(super) const LOOK_BACK: usize = 3;
/// Longer actions are made in parts.
const PART: usize = 256;

/// Some tokens, and where among them the parser is.
pub(super) struct Tokens<'t> {
    lexer: Lexer<'t>,
    made: Vec<Token>,
    /// The token that is next.
    pub(super) cursor: usize,
    /// How many were next once.
    read: usize,
}

impl<'t> Tokens<'t> {
    pub(super) fn new(text: &'t [u8]) -> Self {
        Self { lexer: Lexer::new(text), made: Vec::with_capacity(PART), cursor: 0, read: 0 }
    }

    /// Whether the parser sees the token at the cursor for the first time.
    pub(super) fn is_unread(&self) -> bool {
        self.cursor == self.read
    }

    /// Goes on to the token at the cursor, which is made if need be; its line.
    pub(super) fn read(&mut self) -> u32 {
        if self.read == self.made.len() {
            self.make();
        }
        self.read += 1;
        self.current().line
    }

    /// The token at the cursor, which has been read.
    pub(super) fn current(&self) -> &Token {
        &self.made[self.cursor]
    }

    /// The message of the error token, where there was one.
    pub(super) fn message(&self) -> Option<&str> {
        self.lexer.message()
    }

    fn make(&mut self) {
        let kept = self.made.len().min(LOOK_BACK);
        self.made.drain(..self.made.len() - kept);
        (self.cursor, self.read) = (kept, kept);
        while self.made.len() < PART {
            let token = self.lexer.next_token();
            self.made.push(token);
            if matches!(token.kind, TokenKind::Text | TokenKind::RightDelimiter | TokenKind::Error | TokenKind::Eof) {
                return;
            }
        }
    }
}
