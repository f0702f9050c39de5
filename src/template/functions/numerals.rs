//! Go's reading of numbers from text (`strconv.ParseInt` and `ParseFloat`), of which the casts and `atoi` make use.

/// Why a text is no integer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum IntegerError {
    /// Not of the form of an integer.
    Syntax,
    /// Outside of 64 bits; the nearest number that is inside.
    Range(i64),
}

/// Reads an integer. Base zero takes the base from a prefix (`0x`, `0o`, `0`, `0b`) and lets underscores divide digits.
pub(super) fn parse_integer(text: &[u8], base: u32) -> Result<i64, IntegerError> {
    let (negative, unsigned) = match text {
        [b'+', rest @ ..] => (false, rest),
        [b'-', rest @ ..] => (true, rest),
        _ => (false, text),
    };
    let out_of_range = IntegerError::Range(if negative { i64::MIN } else { i64::MAX });
    if unsigned.is_empty() {
        return Err(IntegerError::Syntax);
    }
    let (radix, digits) = if base == 0 { prefixed(unsigned) } else { (base, unsigned) };
    let mut value: u64 = 0;
    for &byte in digits.iter().filter(|byte| base != 0 || **byte != b'_') {
        let digit = char::from(byte).to_digit(36).filter(|digit| *digit < radix).ok_or(IntegerError::Syntax)?;
        let next = value.checked_mul(radix.into()).and_then(|value| value.checked_add(digit.into()));
        value = next.ok_or(out_of_range)?;
    }
    if digits.contains(&b'_') && !underscores_divide_digits(unsigned) {
        return Err(IntegerError::Syntax);
    }
    let signed = if negative { -i128::from(value) } else { i128::from(value) };
    i64::try_from(signed).map_err(|_| out_of_range)
}

fn prefixed(digits: &[u8]) -> (u32, &[u8]) {
    match digits {
        [b'0', b'b' | b'B', _, ..] => (2, &digits[2..]),
        [b'0', b'o' | b'O', _, ..] => (8, &digits[2..]),
        [b'0', b'x' | b'X', _, ..] => (16, &digits[2..]),
        [b'0', rest @ ..] => (8, rest),
        _ => (10, digits),
    }
}

/// Whether each underscore stands between two digits or a base prefix and a digit.
fn underscores_divide_digits(number: &[u8]) -> bool {
    let (has_prefix, hex) = match number {
        [b'0', letter, ..] => (b"bBoOxX".contains(letter), b"xX".contains(letter)),
        _ => (false, false),
    };
    let is_digit = |byte: u8| byte.is_ascii_digit() || hex && byte.is_ascii_hexdigit();
    let mut after_digit = has_prefix;
    let mut after_underscore = false;
    for &byte in &number[if has_prefix { 2 } else { 0 }..] {
        if byte == b'_' && !after_digit || byte != b'_' && after_underscore && !is_digit(byte) {
            return false;
        }
        after_underscore = byte == b'_';
        after_digit = is_digit(byte);
    }
    !after_underscore
}

/// Reads a float64; nothing where the text is no number or too large for one.
pub(super) fn parse_float(text: &[u8]) -> Option<f64> {
    let (negative, unsigned) = match text {
        [b'+', rest @ ..] => (false, rest),
        [b'-', rest @ ..] => (true, rest),
        _ => (false, text),
    };
    let magnitude = if ["inf", "infinity"].iter().any(|name| unsigned.eq_ignore_ascii_case(name.as_bytes())) {
        f64::INFINITY
    } else if text.eq_ignore_ascii_case(b"nan") {
        f64::NAN
    } else {
        let magnitude = match unsigned {
            [b'0', b'x' | b'X', rest @ ..] if !rest.is_empty() => parse_hexadecimal(unsigned)?,
            _ => parse_decimal(unsigned)?,
        };
        if magnitude.is_infinite() {
            return None;
        }
        magnitude
    };
    Some(if negative { -magnitude } else { magnitude })
}

