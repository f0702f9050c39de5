//! Reading the files that arguments name: regular ones and pipes of a shell, to an end that has to come.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::Failure;

/// The largest file that an argument may name, in bytes: more than any archive that can be loaded.
const MAX_BYTES: u64 = 128 << 20;

/// The content of a file.
pub(super) fn read(path: &str) -> Result<Vec<u8>, Failure> {
    if waits_for_a_writer(Path::new(path)) {
        return Err(Failure::Pipe(path.to_owned()));
    }
    let file = File::open(path).map_err(|error| Failure::file("open", path, &error))?;
    read_from(file, path)
}

/// What a reader gives up to its end.
pub(super) fn read_from(reader: impl Read, path: &str) -> Result<Vec<u8>, Failure> {
    let mut content = Vec::new();
    let read = reader.take(MAX_BYTES + 1).read_to_end(&mut content);
    read.map_err(|error| Failure::file("read", path, &error))?;
    if content.len() as u64 > MAX_BYTES {
        return Err(Failure::TooLarge { path: path.to_owned(), limit: MAX_BYTES });
    }
    Ok(content)
}

/// Whether to open the file could take for ever: a named pipe, but not one that a shell has opened for an argument
/// (`<(command)`).
fn waits_for_a_writer(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt;

    let is_open = path.starts_with("/dev/fd") || path.starts_with("/proc/self/fd") || path == Path::new("/dev/stdin");
    !is_open && std::fs::metadata(path).is_ok_and(|metadata| metadata.file_type().is_fifo())
}
