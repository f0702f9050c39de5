//! What is said where a command cannot do what it is told: the thing, the place and the next step.

use std::process::Command;

use anyhow::Result;
use serde_json::json;

use super::{binary, captain_as, printed, refused, run};
use crate::world::world;

#[tokio::test]
async fn what_is_missing_is_named_with_what_there_is() -> Result<()> {
    let place = world().place("mistyped", &["hello-0.1.0"]).await?;
    place.apply(&place.request("web", json!({"chart": "charts/hello"})))?;
    place.until_ready("web")?;
    let namespace = &place.namespace;
    for (arguments, expected) in [
        (&["status", "wbe"][..], format!("no HelmRequest \"wbe\" in namespace \"{namespace}\"; did you mean \"web\"?")),
        (&["history", "queue"], format!("see those that exist: kubectl captain list -n {namespace}")),
        (
            &["get", "values", "web", "--revision", "7"],
            format!("release \"web\" in namespace \"{namespace}\" has no revision 7; it has only 1"),
        ),
        (&["list", "--phase", "broken"], "it is none of Synced".to_owned()),
        (&["lits"], "list".to_owned()),
    ] {
        let said = refused(&place, arguments)?;
        assert!(said.contains(&expected), "{arguments:?}: {said}");
    }
    let elsewhere = run(Command::new(binary()).env("KUBECONFIG", place.world.cluster.kubeconfig()).args([
        "status",
        "web",
        "-n",
        "kube-public",
    ]))?;
    assert!(elsewhere.stderr.contains("add -n "), "{}", elsewhere.stderr);
    let nowhere = run(Command::new(binary()).env("KUBECONFIG", place.world.cluster.kubeconfig()).args([
        "status",
        "unheard-of",
        "-n",
        "nowhere",
    ]))?;
    assert!(nowhere.stderr.contains("the namespace does not exist"), "{}", nowhere.stderr);
    Ok(())
}

#[tokio::test]
async fn a_kubeconfig_that_does_not_serve_is_named() -> Result<()> {
    let place = world().bare_place("unconfigured").await?;
    let kubeconfig = place.world.cluster.kubeconfig();
    let say = |arguments: &[&str], home: bool| {
        let mut command = Command::new(binary());
        command.args(arguments).env_remove("KUBECONFIG").env("HOME", place.folder.path());
        if home {
            command.env("KUBECONFIG", kubeconfig);
        }
        run(&mut command)
    };
    for (arguments, home, expected) in [
        (&["list"][..], false, "no kubeconfig: "),
        (&["list", "--kubeconfig", "/nonexistent/config"], false, "kubeconfig /nonexistent/config: "),
        (&["list", "--context", "prod"], true, "has no context \"prod\"; choose one of its contexts: \""),
    ] {
        let finished = say(arguments, home)?;
        assert_eq!(finished.code, Some(1), "{arguments:?}");
        let said = finished.stderr;
        assert!(said.starts_with("Error: ") && said.contains(expected), "{arguments:?}: {said}");
        assert_eq!(said.trim_end().lines().count(), 1, "{said}");
    }
    let version = say(&["version"], false)?;
    assert_eq!(version.stdout, concat!("v", env!("CARGO_PKG_VERSION"), "\n"));
    Ok(())
}

#[tokio::test]
async fn a_missing_right_is_named_by_verb_and_resource() -> Result<()> {
    let place = world().place("unprivileged", &["hello-0.1.0"]).await?;
    place.apply(&place.request("web", json!({"chart": "charts/hello"})))?;
    place.until_ready("web")?;
    place.kubectl(&["create", "serviceaccount", "reader"])?;
    let reader = place.world.cluster.service_account_kubeconfig(&place.namespace, "reader")?;
    let said = captain_as(&reader, &place, &["list"])?.stderr;
    let namespace = &place.namespace;
    assert!(said.contains(&format!("may not list helmrequests.app.alauda.io in namespace \"{namespace}\"")), "{said}");

    place.kubectl(&["create", "role", "reader", "--verb=get,list", "--resource=helmrequests.app.alauda.io"])?;
    let account = format!("--serviceaccount={namespace}:reader");
    place.kubectl(&["create", "rolebinding", "reader", "--role=reader", &account])?;
    let shown = crate::support::wait::until(crate::world::LIMIT, "the right to count", || {
        Ok(Some(captain_as(&reader, &place, &["status", "web"])?).filter(|finished| finished.success))
    })?;
    assert!(shown.stdout.contains("Synced and ready"), "{}", shown.stdout);
    assert!(
        shown.stdout.contains("Not all objects are shown") && shown.stdout.contains("may not list secrets"),
        "{}",
        shown.stdout
    );
    let said = captain_as(&reader, &place, &["history", "web"])?.stderr;
    assert!(said.contains("may not list secrets"), "{said}");
    Ok(())
}

#[tokio::test]
async fn requests_to_the_api_server_are_told_from_level_six_on() -> Result<()> {
    let place = world().bare_place("verbose").await?;
    let told = super::captain(&place, &["list", "-v", "8"])?.stderr;
    let expected = format!("/apis/app.alauda.io/v1/namespaces/{}/helmrequests?", place.namespace);
    assert!(told.contains("GET ") && told.contains(&expected) && told.contains("200 OK in "), "{told}");
    assert_eq!(printed(&place, &["list", "-v", "0", "-o", "name"])?, "");
    Ok(())
}
