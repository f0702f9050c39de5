//! Sprig's dictionaries (`sprig/dict.go`). `set`, `unset`, `merge` and `mergeOverwrite` change the map they are given.

use super::arguments::{Arguments, string_list};
use super::equality::{MAX_DEPTH, deep_equal, too_deep};
use super::merging::{self, MergeError, Precedence};
use super::strings::text_of;
use super::{CallError, Function, Host};
use crate::value::Parameter::{Any, Map as Dict, String as Text};
use crate::value::{List, Map, MapType, Str, Value};

/// The functions of this family.
pub const FUNCTIONS: &[Function] = &[
    Function::variadic("dict", &[], Any, dict),
    Function::new("get", &[Dict, Text], get),
    Function::new("set", &[Dict, Text, Any], set),
    Function::new("unset", &[Dict, Text], unset),
    Function::new("hasKey", &[Dict, Text], has_key),
    Function::variadic("pluck", &[Text], Dict, pluck),
    Function::variadic("keys", &[], Dict, keys),
    Function::new("values", &[Dict], values),
    Function::variadic("pick", &[Dict], Text, pick),
    Function::variadic("omit", &[Dict], Text, omit),
    Function::variadic("merge", &[Dict], Dict, merge),
    Function::variadic("mustMerge", &[Dict], Dict, must_merge),
    Function::variadic("mergeOverwrite", &[Dict], Dict, merge_overwrite),
    Function::variadic("mustMergeOverwrite", &[Dict], Dict, must_merge_overwrite),
    Function::variadic("dig", &[], Any, dig),
    Function::new("deepCopy", &[Any], deep_copy),
    Function::new("mustDeepCopy", &[Any], deep_copy),
    Function::new("deepEqual", &[Any, Any], are_deeply_equal),
];

type Outcome = Result<Value, CallError>;

/// Keys and values in turn; a key without a value gets the empty string.
fn dict(_: &mut dyn Host, arguments: &[Value]) -> Outcome {
    let dict = Map::new();
    for pair in arguments.chunks(2) {
        let value = pair.get(1).cloned().unwrap_or_else(|| "".into());
        dict.insert(text_of(&pair[0])?, value);
    }
    Ok(dict.into())
}

fn get(_: &mut dyn Host, arguments: &[Value]) -> Outcome {
    Ok(arguments.map(0).get(arguments.bytes(1)).unwrap_or_else(|| "".into()))
}

fn set(host: &mut dyn Host, arguments: &[Value]) -> Outcome {
    let map = writable(arguments)?;
    host.charge(1 + moved(&map), ENTRY_BYTES)?;
    map.insert(arguments.text(1), arguments.any(2).clone());
    Ok(map.into())
}

fn unset(host: &mut dyn Host, arguments: &[Value]) -> Outcome {
    let map = arguments.map(0);
    host.charge(1 + moved(&map), 0)?;
    map.remove(arguments.bytes(1));
    Ok(map.into())
}

/// The steps in which room is made among a map's entries.
fn moved(map: &Map) -> u64 {
    (map.len() / ENTRIES_PER_STEP) as u64
}

/// The first argument, unless it is a nil map.
fn writable(arguments: &[Value]) -> Result<Map, CallError> {
    let map = arguments.map(0);
    if map.is_nil() { Err("assignment to entry in nil map".into()) } else { Ok(map) }
}

fn has_key(_: &mut dyn Host, arguments: &[Value]) -> Outcome {
    Ok(arguments.map(0).contains_key(arguments.bytes(1)).into())
}

fn pluck(_: &mut dyn Host, arguments: &[Value]) -> Outcome {
    let key = arguments.text(0);
    let maps = arguments.rest(1).iter().filter_map(Value::as_map);
    Ok(List::new(maps.filter_map(|map| map.get(key.as_bytes()))).into())
}

/// The keys of all maps. Go's order is random, ours is that of `range`.
fn keys(host: &mut dyn Host, arguments: &[Value]) -> Outcome {
    let keys: Vec<Str> = arguments.iter().filter_map(Value::as_map).flat_map(Map::keys).collect();
    host.charge(keys.len() as u64, 0)?;
    Ok(string_list(keys))
}

/// The values in the order of [`keys`].
fn values(host: &mut dyn Host, arguments: &[Value]) -> Outcome {
    let map = arguments.map(0);
    host.charge(map.len() as u64, 0)?;
    Ok(List::new(map.entries().into_iter().map(|(_, value)| value)).into())
}

fn pick(_: &mut dyn Host, arguments: &[Value]) -> Outcome {
    let (map, picked) = (arguments.map(0), Map::new());
    for key in arguments.rest(1).iter().filter_map(Value::as_str) {
        if let Some(value) = map.get(key.as_bytes()) {
            picked.insert(key.clone(), value);
        }
    }
    Ok(picked.into())
}

