//! Running the hooks of an event, with the journal kept so that a finished hook never runs again.

use std::time::Duration;

use tokio::time::Instant;

use super::journal::Journal;
use crate::cluster::Cluster;
use crate::cluster::hooks::{DeletePolicy, HookRun};
use crate::controller::failure::Failure;
use crate::release::{Phase, Progress};
use crate::render::Event;

/// Runs the hooks of an event one after the other (`pkg/action/hooks.go`). A hook that the journal has as succeeded is
/// passed over; one that it has as running is followed to its end.
///
/// # Errors
/// A hook failed; those after it are not run.
pub async fn run(cluster: &Cluster, journal: &mut Journal<'_>, event: Event, deadline: Instant) -> Result<(), Failure> {
    let places = journal.record.hooks_of(event);
    if places.is_empty() {
        return Ok(());
    }
    let Some(since) = journal.enter(event) else { return Ok(()) };
    for (done, &place) in places.iter().enumerate() {
        let progress = journal.record.hooks[place].progress(since);
        let token = match progress {
            Progress::Succeeded => continue,
            Progress::Running | Progress::Failed => journal.hook_token(place),
            Progress::Waiting => journal.start_hook(place).await?,
        };
        let run = HookRun {
            hook: &journal.record.hooks[place],
            namespace: &journal.record.namespace,
            token: &token,
            timeout: deadline.saturating_duration_since(Instant::now()).max(Duration::from_secs(1)),
        };
        // One that is known to have failed ends the operation; its objects may be gone, and those it needs.
        let result = match progress {
            Progress::Failed => Err(cluster.recall_failure(run).await),
            _ => cluster.run_hook(run).await,
        };
        if let Err(error) = result {
            journal.finish_hook(place, Phase::Failed).await?;
            delete(cluster, journal, &[place], DeletePolicy::HookFailed).await?;
            delete(cluster, journal, &places[..done], DeletePolicy::HookSucceeded).await?;
            return Err(error.into());
        }
        journal.finish_hook(place, Phase::Succeeded).await?;
    }
    delete(cluster, journal, &places, DeletePolicy::HookSucceeded).await
}

/// Deletes the objects of those hooks whose policy asks for it.
async fn delete(
    cluster: &Cluster,
    journal: &Journal<'_>,
    places: &[usize],
    policy: DeletePolicy,
) -> Result<(), Failure> {
    let hooks: Vec<_> = places.iter().rev().map(|&place| &journal.record.hooks[place]).collect();
    let namespace = &journal.record.namespace;
    Ok(cluster.delete_hooks(&hooks, policy, namespace, Duration::from_secs(60)).await?)
}
