//! The example chart in Jinja: its output, and its installation by the operator.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::support::{charts, command};
use crate::world::world;

const CHART: &str = "jinja-hello";

#[test]
fn the_example_prints_what_is_recorded() -> Result<()> {
    let chart = charts::folder(CHART);
    let mut coxswain = Command::new(env!("CARGO_BIN_EXE_coxswain"));
    coxswain.args(["template", "web", "--namespace", "ns", "--set", "podLabels.team=web"]).arg(chart);
    let recorded = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/jinja-hello.yaml"))?;
    assert_eq!(command::output(&mut coxswain)?, recorded);
    Ok(())
}

#[tokio::test]
async fn the_example_is_installed_and_changed_and_its_errors_are_told() -> Result<()> {
    let place = world().place("jinja", &[CHART]).await?;
    let request = |values: Value| place.request("web", json!({"chart": "charts/jinja-hello", "values": values}));
    place.apply(&request(json!({"replicas": 2})))?;
    let ready = place.until_ready("web")?;
    assert_eq!(ready["status"]["notes"], "web greets in 2 languages: hello (en), bonjour (fr).\n", "{ready}");
    let manifest = place.helm(&["get", "manifest", "web"])?;
    assert!(manifest.contains("# Source: jinja-hello/templates/deployment.yaml.j2"), "{manifest}");
    assert!(manifest.contains("# Source: jinja-hello/templates/service.yaml\n"), "{manifest}");
    let deployment = place.get("deployment", "web-hello")?.context("there is no Deployment")?;
    assert_eq!(
        (&deployment["spec"]["replicas"], &deployment["metadata"]["labels"]["helm.sh/chart"]),
        (&json!(2), &json!("jinja-hello-0.1.0"))
    );

    place.apply(&request(json!({"greetings": {"de": "guten Tag"}})))?;
    place.until("configmap", "web-hello", "the new greeting", |map| map["data"]["greeting.de"] == "guten Tag")?;
    place.until_ready("web")?;
    let history: Value = serde_json::from_str(&place.helm(&["history", "web", "-o", "json"])?)?;
    assert_eq!(history.as_array().map(Vec::len), Some(2), "{history}");

    place.apply(&request(json!({"greetings": "none"})))?;
    let message = place.until_failed("web", "TemplateError")?;
    assert!(message.contains("jinja-hello/templates/"), "{message}");
    Ok(())
}
