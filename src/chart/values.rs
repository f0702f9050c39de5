//! Merging values: a chart's defaults under the values from above, all the way down its subcharts
//! (`pkg/chart/common/util/coalesce.go`, `pkg/chart/common/values.go`).
//!
//! Everything works on shared [`Map`]s, as in Go: which map is the same as which other one decides what later writes
//! (of a merge further down, or of `set` in a template) are seen where, and charts depend on it. Two modes exist: when
//! coalescing, a null deletes what it meets; when merging, nulls are kept for a later pass.

use std::collections::BTreeSet;

use super::dependencies::Selected;
use crate::template::print::sprintf;
use crate::value::{List, Map, Str, Value};

/// The key that is passed down to every subchart.
const GLOBAL: &str = "global";

/// What happens to nulls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nulls {
    /// A null deletes the default that it meets.
    Delete,
    /// Nulls are kept.
    Keep,
}

/// A chart's defaults, and those of its subcharts, under the given values, which are copied first. With
/// [`Nulls::Delete`] this is Helm's CoalesceValues, with [`Nulls::Keep`] its MergeValues.
///
/// # Errors
/// Helm's text where a subchart's values are not a table.
pub fn coalesce(chart: &Selected, values: &Map, nulls: Nulls) -> Result<Map, String> {
    let values = deep_copy(values);
    coalesce_chart(chart, &values, nulls)?;
    Ok(values)
}

/// A copy that shares no map with the original.
pub fn deep_copy(map: &Map) -> Map {
    let copy = match map.frozen() {
        Some(frozen) => Map::thawing(frozen),
        None => map.read().iter().map(|(key, value)| (key.clone(), copy_value(value))).collect(),
    };
    copy.with_type(map.map_type())
}

fn copy_value(value: &Value) -> Value {
    match value {
        Value::Map(map) => Value::Map(deep_copy(map)),
        Value::List(list) if list.items().iter().any(is_container) => {
            Value::List(List::of(list.element_type(), list.items().iter().map(copy_value)))
        }
        other => other.clone(),
    }
}

fn is_container(value: &Value) -> bool {
    matches!(value, Value::Map(_) | Value::List(_))
}

fn coalesce_chart(chart: &Selected, target: &Map, nulls: Nulls) -> Result<(), String> {
    coalesce_defaults(chart, target, nulls);
    for child in &chart.dependencies {
        let key = child.name();
        let table = match target.get(key.as_bytes()) {
            None => {
                let table = Map::new();
                target.insert(key, Value::Map(table.clone()));
                table
            }
            Some(Value::Map(table)) => table,
            Some(other) => return Err(format!("type mismatch on {key}: {}", bool_verb(&other))),
        };
        push_globals(&table, target);
        coalesce_chart(child, &table, nulls)?;
    }
    Ok(())
}

/// Merges the parent's globals into those of a subchart, the parent's first. Tables are copied one level deep: below
/// that, parent and child share their maps.
fn push_globals(child: &Map, parent: &Map) {
    let (Some(into), Some(from)) = (globals(child), globals(parent)) else { return };
    for (key, value) in from.entries() {
        match (&value, into.get(key.as_bytes())) {
            (Value::Map(table), None) => into.insert(key, Value::Map(shallow_copy(table))),
            (Value::Map(table), Some(Value::Map(existing))) => {
                let table = shallow_copy(table);
                merge_tables(&table, &existing, Nulls::Keep);
                into.insert(key, Value::Map(table));
            }
            (Value::Map(_), Some(_)) | (_, Some(Value::Map(_))) => {}
            _ => into.insert(key, value),
        }
    }
    child.insert(GLOBAL, Value::Map(into));
}

/// The globals of some values, a new table where there are none, nothing where they are no table.
fn globals(values: &Map) -> Option<Map> {
    match values.get(GLOBAL.as_bytes()) {
        None => Some(Map::new()),
        Some(Value::Map(globals)) => Some(globals),
        Some(_) => None,
    }
}

fn shallow_copy(map: &Map) -> Map {
    map.entries().into_iter().collect()
}

