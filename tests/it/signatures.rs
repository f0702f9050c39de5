//! Charts that must be signed: with the provenance files of the real helm, and as cosign signs in the real registry. What
//! is refused writes nothing.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use coxswain::api::Reason;
use pgp::composed::{KeyType, SecretKeyParamsBuilder, SignedSecretKey};
use pgp::ser::Serialize as _;
use pgp::types::KeyDetails as _;
use rcgen::{KeyPair, SigningKey as _};
use serde_json::{Value, json};

use crate::bad_input::{CONFIG_MAP, ask, draft, refused, shows_no_secret, told};
use crate::oci::registry;
use crate::support::{charts, command};
use crate::world::{Place, world};

const NOT_TRUSTED: Reason = Reason::ChartNotTrusted;

/// Somebody who signs with OpenPGP.
struct Person {
    name: &'static str,
    secret: SignedSecretKey,
}

impl Person {
    fn new(name: &'static str) -> Result<Self> {
        let mut parameters = SecretKeyParamsBuilder::default();
        parameters.key_type(KeyType::Ed25519Legacy).can_sign(true).can_certify(true);
        let parameters = parameters.primary_user_id(format!("{name} <{name}@example.com>")).build()?;
        Ok(Self { name, secret: parameters.generate(rand::thread_rng())? })
    }

    fn fingerprint(&self) -> String {
        format!("{:X}", self.secret.primary_key.fingerprint())
    }

    /// Creates a Secret with the public key, or puts it into the one that there is.
    fn trust(&self, place: &Place<'_>, secret: &str) -> Result<()> {
        let keyring = STANDARD.encode(self.secret.to_public_key().to_bytes()?);
        place.apply(&json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": secret, "namespace": place.namespace},
            "data": {"pubring.gpg": keyring},
        }))
    }

    /// Packs a chart with the real helm and signs it; gives the archive, beside which its provenance is.
    fn package(&self, place: &Place<'_>, name: &str, target: &Path) -> Result<PathBuf> {
        let keyring = place.folder.path().join(format!("{}.secret", self.name));
        std::fs::write(&keyring, self.secret.to_bytes()?)?;
        let chart = draft(place, name, "0.1.0", &[("templates/configmap.yaml", CONFIG_MAP)])?;
        let mut helm = place.world.cluster.helm();
        helm.arg("package").arg(chart).arg("--destination").arg(target);
        command::output(helm.args(["--sign", "--key", self.name, "--keyring"]).arg(&keyring))?;
        std::fs::remove_file(keyring)?;
        Ok(target.join(format!("{name}-0.1.0.tgz")))
    }
}

/// Creates the repository, whose charts must be signed by a key of the Secret, if it is named.
fn open(place: &Place<'_>, name: &str, secret: Option<&str>) -> Result<()> {
    let mut repository = place.repository(name, &place.server.url());
    if let Some(secret) = secret {
        repository["spec"]["verify"] = json!({"secretRef": secret});
    }
    place.apply(&repository)
}

/// Lists all archives of the chart server with the real helm.
fn list(place: &Place<'_>) -> Result<()> {
    command::output(place.world.cluster.helm().args(["repo", "index"]).arg(place.folder.path())).map(drop)
}

