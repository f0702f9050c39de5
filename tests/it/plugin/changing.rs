//! Captain's own commands, with the flags that scripts use.

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::{captain, printed, refused};
use crate::support::wait;
use crate::world::{LIMIT, Place, world};

async fn place(purpose: &str) -> Result<Place<'static>> {
    world().place(purpose, &["hello-0.1.0", "hello-0.2.0"]).await
}

fn request(place: &Place<'_>) -> Result<Value> {
    place.get("helmrequest", "web")?.context("the request")
}

fn message(place: &Place<'_>) -> Result<Value> {
    Ok(place.get("configmap", "web-hello")?.context("the object of the release")?["data"]["message"].clone())
}

#[tokio::test]
async fn a_script_of_captains_plugin_runs_unchanged() -> Result<()> {
    let place = place("script").await?;
    let created = printed(
        &place,
        &[
            "create",
            "web",
            "-c",
            "charts/hello",
            "-v",
            "0.1.0",
            "-s",
            "message=one",
            "--set",
            "replicas=2",
            "-w",
            "-t",
            "60",
        ],
    )?;
    assert_eq!(created, "helmrequest.app.alauda.io/web created\n");
    let spec = json!({"chart": "charts/hello", "version": "0.1.0", "values": {"message": "one", "replicas": 2}});
    assert_eq!(request(&place)?["spec"], spec);
    assert_eq!(message(&place)?, "one");

    printed(&place, &["upgrade", "web", "-v", "0.2.0", "--set", "message=two", "-w", "--timeout", "60"])?;
    let upgraded = request(&place)?;
    assert_eq!(upgraded["spec"]["values"], json!({"message": "two", "replicas": 2}), "values are kept");
    assert_eq!((&upgraded["status"]["version"], message(&place)?), (&json!("0.2.0"), json!("two")));
    let last: Value =
        serde_json::from_str(upgraded["metadata"]["annotations"]["last-spec"].as_str().unwrap_or_default())?;
    assert_eq!(last, spec);

    printed(&place, &["rollback", "web", "-w", "-t", "60"])?;
    assert_eq!((request(&place)?["spec"].clone(), message(&place)?), (spec, json!("one")));
    printed(&place, &["rollback", "web", "-w", "-t", "60"])?;
    assert_eq!((request(&place)?["status"]["version"].clone(), message(&place)?), (json!("0.2.0"), json!("two")));

    let before = request(&place)?["status"]["revision"].as_i64();
    printed(&place, &["trigger-update", "web", "--wait=true", "--timeout=60"])?;
    assert_eq!(request(&place)?["status"]["revision"].as_i64(), before.map(|revision| revision + 1));
    let manifest = printed(&place, &["get-manifest", "web"])?;
    assert!(manifest.contains("message: \"two\""), "{manifest}");
    Ok(())
}

#[tokio::test]
async fn a_rollback_names_a_revision_or_goes_to_the_one_before() -> Result<()> {
    let place = place("back").await?;
    place.apply(&place.request("web", json!({"chart": "charts/hello", "values": {"message": "one"}})))?;
    place.until_ready("web")?;
    assert!(refused(&place, &["rollback", "web"])?.contains("there is no earlier revision to go back to"));
    let said = refused(&place, &["rollback", "web", "7"])?;
    assert!(said.contains("has no revision 7; it has only 1"), "{said}");
    place.change(&json!({"values": {"message": "two"}}))?;
    place.until_ready("web")?;
    printed(&place, &["rollback", "web", "-w", "-t", "60"])?;
    assert_eq!((request(&place)?["spec"]["rollbackTo"].clone(), message(&place)?), (json!(1), json!("one")));
    printed(&place, &["rollback", "web", "--to-revision", "2", "-w", "-t", "60"])?;
    assert_eq!(message(&place)?, "two");
    Ok(())
}

