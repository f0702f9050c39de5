//! Manifests of charts: which blob is the archive, and which one the chart's metadata (`pkg/registry/constants.go`).

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::source::Digest;

/// What is accepted as a manifest; a registry may answer 404 where it is not told.
pub(super) const ACCEPTED: &str = "application/vnd.oci.image.manifest.v1+json, \
     application/vnd.docker.distribution.manifest.v2+json, application/vnd.oci.image.index.v1+json";
/// The type of a list of manifests.
pub(super) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const CONFIG: &str = "application/vnd.cncf.helm.config.v1+json";
/// Helm's archives today, and those of its first versions, which are Captain's too.
const ARCHIVES: [&str; 2] = ["application/vnd.cncf.helm.chart.content.v1.tar+gzip", "application/tar+gzip"];
/// Helm's provenance file.
const PROVENANCE: &str = "application/vnd.cncf.helm.chart.provenance.v1.prov";
const CREATED: &str = "org.opencontainers.image.created";

/// What a manifest says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Manifest {
    /// It is a chart.
    Chart {
        /// The archive.
        archive: Digest,
        /// The metadata of Chart.yaml in JSON.
        config: Option<Digest>,
        /// The provenance file.
        provenance: Option<Digest>,
        /// When it was pushed.
        created: Option<String>,
    },
    /// It lists manifests, of which one may be a chart.
    Index(Vec<Digest>),
    /// It is something else: the media types that it has.
    Other(String),
}

/// A manifest or a list of them, as it stands in the registry.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Document {
    config: Option<Descriptor>,
    /// The blobs that a manifest is of.
    #[serde(default)]
    pub(super) layers: Vec<Descriptor>,
    /// The manifests of a list.
    #[serde(default)]
    pub(super) manifests: Vec<Descriptor>,
    annotations: Option<BTreeMap<String, String>>,
}

/// What a document says of a blob or of another document.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Descriptor {
    #[serde(default)]
    pub(super) media_type: String,
    #[serde(default)]
    digest: String,
    pub(super) artifact_type: Option<String>,
    pub(super) annotations: Option<BTreeMap<String, String>>,
}

impl Descriptor {
    /// The digest that names it; nothing where it is none of SHA-256.
    pub(super) fn sha256(&self) -> Option<Digest> {
        Digest::parse(self.digest.strip_prefix("sha256:")?)
    }
}

impl Manifest {
    /// Reads a manifest.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, String> {
        let document: Document =
            serde_json::from_slice(bytes).map_err(|error| format!("its manifest is not JSON: {error}"))?;
        if !document.manifests.is_empty() {
            let may_be = |other: &&Descriptor| other.artifact_type.as_deref().is_none_or(|type_| type_ == CONFIG);
            return Ok(Self::Index(document.manifests.iter().filter(may_be).filter_map(Descriptor::sha256).collect()));
        }
        let archive = ARCHIVES.iter().find_map(|type_| document.layers.iter().find(|layer| layer.media_type == *type_));
        let Some(archive) = archive else { return Ok(Self::Other(document.media_types())) };
        let archive = archive.sha256().ok_or("its manifest names the archive by no SHA-256 digest")?;
        let provenance = document.layers.iter().find(|layer| layer.media_type == PROVENANCE);
        let provenance = provenance.and_then(Descriptor::sha256);
        let config = document.config.filter(|config| config.media_type == CONFIG);
        let created = document.annotations.and_then(|mut annotations| annotations.remove(CREATED));
        Ok(Self::Chart { archive, config: config.and_then(|config| config.sha256()), provenance, created })
    }
}

impl Document {
    fn media_types(&self) -> String {
        let all = self.config.iter().chain(self.layers.iter().take(1)).map(|other| other.media_type.as_str());
        let named: Vec<&str> = all.filter(|type_| !type_.is_empty()).collect();
        if named.is_empty() { "nothing".to_owned() } else { named.join(" with ") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parse(manifest: &serde_json::Value) -> Result<Manifest, String> {
        Manifest::parse(manifest.to_string().as_bytes())
    }

    fn descriptor(media_type: &str, content: &[u8]) -> serde_json::Value {
        json!({"mediaType": media_type, "digest": format!("sha256:{}", Digest::of(content)), "size": content.len()})
    }

    #[test]
    fn the_archive_is_the_layer_with_helms_or_captains_type() {
        for type_ in ARCHIVES {
            let manifest = json!({
                "config": descriptor(CONFIG, b"config"),
                "layers": [descriptor(PROVENANCE, b"p"), descriptor(type_, b"a")],
                "annotations": {CREATED: "2026-01-01T00:00:00Z"},
            });
            let expected = Manifest::Chart {
                archive: Digest::of(b"a"),
                config: Some(Digest::of(b"config")),
                provenance: Some(Digest::of(b"p")),
                created: Some("2026-01-01T00:00:00Z".to_owned()),
            };
            assert_eq!(parse(&manifest), Ok(expected), "{type_}");
        }
    }

    #[test]
    fn anything_else_is_named_by_its_types() {
        let image = json!({"config": descriptor("image/config", b"c"), "layers": [descriptor("image/layer", b"l")]});
        assert_eq!(parse(&image), Ok(Manifest::Other("image/config with image/layer".to_owned())));
        assert_eq!(parse(&json!({})), Ok(Manifest::Other("nothing".to_owned())));
        assert!(Manifest::parse(b"<html>").is_err());
        let odd = json!({"layers": [{"mediaType": ARCHIVES[0], "digest": "sha512:00"}]});
        assert!(parse(&odd).is_err());
    }

    #[test]
    fn an_index_names_what_may_be_a_chart() {
        let mut image = descriptor("m", b"image");
        image["artifactType"] = json!("image");
        let index = json!({"manifests": [image, descriptor("m", b"chart")]});
        assert_eq!(parse(&index), Ok(Manifest::Index(vec![Digest::of(b"chart")])));
    }
}