/// Puts a chart's own defaults under `target`.
fn coalesce_defaults(chart: &Selected, target: &Map, nulls: Nulls) {
    for (key, default) in deep_copy(&chart.values).entries() {
        match (target.get(key.as_bytes()), &default) {
            (Some(Value::Nil), _) if nulls == Nulls::Delete => drop(target.remove(key.as_bytes())),
            (Some(Value::Map(table)), Value::Map(defaults)) => {
                let is_child = chart.dependencies.iter().any(|child| child.name().as_bytes() == key.as_bytes());
                let nulls = if is_child { Nulls::Keep } else { nulls };
                if nulls == Nulls::Delete {
                    remove_nulls(defaults);
                }
                merge_tables(&table, defaults, nulls);
            }
            (Some(_), _) => {}
            (None, Value::Nil) if nulls == Nulls::Delete => {}
            (None, _) => {
                if let (Value::Map(defaults), Nulls::Delete) = (&default, nulls) {
                    remove_nulls(defaults);
                }
                target.insert(key, default);
            }
        }
    }
}

/// Merges `source` into `target`, which wins. What only the source has is shared between both afterwards.
pub fn merge_tables(target: &Map, source: &Map, nulls: Nulls) {
    let mut had_value = BTreeSet::new();
    for key in null_keys(target) {
        if source.get(key.as_bytes()).is_some_and(|value| !matches!(value, Value::Nil)) {
            had_value.insert(key.clone());
        }
        source.insert(key, Value::Nil);
    }
    for (key, value) in source.entries() {
        match (target.get(key.as_bytes()), &value) {
            (Some(Value::Nil), _) if nulls == Nulls::Delete && had_value.contains(&key) => {
                target.remove(key.as_bytes());
            }
            (None, _) => target.insert(key, value),
            (Some(Value::Map(table)), Value::Map(defaults)) => merge_tables(&table, defaults, nulls),
            _ => {}
        }
    }
}

fn null_keys(map: &Map) -> Vec<Str> {
    map.read().iter().filter(|(_, value)| matches!(value, Value::Nil)).map(|(key, _)| key.clone()).collect()
}

fn remove_nulls(map: &Map) {
    if map.frozen().is_some_and(|frozen| !frozen.has_nil()) {
        return;
    }
    for (key, value) in map.entries() {
        match value {
            Value::Nil => drop(map.remove(key.as_bytes())),
            Value::Map(inner) => remove_nulls(&inner),
            _ => {}
        }
    }
}

/// The table at a dotted path (`Values.Table`).
///
/// # Errors
/// Go's text, naming the first element that is no table.
pub fn table(values: &Map, path: &str) -> Result<Map, String> {
    let mut table = values.clone();
    for element in path.split('.') {
        match table.get(element.as_bytes()) {
            Some(Value::Map(inner)) => table = inner,
            _ => return Err(format!("{element:?} is not a table")),
        }
    }
    Ok(table)
}

/// The value at a dotted path that is not a table (`Values.PathValue`).
///
/// # Errors
/// Go's text.
pub fn path_value(values: &Map, path: &str) -> Result<Value, String> {
    if path.is_empty() {
        return Err("YAML path cannot be empty".to_owned());
    }
    let (parent, key) = match path.rsplit_once('.') {
        None => (Ok(values.clone()), path),
        Some((parent, key)) => (table(values, parent), key),
    };
    match parent.ok().and_then(|table| table.get(key.as_bytes())) {
        Some(value) if !matches!(value, Value::Map(_)) => Ok(value),
        _ => Err(format!("{key:?} is not a value")),
    }
}

