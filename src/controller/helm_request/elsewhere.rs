//! Requests that are deployed into another cluster than their own: here they are handed over to that cluster's own
//! queue, and there they are served like any other, as long as the cluster can be reached.

use super::Reconciliation;
use super::deletion::is_ours_to_finish;
use crate::api::helm_request::Destination;
use crate::controller::events::EventType;
use crate::controller::failure::Failure;
use crate::controller::fleet::{Told, held_up};

/// Whether a request is served by who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reached {
    /// It is.
    Here,
    /// Its cluster's own queue has it, or it has gone.
    Elsewhere,
}

impl Reconciliation<'_> {
    /// Hands a request over that is deployed elsewhere, or finds its cluster within reach.
    ///
    /// # Errors
    /// Its cluster is not known or cannot be reached.
    pub(super) async fn reach(&self) -> Result<Reached, Failure> {
        let name = match (self.context.seat(), self.request.destination()) {
            (Some(seat), _) => seat.name(),
            (None, Destination::One(name)) => name,
            (None, _) => "",
        };
        let fleet = &self.context.fleet;
        let reached = match (self.context.seat(), self.request.destination()) {
            (None, Destination::Own) => return Ok(Reached::Here),
            (None, _) if self.has_gone() => {
                fleet.leave(self.request);
                Ok(Reached::Elsewhere)
            }
            (None, Destination::One(name)) => fleet.hand_over(self.request, name).map(|()| Reached::Elsewhere),
            (None, Destination::Several(_)) => return self.spread().await,
            (Some(seat), _) if matches!(seat.told(self.request), Some(Told::Gone)) => return Ok(Reached::Elsewhere),
            (Some(seat), _) => seat.reach().map(|()| Reached::Here),
        };
        match reached {
            Err(failure) if failure.away && self.is_being_deleted() && is_ours_to_finish(self.request) => {
                self.abandon(name, failure).await
            }
            reached => reached,
        }
    }

    /// Hands a request over to each cluster that its status names; the others follow as soon as it does.
    async fn spread(&self) -> Result<Reached, Failure> {
        if !self.is_being_deleted() && !self.request.is_suspended() {
            self.add_finalizer().await?;
        }
        for entry in self.context.last_status(self.request).clusters {
            // A cluster that cannot be used is told of with the others.
            let _ = self.context.fleet.hand_over(self.request, &entry.name);
        }
        self.context.fleet.sum_up_soon(self.request);
        Ok(Reached::Elsewhere)
    }

    /// Whether the release is to go from here: the request is being deleted, or does not pick this cluster any more.
    pub(super) fn is_to_go(&self) -> bool {
        let passed_over = |name| !self.request.is_suspended() && self.context.fleet.passes_over(self.request, name);
        self.is_being_deleted() || self.context.seat().is_some_and(|seat| passed_over(seat.name()))
    }

    /// Lets the request go, as far as this cluster is concerned.
    ///
    /// # Errors
    /// Its finalizer could not be taken away.
    pub(super) async fn let_go(&self) -> Result<(), Failure> {
        match self.context.seat_of_several(self.request) {
            Some(seat) => {
                seat.tell(self.request, Told::Gone);
                Ok(())
            }
            None => self.remove_finalizer().await,
        }
    }

    /// Lets a request that is being deleted go without its release, where it says so.
    async fn abandon(&self, name: &str, failure: Failure) -> Result<Reached, Failure> {
        if !self.request.abandons(name) {
            return Err(held_up(name, &failure));
        }
        self.let_go().await?;
        let note = format!("the release in cluster {name} is left behind as asked: {}", failure.message);
        self.report().event(EventType::Warning, "Abandoned", "Delete", &note).await;
        self.context.forget(self.request);
        Ok(Reached::Elsewhere)
    }

    fn has_gone(&self) -> bool {
        self.is_being_deleted() && !is_ours_to_finish(self.request)
    }

    fn is_being_deleted(&self) -> bool {
        self.request.metadata.deletion_timestamp.is_some()
    }
}
