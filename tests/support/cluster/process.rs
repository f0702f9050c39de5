//! A server process that cannot outlive the test process.
//!
//! It runs under `reaper`, which kills it when a pipe from here closes. The kernel closes the pipe however this
//! process ends, SIGKILL included.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};

use super::programs::Programs;
use crate::support::wait;

/// A running server; ends on drop.
#[derive(Debug)]
pub struct Process {
    name: String,
    reaper: Child,
    /// Held open as long as the server is to live.
    lifeline: Option<ChildStdin>,
    log: PathBuf,
}

impl Process {
    /// Starts a program; what it says is appended to `NAME.log` in `logs`.
    ///
    /// # Errors
    /// When the reaper cannot be started. A program that fails is seen by [`Self::exit`].
    pub fn start(programs: &Programs, name: &str, arguments: &[String], logs: &Path) -> Result<Self> {
        let mut reaped = vec![programs.path(name).to_string_lossy().into_owned()];
        reaped.extend_from_slice(arguments);
        Self::start_reaper(programs, name, &reaped, logs)
    }

    /// Starts the caretaker that removes `folder` once this process has ended.
    ///
    /// # Errors
    /// When the reaper cannot be started.
    pub fn start_caretaker(programs: &Programs, folder: &Path) -> Result<Self> {
        let arguments = ["-remove".to_owned(), folder.to_string_lossy().into_owned()];
        Self::start_reaper(programs, "caretaker", &arguments, folder)
    }

    fn start_reaper(programs: &Programs, name: &str, arguments: &[String], logs: &Path) -> Result<Self> {
        let log = logs.join(format!("{name}.log"));
        let output = File::options().create(true).append(true).open(&log).context("cannot write a server's log")?;
        let mut reaper = Command::new(programs.path("reaper"))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        let lifeline = reaper.stdin.take();
        Ok(Self { name: name.to_owned(), reaper, lifeline, log })
    }

    /// How the server has ended, if it has.
    ///
    /// # Errors
    /// When the process cannot be waited for.
    pub fn exit(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.reaper.try_wait()?)
    }

    /// The server's name and the end of its log, for a message.
    pub fn last_words(&self) -> String {
        let log = std::fs::read(&self.log).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = log.lines().collect();
        format!("{}:\n{}", self.name, lines[lines.len().saturating_sub(15)..].join("\n"))
    }

    /// Kills the server and waits until it is gone.
    pub fn stop(&mut self) {
        drop(self.lifeline.take());
        let gone = wait::until(Duration::from_secs(10), "a server to end", || Ok(self.reaper.try_wait()?));
        if gone.is_err() {
            let _ = self.reaper.kill();
            let _ = self.reaper.wait();
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.stop();
    }
}
