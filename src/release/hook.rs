//! Hooks in a record: the rendered hook and its last run (`pkg/release/v1/hook.go`).

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::time;
use crate::render::{self, Event};

/// The delete policy of a hook that names none.
const BEFORE_CREATION: &str = "before-hook-creation";

/// How the last run of a hook went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// It never ran.
    #[default]
    #[serde(rename = "")]
    Never,
    /// It runs.
    Running,
    /// It ran to its end.
    Succeeded,
    /// It failed.
    Failed,
    /// Its outcome is not known.
    #[serde(other)]
    Unknown,
}

/// The last run of a hook.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Execution {
    /// When its object was created.
    #[serde(with = "time::optional", skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When its outcome was seen.
    #[serde(with = "time::optional", skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<Timestamp>,
    /// How it went.
    #[serde(deserialize_with = "time::null_is_default")]
    pub phase: Phase,
}

/// Where a hook stands in the operation that is underway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// It has not run in this operation.
    Waiting,
    /// Its object was created, or was about to be; the outcome is not recorded.
    Running,
    /// It must not run again.
    Succeeded,
    /// It ended the operation.
    Failed,
}

/// A hook as the record has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Hook {
    /// `metadata.name`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The object's kind.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// The template that made it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// The document.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub manifest: String,
    /// When it runs. Events of other versions of Helm are not kept.
    #[serde(serialize_with = "write_events", deserialize_with = "read_events", skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<Event>,
    /// Its last run; Helm always writes it.
    #[serde(deserialize_with = "time::null_is_default")]
    pub last_run: Execution,
    /// Its weight; smaller runs earlier.
    #[serde(skip_serializing_if = "is_zero")]
    pub weight: i64,
    /// `helm.sh/hook-delete-policy`.
    #[serde(deserialize_with = "time::null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub delete_policies: Vec<String>,
    /// `helm.sh/hook-output-log-policy`.
    #[serde(deserialize_with = "time::null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub output_log_policies: Vec<String>,
}

impl Hook {
    /// Notes that its object is about to be created. The delete policy that Helm assumes becomes part of the record
    /// then, as it does with Helm.
    pub fn start(&mut self, now: Timestamp) {
        if self.delete_policies.is_empty() {
            self.delete_policies.push(BEFORE_CREATION.to_owned());
        }
        self.last_run = Execution { started_at: Some(now), completed_at: None, phase: Phase::Running };
    }

    /// Notes the outcome.
    pub fn finish(&mut self, phase: Phase, now: Timestamp) {
        self.last_run.completed_at = Some(now);
        self.last_run.phase = phase;
    }

    /// Where it stands in an operation that began at `since`; a run before that belongs to an earlier operation.
    pub fn progress(&self, since: Timestamp) -> Progress {
        if self.last_run.started_at.is_none_or(|started| started < since) {
            return Progress::Waiting;
        }
        match self.last_run.phase {
            Phase::Never => Progress::Waiting,
            Phase::Running | Phase::Unknown => Progress::Running,
            Phase::Succeeded => Progress::Succeeded,
            Phase::Failed => Progress::Failed,
        }
    }

    /// Whether its object is deleted for the reason `policy` (`before-hook-creation`, `hook-succeeded`,
    /// `hook-failed`). Custom resource definitions never are: their objects would go with them.
    pub fn is_deleted_on(&self, policy: &str) -> bool {
        let assumed = self.delete_policies.is_empty() && policy == BEFORE_CREATION;
        self.kind != "CustomResourceDefinition" && (assumed || self.delete_policies.iter().any(|known| known == policy))
    }
}

impl From<render::Hook> for Hook {
    fn from(hook: render::Hook) -> Self {
        let render::Hook { name, kind, path, manifest, events, weight, delete_policies, output_log_policies } = hook;
        let last_run = Execution::default();
        Self { name, kind, path, manifest, events, last_run, weight, delete_policies, output_log_policies }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_zero(weight: &i64) -> bool {
    *weight == 0
}

fn write_events<S: Serializer>(events: &[Event], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(events.iter().map(|event| event.name()))
}

fn read_events<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Event>, D::Error> {
    let names = Option::<Vec<String>>::deserialize(deserializer)?.unwrap_or_default();
    Ok(names.iter().filter_map(|name| Event::parse(name)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hook(weight: i64) -> Hook {
        Hook { name: "migrate".to_owned(), kind: "Job".to_owned(), weight, ..Hook::default() }
    }

    #[test]
    fn a_hook_that_never_ran_still_has_a_last_run() -> Result<(), serde_json::Error> {
        let written = serde_json::to_string(&Hook { events: vec![Event::PreInstall], ..hook(0) })?;
        assert_eq!(written, r#"{"name":"migrate","kind":"Job","events":["pre-install"],"last_run":{"phase":""}}"#);
        Ok(())
    }

    #[test]
    fn empty_times_of_helm_3_and_unknown_events_are_read() -> Result<(), serde_json::Error> {
        let text = r#"{"name":"x","events":["crd-install","test"],"weight":-5,"delete_policies":null,
                       "last_run":{"started_at":"","completed_at":"","phase":""}}"#;
        let hook: Hook = serde_json::from_str(text)?;
        assert_eq!((hook.events.as_slice(), hook.weight), ([Event::Test].as_slice(), -5));
        assert_eq!(hook.last_run, Execution::default());
        Ok(())
    }

    #[test]
    fn a_run_of_an_earlier_operation_does_not_count() {
        let (before, since, after) =
            (Timestamp::constant(90, 0), Timestamp::constant(100, 0), Timestamp::constant(110, 0));
        let mut hook = hook(0);
        assert_eq!(hook.progress(since), Progress::Waiting);
        hook.start(before);
        hook.finish(Phase::Succeeded, after);
        assert_eq!(hook.progress(since), Progress::Waiting);
        hook.start(since);
        assert_eq!(hook.progress(since), Progress::Running);
        hook.finish(Phase::Failed, after);
        assert_eq!(hook.progress(since), Progress::Failed);
    }

    #[test]
    fn delete_policies_have_a_default_and_spare_definitions() {
        let mut hook = hook(0);
        assert!(hook.is_deleted_on("before-hook-creation") && !hook.is_deleted_on("hook-succeeded"));
        hook.start(Timestamp::UNIX_EPOCH);
        assert_eq!(hook.delete_policies, ["before-hook-creation"]);
        hook.delete_policies = vec!["hook-succeeded".to_owned()];
        assert!(!hook.is_deleted_on("before-hook-creation") && hook.is_deleted_on("hook-succeeded"));
        hook.kind = "CustomResourceDefinition".to_owned();
        assert!(!hook.is_deleted_on("hook-succeeded"));
    }
}
