//! The reconcilers and what they share.

mod backoff;
pub mod chartrepo;
pub mod metrics;
pub mod readiness;
pub mod repositories;
