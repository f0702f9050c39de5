//! DSA keys of 2048 and 256 bits in the form of OpenSSL, generated as Go's `crypto/dsa`.

use std::cmp::Ordering;

use super::der;
use super::montgomery::Modulus;
use super::natural;
use super::primes::{Sieve, prime_in_window, random_prime};
use super::random;

/// Limbs of the field's prime.
const FIELD: usize = 32;
/// Limbs of the group's order.
const ORDER: usize = 4;
/// Rounds of Miller-Rabin, the largest number that FIPS 186-3 recommends. Go takes it for all sizes.
const ROUNDS: usize = 64;

/// The sequence of a new key: zero, p, q, g, y, x.
///
/// # Errors
/// Where the operating system has no randomness.
pub fn generate() -> Result<Vec<u8>, String> {
    let order: [u64; ORDER] = random_prime(&Sieve::new(ORDER), ROUNDS)?;
    let (field, cofactor) = field(&order)?;
    let modulus = Modulus::new(field).ok_or("a prime is even")?;
    // A power of two by the cofactor generates the group, unless it is one.
    let mut base = modulus.double(&modulus.one());
    let mut generator = modulus.power(&base, &cofactor);
    while generator == modulus.one() {
        base = modulus.double(&base);
        generator = modulus.power(&base, &cofactor);
    }
    let secret = secret(&order)?;
    let public = modulus.leave(&modulus.power(&generator, &secret));
    let generator = modulus.leave(&generator);
    let integer = |number: &[u64]| der::integer(&natural::to_bytes(number));
    Ok(der::sequence(&[
        &der::integer(&[0]),
        &integer(&field),
        &integer(&order),
        &integer(&generator),
        &integer(&public),
        &integer(&secret),
    ]))
}

/// A prime that is one more than a multiple of twice the order, and how many times the order it is.
fn field(order: &[u64; ORDER]) -> Result<([u64; FIELD], Vec<u64>), String> {
    let sieve = Sieve::new(FIELD);
    let step = natural::scaled(order, 2, 0);
    loop {
        let mut start: [u64; FIELD] = random::limbs()?;
        start[FIELD - 1] |= 1 << 63;
        let (_, remainder) = natural::divide(&start, &step);
        natural::subtract(&mut start, &remainder);
        natural::add(&mut start, &[1]);
        if let Some(field) = prime_in_window(&sieve, &start, &step, ROUNDS)? {
            let (cofactor, _) = natural::divide(&field, order);
            return Ok((field, cofactor));
        }
    }
}

/// A random number between one and the order.
fn secret(order: &[u64; ORDER]) -> Result<[u64; ORDER], String> {
    loop {
        let secret = random::limbs()?;
        if secret != [0; ORDER] && natural::compare(&secret, order) == Ordering::Less {
            return Ok(secret);
        }
    }
}
