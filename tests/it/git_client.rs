//! Git repositories as the library reads them, over HTTP with Git's own server program.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use coxswain::chart::{Limits, load_archive};
use coxswain::controller::repositories::Repositories;
use coxswain::source::cache::Archives;
use coxswain::source::git::{Options, Repository, Wanted};
use coxswain::source::index::Index;
use coxswain::source::{Charts, Credentials, Fetched, SourceError, Tls, Validators, Workshop};

use crate::support::folder::Folder;
use crate::support::git::GitRepository;
use crate::support::{ChartServer, Fault};

const SECRET: &str = "hunter2-planted";

/// A chart server with the repository `charts.git`, and a workshop.
struct Forge {
    server: ChartServer,
    repository: GitRepository,
    workshop: Workshop,
    folder: Folder,
}

fn chart(name: &str, version: &str) -> String {
    format!("apiVersion: v2\nname: {name}\nversion: {version}\n")
}

impl Forge {
    fn new() -> Result<Self> {
        let folder = Folder::new("forge")?;
        let server = ChartServer::start(&folder.path().join("served"))?;
        Self::with(folder, server)
    }

    fn with(folder: Folder, server: ChartServer) -> Result<Self> {
        let repository = GitRepository::new(&folder.path().join("served/charts.git"))?;
        let archives = Archives::open(&folder.path().join("cache"), 1 << 20)?;
        let charts = Charts::new(Some(archives), 1 << 20, Limits::default());
        let dependencies = Arc::new(Repositories::new("captain"));
        let workshop = Workshop::open(&folder.path().join("work"), charts, dependencies)?;
        Ok(Self { server, repository, workshop, folder })
    }

    fn options(&self) -> Options {
        Options::new(format!("{}/charts.git", self.server.url()), self.workshop.clone())
    }

    async fn index(&self, options: Options) -> Result<Index, SourceError> {
        match Repository::new(options)?.fetch_index(&Validators::default()).await? {
            Fetched::Index { index, .. } => Ok(index),
            Fetched::Unchanged => panic!("nothing was known"),
        }
    }

    async fn version(&self, wanted: Wanted) -> Result<String, SourceError> {
        let index = self.index(Options { wanted, ..self.options() }).await?;
        Ok(index.versions("web").first().map(|entry| entry.version.to_string()).unwrap_or_default())
    }

    /// Whether no fetch has left anything behind.
    fn is_tidy(&self) -> Result<bool> {
        let work = std::fs::read_dir(self.folder.path().join("work"))?.next().context("the workshop")??;
        Ok(std::fs::read_dir(work.path())?.next().is_none())
    }
}

fn named(reference: &str) -> Wanted {
    Wanted::of(Some(reference), None)
}

fn of_commit(version: &str, commit: &str) -> String {
    format!("{version}+{}", &commit[..12])
}

#[tokio::test]
async fn git_branches_tags_commits_and_ranges_are_read() -> Result<()> {
    let forge = Forge::new()?;
    let first = forge.repository.commit(&[("deep/er/web/Chart.yaml", &chart("web", "1.0.0"))])?;
    forge.repository.git(&["tag", "--annotate", "--message=One", "v1.0.0"])?;
    let second = forge.repository.commit(&[("deep/er/web/Chart.yaml", &chart("web", "1.1.0"))])?;
    forge.repository.git(&["tag", "v1.1.0"])?;
    forge.repository.git(&["switch", "--quiet", "--create", "next"])?;
    let third = forge.repository.commit(&[("deep/er/web/Chart.yaml", &chart("web", "2.0.0"))])?;
    forge.repository.git(&["switch", "--quiet", "main"])?;
    for (wanted, version, commit) in [
        (Wanted::Default, "1.1.0", &second),
        (named("next"), "2.0.0", &third),
        (named("v1.0.0"), "1.0.0", &first),
        (named("refs/tags/v1.1.0"), "1.1.0", &second),
        (named(&first), "1.0.0", &first),
        (Wanted::of(None, Some("<1.1")), "1.0.0", &first),
    ] {
        let found = forge.version(wanted.clone()).await.with_context(|| wanted.to_string())?;
        assert_eq!(found, of_commit(version, commit), "{wanted}");
    }
    assert!(forge.is_tidy()?);
    Ok(())
}

