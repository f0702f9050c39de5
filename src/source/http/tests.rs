//! The client against a server in this process: what is sent to whom, and what each failure is called.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::source::Identity;
use crate::source::testing::Server;

const INDEX: &[u8] = b"apiVersion: v1\nentries: {web: [{version: 1.0.0, urls: [web-1.0.0.tgz]}]}";
const USER: &str = "ann";
const PASSWORD: &str = "s3cret";
/// `ann:s3cret` in base64, lower case as the server notes it.
const AUTHORIZATION: &str = "authorization: basic yw5uonmzy3jlda==";

fn options(url: String) -> Options {
    Options { url, timeout: Duration::from_secs(5), ..Options::default() }
}

fn with_credentials(url: String) -> Options {
    let credentials = Credentials::Basic { username: USER.to_owned(), password: PASSWORD.to_owned() };
    Options { credentials: Some(credentials), ..options(url) }
}

async fn fetch(options: Options) -> Result<Fetched, SourceError> {
    Repository::new(options)?.fetch_index(&Validators::default()).await
}

/// The error of a fetch, whose text must not tell the password.
async fn failure(options: Options) -> SourceError {
    let error = fetch(options).await.expect_err("a failure");
    let text = format!("{error} {error:?}");
    assert!(!text.contains(PASSWORD) && !text.contains('\n'), "{text}");
    error
}

fn authorized(server: &Server) -> Vec<bool> {
    server.requests().iter().map(|request| request.contains(AUTHORIZATION)).collect()
}

#[tokio::test]
async fn an_index_is_read_once_and_then_only_asked_about() -> anyhow::Result<()> {
    let server = Server::start(None).await?;
    server.answer("/charts/index.yaml", "200 OK", "ETag: \"7\"\r\nLast-Modified: yesterday\r\n", INDEX);
    let repository = Repository::new(options(format!("http://{}/charts", server.address)))?;
    let Fetched::Index { document, validators, .. } = repository.fetch_index(&Validators::default()).await? else {
        anyhow::bail!("it is new")
    };
    assert!(document.names().eq(["web"]));
    assert!(matches!(repository.fetch_index(&validators).await?, Fetched::Unchanged), "the same bytes again");
    server.answer("/charts/index.yaml", "304 Not Modified", "", b"");
    assert!(matches!(repository.fetch_index(&validators).await?, Fetched::Unchanged));
    let request = server.requests().pop().unwrap_or_default();
    assert!(request.contains("if-none-match: \"7\"") && request.contains("if-modified-since: yesterday"), "{request}");
    assert!(request.contains("user-agent: coxswain/") && request.contains("accept-encoding: gzip"), "{request}");
    Ok(())
}

#[tokio::test]
async fn an_index_may_be_compressed_on_the_way() -> anyhow::Result<()> {
    use std::io::Write as _;
    let server = Server::start(None).await?;
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(INDEX)?;
    let packed = packed.finish()?;
    server.answer("/index.yaml", "200 OK", "Content-Encoding: gzip\r\n", &packed);
    let url = format!("http://{}", server.address);
    let Fetched::Index { validators, .. } = fetch(options(url.clone())).await? else { anyhow::bail!("it is new") };
    assert_eq!(validators.digest, Some(Digest::of(INDEX)));
    let error = failure(Options { index_limit: 60, ..options(url.clone()) }).await;
    assert!(matches!(error, SourceError::TooLarge { limit: 60, .. }), "{error}");
    server.answer("/index.yaml", "200 OK", "Content-Encoding: gzip\r\n", INDEX);
    assert!(failure(options(url)).await.to_string().contains("not the gzip"));
    Ok(())
}

#[tokio::test]
async fn credentials_go_to_the_repository_and_to_nobody_else() -> anyhow::Result<()> {
    let (own, other) = (Server::start(None).await?, Server::start(None).await?);
    for server in [&own, &other] {
        server.answer("/web.tgz", "200 OK", "", b"archive");
    }
    let elsewhere = format!("http://{}/web.tgz", other.address);
    own.answer("/index.yaml", "200 OK", "", INDEX);
    own.answer("/moved.tgz", "302 Found", &format!("Location: {elsewhere}\r\n"), b"");

    let with = with_credentials(format!("http://{}", own.address));
    let repository = Repository::new(with.clone())?;
    repository.fetch_index(&Validators::default()).await?;
    repository.download("web.tgz", None).await?;
    repository.download(&elsewhere, None).await?;
    repository.download("moved.tgz", None).await?;
    assert_eq!(authorized(&own), [true, true, true]);
    assert_eq!(authorized(&other), [false, false], "neither named nor redirected to");

    let generous = Repository::new(Options { pass_credentials_all: true, ..with })?;
    generous.download(&elsewhere, None).await?;
    assert_eq!(authorized(&other), [false, false, true]);
    Ok(())
}

