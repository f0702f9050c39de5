//! Repairing drift: the objects that deviate are applied again, each alone, from the deployed revision's record.
//!
//! What happened is told in one event for each object (see [`super::repair_notes`]). A writer who takes the same field
//! again after each repair is not fought at full speed: each repair of an object that follows the last one too soon
//! waits longer than the one before. That is told once; while a repair waits, the status names the fields and the
//! writer.

use std::time::Duration;

use tokio::time::Instant;

use super::deploy::Deployment;
use super::repair_notes;
use crate::api::helm_request::SHOWN_OBJECTS;
use crate::cluster::apply::{Applied, ApplyOptions};
use crate::cluster::kept::Keeping;
use crate::cluster::manifest_error::ManifestError;
use crate::cluster::object::Readable;
use crate::cluster::observe::{Cause, Deviation, Taken, cause, foreseen};
use crate::cluster::{Object, ObjectKey};
use crate::controller::events::Note;
use crate::controller::failure::Failure;
use crate::controller::following::Pace;
use crate::value::Json;

/// Repairs what deviates from the deployed revision. Returns when to come back for what has to wait.
///
/// # Errors
/// An object could not be applied; the others are repaired all the same.
pub async fn run(deployment: &Deployment<'_>, revision: i64) -> Result<Option<Duration>, Failure> {
    let deviating = deployment.context.deviations(deployment.request);
    let (now, later) = deployment.context.repairs_due(deployment.request, &deviating);
    if now.is_empty() {
        return Ok(later);
    }
    let (objects, mut failed) = served_objects(deployment, revision, &now).await?;
    let keeping = deployment.keeping(revision);
    let is_unread = failed.is_some();
    for Deviation { object: key, since, .. } in &now {
        let object = objects.iter().find(|object| object.key == *key);
        // What cannot be tried does not wait longer for it.
        if object.is_none() && is_unread {
            continue;
        }
        let repaired = match object {
            Some(object) => repair(deployment, object, *since, &keeping).await,
            None => Ok(()),
        };
        if object.is_none() || repaired.is_err() {
            deployment.context.repaired(deployment.request, key, None);
        }
        failed = repaired.err().or(failed);
    }
    keeping.close().await?;
    failed.map_or(Ok(later), Err)
}

/// Those of the objects of a revision that are to be repaired and can be, and why others cannot: their kind is gone.
async fn served_objects(
    deployment: &Deployment<'_>,
    revision: i64,
    now: &[Deviation],
) -> Result<(Vec<Object>, Option<Failure>), Failure> {
    let record = deployment.record(revision).await?;
    let read = deployment.cluster.read_served(&record.manifest, &deployment.release.namespace).await;
    let Readable { mut objects, errors } = read.map_err(ManifestError::from)?;
    deployment.stamp(&mut objects);
    objects.retain(|object| now.iter().any(|deviation| deviation.object == object.key));
    let unread = (objects.len() < now.len() && !errors.is_empty()).then(|| ManifestError::Documents(errors).into());
    Ok((objects, unread))
}

/// Repairs an object that was changed at `since`. What is done is told before it is done, so that a repair cannot stay
/// untold where the operator is killed; where it turns out otherwise, that is told instead.
async fn repair(
    deployment: &Deployment<'_>,
    object: &Object,
    since: Instant,
    keeping: &Keeping<'_>,
) -> Result<(), Failure> {
    let Deployment { context, request, cluster, .. } = deployment;
    let live = cluster.live(object).await?;
    let failed_before = context.recall(request, |memory| memory.unrepaired.contains(&object.key));
    let foretold = if failed_before { None } else { foretell(deployment, object, live.as_ref()) };
    if let Some(note) = &foretold {
        context.publish(request, note).await;
    }
    let applied = match put_back(deployment, object, live.is_some(), keeping).await {
        Ok(applied) => applied,
        Err(failure) => {
            if let Some(note) = &foretold {
                context.take_back(request, note).await;
            }
            context.with_memory(request, |memory| memory.unrepaired.insert(object.key.clone()));
            return Err(failure);
        }
    };
    context.with_memory(request, |memory| memory.unrepaired.remove(&object.key));
    let taken = taken_from(live.as_ref(), &applied);
    let why = cause_of(deployment, live.as_ref(), &taken);
    let told = repair_notes::repaired(object, live.as_ref(), &taken, &applied.json, why);
    if told != foretold {
        if let Some(note) = &foretold {
            context.take_back(request, note).await;
        }
        if let Some(note) = &told {
            context.publish(request, note).await;
        }
    }
    context.metrics.repaired(why.as_str(), since.elapsed());
    deployment.tell_of_replaced(std::slice::from_ref(&applied)).await;
    deployment.tell_of_mutated(std::slice::from_ref(object), std::slice::from_ref(&applied)).await;
    let is_known = live.is_none() || !taken.is_empty();
    slow_down(deployment, object, is_known.then_some(taken)).await;
    Ok(())
}

