//! The functions of expressions, and what they make of their arguments.

use std::borrow::Cow;

use regex::RegexBuilder;
use serde_json::Number;

use super::evaluate::{Evaluation, Value};
use super::kind;
use crate::value::Json;

/// What reading a pattern counts as, in steps; its program takes [`PATTERN_BYTES`] at most.
const PATTERN_STEPS: u64 = 10_000;
/// The memory that a pattern may take.
const PATTERN_BYTES: usize = 1 << 18;

/// A function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    Size,
    Contains,
    StartsWith,
    EndsWith,
    Matches,
    Int,
    Double,
    Text,
    Bool,
    Dyn,
}

/// The functions by their names, with how many arguments they have.
const FUNCTIONS: [(&str, usize, Function); 10] = [
    ("size", 1, Function::Size),
    ("contains", 2, Function::Contains),
    ("startsWith", 2, Function::StartsWith),
    ("endsWith", 2, Function::EndsWith),
    ("matches", 2, Function::Matches),
    ("int", 1, Function::Int),
    ("double", 1, Function::Double),
    ("string", 1, Function::Text),
    ("bool", 1, Function::Bool),
    ("dyn", 1, Function::Dyn),
];

impl Function {
    /// The function of a name and so many arguments.
    pub(super) fn find(name: &str, arguments: usize) -> Option<Self> {
        let found = FUNCTIONS.into_iter().find(|(known, count, _)| *known == name && *count == arguments);
        found.map(|(_, _, function)| function)
    }

    /// All names.
    pub(super) fn names() -> String {
        let names = FUNCTIONS.map(|(name, ..)| name);
        format!("has, all, exists, exists_one, filter, map, {}", names.join(", "))
    }

    fn name(self) -> &'static str {
        FUNCTIONS.into_iter().find(|(_, _, function)| *function == self).map_or("", |(name, ..)| name)
    }
}

/// Calls a function; the error is a sentence.
pub(super) fn call<'a>(
    evaluation: &mut Evaluation<'a>,
    function: Function,
    arguments: Vec<Value<'a>>,
) -> Result<Value<'a>, Stop> {
    if function == Function::Dyn {
        return Ok(arguments.into_iter().next().unwrap_or(Cow::Owned(Json::Null)));
    }
    let made = match (function, arguments.iter().map(AsRef::as_ref).collect::<Vec<_>>().as_slice()) {
        (Function::Size, [Json::String(text)]) => {
            evaluation.spend_on(text)?;
            Json::from(text.chars().count())
        }
        (Function::Size, [Json::Array(items)]) => Json::from(items.len()),
        (Function::Size, [Json::Object(members)]) => Json::from(members.len()),
        (Function::Contains, [Json::String(text), Json::String(part)]) => {
            evaluation.spend_on(text)?;
            Json::Bool(text.contains(part))
        }
        (Function::StartsWith, [Json::String(text), Json::String(part)]) => {
            evaluation.spend_on(part)?;
            Json::Bool(text.starts_with(part))
        }
        (Function::EndsWith, [Json::String(text), Json::String(part)]) => {
            evaluation.spend_on(part)?;
            Json::Bool(text.ends_with(part))
        }
        (Function::Matches, [Json::String(text), Json::String(pattern)]) => {
            evaluation.spend(PATTERN_STEPS)?;
            evaluation.spend_on(text)?;
            let pattern = RegexBuilder::new(pattern).size_limit(PATTERN_BYTES).dfa_size_limit(PATTERN_BYTES).build();
            let pattern = pattern.map_err(|_| Stop::Wrong("matches() needs a regular expression (RE2)".to_owned()))?;
            Json::Bool(pattern.is_match(text))
        }
        (Function::Int | Function::Double | Function::Text | Function::Bool, [value]) => {
            if let Json::String(text) = value {
                evaluation.spend_on(text)?;
            }
            converted(function, value)
                .ok_or_else(|| Stop::Wrong(format!("{}() of this {} is not possible", function.name(), kind(value))))?
        }
        (_, found) => {
            let kinds: Vec<_> = found.iter().map(|value| kind(value)).collect();
            return Err(Stop::Wrong(format!("{}() is not for {}", function.name(), kinds.join(" and "))));
        }
    };
    Ok(Cow::Owned(made))
}

/// Why an evaluation does not go on.
pub(super) enum Stop {
    /// The steps are used up.
    Spent,
    /// A sentence.
    Wrong(String),
}

fn converted(function: Function, value: &Json) -> Option<Json> {
    match (function, value) {
        (Function::Int, Json::Number(number)) => match number.as_i64() {
            Some(int) => Some(Json::from(int)),
            // Doubles from here to there have an integer that is not rounded away.
            None => {
                number.as_f64().filter(|double| double.abs() < 9e18).map(|double| Json::from(double.trunc() as i64))
            }
        },
        (Function::Int, Json::String(text)) => text.parse::<i64>().ok().map(Json::from),
        (Function::Double, Json::Number(number)) => double(number.as_f64()?),
        (Function::Double, Json::String(text)) => double(text.parse().ok()?),
        (Function::Text, Json::String(text)) => Some(Json::String(text.clone())),
        (Function::Text, Json::Number(number)) => Some(Json::String(number.to_string())),
        (Function::Text, Json::Bool(value)) => Some(Json::String(value.to_string())),
        (Function::Bool, Json::Bool(value)) => Some(Json::Bool(*value)),
        (Function::Bool, Json::String(text)) => match text.as_str() {
            "true" | "True" | "TRUE" | "t" | "1" => Some(Json::Bool(true)),
            "false" | "False" | "FALSE" | "f" | "0" => Some(Json::Bool(false)),
            _ => None,
        },
        _ => None,
    }
}

/// A number that JSON can hold.
pub(super) fn double(number: f64) -> Option<Json> {
    Number::from_f64(number).map(Json::Number)
}
