//! Charts in a folder that was checked out: which of its folders are charts, their archives, and an index of them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Component, Path, PathBuf};

use super::index::Index;
use super::revision::Revision;
use super::workshop::Bench;
use super::{Charts, Digest, Document, SourceError};
use crate::chart::{self, Dependency, Limits, LoadError, Packed};
use crate::value::Json;

/// How deep charts are looked for.
const DEEPEST: usize = 64;
/// How a lock names a chart in another folder.
const BESIDE: &str = "file://";

/// A state of a repository that was checked out, and the folder in it that is asked for.
#[derive(Debug)]
pub(super) struct Folder {
    root: PathBuf,
    path: PathBuf,
    revision: Revision,
}

/// A chart that no index names.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) archive: Vec<u8>,
    /// The version that is shown, where it is not the chart's own.
    pub(super) version: Option<String>,
    /// Where it is, as an entry of an index would say it.
    pub(super) url: String,
    /// What it needs of other repositories.
    pub(super) needed: Vec<Dependency>,
}

/// A chart of a folder, with what it needs of other folders.
struct Gathered {
    packed: Packed,
    /// What it needs of other repositories.
    needed: Vec<Dependency>,
}

impl Folder {
    /// A folder of what was checked out.
    ///
    /// # Errors
    /// [`SourceError::NoChart`] where it is not there or leads elsewhere.
    pub(super) fn open(root: &Path, path: &str, revision: Revision) -> Result<Self, SourceError> {
        let missing = || SourceError::no_chart(&revision, path);
        let relative = Path::new(path.trim_matches('/'));
        let is_plain = relative.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
        let root = fs::canonicalize(root).map_err(|error| SourceError::disk(&revision.url, &error))?;
        let path = fs::canonicalize(root.join(relative)).ok().filter(|path| is_plain && path.starts_with(&root));
        Ok(Self { path: path.ok_or_else(missing)?, root, revision })
    }

