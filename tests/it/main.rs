//! Tests against a real control plane. See `tests/cluster/README.md`.

#[path = "../conformance/mod.rs"]
mod recording;
#[path = "../support/mod.rs"]
mod support;

mod apply;
mod bad_chart;
mod bad_input;
mod bad_objects;
mod bad_rules;
mod bad_source;
mod captain;
mod chart_definitions;
mod chart_server;
mod chartrepos;
mod cluster;
mod cluster_changes;
mod conformance;
mod contested;
mod definitions;
mod documents;
mod drift;
mod drift_table;
mod faults;
mod hooks;
mod hostile;
mod installed;
mod interchange;
mod jinja;
mod kills;
mod large;
mod lease;
mod lent;
mod life;
mod lookup;
mod manifests;
mod observe;
mod oci;
mod post_render;
mod regressions;
mod replace;
mod requests;
mod rights;
mod rooms;
mod samples;
mod shards;
mod storage;
mod storm;
mod survival;
mod template;
mod undisturbed;
mod unready;
mod versioned;
mod world;
