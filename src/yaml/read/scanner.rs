//! From characters to tokens: libyaml's scanner with go-yaml's changes (`yaml/v2/scannerc.go`).
//!
//! Whether a scalar is a key shows only at the colon after it. The scanner therefore remembers where a simple key
//! could begin, one place a flow level, and inserts the KEY token (and the start of a block mapping) there afterwards.

use std::collections::VecDeque;

use super::characters::first_forbidden;
use super::failure::{Failure, Layer};
use super::token::{Mark, Token, TokenKind};

/// A fallible step of the scanner.
pub type Scan<T> = Result<T, Failure>;

/// A place where a simple key may have begun.
#[derive(Clone, Copy, Default)]
struct SimpleKey {
    possible: bool,
    /// In block context at the current indentation nothing but a key can stand here.
    required: bool,
    /// Found by its token number. go-yaml loses the number of a list or map without simple keys in it, so that `[]: a`
    /// is no pair.
    indexed: bool,
    token_number: usize,
    mark: Mark,
}

/// A simple key and its colon stand on one line, at most this many characters apart.
const SIMPLE_KEY_LENGTH: usize = 1024;

/// The scanner over one text.
pub struct Scanner<'a> {
    pub(super) text: &'a str,
    pub(super) position: usize,
    pub(super) mark: Mark,
    /// The column of the current block; -1 outside.
    pub(super) indent: isize,
    pub(super) flow_level: usize,
    pub(super) simple_key_allowed: bool,
    indents: Vec<isize>,
    simple_keys: Vec<SimpleKey>,
    tokens: VecDeque<Token<'a>>,
    tokens_taken: usize,
    token_available: bool,
    started: bool,
    /// The first character that YAML forbids, and how many bytes before the text were skipped as byte order mark.
    pub(super) forbidden: Option<usize>,
    pub(super) skipped: usize,
}

impl<'a> Scanner<'a> {
    pub fn new(text: &'a str) -> Self {
        let stripped = text.strip_prefix('\u{FEFF}');
        let skipped = text.len() - stripped.unwrap_or(text).len();
        let text = stripped.unwrap_or(text);
        Self {
            text,
            position: 0,
            mark: Mark::default(),
            indent: -1,
            flow_level: 0,
            simple_key_allowed: true,
            indents: Vec::new(),
            simple_keys: vec![SimpleKey::default()],
            tokens: VecDeque::new(),
            tokens_taken: 0,
            token_available: false,
            started: false,
            forbidden: first_forbidden(text),
            skipped,
        }
    }

