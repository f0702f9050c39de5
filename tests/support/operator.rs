//! The operator under test: the real binary as a process of its own.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::cluster::{ControlPlane, Process, free_port};
use super::wait;

/// A running operator; killed on drop, as a node failure would.
#[derive(Debug)]
pub struct Operator {
    process: Process,
    listen: String,
}

impl Operator {
    /// Starts the operator with a kubeconfig and waits until it says that it is ready.
    ///
    /// # Errors
    /// When it does not become ready within half a minute; the end of its log is in the message.
    pub fn start(cluster: &ControlPlane, kubeconfig: &Path, flags: &[&str]) -> Result<Self> {
        let mut operator = Self::spawn(cluster, kubeconfig, flags)?;
        let ready = wait::until(Duration::from_secs(30), "the operator to be ready", || {
            if let Some(status) = operator.process.exit()? {
                bail!("{status} of {}", operator.process.last_words());
            }
            Ok(super::http::get(&operator.listen, "/readyz").is_ok_and(|answer| answer.status == 200).then_some(()))
        });
        ready.with_context(|| operator.process.last_words())?;
        Ok(operator)
    }

    /// Starts the operator and does not wait for anything.
    ///
    /// # Errors
    /// When the process cannot be started.
    pub fn spawn(cluster: &ControlPlane, kubeconfig: &Path, flags: &[&str]) -> Result<Self> {
        let listen = format!("127.0.0.1:{}", free_port()?);
        let mut command = Command::new(binary()?);
        command.arg("controller").arg(format!("--listen={listen}")).args(flags).env("KUBECONFIG", kubeconfig);
        command.arg("--cache-dir").arg(cluster.folder().join("charts"));
        let process = cluster.run("coxswain", &command)?;
        Ok(Self { process, listen })
    }

    /// Kills it at once, as SIGKILL does.
    pub fn kill(mut self) {
        self.process.stop();
    }

    /// Its metrics page.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn metrics(&self) -> Result<String> {
        Ok(super::http::get(&self.listen, "/metrics")?.body)
    }

    /// Everything it has logged.
    ///
    /// # Errors
    /// When its log cannot be read.
    pub fn log(&self) -> Result<String> {
        self.process.output()
    }
}

/// The operator's binary: beside the running test or example, where Cargo puts it.
fn binary() -> Result<PathBuf> {
    let own = std::env::current_exe()?;
    let folders = own.ancestors().skip(1).take(3);
    let found = folders.map(|folder| folder.join("coxswain")).find(|path| path.is_file());
    found.with_context(|| format!("there is no coxswain binary near {}; run `cargo build` first", own.display()))
}
