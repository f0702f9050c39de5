//! The text of an index while it is read: a small one in memory, a larger one in a file without a name, which goes with
//! its value. So it may be larger than the memory that there is for it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Cursor, Read, Seek, SeekFrom, Write as _};
use std::ops::Range;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use sha2::{Digest as _, Sha256};

use super::Digest;

/// What is kept in memory at most.
const IN_MEMORY: usize = 1 << 20;
/// What is read at once.
const CHUNK: usize = 64 << 10;

/// A text that was written once and is read in pieces.
#[derive(Debug)]
pub(super) enum Scroll {
    Memory(Vec<u8>),
    File(File),
}

/// Why a text was not written.
#[derive(Debug, thiserror::Error)]
pub(super) enum ScrollError {
    /// It is longer than it may be.
    #[error("it is too long")]
    TooLong,
    /// Reading or writing failed.
    #[error("{0}")]
    Io(#[from] io::Error),
}

impl Default for Scroll {
    fn default() -> Self {
        Self::Memory(Vec::new())
    }
}

impl Scroll {
    /// Takes a text from where it comes, at most so many bytes of it. What is too much for the memory goes to a file in the
    /// folder; without one everything stays in memory.
    ///
    /// # Errors
    /// [`ScrollError`].
    pub(super) fn write(mut from: impl Read, folder: Option<&Path>, limit: u64) -> Result<(Self, Digest), ScrollError> {
        let (mut scroll, mut digest, mut length) = (Self::default(), Sha256::new(), 0);
        let mut chunk = vec![0; CHUNK];
        loop {
            let read = match from.read(&mut chunk) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                read => read?,
            };
            if read == 0 {
                break;
            }
            length += read as u64;
            if length > limit {
                return Err(ScrollError::TooLong);
            }
            digest.update(&chunk[..read]);
            scroll.add(&chunk[..read], folder)?;
        }
        Ok((scroll, Digest::from(<[u8; 32]>::from(digest.finalize()))))
    }

    fn add(&mut self, chunk: &[u8], folder: Option<&Path>) -> io::Result<()> {
        match (&mut *self, folder) {
            (Self::Memory(bytes), Some(folder)) if bytes.len() + chunk.len() > IN_MEMORY => {
                let mut file = unnamed(folder)?;
                file.write_all(bytes)?;
                file.write_all(chunk)?;
                *self = Self::File(file);
                Ok(())
            }
            (Self::Memory(bytes), _) => {
                bytes.extend_from_slice(chunk);
                Ok(())
            }
            (Self::File(file), _) => file.write_all(chunk),
        }
    }

    /// Reads it from its start. Nobody else reads it meanwhile.
    pub(super) fn reader(&self) -> io::Result<Box<dyn BufRead + '_>> {
        match self {
            Self::Memory(bytes) => Ok(Box::new(Cursor::new(bytes.as_slice()))),
            Self::File(file) => {
                let mut file = file;
                file.seek(SeekFrom::Start(0))?;
                Ok(Box::new(BufReader::with_capacity(CHUNK, file)))
            }
        }
    }

    /// A piece of it.
    pub(super) fn piece(&self, place: Range<u64>) -> io::Result<Vec<u8>> {
        let out_of_range = || io::Error::from(io::ErrorKind::UnexpectedEof);
        let length = usize::try_from(place.end.saturating_sub(place.start)).map_err(|_| out_of_range())?;
        match self {
            Self::Memory(bytes) => {
                let start = usize::try_from(place.start).map_err(|_| out_of_range())?;
                bytes.get(start..start + length).map(<[u8]>::to_vec).ok_or_else(out_of_range)
            }
            Self::File(file) => {
                let mut piece = vec![0; length];
                file.read_exact_at(&mut piece, place.start)?;
                Ok(piece)
            }
        }
    }

    /// All of it.
    pub(super) fn whole(&self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.reader()?.read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

/// A file that only this process can read and nobody can name.
fn unnamed(folder: &Path) -> io::Result<File> {
    static MADE: AtomicU64 = AtomicU64::new(0);
    let name = format!("index-{}-{}.part", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
    let path = folder.join(name);
    let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
    fs::remove_file(&path)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_in_a_file_without_a_name() -> anyhow::Result<()> {
        let folder = std::env::temp_dir().join(format!("coxswain-scroll-{}", std::process::id()));
        fs::create_dir_all(&folder)?;
        let text: Vec<u8> =
            (0..3 * IN_MEMORY).map(|place| b'a' + u8::try_from(place % 26).unwrap_or_default()).collect();
        for folder in [Some(folder.as_path()), None] {
            let (scroll, digest) = Scroll::write(text.as_slice(), folder, u64::MAX)?;
            assert_eq!(matches!(scroll, Scroll::File(_)), folder.is_some());
            assert_eq!(digest, Digest::of(&text));
            assert!(scroll.whole()? == text && scroll.whole()? == text);
            let end = text.len() as u64;
            assert_eq!(scroll.piece(end - 3..end)?, &text[text.len() - 3..]);
            assert!(scroll.piece(end - 3..end + 1).is_err());
        }
        assert_eq!(fs::read_dir(&folder)?.count(), 0);
        fs::remove_dir_all(&folder)?;
        let refused = Scroll::write(text.as_slice(), None, 100);
        assert!(matches!(refused, Err(ScrollError::TooLong)));
        Ok(())
    }
}