#[tokio::test]
async fn signatures_of_helm_let_charts_pass_and_nothing_else_does() -> Result<()> {
    let place = world().bare_place("signed").await?;
    let (ann, ben) = (Person::new("ann")?, Person::new("ben")?);
    let served = place.folder.path();
    let elsewhere = unserved_folder(&place)?;
    ann.package(&place, "good", served)?;
    ben.package(&place, "stranger", served)?;
    let tampered = ann.package(&place, "tampered", served)?;
    let other = draft(&place, "tampered", "0.1.0", &[("values.yaml", "message: tampered\n")])?;
    charts::pack(&other, served)?;
    assert!(tampered.exists(), "another archive has its place");
    let renamed = ann.package(&place, "renamed", &elsewhere)?;
    std::fs::copy(&renamed, served.join("renamed-latest.tgz"))?;
    std::fs::copy(renamed.with_extension("tgz.prov"), served.join("renamed-latest.tgz.prov"))?;
    let unsigned = ann.package(&place, "unsigned", served)?;
    std::fs::remove_file(unsigned.with_extension("tgz.prov"))?;
    list(&place)?;

    open(&place, "store", Some("keys"))?;
    place.until("chartrepo", "store", "the Secret to be missed", |repository| {
        repository["status"]["reason"].as_str().is_some_and(|told| told.contains("spec.verify.secretRef"))
    })?;
    ann.trust(&place, "keys")?;
    ask(&place, "good", "store/good", &json!({}))?;
    let ready = place.until_ready("good")?;
    assert_eq!(ready["status"]["chartSignedBy"], json!(ann.fingerprint()), "{ready}");

    // Somebody else who does not ask for signatures has brought this one into the cache.
    open(&place, "careless", None)?;
    ask(&place, "careless", "careless/unsigned", &json!({}))?;
    assert!(place.until_ready("careless")?["status"]["chartSignedBy"].is_null());
    let cases = [
        ("unsigned", vec!["unsigned-0.1.0.tgz.prov", "helm package --sign"]),
        ("stranger", vec![ben.fingerprint().leak(), ann.fingerprint().leak()]),
        ("tampered", vec!["it was replaced"]),
        ("renamed", vec!["renamed-0.1.0.tgz", "renamed-latest.tgz"]),
    ];
    for (name, words) in cases {
        ask(&place, name, &format!("store/{name}"), &json!({}))?;
        let words = [&["version 0.1.0 at", "Secret \"keys\" of spec.verify.secretRef"][..], &words[..]].concat();
        refused(&place, name, NOT_TRUSTED, &words)?;
    }

    // Who was read without keys is not gone on with once there are to be some.
    place.merge("chartrepo", "careless", &json!({"spec": {"verify": {"secretRef": "missing"}}}))?;
    place.until("chartrepo", "careless", "the keys to be missed", |repository| {
        repository["status"]["phase"] == "Failed"
    })?;
    ask(&place, "late", "careless/good", &json!({}))?;
    refused(&place, "late", Reason::CredentialsMissing, &["\"missing\"", "spec.verify.secretRef"])?;

    // Other keys are seen at once. What is deployed stays as it is, and what is new is not deployed.
    ben.trust(&place, "keys")?;
    place.until_ready("stranger")?;
    let before = place.get("configmap", "good")?.context("the object of the release")?;
    place.merge("helmrequest", "good", &json!({"spec": {"values": {"message": "after"}}}))?;
    told(&place, "good", NOT_TRUSTED, &[&ann.fingerprint(), "add that key if you trust it"])?;
    let after = place.get("configmap", "good")?.context("the object of the release")?;
    assert_eq!(after["data"], before["data"], "nothing of the upgrade was applied");
    ann.trust(&place, "keys")?;
    place.until("configmap", "good", "the upgrade", |map| map["data"]["message"] == "after").map(drop)
}

/// A folder that is not served.
fn unserved_folder(place: &Place<'_>) -> Result<PathBuf> {
    let folder = place.folder.path().join("drafts").join("packed");
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}

