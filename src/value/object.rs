//! Values with methods or struct fields: what Helm passes to templates as Go structs and method-bearing types.

use std::any::Any;
use std::fmt;

use super::{Json, Value};

/// Go's `reflect.Kind`, as far as templates can meet it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the variants are Go's own names")]
pub enum Kind {
    Invalid,
    Bool,
    Int,
    Int64,
    Uint8,
    Uint64,
    Float64,
    Complex128,
    String,
    Slice,
    Map,
    Struct,
    Pointer,
    Func,
}

impl Kind {
    /// The word that `kindOf` prints.
    pub fn name(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Int64 => "int64",
            Self::Uint8 => "uint8",
            Self::Uint64 => "uint64",
            Self::Float64 => "float64",
            Self::Complex128 => "complex128",
            Self::String => "string",
            Self::Slice => "slice",
            Self::Map => "map",
            Self::Struct => "struct",
            Self::Pointer => "ptr",
            Self::Func => "func",
        }
    }
}

/// The Go type of a parameter of a function or method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parameter {
    /// `interface{}`: anything, nil included.
    Any,
    /// `string`.
    String,
    /// `int`: int literals and values of kind int.
    Int,
    /// `int64`.
    Int64,
    /// `uint32`: a counter; arrives as [`Value::Uint64`].
    Uint32,
    /// `float64`.
    Float,
    /// `bool`.
    Bool,
    /// `map[string]interface{}`; `.Values` is assignable. A nil argument arrives as [`Map::nil`](super::Map::nil).
    Map,
    /// `[]interface{}`. A nil argument arrives as [`List::nil`](super::List::nil).
    List,
    /// `[]byte`.
    Bytes,
    /// A concrete struct or named type, by its Go name, for example `sprig.certificate` or `time.Time`.
    Named(&'static str),
}

impl Parameter {
    /// The Go type, as error texts print it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Any => "interface {}",
            Self::String => "string",
            Self::Int => "int",
            Self::Int64 => "int64",
            Self::Uint32 => "uint32",
            Self::Float => "float64",
            Self::Bool => "bool",
            Self::Map => "map[string]interface {}",
            Self::List => "[]interface {}",
            Self::Bytes => "[]uint8",
            Self::Named(name) => name,
        }
    }
}

/// What a method takes. The engine checks the arguments before it calls.
#[derive(Clone, Copy, Debug)]
pub struct Method {
    /// The Go types of the fixed parameters.
    pub parameters: &'static [Parameter],
    /// The Go type of the variadic rest, where there is one.
    pub rest: Option<Parameter>,
    /// The Go types of the results after the first, but for an error: a template cannot call what has any.
    pub results: &'static [&'static str],
}

impl Method {
    /// A method without parameters.
    pub const NULLARY: Self = Self { parameters: &[], rest: None, results: &[] };
    /// A method that takes one string.
    pub const STRING: Self = Self { parameters: &[Parameter::String], rest: None, results: &[] };
}

/// A Go value with fields and methods. Defaults are those of a struct without methods.
pub trait Object: fmt::Debug {
    /// The Go type, as `typeOf` prints it, for example `*common.Capabilities`.
    fn type_name(&self) -> &str;

    /// Its kind.
    fn kind(&self) -> Kind {
        Kind::Struct
    }

    /// The value of an exported field; nothing where there is no such field. An object of kind map answers every
    /// name: its entry, or the zero value of its element type.
    fn field(&self, _name: &str) -> Option<Value> {
        None
    }

    /// What the method of that name takes; nothing where there is no such method.
    fn method(&self, _name: &str) -> Option<Method> {
        None
    }

    /// Calls a method that [`Object::method`] knows. The error is the method's own text.
    ///
    /// # Errors
    /// What the method returns as its error.
    fn call(&self, method: &str, _arguments: &[Value]) -> Result<Value, String> {
        Err(format!("{method} is not a method of {}", self.type_name()))
    }

    /// What `%v` prints; `direct` tells a value printed by an action itself (Go then finds pointer methods) from one
    /// that was passed to a function.
    fn print(&self, direct: bool) -> String;

    /// Whether [`Object::print`] is the text of a `String` or `Error` method. `%s`, `%q` and `%x` then format that
    /// text; otherwise every verb formats [`Object::fields`] one by one.
    fn has_text(&self, _direct: bool) -> bool {
        false
    }

    /// The struct's fields in order, as `fmt` prints them; nothing for types that are not structs.
    fn fields(&self) -> Vec<(&str, Value)> {
        Vec::new()
    }

    /// What a deep copy is where it differs: Go's copies only exported fields, and leaves the others zero.
    fn deep_copy(&self) -> Option<Value> {
        None
    }

    /// The number of an object of an integer kind (a `time.Duration`), for comparisons and `%d`.
    fn integer(&self) -> Option<i64> {
        None
    }

    /// What `toJson` and `toYaml` see.
    fn to_json(&self) -> Json;

    /// A struct's members in JSON, in the order of its fields; nothing where [`Object::to_json`] says all.
    fn json_members(&self) -> Option<Vec<(&str, Value)>> {
        None
    }

    /// Whether `if` takes it for true: a struct always is.
    fn is_true(&self) -> bool {
        true
    }

    /// The entries that `range` and `len` see, for objects of kind map (`.Files`, a glob's result).
    fn entries(&self) -> Option<Vec<(super::Str, Value)>> {
        None
    }

    /// The elements that `range`, `len` and `index` see, for objects of kind slice (`.Capabilities.APIVersions`).
    fn items(&self) -> Option<Vec<Value>> {
        None
    }

    /// For functions that take one concrete type (`date` takes a time).
    fn as_any(&self) -> &dyn Any;
}
