//! Floating-point numbers as text (`strconv.FormatFloat`).

use crate::yaml::number::shortest_scientific;

/// No `f64` has more digits than this, before or behind the point; further ones are zeros.
const MAX_DIGITS: usize = 1_100;

/// The decimal digits of a finite number without its sign: `0.d1d2d3… × 10^point`, no zeros at the end.
struct Decimal {
    digits: Vec<u8>,
    point: i32,
}

impl Decimal {
    /// The shortest digits that read back as the same number, or that many significant ones, correctly rounded.
    fn significant(value: f64, digits: Option<usize>) -> Self {
        match digits {
            None => Self::parse(&shortest_scientific(value)),
            Some(digits) => Self::parse(&format!("{:.*e}", digits.saturating_sub(1).min(MAX_DIGITS), value.abs())),
        }
    }

    /// The digits up to that many behind the point, correctly rounded.
    fn fixed(value: f64, fraction: usize) -> Self {
        let text = format!("{:.*}", fraction.min(MAX_DIGITS), value.abs());
        let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
        let digits: Vec<u8> = whole.bytes().chain(fraction.bytes()).collect();
        Self { digits, point: i32::try_from(whole.len()).unwrap_or(i32::MAX) }.normalized()
    }

    fn parse(scientific: &str) -> Self {
        let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
        let digits = mantissa.bytes().filter(u8::is_ascii_digit).collect();
        Self { digits, point: exponent.parse::<i32>().unwrap_or(0) + 1 }.normalized()
    }

    fn normalized(mut self) -> Self {
        let zeros = self.digits.iter().take_while(|&&digit| digit == b'0').count();
        self.digits.drain(..zeros);
        self.point -= i32::try_from(zeros).unwrap_or(0);
        let length = self.digits.iter().rposition(|&digit| digit != b'0').map_or(0, |last| last + 1);
        self.digits.truncate(length);
        if self.digits.is_empty() {
            self.point = 0;
        }
        self
    }

    fn digit(&self, index: usize) -> char {
        self.digits.get(index).map_or('0', |&digit| char::from(digit))
    }

    /// `d.ddde±dd`.
    fn write_scientific(&self, out: &mut String, fraction: usize, letter: char) {
        out.push(self.digit(0));
        if fraction > 0 {
            out.push('.');
            out.extend((1..=fraction).map(|index| self.digit(index)));
        }
        let exponent = if self.digits.is_empty() { 0 } else { self.point - 1 };
        out.push(letter);
        out.push_str(&format!("{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.unsigned_abs()));
    }

    /// `ddd.ddd`.
    fn write_fixed(&self, out: &mut String, fraction: usize) {
        if self.point > 0 {
            out.extend((0..self.point as usize).map(|index| self.digit(index)));
        } else {
            out.push('0');
        }
        if fraction > 0 {
            out.push('.');
            for index in 0..fraction as i64 {
                let position = i64::from(self.point) + index;
                out.push(usize::try_from(position).map_or('0', |position| self.digit(position)));
            }
        }
    }
}

/// `strconv.FormatFloat(value, verb, precision, 64)`; without a precision, as many digits as are needed to read the
/// same number again. Verbs: `b`, `e`, `E`, `f`, `g`, `G`, `x`, `X`.
pub fn format_float(value: f64, verb: u8, precision: Option<usize>) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value < 0.0 { "-Inf" } else { "+Inf" }.to_owned();
    }
    let mut out = String::with_capacity(24);
    if value.is_sign_negative() {
        out.push('-');
    }
    match verb {
        b'b' => write_binary(value, &mut out),
        b'x' | b'X' => write_hexadecimal(value, verb == b'X', precision, &mut out),
        b'e' | b'E' => {
            let decimal = Decimal::significant(value, precision.map(|fraction| fraction + 1));
            let fraction = precision.unwrap_or_else(|| decimal.digits.len().saturating_sub(1));
            decimal.write_scientific(&mut out, fraction, char::from(verb));
        }
        b'f' => {
            let decimal = match precision {
                Some(fraction) => Decimal::fixed(value, fraction),
                None => Decimal::significant(value, None),
            };
            let needed = decimal.digits.len() as i64 - i64::from(decimal.point);
            let fraction = precision.unwrap_or_else(|| usize::try_from(needed).unwrap_or(0));
            decimal.write_fixed(&mut out, fraction);
        }
        _ => write_general(value, verb, precision, &mut out),
    }
    out
}

/// `%g`: scientific where the exponent is small or not smaller than the precision, which is 6 for the shortest form.
fn write_general(value: f64, verb: u8, precision: Option<usize>, out: &mut String) {
    let significant = precision.map(|digits| digits.max(1));
    let decimal = Decimal::significant(value, significant);
    let length = decimal.digits.len();
    let threshold = match significant {
        None => 6,
        Some(digits) if digits > length && length as i64 >= i64::from(decimal.point) => length,
        Some(digits) => digits,
    };
    let exponent = i64::from(decimal.point) - 1;
    if exponent < -4 || exponent >= threshold as i64 {
        let digits = significant.map_or(length, |digits| digits.min(length));
        let letter = if verb == b'G' { 'E' } else { 'e' };
        decimal.write_scientific(out, digits.saturating_sub(1), letter);
    } else {
        let fraction = length as i64 - i64::from(decimal.point);
        decimal.write_fixed(out, usize::try_from(fraction).unwrap_or(0));
    }
}

/// Mantissa and binary exponent of a finite number, the mantissa with its implicit bit.
fn parts(value: f64) -> (u64, i32) {
    let bits = value.to_bits();
    let exponent = i32::try_from((bits >> 52) & 0x7FF).unwrap_or(0);
    let fraction = bits & ((1 << 52) - 1);
    if exponent == 0 { (fraction, -1074) } else { (fraction | (1 << 52), exponent - 1075) }
}

fn write_binary(value: f64, out: &mut String) {
    let (mantissa, exponent) = parts(value);
    out.push_str(&format!("{mantissa}p{exponent:+}"));
}

/// `0x1.yyyyp±dd`.
fn write_hexadecimal(value: f64, is_upper: bool, precision: Option<usize>, out: &mut String) {
    let (mut mantissa, mut exponent) = parts(value);
    if mantissa == 0 {
        exponent = 0;
    } else {
        // The leading bit at position 60: one hexadecimal digit before the point, fifteen behind it.
        let shift = mantissa.leading_zeros() - 3;
        mantissa <<= shift;
        exponent += 60 - i32::try_from(shift).unwrap_or(0);
    }
    if let Some(digits) = precision.filter(|&digits| digits < 15) {
        let drop = 60 - 4 * digits as u32;
        let extra = mantissa & ((1 << drop) - 1);
        mantissa >>= drop;
        let half = 1 << (drop - 1);
        if extra > half || (extra == half && mantissa & 1 == 1) {
            mantissa += 1;
        }
        mantissa <<= drop;
        if mantissa >> 61 != 0 {
            mantissa >>= 1;
            exponent += 1;
        }
    }
    let mut text = format!("0x{}", mantissa >> 60);
    let digits = format!("{:015x}", mantissa & ((1 << 60) - 1));
    let fraction = match precision {
        None => digits.trim_end_matches('0').to_owned(),
        Some(length) => format!("{digits:0<length$}").chars().take(length).collect(),
    };
    if !fraction.is_empty() {
        text.push('.');
        text.push_str(&fraction);
    }
    text.push_str(&format!("p{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.unsigned_abs()));
    out.push_str(&if is_upper { text.to_uppercase() } else { text });
}
