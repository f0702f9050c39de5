//! Sprig's defaults: what stands in for an empty value (`sprig/defaults.go`).
//!
//! Empty are nil, false, zero, and strings, lists and maps without elements; a struct never is. That is what `if` takes
//! for false.

use super::arguments::Arguments;
use super::{CallError, Function, Host};
use crate::value::Parameter::{Any, Bool};
use crate::value::Value;

/// The functions of this family.
pub const FUNCTIONS: &[Function] = &[
    Function::variadic("default", &[Any], Any, default),
    Function::new("empty", &[Any], empty),
    Function::variadic("coalesce", &[], Any, coalesce),
    Function::variadic("all", &[], Any, all),
    Function::variadic("any", &[], Any, any),
    Function::new("ternary", &[Any, Any, Bool], ternary),
];

type Outcome = Result<Value, CallError>;

/// Whether Sprig takes the value for empty.
pub(super) fn is_empty(value: &Value) -> bool {
    !value.is_true()
}

fn default(_: &mut dyn Host, arguments: &[Value]) -> Outcome {
    let given = arguments.any(1);
    Ok(if is_empty(given) { arguments.any(0).clone() } else { given.clone() })
}

fn empty(_: &mut dyn Host, arguments: &[Value]) -> Outcome {
    Ok(is_empty(arguments.any(0)).into())
}

fn coalesce(_: &mut dyn Host, arguments: &[Value]) -> Outcome {
    Ok(arguments.iter().find(|value| !is_empty(value)).cloned().unwrap_or_default())
}

fn all(_: &mut dyn Host, arguments: &[Value]) -> Outcome {
    Ok(arguments.iter().all(|value| !is_empty(value)).into())
}

fn any(_: &mut dyn Host, arguments: &[Value]) -> Outcome {
    Ok(arguments.iter().any(|value| !is_empty(value)).into())
}

fn ternary(_: &mut dyn Host, arguments: &[Value]) -> Outcome {
    Ok(arguments.any(if arguments.boolean(2) { 0 } else { 1 }).clone())
}
