//! Where charts come from: repositories, their indexes, and the caches of what was downloaded.
//!
//! A [`Repository`] of one of the kinds is made of plain [`Options`], reads the index ([`index`]) and downloads archives
//! whose digest it verifies. [`Charts`] keeps archives on disk and parsed charts in memory, both by digest, and lets every
//! chart be fetched and parsed once however many requests ask for it at the same time. Credentials go only to the
//! origin that they were given for, and neither they nor a URL's query are ever part of a [`SourceError`].

mod access;
mod address;
pub mod cache;
mod digest;
mod document;
mod error;
pub mod http;
pub mod index;
pub mod oci;
mod programs;
mod repository;
#[cfg(test)]
mod testing;
mod tls;
mod transport;

pub use access::{Credentials, Identity, Tls};
pub use digest::Digest;
pub use document::{Document, Listed};
pub use error::SourceError;
pub use programs::Charts;
pub use repository::{Fetched, Options, Repository, Validators};
