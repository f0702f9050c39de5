//! Who must have signed a chart: what ChartRepos and the sources of HelmRequests have in common.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::lenient;

/// Who must have signed the charts. One that is not signed so is refused before anything of it is rendered.
///
/// Unlike other fields it is never read as "not set" when it is empty: whoever wrote it wanted charts to be signed.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["secretRef"]))]
pub struct Verification {
    /// How charts are signed.
    #[serde(deserialize_with = "lenient::known", skip_serializing_if = "Option::is_none")]
    pub provider: Option<SignatureProvider>,
    /// The name of a Secret in the same namespace with public keys, of which one must have signed: for Provenance
    /// keyrings of OpenPGP as gpg --export writes them, one in each key of the Secret; for Cosign PEM in each key whose
    /// name ends in .pub.
    #[serde(deserialize_with = "lenient::or_default")]
    #[schemars(length(min = 1, max = 253))]
    pub secret_ref: String,
}

/// How charts are signed: Provenance by Helm's provenance files, which are beside the archives with .prov after their
/// names, in a registry a layer; Cosign by the signatures that cosign makes with a key, only in a registry. Default:
/// Provenance.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[schemars(inline)]
pub enum SignatureProvider {
    /// Helm's provenance files.
    #[default]
    Provenance,
    /// Signatures of cosign.
    Cosign,
}

impl Verification {
    /// How charts are signed.
    pub fn provider(&self) -> SignatureProvider {
        self.provider.unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_not_understood_asks_for_a_signature_all_the_same() {
        for odd in [json!({}), json!({"provider": "Notation", "secretRef": null})] {
            let read: Option<Verification> = serde_json::from_value(odd).expect("lenient");
            assert_eq!(read.map(|verification| verification.provider()), Some(SignatureProvider::Provenance));
        }
        assert_eq!(serde_json::from_value::<Option<Verification>>(json!(null)).expect("lenient"), None);
    }
}
