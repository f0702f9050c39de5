//! Randomness of the operating system.

use ring::rand::{SecureRandom as _, SystemRandom};

/// Fills with random bytes.
///
/// # Errors
/// Where the operating system has none.
pub fn fill(bytes: &mut [u8]) -> Result<(), String> {
    SystemRandom::new().fill(bytes).map_err(|_| "the operating system has no randomness".to_owned())
}

/// Random limbs of a number.
///
/// # Errors
/// Where the operating system has none.
pub fn limbs<const N: usize>() -> Result<[u64; N], String> {
    let mut limbs = [[0; 8]; N];
    fill(limbs.as_flattened_mut())?;
    Ok(limbs.map(u64::from_le_bytes))
}
