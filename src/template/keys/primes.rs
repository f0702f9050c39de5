//! Random primes of a fixed width, for RSA and DSA.
//!
//! A window of numbers that begins at a random place is sieved by small primes; what is left is tried in random order.
//!
//! Charts that make certificates spend nearly all of their time here, and `ring` cannot make RSA keys. A key of 2048
//! bits takes 26 to 35 ms of CPU where candidates are tested one after the other, and 4 to 6 where eight are tested at
//! once; one of 4096 bits 249 to 363 and 42 to 61. Go's `crypto/rsa` takes 55 to 69 and 527 to 816, the crate `rsa` 44 to
//! 54 and 780. (Means of 10 to 200 keys on an AMD EPYC that others used too.)

use super::montgomery::Modulus;
use super::natural::{add, scaled};
use super::primality::{CANDIDATES, first_prime};
use super::random;

/// The small primes of a sieve, in groups by whose products a long number is divided at once.
pub struct Sieve {
    groups: Vec<Group>,
}

/// Products of three primes each. Divisions by several products run side by side in the processor.
struct Group {
    divisors: [Divisor; DIVISORS],
    primes: [[u32; 3]; DIVISORS],
}

/// Divisors in a group.
const DIVISORS: usize = 4;

/// Numbers in a window for each limb of a prime: a dozen of them are prime on average.
const WINDOW_PER_LIMB: usize = 256;

impl Sieve {
    /// The primes that it pays to sieve with, for primes of so many limbs: their number grows with the cost of a test.
    pub fn new(limbs: usize) -> Self {
        let primes = odd_primes((limbs * limbs) << 8);
        let groups = primes.chunks(3 * DIVISORS).map(|chunk| {
            let prime = |index: usize| chunk.get(index).copied().unwrap_or(1);
            let primes = std::array::from_fn(|group| [0, 1, 2].map(|index| prime(3 * group + index)));
            Group { primes, divisors: primes.map(|primes| Divisor::new(primes.map(u64::from).iter().product())) }
        });
        Self { groups: groups.collect() }
    }

    /// Which of `start`, `start + step`, `start + 2 * step` and so on no prime of the sieve divides.
    fn survivors(&self, start: &[u64], step: &[u64], count: usize) -> Vec<usize> {
        let mut is_divided = vec![false; count];
        for group in &self.groups {
            let starts = remainders(start, &group.divisors);
            let steps = remainders(step, &group.divisors);
            for (primes, (start, step)) in group.primes.iter().zip(starts.into_iter().zip(steps)) {
                for prime in primes {
                    let Some(first) = first_multiple(start, step, *prime) else { continue };
                    for index in (first..count).step_by(*prime as usize) {
                        is_divided[index] = true;
                    }
                }
            }
        }
        (0..count).filter(|index| !is_divided[*index]).collect()
    }
}

/// The first index for which `start + index * step` is a multiple of the prime; none if the step is one, or if a group
/// is filled up with a one.
fn first_multiple(start: u64, step: u64, prime: u32) -> Option<usize> {
    let prime = u64::from(prime);
    let distance = match start % prime {
        0 => 0,
        remainder => prime - remainder,
    };
    let first = match step {
        _ if prime == 1 => return None,
        2 if distance % 2 == 0 => distance / 2,
        2 => (distance + prime) / 2,
        _ if step.is_multiple_of(prime) => return None,
        _ => distance * power(step, prime - 2, prime) % prime,
    };
    Some(first as usize)
}

/// The power modulo a number below 2^32.
pub fn power(base: u64, mut exponent: u64, modulus: u64) -> u64 {
    let (mut power, mut square) = (1, base % modulus);
    while exponent > 0 {
        if exponent & 1 == 1 {
            power = power * square % modulus;
        }
        square = square * square % modulus;
        exponent >>= 1;
    }
    power
}

/// The odd primes below a limit, by Eratosthenes.
fn odd_primes(limit: usize) -> Vec<u32> {
    let mut is_composite = vec![false; limit / 2];
    let mut primes = Vec::new();
    for index in 1..is_composite.len() {
        if is_composite[index] {
            continue;
        }
        let prime = 2 * index + 1;
        primes.push(prime as u32);
        for multiple in (prime * prime / 2..is_composite.len()).step_by(prime) {
            is_composite[multiple] = true;
        }
    }
    primes
}

/// A divisor of long numbers with its reciprocal: Möller and Granlund, "Improved division by invariant integers".
struct Divisor {
    /// Shifted until its top bit is set; remainders by it have the same remainders by what divides the divisor.
    shifted: u64,
    reciprocal: u64,
}

