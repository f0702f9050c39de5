//! Signatures of cosign: keys that sign the digest of a manifest, in the two forms that cosign writes.
//!
//! Until version 2 the payload is Red Hat's simple signing and its signature an annotation (sigstore/cosign,
//! `specs/SIGNATURE_SPEC.md`). Version 3 writes a bundle whose envelope holds a statement of in-toto
//! (`specs/BUNDLE_SPEC.md`, and the DSSE protocol for what exactly is signed). Transparency logs and certificates are
//! not looked at: who trusts a key needs neither.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{SignatureVerificationAlgorithm, SubjectPublicKeyInfoDer};
use serde::Deserialize;
use webpki::{RawPublicKeyEntity, ring};

use super::keyring::shown;
use super::{InvalidKeys, Refusal, Signer};
use crate::source::Digest;

/// What says in the payload of simple signing that it is cosign's.
const SIMPLE_SIGNING: &str = "cosign container image signature";
/// The type of the payload of a bundle's envelope.
const IN_TOTO: &str = "application/vnd.in-toto+json";
/// What `cosign sign` states; `cosign attest` states other things, also bad ones.
const SIGNED: &str = "https://sigstore.dev/cosign/sign/v1";

/// How a key may sign. The longer key hashes longer by now, and did not in early versions. Keys of Ed25519 sign a hash
/// (Ed25519ph), which ring does not verify.
const ALGORITHMS: [&dyn SignatureVerificationAlgorithm; 4] =
    [ring::ECDSA_P256_SHA256, ring::ECDSA_P384_SHA256, ring::ECDSA_P384_SHA384, ring::RSA_PKCS1_2048_8192_SHA256];

/// Public keys as `cosign generate-key-pair` writes them; cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKeys {
    named: String,
    keys: Arc<[SubjectPublicKeyInfoDer<'static>]>,
}

/// A signature that may be for a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::source) enum Signature {
    /// The payload of simple signing, and its signature in base64.
    Simple(Vec<u8>, String),
    /// A bundle of sigstore.
    Bundle(Vec<u8>),
}

#[derive(Deserialize)]
struct Simple {
    critical: Critical,
}

#[derive(Deserialize)]
struct Critical {
    image: Image,
    #[serde(rename = "type")]
    type_: String,
}

