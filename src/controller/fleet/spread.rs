//! Requests that several clusters have: what each cluster tells is summed up in the request's status, and the request
//! goes when its release has gone from each.
//!
//! The order keeps releases from being lost: a cluster is named in the status before anything is written there, and its
//! name stays until its release has gone from there.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::channel::mpsc::{UnboundedReceiver, unbounded};
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use kube::runtime::Controller;
use kube::runtime::controller::{Action, Config};
use kube::runtime::reflector::ObjectRef;

use super::summary::{Member, status_of, summarize};
use super::{Fleet, Told};
use crate::api::HelmRequest;
use crate::api::helm_request::{ClusterEntry, Destination, HelmRequestStatus};
use crate::api::names::ABANDON;
use crate::controller::context::Context;
use crate::controller::failure::Failure;
use crate::controller::helm_request::{away, is_ours_to_finish, remove_finalizer};

/// What clusters tell within this time is summed up once.
const TOGETHER: Duration = Duration::from_millis(200);
/// The pause after a status that could not be written.
const PAUSE: Duration = Duration::from_secs(2);

/// That a deletion waits for a cluster, and what can be done.
pub fn held_up(name: &str, failure: &Failure) -> Failure {
    let message = format!(
        "{}; the release is uninstalled when it is back, or left behind with the annotation {ABANDON}: {name}",
        failure.message,
    );
    Failure::new(failure.reason, message).away()
}

impl Fleet {
    /// Has what the clusters tell of a request summed up.
    pub fn sum_up_soon(&self, request: &HelmRequest) {
        self.start();
        let mut told = self.told();
        if told.is_none()
            && let Some(home) = self.home()
        {
            let (sender, receiver) = unbounded();
            tokio::spawn(sum_up_all(home, receiver));
            *told = Some(sender);
        }
        if let Some(told) = &*told {
            let _ = told.unbounded_send(ObjectRef::from_obj(request));
        }
    }

    /// Whether a request picks clusters, and not this one, whose release is to go then.
    pub fn passes_over(&self, request: &HelmRequest, name: &str) -> bool {
        match request.destination() {
            Destination::Several(Some(selector)) => self.shared.registry.passes_over(selector, name),
            _ => false,
        }
    }

    async fn sum_up(&self, request: &HelmRequest, home: &Context) -> Result<(), Failure> {
        let Destination::Several(selector) = request.destination() else { return Ok(()) };
        let is_being_deleted = request.metadata.deletion_timestamp.is_some();
        if is_being_deleted && !is_ours_to_finish(request) {
            return Ok(());
        }
        let previous = home.last_status(request);
        let (picked, none) = match self.shared.registry.picked(selector) {
            // Whoever finds out what is registered wakes the request.
            Ok(None) => return Ok(()),
            Ok(Some(picked)) => (Some(picked), self.none_picked(selector.is_some())),
            Err(failure) => (None, failure.message),
        };
        let is_known = picked.is_some() || !previous.clusters.is_empty();
        let picked = picked.unwrap_or_default();
        let mut members = Vec::new();
        let mut gone = Vec::new();
        for name in places(&previous, &picked, is_being_deleted) {
            let entry = previous.clusters.iter().find(|entry| entry.name == name).cloned().unwrap_or_default();
            let is_wanted = picked.contains(&name) || is_being_deleted;
            match self.told_of(request, &name, &entry) {
                Told::Gone => gone.push(name),
                Told::Status(status) => members.push(Member { name, status: *status, is_wanted }),
            }
        }
        if is_being_deleted && members.is_empty() && is_known {
            return remove_finalizer(home, request).await;
        }
        let next = summarize(&previous, request.metadata.generation, &members, &none, Timestamp::now());
        home.patch_status(request, &previous, next).await?;
        gone.iter().for_each(|name| self.leave_one(request, name));
        if !is_being_deleted && gone.iter().any(|name| picked.contains(name)) {
            // It went because it was not picked, and is again: nobody else tells of that.
            self.sum_up_soon(request);
        }
        for Member { name, .. } in members.iter().filter(|member| !is_named(&previous, &member.name)) {
            // A cluster that cannot be used is told of with the others.
            let _ = self.hand_over(request, name);
        }
        Ok(())
    }

