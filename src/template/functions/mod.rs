//! The functions that a template can name, one file a family, and the shape in which a family declares them.
//!
//! A [`Function`] names its parameters' Go types; the engine checks number and types of the arguments as Go's
//! reflection does (`text/template/exec.go` evalCall, validateType) before it calls, so a function sees only arguments
//! of the declared types. An error it returns surfaces as `error calling NAME: TEXT`.

mod address;
mod arguments;
mod builtins;
mod casing;
mod certificates;
mod comparison;
mod crypto;
mod dates;
mod decimal;
mod defaults;
mod dicts;
mod durations;
mod encoding;
mod encodings;
mod engine;
mod equality;
mod escaping;
mod lists;
mod merging;
mod numbers;
mod paths;
mod pattern;
mod pattern_class;
mod random;
mod reflection;
mod regex;
mod runes;
mod strings;
mod toml;
mod url;
mod urls;
mod versions;
mod words;

use std::collections::HashMap;
use std::sync::OnceLock;

use foldhash::fast::RandomState;

use crate::template::error::ExecError;
use crate::template::report::plain_error;
use crate::value::{Str, Value};

pub use crate::value::{Method, Parameter};
pub use certificates::Certificate;
pub use pattern::to_regex;

/// Every family. A family adds its module above and its line here; a later line wins over an earlier one of the same
/// name, as Helm's functions win over Sprig's.
const FAMILIES: &[&[Function]] = &[
    builtins::FUNCTIONS,
    certificates::FUNCTIONS,
    comparison::FUNCTIONS,
    crypto::FUNCTIONS,
    escaping::FUNCTIONS,
    engine::FUNCTIONS,
    casing::FUNCTIONS,
    dates::FUNCTIONS,
    defaults::FUNCTIONS,
    dicts::FUNCTIONS,
    durations::FUNCTIONS,
    encoding::FUNCTIONS,
    encodings::FUNCTIONS,
    lists::FUNCTIONS,
    numbers::FUNCTIONS,
    paths::FUNCTIONS,
    random::FUNCTIONS,
    reflection::FUNCTIONS,
    regex::FUNCTIONS,
    strings::FUNCTIONS,
    toml::FUNCTIONS,
    urls::FUNCTIONS,
    versions::FUNCTIONS,
];

/// The function that templates call by this name. `and`, `or`, `len` and `call` are the engine's own.
pub fn find(name: &str) -> Option<&'static Function> {
    table().get(name).copied()
}

/// Every function, each name once, in no order.
pub fn all() -> impl Iterator<Item = &'static Function> {
    table().values().copied()
}

fn table() -> &'static HashMap<&'static str, &'static Function, RandomState> {
    static TABLE: OnceLock<HashMap<&'static str, &'static Function, RandomState>> = OnceLock::new();
    TABLE.get_or_init(|| {
        FAMILIES.iter().flat_map(|family| family.iter()).map(|function| (function.name, function)).collect()
    })
}

/// One function: its name in templates, its parameters, its body.
#[derive(Clone, Copy)]
pub struct Function {
    /// The name that templates use.
    pub name: &'static str,
    /// The Go types of the fixed parameters.
    pub parameters: &'static [Parameter],
    /// The Go type of the variadic rest, where there is one.
    pub rest: Option<Parameter>,
    /// The body. Arguments are already checked.
    pub call: Body,
}

/// The body of a function.
type Body = fn(&mut dyn Host, &[Value]) -> Result<Value, CallError>;

impl Function {
    /// A function with fixed parameters.
    pub const fn new(name: &'static str, parameters: &'static [Parameter], call: Body) -> Self {
        Self { name, parameters, rest: None, call }
    }

    /// A function that takes any number of further arguments.
    pub const fn variadic(name: &'static str, parameters: &'static [Parameter], rest: Parameter, call: Body) -> Self {
        Self { name, parameters, rest: Some(rest), call }
    }
}

/// Why a call failed.
#[derive(Clone, Debug)]
pub enum CallError {
    /// The function returned an error or panicked with this text: Go prints `error calling NAME: TEXT`.
    Message(String),
    /// Execution inside the function failed (`include`, `tpl`), or the render's limits are used up.
    Template(Box<ExecError>),
}

impl CallError {
    /// The end of a render that used up its limits.
    pub(crate) fn limit(message: String) -> Self {
        Self::Template(Box::new(ExecError::limit(message)))
    }

    /// The text alone, without the marks that Helm puts around messages of `fail` and `required`.
    pub fn into_text(self) -> String {
        match self {
            Self::Message(message) => plain_error(&ExecError::new(message)),
            Self::Template(error) => plain_error(&error),
        }
    }
}

impl From<String> for CallError {
    fn from(message: String) -> Self {
        Self::Message(message)
    }
}

impl From<&str> for CallError {
    fn from(message: &str) -> Self {
        Self::Message(message.to_owned())
    }
}

/// What a function may ask of the running render.
pub trait Host {
    /// The source of chance and time.
    fn chance(&self) -> &dyn Chance;
    /// Reads the cluster; an empty map offline.
    fn lookup(&mut self, api_version: &str, kind: &str, namespace: &str, name: &str) -> Result<Value, CallError>;
    /// Renders a named template, with Helm's limit of 1000 nested calls a name.
    fn include(&mut self, name: &Str, data: Value) -> Result<Value, CallError>;
    /// Renders a text as a template.
    fn tpl(&mut self, text: &Str, data: Value) -> Result<Value, CallError>;
    /// Whether the render only checks the chart (`helm lint`): `required` and `fail` then let everything pass.
    fn lint(&self) -> bool {
        false
    }
    /// Accounts for `bytes` of new memory and `steps` of work; an error once the render's limits are used up.
    /// Functions whose result can be much larger than their arguments call it before they allocate.
    fn charge(&mut self, steps: u64, bytes: u64) -> Result<(), CallError>;
}

/// The one seam for chance and the clock: random text, keys, certificates and now. Production asks the operating
/// system; the conformance run returns fixed results.
pub trait Chance {
    /// The present time, nanoseconds since the Unix epoch.
    fn now(&self) -> i128;
    /// `n` random bytes.
    fn bytes(&self, n: usize) -> Vec<u8>;
    /// A fixed result in place of a function of chance (`randAlphaNum`, `genCA`, `uuidv4`, `ago`, …), called with the
    /// function's arguments; nothing where the real function is to run.
    fn stub(&self, _function: &str, _arguments: &[Value]) -> Option<Result<Value, String>> {
        None
    }
}

#[cfg(test)]
mod tests;