fn omit(host: &mut dyn Host, arguments: &[Value]) -> Outcome {
    let map = arguments.map(0);
    host.charge(map.len() as u64, 0)?;
    let left: Map = map.entries().into_iter().collect();
    for key in arguments.rest(1).iter().filter_map(Value::as_str) {
        left.remove(key.as_bytes());
    }
    Ok(left.into())
}

fn merge(host: &mut dyn Host, arguments: &[Value]) -> Outcome {
    swallow_types(merged(host, arguments, Precedence::Destination))
}

fn must_merge(host: &mut dyn Host, arguments: &[Value]) -> Outcome {
    merged(host, arguments, Precedence::Destination)?.map_err(CallError::from)
}

fn merge_overwrite(host: &mut dyn Host, arguments: &[Value]) -> Outcome {
    swallow_types(merged(host, arguments, Precedence::Source))
}

fn must_merge_overwrite(host: &mut dyn Host, arguments: &[Value]) -> Outcome {
    merged(host, arguments, Precedence::Source)?.map_err(CallError::from)
}

/// The forms without `must` return the empty string where mergo fails.
fn swallow_types(outcome: Result<Result<Value, MergeError>, CallError>) -> Outcome {
    match outcome? {
        Ok(merged) => Ok(merged),
        Err(MergeError::Types) => Ok("".into()),
        Err(error) => Err(error.into()),
    }
}

/// All further maps merged into the first, one after the other.
fn merged(
    host: &mut dyn Host,
    arguments: &[Value],
    precedence: Precedence,
) -> Result<Result<Value, MergeError>, CallError> {
    let mut destination = arguments.map(0);
    for source in (1..arguments.len()).map(|index| arguments.map(index)) {
        if destination.is_nil() && !source.is_nil() {
            destination = Map::new();
        }
        if let Err(error) = merging::merge(host, &destination, &source, precedence) {
            return Ok(Err(error));
        }
    }
    Ok(Ok(destination.into()))
}

/// The value at a path of keys, or a default: `dig "a" "b" default dict`.
fn dig(_: &mut dyn Host, arguments: &[Value]) -> Outcome {
    let [path @ .., default, root] = arguments else { return Err("dig needs at least three arguments".into()) };
    if path.is_empty() {
        return Err("dig needs at least three arguments".into());
    }
    let mut map = asserted_map(root)?.clone();
    let path = path.iter().map(asserted_text).collect::<Result<Vec<_>, _>>()?;
    for (position, key) in path.iter().enumerate() {
        let Some(value) = map.get(key.as_bytes()) else { return Ok(default.clone()) };
        if position + 1 == path.len() {
            return Ok(value);
        }
        map = asserted_map(&value)?.clone();
    }
    Ok(default.clone())
}

fn asserted_map(value: &Value) -> Result<&Map, CallError> {
    match value {
        Value::Map(map) if map.map_type() == MapType::Any => Ok(map),
        _ => Err(failed_assertion(value, MapType::Any.name())),
    }
}

fn asserted_text(value: &Value) -> Result<&Str, CallError> {
    value.as_str().ok_or_else(|| failed_assertion(value, "string"))
}

/// The text of the panic of a Go type assertion.
fn failed_assertion(value: &Value, wanted: &str) -> CallError {
    let found = if matches!(value, Value::Nil) { "nil" } else { value.type_name() };
    format!("interface conversion: interface {{}} is {found}, not {wanted}").into()
}

fn deep_copy(host: &mut dyn Host, arguments: &[Value]) -> Outcome {
    match arguments.any(0) {
        Value::Nil => Err("reflect: call of reflect.Value.Type on zero Value".into()),
        value => copied(host, value, 0),
    }
}

/// Copies maps, lists and what objects let be copied (`copystructure.Copy`); everything else cannot change and is shared.
fn copied(host: &mut dyn Host, value: &Value, depth: usize) -> Outcome {
    if depth > MAX_DEPTH {
        return Err(too_deep());
    }
    match value {
        Value::Map(map) if !map.is_nil() => {
            host.charge(map.len() as u64, ENTRY_BYTES * map.len() as u64)?;
            let copy = Map::of(map.map_type());
            for (key, value) in map.entries() {
                copy.insert(key, copied(host, &value, depth + 1)?);
            }
            Ok(copy.into())
        }
        Value::List(list) if !list.is_nil() => {
            host.charge(list.len() as u64, ENTRY_BYTES * list.len() as u64)?;
            let items = list.items().iter().map(|item| copied(host, item, depth + 1));
            Ok(List::of(list.element_type(), items.collect::<Result<Vec<_>, _>>()?).into())
        }
        Value::Object(object) => Ok(object.deep_copy().unwrap_or_else(|| value.clone())),
        _ => Ok(value.clone()),
    }
}

/// About the memory of one entry of a map or list.
const ENTRY_BYTES: u64 = 64;
/// How many entries are moved in memory in the time of one step.
const ENTRIES_PER_STEP: usize = 64;

fn are_deeply_equal(host: &mut dyn Host, arguments: &[Value]) -> Outcome {
    deep_equal(host, arguments.any(0), arguments.any(1)).map(Value::from)
}
