//! Running the hooks of an operation (`helm.sh/helm/v4/pkg/action/hooks.go`).
//!
//! The hooks of an event run one after the other, in the order that
//! [`Record::hooks_of`](crate::release::Record::hooks_of) gives. One run deletes what an earlier
//! run left (policy `before-hook-creation`, the default), applies the hook's objects and follows them until they are
//! done: a Job completes or fails, a Pod succeeds or fails, anything else is done at once. Each object of a run carries
//! the run's token as an annotation, so an operator that was killed in between goes on watching what it started
//! instead of starting it again.

use std::time::Duration;

use futures::future::try_join_all;
use futures::{FutureExt, StreamExt};
use kube::Api;
use kube::api::{ApiResource, DynamicObject, ListParams, WatchEvent, WatchParams};
use tokio::time::{Instant, sleep, timeout_at};

use super::apply::ApplyOptions;
use super::client::Cluster;
use super::error::{ApiError, ObjectError};
use super::manifest_error::ManifestError;
use super::object::{Object, ObjectKey};
use super::pods;
use super::prune::Owner;
use crate::release::Hook;
use crate::value::Json;

/// The annotation that ties an object to the run that made it.
const RUN_ANNOTATION: &str = "coxswain.dev/hook-run";
/// The output log policy of a hook whose log is wanted although it succeeded.
const LOG_OF_SUCCEEDED: &str = "hook-succeeded";
/// How long one watch of a hook's object lasts before it is begun anew.
const WATCH_SECONDS: u32 = 210;
/// The pause before a watch that ended is begun anew.
const PAUSE: Duration = Duration::from_millis(500);

/// When a hook's objects are deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeletePolicy {
    /// Before the hook runs the next time; the default.
    BeforeHookCreation,
    /// After all hooks of the event succeeded.
    HookSucceeded,
    /// After this hook failed.
    HookFailed,
}

impl DeletePolicy {
    fn name(self) -> &'static str {
        match self {
            Self::BeforeHookCreation => "before-hook-creation",
            Self::HookSucceeded => "hook-succeeded",
            Self::HookFailed => "hook-failed",
        }
    }

    /// Whether a hook is deleted by this policy. Custom resource definitions never are: their objects would go too.
    pub fn applies_to(self, hook: &Hook) -> bool {
        let default = hook.delete_policies.is_empty() && self == Self::BeforeHookCreation;
        let named = hook.delete_policies.iter().any(|policy| policy == self.name());
        hook.kind != "CustomResourceDefinition" && (default || named)
    }
}

/// Why a hook did not succeed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HookError {
    /// Its manifest cannot be applied.
    #[error("hook {path}: {error}")]
    Manifest {
        /// The template.
        path: String,
        /// Why.
        error: ManifestError,
    },
    /// The API server refused to delete or apply one of its objects.
    #[error("hook {path}: {error}")]
    Api {
        /// The template.
        path: String,
        /// Why, with the object.
        error: ObjectError,
    },
    /// What an earlier run left did not go away in time.
    #[error(
        "hook {path}: {object} of an earlier run is still being deleted after {seconds} seconds; see its finalizers"
    )]
    NotDeleted {
        /// The template.
        path: String,
        /// The object.
        object: ObjectKey,
        /// How long was waited.
        seconds: u64,
    },
    /// Its Job or Pod failed.
    #[error("hook {path}: {object} failed: {reason}")]
    Failed {
        /// The template.
        path: String,
        /// The object.
        object: ObjectKey,
        /// What the object's status says.
        reason: String,
        /// The last lines of its log; not part of the message, because nobody knows what is in them.
        log: Vec<String>,
    },
    /// Its Job or Pod was not done in time.
    #[error("hook {path}: {object} is not done after {seconds} seconds: {state}")]
    Timeout {
        /// The template.
        path: String,
        /// The object.
        object: ObjectKey,
        /// How long was waited.
        seconds: u64,
        /// What holds it up, as far as its status tells.
        state: String,
        /// The last lines of its log.
        log: Vec<String>,
    },
}

impl HookError {
    /// The last lines of the failed object's log.
    pub fn log(&self) -> &[String] {
        match self {
            Self::Failed { log, .. } | Self::Timeout { log, .. } => log,
            _ => &[],
        }
    }
}