    /// The next token, which stays the next one.
    pub fn peek(&mut self) -> Scan<&Token<'a>> {
        if !self.token_available {
            self.fetch_more_tokens()?;
        }
        match self.tokens.front() {
            Some(token) => Ok(token),
            None => Err(self.failure(self.mark, "did not find expected token")),
        }
    }

    /// Takes the next token.
    pub fn take(&mut self) -> Scan<Token<'a>> {
        self.peek()?;
        self.token_available = false;
        self.tokens_taken += 1;
        match self.tokens.pop_front() {
            Some(token) => Ok(token),
            None => Err(self.failure(self.mark, "did not find expected token")),
        }
    }

    /// A fault at the current position.
    pub(super) fn failure(&self, context: Mark, problem: &'static str) -> Failure {
        self.forbidden_so_far().unwrap_or(Failure {
            layer: Layer::Scanner,
            problem: problem.into(),
            line: self.mark.line,
            context_line: context.line,
        })
    }

    // Tokens.

    /// Reads until the next token is certain: while it may turn out to be a key, its colon is looked for.
    fn fetch_more_tokens(&mut self) -> Scan<()> {
        loop {
            if !self.tokens.is_empty() {
                let first = self.simple_keys.partition_point(|key| key.token_number < self.tokens_taken);
                let Some(at) = (first..self.simple_keys.len())
                    .take_while(|at| self.simple_keys[*at].token_number == self.tokens_taken)
                    .find(|at| self.simple_keys[*at].indexed)
                else {
                    break;
                };
                if !self.check_simple_key(at)? {
                    break;
                }
            }
            self.fetch_next_token()?;
        }
        self.token_available = true;
        Ok(())
    }

    fn fetch_next_token(&mut self) -> Scan<()> {
        if !self.started {
            self.started = true;
            self.push(TokenKind::StreamStart, self.mark);
            return Ok(());
        }
        self.skip_to_next_token();
        self.unroll_indent(isize::try_from(self.mark.column).unwrap_or(isize::MAX));
        let in_flow = self.flow_level > 0;
        match self.byte(0) {
            0 => self.fetch_stream_end(),
            b'%' if self.mark.column == 0 => self.fetch_directive(),
            b'-' if self.at_document_indicator() => self.fetch_document_indicator(TokenKind::DocumentStart),
            b'.' if self.at_document_indicator() => self.fetch_document_indicator(TokenKind::DocumentEnd),
            b'[' => self.fetch_flow_start(TokenKind::FlowSequenceStart),
            b'{' => self.fetch_flow_start(TokenKind::FlowMappingStart),
            b']' => self.fetch_flow_end(TokenKind::FlowSequenceEnd),
            b'}' => self.fetch_flow_end(TokenKind::FlowMappingEnd),
            b',' => self.fetch_flow_entry(),
            b'-' if self.is_blank_or_end(1) => self.fetch_block_entry(),
            b'?' if in_flow || self.is_blank_or_end(1) => self.fetch_key(),
            b':' if in_flow || self.is_blank_or_end(1) => self.fetch_value(),
            b'*' => self.fetch_anchor(true),
            b'&' => self.fetch_anchor(false),
            b'!' => self.fetch_tag(),
            b'|' if !in_flow => self.fetch_block_scalar(true),
            b'>' if !in_flow => self.fetch_block_scalar(false),
            b'\'' => self.fetch_scalar(|scanner| scanner.scan_quoted(true)),
            b'"' => self.fetch_scalar(|scanner| scanner.scan_quoted(false)),
            b'\t' | b'#' | b'|' | b'>' | b'%' | b'@' | b'`' => {
                Err(self.failure(self.mark, "found character that cannot start any token"))
            }
            _ => self.fetch_scalar(Self::scan_plain),
        }
    }

    fn push(&mut self, kind: TokenKind<'a>, start: Mark) {
        self.tokens.push_back(Token { kind, line: start.line, end_line: self.mark.line });
    }

    /// Puts a token before the one of the given number; at the end where that one was taken already.
    fn insert(&mut self, number: usize, kind: TokenKind<'a>, mark: Mark) {
        let at = number.checked_sub(self.tokens_taken).unwrap_or(self.tokens.len()).min(self.tokens.len());
        self.tokens.insert(at, Token { kind, line: mark.line, end_line: mark.line });
    }

    fn next_token_number(&self) -> usize {
        self.tokens_taken + self.tokens.len()
    }

    /// White space, comments and line breaks. A tab may not stand where a line's indentation is counted.
    fn skip_to_next_token(&mut self) {
        if self.position == 0 && self.text.starts_with('\u{FEFF}') {
            self.skip();
        }
        loop {
            let tabs_allowed = self.flow_level > 0 || !self.simple_key_allowed;
            while self.byte(0) == b' ' || (tabs_allowed && self.byte(0) == b'\t') {
                self.skip();
            }
            self.skip_comment();
            if self.take_break().is_empty() {
                return;
            }
            if self.flow_level == 0 {
                self.simple_key_allowed = true;
            }
        }
    }

    // Simple keys and indentation.

    /// Whether the key at a flow level may still be one; forgets it if not.
    fn check_simple_key(&mut self, at: usize) -> Scan<bool> {
        let key = self.simple_keys[at];
        if !key.possible {
            return Ok(false);
        }
        if key.mark.line < self.mark.line || key.mark.index + SIMPLE_KEY_LENGTH < self.mark.index {
            if key.required {
                return Err(self.failure(key.mark, "could not find expected ':'"));
            }
            self.simple_keys[at].possible = false;
            return Ok(false);
        }
        Ok(true)
    }

    fn save_simple_key(&mut self) -> Scan<()> {
        if !self.simple_key_allowed {
            return Ok(());
        }
        self.remove_simple_key()?;
        let required = self.flow_level == 0 && usize::try_from(self.indent) == Ok(self.mark.column);
        let key = SimpleKey {
            possible: true,
            required,
            indexed: true,
            token_number: self.next_token_number(),
            mark: self.mark,
        };
        if let Some(last) = self.simple_keys.last_mut() {
            *last = key;
        }
        Ok(())
    }

    fn remove_simple_key(&mut self) -> Scan<()> {
        if let Some(key) = self.simple_keys.last_mut()
            && key.possible
        {
            if key.required {
                let mark = key.mark;
                return Err(self.failure(mark, "could not find expected ':'"));
            }
            key.possible = false;
            key.indexed = false;
        }
        Ok(())
    }

    /// Opens a block at a deeper column, before the token of the given number.
    fn roll_indent(&mut self, column: usize, number: usize, kind: TokenKind<'a>, mark: Mark) {
        let column = isize::try_from(column).unwrap_or(isize::MAX);
        if self.flow_level > 0 || self.indent >= column {
            return;
        }
        self.indents.push(self.indent);
        self.indent = column;
        self.insert(number, kind, mark);
    }

    /// Closes the blocks that are deeper than a column.
    fn unroll_indent(&mut self, column: isize) {
        if self.flow_level > 0 {
            return;
        }
        while self.indent > column {
            self.push(TokenKind::BlockEnd, self.mark);
            self.indent = self.indents.pop().unwrap_or(-1);
        }
    }

    // One method a token.

    fn fetch_stream_end(&mut self) -> Scan<()> {
        if self.mark.column != 0 {
            self.mark.column = 0;
            self.mark.line += 1;
        }
        self.unroll_indent(-1);
        self.remove_simple_key()?;
        self.simple_key_allowed = false;
        self.push(TokenKind::StreamEnd, self.mark);
        Ok(())
    }

    fn fetch_directive(&mut self) -> Scan<()> {
        self.unroll_indent(-1);
        self.remove_simple_key()?;
        self.simple_key_allowed = false;
        let start = self.mark;
        let kind = self.scan_directive()?;
        self.push(kind, start);
        Ok(())
    }

    fn fetch_document_indicator(&mut self, kind: TokenKind<'a>) -> Scan<()> {
        self.unroll_indent(-1);
        self.remove_simple_key()?;
        self.simple_key_allowed = false;
        let start = self.mark;
        self.advance_to(self.position + 3);
        self.push(kind, start);
        Ok(())
    }

    /// Takes an indicator of one character.
    fn take_indicator(&mut self, kind: TokenKind<'a>) {
        let start = self.mark;
        self.skip();
        self.push(kind, start);
    }

    fn fetch_flow_start(&mut self, kind: TokenKind<'a>) -> Scan<()> {
        self.save_simple_key()?;
        let token_number = self.next_token_number();
        self.simple_keys.push(SimpleKey { token_number, mark: self.mark, ..SimpleKey::default() });
        self.flow_level += 1;
        self.simple_key_allowed = true;
        self.take_indicator(kind);
        Ok(())
    }

    fn fetch_flow_end(&mut self, kind: TokenKind<'a>) -> Scan<()> {
        self.remove_simple_key()?;
        if self.flow_level > 0 {
            self.flow_level -= 1;
            let closed = self.simple_keys.pop().unwrap_or_default();
            if let Some(key) = self.simple_keys.last_mut() {
                key.indexed &= key.token_number != closed.token_number;
            }
        }
        self.simple_key_allowed = false;
        self.take_indicator(kind);
        Ok(())
    }

    fn fetch_flow_entry(&mut self) -> Scan<()> {
        self.remove_simple_key()?;
        self.simple_key_allowed = true;
        self.take_indicator(TokenKind::FlowEntry);
        Ok(())
    }

    /// In flow context the parser refuses the entry, because it can name the place.
    fn fetch_block_entry(&mut self) -> Scan<()> {
        if self.flow_level == 0 {
            if !self.simple_key_allowed {
                return Err(self.failure(self.mark, "block sequence entries are not allowed in this context"));
            }
            self.open_block(TokenKind::BlockSequenceStart);
        }
        self.remove_simple_key()?;
        self.simple_key_allowed = true;
        self.take_indicator(TokenKind::BlockEntry);
        Ok(())
    }

    fn open_block(&mut self, kind: TokenKind<'a>) {
        self.roll_indent(self.mark.column, self.next_token_number(), kind, self.mark);
    }

    fn fetch_key(&mut self) -> Scan<()> {
        if self.flow_level == 0 {
            if !self.simple_key_allowed {
                return Err(self.failure(self.mark, "mapping keys are not allowed in this context"));
            }
            self.open_block(TokenKind::BlockMappingStart);
        }
        self.remove_simple_key()?;
        self.simple_key_allowed = self.flow_level == 0;
        self.take_indicator(TokenKind::Key);
        Ok(())
    }

    fn fetch_value(&mut self) -> Scan<()> {
        let last = self.simple_keys.len() - 1;
        if self.check_simple_key(last)? {
            let key = self.simple_keys[last];
            self.insert(key.token_number, TokenKind::Key, key.mark);
            self.roll_indent(key.mark.column, key.token_number, TokenKind::BlockMappingStart, key.mark);
            self.simple_keys[last].possible = false;
            self.simple_keys[last].indexed = false;
            self.simple_key_allowed = false;
        } else {
            if self.flow_level == 0 {
                if !self.simple_key_allowed {
                    return Err(self.failure(self.mark, "mapping values are not allowed in this context"));
                }
                self.open_block(TokenKind::BlockMappingStart);
            }
            self.simple_key_allowed = self.flow_level == 0;
        }
        self.take_indicator(TokenKind::Value);
        Ok(())
    }

    fn fetch_anchor(&mut self, alias: bool) -> Scan<()> {
        self.save_simple_key()?;
        self.simple_key_allowed = false;
        let start = self.mark;
        let name = self.scan_anchor()?;
        self.push(if alias { TokenKind::Alias(name) } else { TokenKind::Anchor(name) }, start);
        Ok(())
    }

    fn fetch_tag(&mut self) -> Scan<()> {
        self.save_simple_key()?;
        self.simple_key_allowed = false;
        let start = self.mark;
        let kind = self.scan_tag()?;
        self.push(kind, start);
        Ok(())
    }

    fn fetch_block_scalar(&mut self, literal: bool) -> Scan<()> {
        self.remove_simple_key()?;
        self.simple_key_allowed = true;
        let start = self.mark;
        let value = self.scan_block_scalar(literal)?;
        self.push(TokenKind::Scalar { value: value.into(), plain: false }, start);
        Ok(())
    }

    fn fetch_scalar(&mut self, scan: impl FnOnce(&mut Self) -> Scan<TokenKind<'a>>) -> Scan<()> {
        self.save_simple_key()?;
        self.simple_key_allowed = false;
        let start = self.mark;
        let kind = scan(self)?;
        self.push(kind, start);
        Ok(())
    }
}