#[derive(Deserialize)]
struct Image {
    #[serde(rename = "docker-manifest-digest")]
    digest: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bundle {
    dsse_envelope: Option<Envelope>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope {
    payload: String,
    payload_type: String,
    signatures: Vec<EnvelopeSignature>,
}

#[derive(Deserialize)]
struct EnvelopeSignature {
    sig: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Statement {
    subject: Vec<Subject>,
    predicate_type: String,
}

#[derive(Deserialize)]
struct Subject {
    digest: SubjectDigest,
}

#[derive(Deserialize)]
struct SubjectDigest {
    sha256: Option<String>,
}

impl PublicKeys {
    /// Reads the PEM keys of one or more files, each named for messages.
    ///
    /// # Errors
    /// One of them has no public key, or one that cannot be used.
    pub fn read<'a>(named: &str, files: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Result<Self, InvalidKeys> {
        let mut keys = Vec::new();
        for (name, content) in files {
            let invalid = |reason: String| InvalidKeys { named: format!("key {name:?} of {named}"), reason };
            let read = SubjectPublicKeyInfoDer::pem_slice_iter(content).collect::<Result<Vec<_>, _>>();
            let read =
                read.map_err(|error| invalid(format!("it is no PEM: {error}; put the text of cosign.pub there")))?;
            if read.is_empty() {
                return Err(invalid(
                    "it has no -----BEGIN PUBLIC KEY-----: put the text of cosign.pub there".to_owned(),
                ));
            }
            if !read.iter().all(is_usable) {
                let reason =
                    "it is not a public key of ECDSA (P-256, P-384) or RSA: cosign generate-key-pair makes one";
                return Err(invalid(reason.to_owned()));
            }
            keys.extend(read);
        }
        if keys.is_empty() {
            let reason = "it has no key that ends in .pub: add cosign.pub of cosign generate-key-pair".to_owned();
            return Err(InvalidKeys { named: named.to_owned(), reason });
        }
        Ok(Self { named: named.to_owned(), keys: keys.into() })
    }

    /// How messages name them.
    pub(super) fn named(&self) -> &str {
        &self.named
    }

    /// Verifies that one of the signatures is by one of the keys, and for this manifest.
    ///
    /// # Errors
    /// [`Refusal`]: of several signatures why the one that comes closest does not count.
    pub(in crate::source) fn verify(&self, signatures: &[Signature], manifest: Digest) -> Result<Signer, Refusal> {
        let mut refusal = None;
        for signature in signatures {
            match self.check(signature, manifest) {
                Ok(signer) => return Ok(signer),
                // What others have signed says least.
                Err(other @ Refusal::WrongSignature { .. }) => refusal = refusal.or(Some(other)),
                Err(other) => refusal = Some(other),
            }
        }
        Err(refusal.unwrap_or_else(|| Refusal::NoSignature { manifest: format!("sha256:{manifest}") }))
    }

    fn check(&self, signature: &Signature, manifest: Digest) -> Result<Signer, Refusal> {
        match signature {
            Signature::Simple(payload, signature) => self.check_simple(payload, signature, manifest),
            Signature::Bundle(bundle) => self.check_bundle(bundle, manifest),
        }
    }

    fn check_simple(&self, payload: &[u8], signature: &str, manifest: Digest) -> Result<Signer, Refusal> {
        let key = self.signer(payload, [signature])?;
        // Nothing is read that is not known to be signed.
        let Simple { critical } = read("payload", payload)?;
        if critical.type_ != SIMPLE_SIGNING {
            return Err(Refusal::OtherStatement { type_: critical.type_ });
        }
        is_for(manifest, [critical.image.digest], key)
    }

    fn check_bundle(&self, bundle: &[u8], manifest: Digest) -> Result<Signer, Refusal> {
        let Bundle { dsse_envelope } = read("bundle", bundle)?;
        let unreadable = |reason: &str| Refusal::Unreadable { reason: reason.to_owned() };
        let envelope = dsse_envelope.ok_or_else(|| unreadable("the bundle has no DSSE envelope"))?;
        let payload = STANDARD.decode(&envelope.payload).map_err(|_| unreadable("the payload is not in base64"))?;
        let signed = pre_authentication_encoding(&envelope.payload_type, &payload);
        let key = self.signer(&signed, envelope.signatures.iter().map(|signature| signature.sig.as_str()))?;
        if envelope.payload_type != IN_TOTO {
            return Err(Refusal::OtherStatement { type_: envelope.payload_type });
        }
        let Statement { subject, predicate_type } = read("statement", &payload)?;
        if predicate_type != SIGNED {
            return Err(Refusal::OtherStatement { type_: predicate_type });
        }
        let digests = subject.into_iter().filter_map(|subject| subject.digest.sha256);
        is_for(manifest, digests.map(|digest| format!("sha256:{digest}")), key)
    }

    /// The fingerprint of the key that made one of the signatures, which are in base64.
    fn signer<'a>(&self, message: &[u8], signatures: impl IntoIterator<Item = &'a str>) -> Result<String, Refusal> {
        let signatures: Vec<Vec<u8>> =
            signatures.into_iter().filter_map(|signature| STANDARD.decode(signature.trim()).ok()).collect();
        let has_signed = |key: &&SubjectPublicKeyInfoDer<'static>| {
            let Ok(entity) = RawPublicKeyEntity::try_from(*key) else { return false };
            let made = |signature: &Vec<u8>| {
                ALGORITHMS.iter().any(|algorithm| entity.verify_signature(*algorithm, message, signature).is_ok())
            };
            signatures.iter().any(made)
        };
        let signer = self.keys.iter().find(has_signed).map(fingerprint);
        signer.ok_or_else(|| Refusal::WrongSignature { keys: shown(self.keys.iter().map(fingerprint)) })
    }
}

/// Whether there is a way for a key to sign.
fn is_usable(key: &SubjectPublicKeyInfoDer<'static>) -> bool {
    let Ok(entity) = RawPublicKeyEntity::try_from(key) else { return false };
    let fits = |algorithm: &&dyn SignatureVerificationAlgorithm| {
        entity.verify_signature(*algorithm, b"", b"") == Err(webpki::Error::InvalidSignatureForPublicKey)
    };
    ALGORITHMS.iter().any(fits)
}

/// What DSSE signs: the type and the payload, each after its length.
fn pre_authentication_encoding(type_: &str, payload: &[u8]) -> Vec<u8> {
    let head = format!("DSSEv1 {} {type_} {} ", type_.len(), payload.len());
    [head.as_bytes(), payload].concat()
}

