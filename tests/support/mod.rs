//! What the tests against a real control plane and the demonstration share: the control plane itself, a chart server
//! with faults on demand, packed charts, and the API server's audit log.
//!
//! Several targets include this folder and none uses all of it.
#![allow(dead_code, unused_imports, reason = "every target that includes this folder uses another part of it")]

pub mod apache;
pub mod audit;
mod background;
pub mod chance;
pub mod chart_server;
pub mod charts;
pub mod cluster;
pub mod command;
pub mod folder;
pub mod git;
pub mod http;
pub mod machine;
pub mod manifests;
pub mod operator;
pub mod proxy;
pub mod reference;
pub mod registry;
pub mod running;
pub mod sshd;
pub mod svn;
pub mod wait;

pub use chart_server::{ChartServer, Fault};
pub use cluster::{ControlPlane, Options, shared};
pub use operator::Operator;
