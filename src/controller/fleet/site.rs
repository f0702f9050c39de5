//! A cluster that requests are deployed into: its own connection, watches, records, turns and queue, so that nothing that
//! happens there holds up another cluster. It is made when the first request needs it and goes with the last.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};
use kube::runtime::reflector::ObjectRef;
use tokio::sync::{oneshot, watch};
use tokio::task::{AbortHandle, JoinHandle};

use super::keeper::{Keeper, Signals};
use super::seat::{Seat, Standing};
use crate::api::HelmRequest;
use crate::cluster::connection::Connection;
use crate::cluster::line::Line;
use crate::cluster::observe::Observer;
use crate::cluster::records::ReleaseKey;
use crate::controller::autoscalers::Autoscalers;
use crate::controller::context::Context;
use crate::controller::cures;
use crate::controller::failure::Failure;
use crate::controller::home::follow_objects;
use crate::controller::looks;
use crate::controller::metrics::Counted;
use crate::controller::releases::Releases;

type Request = ObjectRef<HelmRequest>;

/// A cluster in use.
pub(super) struct Site {
    context: Arc<Context>,
    line: Line,
    connection: Mutex<Connection>,
    users: Arc<Users>,
    signals: Signals,
    standing: Arc<watch::Sender<Standing>>,
    /// What ends with the site.
    followers: Vec<AbortHandle>,
    _counted: Counted,
    /// The queue, and what lets it end when the work at hand is done.
    queue: Mutex<Option<(oneshot::Sender<()>, JoinHandle<()>)>>,
}

/// The requests of a site, and their queue.
struct Users {
    requests: Mutex<HashSet<Request>>,
    triggers: UnboundedSender<Request>,
}

impl Users {
    fn wake_all(&self) {
        for request in self.lock().iter() {
            self.wake(request.clone());
        }
    }

    /// Lets a request be looked at; nobody listens any more where the operator is stopping.
    fn wake(&self, request: Request) {
        let _ = self.triggers.unbounded_send(request);
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<Request>> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Site {
    /// Begins to use a cluster.
    ///
    /// # Errors
    /// What is registered of it gives no client.
    pub(super) fn open(
        home: &Arc<Context>,
        releases: &Releases,
        name: &str,
        connection: Connection,
        request_timeout: Duration,
    ) -> Result<Self, Failure> {
        let (cluster, line) =
            Line::connect(connection.config(), request_timeout).map_err(|error| unusable(name, &error))?;
        warn_where_anyone_is_trusted(name, &connection);
        let (triggers, triggered) = unbounded();
        let users = Arc::new(Users { requests: Mutex::default(), triggers });
        let (standing, stands) = watch::channel(Standing::Connecting);
        let (standing, signals) = (Arc::new(standing), Signals::default());
        let observer = Observer::new(&cluster);
        let seat = Seat::new(name, Arc::clone(home), stands, Arc::clone(&signals.doubts));
        let context = Arc::new(Context::of_seat(seat, cluster, observer));
        let followers = follow(&context, releases, &users, &standing, &signals);
        let queue = Mutex::new(Some(serve(Arc::clone(&context), triggered)));
        let connection = Mutex::new(connection);
        let counted = Counted::new(&home.metrics.clusters);
        Ok(Self { context, line, connection, users, signals, standing, followers, _counted: counted, queue })
    }

    /// Takes on a request, or lets it be looked at again.
    pub(super) fn take(&self, request: Request) {
        self.users.lock().insert(request.clone());
        self.users.wake(request);
    }

    /// Lets a request go; tells whether it was the last one.
    pub(super) fn leave(&self, request: &HelmRequest) -> bool {
        let mut users = self.users.lock();
        users.remove(&ObjectRef::from_obj(request));
        self.context.forget(request);
        if let Some(seat) = self.context.seat() {
            seat.forget(request);
        }
        users.is_empty()
    }

    /// Goes on with what is registered now; false where that is another API server, of which nothing is known.
    pub(super) fn reconnect(&self, name: &str, connection: &Connection) -> bool {
        let mut present = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        if *present == *connection {
            return true;
        }
        if present.server() != connection.server() || self.line.replace(connection.config()).is_err() {
            return false;
        }
        warn_where_anyone_is_trusted(name, connection);
        *present = connection.clone();
        self.signals.hope.notify_one();
        self.signals.doubts.notify_one();
        true
    }

    /// Nothing is decided any more before the records were listed again.
    pub(super) fn list_anew(&self) {
        self.standing.send_if_modified(|standing| {
            let was_reached = *standing == Standing::Reached;
            if was_reached {
                *standing = Standing::Connecting;
            }
            was_reached
        });
        self.signals.anew.notify_one();
    }

    /// What is known of its requests.
    pub(super) fn context(&self) -> &Context {
        &self.context
    }

    /// Begins nothing more, and completes when the work at hand is done.
    pub(super) fn end(&self) -> impl Future<Output = ()> + Send + use<> {
        self.context.turns.close();
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner).take();
        async move {
            if let Some((stop, queue)) = queue {
                let _ = stop.send(());
                let _ = queue.await;
            }
        }
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.followers.iter().for_each(AbortHandle::abort);
        if let Some((_, queue)) = self.queue.get_mut().unwrap_or_else(PoisonError::into_inner).take() {
            queue.abort();
        }
    }
}

/// Starts everything that tells of the cluster.
fn follow(
    context: &Arc<Context>,
    releases: &Releases,
    users: &Arc<Users>,
    standing: &Arc<watch::Sender<Standing>>,
    signals: &Signals,
) -> Vec<AbortHandle> {
    let (client, triggers) = (context.cluster().client(), users.triggers.clone());
    let (listed, known) = watch::channel(false);
    let autoscalers: Autoscalers = context.autoscalers.clone();
    let (woken, releases, queue) = (Arc::clone(users), releases.clone(), Arc::clone(users));
    let keeper = Keeper {
        context: Arc::clone(context),
        name: context.seat().map_or("", Seat::name).into(),
        standing: Arc::clone(standing),
        signals: signals.clone(),
        autoscalers: known,
        wake: move || woken.wake_all(),
        changed: move |release: &ReleaseKey| releases.requests_of(release).into_iter().for_each(|one| queue.wake(one)),
    };
    let (namespaces, definitions) = (triggers.clone(), triggers.clone());
    vec![
        tokio::spawn(autoscalers.follow(client.clone(), context.cluster().scope().clone(), listed)).abort_handle(),
        tokio::spawn(keeper.run()).abort_handle(),
        tokio::spawn(follow_objects(context.observer.triggers(), triggers)).abort_handle(),
        tokio::spawn(cures::follow_namespaces(client.clone(), Arc::clone(context), namespaces)).abort_handle(),
        tokio::spawn(cures::follow_definitions(client, Arc::clone(context), definitions)).abort_handle(),
    ]
}

/// Starts the queue of the cluster's requests.
fn serve(context: Arc<Context>, triggered: UnboundedReceiver<Request>) -> (oneshot::Sender<()>, JoinHandle<()>) {
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = looks::at_requests(triggered, context, async move { drop(stopped.await) });
    (stop, tokio::spawn(serving))
}

fn warn_where_anyone_is_trusted(name: &str, connection: &Connection) {
    if !connection.verifies() {
        tracing::warn!(cluster = name, "the certificate of the API server is not verified: whoever answers is trusted");
    }
}

fn unusable(name: &str, error: &crate::cluster::ConnectError) -> Failure {
    let message = format!("cluster {name:?}: {error}; correct the Cluster or its Secret");
    Failure::new(crate::api::Reason::CredentialsMissing, message).away()
}