/// The digest of a key, which cosign's bundles name it by.
fn fingerprint(key: &SubjectPublicKeyInfoDer<'static>) -> String {
    format!("sha256:{}", Digest::of(key))
}

fn read<'a, T: Deserialize<'a>>(what: &str, content: &'a [u8]) -> Result<T, Refusal> {
    serde_json::from_slice(content).map_err(|error| Refusal::Unreadable { reason: format!("its {what}: {error}") })
}

fn is_for(manifest: Digest, signed: impl IntoIterator<Item = String>, key: String) -> Result<Signer, Refusal> {
    let actual = format!("sha256:{manifest}");
    let signed: Vec<String> = signed.into_iter().collect();
    if signed.contains(&actual) {
        return Ok(Signer { key, until: None });
    }
    Err(Refusal::OtherDigest { key, signed: shown(signed.into_iter()), actual })
}

impl fmt::Debug for PublicKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PublicKeys").field(&shown(self.keys.iter().map(fingerprint))).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::SigningKey as _;
    use serde_json::json;

    const MANIFEST: &[u8] = include_bytes!("recorded/manifest.json");
    const KEY: &[u8] = include_bytes!("recorded/cosign.pub");

    fn keys(files: &[&[u8]]) -> PublicKeys {
        PublicKeys::read("Secret \"keys\"", files.iter().map(|content| ("cosign.pub", *content))).expect("keys")
    }

    fn manifest() -> Digest {
        Digest::of(MANIFEST)
    }

    /// What the real cosign has written.
    fn recorded() -> [Signature; 2] {
        let written: serde_json::Value =
            serde_json::from_slice(include_bytes!("recorded/signature-manifest.json")).expect("a manifest");
        let signature = written["layers"][0]["annotations"]["dev.cosignproject.cosign/signature"].as_str();
        [
            Signature::Simple(include_bytes!("recorded/payload.json").to_vec(), signature.expect("one").to_owned()),
            Signature::Bundle(include_bytes!("recorded/bundle.json").to_vec()),
        ]
    }

    fn bundle(key: &rcgen::KeyPair, type_: &str, statement: &serde_json::Value) -> Signature {
        let payload = statement.to_string();
        let signature = key.sign(&pre_authentication_encoding(type_, payload.as_bytes())).expect("a signature");
        let envelope = json!({
            "payload": STANDARD.encode(&payload), "payloadType": type_,
            "signatures": [{"sig": STANDARD.encode(signature)}],
        });
        Signature::Bundle(json!({"dsseEnvelope": envelope}).to_string().into_bytes())
    }

    fn statement(manifest: Digest, type_: &str) -> serde_json::Value {
        json!({
            "_type": "https://in-toto.io/Statement/v1", "predicateType": type_, "predicate": {},
            "subject": [{"digest": {"sha256": manifest.to_string()}}],
        })
    }

    #[test]
    fn what_is_signed_is_the_type_and_the_payload_with_their_lengths() {
        let signed = pre_authentication_encoding("http://example.com/HelloWorld", b"hello world");
        assert_eq!(signed, b"DSSEv1 29 http://example.com/HelloWorld 11 hello world", "the protocol's own example");
    }

    #[test]
    fn signatures_of_the_real_cosign_are_verified_in_both_forms() {
        let other = rcgen::KeyPair::generate().expect("a key").public_key_pem();
        for signature in recorded() {
            let ring = keys(&[other.as_bytes(), KEY]);
            let signer = ring.verify(std::slice::from_ref(&signature), manifest()).expect("it is signed");
            let hint = "403da98e1cf561d1ed4efd384aae9e5e450a8935acfd95f805a2665f849ed2a1";
            assert_eq!(
                signer,
                Signer { key: format!("sha256:{hint}"), until: None },
                "the digest in the bundle's hint"
            );
            let other = ring.verify(std::slice::from_ref(&signature), Digest::of(b"other")).expect_err("another");
            assert!(matches!(&other, Refusal::OtherDigest { signed, .. } if signed.contains("f4847fd7")), "{other}");
            let unknown = keys(&[rcgen::KeyPair::generate().expect("a key").public_key_pem().as_bytes()]);
            let wrong = unknown.verify(&[signature], manifest()).expect_err("another key");
            assert!(matches!(wrong, Refusal::WrongSignature { .. }), "{wrong}");
        }
        let none = keys(&[KEY]).verify(&[], manifest());
        assert_eq!(none, Err(Refusal::NoSignature { manifest: format!("sha256:{}", manifest()) }));
    }

    #[test]
    fn changed_payloads_are_not_signed() {
        let replaced = |bytes: &[u8]| {
            let text = String::from_utf8_lossy(bytes).replace(&manifest().to_string(), &Digest::of(b"x").to_string());
            text.into_bytes()
        };
        for signature in recorded() {
            let forged = match signature {
                Signature::Simple(payload, signature) => Signature::Simple(replaced(&payload), signature),
                Signature::Bundle(bundle) => {
                    let mut bundle: serde_json::Value = serde_json::from_slice(&bundle).expect("a bundle");
                    let payload = bundle["dsseEnvelope"]["payload"].as_str().expect("a payload");
                    let payload = replaced(&STANDARD.decode(payload).expect("base64"));
                    bundle["dsseEnvelope"]["payload"] = json!(STANDARD.encode(payload));
                    Signature::Bundle(bundle.to_string().into_bytes())
                }
            };
            let refusal = keys(&[KEY]).verify(&[forged], Digest::of(b"x")).expect_err("it is forged");
            assert!(matches!(refusal, Refusal::WrongSignature { .. }), "{refusal}");
        }
    }

    #[test]
    fn only_that_a_chart_is_signed_speaks_for_it() {
        let key = rcgen::KeyPair::generate().expect("a key");
        let ring = keys(&[key.public_key_pem().as_bytes()]);
        let good = bundle(&key, IN_TOTO, &statement(manifest(), SIGNED));
        assert!(ring.verify(std::slice::from_ref(&good), manifest()).is_ok());
        for (type_, predicate) in [(IN_TOTO, "https://cosign.sigstore.dev/attestation/vuln/v1"), ("text/plain", SIGNED)]
        {
            let other = bundle(&key, type_, &statement(manifest(), predicate));
            let refusal = ring.verify(std::slice::from_ref(&other), manifest()).expect_err("it says something else");
            assert!(matches!(refusal, Refusal::OtherStatement { .. }), "{refusal}");
            assert!(ring.verify(&[other, good.clone()], manifest()).is_ok(), "one that fits suffices");
        }
        let payload = json!({"critical": {"image": {"docker-manifest-digest": format!("sha256:{}", manifest())},
            "type": "atomic container signature"}});
        let payload = payload.to_string().into_bytes();
        let signature = STANDARD.encode(key.sign(&payload).expect("a signature"));
        let refusal = ring.verify(&[Signature::Simple(payload, signature)], manifest()).expect_err("not cosign's");
        assert!(matches!(refusal, Refusal::OtherStatement { .. }), "{refusal}");
    }

    #[test]
    fn keys_of_other_kinds_sign_too() {
        let recorded: [(&[u8], &str); 2] = [
            (include_bytes!("recorded/rsa.pub"), include_str!("recorded/rsa.sig")),
            (include_bytes!("recorded/p384.pub"), include_str!("recorded/p384.sig")),
        ];
        let payload = include_bytes!("recorded/payload.json").to_vec();
        for (key, signature) in recorded {
            let signed = Signature::Simple(payload.clone(), signature.to_owned());
            assert!(keys(&[KEY, key]).verify(std::slice::from_ref(&signed), manifest()).is_ok());
            let refusal = keys(&[KEY]).verify(&[signed], manifest()).expect_err("another key");
            assert!(matches!(refusal, Refusal::WrongSignature { .. }), "{refusal}");
        }
    }

    #[test]
    fn what_is_no_public_key_is_told_with_its_place() {
        let private = rcgen::KeyPair::generate().expect("a key").serialize_pem();
        let ed25519 = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).expect("a key").public_key_pem();
        for content in [&ed25519, "", "words", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", &private]
        {
            let read = PublicKeys::read("Secret \"keys\"", [("cosign.pub", content.as_bytes())]);
            let error = read.expect_err("no key").to_string();
            assert!(error.starts_with("key \"cosign.pub\" of Secret \"keys\" cannot be used"), "{error}");
            assert!(!error.contains(private.lines().nth(1).unwrap_or("-")), "{error}");
        }
        assert!(PublicKeys::read("Secret \"keys\"", []).is_err_and(|error| error.reason.contains(".pub")));
    }
}
