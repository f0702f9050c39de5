//! Sprig's lists (`sprig/list.go`). No function changes the list it is given; each takes lists of any element type.

use super::arguments::{Arguments, elements};
use super::defaults::is_empty;
use super::equality::deep_equal;
use super::numbers::to_int64;
use super::{CallError, Function, Host};
use crate::value::Parameter::{Any, Int};
use crate::value::{ElementType, List, Value};

/// The functions of this family. The `must` forms return as an error what the plain forms panic with, which templates
/// cannot tell apart.
pub const FUNCTIONS: &[Function] = &[
    Function::variadic("list", &[], Any, list),
    Function::variadic("tuple", &[], Any, list),
    Function::new("append", &[Any, Any], append),
    Function::new("push", &[Any, Any], append),
    Function::new("mustAppend", &[Any, Any], append),
    Function::new("mustPush", &[Any, Any], append),
    Function::new("prepend", &[Any, Any], prepend),
    Function::new("mustPrepend", &[Any, Any], prepend),
    Function::new("first", &[Any], first),
    Function::new("mustFirst", &[Any], first),
    Function::new("rest", &[Any], rest),
    Function::new("mustRest", &[Any], rest),
    Function::new("last", &[Any], last),
    Function::new("mustLast", &[Any], last),
    Function::new("initial", &[Any], initial),
    Function::new("mustInitial", &[Any], initial),
    Function::new("reverse", &[Any], reverse),
    Function::new("mustReverse", &[Any], reverse),
    Function::new("uniq", &[Any], unique),
    Function::new("mustUniq", &[Any], unique),
    Function::variadic("without", &[Any], Any, without),
    Function::variadic("mustWithout", &[Any], Any, without),
    Function::new("has", &[Any, Any], has),
    Function::new("mustHas", &[Any, Any], has),
    Function::new("compact", &[Any], compact),
    Function::new("mustCompact", &[Any], compact),
    Function::variadic("slice", &[Any], Any, slice),
    Function::variadic("mustSlice", &[Any], Any, slice),
    Function::variadic("concat", &[], Any, concatenate),
    Function::new("chunk", &[Int, Any], chunk),
    Function::new("mustChunk", &[Int, Any], chunk),
];

type Outcome = Result<Value, CallError>;

fn list(_: &mut dyn Host, arguments: &[Value]) -> Outcome {
    Ok(List::new(arguments.iter().cloned()).into())
}

fn append(host: &mut dyn Host, arguments: &[Value]) -> Outcome {
    let items = items_of(host, arguments.any(0), |kind| format!("Cannot push on type {kind}"))?;
    Ok(List::new(items.into_iter().chain([arguments.any(1).clone()])).into())
}

fn prepend(host: &mut dyn Host, arguments: &[Value]) -> Outcome {
    let items = items_of(host, arguments.any(0), |kind| format!("Cannot prepend on type {kind}"))?;
    Ok(List::new([arguments.any(1).clone()].into_iter().chain(items)).into())
}

/// Nil for an empty list.
fn first(_: &mut dyn Host, arguments: &[Value]) -> Outcome {
    let items = peek(arguments.any(0), |kind| format!("Cannot find first on type {kind}"))?;
    Ok(items.first().cloned().unwrap_or_default())
}

fn last(_: &mut dyn Host, arguments: &[Value]) -> Outcome {
    let items = peek(arguments.any(0), |kind| format!("Cannot find last on type {kind}"))?;
    Ok(items.last().cloned().unwrap_or_default())
}

fn rest(host: &mut dyn Host, arguments: &[Value]) -> Outcome {
    let items = items_of(host, arguments.any(0), |kind| format!("Cannot find rest on type {kind}"))?;
    Ok(items.get(1..).map_or_else(nil_list, |rest| List::new(rest.iter().cloned()).into()))
}

fn initial(host: &mut dyn Host, arguments: &[Value]) -> Outcome {
    let mut items = items_of(host, arguments.any(0), |kind| format!("Cannot find initial on type {kind}"))?;
    Ok(items.pop().map_or_else(nil_list, |_| List::new(items).into()))
}

fn reverse(host: &mut dyn Host, arguments: &[Value]) -> Outcome {
    let items = items_of(host, arguments.any(0), |kind| format!("Cannot find reverse on type {kind}"))?;
    Ok(List::new(items.into_iter().rev()).into())
}

fn compact(host: &mut dyn Host, arguments: &[Value]) -> Outcome {
    let items = items_of(host, arguments.any(0), |kind| format!("Cannot compact on type {kind}"))?;
    Ok(List::new(items.into_iter().filter(|item| !is_empty(item))).into())
}

