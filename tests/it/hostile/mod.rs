//! Hostile charts, archives, schemas and values, each given to the built `coxswain template`. Every attack ends with
//! the exit status 1 and a short message that names the place, or renders where Helm renders too, within bounds of
//! time and memory that the kernel holds it to.

mod archives;
mod charts;
mod functions;
mod loops;
mod schemas;
mod tar;
mod templates;
mod values;

use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use coxswain::chart::{Chart, load_directory};
use coxswain::render::{Capabilities, Input, Limits, Program, Release};
use coxswain::template::on_large_stack;
use coxswain::value::Json;
use nix::time::{ClockId, clock_gettime};

use crate::support::folder::Folder;

/// What the processor may spend on one attack, in seconds. A debug build needs up to twenty times as long for a key.
const PROCESSOR_SECONDS: u64 = if cfg!(debug_assertions) { 60 } else { 20 };
/// How long an attack may take on a busy machine: only one that waits for something takes longer.
const PATIENCE: Duration = Duration::from_secs(240);
/// What an attack may hold in memory at once, in KiB. A debug build's stack frames are several times larger, and
/// templates may use all of the render's stack of 512 MiB.
const MEMORY_KIB: u64 = if cfg!(debug_assertions) { 768 << 10 } else { 512 << 10 };
/// The addresses that the allocator of the released binary takes when it starts, in KiB; it uses few of them.
const RESERVED_KIB: u64 = 1 << 20;
/// Its address space, in KiB: memory, the render's stack, the program itself. Beyond it allocations fail.
const ADDRESS_SPACE_KIB: u64 = MEMORY_KIB + (512 << 10) + (512 << 10) + RESERVED_KIB;
/// The longest that the failure and what is noted before it may be, each.
const MESSAGE_BYTES: usize = 4 << 10;
/// How much of the output is kept to look at.
const OUTPUT_BYTES: u64 = 1 << 20;

/// The metadata of a chart that is otherwise up to the attack.
const CHART_YAML: &str = "apiVersion: v2\nname: c\nversion: 1.0.0\n";

/// How an attack must end.
#[derive(Clone, Debug)]
enum Outcome {
    /// With the exit status 1 and a message that contains all of these.
    Fails(Vec<String>),
    /// As with Helm: the work is bounded, and there is a manifest.
    Renders,
}

/// One attack: a folder, and what `coxswain template` is asked to make of it.
struct Attack {
    name: String,
    folder: Folder,
    arguments: Vec<String>,
    outcome: Outcome,
}

impl Attack {
    /// An attack on `coxswain template r chart`, with a chart that has metadata and nothing else.
    fn new(name: impl Into<String>) -> Self {
        let folder = Folder::new("hostile").expect("a folder");
        let arguments = ["r", "chart"].map(str::to_owned).to_vec();
        Self { name: name.into(), folder, arguments, outcome: Outcome::Renders }.file("chart/Chart.yaml", CHART_YAML)
    }

    /// The same with one template.
    fn template(name: impl Into<String>, text: impl AsRef<[u8]>) -> Self {
        Self::new(name).file("chart/templates/t.yaml", text)
    }

    fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    fn file(self, path: &str, content: impl AsRef<[u8]>) -> Self {
        let path = self.path(path);
        std::fs::create_dir_all(path.parent().expect("a file in the folder")).expect("a folder");
        std::fs::write(path, content).expect("a file");
        self
    }

    /// What only the file system can do: links, pipes, modes.
    fn prepared(self, prepare: impl FnOnce(&Path)) -> Self {
        prepare(self.folder.path());
        self
    }

