//! The functions of the Go engine, as Jinja's functions and filters under the same names.
//!
//! A function takes its arguments in Go's order. A filter takes the piped value as the last argument, as a Go pipeline
//! does, so that `x | trunc(63) | trimSuffix("-")` reads as in Go. A name that Jinja itself has keeps Jinja's meaning.

use minijinja::value::Value as Jinja;
use minijinja::{Environment, Error, ErrorKind};

use super::execution;
use super::value::{Arguments, to_go, to_jinja, undefined};
use super::weight::check_length;
use crate::template::functions::{self, Function, Method, Parameter};
use crate::value::{ElementType, List, Map, MapType, Str, Value};

/// Filters that keep Jinja's meaning.
const JINJA_FILTERS: [&str; 18] = [
    "default", "first", "indent", "int", "join", "last", "list", "lower", "max", "min", "replace", "reverse", "round",
    "slice", "split", "title", "trim", "upper",
];

/// Functions that keep Jinja's meaning.
const JINJA_FUNCTIONS: [&str; 1] = ["dict"];

/// What runs Go templates, which a Jinja template has not.
const GO_ONLY: [&str; 2] = ["include", "tpl"];

/// Functions that take what is undefined for nil.
const LENIENT: [&str; 4] = ["coalesce", "empty", "required", "any"];

/// Names of Ansible and Jinja for functions of Go.
const ALIASES: [(&str, &str); 8] = [
    ("to_yaml", "toYaml"),
    ("from_yaml", "fromYaml"),
    ("to_json", "toJson"),
    ("tojson", "toJson"),
    ("from_json", "fromJson"),
    ("b64encode", "b64enc"),
    ("b64decode", "b64dec"),
    ("sha256", "sha256sum"),
];

/// Adds them all.
pub fn register(environment: &mut Environment<'static>) {
    let names = functions::all().map(|function| (function.name, function));
    let aliases = ALIASES.iter().filter_map(|(alias, name)| Some((*alias, functions::find(name)?)));
    for (name, function) in names.chain(aliases).filter(|(name, _)| !GO_ONLY.contains(name)) {
        if !JINJA_FUNCTIONS.contains(&name) {
            environment.add_function(name, move |arguments: Arguments| call(function, arguments.into_values()));
        }
        if !JINJA_FILTERS.contains(&name) {
            environment.add_filter(name, move |arguments: Arguments| {
                let mut arguments = arguments.into_values();
                let piped = 1.min(arguments.len());
                arguments.rotate_left(piped);
                call(function, arguments)
            });
        }
    }
    // Jinja's filter has the text first, which is printf's order.
    if let Some(printf) = functions::find("printf") {
        environment.add_filter("format", move |arguments: Arguments| call(printf, arguments.into_values()));
    }
}

fn call(function: &'static Function, given: Vec<Jinja>) -> Result<Jinja, Error> {
    execution::charge(1, 0)?;
    let argument = |value: Jinja| match value {
        value if value.is_kwargs() => Err(wrong(function.name, "takes no named arguments")),
        value if value.is_undefined() && LENIENT.contains(&function.name) => Ok(Value::Nil),
        value if value.is_undefined() => Err(undefined(&value)),
        value => to_go(&value),
    };
    let given = given.into_iter().map(argument).collect::<Result<Vec<_>, _>>()?;
    let method = Method { parameters: function.parameters, rest: function.rest, results: &[] };
    let arguments = coerced(function.name, method, given)?;
    let result = execution::call(|host| (function.call)(host, &arguments)).map_err(|error| {
        let text = error.into_text();
        let is_authors = matches!(function.name, "fail" | "required");
        let text = if is_authors { text } else { format!("{}: {text}", function.name) };
        Error::new(ErrorKind::InvalidOperation, text)
    })?;
    if let Value::Str(text) = &result {
        check_length(text.len() as u64)?;
        execution::charge(1, text.len() as u64)?;
    }
    to_jinja(&result)
}

fn wrong(name: &str, reason: &str) -> Error {
    Error::new(ErrorKind::InvalidOperation, format!("{name} {reason}"))
}

/// Arguments in the Go types that a function or method declares. Jinja has one kind of integer and one kind of text, so
/// either serves for all of Go's.
///
/// # Errors
/// For a wrong number of arguments and for one of another type.
pub fn coerced(name: &str, method: Method, given: Vec<Value>) -> Result<Vec<Value>, Error> {
    let (wanted, count) = (method.parameters.len(), given.len());
    if count < wanted || (count > wanted && method.rest.is_none()) {
        let least = if method.rest.is_some() { "at least " } else { "" };
        return Err(wrong(name, &format!("takes {least}{wanted} arguments, not {count}")));
    }
    let parameters = method.parameters.iter().copied().chain(method.rest.into_iter().cycle());
    let coerce = |(index, (value, parameter)): (usize, (Value, Parameter))| {
        let type_name = value.type_name().to_owned();
        coerce(value, parameter).ok_or_else(|| {
            let reason = format!("takes {} as argument {}, not {type_name}", described(parameter), index + 1);
            wrong(name, &reason)
        })
    };
    given.into_iter().zip(parameters).enumerate().map(coerce).collect()
}

fn described(parameter: Parameter) -> &'static str {
    match parameter {
        Parameter::String | Parameter::Bytes => "a string",
        Parameter::Int | Parameter::Int64 | Parameter::Uint32 => "an integer",
        Parameter::Float => "a number",
        Parameter::Bool => "true or false",
        Parameter::Map => "a mapping",
        Parameter::List => "a list",
        Parameter::Any => "anything",
        Parameter::Named(name) => name,
    }
}

fn coerce(value: Value, parameter: Parameter) -> Option<Value> {
    Some(match (parameter, value) {
        (Parameter::Any, value)
        | (Parameter::String, value @ Value::Str(_))
        | (Parameter::Bytes, value @ Value::Bytes(_))
        | (Parameter::Bool, value @ Value::Bool(_))
        | (Parameter::Float, value @ Value::Float(_))
        | (Parameter::Map, value @ Value::Map(_))
        | (Parameter::List, value @ Value::List(_)) => value,
        (Parameter::String, Value::Bytes(bytes)) => Value::Str(bytes),
        (Parameter::Bytes, Value::Str(text)) => Value::Bytes(text),
        (Parameter::Bytes, Value::Nil) => Value::Bytes(Str::default()),
        (Parameter::Int, Value::Int64(n)) => Value::Int(n),
        (Parameter::Int64, Value::Int64(n)) => Value::Int64(n),
        (Parameter::Uint32, Value::Int64(n)) => Value::Uint64(u32::try_from(n).ok()?.into()),
        #[expect(clippy::cast_precision_loss, reason = "as Go converts a constant")]
        (Parameter::Float, Value::Int64(n)) => Value::Float(n as f64),
        (Parameter::Map, Value::Nil) => Value::Map(Map::nil(MapType::Any)),
        (Parameter::List, Value::Nil) => Value::List(List::nil(ElementType::Any)),
        (Parameter::Named(name), Value::Object(object)) => {
            let type_name = object.type_name();
            let fits = type_name == name || type_name.strip_prefix('*') == Some(name);
            fits.then(|| Value::Object(object.clone()))?
        }
        _ => return None,
    })
}
