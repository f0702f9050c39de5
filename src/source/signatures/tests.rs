//! The gate before charts: what is fetched for it, how often, and that nothing passes by another way.

use super::testing::{Claim, Person};
use super::*;
use crate::chart::Limits;
use crate::source::index::Entry;
use crate::source::testing::{Server, archive};
use crate::source::{Charts, Digest, Repository, SourceError, http, oci};

const MANIFEST: &[u8] = include_bytes!("recorded/manifest.json");
const ARCHIVE: &[u8] = include_bytes!("recorded/signed-1.0.0.tgz");

fn keyring(person: &Person) -> anyhow::Result<Keyring> {
    let certificate = person.certificate(Claim::default())?;
    Ok(Keyring::read("Secret \"keys\" of spec.verify.secretRef", [("pubring.gpg", &*certificate)])?)
}

fn web(server: &Server, keyring: Option<Keyring>) -> Result<Repository, SourceError> {
    let url = format!("http://{}/charts", server.address);
    http::Repository::new(http::Options { url, keyring, ..http::Options::default() }).map(Repository::Http)
}

/// The server with a chart that is signed by somebody, and its version in an index with or without its digest.
async fn published(by: &Person, has_digest: bool) -> anyhow::Result<(Server, Entry)> {
    let (server, archive) = (Server::start(None).await?, archive("web", 10)?);
    server.answer("/charts/web-1.0.0+a.tgz", "200 OK", "", &archive);
    let provenance = by.provenance("web-1.0.0+a.tgz", &archive)?;
    server.answer("/charts/web-1.0.0+a.tgz.prov", "200 OK", "", provenance.as_bytes());
    let digest = has_digest.then(|| Digest::of(&archive));
    Ok((server, Entry::new("1.0.0+a", "web-1.0.0+a.tgz", digest)))
}

fn charts() -> Charts {
    Charts::new(None, 1 << 20, Limits::default())
}

fn refusal(outcome: Result<impl Sized, SourceError>) -> Refusal {
    match outcome.map(drop) {
        Err(SourceError::NotTrusted(refused)) => refused.refusal,
        other => panic!("it is not refused: {other:?}"),
    }
}

#[tokio::test]
async fn a_signed_chart_passes_after_one_look_at_its_provenance() -> anyhow::Result<()> {
    let ann = Person::new()?;
    for has_digest in [true, false] {
        let (server, entry) = published(&ann, has_digest).await?;
        let (repository, charts) = (web(&server, Some(keyring(&ann)?))?, charts());
        assert_eq!(repository.signed_by(&entry), None);
        futures::future::try_join_all((0..20).map(|_| charts.program(&repository, &entry))).await?;
        charts.program(&repository, &entry).await?;
        let looks = server.requests().iter().filter(|request| request.contains("web-1.0.0+a.tgz.prov")).count();
        assert_eq!(looks, 1);
        assert_eq!(repository.signed_by(&entry), Some(ann.fingerprint()));
    }
    Ok(())
}

#[tokio::test]
async fn what_others_have_put_into_the_cache_does_not_pass_by_that() -> anyhow::Result<()> {
    let (ann, ben) = (Person::new()?, Person::new()?);
    let (server, entry) = published(&ben, true).await?;
    let (charts, careless) = (charts(), web(&server, None)?);
    charts.program(&careless, &entry).await?;
    let careful = web(&server, Some(keyring(&ann)?))?;
    let known = ann.fingerprint();
    let expected = Refusal::UnknownKey { key: ben.fingerprint(), known };
    assert_eq!(refusal(charts.program(&careful, &entry).await), expected);
    assert_eq!(refusal(charts.files(&careful, &entry).await), expected);
    assert_eq!(refusal(charts.archive(&careful, &entry).await), expected);
    assert_eq!(refusal(careful.fetch(&entry).await), expected);
    charts.program(&web(&server, Some(keyring(&ben)?))?, &entry).await?;
    Ok(())
}

#[tokio::test]
async fn a_refused_chart_is_looked_at_again_and_says_what_it_lacks() -> anyhow::Result<()> {
    let ann = Person::new()?;
    let (server, entry) = published(&ann, true).await?;
    let signed = ann.provenance("web-1.0.0+a.tgz", &archive("web", 10)?)?;
    server.answer("/charts/web-1.0.0+a.tgz.prov", "404 Not Found", "", b"");
    let (repository, charts) = (web(&server, Some(keyring(&ann)?))?, charts());
    let error = charts.program(&repository, &entry).await.expect_err("it is not signed").to_string();
    for word in ["version 1.0.0+a at http://", "Secret \"keys\" of spec.verify.secretRef", ".tgz.prov of helm package"]
    {
        assert!(error.contains(word), "{error}");
    }
    assert!(!error.contains('\n'));
    server.answer("/charts/web-1.0.0+a.tgz.prov", "503 Service Unavailable", "", b"");
    let error = charts.program(&repository, &entry).await.expect_err("the server fails");
    assert!(matches!(error, SourceError::Server { .. }), "{error}");
    server.answer("/charts/web-1.0.0+a.tgz.prov", "200 OK", "", signed.as_bytes());
    charts.program(&repository, &entry).await?;
    Ok(())
}

#[tokio::test]
async fn an_archive_that_is_replaced_after_the_check_is_not_taken() -> anyhow::Result<()> {
    let ann = Person::new()?;
    let (server, entry) = published(&ann, false).await?;
    let (repository, first) = (web(&server, Some(keyring(&ann)?))?, charts());
    first.program(&repository, &entry).await?;
    server.answer("/charts/web-1.0.0+a.tgz", "200 OK", "", &archive("web", 20)?);
    // Another cache: the archive has to be downloaded again.
    let error = charts().program(&repository, &entry).await.expect_err("it is another archive");
    assert!(matches!(error, SourceError::DigestMismatch { .. }), "{error}");
    Ok(())
}

