//! Server-side apply of the objects of a release.
//!
//! Objects are sent in the order of the manifest, those of one run of equal kind at the same time, and a failure does
//! not keep the others from being sent (as Helm's `batchPerform`). The reply is the whole truth about an object, its
//! new resource version and our entry of its `managedFields` included, so nothing is read before or after. Where the
//! reply shows that a client-side writer still owns fields for us, ownership is moved over once and the object is
//! applied again, so that fields that left the manifest really go (see [`super::migrate`]).

use std::time::Duration;

use futures::{StreamExt, stream};
use kube::api::{Patch, PatchParams};
use tokio::time::{Instant, sleep};

use super::FIELD_MANAGER;
use super::client::Cluster;
use super::error::{ApiError, ObjectError};
use super::migrate::{self, ClientSideManager};
use super::object::{Object, ObjectKey, runs};
use super::request::json_patch;
use crate::value::Json;

/// How many objects of one release are sent at the same time.
const PARALLEL: usize = 8;
/// How long a custom resource definition may take until it is served.
const ESTABLISHED: Duration = Duration::from_secs(60);
/// How long a kind that was just established may still be unknown to the server that answers.
const SERVED: Duration = Duration::from_secs(10);

/// How objects are applied.
#[derive(Clone, Copy, Debug)]
pub struct ApplyOptions {
    /// Take fields of the manifest over from their owners instead of refusing.
    pub force: bool,
    /// Check everything on the server, change nothing.
    pub dry_run: bool,
}

impl Default for ApplyOptions {
    /// Fields of the manifest are ours.
    fn default() -> Self {
        Self { force: true, dry_run: false }
    }
}

/// An object as the API server has it after an apply.
#[derive(Clone, Debug, PartialEq)]
pub struct Applied {
    /// Which object.
    pub key: ObjectKey,
    /// The server's reply, whole.
    pub json: Json,
}

impl Applied {
    /// The resource version that the apply made or found.
    pub fn resource_version(&self) -> &str {
        self.metadata("resourceVersion")
    }

    /// The identity of this very object among all that ever had its name.
    pub fn uid(&self) -> &str {
        self.metadata("uid")
    }

    /// The fields that we own: the `fieldsV1` of our entry in `managedFields`.
    pub fn owned_fields(&self) -> Option<&Json> {
        migrate::applied_entry(&self.json, FIELD_MANAGER)?.get("fieldsV1")
    }

    fn metadata(&self, name: &str) -> &str {
        self.json.get("metadata").and_then(|metadata| metadata.get(name)).and_then(Json::as_str).unwrap_or_default()
    }
}

/// What applying many objects came to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ApplyOutcome {
    /// The objects that were applied.
    pub applied: Vec<Applied>,
    /// The objects that were refused.
    pub failed: Vec<ObjectError>,
}

impl Cluster {
    /// Applies one object.
    ///
    /// # Errors
    /// The server's refusal, with the object.
    pub async fn apply(&self, object: &Object, options: ApplyOptions) -> Result<Applied, ObjectError> {
        self.apply_and_migrate(object, options)
            .await
            .map_err(|error| ObjectError { object: object.key.clone(), error: clarify(error, object) })
    }

    /// Applies objects in the order given; custom resource definitions among them are waited for.
    pub async fn apply_all(&self, objects: &[Object], options: ApplyOptions) -> ApplyOutcome {
        let mut outcome = ApplyOutcome::default();
        for run in runs(objects) {
            let sent = stream::iter(run).map(|object| self.apply(object, options)).buffered(PARALLEL);
            let results: Vec<_> = sent.collect().await;
            let first = outcome.applied.len();
            for result in results {
                match result {
                    Ok(applied) => outcome.applied.push(applied),
                    Err(error) => outcome.failed.push(error),
                }
            }
            if run.iter().any(Object::is_definition) && !options.dry_run {
                let failed = self.establish(&outcome.applied[first..], run).await;
                outcome.failed.extend(failed);
            }
        }
        outcome
    }