/// Applies an object as it is declared.
async fn put_back(
    deployment: &Deployment<'_>,
    object: &Object,
    is_live: bool,
    keeping: &Keeping<'_>,
) -> Result<Applied, Failure> {
    let Deployment { context, request, cluster, .. } = deployment;
    let options = deployment.restoring(keeping);
    let applied = match cluster.apply(object, options).await {
        Err(refused) if is_live && cluster.replace_lists(object, &refused.error).await? => {
            cluster.apply(object, options).await?
        }
        applied => applied?,
    };
    context.expect(request, &applied);
    Ok(applied)
}

/// What is going to be told of a repair, as far as that can be known.
fn foretell(deployment: &Deployment<'_>, object: &Object, live: Option<&Json>) -> Option<Note> {
    let owned = live.map(|live| foreseen(&object.json, &object.policy.left, live));
    let taken = live.zip(owned.as_ref()).map(|(live, owned)| cause(live, owned)).unwrap_or_default();
    repair_notes::repaired(object, live, &taken, &object.json, cause_of(deployment, live, &taken))
}

fn cause_of(deployment: &Deployment<'_>, live: Option<&Json>, taken: &[Taken]) -> Cause {
    Cause::of(live, taken, (&deployment.release.name, &deployment.release.namespace))
}

/// Notes the repair; where an object has to be repaired again and again, that is told, and the next one waits.
async fn slow_down(deployment: &Deployment<'_>, object: &Object, taken: Option<Vec<Taken>>) {
    let Deployment { context, request, .. } = deployment;
    let pace = context.repaired(request, &object.key, taken);
    let repaired = context.recall(request, |memory| memory.repairs.get(&object.key).cloned());
    let taken = repaired.map(|repaired| repaired.taken).unwrap_or_default();
    if pace == Pace::Slowing {
        context.publish(request, &repair_notes::contested(object, &taken)).await;
    }
    if pace != Pace::Full {
        context.with_memory(request, |memory| memory.explained.insert(object.key.clone(), (0, taken)));
    }
}

fn taken_from(live: Option<&Json>, applied: &Applied) -> Vec<Taken> {
    live.zip(applied.owned_fields()).map(|(live, owned)| cause(live, owned)).unwrap_or_default()
}

/// Finds out what others changed of the objects that are only reported, by a dry run of their repair.
pub async fn explain(deployment: &Deployment<'_>, revision: i64) -> Result<(), Failure> {
    let Deployment { context, request, cluster, .. } = deployment;
    let explained = context.recall(request, |memory| memory.explained.clone());
    let version = |key: &ObjectKey| context.observer.version(key).unwrap_or_default();
    let is_open = |key: &&ObjectKey| explained.get(key).is_none_or(|(at, _)| *at != version(key));
    let deviating = context.deviating(request);
    let keys = deviating.iter().filter(|deviation| !deviation.gone).map(|deviation| &deviation.object);
    let open: Vec<&ObjectKey> = keys.take(SHOWN_OBJECTS).filter(is_open).collect();
    if open.is_empty() {
        return Ok(());
    }
    for object in deployment.stamped_objects(revision).await?.iter().filter(|object| open.contains(&&object.key)) {
        let at = version(&object.key);
        let live = cluster.live(object).await?;
        let dry_run = cluster.apply(object, ApplyOptions { dry_run: true, ..ApplyOptions::default() }).await;
        // What the API server would refuse to put back is told without its fields.
        let taken = dry_run.map(|dry_run| taken_from(live.as_ref(), &dry_run)).unwrap_or_default();
        context.with_memory(request, |memory| memory.explained.insert(object.key.clone(), (at, taken)));
    }
    Ok(())
}
