//! The difference of two states of a status as a JSON merge patch (RFC 7386): only what changed, removed fields as
//! null, and nothing at all where nothing changed.

use serde_json::{Map, Value};

/// The merge patch that turns `from` into `to`, or nothing where they are equal.
pub fn difference(from: &Value, to: &Value) -> Option<Value> {
    if from == to {
        return None;
    }
    let (Value::Object(from), Value::Object(to)) = (from, to) else {
        return Some(to.clone());
    };
    let removed = from.keys().filter(|key| !to.contains_key(*key)).map(|key| (key.clone(), Value::Null));
    let changed = to.iter().filter_map(|(key, value)| {
        let before = from.get(key).unwrap_or(&Value::Null);
        difference(before, value).map(|patch| (key.clone(), patch))
    });
    Some(Value::Object(removed.chain(changed).collect::<Map<_, _>>()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn equal_states_need_no_patch() {
        assert_eq!(difference(&json!({"a": [1]}), &json!({"a": [1]})), None);
    }

    #[test]
    fn a_patch_holds_what_changed_and_nulls_what_went() {
        let from = json!({"phase": "Pending", "objects": {"ready": 1, "total": 2}, "reason": "x", "list": [1, 2]});
        let to = json!({"phase": "Synced", "objects": {"ready": 2, "total": 2}, "list": [1]});
        let patch = json!({"phase": "Synced", "objects": {"ready": 2}, "reason": null, "list": [1]});
        assert_eq!(difference(&from, &to), Some(patch));
    }
}
