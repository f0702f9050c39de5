//! What is attached to a chart in a registry: Helm's provenance file, a layer of the chart's own manifest, and cosign's
//! signatures, manifests of their own. The older ones have a tag that is made of the digest of what they sign
//! (`specs/SIGNATURE_SPEC.md` of sigstore/cosign); the newer ones refer to it (`specs/BUNDLE_SPEC.md`, and referrers in
//! the distribution specification, which has a tag for registries that do not list them).

use futures::FutureExt;
use jiff::Timestamp;
use serde::Deserialize;

use super::manifest::{Descriptor, Document};
use super::reference::Reference;
use super::{ChartManifest, Repository};
use crate::source::index::Entry;
use crate::source::signatures::cosign::{PublicKeys, Signature};
use crate::source::signatures::{Keyring, Refusal, Signer, Trust, provenance};
use crate::source::{Digest, SourceError};

const SIMPLE_SIGNING: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
const SIGNATURE: &str = "dev.cosignproject.cosign/signature";
/// How the media types of sigstore's bundles begin; the version follows.
const BUNDLE: &str = "application/vnd.dev.sigstore.bundle";
/// The most bytes of a provenance file, a payload or a bundle.
const LIMIT: u64 = 1 << 20;
/// The most signatures of one kind that are looked at.
const SIGNATURES: usize = 32;

/// The version in a chart's metadata.
#[derive(Deserialize)]
struct Metadata {
    version: String,
}

impl Repository {
    /// Verifies that an archive is signed, where it must be.
    pub(in crate::source) async fn verify(&self, entry: &Entry, digest: Digest) -> Result<(), SourceError> {
        let Some((trust, gate)) = &self.inner.guard else { return Ok(()) };
        let check = || {
            let (repository, trust, entry) = (self.clone(), trust.clone(), entry.clone());
            let check = async move {
                let verdict = repository.verdict(&trust, &entry.url, digest).await?;
                verdict.map_err(|refusal| refusal.of(&entry, repository.shown_archive(&entry.url), trust.named()))
            };
            check.boxed()
        };
        gate.pass(entry, digest, check).await
    }

    /// Whether the chart of a version that the index names is signed, where its archive has this digest.
    async fn verdict(
        &self,
        trust: &Trust,
        named: &str,
        archive: Digest,
    ) -> Result<Result<Signer, Refusal>, SourceError> {
        let reference = Reference::parse(named, self.inner.plain_http)?;
        let manifest = self.inner.chart(&reference.path, &reference.wanted()).await?;
        if manifest.archive != archive {
            let (expected, actual) = (manifest.archive.to_string(), archive.to_string());
            return Err(SourceError::DigestMismatch { url: named.to_owned(), expected, actual });
        }
        match trust {
            Trust::Provenance(keyring) => self.provenance(keyring, &reference, &manifest).await,
            Trust::Cosign(keys) => self.signatures(keys, &reference.path, manifest.digest).await,
        }
    }

    async fn provenance(
        &self,
        keyring: &Keyring,
        reference: &Reference,
        manifest: &ChartManifest,
    ) -> Result<Result<Signer, Refusal>, SourceError> {
        let Reference { path, tag, .. } = reference;
        let Some(layer) = manifest.provenance else {
            let wanted = "the archive with the .prov file".to_owned();
            return Ok(Err(Refusal::NoProvenance { wanted }));
        };
        let version = match (tag, manifest.config) {
            (Some(tag), _) => tag.replace('_', "+"),
            (None, Some(config)) => version(&self.inner.registry.config(path, config).await?),
            (None, None) => String::new(),
        };
        let name = path.rsplit('/').next().unwrap_or_default();
        let signed = self.inner.registry.blob(path, layer, LIMIT).await?;
        Ok(provenance::verify(keyring, &signed, &format!("{name}-{version}.tgz"), manifest.archive, Timestamp::now()))
    }

    async fn signatures(
        &self,
        keys: &PublicKeys,
        path: &str,
        manifest: Digest,
    ) -> Result<Result<Signer, Refusal>, SourceError> {
        let mut found = self.simple_signatures(path, manifest).await?;
        let verdict = keys.verify(&found, manifest);
        if verdict.is_ok() {
            return Ok(verdict);
        }
        found.extend(self.bundles(path, manifest).await?);
        Ok(keys.verify(&found, manifest))
    }

    /// The signatures of the older form.
    async fn simple_signatures(&self, path: &str, manifest: Digest) -> Result<Vec<Signature>, SourceError> {
        let registry = &self.inner.registry;
        let Some(document) = optional(registry.document(path, &format!("sha256-{manifest}.sig")).await)? else {
            return Ok(Vec::new());
        };
        let mut found = Vec::new();
        for layer in parsed(&document).layers.into_iter().filter(|layer| layer.media_type == SIMPLE_SIGNING) {
            let signature = layer.annotations.as_ref().and_then(|annotations| annotations.get(SIGNATURE));
            let (Some(signature), Some(digest)) = (signature, layer.sha256()) else { continue };
            found.push(Signature::Simple(registry.blob(path, digest, LIMIT).await?, signature.clone()));
            if found.len() == SIGNATURES {
                break;
            }
        }
        Ok(found)
    }

    /// The signatures of the newer form.
    async fn bundles(&self, path: &str, manifest: Digest) -> Result<Vec<Signature>, SourceError> {
        let registry = &self.inner.registry;
        let listed = match optional(registry.referrers(path, manifest).await)? {
            Some(listed) => Some(listed),
            None => optional(registry.document(path, &format!("sha256-{manifest}")).await)?,
        };
        let may_be = |other: &Descriptor| other.artifact_type.as_deref().is_none_or(|type_| type_.starts_with(BUNDLE));
        let referrers = listed.map(|listed| parsed(&listed).manifests).unwrap_or_default();
        let mut found = Vec::new();
        for digest in referrers.iter().filter(|other| may_be(other)).filter_map(Descriptor::sha256).take(SIGNATURES) {
            let document = registry.document(path, &format!("sha256:{digest}")).await?;
            let layers = parsed(&document).layers;
            let bundle = layers.iter().find(|layer| layer.media_type.starts_with(BUNDLE)).and_then(Descriptor::sha256);
            if let Some(bundle) = bundle {
                found.push(Signature::Bundle(registry.blob(path, bundle, LIMIT).await?));
            }
        }
        Ok(found)
    }
}

/// What is no manifest has nothing in it that could speak for a chart.
fn parsed(document: &[u8]) -> Document {
    serde_json::from_slice(document).unwrap_or_default()
}

fn version(config: &[u8]) -> String {
    serde_json::from_slice::<Metadata>(config).map(|metadata| metadata.version).unwrap_or_default()
}

/// What a registry need not have. One that does not know of referrers answers in other ways than with 404 too.
fn optional(answer: Result<Vec<u8>, SourceError>) -> Result<Option<Vec<u8>>, SourceError> {
    match answer {
        Ok(document) => Ok(Some(document)),
        Err(SourceError::NotFound { .. } | SourceError::Status { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}
