//! Deleting a request: its release is uninstalled, then the request may go.
//!
//! Only our finalizer is taken away; those of others stay. A release whose namespace is gone has no records left and
//! holds nothing up.

use std::time::Duration;

use jiff::Timestamp;
use kube::runtime::reflector::ObjectRef;
use serde_json::json;
use tokio::time::Instant;

use super::Reconciliation;
use super::hooks::Hooks;
use super::journal::Journal;
use super::preflight;
use super::report::Report;
use super::versions::noted_versions;
use crate::api::names::{FINALIZER, OLD_FINALIZER};
use crate::api::{HelmRequest, Reason};
use crate::cluster::prune::leftover;
use crate::cluster::records::{ReleaseKey, RevisionMeta};
use crate::cluster::{ApiError, Cluster, Object, ObjectKey};
use crate::controller::context::Context;
use crate::controller::failure::{Failure, refusals};
use crate::controller::turns::Turn;
use crate::release::{Record, Status};
use crate::render::Event;
use crate::value::Json;

/// How long objects may take to go before it is told what holds them.
const UNMENTIONED: Duration = Duration::from_secs(10);

/// Whether the request waits for us to uninstall its release.
pub fn is_ours_to_finish(request: &HelmRequest) -> bool {
    let finalizers = request.metadata.finalizers.iter().flatten();
    finalizers.clone().any(|finalizer| finalizer == FINALIZER || finalizer == OLD_FINALIZER)
}

/// The merge patch that adds our finalizer to those of others, or nothing where it is there.
fn add_finalizer(request: &HelmRequest) -> Option<serde_json::Value> {
    let mut finalizers = request.metadata.finalizers.clone().unwrap_or_default();
    if finalizers.iter().any(|finalizer| finalizer == FINALIZER) {
        return None;
    }
    finalizers.push(FINALIZER.to_owned());
    Some(finalizers_patch(request, &finalizers))
}

/// The merge patch that takes our finalizers away and leaves those of others.
fn without_finalizer(request: &HelmRequest) -> serde_json::Value {
    let others = request.metadata.finalizers.iter().flatten();
    let others: Vec<String> =
        others.filter(|finalizer| *finalizer != FINALIZER && *finalizer != OLD_FINALIZER).cloned().collect();
    finalizers_patch(request, &others)
}

/// A merge patch replaces the whole list, so it names the state that it is about: a finalizer that somebody adds in
/// between makes it a conflict instead of being lost.
fn finalizers_patch(request: &HelmRequest, finalizers: &[String]) -> serde_json::Value {
    json!({"metadata": {"finalizers": finalizers, "resourceVersion": request.metadata.resource_version}})
}

impl Reconciliation<'_> {
    /// Adds our finalizer, the first write for a request, so that it cannot go without its release.
    ///
    /// # Errors
    /// It could not be written, or the request is not as it was read.
    pub(super) async fn add_finalizer(&self) -> Result<(), Failure> {
        if add_finalizer(self.request).is_none() {
            return Ok(());
        }
        self.turn.take().await;
        self.context.still_wanted(self.request)?;
        // It may have the finalizer by now.
        let newest = self.context.request(&ObjectRef::from_obj(self.request));
        if let Some(patch) = newest.as_deref().and_then(add_finalizer) {
            Box::pin(self.context.patch_request(self.request, &patch)).await?;
        }
        // The chart may have to be fetched next.
        self.turn.pause();
        Ok(())
    }

    /// Takes our finalizers away, so that the request goes.
    ///
    /// # Errors
    /// They could not be taken away, or somebody has changed the request in this moment.
    pub(super) async fn remove_finalizer(&self) -> Result<(), Failure> {
        remove_finalizer(self.context, self.request).await
    }
}

/// Takes our finalizers away from a request, so that it goes.
///
/// # Errors
/// They could not be taken away, or somebody has changed the request in this moment.
pub async fn remove_finalizer(context: &Context, request: &HelmRequest) -> Result<(), Failure> {
    // The status was written meanwhile where it took long.
    let newest = context.request(&ObjectRef::from_obj(request));
    let newest = newest.as_deref().filter(|newest| newest.metadata.uid == request.metadata.uid);
    let newest = newest.unwrap_or(request);
    context.patch_request(newest, &without_finalizer(newest)).await
}

