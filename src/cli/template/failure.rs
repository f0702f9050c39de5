//! Why `coxswain template` ends without a render, in the words of `helm template` where it has them.

use crate::chart::LoadError;
use crate::chart::set::SetError;
use crate::render::{KubeVersionError, RenderError};
use crate::source::SourceError;
use crate::yaml::quote::quote;

/// Why `coxswain template` failed.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say what the variants are")]
pub enum Failure {
    #[error("\"coxswain template\" requires at least 1 argument\n\nUsage:  coxswain template [NAME] [CHART] [flags]")]
    NoChart,
    #[error("expected at most two arguments, unexpected arguments: {0}")]
    TooManyArguments(String),
    #[error("cannot set {0} and also specify a name")]
    TwoNames(&'static str),
    #[error(
        "if any flags in the group [validate dry-run] are set none of the others can be; [dry-run validate] were all set"
    )]
    ValidateAndDryRun,
    #[error("invalid dry-run value ({}). Must be {allowed}", quote(.value))]
    DryRun { value: String, allowed: &'static str },
    #[error("invalid kube version '{text}': {cause}")]
    KubeVersion { text: String, cause: KubeVersionError },
    #[error("{0}")]
    NameTemplate(String),
    #[error("release name check failed: {0}")]
    Name(String),
    #[error("path {} not found", quote(.0))]
    NoPath(String),
    #[error("--dependency-update is not supported: put the dependencies of the chart into its charts/ directory first")]
    DependencyUpdate,
    #[error("--verify is not supported: verify the archive with the helm command")]
    Verify,
    #[error("repo {0} not found")]
    NoRepository(String),
    #[error("non-absolute URLs should be in form of repo_name/path_to_chart, got: {0}")]
    NoRepositoryName(String),
    #[error("scheme {} not supported", quote(.0))]
    Scheme(String),
    #[error("{chart} not found in {repository} repository")]
    NotInRepository { chart: String, repository: String },
    #[error("looks like {} is not a valid chart repository or cannot be reached: {cause}", quote(.repository))]
    Repository { repository: String, cause: Box<Failure> },
    #[error("{operation} {path}: {reason}")]
    File { operation: &'static str, path: String, reason: String },
    #[error("open {0}: is a named pipe: write it into a file first")]
    Pipe(String),
    #[error("read {path}: more than {limit} bytes")]
    TooLarge { path: String, limit: u64 },
    #[error("unable to detect chart at {path}: {cause}")]
    NoChartYaml { path: String, cause: Box<Failure> },
    #[error("file '{0}' seems to be a YAML file, but expected a gzipped archive")]
    YamlForArchive(String),
    #[error("file '{path}' does not appear to be a gzipped archive; got '{content_type}'")]
    NotAnArchive { path: String, content_type: &'static str },
    #[error("file '{0}' does not appear to be a valid chart file (details: gzip: invalid header)")]
    NotGzip(String),
    #[error("unable to load chart archive: {}: {cause}", quote(.path))]
    Archive { path: String, cause: Box<LoadError> },
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error("failed to parse {path}: {reason}")]
    ValuesFile { path: String, reason: String },
    #[error("failed parsing --set-json data JSON: {0}")]
    SetJsonObject(String),
    #[error("failed parsing --set-json data {0}")]
    SetJson(String),
    #[error("failed parsing {flag} data: {cause}")]
    Set { flag: &'static str, cause: SetError },
    #[error("{0} charts are not installable")]
    NotInstallable(String),
    #[error(
        "an error occurred while checking for chart dependencies. You may need to run 'helm dependency build' to fetch \
         missing dependencies: found in Chart.yaml, but missing in charts/ directory: {}", .0.join(", ")
    )]
    MissingDependencies(Vec<String>),
    #[error("cluster reachability check failed: kubernetes cluster unreachable: {0}")]
    Unreachable(String),
    #[error("{error}{}", hint(.error, *.debug))]
    Render { error: RenderError, debug: bool },
    #[error("could not find template {0} in chart")]
    NoTemplate(String),
    #[error("failed to fetch {url} : {status}")]
    Status { url: String, status: String },
    #[error("Get {}: {cause}", quote(.url))]
    Get { url: String, cause: String },
    #[error("{0}")]
    Source(SourceError),
    #[error("the runtime could not be started: {0}")]
    Runtime(std::io::Error),
    #[error("the render thread could not be started: {0}")]
    Thread(std::io::Error),
    #[error("the output could not be written: {0}")]
    Output(std::io::Error),
}

impl Failure {
    /// A failed operation on a file, in Go's form.
    pub(super) fn file(operation: &'static str, path: impl Into<String>, error: &std::io::Error) -> Self {
        Self::File { operation, path: path.into(), reason: reason(error) }
    }
}

/// The operating system's text for an error as Go has it: lower case, without the number.
fn reason(error: &std::io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error ").next().unwrap_or_default();
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| first.to_lowercase().chain(characters).collect())
}

/// What Helm adds to the failures that leave it with a manifest it could show.
fn hint(error: &RenderError, debug: bool) -> &'static str {
    let has_manifest = matches!(
        error,
        RenderError::KubeVersion { .. }
            | RenderError::Template(_)
            | RenderError::Limit(_)
            | RenderError::Document { .. }
    );
    if has_manifest && !debug { "\n\nUse --debug flag to render out invalid YAML" } else { "" }
}
