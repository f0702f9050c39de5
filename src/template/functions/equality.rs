//! Deep equality as Go's `reflect.DeepEqual` has it: the types must be the same, so an int never equals a float64.

use std::rc::Rc;

use super::{CallError, Host, versions};
use crate::value::{List, Map, Object, Value};

/// How deep values may be nested; a value that contains itself is deeper than any.
pub(super) const MAX_DEPTH: usize = 1_000;

/// The error of a function that meets a value nested deeper than [`MAX_DEPTH`].
pub(super) fn too_deep() -> CallError {
    format!("value is nested deeper than {MAX_DEPTH} levels or contains itself").into()
}

/// Whether two values are deeply equal.
///
/// # Errors
/// When both are nested too deep, or so entangled that the render's limits are used up.
pub(super) fn deep_equal(host: &mut dyn Host, left: &Value, right: &Value) -> Result<bool, CallError> {
    equal_at(host, left, right, 0)
}

fn equal_at(host: &mut dyn Host, left: &Value, right: &Value, depth: usize) -> Result<bool, CallError> {
    if depth > MAX_DEPTH {
        return Err(too_deep());
    }
    Ok(match (left, right) {
        (Value::Nil, Value::Nil) => true,
        (Value::Bool(left), Value::Bool(right)) => left == right,
        (Value::Int(left), Value::Int(right)) | (Value::Int64(left), Value::Int64(right)) => left == right,
        (Value::Uint64(left), Value::Uint64(right)) => left == right,
        (Value::Uint8(left), Value::Uint8(right)) => left == right,
        (Value::Float(left), Value::Float(right)) => left == right,
        (Value::Str(left), Value::Str(right)) | (Value::Bytes(left), Value::Bytes(right)) => left == right,
        (Value::List(left), Value::List(right)) => return equal_lists(host, left, right, depth),
        (Value::Map(left), Value::Map(right)) => return equal_maps(host, left, right, depth),
        (Value::Object(left), Value::Object(right)) => equal_objects(left, right),
        _ => false,
    })
}

fn equal_lists(host: &mut dyn Host, left: &List, right: &List, depth: usize) -> Result<bool, CallError> {
    if left.element_type() != right.element_type() || left.is_nil() != right.is_nil() || left.len() != right.len() {
        return Ok(false);
    }
    if left.address() == right.address() {
        return Ok(true);
    }
    host.charge(left.len() as u64, 0)?;
    for (left, right) in left.items().iter().zip(right.items()) {
        if !equal_at(host, left, right, depth + 1)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn equal_maps(host: &mut dyn Host, left: &Map, right: &Map, depth: usize) -> Result<bool, CallError> {
    if left.map_type() != right.map_type() || left.is_nil() != right.is_nil() || left.len() != right.len() {
        return Ok(false);
    }
    if left.is_same(right) {
        return Ok(true);
    }
    host.charge(left.len() as u64, 0)?;
    for (key, value) in left.entries() {
        match right.get(key.as_bytes()) {
            Some(other) if equal_at(host, &value, &other, depth + 1)? => {}
            _ => return Ok(false),
        }
    }
    Ok(true)
}

/// Objects show no private fields, so what they print and what their JSON holds stands for them.
fn equal_objects(left: &Rc<dyn Object>, right: &Rc<dyn Object>) -> bool {
    if let Some(equal) = versions::equal_versions(left, right) {
        return equal;
    }
    Rc::ptr_eq(left, right)
        || left.type_name() == right.type_name()
            && left.print(true) == right.print(true)
            && left.to_json() == right.to_json()
}
