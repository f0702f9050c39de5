//! Archives on disk by digest: a folder of `<digest>.tgz` files, bounded in bytes, the longest unused one goes first.
//!
//! The folder is a convenience: whatever goes wrong with it, the archive is downloaded again. What is read from it is
//! verified like a download.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use super::Digest;

/// A folder of archives.
#[derive(Debug)]
pub struct Archives {
    folder: PathBuf,
    limit: u64,
    /// Makes the names of unfinished files unique.
    writes: AtomicU64,
    /// Held by who makes room and fills it, so that several do not fill the same room.
    room: Mutex<()>,
}

/// A file of the folder.
struct Stored {
    path: PathBuf,
    size: u64,
    used: SystemTime,
}

impl Archives {
    /// Keeps at most `limit` bytes of archives in a folder, which is created where it does not exist. Files that an
    /// earlier process left unfinished are removed.
    ///
    /// # Errors
    /// Where the folder cannot be created or listed.
    pub fn open(folder: &Path, limit: u64) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "part") {
                fs::remove_file(path)?;
            }
        }
        Ok(Self { folder: folder.to_owned(), limit, writes: AtomicU64::new(0), room: Mutex::default() })
    }

    /// The archive with a digest; nothing where it is not there or damaged.
    pub fn get(&self, digest: &Digest) -> Option<Vec<u8>> {
        let path = self.path(digest);
        let bytes = fs::read(&path).ok()?;
        if Digest::of(&bytes) != *digest {
            // A crash or a bad disk; the next download replaces it.
            let _ = fs::remove_file(&path);
            return None;
        }
        // Its age decides what goes first; where that cannot be noted, it goes a little early.
        let _ = File::options().append(true).open(&path).and_then(|file| file.set_modified(SystemTime::now()));
        Some(bytes)
    }

    /// Stores an archive, whole or not at all, and makes room for it. A folder that has vanished is made again.
    ///
    /// # Errors
    /// Where the folder cannot be written.
    pub fn put(&self, digest: &Digest, bytes: &[u8]) -> io::Result<()> {
        let size = bytes.len() as u64;
        if size > self.limit {
            return Ok(());
        }
        let _room = self.room.lock().unwrap_or_else(PoisonError::into_inner);
        fs::create_dir_all(&self.folder)?;
        self.make_room(size)?;
        let unfinished = self.folder.join(format!("{digest}.{}.part", self.writes.fetch_add(1, Ordering::Relaxed)));
        let written = File::create(&unfinished).and_then(|mut file| file.write_all(bytes));
        written.and_then(|()| fs::rename(&unfinished, self.path(digest))).inspect_err(|_| {
            // The first error is the one to tell.
            let _ = fs::remove_file(&unfinished);
        })
    }

    fn path(&self, digest: &Digest) -> PathBuf {
        self.folder.join(format!("{digest}.tgz"))
    }

    fn make_room(&self, needed: u64) -> io::Result<()> {
        let mut stored = self.stored()?;
        let mut total: u64 = stored.iter().map(|file| file.size).sum();
        stored.sort_by_key(|file| file.used);
        for file in stored {
            if total + needed <= self.limit {
                break;
            }
            match fs::remove_file(file.path) {
                // Somebody has seen that it was damaged.
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => total -= file.size,
            }
        }
        Ok(())
    }

    fn stored(&self) -> io::Result<Vec<Stored>> {
        let mut stored = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "tgz") {
                let metadata = fs::metadata(&path)?;
                stored.push(Stored { path, size: metadata.len(), used: metadata.modified()? });
            }
        }
        Ok(stored)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// A folder of its own, removed when the test ends.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            Self(std::env::temp_dir().join(format!("coxswain-archives-{}-{name}", std::process::id())))
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn age(archives: &Archives, digest: &Digest, seconds: u64) -> io::Result<()> {
        let file = File::options().append(true).open(archives.path(digest))?;
        file.set_modified(SystemTime::now() - Duration::from_secs(seconds))
    }

    #[test]
    fn what_is_stored_is_found_again_and_damage_is_not() -> io::Result<()> {
        let folder = Folder::new("damage");
        let archives = Archives::open(&folder.0, 100)?;
        let digest = Digest::of(b"chart");
        assert_eq!(archives.get(&digest), None);
        archives.put(&digest, b"chart")?;
        assert_eq!(Archives::open(&folder.0, 100)?.get(&digest).as_deref(), Some(&b"chart"[..]));
        fs::write(archives.path(&digest), b"cha")?;
        assert_eq!(archives.get(&digest), None);
        assert!(!archives.path(&digest).exists());
        Ok(())
    }

    #[test]
    fn the_longest_unused_goes_first() -> io::Result<()> {
        let folder = Folder::new("lru");
        let archives = Archives::open(&folder.0, 30)?;
        let contents = [&b"aaaaaaaaaa"[..], b"bbbbbbbbbb", b"cccccccccc"];
        let digests = contents.map(Digest::of);
        for (place, content) in contents.iter().enumerate() {
            archives.put(&digests[place], content)?;
            age(&archives, &digests[place], 100 - place as u64)?;
        }
        assert!(archives.get(&digests[0]).is_some(), "now the most recently used");
        archives.put(&Digest::of(b"dddddddddd"), b"dddddddddd")?;
        assert!(archives.get(&digests[0]).is_some() && archives.get(&digests[2]).is_some());
        assert!(archives.get(&digests[1]).is_none());
        Ok(())
    }

    #[test]
    fn what_is_larger_than_the_folder_may_be_is_not_stored() -> io::Result<()> {
        let folder = Folder::new("large");
        let archives = Archives::open(&folder.0, 3)?;
        archives.put(&Digest::of(b"chart"), b"chart")?;
        assert_eq!(archives.get(&Digest::of(b"chart")), None);
        Ok(())
    }

    #[test]
    fn the_folder_never_holds_more_and_may_vanish() -> io::Result<()> {
        let folder = Folder::new("bounds");
        let archives = Archives::open(&folder.0, 100)?;
        let put = |seed: u8| {
            let archive = [seed; 30];
            archives.put(&Digest::of(&archive), &archive)
        };
        std::thread::scope(|scope| {
            let put = &put;
            let writers: Vec<_> = (0..8).map(|seed| scope.spawn(move || put(seed))).collect();
            writers.into_iter().try_for_each(|writer| writer.join().expect("no panic"))
        })?;
        let sizes: u64 = archives.stored()?.iter().map(|file| file.size).sum();
        assert!(sizes <= 100 && sizes > 60, "{sizes}");

        fs::remove_dir_all(&folder.0)?;
        assert_eq!(archives.get(&Digest::of(&[7; 30])), None);
        put(7)?;
        assert!(archives.get(&Digest::of(&[7; 30])).is_some());
        Ok(())
    }

    #[test]
    fn unfinished_files_of_a_crash_are_removed() -> io::Result<()> {
        let folder = Folder::new("part");
        fs::create_dir_all(&folder.0)?;
        let unfinished = folder.0.join("x.0.part");
        fs::write(&unfinished, b"half")?;
        Archives::open(&folder.0, 3)?;
        assert!(!unfinished.exists());
        Ok(())
    }
}