#[tokio::test]
async fn signatures_are_asked_for_by_requests_that_name_an_address() -> Result<()> {
    let place = world().bare_place("signed-direct").await?;
    let (ann, ben) = (Person::new("ann")?, Person::new("ben")?);
    let archive = ann.package(&place, "good", place.folder.path())?;
    registry().push(&place.world.cluster, &archive, &place.namespace)?;
    ann.trust(&place, "ann")?;
    ben.trust(&place, "ben")?;
    let url = format!("{}/good-0.1.0.tgz", place.server.url());
    let http = |secret: &str| json!({"http": {"url": url, "verify": {"secretRef": secret}}});
    let repo = format!("{}/{}/good", registry().open, place.namespace);
    let oci = |secret: &str| json!({"oci": {"repo": repo, "plainHTTP": true, "verify": {"secretRef": secret}}});
    for (name, field, source) in [
        ("http", "spec.source.http.verify.secretRef", http("ben")),
        ("oci", "spec.source.oci.verify.secretRef", oci("ben")),
    ] {
        place.apply(&place.request(name, json!({"source": source})))?;
        refused(&place, name, NOT_TRUSTED, &[field, "\"ben\"", &ann.fingerprint(), "good"])?;
    }
    place.merge("helmrequest", "http", &json!({"spec": {"source": http("ann")}}))?;
    place.merge("helmrequest", "oci", &json!({"spec": {"source": oci("ann")}}))?;
    for name in ["http", "oci"] {
        assert_eq!(place.until_ready(name)?["status"]["chartSignedBy"], json!(ann.fingerprint()));
    }
    Ok(())
}

/// How cosign signs what has this digest.
enum Form {
    Simple,
    Bundle,
}

/// Signs a chart in the registry and stores the signature where cosign does: the registry lists no referrers.
async fn sign(key: &KeyPair, repository: &str, tag: &str, form: Form) -> Result<()> {
    let registry = registry();
    let digest = charts::digest(&registry.manifest(repository, tag).await?);
    let empty = registry.put_blob(repository, "application/vnd.oci.empty.v1+json", b"{}").await?;
    let manifest_type = "application/vnd.oci.image.manifest.v1+json";
    let manifest =
        |layer: Value| json!({"schemaVersion": 2, "mediaType": manifest_type, "config": empty, "layers": [layer]});
    match form {
        Form::Simple => {
            let payload = json!({
                "critical": {
                    "identity": {"docker-reference": repository},
                    "image": {"docker-manifest-digest": format!("sha256:{digest}")},
                    "type": "cosign container image signature",
                },
                "optional": null,
            });
            let payload = payload.to_string();
            let type_ = "application/vnd.dev.cosign.simplesigning.v1+json";
            let mut layer = registry.put_blob(repository, type_, payload.as_bytes()).await?;
            let signature = STANDARD.encode(key.sign(payload.as_bytes())?);
            layer["annotations"] = json!({"dev.cosignproject.cosign/signature": signature});
            registry.put_manifest(repository, &format!("sha256-{digest}.sig"), &manifest(layer)).await?;
        }
        Form::Bundle => {
            let statement = json!({
                "_type": "https://in-toto.io/Statement/v1", "subject": [{"digest": {"sha256": digest}}],
                "predicateType": "https://sigstore.dev/cosign/sign/v1", "predicate": {},
            });
            let (payload, in_toto) = (statement.to_string(), "application/vnd.in-toto+json");
            let signed = format!("DSSEv1 {} {in_toto} {} {payload}", in_toto.len(), payload.len());
            let envelope = json!({
                "payload": STANDARD.encode(&payload), "payloadType": in_toto,
                "signatures": [{"sig": STANDARD.encode(key.sign(signed.as_bytes())?)}],
            });
            let type_ = "application/vnd.dev.sigstore.bundle.v0.3+json";
            let bundle = json!({"mediaType": type_, "dsseEnvelope": envelope}).to_string();
            let layer = registry.put_blob(repository, type_, bundle.as_bytes()).await?;
            let mut descriptor = registry.put_manifest(repository, "bundle", &manifest(layer)).await?;
            descriptor["artifactType"] = json!(type_);
            let index_type = "application/vnd.oci.image.index.v1+json";
            let index = json!({"schemaVersion": 2, "mediaType": index_type, "manifests": [descriptor]});
            registry.put_manifest(repository, &format!("sha256-{digest}"), &index).await?;
        }
    }
    Ok(())
}

