//! Number literals, which may be several kinds of number at once (`parse/node.go` newNumber).

use super::token::TokenKind;
use crate::template::print;
use crate::template::strconv::{self, Character};
use crate::value::Str;

/// A literal and all the numbers that it can stand for; the place where it is used decides.
#[derive(Clone, Debug)]
pub(crate) struct Number {
    pub(crate) text: Str,
    pub(crate) integer: Option<i64>,
    pub(crate) unsigned: Option<u64>,
    pub(crate) float: Option<f64>,
    pub(crate) complex: Option<(f64, f64)>,
}

/// What a literal is where its place does not tell (`text/template/exec.go` idealConstant).
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Ideal {
    Integer(i64),
    Float(f64),
    Complex(f64, f64),
    /// Only an unsigned integer, which no literal can be.
    Overflow,
}

impl Number {
    /// The number where no type is asked for.
    pub(crate) fn ideal(&self) -> Ideal {
        if let Some((real, imaginary)) = self.complex {
            return Ideal::Complex(real, imaginary);
        }
        let text = self.text.as_bytes();
        let is_rune = text.first() == Some(&b'\'');
        let has_hexadecimal_prefix = text.len() > 2 && matches!(text, [b'0', b'x' | b'X', ..]);
        let is_hexadecimal_integer = has_hexadecimal_prefix && !text.iter().any(|byte| b"pP".contains(byte));
        let looks_like_float = text.iter().any(|byte| b".eEpP".contains(byte));
        match (self.float, self.integer) {
            (Some(float), _) if looks_like_float && !is_rune && !is_hexadecimal_integer => Ideal::Float(float),
            (_, Some(integer)) => Ideal::Integer(integer),
            _ => Ideal::Overflow,
        }
    }

    /// Reads a literal; the error is Go's message.
    pub(super) fn parse(text: &[u8], kind: TokenKind) -> Result<Self, String> {
        match kind {
            TokenKind::CharConstant => Self::from_character(text),
            TokenKind::Complex => Self::from_complex(text),
            _ => Self::from_number(text),
        }
    }

    fn none(text: &[u8]) -> Self {
        Self { text: text.into(), integer: None, unsigned: None, float: None, complex: None }
    }

    fn from_character(text: &[u8]) -> Result<Self, String> {
        let inner = text.get(1..).unwrap_or_default();
        let (character, width) = strconv::unquote_character(inner, b'\'').ok_or("invalid syntax")?;
        if inner.get(width..) != Some(b"'") {
            return Err(format!("malformed character constant: {}", String::from_utf8_lossy(text)));
        }
        let rune = match character {
            Character::Rune(rune) => rune,
            Character::Byte(byte) => u32::from(byte),
        };
        Ok(Self {
            integer: Some(i64::from(rune)),
            unsigned: Some(u64::from(rune)),
            float: Some(f64::from(rune)),
            ..Self::none(text)
        })
    }

    /// A real and an imaginary part.
    fn from_complex(text: &[u8]) -> Result<Self, String> {
        let inner = text.strip_suffix(b"i").unwrap_or(text);
        let sign = (1..inner.len())
            .rev()
            .find(|&index| matches!(inner[index], b'+' | b'-') && !is_exponent_sign(inner, index))
            .unwrap_or(inner.len());
        let (real, imaginary) = inner.split_at(sign);
        let real = strconv::parse_float(real).map_err(|error| error.to_string())?;
        let imaginary = strconv::parse_float(imaginary).map_err(|error| error.to_string())?;
        Ok(Self::none(text).with_complex(real, imaginary))
    }

    /// A complex number without imaginary part stands for real ones too.
    fn with_complex(mut self, real: f64, imaginary: f64) -> Self {
        self.complex = Some((real, imaginary));
        if imaginary == 0.0 {
            self.float = Some(real);
            self.integer = integral(real);
            self.unsigned = unsigned_integral(real);
        }
        self
    }

    fn from_number(text: &[u8]) -> Result<Self, String> {
        if let Some(imaginary) = text.strip_suffix(b"i").and_then(|text| strconv::parse_float(text).ok()) {
            return Ok(Self::none(text).with_complex(0.0, imaginary));
        }
        let integer = strconv::parse_int(text).ok();
        let mut unsigned = strconv::parse_uint(text).ok();
        if integer == Some(0) {
            unsigned = Some(0);
        }
        if let Some(float) = integer.map(|number| number as f64).or(unsigned.map(|number| number as f64)) {
            return Ok(Self { integer, unsigned, float: Some(float), ..Self::none(text) });
        }
        let quoted = || String::from_utf8_lossy(&print::quote(text)).into_owned();
        let Ok(float) = strconv::parse_float(text) else {
            return Err(format!("illegal number syntax: {}", quoted()));
        };
        if !text.iter().any(|byte| b".eEpP".contains(byte)) {
            return Err(format!("integer overflow: {}", quoted()));
        }
        Ok(Self {
            integer: integral(float),
            unsigned: unsigned_integral(float),
            float: Some(float),
            ..Self::none(text)
        })
    }
}

fn is_exponent_sign(text: &[u8], index: usize) -> bool {
    let is_hexadecimal = text.iter().any(|byte| matches!(byte, b'x' | b'X'));
    let before = text[index - 1];
    if is_hexadecimal { matches!(before, b'p' | b'P') } else { matches!(before, b'e' | b'E') }
}

/// The integer that a float is, as Go's conversion and back decides on amd64.
fn integral(float: f64) -> Option<i64> {
    let is_in_range = (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&float);
    (is_in_range && float.fract() == 0.0).then_some(float as i64)
}

fn unsigned_integral(float: f64) -> Option<u64> {
    let is_in_range = (0.0..18_446_744_073_709_551_616.0).contains(&float);
    (is_in_range && float.fract() == 0.0).then_some(float as u64)
}
