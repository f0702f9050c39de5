//! Miller-Rabin tests of eight numbers at once, in Montgomery's form: a vector holds one limb of each.
//!
//! Vector instructions multiply limbs of 52 bits and add the lower or the upper half of the product to sums of 64 bits,
//! whose carries can wait until a column of products is complete. R has 16 bits or more beyond the moduli, so that the
//! product of numbers below four times a modulus comes out below twice the modulus and is not compared with it.
//!
//! All this runs only where the processor has these instructions, AVX-512 IFMA; the compiler holds callers to it.

use std::arch::x86_64::{
    __m512i, _mm512_add_epi64, _mm512_and_si512, _mm512_cmpeq_epi64_mask, _mm512_madd52hi_epu64, _mm512_madd52lo_epu64,
    _mm512_mask_add_epi64, _mm512_set1_epi64, _mm512_setr_epi64, _mm512_setzero_si512, _mm512_srli_epi64,
    _mm512_sub_epi64,
};

use super::montgomery::{Modulus, WINDOW, windows};
use super::natural::bit;

/// Numbers that are tested at once.
const LANES: usize = 8;

/// Bits of a limb.
const BITS: usize = 52;
const MASK: u64 = (1 << BITS) - 1;

/// Sums that grow side by side: a multiplication begins before the last one is done.
const WAYS: usize = 4;

/// Eight numbers of L limbs.
type Numbers<const L: usize> = [__m512i; L];

/// The first candidate that passes the Miller-Rabin test to base 2. L limbs of 52 bits must hold N of 64 and two bits
/// more.
#[target_feature(enable = "avx512f,avx512ifma")]
pub fn first_that_passes<const N: usize, const L: usize>(candidates: &[Modulus<N>]) -> Option<usize> {
    candidates.chunks(LANES).enumerate().find_map(|(index, chunk)| {
        let passed = pass_base_two::<N, L>(&filled(chunk));
        (passed != 0).then(|| index * LANES + passed.trailing_zeros() as usize)
    })
}

/// Whether a modulus passes the Miller-Rabin test to all bases, which are given in Montgomery's form for limbs of 64
/// bits; as they are random, they stand for other bases here.
#[target_feature(enable = "avx512f,avx512ifma")]
pub fn passes_bases<const N: usize, const L: usize>(modulus: &Modulus<N>, bases: &[[u64; N]]) -> bool {
    let (exponent, twos) = modulus.odd_part();
    let moduli = Moduli::<L>::new(&[*modulus; LANES]);
    bases.chunks(LANES).all(|bases| {
        let mut power = moduli.power(&spread(&filled(bases)), &exponent);
        let mut passed = moduli.congruent(&power, &moduli.one);
        for _ in 0..twos {
            passed |= moduli.congruent(&power, &moduli.minus_one);
            power = moduli.square(&power);
        }
        passed == u8::MAX
    })
}

/// Which moduli pass the test to base 2, a bit each.
#[target_feature(enable = "avx512f,avx512ifma")]
fn pass_base_two<const N: usize, const L: usize>(moduli: &[Modulus<N>; LANES]) -> u8 {
    let twos = moduli.each_ref().map(|modulus| modulus.odd_part().1);
    let most = twos.into_iter().max().unwrap_or_default();
    let exponents = moduli.each_ref().map(Modulus::number);
    let moduli = Moduli::<L>::new(moduli);
    let mut power = doubled(&moduli.one, u8::MAX);
    let mut passed = 0;
    // The exponent is the modulus less one, which differs from it in the lowest bit only; powers by it without some of
    // its lowest zeros are looked at on the way.
    for index in (1..64 * N - 1).rev() {
        power = doubled(&moduli.square(&power), bits(&exponents, |exponent| bit(exponent, index)));
        if index <= most {
            let power = moduli.multiply(&power, &moduli.one);
            passed |= bits(&twos, |twos| *twos == index) & moduli.congruent(&power, &moduli.one);
            passed |= bits(&twos, |twos| *twos >= index) & moduli.congruent(&power, &moduli.minus_one);
        }
    }
    passed
}

/// One for each lane, the last one more than once where there are fewer; there is at least one.
fn filled<T: Copy>(items: &[T]) -> [T; LANES] {
    std::array::from_fn(|lane| items[lane.min(items.len() - 1)])
}

