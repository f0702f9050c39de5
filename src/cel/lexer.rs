//! Tokens of an expression.

use super::{CelError, LONGEST};

/// A token and the byte where it begins.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token {
    pub(super) kind: TokenKind,
    pub(super) at: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum TokenKind {
    /// A name or a word of the language.
    Word(String),
    /// A whole number.
    Int(i64),
    /// A number with a fraction or an exponent.
    Double(f64),
    /// A text.
    Text(String),
    /// An operator or a bracket.
    Symbol(&'static str),
    /// The end of the expression.
    End,
}

/// The longer ones first.
const SYMBOLS: [&str; 24] = [
    "==", "!=", "<=", ">=", "&&", "||", "<", ">", "!", "+", "-", "*", "/", "%", "?", ":", "(", ")", "[", "]", "{", "}",
    ",", ".",
];

/// An error at a byte of the expression.
pub(super) fn syntax(text: &str, at: usize, message: impl Into<String>) -> CelError {
    CelError::Syntax { column: column(text, at), message: message.into() }
}

/// The column of a byte, in characters from 1.
pub(super) fn column(text: &str, at: usize) -> usize {
    text.char_indices().take_while(|(place, _)| *place < at).count() + 1
}

/// The tokens of an expression.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, CelError> {
    if text.len() > LONGEST {
        return Err(syntax(text, LONGEST, format!("an expression has at most {LONGEST} bytes")));
    }
    let mut lexer = Lexer { text, at: 0 };
    let mut tokens = Vec::new();
    loop {
        let token = lexer.next()?;
        let ended = token.kind == TokenKind::End;
        tokens.push(token);
        if ended {
            return Ok(tokens);
        }
    }
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn next(&mut self) -> Result<Token, CelError> {
        self.skip();
        let at = self.at;
        let kind = self.kind()?;
        Ok(Token { kind, at })
    }

    /// Passes over blanks and comments.
    fn skip(&mut self) {
        loop {
            let blanks = self.rest().len() - self.rest().trim_start().len();
            self.at += blanks;
            if !self.rest().starts_with("//") {
                return;
            }
            self.at += self.rest().find('\n').unwrap_or(self.rest().len());
        }
    }

    fn kind(&mut self) -> Result<TokenKind, CelError> {
        let rest = self.rest();
        let Some(first) = rest.chars().next() else { return Ok(TokenKind::End) };
        if let Some(text) = self.text()? {
            return Ok(TokenKind::Text(text));
        }
        if first.is_ascii_digit() || first == '.' && rest[1..].starts_with(|c: char| c.is_ascii_digit()) {
            return self.number();
        }
        if first.is_ascii_alphabetic() || first == '_' {
            let length = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
            self.at += length;
            return Ok(TokenKind::Word(rest[..length].to_owned()));
        }
        match SYMBOLS.into_iter().find(|symbol| rest.starts_with(symbol)) {
            Some(symbol) => {
                self.at += symbol.len();
                Ok(TokenKind::Symbol(symbol))
            }
            None => Err(syntax(self.text, self.at, format!("{first:?} is not part of the language"))),
        }
    }

    fn number(&mut self) -> Result<TokenKind, CelError> {
        let (at, rest) = (self.at, self.rest());
        let digits = |text: &str| text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let mut length = digits(rest);
        let mut is_double = false;
        if let Some(fraction) =
            rest[length..].strip_prefix('.').filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
        {
            is_double = true;
            length += 1 + digits(fraction);
        }
        if let Some(exponent) = rest[length..].strip_prefix(['e', 'E']) {
            let sign = usize::from(exponent.starts_with(['+', '-']));
            is_double = true;
            length += 1 + sign + digits(&exponent[sign..]);
        }
        self.at += length;
        let number = &rest[..length];
        if self.rest().starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_') {
            return Err(syntax(self.text, at, "write a number in decimal digits, without a suffix"));
        }
        let wrong = || syntax(self.text, at, format!("{number} is not a number of 64 bits"));
        if is_double {
            let double: f64 = number.parse().map_err(|_| wrong())?;
            return if double.is_finite() { Ok(TokenKind::Double(double)) } else { Err(wrong()) };
        }
        number.parse().map(TokenKind::Int).map_err(|_| wrong())
    }

    /// A text in quotes, if there is one.
    fn text(&mut self) -> Result<Option<String>, CelError> {
        let (at, rest) = (self.at, self.rest());
        let is_raw = rest.starts_with(['r', 'R']);
        let quoted = if is_raw { &rest[1..] } else { rest };
        let Some(quote) = ["\"\"\"", "'''", "\"", "'"].into_iter().find(|quote| quoted.starts_with(quote)) else {
            return Ok(None);
        };
        self.at += usize::from(is_raw) + quote.len();
        let mut text = String::new();
        loop {
            let rest = self.rest();
            if rest.starts_with(quote) {
                self.at += quote.len();
                return Ok(Some(text));
            }
            let Some(next) = rest.chars().next().filter(|next| quote.len() == 3 || *next != '\n') else {
                return Err(syntax(self.text, at, "the text has no end"));
            };
            self.at += next.len_utf8();
            text.push(if next == '\\' && !is_raw { self.escaped()? } else { next });
        }
    }

    /// The character behind a backslash.
    fn escaped(&mut self) -> Result<char, CelError> {
        let at = self.at - 1;
        let wrong = |lexer: &Self| syntax(lexer.text, at, "this is no escape sequence of a text");
        let next = self.rest().chars().next().ok_or_else(|| wrong(self))?;
        self.at += next.len_utf8();
        let digits = match next {
            'x' | 'X' => 2,
            'u' => 4,
            'U' => 8,
            'a' => return Ok('\u{7}'),
            'b' => return Ok('\u{8}'),
            'f' => return Ok('\u{c}'),
            'n' => return Ok('\n'),
            'r' => return Ok('\r'),
            't' => return Ok('\t'),
            'v' => return Ok('\u{b}'),
            '\\' | '?' | '"' | '\'' | '`' => return Ok(next),
            _ => return Err(wrong(self)),
        };
        let hex = self.rest().get(..digits).ok_or_else(|| wrong(self))?;
        let character = u32::from_str_radix(hex, 16).ok().and_then(char::from_u32).ok_or_else(|| wrong(self))?;
        self.at += digits;
        Ok(character)
    }
}
