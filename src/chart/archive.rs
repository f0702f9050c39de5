//! Reading a chart archive: gzip, tar and the rules about what may be in one
//! (`pkg/chart/loader/archive/archive.go`). An archive is hostile input: its sizes are limited while it is read, links
//! and devices are refused, and no path can leave the chart.

use std::io::{ErrorKind, Read};
use std::ops::Range;

use bytes::Bytes;
use jiff::Timestamp;

use super::unpack::Unpacking;
use super::{File, LoadError};
use crate::value::message::without_controls;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
const GZIP_MAGIC: &[u8] = b"\x1f\x8b\x08";
/// What a tar file may have of headers and padding for each of its files.
const TAR_OVERHEAD: u64 = 2048;

/// What a chart may cost to load. The defaults are Helm's sizes, and more entries and levels than any chart has.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of one file.
    pub file: u64,
    /// Bytes of all files together, decompressed, subchart archives included.
    pub total: u64,
    /// Number of files, those of an archive with its folders.
    pub entries: usize,
    /// Levels of subcharts within subcharts.
    pub depth: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { file: 5 << 20, total: 100 << 20, entries: 20_000, depth: 32 }
    }
}

/// What is left of the limits while one chart is loaded.
#[derive(Debug)]
pub struct Budget {
    limits: Limits,
    bytes: u64,
    entries: usize,
}

impl Budget {
    /// All of the limits.
    pub fn new(limits: &Limits) -> Self {
        Self { limits: *limits, bytes: limits.total, entries: limits.entries }
    }

    /// How many levels of subcharts are allowed.
    pub fn depth(&self) -> usize {
        self.limits.depth
    }

    /// Accounts for one more file.
    ///
    /// # Errors
    /// [`LoadError::TooManyEntries`].
    pub fn entry(&mut self) -> Result<(), LoadError> {
        self.entries = self.entries.checked_sub(1).ok_or(LoadError::TooManyEntries(self.limits.entries))?;
        Ok(())
    }

    /// Reads one file, its byte order mark removed. The limits hold whatever size the source claims.
    ///
    /// # Errors
    /// The limits' errors, and [`LoadError::Read`] where reading fails.
    pub fn read(&mut self, name: &str, claimed: u64, source: impl Read) -> Result<Vec<u8>, LoadError> {
        self.check(name, claimed)?;
        let limit = self.bytes.min(self.limits.file);
        let mut data = Vec::with_capacity(usize::try_from(claimed).unwrap_or(0));
        source
            .take(limit + 1)
            .read_to_end(&mut data)
            .map_err(|source| LoadError::Read { path: name.to_owned(), source })?;
        self.take(name, data.len() as u64)?;
        if data.starts_with(BYTE_ORDER_MARK) {
            data.drain(..BYTE_ORDER_MARK.len());
        }
        Ok(data)
    }

    /// Accounts for the bytes of one file.
    ///
    /// # Errors
    /// The limits' errors.
    fn take(&mut self, name: &str, length: u64) -> Result<(), LoadError> {
        self.check(name, length)?;
        self.bytes -= length;
        Ok(())
    }

    fn check(&self, name: &str, length: u64) -> Result<(), LoadError> {
        if length > self.bytes {
            return Err(LoadError::TooLarge(self.limits.total));
        }
        if length > self.limits.file {
            return Err(LoadError::FileTooLarge { name: name.to_owned(), limit: self.limits.file });
        }
        Ok(())
    }

    /// How large a tar file may be.
    fn tar(&self) -> usize {
        let entries = self.entries as u64 + 2;
        usize::try_from(self.bytes.saturating_add(entries.saturating_mul(TAR_OVERHEAD))).unwrap_or(usize::MAX)
    }
}

/// A file of an archive that is being walked through.
struct Found {
    name: String,
    modified: Option<Timestamp>,
    body: Body,
}

enum Body {
    /// A part of the tar file.
    Place(Range<usize>),
    /// What is put together of several parts: a sparse file.
    Sparse(Vec<u8>),
}

/// Why the walk through an archive ended before the archive did.
enum Stop {
    /// Something in it is not allowed.
    Refused(LoadError),
    /// It could not be read any further, after the last entry that could.
    Torn { error: std::io::Error, last: Option<(String, u64)> },
}

impl From<LoadError> for Stop {
    fn from(error: LoadError) -> Self {
        Self::Refused(error)
    }
}

/// The files of an archive, the first element of each path removed. They share the memory that it was unpacked into.
///
/// # Errors
/// [`LoadError`], for the first entry that is not allowed.
pub fn read_archive(archive: &[u8], budget: &mut Budget) -> Result<Vec<File>, LoadError> {
    if !archive.starts_with(GZIP_MAGIC) {
        return Err(LoadError::NotGzip);
    }
    let limit = budget.tar();
    let mut archive = tar::Archive::new(Unpacking::new(archive, limit));
    let walked = walk(&mut archive, budget);
    let unpacking = archive.into_inner();
    let found = walked.map_err(|stop| match stop {
        Stop::Refused(error) => error,
        Stop::Torn { error, last } => torn(&error, unpacking.position(), last, limit),
    })?;
    let tar = Bytes::from(unpacking.into_content());
    if found.is_empty() { Err(LoadError::Empty) } else { Ok(found.into_iter().map(|file| file.of(&tar)).collect()) }
}