/// The uninstallation of a request's release.
pub struct Uninstallation<'a> {
    /// The operator's shared parts.
    pub context: &'a Context,
    /// The request.
    pub request: &'a HelmRequest,
    /// Its release.
    pub release: &'a ReleaseKey,
    /// The cluster, with the rights of the request.
    pub cluster: &'a Cluster,
    /// Its turn among other operations.
    pub turn: &'a Turn,
}

impl Uninstallation<'_> {
    /// Uninstalls the release: hooks, objects, records (`pkg/action/uninstall.go`). Nothing to do where there is none.
    ///
    /// # Errors
    /// What could not be deleted, or is still held by its finalizers.
    pub async fn run(&self) -> Result<(), Failure> {
        if self.context.records.revisions(self.release).is_empty() {
            return Ok(());
        }
        self.turn.take().await;
        Box::pin(self.run_begun()).await
    }

    async fn run_begun(&self) -> Result<(), Failure> {
        let known = self.context.records.revisions(self.release);
        let Some(last) = known.last() else { return Ok(()) };
        let deadline = Instant::now() + self.request.spec.timeout();
        let ReleaseKey { namespace, name } = self.release;
        if !self.namespace_lives().await? {
            // No hook could be created there, and records and objects go with the namespace; objects elsewhere do not.
            self.context.forget(self.request);
            return if self.request.keeps_resources() { Ok(()) } else { self.delete_elsewhere(&known, deadline).await };
        }
        if let Some(record) = self.cluster.record(namespace, name, last.revision).await? {
            self.uninstall(record, last, &known, deadline).await?;
        }
        for meta in &known {
            self.cluster.delete_record(namespace, name, meta.revision).await?;
            self.context.records.forget(self.release, meta.revision);
        }
        Ok(())
    }

    /// Asked with the operator's own rights: the account of a request need not read namespaces, and may be gone with
    /// its own.
    async fn namespace_lives(&self) -> Result<bool, Failure> {
        if self.context.namespaces.lives(&self.release.namespace) {
            return Ok(true);
        }
        match self.context.cluster().namespace_exists(&self.release.namespace).await {
            Ok(exists) => Ok(exists),
            Err(ApiError::NamespaceTerminating { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    async fn uninstall(
        &self,
        mut record: Record,
        last: &RevisionMeta,
        known: &[RevisionMeta],
        deadline: Instant,
    ) -> Result<(), Failure> {
        let interrupted = record.info.status == Status::Uninstalling;
        let objects = match self.request.keeps_resources() {
            true => Vec::new(),
            false => self.recorded_objects(self.cluster, known, Some(&record)).await?,
        };
        if !interrupted {
            preflight::check_deletion(self.cluster, &record, &objects).await?;
            record.uninstall(Timestamp::now());
        }
        let mut journal = Journal::new(self.cluster, &self.context.records, record, last.notes.clone());
        journal.notes.stage = last.notes.stage.filter(|_| interrupted);
        if !interrupted {
            journal.write().await?;
        }
        self.context.forget(self.request);
        let Self { context, request, cluster, turn, .. } = *self;
        let hooks = Hooks { context, request, cluster, turn, deadline };
        hooks.run_without_values(&mut journal, Event::PreDelete).await?;
        if !self.request.keeps_resources() {
            self.delete_objects(objects, deadline).await?;
            self.turn.take().await;
        }
        hooks.run_without_values(&mut journal, Event::PostDelete).await
    }

    /// Deletes what a release has outside of its vanishing namespace. The rights of the request's account may have
    /// vanished with it; what it may no longer delete is named in the log, since nobody could grant them again.
    async fn delete_elsewhere(&self, known: &[RevisionMeta], deadline: Instant) -> Result<(), Failure> {
        let mut objects = self.recorded_objects(self.context.cluster(), known, None).await?;
        objects.retain(|object| object.key.namespace != self.release.namespace);
        let named: Vec<String> = objects.iter().map(|object| object.key.to_string()).collect();
        match self.delete_objects(objects, deadline).await {
            Err(failure) if failure.reason == Reason::PermissionDenied && self.cluster.account().is_some() => {
                tracing::warn!(
                    namespace = self.release.namespace,
                    release = self.release.name,
                    objects = named.join(", "),
                    message = failure.message,
                    "objects of a release were left behind: delete them by hand"
                );
                Ok(())
            }
            ended => ended,
        }
    }

    /// Deletes objects of the release, and waits until they are gone.
    async fn delete_objects(&self, objects: Vec<Object>, deadline: Instant) -> Result<(), Failure> {
        let objects = leftover(objects, &[]).delete;
        let observer = &self.context.observer;
        let outcome = self.cluster.prune_observed(&objects, self.release, observer).await;
        refusals(outcome.failed)?;
        let limit = deadline.saturating_duration_since(Instant::now()).max(Duration::from_secs(1));
        self.turn.pause();
        let unmentioned = limit.min(UNMENTIONED);
        let left = self.cluster.wait_deleted_observed(&objects, &outcome.deleted, unmentioned, observer).await;
        if left.is_empty() {
            return Ok(());
        }
        let held = self.held(&objects, &left).await;
        if limit <= UNMENTIONED {
            return Err(held);
        }
        Report::new(self.request, self.context).waiting_for_deletion(&held).await;
        let left = self.cluster.wait_deleted(&objects, &outcome.deleted, limit.saturating_sub(UNMENTIONED)).await;
        if left.is_empty() { Ok(()) } else { Err(self.held(&objects, &left).await) }
    }

    /// That objects do not go, and what holds them.
    async fn held(&self, objects: &[Object], left: &[ObjectKey]) -> Failure {
        let mut named = Vec::with_capacity(left.len());
        for object in objects.iter().filter(|object| left.contains(&object.key)) {
            named.push(format!("{}{}", object.key, self.held_by(object).await));
        }
        let message = format!(
            "still being deleted: {}; what set a finalizer has to remove it, or you do where that is gone",
            named.join(", ")
        );
        Failure::new(Reason::UninstallFailed, message)
    }

    /// The finalizers that hold an object, as far as it can be read.
    async fn held_by(&self, object: &Object) -> String {
        let live = self.cluster.live(object).await.ok().flatten().unwrap_or_default();
        let finalizers = live.pointer("/metadata/finalizers").and_then(Json::as_array).into_iter().flatten();
        let finalizers: Vec<&str> = finalizers.filter_map(Json::as_str).collect();
        if finalizers.is_empty() { String::new() } else { format!(" (finalizers {})", finalizers.join(", ")) }
    }

    /// The objects of the newest revision, and of those before it back to the deployed one: an upgrade that did not
    /// succeed may have left objects of both. To them come the versions of versioned objects that earlier ones used.
    /// `last` is the newest record where it was read before.
    async fn recorded_objects(
        &self,
        cluster: &Cluster,
        known: &[RevisionMeta],
        last: Option<&Record>,
    ) -> Result<Vec<Object>, Failure> {
        let ReleaseKey { namespace, name } = self.release;
        let mut objects: Vec<Object> = noted_versions(known).versions().iter().map(Object::of_version).collect();
        for meta in known.iter().rev() {
            let manifest = match last.filter(|last| last.version == meta.revision) {
                Some(last) => Some(last.manifest.clone()),
                None => cluster.record(namespace, name, meta.revision).await?.map(|record| record.manifest),
            };
            if let Some(manifest) = manifest {
                let recorded = cluster.read_recorded(&manifest, namespace).await?.objects;
                let new = recorded.into_iter().filter(|new| objects.iter().all(|object| object.key != new.key));
                objects.extend(new.collect::<Vec<_>>());
            }
            if matches!(meta.status, Status::Deployed | Status::Superseded) {
                break;
            }
        }
        Ok(objects)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(finalizers: &[&str]) -> HelmRequest {
        serde_json::from_value(json!({
            "apiVersion": "app.alauda.io/v1", "kind": "HelmRequest", "spec": {},
            "metadata": {"name": "web", "namespace": "demo", "resourceVersion": "7", "finalizers": finalizers},
        }))
        .expect("a request")
    }

    #[test]
    fn finalizers_of_others_stay() {
        let added = add_finalizer(&request(&["other.example/hold"])).expect("a patch");
        assert_eq!(added["metadata"]["finalizers"], json!(["other.example/hold", FINALIZER]));
        assert_eq!(added["metadata"]["resourceVersion"], json!("7"));
        let removed = without_finalizer(&request(&[OLD_FINALIZER, "other.example/hold", FINALIZER]));
        assert_eq!(removed["metadata"]["finalizers"], json!(["other.example/hold"]));
    }

    #[test]
    fn a_finalizer_is_added_once() {
        assert_eq!(add_finalizer(&request(&[FINALIZER])), None);
        assert!(is_ours_to_finish(&request(&[OLD_FINALIZER])));
        assert!(!is_ours_to_finish(&request(&["other.example/hold"])));
    }
}
