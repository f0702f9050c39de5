//! Where the chart argument leads: a directory, an archive, a URL or a repository (`pkg/action/install.go`
//! LocateChart), and loading what is found (`pkg/chart/loader/load.go`).

use std::path::{Path, PathBuf};

use super::remote::Downloaded;
use super::{Failure, TemplateArguments, file, path, remote};
use crate::chart::{Chart, Limits, LoadError, load_archive, load_directory};

/// A chart that was found and not yet loaded: values are read before it is.
#[derive(Debug)]
pub(super) enum Source {
    /// A directory or an archive.
    Path(PathBuf),
    /// A downloaded archive.
    Archive(Downloaded),
}

/// Finds the chart; archives behind URLs are downloaded.
pub(super) fn locate(arguments: &TemplateArguments, name: &str) -> Result<Source, Failure> {
    if arguments.dependency_update {
        return Err(Failure::DependencyUpdate);
    }
    if arguments.verify {
        return Err(Failure::Verify);
    }
    let name = name.trim();
    if !arguments.repo.is_empty() {
        return remote::fetch_from_repository(arguments, name).map(Source::Archive);
    }
    if Path::new(name).exists() {
        return Ok(Source::Path(path::absolute(name)));
    }
    if name.starts_with('/') || name.starts_with('.') {
        return Err(Failure::NoPath(name.to_owned()));
    }
    if name.starts_with("oci://") {
        return remote::fetch_from_registry(name, arguments).map(Source::Archive);
    }
    if remote::is_url(name) {
        return remote::fetch(name, arguments).map(Source::Archive);
    }
    if let Some((scheme, _)) = name.split_once("://") {
        return Err(Failure::Scheme(scheme.to_owned()));
    }
    match name.split_once('/') {
        Some((repository, _)) => Err(Failure::NoRepository(repository.to_owned())),
        None => Err(Failure::NoRepositoryName(name.to_owned())),
    }
}

impl Source {
    /// Loads the chart.
    pub(super) fn load(self) -> Result<Chart, Failure> {
        let limits = Limits::default();
        match self {
            Self::Path(path) if path.is_dir() => {
                let chart_yaml = path.join("Chart.yaml");
                if std::fs::metadata(&chart_yaml).is_ok_and(|metadata| !metadata.is_file()) {
                    return Err(LoadError::Irregular("Chart.yaml".to_owned()).into());
                }
                std::fs::File::open(&chart_yaml).map_err(|error| {
                    let path = chart_yaml.to_string_lossy().into_owned();
                    let cause = Box::new(Failure::file("open", path.clone(), &error));
                    Failure::NoChartYaml { path, cause }
                })?;
                Ok(load_directory(&path, &limits)?)
            }
            Self::Path(path) => {
                let shown = path.to_string_lossy().into_owned();
                load(&file::read(&shown)?, shown, &limits)
            }
            Self::Archive(Downloaded { shown, content }) => load(&content, shown, &limits),
        }
    }
}

/// What can be said of a file that is no archive (`EnsureArchive`). Helm looks at the first 512 bytes, zeros after a
/// file's end included, so that only a longer file can be text.
fn check_archive(path: &str, archive: &[u8]) -> Result<(), Failure> {
    const LOOKED_AT: usize = 512;
    if archive.starts_with(b"\x1f\x8b\x08") {
        return Ok(());
    }
    if path.ends_with(".yml") || path.ends_with(".yaml") {
        return Err(Failure::YamlForArchive(path.to_owned()));
    }
    let binary = |byte: &u8| matches!(byte, 0..=8 | 0xb | 0xe..=0x1a | 0x1c..=0x1f);
    let content_type = if archive.starts_with(b"PK\x03\x04") {
        "application/zip"
    } else if archive.get(..LOOKED_AT).is_none_or(|start| start.iter().any(binary)) {
        "application/octet-stream"
    } else {
        "text/plain; charset=utf-8"
    };
    Err(Failure::NotAnArchive { path: path.to_owned(), content_type })
}

/// Loads an archive. Helm tells of a broken one only that it cannot be loaded; here which one, why and where follow.
fn load(archive: &[u8], path: String, limits: &Limits) -> Result<Chart, Failure> {
    check_archive(&path, archive)?;
    load_archive(archive, limits).map_err(|error| match error {
        LoadError::NotAnArchive => Failure::NotGzip(path),
        LoadError::Archive(cause) => Failure::Archive { path, cause },
        other => Failure::Load(other),
    })
}
