//! Where charts come from: repositories, their indexes, and the caches of what was downloaded.
//!
//! A [`Repository`] of one of the kinds is made of plain [`Options`], reads the index ([`index`]) and downloads archives
//! whose digest it verifies. [`Charts`] keeps archives on disk and parsed charts in memory, both by digest, and lets every
//! chart be fetched and parsed once however many requests ask for it at the same time. Credentials go only to the
//! origin that they were given for, and neither they nor a URL's query are ever part of a [`SourceError`].

mod access;
mod address;
pub mod cache;
mod command;
mod complaint;
mod dependencies;
mod digest;
mod direct;
mod document;
mod error;
mod folder;
pub mod git;
pub mod http;
pub mod index;
pub mod local;
mod names;
pub mod oci;
mod programs;
mod reach;
mod repository;
mod revision;
mod scroll;
mod signatures;
pub mod svn;
#[cfg(test)]
mod testing;
mod tls;
mod transport;
mod workshop;

pub use access::{Credentials, Identity, SshKeys, Tls};
pub use dependencies::Dependencies;
pub use digest::Digest;
pub use direct::{Address, Direct, Look, Place};
pub use document::{Document, Listed};
pub use error::SourceError;
pub use programs::Charts;
pub use reach::Reach;
pub use repository::{Fetched, Options, Repository, Validators};
pub use signatures::{InvalidKeys, Keyring, NotTrusted, PublicKeys, Refusal, Trust};
pub use workshop::Workshop;