#[tokio::test]
async fn credentials_may_be_in_the_url() -> anyhow::Result<()> {
    let server = Server::start(None).await?;
    server.answer("/index.yaml?token=t", "200 OK", "", INDEX);
    fetch(options(format!("http://{USER}:{PASSWORD}@{}/?token=t", server.address))).await?;
    assert_eq!(authorized(&server), [true]);
    Ok(())
}

#[tokio::test]
async fn a_digest_is_verified() -> anyhow::Result<()> {
    let server = Server::start(None).await?;
    server.answer("/web.tgz", "200 OK", "", b"archive");
    let repository = Repository::new(options(format!("http://{}", server.address)))?;
    assert_eq!(repository.download("web.tgz", Some(Digest::of(b"archive"))).await?, b"archive");
    let error = repository.download("web.tgz", Some(Digest::of(b"another"))).await.expect_err("another archive");
    assert!(matches!(error, SourceError::DigestMismatch { .. }), "{error}");
    Ok(())
}

#[tokio::test]
async fn every_status_has_its_name() -> anyhow::Result<()> {
    let server = Server::start(None).await?;
    let url = format!("http://{}", server.address);
    for (status, headers, expected) in [
        ("401 Unauthorized", "", "answered 401: it asks for credentials"),
        ("403 Forbidden", "", "answered 403"),
        ("404 Not Found", "", "answered 404"),
        ("429 Too Many Requests", "Retry-After: 30\r\n", "answered 429"),
        ("503 Service Unavailable", "", "answered 503: the server failed"),
        ("418 Teapot", "", "answered 418"),
    ] {
        server.answer("/index.yaml", status, headers, b"");
        let error = failure(options(url.clone())).await;
        assert!(error.to_string().contains(expected), "{status}: {error}");
        let SourceError::RateLimited { retry_after, .. } = error else { continue };
        assert_eq!(retry_after, Some(Duration::from_secs(30)));
    }
    server.answer("/index.yaml", "401 Unauthorized", "", b"");
    let error = failure(with_credentials(url)).await;
    assert!(error.to_string().contains("the credentials are wrong"), "{error}");
    Ok(())
}

#[tokio::test]
async fn what_is_no_index_is_told_from_what_broke_off_or_is_too_large() -> anyhow::Result<()> {
    let server = Server::start(None).await?;
    let url = format!("http://{}", server.address);
    server.answer("/index.yaml", "200 OK", "", b"<html>welcome</html>");
    assert!(matches!(failure(options(url.clone())).await, SourceError::NotAnIndex { .. }));
    server.answer_raw("/index.yaml", b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\napiVersion".to_vec());
    let error = failure(options(url.clone())).await;
    assert!(matches!(error, SourceError::Truncated { received: 10, .. }), "{error}");
    server.answer("/index.yaml", "200 OK", "", INDEX);
    let small = Options { index_limit: 20, ..options(url.clone()) };
    assert!(matches!(failure(small.clone()).await, SourceError::TooLarge { limit: 20, .. }));
    let endless = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\napiVersion: v1 # and so on and on".to_vec();
    server.answer_raw("/index.yaml", endless);
    assert!(matches!(failure(small).await, SourceError::TooLarge { limit: 20, .. }), "without a length");
    Ok(())
}

#[tokio::test]
async fn redirects_are_followed_ten_times() -> anyhow::Result<()> {
    let server = Server::start(None).await?;
    server.answer("/index.yaml", "301 Moved Permanently", "Location: /index.yaml\r\n", b"");
    let error = failure(options(format!("http://{}", server.address))).await;
    assert!(matches!(error, SourceError::Redirects { .. }), "{error}");
    assert_eq!(server.requests().len(), 11);
    Ok(())
}

#[tokio::test]
async fn an_address_without_a_server_refuses_and_a_silent_one_times_out() -> anyhow::Result<()> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let impatient = Options { timeout: Duration::from_millis(200), ..with_credentials(format!("http://{address}")) };
    let error = failure(impatient.clone()).await;
    assert!(matches!(error, SourceError::Timeout { .. }), "{error}");
    assert!(error.to_string().contains("did not answer within 0.2s: "), "{error}");
    drop(listener);
    let error = failure(impatient).await;
    assert!(matches!(error, SourceError::Refused { .. }), "{error}");
    Ok(())
}

