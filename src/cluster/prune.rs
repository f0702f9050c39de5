//! Deleting what a release no longer has.
//!
//! What goes is a plain difference of two manifests by identity ([`leftover`]); it goes in uninstall order, except
//! what Helm's resource policy keeps. Only what still carries our marks goes, and the deletion names the object's uid,
//! so a namesake that somebody made meanwhile survives. What a watch has seen of an object is enough to know its marks:
//! the deletion then also names the version that was seen ([`super::observed_prune`]). Of everything else the live
//! metadata is read first.

use std::collections::HashSet;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::Timestamp;
use kube::api::{DeleteParams, Preconditions};
use tokio::time::{Instant, sleep};

use super::client::Cluster;
use super::error::{ApiError, ObjectError};
use super::hooks::run_of;
use super::object::{Object, ObjectKey, keeps, runs};
use super::ownership::Marks;
use super::parallel::in_parallel;
use crate::render::{Order, sort_by_kind};
use crate::value::Json;

/// The first and the longest pause between two looks at an object that is being deleted.
const LOOK: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

/// What the previous revision had and the next one has not, split by what happens to it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Leftover {
    /// To be deleted, in uninstall order.
    pub delete: Vec<Object>,
    /// Kept by `helm.sh/resource-policy: keep` in the previous manifest.
    pub keep: Vec<Object>,
}

/// The objects that leave with the change from one manifest to the next. An empty `next` is an uninstallation.
pub fn leftover(previous: Vec<Object>, next: &[Object]) -> Leftover {
    let stays: HashSet<&ObjectKey> = next.iter().map(|object| &object.key).collect();
    let leaving = previous.into_iter().filter(|object| !stays.contains(&object.key));
    let (keep, mut delete): (Vec<_>, Vec<_>) = leaving.partition(Object::is_kept);
    sort_by_kind(&mut delete, Order::Uninstall, |object| &object.key.kind);
    Leftover { delete, keep }
}

/// Why an object was not deleted although it left the manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spared {
    /// It was already gone.
    Gone,
    /// It no longer carries our marks: somebody took it over.
    Foreign,
    /// Its live annotation keeps it.
    Kept,
    /// It belongs to the run of a hook that is underway.
    Underway,
    /// It is older than what is taken back.
    Older,
}

/// An object whose deletion was accepted; finalizers may still hold it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deleted {
    /// Which object.
    pub key: ObjectKey,
    /// The uid it had.
    pub uid: String,
    /// What has become of it.
    pub end: End,
}

/// What the API server says to the deletion of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It is gone.
    Gone,
    /// It may still be there: it has finalizers or a grace period, or the answer does not tell.
    Open,
}

impl End {
    /// A `Status` is given only once the object is gone; a kind may give the object itself either way
    /// (`Store.Delete` in `k8s.io/apiserver/pkg/registry/generic/registry`). A pod is the exception: where it is being
    /// deleted already and has time left, the reply is a `Status` too.
    fn told_by(reply: &Json, kind: &str) -> Self {
        let is_status = reply.get("kind").and_then(Json::as_str) == Some("Status");
        if is_status && kind != "Pod" { Self::Gone } else { Self::Open }
    }
}

/// What deleting many objects came to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PruneOutcome {
    /// Deletions that were accepted.
    pub deleted: Vec<Deleted>,
    /// Objects that were left alone, and why.
    pub spared: Vec<(ObjectKey, Spared)>,
    /// Deletions that were refused.
    pub failed: Vec<ObjectError>,
}

/// What the deletion of one object came to.
pub(super) type Deletion = Result<Result<Deleted, Spared>, ApiError>;

/// Whose objects may be deleted.
#[derive(Clone, Copy, Debug)]
pub enum Owner<'a> {
    /// Only those that carry the marks of this release.
    Release {
        /// Its name.
        name: &'a str,
        /// Its namespace.
        namespace: &'a str,
    },
    /// Only those that carry the marks of this release and did not exist before.
    Since {
        /// The release's name.
        name: &'a str,
        /// Its namespace.
        namespace: &'a str,
        /// The time, by the clock of the API server, in seconds as `metadata.creationTimestamp` has it.
        began: Timestamp,
    },
    /// Whatever has the name: hooks carry no marks.
    Anyone,
    /// Whatever has the name but is not of this run of a hook: a request of it that was given up may arrive late.
    OtherRun {
        /// The token of the run.
        token: &'a str,
    },
}

impl Cluster {
    /// Deletes objects in the order given, those of one run of equal kind at the same time, in the background
    /// (dependents go with them).
    pub async fn prune(&self, objects: &[Object], owner: Owner<'_>) -> PruneOutcome {
        self.prune_by(objects, |object| self.delete(object, owner).boxed()).await
    }

    /// The same with any way of deleting one object.
    pub(super) async fn prune_by<'a>(
        &self,
        objects: &'a [Object],
        delete: impl Fn(&'a Object) -> BoxFuture<'a, Deletion>,
    ) -> PruneOutcome {
        let mut outcome = PruneOutcome::default();
        for run in runs(objects) {
            let deletions = run.iter().map(&delete);
            for (object, result) in run.iter().zip(in_parallel(deletions).await) {
                match result {
                    Ok(Ok(deleted)) => outcome.deleted.push(deleted),
                    Ok(Err(spared)) => outcome.spared.push((object.key.clone(), spared)),
                    Err(error) => outcome.failed.push(ObjectError { object: object.key.clone(), error }),
                }
            }
        }
        outcome
    }

    /// Waits until deleted objects are really gone; gives those that are still there when the time is up.
    pub async fn wait_deleted(&self, objects: &[Object], deleted: &[Deleted], timeout: Duration) -> Vec<ObjectKey> {
        let deadline = Instant::now() + timeout;
        self.wait_by(objects, deleted, |object, uid| self.wait_gone(object, uid, deadline).boxed()).await
    }

