//! Durations (`time.go` Duration, `format.go` ParseDuration).

use std::fmt;

use super::parse::quote;

/// A `time.Duration`, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Duration(pub i64);

const MICROSECOND: u64 = 1_000;
const MILLISECOND: u64 = 1_000_000;
const SECOND: u64 = 1_000_000_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;

impl Duration {
    /// `Duration.Round`: to the nearest multiple, halves away from zero, the extremes at overflow.
    pub fn round(self, unit: Self) -> Self {
        let (d, m) = (i128::from(self.0), i128::from(unit.0));
        if m <= 0 {
            return self;
        }
        let rest = (d % m).abs();
        let down = rest + rest < m;
        let rounded = match d < 0 {
            true if down => d + rest,
            true => d - m + rest,
            false if down => d - rest,
            false => d + m - rest,
        };
        Self(i64::try_from(rounded).unwrap_or(if d < 0 { i64::MIN } else { i64::MAX }))
    }

    /// `Duration.Truncate`: toward zero.
    pub fn truncate(self, unit: Self) -> Self {
        if unit.0 <= 0 { self } else { Self(self.0 - self.0 % unit.0) }
    }

    /// `Duration.Abs`.
    pub fn abs(self) -> Self {
        Self(self.0.saturating_abs())
    }

    /// In a larger unit, the whole and the fraction divided apart as Go does.
    #[expect(clippy::cast_precision_loss, reason = "the whole part is small")]
    fn in_unit(self, unit: u64) -> f64 {
        let unit = unit.cast_signed();
        (self.0 / unit) as f64 + (self.0 % unit) as f64 / unit as f64
    }

    /// `Duration.Seconds`.
    pub fn seconds(self) -> f64 {
        self.in_unit(SECOND)
    }

    /// `Duration.Minutes`.
    pub fn minutes(self) -> f64 {
        self.in_unit(MINUTE)
    }

    /// `Duration.Hours`.
    pub fn hours(self) -> f64 {
        self.in_unit(HOUR)
    }

    /// `time.ParseDuration`. The error is Go's text.
    pub fn parse(text: &[u8]) -> Result<Self, String> {
        let invalid = || format!("time: invalid duration {}", quote(text));
        let (negative, mut rest) = match text {
            [sign @ (b'-' | b'+'), rest @ ..] => (*sign == b'-', rest),
            rest => (false, rest),
        };
        if rest == b"0" {
            return Ok(Self(0));
        }
        if rest.is_empty() {
            return Err(invalid());
        }
        let mut total: u64 = 0;
        while !rest.is_empty() {
            let (whole, fraction, scale, after) = decimal(rest).ok_or_else(invalid)?;
            let unit_length = after.iter().take_while(|byte| **byte != b'.' && !byte.is_ascii_digit()).count();
            let (unit_name, after) = after.split_at(unit_length);
            if unit_name.is_empty() {
                return Err(format!("time: missing unit in duration {}", quote(text)));
            }
            let unit = unit_of(unit_name)
                .ok_or_else(|| format!("time: unknown unit {} in duration {}", quote(unit_name), quote(text)))?;
            total = amount(whole, fraction, scale, unit)
                .and_then(|amount| total.checked_add(amount))
                .filter(|total| *total <= LIMIT)
                .ok_or_else(invalid)?;
            rest = after;
        }
        match (negative, i64::try_from(total)) {
            (true, _) => Ok(Self(total.wrapping_neg().cast_signed())),
            (false, Ok(total)) => Ok(Self(total)),
            (false, Err(_)) => Err(invalid()),
        }
    }
}

/// One more than the longest duration: only a negative one may be as long.
const LIMIT: u64 = 1 << 63;

fn unit_of(name: &[u8]) -> Option<u64> {
    Some(match name {
        b"ns" => 1,
        b"us" => MICROSECOND,
        b"ms" => MILLISECOND,
        b"s" => SECOND,
        b"m" => MINUTE,
        b"h" => HOUR,
        _ if name == "\u{b5}s".as_bytes() || name == "\u{3bc}s".as_bytes() => MICROSECOND,
        _ => return None,
    })
}

/// A number with an optional fraction: whole part, digits of the fraction, their power of ten, and what follows.
fn decimal(text: &[u8]) -> Option<(u64, u64, f64, &[u8])> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (whole_digits, mut rest) = text.split_at(digits);
    let mut whole: u64 = 0;
    for digit in whole_digits {
        whole = whole.checked_mul(10)?.checked_add(u64::from(digit - b'0')).filter(|whole| *whole <= LIMIT)?;
    }
    let (mut fraction, mut scale, mut fraction_digits) = (0u64, 1.0, 0);
    if let [b'.', after @ ..] = rest {
        fraction_digits = after.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (digits, after) = after.split_at(fraction_digits);
        for digit in digits {
            let next = fraction.checked_mul(10).and_then(|f| f.checked_add(u64::from(digit - b'0')));
            match next.filter(|next| fraction <= (LIMIT - 1) / 10 && *next <= LIMIT) {
                Some(next) => (fraction, scale) = (next, scale * 10.0),
                None => break,
            }
        }
        rest = after;
    }
    (digits > 0 || fraction_digits > 0).then_some((whole, fraction, scale, rest))
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "Go multiplies the fraction in floating point"
)]
fn amount(whole: u64, fraction: u64, scale: f64, unit: u64) -> Option<u64> {
    if whole > LIMIT / unit {
        return None;
    }
    let part = if fraction > 0 { (fraction as f64 * (unit as f64 / scale)) as u64 } else { 0 };
    (whole * unit).checked_add(part).filter(|amount| *amount <= LIMIT)
}

impl fmt::Display for Duration {
    /// `Duration.String`: `72h3m0.5s`, below a second `1.5ms`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let magnitude = self.0.unsigned_abs();
        if self.0 < 0 {
            f.write_str("-")?;
        }
        match magnitude {
            0 => f.write_str("0s"),
            1..MICROSECOND => write!(f, "{magnitude}ns"),
            MICROSECOND..MILLISECOND => write!(f, "{}\u{b5}s", with_fraction(magnitude, 3)),
            MILLISECOND..SECOND => write!(f, "{}ms", with_fraction(magnitude, 6)),
            _ => {
                let (hours, minutes) = (magnitude / HOUR, magnitude / MINUTE % 60);
                if hours > 0 {
                    write!(f, "{hours}h")?;
                }
                if hours > 0 || minutes > 0 {
                    write!(f, "{minutes}m")?;
                }
                write!(f, "{}s", with_fraction(magnitude % MINUTE, 9))
            }
        }
    }
}

/// A number divided by a power of ten, without trailing zeros.
fn with_fraction(number: u64, digits: u32) -> String {
    let power = 10u64.pow(digits);
    let width = digits as usize;
    let text = format!("{}.{:0width$}", number / power, number % power);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
