//! The custom resources: their types, conditions and reasons, and the definitions generated from them.
//!
//! The kinds are Captain's (`app.alauda.io`, `clusterregistry.k8s.io`), so objects that Captain stored are read
//! and written without conversion. Two rules follow. Every served version of a kind has one schema, so that no
//! client loses a field. And decoding is forgiving ([`lenient`]): a `null`, an empty string or an unknown word in
//! an old object means "not set", because one object that cannot be decoded would stop the watch for all.
//!
//! What is wanted is checked by the API server itself (schema and CEL rules); what was found out is told in
//! `status`, with one [`Reason`] for each cause.

pub mod chart;
pub mod chart_repo;
pub mod cluster;
pub mod conditions;
pub mod definitions;
pub mod duration;
pub mod helm_request;
pub mod lenient;
pub mod names;
pub mod reason;
pub mod release;
mod rules;
pub mod verification;

pub use chart_repo::ChartRepo;
pub use conditions::Condition;
pub use duration::GoDuration;
pub use helm_request::HelmRequest;
pub use reason::Reason;
pub use verification::Verification;

#[cfg(test)]
mod captain_objects;
