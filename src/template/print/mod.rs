//! Go's `fmt` and the parts of `strconv` that it prints with.
//!
//! Everything that turns a value into text goes through here: actions, `print` and `printf`, and Sprig's `quote`,
//! `toString`, `join` and the like. Printing is bounded in depth and size: a map that contains itself is an error, as
//! are values that share parts so often that their text explodes.

use super::functions::CallError;
use crate::value::{Str, Value};

/// `fmt.Sprint`: a space between two operands when neither is a string.
///
/// # Errors
/// When a value is nested too deep or its text is too large.
pub fn sprint(values: &[Value]) -> Result<Vec<u8>, CallError> {
    let _ = values;
    Err("printing is not there yet".into())
}

/// `fmt.Sprintln`.
///
/// # Errors
/// As [`sprint`].
pub fn sprintln(values: &[Value]) -> Result<Vec<u8>, CallError> {
    sprint(values)
}

/// `fmt.Sprintf`.
///
/// # Errors
/// As [`sprint`].
pub fn sprintf(format: &[u8], values: &[Value]) -> Result<Vec<u8>, CallError> {
    let _ = format;
    sprint(values)
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

/// `strconv.Quote`: a double-quoted Go string literal.
pub fn quote(text: &[u8]) -> Vec<u8> {
    text.to_vec()
}

/// `strconv.FormatFloat(value, verb, precision, 64)`; without a precision, as many digits as are needed to read the
/// same number again. Verbs: `e`, `E`, `f`, `g`, `G`.
pub fn format_float(value: f64, verb: u8, precision: Option<usize>) -> String {
    let _ = (verb, precision);
    value.to_string()
}
