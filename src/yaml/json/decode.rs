//! Reading JSON as Go does: the same acceptance, the same words for a refusal, every number an `f64`
//! (`encoding/json/scanner.go`, `decode.go`).

use super::super::MAX_DEPTH;
use super::super::quote::push_escaped;
use crate::value::Json;

/// Why a text is no JSON, in Go's words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The text ends within a value.
    #[error("unexpected end of JSON input")]
    UnexpectedEnd,
    /// A byte that cannot stand where it does.
    #[error("invalid character {0} {1}")]
    InvalidCharacter(String, &'static str),
    /// A number beyond float64.
    #[error("json: cannot unmarshal number {number} into Go value of type float64")]
    NumberRange {
        /// The number's text.
        number: String,
        /// What was read all the same, null in the number's place.
        rest: Box<Json>,
    },
    /// Lists and maps nest too deeply.
    #[error("exceeded max depth")]
    TooDeep,
}

/// `json.Unmarshal` into an `interface{}`.
pub fn decode(text: &[u8]) -> Result<Json, DecodeError> {
    let mut reader = Reader { text, at: 0, depth: 0, out_of_range: None };
    reader.skip_space();
    let value = reader.value("looking for beginning of value")?;
    reader.skip_space();
    if reader.at < text.len() {
        return Err(reader.invalid("after top-level value"));
    }
    match reader.out_of_range {
        Some(number) => Err(DecodeError::NumberRange { number, rest: Box::new(value) }),
        None => Ok(value),
    }
}

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
    depth: usize,
    /// The first number that no float64 holds; Go reports it after the whole text was checked.
    out_of_range: Option<String>,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    /// The error for the byte at hand between tokens or in a string, where the text may also have ended.
    fn invalid(&self, place: &'static str) -> DecodeError {
        if self.at < self.text.len() { self.invalid_within(place) } else { DecodeError::UnexpectedEnd }
    }

    /// The error for the byte at hand within a token. Go takes the end of the text for a space there.
    fn invalid_within(&self, place: &'static str) -> DecodeError {
        let byte = self.peek().unwrap_or(b' ');
        let mut quoted = String::from("'");
        push_escaped(&mut quoted, char::from(byte), '\'');
        quoted.push('\'');
        DecodeError::InvalidCharacter(quoted, place)
    }

    fn value(&mut self, place: &'static str) -> Result<Json, DecodeError> {
        match self.peek() {
            Some(b'{') => self.nested(Self::object),
            Some(b'[') => self.nested(Self::array),
            Some(b'"') => self.string().map(Json::String),
            Some(b't') => self.literal(&TRUE, Json::Bool(true)),
            Some(b'f') => self.literal(&FALSE, Json::Bool(false)),
            Some(b'n') => self.literal(&NULL, Json::Null),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => Err(self.invalid(place)),
        }
    }

    fn nested(&mut self, read: fn(&mut Self) -> Result<Json, DecodeError>) -> Result<Json, DecodeError> {
        self.at += 1;
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(DecodeError::TooDeep);
        }
        self.skip_space();
        let value = read(self)?;
        self.at += 1;
        self.depth -= 1;
        Ok(value)
    }

    /// The elements after `[`, up to the closing bracket.
    fn array(&mut self) -> Result<Json, DecodeError> {
        let mut items = Vec::new();
        if self.peek() == Some(b']') {
            return Ok(Json::Array(items));
        }
        loop {
            items.push(self.value("looking for beginning of value")?);
            self.skip_space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => return Ok(Json::Array(items)),
                _ => return Err(self.invalid("after array element")),
            }
            self.skip_space();
        }
    }

    /// The members after `{`, up to the closing brace.
    fn object(&mut self) -> Result<Json, DecodeError> {
        let mut members = serde_json::Map::new();
        if self.peek() == Some(b'}') {
            return Ok(Json::Object(members));
        }
        loop {
            if self.peek() != Some(b'"') {
                return Err(self.invalid("looking for beginning of object key string"));
            }
            let key = self.string()?;
            self.skip_space();
            if self.peek() != Some(b':') {
                return Err(self.invalid("after object key"));
            }
            self.at += 1;
            self.skip_space();
            let value = self.value("looking for beginning of value")?;
            members.insert(key, value);
            self.skip_space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => return Ok(Json::Object(members)),
                _ => return Err(self.invalid("after object key:value pair")),
            }
            self.skip_space();
        }
    }

    fn literal(&mut self, letters: &[(u8, &'static str)], value: Json) -> Result<Json, DecodeError> {
        self.at += 1;
        for (letter, place) in letters {
            if self.peek() != Some(*letter) {
                return Err(self.invalid_within(place));
            }
            self.at += 1;
        }
        Ok(value)
    }

    fn digits(&mut self) -> bool {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        self.at > start
    }

    fn number(&mut self) -> Result<Json, DecodeError> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else if !self.digits() {
            return Err(self.invalid_within("in numeric literal"));
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            if !self.digits() {
                return Err(self.invalid_within("after decimal point in numeric literal"));
            }
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            if !self.digits() {
                return Err(self.invalid_within("in exponent of numeric literal"));
            }
        }
        let literal = String::from_utf8_lossy(&self.text[start..self.at]);
        match literal.parse::<f64>() {
            Ok(f) if f.is_finite() => Ok(Json::from(f)),
            _ => {
                self.out_of_range.get_or_insert_with(|| literal.into_owned());
                Ok(Json::Null)
            }
        }
    }

    fn string(&mut self) -> Result<String, DecodeError> {
        self.at += 1;
        let mut out = String::new();
        loop {
            let start = self.at;
            while self.peek().is_some_and(|byte| !matches!(byte, b'"' | b'\\' | 0..=0x1f)) {
                self.at += 1;
            }
            out.push_str(&super::super::encode::text(&self.text[start..self.at]));
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(out);
                }
                Some(b'\\') => {
                    self.at += 1;
                    out.push(self.escape()?);
                }
                _ => return Err(self.invalid("in string literal")),
            }
        }
    }

    fn escape(&mut self) -> Result<char, DecodeError> {
        let c = match self.peek() {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\x08',
            Some(b'f') => '\x0c',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                self.at += 1;
                return self.unicode();
            }
            _ => return Err(self.invalid_within("in string escape code")),
        };
        self.at += 1;
        Ok(c)
    }

    /// The character of `\uXXXX`, of a surrogate pair both halves; a lone half is U+FFFD.
    fn unicode(&mut self) -> Result<char, DecodeError> {
        let first = self.hexadecimal()?;
        if !(0xd800..0xdc00).contains(&first) || !self.text[self.at..].starts_with(b"\\u") {
            return Ok(char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER));
        }
        let after_first = self.at;
        self.at += 2;
        let second = self.hexadecimal()?;
        if (0xdc00..0xe000).contains(&second) {
            let code = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
            return Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
        }
        self.at = after_first;
        Ok(char::REPLACEMENT_CHARACTER)
    }

    fn hexadecimal(&mut self) -> Result<u32, DecodeError> {
        let mut code = 0;
        for _ in 0..4 {
            let Some(digit) = self.peek().and_then(|byte| char::from(byte).to_digit(16)) else {
                return Err(self.invalid_within("in \\u hexadecimal character escape"));
            };
            code = code * 16 + digit;
            self.at += 1;
        }
        Ok(code)
    }
}

/// The letters after the first of a literal, and what Go says where one is missing.
type Letters<const N: usize> = [(u8, &'static str); N];

const TRUE: Letters<3> = [
    (b'r', "in literal true (expecting 'r')"),
    (b'u', "in literal true (expecting 'u')"),
    (b'e', "in literal true (expecting 'e')"),
];
const FALSE: Letters<4> = [
    (b'a', "in literal false (expecting 'a')"),
    (b'l', "in literal false (expecting 'l')"),
    (b's', "in literal false (expecting 's')"),
    (b'e', "in literal false (expecting 'e')"),
];
const NULL: Letters<3> = [
    (b'u', "in literal null (expecting 'u')"),
    (b'l', "in literal null (expecting 'l')"),
    (b'l', "in literal null (expecting 'l')"),
];
