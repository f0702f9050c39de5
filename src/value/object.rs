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
            Self::String => "string",
            Self::Slice => "slice",
            Self::Map => "map",
            Self::Struct => "struct",
            Self::Pointer => "ptr",
            Self::Func => "func",
        }
    }
}

/// A Go value with fields and methods. Defaults are those of a struct without methods.
pub trait Object: fmt::Debug {
    /// The Go type, as `typeOf` prints it, for example `*common.Capabilities`.
    fn type_name(&self) -> &str;

    /// Its kind.
    fn kind(&self) -> Kind {
        Kind::Struct
    }

    /// The value of an exported field; nothing where there is no such field.
    fn field(&self, _name: &str) -> Option<Value> {
        None
    }

    /// Calls a method; nothing where there is no such method. The error is the method's own text.
    fn call(&self, _method: &str, _arguments: &[Value]) -> Option<Result<Value, String>> {
        None
    }

    /// What `%v` prints; `direct` tells a value printed by an action itself (Go then finds pointer methods) from one
    /// that was passed to a function.
    fn print(&self, direct: bool) -> String;

    /// What `toJson` and `toYaml` see.
    fn to_json(&self) -> Json;

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
