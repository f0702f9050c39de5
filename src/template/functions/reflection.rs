//! Types and kinds of values by their Go names (`sprig/reflect.go`).

use super::arguments::Arguments;
use super::{CallError, Function, Host};
use crate::value::Parameter::{Any, String as Text};
use crate::value::Value;

/// The functions of this family.
pub const FUNCTIONS: &[Function] = &[
    Function::new("typeOf", &[Any], type_of),
    Function::new("typeIs", &[Text, Any], type_is),
    Function::new("typeIsLike", &[Text, Any], type_is_like),
    Function::new("kindOf", &[Any], kind_of),
    Function::new("kindIs", &[Text, Any], kind_is),
    Function::new("hello", &[], hello),
];

type Outcome = Result<Value, CallError>;

fn type_of(_: &mut dyn Host, arguments: &[Value]) -> Outcome {
    Ok(arguments.any(0).type_name().into())
}

fn type_is(_: &mut dyn Host, arguments: &[Value]) -> Outcome {
    Ok((arguments.bytes(0) == arguments.any(1).type_name().as_bytes()).into())
}

/// Whether the value is of the type or a pointer to it.
fn type_is_like(_: &mut dyn Host, arguments: &[Value]) -> Outcome {
    let (target, name) = (arguments.text(0), arguments.any(1).type_name());
    let pointed_to = name.strip_prefix('*').unwrap_or(name);
    Ok((target.as_bytes() == name.as_bytes() || target.as_bytes() == pointed_to.as_bytes()).into())
}

fn kind_of(_: &mut dyn Host, arguments: &[Value]) -> Outcome {
    Ok(arguments.any(0).kind().name().into())
}

fn kind_is(_: &mut dyn Host, arguments: &[Value]) -> Outcome {
    Ok((arguments.bytes(0) == arguments.any(1).kind().name().as_bytes()).into())
}

fn hello(_: &mut dyn Host, _: &[Value]) -> Outcome {
    Ok("Hello!".into())
}
