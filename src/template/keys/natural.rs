//! Natural numbers as slices of limbs, the least significant first. It is the arithmetic around the search for primes
//! that runs a few times a key; what runs a million times is in [`montgomery`](super::montgomery).

use std::cmp::Ordering;

/// `left` beside `right`, which may have another number of limbs.
pub fn compare(left: &[u64], right: &[u64]) -> Ordering {
    let (left, right) = (significant(left), significant(right));
    left.len().cmp(&right.len()).then_with(|| left.iter().rev().cmp(right.iter().rev()))
}

/// A number without the zeros above it.
fn significant(number: &[u64]) -> &[u64] {
    let zeros = number.iter().rev().take_while(|limb| **limb == 0).count();
    &number[..number.len() - zeros]
}

/// Adds `other`, which is not longer, and gives what is carried out.
pub fn add(number: &mut [u64], other: &[u64]) -> bool {
    let mut carry = false;
    for (index, limb) in number.iter_mut().enumerate() {
        let (sum, over) = limb.overflowing_add(other.get(index).copied().unwrap_or_default());
        let (sum, again) = sum.overflowing_add(u64::from(carry));
        *limb = sum;
        carry = over | again;
    }
    carry
}

/// Subtracts `other`, which is not longer, and gives what is borrowed.
pub fn subtract(number: &mut [u64], other: &[u64]) -> bool {
    let mut borrow = false;
    for (index, limb) in number.iter_mut().enumerate() {
        let (difference, over) = limb.overflowing_sub(other.get(index).copied().unwrap_or_default());
        let (difference, again) = difference.overflowing_sub(u64::from(borrow));
        *limb = difference;
        borrow = over | again;
    }
    borrow
}

/// The distance between two numbers of the same length.
pub fn distance(left: &[u64], right: &[u64]) -> Vec<u64> {
    let (larger, smaller) = if compare(left, right) == Ordering::Less { (right, left) } else { (left, right) };
    let mut distance = larger.to_vec();
    subtract(&mut distance, smaller);
    distance
}

/// The product, as long as both factors together.
pub fn product(left: &[u64], right: &[u64]) -> Vec<u64> {
    let mut product = vec![0; left.len() + right.len()];
    for (index, limb) in left.iter().enumerate() {
        let mut carry = 0;
        for (sum, other) in product[index..].iter_mut().zip(right) {
            (*sum, carry) = multiply_add(*limb, *other, *sum, carry);
        }
        product[index + right.len()] = carry;
    }
    product
}

/// `left * right + addend + carry` as its low and its high limb. It cannot overflow, and is not
/// checked for it: debug builds make keys faster so.
#[inline(always)]
pub fn multiply_add(left: u64, right: u64, addend: u64, carry: u64) -> (u64, u64) {
    let product = (left as u128).wrapping_mul(right as u128);
    let sum = product.wrapping_add(addend as u128).wrapping_add(carry as u128);
    (sum as u64, (sum >> 64) as u64)
}

/// `number * factor + addend`, a limb longer than the number.
pub fn scaled(number: &[u64], factor: u64, addend: u64) -> Vec<u64> {
    let mut carry = addend;
    let mut scaled = Vec::with_capacity(number.len() + 1);
    for limb in number {
        let low;
        (low, carry) = multiply_add(*limb, factor, carry, 0);
        scaled.push(low);
    }
    scaled.push(carry);
    scaled
}

/// Divides by a single limb in place, and gives the remainder.
pub fn divide_small(number: &mut [u64], divisor: u64) -> u64 {
    let mut remainder = 0;
    for limb in number.iter_mut().rev() {
        let part = u128::from(remainder) << 64 | u128::from(*limb);
        *limb = (part / u128::from(divisor)) as u64;
        remainder = (part % u128::from(divisor)) as u64;
    }
    remainder
}

/// Quotient and remainder, bit by bit.
pub fn divide(number: &[u64], divisor: &[u64]) -> (Vec<u64>, Vec<u64>) {
    let mut quotient = vec![0; number.len()];
    let mut remainder = vec![0; divisor.len() + 1];
    for index in (0..64 * number.len()).rev() {
        shift_left(&mut remainder, bit(number, index));
        if compare(&remainder, divisor) != Ordering::Less {
            subtract(&mut remainder, divisor);
            quotient[index / 64] |= 1 << (index % 64);
        }
    }
    remainder.truncate(divisor.len());
    (quotient, remainder)
}

