//! Why a chart cannot be loaded, in Helm's words where Helm has them.

/// Why a chart cannot be loaded.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say what the variants are")]
pub enum LoadError {
    #[error("stream does not appear to be a valid chart file (details: gzip: invalid header)")]
    NotGzip,
    #[error("unable to load chart archive: {0}")]
    Corrupt(String),
    #[error("no files in chart archive")]
    Empty,
    #[error("chart illegally contains absolute paths")]
    AbsolutePath,
    #[error("chart illegally contains content outside the base directory: {0:?}")]
    OutsideBase(String),
    #[error("chart illegally references parent directory")]
    ParentDirectory,
    #[error("chart contains illegally named files")]
    DrivePath,
    #[error("chart yaml not in base directory")]
    ChartYamlOutsideBase,
    #[error("chart archive entry {name:?} is a {kind}: only regular files are allowed")]
    NotAFile { name: String, kind: &'static str },
    #[error("decompressed chart is larger than the maximum size {0}")]
    TooLarge(u64),
    #[error("decompressed chart file {name:?} is larger than the maximum file size {limit}")]
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
    #[error("error unpacking subchart {name} in {parent}: {source}")]
    Subchart { name: String, parent: String, source: Box<LoadError> },
    #[error("error unpacking subchart tar in {parent}: expected {expected}, got {got}")]
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