    /// The same with any way of waiting for one object, which tells whether it is gone.
    pub(super) async fn wait_by<'a>(
        &self,
        objects: &'a [Object],
        deleted: &'a [Deleted],
        wait: impl Fn(&'a Object, &'a str) -> BoxFuture<'a, bool>,
    ) -> Vec<ObjectKey> {
        let open = deleted.iter().filter(|deleted| deleted.end == End::Open);
        let waits = open.filter_map(|gone| {
            let waiting = wait(objects.iter().find(|object| object.key == gone.key)?, &gone.uid);
            Some(async move { (!waiting.await).then(|| gone.key.clone()) }.boxed())
        });
        in_parallel(waits).await.into_iter().flatten().collect()
    }

    /// Deletes an object that is an owner's, as its live metadata shows it.
    pub(super) async fn delete(&self, object: &Object, owner: Owner<'_>) -> Deletion {
        let live = match self.read_metadata(object).await {
            Err(ApiError::NotFound | ApiError::KindNotServed) => return Ok(Err(Spared::Gone)),
            live => live?,
        };
        if let Some(spared) = spares(&live, owner) {
            return Ok(Err(spared));
        }
        let uid = live.pointer("/metadata/uid").and_then(Json::as_str).unwrap_or_default().to_owned();
        match self.delete_exactly(object, &uid, DeleteParams::background()).await {
            Ok(end) => Ok(Ok(Deleted { key: object.key.clone(), uid, end })),
            Err(ApiError::NotFound) => Ok(Err(Spared::Gone)),
            Err(error) => Err(error),
        }
    }

    /// Deletes the object that has this uid.
    ///
    /// A conflict mostly means that another object has the name now; where the object is still that one, something else
    /// was in the way.
    ///
    /// # Errors
    /// [`ApiError::NotFound`] also where another object has the name now.
    pub(super) async fn delete_exactly(
        &self,
        object: &Object,
        uid: &str,
        parameters: DeleteParams,
    ) -> Result<End, ApiError> {
        let preconditions = Preconditions { uid: Some(uid.to_owned()), resource_version: None };
        let parameters = parameters.preconditions(preconditions);
        let mut pause = LOOK.0;
        loop {
            match self.send_delete(object, &parameters).await {
                Ok(end) => return Ok(end),
                Err(ApiError::Conflict { .. }) if !has_uid(&self.read_metadata(object).await?, uid) => {
                    return Err(ApiError::NotFound);
                }
                Err(ApiError::Conflict { .. }) if pause < LOOK.1 => {
                    sleep(pause).await;
                    pause *= 2;
                }
                Err(error) => return Err(error),
            }
        }
    }

    pub(super) async fn send_delete(&self, object: &Object, parameters: &DeleteParams) -> Result<End, ApiError> {
        let collection = self.collection(&object.kind, &object.key.namespace);
        let reply = self.call::<Json>(collection.delete(&object.key.name, parameters)).await?;
        Ok(End::told_by(&reply, &object.key.kind))
    }

    pub(super) async fn read_metadata(&self, object: &Object) -> Result<Json, ApiError> {
        let collection = self.collection(&object.kind, &object.key.namespace);
        self.call(collection.get_metadata(&object.key.name)).await
    }

    /// Waits until the object with this uid is gone; tells whether it is.
    pub(super) async fn wait_gone(&self, object: &Object, uid: &str, deadline: Instant) -> bool {
        let (mut pause, longest) = LOOK;
        loop {
            match self.read_metadata(object).await {
                Err(ApiError::NotFound | ApiError::KindNotServed) => return true,
                Ok(live) if !has_uid(&live, uid) => return true,
                Ok(_) | Err(_) => {}
            }
            if Instant::now() + pause >= deadline {
                return false;
            }
            sleep(pause).await;
            pause = (pause * 2).min(longest);
        }
    }
}

fn has_uid(live: &Json, uid: &str) -> bool {
    live.pointer("/metadata/uid").and_then(Json::as_str) == Some(uid)
}

/// Why a live object is left alone, if it is.
pub(super) fn spares(live: &Json, owner: Owner<'_>) -> Option<Spared> {
    let (name, namespace, began) = match owner {
        Owner::Release { name, namespace } => (name, namespace, None),
        Owner::Since { name, namespace, began } => (name, namespace, Some(began)),
        Owner::Anyone => return None,
        Owner::OtherRun { token } => return (run_of(live) == Some(token)).then_some(Spared::Underway),
    };
    if began.is_some_and(|began| created(live).is_none_or(|created| created < began)) {
        return Some(Spared::Older);
    }
    let policy =
        live.pointer("/metadata/annotations").and_then(|map| map.get(super::object::RESOURCE_POLICY_ANNOTATION));
    if policy.and_then(Json::as_str).is_some_and(keeps) {
        return Some(Spared::Kept);
    }
    (!Marks::of(live).are_of(name, namespace)).then_some(Spared::Foreign)
}

/// When a live object was created.
fn created(live: &Json) -> Option<Timestamp> {
    live.pointer("/metadata/creationTimestamp")?.as_str()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_tells_that_an_object_is_gone_unless_it_is_a_pod() {
        let reply = |kind: &str| serde_json::json!({"kind": kind});
        for (object, answer, end) in [
            ("ConfigMap", "Status", End::Gone),
            ("ConfigMap", "ConfigMap", End::Open),
            ("Pod", "Status", End::Open),
            ("Pod", "Pod", End::Open),
        ] {
            assert_eq!(End::told_by(&reply(answer), object), end, "{answer} for a {object}");
        }
        assert_eq!(End::told_by(&Json::Null, "ConfigMap"), End::Open);
    }
}
