//! The other clusters that requests are deployed into.
//!
//! A cluster is [registered](registry) by a Cluster object or a Secret, and in use while a request is for it: then it has
//! a [site](site) of its own, with everything that the cluster of the requests has too. The requests' own queue only
//! hands them over. Where no request is for another cluster, none of this exists, no watch either.
//!
//! Requests may also live in registered clusters: then each of these is a [member](members), with requests of its own.

mod keeper;
mod member;
mod members;
mod registration;
mod registry;
mod seat;
mod site;
mod spread;
mod summary;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use futures::channel::mpsc::UnboundedSender;
use futures::future::join_all;
use kube::Client;
use kube::runtime::reflector::{ObjectRef, Store};
use kube::runtime::watcher::Event;
use tokio::sync::watch;

use self::registry::{Clerk, Registry};
use self::site::Site;
use super::context::Context;
use super::failure::Failure;
use super::releases::Releases;
use super::run::{Options, stopped};
use crate::api::helm_request::Destination;
use crate::api::{HelmRequest, Reason};

pub use registration::registered_cluster;
pub use seat::{Seat, Told};
pub use spread::held_up;

/// The other clusters; every clone is a handle on the same.
#[derive(Clone)]
pub struct Fleet {
    shared: Arc<Shared>,
}

struct Shared {
    /// The cluster that the requests live in, where clusters are registered too.
    client: Client,
    /// The name of that cluster where it is a registered one itself: nothing is registered there, and nothing that lives
    /// there may be deployed elsewhere.
    member: Option<String>,
    namespace: String,
    request_timeout: Duration,
    registry: Registry,
    releases: Releases,
    /// The queue of the cluster that the requests live in.
    triggers: UnboundedSender<ObjectRef<HelmRequest>>,
    home: OnceLock<Weak<Context>>,
    sites: Mutex<HashMap<String, Site>>,
    started: AtomicBool,
    /// The queue of what several clusters tell of a request.
    told: Mutex<Option<UnboundedSender<ObjectRef<HelmRequest>>>>,
    /// Who is told the name of each cluster of which something else is registered.
    listener: Mutex<Option<UnboundedSender<String>>>,
}

