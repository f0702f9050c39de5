//! The status of a ChartRepo: what each outcome says, and whether that is new.

use jiff::Timestamp;
use kube::ResourceExt;
use serde_json::json;

use super::webhook::{self, Standing};
use crate::api::chart_repo::{ChartRepo, ChartRepoStatus, RepositoryPhase};
use crate::api::conditions::{self, ConditionStatus, ConditionType};
use crate::api::{Reason, names};
use crate::controller::events::{EventType, Note};
use crate::value::Json;
use crate::value::message::one_line;

/// How a read of a repository ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// A new index was read.
    Synced {
        /// The number of charts.
        charts: usize,
        /// The number of entries that are not valid.
        skipped: usize,
        /// Why one of those was left out that are no entries of an index.
        problem: Option<String>,
        /// What identifies the index.
        revision: Option<String>,
    },
    /// The index is what it was.
    Unchanged,
    /// It could not be read.
    Failed {
        /// Why, in a word.
        reason: Reason,
        /// Why, in a sentence.
        message: String,
    },
    /// It is switched off.
    Disabled,
    /// It was not read: something else is to be told.
    Standing,
}

/// What is known beside how a read ended.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Known<'a> {
    /// The token of the last wish for a refresh that was acted on.
    pub(super) handled: Option<&'a str>,
    /// How it stands with the webhook, where there is to be one.
    pub(super) webhook: Option<&'a Standing>,
}

impl Outcome {
    /// The word for metrics.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Synced { .. } => "changed",
            Self::Unchanged => "unchanged",
            Self::Failed { .. } => "failed",
            Self::Disabled => "disabled",
            Self::Standing => "standing",
        }
    }

    /// The reason of the condition.
    pub(super) fn reason(&self) -> Reason {
        match self {
            Self::Synced { .. } | Self::Unchanged | Self::Standing => Reason::Synced,
            Self::Failed { reason, .. } => *reason,
            Self::Disabled => Reason::RepositoryDisabled,
        }
    }

    /// Whether it failed.
    pub(super) fn is_failure(&self) -> bool {
        matches!(self, Self::Failed { .. })
    }
}

/// The merge patch that makes the object say it; nothing where it says so already. It fails where the object changed
/// meanwhile, so that a wish for a refresh is not overwritten.
pub(super) fn patch(object: &ChartRepo, outcome: &Outcome, known: Known<'_>, now: Timestamp) -> Option<Json> {
    let before = object.status.clone().unwrap_or_default();
    let mut after = next(&before, outcome, now);
    if let Some(token) = known.handled {
        after.last_handled_refresh = Some(token.to_owned());
    }
    tell_webhook(&mut after, object, known.webhook, now);
    if before == after {
        return None;
    }
    let mut metadata = json!({"resourceVersion": object.resource_version()});
    if after.revision != before.revision && matches!(outcome, Outcome::Synced { .. }) {
        metadata["annotations"] = json!({names::LAST_SYNC_AT: now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()});
    }
    Some(json!({"metadata": metadata, "status": difference(&before, &after)}))
}

/// What is worth an event: a failure that was not told yet, and the end of failures.
pub(super) fn news(object: &ChartRepo, outcome: &Outcome) -> Option<Note> {
    let before = object.status.as_ref();
    let (event_type, reason, text) = match outcome {
        Outcome::Failed { reason, message } => {
            let message = one_line(message);
            let told = before.and_then(|before| before.reason.as_deref()) == Some(message.as_str());
            (!told).then(|| (EventType::Warning, "FailedSync", format!("{reason}: {message}")))?
        }
        Outcome::Synced { .. } | Outcome::Unchanged => {
            let failed = before.is_some_and(|before| before.phase == Some(RepositoryPhase::Failed));
            failed.then(|| (EventType::Normal, "Synced", "the repository can be read again".to_owned()))?
        }
        Outcome::Disabled | Outcome::Standing => return None,
    };
    Some(Note { event_type, reason: reason.to_owned(), action: "Read".to_owned(), text, related: None })
}

fn tell_webhook(after: &mut ChartRepoStatus, object: &ChartRepo, webhook: Option<&Standing>, now: Timestamp) {
    let (status, reason, message) = match webhook {
        None => return conditions::remove(&mut after.conditions, ConditionType::WebhookReady),
        Some(Standing::Ready) => {
            let message = format!("POST {} reads it anew", webhook::path(object));
            (ConditionStatus::True, Reason::Ready, message)
        }
        Some(Standing::Broken { reason, message }) => (ConditionStatus::False, *reason, message.clone()),
    };
    conditions::set(&mut after.conditions, ConditionType::WebhookReady, status, reason, &message, None, now);
}

