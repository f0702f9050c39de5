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
mod diagnosis;
mod events;
mod failure;
mod following;
mod handover;
pub mod helm_request;
pub mod metrics;
mod part;
mod patch;
pub mod readiness;
pub mod repositories;
mod run;

pub use run::{Options, RunError, run};
