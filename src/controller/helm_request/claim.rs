//! Whose a release is that several requests name: one of them owns it, the others are told so by name and write nothing
//! for it, not even when they are deleted.
//!
//! The record tells. Each names the request that made it, and of two that make the same revision at once the API server
//! refuses one, whichever replicas they belong to. That request stays the owner as long as it exists and names the
//! release; where no record names one, the oldest request is the owner.

use kube::runtime::reflector::ObjectRef;
use kube::{Resource, ResourceExt};

use super::{Reconciliation, deletion};
use crate::api::helm_request::Destination;
use crate::api::{HelmRequest, Reason};
use crate::cluster::records::{ReleaseKey, RevisionMeta};
use crate::controller::context::{Context, owner};
use crate::controller::failure::Failure;

/// What a record notes of the request that made it; nothing where that has the name and namespace of the release.
pub(super) fn noted(request: &HelmRequest, release: &ReleaseKey) -> Option<String> {
    let (namespace, name) = (request.namespace().unwrap_or_default(), request.name_any());
    let is_namesake = (namespace.as_str(), name.as_str()) == (release.namespace.as_str(), release.name.as_str());
    (!is_namesake).then(|| format!("{namespace}/{name}"))
}

/// The request that made a record of ours.
fn maker(release: &ReleaseKey, record: &RevisionMeta) -> Option<ObjectRef<HelmRequest>> {
    record.notes.inputs.as_ref()?;
    let (namespace, name) = match record.notes.request.as_deref() {
        Some(noted) => noted.split_once('/')?,
        None => (release.namespace.as_str(), release.name.as_str()),
    };
    Some(ObjectRef::new(name).within(namespace))
}

/// The owner of a release among the requests that name it.
fn owner_among<'a>(
    claimants: impl Iterator<Item = &'a HelmRequest> + Clone,
    maker: Option<&ObjectRef<HelmRequest>>,
) -> Option<&'a HelmRequest> {
    let made = claimants.clone().find(|claimant| maker == Some(&ObjectRef::from_obj(*claimant)));
    let age = |claimant: &&HelmRequest| {
        let created = claimant.meta().creation_timestamp.clone().map(|time| time.0);
        (created, claimant.namespace(), claimant.name_any())
    };
    made.or_else(|| claimants.min_by_key(age))
}

/// The other request that owns a release of this cluster, if one does.
fn other_owner(context: &Context, request: &HelmRequest, release: &ReleaseKey) -> Option<ObjectRef<HelmRequest>> {
    let own = ObjectRef::from_obj(request);
    let claimants = context.fleet.releases().requests_of(release);
    if claimants.iter().all(|claimant| *claimant == own) {
        return None;
    }
    let is_here = |claimant: &HelmRequest| match context.seat() {
        None => claimant.destination() == Destination::Own,
        Some(_) => context.serves(claimant),
    };
    let claimants: Vec<_> = claimants.iter().filter_map(|claimant| context.request(claimant)).collect();
    let claimants: Vec<_> = claimants.into_iter().filter(|claimant| is_here(claimant)).collect();
    let maker = context.records.revisions(release).last().and_then(|last| maker(release, last));
    let owner = owner_among(claimants.iter().map(|claimant| &**claimant), maker.as_ref())?;
    Some(ObjectRef::from_obj(owner)).filter(|owner| *owner != own)
}

impl Reconciliation<'_> {
    /// The other request that owns the release, if one does.
    pub(super) fn other_owner(&self) -> Option<ObjectRef<HelmRequest>> {
        other_owner(self.context, self.request, self.release)
    }

    /// Leaves the release to the request that owns it. One that is deleted goes without a trace.
    pub(super) async fn leave_to(&self, other: &ObjectRef<HelmRequest>) -> Result<(), Failure> {
        self.context.observer.forget(&owner(self.request));
        self.context.with_memory(self.request, |memory| memory.followed = None);
        if !self.is_to_go() {
            return Err(owned_by(other, self.release));
        }
        if deletion::is_ours_to_finish(self.request) {
            self.let_go().await?;
        }
        self.context.forget(self.request);
        Ok(())
    }
}

fn owned_by(other: &ObjectRef<HelmRequest>, release: &ReleaseKey) -> Failure {
    let namespace = other.namespace.as_deref().unwrap_or_default();
    let message = format!(
        "release {}/{} belongs to HelmRequest {namespace}/{}; give this one another spec.releaseName, or delete one of \
         them",
        release.namespace, release.name, other.name
    );
    Failure::new(Reason::ReleaseOwnedByOther, message)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cluster::notes::Notes;
    use crate::plan::Digest;
    use crate::release::Status;

    fn request(name: &str, created: &str) -> HelmRequest {
        serde_json::from_value(json!({
            "apiVersion": "app.alauda.io/v1", "kind": "HelmRequest", "spec": {"releaseName": "web"},
            "metadata": {"name": name, "namespace": "demo", "creationTimestamp": created},
        }))
        .expect("a request")
    }

    fn release() -> ReleaseKey {
        ReleaseKey { namespace: "demo".into(), name: "web".into() }
    }

    fn record(request: Option<&str>, inputs: Option<&str>) -> RevisionMeta {
        let (request, inputs) = (request.map(str::to_owned), inputs.map(Digest::stored));
        let notes = Notes { request, inputs, ..Notes::default() };
        RevisionMeta { revision: 1, status: Status::Deployed, notes, resource_version: 1 }
    }

    #[test]
    fn the_maker_of_the_record_owns_the_release_and_else_the_oldest_request() {
        let claimants = [
            request("b", "2026-01-01T00:00:00Z"),
            request("a", "2026-01-01T00:00:00Z"),
            request("web", "2026-01-02T00:00:00Z"),
        ];
        let owner = |record: Option<RevisionMeta>| {
            let maker = record.and_then(|record| maker(&release(), &record));
            owner_among(claimants.iter(), maker.as_ref()).map(ResourceExt::name_any)
        };
        let table = [
            (None, "a"),
            (Some(record(Some("demo/b"), Some("digest"))), "b"),
            (Some(record(None, Some("digest"))), "web"),
            (Some(record(None, None)), "a"),
            (Some(record(Some("demo/gone"), Some("digest"))), "a"),
        ];
        for (record, expected) in table {
            assert_eq!(owner(record.clone()).as_deref(), Some(expected), "{record:?}");
        }
    }

    #[test]
    fn only_a_request_of_another_name_or_namespace_is_noted() {
        let created = "2026-01-01T00:00:00Z";
        assert_eq!(noted(&request("web", created), &release()), None);
        assert_eq!(noted(&request("a", created), &release()).as_deref(), Some("demo/a"));
    }
}
