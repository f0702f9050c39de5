//! Subversion repositories made for tests, with the real programs, and their real server `svnserve` on the loopback
//! address, where all that a repository has wants a password.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use super::cluster::{ControlPlane, Process, free_port};
use super::folder::write_files;
use super::{command, machine, wait};

/// A repository with a working copy, in a folder.
#[derive(Debug)]
pub struct SvnRepository {
    path: PathBuf,
    copy: PathBuf,
}

impl SvnRepository {
    /// Makes an empty one; nothing where the machine has no such programs.
    ///
    /// # Errors
    /// When svnadmin fails, or the programs are demanded and not there.
    pub fn new(folder: &Path) -> Result<Option<Self>> {
        let programs = ["svn", "svnadmin", "svnserve"];
        if programs.iter().any(|program| Command::new(program).arg("--version").output().is_err()) {
            machine::lacks("svn, svnadmin or svnserve", "subversion")?;
            return Ok(None);
        }
        let repository = Self { path: folder.join("repository"), copy: folder.join("copy") };
        fs::create_dir_all(folder)?;
        command::output(Command::new("svnadmin").arg("create").arg(&repository.path))?;
        repository.svn(&["checkout", &format!("file://{}", repository.path.display()), &repository.copy()])?;
        Ok(Some(repository))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes files and commits everything; gives the number of the revision.
    ///
    /// # Errors
    /// When svn fails.
    pub fn commit(&self, files: &[(&str, &str)]) -> Result<String> {
        write_files(&self.copy, files.iter().copied())?;
        self.svn(&["add", "--force", &self.copy()])?;
        self.record()
    }

    /// Copies a folder and commits that; gives the number of the revision.
    ///
    /// # Errors
    /// When svn fails.
    pub fn copy_folder(&self, from: &str, to: &str) -> Result<String> {
        let path = |name: &str| self.copy.join(name).to_string_lossy().into_owned();
        self.svn(&["update", &self.copy()])?;
        self.svn(&["copy", &path(from), &path(to)])?;
        self.record()
    }

    fn record(&self) -> Result<String> {
        let said = self.svn(&["commit", "--message", "Change", &self.copy()])?;
        let number = said.rsplit("revision ").next().unwrap_or_default();
        Ok(number.trim().trim_end_matches('.').to_owned())
    }

    fn copy(&self) -> String {
        self.copy.to_string_lossy().into_owned()
    }

    fn svn(&self, arguments: &[&str]) -> Result<String> {
        let mut svn = Command::new("svn");
        svn.env("LC_ALL", "C").arg(arguments[0]).arg("--non-interactive").arg("--config-dir");
        svn.arg(self.path.join("configuration")).args(&arguments[1..]);
        command::output(&mut svn)
    }
}

/// `svnserve` for a repository; ends on drop.
#[derive(Debug)]
pub struct Svnserve {
    /// The address of the repository.
    pub url: String,
    _process: Process,
}

impl Svnserve {
    /// Starts it; it lets this user read.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn start(cluster: &ControlPlane, repository: &SvnRepository, user: &str, password: &str) -> Result<Self> {
        let settings = "[general]\nanon-access = none\nauth-access = read\npassword-db = passwd\n";
        fs::write(repository.path.join("conf/svnserve.conf"), settings)?;
        fs::write(repository.path.join("conf/passwd"), format!("[users]\n{user} = {password}\n"))?;
        let port = free_port()?;
        let mut serve = Command::new("svnserve");
        serve.args(["--daemon", "--foreground", "--listen-host", "127.0.0.1", "--listen-port", &port.to_string()]);
        serve.arg("--root").arg(repository.path.parent().context("it is in a folder")?);
        let process = cluster.run(&format!("svnserve-{port}"), &serve)?;
        wait::until(Duration::from_secs(30), "svnserve to answer", || {
            Ok(std::net::TcpStream::connect(("127.0.0.1", port)).ok())
        })?;
        Ok(Self { url: format!("svn://127.0.0.1:{port}/repository"), _process: process })
    }
}