impl Fleet {
    /// No cluster is known yet, and nothing is asked for. `member` is the name of a registered cluster whose requests
    /// these are, and nothing for those of the operator's own.
    pub fn new(
        client: Client,
        requests: Store<HelmRequest>,
        triggers: UnboundedSender<ObjectRef<HelmRequest>>,
        options: &Options,
        member: Option<&str>,
    ) -> Self {
        let shared = Shared {
            client,
            member: member.map(str::to_owned),
            namespace: options.cluster_namespace.clone(),
            request_timeout: options.request_timeout,
            registry: Registry::default(),
            releases: Releases::new(requests),
            triggers,
            home: OnceLock::new(),
            sites: Mutex::default(),
            started: AtomicBool::new(false),
            told: Mutex::default(),
            listener: Mutex::default(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Names the context of the cluster that the requests live in.
    pub fn settle(&self, home: &Arc<Context>) {
        let _ = self.shared.home.set(Arc::downgrade(home));
    }

    /// Goes on only with a request that may be deployed where it says. Whoever may create requests in a registered
    /// cluster is not thereby somebody in the others.
    ///
    /// # Errors
    /// It lives in a registered cluster and names others.
    pub fn check(&self, request: &HelmRequest) -> Result<(), Failure> {
        let Some(member) = &self.shared.member else { return Ok(()) };
        let field = match request.destination() {
            Destination::Own => return Ok(()),
            Destination::One(_) => "clusterName",
            Destination::Several(None) => "installToAllClusters",
            Destination::Several(Some(_)) => "clusterSelector",
        };
        let message = format!(
            "spec.{field} names other clusters, and a request that lives in the registered cluster {member:?} is deployed \
             there only: remove the field, or create the request in the cluster that the operator runs in"
        );
        Err(Failure::new(Reason::InvalidRequest, message))
    }

    /// Hands a request over to the queue of a cluster.
    ///
    /// # Errors
    /// The cluster is not registered or cannot be used, or is not known yet.
    pub fn hand_over(&self, request: &HelmRequest, name: &str) -> Result<(), Failure> {
        self.start();
        let connection = self.shared.registry.connection(&self.shared.namespace, name)?;
        let mut sites = self.sites();
        if !sites.contains_key(name) {
            let ending = || Failure::new(Reason::Progressing, "the operator is ending");
            let home = self.home().ok_or_else(ending)?;
            let site = Site::open(&home, &self.shared.releases, name, connection, self.shared.request_timeout)?;
            sites.insert(name.to_owned(), site);
        }
        if let Some(site) = sites.get(name) {
            site.take(ObjectRef::from_obj(request));
        }
        Ok(())
    }

    /// Forgets a request; a cluster that it was the last one for is let go.
    pub fn leave(&self, request: &HelmRequest) {
        self.sites().retain(|_, site| !site.leave(request));
    }

    /// The requests of each release, whatever cluster it is in.
    pub fn releases(&self) -> &Releases {
        &self.shared.releases
    }

    /// Takes in what the watch of requests tells.
    pub fn note(&self, event: &Event<HelmRequest>) {
        if let Event::Delete(request) = event
            && request.destination() != Destination::Own
        {
            self.leave(request);
        }
    }

    /// Lets nothing be decided before the records of each cluster were listed again: another operator may have written
    /// some that have not been seen.
    pub fn list_anew(&self) {
        self.sites().values().for_each(Site::list_anew);
    }

    /// Forgets the requests of a shard that another replica works on from now on.
    pub fn forget_shard(&self, shard: u16) {
        self.sites().values().for_each(|site| site.context().forget_shard(shard));
    }

    /// Completes when the operator is told to stop and the work at hand in each cluster is done.
    pub async fn run(self, stop: watch::Receiver<bool>) {
        stopped(stop).await;
        let ends: Vec<_> = self.sites().values().map(Site::end).collect();
        join_all(ends).await;
    }

    /// Begins to look what is registered, at the first request for another cluster.
    fn start(&self) {
        if self.shared.started.swap(true, Ordering::Relaxed) {
            return;
        }
        let fleet = self.clone();
        let changed = move |name: &str| fleet.registered(name);
        let Shared { client, namespace, registry, .. } = &*self.shared;
        tokio::spawn(Clerk::new(client.clone(), namespace, registry.clone(), changed).run());
    }

    /// Goes on with what is registered of a cluster now; of all where no name is given.
    fn registered(&self, name: &str) {
        if let Some(listener) = &*self.listener() {
            let _ = listener.unbounded_send(name.to_owned());
        }
        let connection = self.shared.registry.connection(&self.shared.namespace, name);
        let goes_on = |site: &Site| connection.as_ref().is_ok_and(|connection| site.reconnect(name, connection));
        self.sites().retain(|known, site| known != name || goes_on(site));
        let Some(home) = self.home() else { return };
        let is_concerned = |request: &HelmRequest| match request.destination() {
            Destination::Own => false,
            Destination::One(other) => name.is_empty() || other == name,
            Destination::Several(_) => true,
        };
        for request in home.matching_requests(is_concerned) {
            let _ = self.shared.triggers.unbounded_send(request);
        }
    }

    fn home(&self) -> Option<Arc<Context>> {
        self.shared.home.get().and_then(Weak::upgrade)
    }

    fn told(&self) -> MutexGuard<'_, Option<UnboundedSender<ObjectRef<HelmRequest>>>> {
        self.shared.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn listener(&self) -> MutexGuard<'_, Option<UnboundedSender<String>>> {
        self.shared.listener.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sites(&self) -> MutexGuard<'_, HashMap<String, Site>> {
        self.shared.sites.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
