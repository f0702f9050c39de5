//! The client against a registry of answers in this process: what is sent to whom, how often, and what each failure is
//! called.

use serde_json::{Value, json};

use super::*;
use crate::source::index::Index;
use crate::source::testing::{Guard, Server};

const TAGS: &str = "/v2/charts/web/tags/list";
/// `ann:s3cret` as basic authentication, lower case as the server notes it.
const BASIC: &str = "authorization: basic yw5uonmzy3jlda==";
const ARCHIVE: &str = "application/vnd.cncf.helm.chart.content.v1.tar+gzip";

/// Lets a tag mean a manifest with an archive; gives the manifest's digest.
fn push(server: &Server, path: &str, tag: &str, archive: &[u8], media_type: &str) -> Digest {
    let config = json!({"name": "web", "version": tag, "appVersion": "7", "description": "a site"}).to_string();
    let descriptor =
        |media_type: &str, content: &[u8]| json!({"mediaType": media_type, "digest": blob(content), "size": 1});
    let config_type = "application/vnd.cncf.helm.config.v1+json";
    let manifest = json!({
        "schemaVersion": 2,
        "config": descriptor(config_type, config.as_bytes()), "layers": [descriptor(media_type, archive)],
    });
    let manifest = manifest.to_string();
    let digest = blob(manifest.as_bytes());
    for name in [tag, digest.as_str()] {
        let header = format!("Docker-Content-Digest: {digest}\r\n");
        server.answer(&format!("/v2/{path}/manifests/{name}"), "200 OK", &header, manifest.as_bytes());
    }
    for content in [config.as_bytes(), archive] {
        server.answer(&format!("/v2/{path}/blobs/{}", blob(content)), "200 OK", "", content);
    }
    Digest::of(manifest.as_bytes())
}

fn blob(content: &[u8]) -> String {
    format!("sha256:{}", Digest::of(content))
}

fn list(server: &Server, path: &str, tags: &[&str]) {
    let body = json!({"name": path, "tags": tags}).to_string();
    server.answer(&format!("/v2/{path}/tags/list"), "200 OK", "", body.as_bytes());
}

fn options(server: &Server, path: &str) -> Options {
    let url = format!("oci://{}/{path}", server.address);
    Options { url, plain_http: true, timeout: Duration::from_secs(5), ..Options::default() }
}

fn with_credentials(options: Options) -> Options {
    let credentials = Credentials::Basic { username: "ann".to_owned(), password: "s3cret".to_owned() };
    Options { credentials: Some(credentials), ..options }
}

async fn index(options: Options) -> Result<Index, SourceError> {
    match Repository::new(options)?.fetch_index(&Validators::default()).await? {
        Fetched::Index { index, .. } => Ok(index),
        Fetched::Unchanged => Ok(Index::default()),
    }
}

async fn failure(options: Options) -> SourceError {
    let error = index(options).await.expect_err("a failure");
    let text = format!("{error} {error:?}");
    assert!(!text.contains("s3cret") && !text.contains('\n'), "{text}");
    error
}

fn versions<'a>(index: &'a Index, chart: &str) -> Vec<&'a str> {
    index.versions(chart).iter().map(|entry| &*entry.version).collect()
}