/// One run of one hook.
#[derive(Clone, Copy, Debug)]
pub struct HookRun<'a> {
    /// The hook.
    pub hook: &'a Hook,
    /// The namespace of the release.
    pub namespace: &'a str,
    /// What tells this run from every other: the release, revision and start time in the record's `last_run`. A run
    /// with the token of an interrupted one continues it.
    pub token: &'a str,
    /// How long it may take.
    pub timeout: Duration,
}

impl Cluster {
    /// Runs a hook to its end; gives the last lines of its log where it asks for them
    /// (`helm.sh/hook-output-log-policy: hook-succeeded`).
    ///
    /// # Errors
    /// Why it did not succeed. The log of one that failed comes with the error whether it asks for that or not.
    pub async fn run_hook(&self, run: HookRun<'_>) -> Result<Vec<String>, HookError> {
        let deadline = Instant::now() + run.timeout;
        let objects = self.hook_objects(run.hook, run.namespace).await?;
        let mut started = Vec::with_capacity(objects.len());
        let refused = |error| HookError::Api { path: run.hook.path.clone(), error };
        for mut object in objects {
            let live = match self.running(&object, run).await.map_err(refused)? {
                Some(live) => live,
                None => {
                    self.clear(&object, run, deadline).await?;
                    object.annotate(RUN_ANNOTATION, run.token);
                    self.apply(&object, ApplyOptions::default()).await.map_err(refused)?.json
                }
            };
            started.push((object, live));
        }
        let follows = started.iter().map(|(object, live)| self.follow(object, live, run, deadline).boxed());
        try_join_all(follows.collect::<Vec<_>>()).await?;
        let mut log = Vec::new();
        if run.hook.output_log_policies.iter().any(|policy| policy == LOG_OF_SUCCEEDED) {
            for (object, _) in started.iter().filter(|(object, _)| runs_to_an_end(object)) {
                log.extend(self.log_tail(&self.pods_of(object).await).await);
            }
        }
        Ok(log)
    }

    /// Why a run that is recorded as failed did, as far as its objects still tell.
    pub async fn recall_failure(&self, run: HookRun<'_>) -> HookError {
        let path = run.hook.path.clone();
        let objects = match self.hook_objects(run.hook, run.namespace).await {
            Ok(objects) => objects,
            Err(error) => return error,
        };
        for object in objects {
            if let Ok(Some(live)) = self.running(&object, run).await
                && let Progress::Failed(reason) = progress(&object.key.kind, &live)
            {
                return self.failure(path, &object, &reason).await;
            }
        }
        let (kind, name) = (run.hook.kind.clone(), run.hook.name.clone());
        let object = ObjectKey { group: String::new(), kind, namespace: run.namespace.to_owned(), name };
        HookError::Failed { path, object, reason: "it failed, and its object is gone".to_owned(), log: Vec::new() }
    }

    /// Deletes the objects of those hooks that the policy applies to, and waits until they are gone.
    ///
    /// # Errors
    /// Why a hook's objects could not be deleted; the others are deleted all the same.
    pub async fn delete_hooks(
        &self,
        hooks: &[&Hook],
        policy: DeletePolicy,
        namespace: &str,
        timeout: Duration,
    ) -> Result<(), HookError> {
        let mut result = Ok(());
        for hook in hooks.iter().filter(|hook| policy.applies_to(hook)) {
            let deleted = match self.hook_objects(hook, namespace).await {
                Ok(objects) => self.delete_and_wait(&hook.path, &objects, Owner::Anyone, timeout).await,
                Err(error) => Err(error),
            };
            result = result.and(deleted);
        }
        result
    }

    async fn hook_objects(&self, hook: &Hook, namespace: &str) -> Result<Vec<Object>, HookError> {
        let read = self.read_manifest(&hook.manifest, namespace).await;
        read.map_err(|error| HookError::Manifest { path: hook.path.clone(), error })
    }

    /// The live object, where this very run has already applied it.
    async fn running(&self, object: &Object, run: HookRun<'_>) -> Result<Option<Json>, ObjectError> {
        let live = self.live(object).await?;
        Ok(live.filter(|live| run_of(live) == Some(run.token)))
    }