/// A registry with the chart that was signed for the record.
async fn registry() -> anyhow::Result<Server> {
    let server = Server::start(None).await?;
    let manifest = format!("sha256:{}", Digest::of(MANIFEST));
    for name in ["1.0.0", &manifest] {
        server.answer(&format!("/v2/charts/signed/manifests/{name}"), "200 OK", "", MANIFEST);
    }
    blob(&server, ARCHIVE);
    Ok(server)
}

fn blob(server: &Server, content: &[u8]) {
    server.answer(&format!("/v2/charts/signed/blobs/sha256:{}", Digest::of(content)), "200 OK", "", content);
}

fn put(server: &Server, name: &str, manifest: &[u8]) {
    server.answer(&format!("/v2/charts/signed/manifests/{name}"), "200 OK", "", manifest);
}

async fn program(server: &Server, key: &[u8]) -> anyhow::Result<Result<String, SourceError>> {
    let keys = PublicKeys::read("Secret \"keys\"", [("cosign.pub", key)])?;
    let url = format!("oci://{}/charts/signed", server.address);
    let trust = Some(Trust::Cosign(keys));
    let repository = oci::Repository::new(oci::Options { url, plain_http: true, trust, ..oci::Options::default() })?;
    let entry = repository.find("1.0.0").await?;
    let repository = Repository::Oci(repository);
    let outcome = charts().program(&repository, &entry).await;
    Ok(outcome.map(|_| repository.signed_by(&entry).unwrap_or_default()))
}

#[tokio::test]
async fn signatures_of_the_real_cosign_are_found_in_a_registry() -> anyhow::Result<()> {
    let key: &[u8] = include_bytes!("recorded/cosign.pub");
    let digest = Digest::of(MANIFEST);
    let server = registry().await?;
    let unsigned = refusal(program(&server, key).await?);
    assert_eq!(unsigned, Refusal::NoSignature { manifest: format!("sha256:{digest}") });

    put(&server, &format!("sha256-{digest}.sig"), include_bytes!("recorded/signature-manifest.json"));
    blob(&server, include_bytes!("recorded/payload.json"));
    assert!(program(&server, key).await?.is_ok_and(|key| key.starts_with("sha256:403da98e")));
    let other = rcgen::KeyPair::generate()?.public_key_pem();
    let wrong = refusal(program(&server, other.as_bytes()).await?);
    assert!(matches!(wrong, Refusal::WrongSignature { .. }), "{wrong}");

    let (referrers, bundle) =
        (include_bytes!("recorded/referrers.json"), include_bytes!("recorded/bundle-manifest.json"));
    for lists_referrers in [false, true] {
        let server = registry().await?;
        put(&server, &format!("sha256:{}", Digest::of(bundle)), bundle);
        blob(&server, include_bytes!("recorded/bundle.json"));
        match lists_referrers {
            true => server.answer(&format!("/v2/charts/signed/referrers/sha256:{digest}"), "200 OK", "", referrers),
            false => put(&server, &format!("sha256-{digest}"), referrers),
        }
        assert!(program(&server, key).await?.is_ok_and(|key| key.starts_with("sha256:403da98e")));
    }
    Ok(())
}

#[tokio::test]
async fn a_provenance_file_in_a_registry_is_for_the_archive_of_the_version() -> anyhow::Result<()> {
    let ann = Person::new()?;
    let url = |server: &Server| format!("oci://{}/charts/signed", server.address);
    for (file, passes) in [("signed-1.0.0.tgz", true), ("signed-0.9.0.tgz", false)] {
        let server = registry().await?;
        let provenance = ann.provenance(file, ARCHIVE)?;
        let mut manifest: serde_json::Value = serde_json::from_slice(MANIFEST)?;
        let layer = serde_json::json!({
            "mediaType": "application/vnd.cncf.helm.chart.provenance.v1.prov", "size": provenance.len(),
            "digest": format!("sha256:{}", Digest::of(provenance.as_bytes())),
        });
        manifest["layers"].as_array_mut().expect("layers").push(layer);
        let manifest = manifest.to_string();
        let digest = format!("sha256:{}", Digest::of(manifest.as_bytes()));
        put(&server, "1.0.0", manifest.as_bytes());
        put(&server, &digest, manifest.as_bytes());
        blob(&server, provenance.as_bytes());
        blob(&server, br#"{"name":"signed","version":"1.0.0","apiVersion":"v2"}"#);
        let trust = Some(Trust::Provenance(keyring(&ann)?));
        let options = oci::Options { url: url(&server), plain_http: true, trust, ..oci::Options::default() };
        let repository = oci::Repository::new(options)?;
        for wanted in ["1.0.0", &digest] {
            let entry = repository.find(wanted).await?;
            let outcome = charts().program(&Repository::Oci(repository.clone()), &entry).await;
            assert_eq!(outcome.is_ok(), passes, "{wanted} {file}");
            if !passes {
                assert!(matches!(refusal(outcome), Refusal::OtherFile { .. }));
            }
        }
    }
    let server = registry().await?;
    let trust = Some(Trust::Provenance(keyring(&ann)?));
    let options = oci::Options { url: url(&server), plain_http: true, trust, ..oci::Options::default() };
    let repository = oci::Repository::new(options)?;
    let entry = repository.find("1.0.0").await?;
    let none = refusal(charts().program(&Repository::Oci(repository), &entry).await);
    assert!(matches!(none, Refusal::NoProvenance { .. }), "{none}");
    Ok(())
}
