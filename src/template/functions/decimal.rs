//! Decimal numbers of any length, as `shopspring/decimal` 1.4 computes with them: exact but for the quotient, which has
//! sixteen places.

use std::cmp::Ordering;

use crate::yaml::number::shortest_scientific;

/// The places of a quotient.
const DIVISION_PLACES: i64 = 16;

/// `digits * 10^exponent`.
#[derive(Clone, Debug)]
pub(super) struct Decimal {
    negative: bool,
    /// Least significant first, without zeros at the end; empty for zero.
    digits: Vec<u8>,
    exponent: i64,
}

impl Decimal {
    /// The shortest decimal that reads as the float; nothing for infinities and NaN.
    pub(super) fn from_float(float: f64) -> Option<Self> {
        if !float.is_finite() {
            return None;
        }
        let text = shortest_scientific(float);
        let (mantissa, exponent) = text.split_once('e')?;
        let places = mantissa.split_once('.').map_or(0, |(_, fraction)| fraction.len());
        let digits = mantissa.bytes().rev().filter(u8::is_ascii_digit).map(|digit| digit - b'0').collect();
        let exponent = exponent.parse::<i64>().ok()? - i64::try_from(places).ok()?;
        Some(Self { negative: float < 0.0, digits: trimmed(digits), exponent })
    }

    /// The nearest float.
    pub(super) fn to_float(&self) -> f64 {
        if self.digits.is_empty() {
            return 0.0;
        }
        let sign = if self.negative { "-" } else { "" };
        let digits: String = self.digits.iter().rev().map(|digit| char::from(b'0' + digit)).collect();
        format!("{sign}{digits}e{}", self.exponent).parse().unwrap_or(f64::NAN)
    }

    /// About how many steps an operation of the two takes.
    pub(super) fn work(&self, other: &Self) -> u64 {
        let apart = self.exponent.abs_diff(other.exponent);
        let length = |decimal: &Self| decimal.digits.len() as u64 + apart + 32;
        length(self).saturating_mul(length(other)) / 64
    }

    pub(super) fn add(&self, other: &Self) -> Self {
        let exponent = self.exponent.min(other.exponent);
        let (left, right) = (self.scaled(exponent), other.scaled(exponent));
        if self.negative == other.negative {
            return Self { negative: self.negative, digits: sum(&left, &right), exponent };
        }
        match compare(&left, &right) {
            Ordering::Less => Self { negative: other.negative, digits: difference(&right, &left), exponent },
            _ => Self { negative: self.negative, digits: difference(&left, &right), exponent },
        }
    }

    pub(super) fn subtract(&self, other: &Self) -> Self {
        self.add(&Self { negative: !other.negative, ..other.clone() })
    }

    pub(super) fn multiply(&self, other: &Self) -> Self {
        let mut product = vec![0_u32; self.digits.len() + other.digits.len()];
        for (at, left) in self.digits.iter().enumerate() {
            let mut carry = 0;
            for (cell, right) in product[at..].iter_mut().zip(other.digits.iter().chain(std::iter::repeat(&0))) {
                let value = *cell + u32::from(*left) * u32::from(*right) + carry;
                (*cell, carry) = (value % 10, value / 10);
            }
        }
        let digits = product.into_iter().map(|digit| digit as u8).collect();
        let negative = self.negative != other.negative;
        Self { negative, digits: trimmed(digits), exponent: self.exponent + other.exponent }
    }

    /// The quotient, rounded half away from zero; nothing for a division by zero.
    pub(super) fn divide(&self, other: &Self) -> Option<Self> {
        if other.digits.is_empty() {
            return None;
        }
        let shift = self.exponent - other.exponent + DIVISION_PLACES;
        let (dividend, divisor) = (shifted(&self.digits, shift), shifted(&other.digits, -shift));
        let (mut quotient, remainder) = divided(&dividend, &divisor);
        if compare(&sum(&remainder, &remainder), &divisor).is_ge() {
            quotient = sum(&quotient, &[1]);
        }
        Some(Self { negative: self.negative != other.negative, digits: quotient, exponent: -DIVISION_PLACES })
    }

