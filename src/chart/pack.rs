//! An archive of a folder with a chart: the same bytes for the same files, whenever and wherever it is made, because its
//! digest says whether a chart has changed. So it has no times, and nothing in it is compressed: what a compressor
//! writes differs from one version of it to the next.

use std::io;
use std::path::Path;
use std::sync::Arc;

use flate2::Crc;

use super::archive::{self, Budget};
use super::{Chart, Dependency, File, Limits, LoadError, dependencies, directory, load};

/// A chart that was packed.
#[derive(Debug)]
pub struct Packed {
    /// The archive, as [`super::load_archive`] reads it.
    pub archive: Vec<u8>,
    /// The chart in it.
    pub chart: Chart,
}

impl Packed {
    /// The dependencies that the chart does not have in `charts/` and whose version its lock says, each once. Without a
    /// lock there are none: then what is missing stays so.
    ///
    /// # Errors
    /// The lock says nothing of one of them, or a version that the chart does not want; in Helm's words.
    pub fn locked(&self) -> Result<Vec<Dependency>, &'static str> {
        const OUT_OF_SYNC: &str = "the lock file (Chart.lock) is out of sync with the dependencies file (Chart.yaml): \
             run helm dependency update";
        let Some(lock) = &self.chart.lock else { return Ok(Vec::new()) };
        let missing = dependencies::missing(&self.chart);
        let declared = self.chart.metadata.dependencies.iter().flatten();
        let mut locked: Vec<Dependency> = Vec::new();
        for wanted in declared.filter(|dependency| missing.contains(&dependency.name)) {
            let fits = |candidate: &&Dependency| {
                candidate.name == wanted.name && dependencies::is_compatible(&wanted.version, &candidate.version)
            };
            let found = lock.dependencies.iter().find(fits).ok_or(OUT_OF_SYNC)?;
            if !locked.contains(found) {
                locked.push(found.clone());
            }
        }
        Ok(locked)
    }
}

/// Packs the chart in a folder, without what its `.helmignore` names. Symbolic links are followed as far as `boundary`,
/// a folder around it.
///
/// # Errors
/// [`LoadError`], in Helm's words.
pub fn pack_directory(folder: &Path, boundary: &Path, limits: &Limits) -> Result<Packed, LoadError> {
    let mut budget = Budget::new(limits);
    let files = directory::read(folder, boundary, &mut budget)?;
    pack(files, &mut budget)
}

/// Packs a chart together with archives of subcharts.
///
/// # Errors
/// [`LoadError`], in Helm's words.
pub fn with_subcharts(archive: &[u8], subcharts: Vec<Vec<u8>>, limits: &Limits) -> Result<Packed, LoadError> {
    let mut files = archive::read_archive(archive, &mut Budget::new(limits))?;
    let added = subcharts.into_iter().enumerate().map(|(place, archive)| File {
        // Not by the names that charts give themselves: they may be paths.
        name: format!("charts/dependency-{place}.tgz"),
        data: archive.into(),
        modified: None,
    });
    files.extend(added);
    pack(files, &mut Budget::new(limits))
}

fn pack(mut files: Vec<File>, budget: &mut Budget) -> Result<Packed, LoadError> {
    files.sort_by(|left, right| left.name.cmp(&right.name));
    load::check_version(&files)?;
    let chart = load::chart_from_files(files.clone(), budget, 0)?;
    let archive = tar(&files).map_err(|source| LoadError::Read { path: chart.metadata.name.clone(), source })?;
    let archive = stored(&archive);
    Ok(Packed { archive, chart: Chart { digest: Arc::from(""), ..chart } })
}

/// The files below one folder; whoever reads it drops its name.
fn tar(files: &[File]) -> io::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    for file in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(file.data.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(0);
        archive.append_data(&mut header, format!("chart/{}", file.name), &*file.data)?;
    }
    archive.into_inner()
}

