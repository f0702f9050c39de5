//! Where charts come from: repositories, their indexes, and the caches of what was downloaded.
//!
//! A [`http::Repository`] is made of plain [`http::Options`], reads the index ([`index`]) and downloads archives whose
//! digest it verifies. [`Charts`] keeps archives on disk and parsed charts in memory, both by digest, and lets every
//! chart be fetched and parsed once however many requests ask for it at the same time. Credentials go only to the
//! origin that they were given for, and neither they nor a URL's query are ever part of a [`SourceError`].

mod address;
pub mod cache;
mod digest;
mod document;
mod error;
pub mod http;
pub mod index;
mod programs;
#[cfg(test)]
mod testing;
mod tls;
mod transport;

pub use digest::Digest;
pub use document::{Document, Listed};
pub use error::SourceError;
pub use programs::Charts;
