//! Fencing at the write: a request that changes something is sent only while nobody else can hold the lease that it is
//! made under.
//!
//! Each renewal of a lease opens its [`Fence`] until the renew deadline, counted from before the renewal was sent. Who
//! waits for the lease counts its longer duration from a later moment, so the fence is closed before the lease can
//! change hands, whatever this process was doing meanwhile. A write that is underway when the fence closes is given up,
//! so that it does not set out later; one that has reached the API server by then may still be carried out.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use http::{Method, Request, Response};
use kube::Client;
use kube::client::Body;
use tokio::time::{Instant, sleep_until};

use super::layer;

/// The right to write under a lease. Clones are one fence.
#[derive(Clone, Debug)]
pub struct Fence {
    /// Until when the lease is surely ours; shared by everything that is done under it.
    lease: Arc<Mutex<Term>>,
    /// Closed for good, whatever the lease is.
    closed: Arc<AtomicBool>,
    epoch: Option<Epoch>,
}

/// Which of the holders of a lease one is. It is noted on what must not be written over by an earlier holder, whose last
/// write may still be on its way when the lease changes hands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Epoch {
    /// The name of the lease.
    pub lease: String,
    /// How often it had changed hands.
    pub number: i64,
}

impl Epoch {
    /// Reads what its text form says.
    pub fn parse(text: &str) -> Option<Self> {
        let (lease, number) = text.split_once(' ')?;
        Some(Self { lease: lease.to_owned(), number: number.parse().ok()? })
    }

    /// Whether this is a later holder of the same lease.
    pub fn is_after(&self, other: &Self) -> bool {
        self.lease == other.lease && self.number > other.number
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.lease, self.number)
    }
}

/// How long a lease is surely ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Term {
    /// There is no lease to lose.
    Always,
    /// Until this moment, unless it is renewed before.
    Until(Instant),
}

/// A write was not sent, or given up, because another replica may hold the lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the lease of this write may be held by another replica")]
pub(super) struct Closed;

impl Fence {
    /// A fence that never closes by itself: there is only one operator.
    pub fn open() -> Self {
        Self { lease: Arc::new(Mutex::new(Term::Always)), closed: Arc::default(), epoch: None }
    }

    /// A fence that is closed until the lease is held.
    pub(super) fn until_renewed() -> Self {
        Self { lease: Arc::new(Mutex::new(Term::Until(Instant::now()))), closed: Arc::default(), epoch: None }
    }

    /// Another fence under the same lease, which can be closed alone, for what is done in this epoch.
    #[must_use]
    pub fn branch(&self, epoch: Option<Epoch>) -> Self {
        Self { lease: Arc::clone(&self.lease), closed: Arc::default(), epoch }
    }

    /// The epoch of what is written; none where there is no lease.
    pub(super) fn epoch(&self) -> Option<&Epoch> {
        self.epoch.as_ref()
    }

    /// Opens it until this moment.
    pub(super) fn renew(&self, until: Instant) {
        *self.lease.lock().unwrap_or_else(PoisonError::into_inner) = Term::Until(until);
    }

    /// Closes all fences under the lease: it is not ours any more.
    pub(super) fn end(&self) {
        self.renew(Instant::now());
    }

    /// Closes it for good, and no other.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    /// Whether a write may be sent now.
    pub fn is_open(&self) -> bool {
        !self.closed.load(Ordering::Acquire)
            && match self.term() {
                Term::Always => true,
                Term::Until(until) => Instant::now() < until,
            }
    }

    fn term(&self) -> Term {
        *self.lease.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Completes once the lease was not renewed in time.
    async fn ended(&self) {
        loop {
            match self.term() {
                Term::Always => std::future::pending().await,
                Term::Until(until) if Instant::now() < until => sleep_until(until).await,
                Term::Until(_) => return,
            }
        }
    }
}

/// Sends by this client what changes something only while the fence is open.
pub(super) fn fenced(client: Client, fence: Fence) -> Client {
    layer::over(client, move |client, request| send(client, request, fence.clone()))
}

async fn send(client: Client, request: Request<Body>, fence: Fence) -> Result<Response<Body>, kube::Error> {
    if matches!(*request.method(), Method::GET | Method::HEAD) {
        return client.send(request).await;
    }
    if !fence.is_open() {
        return Err(kube::Error::Service(Box::new(Closed)));
    }
    tokio::select! {
        biased;
        answer = client.send(request) => answer,
        () = fence.ended() => Err(kube::Error::Service(Box::new(Closed))),
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::time::Duration;

    use tower::service_fn;

    use super::*;
    use crate::cluster::ApiError;

    /// An API server that never answers a DELETE and everything else at once.
    async fn answer(request: Request<Body>) -> Result<Response<Body>, Infallible> {
        match *request.method() {
            Method::DELETE => std::future::pending().await,
            _ => Ok(Response::new(Body::empty())),
        }
    }

    async fn ask(fence: &Fence, method: Method) -> Result<(), ApiError> {
        let client = fenced(Client::new(service_fn(answer), "default"), fence.clone());
        let request = Request::builder().method(method).uri("/api").body(Body::empty()).expect("a request");
        client.send(request).await.map(drop).map_err(ApiError::from)
    }

    #[tokio::test]
    async fn a_write_is_sent_only_while_the_lease_is_surely_held_and_a_read_always() {
        let fence = Fence::until_renewed();
        assert_eq!(ask(&fence, Method::POST).await, Err(ApiError::Fenced));
        assert_eq!(ask(&fence, Method::GET).await, Ok(()));
        fence.renew(Instant::now() + Duration::from_secs(60));
        assert_eq!(ask(&fence, Method::POST).await, Ok(()));
        let branch = fence.branch(None);
        branch.close();
        assert_eq!(ask(&branch, Method::PATCH).await, Err(ApiError::Fenced));
        assert_eq!(ask(&fence, Method::PATCH).await, Ok(()), "the other branches stay open");
        fence.end();
        assert_eq!(ask(&fence.branch(None), Method::PATCH).await, Err(ApiError::Fenced));
        assert_eq!(ask(&Fence::open(), Method::PUT).await, Ok(()));
    }

    #[test]
    fn epochs_of_one_lease_follow_each_other() {
        let epoch = |text| Epoch::parse(text).expect("an epoch");
        assert_eq!(epoch("coxswain-2 7").to_string(), "coxswain-2 7");
        assert!(epoch("coxswain-2 8").is_after(&epoch("coxswain-2 7")));
        assert!(!epoch("coxswain-2 7").is_after(&epoch("coxswain-2 7")));
        assert!(!epoch("coxswain-3 8").is_after(&epoch("coxswain-2 7")), "another lease has another count");
        assert_eq!(Epoch::parse("coxswain-2"), None);
    }

    #[tokio::test]
    async fn a_write_that_is_underway_is_given_up_when_the_lease_runs_out() {
        let fence = Fence::until_renewed();
        fence.renew(Instant::now() + Duration::from_millis(50));
        assert_eq!(ask(&fence, Method::DELETE).await, Err(ApiError::Fenced));
    }
}
