//! Reading numbers and string literals as Go's `strconv` does.

use super::unicode;

/// Why a number is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NumberError {
    /// Not a number of this kind.
    #[error("invalid syntax")]
    Syntax,
    /// A number, but beyond the type.
    #[error("value out of range")]
    Range,
}

/// `ParseUint(text, 0, 64)`: Go's integer literals, with base prefixes and underscores.
///
/// # Errors
/// [`NumberError`], as Go decides.
pub fn parse_uint(text: &[u8]) -> Result<u64, NumberError> {
    let (base, digits) = match text {
        [b'0', b'b' | b'B', rest @ ..] if !rest.is_empty() => (2, rest),
        [b'0', b'o' | b'O', rest @ ..] if !rest.is_empty() => (8, rest),
        [b'0', b'x' | b'X', rest @ ..] if !rest.is_empty() => (16, rest),
        [b'0', rest @ ..] => (8, rest),
        [] => return Err(NumberError::Syntax),
        _ => (10, text),
    };
    let mut number: u64 = 0;
    let mut has_underscores = false;
    for &byte in digits {
        if byte == b'_' {
            has_underscores = true;
            continue;
        }
        let digit = (byte as char).to_digit(base).ok_or(NumberError::Syntax)?;
        let shifted = number.checked_mul(u64::from(base)).ok_or(NumberError::Range)?;
        number = shifted.checked_add(u64::from(digit)).ok_or(NumberError::Range)?;
    }
    if has_underscores && !are_underscores_placed(text) {
        return Err(NumberError::Syntax);
    }
    Ok(number)
}

/// `ParseInt(text, 0, 64)`.
///
/// # Errors
/// [`NumberError`], as Go decides.
pub fn parse_int(text: &[u8]) -> Result<i64, NumberError> {
    let (is_negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    let magnitude = i128::from(parse_uint(digits)?);
    i64::try_from(if is_negative { -magnitude } else { magnitude }).map_err(|_| NumberError::Range)
}

/// `ParseFloat(text, 64)`: decimal and hexadecimal literals, infinities and `nan`.
///
/// # Errors
/// [`NumberError`], as Go decides.
pub fn parse_float(text: &[u8]) -> Result<f64, NumberError> {
    let (is_negative, magnitude) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    let value = match magnitude.to_ascii_lowercase().as_slice() {
        b"inf" | b"infinity" => f64::INFINITY,
        b"nan" if magnitude.len() == text.len() => f64::NAN,
        [b'0', b'x', rest @ ..] => parse_hexadecimal(rest)?,
        lower => parse_decimal(lower)?,
    };
    if text.contains(&b'_') && !are_underscores_placed(text) {
        return Err(NumberError::Syntax);
    }
    Ok(if is_negative { -value } else { value })
}

/// A decimal number without sign.
fn parse_decimal(text: &[u8]) -> Result<f64, NumberError> {
    let digits: String = text.iter().filter(|&&byte| byte != b'_').map(|&byte| byte as char).collect();
    let is_plain = digits.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'+' | b'-'));
    if !is_plain || digits.starts_with(['+', '-']) {
        return Err(NumberError::Syntax);
    }
    let value: f64 = digits.parse().map_err(|_| NumberError::Syntax)?;
    if value.is_infinite() { Err(NumberError::Range) } else { Ok(value) }
}