impl Divisor {
    fn new(divisor: u64) -> Self {
        let shifted = divisor << divisor.leading_zeros();
        Self { shifted, reciprocal: (u128::MAX / u128::from(shifted)) as u64 }
    }

    /// The next remainder of a long division: of the last one, with a limb after it.
    #[inline(always)]
    fn next(&self, high: u64, low: u64) -> u64 {
        let quotient = u128::from(self.reciprocal) * u128::from(high);
        let quotient = quotient.wrapping_add(u128::from(high) << 64 | u128::from(low));
        let estimate = ((quotient >> 64) as u64).wrapping_add(1);
        let mut remainder = low.wrapping_sub(estimate.wrapping_mul(self.shifted));
        if remainder > quotient as u64 {
            remainder = remainder.wrapping_add(self.shifted);
        }
        if remainder >= self.shifted { remainder - self.shifted } else { remainder }
    }
}

/// Numbers that leave the same remainders as this one by every divisor of the divisors.
fn remainders(number: &[u64], divisors: &[Divisor; DIVISORS]) -> [u64; DIVISORS] {
    number.iter().rev().fold([0; DIVISORS], |remainders, limb| {
        std::array::from_fn(|index| divisors[index].next(remainders[index], *limb))
    })
}

/// A random prime of N limbs whose two top bits are set: products of two have all their bits.
///
/// # Errors
/// Where the operating system has no randomness.
pub fn random_prime<const N: usize>(sieve: &Sieve, rounds: usize) -> Result<[u64; N], String> {
    loop {
        let mut start: [u64; N] = random::limbs()?;
        start[0] |= 1;
        start[N - 1] |= 3 << 62;
        if let Some(prime) = prime_in_window(sieve, &start, &[2], rounds)? {
            return Ok(prime);
        }
    }
}

/// A random prime among `start + index * step` for the indices of a window; none if there is none, or if the window does
/// not fit into the width. The start is odd and has its top bit set, the step is even.
///
/// # Errors
/// Where the operating system has no randomness.
pub fn prime_in_window<const N: usize>(
    sieve: &Sieve,
    start: &[u64; N],
    step: &[u64],
    rounds: usize,
) -> Result<Option<[u64; N]>, String> {
    let mut left = sieve.survivors(start, step, WINDOW_PER_LIMB * N);
    while !left.is_empty() {
        let choices: [u64; CANDIDATES] = random::limbs()?;
        let mut candidates = Vec::with_capacity(CANDIDATES);
        for choice in choices.into_iter().take(left.len()) {
            let index = left.swap_remove((choice % left.len() as u64) as usize);
            let mut candidate = *start;
            if add(&mut candidate, &scaled(step, index as u64, 0)) {
                return Ok(None);
            }
            candidates.extend(Modulus::new(candidate));
        }
        if let Some(place) = first_prime(&candidates, rounds)? {
            return Ok(Some(candidates[place].number()));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::keys::natural::divide_small;

    #[test]
    fn a_sieve_leaves_what_none_of_its_primes_divides() {
        let sieve = Sieve::new(1);
        let primes = odd_primes(1 << 8);
        assert_eq!((primes.len(), primes[0], primes[52]), (53, 3, 251));
        for step in [2, 2 * 0xffff_ffff_ffff_ffc5_u128, 2 * 3 * 5] {
            let start = [u64::MAX - 188, u64::MAX, u64::MAX, 1];
            let step = [step as u64, (step >> 64) as u64];
            let is_left = |index: &usize| {
                let mut number = start.to_vec();
                add(&mut number, &scaled(&step, *index as u64, 0));
                primes.iter().all(|prime| divide_small(&mut number.clone(), u64::from(*prime)) != 0)
            };
            let expected: Vec<usize> = (0..94).filter(is_left).collect();
            assert_eq!(sieve.survivors(&start, &step, 94), expected, "step {step:?}");
        }
    }

    #[test]
    fn long_division_by_reciprocals_leaves_the_same_remainders() {
        let number = [u64::MAX, 0, 1, u64::MAX - 5, 1 << 63];
        for divisor in [3, 1009 * 1013 * 1019, u64::MAX, 1 << 63, (1 << 63) + 1] {
            let found = remainders(&number, &[(); DIVISORS].map(|()| Divisor::new(divisor)));
            assert_eq!(found.map(|remainder| remainder % divisor)[0], divide_small(&mut number.to_vec(), divisor));
        }
    }
}
