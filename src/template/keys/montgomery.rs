//! Arithmetic modulo an odd number of fixed width in Montgomery's form, where `x` stands for `x * R` and R is the power
//! of two just above the width.
//!
//! Finding primes is nearly all squarings here, so these are what is made fast: a step takes four limbs, whose chains of
//! carries run side by side. The time of an operation depends on its numbers; that is fine for making keys, as in Go
//! and OpenSSL, and it is not used for anything else.

use std::cmp::Ordering;

use super::natural::{add, bit, compare, multiply_add, shift_right, subtract, trailing_zeros};

/// How many limbs a step takes; widths are multiples of it.
const STEP: usize = 4;

/// How many bits of an exponent a multiplication serves.
pub const WINDOW: usize = 4;

/// The windows of an exponent, from its top on.
pub fn windows(exponent: &[u64]) -> impl Iterator<Item = usize> {
    let windows = exponent
        .iter()
        .rev()
        .flat_map(|limb| (0..64 / WINDOW).rev().map(move |index| (limb >> (index * WINDOW)) as usize % (1 << WINDOW)));
    windows.skip_while(|window| *window == 0)
}

/// An odd modulus of N limbs with the top bit set.
#[derive(Clone, Copy, Debug)]
pub struct Modulus<const N: usize> {
    limbs: [u64; N],
    /// `-1 / limbs` modulo 2^64.
    inverse: u64,
    /// 1 in Montgomery's form: R modulo the modulus, which is R less the modulus as the top bit is set.
    one: [u64; N],
}

impl<const N: usize> Modulus<N> {
    /// A modulus, if it is odd and its top bit is set.
    pub fn new(limbs: [u64; N]) -> Option<Self> {
        if limbs[0] & 1 == 0 || limbs[N - 1] >> 63 == 0 {
            return None;
        }
        // Newton's method doubles the correct bits; an odd number is its own inverse modulo 8.
        let inverse = (0..5).fold(limbs[0], |x, _| x.wrapping_mul(2u64.wrapping_sub(limbs[0].wrapping_mul(x))));
        let mut one = [0; N];
        subtract(&mut one, &limbs);
        Some(Self { limbs, inverse: inverse.wrapping_neg(), one })
    }

    /// The modulus itself.
    pub fn number(&self) -> [u64; N] {
        self.limbs
    }

    /// `-1 / number` modulo 2^64.
    pub fn inverse(&self) -> u64 {
        self.inverse
    }

    /// The modulus less one as an odd number, and how many times that is doubled.
    pub fn odd_part(&self) -> ([u64; N], usize) {
        let mut odd = self.limbs;
        odd[0] -= 1;
        let twos = trailing_zeros(&odd);
        shift_right(&mut odd, twos);
        (odd, twos)
    }

    /// 1 in Montgomery's form.
    pub fn one(&self) -> [u64; N] {
        self.one
    }

    /// -1 in Montgomery's form.
    pub fn minus_one(&self) -> [u64; N] {
        let mut minus_one = self.limbs;
        subtract(&mut minus_one, &self.one);
        minus_one
    }

    /// Whether a number is below the modulus.
    pub fn contains(&self, number: &[u64; N]) -> bool {
        compare(number, &self.limbs) == Ordering::Less
    }

    /// A number below the modulus in Montgomery's form.
    pub fn enter(&self, number: &[u64; N]) -> [u64; N] {
        // Doubled once a bit of R.
        (0..64 * N).fold(*number, |number, _| self.double(&number))
    }

    /// The number that stands in Montgomery's form.
    pub fn leave(&self, form: &[u64; N]) -> [u64; N] {
        let mut sum = [[0; N], [0; N]];
        sum[0] = *form;
        self.reduce(&mut sum)
    }

    /// Twice a form.
    pub fn double(&self, form: &[u64; N]) -> [u64; N] {
        let mut sum = *form;
        let carry = add(&mut sum, form);
        self.below(sum, carry)
    }

