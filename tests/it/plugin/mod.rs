//! `kubectl captain`: the real binary against a real control plane, with the rights of whoever calls it.

mod bad_input;
mod changing;
mod migrate;
mod reading;
mod rendering;
mod working;

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use regex::{Captures, Regex};

use crate::support::command::{self, Finished};
use crate::support::manifests::project;
use crate::world::{LIMIT, Place};

/// The binary with a kubeconfig, in the namespace of a place.
fn captain(place: &Place<'_>, arguments: &[&str]) -> Result<Finished> {
    captain_as(place.world.cluster.kubeconfig(), place, arguments)
}

/// The binary with the rights of a kubeconfig.
pub fn captain_as(kubeconfig: &Path, place: &Place<'_>, arguments: &[&str]) -> Result<Finished> {
    run(Command::new(binary()).env("KUBECONFIG", kubeconfig).args(arguments).args(["-n", &place.namespace]))
}

fn binary() -> &'static str {
    env!("CARGO_BIN_EXE_kubectl-captain")
}

fn run(command: &mut Command) -> Result<Finished> {
    command::finish(command, LIMIT)
}

/// What the binary printed, where it did what it was to do.
pub fn printed(place: &Place<'_>, arguments: &[&str]) -> Result<String> {
    let finished = captain(place, arguments)?;
    anyhow::ensure!(finished.code == Some(0), "{arguments:?}: {}{}", finished.stdout, finished.stderr);
    Ok(finished.stdout)
}

/// What the binary said when it failed, as it must.
pub fn refused(place: &Place<'_>, arguments: &[&str]) -> Result<String> {
    let finished = captain(place, arguments)?;
    anyhow::ensure!(finished.code == Some(1), "{arguments:?} ended with {:?}: {}", finished.code, finished.stdout);
    Ok(finished.stderr)
}

/// Compares an output with its golden file; `GOLDEN=write` writes it. Namespaces, times and ages are masked.
fn assert_golden(place: &Place<'_>, name: &str, output: &str) -> Result<()> {
    let path = project(&format!("tests/it/plugin/golden/{name}.txt"));
    let masked = masked(place, output)?;
    if std::env::var_os("GOLDEN").is_some() {
        return Ok(std::fs::write(&path, masked)?);
    }
    let golden = std::fs::read_to_string(&path).with_context(|| format!("no golden file {}", path.display()))?;
    assert_eq!(masked, golden, "{name}; GOLDEN=write writes it anew");
    Ok(())
}

fn masked(place: &Place<'_>, output: &str) -> Result<String> {
    let times = Regex::new(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")?;
    let ages = Regex::new(r"(?m)\b\d+[smh](\d+s)?$")?;
    let text = output.replace(&place.namespace, "NAMESPACE");
    let text = times.replace_all(&text, "YYYY-MM-DD HH:MM:SS");
    let text = Regex::new(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")?.replace_all(&text, "YYYY-MM-DDTHH:MM:SSZ");
    // What is made for a workload is named by chance, always as long.
    let made = Regex::new(r"(ReplicaSet|Pod)/(web-hello)-([0-9a-z-]+)")?;
    let chance = |found: &Captures<'_>| format!("{}/{}-{}", &found[1], &found[2], "x".repeat(found[3].len()));
    let text = made.replace_all(&text, chance);
    let text = Regex::new(r"next attempt in \d+ s")?.replace_all(&text, "next attempt in N s");
    Ok(ages.replace_all(&text, "0s").into_owned())
}
