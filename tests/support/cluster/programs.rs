//! The programs of the control plane, built by `tests/cluster/build.sh` when they are not there yet.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// The folder the programs are in.
#[derive(Debug, Clone)]
pub struct Programs {
    folder: PathBuf,
}

impl Programs {
    /// Finds the programs, building them first if need be. The progress of a build goes to standard error.
    ///
    /// # Errors
    /// When the build fails.
    pub fn locate() -> Result<Self> {
        let script = sources().join("build.sh");
        let built = Command::new(&script)
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .output()
            .with_context(|| format!("cannot run {}", script.display()))?;
        if !built.status.success() {
            bail!("{} failed; its messages are above", script.display());
        }
        Ok(Self { folder: PathBuf::from(String::from_utf8(built.stdout)?.trim_end()) })
    }

    /// The path of one program, such as `helm`.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

/// The folder of the build script and of the configuration files.
pub fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cluster")
}