#[tokio::test]
async fn git_charts_are_packed_alike_at_every_commit_that_leaves_them_alone() -> Result<()> {
    let forge = Forge::new()?;
    let files = [("web/Chart.yaml", &*chart("web", "1.0.0")), ("web/templates/a.yaml", "a: 1\n")];
    forge.repository.commit(&files)?;
    let repository = Repository::new(forge.options())?;
    let Fetched::Index { index, validators, .. } = repository.fetch_index(&Validators::default()).await? else {
        panic!("nothing was known")
    };
    let requests = forge.server.served().len();
    assert!(matches!(repository.fetch_index(&validators).await?, Fetched::Unchanged));
    assert_eq!(forge.server.served().len(), requests + 1, "a look that finds nothing new is one request");

    let before = index.versions("web")[0].clone();
    forge.repository.commit(&[("README.md", "another commit")])?;
    let Fetched::Index { index, .. } = repository.fetch_index(&validators).await? else { panic!("it is new") };
    let after = &index.versions("web")[0];
    assert!(before.digest.is_some() && before.digest == after.digest && before.version != after.version);

    // What is not in the cache any more is packed again, of the commit that was indexed.
    for entry in [&before, after] {
        let archive = repository.download(&entry.url, entry.digest).await?;
        assert_eq!(load_archive(&archive, &Limits::default())?.templates.len(), 1);
    }
    // A history that was replaced is followed like any other.
    forge.repository.git(&["commit", "--quiet", "--amend", "--message=Forced"])?;
    let forced = forge.repository.commit(&[("web/Chart.yaml", &chart("web", "0.9.0"))])?;
    assert_eq!(forge.version(Wanted::Default).await?, of_commit("0.9.0", &forced));
    assert!(forge.is_tidy()?);
    Ok(())
}

#[tokio::test]
async fn git_repositories_that_cannot_be_read_say_why() -> Result<()> {
    let forge = Forge::new()?;
    forge.repository.commit(&[("web/Chart.yaml", &chart("web", "1.0.0"))])?;
    let failure = |options: Options| async {
        let error = forge.index(options).await.expect_err("it cannot be read");
        assert!(!error.to_string().contains(SECRET), "{error}");
        error
    };
    let missing = "1".repeat(40);
    for wanted in [named("none"), Wanted::of(None, Some("^9")), named(&missing)] {
        let error = failure(Options { wanted: wanted.clone(), ..forge.options() }).await;
        assert!(matches!(error, SourceError::ReferenceNotFound { .. }), "{wanted}: {error}");
    }
    let at = |path: &str| Options { path: path.to_owned(), ..forge.options() };
    for path in ["none", "../..", "web/templates"] {
        assert!(matches!(failure(at(path)).await, SourceError::NoChart { .. }), "{path}");
    }
    let url = |path: &str| format!("{}/{path}", forge.server.url().replace("//", &format!("//ann:{SECRET}@")));
    let elsewhere = |path: &str| Options { url: url(path), ..forge.options() };
    assert!(matches!(failure(elsewhere("none.git")).await, SourceError::NotFound { .. }));
    std::fs::create_dir_all(forge.folder.path().join("served/plain/info"))?;
    std::fs::write(forge.folder.path().join("served/plain/info/refs"), "1234 refs/heads/main")?;
    assert!(matches!(failure(elsewhere("plain")).await, SourceError::NotARepository { .. }));
    forge.server.fail("/info/refs", Fault::Slow(Duration::from_secs(20)));
    let hurried = Options { timeout: Duration::from_secs(1), ..forge.options() };
    assert!(matches!(failure(hurried).await, SourceError::Timeout { .. }));
    forge.server.heal();
    // The list is read, and what is fetched then is not.
    forge.server.fail("/git-upload-pack", Fault::Broken);
    let error = failure(forge.options()).await;
    assert!(matches!(error, SourceError::Client { .. }) && error.to_string().contains("500"), "{error}");
    assert!(forge.is_tidy()?);
    Ok(())
}

#[tokio::test]
async fn git_over_tls_wants_an_authority_and_credentials() -> Result<()> {
    let folder = Folder::new("forge-tls")?;
    let (server, authority) = ChartServer::start_tls(&folder.path().join("served"))?;
    let forge = Forge::with(folder, server)?;
    let commit = forge.repository.commit(&[("Chart.yaml", &chart("web", "1.0.0"))])?;
    forge.server.require_basic("ann", SECRET);
    let tls = Tls { authorities: Some(authority), ..Tls::default() };
    assert!(matches!(forge.index(forge.options()).await, Err(SourceError::UnknownAuthority { .. })));
    let anonymous = Options { tls: tls.clone(), ..forge.options() };
    let error = forge.index(anonymous.clone()).await.expect_err("as nobody");
    assert!(matches!(error, SourceError::Unauthorized { with_credentials: false, .. }), "{error}");
    let as_whom = |credentials| Options { credentials: Some(credentials), ..anonymous.clone() };
    let wrong = Credentials::Basic { username: "ann".to_owned(), password: "wrong".to_owned() };
    let error = forge.index(as_whom(wrong)).await.expect_err("with a wrong password");
    assert!(matches!(error, SourceError::Unauthorized { with_credentials: true, .. }), "{error}");
    let right = Credentials::Basic { username: "ann".to_owned(), password: SECRET.to_owned() };
    assert_eq!(&*forge.index(as_whom(right)).await?.versions("web")[0].version, of_commit("1.0.0", &commit));
    forge.server.require_token(SECRET);
    assert_eq!(forge.index(as_whom(Credentials::Token(SECRET.to_owned()))).await?.len(), 1);
    let insecure = Tls { insecure_skip_verify: true, ..Tls::default() };
    let options = Options { tls: insecure, ..as_whom(Credentials::Token(SECRET.to_owned())) };
    assert_eq!(forge.index(options).await?.len(), 1);
    Ok(())
}