#[tokio::test]
async fn tags_are_versions_and_their_metadata_is_read_once() -> anyhow::Result<()> {
    let server = Server::start(None).await?;
    list(&server, "charts/web", &["latest", "1.0.0", "1.1.0_b.1"]);
    push(&server, "charts/web", "1.0.0", b"old", ARCHIVE);
    let new = push(&server, "charts/web", "1.1.0_b.1", b"new", "application/tar+gzip");
    let repository = Repository::new(options(&server, "charts/web"))?;
    let Fetched::Index { document, index, validators } = repository.fetch_index(&Validators::default()).await? else {
        anyhow::bail!("it is new")
    };
    assert_eq!(versions(&index, "web"), ["1.1.0+b.1", "1.0.0"]);
    let entry = &index.versions("web")[0];
    assert_eq!(&*entry.url, format!("oci://{}/charts/web:1.1.0_b.1@sha256:{new}", server.address));
    assert_eq!(manifest_digest(&entry.url), Some(format!("sha256:{new}").as_str()));
    assert_eq!(entry.digest, Some(Digest::of(b"new")), "that of the archive");
    assert_eq!(document.versions("web").next().expect("a version").entry["appVersion"], "7");
    assert_eq!(index.choose("web", &format!("sha256:{new}")).map(|entry| &*entry.version), Ok("1.1.0+b.1"));
    assert_eq!(repository.download(&entry.url, entry.digest).await?, b"new");

    let before = server.requests().len();
    assert!(matches!(repository.fetch_index(&validators).await?, Fetched::Unchanged));
    let cheap: Vec<String> = server.requests().split_off(before);
    let heads = cheap.iter().filter(|request| request.starts_with("head ")).count();
    assert_eq!((cheap.len(), heads), (3, 2), "{cheap:?}");

    push(&server, "charts/web", "1.0.0", b"moved", ARCHIVE);
    let Fetched::Index { index, .. } = repository.fetch_index(&validators).await? else { anyhow::bail!("a tag moved") };
    assert_eq!(index.versions("web")[1].digest, Some(Digest::of(b"moved")));
    Ok(())
}

#[tokio::test]
async fn of_many_versions_the_newest_are_described_and_others_when_they_are_used() -> anyhow::Result<()> {
    let server = Server::start(None).await?;
    let tags: Vec<String> = (0..DESCRIBED + 5).map(|minor| format!("1.{minor}.0")).collect();
    list(&server, "charts/web", &tags.iter().map(String::as_str).collect::<Vec<_>>());
    for tag in &tags {
        push(&server, "charts/web", tag, tag.as_bytes(), ARCHIVE);
    }
    let repository = Repository::new(options(&server, "charts/web"))?;
    let Fetched::Index { index, validators, .. } = repository.fetch_index(&Validators::default()).await? else {
        anyhow::bail!("it is new")
    };
    assert_eq!(index.versions("web").len(), DESCRIBED + 5);
    let old = index.choose("web", "1.2.0")?;
    assert_eq!((old.digest, manifest_digest(&old.url)), (None, None));
    assert_eq!(repository.download(&old.url, None).await?, b"1.2.0");
    let Fetched::Index { index, .. } = repository.fetch_index(&validators).await? else { anyhow::bail!("it was used") };
    assert_eq!(index.choose("web", "1.2.0")?.digest, Some(Digest::of(b"1.2.0")));
    assert_eq!(index.choose("web", "1.3.0")?.digest, None);
    Ok(())
}

