//! The chart server for tests, seen by the real Helm.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::support::{ChartServer, Fault, charts, command, folder::Folder, shared};

const LIMIT: Duration = Duration::from_secs(30);

/// A served folder with both versions of `hello`.
fn repository() -> Result<(Folder, ChartServer)> {
    let folder = Folder::new("charts")?;
    charts::repository(&[charts::folder("hello-0.1.0"), charts::folder("hello-0.2.0")], folder.path())?;
    let server = ChartServer::start(folder.path())?;
    Ok((folder, server))
}

#[test]
fn helm_pulls_the_newest_version_with_the_password_and_fails_at_every_fault() -> Result<()> {
    let (served, server) = repository()?;
    let downloads = Folder::new("downloads")?;
    let cluster = shared();
    server.require_basic("captain", "aye");
    let pull = |password: &str| {
        let mut helm = cluster.helm();
        helm.args(["pull", "hello", "--repo", &server.url(), "--username", "captain", "--password", password]);
        command::finish(helm.arg("--destination").arg(downloads.path()), LIMIT)
    };

    assert!(!pull("nay")?.success);
    let pulled = pull("aye")?;
    assert!(pulled.success, "{pulled:?}");
    let archive = std::fs::read(downloads.path().join("hello-0.2.0.tgz")).context("the newest version")?;
    assert_eq!(archive, std::fs::read(served.path().join("hello-0.2.0.tgz"))?);
    assert_eq!(server.count(".tgz"), 1);

    for fault in [Fault::Unauthorized, Fault::NotFound, Fault::Broken, Fault::Garbage] {
        server.fail("index.yaml", fault);
        assert!(!pull("aye")?.success, "{fault:?}");
    }
    server.heal();
    assert!(pull("aye")?.success);
    Ok(())
}

#[tokio::test]
async fn an_unchanged_file_is_not_sent_again() -> Result<()> {
    let (served, server) = repository()?;
    let index = format!("{}/index.yaml", server.url());
    let client = http_client()?;

    let first = client.get(&index).send().await?;
    let tag = first.headers().get("etag").context("an ETag")?.clone();
    let again = client.get(&index).header("if-none-match", &tag).send().await?;
    std::fs::write(served.path().join("index.yaml"), "entries: {}")?;
    let changed = client.get(&index).header("if-none-match", &tag).send().await?;

    let statuses = [first.status(), again.status(), changed.status()].map(|status| status.as_u16());
    assert_eq!(statuses, [200, 304, 200]);
    assert_eq!(server.served().iter().map(|served| served.status).collect::<Vec<_>>(), statuses);
    Ok(())
}

#[tokio::test]
async fn another_digest_is_still_the_same_chart_and_slowness_only_takes_time() -> Result<()> {
    let (served, server) = repository()?;
    let archive = format!("{}/hello-0.1.0.tgz", server.url());
    let client = http_client()?;

    server.fail(".tgz", Fault::WrongDigest);
    let other = client.get(&archive).send().await?.bytes().await?;
    assert_ne!(charts::digest(&other), charts::digest(&std::fs::read(served.path().join("hello-0.1.0.tgz"))?));
    let path = served.path().join("other.tgz");
    std::fs::write(&path, &other)?;
    let shown = command::output(shared().helm().args(["show", "chart"]).arg(path))?;
    assert!(shown.contains("version: 0.1.0"), "{shown}");

    server.fail("", Fault::Slow(Duration::from_millis(300)));
    let asked = Instant::now();
    assert_eq!(client.get(&archive).send().await?.status().as_u16(), 200);
    assert!(asked.elapsed() >= Duration::from_millis(300));
    Ok(())
}

fn http_client() -> Result<reqwest::Client> {
    // Fails when there is one already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Ok(reqwest::Client::builder().timeout(LIMIT).no_proxy().build()?)
}
