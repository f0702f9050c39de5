//! YAML and JSON in templates: Helm's own functions (`pkg/engine/funcs.go`) and those of Sprig that Helm leaves alone.
//!
//! The plain forms swallow errors: writing gives an empty text, reading gives the message under the key `Error` or as
//! the only element. The `must` forms fail.

use super::arguments::Arguments;
use super::{CallError, Function, Host};
use crate::value::Parameter::{Any, String as Text};
use crate::value::{ElementType, Json, List, Map, MapType, Value};
use crate::yaml::json::{self, DecodeError};
use crate::yaml::{self, EncodeError};

/// The functions of this family.
pub const FUNCTIONS: &[Function] = &[
    Function::new("toYaml", &[Any], to_yaml),
    Function::new("mustToYaml", &[Any], must_to_yaml),
    Function::new("toYamlPretty", &[Any], to_yaml_pretty),
    Function::new("fromYaml", &[Text], from_yaml),
    Function::new("fromYamlArray", &[Text], from_yaml_array),
    Function::new("toJson", &[Any], to_json),
    Function::new("mustToJson", &[Any], must_to_json),
    Function::new("toPrettyJson", &[Any], to_pretty_json),
    Function::new("mustToPrettyJson", &[Any], must_to_pretty_json),
    Function::new("toRawJson", &[Any], must_to_raw_json),
    Function::new("mustToRawJson", &[Any], must_to_raw_json),
    Function::new("fromJson", &[Text], from_json),
    Function::new("fromJsonArray", &[Text], from_json_array),
    Function::new("mustFromJson", &[Text], must_from_json),
];

type Outcome = Result<Value, CallError>;

/// What a text costs that is too large to be written, or has no end.
const FAILED_STEPS: u64 = 4 << 20;

/// A written text, without its final line break.
fn written(host: &mut dyn Host, text: Result<String, EncodeError>) -> Result<Option<Value>, CallError> {
    let mut text = match text {
        Ok(text) => text,
        // What was written before the end was found has been work too.
        Err(EncodeError::TooLarge | EncodeError::Cycle) => {
            host.charge(FAILED_STEPS, 0)?;
            return Ok(None);
        }
        Err(_) => return Ok(None),
    };
    host.charge(text.len() as u64, text.len() as u64)?;
    if text.ends_with('\n') {
        text.pop();
    }
    Ok(Some(text.into()))
}

/// Sprig's and Helm's plain forms: nothing is left of a value that cannot be written.
fn lenient(host: &mut dyn Host, text: Result<String, EncodeError>) -> Outcome {
    Ok(written(host, text)?.unwrap_or_else(|| "".into()))
}

fn strict(host: &mut dyn Host, text: Result<String, EncodeError>) -> Outcome {
    match text {
        Err(error) => Err(error.to_string().into()),
        text => lenient(host, text),
    }
}

fn to_yaml(host: &mut dyn Host, arguments: &[Value]) -> Outcome {
    lenient(host, yaml::to_string(arguments.any(0)))
}

fn must_to_yaml(host: &mut dyn Host, arguments: &[Value]) -> Outcome {
    match yaml::to_string(arguments.any(0)) {
        Err(error @ (EncodeError::NotFinite(_) | EncodeError::Cycle)) => {
            Err(format!("error marshaling into JSON: {error}").into())
        }
        text => strict(host, text),
    }
}

fn to_yaml_pretty(host: &mut dyn Host, arguments: &[Value]) -> Outcome {
    lenient(host, yaml::to_string_pretty(arguments.any(0)))
}

fn to_json(host: &mut dyn Host, arguments: &[Value]) -> Outcome {
    lenient(host, json::encode(arguments.any(0)))
}

fn must_to_json(host: &mut dyn Host, arguments: &[Value]) -> Outcome {
    strict(host, json::encode(arguments.any(0)))
}

fn to_pretty_json(host: &mut dyn Host, arguments: &[Value]) -> Outcome {
    lenient(host, json::encode_pretty(arguments.any(0)))
}

fn must_to_pretty_json(host: &mut dyn Host, arguments: &[Value]) -> Outcome {
    strict(host, json::encode_pretty(arguments.any(0)))
}

/// Both raw forms fail: Sprig's plain one panics with the error.
fn must_to_raw_json(host: &mut dyn Host, arguments: &[Value]) -> Outcome {
    strict(host, json::encode_raw(arguments.any(0)))
}

