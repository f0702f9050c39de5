//! Deleting what a release no longer has, by what the watches know: one request an object.
//!
//! A watch tells whose an object is and whether Helm's resource policy keeps it, each time it changes. So it need not be
//! read before it is deleted: the deletion names the uid and the version that were seen, and the API server refuses it
//! where the object is not that any more. Then, and of what the watches do not know or what looks as if it stayed, the
//! live metadata decides, as in [`super::prune`].

use std::time::Duration;

use futures::FutureExt;
use kube::api::{DeleteParams, Preconditions};
use tokio::time::{Instant, sleep};

use super::client::Cluster;
use super::error::ApiError;
use super::object::{Object, ObjectKey};
use super::observe::{ObjectState, Observed, Observer};
use super::prune::{Deleted, Deletion, Owner, PruneOutcome, Spared};
use super::records::ReleaseKey;

/// How long the watches are asked whether an object is gone before the API server is, and how often.
const TOLD_WITHIN: Duration = Duration::from_secs(2);
const GLANCE: Duration = Duration::from_millis(20);

impl Cluster {
    /// Deletes objects of a release as [`Cluster::prune`] does; what the observer has seen of them need not be read.
    pub async fn prune_observed(&self, objects: &[Object], release: &ReleaseKey, observer: &Observer) -> PruneOutcome {
        self.prune_by(objects, |object| self.delete_observed(object, release, observer).boxed()).await
    }

    /// Waits until deleted objects are really gone, as [`Cluster::wait_deleted`] does; most are told by the watches.
    pub async fn wait_deleted_observed(
        &self,
        objects: &[Object],
        deleted: &[Deleted],
        timeout: Duration,
        observer: &Observer,
    ) -> Vec<ObjectKey> {
        let deadline = Instant::now() + timeout;
        let wait = |object, uid| self.wait_gone_observed(object, uid, deadline, observer).boxed();
        self.wait_by(objects, deleted, wait).await
    }

    async fn delete_observed(&self, object: &Object, release: &ReleaseKey, observer: &Observer) -> Deletion {
        let ReleaseKey { namespace, name } = release;
        let owner = Owner::Release { name, namespace };
        let seen = match observer.lookup(&object.key) {
            Observed::Managed(seen) if goes(&seen, release) => seen,
            _ => return self.delete(object, owner).await,
        };
        let preconditions =
            Preconditions { uid: Some(seen.uid.clone()), resource_version: Some(seen.version.to_string()) };
        match self.send_delete(object, &DeleteParams::background().preconditions(preconditions)).await {
            Ok(end) => Ok(Ok(Deleted { key: object.key.clone(), uid: seen.uid, end })),
            Err(ApiError::Conflict { .. }) => self.delete(object, owner).await,
            Err(ApiError::NotFound | ApiError::KindNotServed) => Ok(Err(Spared::Gone)),
            Err(error) => Err(error),
        }
    }

    async fn wait_gone_observed(&self, object: &Object, uid: &str, deadline: Instant, observer: &Observer) -> bool {
        let told_by = deadline.min(Instant::now() + TOLD_WITHIN);
        while Instant::now() < told_by {
            if is_gone(&observer.lookup(&object.key), uid) {
                return true;
            }
            sleep(GLANCE).await;
        }
        self.wait_gone(object, uid, deadline).await
    }
}

/// Whether an object goes with the release, as far as it was seen.
fn goes(seen: &ObjectState, release: &ReleaseKey) -> bool {
    seen.version != 0 && !seen.is_kept && seen.marks.are_of(&release.name, &release.namespace)
}

/// Whether the object that had this uid is gone. One that lost Helm's label may still be it.
fn is_gone(observed: &Observed, uid: &str) -> bool {
    match observed {
        Observed::Absent => true,
        Observed::Managed(state) => state.uid != uid,
        Observed::Foreign | Observed::NotWatched => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::health::Verdict;
    use crate::cluster::ownership::Marks;

    fn seen() -> ObjectState {
        let marks = Marks {
            managed_by: Some("Helm".to_owned()),
            release: Some("web".to_owned()),
            namespace: Some("shop".to_owned()),
        };
        let uid = "u-1".to_owned();
        ObjectState { uid, version: 7, generation: 1, marks, is_kept: false, hash: None, verdict: Verdict::Current }
    }

    #[test]
    fn only_what_was_seen_as_the_releases_own_and_is_not_kept_goes_unread() {
        let release = ReleaseKey { namespace: "shop".to_owned(), name: "web".to_owned() };
        assert!(goes(&seen(), &release));
        assert!(!goes(&ObjectState { is_kept: true, ..seen() }, &release));
        assert!(!goes(&ObjectState { version: 0, ..seen() }, &release));
        assert!(!goes(&ObjectState { marks: Marks::default(), ..seen() }, &release));
        assert!(!goes(&seen(), &ReleaseKey { namespace: "bank".to_owned(), ..release }));
    }

    #[test]
    fn what_a_watch_no_longer_shows_is_gone_and_so_is_what_a_namesake_replaced() {
        assert!(is_gone(&Observed::Absent, "u-1"));
        assert!(is_gone(&Observed::Managed(ObjectState { uid: "u-2".to_owned(), ..seen() }), "u-1"));
        for still in [Observed::Managed(seen()), Observed::Foreign, Observed::NotWatched] {
            assert!(!is_gone(&still, "u-1"), "{still:?}");
        }
    }
}
