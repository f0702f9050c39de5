//! What fails, waits or is large delays nothing else.

use anyhow::{Result, ensure};
use serde_json::json;

use crate::support::charts;
use crate::world::{Place, world};

/// More than there are operations at the same time.
const WAITING: usize = 17;
/// How many objects the large release has.
const OBJECTS: usize = 300;

fn publish(place: &Place<'_>) -> Result<()> {
    let large = place.folder.path().join("large");
    std::fs::create_dir_all(large.join("templates"))?;
    std::fs::write(large.join("Chart.yaml"), "apiVersion: v2\nname: large\nversion: 0.1.0\n")?;
    let template = format!(
        "{{{{- range until {OBJECTS} }}}}
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{{{ $.Release.Name }}}}-{{{{ . }}}}
{{{{- end }}}}
"
    );
    std::fs::write(large.join("templates/maps.yaml"), template)?;
    let folders = [charts::folder("hello-0.1.0"), charts::folder("hooks"), large];
    charts::repository(&folders, place.folder.path()).map(drop)
}

/// Whether the hook of a request still runs.
fn waits(place: &Place<'_>, name: &str) -> Result<bool> {
    let request = place.get("helmrequest", name)?.unwrap_or_default();
    Ok(request["status"]["revision"].is_null() && place.get("job", &format!("{name}-before"))?.is_some())
}

#[tokio::test]
async fn requests_that_fail_or_wait_and_one_with_many_objects_delay_no_other() -> Result<()> {
    let place = world().bare_place("fair").await?;
    publish(&place)?;
    place.apply(&place.repository("charts", &place.server.url()))?;
    let names: Vec<String> = (0..WAITING).map(|number| format!("waits-{number}")).collect();
    for name in &names {
        let spec = json!({"chart": "charts/hooks", "values": {"runFor": "10m"}, "timeout": "10m"});
        place.apply(&place.request(name, spec))?;
    }
    for name in &names {
        place.until("job", &format!("{name}-before"), "the hook to run", |_| true)?;
    }
    place.apply(&place.request("fails", json!({"chart": "charts/missing"})))?;
    let unready = json!({"podLabels": {"kwok-unready": "true"}});
    let unready =
        json!({"chart": "charts/hello", "version": "0.1.0", "wait": true, "timeout": "10m", "values": unready});
    place.apply(&place.request("unready", unready))?;
    place.apply(&place.request("large", json!({"chart": "charts/large"})))?;
    for name in ["first", "second"] {
        place.apply(&place.request(name, json!({"chart": "charts/hello", "version": "0.1.0"})))?;
        place.until_ready(name)?;
    }
    for name in &names {
        ensure!(waits(&place, name)?, "{name} has ended, so it could delay nothing");
    }
    let unready = place.get("helmrequest", "unready")?.unwrap_or_default();
    ensure!(unready["status"]["revision"].is_null(), "{unready}");
    place.until_failed("fails", "ChartNotFound")?;
    place.until_ready("large").map(drop)
}