    /// Deletes what an earlier run left, where the policy says so.
    async fn clear(&self, object: &Object, run: HookRun<'_>, deadline: Instant) -> Result<(), HookError> {
        if !DeletePolicy::BeforeHookCreation.applies_to(run.hook) {
            return Ok(());
        }
        let left = deadline.saturating_duration_since(Instant::now());
        let others = Owner::OtherRun { token: run.token };
        self.delete_and_wait(&run.hook.path, std::slice::from_ref(object), others, left).await
    }

    async fn delete_and_wait(
        &self,
        path: &str,
        objects: &[Object],
        owner: Owner<'_>,
        timeout: Duration,
    ) -> Result<(), HookError> {
        let outcome = self.prune(objects, owner).await;
        if let Some(error) = outcome.failed.into_iter().next() {
            return Err(HookError::Api { path: path.to_owned(), error });
        }
        let left = self.wait_deleted(objects, &outcome.deleted, timeout).await;
        match left.into_iter().next() {
            None => Ok(()),
            Some(object) => Err(HookError::NotDeleted { path: path.to_owned(), object, seconds: timeout.as_secs() }),
        }
    }

    /// Watches an object, which was last seen as `live`, until it is done.
    async fn follow(&self, object: &Object, live: &Json, run: HookRun<'_>, deadline: Instant) -> Result<(), HookError> {
        if !runs_to_an_end(object) {
            return Ok(());
        }
        let (path, key) = (run.hook.path.clone(), object.key.clone());
        match timeout_at(deadline, self.watch_to_end(object, live)).await {
            Ok(Ok(Progress::Failed(reason))) => Err(self.failure(path, object, &reason).await),
            Ok(Ok(Progress::Succeeded | Progress::Running(_))) => Ok(()),
            Ok(Err(error)) => Err(HookError::Api { path, error: ObjectError { object: key, error } }),
            Err(_) => {
                let pods = self.pods_of(object).await;
                let (state, log) = (state_of(&pods), self.log_tail(&pods).await);
                Err(HookError::Timeout { path, object: key, seconds: run.timeout.as_secs(), state, log })
            }
        }
    }

    /// That a hook has failed: what its object says and, where that is a Job, how the last of its pods ended.
    async fn failure(&self, path: String, object: &Object, reason: &str) -> HookError {
        let pods = self.pods_of(object).await;
        let ended = pods.iter().find_map(pods::failure).filter(|ended| ended != reason);
        let reason = ended.map_or_else(|| reason.to_owned(), |ended| format!("{reason}; {ended}"));
        HookError::Failed { path, object: object.key.clone(), reason, log: self.log_tail(&pods).await }
    }

    /// Never returns while the object runs. The watch begins where the object was last seen, so that no outcome is
    /// missed, even of a Job that is removed the moment it is done (`ttlSecondsAfterFinished: 0`): its deletion tells
    /// its last state. Trouble that does not pass by itself (a missing right to watch) ends the wait.
    async fn watch_to_end(&self, object: &Object, live: &Json) -> Result<Progress, ApiError> {
        let kind = object.key.kind.as_str();
        let api = self.dynamic_api(&object.kind.resource, &object.key.namespace);
        let mut live = live.clone();
        loop {
            let seen = progress(kind, &live);
            if !matches!(seen, Progress::Running(_)) {
                return Ok(seen);
            }
            if let Some(ended) = watch_once(&api, object, &live).await? {
                return Ok(ended);
            }
            sleep(PAUSE).await;
            match self.live(object).await {
                Ok(Some(now)) => live = now,
                Ok(None) => return Ok(Progress::Failed("it was gone before its outcome was seen".to_owned())),
                Err(error) if error.error.is_transient() => {}
                Err(error) => return Err(error.error),
            }
        }
    }

    fn dynamic_api(&self, resource: &ApiResource, namespace: &str) -> Api<DynamicObject> {
        Api::namespaced_with(self.client(), namespace, resource)
    }

    /// The pods of a Job, or a Pod itself.
    async fn pods_of(&self, object: &Object) -> Vec<Json> {
        let parameters = match object.key.kind.as_str() {
            "Job" => ListParams::default().labels(&format!("job-name={}", object.key.name)),
            _ => ListParams::default().fields(&format!("metadata.name={}", object.key.name)),
        };
        self.pods(&object.key.namespace, parameters).await
    }