fn unique(host: &mut dyn Host, arguments: &[Value]) -> Outcome {
    let items = items_of(host, arguments.any(0), |kind| format!("Cannot find uniq on type {kind}"))?;
    let mut kept: Vec<Value> = Vec::new();
    for item in items {
        if !is_among(host, &kept, &item)? {
            kept.push(item);
        }
    }
    Ok(List::new(kept).into())
}

fn without(host: &mut dyn Host, arguments: &[Value]) -> Outcome {
    let items = items_of(host, arguments.any(0), |kind| format!("Cannot find without on type {kind}"))?;
    let mut kept = Vec::new();
    for item in items {
        if !is_among(host, arguments.rest(1), &item)? {
            kept.push(item);
        }
    }
    Ok(List::new(kept).into())
}

fn has(host: &mut dyn Host, arguments: &[Value]) -> Outcome {
    if matches!(arguments.any(1), Value::Nil) {
        return Ok(false.into());
    }
    let items = peek(arguments.any(1), |kind| format!("Cannot find has on type {kind}"))?;
    is_among(host, &items, arguments.any(0)).map(Value::from)
}

fn is_among(host: &mut dyn Host, items: &[Value], wanted: &Value) -> Result<bool, CallError> {
    host.charge(items.len() as u64, 0)?;
    for item in items {
        if deep_equal(host, wanted, item)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The elements from one index to another; of an empty list nil, whatever the indices.
fn slice(host: &mut dyn Host, arguments: &[Value]) -> Outcome {
    let value = arguments.any(0);
    let items = items_of(host, value, |kind| format!("list should be type of slice or array but {kind}"))?;
    if items.is_empty() {
        return Ok(Value::Nil);
    }
    let index = |position: usize| arguments.get(position).map(|value| usize::try_from(to_int64(value)));
    let bounds = (index(1).unwrap_or(Ok(0)), index(2).unwrap_or(Ok(items.len())));
    let (Ok(start), Ok(end)) = bounds else { return Err(OUT_OF_BOUNDS.into()) };
    let slice = items.get(start..end).ok_or(OUT_OF_BOUNDS)?;
    Ok(match value {
        Value::Bytes(bytes) => Value::Bytes(bytes.as_bytes()[start..end].into()),
        Value::List(list) => List::of(list.element_type(), slice.iter().cloned()).into(),
        _ => List::of(ElementType::String, slice.iter().cloned()).into(),
    })
}

const OUT_OF_BOUNDS: &str = "reflect.Value.Slice: slice index out of bounds";

fn concatenate(host: &mut dyn Host, arguments: &[Value]) -> Outcome {
    let mut all = Vec::new();
    for value in arguments {
        all.extend(items_of(host, value, |kind| format!("Cannot concat type {kind} as list"))?);
    }
    Ok(if all.is_empty() { nil_list() } else { List::new(all).into() })
}

/// Lists of `size` elements each, the last of what is left. The arithmetic is Go's in float64, for sizes below one too.
fn chunk(host: &mut dyn Host, arguments: &[Value]) -> Outcome {
    let items = items_of(host, arguments.any(1), |kind| format!("Cannot chunk type {kind}"))?;
    let size = arguments.int(0);
    let count = ((items.len() as f64 - 1.0) / size as f64).floor() + 1.0;
    if count.is_nan() || count < 0.0 || count.is_infinite() {
        return Err(LENGTH_OUT_OF_RANGE.into());
    }
    if count == 0.0 {
        return Ok(List::of(ElementType::List, []).into());
    }
    let size = match usize::try_from(size) {
        Ok(size) => size,
        // One list, of as many elements as the remainder of the division.
        Err(_) if items.len() as f64 % size as f64 != 0.0 => items.len(),
        Err(_) => return Err(LENGTH_OUT_OF_RANGE.into()),
    };
    let chunks = items.chunks(size).map(|chunk| List::new(chunk.iter().cloned()).into());
    Ok(List::of(ElementType::List, chunks).into())
}

const LENGTH_OUT_OF_RANGE: &str = "runtime error: makeslice: len out of range";

fn nil_list() -> Value {
    List::nil(ElementType::Any).into()
}

/// The elements of a list that is only read.
fn peek(value: &Value, other: fn(&str) -> String) -> Result<std::borrow::Cow<'_, [Value]>, CallError> {
    elements(value).ok_or_else(|| match value {
        Value::Nil => "runtime error: invalid memory address or nil pointer dereference".into(),
        _ => other(value.kind().name()).into(),
    })
}

/// The elements of a list of which another one is made.
fn items_of(host: &mut dyn Host, value: &Value, other: fn(&str) -> String) -> Result<Vec<Value>, CallError> {
    let items = peek(value, other)?;
    host.charge(items.len() as u64, (items.len() * size_of::<Value>()) as u64)?;
    Ok(items.into_owned())
}