    /// Does something with a folder of what was checked out on a bench, which goes as soon as that is done.
    ///
    /// # Errors
    /// As for [`Folder::open`], and what the work itself refuses.
    pub(super) async fn visit<T: Send + 'static>(
        bench: Bench,
        root: PathBuf,
        path: String,
        revision: Revision,
        work: impl FnOnce(&Self) -> Result<T, SourceError> + Send + 'static,
    ) -> Result<T, SourceError> {
        let url = revision.url.clone();
        let worked = tokio::task::spawn_blocking(move || {
            let worked = Self::open(&root, &path, revision).and_then(|folder| work(&folder));
            drop(bench);
            worked
        });
        worked.await.map_err(|_| SourceError::Interrupted { url })?
    }

    /// The index of all charts, whose archives are kept in the store. What is no valid chart is skipped and counted,
    /// as entries of an index are.
    ///
    /// # Errors
    /// There is no valid chart.
    pub(super) fn index(&self, store: &Charts) -> Result<(Document, Index), SourceError> {
        let mut entries = BTreeMap::<String, Vec<Json>>::new();
        let mut failures = Vec::new();
        for folder in self.folders()? {
            match self.gather(&folder) {
                Ok(Gathered { packed, needed }) => {
                    // Of a chart that is not whole yet, the archive tells the digest once somebody wants it.
                    let digest = needed.is_empty().then(|| store.keep(&packed.archive));
                    let name = packed.chart.metadata.name.clone();
                    entries.entry(name).or_default().push(self.entry(&folder, &packed, digest));
                }
                Err(error) => {
                    tracing::warn!(%error, "a chart is left out");
                    failures.push(error);
                }
            }
        }
        if entries.is_empty() && !failures.is_empty() {
            return Err(failures.swap_remove(0));
        }
        let not_an_index = |reason| SourceError::NotAnIndex { url: self.revision.url.clone(), reason };
        let (document, index) = Document::of(entries).map_err(not_an_index)?;
        Ok((document.without(failures.iter().map(ToString::to_string).collect()), index))
    }

    /// The one chart that is there.
    ///
    /// # Errors
    /// There is none, or there are several, or it is not valid.
    pub(super) fn only(&self) -> Result<Found, SourceError> {
        match self.folders()?.as_slice() {
            [folder] => {
                let Gathered { packed, needed } = self.gather(folder)?;
                let version = Some(self.revision.version(&packed.chart.metadata.version));
                let url = self.revision.address(&shown(folder));
                Ok(Found { archive: packed.archive, version, url, needed })
            }
            folders => {
                let names: Vec<String> = folders.iter().take(5).map(|folder| shown(folder)).collect();
                Err(SourceError::SeveralCharts { url: self.revision.url.clone(), charts: names.join(", ") })
            }
        }
    }

    /// The folders that are charts, in order, below the root. A chart within a chart belongs to that one.
    fn folders(&self) -> Result<Vec<PathBuf>, SourceError> {
        let mut found = Vec::new();
        let mut open = vec![(self.path.clone(), 0)];
        while let Some((folder, depth)) = open.pop() {
            let below = folder.strip_prefix(&self.root).unwrap_or(&folder).to_owned();
            if folder.join("Chart.yaml").is_file() {
                found.push(below);
                continue;
            }
            if depth == DEEPEST {
                continue;
            }
            let entries = fs::read_dir(&folder).map_err(|error| SourceError::disk(&self.revision.url, &error))?;
            // Links are not followed here, or a link to a folder above would never end.
            let folders = entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
            open.extend(folders.filter(|entry| entry.file_name() != ".git").map(|entry| (entry.path(), depth + 1)));
        }
        // A folder whose name is no text has no address.
        found.retain(|folder| folder.to_str().is_some());
        found.sort();
        if found.is_empty() {
            let path = self.path.strip_prefix(&self.root).unwrap_or(&self.path);
            return Err(SourceError::no_chart(&self.revision, &shown(path)));
        }
        Ok(found)
    }

    /// Packs a chart, together with the charts of other folders that its lock names.
    fn gather(&self, folder: &Path) -> Result<Gathered, SourceError> {
        let not_a_chart = |error| self.not_a_chart(folder, &error);
        let packed = self.pack(folder).map_err(not_a_chart)?;
        let locked = packed.locked().map_err(|reason| self.incomplete(folder, "", reason.to_owned()))?;
        let (beside, needed): (Vec<_>, Vec<_>) =
            locked.into_iter().partition(|dependency| dependency.repository.starts_with(BESIDE));
        if beside.is_empty() {
            return Ok(Gathered { packed, needed });
        }
        let subcharts = beside.iter().map(|dependency| self.beside(folder, dependency)).collect::<Result<_, _>>()?;
        let packed = chart::with_subcharts(&packed.archive, subcharts, &Limits::default()).map_err(not_a_chart)?;
        Ok(Gathered { packed, needed })
    }

    /// The archive of a chart in another folder, `file://../common`.
    fn beside(&self, folder: &Path, dependency: &Dependency) -> Result<Vec<u8>, SourceError> {
        let path = dependency.repository.trim_start_matches(BESIDE);
        let found = fs::canonicalize(self.root.join(folder).join(path)).ok();
        let inside = found.as_ref().and_then(|found| found.strip_prefix(&self.root).ok());
        let other = inside.ok_or_else(|| {
            let reason =
                format!("{} is not in the repository: correct Chart.yaml and Chart.lock", dependency.repository);
            self.incomplete(folder, &dependency.name, reason)
        })?;
        self.pack(other).map(|packed| packed.archive).map_err(|error| self.not_a_chart(other, &error))
    }

    fn pack(&self, folder: &Path) -> Result<Packed, LoadError> {
        chart::pack_directory(&self.root.join(folder), &self.root, &Limits::default())
    }

    fn incomplete(&self, folder: &Path, dependency: &str, reason: String) -> SourceError {
        let url = self.revision.address(&shown(folder));
        SourceError::Dependency { url, dependency: dependency.to_owned(), reason }
    }

    /// The chart as an index has it.
    fn entry(&self, folder: &Path, packed: &Packed, digest: Option<Digest>) -> Json {
        let metadata = &*packed.chart.metadata;
        let mut fields = match serde_json::to_value(metadata) {
            Ok(Json::Object(fields)) => fields,
            _ => Default::default(),
        };
        let text = Json::String;
        fields.insert("version".into(), text(self.revision.version(&metadata.version)));
        fields.insert("urls".into(), Json::Array(vec![text(self.revision.address(&shown(folder)))]));
        if let Some(digest) = digest {
            fields.insert("digest".into(), text(digest.to_string()));
        }
        if let Some(created) = &self.revision.created {
            fields.insert("created".into(), text(created.clone()));
        }
        Json::Object(fields)
    }

    fn not_a_chart(&self, folder: &Path, error: &LoadError) -> SourceError {
        SourceError::chart(&self.revision.address(&shown(folder)), error)
    }
}

