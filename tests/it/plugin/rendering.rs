//! The commands that render: what would be installed, with which values, and where a field comes from.

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::{assert_golden, captain, printed, refused};
use crate::support::{charts, wait};
use crate::world::{LIMIT, Place, world};

/// A request `web` with values from a ConfigMap, a Secret and its own.
async fn place(purpose: &str) -> Result<Place<'static>> {
    let place = world().place(purpose, &["hello-0.1.0", "hello-0.2.0"]).await?;
    place.kubectl(&[
        "create",
        "configmap",
        "base",
        "--from-literal=values.yaml=replicas: 2\nmessage: from the map\n",
    ])?;
    place.kubectl(&[
        "create",
        "secret",
        "generic",
        "hidden",
        "--from-literal=values.yaml=podLabels: {word: s3cret}\n",
    ])?;
    let sources = json!([{"configMapKeyRef": {"name": "base"}}, {"secretKeyRef": {"name": "hidden"}}]);
    let values = json!({"message": "from the request"});
    let spec = json!({"chart": "charts/hello", "version": "0.1.0", "valuesFrom": sources, "values": values});
    place.apply(&place.request("web", spec))?;
    place.until_ready("web")?;
    Ok(place)
}

#[tokio::test]
async fn a_request_is_rendered_as_it_was_and_as_it_would_be() -> Result<()> {
    let place = place("drafted").await?;
    let (now, recorded) = (printed(&place, &["template", "web"])?, printed(&place, &["get", "manifest", "web"])?);
    let dense =
        |text: &str| text.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n");
    assert_eq!(dense(&now), dense(&recorded), "the same chart with the same values");
    let next = printed(
        &place,
        &["template", "web", "-v", "0.2.0", "--set", "replicas=5", "--show-only", "templates/deployment.yaml"],
    )?;
    assert!(next.contains("replicas: 5") && next.contains("hello:2.0.0") && !next.contains("kind: Service"), "{next}");
    assert_golden(&place, "values", &printed(&place, &["values", "web", "--explain", "--set", "image.tag=1"])?)?;
    assert_eq!(printed(&place, &["values", "web", "podLabels"])?, "podLabels:\n  word: s3cret\n");

    let same = captain(&place, &["diff", "web", "--next"])?;
    assert_eq!(same.code, Some(0), "{}{}", same.stdout, same.stderr);
    let other = captain(&place, &["diff", "web", "--version", "0.2.0", "--set", "podLabels.word=other"])?;
    assert_eq!(other.code, Some(2), "{}", other.stderr);
    assert_golden(&place, "diff-next", &other.stdout)?;
    let other = ["diff", "web", "--of", "values", "--version", "0.2.0", "--set", "podLabels.word=other,replicas=3"];
    let values = captain(&place, &other)?;
    assert_eq!(values.code, Some(2), "{}", values.stderr);
    assert!(
        values.stdout.contains(".podLabels.word: (hidden)") && values.stdout.contains(".replicas: 2 -> 3"),
        "{}",
        values.stdout
    );
    Ok(())
}

#[tokio::test]
async fn faults_are_found_before_anything_is_installed() -> Result<()> {
    let place = place("linted").await?;
    let told = printed(&place, &["lint", "web"])?;
    assert!(told.starts_with("hello 0.1.0\n") && told.contains("INFO Chart.yaml: icon is recommended"), "{told}");
    let found: Value = serde_json::from_str(&printed(&place, &["lint", "web", "-o", "json"])?)?;
    assert_eq!((&found[0]["level"], &found[0]["place"]), (&json!("INFO"), &json!("Chart.yaml")));
    let said = captain(&place, &["lint", "web", "--set", "image=x"])?;
    assert!(said.code == Some(1) && said.stdout.contains("ERROR templates/: "), "{}", said.stdout);

    let folder = place.folder.path().join("faulty");
    std::fs::create_dir_all(folder.join("templates"))?;
    std::fs::write(folder.join("Chart.yaml"), "apiVersion: v2\nname: faulty\nversion: 1.0.0\n")?;
    std::fs::write(folder.join("templates/a.yaml"), "apiVersion: v1\nkind: Gizmo\nmetadata:\n  name: Bad_Name\n")?;
    let path = folder.to_string_lossy().into_owned();
    let alone = captain(&place, &["lint", "--path", &path])?;
    assert_eq!(alone.code, Some(1), "{}", alone.stdout);
    assert!(alone.stdout.contains("ERROR faulty/templates/a.yaml: Gizmo \"Bad_Name\" has a name"), "{}", alone.stdout);
    let served = captain(&place, &["lint", "web", "--path", &path])?;
    assert!(served.stdout.contains("Gizmo") && served.stdout.contains("ERROR templates/:"), "{}", served.stdout);

    let hello = charts::folder("hello-0.2.0").to_string_lossy().into_owned();
    let mut offline = std::process::Command::new(super::binary());
    offline.env("KUBECONFIG", "/nowhere").args(["template", "--path", &hello, "--set", "replicas=3"]);
    let rendered = super::run(&mut offline)?;
    assert!(rendered.code == Some(0) && rendered.stdout.contains("replicas: 3"), "{}", rendered.stderr);
    Ok(())
}

