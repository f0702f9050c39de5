//! Custom resource definitions: a chart's `crds/`, and waiting until a definition's kind can be used.
//!
//! A definition counts as there when the API server says `Established` and discovery lists its kinds. Both usually
//! follow within a moment and are only asked for when a definition is new: the reply to the apply of an old one says
//! `Established` already, and its kinds are known.

use std::time::Duration;

use futures::FutureExt;
use kube::api::PostParams;
use tokio::time::{Instant, sleep};

use super::FIELD_MANAGER;
use super::apply::{Applied, ApplyOptions, ApplyOutcome};
use super::client::Cluster;
use super::error::{ApiError, ObjectError};
use super::object::{Object, defined_kinds};
use super::parallel::in_parallel;
use crate::value::Json;

/// How long a definition may take until it is established.
const ESTABLISHED: Duration = Duration::from_secs(60);
/// How long discovery may lag behind.
const LISTED: Duration = Duration::from_secs(10);

/// What happens to definitions of a chart's `crds/` that exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// They stay as they are, whoever made them, as with Helm.
    Keep,
    /// They are replaced by the chart's.
    Replace,
}

impl Cluster {
    /// Creates the definitions of a chart's `crds/` and waits until their kinds can be used. Helm does not mark them
    /// as parts of a release, and neither do we: they outlive it.
    pub async fn install_definitions(&self, definitions: &[Object], existing: Existing) -> ApplyOutcome {
        let writes = definitions.iter().map(|object| self.write_definition(object, existing).boxed());
        let results = in_parallel(writes).await;
        let mut outcome = ApplyOutcome::default();
        results.into_iter().for_each(|result| outcome.take(result));
        outcome.failed.extend(self.establish(&outcome.applied, definitions).await);
        outcome
    }

    async fn write_definition(&self, object: &Object, existing: Existing) -> Result<Option<Applied>, ObjectError> {
        match existing {
            Existing::Keep => self.create_definition(object).await,
            Existing::Replace => self.apply(object, ApplyOptions::default()).await.map(Some),
        }
    }

    /// Creates one definition; nothing where it exists.
    async fn create_definition(&self, object: &Object) -> Result<Option<Applied>, ObjectError> {
        let parameters = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), dry_run: false };
        let request = self.collection(&object.kind, "").create(&parameters, &object.json);
        match self.call(request).await {
            Ok(json) => Ok(Some(Applied { key: object.key.clone(), json })),
            Err(ApiError::AlreadyExists) => Ok(None),
            Err(error) => Err(ObjectError { object: object.key.clone(), error }),
        }
    }

    /// Waits until applied definitions are established and discovery lists their kinds.
    pub(super) async fn establish(&self, applied: &[Applied], definitions: &[Object]) -> Vec<ObjectError> {
        let deadline = Instant::now() + ESTABLISHED;
        let mut failed = Vec::new();
        for definition in applied {
            let Some(object) = definitions.iter().find(|object| object.key == definition.key) else { continue };
            if let Err(error) = self.wait_established(object, &definition.json, deadline).await {
                failed.push(ObjectError { object: object.key.clone(), error });
            }
        }
        self.wait_listed(definitions).await;
        failed
    }

    async fn wait_established(&self, object: &Object, applied: &Json, deadline: Instant) -> Result<(), ApiError> {
        let mut pause = Duration::from_millis(50);
        let mut live = applied.clone();
        while !is_established(&live) {
            if Instant::now() >= deadline {
                return Err(ApiError::Timeout { seconds: ESTABLISHED.as_secs() });
            }
            sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(1));
            live = self.call(self.collection(&object.kind, "").get(&object.key.name)).await?;
        }
        Ok(())
    }

    /// Asks discovery until it lists the kinds. That it cannot, or that some kind never comes, is met again and told
    /// by whoever uses the kind.
    async fn wait_listed(&self, definitions: &[Object]) {
        let kinds = defined_kinds(definitions.iter().map(|object| &object.json));
        let deadline = Instant::now() + LISTED;
        let mut known = self.discovery().snapshot().await;
        while let Ok(snapshot) = known {
            let listed = |resource: &kube::core::ApiResource| {
                snapshot.kind(&resource.group, &resource.version, &resource.kind).is_some()
            };
            if kinds.values().all(|kind| listed(&kind.resource)) || Instant::now() >= deadline {
                return;
            }
            sleep(Duration::from_millis(100)).await;
            known = self.discovery().refresh().await;
        }
    }
}

/// Whether a definition says that its kind is served.
fn is_established(definition: &Json) -> bool {
    let conditions = definition.pointer("/status/conditions").and_then(Json::as_array);
    let established = |condition: &Json| condition["type"] == "Established" && condition["status"] == "True";
    conditions.is_some_and(|conditions| conditions.iter().any(established))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_definition_is_established_when_it_says_so() {
        let definition = |status: &str| {
            json!({"status": {"conditions": [
                {"type": "NamesAccepted", "status": "True"}, {"type": "Established", "status": status},
            ]}})
        };
        assert!(is_established(&definition("True")));
        assert!(!is_established(&definition("False")));
        assert!(!is_established(&json!({})));
    }
}
