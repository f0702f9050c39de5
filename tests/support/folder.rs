//! Temporary folders that are gone when their owner is.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result};

/// A new folder under the system's temporary folder, removed on drop. With `COXSWAIN_TEST_KEEP` set it stays, to look
/// at logs.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
}

impl Folder {
    /// Makes the folder; `purpose` becomes part of its name.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn new(purpose: &str) -> Result<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("coxswain-{purpose}-{}-{number}", std::process::id()));
        // A folder of this name can only be the leftover of a process that had this id before.
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Self { path })
    }

    /// The folder's path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether folders are to stay for a look at them.
    pub fn kept() -> bool {
        std::env::var_os("COXSWAIN_TEST_KEEP").is_some()
    }
}

/// Writes files below a folder, with the folders that they are in.
///
/// # Errors
/// When a file cannot be written.
pub fn write_files<'a>(folder: &Path, files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<()> {
    for (path, content) in files {
        let file = folder.join(path);
        std::fs::create_dir_all(file.parent().context("a file has a folder")?)?;
        std::fs::write(&file, content).with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(())
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !Self::kept() {
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}
