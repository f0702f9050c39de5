//! What is written about a request: the object itself, its status and its events. A status is written where it differs
//! from the last one, which is known before the watch shows it.

use std::time::{Duration, Instant};

use kube::api::{Api, Patch, PatchParams};
use kube::runtime::reflector::ObjectRef;
use kube::{Resource, ResourceExt};

use super::{Context, owner};
use crate::api::helm_request::HelmRequestStatus;
use crate::api::{HelmRequest, Reason};
use crate::cluster::ApiError;
use crate::controller::events::Note;
use crate::controller::failure::{Failure, reason_of};
use crate::controller::fleet::Told;
use crate::controller::patch::difference;

impl Context {
    /// Patches the request itself, not its status.
    ///
    /// # Errors
    /// The API server refused, or the patch is about an older state; a request that is gone needs no patch.
    pub async fn patch_request(&self, request: &HelmRequest, patch: &serde_json::Value) -> Result<(), Failure> {
        let api: Api<HelmRequest> = self.requests_api(request);
        self.metrics.wrote("patch", "request");
        match api.patch_metadata(&request.name_any(), &writer(), &Patch::Merge(patch)).await {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
            Err(kube::Error::Api(status)) if status.is_conflict() => {
                Err(Failure::new(Reason::Progressing, "the request was changed meanwhile; what it says now is read"))
            }
            Err(error) => Err(unwritten("the request", error)),
        }
    }

    /// Writes a status where it differs from the last one.
    ///
    /// # Errors
    /// The API server refused; a request that is gone needs no status.
    pub async fn patch_status(
        &self,
        request: &HelmRequest,
        previous: &HelmRequestStatus,
        next: HelmRequestStatus,
    ) -> Result<(), Failure> {
        if let Some(seat) = self.seat_of_several(request) {
            if *previous != next {
                self.with_memory(request, |memory| memory.written_at = Some(Instant::now()));
                seat.tell(request, Told::Status(Box::new(next)));
            }
            return Ok(());
        }
        let as_json = |status: &HelmRequestStatus| serde_json::to_value(status).unwrap_or_default();
        let Some(patch) = difference(&as_json(previous), &as_json(&next)) else { return Ok(()) };
        let patch = serde_json::json!({"status": patch});
        let api: Api<HelmRequest> = self.requests_api(request);
        self.metrics.wrote("patch", "status");
        match api.patch_status(&request.name_any(), &writer(), &Patch::Merge(&patch)).await {
            Ok(written) => {
                let (version, home) = (version_of(&written), self.home());
                home.with_memory(request, |memory| {
                    memory.written = Some(Box::new((version, next)));
                    memory.written_at = Some(Instant::now());
                });
                // The watch may have been faster.
                if let Some(shown) = self.requests.get(&ObjectRef::from_obj(request)) {
                    home.shown(&shown);
                }
                Ok(())
            }
            Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
            Err(error) => Err(unwritten("the status", error)),
        }
    }

    fn requests_api(&self, request: &HelmRequest) -> Api<HelmRequest> {
        let namespace = request.metadata.namespace.as_deref().unwrap_or_default();
        Api::namespaced(self.home().fenced(request).client(), namespace)
    }

    /// The status of a request, as the watch shows it or as it was written since.
    pub fn last_status(&self, request: &HelmRequest) -> HelmRequestStatus {
        if let Some(seat) = self.seat_of_several(request) {
            return seat.last_status(request);
        }
        let shown = self.requests.get(&ObjectRef::from_obj(request));
        let newest = shown.as_deref().filter(|shown| version_of(shown) > version_of(request)).unwrap_or(request);
        match self.home().memories().get(&owner(request)).and_then(|memory| memory.written.as_deref()) {
            Some((version, status)) if *version > version_of(newest) => status.clone(),
            _ => newest.status.clone().unwrap_or_default(),
        }
    }

    /// Notes that the watch shows a request: what was written until then need not be remembered.
    pub fn shown(&self, request: &HelmRequest) {
        if let Some(memory) = self.memories().get_mut(&owner(request)) {
            memory.written.take_if(|written| written.0 <= version_of(request));
        }
    }

    /// How long ago the status was written; very long if this process never wrote it.
    pub fn since_last_status(&self, request: &HelmRequest) -> Duration {
        let teller = self.seat_of_several(request).map_or_else(|| self.home(), |_| self);
        teller.recall(request, |memory| memory.written_at).map_or(Duration::MAX, |at| at.elapsed())
    }

    /// Publishes an event about a request; one that cannot be published is lost, and nothing else.
    pub async fn publish(&self, request: &HelmRequest, note: &Note) {
        self.metrics.wrote("create", "event");
        let elsewhere = self.seat.as_ref().map(|seat| note.of_cluster(seat.name()));
        let note = elsewhere.as_ref().unwrap_or(note);
        if let Err(error) = self.events.publish(&request.object_ref(&()), note).await {
            tracing::warn!(reason = note.reason, error = %ApiError::from(error), "an event could not be published");
        }
    }

    /// Takes an event back that told of what did not come about.
    pub async fn take_back(&self, request: &HelmRequest, note: &Note) {
        let elsewhere = self.seat.as_ref().map(|seat| note.of_cluster(seat.name()));
        let note = elsewhere.as_ref().unwrap_or(note);
        if let Err(error) = self.events.take_back(&request.object_ref(&()), note).await {
            tracing::warn!(reason = note.reason, error = %ApiError::from(error), "an event could not be taken back");
        }
    }
}

/// Who writes a request's finalizer and status, as its `managedFields` name it.
fn writer() -> PatchParams {
    PatchParams { field_manager: Some("coxswain".to_owned()), ..PatchParams::default() }
}

fn version_of(request: &HelmRequest) -> u64 {
    request.metadata.resource_version.as_deref().and_then(|version| version.parse().ok()).unwrap_or(0)
}

fn unwritten(what: &str, error: kube::Error) -> Failure {
    let error = ApiError::from(error);
    Failure::new(reason_of(&error), format!("{what} could not be written: {error}"))
}
