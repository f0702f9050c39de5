//! The reconcilers and what they share.
//!
//! [`run`] starts everything in one order: the HTTP side, the lease, the watches, and once their first lists are there
//! the reconcilers. It ends when it is told to, or when another replica has taken the lease.

mod attempts;
mod autoscalers;
mod backoff;
pub mod chartrepo;
mod context;
mod credentials;
mod cures;
mod dependents;
mod diagnosis;
mod events;
mod failure;
mod fleet;
mod following;
mod handover;
pub mod helm_request;
mod home;
mod looks;
pub mod metrics;
mod namespaces;
mod part;
mod patch;
pub mod readiness;
mod releases;
pub mod repositories;
mod run;
mod shown;
mod tenancy;
mod turns;

pub use fleet::registered_cluster;
pub use run::{Options, RunError, run};
pub use tenancy::Tenancy;
