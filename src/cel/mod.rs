//! Expressions by which a person says what he waits for, in the Common Expression Language of Kubernetes' own rules.
//!
//! Spoken is the part of the language that is about JSON: literals, lists and maps, operators, the macros `has`, `all`,
//! `exists`, `exists_one`, `filter` and `map`, conversions and the functions of texts, with CEL's rules (an error beside
//! `&&` and `||` counts only where the other side does not decide). There are no bytes, unsigned numbers, times and types
//! as values; whoever writes one is told where.
//!
//! Whoever may write a request writes expressions, and one process evaluates those of all tenants. So an expression is
//! bounded in length and depth when it is read, and in steps when it is evaluated, where a step is also a piece of text
//! or a member that is looked at or made. That is why no CEL crate is used: the one that is kept, `cel` 0.15, has no bound
//! for evaluations (an expression of 221 bytes, seven lists of ten within each other, takes it 3 seconds, and one level
//! more 30), cannot be stopped from outside, and adds a generated parser, 17 crates and 1.1 MB to the binary.
//!
//! ```
//! use coxswain::cel::Expression;
//!
//! let expression = Expression::parse("dep.status.conditions.exists(c, c.type == 'Ready' && c.status == 'True')")?;
//! let dep = serde_json::json!({"status": {"conditions": [{"type": "Ready", "status": "True"}]}});
//! assert!(expression.holds(&[("dep", &dep)])?);
//! # Ok::<(), coxswain::cel::CelError>(())
//! ```

mod evaluate;
mod functions;
mod lexer;
mod parser;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use self::evaluate::Evaluation;
use self::parser::Term;
use crate::value::Json;

/// The longest expression, in bytes.
pub const LONGEST: usize = 2_048;

/// Why an expression cannot be read or evaluated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CelError {
    /// It is not one.
    #[error("column {column}: {message}")]
    Syntax {
        /// The column, from 1, in characters.
        column: usize,
        /// What is wrong there.
        message: String,
    },
    /// It is not made for these values.
    #[error("column {column}: {message}")]
    Evaluation {
        /// The column of the part that failed, from 1, in characters.
        column: usize,
        /// Why.
        message: String,
    },
    /// It takes more steps than one may.
    #[error("it takes more than {steps} steps; make it simpler")]
    TooManySteps {
        /// As many as one may take.
        steps: u64,
    },
    /// Its result is neither true nor false.
    #[error("it gives {found}, and has to give true or false")]
    NotBoolean {
        /// What it gives.
        found: &'static str,
    },
}

/// An expression that was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Expression {
    root: Term,
}

impl Expression {
    /// Reads an expression.
    ///
    /// # Errors
    /// It is not one, or is too long or too deep.
    pub fn parse(text: &str) -> Result<Self, CelError> {
        parser::parse(text).map(|root| Self { root })
    }

    /// Evaluates the expression with values under names.
    ///
    /// # Errors
    /// It is not made for these values, or takes too many steps.
    pub fn evaluate(&self, variables: &[(&str, &Json)]) -> Result<Json, CelError> {
        Evaluation::new(variables).value(&self.root).map(Cow::into_owned)
    }

    /// Whether the expression is true.
    ///
    /// # Errors
    /// As [`Expression::evaluate`], or it gives something else than true or false.
    pub fn holds(&self, variables: &[(&str, &Json)]) -> Result<bool, CelError> {
        match self.evaluate(variables)? {
            Json::Bool(holds) => Ok(holds),
            other => Err(CelError::NotBoolean { found: kind(&other) }),
        }
    }
}

/// The kind of a value in CEL's words.
fn kind(value: &Json) -> &'static str {
    match value {
        Json::Null => "null",
        Json::Bool(_) => "bool",
        Json::Number(number) if number.is_f64() => "double",
        Json::Number(_) => "int",
        Json::String(_) => "string",
        Json::Array(_) => "list",
        Json::Object(_) => "map",
    }
}
