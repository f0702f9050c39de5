//! The order in which requests that depend on each other are deleted: the other way round.
//!
//! A request that is being deleted waits for those that depend on it and are being deleted too. One that depends on it and
//! stays holds nothing up: whoever deletes a dependency wants it gone, and what is deployed is kept. Requests of a ring do
//! not wait for each other.

use std::ops::ControlFlow;
use std::time::Duration;

use jiff::Timestamp;
use kube::ResourceExt;
use kube::runtime::reflector::ObjectRef;

use super::Reconciliation;
use super::deletion::is_ours_to_finish;
use super::status::Standing;
use crate::api::conditions::{self, ConditionType};
use crate::api::{HelmRequest, Reason};
use crate::controller::dependents::dependencies;
use crate::controller::events::EventType;
use crate::controller::failure::Failure;
use crate::plan::ring_through;

/// How many seconds dependents may be deleted after what they depend on, to be deleted together with it: what `kubectl
/// delete` deletes by one command it deletes one after the other.
const TOGETHER: i64 = 5;

impl Reconciliation<'_> {
    /// Whether requests that depend on this one have to go first; then, when to look again without being called.
    ///
    /// # Errors
    /// The status could not be written.
    pub(super) async fn dependents_first(&self) -> Result<ControlFlow<Option<Duration>>, Failure> {
        let own = ObjectRef::from_obj(self.request);
        let mut dependents = self.context.dependents.of(&own);
        if dependents.is_empty() || self.request.metadata.deletion_timestamp.is_none() {
            return Ok(ControlFlow::Continue(()));
        }
        self.context.dependents.wait(&own, dependents.iter().map(|found| ObjectRef::from_obj(&**found)).collect());
        // The store may be newer than what was read before.
        dependents = self.context.dependents.of(&own);
        dependents.retain(|dependent| is_ours_to_finish(dependent) && !self.is_in_ring(dependent));
        let (going, staying): (Vec<_>, Vec<_>) =
            dependents.iter().partition(|dependent| dependent.metadata.deletion_timestamp.is_some());
        if !going.is_empty() {
            let named: Vec<String> = going.iter().map(|dependent| self.told(dependent)).collect();
            let message = format!("waiting until what depends on it is deleted: {}", named.join("; "));
            let waiting = Standing::Waiting(Failure::new(Reason::DependentsNotDeleted, message));
            let again = self.report().standing(waiting, None).await?;
            return Ok(ControlFlow::Break(again));
        }
        if let Some(left) = self.time_together().filter(|_| !staying.is_empty()) {
            return Ok(ControlFlow::Break(Some(left)));
        }
        self.context.dependents.wait(&own, Vec::new());
        if !staying.is_empty() {
            let named: Vec<String> = staying.iter().map(|dependent| self.named(dependent)).collect();
            let note = format!("deleted although it is needed by HelmRequest {}", named.join(", "));
            self.report().event(EventType::Warning, "DependencyDeleted", "Delete", &note).await;
        }
        Ok(ControlFlow::Continue(()))
    }

    /// A dependent and what it is doing.
    fn told(&self, dependent: &HelmRequest) -> String {
        let status = self.context.last_status(dependent);
        let why = conditions::find(&status.conditions, ConditionType::Ready);
        let why = why.map(|ready| format!(" ({}: {})", ready.reason, ready.message)).unwrap_or_default();
        format!("HelmRequest {}{why}", self.named(dependent))
    }

    fn named(&self, dependent: &HelmRequest) -> String {
        self.shown(&dependent.namespace().unwrap_or_default(), &dependent.name_any())
    }

    /// Whether this request depends on its dependent, over others perhaps.
    fn is_in_ring(&self, dependent: &HelmRequest) -> bool {
        let dependent = ObjectRef::from_obj(dependent);
        let own = ObjectRef::from_obj(self.request);
        let edges = |of: &ObjectRef<HelmRequest>| {
            let mut edges = self.context.request(of).map(|request| dependencies(&request)).unwrap_or_default();
            // Only the rings through both count.
            if *of == dependent {
                edges.retain(|edge| *edge == own);
            }
            edges
        };
        ring_through(&dependent, edges).is_some()
    }

    /// What is left of the time in which others may still be deleted together with it.
    fn time_together(&self) -> Option<Duration> {
        let deleted = self.request.metadata.deletion_timestamp.as_ref()?.0;
        time_left(Timestamp::now().as_second().saturating_sub(deleted.as_second()))
    }
}

/// What is left of the time together so many seconds after a deletion, as two clocks tell that.
fn time_left(age: i64) -> Option<Duration> {
    // A clock that is far behind the API server's must not hold a deletion up for as long.
    let left = u64::try_from(TOGETHER.saturating_sub(age)).ok()?;
    (1..=2 * TOGETHER.unsigned_abs()).contains(&left).then(|| Duration::from_secs(left))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_are_waited_for_a_moment_whatever_the_clock_says() {
        for (age, left) in [(0, Some(5)), (4, Some(1)), (5, None), (60, None), (-3, Some(8)), (-3_600, None)] {
            assert_eq!(time_left(age), left.map(Duration::from_secs), "{age}");
        }
    }
}
