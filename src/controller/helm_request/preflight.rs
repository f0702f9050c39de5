//! What is looked at before the first write, so that bad input leaves nothing half done: whether the acting account may
//! write, whether there is a place for every object, and whose the objects are.

use std::collections::{BTreeMap, BTreeSet};

use super::deploy::Deployment;
use crate::api::Reason;
use crate::cluster::access::{APPLY, DELETE, HOOK, Right, record_rights, rights};
use crate::cluster::hooks::runs_to_an_end;
use crate::cluster::ownership::conflicts;
use crate::cluster::prune::leftover;
use crate::cluster::records::ReleaseKey;
use crate::cluster::{Object, ObjectError, ObjectKey};
use crate::controller::failure::Failure;
use crate::render::{Event, Hook};

const INSTALL: [Event; 2] = [Event::PreInstall, Event::PostInstall];
const UPGRADE: [Event; 2] = [Event::PreUpgrade, Event::PostUpgrade];

/// Checks the objects and hooks of an operation.
///
/// # Errors
/// Rights are missing, all of them named; a namespace of an object does not exist; or objects belong to others, all of
/// them named.
pub async fn check(
    deployment: &Deployment<'_>,
    objects: &[Object],
    hooks: &[Hook],
    is_upgrade: bool,
) -> Result<(), Failure> {
    if deployment.cluster.account().is_some() {
        let mut needed = rights(objects, &APPLY);
        needed.extend(record_rights(&deployment.release.namespace));
        needed.extend(hook_rights(deployment, hooks, is_upgrade).await?);
        check_rights(deployment, &needed).await?;
    }
    check_namespaces(deployment, objects).await?;
    if deployment.request.force_adopts() {
        return Ok(());
    }
    check_ownership(deployment, objects).await
}

/// Checks that what earlier revisions left over may be deleted.
///
/// # Errors
/// Rights are missing, all of them named.
pub async fn check_leftovers(
    deployment: &Deployment<'_>,
    before: &[Object],
    objects: &[Object],
) -> Result<(), Failure> {
    let leaving = leftover(before.to_vec(), objects).delete;
    check_rights(deployment, &rights(&leaving, &DELETE)).await
}

/// The rights that the hooks of an install or an upgrade need. A kind that is not served yet may come with an earlier
/// hook and is not asked about.
async fn hook_rights(
    deployment: &Deployment<'_>,
    hooks: &[Hook],
    is_upgrade: bool,
) -> Result<BTreeSet<Right>, Failure> {
    let events = if is_upgrade { UPGRADE } else { INSTALL };
    let mut needed = BTreeSet::new();
    for hook in hooks.iter().filter(|hook| hook.events.iter().any(|event| events.contains(event))) {
        let objects = deployment.cluster.read_recorded(&hook.manifest, &deployment.release.namespace).await?.objects;
        needed.extend(rights(&objects, &HOOK));
        needed.extend(rights(objects.iter().filter(|object| runs_to_an_end(object)), &["watch"]));
    }
    Ok(needed)
}

/// Looks for the namespaces of objects that are not in the release's own, which its record finds by itself. A namespace
/// that the chart brings is as good as there.
async fn check_namespaces(deployment: &Deployment<'_>, objects: &[Object]) -> Result<(), Failure> {
    let brings = |name: &str| objects.iter().any(|object| object.key.kind == "Namespace" && object.key.name == name);
    let elsewhere = objects.iter().map(|object| (object.key.namespace.as_str(), &object.key));
    let elsewhere: BTreeMap<&str, &ObjectKey> = elsewhere
        .filter(|(name, _)| !name.is_empty() && *name != deployment.release.namespace && !brings(name))
        .collect();
    for (namespace, object) in elsewhere {
        let exists = deployment.context.cluster().namespace_exists(namespace).await;
        if !exists.map_err(|error| ObjectError { object: object.clone(), error })? {
            let message = format!("{object}: the namespace does not exist; create it or correct metadata.namespace");
            return Err(Failure::new(Reason::NamespaceNotFound, message));
        }
    }
    Ok(())
}

async fn check_ownership(deployment: &Deployment<'_>, objects: &[Object]) -> Result<(), Failure> {
    let existing = deployment.context.marks(deployment.cluster, objects).await?;
    let ReleaseKey { namespace, name } = deployment.release;
    let found = conflicts(name, namespace, existing.iter().map(|(key, marks)| (key, marks)));
    if found.is_empty() {
        return Ok(());
    }
    let named: Vec<String> = found.iter().map(ToString::to_string).collect();
    let message = format!(
        "unable to continue with install: {}; delete or rename them, or set the annotation \
         captain-force-adopt-resources: \"true\" to take them over",
        named.join(". ")
    );
    Err(Failure::new(Reason::ObjectOwnedByOther, message))
}

/// Asks for the rights of the account that the request names; the operator's own are found out by using them.
async fn check_rights(deployment: &Deployment<'_>, needed: &BTreeSet<Right>) -> Result<(), Failure> {
    if deployment.cluster.account().is_none() {
        return Ok(());
    }
    let missing = deployment.cluster.missing_rights(needed).await?;
    if missing.is_empty() {
        return Ok(());
    }
    let account = deployment.cluster.account().unwrap_or_default();
    let named: Vec<String> = missing.iter().map(ToString::to_string).collect();
    Err(Failure::new(Reason::PermissionDenied, format!("{account} may not {}; grant the rights", named.join(", "))))
}
