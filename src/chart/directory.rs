//! Loading an unpacked chart, with its `.helmignore`.

use std::path::Path;

use super::{Chart, Limits, LoadError};

/// Loads a chart from a directory.
///
/// # Errors
/// [`LoadError`], in Helm's words.
pub fn load_directory(directory: &Path, limits: &Limits) -> Result<Chart, LoadError> {
    let _ = (directory, limits);
    Err(LoadError::NoChartYaml)
}
