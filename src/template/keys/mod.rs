//! Private keys and X.509 certificates, as Go's `crypto/x509` and Sprig make them.
//!
//! Keys are generated and signatures made by `ring`, `rsa` and `dsa`; the DER around them is written here, so that a
//! certificate has Go's extensions in Go's order.

mod certificate;
mod der;
mod pem;
mod private_key;

pub use certificate::{Authority, Request, parse_certificate};
pub use pem::{Block, decode, encode};
pub use private_key::{KeyType, PrivateKey};

#[cfg(test)]
mod tests;
