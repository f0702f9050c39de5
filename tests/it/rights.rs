//! The operator without rights of its own, as `docs/operations.md` describes it: a request without a service account is
//! refused before anything is written, and one with the sample's account lives its whole life with that account's
//! rights.

use anyhow::{Context, Result};

use super::installed::{Installed, LIMIT};
use crate::support::wait;

const REQUEST: &str = "greeter-as-deployer";

#[test]
fn without_rights_of_its_own_the_operator_acts_as_the_account_of_a_request() -> Result<()> {
    let installed = Installed::with(&["rbac.clusterAdmin=false"])?;

    installed.apply_sample("helmrequest.yaml")?;
    let ready = "/conditions/Ready/reason";
    installed.until_field("helmrequest", "greeter", ready, "PermissionDenied")?;
    assert_eq!(installed.records()?, "", "nothing is written for it");
    installed.kubectl(&["delete", "hr", "greeter", "--timeout=30s"])?;

    installed.apply_sample("service-account.yaml")?;
    installed.until_ready(REQUEST)?;

    let deployment = format!("{REQUEST}-hello");
    let before = installed.field("deployment", &deployment, "/metadata/uid")?;
    installed.kubectl(&["delete", "deployment", &deployment])?;
    wait::until(LIMIT, "the deleted object to be back", || {
        let now = installed.field("deployment", &deployment, "/metadata/uid").unwrap_or_default();
        Ok((!now.is_empty() && now != before).then_some(()))
    })?;

    let more = r#"{"spec":{"values":{"replicas":2}}}"#;
    installed.kubectl(&["patch", "hr", REQUEST, "--type=merge", "-p", more])?;
    installed.until_field("helmrequest", REQUEST, "/status/revision", "2")?;
    installed.until_ready(REQUEST)?;

    installed
        .kubectl(&["delete", "hr", REQUEST, "--timeout=50s"])
        .with_context(|| installed.field("helmrequest", REQUEST, "/status/reason").unwrap_or_default())?;
    assert_eq!(installed.records()?, "", "the records are gone");
    assert!(installed.field("deployment", &deployment, "/metadata/uid").is_err(), "the objects are gone");
    Ok(())
}
