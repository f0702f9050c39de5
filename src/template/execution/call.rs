//! Calls of functions and methods (`text/template/exec.go` evalCall).

use super::evaluate::Arguments;
use super::operand::Operand;
use super::{Execution, Failure, Frame, host};
use crate::template::error::ExecError;
use crate::template::functions::{CallError, Function, Method, Parameter};
use crate::template::parse::{Callee, NodeId};
use crate::value::{Object, Value};

/// How `and`, `or` and `call` are declared.
const LOGIC: Method = Method { parameters: &[Parameter::Any], rest: Some(Parameter::Any), results: &[] };
/// How `len` is declared.
const LEN: Method = Method { parameters: &[Parameter::Any], rest: None, results: &[] };

impl Execution<'_> {
    /// Calls a function; `id` is the node that an error of the function is reported at.
    pub(super) fn call(
        &mut self,
        frame: Frame<'_>,
        dot: &Operand,
        callee: Callee,
        id: NodeId,
        arguments: Arguments<'_>,
    ) -> Result<Operand, Failure> {
        let name = callee.name();
        match callee {
            Callee::Function(function) => self.call_function(frame, dot, function, id, arguments),
            Callee::And => self.logic(frame, dot, name, false, arguments),
            Callee::Or => self.logic(frame, dot, name, true, arguments),
            Callee::Len => {
                let operand = self.only_operand(frame, dot, name, arguments)?;
                self.returned(frame, name, id, length(&operand).map_err(CallError::Message))
            }
            Callee::Call => self.call_value(frame, dot, name, id, arguments),
        }
    }

    fn call_function(
        &mut self,
        frame: Frame<'_>,
        dot: &Operand,
        function: &'static Function,
        id: NodeId,
        arguments: Arguments<'_>,
    ) -> Result<Operand, Failure> {
        let method = Method { parameters: function.parameters, rest: function.rest, results: &[] };
        let values = self.checked_arguments(frame, dot, function.name, method, arguments)?;
        self.spend_on_arguments(frame, &values)?;
        self.note(|trace| values.iter().for_each(|value| trace.used(value)));
        let result = (function.call)(self, &values);
        self.recycle(values);
        if let Ok(value) = &result {
            self.spend_on_result(frame, value)?;
        }
        self.returned(frame, function.name, id, result)
    }

    /// The outcome of a call, an error wrapped as Go does.
    pub(super) fn returned(
        &mut self,
        frame: Frame<'_>,
        name: &str,
        id: NodeId,
        result: Result<Value, CallError>,
    ) -> Result<Operand, Failure> {
        let error = match result {
            Ok(value) => return Ok(Operand::result(value)),
            Err(CallError::Template(error)) => error,
            Err(CallError::Message(message)) => Box::new(ExecError::new(message)),
        };
        // Where a limit was reached is one place; within a text of `tpl`, the template that it is in is another.
        let leaves_text = name == "tpl" && self.tpl.is_none();
        if error.is_limit() && !error.is_bare() && !leaves_text {
            return Err(error);
        }
        self.at = id;
        let place = self.place(frame);
        // A place that is long is long at each of the calls that fail one after the other.
        self.spend_on_text(frame, &place)?;
        Err(Box::new(error.wrap(format!("{place}error calling {name}: "))))
    }

    /// Checks the number of arguments, evaluates them and checks their types.
    pub(super) fn checked_arguments(
        &mut self,
        frame: Frame<'_>,
        dot: &Operand,
        name: &str,
        method: Method,
        arguments: Arguments<'_>,
    ) -> Result<Vec<Value>, Failure> {
        let words = arguments.words.get(1..).unwrap_or_default();
        self.check_count(frame, name, method, words.len(), arguments.last.is_some())?;
        self.step(frame)?;
        let mut values = self.spare_arguments.pop().unwrap_or_default();
        for &word in words {
            let parameter = parameter(method, values.len());
            match self.argument(frame, dot, parameter, word) {
                Ok(value) => values.push(value),
                Err(error) => return Err(error),
            }
        }
        if let Some(last) = arguments.last {
            let value = self.validate(frame, last, parameter(method, values.len()))?;
            values.push(value);
        }
        Ok(values)
    }

    /// Keeps an argument list's memory for the next call.
    pub(super) fn recycle(&mut self, mut values: Vec<Value>) {
        values.clear();
        self.spare_arguments.push(values);
    }

    fn check_count(
        &self,
        frame: Frame<'_>,
        name: &str,
        method: Method,
        words: usize,
        has_last: bool,
    ) -> Result<(), Failure> {
        let (wanted, given) = (method.parameters.len(), words + usize::from(has_last));
        let message = match method.rest {
            Some(_) if given < wanted => {
                format!("wrong number of args for {name}: want at least {wanted} got {words}")
            }
            None if given != wanted => format!("wrong number of args for {name}: want {wanted} got {given}"),
            _ => return Ok(()),
        };
        Err(self.error(frame, &message))
    }

    /// `and` and `or`: the first argument that decides, or the last one.
    fn logic(
        &mut self,
        frame: Frame<'_>,
        dot: &Operand,
        name: &str,
        decisive: bool,
        arguments: Arguments<'_>,
    ) -> Result<Operand, Failure> {
        let words = arguments.words.get(1..).unwrap_or_default();
        self.check_count(frame, name, LOGIC, words.len(), arguments.last.is_some())?;
        self.spend_on_words(frame, words)?;
        let mut result = Operand::INVALID;
        for &word in words {
            result = self.any_operand(frame, dot, word)?;
            if result.value.is_true() == decisive {
                return Ok(result);
            }
        }
        Ok(arguments.last.unwrap_or(result))
    }

    /// The one argument of `len`.
    fn only_operand(
        &mut self,
        frame: Frame<'_>,
        dot: &Operand,
        name: &str,
        arguments: Arguments<'_>,
    ) -> Result<Operand, Failure> {
        let words = arguments.words.get(1..).unwrap_or_default();
        self.check_count(frame, name, LEN, words.len(), arguments.last.is_some())?;
        match (words.first(), arguments.last) {
            (Some(&word), _) => self.any_operand(frame, dot, word),
            (None, last) => Ok(last.unwrap_or(Operand::INVALID)),
        }
    }

    /// `call`: no value in Helm is a function, so it always fails.
    fn call_value(
        &mut self,
        frame: Frame<'_>,
        dot: &Operand,
        name: &str,
        id: NodeId,
        arguments: Arguments<'_>,
    ) -> Result<Operand, Failure> {
        let words = arguments.words.get(1..).unwrap_or_default();
        self.check_count(frame, name, LOGIC, words.len(), arguments.last.is_some())?;
        let mut callee = None;
        for &word in words {
            let operand = self.any_operand(frame, dot, word)?;
            callee.get_or_insert((self.described(frame, word), operand));
        }
        let (described, operand) = match (callee, arguments.last) {
            (Some(callee), _) => callee,
            (None, last) => {
                let operand = last.unwrap_or(Operand::INVALID);
                (reflected(&operand.value), operand)
            }
        };
        let message = match &operand.value {
            Value::Nil => "call of nil".to_owned(),
            value => format!("non-function {described} of type {}", value.type_name()),
        };
        self.returned(frame, name, id, Err(CallError::Message(message)))
    }
}

