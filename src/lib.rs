//! Coxswain: a Kubernetes operator that installs Helm charts from custom resources and keeps them as declared.
//!
//! Each room is a module and imports only those above it: `value`, `cel`, `yaml`, `template`, `chart`, `render`, `release`
//! and `plan` are pure (no `kube`, `tokio` or `reqwest`); `source`, `cluster`, `api`, `controller`, `server`, `cli`
//! and `plugin` do the talking.

pub mod api;
pub mod cel;
pub mod chart;
pub mod cli;
pub mod cluster;
pub mod controller;
pub mod plan;
pub mod plugin;
pub mod release;
pub mod render;
pub mod server;
pub mod source;
pub mod template;
pub mod value;
pub mod yaml;
