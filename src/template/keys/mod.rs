//! Private keys and X.509 certificates, as Go's `crypto/x509` and Sprig make them.
//!
//! Signatures and keys on elliptic curves are made by `ring`, the primes of RSA and DSA keys are found here; and the DER
//! around them is written here, so that a certificate has Go's extensions in Go's order.

mod certificate;
mod der;
mod dsa;
#[cfg(target_arch = "x86_64")]
mod lanes;
mod montgomery;
mod natural;
mod pem;
mod primality;
mod primes;
mod private_key;
mod random;
mod rsa;

pub use certificate::{Authority, Request, parse_certificate};
pub use pem::{Block, decode, encode};
pub use private_key::{KeyType, PrivateKey};

#[cfg(test)]
mod tests;
