//! How a value prints: as YAML and JSON write it, since that is what templates are for.

use std::borrow::Cow;

use minijinja::value::{Value as Jinja, ValueKind};
use minijinja::{Error, Output, State};

use super::object::Handle;
use super::{execution, value};
use crate::value::Json;

/// The text of a value: `true` and `null` in lower case, lists and mappings as JSON.
///
/// # Errors
/// Where the value is over the limits.
pub fn text(printed: &Jinja) -> Result<Cow<'_, str>, Error> {
    if let Some(handle) = printed.downcast_object_ref::<Handle>() {
        return Ok(Cow::Owned(handle.text()));
    }
    Ok(match printed.kind() {
        ValueKind::String => Cow::Borrowed(printed.as_str().unwrap_or_default()),
        ValueKind::None => Cow::Borrowed("null"),
        ValueKind::Bool => Cow::Borrowed(if printed.is_true() { "true" } else { "false" }),
        ValueKind::Bytes => String::from_utf8_lossy(printed.as_bytes().unwrap_or_default()),
        ValueKind::Map | ValueKind::Seq | ValueKind::Iterable => {
            Cow::Owned(Json::from(&value::to_go(printed)?).to_string())
        }
        _ => Cow::Owned(printed.to_string()),
    })
}

/// Prints a value into the output.
///
/// # Errors
/// The limits of the render.
pub fn write(output: &mut Output<'_>, _state: &mut State<'_, '_>, printed: &Jinja) -> Result<(), Error> {
    let text = text(printed)?;
    execution::charge(1, text.len() as u64)?;
    Ok(output.write_str(&text)?)
}