/// The bytes as a gzip member of stored blocks (RFC 1951, 3.2.4; RFC 1952).
fn stored(bytes: &[u8]) -> Vec<u8> {
    const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
    const BLOCK: usize = u16::MAX as usize;
    let blocks = bytes.len().div_ceil(BLOCK);
    let mut member = Vec::with_capacity(bytes.len() + blocks * 5 + 18);
    member.extend_from_slice(&HEADER);
    for (place, block) in bytes.chunks(BLOCK).enumerate() {
        let length = u16::try_from(block.len()).unwrap_or(u16::MAX);
        member.push(u8::from(place + 1 == blocks));
        member.extend_from_slice(&length.to_le_bytes());
        member.extend_from_slice(&(!length).to_le_bytes());
        member.extend_from_slice(block);
    }
    let mut checksum = Crc::new();
    checksum.update(bytes);
    member.extend_from_slice(&checksum.sum().to_le_bytes());
    member.extend_from_slice(&checksum.amount().to_le_bytes());
    member
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chart::load_archive;
    use std::fs;
    use std::path::PathBuf;

    /// A folder of its own, removed in the end.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str, files: &[(&str, &[u8])]) -> io::Result<Self> {
            let folder = Self(std::env::temp_dir().join(format!("coxswain-pack-{}-{name}", std::process::id())));
            for (path, content) in files {
                let path = folder.0.join(path);
                fs::create_dir_all(path.parent().unwrap_or(&folder.0))?;
                fs::write(path, content)?;
            }
            Ok(folder)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    const CHART_YAML: &[u8] = b"apiVersion: v2\nname: web\nversion: 1.0.0\ndependencies: [{name: common, version: 1.x, repository: 'https://x.org'}]\n";

    fn pack(folder: &Folder, path: &str) -> Result<Packed, LoadError> {
        pack_directory(&folder.0.join(path), &folder.0, &Limits::default())
    }

    #[test]
    fn a_packed_folder_is_the_chart_that_was_in_it() -> anyhow::Result<()> {
        let large = vec![b'x'; 200_000];
        let folder = Folder::new(
            "whole",
            &[
                ("a/Chart.yaml", CHART_YAML),
                ("a/templates/x.yaml", b"a: {{ .Values.b }}"),
                ("a/large.txt", &large),
                ("a/.helmignore", b"*.bak\n"),
                ("a/note.bak", b"x"),
                ("shared/y.yaml", b"shared"),
            ],
        )?;
        std::os::unix::fs::symlink("../../shared/y.yaml", folder.0.join("a/templates/y.yaml"))?;
        let packed = pack(&folder, "a")?;
        let chart = load_archive(&packed.archive, &Limits::default())?;
        assert_eq!((chart.name(), &*chart.metadata.version), ("web", "1.0.0"));
        let names = |files: &[File]| files.iter().map(|file| file.name.clone()).collect::<Vec<_>>();
        assert_eq!(names(&chart.templates), ["templates/x.yaml", "templates/y.yaml"]);
        assert_eq!(names(&chart.files), [".helmignore", "large.txt"]);
        assert_eq!(&*chart.files[1].data, large);
        assert_eq!(packed.locked(), Ok(Vec::new()), "there is no lock");

        // The same files give the same bytes at any time.
        fs::write(folder.0.join("a/large.txt"), &large)?;
        assert_eq!(pack(&folder, "a")?.archive, packed.archive);
        fs::write(folder.0.join("a/large.txt"), "y")?;
        assert_ne!(pack(&folder, "a")?.archive, packed.archive);
        let outside = fs::canonicalize(std::env::temp_dir())?;
        std::os::unix::fs::symlink(outside, folder.0.join("a/templates/z"))?;
        let error = pack(&folder, "a").expect_err("a link out").to_string();
        assert!(error.starts_with("templates/z points outside"), "{error}");
        Ok(())
    }

    #[test]
    fn a_lock_says_the_versions_of_what_is_missing() -> anyhow::Result<()> {
        let lock = |version: &str| {
            format!("dependencies:\n- {{name: common, repository: 'https://x.org', version: {version}}}\n")
        };
        let folder =
            Folder::new("locked", &[("a/Chart.yaml", CHART_YAML), ("a/Chart.lock", lock("1.2.0").as_bytes())])?;
        let locked = pack(&folder, "a")?.locked().map_err(anyhow::Error::msg)?;
        assert_eq!((locked.len(), &*locked[0].version, &*locked[0].repository), (1, "1.2.0", "https://x.org"));
        fs::write(folder.0.join("a/Chart.lock"), lock("2.0.0"))?;
        let error = pack(&folder, "a")?.locked().expect_err("out of sync");
        assert!(error.contains("out of sync"), "{error}");
        Ok(())
    }

    #[test]
    fn subcharts_are_added_as_archives() -> anyhow::Result<()> {
        let folder = Folder::new(
            "subcharts",
            &[
                ("a/Chart.yaml", CHART_YAML),
                ("common/Chart.yaml", b"apiVersion: v2\nname: common\nversion: 1.2.0\ntype: library\n"),
            ],
        )?;
        let (web, common) = (pack(&folder, "a")?, pack(&folder, "common")?);
        let whole = with_subcharts(&web.archive, vec![common.archive], &Limits::default())?;
        assert!(dependencies::missing(&whole.chart).is_empty());
        let chart = load_archive(&whole.archive, &Limits::default())?;
        assert_eq!(chart.dependencies[0].metadata.version, "1.2.0");
        Ok(())
    }
}
