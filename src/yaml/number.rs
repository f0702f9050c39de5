//! Numbers as Go's `strconv` and `encoding/json` read and print them.

use std::fmt::{self, Write as _};

/// How many digits a number has at least that lies halfway between two shortest texts.
const TIED_DIGITS: usize = 15;

/// The shortest decimal text that gives the magnitude back, as `d.ddde-5`: of several the nearest, and of two that are
/// equally near the one with an even last digit, where Rust's own formatting takes the larger.
pub fn shortest_scientific(f: f64) -> String {
    let text = format!("{:e}", f.abs());
    let digits = text.bytes().take_while(|byte| *byte != b'e').filter(u8::is_ascii_digit).count();
    if digits < TIED_DIGITS { text } else { format!("{:.*e}", digits - 1, f.abs()) }
}

/// The shortest decimal digits that give the number back, and the power of ten of the first one.
fn shortest(scientific: &str) -> (String, i32) {
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    let digits = mantissa.bytes().filter(u8::is_ascii_digit).map(char::from).collect();
    (digits, exponent.parse().unwrap_or(0))
}

/// `strconv.FormatFloat(f, 'g', -1, 64)`: the shortest text, in exponent form below 1e-4 and from 1e+06 on, which Go's
/// `%v` prints too. Infinities and NaN print as `+Inf`, `-Inf`, `NaN`.
pub fn format_general(f: f64) -> String {
    match special(f) {
        Some(text) => text.to_owned(),
        None => general(&shortest_scientific(f), f.is_sign_negative()),
    }
}

/// `strconv.FormatFloat(f, 'g', -1, 32)`, with which `sigs.k8s.io/yaml` turns numbers into keys and strings.
pub fn format_general_32(f: f64) -> String {
    #[expect(clippy::cast_possible_truncation, reason = "rounding to 32 bits is the rule")]
    let narrow = f as f32;
    match special(f64::from(narrow)) {
        Some(text) => text.to_owned(),
        None => general(&format!("{:e}", narrow.abs()), f.is_sign_negative()),
    }
}

fn special(f: f64) -> Option<&'static str> {
    if f.is_nan() {
        Some("NaN")
    } else if f.is_infinite() {
        Some(if f > 0.0 { "+Inf" } else { "-Inf" })
    } else {
        None
    }
}

fn general(scientific: &str, negative: bool) -> String {
    let (digits, exponent) = shortest(scientific);
    let mut text = String::with_capacity(digits.len() + 8);
    if negative {
        text.push('-');
    }
    if !(-4..6).contains(&exponent) {
        push_exponent(&mut text, &digits, exponent);
    } else {
        push_decimal(&mut text, &digits, exponent);
    }
    text
}

/// `d.ddde±dd`, at least two digits of exponent.
fn push_exponent(text: &mut String, digits: &str, exponent: i32) {
    text.push_str(&digits[..1]);
    if digits.len() > 1 {
        text.push('.');
        text.push_str(&digits[1..]);
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    let _ = write!(text, "e{sign}{:02}", exponent.abs());
}

/// Plain decimals.
fn push_decimal(text: &mut String, digits: &str, exponent: i32) {
    if exponent < 0 {
        text.push_str("0.");
        text.extend(std::iter::repeat_n('0', exponent.unsigned_abs() as usize - 1));
        text.push_str(digits);
        return;
    }
    let whole = exponent.unsigned_abs() as usize + 1;
    if digits.len() <= whole {
        text.push_str(digits);
        text.extend(std::iter::repeat_n('0', whole - digits.len()));
    } else {
        text.push_str(&digits[..whole]);
        text.push('.');
        text.push_str(&digits[whole..]);
    }
}

/// A number as `encoding/json` prints it: plain decimals from 1e-6 up to 1e21, else an exponent without padding.
/// The caller refuses infinities and NaN.
pub fn format_json(f: f64) -> String {
    let (digits, exponent) = shortest(&shortest_scientific(f));
    let mut text = String::with_capacity(digits.len() + 8);
    if f.is_sign_negative() {
        text.push('-');
    }
    if f == 0.0 || (-6..21).contains(&exponent) {
        push_decimal(&mut text, &digits, exponent);
    } else {
        push_exponent(&mut text, &digits, exponent);
        if exponent > -10 && exponent < 0 {
            text.remove(text.len() - 2);
        }
    }
    text
}

/// What a text means to Go's integer parser with base 0: `0x`, `0o`, `0b` prefixes and the octal `0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Integer {
    /// It fits 64 bits with sign.
    Signed(i64),
    /// It fits 64 bits only without sign.
    Unsigned(u64),
}

impl fmt::Display for Integer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Signed(n) => n.fmt(f),
            Self::Unsigned(n) => n.fmt(f),
        }
    }
}

/// `strconv.ParseInt(text, 0, 64)`, then `ParseUint`, on a text without underscores.
pub fn parse_integer(text: &str) -> Option<Integer> {
    let (negative, unsigned) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let magnitude = parse_magnitude(unsigned)?;
    if negative {
        return 0i64.checked_sub_unsigned(magnitude).map(Integer::Signed);
    }
    match i64::try_from(magnitude) {
        Ok(signed) => Some(Integer::Signed(signed)),
        Err(_) if text.starts_with('+') => None,
        Err(_) => Some(Integer::Unsigned(magnitude)),
    }
}

fn parse_magnitude(text: &str) -> Option<u64> {
    let (digits, radix) = match text.as_bytes() {
        [b'0', b'x' | b'X', _, ..] => (&text[2..], 16),
        [b'0', b'o' | b'O', _, ..] => (&text[2..], 8),
        [b'0', b'b' | b'B', _, ..] => (&text[2..], 2),
        [b'0', _, ..] => (&text[1..], 8),
        _ => (text, 10),
    };
    if digits.starts_with(['+', '-']) {
        return None;
    }
    u64::from_str_radix(digits, radix).ok()
}

/// The finite number that a decimal text denotes, where it has the form of go-yaml's floats: digits with an optional
/// point and exponent, at least one digit before the exponent. Overflow is no number.
pub fn parse_decimal(text: &str) -> Option<f64> {
    let bytes = text.as_bytes();
    let mut at = usize::from(matches!(bytes.first(), Some(b'+' | b'-')));
    let digits = |at: &mut usize| {
        let start = *at;
        while bytes.get(*at).is_some_and(u8::is_ascii_digit) {
            *at += 1;
        }
        *at - start
    };
    let whole = digits(&mut at);
    if bytes.get(at) == Some(&b'.') {
        at += 1;
        if digits(&mut at) == 0 && whole == 0 {
            return None;
        }
    } else if whole == 0 {
        return None;
    }
    if matches!(bytes.get(at), Some(b'e' | b'E')) {
        at += 1;
        at += usize::from(matches!(bytes.get(at), Some(b'+' | b'-')));
        if digits(&mut at) == 0 {
            return None;
        }
    }
    let complete = at == bytes.len();
    text.parse().ok().filter(|f: &f64| complete && f.is_finite())
}
