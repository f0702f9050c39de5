//! Numbers, strings and bytes under flags, width and precision (`fmt/format.go`).

use super::PrintError;
use super::float::format_float;
use super::quote::{can_backquote, quote, quote_rune, quote_to_ascii};
use crate::template::unicode;

/// The largest text of one call.
const MAX_BYTES: usize = 16 << 20;

/// What stands between `%` and the verb.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Flags {
    pub(super) width: Option<usize>,
    pub(super) precision: Option<usize>,
    pub(super) minus: bool,
    pub(super) plus: bool,
    pub(super) sharp: bool,
    pub(super) space: bool,
    pub(super) zero: bool,
    /// `%+v`, which is no plus sign.
    pub(super) plus_value: bool,
    /// `%#v`: Go syntax.
    pub(super) sharp_value: bool,
}

/// The text so far, and the flags of the present verb.
#[derive(Debug, Default)]
pub(super) struct Formatter {
    pub(super) out: Vec<u8>,
    pub(super) flags: Flags,
    pub(super) failure: Option<PrintError>,
}

impl Formatter {
    pub(super) fn write(&mut self, bytes: &[u8]) {
        if self.out.len() + bytes.len() > MAX_BYTES {
            self.failure.get_or_insert(PrintError::TooLarge);
            return;
        }
        self.out.extend_from_slice(bytes);
    }

    fn write_padding(&mut self, length: usize) {
        if self.out.len() + length > MAX_BYTES {
            self.failure.get_or_insert(PrintError::TooLarge);
            return;
        }
        let byte = if self.flags.zero && !self.flags.minus { b'0' } else { b' ' };
        self.out.resize(self.out.len() + length, byte);
    }

    /// Writes bytes, padded to the width in runes.
    pub(super) fn pad(&mut self, bytes: &[u8]) {
        let padding = self.flags.width.map_or(0, |width| width.saturating_sub(unicode::count(bytes)));
        if padding == 0 {
            self.write(bytes);
        } else if self.flags.minus {
            self.write(bytes);
            self.write_padding(padding);
        } else {
            self.write_padding(padding);
            self.write(bytes);
        }
    }

    /// As [`Self::pad`], never with zeros.
    fn pad_with_spaces(&mut self, bytes: &[u8]) {
        let zero = std::mem::take(&mut self.flags.zero);
        self.pad(bytes);
        self.flags.zero = zero;
    }

    pub(super) fn boolean(&mut self, value: bool) {
        self.pad(if value { b"true" } else { b"false" });
    }

    /// An integer in the base of its verb; `v` is decimal.
    pub(super) fn integer(&mut self, magnitude: u64, is_negative: bool, verb: u32) {
        let flags = self.flags;
        let precision = match flags.precision {
            Some(0) if magnitude == 0 => return self.pad_with_spaces(b""),
            Some(precision) => precision,
            None => match flags.width {
                Some(width) if flags.zero && !flags.minus => {
                    width.saturating_sub(usize::from(is_negative || flags.plus || flags.space))
                }
                _ => 0,
            },
        };
        let digits = match u8::try_from(verb).unwrap_or(b'd') {
            b'b' => format!("{magnitude:b}"),
            b'o' | b'O' => format!("{magnitude:o}"),
            b'x' => format!("{magnitude:x}"),
            b'X' => format!("{magnitude:X}"),
            _ => magnitude.to_string(),
        };
        let mut text = Vec::with_capacity(digits.len().max(precision) + 3);
        if is_negative {
            text.push(b'-');
        } else if flags.plus {
            text.push(b'+');
        } else if flags.space {
            text.push(b' ');
        }
        let zeros = precision.saturating_sub(digits.len());
        text.extend_from_slice(self.integer_prefix(verb, zeros > 0 || digits.starts_with('0')));
        text.resize(text.len() + zeros, b'0');
        text.extend_from_slice(digits.as_bytes());
        self.pad_with_spaces(&text);
    }

