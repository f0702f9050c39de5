//! Repairing drift: the objects that deviate are applied again, each alone, from the deployed revision's record.
//!
//! What happened is told in one event for each object: the fields, who changed them, and of a number or a switch the
//! value found and the value restored. A writer who takes the same field again after each repair is not fought at full
//! speed: each repair of an object that follows the last one too soon waits longer than the one before. That is told
//! once; while a repair waits, the status names the fields and the writer.

use std::time::Duration;

use tokio::time::Instant;

use super::deploy::Deployment;
use crate::api::helm_request::SHOWN_OBJECTS;
use crate::cluster::apply::{Applied, ApplyOptions};
use crate::cluster::kept::Keeping;
use crate::cluster::manifest_error::ManifestError;
use crate::cluster::object::Readable;
use crate::cluster::observe::{Cause, Deviation, Taken, cause};
use crate::cluster::{Object, ObjectKey};
use crate::controller::events::{EventType, Note, Related};
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
            deployment.context.repaired(deployment.request, key, &[]);
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

/// Repairs an object that was changed at `since`.
async fn repair(
    deployment: &Deployment<'_>,
    object: &Object,
    since: Instant,
    keeping: &Keeping<'_>,
) -> Result<(), Failure> {
    let Deployment { context, request, cluster, .. } = deployment;
    let live = cluster.live(object).await?;
    let options = deployment.restoring(keeping);
    let applied = match cluster.apply(object, options).await {
        Err(refused) if live.is_some() && cluster.replace_lists(object, &refused.error).await? => {
            cluster.apply(object, options).await?
        }
        applied => applied?,
    };
    context.expect(request, &applied);
    deployment.tell_of_replaced(std::slice::from_ref(&applied)).await;
    deployment.tell_of_mutated(std::slice::from_ref(object), std::slice::from_ref(&applied)).await;
    let taken = taken_from(live.as_ref(), &applied);
    let pace = context.repaired(request, &object.key, &taken);
    let release = (deployment.release.name.as_str(), deployment.release.namespace.as_str());
    let why = Cause::of(live.as_ref(), &taken, release);
    context.metrics.repaired(why.as_str(), since.elapsed());
    if let Some(text) = tell(object, live.as_ref(), &taken, &applied) {
        let text = format!("{text} (cause: {})", why.as_str());
        let note = note_about(object, EventType::Normal, "DriftRepaired", text);
        context.publish(request, &note).await;
    }
    if pace == Pace::Slowing {
        let text = contest(object, &taken);
        context.publish(request, &note_about(object, EventType::Warning, "DriftContested", text)).await;
    }
    if pace != Pace::Full {
        context.with_memory(request, |memory| memory.explained.insert(object.key.clone(), (0, taken)));
    }
    Ok(())
}

fn note_about(object: &Object, event_type: EventType, reason: &str, text: String) -> Note {
    Note {
        event_type,
        reason: reason.to_owned(),
        action: "Repair".to_owned(),
        text,
        related: Some(Related {
            api_version: object.kind.resource.api_version.clone(),
            kind: object.key.kind.clone(),
            namespace: object.key.namespace.clone(),
            name: object.key.name.clone(),
        }),
    }
}

/// That an object is fought over, and what to do about it.
fn contest(object: &Object, taken: &[Taken]) -> String {
    let name = shown(&object.key);
    if taken.is_empty() {
        return format!("{name} is deleted again after each repair; further repairs wait longer and longer");
    }
    let told: Vec<String> = taken.iter().map(ToString::to_string).collect();
    format!(
        "{name}: {} again after each repair; further repairs wait longer and longer: stop the other writer, or leave the \
         fields to it by a rule in spec.drift.ignore",
        told.join("; ")
    )
}

fn taken_from(live: Option<&Json>, applied: &Applied) -> Vec<Taken> {
    live.zip(applied.owned_fields()).map(|(live, owned)| cause(live, owned)).unwrap_or_default()
}

/// Finds out what others changed of the objects that are only reported, by a dry run of their repair.
pub async fn explain(deployment: &Deployment<'_>, revision: i64) -> Result<(), Failure> {
    let Deployment { context, request, cluster, .. } = deployment;
    let explained = context.memory(request).explained;
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

/// What happened to an object; nothing where it already was as declared.
fn tell(object: &Object, live: Option<&Json>, taken: &[Taken], applied: &Applied) -> Option<String> {
    let name = shown(&object.key);
    let Some(live) = live else { return Some(format!("{name} was deleted; applied again")) };
    if taken.is_empty() {
        return None;
    }
    let told: Vec<String> = taken.iter().map(|taken| tell_fields(taken, live, &applied.json)).collect();
    Some(format!("{name}: {}", told.join("; ")))
}

/// The fields and the writer; of a single field also what was found and restored where it is a number or a switch. A
/// text may be secret wherever it stands.
fn tell_fields(taken: &Taken, live: &Json, restored: &Json) -> String {
    let values = match taken.fields.as_slice() {
        [field] => match (plain(field.of(live)), plain(field.of(restored))) {
            (Some(found), Some(restored)) if found != restored => {
                format!(" to {found}, restored {restored}")
            }
            _ => String::new(),
        },
        _ => String::new(),
    };
    format!("{taken}{values}")
}

fn plain(value: Option<&Json>) -> Option<&Json> {
    value.filter(|value| value.is_number() || value.is_boolean())
}

fn shown(key: &ObjectKey) -> String {
    if key.namespace.is_empty() {
        format!("{} {}", key.kind, key.name)
    } else {
        format!("{} {}/{}", key.kind, key.namespace, key.name)
    }
}
