//! What is looked at before the first write, so that bad input leaves nothing half done: whether the acting account may
//! write, whether there is a place for every object, and whose the objects are.

use std::collections::{BTreeMap, BTreeSet};

use super::deploy::{Deployment, events_of};
use super::versions::noted_versions;
use crate::api::Reason;
use crate::cluster::access::{APPLY, DELETE, HOOK, Right, record_rights, rights};
use crate::cluster::hooks::runs_to_an_end;
use crate::cluster::ownership::conflicts;
use crate::cluster::prune::leftover;
use crate::cluster::records::ReleaseKey;
use crate::cluster::{Cluster, Object, ObjectError, ObjectKey};
use crate::controller::failure::Failure;
use crate::release::Record;
use crate::render::Event;

/// An operation as it would be carried out.
pub struct Plan<'a> {
    /// The objects to apply.
    pub objects: &'a [Object],
    /// The definitions to write first.
    pub definitions: &'a [Object],
    /// The manifests of the hooks to run.
    pub hooks: Vec<&'a str>,
    /// The objects to delete.
    pub leaving: &'a [Object],
}

/// Checks an operation.
///
/// # Errors
/// Objects are outside of the namespaces that are served; rights are missing, all of them named; a namespace of an
/// object does not exist; or objects belong to others, all of them named.
pub async fn check(deployment: &Deployment<'_>, plan: &Plan<'_>) -> Result<(), Failure> {
    check_scope(deployment, plan).await?;
    check_rights(deployment, plan).await?;
    check_namespaces(deployment, plan.objects).await?;
    if deployment.request.force_adopts() {
        return Ok(());
    }
    check_ownership(deployment, plan.objects).await
}

/// Checks an operation as its record has it: `objects` are those of the manifest, `before` those of earlier revisions.
///
/// # Errors
/// As [`check`].
pub async fn check_record(
    deployment: &Deployment<'_>,
    record: &Record,
    objects: &[Object],
    before: &[Object],
) -> Result<(), Failure> {
    let leaving = leftover(before.to_vec(), objects).delete;
    let hooks = events_of(record.info.status).into_iter().flat_map(|event| record.hooks_of(event));
    let hooks = hooks.map(|place| record.hooks[place].manifest.as_str()).collect();
    check(deployment, &Plan { objects, definitions: &[], hooks, leaving: &leaving }).await
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

/// Looks for objects where the operator may not write.
async fn check_scope(deployment: &Deployment<'_>, plan: &Plan<'_>) -> Result<(), Failure> {
    let tenancy = &deployment.context.tenancy;
    if deployment.cluster.scope().is_cluster() {
        return Ok(());
    }
    tenancy.check_objects(plan.objects.iter().chain(plan.definitions).chain(plan.leaving))?;
    for manifest in &plan.hooks {
        let hooks = deployment.cluster.read_recorded(manifest, &deployment.release.namespace).await?.objects;
        tenancy.check_objects(&hooks)?;
    }
    Ok(())
}

/// Asks for the rights of the account that the request names. The operator's own are found out by using them, where it
/// is meant to have all of them.
async fn check_rights(deployment: &Deployment<'_>, plan: &Plan<'_>) -> Result<(), Failure> {
    if deployment.cluster.account().is_none() && deployment.cluster.scope().is_cluster() {
        return Ok(());
    }
    let mut needed = rights(plan.objects, &APPLY);
    needed.extend(rights(plan.definitions, &APPLY));
    // A new one is looked at until it is established.
    needed.extend(rights(plan.definitions, &["get"]));
    needed.extend(rights(plan.leaving, &DELETE));
    needed.extend(rights(plan.objects.iter().filter(|object| object.policy.may_replace()), &DELETE));
    needed.extend(rights(plan.objects.iter().filter(|object| !object.policy.left.is_empty()), &["get"]));
    let versions = noted_versions(&deployment.context.records.revisions(deployment.release));
    needed.extend(rights(&versions.versions().iter().map(Object::of_version).collect::<Vec<_>>(), &DELETE));
    needed.extend(record_rights(&deployment.release.namespace));
    needed.extend(hook_rights(deployment.cluster, &deployment.release.namespace, &plan.hooks).await?);
    refuse_missing(deployment.cluster, &needed).await
}

/// Asks for the rights of an account before it uninstalls a release.
///
/// # Errors
/// Rights are missing, all of them named.
pub async fn check_deletion(cluster: &Cluster, record: &Record, objects: &[Object]) -> Result<(), Failure> {
    if cluster.account().is_none() {
        return Ok(());
    }
    let mut needed = rights(objects, &DELETE);
    needed.extend(record_rights(&record.namespace));
    let hooks = [Event::PreDelete, Event::PostDelete].into_iter().flat_map(|event| record.hooks_of(event));
    let hooks: Vec<&str> = hooks.map(|place| record.hooks[place].manifest.as_str()).collect();
    needed.extend(hook_rights(cluster, &record.namespace, &hooks).await?);
    refuse_missing(cluster, &needed).await
}

async fn refuse_missing(cluster: &Cluster, needed: &BTreeSet<Right>) -> Result<(), Failure> {
    let missing = cluster.missing_rights(needed).await?;
    if missing.is_empty() {
        return Ok(());
    }
    let account = cluster.account().unwrap_or("the operator's own account");
    let named: Vec<String> = missing.iter().map(ToString::to_string).collect();
    let message =
        format!("{account} may not {}; grant the rights (kubectl captain rbac prints the roles)", named.join(", "));
    Err(Failure::new(Reason::PermissionDenied, message))
}

/// The rights that hooks need. A kind that is not served yet may come with an earlier hook and is not asked about.
async fn hook_rights(cluster: &Cluster, namespace: &str, hooks: &[&str]) -> Result<BTreeSet<Right>, Failure> {
    let mut needed = BTreeSet::new();
    for manifest in hooks {
        let objects = cluster.read_recorded(manifest, namespace).await?.objects;
        needed.extend(rights(&objects, &HOOK));
        needed.extend(rights(objects.iter().filter(|object| runs_to_an_end(object)), &["watch"]));
    }
    Ok(needed)
}
