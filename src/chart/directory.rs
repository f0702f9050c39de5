//! Loading an unpacked chart, with its `.helmignore` (`pkg/chart/v2/loader/directory.go`). Files are read in byte
//! order of their names, directory by directory; symbolic links are followed inside the chart only, or inside a boundary
//! around it.

use std::fs;
use std::path::{Path, PathBuf};

use super::archive::Budget;
use super::ignore::{self, Rules};
use super::{Chart, File, Limits, LoadError, load};

/// Loads a chart from a directory.
///
/// # Errors
/// [`LoadError`], in Helm's words.
pub fn load_directory(directory: &Path, limits: &Limits) -> Result<Chart, LoadError> {
    let mut budget = Budget::new(limits);
    let files = read(directory, directory, &mut budget)?;
    load::check_version(&files)?;
    let digest = load::content_digest(&files);
    let chart = load::chart_from_files(files, &mut budget, 0)?;
    Ok(Chart { digest: digest.into(), ..chart })
}

/// The files of a chart in a directory. Symbolic links are followed as far as `boundary`, a directory around it.
pub(super) fn read(directory: &Path, boundary: &Path, budget: &mut Budget) -> Result<Vec<File>, LoadError> {
    let whole = |path: &Path| fs::canonicalize(path).map_err(|source| read_error(&path.to_string_lossy(), source));
    let (root, boundary) = (whole(directory)?, whole(boundary)?);
    if !root.join("Chart.yaml").is_file() {
        return Err(LoadError::NoChartYaml);
    }
    let rules = read_rules(&root.join(ignore::FILE_NAME), budget)?;
    let mut walk = Walk { rules, budget, files: Vec::new(), boundary: &boundary };
    walk.directory(&root, "", 0)?;
    Ok(walk.files)
}

/// What `.helmignore` says; nothing where it is no regular file.
fn read_rules(path: &Path, budget: &mut Budget) -> Result<Rules, LoadError> {
    let mut text = Vec::new();
    if let Ok(metadata) = fs::metadata(path)
        && metadata.is_file()
    {
        let file = fs::File::open(path).map_err(|source| read_error(ignore::FILE_NAME, source))?;
        text = budget.read(ignore::FILE_NAME, metadata.len(), file)?;
    }
    Rules::parse(&String::from_utf8_lossy(&text)).map_err(LoadError::Ignore)
}

struct Walk<'a> {
    boundary: &'a Path,
    rules: Rules,
    budget: &'a mut Budget,
    files: Vec<File>,
}

/// How deep directories may nest: a link to a parent directory would never end.
const MAX_DEPTH: usize = 64;

impl Walk<'_> {
    fn directory(&mut self, directory: &Path, prefix: &str, depth: usize) -> Result<(), LoadError> {
        if depth > MAX_DEPTH {
            return Err(LoadError::TooDeep(MAX_DEPTH));
        }
        let entries = fs::read_dir(directory).map_err(|source| read_error(prefix, source))?;
        let mut names: Vec<String> = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|source| read_error(prefix, source))?;
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
        names.sort_unstable();
        for name in names {
            let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}/{name}") };
            self.entry(&directory.join(&name), path, depth)?;
        }
        Ok(())
    }

    fn entry(&mut self, source: &Path, path: String, depth: usize) -> Result<(), LoadError> {
        let target = self.resolve(source, &path)?;
        let metadata = fs::metadata(&target).map_err(|source| read_error(&path, source))?;
        if self.rules.ignore(&path, metadata.is_dir()) {
            return Ok(());
        }
        if metadata.is_dir() {
            return self.directory(&target, &path, depth + 1);
        }
        if !metadata.is_file() {
            return Err(LoadError::Irregular(path));
        }
        self.budget.entry()?;
        let file = fs::File::open(&target).map_err(|source| read_error(&path, source))?;
        let data = self.budget.read(&path, metadata.len(), file)?;
        let modified = metadata.modified().ok().and_then(|time| jiff::Timestamp::try_from(time).ok());
        self.files.push(File { name: path, data: data.into(), modified });
        Ok(())
    }

    fn resolve(&self, source: &Path, path: &str) -> Result<PathBuf, LoadError> {
        let target = fs::canonicalize(source).map_err(|source| read_error(path, source))?;
        if target.starts_with(self.boundary) { Ok(target) } else { Err(LoadError::LinkOutside(path.to_owned())) }
    }
}

fn read_error(path: &str, source: std::io::Error) -> LoadError {
    LoadError::Read { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A directory of its own, removed in the end.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str, files: &[(&str, &str)]) -> Self {
            let folder = Self(std::env::temp_dir().join(format!("coxswain-{}-{name}", std::process::id())));
            for (path, text) in files {
                let path = folder.0.join(path);
                fs::create_dir_all(path.parent().expect("a file in the folder")).expect("writable");
                fs::write(path, text).expect("writable");
            }
            folder
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    const CHART_YAML: (&str, &str) = ("Chart.yaml", "apiVersion: v2\nname: c\nversion: 1.0.0\n");

    #[test]
    fn ignored_files_are_no_part_of_the_chart() {
        let folder = Folder::new(
            "ignored",
            &[
                CHART_YAML,
                (".helmignore", "\u{feff}*.bak\nsecret/\n"),
                ("templates/x.yaml", "x"),
                ("templates/.hidden", "x"),
                ("note.bak", "x"),
                ("secret/key", "x"),
                ("docs/b.md", "x"),
                ("a.md", "x"),
            ],
        );
        let chart = load_directory(&folder.0, &Limits::default()).expect("valid");
        let names = |files: &[File]| files.iter().map(|file| file.name.clone()).collect::<Vec<_>>();
        assert_eq!(names(&chart.templates), ["templates/x.yaml"]);
        assert_eq!(names(&chart.files), [".helmignore", "a.md", "docs/b.md"]);
        let again = load_directory(&folder.0, &Limits::default()).expect("valid");
        assert_eq!(chart.digest, again.digest);
        fs::write(folder.0.join("a.md"), "y").expect("writable");
        assert_ne!(load_directory(&folder.0, &Limits::default()).expect("valid").digest, chart.digest);
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_inside_the_chart_only() {
        use std::os::unix::fs::symlink;

        let folder = Folder::new("links", &[CHART_YAML, ("shared/x.yaml", "x"), ("templates/y.yaml", "y")]);
        symlink("../shared/x.yaml", folder.0.join("templates/x.yaml")).expect("writable");
        let chart = load_directory(&folder.0, &Limits::default()).expect("valid");
        assert_eq!(&*chart.templates[0].data, b"x");
        symlink("/etc/hostname", folder.0.join("templates/z.yaml")).expect("writable");
        let error = load_directory(&folder.0, &Limits::default()).expect_err("a link out").to_string();
        assert_eq!(error, "templates/z.yaml points outside the chart directory: copy the file into the chart");
    }

    #[test]
    fn a_folder_without_a_chart_is_none() {
        let folder = Folder::new("none", &[("values.yaml", "")]);
        let error = load_directory(&folder.0, &Limits::default()).expect_err("no chart").to_string();
        assert_eq!(error, "unable to detect chart version, no Chart.yaml found");
    }
}
