//! Fields, map keys and methods (`text/template/exec.go` evalField).

use super::evaluate::Arguments;
use super::operand::Operand;
use super::{Execution, Failure, Frame};
use crate::template::functions::{CallError, Method, Parameter};
use crate::template::parse::{Children, NodeId, StringId};
use crate::value::{Kind, Map, MapType, Object, Str, Value};

/// How many fields are looked up in the time of one step.
const FIELDS_PER_STEP: u64 = 4;

impl Execution<'_> {
    /// `.A.B.C` from a receiver on; only the last field can take arguments.
    pub(super) fn field_chain(
        &mut self,
        frame: Frame<'_>,
        dot: &Operand,
        receiver: &Operand,
        id: NodeId,
        fields: Children,
        arguments: Arguments<'_>,
    ) -> Result<Operand, Failure> {
        let name = |name: StringId| frame.parsed.string(name);
        let (first, rest) = match *frame.parsed.children(fields) {
            [] => return Ok(receiver.clone()),
            [only] => return self.field(frame, dot, receiver, id, name(only), arguments),
            [first, ref rest @ ..] => (first, rest),
        };
        self.spend(frame, rest.len() as u64 / FIELDS_PER_STEP, 0)?;
        let mut receiver = self.field(frame, dot, receiver, id, name(first), Arguments::NONE)?;
        let mut arguments = Some(arguments);
        for (index, &field) in rest.iter().enumerate() {
            let is_last = index + 1 == rest.len();
            let arguments = arguments.take_if(|_| is_last).unwrap_or(Arguments::NONE);
            receiver = self.field(frame, dot, &receiver, id, name(field), arguments)?;
        }
        Ok(receiver)
    }

    fn field(
        &mut self,
        frame: Frame<'_>,
        dot: &Operand,
        receiver: &Operand,
        id: NodeId,
        name: &Str,
        arguments: Arguments<'_>,
    ) -> Result<Operand, Failure> {
        match &receiver.value {
            Value::Nil if receiver.is_invalid() => Ok(Operand::INVALID),
            Value::Nil => {
                let message = format!("nil pointer evaluating interface {{}}.{}", name.to_text());
                Err(self.error(frame, &message))
            }
            Value::Map(map) if map.map_type() == MapType::Values && values_method(name).is_some() => {
                self.values_call(frame, dot, map, id, name, arguments)
            }
            Value::Map(map) => {
                if arguments.is_any() {
                    return Err(self.not_a_method(frame, name));
                }
                self.note(|trace| trace.read(map, name));
                Ok(map_element(map, name))
            }
            Value::Object(object) => self.object_field(frame, dot, object.as_ref(), receiver, id, name, arguments),
            _ => Err(self.no_field(frame, receiver, name)),
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the state of one evaluation")]
    fn object_field(
        &mut self,
        frame: Frame<'_>,
        dot: &Operand,
        object: &dyn Object,
        receiver: &Operand,
        id: NodeId,
        name: &Str,
        arguments: Arguments<'_>,
    ) -> Result<Operand, Failure> {
        let text = name.to_text();
        if let Some(method) = object.method(&text) {
            let values = self.checked_arguments(frame, dot, &text, method, arguments)?;
            if let Some(refusal) = refusal(&text, method.results) {
                return Err(self.error(frame, &refusal));
            }
            self.spend_on_arguments(frame, &values)?;
            let result = object.call(&text, &values);
            self.recycle(values);
            if let Ok(value) = &result {
                self.spend_on_result(frame, value)?;
            }
            return self.returned(frame, &text, id, result.map_err(CallError::Message));
        }
        let Some(value) = object.field(&text) else { return Err(self.no_field(frame, receiver, name)) };
        if !arguments.is_any() {
            let is_addressable = receiver.is_addressable || object.kind() == Kind::Pointer;
            return Ok(Operand::field(value, is_addressable));
        }
        if object.kind() == Kind::Map {
            return Err(self.not_a_method(frame, name));
        }
        Err(self.error(frame, &format!("{text} has arguments but cannot be invoked as function")))
    }

    fn not_a_method(&self, frame: Frame<'_>, name: &Str) -> Failure {
        self.error(frame, &format!("{} is not a method but has arguments", name.to_text()))
    }

    fn no_field(&self, frame: Frame<'_>, receiver: &Operand, name: &Str) -> Failure {
        let type_name = receiver.type_name();
        self.error(frame, &format!("can't evaluate field {} in type {type_name}", name.to_text()))
    }

    /// A method of `.Values`.
    fn values_call(
        &mut self,
        frame: Frame<'_>,
        dot: &Operand,
        map: &Map,
        id: NodeId,
        name: &Str,
        arguments: Arguments<'_>,
    ) -> Result<Operand, Failure> {
        let text = name.to_text();
        let method = values_method(name).unwrap_or(Method::NULLARY);
        let values = self.checked_arguments(frame, dot, &text, method, arguments)?;
        let result = match name.as_bytes() {
            b"AsMap" => Ok(Value::Map(map.with_type(MapType::Any))),
            b"YAML" => crate::yaml::to_string(&Value::Map(map.with_type(MapType::Any)))
                .map(Value::from)
                .map_err(|error| error.to_string()),
            b"PathValue" => path_value(map, values.first().and_then(Value::as_str)),
            _ => table(map, values.first().and_then(Value::as_str)),
        };
        self.recycle(values);
        if let Ok(value) = &result {
            self.spend_on_result(frame, value)?;
        }
        self.returned(frame, &text, id, result.map_err(CallError::Message))
    }
}

/// What a map holds under a key, or the zero value of its element type (`missingkey=zero`).
fn map_element(map: &Map, name: &Str) -> Operand {
    let value = map.get(name.as_bytes());
    match map.map_type() {
        MapType::String => Operand::concrete(value.unwrap_or_else(|| Value::Str(Str::default()))),
        MapType::Any | MapType::Values => Operand::interface(value.unwrap_or_default()),
    }
}

/// Why a method with further results cannot be called (`goodFunc` of `text/template`).
fn refusal(name: &str, results: &[&str]) -> Option<String> {
    match results {
        [] => None,
        [second] => {
            Some(format!("invalid function signature for {name}: second return value should be error; is {second}"))
        }
        more => Some(format!("function {name} has {} return values; should be 1 or 2", more.len() + 1)),
    }
}

/// The methods of `common.Values` (`pkg/chart/common/values.go`).
fn values_method(name: &Str) -> Option<Method> {
    match name.as_bytes() {
        b"AsMap" | b"YAML" => Some(Method::NULLARY),
        b"Table" | b"PathValue" => Some(Method::STRING),
        b"Encode" => Some(Method { parameters: &[Parameter::Named("io.Writer")], rest: None, results: &[] }),
        _ => None,
    }
}

/// The table at a dotted path.
fn table(map: &Map, path: Option<&Str>) -> Result<Value, String> {
    let mut table = map.clone();
    for name in path.map(Str::as_bytes).unwrap_or_default().split(|&byte| byte == b'.') {
        match table.get(name) {
            Some(Value::Map(inner)) if inner.map_type() != MapType::String => table = inner,
            _ => return Err(format!("{} is not a table", print_key(name))),
        }
    }
    Ok(Value::Map(table.with_type(MapType::Values)))
}

/// The value at a dotted path, where it is no table.
fn path_value(map: &Map, path: Option<&Str>) -> Result<Value, String> {
    let path = path.map(Str::as_bytes).unwrap_or_default();
    if path.is_empty() {
        return Err("YAML path cannot be empty".to_owned());
    }
    let (parent, key) = match path.iter().rposition(|&byte| byte == b'.') {
        None => (Ok(Value::Map(map.clone())), path),
        Some(dot) => (table(map, Some(&Str::from(&path[..dot]))), &path[dot + 1..]),
    };
    match parent.ok().as_ref().and_then(Value::as_map).and_then(|table| table.get(key)) {
        Some(value) if !matches!(value, Value::Map(_)) => Ok(value),
        _ => Err(format!("{} is not a value", print_key(key))),
    }
}

fn print_key(name: &[u8]) -> String {
    super::host::quoted(name)
}
