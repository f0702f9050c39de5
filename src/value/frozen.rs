//! Values that never change, shared by all renders and threads. A render gets them as maps that copy a level when
//! somebody first looks into it: of the many defaults of a chart, one render uses few.

use std::sync::Arc;

use super::{ElementType, Json, List, Map, Str, Value};

/// A value of a values file. Of numbers it has the two kinds that JSON has here.
#[derive(Clone, Debug)]
pub enum Frozen {
    /// Null.
    Nil,
    /// A boolean.
    Bool(bool),
    /// A number of `--set`.
    Int64(i64),
    /// A number of YAML or JSON.
    Float(f64),
    /// A text.
    Str(Str),
    /// A list.
    List(Arc<[Frozen]>),
    /// A table.
    Map(Arc<FrozenMap>),
}

/// A table that never changes.
#[derive(Debug, Default)]
pub struct FrozenMap {
    /// In byte order of the keys, each once.
    entries: Box<[(Str, Frozen)]>,
    /// Whether it, or a table in it, has a null.
    has_nil: bool,
}

impl FrozenMap {
    fn new(entries: Box<[(Str, Frozen)]>) -> Self {
        let has_nil = entries.iter().any(|(_, value)| match value {
            Frozen::Nil => true,
            Frozen::Map(map) => map.has_nil,
            _ => false,
        });
        Self { entries, has_nil }
    }

    /// The value of a key.
    pub fn get(&self, key: &[u8]) -> Option<&Frozen> {
        let position = self.entries.binary_search_by(|(known, _)| known.as_bytes().cmp(key)).ok()?;
        self.entries.get(position).map(|(_, value)| value)
    }

    /// The entries in byte order of their keys.
    pub fn entries(&self) -> &[(Str, Frozen)] {
        &self.entries
    }

    /// Whether it, or a table in it, has a null. Lists are not looked into.
    pub fn has_nil(&self) -> bool {
        self.has_nil
    }

    /// The table in JSON; an empty one for anything else.
    pub fn from_json(json: &Json) -> Arc<Self> {
        match json {
            Json::Object(entries) => {
                Arc::new(Self::new(entries.iter().map(|(key, value)| (key.as_str().into(), value.into())).collect()))
            }
            _ => Arc::default(),
        }
    }

    /// The entries of a map as they are now; nothing where it holds what no values file does.
    pub fn from_map(map: &Map) -> Option<Arc<Self>> {
        if let Some(frozen) = map.frozen() {
            return Some(frozen);
        }
        let entries = map.read().iter().map(|(key, value)| Some((key.clone(), Frozen::from_value(value)?))).collect();
        Option::map(entries, |entries| Arc::new(Self::new(entries)))
    }

    /// As JSON.
    pub fn to_json(&self) -> Json {
        Json::Object(self.entries.iter().map(|(key, value)| (key.to_text().into_owned(), value.into())).collect())
    }
}

impl Frozen {
    fn from_value(value: &Value) -> Option<Self> {
        Some(match value {
            Value::Nil => Self::Nil,
            Value::Bool(b) => Self::Bool(*b),
            Value::Int64(n) => Self::Int64(*n),
            Value::Float(f) => Self::Float(*f),
            Value::Str(text) => Self::Str(text.clone()),
            Value::List(list) if !list.is_nil() && list.element_type() == ElementType::Any => {
                Self::List(list.items().iter().map(Self::from_value).collect::<Option<_>>()?)
            }
            Value::Map(map) if !map.is_nil() => Self::Map(FrozenMap::from_map(map)?),
            _ => return None,
        })
    }
}

impl From<&Json> for Frozen {
    fn from(json: &Json) -> Self {
        match json {
            Json::Array(items) => Self::List(items.iter().map(Self::from).collect()),
            Json::Object(_) => Self::Map(FrozenMap::from_json(json)),
            Json::String(text) => Self::Str(text.as_str().into()),
            Json::Null => Self::Nil,
            Json::Bool(b) => Self::Bool(*b),
            Json::Number(number) => match number.as_i64() {
                Some(integer) if !number.is_f64() => Self::Int64(integer),
                _ => Self::Float(number.as_f64().unwrap_or(f64::NAN)),
            },
        }
    }
}

impl From<&Frozen> for Json {
    fn from(value: &Frozen) -> Self {
        match value {
            Frozen::Nil => Self::Null,
            Frozen::Bool(b) => Self::Bool(*b),
            Frozen::Int64(n) => Self::from(*n),
            Frozen::Float(f) => Self::from(*f),
            Frozen::Str(text) => Self::String(text.to_text().into_owned()),
            Frozen::List(items) => items.iter().map(Self::from).collect(),
            Frozen::Map(map) => map.to_json(),
        }
    }
}

impl From<&Frozen> for Value {
    /// A value of its own; the maps in it are still as they were frozen.
    fn from(value: &Frozen) -> Self {
        match value {
            Frozen::Nil => Self::Nil,
            Frozen::Bool(b) => Self::Bool(*b),
            Frozen::Int64(n) => Self::Int64(*n),
            Frozen::Float(f) => Self::Float(*f),
            Frozen::Str(text) => Self::Str(text.clone()),
            Frozen::List(items) => Self::List(List::new(items.iter().map(Self::from))),
            Frozen::Map(map) => Self::Map(Map::thawing(Arc::clone(map))),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn frozen() -> Arc<FrozenMap> {
        FrozenMap::from_json(&json!({"a": {"b": {"c": 1.5}}, "list": [{"d": "x"}], "n": 3, "z": {"null": null}}))
    }

    #[test]
    fn what_is_done_to_one_map_is_not_seen_in_another() {
        let frozen = frozen();
        let (one, other) = (Map::thawing(Arc::clone(&frozen)), Map::thawing(Arc::clone(&frozen)));
        let Some(Value::Map(a)) = one.get(b"a") else { panic!("a map") };
        a.insert("b", Value::Bool(true));
        let Some(Value::Map(again)) = one.get(b"a") else { panic!("a map") };
        assert!(again.is_same(&a), "a map is the same one whenever it is got");
        let changed = json!({"a": {"b": true}, "list": [{"d": "x"}], "n": 3, "z": {"null": null}});
        assert_eq!(Json::from(&Value::Map(one)), changed);
        assert_eq!(Json::from(&Value::Map(other)), frozen.to_json());
    }

    #[test]
    fn a_map_can_be_frozen_as_it_is() {
        let map = Map::thawing(frozen());
        map.insert("new", Value::from("text"));
        let again = FrozenMap::from_map(&map).expect("plain values");
        assert_eq!(again.to_json(), Json::from(&Value::Map(map.clone())));
        map.insert("count", Value::Int(1));
        assert!(FrozenMap::from_map(&map).is_none(), "no values file has an int");
    }

    #[test]
    fn nulls_in_tables_are_known() {
        assert!(frozen().has_nil());
        assert!(!FrozenMap::from_json(&json!({"list": [null], "a": {}})).has_nil());
    }
}
