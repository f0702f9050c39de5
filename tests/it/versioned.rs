//! ConfigMaps and Secrets whose names change with their content.

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::support::wait;
use crate::world::{LIMIT, Place, world};

async fn place(purpose: &str) -> Result<Place<'static>> {
    world().place(purpose, &["versioned"]).await
}

/// Changes the request and waits until that is deployed; gives the number of the revision.
fn change(place: &Place<'_>, spec: &Value) -> Result<i64> {
    place.merge("helmrequest", "web", &json!({"spec": spec}))?;
    place.until_ready("web")?["status"]["revision"].as_i64().context("there is no revision")
}

/// The names of the release's objects of a kind.
fn names(place: &Place<'_>, kind: &str) -> Result<Vec<String>> {
    let text = place.kubectl(&["get", kind, "-l", "app.kubernetes.io/managed-by=Helm", "-o", "name"])?;
    let mut names: Vec<String> = text.lines().filter_map(|line| Some(line.split_once('/')?.1.to_owned())).collect();
    names.sort();
    Ok(names)
}

fn until_names(place: &Place<'_>, kind: &str, expected: &[&str]) -> Result<()> {
    let waited = wait::until(LIMIT, &format!("the {kind}s to be {expected:?}"), || {
        Ok((names(place, kind)? == expected).then_some(()))
    });
    waited.with_context(|| format!("they are {:?}", names(place, kind)))
}

/// The template of the pods, and how often it was changed.
fn pods(place: &Place<'_>) -> Result<(Value, Value)> {
    let deployment = place.get("deployment", "web")?.context("there is no Deployment")?;
    Ok((deployment["spec"]["template"]["spec"].clone(), deployment["metadata"]["generation"].clone()))
}

#[tokio::test]
async fn changed_settings_get_a_new_name_and_old_ones_stay_as_long_as_the_history() -> Result<()> {
    let place = place("versioned").await?;
    place.apply(&place.request("web", json!({"chart": "charts/versioned", "historyMax": 3})))?;
    place.until_ready("web")?;
    until_names(&place, "configmap", &["web-settings-v000"])?;
    until_names(&place, "secret", &["web-password-v000"])?;
    let (pod, generation) = pods(&place)?;
    assert_eq!(pod["volumes"][0]["configMap"]["name"], "web-settings-v000");
    assert_eq!(pod["containers"][0]["envFrom"][0]["secretRef"]["name"], "web-password-v000");

    assert_eq!(change(&place, &json!({"values": {"label": "b"}}))?, 2);
    assert_eq!(names(&place, "configmap")?, ["web-settings-v000"], "a label is no content");
    place.until("configmap", "web-settings-v000", "the label", |map| map["metadata"]["labels"]["label"] == "b")?;
    assert_eq!(pods(&place)?.1, generation, "what does not change is not rolled out");

    assert_eq!(change(&place, &json!({"values": {"message": "bye"}}))?, 3);
    assert_eq!(names(&place, "configmap")?, ["web-settings-v000", "web-settings-v001"]);
    assert_eq!(names(&place, "secret")?, ["web-password-v000"], "unchanged content keeps its name");
    assert_eq!(pods(&place)?.0["volumes"][0]["configMap"]["name"], "web-settings-v001");
    assert!(place.helm(&["get", "manifest", "web"])?.contains("web-settings-v001"));

    place.kubectl(&["delete", "configmap", "web-settings-v001"])?;
    until_names(&place, "configmap", &["web-settings-v000", "web-settings-v001"])?;

    assert_eq!(change(&place, &json!({"values": {"label": "c"}}))?, 4);
    assert_eq!(names(&place, "configmap")?, ["web-settings-v000", "web-settings-v001"], "revision 2 uses the old one");
    assert_eq!(change(&place, &json!({"values": {"label": "d"}}))?, 5);
    until_names(&place, "configmap", &["web-settings-v001"])?;

    place.kubectl(&["delete", "helmrequest", "web"])?;
    assert_eq!((names(&place, "configmap")?, names(&place, "secret")?.len()), (Vec::new(), 0));
    Ok(())
}

#[tokio::test]
async fn a_rollback_finds_the_settings_it_had_and_an_uninstallation_leaves_none() -> Result<()> {
    let place = place("versioned-rollback").await?;
    place.apply(&place.request("web", json!({"chart": "charts/versioned"})))?;
    place.until_ready("web")?;
    assert_eq!(change(&place, &json!({"values": {"message": "bye"}}))?, 2);
    let uid = |name: &str| {
        Ok::<_, anyhow::Error>(place.get("configmap", name)?.context("it is gone")?["metadata"]["uid"].clone())
    };
    let old = uid("web-settings-v000")?;
    assert_eq!(change(&place, &json!({"rollbackTo": 1}))?, 3);
    assert_eq!(pods(&place)?.0["volumes"][0]["configMap"]["name"], "web-settings-v000");
    assert_eq!(uid("web-settings-v000")?, old, "it was there all the time");
    assert_eq!(names(&place, "configmap")?, ["web-settings-v000", "web-settings-v001"]);

    assert_eq!(change(&place, &json!({"rollbackTo": null, "values": {"message": "again"}}))?, 4);
    assert_eq!(names(&place, "configmap")?, ["web-settings-v000", "web-settings-v001", "web-settings-v002"]);
    let limited = json!({"values": {"message": "limited", "maxVersions": "2"}});
    assert_eq!(change(&place, &limited)?, 5);
    until_names(&place, "configmap", &["web-settings-v002", "web-settings-v003"])?;

    place.kubectl(&["delete", "helmrequest", "web"])?;
    assert_eq!((names(&place, "configmap")?, names(&place, "secret")?.len()), (Vec::new(), 0));
    Ok(())
}
