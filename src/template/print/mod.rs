//! Go's `fmt` and the parts of `strconv` that it prints with.
//!
//! Everything that turns a value into text goes through here: actions, `print` and `printf`, and Sprig's `quote`,
//! `toString`, `join` and the like. Printing is bounded in depth and size: a map that contains itself is an error, as
//! are values that share parts so often that their text explodes.

mod float;
mod formatter;
mod printer;
mod quote;
mod verbs;

pub use float::format_float;
pub use quote::{quote, quote_to_ascii, unicode_point};

use super::functions::CallError;
use crate::value::{Kind, Str, Value};
use printer::Printer;

/// Why a value cannot be printed. Go has no such limits; it runs out of memory or stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PrintError {
    /// The value contains itself, or is nested absurdly.
    #[error("value is nested too deep to be printed")]
    TooDeep,
    /// The text would not fit into memory.
    #[error("value is too large to be printed")]
    TooLarge,
}

impl From<PrintError> for CallError {
    fn from(error: PrintError) -> Self {
        Self::Message(error.to_string())
    }
}

/// `fmt.Sprint`: a space between two operands when neither is a string.
///
/// # Errors
/// When a value is nested too deep or its text is too large.
pub fn sprint(values: &[Value]) -> Result<Vec<u8>, CallError> {
    let mut printer = Printer::new();
    let mut was_string = true;
    for value in values {
        let is_string = matches!(value, Value::Str(_));
        if !is_string && !was_string {
            printer.write(b" ");
        }
        printer.print_operand(value, u32::from(b'v'));
        was_string = is_string;
    }
    Ok(printer.finish()?)
}

/// `fmt.Sprintln`.
///
/// # Errors
/// As [`sprint`].
pub fn sprintln(values: &[Value]) -> Result<Vec<u8>, CallError> {
    let mut printer = Printer::new();
    for (index, value) in values.iter().enumerate() {
        printer.write(if index > 0 { b" " } else { b"" });
        printer.print_operand(value, u32::from(b'v'));
    }
    printer.write(b"\n");
    Ok(printer.finish()?)
}

/// `fmt.Sprintf`.
///
/// # Errors
/// As [`sprint`].
pub fn sprintf(format: &[u8], values: &[Value]) -> Result<Vec<u8>, CallError> {
    let mut printer = Printer::new();
    printer.print_format(format, values);
    Ok(printer.finish()?)
}

/// The text of one value as `%v` prints it; a string is returned as it is.
///
/// # Errors
/// As [`sprint`].
pub fn to_text(value: &Value) -> Result<Str, CallError> {
    match value {
        Value::Str(text) => Ok(text.clone()),
        _ => Ok(sprint(std::slice::from_ref(value))?.into()),
    }
}

/// Appends what an action prints for its value (`text/template/exec.go` printValue).
///
/// # Errors
/// As [`sprint`].
pub(crate) fn print_action(value: &Value, is_addressable: bool, out: &mut Vec<u8>) -> Result<(), PrintError> {
    match value {
        Value::Nil => out.extend_from_slice(b"<no value>"),
        Value::Str(text) => out.extend_from_slice(text.as_bytes()),
        Value::Bool(value) => out.extend_from_slice(if *value { b"true" } else { b"false" }),
        Value::Object(object) => {
            let is_pointer = object.kind() == Kind::Pointer;
            let text = object.print(is_addressable || is_pointer);
            // Go prints what a pointer points to.
            let pointed = text.strip_prefix('&').filter(|_| is_pointer && !object.has_text(true));
            out.extend_from_slice(pointed.unwrap_or(&text).as_bytes());
        }
        _ => out.extend_from_slice(&print_alone(value)?),
    }
    Ok(())
}

fn print_alone(value: &Value) -> Result<Vec<u8>, PrintError> {
    let mut printer = Printer::new();
    printer.print_operand(value, u32::from(b'v'));
    printer.finish()
}