/// What follows `0x`: a mantissa and a binary exponent, which is mandatory.
fn parse_hexadecimal(text: &[u8]) -> Result<f64, NumberError> {
    let point = text.iter().position(|&byte| byte == b'p').ok_or(NumberError::Syntax)?;
    let (mantissa_text, exponent_text) = (&text[..point], &text[point + 1..]);
    let exponent: String = exponent_text.iter().filter(|&&byte| byte != b'_').map(|&byte| byte as char).collect();
    let mut exponent: i64 = exponent.parse().map_err(|_| NumberError::Syntax)?;
    let mut mantissa: u64 = 0;
    let (mut has_digits, mut after_point, mut is_truncated) = (false, false, false);
    for &byte in mantissa_text {
        match byte {
            b'_' => {}
            b'.' if !after_point => after_point = true,
            _ => {
                let digit = (byte as char).to_digit(16).ok_or(NumberError::Syntax)?;
                has_digits = true;
                if mantissa >> 60 == 0 {
                    mantissa = (mantissa << 4) | u64::from(digit);
                    exponent -= if after_point { 4 } else { 0 };
                } else {
                    is_truncated |= digit != 0;
                    exponent += if after_point { 0 } else { 4 };
                }
            }
        }
    }
    if !has_digits {
        return Err(NumberError::Syntax);
    }
    let value = scale(mantissa | u64::from(is_truncated), exponent);
    if value.is_infinite() { Err(NumberError::Range) } else { Ok(value) }
}

/// `mantissa` times two to the `exponent`, rounded once.
fn scale(mantissa: u64, exponent: i64) -> f64 {
    if mantissa == 0 {
        return 0.0;
    }
    let top = 63 - i64::from(mantissa.leading_zeros()) + exponent;
    if top > 1023 {
        return f64::INFINITY;
    }
    // How many low bits do not fit: more where the result is subnormal.
    let lowest = (top - 52).max(-1074);
    let drop = lowest - exponent;
    let (kept, exponent) = match drop {
        ..=0 => (mantissa, exponent),
        1..=63 => {
            let (quotient, half) = (mantissa >> drop, 1u64 << (drop - 1));
            let remainder = mantissa & ((1u64 << drop) - 1);
            let rounds_up = remainder > half || (remainder == half && quotient & 1 == 1);
            (quotient + u64::from(rounds_up), lowest)
        }
        64 => (u64::from(mantissa > 1 << 63), lowest),
        _ => (0, lowest),
    };
    // In two steps, because the power alone may be out of range.
    let half = i32::try_from(exponent / 2).unwrap_or(0);
    let rest = i32::try_from(exponent).unwrap_or(0) - half;
    kept as f64 * 2f64.powi(half) * 2f64.powi(rest)
}

/// Whether every underscore stands between digits, or between a base prefix and a digit.
fn are_underscores_placed(text: &[u8]) -> bool {
    let text = text.strip_prefix(b"-").or_else(|| text.strip_prefix(b"+")).unwrap_or(text);
    let prefix = matches!(text, [b'0', b'b' | b'B' | b'o' | b'O' | b'x' | b'X', ..]);
    let is_hexadecimal = matches!(text, [b'0', b'x' | b'X', ..]);
    let mut last = if prefix { b'0' } else { b'^' };
    for &byte in &text[if prefix { 2 } else { 0 }..] {
        last = match byte {
            b'0'..=b'9' => b'0',
            b'a'..=b'f' | b'A'..=b'F' if is_hexadecimal => b'0',
            b'_' if last == b'0' => b'_',
            b'_' => return false,
            _ if last == b'_' => return false,
            _ => b'!',
        };
    }
    last != b'_'
}

/// `Unquote`: the string of a literal in double quotes or backquotes; nothing where it is not well formed.
pub fn unquote(literal: &[u8]) -> Option<Vec<u8>> {
    let quote = *literal.first()?;
    let inner = literal.strip_prefix(&[quote])?.strip_suffix(&[quote])?;
    if quote == b'`' {
        let is_raw = !inner.contains(&b'`');
        return is_raw.then(|| inner.iter().copied().filter(|&byte| byte != b'\r').collect());
    }
    let mut rest = inner;
    let mut text = Vec::with_capacity(inner.len());
    while !rest.is_empty() {
        let (character, width) = unquote_character(rest, quote)?;
        match character {
            Character::Rune(rune) => unicode::push(&mut text, rune),
            Character::Byte(byte) => text.push(byte),
        }
        rest = &rest[width..];
    }
    Some(text)
}