fn walk(archive: &mut tar::Archive<Unpacking<'_>>, budget: &mut Budget) -> Result<Vec<Found>, Stop> {
    let mut found = Vec::new();
    let mut last = None;
    for entry in archive.entries_with_seek().map_err(|error| Stop::Torn { error, last: None })? {
        let entry = entry.map_err(|error| Stop::Torn { error, last: last.take() })?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let offset = entry.raw_header_position();
        found.extend(find(entry, &name, budget).map_err(|error| error.at(&name, offset))?);
        last = Some((name, offset));
    }
    Ok(found)
}

/// The file that an entry is, unless it is a folder or says something about others.
fn find(entry: tar::Entry<'_, Unpacking<'_>>, raw_name: &str, budget: &mut Budget) -> Result<Option<Found>, LoadError> {
    let kind = entry.header().entry_type();
    budget.entry()?;
    if kind.is_dir() || raw_name.ends_with('/') || kind.is_pax_global_extensions() {
        return Ok(None);
    }
    let name = inner_path(raw_name)?;
    if let Some(kind) = refused_kind(kind) {
        return Err(LoadError::NotAFile(kind));
    }
    let seconds = entry.header().mtime().ok().and_then(|seconds| i64::try_from(seconds).ok());
    let modified = seconds.and_then(|seconds| Timestamp::from_second(seconds).ok());
    let (start, size) = (entry.raw_file_position(), entry.size());
    let body = if kind.is_gnu_sparse() {
        Body::Sparse(budget.read(&name, size, entry)?)
    } else {
        budget.take(&name, size)?;
        let place = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        Body::Place(place(start)..place(start.saturating_add(size)))
    };
    Ok(Some(Found { name, modified, body }))
}

/// Why an archive could not be read any further. Texts of the tar file may be in the cause.
fn torn(error: &std::io::Error, offset: usize, last: Option<(String, u64)>, limit: usize) -> LoadError {
    match (error.kind(), last) {
        (ErrorKind::FileTooLarge, Some((name, offset))) => LoadError::ArchiveTooLarge(limit).at(&name, offset),
        (ErrorKind::FileTooLarge, None) => LoadError::ArchiveTooLarge(limit),
        (_, last) => {
            let cause = without_controls(&error.to_string()).replace(['\n', '\t'], " ");
            LoadError::Torn { cause, offset, last }
        }
    }
}

impl Found {
    /// The file in its unpacked archive, its byte order mark removed.
    fn of(self, tar: &Bytes) -> File {
        let data = match self.body {
            Body::Sparse(data) => data.into(),
            Body::Place(Range { start, end }) => {
                let end = end.min(tar.len());
                let start = start.min(end);
                let mark = if tar[start..end].starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 };
                tar.slice(start + mark..end).into()
            }
        };
        File { name: self.name, data, modified: self.modified }
    }
}

fn refused_kind(kind: tar::EntryType) -> Option<&'static str> {
    match kind {
        kind if kind.is_symlink() => Some("symbolic link"),
        kind if kind.is_hard_link() => Some("hard link"),
        kind if kind.is_character_special() || kind.is_block_special() => Some("device"),
        kind if kind.is_fifo() => Some("named pipe"),
        _ => None,
    }
}

/// The path inside the chart: the first element dropped, whatever its name, `\` accepted as separator, and every way
/// out refused.
fn inner_path(raw: &str) -> Result<String, LoadError> {
    let delimiter = if raw.contains('\\') { '\\' } else { '/' };
    let (base, rest) = raw.split_once(delimiter).unwrap_or((raw, ""));
    let path = rest.replace(delimiter, "/");
    if path.starts_with('/') {
        return Err(LoadError::AbsolutePath);
    }
    let path = clean(&path);
    if path == "." {
        return Err(LoadError::OutsideBase(raw.to_owned()));
    }
    if path.starts_with("..") {
        return Err(LoadError::ParentDirectory);
    }
    if matches!(path.as_bytes(), [letter, b':', b'/', ..] if letter.is_ascii_alphabetic()) {
        return Err(LoadError::DrivePath);
    }
    if base == "Chart.yaml" {
        return Err(LoadError::ChartYamlOutsideBase);
    }
    Ok(path)
}

/// Go's `path.Clean` for a relative path.
fn clean(path: &str) -> String {
    let mut elements: Vec<&str> = Vec::new();
    for element in path.split('/') {
        match element {
            "" | "." => {}
            ".." if elements.last().is_some_and(|last| *last != "..") => drop(elements.pop()),
            other => elements.push(other),
        }
    }
    if elements.is_empty() { ".".to_owned() } else { elements.join("/") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_made_relative_to_the_chart_or_refused() {
        let table = [
            ("chart/values.yaml", Ok("values.yaml")),
            ("chart/./templates//x.yaml", Ok("templates/x.yaml")),
            ("chart/templates/../values.yaml", Ok("values.yaml")),
            ("chart\\templates\\x.yaml", Ok("templates/x.yaml")),
            ("/etc/passwd", Ok("etc/passwd")),
            ("chart//etc/passwd", Err("chart illegally contains absolute paths")),
            ("chart/../../x", Err("chart illegally references parent directory")),
            ("chart/..x", Err("chart illegally references parent directory")),
            ("chart", Err("chart illegally contains content outside the base directory: \"chart\"")),
            ("chart/.", Err("chart illegally contains content outside the base directory: \"chart/.\"")),
            ("chart/c:/x", Err("chart contains illegally named files")),
            ("Chart.yaml/x", Err("chart yaml not in base directory")),
        ];
        for (raw, expected) in table {
            let result = inner_path(raw).map_err(|error| error.to_string());
            assert_eq!(result, expected.map(str::to_owned).map_err(str::to_owned), "{raw}");
        }
    }
}
