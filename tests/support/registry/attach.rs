//! What others than helm put into a registry: blobs, and manifests of any kind.

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::Registry;
use crate::support::charts;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

impl Registry {
    /// The manifest of a tag, as it is.
    ///
    /// # Errors
    /// When there is none.
    pub async fn manifest(&self, repository: &str, tag: &str) -> Result<Vec<u8>> {
        let request =
            reqwest::Client::builder().build()?.get(self.manifests(repository, tag)).header("accept", MANIFEST);
        Ok(request.send().await?.error_for_status()?.bytes().await?.to_vec())
    }

    /// Gives a manifest a tag; gives its descriptor.
    ///
    /// # Errors
    /// When the registry refuses it.
    pub async fn put_manifest(&self, repository: &str, tag: &str, manifest: &Value) -> Result<Value> {
        let media_type = manifest["mediaType"].as_str().unwrap_or(MANIFEST).to_owned();
        let content = manifest.to_string();
        let put = reqwest::Client::builder().build()?.put(self.manifests(repository, tag));
        let put = put.header("content-type", &media_type).body(content.clone());
        put.send().await?.error_for_status()?;
        Ok(descriptor(&media_type, content.as_bytes()))
    }

    /// Stores a blob; gives its descriptor.
    ///
    /// # Errors
    /// When the registry refuses it.
    pub async fn put_blob(&self, repository: &str, media_type: &str, content: &[u8]) -> Result<Value> {
        let client = reqwest::Client::builder().build()?;
        let begin = client.post(format!("http://{}/v2/{repository}/blobs/uploads/", self.open)).send().await?;
        let place = begin.headers().get("location").context("a place to upload to")?.to_str()?.to_owned();
        let separator = if place.contains('?') { '&' } else { '?' };
        let put = client.put(format!("{place}{separator}digest=sha256:{}", charts::digest(content)));
        put.header("content-type", "application/octet-stream")
            .body(content.to_vec())
            .send()
            .await?
            .error_for_status()?;
        Ok(descriptor(media_type, content))
    }

    fn manifests(&self, repository: &str, tag: &str) -> String {
        format!("http://{}/v2/{repository}/manifests/{tag}", self.open)
    }
}

fn descriptor(media_type: &str, content: &[u8]) -> Value {
    let digest = format!("sha256:{}", charts::digest(content));
    json!({"mediaType": media_type, "digest": digest, "size": content.len()})
}