/// How Go prints a value with the verb for booleans, which Helm's message uses by mistake.
fn bool_verb(value: &Value) -> String {
    let text = sprintf(b"%t", std::slice::from_ref(value)).unwrap_or_default();
    String::from_utf8_lossy(&text).into_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::chart::Chart;
    use crate::chart::dependencies::tests::{chart, complete};
    use crate::value::Json;

    fn map(json: &Json) -> Map {
        match Value::from(json) {
            Value::Map(map) => map,
            _ => Map::new(),
        }
    }

    fn coalesced(chart: &Chart, values: &Json, nulls: Nulls) -> Result<Json, String> {
        coalesce(&complete(chart), &map(values), nulls).map(|values| Json::from(&Value::Map(values)))
    }

    #[test]
    fn nulls_delete_what_they_meet_and_stay_where_they_meet_nothing() {
        let defaults = json!({"kept": "d", "gone": "d", "none": null, "table": {"a": 1.0, "b": 2.0, "none": null}});
        let chart = chart("c", defaults, Vec::new());
        let user = json!({"gone": null, "unknown": null, "table": {"a": null, "x": null}});
        let expected = json!({"kept": "d", "unknown": null, "table": {"b": 2.0, "x": null}});
        assert_eq!(coalesced(&chart, &user, Nulls::Delete), Ok(expected));
        let merged = json!({
            "kept": "d", "gone": null, "none": null, "unknown": null,
            "table": {"a": null, "b": 2.0, "none": null, "x": null},
        });
        assert_eq!(coalesced(&chart, &user, Nulls::Keep), Ok(merged));
    }

    #[test]
    fn tables_and_scalars_do_not_replace_each_other() {
        let chart = chart("c", json!({"table": {"a": 1.0}, "scalar": 1.0, "list": [1.0]}), Vec::new());
        let user = json!({"table": "x", "scalar": {"b": 2.0}, "list": []});
        assert_eq!(coalesced(&chart, &user, Nulls::Delete), Ok(user));
    }

    #[test]
    fn globals_go_down_and_the_parent_wins() {
        let child = chart("sub", json!({"global": {"a": "child", "own": "child", "t": {"x": 1.0}}}), Vec::new());
        let parent = chart("c", json!({"global": {"a": "parent", "t": {"y": 2.0}}}), vec![child]);
        let expected = json!({
            "global": {"a": "parent", "t": {"y": 2.0}},
            "sub": {"global": {"a": "parent", "own": "child", "t": {"x": 1.0, "y": 2.0}}},
        });
        assert_eq!(coalesced(&parent, &json!({}), Nulls::Delete), Ok(expected));
    }

    #[test]
    fn a_null_removes_a_subcharts_default_but_a_default_null_does_not() {
        let child = || chart("sub", json!({"a": 1.0, "b": 2.0}), Vec::new());
        let parent = chart("c", json!({"sub": {"b": null}}), vec![child()]);
        let expected = json!({"sub": {"a": 1.0, "b": 2.0, "global": {}}});
        assert_eq!(coalesced(&parent, &json!({}), Nulls::Delete), Ok(expected));
        let parent = chart("c", Json::Null, vec![child()]);
        let expected = json!({"sub": {"b": 2.0, "global": {}}});
        assert_eq!(coalesced(&parent, &json!({"sub": {"a": null}}), Nulls::Delete), Ok(expected));
    }

    #[test]
    fn a_subcharts_values_must_be_a_table() {
        let parent = chart("c", Json::Null, vec![chart("sub", Json::Null, Vec::new())]);
        let error = coalesced(&parent, &json!({"sub": ["x"]}), Nulls::Delete);
        assert_eq!(error, Err("type mismatch on sub: [%!t(string=x)]".to_owned()));
    }

    #[test]
    fn paths_lead_to_tables_and_to_values() {
        let values = map(&json!({"a": {"b": {"c": 1.0}}, "d": null}));
        assert!(table(&values, "a.b").is_ok());
        assert_eq!(table(&values, "a.x.y").err().as_deref(), Some("\"x\" is not a table"));
        assert!(matches!(path_value(&values, "a.b.c"), Ok(Value::Float(_))));
        assert!(matches!(path_value(&values, "d"), Ok(Value::Nil)));
        assert_eq!(path_value(&values, "a.b").err().as_deref(), Some("\"b\" is not a value"));
        assert_eq!(path_value(&values, "").err().as_deref(), Some("YAML path cannot be empty"));
    }
}
