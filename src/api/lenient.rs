//! Forgiving decoding of fields: what an old or a foreign client left behind is read as "not set".
//!
//! Go clients write empty strings and zero values, hand-written objects hold `null`, and a newer version may know
//! words that this one does not. The API server refuses what is wrong when it is written; when it is read it is
//! too late to refuse.

use serde::de::{DeserializeOwned, Deserializer};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Reads `null` as the type's default: for lists, maps, booleans and structures.
pub fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

/// Reads a text of which `null` and `""` both mean "not set".
pub fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.filter(|text| !text.is_empty()))
}

/// Reads a value that is kept only if it is understood: an enumeration's word, a duration, a timestamp.
pub fn known<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    Ok(serde_json::from_value(Value::deserialize(deserializer)?).ok())
}

/// Reads a structure of which `null` and `{}` both mean "not set".
pub fn filled<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default + PartialEq,
{
    Ok(Option::<T>::deserialize(deserializer)?.filter(|value| *value != T::default()))
}

/// Whether a value is its type's default, for fields that are written only when they say something.
pub fn is_default<T: Default + PartialEq + Serialize>(value: &T) -> bool {
    *value == T::default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(default)]
    struct Sample {
        #[serde(deserialize_with = "text")]
        name: Option<String>,
        #[serde(deserialize_with = "or_default")]
        items: Vec<String>,
        #[serde(deserialize_with = "known")]
        mode: Option<Mode>,
        #[serde(deserialize_with = "filled")]
        inner: Option<Inner>,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    enum Mode {
        On,
    }

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(default)]
    struct Inner {
        port: u16,
    }

    #[test]
    fn nulls_and_empties_mean_not_set() {
        let odd = json!({"name": "", "items": null, "mode": "Sideways", "inner": {}});
        assert_eq!(serde_json::from_value::<Sample>(odd).expect("lenient"), Sample::default());
        let nulls = json!({"name": null, "mode": null, "inner": null});
        assert_eq!(serde_json::from_value::<Sample>(nulls).expect("lenient"), Sample::default());
    }

    #[test]
    fn what_is_set_is_kept() {
        let full = json!({"name": "a", "items": ["b"], "mode": "On", "inner": {"port": 1}});
        let expected = Sample {
            name: Some("a".into()),
            items: vec!["b".into()],
            mode: Some(Mode::On),
            inner: Some(Inner { port: 1 }),
        };
        assert_eq!(serde_json::from_value::<Sample>(full).expect("lenient"), expected);
    }
}