fn shown(folder: &Path) -> String {
    folder.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder of its own, removed in the end.
    struct Checkout(PathBuf);

    impl Checkout {
        fn new(purpose: &str, charts: &[(&str, &str)]) -> anyhow::Result<Self> {
            let checkout = Self(std::env::temp_dir().join(format!("coxswain-folder-{}-{purpose}", std::process::id())));
            for (path, text) in charts {
                let folder = checkout.0.join(path);
                fs::create_dir_all(&folder)?;
                fs::write(folder.join("Chart.yaml"), text)?;
            }
            Ok(checkout)
        }

        fn open(&self, path: &str) -> Result<Folder, SourceError> {
            let id = "0123456789abcdef0123456789abcdef01234567".to_owned();
            let created = Some("2026-01-02T03:04:05Z".to_owned());
            Folder::open(&self.0, path, Revision { url: "https://x.org/charts.git".to_owned(), id, created })
        }

        fn index(&self, path: &str) -> Result<(Document, Index), SourceError> {
            self.open(path)?.index(&Charts::new(None, 1, Limits::default()))
        }
    }

    impl Drop for Checkout {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    const WEB: &str = "apiVersion: v2\nname: web\nversion: 1.2.3\nappVersion: \"7\"\n";
    const OLD: &str = "apiVersion: v2\nname: web\nversion: 1.0.0\n";

    #[test]
    fn charts_are_found_at_any_depth_and_not_within_charts() -> anyhow::Result<()> {
        let checkout = Checkout::new(
            "depth",
            &[
                ("a/b/c/web", WEB),
                ("a/b/c/web/charts/sub", WEB),
                ("a/old", OLD),
                ("broken", "apiVersion: v2\nname: [\n"),
                (".git", WEB),
            ],
        )?;
        std::os::unix::fs::symlink("..", checkout.0.join("a/loop"))?;
        let (document, index) = checkout.index("")?;
        assert_eq!((document.names().collect::<Vec<_>>(), document.skipped()), (vec!["web"], 1));
        assert!(document.problem().is_some_and(|problem| problem.contains(":broken is not a chart")));
        let versions: Vec<&str> = index.versions("web").iter().map(|entry| &*entry.version).collect();
        assert_eq!(versions, ["1.2.3+0123456789ab", "1.0.0+0123456789ab"]);
        let listed = document.versions("web").next().expect("a version");
        assert_eq!(listed.url(), "https://x.org/charts.git#0123456789abcdef0123456789abcdef01234567:a/b/c/web");
        assert_eq!(
            (&listed.entry["appVersion"], &listed.entry["created"]),
            (&"7".into(), &"2026-01-02T03:04:05Z".into())
        );
        assert_eq!(checkout.index("/a/old/")?.1.len(), 1);
        let archive = checkout.open("a/old")?.only()?;
        assert_eq!(Some(Digest::of(&archive.archive)), index.versions("web")[1].digest);
        Ok(())
    }

    #[test]
    fn what_a_lock_names_is_taken_from_other_folders_or_left_to_be_fetched() -> anyhow::Result<()> {
        let needs =
            [("near", "old", "file://../old"), ("far", "common", "https://x.org"), ("out", "etc", "file:///etc")];
        let mut charts = vec![("old".to_owned(), OLD.replace("web", "old"))];
        for (name, needed, repository) in needs {
            let dependency = format!("- {{name: {needed}, version: 1.x, repository: '{repository}'}}\n");
            let chart = format!("apiVersion: v2\nname: {name}\nversion: 1.0.0\ndependencies:\n{dependency}");
            charts.push((name.to_owned(), chart));
        }
        let charts: Vec<(&str, &str)> = charts.iter().map(|(name, chart)| (&**name, &**chart)).collect();
        let checkout = Checkout::new("locked", &charts)?;
        for (name, needed, repository) in needs {
            let lock = format!("dependencies:\n- {{name: {needed}, version: 1.0.0, repository: '{repository}'}}\n");
            fs::write(checkout.0.join(name).join("Chart.lock"), lock)?;
        }
        let (document, index) = checkout.index("")?;
        assert_eq!(document.skipped(), 1, "what leads out of the repository is left out");
        assert!(index.versions("near")[0].digest.is_some() && index.versions("far")[0].digest.is_none());
        let near = checkout.open("near")?.only()?;
        let chart = chart::load_archive(&near.archive, &Limits::default())?;
        assert_eq!((chart.dependencies[0].name(), near.needed.len()), ("old", 0));
        let needed = checkout.open("far")?.only()?.needed;
        assert_eq!((needed.len(), &*needed[0].name), (1, "common"));
        let error = checkout.open("out")?.only().expect_err("outside").to_string();
        assert!(error.contains("file:///etc is not in the repository"), "{error}");
        Ok(())
    }

    #[test]
    fn what_is_not_there_is_told_with_its_place() -> anyhow::Result<()> {
        let checkout = Checkout::new("none", &[("a/web", WEB), ("a/old", OLD), ("bad", "name: [")])?;
        fs::create_dir_all(checkout.0.join("empty"))?;
        std::os::unix::fs::symlink("/", checkout.0.join("out"))?;
        for path in ["none", "empty", "../..", "out", "out/etc"] {
            let error = checkout.index(path).expect_err(path);
            assert!(matches!(error, SourceError::NoChart { .. }), "{path}: {error}");
            assert!(error.to_string().contains("source.path"), "{error}");
        }
        let error = checkout.index("bad").expect_err("no chart").to_string();
        assert!(error.contains(":bad is not a chart"), "{error}");
        let error = checkout.open("a")?.only().expect_err("two").to_string();
        assert!(error.contains("a/old, a/web"), "{error}");
        Ok(())
    }
}