fn next(before: &ChartRepoStatus, outcome: &Outcome, now: Timestamp) -> ChartRepoStatus {
    let mut after = before.clone();
    let (ready, message) = match outcome {
        Outcome::Synced { charts, skipped, problem, revision } => {
            after.charts = i64::try_from(*charts).ok();
            after.revision.clone_from(revision);
            (true, summary(*charts, *skipped, problem.as_deref()))
        }
        Outcome::Unchanged => {
            let ready = conditions::find(&before.conditions, ConditionType::Ready);
            let kept = ready.filter(|ready| ready.status == ConditionStatus::True).map(|ready| ready.message.clone());
            let charts = usize::try_from(before.charts.unwrap_or_default()).unwrap_or_default();
            (true, kept.unwrap_or_else(|| summary(charts, 0, None)))
        }
        Outcome::Failed { message, .. } => (false, message.clone()),
        Outcome::Disabled => (false, "spec.enabled is false: the charts that are known stay".to_owned()),
        Outcome::Standing => return after,
    };
    match outcome {
        Outcome::Synced { .. } | Outcome::Unchanged => {
            after.phase = Some(RepositoryPhase::Synced);
            after.reason = None;
        }
        Outcome::Failed { .. } => {
            after.phase = Some(RepositoryPhase::Failed);
            after.reason = Some(one_line(&message));
        }
        Outcome::Disabled | Outcome::Standing => {}
    }
    let reason = outcome.reason();
    let status = if ready { ConditionStatus::True } else { ConditionStatus::False };
    conditions::set(&mut after.conditions, ConditionType::Ready, status, reason, &message, None, now);
    if outcome.is_failure() && reason.stalls() {
        let stalled = (ConditionType::Stalled, ConditionStatus::True);
        conditions::set(&mut after.conditions, stalled.0, stalled.1, reason, &message, None, now);
    } else {
        conditions::remove(&mut after.conditions, ConditionType::Stalled);
    }
    after
}

fn summary(charts: usize, skipped: usize, problem: Option<&str>) -> String {
    let charts = format!("{charts} {}", if charts == 1 { "chart" } else { "charts" });
    match (problem, skipped) {
        (Some(problem), 0 | 1) => format!("{charts}; left out: {problem}"),
        (Some(problem), skipped) => format!("{charts}; {skipped} are left out, for example: {problem}"),
        (None, 0) => charts,
        (None, 1) => format!("{charts}; 1 entry of the index is not valid and was left out"),
        (None, skipped) => format!("{charts}; {skipped} entries of the index are not valid and were left out"),
    }
}

