//! TOML in templates (`pkg/engine/funcs.go`, with BurntSushi's library): `toToml` prints the error in place of the
//! text, `fromToml` gives it under the key `Error`.

use super::arguments::Arguments;
use super::{CallError, Function, Host};
use crate::template::toml::{TOO_LARGE, read, write};
use crate::value::Parameter::{Any, String as Text};
use crate::value::{Map, Value};

/// The functions of this family.
pub const FUNCTIONS: &[Function] = &[
    Function::new("toToml", &[Any], to_toml),
    Function::new("mustToToml", &[Any], must_to_toml),
    Function::new("fromToml", &[Text], from_toml),
];

type Outcome = Result<Value, CallError>;

/// What a text costs that is too large to be written, or has no end.
const FAILED_STEPS: u64 = 1 << 20;

/// The text of a nil value: Go panics in reflection, which no form of the function catches.
const NIL_PANIC: &str = "reflect: call of reflect.Value.Type on zero Value";

fn must_to_toml(host: &mut dyn Host, arguments: &[Value]) -> Outcome {
    let value = arguments.any(0);
    if matches!(value, Value::Nil) {
        return Err(NIL_PANIC.into());
    }
    let text = match write(value) {
        // What was written before the end was found has been work too.
        Err(message) if message == TOO_LARGE => {
            host.charge(FAILED_STEPS, 0)?;
            return Err(message.into());
        }
        text => text?,
    };
    host.charge(text.len() as u64, text.len() as u64)?;
    Ok(text.into())
}

fn to_toml(host: &mut dyn Host, arguments: &[Value]) -> Outcome {
    match must_to_toml(host, arguments) {
        Err(CallError::Message(message)) if message != NIL_PANIC => Ok(message.into()),
        outcome => outcome,
    }
}

fn from_toml(host: &mut dyn Host, arguments: &[Value]) -> Outcome {
    let text = arguments.text(0);
    host.charge(text.len() as u64, 8 * text.len() as u64)?;
    Ok(match read(text.as_bytes()) {
        Ok(map) => Value::Map(map),
        Err(message) => Value::Map(Map::from_iter([("Error", message.into())])),
    })
}
