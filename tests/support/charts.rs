//! The repository's own small charts, packed as `helm package` would and listed in an `index.yaml`.

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use flate2::{Compression, GzBuilder};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

/// A packed chart.
#[derive(Debug, Clone)]
pub struct Packed {
    /// The chart's name.
    pub name: String,
    /// The chart's version.
    pub version: String,
    /// SHA-256 of the archive in hexadecimal, as in an `index.yaml`.
    pub digest: String,
    /// The archive, `NAME-VERSION.tgz`.
    pub path: PathBuf,
    metadata: Map<String, Value>,
}

/// The folder of a chart of this repository, such as `hello-0.1.0`.
pub fn folder(chart: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/charts").join(chart)
}

/// Packs a chart folder into `target`. The same folder gives the same bytes every time.
///
/// # Errors
/// When the folder is no chart or the archive cannot be written.
pub fn pack(chart: &Path, target: &Path) -> Result<Packed> {
    let metadata = metadata(chart)?;
    let text = |key: &str| metadata.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (name, version) = (text("name"), text("version"));
    let path = target.join(format!("{name}-{version}.tgz"));
    let archive = archive(chart, &name).with_context(|| format!("cannot pack {}", chart.display()))?;
    std::fs::write(&path, &archive)?;
    Ok(Packed { name, version, digest: digest(&archive), path, metadata })
}

/// Packs the charts into `target` and lists them in its `index.yaml`. Addresses in it are relative to the index.
///
/// # Errors
/// When one cannot be packed.
pub fn repository(charts: &[PathBuf], target: &Path) -> Result<Vec<Packed>> {
    let packed = charts.iter().map(|chart| pack(chart, target)).collect::<Result<Vec<_>>>()?;
    write_index(&packed, target)?;
    Ok(packed)
}

/// Writes an `index.yaml` of these charts.
///
/// # Errors
/// When it cannot be written.
pub fn write_index(charts: &[Packed], target: &Path) -> Result<()> {
    let mut entries: Map<String, Value> = Map::new();
    for chart in charts {
        let mut entry = chart.metadata.clone();
        entry.insert("digest".into(), json!(chart.digest));
        entry.insert("urls".into(), json!([format!("{}-{}.tgz", chart.name, chart.version)]));
        entry.insert("created".into(), json!("2026-01-01T00:00:00Z"));
        if let Some(versions) = entries.entry(chart.name.clone()).or_insert_with(|| json!([])).as_array_mut() {
            // Newest first, as Helm sorts them; the callers name the oldest first.
            versions.insert(0, entry.into());
        }
    }
    let index = json!({"apiVersion": "v1", "generated": "2026-01-01T00:00:00Z", "entries": entries});
    // JSON is YAML.
    std::fs::write(target.join("index.yaml"), serde_json::to_string_pretty(&index)?)?;
    Ok(())
}

/// SHA-256 in hexadecimal.
pub fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The plain `key: value` lines at the top of `Chart.yaml`, which is all that our charts have.
fn metadata(chart: &Path) -> Result<Map<String, Value>> {
    let path = chart.join("Chart.yaml");
    let content = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let scalars = content.lines().filter(|line| line.starts_with(|first: char| first.is_ascii_alphabetic()));
    Ok(scalars
        .filter_map(|line| line.split_once(':'))
        .map(|(key, value)| (key.to_owned(), json!(value.trim().trim_matches('"'))))
        .filter(|(_, value)| value != "")
        .collect())
}

fn archive(chart: &Path, name: &str) -> Result<Vec<u8>> {
    let mut tar = tar::Builder::new(GzBuilder::new().mtime(0).write(Vec::new(), Compression::default()));
    for file in files(chart)? {
        let mut header = tar::Header::new_gnu();
        header.set_size(file.metadata()?.len());
        header.set_mode(0o644);
        header.set_mtime(0);
        let inside = Path::new(name).join(file.strip_prefix(chart)?);
        tar.append_data(&mut header, inside, File::open(&file)?)?;
    }
    Ok(tar.into_inner()?.finish()?)
}

/// All files below the folder; `Chart.yaml` first, as Helm packs it, then by name.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    found.sort_by_key(|path| (*path != folder.join("Chart.yaml"), path.clone()));
    Ok(found)
}