/// A merge patch from one status to the other: what is gone is null.
fn difference(before: &ChartRepoStatus, after: &ChartRepoStatus) -> Json {
    let fields = |status: &ChartRepoStatus| match serde_json::to_value(status) {
        Ok(Json::Object(fields)) => fields,
        _ => serde_json::Map::new(),
    };
    let mut patch = fields(after);
    for (field, _) in fields(before) {
        patch.entry(field).or_insert(Json::Null);
    }
    Json::Object(patch)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(status: Json, annotations: Json) -> ChartRepo {
        let object = json!({
            "apiVersion": "app.alauda.io/v1beta1", "kind": "ChartRepo",
            "metadata": {"name": "stable", "namespace": "captain", "resourceVersion": "7", "annotations": annotations},
            "spec": {"url": "http://127.0.0.1:1"}, "status": status,
        });
        serde_json::from_value(object).expect("a ChartRepo")
    }

    fn synced(revision: &str) -> Outcome {
        Outcome::Synced { charts: 2, skipped: 1, problem: None, revision: Some(revision.to_owned()) }
    }

    fn written(object: &ChartRepo, outcome: &Outcome, second: i64) -> Option<Json> {
        knowing(object, outcome, Known::default(), second)
    }

    fn knowing(object: &ChartRepo, outcome: &Outcome, known: Known<'_>, second: i64) -> Option<Json> {
        patch(object, outcome, known, Timestamp::from_second(second).expect("in range"))
    }

    #[test]
    fn a_first_read_says_how_many_charts_there_are() {
        let patch = written(&object(json!({"phase": "Pending"}), json!({})), &synced("sha256:1"), 100).expect("new");
        assert_eq!(patch["metadata"]["resourceVersion"], "7");
        assert_eq!(patch["metadata"]["annotations"]["cpaas.io/last-sync-at"], "1970-01-01T00:01:40Z");
        assert_eq!((&patch["status"]["phase"], &patch["status"]["charts"]), (&json!("Synced"), &json!(2)));
        let message = "2 charts; 1 entry of the index is not valid and was left out";
        assert_eq!(patch["status"]["conditions"][0]["message"], message);
    }

    #[test]
    fn nothing_is_written_when_nothing_is_new() {
        let first = written(&object(json!({}), json!({})), &synced("sha256:1"), 100).expect("new");
        let same = object(first["status"].clone(), json!({}));
        assert_eq!(written(&same, &synced("sha256:1"), 200), None);
        assert_eq!(written(&same, &Outcome::Unchanged, 200), None);
        let newer = written(&same, &synced("sha256:2"), 200).expect("new");
        assert!(newer["metadata"]["annotations"].is_object());
    }

    #[test]
    fn a_failure_has_its_reason_and_goes_without_a_trace() {
        let failed = Outcome::Failed { reason: Reason::TLSNotTrusted, message: "not\ntrusted".to_owned() };
        let patch = written(&object(json!({}), json!({})), &failed, 100).expect("new");
        assert_eq!((&patch["status"]["phase"], &patch["status"]["reason"]), (&json!("Failed"), &json!("not trusted")));
        assert_eq!(patch["status"]["conditions"][1]["type"], "Stalled");
        assert!(patch["metadata"]["annotations"].is_null());

        let failing = object(patch["status"].clone(), json!({}));
        assert_eq!(written(&failing, &failed, 200), None, "the same failure again");
        let healed = written(&failing, &Outcome::Unchanged, 300).expect("new");
        assert_eq!((&healed["status"]["phase"], &healed["status"]["reason"]), (&json!("Synced"), &Json::Null));
        assert_eq!(healed["status"]["conditions"].as_array().map(Vec::len), Some(1));
    }

    #[test]
    fn an_event_tells_what_is_new() {
        let failed = |message: &str| Outcome::Failed { reason: Reason::NotFound, message: message.to_owned() };
        let news = |status: Json, outcome| news(&object(status, json!({})), &outcome).map(|note| note.text);
        let failing = || json!({"phase": "Failed", "reason": "gone"});
        assert_eq!(news(json!({}), failed("gone\nfor good")).as_deref(), Some("NotFound: gone for good"));
        assert_eq!(news(failing(), failed("gone")), None, "it was told");
        assert!(news(failing(), failed("refused")).is_some());
        assert!(news(failing(), Outcome::Unchanged).is_some(), "it is over");
        assert_eq!(news(json!({"phase": "Synced"}), synced("sha256:1")), None);
        assert_eq!(news(failing(), Outcome::Disabled), None);
    }

    #[test]
    fn a_refresh_is_answered_with_its_token() {
        let first = written(&object(json!({}), json!({})), &synced("sha256:1"), 100).expect("new");
        let asked = object(first["status"].clone(), json!({"coxswain.dev/refresh": "43"}));
        let known = Known { handled: Some("42"), ..Known::default() };
        let patch = knowing(&asked, &Outcome::Unchanged, known, 200).expect("new");
        assert_eq!(patch["status"]["lastHandledRefresh"], "42", "what came while it was read is not answered yet");
    }

    #[test]
    fn a_webhook_is_told_beside_whatever_was_read() {
        let failed = Outcome::Failed { reason: Reason::NotFound, message: "gone".to_owned() };
        let first = written(&object(json!({}), json!({})), &failed, 100).expect("new");
        let failing = object(first["status"].clone(), json!({}));
        let broken = Standing::Broken { reason: Reason::CredentialsMissing, message: "no key".to_owned() };
        let told = |standing: &Standing| {
            let known = Known { webhook: Some(standing), ..Known::default() };
            knowing(&failing, &Outcome::Standing, known, 200).expect("new")["status"]["conditions"].clone()
        };
        let conditions = told(&broken);
        assert_eq!((&conditions[0]["type"], &conditions[0]["reason"]), (&json!("Ready"), &json!("NotFound")));
        assert_eq!((&conditions[1]["type"], &conditions[1]["message"]), (&json!("WebhookReady"), &json!("no key")));
        assert_eq!(told(&Standing::Ready)[1]["message"], "POST /hooks/captain/stable reads it anew");
        assert_eq!(written(&failing, &Outcome::Standing, 200), None, "there is none");
    }
}
