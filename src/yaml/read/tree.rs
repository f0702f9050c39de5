//! What go-yaml v2 decodes into an `interface{}`: Go's kinds before they become JSON.

use std::fmt::Write as _;

use super::super::encode::{Encode, Sink};
use super::super::number::{format_general, format_general_32};
use crate::value::{Json, List, Value};

/// A decoded value. A map keeps its assignments in order, so that of equal keys the last one counts.
#[derive(Clone, Debug, PartialEq)]
pub enum Tree {
    Null,
    Bool(bool),
    Signed(i64),
    Unsigned(u64),
    Float(f64),
    Text(String),
    List(Vec<Tree>),
    Map(Vec<(Tree, Tree)>),
}

impl Tree {
    /// The JSON form (`sigs.k8s.io/yaml` convertToJSONableObject, then `encoding/json`): keys become strings, numbers
    /// `f64`.
    pub fn into_json(self) -> Result<Json, String> {
        Ok(match self {
            Self::Null => Json::Null,
            Self::Bool(b) => Json::Bool(b),
            #[expect(clippy::cast_precision_loss, reason = "Helm's numbers are float64")]
            Self::Signed(n) => Json::from(n as f64),
            #[expect(clippy::cast_precision_loss, reason = "Helm's numbers are float64")]
            Self::Unsigned(n) => Json::from(n as f64),
            Self::Float(f) if f.is_finite() => Json::from(f),
            Self::Float(f) => return Err(format!("json: unsupported value: {}", format_general(f))),
            Self::Text(text) => Json::String(text),
            Self::List(items) => Json::Array(items.into_iter().map(Self::into_json).collect::<Result<_, _>>()?),
            Self::Map(entries) => {
                let mut object = serde_json::Map::new();
                for (key, value) in entries {
                    let key = key.into_key(&value)?;
                    object.insert(key, value.into_json()?);
                }
                Json::Object(object)
            }
        })
    }

    /// The value of templates that the JSON form becomes.
    pub fn into_value(self) -> Result<Value, String> {
        Ok(match self {
            Self::Null => Value::Nil,
            Self::Bool(b) => Value::Bool(b),
            #[expect(clippy::cast_precision_loss, reason = "Helm's numbers are float64")]
            Self::Signed(n) => Value::Float(n as f64),
            #[expect(clippy::cast_precision_loss, reason = "Helm's numbers are float64")]
            Self::Unsigned(n) => Value::Float(n as f64),
            Self::Float(f) if f.is_finite() => Value::Float(f),
            Self::Float(f) => return Err(format!("json: unsupported value: {}", format_general(f))),
            Self::Text(text) => Value::Str(text.into()),
            Self::List(items) => {
                let items: Vec<Value> = items.into_iter().map(Self::into_value).collect::<Result<_, _>>()?;
                Value::List(List::new(items))
            }
            Self::Map(entries) => {
                let entry = |(key, value): (Self, Self)| Ok((key.into_key(&value)?, value.into_value()?));
                let entries: Vec<(String, Value)> = entries.into_iter().map(entry).collect::<Result<_, String>>()?;
                Value::Map(entries.into_iter().collect())
            }
        })
    }

    /// The string that a key becomes.
    fn into_key(self, value: &Self) -> Result<String, String> {
        Ok(match self {
            Self::Text(text) => text,
            Self::Signed(n) => n.to_string(),
            Self::Bool(b) => b.to_string(),
            Self::Float(f) => match format_general_32(f).as_str() {
                "NaN" => ".nan".to_owned(),
                "+Inf" => ".inf".to_owned(),
                "-Inf" => "-.inf".to_owned(),
                text => text.to_owned(),
            },
            Self::Null | Self::Unsigned(_) | Self::List(_) | Self::Map(_) => {
                let type_name = if self == Self::Null { "%!s(<nil>)" } else { "uint64" };
                let (key, value) = (self.go_syntax(), value.go_syntax());
                return Err(format!("unsupported map key of type: {type_name}, key: {key}, value: {value}"));
            }
        })
    }

    /// What Go's `%#v` prints, which shows in errors about keys.
    pub fn go_syntax(&self) -> String {
        let mut text = String::new();
        self.write_go_syntax(&mut text, "<nil>");
        text
    }

    fn write_go_syntax(&self, out: &mut String, nil: &str) {
        let _ = match self {
            Self::Null => write!(out, "{nil}"),
            Self::Bool(b) => write!(out, "{b}"),
            Self::Signed(n) => write!(out, "{n}"),
            Self::Unsigned(n) => write!(out, "{n:#x}"),
            Self::Float(f) => write!(out, "{}", format_general(*f)),
            Self::Text(text) => write!(out, "{}", super::super::quote::quote(text)),
            Self::List(items) => {
                out.push_str("[]interface {}{");
                for (index, item) in items.iter().enumerate() {
                    out.push_str(if index == 0 { "" } else { ", " });
                    item.write_go_syntax(out, "interface {}(nil)");
                }
                write!(out, "}}")
            }
            Self::Map(_) => {
                out.push_str("map[interface {}]interface {}{");
                for (index, (key, value)) in self.go_entries().into_iter().enumerate() {
                    out.push_str(if index == 0 { "" } else { ", " });
                    key.write_go_syntax(out, "interface {}(nil)");
                    out.push(':');
                    value.write_go_syntax(out, "interface {}(nil)");
                }
                write!(out, "}}")
            }
        };
    }

    /// The entries that Go's map has in the end, in the order in which `fmt` prints them.
    fn go_entries(&self) -> Vec<(&Self, &Self)> {
        let Self::Map(assignments) = self else { return Vec::new() };
        let mut entries: Vec<(&Self, &Self)> = Vec::new();
        for (key, value) in assignments {
            match entries.iter_mut().find(|(known, _)| *known == key) {
                Some(entry) => entry.1 = value,
                None => entries.push((key, value)),
            }
        }
        entries.sort_by(|(a, _), (b, _)| match (a, b) {
            (Self::Text(a), Self::Text(b)) => a.cmp(b),
            (Self::Signed(a), Self::Signed(b)) => a.cmp(b),
            _ => a.rank().cmp(&b.rank()),
        });
        entries
    }

    fn rank(&self) -> u8 {
        match self {
            Self::Null => 0,
            Self::Bool(_) => 1,
            Self::Signed(_) => 2,
            Self::Unsigned(_) => 3,
            Self::Float(_) => 4,
            Self::Text(_) => 5,
            Self::List(_) | Self::Map(_) => 6,
        }
    }
}

impl Encode for Tree {
    fn encode<S: Sink>(&self, sink: &mut S) -> Result<(), S::Error> {
        match self {
            Self::Null => sink.null(),
            Self::Bool(b) => sink.boolean(*b),
            Self::Signed(n) => sink.integer(*n),
            Self::Unsigned(n) => sink.unsigned(*n),
            Self::Float(f) => sink.float(*f),
            Self::Text(text) => sink.text(text.as_bytes()),
            Self::List(items) => sink.list(items),
            Self::Map(entries) => {
                let mut by_key = std::collections::BTreeMap::new();
                for (key, value) in entries {
                    if let Self::Text(key) = key {
                        by_key.insert(key.as_str(), value);
                    }
                }
                sink.map(by_key.into_iter().map(|(key, value)| (key.as_bytes(), value)))
            }
        }
    }
}