#[tokio::test]
async fn a_dry_run_changes_nothing_and_says_so() -> Result<()> {
    let place = place("dry").await?;
    let dry = captain(&place, &["create", "web", "-c", "charts/hello", "--dry-run"])?;
    assert_eq!((dry.code, dry.stdout.as_str()), (Some(2), "helmrequest.app.alauda.io/web created (dry run)\n"));
    assert!(place.get("helmrequest", "web")?.is_none());
    let refused_by_server = refused(&place, &["create", "web", "-c", "hello", "--dry-run"])?;
    for words in ["cannot create HelmRequest \"web\": spec.chart: ", "; correct what the flags say"] {
        assert!(refused_by_server.contains(words), "{refused_by_server}");
    }

    printed(&place, &["create", "web", "-c", "charts/hello", "-v", "0.1.0", "-w", "-t", "60"])?;
    let generation = request(&place)?["metadata"]["generation"].clone();
    let dry = captain(&place, &["upgrade", "web", "-v", "0.2.0", "--set", "replicas=3", "--dry-run"])?;
    assert_eq!(dry.code, Some(2), "{}", dry.stderr);
    assert!(dry.stdout.contains("spec.version: \"0.1.0\" -> \"0.2.0\""), "{}", dry.stdout);
    assert!(dry.stdout.contains("spec.values: not set -> {\"replicas\":3}"), "{}", dry.stdout);
    assert_eq!(request(&place)?["metadata"]["generation"], generation);
    let repository =
        || Ok::<_, anyhow::Error>(place.get("chartrepo", "charts")?.context("the repository")?["metadata"].clone());
    let (before, dry) =
        (repository()?["annotations"].clone(), captain(&place, &["resync-repo", "charts", "--dry-run"])?);
    assert_eq!((dry.code, dry.stdout.as_str()), (Some(2), "chartrepo.app.alauda.io/charts resynced (dry run)\n"));
    assert_eq!(repository()?["annotations"], before);
    let again = refused(&place, &["create", "web", "-c", "charts/hello"])?;
    assert!(again.contains("exists in namespace") && again.contains("kubectl captain upgrade"), "{again}");
    Ok(())
}

#[tokio::test]
async fn values_may_come_from_a_config_map() -> Result<()> {
    let place = place("from-map").await?;
    let missing = refused(&place, &["create", "web", "-c", "charts/hello", "--configmap", "settings"])?;
    assert!(missing.contains("no ConfigMap \"settings\"") && missing.contains("kubectl create configmap"), "{missing}");
    let settings = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"values.yaml": "message: map"},
    });
    place.apply(&settings)?;
    printed(&place, &["create", "web", "-c", "charts/hello", "--configmap", "settings", "-w", "-t", "60"])?;
    assert_eq!(message(&place)?, "map");
    let from = json!([{"configMapKeyRef": {"name": "settings", "key": "values.yaml"}}]);
    assert_eq!(request(&place)?["spec"]["valuesFrom"], from);
    Ok(())
}

#[tokio::test]
async fn what_cannot_be_deployed_ends_a_wait() -> Result<()> {
    let place = place("hopeless").await?;
    let said = refused(&place, &["create", "web", "-c", "charts/nothing", "-w", "-t", "60"])?;
    assert!(said.contains("HelmRequest \"web\" failed: ChartNotFound: "), "{said}");
    let said = refused(&place, &["upgrade", "web", "-v", "9", "-w", "-t", "3"])?;
    assert!(said.contains("is not deployed after 3s"), "{said}");
    Ok(())
}

#[tokio::test]
async fn repositories_are_created_and_read_again() -> Result<()> {
    let place = world().bare_place("repositories").await?;
    place.publish(&["hello-0.1.0"])?;
    let url = place.server.url();
    let created =
        printed(&place, &["create-repo", "shop", "--url", &url, "-u", "me", "-p", "secret", "-w", "-t", "60"])?;
    assert_eq!(created, "secret/shop created\nchartrepo.app.alauda.io/shop created\n");
    let repository = place.get("chartrepo", "shop")?.context("the repository")?;
    assert_eq!(
        (&repository["status"]["phase"], &repository["spec"]["secret"]["name"]),
        (&json!("Synced"), &json!("shop"))
    );

    place.publish(&["hello-0.1.0", "hello-0.2.0"])?;
    printed(&place, &["resync-repo", "shop", "-w", "-t", "60"])?;
    let chart = place.get("chart", "hello.shop")?.context("the chart")?;
    assert_eq!(chart["spec"]["versions"][0]["version"], "0.2.0");

    let nowhere = refused(&place, &["create-repo", "gone", "--url", &format!("{url}/gone"), "-w", "-t", "60"])?;
    assert!(nowhere.contains("ChartRepo \"gone\" failed: "), "{nowhere}");
    let absent = refused(&place, &["resync-repo", "unheard-of"])?;
    assert!(absent.contains("no ChartRepo \"unheard-of\"") && absent.contains("kubectl get chartrepos"), "{absent}");
    Ok(())
}