    /// The product of two forms.
    pub fn multiply(&self, left: &[u64; N], right: &[u64; N]) -> [u64; N] {
        let mut sum = [[0; N], [0; N]];
        for (step, factor) in left.as_chunks::<STEP>().0.iter().enumerate() {
            add_product(&mut sum.as_flattened_mut()[step * STEP..], factor, right);
        }
        self.reduce(&mut sum)
    }

    /// The square of a form.
    pub fn square(&self, form: &[u64; N]) -> [u64; N] {
        let mut wide = [[0; N], [0; N]];
        let sum = wide.as_flattened_mut();
        // Each product of two different limbs is made once; all of them are doubled then, and the squares added.
        for (step, factor) in form.as_chunks::<STEP>().0.iter().enumerate() {
            let start = step * STEP;
            add_products_within(&mut sum[2 * start..], factor);
            add_product(&mut sum[2 * start + STEP..], factor, &form[start + STEP..]);
        }
        let (mut shifted, mut carry) = (0, 0);
        for (pair, limb) in sum.as_chunks_mut::<2>().0.iter_mut().zip(form) {
            let doubled = [pair[0] << 1 | shifted, pair[1] << 1 | pair[0] >> 63];
            shifted = pair[1] >> 63;
            let high;
            (pair[0], high) = multiply_add(*limb, *limb, doubled[0], carry);
            let (sum, over) = doubled[1].overflowing_add(high);
            (pair[1], carry) = (sum, u64::from(over));
        }
        self.reduce(&mut wide)
    }

    /// The power of a form.
    pub fn power(&self, form: &[u64; N], exponent: &[u64]) -> [u64; N] {
        let mut powers = [self.one; 1 << WINDOW];
        for index in 1..powers.len() {
            powers[index] = self.multiply(&powers[index - 1], form);
        }
        let mut windows = windows(exponent);
        let first = windows.next().map_or(self.one, |window| powers[window]);
        windows.fold(first, |power, window| {
            let power = (0..WINDOW).fold(power, |power, _| self.square(&power));
            if window == 0 { power } else { self.multiply(&power, &powers[window]) }
        })
    }

    /// The power of two: its multiplications are doublings.
    pub fn power_of_two(&self, exponent: &[u64]) -> [u64; N] {
        (0..64 * exponent.len()).rev().skip_while(|index| !bit(exponent, *index)).fold(self.one, |power, index| {
            let power = self.square(&power);
            if bit(exponent, index) { self.double(&power) } else { power }
        })
    }

    /// Divides a sum of twice the width by R: adds multiples of the modulus until the lower half is zero.
    #[inline(always)]
    fn reduce(&self, sum: &mut [[u64; N]; 2]) -> [u64; N] {
        let mut carried = 0;
        for start in (0..N).step_by(STEP) {
            let rest = &mut sum.as_flattened_mut()[start..];
            let factor = self.factor(rest);
            let carry = add_product(rest, &factor, &self.limbs);
            let upper = &mut rest[N..N + STEP];
            carried = u64::from(add(upper, &[carried])) + carry;
        }
        self.below(sum[1], carried != 0)
    }

    /// The multiple of the modulus that clears the lowest limbs.
    #[inline(always)]
    fn factor(&self, sum: &[u64]) -> [u64; STEP] {
        let mut lowest = [0; STEP];
        lowest.copy_from_slice(&sum[..STEP]);
        let mut factor = [0; STEP];
        for index in 0..STEP {
            factor[index] = lowest[index].wrapping_mul(self.inverse);
            let mut carry = 0;
            for (limb, modulus) in lowest[index..].iter_mut().zip(&self.limbs) {
                (*limb, carry) = multiply_add(*modulus, factor[index], *limb, carry);
            }
        }
        factor
    }

    /// A number below twice the modulus, whose top bit may be carried out, less the modulus where it is above.
    #[inline(always)]
    fn below(&self, mut number: [u64; N], carry: bool) -> [u64; N] {
        if carry || number.iter().rev().cmp(self.limbs.iter().rev()) != Ordering::Less {
            subtract(&mut number, &self.limbs);
        }
        number
    }
}

