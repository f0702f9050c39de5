//! A release whose manifest is far larger than a Secret.

use std::fmt::Write as _;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::support::charts;
use crate::world::{Place, World};

/// How many objects the chart has.
const OBJECTS: usize = 50;
/// The bytes of text in each: all together 5 MB, and too far apart in the manifest for gzip to see that they repeat.
const BYTES: usize = 100_000;

/// A chart of many large ConfigMaps.
fn publish(place: &Place<'_>) -> Result<()> {
    let chart = place.folder.path().join("source");
    std::fs::create_dir_all(chart.join("templates"))?;
    std::fs::write(chart.join("Chart.yaml"), "apiVersion: v2\nname: large\nversion: 0.1.0\n")?;
    std::fs::write(chart.join("values.yaml"), "message: one\n")?;
    let mut noise = String::new();
    for line in 0..BYTES / 64 {
        for byte in Sha256::digest(line.to_le_bytes()) {
            write!(noise, "{byte:02x}")?;
        }
    }
    std::fs::write(chart.join("noise.txt"), noise)?;
    let template = format!(
        "{{{{- range $place := until {OBJECTS} }}}}
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{{{ $.Release.Name }}}}-{{{{ $place }}}}
data:
  message: {{{{ $.Values.message }}}}
  noise: {{{{ $.Files.Get \"noise.txt\" }}}}
{{{{- end }}}}
"
    );
    std::fs::write(chart.join("templates/maps.yaml"), template)?;
    charts::repository(&[chart], place.folder.path()).map(drop)
}

fn says(place: &Place<'_>, message: &str) -> Result<()> {
    let last = format!("web-{}", OBJECTS - 1);
    place.until("configmap", &last, message, |map| map["data"]["message"] == message)?;
    place.until_ready("web").map(drop)
}

#[tokio::test]
async fn a_manifest_of_five_megabytes_is_installed_upgraded_rolled_back_and_uninstalled() -> Result<()> {
    let world = World::start()?;
    let place = world.bare_place("large").await?;
    publish(&place)?;
    place.apply(&place.repository("charts", &place.server.url()))?;
    place.apply(&place.request("web", json!({"chart": "charts/large"})))?;
    says(&place, "one")?;
    place.change(&json!({"values": {"message": "two"}}))?;
    says(&place, "two")?;
    place.change(&json!({"rollbackTo": 1}))?;
    says(&place, "one")?;

    // Helm shows the release and refuses to change what it cannot read.
    let listed: Value = serde_json::from_str(&place.helm(&["list", "-o", "json"])?)?;
    assert_eq!((&listed[0]["status"], &listed[0]["revision"]), (&json!("deployed"), &json!("3")), "{listed}");
    let history: Value = serde_json::from_str(&place.helm(&["history", "web", "-o", "json"])?)?;
    let statuses: Vec<_> = history.as_array().context("a history")?.iter().map(|entry| &entry["status"]).collect();
    assert_eq!(statuses, ["superseded", "superseded", "deployed"]);
    assert!(place.helm(&["get", "manifest", "web"])?.contains("too large for one Secret"));
    for refused in [&["rollback", "web", "2"][..], &["uninstall", "web"]] {
        assert!(place.helm(refused).is_err(), "{refused:?}");
    }
    // What they left is taken over once helm may be thought dead; interchange.rs waits for that.
    assert_eq!(place.get("configmap", "web-0")?.context("an object")?["data"]["message"], "one");

    let (peak, parts) = (world.memory("VmHWM")?, place.kubectl(&["get", "secrets", "-o", "name"])?);
    println!("peak memory of the operator: {peak:.0} MiB; Secrets of three revisions: {}", parts.lines().count());
    place.kubectl(&["delete", "helmrequest", "web"])?;
    let left = place.kubectl(&["get", "configmaps", "-o", "name"])?;
    assert!(!left.contains("web-"), "{left}");
    Ok(())
}
