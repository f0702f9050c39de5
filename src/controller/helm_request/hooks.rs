//! Running the hooks of an event, with the journal kept so that a finished hook never runs again.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::journal::Journal;
use super::values;
use crate::api::HelmRequest;
use crate::cluster::Cluster;
use crate::cluster::hooks::{DeletePolicy, HookError, HookRun};
use crate::controller::context::Context;
use crate::controller::events::{EventType, Note};
use crate::controller::failure::{Failure, end_of_log};
use crate::controller::turns::Turn;
use crate::release::{Phase, Progress};
use crate::render::Event;

/// The longest end of a log in an event, in bytes; the API server takes 1 KiB of text.
const LONGEST_LOG: usize = 800;

/// Runs the hooks of an operation on the release of a request.
pub struct Hooks<'a> {
    /// The operator's shared parts.
    pub context: &'a Context,
    /// The request.
    pub request: &'a HelmRequest,
    /// The cluster, with the rights of the request.
    pub cluster: &'a Cluster,
    /// The turn of the operation among others.
    pub turn: &'a Turn,
    /// When the operation must have ended.
    pub deadline: Instant,
}

impl Hooks<'_> {
    /// Runs the hooks of an event one after the other (`pkg/action/hooks.go`). A hook that the journal has as succeeded
    /// is passed over; one that it has as running is followed to its end.
    ///
    /// # Errors
    /// A hook failed; those after it are not run.
    pub async fn run(&self, journal: &mut Journal<'_>, event: Event) -> Result<(), Failure> {
        let places = journal.record.hooks_of(event);
        if places.is_empty() {
            return Ok(());
        }
        let Some(since) = journal.enter(event) else { return Ok(()) };
        for (done, &place) in places.iter().enumerate() {
            if let Err(error) = self.run_one(journal, place, since).await? {
                journal.finish_hook(place, Phase::Failed).await?;
                self.delete(journal, &[place], DeletePolicy::HookFailed).await?;
                self.delete(journal, &places[..done], DeletePolicy::HookSucceeded).await?;
                return Err(error.into());
            }
        }
        self.delete(journal, &places, DeletePolicy::HookSucceeded).await
    }

    /// The same for an operation that needs no values: that the log of a hook quotes none that came from a Secret, they
    /// are read where there is a hook to run.
    ///
    /// # Errors
    /// As [`Hooks::run`].
    pub async fn run_without_values(&self, journal: &mut Journal<'_>, event: Event) -> Result<(), Failure> {
        if !journal.record.hooks_of(event).is_empty() {
            let sources = self.context.cluster_of_sources(self.cluster, self.request)?;
            journal.secrets = values::read_secrets(&sources, self.request).await;
        }
        self.run(journal, event).await.map_err(|failure| journal.secrets.concealed(failure))
    }

    /// Runs a hook that has not yet succeeded.
    async fn run_one(
        &self,
        journal: &mut Journal<'_>,
        place: usize,
        since: Timestamp,
    ) -> Result<Result<(), HookError>, Failure> {
        let progress = journal.record.hooks[place].progress(since);
        let token = match progress {
            Progress::Succeeded => return Ok(Ok(())),
            Progress::Running | Progress::Failed => journal.hook_token(place),
            Progress::Waiting => journal.start_hook(place).await?,
        };
        let run = HookRun {
            hook: &journal.record.hooks[place],
            namespace: &journal.record.namespace,
            token: &token,
            timeout: self.deadline.saturating_duration_since(Instant::now()).max(Duration::from_secs(1)),
        };
        // One that is known to have failed ends the operation; its objects may be gone, and those it needs.
        if progress == Progress::Failed {
            return Ok(Err(self.cluster.recall_failure(run).await));
        }
        self.turn.pause();
        let log = self.cluster.run_hook(run).await;
        self.turn.take().await;
        let log = match log {
            Ok(log) => log,
            Err(error) => return Ok(Err(error)),
        };
        journal.finish_hook(place, Phase::Succeeded).await?;
        self.tell_log(journal, place, &log).await;
        Ok(Ok(()))
    }

    /// Tells the log of a hook that asks for it: the helm command prints it, here it is an event.
    async fn tell_log(&self, journal: &Journal<'_>, place: usize, log: &[String]) {
        let log = journal.secrets.conceal(&end_of_log(log, LONGEST_LOG));
        if log.is_empty() {
            return;
        }
        let note = Note {
            event_type: EventType::Normal,
            reason: "HookSucceeded".to_owned(),
            action: "RunHook".to_owned(),
            text: format!("hook {} succeeded; its log ends: {log}", journal.record.hooks[place].path),
            related: None,
        };
        self.context.publish(self.request, &note).await;
    }

    /// Deletes the objects of those hooks whose policy asks for it.
    async fn delete(&self, journal: &Journal<'_>, places: &[usize], policy: DeletePolicy) -> Result<(), Failure> {
        let hooks: Vec<_> = places.iter().rev().map(|&place| &journal.record.hooks[place]).collect();
        let namespace = &journal.record.namespace;
        Ok(self.cluster.delete_hooks(&hooks, policy, namespace, Duration::from_secs(60)).await?)
    }
}