#[tokio::test]
async fn charts_below_a_path_are_named_or_listed() -> anyhow::Result<()> {
    let server = Server::start(None).await?;
    for (path, media_type) in [("charts/web", ARCHIVE), ("charts/team/db", ARCHIVE), ("charts/image", "image/layer")] {
        list(&server, path, &["1.0.0"]);
        push(&server, path, "1.0.0", b"archive", media_type);
    }
    assert_eq!(
        failure(options(&server, "charts")).await,
        SourceError::Unlisted { registry: server.address.to_string() }
    );
    let named = |charts: &[&str]| Options {
        charts: charts.iter().map(|&chart| chart.to_owned()).collect(),
        ..options(&server, "charts")
    };
    let found = index(named(&["web", "team/db"])).await?;
    assert_eq!((versions(&found, "web"), versions(&found, "team/db")), (vec!["1.0.0"], vec!["1.0.0"]));
    let error = failure(named(&["image"])).await;
    assert!(matches!(&error, SourceError::NotAChart { found, .. } if found.contains("image/layer")), "{error}");
    assert!(matches!(failure(named(&["nothing"])).await, SourceError::NotFound { .. }));

    let harbor = json!([{"name": "charts/web"}, {"name": "charts/team/db"}]).to_string();
    server.answer("/api/v2.0/projects/charts/repositories?page_size=100", "200 OK", "", harbor.as_bytes());
    assert_eq!(index(options(&server, "charts")).await?.len(), 2, "Harbor's own list");

    let first = json!({"repositories": ["charts/web", "chartsx"]}).to_string();
    let link = "Link: </v2/_catalog?last=x&n=1000>; rel=\"next\"\r\n";
    server.answer("/v2/_catalog?n=1000", "200 OK", link, first.as_bytes());
    let second = json!({"repositories": ["charts/image", "charts/team/db"]}).to_string();
    server.answer("/v2/_catalog?last=x&n=1000", "200 OK", "", second.as_bytes());
    let found = index(options(&server, "charts")).await?;
    assert_eq!((found.len(), versions(&found, "team/db")), (2, vec!["1.0.0"]), "images beside charts are left out");
    Ok(())
}

#[tokio::test]
async fn a_filter_chooses_among_the_tags() -> anyhow::Result<()> {
    let server = Server::start(None).await?;
    list(&server, "charts/web", &["1.0.0", "1.0.0-rc.1", "2.0.0"]);
    for tag in ["1.0.0", "1.0.0-rc.1", "2.0.0"] {
        push(&server, "charts/web", tag, tag.as_bytes(), ARCHIVE);
    }
    let filtered = |filter: &str| Options { tag_filter: Some(filter.to_owned()), ..options(&server, "charts/web") };
    assert_eq!(versions(&index(filtered("^1[.]")).await?, "web"), ["1.0.0", "1.0.0-rc.1"]);
    assert_eq!(versions(&index(options(&server, "charts/web:2.0.0")).await?, "web"), ["2.0.0"]);
    let error = failure(filtered("(")).await;
    assert!(matches!(error, SourceError::InvalidTagFilter { .. }), "{error}");
    Ok(())
}

fn unauthorized(challenge: &str) -> Vec<u8> {
    let head = format!("HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: {challenge}\r\n");
    format!("{head}Content-Length: 0\r\nConnection: close\r\n\r\n").into_bytes()
}

#[tokio::test]
async fn a_token_is_had_with_the_credentials_and_the_registry_sees_only_the_token() -> anyhow::Result<()> {
    let (server, tokens) = (Server::start(None).await?, Server::start(None).await?);
    list(&server, "charts/web", &["1.0.0"]);
    push(&server, "charts/web", "1.0.0", b"archive", ARCHIVE);
    let realm = format!(
        "Bearer realm=\"http://{}/token\",service=\"reg\",scope=\"repository:charts/web:pull\"",
        tokens.address
    );
    server.guard(Guard {
        path: "/v2/".to_owned(),
        header: "authorization: bearer tok".to_owned(),
        refusal: unauthorized(&realm),
    });
    tokens.guard(Guard {
        path: "/token".to_owned(),
        header: BASIC.to_owned(),
        refusal: unauthorized("Basic realm=\"tokens\""),
    });
    let token: Value = json!({"token": "tok", "expires_in": 300});
    let path = "/token?service=reg&scope=repository%3Acharts%2Fweb%3Apull";
    tokens.answer(path, "200 OK", "", token.to_string().as_bytes());

    let known = index(with_credentials(options(&server, "charts/web"))).await?;
    assert_eq!(versions(&known, "web"), ["1.0.0"]);
    assert_eq!(tokens.requests().len(), 1, "it is kept");
    assert!(server.requests().iter().all(|request| !request.contains("authorization: basic")));
    let refused = server.requests().iter().filter(|request| !request.contains("authorization: bearer")).count();
    assert_eq!(refused, 1, "only the first asks without");

    let error = failure(options(&server, "charts/web")).await;
    assert!(matches!(error, SourceError::Unauthorized { with_credentials: false, .. }), "{error}");
    Ok(())
}