#[tokio::test]
async fn an_unknown_host_is_named() {
    let error = failure(with_credentials("http://charts.invalid/path?token=s3cret".to_owned())).await;
    assert!(matches!(&error, SourceError::Dns { host, .. } if host == "charts.invalid"), "{error}");
}

#[tokio::test]
async fn certificates_are_verified() -> anyhow::Result<()> {
    let key = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()])?;
    let server = Server::start(Some(&key)).await?;
    server.answer("/index.yaml", "200 OK", "", INDEX);
    let url = format!("https://{}", server.address);
    let trusting = |pem: String| Tls { authorities: Some(pem), ..Tls::default() };

    let error = failure(with_credentials(url.clone())).await;
    assert!(matches!(error, SourceError::UnknownAuthority { .. }), "{error}");
    fetch(Options { tls: trusting(key.cert.pem()), ..options(url.clone()) }).await?;
    fetch(Options { tls: Tls { insecure_skip_verify: true, ..Tls::default() }, ..options(url.clone()) }).await?;

    let stranger = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()])?;
    let error = failure(Options { tls: trusting(stranger.cert.pem()), ..options(url.clone()) }).await;
    assert!(matches!(error, SourceError::UnknownAuthority { .. }), "{error}");
    Ok(())
}

#[tokio::test]
async fn a_server_without_tls_is_told_from_one_with_a_bad_certificate() -> anyhow::Result<()> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("https://{}", listener.local_addr()?);
    let answering = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await?;
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await?;
        stream.read_to_end(&mut Vec::new()).await
    });
    let error = failure(options(url)).await;
    assert!(matches!(error, SourceError::NotTls { .. }), "{error}");
    answering.abort();
    Ok(())
}

#[tokio::test]
async fn a_certificate_must_be_for_the_host_and_in_time() -> anyhow::Result<()> {
    let other_name = rcgen::generate_simple_self_signed(["charts.example.org".to_owned()])?;
    let mut parameters = rcgen::CertificateParams::new(["127.0.0.1".to_owned()])?;
    parameters.not_after = rcgen::date_time_ymd(2001, 1, 1);
    parameters.not_before = rcgen::date_time_ymd(2000, 1, 1);
    let signing_key = rcgen::KeyPair::generate()?;
    let expired = rcgen::CertifiedKey { cert: parameters.self_signed(&signing_key)?, signing_key };
    for (key, is_expired) in [(other_name, false), (expired, true)] {
        let server = Server::start(Some(&key)).await?;
        let tls = Tls { authorities: Some(key.cert.pem()), ..Tls::default() };
        let error = failure(Options { tls, ..options(format!("https://{}", server.address)) }).await;
        let expected = if is_expired {
            matches!(error, SourceError::ExpiredCertificate { .. })
        } else {
            matches!(error, SourceError::WrongName { .. })
        };
        assert!(expected, "{error}");
    }
    Ok(())
}

#[tokio::test]
async fn https_does_not_become_http_by_a_redirect() -> anyhow::Result<()> {
    let key = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()])?;
    let server = Server::start(Some(&key)).await?;
    server.answer("/index.yaml", "302 Found", "Location: http://127.0.0.1:1/index.yaml\r\n", b"");
    let tls = Tls { authorities: Some(key.cert.pem()), ..Tls::default() };
    let error = failure(Options { tls, ..with_credentials(format!("https://{}", server.address)) }).await;
    assert!(matches!(error, SourceError::Downgrade { .. }), "{error}");
    Ok(())
}

#[test]
fn what_is_no_certificate_is_refused_before_anything_is_sent() {
    let with = |tls| Repository::new(Options { tls, ..options("https://x.org".to_owned()) }).map(|_| ());
    let text = || "not a certificate".to_owned();
    let bundle = with(Tls { authorities: Some(text()), ..Tls::default() }).expect_err("no certificate").to_string();
    assert!(bundle.starts_with("caBundle or ca.crt cannot be used"), "{bundle}");
    let identity = Some(Identity { certificate: text(), key: text() });
    let identity = with(Tls { identity, ..Tls::default() }).expect_err("no certificate").to_string();
    assert!(identity.starts_with("tls.crt of the Secret cannot be used"), "{identity}");
}
