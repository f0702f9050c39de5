//! What the operator does in a cluster: applying, pruning, hooks, release records, rights, leases.
//!
//! A [`Cluster`] is a cheap handle on one API server: a client, the shared discovery and, where a request names a
//! service account, that account. An [`Object`] is one document of a manifest with everything that is needed to send
//! it: its [`ObjectKey`] (identity as Helm sees it, without the API version) and its [`Kind`]. Every call to the API
//! server goes through one place (`request`), which bounds its time, repeats what may be repeated and turns a refusal
//! into an [`ApiError`] that names the cause and carries no value of the refused object.

pub mod access;
mod addresses;
pub mod admission;
pub mod apply;
mod bounded;
mod client;
mod collection;
pub mod connection;
pub mod definitions;
mod diagnosis;
pub mod discovery;
mod error;
pub mod fence;
pub mod health;
pub mod hooks;
pub mod kept;
pub mod kubeconfig;
pub(crate) mod layer;
pub mod lease;
mod leaving;
pub mod left;
pub mod line;
mod lists;
mod live;
pub mod lookout;
pub mod lookup;
pub mod manifest_error;
pub mod membership;
pub mod migrate;
pub mod namespace;
pub mod notes;
pub mod object;
pub mod observe;
mod observed_prune;
pub mod ownership;
pub mod pace;
pub mod pages;
mod parallel;
mod pods;
pub mod policy;
pub mod prune;
pub mod records;
mod redact;
pub mod reference;
mod refusal;
mod replace;
mod request;
pub mod scope;
pub mod shards;
mod sharing;
pub mod storage;

pub use bounded::REQUEST_TIMEOUT;
pub use client::{Cluster, ConnectError};
pub use diagnosis::runs_pods;
pub use discovery::{Discovery, Kind};
pub use error::{ApiError, Cause, FieldOwner, ObjectError};
pub use object::{Object, ObjectKey};
pub use scope::Scope;

/// The field manager of everything that Helm and we apply (the `helm` command line uses the same).
pub const FIELD_MANAGER: &str = "helm";
