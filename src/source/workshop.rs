//! Where client programs of other systems check out what they fetch: a folder for each fetch, which is gone when its
//! charts are packed. So there are no working copies to be kept in step with objects, to be repaired after a force-push
//! or to be removed with their repository.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{Charts, Dependencies, SourceError};

/// Fetches at the same time: each may fill the disk up to its limits.
const BENCHES: usize = 2;

/// The place of all fetches, with the store that their charts go to; a handle that is cheap to clone.
#[derive(Clone, Debug)]
pub struct Workshop {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    folder: PathBuf,
    charts: Charts,
    dependencies: Arc<dyn Dependencies>,
    benches: Arc<Semaphore>,
    /// Makes the names of folders unique.
    begun: AtomicU64,
}

/// A folder that only this process can read. It goes with its value.
#[derive(Debug)]
pub(super) struct Bench {
    path: PathBuf,
    _permit: OwnedSemaphorePermit,
}

/// One workshop is as good as another only where it is the same.
impl PartialEq for Workshop {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }
}

impl Eq for Workshop {}

impl Workshop {
    /// A workshop in a folder, where it has one of its own. What was left there by an earlier process of this id, as a
    /// container's is always the same, is removed.
    ///
    /// # Errors
    /// The folder cannot be made or emptied.
    pub fn open(folder: &Path, charts: Charts, dependencies: Arc<dyn Dependencies>) -> io::Result<Self> {
        let folder = folder.join(format!("checked-out-{}", std::process::id()));
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => DirBuilder::new().recursive(true).mode(0o700).create(&folder)?,
        }
        let folder = fs::canonicalize(folder)?;
        let benches = Arc::new(Semaphore::new(BENCHES));
        Ok(Self { shared: Arc::new(Shared { folder, charts, dependencies, benches, begun: AtomicU64::new(0) }) })
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        &self.shared.folder
    }

    /// Where the charts go.
    pub(super) fn charts(&self) -> &Charts {
        &self.shared.charts
    }

    /// Who has what charts depend on.
    pub(super) fn dependencies(&self) -> &dyn Dependencies {
        &*self.shared.dependencies
    }

    /// A free bench, as soon as there is one, for what comes from a URL.
    ///
    /// # Errors
    /// [`SourceError::Disk`].
    pub(super) async fn begin(&self, url: &str) -> Result<Bench, SourceError> {
        let permit = Arc::clone(&self.shared.benches).acquire_owned().await;
        let permit = permit.map_err(|_| SourceError::Interrupted { url: url.to_owned() })?;
        let path = self.shared.folder.join(self.shared.begun.fetch_add(1, Ordering::Relaxed).to_string());
        DirBuilder::new().mode(0o700).create(&path).map_err(|error| SourceError::disk(url, &error))?;
        Ok(Bench { path, _permit: permit })
    }
}

impl Bench {
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Puts a file there that only this process can read.
    pub(super) fn put(&self, name: &str, content: &str) -> io::Result<PathBuf> {
        let path = self.path.join(name);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        file.write_all(content.as_bytes())?;
        Ok(path)
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.path) {
            tracing::warn!(%error, "a folder of the workshop cannot be removed before the next start");
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::chart::{Dependency, Limits};
    use crate::source::Repository;
    use crate::source::index::Entry;

    /// Nobody.
    #[derive(Debug)]
    struct Nobody;

    impl Dependencies for Nobody {
        fn find(&self, _: &str, dependency: &Dependency) -> Result<(Repository, Entry), String> {
            Err(format!("nobody has {}", dependency.name))
        }
    }

    /// A workshop for one test, without a store on disk.
    pub(in crate::source) fn workshop(purpose: &str) -> io::Result<Workshop> {
        let folder = std::env::temp_dir().join(format!("coxswain-workshop-{purpose}"));
        Workshop::open(&folder, Charts::new(None, 1 << 20, Limits::default()), Arc::new(Nobody))
    }

    /// Whether nothing is left in it.
    pub(in crate::source) fn is_empty(workshop: &Workshop) -> bool {
        fs::read_dir(&workshop.shared.folder).is_ok_and(|mut entries| entries.next().is_none())
    }

    #[tokio::test]
    async fn a_bench_is_private_and_leaves_nothing_behind() -> anyhow::Result<()> {
        use std::os::unix::fs::PermissionsExt as _;

        let workshop = workshop("bench")?;
        let bench = workshop.begin("https://x.org").await?;
        let file = bench.put("identity", "key")?;
        let mode = |path: &Path| fs::metadata(path).map(|metadata| metadata.permissions().mode() & 0o777);
        assert_eq!((mode(bench.path())?, mode(&file)?), (0o700, 0o600));
        drop(bench);
        assert!(is_empty(&workshop));
        Ok(())
    }
}
