//! What holds of every bad input, whatever it is: one reason in status and event, a message on one line that helps,
//! nothing written, no secret shown, and recovery without anybody touching the request. The cases are in
//! `bad_source`, `bad_chart` and `bad_objects`.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Result;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use coxswain::api::Reason;
use serde_json::{Value, json};

use crate::support::charts::{self, Packed};
use crate::support::folder::write_files;
use crate::support::wait;
use crate::world::{LIMIT, Place, condition};

/// Planted wherever a secret may be; the operator must show it nowhere.
pub const SECRET: &str = "hunter2-planted";

/// How long a recovery may take in a test that is told by a watch; without one it would wait for the next attempt.
pub const PROMPT: Duration = Duration::from_secs(10);

/// A template that works.
pub const CONFIG_MAP: &str = "\
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .Release.Name }}
data:
  message: {{ .Values.message | default \"none\" | quote }}
";

/// Writes a chart that no other test has, so that the operator never met its digest; gives its folder.
pub fn draft(place: &Place<'_>, name: &str, version: &str, files: &[(&str, &str)]) -> Result<PathBuf> {
    let folder = place.folder.path().join("drafts").join(format!("{name}-{version}"));
    let metadata = format!("apiVersion: v2\nname: {name}\nversion: {version}\ndescription: of {}\n", place.namespace);
    write_files(&folder, files.iter().copied().chain([("Chart.yaml", metadata.as_str())]))?;
    Ok(folder)
}

/// Writes and packs a chart.
pub fn pack(place: &Place<'_>, name: &str, version: &str, files: &[(&str, &str)]) -> Result<Packed> {
    charts::pack(&draft(place, name, version, files)?, place.folder.path())
}

/// Lists charts in the index of the chart server.
pub fn list(place: &Place<'_>, charts: &[Packed]) -> Result<()> {
    charts::write_index(charts, place.folder.path())
}

/// Publishes the chart `plain`, which has one ConfigMap.
pub fn publish_plain(place: &Place<'_>) -> Result<Packed> {
    let plain = pack(place, "plain", "0.1.0", &[("templates/configmap.yaml", CONFIG_MAP)])?;
    list(place, std::slice::from_ref(&plain))?;
    Ok(plain)
}

/// Creates the repository `store`, served by the chart server.
pub fn open_store(place: &Place<'_>) -> Result<()> {
    place.apply(&place.repository("store", &place.server.url()))
}

/// Creates a request for a chart, with a secret among its values and more fields of its spec.
pub fn ask(place: &Place<'_>, name: &str, chart: &str, more: &Value) -> Result<()> {
    let mut spec = json!({"chart": chart, "values": {"planted": SECRET}});
    for (field, value) in more.as_object().into_iter().flatten() {
        spec[field] = value.clone();
    }
    place.apply(&place.request(name, spec))
}

/// Waits until a request has failed for a reason and its message has every word; checks that status and event tell it
/// so and that nothing was written. Gives the message.
pub fn refused(place: &Place<'_>, request: &str, reason: Reason, words: &[&str]) -> Result<String> {
    let message = told(place, request, reason, words)?;
    let written = written(place, request)?;
    assert!(written.is_empty(), "{reason}: {written:?} was written");
    Ok(message)
}

/// The same for input that is refused only when it is being applied.
pub fn told(place: &Place<'_>, request: &str, reason: Reason, words: &[&str]) -> Result<String> {
    let has_words = |text: &str| words.iter().all(|word| text.contains(word));
    let what = format!("the request to fail with {reason} and {words:?}");
    let failed = place.until("helmrequest", request, &what, |request| {
        let ready = condition(request, "Ready").cloned().unwrap_or_default();
        ready["reason"] == reason.as_str() && ready["message"].as_str().is_some_and(has_words)
    })?;
    let ready = condition(&failed, "Ready").cloned().unwrap_or_default();
    let message = ready["message"].as_str().unwrap_or_default().to_owned();
    let said = failed["status"]["reason"].as_str().unwrap_or_default();
    assert_eq!((&failed["status"]["phase"], &ready["status"]), (&json!("Failed"), &json!("False")), "{failed}");
    assert_eq!(failed["status"]["observedGeneration"], failed["metadata"]["generation"]);
    assert!(message.starts_with(said) && !said.is_empty(), "{said:?} of {message:?}");
    assert!(!message.contains(['\n', '\t']) && message.contains("next attempt in"), "{message:?}");
    wait::until(LIMIT, &format!("an event FailedSync with {reason} and {words:?}"), || {
        let events = place.events(request, "FailedSync")?;
        Ok(events.iter().any(|note| note.starts_with(reason.as_str()) && has_words(note)).then_some(()))
    })?;
    shows_no_secret(place)?;
    Ok(said.to_owned())
}

/// Waits until a request that nobody touched is ready; tells how long that took.
pub fn cured(place: &Place<'_>, request: &str) -> Result<Duration> {
    let began = Instant::now();
    let ready = place.until_ready(request)?;
    assert_eq!(ready["metadata"]["generation"], 1, "nobody touched the request");
    assert!(ready["status"]["reason"].is_null() && condition(&ready, "Stalled").is_none(), "{ready}");
    shows_no_secret(place)?;
    Ok(began.elapsed())
}

/// The same where a watch tells of the cure.
pub fn promptly_cured(place: &Place<'_>, request: &str) -> Result<()> {
    let took = cured(place, request)?;
    assert!(took < PROMPT, "it took {took:?}");
    Ok(())
}

/// The release records and objects of a request's release in the namespace.
fn written(place: &Place<'_>, release: &str) -> Result<Vec<String>> {
    let text = place.kubectl(&["get", "configmaps,secrets,services", "-o", "json"])?;
    let objects: Value = serde_json::from_str(&text)?;
    let of_release = |metadata: &Value| {
        metadata["annotations"]["meta.helm.sh/release-name"] == release
            || metadata["labels"]["owner"] == "helm" && metadata["labels"]["name"] == release
    };
    let metadata = objects["items"].as_array().into_iter().flatten().map(|object| &object["metadata"]);
    Ok(metadata.filter(|metadata| of_release(metadata)).map(|metadata| metadata["name"].to_string()).collect())
}

/// Looks for the planted secret in everything that the operator tells.
pub fn shows_no_secret(place: &Place<'_>) -> Result<()> {
    let login = STANDARD.encode(format!("ann:{SECRET}"));
    let shows = |text: &str| text.contains(SECRET) || text.contains(&login);
    let objects: Value = serde_json::from_str(&place.kubectl(&["get", "helmrequests,chartrepos", "-o", "json"])?)?;
    for object in objects["items"].as_array().into_iter().flatten() {
        assert!(!shows(&object["status"].to_string()), "{object}");
    }
    let objects = |kind: &str| place.kubectl(&["get", kind, "-o", "json"]);
    let told = [
        objects("events.events.k8s.io")?,
        objects("charts.app.alauda.io")?,
        place.world.log()?,
        place.world.metrics()?,
    ];
    for text in told {
        assert_eq!(text.lines().find(|line| shows(line)), None);
    }
    Ok(())
}
