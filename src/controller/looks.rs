//! When each request is looked at: at once when something wakes it, again when a look says so, and never twice at the
//! same time. Who is woken during a look is looked at once more after it.
//!
//! Each look is a task of its own, and thousands of them may wait for their turn; only those that go on cost anything.
//! (kube's `Controller` asks every task that is underway whenever one of them ends.)

use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::{FutureExt, Stream, StreamExt};
use kube::runtime::reflector::ObjectRef;
use tokio::task::{AbortHandle, JoinSet};

use super::context::Context;
use super::helm_request;
use crate::api::HelmRequest;

/// When a look that panicked is repeated.
const AFTER_PANIC: Duration = Duration::from_secs(60);

/// How it stands with one of those that are looked at.
enum State {
    /// It is being looked at; whether something has woken it since.
    Underway { woken: bool },
    /// It is looked at again when this alarm ends.
    Later(AbortHandle),
}

/// What a task has come to.
enum End<K> {
    /// A look has ended, and says when to look again.
    Look(K, Option<Duration>),
    /// The pause before the next look is over.
    Alarm(K),
}

/// The looks that are underway or to come.
struct Looks<K, L> {
    look: L,
    states: HashMap<K, State>,
    tasks: JoinSet<End<K>>,
}

/// Looks at the requests that `woken` names, once the watch has shown them all.
pub async fn at_requests(
    woken: impl Stream<Item = ObjectRef<HelmRequest>>,
    context: Arc<Context>,
    stop: impl Future<Output = ()>,
) {
    let requests = context.requests().clone();
    let shown = async {
        // Where the watch ends before, nothing is woken any more.
        let _ = requests.wait_until_ready().await;
    };
    let look =
        |request: &ObjectRef<HelmRequest>| Some(helm_request::reconcile(requests.get(request)?, Arc::clone(&context)));
    run(woken, look, shown, stop).await;
}

/// Looks at each of those that `woken` names, from when `ready` is done until `stop` is. Then waits for the looks that are
/// underway.
///
/// `look` gives what is to be done about one of them, or nothing where there is nothing to look at; what is done tells
/// when to look again without being woken.
async fn run<K, F>(
    woken: impl Stream<Item = K>,
    look: impl Fn(&K) -> Option<F>,
    ready: impl Future<Output = ()>,
    stop: impl Future<Output = ()>,
) where
    K: Clone + Eq + Hash + Send + 'static,
    F: Future<Output = Option<Duration>> + Send + 'static,
{
    let mut looks = Looks { look, states: HashMap::new(), tasks: JoinSet::new() };
    let (mut woken, mut ready, mut stop) =
        (std::pin::pin!(woken.fuse()), std::pin::pin!(ready.fuse()), std::pin::pin!(stop));
    let (mut is_ready, mut early) = (false, HashSet::new());
    loop {
        tokio::select! {
            () = &mut stop => break,
            () = &mut ready, if !is_ready => {
                is_ready = true;
                early.drain().for_each(|key| looks.wake(key));
            }
            Some(key) = woken.next() => {
                if is_ready {
                    looks.wake(key);
                } else {
                    early.insert(key);
                }
            }
            Some(ended) = looks.tasks.join_next() => {
                // What was called off has nothing to say.
                if let Ok(end) = ended {
                    looks.take(end);
                }
            }
        }
    }
    looks.end().await;
}

