//! Turns: how many operations are underway at the same time.
//!
//! A thousand requests may change at once. Each operation holds its render and connections to the API server, and more
//! of them would only queue there; so an operation takes a turn before its first write and keeps it to its last one.
//! While it waits for what others do (a chart server, the end of a hook, healthy objects) it lets the next one go on.
//! Having waited, it goes before those that have not begun: what is begun ends soon, and few are underway at any time.
//! One that takes long (a thousand objects, a definition that is not established, an API server that is silent) goes on
//! without a turn, so that whatever holds it up holds up nobody else. Once the operator is told to end, none begins that
//! has not begun.

use std::future::pending;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep};

/// How long an operation keeps its turn at most; nearly all end within a second.
const LONGEST: Duration = Duration::from_secs(10);

/// The turns that there are.
#[derive(Clone)]
pub struct Turns {
    free: Arc<Semaphore>,
    /// Only one of those that have not begun waits for a free turn; the others wait here, so that one that goes on has
    /// at most one before it.
    door: Arc<Semaphore>,
    /// How long an operation keeps its turn at most.
    longest: Duration,
}

/// The turn of one operation; it ends when this is dropped.
pub struct Turn {
    turns: Turns,
    state: Mutex<State>,
    /// Told where it never comes.
    turned_away: Notify,
}

/// Whether an operation may write.
#[derive(Default)]
enum State {
    /// It has not asked to.
    #[default]
    Unasked,
    /// It waits among others.
    Queued,
    /// It may since then.
    Held { since: Instant, _permit: Option<OwnedSemaphorePermit> },
    /// It has begun and lets others go on.
    Paused,
}

impl Turns {
    /// So many at the same time.
    pub fn new(count: usize) -> Self {
        Self { free: Arc::new(Semaphore::new(count)), door: Arc::new(Semaphore::new(1)), longest: LONGEST }
    }

    /// The turn of an operation that has not begun.
    pub fn turn(&self) -> Turn {
        Turn { turns: self.clone(), state: Mutex::default(), turned_away: Notify::new() }
    }

    /// Lets no operation begin from now on; those that have begun go on.
    pub fn close(&self) {
        self.door.close();
    }
}

impl Turn {
    /// Waits until the operation may write; one that may already goes on. Once no more may begin, one that has not
    /// waits for ever, and [`Turn::bound`] ends it.
    pub async fn take(&self) {
        let has_begun = match *self.state() {
            State::Held { .. } => return,
            State::Paused => true,
            State::Unasked | State::Queued => false,
        };
        *self.state() = State::Queued;
        let _permit = if has_begun { self.next_free().await } else { self.begin().await };
        *self.state() = State::Held { since: Instant::now(), _permit };
    }

    async fn begin(&self) -> Option<OwnedSemaphorePermit> {
        let door = self.turns.door.acquire().await;
        if let Ok(_door) = door {
            let permit = self.next_free().await;
            if !self.turns.door.is_closed() {
                return permit;
            }
        }
        self.turned_away.notify_one();
        pending().await
    }

    async fn next_free(&self) -> Option<OwnedSemaphorePermit> {
        // This semaphore is never closed.
        Arc::clone(&self.turns.free).acquire_owned().await.ok()
    }

    /// Runs what takes this turn; once it has had it for long, it goes on and so does the next. Gives nothing where it
    /// may not begin any more.
    pub async fn bound<T>(&self, operation: impl Future<Output = T>) -> Option<T> {
        let mut operation = pin!(operation);
        loop {
            tokio::select! {
                outcome = &mut operation => return Some(outcome),
                () = self.turned_away.notified() => return None,
                () = sleep(self.left()) => {}
            }
            if self.left().is_zero() {
                self.pause();
            }
        }
    }

    /// How long it may still be kept; all the time where it is not held.
    fn left(&self) -> Duration {
        match *self.state() {
            State::Held { since, .. } => self.turns.longest.saturating_sub(since.elapsed()),
            State::Unasked | State::Queued | State::Paused => self.turns.longest,
        }
    }

