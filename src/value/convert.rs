//! Conversions between [`Value`], plain [`Json`] and Rust's own types.

use base64::Engine;

use super::{Json, List, Map, Str, Value};

impl From<&Json> for Value {
    fn from(json: &Json) -> Self {
        match json {
            Json::Null => Self::Nil,
            Json::Bool(b) => Self::Bool(*b),
            Json::Number(number) => match number.as_i64() {
                Some(integer) if !number.is_f64() => Self::Int64(integer),
                _ => Self::Float(number.as_f64().unwrap_or(f64::NAN)),
            },
            Json::String(text) => Self::Str(text.as_str().into()),
            Json::Array(items) => Self::List(List::new(items.iter().map(Self::from))),
            Json::Object(entries) => Self::Map(entries.iter().map(|(k, v)| (k.as_str(), Self::from(v))).collect()),
        }
    }
}

impl From<bool> for Value {
    fn from(b: bool) -> Self {
        Self::Bool(b)
    }
}

impl From<f64> for Value {
    fn from(f: f64) -> Self {
        Self::Float(f)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Str(text.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Str(text.into())
    }
}

impl From<Vec<u8>> for Value {
    fn from(text: Vec<u8>) -> Self {
        Self::Str(text.into())
    }
}

impl From<Str> for Value {
    fn from(text: Str) -> Self {
        Self::Str(text)
    }
}

impl From<Map> for Value {
    fn from(map: Map) -> Self {
        Self::Map(map)
    }
}

impl From<List> for Value {
    fn from(list: List) -> Self {
        Self::List(list)
    }
}

impl From<&Value> for Json {
    /// Plain data again: floats as `f64`, integers as such; bytes as base64, objects as `toJson` shows them.
    fn from(value: &Value) -> Self {
        match value {
            Value::Nil => Self::Null,
            Value::Bool(b) => Self::Bool(*b),
            Value::Int(n) | Value::Int64(n) => Self::from(*n),
            Value::Uint64(n) => Self::from(*n),
            Value::Uint8(n) => Self::from(*n),
            Value::Float(f) => Self::from(*f),
            Value::Str(text) => Self::String(text.to_text().into_owned()),
            Value::Bytes(bytes) => Self::String(base64::engine::general_purpose::STANDARD.encode(bytes)),
            Value::List(list) if list.is_nil() => Self::Null,
            Value::List(list) => list.items().iter().map(Self::from).collect(),
            Value::Map(map) => {
                if let Some(frozen) = map.frozen() {
                    return frozen.to_json();
                }
                Self::Object(map.read().iter().map(|(k, v)| (k.to_text().into_owned(), Self::from(v))).collect())
            }
            Value::Object(object) => object.to_json(),
        }
    }
}
