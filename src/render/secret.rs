//! `stringData` of Secrets, which the API server only writes: it is stored as `data`. Applied as it is, its fields are
//! noted as ours under a name that no object ever has, so nobody who changes them takes them away from us and no change
//! is noticed. So it is sent as the `data` that it becomes, and counts as that.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::value::Json;

/// Moves the texts of a Secret's `stringData` into its `data`, over what is there (`k8s.io/kubernetes`
/// `pkg/apis/core/v1/conversion.go`). What is no text stays, for the API server to refuse.
pub fn encode_string_data(secret: &mut Json) {
    let Some(members) = secret.as_object_mut() else { return };
    let is_text = |data: &Json| data.as_object().is_some_and(|data| data.values().all(Json::is_string));
    let has_room = members.get("data").is_none_or(|data| data.is_object() || data.is_null());
    if !has_room || !members.get("stringData").is_some_and(is_text) {
        return;
    }
    let Some(Json::Object(texts)) = members.remove("stringData") else { return };
    if texts.is_empty() {
        return;
    }
    let data = members.entry("data").or_insert(Json::Null);
    if data.is_null() {
        *data = Json::Object(serde_json::Map::new());
    }
    for (name, text) in texts {
        data[name] = STANDARD.encode(text.as_str().unwrap_or_default()).into();
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn texts_become_data_and_win() {
        let table = [
            (json!({"stringData": {"a": "x"}}), json!({"data": {"a": "eA=="}})),
            (
                json!({"stringData": {"a": "x"}, "data": {"a": "eQ==", "b": "eg=="}}),
                json!({"data": {"a": "eA==", "b": "eg=="}}),
            ),
            (json!({"stringData": {"a": ""}, "data": null}), json!({"data": {"a": ""}})),
            (json!({"stringData": {}}), json!({})),
            (json!({"stringData": {"a": 1}}), json!({"stringData": {"a": 1}})),
            (json!({"stringData": {"a": "x"}, "data": [1]}), json!({"stringData": {"a": "x"}, "data": [1]})),
            (json!({"data": {"b": "eg=="}}), json!({"data": {"b": "eg=="}})),
        ];
        for (mut secret, expected) in table {
            encode_string_data(&mut secret);
            assert_eq!(secret, expected);
        }
    }
}
