//! Helm's functions that ask the render itself (`pkg/engine/engine.go` initFunMap).

use super::arguments::Arguments;
use super::{CallError, Function, Host, Parameter};
use crate::template::report::wrap_warning;
use crate::value::{Str, Value};

/// `include`, `tpl`, `required`, `fail`, `lookup`, `getHostByName`.
pub const FUNCTIONS: &[Function] = &[
    Function::new("include", &[Parameter::String, Parameter::Any], |host, arguments| {
        host.include(&arguments.text(0), arguments.any(1).clone())
    }),
    Function::new("tpl", &[Parameter::String, Parameter::Any], |host, arguments| {
        host.tpl(&arguments.text(0), arguments.any(1).clone())
    }),
    Function::new("required", &[Parameter::String, Parameter::Any], required),
    Function::new("fail", &[Parameter::String], |host, arguments| warn(host, &arguments.text(0))),
    Function::new("lookup", &[Parameter::String; 4], |host, arguments| {
        let text = |index| arguments.text(index).to_text().into_owned();
        host.lookup(&text(0), &text(1), &text(2), &text(3))
    }),
    // Templates must not reach the network; Helm answers so too unless it is told otherwise.
    Function::new("getHostByName", &[Parameter::String], |_, _| Ok(Value::Str(Str::default()))),
];

/// Nil and the empty string are missing; 0, false and empty lists are not.
fn required(host: &mut dyn Host, arguments: &[Value]) -> Result<Value, CallError> {
    match arguments.any(1) {
        Value::Nil => warn(host, &arguments.text(0)),
        Value::Str(text) if text.is_empty() => warn(host, &arguments.text(0)),
        value => Ok(value.clone()),
    }
}

/// Ends the render with a message of the chart's author.
fn warn(host: &mut dyn Host, message: &Str) -> Result<Value, CallError> {
    if host.lint() {
        return Ok(Value::Str(Str::default()));
    }
    Err(CallError::Message(wrap_warning(&message.to_text())))
}
