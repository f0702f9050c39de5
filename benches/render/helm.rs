//! Helm's packages in a process of their own: `tests/cluster/cmd/render`, asked line by line.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use super::subject::{Case, Mean, Temperature};

/// The running Go program; it ends with its standard input.
pub struct Helm {
    child: Child,
    tasks: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Helm {
    /// Builds and starts the program.
    ///
    /// # Errors
    /// When Go is not there or the program does not build.
    pub fn start() -> Result<Self> {
        let program = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("helm-render");
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cluster");
        let mut build = Command::new("go");
        build.current_dir(sources).args(["build", "-trimpath", "-o"]).arg(&program).arg("./cmd/render");
        build.envs([("GOWORK", "off"), ("GOFLAGS", "-mod=readonly"), ("CGO_ENABLED", "0")]);
        ensure!(build.status().context("cannot run go")?.success(), "the Go program does not build");
        let mut command = Command::new(&program);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let tasks = child.stdin.take();
        let answers = BufReader::new(child.stdout.take().context("the Go program has no output")?);
        Ok(Self { child, tasks, answers })
    }

    /// Renders a case so many times, and longer until so much CPU time is used.
    ///
    /// # Errors
    /// Helm's own, where the chart does not render.
    pub fn render(&mut self, case: &Case, temperature: Temperature, renders: u64, cpu: Duration) -> Result<Mean> {
        let task = json!({
            "chart": case.archive, "values": case.values.clone().unwrap_or_default(),
            "warm": temperature == Temperature::Warm, "renders": renders, "seconds": cpu.as_secs_f64(),
        });
        writeln!(self.tasks.as_mut().context("the Go program has no input")?, "{task}")?;
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        let answer: Value = serde_json::from_str(&line).context("the Go program ended")?;
        if let Some(error) = answer["error"].as_str() {
            bail!("{}: {error}", case.name());
        }
        let cpu = Duration::from_secs_f64(answer["cpu"].as_f64().unwrap_or_default());
        Ok(Mean { cpu, renders: answer["renders"].as_u64().unwrap_or_default() })
    }
}

impl Drop for Helm {
    fn drop(&mut self) {
        drop(self.tasks.take());
        let _ = self.child.wait();
    }
}
