//! The functions that a template's source is given before it is compiled ([`super::guarded`]). Templates cannot name
//! them.

use minijinja::value::{Tuple, Value as Jinja, ValueKind};
use minijinja::{Environment, Error};

use super::execution;
use super::text::text;
use super::value::undefined;
use super::weight::{check_length, weighed, weighed_member};

/// What every guard's name, and no name of a template, begins with.
pub const PREFIX: &str = "__";
/// Begins a body that can run more than once; its argument is the body's length.
pub const ENTER: &str = "__enter";
/// A condition of a loop, tried once an item.
pub const TRY: &str = "__try";
/// An operand of `+`.
pub const OPERAND: &str = "__operand";
/// An operand of `~`.
pub const TEXT: &str = "__text";
/// An operand of `*`.
pub const FACTOR: &str = "__factor";
/// An operand of a comparison.
pub const COMPARED: &str = "__compared";
/// What is filtered, sliced or spread into arguments, as a function and as a filter.
pub const WHOLE: &str = "__whole";
/// A value that was made.
pub const VALUE: &str = "__value";
/// A value that becomes a namespace's.
pub const MEMBER: &str = "__member";

/// How many bytes of a body are one step.
const BYTES_PER_STEP: u64 = 16;
/// What a comparison of lists or long texts counts, so that the clock is looked at.
const LONG_COMPARISON_STEPS: u64 = 4096;
/// From where on a text is long.
const LONG_TEXT: usize = 64 << 10;

/// Adds them all.
pub fn register(environment: &mut Environment<'static>) {
    environment.add_function(ENTER, enter);
    environment.add_function(TRY, || execution::charge(1, 0).map(|()| true));
    environment.add_function(OPERAND, operand);
    environment.add_function(TEXT, concatenated);
    environment.add_function(FACTOR, factor);
    environment.add_function(COMPARED, compared);
    environment.add_function(WHOLE, whole);
    environment.add_filter(WHOLE, whole);
    environment.add_function(VALUE, weighed);
    environment.add_function(MEMBER, weighed_member);
}

fn enter(length: u64) -> Result<(), Error> {
    execution::charge(1 + length / BYTES_PER_STEP, length)
}

/// The sum is at most as long as its operands.
fn operand(value: Jinja) -> Result<Jinja, Error> {
    execution::charge(1, value.as_str().map_or(0, str::len) as u64)?;
    Ok(value)
}

/// What `~` joins is what would be printed.
fn concatenated(value: Jinja) -> Result<Jinja, Error> {
    if value.is_undefined() {
        return Err(undefined(&value));
    }
    let text = text(&value)?;
    execution::charge(1, text.len() as u64)?;
    Ok(if value.kind() == ValueKind::String { value } else { Jinja::from(text.into_owned()) })
}

/// minijinja repeats a list lazily but a tuple at once.
fn factor(value: Jinja) -> Result<Jinja, Error> {
    execution::charge(1, 0)?;
    Ok(match value.downcast_object_ref::<Tuple>() {
        Some(tuple) => Jinja::from(tuple.to_vec()),
        None => value,
    })
}

/// What a macro or a block printed may be as long as all output.
fn whole(value: Jinja) -> Result<Jinja, Error> {
    check_length(value.as_str().map_or(0, str::len) as u64)?;
    execution::charge(1, 0)?;
    Ok(value)
}

fn compared(value: Jinja) -> Result<Jinja, Error> {
    let is_long = match value.kind() {
        ValueKind::Seq | ValueKind::Iterable | ValueKind::Map => true,
        _ => value.as_bytes().is_some_and(|bytes| bytes.len() > LONG_TEXT),
    };
    execution::charge(if is_long { LONG_COMPARISON_STEPS } else { 1 }, 0)?;
    Ok(value)
}