fn parse_decimal(number: &[u8]) -> Option<f64> {
    if number.contains(&b'_') && !underscores_divide_digits(number) {
        return None;
    }
    let starts_well = number.first().is_some_and(|byte| byte.is_ascii_digit() || *byte == b'.');
    let is_plain = number.iter().all(|byte| byte.is_ascii_digit() || b"._eE+-".contains(byte));
    if !starts_well || !is_plain {
        return None;
    }
    let digits: Vec<u8> = number.iter().copied().filter(|byte| *byte != b'_').collect();
    std::str::from_utf8(&digits).ok()?.parse().ok()
}

/// A mantissa of hexadecimal digits and a binary exponent: `0x1.8p3`.
fn parse_hexadecimal(number: &[u8]) -> Option<f64> {
    if number.contains(&b'_') && !underscores_divide_digits(number) {
        return None;
    }
    let text: String = number[2..].iter().filter(|byte| **byte != b'_').map(|byte| char::from(*byte)).collect();
    let (mantissa, exponent) = text.split_once(['p', 'P'])?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && fraction.is_empty() || !exponent.ends_with(|last: char| last.is_ascii_digit()) {
        return None;
    }
    let mut bits: u64 = 0;
    let mut dropped = 0;
    for digit in whole.chars().chain(fraction.chars()) {
        let digit = u64::from(digit.to_digit(16)?);
        if bits >> 60 == 0 {
            bits = bits << 4 | digit;
        } else {
            // What no longer fits only decides how the last bit is rounded.
            bits |= u64::from(digit != 0);
            dropped += 4;
        }
    }
    let exponent: i32 = exponent.parse().ok().map(|exponent: i64| exponent.clamp(-10_000, 10_000) as i32)?;
    let shift = exponent + dropped - 4 * i32::try_from(fraction.len()).ok()?;
    let half = shift / 2;
    Some(bits as f64 * 2f64.powi(half) * 2f64.powi(shift - half))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_read_as_go_reads_them() {
        let cases: [(&str, u32, Result<i64, IntegerError>); 20] = [
            ("010", 0, Ok(8)),
            ("0x1F", 0, Ok(31)),
            ("-0b11", 0, Ok(-3)),
            ("1_000", 0, Ok(1000)),
            ("0x_f", 0, Ok(15)),
            ("0_7", 0, Ok(7)),
            ("0", 0, Ok(0)),
            ("+5", 0, Ok(5)),
            ("08", 0, Err(IntegerError::Syntax)),
            ("0x", 0, Err(IntegerError::Syntax)),
            ("1__0", 0, Err(IntegerError::Syntax)),
            ("_1", 0, Err(IntegerError::Syntax)),
            ("1_", 0, Err(IntegerError::Syntax)),
            ("", 0, Err(IntegerError::Syntax)),
            ("-", 0, Err(IntegerError::Syntax)),
            ("1_0", 10, Err(IntegerError::Syntax)),
            ("007", 10, Ok(7)),
            ("-9223372036854775808", 10, Ok(i64::MIN)),
            ("9223372036854775808", 10, Err(IntegerError::Range(i64::MAX))),
            ("-99999999999999999999x", 10, Err(IntegerError::Range(i64::MIN))),
        ];
        for (text, base, expected) in cases {
            assert_eq!(parse_integer(text.as_bytes(), base), expected, "{text}");
        }
    }

    #[test]
    fn floats_are_read_as_go_reads_them() {
        let cases = [
            ("1e3", Some(1000.0)),
            ("017", Some(17.0)),
            (".5", Some(0.5)),
            ("5.", Some(5.0)),
            ("-1_0.5", Some(-10.5)),
            ("0x1.8p3", Some(12.0)),
            ("0X10P-1", Some(8.0)),
            ("-Inf", Some(f64::NEG_INFINITY)),
            ("infinity", Some(f64::INFINITY)),
            ("1e400", None),
            ("0x10", None),
            ("", None),
            (".", None),
            ("1e", None),
            ("+-1", None),
            (" 1", None),
            ("-nan", None),
            ("infin", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_float(text.as_bytes()), expected, "{text}");
        }
        assert!(parse_float(b"NaN").is_some_and(f64::is_nan));
    }
}