#[tokio::test]
async fn git_submodules_are_left_out_unless_they_are_wanted() -> Result<()> {
    let forge = Forge::new()?;
    let library = GitRepository::new(&forge.folder.path().join("served/library.git"))?;
    library.commit(&[("Chart.yaml", &chart("library", "1.0.0"))])?;
    let nested = GitRepository::new(&forge.folder.path().join("served/nested.git"))?;
    nested.commit(&[("Chart.yaml", &chart("nested", "1.0.0"))])?;
    let base = GitRepository::new(&forge.folder.path().join("served/base.git"))?;
    base.git(&["submodule", "--quiet", "add", "../nested.git", "nested"])?;
    base.commit(&[("README.md", "with a submodule")])?;
    forge.repository.commit(&[("web/Chart.yaml", &chart("web", "1.0.0"))])?;
    forge.repository.git(&["submodule", "--quiet", "add", "../library.git", "library"])?;
    forge.repository.git(&["submodule", "--quiet", "add", "../base.git", "base"])?;
    forge.repository.commit(&[("README.md", "with submodules")])?;
    let names = |index: &Index| ["web", "library", "nested"].map(|name| index.versions(name).len());
    assert_eq!(names(&forge.index(forge.options()).await?), [1, 0, 0]);
    let with = Options { submodules: true, ..forge.options() };
    assert_eq!(names(&forge.index(with.clone()).await?), [1, 1, 1]);

    // Whoever writes to a repository names no addresses of the machine's, and none of its files.
    let commit = library.git(&["rev-parse", "HEAD"])?;
    forge.repository.git(&["update-index", "--add", "--cacheinfo", &format!("160000,{commit},evil")])?;
    std::fs::create_dir(forge.repository.path().join("evil"))?;
    let modules = std::fs::read_to_string(forge.repository.path().join(".gitmodules"))?;
    for (url, word) in
        [("http://169.254.169.254/latest.git", "--allow-metadata-addresses"), ("file:///etc", "\"file\"")]
    {
        let evil = format!("{modules}[submodule \"evil\"]\n\tpath = evil\n\turl = {url}\n");
        forge.repository.commit(&[(".gitmodules", &evil)])?;
        let error = forge.index(with.clone()).await.expect_err(url).to_string();
        assert!(error.contains(word), "{error}");
    }
    assert!(forge.is_tidy()?);
    Ok(())
}

#[tokio::test]
async fn git_trees_that_are_hostile_are_refused() -> Result<()> {
    let forge = Forge::new()?;
    forge.repository.commit(&[
        ("good/Chart.yaml", &chart("good", "1.0.0")),
        ("out/Chart.yaml", &chart("out", "1.0.0")),
        ("shared/note.txt", "shared"),
    ])?;
    let link = |target: &str, path: &str| std::os::unix::fs::symlink(target, forge.repository.path().join(path));
    link("../shared/note.txt", "good/note.txt")?;
    link("/etc/passwd", "out/passwd")?;
    link("/", "root")?;
    forge.repository.commit(&[("x", "links")])?;
    let index = forge.index(forge.options()).await?;
    assert_eq!((index.versions("good").len(), index.versions("out").len()), (1, 0));
    let only = |path: &str| Options { path: path.to_owned(), ..forge.options() };
    let error = forge.index(only("out")).await.expect_err("a link out").to_string();
    assert!(error.contains("points outside") && !error.contains("root:"), "{error}");
    assert!(matches!(forge.index(only("root/etc")).await, Err(SourceError::NoChart { .. })));

    let many: Vec<(String, &str)> = (0..100).map(|n| (format!("many/{n}"), "x")).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|(path, text)| (path.as_str(), *text)).collect();
    forge.repository.commit(&many)?;
    assert_eq!(forge.index(only("good")).await?.len(), 1);
    // A tree of trees that are all the same is small to fetch and endless to check out.
    let mut tree = forge.repository.git(&["rev-parse", "HEAD:many"])?;
    for _ in 0..2 {
        let entries: String = (0..32).map(|n| format!("040000 tree {tree}\t{n}\n")).collect();
        std::fs::write(forge.folder.path().join("entries"), entries)?;
        let script = format!(
            "git -C '{}' mktree < '{}'",
            forge.repository.path().display(),
            forge.folder.path().join("entries").display()
        );
        let made = std::process::Command::new("sh").args(["-c", &script]).output()?;
        tree = String::from_utf8(made.stdout)?.trim().to_owned();
    }
    let commit = forge.repository.git(&["commit-tree", &tree, "-m", "bomb"])?;
    forge.repository.git(&["branch", "bomb", &commit])?;
    let error = forge.index(Options { wanted: named("bomb"), ..forge.options() }).await.expect_err("a bomb");
    assert!(matches!(error, SourceError::TooManyFiles { .. }), "{error}");
    assert!(forge.is_tidy()?);
    Ok(())
}
