//! Common labels and annotations: in an object's own metadata only, not in selectors and pod templates.

use std::collections::BTreeMap;

use serde_json::Map;

use crate::value::Json;

/// Sets the texts in a map of an object's metadata.
pub fn add(object: &mut Json, map: &str, texts: &BTreeMap<String, String>) {
    if texts.is_empty() || !object.is_object() {
        return;
    }
    let mut place = object;
    for name in ["metadata", map] {
        place = &mut place[name];
        if !place.is_object() {
            *place = Json::Object(Map::new());
        }
    }
    for (name, text) in texts {
        place[name] = text.as_str().into();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn labels_are_set_in_the_objects_own_metadata_only() {
        let texts = BTreeMap::from([("team".to_owned(), "a".to_owned())]);
        let template = json!({"metadata": {"labels": {"app": "web"}}});
        let spec = json!({"selector": {"matchLabels": {"app": "web"}}, "template": template});
        for (metadata, expected) in [
            (json!({"name": "x"}), json!({"name": "x", "labels": {"team": "a"}})),
            (json!({"labels": null}), json!({"labels": {"team": "a"}})),
            (json!({"labels": {"team": "b", "app": "web"}}), json!({"labels": {"team": "a", "app": "web"}})),
        ] {
            let mut object = json!({"kind": "Deployment", "metadata": metadata, "spec": spec});
            add(&mut object, "labels", &texts);
            assert_eq!(object, json!({"kind": "Deployment", "metadata": expected, "spec": spec}));
        }
    }
}
