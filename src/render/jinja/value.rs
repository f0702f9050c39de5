//! Values between the two engines.
//!
//! Every number of a values file is a float in Go's hands, and prints as an integer where it is one. Here it becomes an
//! integer, so that 80 prints as `80` and a million as `1000000`. Maps are in the order of their keys, as in Go.

use std::collections::BTreeMap;

use minijinja::value::{Rest, Value as Jinja, ValueKind};
use minijinja::{Error, ErrorKind};

use super::execution;
use super::object::Handle;
use super::text::text;
use super::weight::MAX_DEPTH;
use crate::value::{List, Map, Str, Value};

/// The first float that no `i64` holds.
const INTEGER_END: f64 = 9_223_372_036_854_775_808.0;

/// The arguments of a function, whatever they are.
pub type Arguments = Rest<minijinja::value::ValueOrKwargs>;

fn too_deep() -> Error {
    Error::new(ErrorKind::InvalidOperation, format!("a value is nested deeper than {MAX_DEPTH} levels"))
}

/// A value of the Go engine for Jinja.
///
/// # Errors
/// Where it is nested too deeply, or the limits are used up.
pub fn to_jinja(value: &Value) -> Result<Jinja, Error> {
    outward(value, MAX_DEPTH)
}

fn outward(value: &Value, depth: usize) -> Result<Jinja, Error> {
    let inner = depth.checked_sub(1).ok_or_else(too_deep)?;
    Ok(match value {
        Value::Nil => Jinja::from(()),
        Value::Bool(b) => Jinja::from(*b),
        Value::Int(n) | Value::Int64(n) => Jinja::from(*n),
        Value::Uint64(n) => Jinja::from(*n),
        Value::Uint8(n) => Jinja::from(*n),
        Value::Float(f) => number(*f),
        Value::Str(text) => Jinja::from(text.to_text().into_owned()),
        Value::Bytes(bytes) => Jinja::from_bytes(bytes.as_bytes().to_vec()),
        Value::List(list) => {
            execution::charge(list.len() as u64, 0)?;
            Jinja::from(list.items().iter().map(|item| outward(item, inner)).collect::<Result<Vec<_>, _>>()?)
        }
        Value::Map(map) => {
            execution::charge(map.len() as u64, 0)?;
            let entry = |(key, value): &(Str, Value)| Ok((key.to_text().into_owned(), outward(value, inner)?));
            Jinja::from(map.entries().iter().map(entry).collect::<Result<BTreeMap<String, Jinja>, Error>>()?)
        }
        Value::Object(object) => Jinja::from_object(Handle::new(object)?),
    })
}

fn number(f: f64) -> Jinja {
    #[expect(clippy::cast_possible_truncation, reason = "it is a whole number within the range")]
    let integer = (f.fract() == 0.0 && f.abs() < INTEGER_END).then_some(f as i64);
    integer.map_or_else(|| Jinja::from(f), Jinja::from)
}

/// A value of Jinja for the Go engine.
///
/// # Errors
/// For what has no counterpart, such as a macro, and for what is undefined, nested too deeply or over the limits.
pub fn to_go(value: &Jinja) -> Result<Value, Error> {
    inward(value, MAX_DEPTH)
}

fn inward(value: &Jinja, depth: usize) -> Result<Value, Error> {
    let inner = depth.checked_sub(1).ok_or_else(too_deep)?;
    if let Some(handle) = value.downcast_object_ref::<Handle>() {
        return Ok(handle.object().map_or(Value::Nil, Value::Object));
    }
    Ok(match value.kind() {
        ValueKind::Undefined => return Err(undefined(value)),
        ValueKind::None => Value::Nil,
        ValueKind::Bool => Value::Bool(value.is_true()),
        ValueKind::Number => go_number(value),
        ValueKind::String => Value::from(value.as_str().unwrap_or_default()),
        ValueKind::Bytes => Value::Bytes(Str::from(value.as_bytes().unwrap_or_default())),
        ValueKind::Seq | ValueKind::Iterable => {
            let items = value.try_iter()?.map(|item| {
                execution::charge(1, 0)?;
                inward(&item, inner)
            });
            Value::List(List::new(items.collect::<Result<Vec<_>, _>>()?))
        }
        ValueKind::Map => Value::Map(go_map(value, inner)?),
        _ => {
            let reason = format!("{} is not plain data", value.kind());
            return Err(Error::new(ErrorKind::InvalidOperation, reason));
        }
    })
}

fn go_map(value: &Jinja, inner: usize) -> Result<Map, Error> {
    let map = Map::new();
    for key in value.try_iter()? {
        execution::charge(1, 0)?;
        map.insert(text(&key)?.into_owned(), inward(&value.get_item(&key)?, inner)?);
    }
    Ok(map)
}

/// An integer as the `int64` that Sprig's arithmetic makes, anything else as a float.
fn go_number(value: &Jinja) -> Value {
    match value.as_i64().filter(|_| value.is_integer()) {
        Some(integer) => Value::Int64(integer),
        None => Value::Float(f64::try_from(value.clone()).unwrap_or(f64::NAN)),
    }
}

/// minijinja's own error for an undefined value, which names what is undefined.
pub fn undefined(value: &Jinja) -> Error {
    value.get_attr("value").err().unwrap_or_else(|| ErrorKind::UndefinedError.into())
}
