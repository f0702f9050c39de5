//! Tests against a real control plane. See `tests/cluster/README.md`.

#[path = "../support/mod.rs"]
mod support;

mod apply;
mod chart_server;
mod cluster;
mod definitions;
mod hooks;
mod lease;
mod manifests;
mod storage;
