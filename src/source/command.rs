//! Client programs of other systems, run to their end.
//!
//! A program runs in a process group of its own with a deadline, bounded output and an environment that is made for it,
//! so that neither what the operator was started with nor a prompt reaches it. When it is not awaited to its end, for
//! whatever reason, it is killed together with everything that it has started.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use std::{fs, io};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};

/// How much of a program's complaints is kept.
const COMPLAINTS: u64 = 64 << 10;
/// How often the size of a folder is looked at.
const LOOK: Duration = Duration::from_millis(200);
/// What an empty file costs all the same.
const LEAST: u64 = 1 << 10;
/// What every program is told of the operator's environment: where programs, proxies and certificates are.
const INHERITED: [&str; 11] = [
    "PATH",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "ALL_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "all_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
];

/// A program and how it is run.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) program: &'static str,
    pub(super) arguments: Vec<OsString>,
    /// Its whole environment, beside what [`INHERITED`] names.
    pub(super) environment: Vec<(OsString, OsString)>,
    /// Where it runs.
    pub(super) folder: PathBuf,
    /// What it reads on its input.
    pub(super) input: Option<Vec<u8>>,
    pub(super) limit: Duration,
    /// The most bytes of its output.
    pub(super) output: u64,
    /// A folder that it fills, and how many bytes that may have.
    pub(super) filling: Option<(PathBuf, u64)>,
}

/// What a program that has ended left behind.
#[derive(Debug)]
pub(super) struct Finished {
    pub(super) status: ExitStatus,
    pub(super) output: Vec<u8>,
    pub(super) complaints: String,
}

/// Why a program did not come to its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum RunError {
    #[error("there is no program of this name")]
    Missing,
    #[error("it did not end in time")]
    Timeout,
    #[error("its output is too large")]
    Output,
    #[error("what it fetches is too large")]
    Filled,
    #[error("{0}")]
    Io(#[from] io::Error),
}

impl Run {
    /// Runs it to its end; one that fails is an answer too.
    pub(super) async fn finish(&self) -> Result<Finished, RunError> {
        let inherited = INHERITED.into_iter().filter_map(|name| Some((name, std::env::var_os(name)?)));
        let mut command = Command::new(self.program);
        command
            .args(&self.arguments)
            .env_clear()
            .envs(inherited)
            .env("LC_ALL", "C")
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .current_dir(&self.folder)
            .stdin(if self.input.is_some() { Stdio::piped() } else { Stdio::null() })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        let child = command.spawn().map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => RunError::Missing,
            _ => RunError::Io(error),
        })?;
        let mut group = Group::of(&child);
        let finished = tokio::select! {
            finished = tokio::time::timeout(self.limit, self.wait(child)) => finished.map_err(|_| RunError::Timeout)?,
            () = self.filled() => Err(RunError::Filled),
        };
        if finished.is_ok() {
            group.ended();
        }
        finished
    }

    async fn wait(&self, mut child: Child) -> Result<Finished, RunError> {
        if let (Some(input), Some(mut stream)) = (&self.input, child.stdin.take()) {
            // Who ends without reading it says why in another way.
            let _ = stream.write_all(input).await;
        }
        let (output, complaints) = (child.stdout.take(), child.stderr.take());
        let (output, complaints) = tokio::try_join!(read(output, self.output), read_start(complaints))?;
        let status = child.wait().await?;
        Ok(Finished { status, output, complaints: String::from_utf8_lossy(&complaints).into_owned() })
    }

    /// Ends when the folder has become too large.
    async fn filled(&self) {
        let Some((folder, limit)) = self.filling.clone() else { return std::future::pending().await };
        loop {
            tokio::time::sleep(LOOK).await;
            let folder = folder.clone();
            if tokio::task::spawn_blocking(move || size(&folder)).await.is_ok_and(|size| size > limit) {
                return;
            }
        }
    }
}

/// All of a stream, which may have so many bytes.
async fn read(stream: Option<impl AsyncRead + Unpin>, limit: u64) -> Result<Vec<u8>, RunError> {
    let mut bytes = Vec::new();
    if let Some(stream) = stream {
        stream.take(limit.saturating_add(1)).read_to_end(&mut bytes).await?;
    }
    if bytes.len() as u64 > limit { Err(RunError::Output) } else { Ok(bytes) }
}