    /// Other arguments after `r`.
    fn with(mut self, arguments: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.arguments.truncate(1);
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// The arguments without the name.
    fn without_name(mut self) -> Self {
        self.arguments.remove(0);
        self
    }

    /// Further arguments.
    fn and(mut self, arguments: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// Another name for the release.
    fn named(mut self, name: impl Into<String>) -> Self {
        self.arguments[0] = name.into();
        self
    }

    fn fails(mut self, words: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.outcome = Outcome::Fails(words.into_iter().map(Into::into).collect());
        self
    }

    /// What is wrong with how the attack ends, if anything is.
    fn verdict(&self) -> Result<(), String> {
        let ended = self.run().map_err(|error| format!("{error:#}"))?;
        let message = &ended.message;
        let cost = format!("{:?}, {} MiB", ended.took, ended.peak_kib >> 10);
        if std::env::var_os("COXSWAIN_TEST_VERBOSE").is_some() {
            eprintln!("{} ({cost}): {message:.300}", self.name);
        }
        if ended.took > PATIENCE {
            return Err(format!("did not end within {PATIENCE:?} ({cost})"));
        }
        let told = || format!("({cost}): {message:.1500}");
        match (&self.outcome, ended.status.code()) {
            (Outcome::Fails(_), Some(1)) | (Outcome::Renders, Some(0)) => {}
            (_, None) => {
                return Err(format!("was killed by signal {:?} {}", ended.status.signal(), told()));
            }
            (outcome, Some(code)) => return Err(format!("ended with {code}, not as {outcome:?} {}", told())),
        }
        if ended.peak_kib > MEMORY_KIB {
            return Err(format!("took too much memory {}", told()));
        }
        let noted = message.find("\nError: ").unwrap_or_default();
        if noted.max(message.len() - noted) > MESSAGE_BYTES {
            return Err(format!("has a message of {} bytes {}", message.len(), told()));
        }
        if let Some(control) = message.chars().find(|c| c.is_control() && !matches!(c, '\n' | '\t')) {
            return Err(format!("has {control:?} in its message {}", told().escape_debug()));
        }
        let Outcome::Fails(words) = &self.outcome else { return Ok(()) };
        match words.iter().find(|word| !message.contains(word.as_str())) {
            Some(word) => Err(format!("does not say {word:?} {}", told())),
            None => Ok(()),
        }
    }

    fn run(&self) -> Result<Ended> {
        let limits = format!(
            "ulimit -t {PROCESSOR_SECONDS} && ulimit -c 0 && ulimit -v {ADDRESS_SPACE_KIB} && exec \"$0\" \"$@\""
        );
        let mut command = Command::new("sh");
        command.args(["-c", &limits, env!("CARGO_BIN_EXE_coxswain"), "template"]).args(&self.arguments);
        command.current_dir(self.folder.path()).env_clear().env("HOME", self.folder.path());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let started = Instant::now();
        let mut child = command.spawn().context("sh")?;
        let output = aside(child.stdout.take());
        let message = aside(child.stderr.take());
        let (status, peak_kib) = watched(&mut child, started)?;
        let took = started.elapsed();
        drop(output.join());
        let message = message.join().unwrap_or_default();
        Ok(Ended { status, message: String::from_utf8_lossy(&message).into_owned(), took, peak_kib })
    }
}

/// How a run ended.
struct Ended {
    status: ExitStatus,
    message: String,
    took: Duration,
    peak_kib: u64,
}

/// Reads a pipe to its end, and keeps the first part.
fn aside(pipe: Option<impl Read + Send + 'static>) -> std::thread::JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut kept = Vec::new();
        if let Some(mut pipe) = pipe {
            let _ = pipe.by_ref().take(OUTPUT_BYTES).read_to_end(&mut kept);
            let _ = std::io::copy(&mut pipe, &mut std::io::sink());
        }
        kept
    })
}

/// Waits for the end, or kills at the end of patience, and gives the largest memory that was seen on the way.
fn watched(child: &mut Child, started: Instant) -> Result<(ExitStatus, u64)> {
    let status_file = format!("/proc/{}/status", child.id());
    let mut peak_kib = 0;
    loop {
        peak_kib = peak_kib.max(high_water_mark(&status_file).unwrap_or_default());
        if let Some(status) = child.try_wait()? {
            return Ok((status, peak_kib));
        }
        if started.elapsed() > PATIENCE {
            child.kill()?;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The largest memory that a process has held so far, in KiB; nothing where the kernel does not tell.
fn high_water_mark(status_file: &str) -> Option<u64> {
    let status = std::fs::read_to_string(status_file).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

/// Few steps: an attack that is stopped by the number of its steps ends at once if each step is as small as it should
/// be. The limits of the command are a hundred times as large.
const TIGHT: Limits = Limits { steps: 200_000, bytes: 16 << 20, depth: 10_000, time: Duration::from_secs(60) };
/// How much of a processor so few steps may take in a debug build; how busy the machine is does not count.
const TIGHT_PATIENCE: Duration = Duration::from_secs(15);

/// Renders each template within tight limits: all end in an error that names the template.
fn run_tight(templates: Vec<(String, String)>) {
    each(&templates, |(name, template)| {
        let attack = Attack::template(name.as_str(), template);
        let chart = load_directory(&attack.path("chart"), &Default::default()).map_err(|error| error.to_string())?;
        let timed = || {
            let before = thread_cpu();
            (render_tight(chart), thread_cpu().saturating_sub(before))
        };
        let (rendered, took) = on_large_stack(timed).map_err(|error| error.to_string())?;
        if std::env::var_os("COXSWAIN_TEST_VERBOSE").is_some() {
            eprintln!("{name} (tight {took:?}): {rendered:.300?}");
        }
        match rendered {
            _ if took > TIGHT_PATIENCE => Err(format!("{name} took {took:?}")),
            Err(error) if error.contains("c/templates/t.yaml:1:") => Ok(()),
            other => Err(format!("{name} gave {other:.500?}")),
        }
    });
}

/// The processor time of this thread.
fn thread_cpu() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map(Duration::from).unwrap_or_default()
}

fn render_tight(chart: Chart) -> Result<String, String> {
    let release = Release { name: "r".to_owned(), namespace: "n".to_owned(), revision: 1, is_upgrade: false };
    let capabilities = Capabilities::default();
    let input = Input { limits: TIGHT, ..Input::new(&Json::Null, &release, &capabilities) };
    let rendered = Program::new(chart).render(&input).map_err(|error| error.to_string())?;
    Ok(rendered.manifest)
}

/// Runs all attacks, a few at a time, and tells of every one that does not end as it should.
fn run(attacks: Vec<Attack>) {
    each(&attacks, |attack| attack.verdict().map_err(|failure| format!("{} {failure}", attack.name)));
}

fn each<T: Sync>(attacks: &[T], verdict: impl Fn(&T) -> Result<(), String> + Sync) {
    let next = AtomicUsize::new(0);
    let failures = Mutex::new(Vec::new());
    let workers = std::thread::available_parallelism().map_or(1, usize::from).min(4);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some(attack) = attacks.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(failure) = verdict(attack) {
                        failures.lock().expect("no panic").push(failure);
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().expect("no panic");
    assert!(failures.is_empty(), "{} of {} attacks\n{}", failures.len(), attacks.len(), failures.join("\n"));
}
