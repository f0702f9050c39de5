//! The dynamic value of templates: Go's kinds as Helm's templates see them.
//!
//! A [`Value`] is what an `interface{}` holds while Helm renders. Numbers read from values files are [`Value::Float`]
//! (Helm passes YAML through JSON), template literals are [`Value::Int`], `--set` and Sprig's arithmetic give
//! [`Value::Int64`]. Maps are shared by reference: `set` on one handle is seen through every other. Lists never change
//! in place. Strings are bytes, as in Go, because `trunc` and `substr` may cut a character in two.
//!
//! What charts and values files hold before a render is plain [`Json`], which is `Send + Sync`; there, by convention,
//! a number that came from YAML or JSON is stored as `f64` and one from `--set` as `i64`.

mod convert;
mod entries;
mod fnv;
mod frozen;
mod hex;
mod list;
mod map;
pub mod message;
mod object;
mod text;

pub use entries::Entries;
pub use fnv::Fnv;
pub use frozen::{Frozen, FrozenMap};
pub use hex::hex;
pub use list::{ElementType, List};
pub use map::{Map, MapType};
pub use object::{Kind, Method, Object, Parameter};
pub use text::Str;

use std::rc::Rc;

/// Plain data: values files, metadata, schemas, records. See the module's page for its number convention.
pub type Json = serde_json::Value;

/// What a Go `interface{}` holds in a Helm template.
#[derive(Clone, Debug, Default)]
pub enum Value {
    /// A nil interface.
    #[default]
    Nil,
    /// `bool`.
    Bool(bool),
    /// `int`: template literals, `len`, `until`.
    Int(i64),
    /// `int64`: `--set`, `int64`, Sprig's arithmetic.
    Int64(i64),
    /// `uint64`: the parts of a semantic version.
    Uint64(u64),
    /// `uint8`: a byte of a string, by `index`.
    Uint8(u8),
    /// `float64`: every number of a values file.
    Float(f64),
    /// `string`.
    Str(Str),
    /// `[]byte`: `.Files.GetBytes`.
    Bytes(Str),
    /// A slice.
    List(List),
    /// A map with string keys.
    Map(Map),
    /// Everything with methods or Go struct fields: `.Files`, `.Capabilities`, times, versions, certificates.
    Object(Rc<dyn Object>),
}

impl Value {
    /// Wraps an object.
    pub fn object(object: impl Object + 'static) -> Self {
        Self::Object(Rc::new(object))
    }

    /// The name that `printf "%T"` and `typeOf` print.
    pub fn type_name(&self) -> &str {
        match self {
            Self::Nil => "<nil>",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Int64(_) => "int64",
            Self::Uint64(_) => "uint64",
            Self::Uint8(_) => "uint8",
            Self::Float(_) => "float64",
            Self::Str(_) => "string",
            Self::Bytes(_) => "[]uint8",
            Self::List(list) => list.element_type().list_type_name(),
            Self::Map(map) => map.map_type().name(),
            Self::Object(object) => object.type_name(),
        }
    }

    /// Go's `reflect.Kind`, which `kindOf` prints.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Nil => Kind::Invalid,
            Self::Bool(_) => Kind::Bool,
            Self::Int(_) => Kind::Int,
            Self::Int64(_) => Kind::Int64,
            Self::Uint64(_) => Kind::Uint64,
            Self::Uint8(_) => Kind::Uint8,
            Self::Float(_) => Kind::Float64,
            Self::Str(_) => Kind::String,
            Self::Bytes(_) | Self::List(_) => Kind::Slice,
            Self::Map(_) => Kind::Map,
            Self::Object(object) => object.kind(),
        }
    }

    /// Whether `if` takes the value for true (`text/template/exec.go` IsTrue).
    pub fn is_true(&self) -> bool {
        match self {
            Self::Nil => false,
            Self::Bool(b) => *b,
            Self::Int(n) | Self::Int64(n) => *n != 0,
            Self::Uint64(n) => *n != 0,
            Self::Uint8(n) => *n != 0,
            Self::Float(f) => *f != 0.0,
            Self::Str(s) | Self::Bytes(s) => !s.is_empty(),
            Self::List(list) => !list.is_empty(),
            Self::Map(map) => !map.is_empty(),
            Self::Object(object) => object.is_true(),
        }
    }

    /// Whether other values can be inside, so that dropping it could recurse.
    fn is_container(&self) -> bool {
        matches!(self, Self::List(_) | Self::Map(_))
    }

    /// The text of a `string`, or nothing for any other kind.
    pub fn as_str(&self) -> Option<&Str> {
        match self {
            Self::Str(s) => Some(s),
            _ => None,
        }
    }

    /// The map, or nothing for any other kind.
    pub fn as_map(&self) -> Option<&Map> {
        match self {
            Self::Map(map) => Some(map),
            _ => None,
        }
    }

    /// The list, or nothing for any other kind.
    pub fn as_list(&self) -> Option<&List> {
        match self {
            Self::List(list) => Some(list),
            _ => None,
        }
    }
}

/// Drops values level by level: a template can nest them deeper than any stack.
fn dismantle(mut nested: Vec<Value>) {
    while let Some(mut value) = nested.pop() {
        match &mut value {
            Value::List(list) => list.take_nested(&mut nested),
            Value::Map(map) => map.take_nested(&mut nested),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deep_values_are_dropped_without_recursion() {
        let mut value = Value::Nil;
        for _ in 0..500_000 {
            let map: Map = [("inner", value)].into_iter().collect();
            value = Value::List(List::new([Value::Map(map)]));
        }
        drop(value);
    }
}
