//! The release JSON (`pkg/release/v1/release.go`, `info.go`), fields in Helm's order.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};

use super::{Hook, Revision, Status, StoredChart, time};
use crate::render::Event;
use crate::value::Json;

/// One revision of a release.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Record {
    /// The release's name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Status and times.
    #[serde(deserialize_with = "time::null_is_default")]
    pub info: Info,
    /// The chart.
    #[serde(deserialize_with = "time::null_is_default")]
    pub chart: StoredChart,
    /// The user's merged values, or null for none.
    #[serde(skip_serializing_if = "is_empty_object", deserialize_with = "read_values")]
    pub config: Json,
    /// The rendered documents without hooks.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub manifest: String,
    /// The rendered hooks with their last runs.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "time::null_is_default")]
    pub hooks: Vec<Hook>,
    /// The revision's number, from 1.
    pub version: i64,
    /// The release's namespace.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// How its objects were applied.
    #[serde(skip_serializing_if = "ApplyMethod::is_unset", deserialize_with = "time::null_is_default")]
    pub apply_method: ApplyMethod,
    /// The user's labels, which are stored as labels of the Secret and not in the JSON.
    #[serde(skip)]
    pub labels: BTreeMap<String, String>,
}

/// How the objects of a revision were applied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ApplyMethod {
    /// By three-way merge on the client's side.
    #[serde(rename = "csa")]
    ClientSide,
    /// By server-side apply.
    #[serde(rename = "ssa")]
    ServerSide,
    /// Not said: Helm v3, which applies on the client's side.
    #[default]
    #[serde(other)]
    Unset,
}

/// Status and times of a revision.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Info {
    /// When the release was first deployed.
    #[serde(with = "time::optional", skip_serializing_if = "Option::is_none")]
    pub first_deployed: Option<Timestamp>,
    /// When this revision's operation began.
    #[serde(with = "time::optional", skip_serializing_if = "Option::is_none")]
    pub last_deployed: Option<Timestamp>,
    /// When its uninstallation began.
    #[serde(with = "time::optional", skip_serializing_if = "Option::is_none")]
    pub deleted: Option<Timestamp>,
    /// What happened, for `helm history`.
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "time::null_is_default")]
    pub description: String,
    /// The status.
    #[serde(deserialize_with = "time::null_is_default")]
    pub status: Status,
    /// The revision that was rolled back to; 0 for any other operation.
    #[serde(skip_serializing_if = "is_zero", deserialize_with = "time::null_is_default")]
    pub rollback_revision: i64,
    /// The rendered NOTES.txt.
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "time::null_is_default")]
    pub notes: String,
}

impl ApplyMethod {
    fn is_unset(&self) -> bool {
        *self == Self::Unset
    }

    /// Whether the objects' fields are owned by client-side updates and have to be migrated before they are applied
    /// by the server.
    pub fn is_client_side(self) -> bool {
        self != Self::ServerSide
    }
}

impl Record {
    /// Its number and status.
    pub fn revision(&self) -> Revision {
        Revision { number: self.version, status: self.info.status }
    }

    /// The places in [`Record::hooks`] of the hooks for an event, in the order they run: by weight, then by name. A
    /// hook that names the event twice runs twice (`pkg/action/hooks.go`).
    pub fn hooks_of(&self, event: Event) -> Vec<usize> {
        let mut places = Vec::new();
        for (place, hook) in self.hooks.iter().enumerate() {
            places.extend(hook.events.iter().filter(|named| **named == event).map(|_| place));
        }
        places.sort_by(|left, right| {
            let (left, right) = (&self.hooks[*left], &self.hooks[*right]);
            left.weight.cmp(&right.weight).then_with(|| left.name.cmp(&right.name))
        });
        places
    }
}

fn is_empty_object(values: &Json) -> bool {
    values.as_object().is_none_or(serde_json::Map::is_empty)
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_zero(revision: &i64) -> bool {
    *revision == 0
}

/// Reads values as Go does: every number is a float64.
pub(super) fn read_values<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Json, D::Error> {
    let mut values = Json::deserialize(deserializer)?;
    numbers_to_floats(&mut values);
    Ok(values)
}

fn numbers_to_floats(values: &mut Json) {
    match values {
        Json::Number(number) => *values = number.as_f64().map_or(Json::Null, Json::from),
        Json::Array(items) => items.iter_mut().for_each(numbers_to_floats),
        Json::Object(entries) => entries.values_mut().for_each(numbers_to_floats),
        Json::Null | Json::Bool(_) | Json::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hook(name: &str, weight: i64, events: &[Event]) -> Hook {
        Hook { name: name.to_owned(), weight, events: events.to_vec(), ..Hook::default() }
    }

    #[test]
    fn hooks_run_by_weight_then_name() {
        let record = Record {
            hooks: vec![
                hook("b", 0, &[Event::PreInstall]),
                hook("late", 5, &[Event::PreInstall, Event::PostInstall]),
                hook("a", 0, &[Event::PreInstall]),
                hook("early", -1, &[Event::PostInstall]),
            ],
            ..Record::default()
        };
        let names =
            |event| record.hooks_of(event).into_iter().map(|i| record.hooks[i].name.as_str()).collect::<Vec<_>>();
        assert_eq!(names(Event::PreInstall), ["a", "b", "late"]);
        assert_eq!(names(Event::PostInstall), ["early", "late"]);
        assert!(names(Event::Test).is_empty());
    }

    #[test]
    fn a_hook_that_names_an_event_twice_runs_twice() {
        let record = Record { hooks: vec![hook("x", 0, &[Event::Test, Event::Test])], ..Record::default() };
        assert_eq!(record.hooks_of(Event::Test), [0, 0]);
    }

    #[test]
    fn the_apply_method_of_helm_3_is_client_side() -> Result<(), serde_json::Error> {
        for (text, client_side) in
            [(r#"{}"#, true), (r#"{"apply_method":"csa"}"#, true), (r#"{"apply_method":"ssa"}"#, false)]
        {
            assert_eq!(serde_json::from_str::<Record>(text)?.apply_method.is_client_side(), client_side, "{text}");
        }
        Ok(())
    }
}