#[tokio::test]
async fn a_token_that_was_given_goes_to_the_registry_and_not_for_another_one() -> anyhow::Result<()> {
    let (server, tokens) = (Server::start(None).await?, Server::start(None).await?);
    list(&server, "charts/web", &["1.0.0"]);
    push(&server, "charts/web", "1.0.0", b"archive", ARCHIVE);
    let realm = format!("Bearer realm=\"http://{}/token\",service=\"reg\"", tokens.address);
    server.guard(Guard {
        path: "/v2/".to_owned(),
        header: "authorization: bearer s3cret".to_owned(),
        refusal: unauthorized(&realm),
    });
    let with = |token: &str| Options {
        credentials: Some(Credentials::Token(token.to_owned())),
        ..options(&server, "charts/web")
    };
    assert_eq!(versions(&index(with("s3cret")).await?, "web"), ["1.0.0"]);
    let error = failure(with("other")).await;
    let message = error.to_string();
    assert!(
        message.contains("answered 401: the credentials are wrong") && message.contains("spec.charts"),
        "{message}"
    );
    assert!(tokens.requests().is_empty());
    Ok(())
}

#[tokio::test]
async fn the_metadata_of_machines_is_not_asked_for_charts_tokens_or_archives() -> anyhow::Result<()> {
    const METADATA: &str = "http://169.254.169.254/latest";
    let registry =
        Options { url: "oci://169.254.169.254/charts/web".to_owned(), plain_http: true, ..Options::default() };
    let error = failure(registry).await;
    assert!(matches!(error, SourceError::OutOfReach { .. }), "{error}");

    let server = Server::start(None).await?;
    list(&server, "charts/web", &["1.0.0"]);
    push(&server, "charts/web", "1.0.0", b"archive", ARCHIVE);
    let path = format!("/v2/charts/web/blobs/{}", blob(b"archive"));
    server.answer(&path, "307 Temporary Redirect", &format!("Location: {METADATA}\r\n"), b"");
    let repository = Repository::new(options(&server, "charts/web"))?;
    let entry = repository.find("1.0.0").await?;
    let error = repository.download(&entry.url, entry.digest).await.expect_err("out of reach");
    assert!(matches!(error, SourceError::OutOfReach { .. }), "{error}");

    let realm = format!("Bearer realm=\"{METADATA}\"");
    let header = "authorization: bearer tok".to_owned();
    server.guard(Guard { path: "/v2/".to_owned(), header, refusal: unauthorized(&realm) });
    let error = failure(options(&server, "charts/web")).await;
    assert!(matches!(error, SourceError::OutOfReach { .. }), "{error}");
    Ok(())
}

#[tokio::test]
async fn a_registry_that_asks_for_a_password_gets_it_and_another_host_does_not() -> anyhow::Result<()> {
    let (server, store) = (Server::start(None).await?, Server::start(None).await?);
    list(&server, "charts/web", &["1.0.0"]);
    push(&server, "charts/web", "1.0.0", b"archive", ARCHIVE);
    let archive = blob(b"archive");
    store.answer("/store", "200 OK", "", b"archive");
    let elsewhere = format!("Location: http://{}/store\r\n", store.address);
    server.answer(&format!("/v2/charts/web/blobs/{archive}"), "307 Temporary Redirect", &elsewhere, b"");
    let guard = Guard { path: "/v2/".to_owned(), header: BASIC.to_owned(), refusal: unauthorized("Basic realm=\"r\"") };
    server.guard(guard);

    let repository = Repository::new(with_credentials(options(&server, "charts/web")))?;
    let entry = repository.find("^1").await?;
    assert_eq!(repository.download(&entry.url, entry.digest).await?, b"archive");
    assert!(store.requests().iter().all(|request| !request.contains("authorization")));

    let wrong = Credentials::Basic { username: "ann".to_owned(), password: "s3cret!".to_owned() };
    let error = failure(Options { credentials: Some(wrong), ..options(&server, "charts/web") }).await;
    let message = error.to_string();
    assert!(
        message.contains("answered 401: the credentials are wrong") && message.contains("spec.charts"),
        "{message}"
    );
    Ok(())
}

