//! A server process that cannot outlive the test process.
//!
//! It runs under `reaper`, which kills it when a pipe from here closes. The kernel closes the pipe however this
//! process ends, SIGKILL included.

use std::ffi::OsString;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};

use super::programs::Programs;
use crate::support::wait;

/// What a process can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// End in good order (SIGTERM).
    Terminate,
    /// Stand still, with all connections open (SIGSTOP).
    Pause,
    /// Go on (SIGCONT).
    Resume,
}

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
    /// Starts a command; what it says is appended to `NAME.log` in `logs`. Of the command, the program, its arguments
    /// and what was set in its environment count.
    ///
    /// # Errors
    /// When the reaper cannot be started. A command that fails is seen by [`Self::exit`].
    pub fn start(programs: &Programs, name: &str, command: &Command, logs: &Path) -> Result<Self> {
        let mut arguments = vec![command.get_program().to_owned()];
        arguments.extend(command.get_args().map(OsString::from));
        let mut reaper = Command::new(programs.path("reaper"));
        reaper.args(arguments);
        for (variable, value) in command.get_envs() {
            match value {
                Some(value) => reaper.env(variable, value),
                None => reaper.env_remove(variable),
            };
        }
        Self::start_reaper(reaper, name, logs)
    }

    /// Starts the caretaker that removes `folder` once this process has ended.
    ///
    /// # Errors
    /// When the reaper cannot be started.
    pub fn start_caretaker(programs: &Programs, folder: &Path) -> Result<Self> {
        let mut reaper = Command::new(programs.path("reaper"));
        reaper.arg("-remove").arg(folder);
        Self::start_reaper(reaper, "caretaker", folder)
    }

    fn start_reaper(mut reaper: Command, name: &str, logs: &Path) -> Result<Self> {
        let log = logs.join(format!("{name}.log"));
        let output = File::options().create(true).append(true).open(&log).context("cannot write a server's log")?;
        let mut reaper = reaper
            .stdin(Stdio::piped())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        let lifeline = reaper.stdin.take();
        Ok(Self { name: name.to_owned(), reaper, lifeline, log })
    }

    /// Sends the server a signal.
    ///
    /// # Errors
    /// When it has ended.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let line: &[u8] = match signal {
            Signal::Terminate => b"TERM\n",
            Signal::Pause => b"STOP\n",
            Signal::Resume => b"CONT\n",
        };
        let mut lifeline = self.lifeline.as_ref().with_context(|| format!("{} was stopped", self.name))?;
        lifeline.write_all(line).with_context(|| format!("{} has ended", self.name))
    }

    /// Waits until the server has ended by itself or by a signal.
    ///
    /// # Errors
    /// When it has not ended within the limit.
    pub fn wait(&mut self, limit: Duration) -> Result<ExitStatus> {
        let what = format!("{} to end", self.name);
        wait::until(limit, &what, || self.exit())
    }

    /// What the server has said so far.
    ///
    /// # Errors
    /// When its log cannot be read.
    pub fn output(&self) -> Result<String> {
        Ok(String::from_utf8_lossy(&std::fs::read(&self.log)?).into_owned())
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
        let log = self.output().unwrap_or_default();
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