/// The type of the argument at a position.
fn parameter(method: Method, index: usize) -> Parameter {
    method.parameters.get(index).copied().or(method.rest).unwrap_or(Parameter::Any)
}

/// `reflect.Value.String`: a string itself, the type of anything else.
fn reflected(value: &Value) -> String {
    match value {
        Value::Nil => "<invalid Value>".to_owned(),
        Value::Str(text) => text.to_text().into_owned(),
        _ => format!("<{} Value>", value.type_name()),
    }
}

/// `len` (`text/template/funcs.go` length).
fn length(operand: &Operand) -> Result<Value, String> {
    let length = match &operand.value {
        Value::Nil if operand.is_interface => return Err("len of nil pointer".to_owned()),
        Value::Nil => return Err("reflect: call of reflect.Value.Type on zero Value".to_owned()),
        Value::Str(text) | Value::Bytes(text) => Some(text.len()),
        Value::List(list) => Some(list.len()),
        Value::Map(map) => Some(map.len()),
        Value::Object(object) => object_length(object.as_ref()),
        _ => None,
    };
    match length.and_then(|length| i64::try_from(length).ok()) {
        Some(length) => Ok(Value::Int(length)),
        None => Err(format!("len of type {}", host::pointed(operand.value.type_name()))),
    }
}

fn object_length(object: &dyn Object) -> Option<usize> {
    object.entries().map(|entries| entries.len()).or_else(|| object.items().map(|items| items.len()))
}