/// Eight odd moduli.
struct Moduli<const L: usize> {
    limbs: Numbers<L>,
    /// The limbs from the top: beside them, the factors of a column run upwards.
    reversed: Numbers<L>,
    /// `-1 / limbs` modulo 2^52.
    inverse: __m512i,
    /// 1 in Montgomery's form.
    one: Numbers<L>,
    /// -1 in Montgomery's form.
    minus_one: Numbers<L>,
}

impl<const L: usize> Moduli<L> {
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn new<const N: usize>(moduli: &[Modulus<N>; LANES]) -> Self {
        // R is larger here than with limbs of 64 bits.
        let larger = 64 * N..BITS * L;
        let one = moduli.each_ref().map(|modulus| larger.clone().fold(modulus.one(), |one, _| modulus.double(&one)));
        let (limbs, one) = (spread(&moduli.each_ref().map(Modulus::number)), spread(&one));
        let inverse = vector(moduli.each_ref().map(|modulus| modulus.inverse() & MASK));
        Self { limbs, reversed: reversed(&limbs), inverse, one, minus_one: difference(&limbs, &one) }
    }

    #[target_feature(enable = "avx512f,avx512ifma")]
    fn multiply(&self, left: &Numbers<L>, right: &Numbers<L>) -> Numbers<L> {
        let reversed = reversed(right);
        self.reduce(|column| {
            let (first, end) = (column.saturating_sub(L - 1), L.min(column + 1));
            Sum::zero().with_products(&left[first..end], &reversed[L - 1 + first - column..])
        })
    }

    #[target_feature(enable = "avx512f,avx512ifma")]
    fn square(&self, number: &Numbers<L>) -> Numbers<L> {
        let reversed = reversed(number);
        self.reduce(|column| {
            // Each product of two different limbs is made once, and doubled.
            let (first, end) = (column.saturating_sub(L - 1), column.div_ceil(2));
            let sum = Sum::zero().with_products(&number[first..end], &reversed[L - 1 + first - column..]);
            let doubled = Sum { low: _mm512_add_epi64(sum.low, sum.low), high: _mm512_add_epi64(sum.high, sum.high) };
            if column % 2 == 0 { doubled.with_product(number[column / 2], number[column / 2]) } else { doubled }
        })
    }

    #[target_feature(enable = "avx512f,avx512ifma")]
    fn power(&self, base: &Numbers<L>, exponent: &[u64]) -> Numbers<L> {
        let mut powers = [self.one; 1 << WINDOW];
        for index in 1..powers.len() {
            powers[index] = self.multiply(&powers[index - 1], base);
        }
        let mut power = self.one;
        for window in windows(exponent) {
            for _ in 0..WINDOW {
                power = self.square(&power);
            }
            power = self.multiply(&power, &powers[window]);
        }
        power
    }

    /// Divides by R a number that is given as the sums of its columns.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn reduce(&self, column: impl Fn(usize) -> Sum) -> Numbers<L> {
        let zero = _mm512_setzero_si512();
        let (mut factors, mut quotient, mut carry) = ([zero; L], [zero; L], zero);
        for index in 0..L {
            let sum = column(index).with_products(&factors[..index], &self.reversed[L - 1 - index..]);
            let sum = Sum { low: _mm512_add_epi64(sum.low, carry), ..sum };
            // The multiple of the moduli that clears this column.
            factors[index] = _mm512_madd52lo_epu64(zero, sum.low, self.inverse);
            carry = sum.with_product(factors[index], self.limbs[0]).carry();
        }
        for index in 0..L {
            let sum = column(L + index).with_products(&factors[index + 1..], &self.reversed);
            let sum = Sum { low: _mm512_add_epi64(sum.low, carry), ..sum };
            quotient[index] = _mm512_and_si512(sum.low, _mm512_set1_epi64(MASK as i64));
            carry = sum.carry();
        }
        quotient
    }

    /// Which numbers below twice the moduli stand for the same as others that are below the moduli.
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn congruent(&self, numbers: &Numbers<L>, others: &Numbers<L>) -> u8 {
        equal(numbers, others) | equal(&difference(numbers, &self.limbs), others)
    }
}

/// The lower and the upper halves of products, added up; the upper ones belong to the next column.
#[derive(Clone, Copy)]
struct Sum {
    low: __m512i,
    high: __m512i,
}