/// The start of a stream; the rest is read and forgotten.
async fn read_start(stream: Option<impl AsyncRead + Unpin>) -> Result<Vec<u8>, RunError> {
    let mut bytes = Vec::new();
    if let Some(mut stream) = stream {
        (&mut stream).take(COMPLAINTS).read_to_end(&mut bytes).await?;
        tokio::io::copy(&mut stream, &mut tokio::io::sink()).await?;
    }
    Ok(bytes)
}

/// The bytes of all files in a folder, of each at least [`LEAST`]; what goes meanwhile counts as nothing.
fn size(folder: &std::path::Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let sizes = entries.map(|entry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => size(&entry.path()),
        Ok(metadata) => metadata.len().max(LEAST),
        Err(_) => 0,
    });
    sizes.sum()
}

/// The processes of a program; those that still run when it is dropped are killed.
struct Group(Option<Pid>);

impl Group {
    fn of(child: &Child) -> Self {
        Self(child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw))
    }

    fn ended(&mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // It may have ended by itself just now.
            let _ = killpg(group, Signal::SIGKILL);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    fn shell(script: &str) -> Run {
        Run {
            program: "sh",
            arguments: vec!["-c".into(), script.into()],
            environment: vec![("SECRET".into(), "hunter2".into())],
            folder: std::env::temp_dir(),
            input: None,
            limit: Duration::from_secs(20),
            output: 1_000,
            filling: None,
        }
    }

    #[tokio::test]
    async fn a_program_has_the_environment_that_is_made_for_it() -> anyhow::Result<()> {
        let script = "echo $SECRET-$CARGO_MANIFEST_DIR; echo complaint >&2; exit 3";
        let finished = shell(script).finish().await?;
        assert_eq!(String::from_utf8(finished.output)?, "hunter2-\n");
        assert_eq!((finished.complaints.as_str(), finished.status.code()), ("complaint\n", Some(3)));
        let asking = Run { input: Some(b"pass\n".to_vec()), ..shell("read word; echo $word") };
        assert_eq!(asking.finish().await?.output, b"pass\n");
        let missing = Run { program: "coxswain-no-such-program", ..shell("") };
        assert!(matches!(missing.finish().await, Err(RunError::Missing)));
        Ok(())
    }

    #[tokio::test]
    async fn at_its_deadline_a_program_ends_with_all_that_it_has_started() -> anyhow::Result<()> {
        let file = std::env::temp_dir().join(format!("coxswain-command-{}", std::process::id()));
        let script = format!("sleep 60 & echo $! > {}; wait", file.display());
        let began = Instant::now();
        let ended = Run { limit: Duration::from_millis(500), ..shell(&script) }.finish().await;
        assert!(matches!(ended, Err(RunError::Timeout)) && began.elapsed() < Duration::from_secs(10));
        let started: i32 = fs::read_to_string(&file)?.trim().parse()?;
        fs::remove_file(&file)?;
        let runs = || match fs::read_to_string(format!("/proc/{started}/stat")) {
            // A dead process stays until its parent looks at it.
            Ok(stat) => !stat.contains(") Z "),
            Err(_) => false,
        };
        while runs() {
            assert!(began.elapsed() < Duration::from_secs(10), "what it had started runs on");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    #[tokio::test]
    async fn what_writes_too_much_is_ended() -> anyhow::Result<()> {
        let large = shell("head -c 2000 /dev/zero; sleep 60");
        assert!(matches!(large.finish().await, Err(RunError::Output)));
        let loud = shell("head -c 200000 /dev/zero >&2").finish().await?;
        assert_eq!(loud.complaints.len() as u64, COMPLAINTS);
        let folder = std::env::temp_dir().join(format!("coxswain-filling-{}", std::process::id()));
        fs::create_dir_all(&folder)?;
        let filling = Run {
            folder: folder.clone(),
            filling: Some((folder.clone(), 10_000)),
            ..shell("mkdir x; head -c 20000 /dev/zero > x/y; sleep 60")
        };
        assert!(matches!(filling.finish().await, Err(RunError::Filled)));
        fs::remove_dir_all(&folder)?;
        Ok(())
    }
}
