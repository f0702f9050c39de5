//! Typed access to a call's arguments.
//!
//! The engine has checked number and types before a function runs, so an accessor that meets another type returns the
//! zero value of its own, as Go does for a missing argument.

use std::borrow::Cow;

use crate::value::{ElementType, List, Map, MapType, Str, Value};

/// The arguments of a call, by position.
pub(super) trait Arguments {
    /// A `string`.
    fn text(&self, index: usize) -> Str;
    /// The bytes of a `string`.
    fn bytes(&self, index: usize) -> &[u8];
    /// An `int` or `int64`.
    fn int(&self, index: usize) -> i64;
    /// A `float64`.
    fn float(&self, index: usize) -> f64;
    /// A `bool`.
    fn boolean(&self, index: usize) -> bool;
    /// A `map[string]interface{}`, the type that `.Values` takes when it is passed as one.
    fn map(&self, index: usize) -> Map;
    /// An `interface{}`.
    fn any(&self, index: usize) -> &Value;
    /// The variadic arguments from a position on.
    fn rest(&self, start: usize) -> &[Value];
}

impl Arguments for [Value] {
    fn text(&self, index: usize) -> Str {
        match self.get(index) {
            Some(Value::Str(text)) => text.clone(),
            _ => Str::default(),
        }
    }

    fn bytes(&self, index: usize) -> &[u8] {
        match self.get(index) {
            Some(Value::Str(text)) => text.as_bytes(),
            _ => &[],
        }
    }

    fn int(&self, index: usize) -> i64 {
        match self.get(index) {
            Some(Value::Int(n) | Value::Int64(n)) => *n,
            _ => 0,
        }
    }

    fn float(&self, index: usize) -> f64 {
        match self.get(index) {
            Some(Value::Float(f)) => *f,
            _ => 0.0,
        }
    }

    fn boolean(&self, index: usize) -> bool {
        matches!(self.get(index), Some(Value::Bool(true)))
    }

    fn map(&self, index: usize) -> Map {
        match self.get(index) {
            Some(Value::Map(map)) => map.with_type(MapType::Any),
            _ => Map::nil(MapType::Any),
        }
    }

    fn any(&self, index: usize) -> &Value {
        self.get(index).unwrap_or(&Value::Nil)
    }

    fn rest(&self, start: usize) -> &[Value] {
        self.get(start..).unwrap_or(&[])
    }
}

/// The elements of a value of kind slice, whatever its element type; nothing for other kinds.
pub(super) fn elements(value: &Value) -> Option<Cow<'_, [Value]>> {
    match value {
        Value::List(list) => Some(Cow::Borrowed(list.items())),
        Value::Bytes(bytes) => Some(bytes.as_bytes().iter().map(|byte| Value::Uint8(*byte)).collect()),
        Value::Object(object) => object.items().map(Cow::Owned),
        _ => None,
    }
}

/// A `[]string`.
pub(super) fn string_list(texts: impl IntoIterator<Item = Str>) -> Value {
    Value::List(List::of(ElementType::String, texts.into_iter().map(Value::Str)))
}