    fn integer_prefix(&self, verb: u32, starts_with_zero: bool) -> &'static [u8] {
        match u8::try_from(verb).unwrap_or(b'd') {
            b'O' if self.flags.sharp && !starts_with_zero => b"0o0",
            b'O' => b"0o",
            b'b' if self.flags.sharp => b"0b",
            b'o' if self.flags.sharp && !starts_with_zero => b"0",
            b'x' if self.flags.sharp => b"0x",
            b'X' if self.flags.sharp => b"0X",
            _ => b"",
        }
    }

    /// Hexadecimal with or without `0x`, whatever the sharp flag says.
    pub(super) fn hexadecimal(&mut self, value: u64, has_prefix: bool) {
        let sharp = std::mem::replace(&mut self.flags.sharp, has_prefix);
        self.integer(value, false, u32::from(b'x'));
        self.flags.sharp = sharp;
    }

    /// `%c`.
    pub(super) fn character(&mut self, value: u64) {
        let mut text = Vec::new();
        unicode::push(&mut text, u32::try_from(value).unwrap_or(unicode::REPLACEMENT));
        self.pad(&text);
    }

    /// `%q` of a number.
    pub(super) fn quoted_character(&mut self, value: u64) {
        let rune = u32::try_from(value).unwrap_or(unicode::REPLACEMENT);
        self.pad(&quote_rune(rune, self.flags.plus));
    }

    /// `%U`.
    pub(super) fn code_point(&mut self, value: u64) {
        let digits = self.flags.precision.filter(|&precision| precision > 4).unwrap_or(4);
        let mut text = format!("U+{value:0digits$X}");
        let rune = u32::try_from(value).ok().filter(|&rune| unicode::is_printable(rune));
        if let Some(character) = rune.and_then(char::from_u32).filter(|_| self.flags.sharp) {
            text.push_str(&format!(" '{character}'"));
        }
        self.pad_with_spaces(text.as_bytes());
    }

    /// The first runes of a text, as many as the precision says.
    fn truncated<'t>(&self, text: &'t [u8]) -> &'t [u8] {
        let Some(precision) = self.flags.precision else { return text };
        let end = unicode::runes(text).nth(precision).map_or(text.len(), |(offset, ..)| offset);
        &text[..end]
    }

    /// `%s`.
    pub(super) fn string(&mut self, text: &[u8]) {
        self.pad(self.truncated(text));
    }

    /// `%q`.
    pub(super) fn quoted(&mut self, text: &[u8]) {
        let text = self.truncated(text);
        if self.flags.sharp && can_backquote(text) {
            self.pad(&[b"`", text, b"`"].concat());
        } else if self.flags.plus {
            self.pad(&quote_to_ascii(text));
        } else {
            self.pad(&quote(text));
        }
    }

    /// `%x` and `%X` of bytes.
    pub(super) fn bytes_in_hexadecimal(&mut self, text: &[u8], is_upper: bool) {
        let flags = self.flags;
        let text = &text[..flags.precision.map_or(text.len(), |precision| precision.min(text.len()))];
        if text.is_empty() {
            return self.write_padding(flags.width.unwrap_or(0));
        }
        let prefix: &[u8] = if is_upper { b"0X" } else { b"0x" };
        let mut out = Vec::with_capacity(text.len() * 2 + 2);
        for (index, byte) in text.iter().enumerate() {
            if flags.space && index > 0 {
                out.push(b' ');
            }
            if flags.sharp && (flags.space || index == 0) {
                out.extend_from_slice(prefix);
            }
            let digits = if is_upper { format!("{byte:02X}") } else { format!("{byte:02x}") };
            out.extend_from_slice(digits.as_bytes());
        }
        self.pad(&out);
    }

    /// A float under a verb of `strconv`, with the verb's own precision where none is given.
    pub(super) fn float(&mut self, value: f64, verb: u8, default_precision: Option<usize>) {
        let flags = self.flags;
        let precision = flags.precision.or(default_precision);
        let text = format_float(value, verb, precision);
        let (mut sign, mut number) = match text.as_bytes() {
            [sign @ (b'+' | b'-'), rest @ ..] => (*sign, rest.to_vec()),
            rest => (b'+', rest.to_vec()),
        };
        if flags.space && sign == b'+' && !flags.plus {
            sign = b' ';
        }
        if !value.is_finite() {
            let has_sign = if value.is_nan() { flags.space || flags.plus } else { flags.plus || sign != b'+' };
            let has_sign = has_sign || (value.is_infinite() && sign == b'+');
            if has_sign {
                number.insert(0, sign);
            }
            return self.pad_with_spaces(&number);
        }
        if flags.sharp && verb != b'b' {
            number = with_point(&number, verb, precision);
        }
        if !flags.plus && sign == b'+' {
            return self.pad(&number);
        }
        if let Some(width) = flags.width.filter(|&width| flags.zero && !flags.minus && width > number.len() + 1) {
            self.write(&[sign]);
            self.write_padding(width - number.len() - 1);
            return self.write(&number);
        }
        number.insert(0, sign);
        self.pad(&number);
    }
}

/// `#` with a float: always a point, and the zeros that `%g` drops.
fn with_point(number: &[u8], verb: u8, precision: Option<usize>) -> Vec<u8> {
    let is_hexadecimal = matches!(verb, b'x' | b'X');
    let mut missing = match verb {
        b'g' | b'G' | b'x' => precision.map_or(6, |precision| precision as i64),
        _ => 0,
    };
    let is_exponent = |byte: &u8| matches!(byte, b'p' | b'P') || (!is_hexadecimal && matches!(byte, b'e' | b'E'));
    let split = number.iter().position(is_exponent).unwrap_or(number.len());
    let (mantissa, exponent) = number.split_at(split);
    let mut has_seen_digit = false;
    for &byte in mantissa.iter().filter(|&&byte| byte != b'.') {
        has_seen_digit |= byte != b'0';
        missing -= i64::from(has_seen_digit);
    }
    let mut out = mantissa.to_vec();
    if !mantissa.contains(&b'.') {
        missing -= i64::from(mantissa == b"0");
        out.push(b'.');
    }
    out.resize(out.len() + usize::try_from(missing).unwrap_or(0), b'0');
    out.extend_from_slice(exponent);
    out
}
