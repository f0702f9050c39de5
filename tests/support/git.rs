//! Git repositories made for tests, with the real git program.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use super::command;
use super::folder::write_files;

/// A repository with a working copy, to be served from the folder that it is in.
#[derive(Debug)]
pub struct GitRepository {
    path: PathBuf,
}

impl GitRepository {
    /// Makes an empty one whose branch is `main`.
    ///
    /// # Errors
    /// When git fails.
    pub fn new(path: &Path) -> Result<Self> {
        std::fs::create_dir_all(path)?;
        let repository = Self { path: path.to_owned() };
        repository.git(&["init", "--quiet", "--initial-branch=main"])?;
        Ok(repository)
    }

    /// Runs git in it.
    ///
    /// # Errors
    /// When git fails.
    pub fn git(&self, arguments: &[&str]) -> Result<String> {
        let mut git = Command::new("git");
        for (name, value) in [
            ("GIT_CONFIG_NOSYSTEM", "1"),
            ("GIT_CONFIG_GLOBAL", "/dev/null"),
            ("GIT_AUTHOR_NAME", "Ann"),
            ("GIT_AUTHOR_EMAIL", "ann@example.org"),
            ("GIT_COMMITTER_NAME", "Ann"),
            ("GIT_COMMITTER_EMAIL", "ann@example.org"),
        ] {
            git.env(name, value);
        }
        // Submodules of tests are folders beside the repository.
        git.args(["-c", "protocol.file.allow=always", "-C"]).arg(&self.path).args(arguments);
        Ok(command::output(&mut git)?.trim().to_owned())
    }

    /// Writes files and commits everything; gives the commit.
    ///
    /// # Errors
    /// When git fails or there is nothing new.
    pub fn commit(&self, files: &[(&str, &str)]) -> Result<String> {
        write_files(&self.path, files.iter().copied())?;
        self.git(&["add", "--all"])?;
        self.git(&["commit", "--quiet", "--message=Change"])?;
        self.git(&["rev-parse", "HEAD"])
    }

    /// Its working copy.
    pub fn path(&self) -> &Path {
        &self.path
    }
}