impl Sum {
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn zero() -> Self {
        Self { low: _mm512_setzero_si512(), high: _mm512_setzero_si512() }
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn with_product(self, left: __m512i, right: __m512i) -> Self {
        Self { low: _mm512_madd52lo_epu64(self.low, left, right), high: _mm512_madd52hi_epu64(self.high, left, right) }
    }

    /// With the products of limbs beside each other, of which there may be more on the right.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn with_products(self, left: &[__m512i], right: &[__m512i]) -> Self {
        let mut sums = [Self::zero(); WAYS];
        sums[0] = self;
        let (left, last_left) = left.as_chunks::<WAYS>();
        let (right, last_right) = right[..WAYS * left.len() + last_left.len()].as_chunks::<WAYS>();
        for (left, right) in left.iter().zip(right) {
            for way in 0..WAYS {
                sums[way] = sums[way].with_product(left[way], right[way]);
            }
        }
        for (way, (left, right)) in last_left.iter().zip(last_right).enumerate() {
            sums[way] = sums[way].with_product(*left, *right);
        }
        let [first, rest @ ..] = sums;
        rest.into_iter().fold(first, |all, sum| Self {
            low: _mm512_add_epi64(all.low, sum.low),
            high: _mm512_add_epi64(all.high, sum.high),
        })
    }

    /// What a complete column leaves for the next.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn carry(self) -> __m512i {
        _mm512_add_epi64(self.high, _mm512_srli_epi64::<{ BITS as u32 }>(self.low))
    }
}

/// Twice the numbers of some lanes, and the others.
#[target_feature(enable = "avx512f,avx512ifma")]
fn doubled<const L: usize>(numbers: &Numbers<L>, lanes: u8) -> Numbers<L> {
    let (mut doubled, mut carry) = (*numbers, _mm512_setzero_si512());
    for limb in &mut doubled {
        let sum = _mm512_add_epi64(_mm512_mask_add_epi64(*limb, lanes, *limb, *limb), carry);
        carry = _mm512_srli_epi64::<{ BITS as u32 }>(sum);
        *limb = _mm512_and_si512(sum, _mm512_set1_epi64(MASK as i64));
    }
    doubled
}

/// Differences of numbers, of which those that are below zero are meaningless.
#[target_feature(enable = "avx512f,avx512ifma")]
fn difference<const L: usize>(numbers: &Numbers<L>, others: &Numbers<L>) -> Numbers<L> {
    let (mut difference, mut borrow) = (*numbers, _mm512_setzero_si512());
    for (limb, other) in difference.iter_mut().zip(others) {
        let rest = _mm512_sub_epi64(_mm512_sub_epi64(*limb, *other), borrow);
        borrow = _mm512_srli_epi64::<63>(rest);
        *limb = _mm512_and_si512(rest, _mm512_set1_epi64(MASK as i64));
    }
    difference
}

/// Which numbers are equal.
#[target_feature(enable = "avx512f,avx512ifma")]
fn equal<const L: usize>(numbers: &Numbers<L>, others: &Numbers<L>) -> u8 {
    numbers.iter().zip(others).fold(u8::MAX, |equal, (limb, other)| equal & _mm512_cmpeq_epi64_mask(*limb, *other))
}

fn reversed<const L: usize>(numbers: &Numbers<L>) -> Numbers<L> {
    let mut reversed = *numbers;
    reversed.reverse();
    reversed
}

/// Numbers with limbs of 64 bits, of which L limbs here hold all.
#[target_feature(enable = "avx512f,avx512ifma")]
fn spread<const N: usize, const L: usize>(numbers: &[[u64; N]; LANES]) -> Numbers<L> {
    let limb = |number: &[u64; N], index: usize| {
        let (start, shift) = (index * BITS / 64, index * BITS % 64);
        let [low, high] = [start, start + 1].map(|at| u128::from(number.get(at).copied().unwrap_or_default()));
        ((high << 64 | low) >> shift) as u64 & MASK
    };
    std::array::from_fn(|index| vector(numbers.each_ref().map(|number| limb(number, index))))
}

#[target_feature(enable = "avx512f,avx512ifma")]
fn vector(lanes: [u64; LANES]) -> __m512i {
    let [a, b, c, d, e, f, g, h] = lanes.map(u64::cast_signed);
    _mm512_setr_epi64(a, b, c, d, e, f, g, h)
}

/// A bit for each lane.
fn bits<T>(lanes: &[T; LANES], is_set: impl Fn(&T) -> bool) -> u8 {
    lanes.iter().rev().fold(0, |bits, lane| bits << 1 | u8::from(is_set(lane)))
}