#[tokio::test]
async fn a_version_is_found_by_tag_range_or_digest() -> anyhow::Result<()> {
    let server = Server::start(None).await?;
    let mut digests = Vec::new();
    for tag in ["1.0.0_x", "1.2.0", "2.0.0-rc.1"] {
        digests.push(push(&server, "charts/web", tag, tag.as_bytes(), ARCHIVE));
    }
    list(&server, "charts/web", &["1.0.0_x", "1.2.0", "2.0.0-rc.1", "latest"]);
    let repository = Repository::new(options(&server, "charts/web"))?;
    let pin = format!("sha256:{}", digests[0]);
    let pinned = Repository::new(options(&server, &format!("charts/web@{pin}")))?;
    for (repository, wanted, place) in [
        (&repository, "1.0.0+x", 0),
        (&repository, "^1", 1),
        (&repository, "", 1),
        (&repository, &pin, 0),
        (&pinned, "", 0),
    ] {
        let entry = repository.find(wanted).await?;
        let expected = format!("sha256:{}", digests[place]);
        assert_eq!(manifest_digest(&entry.url), Some(expected.as_str()), "{wanted}");
    }
    assert_eq!(server.requests().iter().filter(|request| request.contains(TAGS)).count(), 2, "only for ranges");
    let moved = pinned.find("1.2.0").await.expect_err("another chart");
    assert!(matches!(moved, SourceError::NotThePinned { .. }), "{moved}");
    for wanted in ["3.0.0", "^3", "stable"] {
        let error = repository.find(wanted).await.expect_err("no such version");
        assert!(matches!(error, SourceError::TagNotFound { .. }), "{wanted}: {error}");
    }
    Ok(())
}

#[tokio::test]
async fn what_is_wrong_is_told_by_its_cause() -> anyhow::Result<()> {
    let server = Server::start(None).await?;
    let secure = Options { plain_http: false, ..options(&server, "charts/web") };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let plain = Options { url: format!("oci://{}/charts/web", listener.local_addr()?), ..secure };
    let answering = tokio::spawn(async move {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let (mut stream, _) = listener.accept().await?;
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await?;
        stream.read_to_end(&mut Vec::new()).await
    });
    let error = failure(plain).await;
    assert!(matches!(error, SourceError::NotTls { .. }) && error.to_string().contains("plainHTTP"), "{error}");
    answering.abort();

    server.answer(TAGS, "429 Too Many Requests", "Retry-After: 30\r\n", b"");
    let error = failure(options(&server, "charts/web")).await;
    assert!(matches!(error, SourceError::RateLimited { retry_after: Some(_), .. }), "{error}");
    server.answer(TAGS, "200 OK", "", b"<html>");
    let error = failure(options(&server, "charts/web")).await;
    assert!(matches!(error, SourceError::NotARegistry { .. }), "{error}");

    list(&server, "charts/web", &["1.0.0"]);
    push(&server, "charts/web", "1.0.0", b"archive", ARCHIVE);
    let path = format!("/v2/charts/web/blobs/{}", blob(b"archive"));
    server.answer(&path, "200 OK", "", b"other");
    let repository = Repository::new(options(&server, "charts/web"))?;
    let entry = repository.find("1.0.0").await?;
    let error = repository.download(&entry.url, entry.digest).await.expect_err("another archive");
    assert!(matches!(error, SourceError::DigestMismatch { .. }), "{error}");
    Ok(())
}
