//! The custom resource definitions that a chart brings: the files of its `crds/`, and what charts for Helm 2 bring as
//! `crd-install` hooks. Nothing of them belongs to the release, as with Helm: they outlive it.

use super::deploy::Deployment;
use super::inputs::Inputs;
use crate::api::helm_request::CrdPolicy;
use crate::cluster::Object;
use crate::cluster::definitions::Existing;
use crate::controller::failure::{Failure, refusals};
use crate::render::{Manifest, split};
use crate::value::Json;

/// The version at which definitions are served.
const SERVED: &str = "apiextensions.k8s.io/v1";

impl Deployment<'_> {
    /// Those objects of the chart's `crds/` that are to be written.
    ///
    /// # Errors
    /// A file cannot be read, or the cluster does not answer.
    pub(super) async fn definitions(&self, inputs: &Inputs, values: &Json) -> Result<Vec<Object>, Failure> {
        let policy = self.request.spec.crds();
        if policy == CrdPolicy::Skip {
            return Ok(Vec::new());
        }
        let mut definitions = Vec::new();
        for crd in inputs.program(self.context).await?.crds(values)? {
            let content = String::from_utf8_lossy(&crd.data);
            let documents = split(&content).into_iter().map(|text| format!("---\n# Source: {}\n{text}\n", crd.path));
            let manifest: String = documents.collect();
            for definition in self.cluster.read_manifest(&manifest, &self.release.namespace).await? {
                if policy == CrdPolicy::CreateReplace || !self.is_served(&definition).await? {
                    definitions.push(definition);
                }
            }
        }
        Ok(definitions)
    }

    /// The definitions of `crds/` and, of the `crd-install` hooks, those that are to be written too. One that is
    /// written for a version of long ago is only missed where its kind is.
    ///
    /// # Errors
    /// The cluster does not answer.
    pub(super) async fn with_old_definitions(
        &self,
        definitions: &[Object],
        old: &[Manifest],
    ) -> Result<Vec<Object>, Failure> {
        let policy = self.request.spec.crds();
        let mut all = definitions.to_vec();
        for Manifest { path, content, head } in old.iter().filter(|_| policy != CrdPolicy::Skip) {
            let replaces = policy == CrdPolicy::CreateReplace && head.api_version == SERVED;
            let manifest = format!("---\n# Source: {path}\n{content}\n");
            for definition in self.cluster.read_recorded(&manifest, &self.release.namespace).await?.objects {
                let is_new = all.iter().all(|known| known.key != definition.key);
                if is_new && (replaces || !self.is_served(&definition).await?) {
                    all.push(definition);
                }
            }
        }
        Ok(all)
    }

    /// Whether the kind that a definition brings is served, at whatever version.
    async fn is_served(&self, definition: &Object) -> Result<bool, Failure> {
        let text = |pointer: &str| definition.json.pointer(pointer).and_then(Json::as_str).unwrap_or_default();
        let (group, kind) = (text("/spec/group"), text("/spec/names/kind"));
        if group.is_empty() || kind.is_empty() {
            return Ok(false);
        }
        Ok(self.context.discovery().resolve_any_version(group, kind).await?.is_some())
    }

    /// Looks whether definitions that are replaced would lose what is stored.
    ///
    /// # Errors
    /// They would, each named with the field; or they cannot be read.
    pub(super) async fn check_definitions(&self, definitions: &[Object]) -> Result<(), Failure> {
        if self.request.spec.crds() != CrdPolicy::CreateReplace {
            return Ok(());
        }
        let mut refused = Vec::new();
        for definition in definitions {
            refused.extend(self.cluster.check_replacement(definition).await.err());
        }
        refusals(refused)
    }

    /// Applies definitions; tells whether it wrote any.
    ///
    /// # Errors
    /// A definition is refused or not established in time.
    pub(super) async fn install_definitions(&self, definitions: &[Object]) -> Result<bool, Failure> {
        if definitions.is_empty() {
            return Ok(false);
        }
        let existing = match self.request.spec.crds() {
            CrdPolicy::CreateReplace => Existing::Replace,
            CrdPolicy::Create | CrdPolicy::Skip => Existing::Keep,
        };
        let outcome = self.cluster.install_definitions(definitions, existing).await;
        refusals(outcome.failed)?;
        Ok(!outcome.applied.is_empty())
    }
}
