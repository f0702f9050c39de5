//! Server-side apply of the objects of a release.
//!
//! Objects are sent in the order of the manifest, those of one run of equal kind at the same time, and a failure does
//! not keep the others from being sent (as Helm's `batchPerform`). The reply is the whole truth about an object, its
//! new resource version and our entry of its `managedFields` included, so nothing is read before or after. Where the
//! reply shows that a client-side writer still owns fields for us, ownership is moved over once and the object is
//! applied again, so that fields that left the manifest really go (see [`super::migrate`]).

use std::time::Duration;

use futures::FutureExt;
use kube::api::PatchParams;
use tokio::time::{Instant, sleep};

use super::FIELD_MANAGER;
use super::client::Cluster;
use super::error::{ApiError, ObjectError};
use super::kept::Keeping;
use super::migrate::{self, ClientSideManager};
use super::object::{Object, ObjectKey, runs};
use super::parallel::in_parallel;
use crate::value::Json;

/// How often ownership is moved from client-side writers that keep writing in between.
const TAKE_OVERS: usize = 3;
/// How long a kind that was just established may still be unknown to the server that answers.
const SERVED: Duration = Duration::from_secs(10);

/// How objects are applied.
#[derive(Clone, Copy, Debug)]
pub struct ApplyOptions<'a> {
    /// Take fields of the manifest over from their owners instead of refusing.
    pub force: bool,
    /// Check everything on the server, change nothing.
    pub dry_run: bool,
    /// Which objects may be deleted and made anew.
    pub replacing: Replacing,
    /// Where it is noted what these keep.
    pub keeping: Option<&'a Keeping<'a>>,
}

/// Which objects may be deleted and made anew, if their policy allows it; `by` is when an old one has to be gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replacing {
    /// None.
    Never,
    /// Those of which the API server refuses the change.
    Refused {
        /// The time.
        by: Instant,
    },
    /// Those too that ask for it with every change.
    Changed {
        /// The time.
        by: Instant,
    },
}

impl Default for ApplyOptions<'_> {
    /// Fields of the manifest are ours.
    fn default() -> Self {
        Self { force: true, dry_run: false, replacing: Replacing::Never, keeping: None }
    }
}

/// An object as the API server has it after an apply.
#[derive(Clone, Debug, PartialEq)]
pub struct Applied {
    /// Which object.
    pub key: ObjectKey,
    /// The server's reply, whole.
    pub json: Json,
    /// Why it was deleted and made anew, where it was.
    pub replaced: Option<Replaced>,
}

/// Why an object was deleted and made anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Replaced {
    /// A field of it cannot be changed.
    Immutable {
        /// The path of the field.
        field: String,
    },
    /// It asks for that with every change.
    Asked,
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
        migrate::applied_fields(&self.json)
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

impl ApplyOutcome {
    /// Takes in what one object came to; nothing where it was left as it is.
    pub(super) fn take(&mut self, result: Result<Option<Applied>, ObjectError>) {
        match result {
            Ok(applied) => self.applied.extend(applied),
            Err(error) => self.failed.push(error),
        }
    }
}

impl Cluster {
    /// Applies one object.
    ///
    /// # Errors
    /// The server's refusal, with the object.
    pub async fn apply(&self, object: &Object, options: ApplyOptions<'_>) -> Result<Applied, ObjectError> {
        self.apply_by_policy(object, options)
            .await
            .map_err(|error| ObjectError { object: object.key.clone(), error: clarify(error, object) })
    }

    /// Applies objects in the order given; custom resource definitions among them are waited for.
    pub async fn apply_all(&self, objects: &[Object], options: ApplyOptions<'_>) -> ApplyOutcome {
        let mut outcome = ApplyOutcome::default();
        for run in runs(objects) {
            let results = in_parallel(run.iter().map(|object| self.apply(object, options).boxed())).await;
            let first = outcome.applied.len();
            results.into_iter().for_each(|result| outcome.take(result.map(Some)));
            if run.iter().any(Object::is_definition) && !options.dry_run {
                let failed = self.establish(&outcome.applied[first..], run).await;
                outcome.failed.extend(failed);
            }
        }
        outcome
    }

    /// Applies an object without replacing it.
    pub(super) async fn apply_in_place(&self, object: &Object, options: ApplyOptions<'_>) -> Result<Applied, ApiError> {
        if object.policy.left.is_empty() {
            self.apply_and_migrate(object, options).await
        } else {
            self.apply_without_left(object, options).await
        }
    }

    /// Applies the object; where a client-side writer turns out to own fields for us, moves them and applies again.
    pub(super) async fn apply_and_migrate(
        &self,
        object: &Object,
        options: ApplyOptions<'_>,
    ) -> Result<Applied, ApiError> {
        let mut applied = self.send_apply(object, options).await?;
        for _ in 0..TAKE_OVERS {
            let migration = migrate::migration(&applied.json, &ClientSideManager::ALL, FIELD_MANAGER);
            let Some(patch) = migration.filter(|_| !options.dry_run) else { return Ok(applied) };
            let collection = self.collection(&object.kind, &object.key.namespace);
            match self.call::<Json>(collection.json_patch(&object.key.name, &patch)).await {
                // Somebody wrote in between: the next reply has the entries as they are then.
                Ok(_) | Err(ApiError::Conflict { .. }) => {}
                Err(error) => return Err(error),
            }
            applied = self.send_apply(object, options).await?;
        }
        Ok(applied)
    }

    /// Sends the apply; a kind that was established a moment ago may need some attempts.
    async fn send_apply(&self, object: &Object, options: ApplyOptions<'_>) -> Result<Applied, ApiError> {
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

    async fn send_apply_once(&self, object: &Object, options: ApplyOptions<'_>) -> Result<Applied, ApiError> {
        let parameters = PatchParams {
            dry_run: options.dry_run,
            force: options.force,
            ..PatchParams::apply(FIELD_MANAGER).validation_strict()
        };
        let collection = self.collection(&object.kind, &object.key.namespace);
        let json = self.call(collection.apply(&object.key.name, &parameters, &object.json)).await?;
        Ok(Applied { key: object.key.clone(), json, replaced: None })
    }
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
