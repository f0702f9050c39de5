//! The conditions of `status`, and how they change.
//!
//! They follow kstatus: `Ready` for everyone who waits, `Reconciling` and `Stalled` only while they are true.
//! A condition keeps its `lastTransitionTime` while its status stays, so that a status is written only when it
//! says something new. Conditions of other writers, Captain's `Initialized` among them, are left alone.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Reason;
use super::lenient;
use crate::value::message::one_line;

/// The kinds of conditions that the operator writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConditionType {
    /// The spec is deployed, every object is healthy, nothing drifts.
    Ready,
    /// Work towards the spec is going on.
    Reconciling,
    /// Waiting alone will not help.
    Stalled,
    /// The last install, upgrade or rollback succeeded.
    Released,
    /// Live objects differ from what was deployed.
    Drifted,
    /// The chart's tests succeeded.
    TestSuccess,
    /// A ChartRepo takes webhooks.
    WebhookReady,
}

impl ConditionType {
    /// The word that is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "Ready",
            Self::Reconciling => "Reconciling",
            Self::Stalled => "Stalled",
            Self::Released => "Released",
            Self::Drifted => "Drifted",
            Self::TestSuccess => "TestSuccess",
            Self::WebhookReady => "WebhookReady",
        }
    }
}

/// Whether it holds: True, False or Unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ConditionStatus {
    /// It holds.
    True,
    /// It does not hold.
    False,
    /// It is not known.
    #[default]
    Unknown,
}

/// One observation about an object: what, whether, since when and why.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Condition {
    /// What is observed: Ready, Reconciling, Stalled, Released, Drifted, TestSuccess or WebhookReady.
    #[serde(rename = "type", deserialize_with = "lenient::or_default")]
    pub type_: String,
    /// Whether it holds: True, False or Unknown.
    #[serde(deserialize_with = "status_or_unknown")]
    pub status: ConditionStatus,
    /// When the condition was last checked. Captain wrote it; the operator does not.
    #[serde(deserialize_with = "lenient::known", skip_serializing_if = "Option::is_none")]
    pub last_probe_time: Option<Time>,
    /// When the status last changed.
    #[serde(deserialize_with = "lenient::known", skip_serializing_if = "Option::is_none")]
    pub last_transition_time: Option<Time>,
    /// The cause in one word; the words are listed in the documentation.
    #[serde(deserialize_with = "lenient::or_default", skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// What was seen, where, and what to do next, on one line.
    #[serde(deserialize_with = "lenient::or_default", skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// The generation of the object that was looked at.
    #[serde(deserialize_with = "lenient::known", skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
}

fn status_or_unknown<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<ConditionStatus, D::Error> {
    Ok(lenient::known(deserializer)?.unwrap_or_default())
}

/// Sets a condition: replaces the one of its type or adds it.
///
/// `lastTransitionTime` becomes `now` only if the status changes. Line breaks of the message become spaces.
pub fn set(
    conditions: &mut Vec<Condition>,
    type_: ConditionType,
    status: ConditionStatus,
    reason: Reason,
    message: &str,
    generation: Option<i64>,
    now: Timestamp,
) {
    let previous = conditions.iter().position(|condition| condition.type_ == type_.as_str());
    let since = previous
        .map(|index| &conditions[index])
        .filter(|condition| condition.status == status)
        .and_then(|condition| condition.last_transition_time.clone());
    let condition = Condition {
        type_: type_.as_str().to_owned(),
        status,
        last_probe_time: None,
        last_transition_time: Some(since.unwrap_or(Time(whole_seconds(now)))),
        reason: reason.as_str().to_owned(),
        message: one_line(message),
        observed_generation: generation,
    };
    match previous {
        Some(index) => conditions[index] = condition,
        None => conditions.push(condition),
    }
}

/// Removes a condition; kstatus wants `Reconciling` and `Stalled` to be absent rather than false.
pub fn remove(conditions: &mut Vec<Condition>, type_: ConditionType) {
    conditions.retain(|condition| condition.type_ != type_.as_str());
}

/// The condition of a type.
pub fn find(conditions: &[Condition], type_: ConditionType) -> Option<&Condition> {
    conditions.iter().find(|condition| condition.type_ == type_.as_str())
}

/// Whether the condition of a type is there and true.
pub fn is_true(conditions: &[Condition], type_: ConditionType) -> bool {
    find(conditions, type_).is_some_and(|condition| condition.status == ConditionStatus::True)
}

/// Kubernetes keeps times in seconds; a finer one would come back different and look like a change.
fn whole_seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("in range")
    }

    fn ready(conditions: &mut Vec<Condition>, status: ConditionStatus, reason: Reason, second: i64) {
        set(conditions, ConditionType::Ready, status, reason, "a message", Some(1), at(second));
    }

    fn since(conditions: &[Condition]) -> Option<i64> {
        find(conditions, ConditionType::Ready)?.last_transition_time.as_ref().map(|time| time.0.as_second())
    }

    #[test]
    fn the_transition_time_moves_only_with_the_status() {
        let mut conditions = Vec::new();
        ready(&mut conditions, ConditionStatus::False, Reason::Progressing, 10);
        ready(&mut conditions, ConditionStatus::False, Reason::NotReady, 20);
        assert_eq!(since(&conditions), Some(10));
        ready(&mut conditions, ConditionStatus::True, Reason::Ready, 30);
        assert_eq!(since(&conditions), Some(30));
        assert_eq!(conditions.len(), 1);
    }

    #[test]
    fn setting_the_same_twice_changes_nothing() {
        let mut conditions = Vec::new();
        ready(&mut conditions, ConditionStatus::True, Reason::Ready, 10);
        let before = conditions.clone();
        ready(&mut conditions, ConditionStatus::True, Reason::Ready, 99);
        assert_eq!(conditions, before);
    }

    #[test]
    fn conditions_of_others_keep_their_place() {
        let captain =
            json!([{"type": "Initialized", "status": "True", "reason": "ChartLoaded", "lastProbeTime": null}]);
        let mut conditions: Vec<Condition> = serde_json::from_value(captain).expect("a Captain condition");
        ready(&mut conditions, ConditionStatus::True, Reason::Ready, 10);
        assert_eq!(conditions[0].type_, "Initialized");
        remove(&mut conditions, ConditionType::Ready);
        assert_eq!(conditions.len(), 1);
    }

    #[test]
    fn a_condition_without_times_or_with_odd_words_is_read() {
        let odd = json!({"type": "Ready", "status": "Maybe", "lastTransitionTime": "yesterday", "message": null});
        let condition: Condition = serde_json::from_value(odd).expect("lenient");
        assert_eq!(condition.status, ConditionStatus::Unknown);
        assert_eq!(condition.last_transition_time, None);
    }

    #[test]
    fn messages_are_one_line() {
        let mut conditions = Vec::new();
        set(
            &mut conditions,
            ConditionType::Stalled,
            ConditionStatus::True,
            Reason::TemplateError,
            "a\n  b\tc ",
            None,
            at(1),
        );
        assert_eq!(conditions[0].message, "a b c");
    }
}