/// Adds `factor * number` to a sum that is at least a step longer than the number, and gives what is carried beyond
/// that.
#[inline(always)]
fn add_product(sum: &mut [u64], factor: &[u64; STEP], number: &[u64]) -> u64 {
    let mut lower = [0; STEP];
    lower.copy_from_slice(&sum[..STEP]);
    let mut carried = 0;
    let mut start = 0;
    for limbs in number.as_chunks::<STEP>().0 {
        let mut upper = [0; STEP];
        upper.copy_from_slice(&sum[start + STEP..start + 2 * STEP]);
        for (index, limb) in limbs.iter().enumerate() {
            let mut carry = 0;
            for (other, factor) in factor.iter().enumerate() {
                let place =
                    if index + other < STEP { &mut lower[index + other] } else { &mut upper[index + other - STEP] };
                (*place, carry) = multiply_add(*factor, *limb, *place, carry);
            }
            let carries = u128::from(upper[index]) + u128::from(carry) + u128::from(carried);
            (upper[index], carried) = (carries as u64, (carries >> 64) as u64);
        }
        sum[start..start + STEP].copy_from_slice(&lower);
        lower = upper;
        start += STEP;
    }
    sum[start..start + STEP].copy_from_slice(&lower);
    carried
}

/// Adds the products of each two different limbs.
#[inline(always)]
fn add_products_within(sum: &mut [u64], limbs: &[u64; STEP]) {
    for index in 0..STEP - 1 {
        let mut carry = 0;
        for other in index + 1..STEP {
            (sum[index + other], carry) = multiply_add(limbs[index], limbs[other], sum[index + other], carry);
        }
        let above = index + STEP;
        let over;
        (sum[above], over) = sum[above].overflowing_add(carry);
        if over {
            add(&mut sum[above + 1..], &[1]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::keys::natural::{divide, product};
    use crate::template::keys::random;

    /// Moduli and numbers at the edges, where carries run through whole numbers, and random ones.
    fn check<const N: usize>() {
        let random = || random::limbs::<N>().expect("randomness");
        let mut largest = [u64::MAX; N];
        let mut smallest = [0; N];
        (smallest[0], smallest[N - 1]) = (1, 1 << 63);
        let mut some = random();
        (some[0], some[N - 1]) = (some[0] | 1, some[N - 1] | 1 << 63);
        for limbs in [largest, smallest, some] {
            let modulus = Modulus::new(limbs).expect("an odd modulus");
            largest = limbs;
            largest[0] -= 1;
            let mut numbers = vec![[0; N], largest, smallest, random(), random()];
            numbers.retain(|number| modulus.contains(number));
            for (left, right) in numbers.iter().flat_map(|left| numbers.iter().map(move |right| (left, right))) {
                let expected = divide(&product(left, right), &limbs).1;
                let forms = [left, right].map(|number| modulus.enter(number));
                assert_eq!(
                    modulus.leave(&modulus.multiply(&forms[0], &forms[1])),
                    expected[..],
                    "{left:x?} {right:x?}"
                );
                if left == right {
                    assert_eq!(modulus.leave(&modulus.square(&forms[0])), expected[..], "{left:x?}");
                }
            }
        }
    }

    #[test]
    fn products_and_squares_are_those_of_long_division() {
        check::<4>();
        check::<8>();
        check::<16>();
        check::<32>();
    }

    #[test]
    fn powers_are_repeated_products() {
        let modulus = Modulus::new([u64::MAX - 188, u64::MAX, u64::MAX, u64::MAX]).expect("an odd modulus");
        let two = modulus.double(&modulus.one());
        let mut product = modulus.one();
        for exponent in 0..70 {
            assert_eq!(modulus.power(&two, &[exponent, 0]), product, "2 ^ {exponent}");
            assert_eq!(modulus.power_of_two(&[exponent, 0]), product, "2 ^ {exponent}");
            product = modulus.multiply(&product, &two);
        }
        assert!(Modulus::new([2, 0, 0, 1 << 63]).is_none(), "even");
        assert!(Modulus::new([1, 0, 0, 1]).is_none(), "narrower than its limbs");
    }
}