    fn scaled(&self, exponent: i64) -> Vec<u8> {
        shifted(&self.digits, self.exponent - exponent)
    }
}

/// The digits with zeros below them.
fn shifted(digits: &[u8], places: i64) -> Vec<u8> {
    let places = if digits.is_empty() { 0 } else { usize::try_from(places).unwrap_or(0) };
    [&vec![0; places], digits].concat()
}

fn trimmed(mut digits: Vec<u8>) -> Vec<u8> {
    while digits.last() == Some(&0) {
        digits.pop();
    }
    digits
}

fn compare(left: &[u8], right: &[u8]) -> Ordering {
    left.len().cmp(&right.len()).then_with(|| left.iter().rev().cmp(right.iter().rev()))
}

fn sum(left: &[u8], right: &[u8]) -> Vec<u8> {
    let (long, short) = if left.len() < right.len() { (right, left) } else { (left, right) };
    let mut digits = Vec::with_capacity(long.len() + 1);
    let mut carry = 0;
    for (at, digit) in long.iter().enumerate() {
        let value = digit + short.get(at).unwrap_or(&0) + carry;
        digits.push(value % 10);
        carry = value / 10;
    }
    digits.push(carry);
    trimmed(digits)
}

/// `left - right`, which is not negative.
fn difference(left: &[u8], right: &[u8]) -> Vec<u8> {
    let mut digits = Vec::with_capacity(left.len());
    let mut borrow = 0;
    for (at, digit) in left.iter().enumerate() {
        let value = 10 + digit - right.get(at).unwrap_or(&0) - borrow;
        digits.push(value % 10);
        borrow = u8::from(value < 10);
    }
    trimmed(digits)
}

/// Long division: quotient and remainder.
fn divided(dividend: &[u8], divisor: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let mut quotient = vec![0; dividend.len()];
    let mut remainder: Vec<u8> = Vec::new();
    for (at, digit) in dividend.iter().enumerate().rev() {
        remainder.insert(0, *digit);
        remainder = trimmed(remainder);
        while compare(&remainder, divisor).is_ge() {
            remainder = difference(&remainder, divisor);
            quotient[at] += 1;
        }
    }
    (trimmed(quotient), remainder)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decimal(float: f64) -> Decimal {
        Decimal::from_float(float).expect("a finite number")
    }

    #[test]
    fn arithmetic_is_exact() {
        assert_eq!(decimal(0.1).add(&decimal(0.2)).to_float(), 0.3);
        assert_eq!(decimal(1.1).subtract(&decimal(1.2)).to_float(), -0.1);
        assert_eq!(decimal(1e300).add(&decimal(1e-300)).subtract(&decimal(1e300)).to_float(), 1e-300);
        assert_eq!(decimal(-1.1).multiply(&decimal(1.1)).to_float(), -1.21);
        assert_eq!(decimal(0.0).multiply(&decimal(-3.0)).to_float(), 0.0);
    }

    #[test]
    fn a_quotient_has_sixteen_places_and_rounds_half_away_from_zero() {
        let quotient = |left: f64, right: f64| decimal(left).divide(&decimal(right)).map(|q| q.to_float());
        assert_eq!(quotient(1.0, 3.0), Some(0.3333333333333333));
        assert_eq!(quotient(-2.0, 3.0), Some(-0.6666666666666667));
        assert_eq!(quotient(1.0, 2e16), Some(1e-16));
        assert_eq!(quotient(1.0, 2.1e16), Some(0.0));
        assert_eq!(quotient(1e300, 1e-300), Some(f64::INFINITY));
        assert_eq!(quotient(7.5, 2.5), Some(3.0));
        assert_eq!(quotient(1.0, 0.0), None);
    }
}
