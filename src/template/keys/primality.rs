//! Which numbers are prime: by the Miller-Rabin test to base 2, which only squares and doubles, and for what passes it
//! by tests to random bases.
//!
//! Where the processor has the instructions, eight candidates are tested side by side, and eight bases; elsewhere one
//! after the other.

use multiversion::multiversion;
use multiversion::target::match_target;

#[cfg(target_arch = "x86_64")]
use super::lanes;
use super::montgomery::Modulus;
use super::random;

/// How many candidates it pays to test together.
pub const CANDIDATES: usize = 8;

/// The place of the first prime among the candidates, so certain as that many tests to random bases make it.
///
/// # Errors
/// Where the operating system has no randomness.
pub fn first_prime<const N: usize>(candidates: &[Modulus<N>], rounds: usize) -> Result<Option<usize>, String> {
    let mut start = 0;
    while let Some(place) = first_that_passes(&candidates[start..]) {
        start += place;
        let bases = (0..rounds).map(|_| random_base(&candidates[start])).collect::<Result<Vec<_>, _>>()?;
        if passes_bases(&candidates[start], &bases) {
            return Ok(Some(start));
        }
        start += 1;
    }
    Ok(None)
}

/// A random base, neither 0, 1 nor -1. Random in Montgomery's form is as random as what it stands for.
fn random_base<const N: usize>(modulus: &Modulus<N>) -> Result<[u64; N], String> {
    loop {
        let base = random::limbs()?;
        if base != [0; N] && base != modulus.one() && base != modulus.minus_one() && modulus.contains(&base) {
            return Ok(base);
        }
    }
}

/// The place of the first candidate that passes the test to base 2.
#[multiversion(targets("x86_64+avx512f+avx512ifma"))]
fn first_that_passes<const N: usize>(candidates: &[Modulus<N>]) -> Option<usize> {
    match_target! {
        "x86_64+avx512f+avx512ifma" => match N {
            16 => lanes::first_that_passes::<N, 20>(candidates),
            32 => lanes::first_that_passes::<N, 40>(candidates),
            _ => first_of_each(candidates),
        },
        _ => first_of_each(candidates),
    }
}

/// Whether a modulus passes the tests to all bases.
#[multiversion(targets("x86_64+avx512f+avx512ifma"))]
fn passes_bases<const N: usize>(modulus: &Modulus<N>, bases: &[[u64; N]]) -> bool {
    match_target! {
        "x86_64+avx512f+avx512ifma" => match N {
            16 => lanes::passes_bases::<N, 20>(modulus, bases),
            32 => lanes::passes_bases::<N, 40>(modulus, bases),
            _ => passes_each(modulus, bases),
        },
        _ => passes_each(modulus, bases),
    }
}

fn first_of_each<const N: usize>(candidates: &[Modulus<N>]) -> Option<usize> {
    candidates.iter().position(|modulus| {
        let (exponent, twos) = modulus.odd_part();
        is_witnessed(modulus, modulus.power_of_two(&exponent), twos)
    })
}

fn passes_each<const N: usize>(modulus: &Modulus<N>, bases: &[[u64; N]]) -> bool {
    let (exponent, twos) = modulus.odd_part();
    bases.iter().all(|base| is_witnessed(modulus, modulus.power(base, &exponent), twos))
}

/// Whether the power of a base to the odd part of the modulus less one is 1, or comes to -1 by less than so many
/// squarings.
fn is_witnessed<const N: usize>(modulus: &Modulus<N>, power: [u64; N], twos: usize) -> bool {
    let minus_one = modulus.minus_one();
    power == modulus.one()
        || std::iter::successors(Some(power), |power| Some(modulus.square(power)))
            .take(twos)
            .any(|power| power == minus_one)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::keys::natural::{below_power, product};

    fn is_prime<const N: usize>(number: [u64; N]) -> bool {
        let modulus = Modulus::new(number).expect("an odd number");
        first_prime(&[modulus], 9).expect("randomness").is_some()
    }

    #[test]
    fn primes_below_powers_of_two_are_told_from_their_neighbours() {
        let found: Vec<u64> = (1..191).step_by(2).filter(|less| is_prime(below_power::<4>(*less))).collect();
        assert_eq!(found, [189]);
    }

    #[test]
    fn wide_primes_are_found_at_the_edges_of_their_width() {
        // 2^1023 + 1155, 2^1024 - 105, (2^63 + 70) * 2^960 + 1 and (2^63 + 1014) * 2^960 - 1
        let prime = |lowest: u64, other: u64, top: u64| {
            let mut number = [other; 16];
            (number[0], number[15]) = (lowest, top);
            number
        };
        let primes = [
            prime(1155, 0, 1 << 63),
            below_power(105),
            prime(1, 0, (1 << 63) + 70),
            prime(u64::MAX, u64::MAX, (1 << 63) + 1013),
        ];
        for (index, number) in primes.into_iter().enumerate() {
            assert!(is_prime(number), "prime {index}");
            for neighbour in [number[0].wrapping_sub(2), number[0].wrapping_add(2)] {
                let mut number = number;
                number[0] = neighbour;
                assert!(!is_prime(number), "next to prime {index}");
            }
        }
    }

    #[test]
    fn the_first_of_several_primes_is_found() {
        let moduli = |less: &[u64]| -> Vec<Modulus<16>> {
            less.iter().map(|less| Modulus::new(below_power(*less)).expect("an odd number")).collect()
        };
        let found = |less: &[u64]| first_prime(&moduli(less), 2).expect("randomness");
        assert_eq!(found(&[]), None);
        assert_eq!(found(&[1, 3, 5, 7, 9, 11, 13, 15, 17]), None);
        assert_eq!(found(&[1, 3, 5, 7, 9, 11, 13, 15, 17, 105, 19, 105]), Some(9));
    }

    #[test]
    fn products_of_two_primes_are_composite() {
        let [p, q] = [0xffff_ffff_ffff_ffc5_u64, 0xffff_ffff_ffff_ffad];
        let square = product(&product(&[p], &[q]), &product(&[q], &[q]));
        let number: [u64; 4] = square.try_into().expect("four limbs");
        assert!(!is_prime(number));
    }
}