    /// What a cluster tells of a request; `entry` is what the request's status tells of it.
    fn told_of(&self, request: &HelmRequest, name: &str, entry: &ClusterEntry) -> Told {
        let known = self.sites().get(name).and_then(|site| site.context().seat()?.told(request));
        if let Some(told) = known {
            return told;
        }
        let status = status_of(entry);
        let failure = match self.shared.registry.connection(&self.shared.namespace, name) {
            Err(failure) if failure.away => failure,
            _ => return Told::Status(Box::new(status)),
        };
        let failure = match (request.metadata.deletion_timestamp.is_some(), request.abandons(name)) {
            (true, true) => return Told::Gone,
            (true, false) => held_up(name, &failure),
            (false, _) => failure,
        };
        Told::Status(Box::new(away(&status, request.metadata.generation, failure, Timestamp::now())))
    }

    /// Forgets a request in one cluster; a cluster that it was the last one for is let go.
    fn leave_one(&self, request: &HelmRequest, name: &str) {
        self.sites().retain(|known, site| known != name || !site.leave(request));
    }

    fn none_picked(&self, selects: bool) -> String {
        let namespace = &self.shared.namespace;
        match selects {
            true => {
                format!("no cluster that is registered in namespace {namespace:?} has the labels of clusterSelector")
            }
            false => format!("no cluster is registered in namespace {namespace:?}: create a Cluster there"),
        }
    }
}

/// The clusters where a request's release is, may be, or is to be.
///
/// What Captain has deployed is where its list says, which it lets lapse where one cluster failed. So before the status
/// names any cluster, the release of a request that is deleted may be in each of those that it picks.
fn places(previous: &HelmRequestStatus, picked: &BTreeSet<String>, is_being_deleted: bool) -> BTreeSet<String> {
    let named = previous.clusters.iter().map(|entry| entry.name.clone());
    let mut places: BTreeSet<String> = named.chain(previous.synced_clusters.iter().cloned()).collect();
    if !is_being_deleted || previous.clusters.is_empty() {
        places.extend(picked.iter().cloned());
    }
    places
}

fn is_named(status: &HelmRequestStatus, cluster: &str) -> bool {
    status.clusters.iter().any(|entry| entry.name == cluster)
}

async fn sum_up_all(home: Arc<Context>, told: UnboundedReceiver<ObjectRef<HelmRequest>>) {
    Controller::for_stream(futures::stream::pending(), home.requests().clone())
        .with_config(Config::default().concurrency(0))
        .reconcile_on(told)
        .run(sum_up, |_, _, _| Action::await_change(), home)
        .for_each(|_| std::future::ready(()))
        .await;
}

async fn sum_up(request: Arc<HelmRequest>, home: Arc<Context>) -> Result<Action, std::convert::Infallible> {
    let (namespace, name) = (request.namespace().unwrap_or_default(), request.name_any());
    let Some(mut shift) = home.shards.enter(&namespace, &name) else { return Ok(Action::await_change()) };
    let summing = async {
        tokio::time::sleep(TOGETHER).await;
        // What was told meanwhile is summed up now and, as it comes, once more.
        match home.request(&ObjectRef::from_obj(&request)) {
            Some(newest) => home.fleet.sum_up(&newest, &home).await,
            None => Ok(()),
        }
    };
    let summed = tokio::select! {
        summed = summing => summed,
        () = shift.cancelled() => Ok(()),
    };
    Ok(match summed {
        Ok(()) => Action::await_change(),
        Err(failure) => {
            tracing::warn!(namespace, name, message = failure.message, "what clusters tell could not be written");
            Action::requeue(PAUSE)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_release_is_looked_for_wherever_it_may_be() {
        let picked = names(&["east", "west"]);
        let entry = |name: &str| ClusterEntry { name: name.to_owned(), ..ClusterEntry::default() };
        let ours = HelmRequestStatus { clusters: vec![entry("north"), entry("west")], ..HelmRequestStatus::default() };
        assert_eq!(places(&ours, &picked, false), names(&["east", "north", "west"]));
        assert_eq!(places(&ours, &picked, true), names(&["north", "west"]), "nothing begins any more");
        let captains = HelmRequestStatus { synced_clusters: vec!["south".to_owned()], ..HelmRequestStatus::default() };
        assert_eq!(places(&captains, &picked, true), names(&["east", "south", "west"]));
    }
}
