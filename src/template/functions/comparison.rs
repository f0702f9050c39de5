//! Go's comparisons (`text/template/funcs.go`): strict about types, lenient about nil.

use std::cmp::Ordering;
use std::rc::Rc;

use super::arguments::Arguments;
use super::{CallError, Function, Host, Parameter};
use crate::template::print;
use crate::value::{Kind, Value};

/// `eq`, `ne`, `lt`, `le`, `gt`, `ge`.
pub const FUNCTIONS: &[Function] = &[
    Function::variadic("eq", &[Parameter::Any], Parameter::Any, |_, arguments| {
        equals_any(arguments.any(0), arguments.rest(1)).map(Value::Bool)
    }),
    Function::new("ne", TWO, |_, arguments| {
        equals_any(arguments.any(0), arguments.rest(1)).map(|equal| Value::Bool(!equal))
    }),
    Function::new("lt", TWO, |_, arguments| is_less(arguments.any(0), arguments.any(1)).map(Value::Bool)),
    Function::new("le", TWO, |_, arguments| is_less_or_equal(arguments.any(0), arguments.any(1)).map(Value::Bool)),
    Function::new("gt", TWO, greater),
    Function::new("ge", TWO, |_, arguments| is_less(arguments.any(0), arguments.any(1)).map(|less| Value::Bool(!less))),
];

const TWO: &[Parameter] = &[Parameter::Any, Parameter::Any];

fn greater(_host: &mut dyn Host, arguments: &[Value]) -> Result<Value, CallError> {
    is_less_or_equal(arguments.any(0), arguments.any(1)).map(|less| Value::Bool(!less))
}

/// A value as comparisons see it.
#[derive(Clone, Copy, PartialEq)]
enum Basic<'v> {
    Bool(bool),
    Int(i64),
    Uint(u64),
    Float(f64),
    String(&'v [u8]),
}

fn basic(value: &Value) -> Option<Basic<'_>> {
    Some(match value {
        Value::Bool(boolean) => Basic::Bool(*boolean),
        Value::Int(number) | Value::Int64(number) => Basic::Int(*number),
        Value::Uint8(number) => Basic::Uint(u64::from(*number)),
        Value::Uint64(number) => Basic::Uint(*number),
        Value::Float(number) => Basic::Float(*number),
        Value::Str(text) => Basic::String(text.as_bytes()),
        Value::Object(object) => Basic::Int(object.integer()?),
        Value::Nil | Value::Bytes(_) | Value::List(_) | Value::Map(_) => return None,
    })
}

fn incompatible(left: &Value, right: &Value) -> CallError {
    format!("incompatible types for comparison: {} and {}", left.type_name(), right.type_name()).into()
}

fn equals_any(left: &Value, others: &[Value]) -> Result<bool, CallError> {
    if others.is_empty() {
        return Err("missing argument for comparison".into());
    }
    for right in others {
        if equals(left, right)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn equals(left: &Value, right: &Value) -> Result<bool, CallError> {
    let is_nil = matches!(left, Value::Nil) || matches!(right, Value::Nil);
    match (basic(left), basic(right)) {
        (Some(Basic::Int(a)), Some(Basic::Uint(b))) | (Some(Basic::Uint(b)), Some(Basic::Int(a))) => {
            Ok(u64::try_from(a) == Ok(b))
        }
        (Some(a), Some(b)) if std::mem::discriminant(&a) == std::mem::discriminant(&b) => Ok(a == b),
        (None, None) => composites_equal(left, right),
        _ if is_nil => Ok(false),
        _ => Err(incompatible(left, right)),
    }
}

/// Lists, maps and structs: only nil is equal to anything, and structs to their likes.
fn composites_equal(left: &Value, right: &Value) -> Result<bool, CallError> {
    let (left_kind, right_kind) = (left.kind(), right.kind());
    if left_kind != right_kind && left_kind != Kind::Invalid && right_kind != Kind::Invalid {
        let (left_text, right_text) = (formatted(b"%s", left)?, formatted(b"%v", right)?);
        let (left_type, right_type) = (left.type_name(), right.type_name());
        return Err(format!("non-comparable types {left_text}: {left_type}, {right_type}: {right_text}").into());
    }
    if is_nil(left) || is_nil(right) {
        return Ok(is_nil(left) == is_nil(right));
    }
    match (left, right) {
        (Value::Object(a), Value::Object(b)) if b.kind() == Kind::Pointer => Ok(Rc::ptr_eq(a, b)),
        (Value::Object(a), Value::Object(b)) if !matches!(b.kind(), Kind::Map | Kind::Slice) => {
            Ok(a.type_name() == b.type_name() && a.print(false) == b.print(false))
        }
        _ => Err(format!("non-comparable type {}: {}", formatted(b"%s", right)?, right.type_name()).into()),
    }
}

fn is_nil(value: &Value) -> bool {
    match value {
        Value::Nil => true,
        Value::List(list) => list.is_nil(),
        Value::Map(map) => map.is_nil(),
        _ => false,
    }
}

fn formatted(format: &[u8], value: &Value) -> Result<String, CallError> {
    let text = print::sprintf(format, std::slice::from_ref(value))?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

fn is_less(left: &Value, right: &Value) -> Result<bool, CallError> {
    let invalid = || CallError::from("invalid type for comparison");
    let (a, b) = (basic(left).ok_or_else(invalid)?, basic(right).ok_or_else(invalid)?);
    match (a, b) {
        (Basic::Int(a), Basic::Int(b)) => Ok(a < b),
        (Basic::Uint(a), Basic::Uint(b)) => Ok(a < b),
        (Basic::Int(a), Basic::Uint(b)) => Ok(i128::from(a) < i128::from(b)),
        (Basic::Uint(a), Basic::Int(b)) => Ok(i128::from(a) < i128::from(b)),
        (Basic::Float(a), Basic::Float(b)) => Ok(a.partial_cmp(&b) == Some(Ordering::Less)),
        (Basic::String(a), Basic::String(b)) => Ok(a < b),
        (Basic::Bool(_), Basic::Bool(_)) => Err(invalid()),
        _ => Err(incompatible(left, right)),
    }
}

fn is_less_or_equal(left: &Value, right: &Value) -> Result<bool, CallError> {
    Ok(is_less(left, right)? || equals(left, right)?)
}
