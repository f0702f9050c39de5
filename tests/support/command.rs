//! Running a command to its end, with a limit.

use std::io::Read;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::wait;

/// What a command that has ended left behind.
#[derive(Debug)]
pub struct Finished {
    /// Whether it ended with exit code 0.
    pub success: bool,
    /// Its exit code; nothing where a signal ended it.
    pub code: Option<i32>,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

/// Runs the command to its end; a failing one is an answer too. At the limit it is killed.
///
/// # Errors
/// When it cannot be started or does not end in time.
pub fn finish(command: &mut Command, limit: Duration) -> Result<Finished> {
    let name = command.get_program().to_string_lossy().into_owned();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {name}"))?;
    // Both pipes are read beside the waiting: a full pipe would stop the command for good.
    let stdout = read_aside(child.stdout.take());
    let stderr = read_aside(child.stderr.take());
    let ended = wait::until(limit, &format!("{name} to end"), || Ok(child.try_wait()?));
    if ended.is_err() {
        let _ = child.kill();
        let _ = child.wait();
    }
    let status = ended?;
    let (success, code) = (status.success(), status.code());
    Ok(Finished { success, code, stdout: joined(stdout), stderr: joined(stderr) })
}

/// Runs the command to its end within a minute and gives its standard output.
///
/// # Errors
/// When it cannot be started, does not end in time or fails; its standard error is in the message.
pub fn output(command: &mut Command) -> Result<String> {
    let finished = finish(command, Duration::from_secs(60))?;
    if !finished.success {
        bail!("{command:?} failed: {}{}", finished.stdout, finished.stderr);
    }
    Ok(finished.stdout)
}

fn read_aside(pipe: Option<impl Read + Send + 'static>) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            let _ = pipe.read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

fn joined(reader: std::thread::JoinHandle<String>) -> String {
    reader.join().unwrap_or_default()
}