/// One character of a literal: `\x` and octal escapes give bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Character {
    /// A Unicode code point.
    Rune(u32),
    /// A byte by its number.
    Byte(u8),
}

/// `UnquoteChar`: the first character of a literal's inside and how many bytes it took.
pub fn unquote_character(text: &[u8], quote: u8) -> Option<(Character, usize)> {
    let &first = text.first()?;
    if first == quote || first == b'\n' {
        return None;
    }
    if first != b'\\' {
        let (rune, width) = unicode::decode(text);
        return Some((Character::Rune(rune), width));
    }
    let simple = |byte: u8| Some((Character::Rune(u32::from(byte)), 2));
    match *text.get(1)? {
        b'a' => simple(0x07),
        b'b' => simple(0x08),
        b'f' => simple(0x0C),
        b'n' => simple(b'\n'),
        b'r' => simple(b'\r'),
        b't' => simple(b'\t'),
        b'v' => simple(0x0B),
        b'\\' => simple(b'\\'),
        escaped @ (b'\'' | b'"') if escaped == quote => simple(escaped),
        b'x' => Some((Character::Byte(u8::try_from(digits(text, 2, 2, 16)?).ok()?), 4)),
        b'0'..=b'7' => Some((Character::Byte(u8::try_from(digits(text, 1, 3, 8)?).ok()?), 4)),
        b'u' => Some((Character::Rune(valid_rune(digits(text, 2, 4, 16)?)?), 6)),
        b'U' => Some((Character::Rune(valid_rune(digits(text, 2, 8, 16)?)?), 10)),
        _ => None,
    }
}

fn digits(text: &[u8], start: usize, length: usize, base: u32) -> Option<u32> {
    text.get(start..start + length)?
        .iter()
        .try_fold(0u32, |number, &byte| number.checked_mul(base)?.checked_add((byte as char).to_digit(base)?))
}

fn valid_rune(rune: u32) -> Option<u32> {
    char::from_u32(rune).map(u32::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_have_prefixes_and_underscores() {
        let cases: [(&str, Result<i64, NumberError>); 12] = [
            ("0", Ok(0)),
            ("017", Ok(15)),
            ("0x1F", Ok(31)),
            ("0b11", Ok(3)),
            ("0o17", Ok(15)),
            ("1_000", Ok(1000)),
            ("0x_f", Ok(15)),
            ("1__0", Err(NumberError::Syntax)),
            ("08", Err(NumberError::Syntax)),
            ("-9223372036854775808", Ok(i64::MIN)),
            ("9223372036854775808", Err(NumberError::Range)),
            ("+5", Ok(5)),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_int(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn floats_are_read_to_the_last_bit() {
        let cases: [(&str, Result<f64, NumberError>); 12] = [
            ("1.5", Ok(1.5)),
            ("1_0.5", Ok(10.5)),
            (".5", Ok(0.5)),
            ("5.", Ok(5.0)),
            ("1e999", Err(NumberError::Range)),
            ("0x1p4", Ok(16.0)),
            ("0x1.8p1", Ok(3.0)),
            ("0x1p-1074", Ok(5e-324)),
            ("0x1", Err(NumberError::Syntax)),
            ("1e", Err(NumberError::Syntax)),
            ("0x1.fffffffffffff8p0", Ok(2.0)),
            ("-inf", Ok(f64::NEG_INFINITY)),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_float(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn literals_are_unquoted() {
        assert_eq!(unquote(br#""a\n\x41\101\u00e9\"'""#), Some("a\nAAé\"'".as_bytes().to_vec()));
        assert_eq!(unquote(b"`a\\n\r\n`"), Some(b"a\\n\n".to_vec()));
        assert_eq!(unquote(br#""\'""#), None);
        assert_eq!(unquote(br#""\ud800""#), None);
        assert_eq!(unquote(b"\"\xff\""), Some("\u{fffd}".as_bytes().to_vec()));
    }
}