#[tokio::test]
async fn a_field_is_explained_by_template_values_and_who_changed_it() -> Result<()> {
    let place = place("explained").await?;
    place.change(&json!({"suspend": true}))?;
    place.kubectl(&["scale", "deployment", "web-hello", "--replicas=5"])?;
    let explained = printed(&place, &["explain", "deployment/web-hello", ".spec.replicas"])?;
    assert_golden(&place, "explain", &explained)?;
    let differing = captain(&place, &["diff", "web", "--live"])?;
    assert_eq!(differing.code, Some(2), "{}", differing.stderr);
    assert_golden(&place, "diff-live", &differing.stdout)?;

    let told = |arguments: &[&str]| -> Result<Value> {
        Ok(serde_json::from_str(&printed(&place, &[&["explain"], arguments, &["-o", "json"]].concat())?)?)
    };
    let image = told(&["deployment", "web-hello", ".spec.template.spec.containers[0].image"])?;
    let keys: Vec<&str> =
        image["values"].as_array().context("values")?.iter().filter_map(|value| value["key"].as_str()).collect();
    assert_eq!(keys, ["image.repository", "image.tag"], "{image}");
    let label = told(&["deployment/web-hello", ".spec.template.metadata.labels.word"])?;
    assert_eq!(
        label["values"][0],
        json!({"key": "podLabels.word", "value": "(hidden)", "from": "Secret hidden key values.yaml"})
    );
    let name = told(&["configmap/web-hello", ".metadata.labels[\"helm.sh/chart\"]"])?;
    assert_eq!(name["templates"][2], "hello/templates/_helpers.tpl:14  {{.Chart.Version}}", "{name}");
    let message = told(&["configmap/web-hello", ".data.message"])?;
    assert_eq!(message["values"][0]["from"], "spec.values");

    let pod = place.kubectl(&["get", "pods", "-o", "jsonpath={.items[0].metadata.name}"]);
    if let Some(pod) = pod.ok().filter(|pod| !pod.is_empty()) {
        assert!(refused(&place, &["explain", &format!("pod/{pod}"), ".spec"])?.contains("was made for ReplicaSet"));
    }
    assert!(
        refused(&place, &["explain", "deployment/web-hello", ".spec.nothing"])?.contains("has no field .spec.nothing")
    );
    Ok(())
}

#[tokio::test]
async fn a_sick_pod_is_shown_below_its_deployment_with_its_own_reason() -> Result<()> {
    let place = world().place("grown", &["hello-0.2.0"]).await?;
    let values = json!({"replicas": 2, "podLabels": {"kwok-unready": "true"}});
    place.apply(&place.request("web", json!({"chart": "charts/hello", "values": values})))?;
    let shown = wait::until(LIMIT, "the pods to be shown", || {
        let shown = printed(&place, &["status", "web"])?;
        Ok(Some(shown).filter(|shown| shown.matches("Pod/web-hello-").count() == 2))
    })?;
    let lines: Vec<&str> = shown.lines().skip_while(|line| !line.starts_with("HelmRequest/")).collect();
    assert!(lines[1].starts_with("├─ Deployment/web-hello") && lines[2].starts_with("│  └─ ReplicaSet/"), "{shown}");
    assert!(lines[3].contains("Pod/web-hello-") && lines[3].contains("InProgress"), "{shown}");
    let data: Value = serde_json::from_str(&printed(&place, &["status", "web", "-o", "json"])?)?;
    assert_eq!(data["objects"][0]["made"][0]["made"].as_array().map(Vec::len), Some(2), "{data}");
    Ok(())
}
