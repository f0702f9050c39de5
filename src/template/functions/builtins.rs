//! Go's own functions that print, index and negate (`text/template/funcs.go`). `and`, `or`, `len` and `call` are in the
//! engine, because they see more than their arguments' values.

use super::arguments::Arguments;
use super::{CallError, Function, Host, Parameter};
use crate::template::print;
use crate::value::{MapType, Object, Str, Value};

/// `index`, `not`, `print`, `printf`, `println`.
pub const FUNCTIONS: &[Function] = &[
    Function::variadic("index", &[Parameter::Any], Parameter::Any, index),
    Function::new("not", &[Parameter::Any], |_, arguments| Ok(Value::Bool(!arguments.any(0).is_true()))),
    Function::variadic("print", &[], Parameter::Any, |_, arguments| Ok(Value::Str(print::sprint(arguments)?.into()))),
    Function::variadic("println", &[], Parameter::Any, |_, arguments| {
        Ok(Value::Str(print::sprintln(arguments)?.into()))
    }),
    Function::variadic("printf", &[Parameter::String], Parameter::Any, |_, arguments| {
        Ok(Value::Str(print::sprintf(arguments.bytes(0), arguments.rest(1))?.into()))
    }),
];

/// Looks into nested lists and maps.
fn index(_host: &mut dyn Host, arguments: &[Value]) -> Result<Value, CallError> {
    let mut item = arguments.any(0).clone();
    if matches!(item, Value::Nil) {
        return Err("index of untyped nil".into());
    }
    for key in arguments.rest(1) {
        item = element(&item, key)?;
    }
    Ok(item)
}

fn element(item: &Value, key: &Value) -> Result<Value, CallError> {
    match item {
        Value::Nil => Err("index of nil pointer".into()),
        Value::Str(text) => byte(text, position(key, text.len())?, "string"),
        Value::Bytes(bytes) => byte(bytes, position(key, bytes.len())?, "slice"),
        Value::List(list) => listed(list.items(), key),
        Value::Map(map) => {
            let value = map.get(map_key(key)?.as_bytes());
            let zero = if map.map_type() == MapType::String { Value::Str(Str::default()) } else { Value::Nil };
            Ok(value.unwrap_or(zero))
        }
        Value::Object(object) => object_element(object.as_ref(), key),
        _ => Err(format!("can't index item of type {}", item.type_name()).into()),
    }
}

fn object_element(object: &dyn Object, key: &Value) -> Result<Value, CallError> {
    if let Some(items) = object.items() {
        return listed(&items, key);
    }
    if object.entries().is_some() {
        let key = map_key(key)?;
        return Ok(object.field(&key.to_text()).unwrap_or_default());
    }
    let type_name = object.type_name();
    Err(format!("can't index item of type {}", type_name.strip_prefix('*').unwrap_or(type_name)).into())
}

fn listed(items: &[Value], key: &Value) -> Result<Value, CallError> {
    let position = position(key, items.len())?;
    items.get(position).cloned().ok_or_else(|| "reflect: slice index out of range".into())
}

fn byte(text: &Str, position: usize, what: &str) -> Result<Value, CallError> {
    let byte = text.as_bytes().get(position);
    byte.map(|&byte| Value::Uint8(byte)).ok_or_else(|| format!("reflect: {what} index out of range").into())
}

/// A position in a list of that length. Go lets the length itself pass here and fails later.
fn position(key: &Value, length: usize) -> Result<usize, CallError> {
    let number = match key {
        Value::Int(number) | Value::Int64(number) => *number,
        Value::Uint8(number) => i64::from(*number),
        Value::Uint64(number) => *number as i64,
        Value::Object(object) if object.integer().is_some() => object.integer().unwrap_or_default(),
        Value::Nil => return Err("cannot index slice/array with nil".into()),
        _ => return Err(format!("cannot index slice/array with type {}", key.type_name()).into()),
    };
    let position = usize::try_from(number).ok().filter(|&position| position <= length);
    position.ok_or_else(|| format!("index out of range: {number}").into())
}

fn map_key(key: &Value) -> Result<&Str, CallError> {
    match key {
        Value::Str(text) => Ok(text),
        Value::Nil => Err("value is nil; should be of type string".into()),
        _ => Err(format!("value has type {}; should be string", key.type_name()).into()),
    }
}