    async fn apply_and_migrate(&self, object: &Object, options: ApplyOptions) -> Result<Applied, ApiError> {
        let applied = self.send_apply(object, options).await?;
        if options.dry_run || !self.take_over(object, &applied).await? {
            return Ok(applied);
        }
        self.send_apply(object, options).await
    }

    /// Sends the apply; a kind that was established a moment ago may need some attempts.
    async fn send_apply(&self, object: &Object, options: ApplyOptions) -> Result<Applied, ApiError> {
        let deadline = Instant::now() + SERVED;
        loop {
            match self.send_apply_once(object, options).await {
                Err(ApiError::KindNotServed) if self.was_just_defined(object).await && Instant::now() < deadline => {
                    sleep(Duration::from_millis(200)).await;
                }
                result => return result,
            }
        }
    }

    /// Whether discovery knows the kind: a server that answers otherwise is only late.
    async fn was_just_defined(&self, object: &Object) -> bool {
        let resource = &object.kind.resource;
        let known = self.discovery().resolve(&resource.api_version, &resource.kind).await;
        object.key.group.contains('.') && matches!(known, Ok(Some(_)))
    }

    async fn send_apply_once(&self, object: &Object, options: ApplyOptions) -> Result<Applied, ApiError> {
        let parameters = PatchParams {
            dry_run: options.dry_run,
            force: options.force,
            ..PatchParams::apply(FIELD_MANAGER).validation_strict()
        };
        let collection = self.collection(&object.kind, &object.key.namespace);
        let json = self.call(collection.patch(&object.key.name, &parameters, &Patch::Apply(&object.json))).await?;
        Ok(Applied { key: object.key.clone(), json })
    }

    /// Moves fields of client-side managers into our entry; tells whether there were any.
    async fn take_over(&self, object: &Object, applied: &Applied) -> Result<bool, ApiError> {
        let Some(patch) = migrate::migration(&applied.json, &ClientSideManager::ALL, FIELD_MANAGER) else {
            return Ok(false);
        };
        let collection = self.collection(&object.kind, &object.key.namespace);
        let sent = self.call::<Json>(json_patch(&collection, &object.key.name, &patch)).await;
        match sent {
            Ok(_) => Ok(true),
            // Somebody wrote in between; the next apply meets the same entries again.
            Err(ApiError::Conflict { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Waits until definitions are served and takes them into discovery.
    async fn establish(&self, applied: &[Applied], definitions: &[Object]) -> Vec<ObjectError> {
        let deadline = Instant::now() + ESTABLISHED;
        let mut failed = Vec::new();
        for definition in applied {
            let Some(object) = definitions.iter().find(|object| object.key == definition.key) else { continue };
            if let Err(error) = self.wait_established(object, &definition.json, deadline).await {
                failed.push(ObjectError { object: object.key.clone(), error });
            }
        }
        // A failure to refresh is met again, and told, by whoever resolves one of the kinds.
        let _ = self.discovery().refresh().await;
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
            let collection = self.collection(&object.kind, "");
            live = self.call(collection.get(&object.key.name, &kube::api::GetParams::default())).await?;
        }
        Ok(())
    }
}

/// Whether a custom resource definition says that its kind is served.
fn is_established(definition: &Json) -> bool {
    let conditions = definition.pointer("/status/conditions").and_then(Json::as_array);
    let established = |condition: &Json| condition["type"] == "Established" && condition["status"] == "True";
    conditions.is_some_and(|conditions| conditions.iter().any(established))
}

/// A missing namespace is reported as such: for a patch the server only says that something was not found.
fn clarify(error: ApiError, object: &Object) -> ApiError {
    match error {
        ApiError::NotFound if !object.key.namespace.is_empty() => {
            ApiError::NamespaceNotFound { namespace: object.key.namespace.clone() }
        }
        ApiError::NamespaceTerminating { namespace } if namespace.is_empty() => {
            ApiError::NamespaceTerminating { namespace: object.key.namespace.clone() }
        }
        other => other,
    }
}
