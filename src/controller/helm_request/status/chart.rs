//! What is told of the chart that is deployed.

use crate::api::helm_request::HelmRequestStatus;

/// The chart of the deployed revision.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DeployedChart {
    /// Its version.
    pub version: String,
    /// The digest of its manifest, where it comes from a registry.
    pub digest: Option<String>,
    /// The fingerprint of the key that signed it, where the request or its repository asks for one.
    pub signed_by: Option<String>,
}

impl DeployedChart {
    /// Writes it down.
    pub(super) fn tell(&self, status: &mut HelmRequestStatus) {
        status.version = Some(self.version.clone());
        status.chart_digest.clone_from(&self.digest);
        status.chart_signed_by.clone_from(&self.signed_by);
    }
}
