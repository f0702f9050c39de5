//! `--set` and its kin: any expression is applied or is an error, and what it made can be written and read.

use coxswain::chart::set::{Form, apply, apply_files};
use coxswain::value::Json;
use coxswain::yaml;

use super::yaml::survives;

/// The first byte chooses the form; a line is an expression, applied over what those before it made.
///
/// # Panics
/// Where what is written of the values cannot be read.
pub fn check(data: &[u8]) {
    let Some((form, expressions)) = data.split_first() else { return };
    let Ok(expressions) = std::str::from_utf8(expressions) else { return };
    let mut values = Default::default();
    for expression in expressions.lines().take(4) {
        let _ = match form % 5 {
            0 => apply(expression, Form::Typed, &mut values),
            1 => apply(expression, Form::Text, &mut values),
            2 => apply(expression, Form::Json, &mut values),
            3 => apply(expression, Form::Literal, &mut values),
            _ => apply_files(expression, &mut |path| Ok(path.to_owned()), &mut values),
        };
    }
    let values = Json::Object(values);
    // Go's library refuses to write some control characters, and writes a key `<<` so that it reads as a merge; so do we.
    if let Ok(written) = yaml::to_string(&values) {
        assert!(yaml::parse(&written).is_ok() || !super::yaml::everywhere(&values, &survives), "{written:.2000}");
    }
}