/// Go's name for the kind of a JSON value, in errors.
fn kind_name(json: &Json) -> &'static str {
    match json {
        Json::Null => "null",
        Json::Bool(_) => "bool",
        Json::Number(_) => "number",
        Json::String(_) => "string",
        Json::Array(_) => "array",
        Json::Object(_) => "object",
    }
}

/// What Go says of a JSON value that does not fit its target.
fn misfit(json: &Json, target: &str) -> String {
    format!("json: cannot unmarshal {} into Go value of type {target}", kind_name(json))
}

const MAP_TYPE: &str = "map[string]interface {}";
const LIST_TYPE: &str = "[]interface {}";

/// What was read, or the message that takes its place.
type Read<T> = Result<T, String>;

fn read_yaml(
    host: &mut dyn Host,
    arguments: &[Value],
    accepts: fn(&Value) -> bool,
    target: &str,
) -> Result<Read<Value>, CallError> {
    let text = arguments.text(0);
    host.charge(text.len() as u64, 8 * text.len() as u64)?;
    let Some(utf8) = text.as_utf8() else {
        return Ok(Err("error converting YAML to JSON: yaml: invalid leading UTF-8 octet".to_owned()));
    };
    Ok(match yaml::parse_value(utf8) {
        Ok(value) if matches!(value, Value::Nil) || accepts(&value) => Ok(value),
        Ok(value) => {
            let misfit = misfit(&Json::from(&value), target);
            Err(format!("error unmarshaling JSON: while decoding JSON: {misfit}"))
        }
        Err(error) => Err(error.to_string()),
    })
}

/// What a JSON text holds, and the message of a fault. A number out of range is a fault that leaves the rest.
fn read_json(
    host: &mut dyn Host,
    arguments: &[Value],
    accepts: fn(&Json) -> bool,
    target: &str,
) -> Result<(Option<Json>, Option<String>), CallError> {
    let text = arguments.text(0);
    host.charge(text.len() as u64, 8 * text.len() as u64)?;
    let (json, message) = match json::decode(text.as_bytes()) {
        Ok(json) => (json, None),
        Err(error) => {
            let message = Some(error.to_string());
            match error {
                DecodeError::NumberRange { rest, .. } => (*rest, message),
                _ => return Ok((None, message)),
            }
        }
    };
    Ok(if json.is_null() || accepts(&json) { (Some(json), message) } else { (None, Some(misfit(&json, target))) })
}

fn message_map(message: String) -> Value {
    Value::Map(Map::from_iter([("Error", message.into())]))
}

fn message_list(message: String) -> Value {
    Value::List(List::new([message.into()]))
}

fn from_yaml(host: &mut dyn Host, arguments: &[Value]) -> Outcome {
    Ok(match read_yaml(host, arguments, |value| value.as_map().is_some(), MAP_TYPE)? {
        Ok(Value::Nil) => Value::Map(Map::new()),
        Ok(value) => value,
        Err(message) => message_map(message),
    })
}

fn from_yaml_array(host: &mut dyn Host, arguments: &[Value]) -> Outcome {
    Ok(match read_yaml(host, arguments, |value| value.as_list().is_some(), LIST_TYPE)? {
        Ok(Value::Nil) => Value::List(List::new([])),
        Ok(value) => value,
        Err(message) => message_list(message),
    })
}

/// JSON's null makes Go's map nil.
fn from_json(host: &mut dyn Host, arguments: &[Value]) -> Outcome {
    Ok(match read_json(host, arguments, Json::is_object, MAP_TYPE)? {
        (Some(Json::Null), None) => Value::Map(Map::nil(MapType::Any)),
        (Some(json), None) => Value::from(&json),
        (json, Some(message)) => {
            let read = json.as_ref().map(Value::from);
            let map = read.as_ref().and_then(Value::as_map).cloned().unwrap_or_default();
            map.insert("Error", message.into());
            Value::Map(map)
        }
        (None, None) => Value::Map(Map::new()),
    })
}

fn from_json_array(host: &mut dyn Host, arguments: &[Value]) -> Outcome {
    Ok(match read_json(host, arguments, Json::is_array, LIST_TYPE)? {
        (_, Some(message)) => message_list(message),
        (Some(Json::Null) | None, None) => Value::List(List::nil(ElementType::Any)),
        (Some(json), None) => Value::from(&json),
    })
}

fn must_from_json(host: &mut dyn Host, arguments: &[Value]) -> Outcome {
    match read_json(host, arguments, |_| true, "interface {}")? {
        (_, Some(message)) => Err(message.into()),
        (json, None) => Ok(json.as_ref().map(Value::from).unwrap_or_default()),
    }
}
