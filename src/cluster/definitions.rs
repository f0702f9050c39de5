//! Custom resource definitions: a chart's `crds/`, and waiting until a definition's kind can be used.
//!
//! A definition counts as there when the API server says `Established` and discovery lists its kinds. Both usually
//! follow within a moment and are only asked for when a definition is new: the reply to the apply of an old one says
//! `Established` already, and its kinds are known.

use std::time::Duration;

use futures::FutureExt;
use kube::api::{ListParams, PostParams};
use tokio::time::{Instant, sleep};

use super::FIELD_MANAGER;
use super::apply::{Applied, ApplyOptions, ApplyOutcome};
use super::client::Cluster;
use super::discovery::Kind;
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
            Ok(json) => Ok(Some(Applied { key: object.key.clone(), json, replaced: None })),
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
        self.wait_listed(applied, definitions).await;
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

    /// Asks discovery until it lists the kinds, those that were written at exactly the versions that are served now.
    /// That it cannot, or that some kind never comes, is met again and told by whoever uses the kind.
    async fn wait_listed(&self, applied: &[Applied], definitions: &[Object]) {
        let wanted = defined_kinds(definitions.iter().map(|object| &object.json));
        let written = defined_kinds(applied.iter().map(|applied| &applied.json));
        let deadline = Instant::now() + LISTED;
        let mut known = self.discovery().snapshot().await;
        while let Ok(snapshot) = known {
            let is_listed = |kind: &Kind| {
                let resource = &kind.resource;
                snapshot.kind(&resource.group, &resource.version, &resource.kind).is_some()
            };
            let is_exact = |kind: &Kind| {
                let Kind { resource, .. } = kind;
                let of_kind =
                    |other: &&Kind| other.resource.group == resource.group && other.resource.kind == resource.kind;
                written.values().filter(of_kind).count() == snapshot.count_versions(&resource.group, &resource.kind)
            };
            let current = wanted.values().all(is_listed) && written.values().all(is_exact);
            if current || Instant::now() >= deadline {
                return;
            }
            sleep(Duration::from_millis(100)).await;
            known = self.discovery().refresh().await;
        }
    }

    /// Whether a live definition can become this one without loss.
    ///
    /// # Errors
    /// [`ApiError::LosesData`], or why the live definition or its objects could not be read.
    pub async fn check_replacement(&self, definition: &Object) -> Result<(), ObjectError> {
        let Some(live) = self.live(definition).await? else { return Ok(()) };
        let refuse = |error| ObjectError { object: definition.key.clone(), error };
        let loss = |version: &str, message: &str| {
            refuse(ApiError::LosesData { field: format!("spec.versions[{version}]"), message: message.to_owned() })
        };
        if let Some(version) = unstored(&live, &definition.json).first() {
            return Err(loss(
                version,
                "the version is removed, but objects may be stored in it (status.storedVersions); keep it, or migrate \
                 them and take it out of status.storedVersions first",
            ));
        }
        let gone = unserved(&live, &definition.json);
        let Some(kind) = defined_kinds([&live].into_iter()).into_values().next().filter(|_| !gone.is_empty()) else {
            return Ok(());
        };
        let one = ListParams::default().limit(1);
        let found: Json = self.call(self.collection(&kind, "").list_metadata(&one)).await.map_err(refuse)?;
        let has_objects = found.get("items").and_then(Json::as_array).is_some_and(|items| !items.is_empty());
        match gone.first() {
            Some(version) if has_objects => Err(loss(
                version,
                "the version is served no more, but there are objects of the kind; keep it served, or delete or \
                 migrate them first",
            )),
            _ => Ok(()),
        }
    }
}

/// The versions that objects may be stored in and that the next definition has not.
fn unstored(live: &Json, next: &Json) -> Vec<String> {
    let stored = live.pointer("/status/storedVersions").and_then(Json::as_array).into_iter().flatten();
    let known: Vec<&str> = versions(next).filter_map(|version| version["name"].as_str()).collect();
    stored.filter_map(Json::as_str).filter(|version| !known.contains(version)).map(str::to_owned).collect()
}

/// The versions that are served and would not be by the next definition.
fn unserved(live: &Json, next: &Json) -> Vec<String> {
    let served: Vec<&str> = served(next).collect();
    self::served(live).filter(|version| !served.contains(version)).map(str::to_owned).collect()
}

fn served(definition: &Json) -> impl Iterator<Item = &str> {
    versions(definition).filter(|version| version["served"] == true).filter_map(|version| version["name"].as_str())
}

fn versions(definition: &Json) -> impl Iterator<Item = &Json> {
    definition.pointer("/spec/versions").and_then(Json::as_array).into_iter().flatten()
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

    #[test]
    fn versions_that_objects_are_stored_in_or_reached_by_are_missed() {
        let definition = |versions: &[(&str, bool)]| {
            let versions = versions.iter().map(|(name, served)| json!({"name": name, "served": served}));
            json!({"spec": {"versions": versions.collect::<Vec<_>>()}, "status": {"storedVersions": ["v1alpha1", "v1"]}})
        };
        let live = definition(&[("v1alpha1", true), ("v1beta1", true), ("v1", true)]);
        let table = [
            (vec![("v1alpha1", true), ("v1beta1", true), ("v1", true), ("v2", true)], vec![], vec![]),
            (vec![("v1alpha1", false), ("v1beta1", true), ("v1", true)], vec![], vec!["v1alpha1"]),
            (vec![("v1alpha1", true), ("v1", true)], vec![], vec!["v1beta1"]),
            (vec![("v1", true)], vec!["v1alpha1"], vec!["v1alpha1", "v1beta1"]),
        ];
        for (versions, not_stored, not_served) in table {
            let next = definition(&versions);
            assert_eq!(unstored(&live, &next), not_stored, "{versions:?}");
            assert_eq!(unserved(&live, &next), not_served, "{versions:?}");
        }
    }
}
