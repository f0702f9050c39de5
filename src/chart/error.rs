//! Why a chart cannot be loaded, in Helm's words where Helm has them. What is wrong in an archive is told with its
//! place: the entry, and offsets in bytes from 0, of the archive or of the stream that it is decompressed to.

use crate::value::message::{shortened, without_controls};
use crate::yaml::quote::quote;

/// How much of a name from an archive is shown, in bytes: a name may be as long as the archive is.
const SHOWN_NAME: usize = 200;

/// Why a chart cannot be loaded.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say what the variants are")]
pub enum LoadError {
    #[error("stream does not appear to be a valid chart file (details: {NOT_GZIP})")]
    NotAnArchive,
    #[error("unable to load chart archive: {0}")]
    Archive(Box<LoadError>),
    #[error("{source}: entry {} at byte {offset} of the decompressed stream", shown(.name))]
    Entry { name: String, offset: u64, source: Box<LoadError> },
    #[error("{cause}: read up to byte {offset} of the decompressed stream{}", after(.last.as_ref()))]
    Torn { cause: String, offset: usize, last: Option<(String, u64)> },
    #[error("{NOT_GZIP}")]
    NotGzip,
    #[error("no files in chart archive")]
    Empty,
    #[error("chart illegally contains absolute paths")]
    AbsolutePath,
    #[error("chart illegally contains content outside the base directory: {}", shown(.0))]
    OutsideBase(String),
    #[error("chart illegally references parent directory")]
    ParentDirectory,
    #[error("chart contains illegally named files")]
    DrivePath,
    #[error("chart yaml not in base directory")]
    ChartYamlOutsideBase,
    #[error("chart contains a {0}: only regular files are allowed")]
    NotAFile(&'static str),
    #[error("decompressed archive is larger than {0} bytes, more than a chart may have with the headers of its files")]
    ArchiveTooLarge(usize),
    #[error("decompressed chart is larger than the maximum size {0}")]
    TooLarge(u64),
    #[error("decompressed chart file {} is larger than the maximum file size {limit}", shown(.name))]
    FileTooLarge { name: String, limit: u64 },
    #[error("chart has more than {0} files")]
    TooManyEntries(usize),
    #[error("chart nests subcharts more than {0} levels deep")]
    TooDeep(usize),
    #[error("unable to detect chart version, no Chart.yaml found")]
    NoChartYaml,
    #[error("unsupported chart version")]
    UnsupportedVersion,
    #[error("invalid chart apiVersion")]
    InvalidVersion,
    #[error("Chart.yaml file is missing")]
    MissingChartYaml,
    #[error("cannot load {file}: {reason}")]
    File { file: &'static str, reason: String },
    #[error("validation: {0}")]
    Validation(String),
    #[error("error unpacking subchart {} in {}: {source}", plain(.name), plain(.parent))]
    Subchart { name: String, parent: String, source: Box<LoadError> },
    #[error("error unpacking subchart tar in {}: expected {}, got {}", plain(.parent), plain(.expected), plain(.got))]
    SubchartArchive { parent: String, expected: String, got: String },
    #[error("cannot load irregular file {0} as it has file mode type bits set")]
    Irregular(String),
    #[error("error reading {path}: {source}")]
    Read { path: String, source: std::io::Error },
    #[error("{0} points outside the chart directory: copy the file into the chart")]
    LinkOutside(String),
    #[error(".helmignore: {0}")]
    Ignore(String),
}

const NOT_GZIP: &str = "gzip: invalid header";

impl LoadError {
    /// Whether a limit of size, entries or depth was exceeded, in the chart or in a subchart.
    pub fn is_too_large(&self) -> bool {
        match self {
            Self::TooLarge(_)
            | Self::FileTooLarge { .. }
            | Self::ArchiveTooLarge(_)
            | Self::TooManyEntries(_)
            | Self::TooDeep(_) => true,
            Self::Archive(source) | Self::Entry { source, .. } | Self::Subchart { source, .. } => source.is_too_large(),
            _ => false,
        }
    }

    /// The same, at an entry of an archive: its whole name, and where its header begins.
    pub(super) fn at(self, name: &str, offset: u64) -> Self {
        Self::Entry { name: shortened(name, SHOWN_NAME).into_owned(), offset, source: Box::new(self) }
    }
}

fn after(last: Option<&(String, u64)>) -> String {
    last.map_or_else(String::new, |(name, offset)| format!(", after entry {} at byte {offset}", shown(name)))
}

/// A name from an archive, quoted as Go quotes.
fn shown(name: &str) -> String {
    quote(&shortened(name, SHOWN_NAME))
}

/// A name from an archive where Helm does not quote it, on one line.
fn plain(name: &str) -> String {
    without_controls(&shortened(name, SHOWN_NAME)).replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_one_line_of_bounded_length_whatever_the_names() {
        let name = || "\x1b[2J\n\u{202e}é".repeat(100_000);
        let inner = || Box::new(LoadError::OutsideBase(name()).at(&name(), 512));
        let errors = [
            LoadError::Archive(inner()),
            LoadError::Torn { cause: "x".to_owned(), offset: 1, last: Some((name(), 0)) },
            LoadError::FileTooLarge { name: name(), limit: 1 },
            LoadError::Subchart { name: name(), parent: name(), source: inner() },
            LoadError::SubchartArchive { parent: name(), expected: name(), got: name() },
        ];
        for error in errors {
            let message = error.to_string();
            assert!(message.len() < 3_000, "{} bytes: {message:.3000}", message.len());
            assert_eq!(without_controls(&message), message);
            assert!(!message.contains('\n'), "{message}");
        }
    }

    #[test]
    fn a_limit_is_known_wherever_it_was_exceeded() {
        let subchart = |source| LoadError::Subchart { name: "s".into(), parent: "c".into(), source: Box::new(source) };
        assert!(LoadError::Archive(Box::new(LoadError::TooLarge(1).at("c/x", 0))).is_too_large());
        assert!(subchart(subchart(LoadError::TooManyEntries(1).at("s/x", 0))).is_too_large());
        assert!(!LoadError::Archive(Box::new(LoadError::ParentDirectory.at("c/x", 0))).is_too_large());
        assert!(!subchart(LoadError::NotGzip).is_too_large());
    }
}