    async fn log_tail(&self, pods: &[Json]) -> Vec<String> {
        match pods.first() {
            Some(newest) => self.log_of(newest).await,
            None => Vec::new(),
        }
    }
}

/// The token of the run that an object of a hook belongs to.
pub(super) fn run_of(live: &Json) -> Option<&str> {
    live.pointer("/metadata/annotations")?.get(RUN_ANNOTATION)?.as_str()
}

/// What holds pods up, in one line.
fn state_of(pods: &[Json]) -> String {
    let states: Vec<String> = pods.iter().map(pods::state).collect();
    if states.is_empty() { "no pod has been started".to_owned() } else { states.join("; ") }
}

/// Watches an object from the state that was last seen, until it is done or the watch ends.
async fn watch_once(api: &Api<DynamicObject>, object: &Object, live: &Json) -> Result<Option<Progress>, ApiError> {
    let kind = object.key.kind.as_str();
    let version = live.pointer("/metadata/resourceVersion").and_then(Json::as_str).unwrap_or_default();
    let parameters =
        WatchParams::default().fields(&format!("metadata.name={}", object.key.name)).timeout(WATCH_SECONDS);
    let mut events = match api.watch(&parameters, version).await {
        Ok(events) => events.boxed(),
        Err(error) => {
            let error = ApiError::from(error);
            return if error.is_transient() { Ok(None) } else { Err(error) };
        }
    };
    while let Some(event) = events.next().await {
        match event {
            Ok(WatchEvent::Added(now) | WatchEvent::Modified(now)) => match progress(kind, &now.data) {
                Progress::Running(_) => {}
                ended => return Ok(Some(ended)),
            },
            Ok(WatchEvent::Deleted(last)) => {
                let unfinished = || Progress::Failed("it was deleted while it ran".to_owned());
                let last = progress(kind, &last.data);
                return Ok(Some(if matches!(last, Progress::Running(_)) { unfinished() } else { last }));
            }
            Ok(WatchEvent::Bookmark(_)) => {}
            // A version that is too old, or a cut connection: the caller looks again.
            Ok(WatchEvent::Error(_)) | Err(_) => return Ok(None),
        }
    }
    Ok(None)
}

/// How far a Job or Pod is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Progress {
    Running(String),
    Succeeded,
    Failed(String),
}

/// Whether an object is waited for: a Job or a Pod.
pub fn runs_to_an_end(object: &Object) -> bool {
    matches!((object.key.group.as_str(), object.key.kind.as_str()), ("batch", "Job") | ("", "Pod"))
}

fn progress(kind: &str, live: &Json) -> Progress {
    match kind {
        "Job" => job_progress(live),
        _ => pod_progress(live),
    }
}

fn job_progress(live: &Json) -> Progress {
    let conditions = live.pointer("/status/conditions").and_then(Json::as_array).into_iter().flatten();
    for condition in conditions.filter(|condition| condition["status"] == "True") {
        match condition["type"].as_str() {
            Some("Complete") => return Progress::Succeeded,
            Some("Failed") => return Progress::Failed(reason_and_message(condition)),
            _ => {}
        }
    }
    Progress::Running("running".to_owned())
}

fn pod_progress(live: &Json) -> Progress {
    match live.pointer("/status/phase").and_then(Json::as_str) {
        Some("Succeeded") => Progress::Succeeded,
        Some("Failed") => Progress::Failed(pods::failure(live).unwrap_or_default()),
        phase => Progress::Running(phase.unwrap_or("Pending").to_owned()),
    }
}

fn reason_and_message(holder: &Json) -> String {
    let text = |name: &str| holder.get(name).and_then(Json::as_str).unwrap_or_default();
    match (text("reason"), text("message")) {
        ("", "") => "no reason given".to_owned(),
        (reason, "") => reason.to_owned(),
        ("", message) => message.to_owned(),
        (reason, message) => format!("{reason}: {message}"),
    }
}

#[cfg(test)]
#[path = "hooks_tests.rs"]
mod tests;
