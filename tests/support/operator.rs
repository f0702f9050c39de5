//! The operator under test: the real binary as a process of its own.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::cluster::{ControlPlane, Process, Signal, free_port};
use super::{running, wait};

/// A running operator; killed on drop, as a node failure would.
#[derive(Debug)]
pub struct Operator {
    process: Process,
    listen: String,
    api: String,
}

impl Operator {
    /// Starts the operator with a kubeconfig and waits until it says that it is ready.
    ///
    /// # Errors
    /// When it does not become ready within half a minute; the end of its log is in the message.
    pub fn start(cluster: &ControlPlane, kubeconfig: &Path, flags: &[&str]) -> Result<Self> {
        Self::start_within(Duration::from_secs(30), cluster, kubeconfig, flags)
    }

    /// The same with another limit.
    ///
    /// # Errors
    /// When it does not become ready within the limit.
    pub fn start_within(limit: Duration, cluster: &ControlPlane, kubeconfig: &Path, flags: &[&str]) -> Result<Self> {
        let mut operator = Self::spawn(cluster, kubeconfig, flags)?;
        let ready = wait::until(limit, "the operator to be ready", || {
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
        let address = || anyhow::Ok(format!("127.0.0.1:{}", free_port()?));
        let (listen, api) = (address()?, address()?);
        let mut command = Command::new(binary()?);
        command.arg("controller").arg(format!("--listen={listen}")).args(flags).env("KUBECONFIG", kubeconfig);
        command.arg(format!("--api-listen={api}"));
        // As in the image.
        command.env("MIMALLOC_PURGE_DELAY", "0").env("MIMALLOC_ALLOW_THP", "0");
        command.arg("--cache-dir").arg(cluster.folder().join("charts"));
        let process = cluster.run("coxswain", &command)?;
        Ok(Self { process, listen, api })
    }

    /// The address of its API, with the scheme.
    pub fn api(&self) -> String {
        format!("http://{}", self.api)
    }

    /// Kills it at once, as SIGKILL does.
    pub fn kill(mut self) {
        self.process.stop();
    }

    /// Tells it to end, as SIGTERM does, and waits until it has.
    ///
    /// # Errors
    /// When it does not end within the limit, or not well.
    pub fn terminate(mut self, limit: Duration) -> Result<()> {
        self.process.signal(Signal::Terminate)?;
        let status = self.process.wait(limit)?;
        if status.success() { Ok(()) } else { bail!("{status} of {}", self.process.last_words()) }
    }

    /// Stands still, as on a machine that hangs.
    ///
    /// # Errors
    /// When it has ended.
    pub fn pause(&self) -> Result<()> {
        self.process.signal(Signal::Pause)
    }

    /// Goes on as if nothing had been.
    ///
    /// # Errors
    /// When it has ended.
    pub fn resume(&self) -> Result<()> {
        self.process.signal(Signal::Resume)
    }

    /// Its metrics page.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn metrics(&self) -> Result<String> {
        Ok(super::http::get(&self.listen, "/metrics")?.body)
    }

    /// How much processor time it has used.
    ///
    /// # Errors
    /// When it has ended.
    pub fn cpu(&self) -> Result<Duration> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid()?))?;
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks: u64 = [11, 12].iter().filter_map(|&index| fields.get(index)?.parse::<u64>().ok()).sum();
        // Linux counts in hundredths of a second for every program.
        Ok(Duration::from_millis(ticks * 10))
    }

    /// A line of its memory in `/proc`, in MiB: `VmRSS` now, `VmHWM` at its peak.
    ///
    /// # Errors
    /// When it has ended.
    pub fn memory(&self, line: &str) -> Result<f64> {
        running::memory(self.pid()?, line)
    }

    /// Its process id: that of the reaper's child that listens where the operator was told to.
    fn pid(&self) -> Result<u32> {
        let listen = format!("--listen={}", self.listen);
        running::find("coxswain", |word| word == listen)
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