#[tokio::test]
async fn a_release_of_the_helm_command_is_imported_and_taken_over() -> Result<()> {
    let place = place("imported").await?;
    wait::until(LIMIT, "the charts to be known", || place.get("chart", "hello.charts"))?;
    let chart = crate::support::charts::folder("hello-0.1.0");
    place.helm(&["install", "web", &chart.to_string_lossy(), "--set", "message=helm,replicas=2"])?;
    assert_eq!(
        printed(&place, &["get", "values", "web"])?,
        "message: helm\nreplicas: 2\n",
        "a release without a request"
    );
    printed(&place, &["import", "web", "-w", "-t", "60"])?;
    let spec = json!({"chart": "charts/hello", "version": "0.1.0", "values": {"message": "helm", "replicas": 2}});
    assert_eq!(request(&place)?["spec"], spec);
    place.until_ready("web")?;
    let history: Value = serde_json::from_str(&place.helm(&["history", "web", "-o", "json"])?)?;
    assert_eq!(history.as_array().map(Vec::len), Some(1), "no new revision: {history}");
    let missing = refused(&place, &["import", "web", "--repo", "unheard-of"])?;
    assert!(missing.contains("no ChartRepo \"unheard-of\"") && missing.contains("create-repo"), "{missing}");
    let none = refused(&place, &["import", "nothing"])?;
    assert!(none.contains("release \"nothing\" in namespace") && none.contains("has no revision yet"), "{none}");
    Ok(())
}

#[tokio::test]
async fn what_was_changed_is_told_in_the_form_that_is_asked_for() -> Result<()> {
    let place = place("forms").await?;
    let json = |arguments: &[&str]| -> Result<Value> {
        let finished = captain(&place, &[arguments, &["-o", "json"]].concat())?;
        serde_json::from_str(&finished.stdout).with_context(|| format!("{arguments:?}: {}", finished.stderr))
    };
    let name = "helmrequest.app.alauda.io/web\n";
    let wished = json(&["create", "web", "-c", "charts/hello", "-v", "0.1.0", "--dry-run"])?;
    assert_eq!((&wished["kind"], &wished["spec"]["version"]), (&json!("HelmRequest"), &json!("0.1.0")));
    assert_eq!(place.get("helmrequest", "web")?, None);
    let created = json(&["create", "web", "-c", "charts/hello", "-v", "0.1.0", "-w", "-t", "60"])?;
    assert_eq!(created["status"]["phase"], "Synced", "it is as it is at the end: {created}");
    assert_eq!(printed(&place, &["upgrade", "web", "-v", "0.2.0", "-o", "name"])?, name);
    assert_eq!(json(&["wait", "web", "-t", "60"])?["status"]["version"], "0.2.0");
    assert_eq!(printed(&place, &["wait", "web", "-o", "name"])?, name);
    let all = printed(&place, &["suspend", "-A", "-l", "team=nobody", "-o", "yaml"])?;
    assert_eq!(all, "");
    let suspended = printed(&place, &["suspend", "web", "-o", "yaml"])?;
    assert!(suspended.starts_with("---\n") && suspended.contains("  suspend: true\n"), "{suspended}");
    assert_eq!(json(&["resume", "web"])?["spec"]["suspend"], Value::Null);
    assert_eq!(json(&["rollback", "web", "1", "--dry-run"])?["spec"]["rollbackTo"], 1);
    assert_eq!(printed(&place, &["resync-repo", "charts", "-o", "name"])?, "chartrepo.app.alauda.io/charts\n");
    let versions = json(&["show", "versions", "charts/hello"])?;
    assert_eq!((&versions[0]["version"], &versions[1]["version"]), (&json!("0.2.0"), &json!("0.1.0")));
    assert_eq!(json(&["uninstall", "web"])?["metadata"]["name"], "web");
    Ok(())
}