/// The greatest common divisor of two numbers that are not zero, by Stein's algorithm.
pub fn greatest_common_divisor(left: &[u64], right: &[u64]) -> Vec<u64> {
    let (mut left, mut right) = (left.to_vec(), right.to_vec());
    let common = trailing_zeros(&left).min(trailing_zeros(&right));
    let zeros = trailing_zeros(&left);
    shift_right(&mut left, zeros);
    while right.iter().any(|limb| *limb != 0) {
        let zeros = trailing_zeros(&right);
        shift_right(&mut right, zeros);
        if compare(&left, &right) == Ordering::Greater {
            std::mem::swap(&mut left, &mut right);
        }
        subtract(&mut right, &left);
    }
    for _ in 0..common {
        shift_left(&mut left, false);
    }
    left
}

/// Whether the bit of this index is set.
pub fn bit(number: &[u64], index: usize) -> bool {
    number[index / 64] >> (index % 64) & 1 == 1
}

/// How many bits the number needs.
pub fn bit_length(number: &[u64]) -> usize {
    let number = significant(number);
    number.last().map_or(0, |top| 64 * number.len() - top.leading_zeros() as usize)
}

/// How many times two divides a number that is not zero.
pub fn trailing_zeros(number: &[u64]) -> usize {
    let limbs = number.iter().take_while(|limb| **limb == 0).count();
    64 * limbs + number.get(limbs).map_or(0, |limb| limb.trailing_zeros() as usize)
}

/// Divides by so many twos.
pub fn shift_right(number: &mut [u64], bits: usize) {
    let (limbs, bits) = (bits / 64, bits % 64);
    for index in 0..number.len() {
        let low = number.get(index + limbs).copied().unwrap_or_default() >> bits;
        let high = number.get(index + limbs + 1).copied().unwrap_or_default();
        number[index] = low | if bits == 0 { 0 } else { high << (64 - bits) };
    }
}

/// Doubles, and adds one if `carry`.
fn shift_left(number: &mut [u64], carry: bool) {
    let mut carry = u64::from(carry);
    for limb in number {
        (*limb, carry) = (*limb << 1 | carry, *limb >> 63);
    }
}

/// Big-endian bytes, all of them.
pub fn to_bytes(number: &[u64]) -> Vec<u8> {
    number.iter().rev().flat_map(|limb| limb.to_be_bytes()).collect()
}

/// `2^(64 * N) - difference`.
#[cfg(test)]
pub fn below_power<const N: usize>(difference: u64) -> [u64; N] {
    let mut number = [u64::MAX; N];
    number[0] -= difference - 1;
    number
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_products_and_quotients_agree_with_those_of_128_bits() {
        let numbers = [0, 1, 2, 3, 65_537, u64::MAX.into(), 1 << 64, (1 << 100) + 12_345, u128::MAX - 1, u128::MAX];
        let limbs = |number: u128| [number as u64, (number >> 64) as u64];
        let number = |limbs: &[u64]| u128::from(limbs[0]) | u128::from(limbs[1]) << 64;
        for (left, right) in numbers.iter().flat_map(|left| numbers.map(|right| (*left, right))) {
            let (a, b) = (limbs(left), limbs(right));
            assert_eq!(compare(&a, &b), left.cmp(&right), "{left} {right}");
            let mut sum = a;
            let carry = add(&mut sum, &b);
            assert_eq!((number(&sum), carry), left.overflowing_add(right), "{left} + {right}");
            assert_eq!(number(&distance(&a, &b)), left.abs_diff(right), "{left} - {right}");
            assert_eq!(number(&product(&a, &b)[..2]), left.wrapping_mul(right), "{left} * {right}");
            assert_eq!(
                number(&scaled(&a, b[0], 7)),
                left.wrapping_mul(b[0].into()).wrapping_add(7),
                "{left} * {right}"
            );
            if right == 0 {
                continue;
            }
            let (quotient, remainder) = divide(&a, &b);
            assert_eq!((number(&quotient), number(&remainder)), (left / right, left % right), "{left} / {right}");
            if left == 0 {
                continue;
            }
            let divisor = number(&greatest_common_divisor(&a, &b));
            assert!(left % divisor == 0 && right % divisor == 0, "{divisor} of {left} and {right}");
            let parts = [left, right].map(|all| limbs(all / divisor));
            assert_eq!(greatest_common_divisor(&parts[0], &parts[1]), [1, 0], "{left} and {right}");
        }
    }

    #[test]
    fn bits_are_counted_and_moved_over_limbs() {
        let mut number = [0, 0b1010_0000, 1];
        assert_eq!((bit_length(&number), trailing_zeros(&number)), (129, 69));
        assert!(bit(&number, 71) && !bit(&number, 70));
        shift_right(&mut number, 69);
        assert_eq!(number, [1 << 59 | 0b101, 0, 0]);
        let mut quotient = [5, 10];
        assert_eq!(divide_small(&mut quotient, 10), 5);
        assert_eq!(quotient, [0, 1]);
        assert_eq!(to_bytes(&[1, 2]), [0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 1]);
    }
}
