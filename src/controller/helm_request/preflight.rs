//! What is looked at before the first write, so that bad input leaves nothing half done: whose the objects are, and
//! whether the acting account may write them.

use super::deploy::Deployment;
use crate::api::Reason;
use crate::cluster::Object;
use crate::cluster::access::{APPLY, rights};
use crate::cluster::ownership::conflicts;
use crate::cluster::records::ReleaseKey;
use crate::controller::failure::Failure;

/// Checks the objects of an operation.
///
/// # Errors
/// Objects belong to others, all of them named; or rights are missing, all of them named.
pub async fn check(deployment: &Deployment<'_>, objects: &[Object]) -> Result<(), Failure> {
    if deployment.cluster.account().is_some() {
        check_rights(deployment, objects).await?;
    }
    if deployment.request.force_adopts() {
        return Ok(());
    }
    check_ownership(deployment, objects).await
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

async fn check_rights(deployment: &Deployment<'_>, objects: &[Object]) -> Result<(), Failure> {
    let missing = deployment.cluster.missing_rights(&rights(objects, &APPLY)).await?;
    if missing.is_empty() {
        return Ok(());
    }
    let account = deployment.cluster.account().unwrap_or_default();
    let named: Vec<String> = missing.iter().map(ToString::to_string).collect();
    Err(Failure::new(Reason::PermissionDenied, format!("{account} may not {}; grant the rights", named.join(", "))))
}
