//! The reconcilers and what they share.

pub mod metrics;
pub mod readiness;
pub mod repositories;