impl<K, F, L> Looks<K, L>
where
    K: Clone + Eq + Hash + Send + 'static,
    F: Future<Output = Option<Duration>> + Send + 'static,
    L: Fn(&K) -> Option<F>,
{
    fn wake(&mut self, key: K) {
        match self.states.get_mut(&key) {
            Some(State::Underway { woken }) => *woken = true,
            Some(State::Later(alarm)) => {
                alarm.abort();
                self.begin(key);
            }
            None => self.begin(key),
        }
    }

    fn take(&mut self, end: End<K>) {
        match end {
            End::Look(key, again) => {
                let woken = matches!(self.states.remove(&key), Some(State::Underway { woken: true }));
                match again {
                    _ if woken => self.begin(key),
                    Some(pause) => self.set_alarm(key, pause),
                    None => {}
                }
            }
            // One that was woken just before is looked at already.
            End::Alarm(key) if matches!(self.states.get(&key), Some(State::Later(_))) => self.begin(key),
            End::Alarm(_) => {}
        }
    }

    fn begin(&mut self, key: K) {
        let Some(look) = (self.look)(&key) else {
            self.states.remove(&key);
            return;
        };
        self.states.insert(key.clone(), State::Underway { woken: false });
        self.tasks.spawn(async move {
            let again = AssertUnwindSafe(look).catch_unwind().await.unwrap_or_else(|_| {
                tracing::error!("a look at a request panicked; it is repeated after a minute");
                Some(AFTER_PANIC)
            });
            End::Look(key, again)
        });
    }

    fn set_alarm(&mut self, key: K, pause: Duration) {
        let of = key.clone();
        let alarm = self.tasks.spawn(async move {
            tokio::time::sleep(pause).await;
            End::Alarm(of)
        });
        self.states.insert(key, State::Later(alarm));
    }

    /// Waits for the looks that are underway; none begins any more.
    async fn end(mut self) {
        for state in self.states.values() {
            if let State::Later(alarm) = state {
                alarm.abort();
            }
        }
        while self.tasks.join_next().await.is_some() {}
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use futures::channel::mpsc::unbounded;
    use tokio::sync::{Notify, oneshot};

    use super::*;

    /// What was looked at, in order.
    type Seen = Arc<Mutex<Vec<&'static str>>>;

    fn seen(seen: &Seen) -> Vec<&'static str> {
        seen.lock().expect("not poisoned").clone()
    }

    async fn until(holds: impl Fn() -> bool) {
        let waiting = async {
            while !holds() {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), waiting).await.expect("it comes to it");
    }

    #[tokio::test]
    async fn one_is_looked_at_once_at_a_time_and_again_if_it_was_woken_meanwhile() {
        let (wake, woken) = unbounded();
        let (looked, gate) = (Seen::default(), Arc::new(Notify::new()));
        let (stop, stopped) = oneshot::channel::<()>();
        let look = {
            let (looked, gate) = (Arc::clone(&looked), Arc::clone(&gate));
            move |key: &&'static str| {
                looked.lock().expect("not poisoned").push(*key);
                let gate = Arc::clone(&gate);
                Some(async move {
                    gate.notified().await;
                    None
                })
            }
        };
        let running = tokio::spawn(run(woken, look, std::future::ready(()), async { drop(stopped.await) }));
        for key in ["a", "a", "a", "b"] {
            wake.unbounded_send(key).expect("it listens");
        }
        until(|| seen(&looked).len() == 2).await;
        assert_eq!(seen(&looked), ["a", "b"]);
        gate.notify_one();
        until(|| seen(&looked).len() == 3).await;
        assert_eq!(seen(&looked)[2], "a", "once for all that woke it");
        stop.send(()).expect("it runs");
        gate.notify_one();
        gate.notify_one();
        until(|| {
            gate.notify_one();
            running.is_finished()
        })
        .await;
        assert_eq!(seen(&looked).len(), 3);
    }

    #[tokio::test]
    async fn nothing_is_looked_at_before_all_is_ready_and_each_again_after_its_pause() {
        let (wake, woken) = unbounded();
        let looked = Seen::default();
        let (ready, is_ready) = oneshot::channel::<()>();
        let look = {
            let looked = Arc::clone(&looked);
            move |key: &&'static str| {
                if *key == "gone" {
                    return None;
                }
                let mut looked = looked.lock().expect("not poisoned");
                looked.push(*key);
                let again = (looked.len() < 3).then_some(Duration::from_millis(1));
                Some(std::future::ready(again))
            }
        };
        let ready_at = async { drop(is_ready.await) };
        let running = tokio::spawn(run(woken, look, ready_at, std::future::pending()));
        for key in ["a", "gone", "a"] {
            wake.unbounded_send(key).expect("it listens");
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(seen(&looked).is_empty());
        ready.send(()).expect("it waits");
        until(|| seen(&looked).len() == 3).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert_eq!(seen(&looked), ["a", "a", "a"]);
        running.abort();
    }

    #[tokio::test]
    async fn one_that_is_woken_does_not_wait_for_its_pause_and_one_that_panics_holds_up_nobody() {
        let (wake, woken) = unbounded();
        let looked = Seen::default();
        let look = {
            let looked = Arc::clone(&looked);
            move |key: &&'static str| {
                looked.lock().expect("not poisoned").push(*key);
                let panics = *key == "panics";
                Some(async move {
                    assert!(!panics, "a test of a panic");
                    Some(Duration::from_secs(3600))
                })
            }
        };
        let running = tokio::spawn(run(woken, look, std::future::ready(()), std::future::pending()));
        wake.unbounded_send("panics").expect("it listens");
        for times in 1..=3 {
            wake.unbounded_send("a").expect("it listens");
            until(|| seen(&looked).iter().filter(|key| **key == "a").count() >= times).await;
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        running.abort();
    }
}
