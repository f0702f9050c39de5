//! How fast the API server is asked: no faster than the operator's own limit, and not before the time that the API
//! server names when it has had enough.
//!
//! The API server shares itself out among its clients by its own rules (priority and fairness), and tells who has used
//! his share up: 429, with the seconds to wait in `Retry-After`. Nothing was carried out then, so any request, a create
//! too, is sent again after that time. The operator's own limit only keeps a mistake from becoming everybody's trouble;
//! it is high, and neither watches nor leases count, for a lease that is renewed late is lost.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::header::RETRY_AFTER;
use http::{Request, Response, StatusCode, Uri};
use kube::Client;
use kube::client::Body;
use tokio::time::{Instant, sleep};

use super::layer;

/// How long a request is held back in all; beyond it the caller is told, and tries later by itself.
const PATIENCE: Duration = Duration::from_secs(60);

/// How many requests are sent at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// A second, on average.
    pub each_second: u32,
    /// At once, after a pause.
    pub burst: u32,
}

/// The places that there are for requests, which come back with time.
#[derive(Debug)]
struct Places {
    rate: Rate,
    /// How many there were, and when; less than none where some were given out before they came back.
    state: Mutex<(f64, Instant)>,
}

impl Places {
    fn new(rate: Rate) -> Self {
        Self { rate, state: Mutex::new((f64::from(rate.burst), Instant::now())) }
    }

    /// Gives a place out, and how long to wait for it.
    fn take(&self, now: Instant) -> Duration {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (left, at) = *state;
        let each_second = f64::from(self.rate.each_second);
        let back = now.saturating_duration_since(at).as_secs_f64() * each_second;
        let left = (left + back).min(f64::from(self.rate.burst)) - 1.0;
        *state = (left, now);
        if left >= 0.0 { Duration::ZERO } else { Duration::from_secs_f64(-left / each_second) }
    }
}

/// The pace of one client and of all that are made from it.
#[derive(Clone, Debug)]
pub(super) struct Pace {
    places: Option<Arc<Places>>,
}

impl Pace {
    /// The pace of this rate; without one, as fast as asked.
    pub(super) fn new(rate: Option<Rate>) -> Self {
        Self { places: rate.map(|rate| Arc::new(Places::new(rate))) }
    }

    async fn wait(&self, uri: &Uri) {
        let Some(places) = self.places.as_ref().filter(|_| counts(uri)) else { return };
        let wait = places.take(Instant::now());
        if !wait.is_zero() {
            sleep(wait).await;
        }
    }
}

/// Sends by this client at a pace.
pub(super) fn paced(client: Client, pace: Pace) -> Client {
    layer::over(client, move |client, request| send(client, request, pace.clone()))
}

async fn send(client: Client, request: Request<Body>, pace: Pace) -> Result<Response<Body>, kube::Error> {
    let (head, body) = request.into_parts();
    let body = body.collect_bytes().await?;
    let began = Instant::now();
    loop {
        pace.wait(&head.uri).await;
        let answer = client.send(Request::from_parts(head.clone(), Body::from(body.clone()))).await?;
        match asked_to_wait(&answer).filter(|wait| began.elapsed() + *wait < PATIENCE) {
            Some(wait) => sleep(wait).await,
            None => return Ok(answer),
        }
    }
}

/// Whether a request counts.
fn counts(uri: &Uri) -> bool {
    let streams = uri.query().unwrap_or_default().split('&').any(|word| matches!(word, "watch=true" | "watch=1"));
    !streams && !uri.path().starts_with("/apis/coordination.k8s.io/")
}

/// How long the API server asks to wait, where it does.
fn asked_to_wait(answer: &Response<Body>) -> Option<Duration> {
    let header = answer.headers().get(RETRY_AFTER).filter(|_| answer.status() == StatusCode::TOO_MANY_REQUESTS)?;
    header.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::atomic::{AtomicU32, Ordering};

    use tower::service_fn;

    use super::*;

    /// An API server that refuses the first requests, and how often it was asked.
    fn busy(refusals: u32, retry_after: &'static str) -> (Client, Arc<AtomicU32>) {
        let asked = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&asked);
        let client = Client::new(
            service_fn(move |request: Request<Body>| {
                let asked = counted.fetch_add(1, Ordering::Relaxed);
                async move {
                    let sent = request.into_body().collect_bytes().await.unwrap_or_default();
                    let answer = match asked < refusals {
                        true => Response::builder().status(429).header(RETRY_AFTER, retry_after).body(Body::empty()),
                        false => Response::builder().status(201).body(Body::from(sent)),
                    };
                    Ok::<_, Infallible>(answer.expect("an answer"))
                }
            }),
            "default",
        );
        (client, asked)
    }

    fn create() -> Request<Body> {
        Request::post("/api/v1/namespaces/demo/configmaps").body(Body::from(b"object".to_vec())).expect("a request")
    }

    #[tokio::test]
    async fn what_the_api_server_has_no_room_for_is_sent_again_after_the_time_that_it_names() {
        let (client, asked) = busy(1, "1");
        let began = Instant::now();
        let answer = paced(client, Pace::new(None)).send(create()).await.expect("an answer");
        assert_eq!((answer.status().as_u16(), asked.load(Ordering::Relaxed)), (201, 2));
        assert_eq!(&answer.into_body().collect_bytes().await.expect("a body")[..], b"object");
        assert!(began.elapsed() >= Duration::from_secs(1));
        for too_long in ["61", "Wed, 21 Oct 2026 07:28:00 GMT"] {
            let (client, asked) = busy(1, too_long);
            let answer = paced(client, Pace::new(None)).send(create()).await.expect("an answer");
            assert_eq!((answer.status().as_u16(), asked.load(Ordering::Relaxed)), (429, 1), "{too_long}");
        }
    }

    #[test]
    fn after_a_burst_requests_come_at_the_rate_and_unused_time_is_not_saved_up() {
        let places = Places::new(Rate { each_second: 10, burst: 2 });
        let start = Instant::now();
        let wait = |after: u64| places.take(start + Duration::from_millis(after)).as_millis();
        assert_eq!([wait(0), wait(0), wait(0), wait(0)], [0, 0, 100, 200]);
        assert_eq!([wait(300), wait(60_000), wait(60_000), wait(60_000)], [0, 0, 0, 100]);
    }

    #[test]
    fn watches_and_leases_do_not_count() {
        let table = [
            ("/api/v1/secrets?limit=500", true),
            ("/api/v1/secrets?allowWatchBookmarks=true&watch=true", false),
            ("/apis/coordination.k8s.io/v1/namespaces/captain-system/leases/coxswain", false),
            ("/apis/apps/v1/namespaces/demo/deployments/web", true),
        ];
        for (uri, expected) in table {
            assert_eq!(counts(&uri.parse().expect("an address")), expected, "{uri}");
        }
    }
}