    /// Lets another go on, as this one only waits or has ended.
    pub fn pause(&self) {
        let mut state = self.state();
        if matches!(*state, State::Held { .. }) {
            *state = State::Paused;
        }
    }

    /// Whether it waits for its turn, or did until this long ago.
    pub fn was_queued_within(&self, time: Duration) -> bool {
        match *self.state() {
            State::Unasked | State::Paused => false,
            State::Queued => true,
            State::Held { since, .. } => since.elapsed() < time,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    /// Whether an operation may write now.
    fn may(turn: &Turn) -> bool {
        turn.take().now_or_never().is_some()
    }

    #[test]
    fn as_many_are_underway_as_there_are_turns_and_one_that_ends_lets_the_next_begin() {
        let turns = Turns::new(2);
        let [first, second, third] = [turns.turn(), turns.turn(), turns.turn()];
        assert!(may(&first) && may(&second) && may(&first), "who has a turn keeps it");
        assert!(!may(&third));
        drop(second);
        assert!(may(&third));
    }

    #[test]
    fn one_that_only_waits_lets_others_go_on_and_goes_before_those_that_have_not_begun() {
        let turns = Turns::new(1);
        let [begun, other] = [turns.turn(), turns.turn()];
        let new: Vec<Turn> = (0..3).map(|_| turns.turn()).collect();
        assert!(may(&begun));
        begun.pause();
        assert!(may(&other));
        let mut queued: Vec<_> = new.iter().map(|turn| Box::pin(turn.take())).collect();
        assert!(queued.iter_mut().all(|taking| taking.as_mut().now_or_never().is_none()));
        let mut again = Box::pin(begun.take());
        assert!(again.as_mut().now_or_never().is_none());
        drop(other);
        assert!(queued[0].as_mut().now_or_never().is_some(), "the first was at the door already");
        new[0].pause();
        assert!(queued[1].as_mut().now_or_never().is_none());
        assert!(again.as_mut().now_or_never().is_some());
    }

    #[tokio::test]
    async fn what_takes_long_goes_on_without_holding_up_others() {
        let longest = Duration::from_millis(50);
        let turns = Turns { longest, ..Turns::new(1) };
        let [first, second] = [turns.turn(), turns.turn()];
        let (begun, told) = tokio::sync::oneshot::channel();
        let long = first.bound(async {
            first.take().await;
            // It ends only after the other has begun.
            told.await.is_ok()
        });
        let next = second.bound(async {
            let asked = Instant::now();
            second.take().await;
            begun.send(()).map(|()| asked.elapsed())
        });
        let (done, waited) = tokio::join!(long, next);
        assert_eq!(done, Some(true));
        assert!(waited.is_some_and(|waited| waited.is_ok_and(|waited| waited >= longest)));
    }

    #[tokio::test]
    async fn once_closed_what_waits_ends_and_what_has_begun_goes_on() {
        let turns = Turns::new(1);
        let [begun, queued, new] = [turns.turn(), turns.turn(), turns.turn()];
        assert!(may(&begun));
        let mut waiting = Box::pin(queued.bound(queued.take()));
        assert!(waiting.as_mut().now_or_never().is_none());
        let mut last = Box::pin(new.bound(new.take()));
        assert!(last.as_mut().now_or_never().is_none());
        turns.close();
        assert_eq!(last.await, None);
        let late = turns.turn();
        assert_eq!(late.bound(late.take()).await, None);
        begun.pause();
        assert_eq!(waiting.await, None, "the next to begin does not");
        assert!(may(&begun), "what has begun takes its turn again");
    }

    #[test]
    fn waiting_for_a_turn_is_no_slow_operation() {
        let turns = Turns::new(1);
        let [first, second] = [turns.turn(), turns.turn()];
        assert!(!first.was_queued_within(Duration::from_secs(60)));
        assert!(
            may(&first) && first.was_queued_within(Duration::from_secs(60)) && !first.was_queued_within(Duration::ZERO)
        );
        let mut waiting = Box::pin(second.take());
        assert!(waiting.as_mut().now_or_never().is_none());
        assert!(second.was_queued_within(Duration::ZERO));
        first.pause();
        assert!(!first.was_queued_within(Duration::from_secs(60)));
    }
}