#[tokio::test]
async fn signatures_of_cosign_are_verified_in_a_registry() -> Result<()> {
    let place = world().bare_place("cosign").await?;
    let (ours, theirs) = (KeyPair::generate()?, KeyPair::generate()?);
    for name in ["web", "api"] {
        let files = [("templates/configmap.yaml", CONFIG_MAP)];
        let packed = charts::pack(&draft(&place, name, "0.1.0", &files)?, place.folder.path())?;
        registry().push(&place.world.cluster, &packed.path, &place.namespace)?;
    }
    place.kubectl(&[
        "create",
        "secret",
        "generic",
        "cosign",
        &format!("--from-literal=old.pub={}", KeyPair::generate()?.public_key_pem()),
        &format!("--from-literal=cosign.pub={}", ours.public_key_pem()),
        "--from-literal=cosign.key=private",
    ])?;
    let path = |name: &str| format!("{}/{name}", place.namespace);
    let verify = json!({"provider": "Cosign", "secretRef": "cosign"});
    let mut store = place.repository("store", &format!("oci://{}/{}", registry().open, place.namespace));
    store["spec"]["plainHTTP"] = json!(true);
    store["spec"]["verify"] = verify.clone();
    place.apply(&store)?;
    ask(&place, "web", "store/web", &json!({}))?;
    let secret = "Secret \"cosign\" of spec.verify.secretRef";
    refused(&place, "web", NOT_TRUSTED, &["version 0.1.0 at oci://", secret, "no signature of cosign", "cosign sign"])?;
    sign(&theirs, &path("web"), "0.1.0", Form::Simple).await?;
    refused(&place, "web", NOT_TRUSTED, &[secret, "signed by another key"])?;
    sign(&ours, &path("web"), "0.1.0", Form::Simple).await?;
    let ready = place.until_ready("web")?;
    assert!(ready["status"]["chartSignedBy"].as_str().is_some_and(|key| key.starts_with("sha256:")), "{ready}");

    let repo = format!("{}/{}", registry().open, path("api"));
    let source = json!({"oci": {"repo": repo, "plainHTTP": true, "verify": verify}});
    sign(&theirs, &path("api"), "0.1.0", Form::Bundle).await?;
    place.apply(&place.request("api", json!({"source": source})))?;
    refused(&place, "api", NOT_TRUSTED, &["spec.source.oci.verify.secretRef", "signed by another key"])?;
    sign(&ours, &path("api"), "0.1.0", Form::Bundle).await?;
    assert_eq!(place.until_ready("api")?["status"]["chartSignedBy"], ready["status"]["chartSignedBy"]);
    shows_no_secret(&place)
}

#[tokio::test]
async fn signatures_cannot_be_asked_for_where_there_are_none() -> Result<()> {
    let place = world().bare_place("unsignable").await?;
    let source = json!({"url": "https://git.example.com/charts.git"});
    let cosign = json!({"provider": "Cosign", "secretRef": "keys"});
    for (spec, word) in [
        (json!({"type": "Git", "source": source, "verify": {"secretRef": "keys"}}), "types HTTP and OCI"),
        (json!({"type": "Local", "verify": {"secretRef": "keys"}}), "types HTTP and OCI"),
        (json!({"url": "https://charts.example.com", "verify": cosign}), "set verify.provider to Provenance"),
        (json!({"url": "https://charts.example.com", "verify": {}}), "secretRef"),
        (json!({"url": "https://charts.example.com", "verify": {"secretRef": ""}}), "secretRef"),
    ] {
        let mut repository = place.repository("store", "");
        repository["spec"] = spec;
        let refusal = place.apply(&repository).expect_err("it is refused");
        assert!(format!("{refusal:#}").contains(word), "{refusal:#}");
    }
    let http = json!({"http": {"url": "https://charts.example.com/web.tgz", "verify": cosign}});
    let refusal = place.apply(&place.request("web", json!({"source": http}))).expect_err("it is refused");
    assert!(format!("{refusal:#}").contains("fetch the chart by source.oci"), "{refusal:#}");
    Ok(())
}
