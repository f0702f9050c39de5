//! Tests against a real control plane. See `tests/cluster/README.md`.

#[path = "../support/mod.rs"]
mod support;

mod chart_server;
mod cluster;
mod definitions;
