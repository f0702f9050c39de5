//! A value while it is evaluated: Go's `reflect.Value`, as far as templates can tell.

use std::any::Any;

use crate::template::print;
use crate::value::{Json, Kind, Object, Value};

/// A value and whether it is still in its interface. An element of a `map[string]interface{}` is: when it is nil it is
/// a nil interface, whose fields are errors. A pipeline's result is not: when it is nil it is no value at all, whose
/// fields are silently nothing.
#[derive(Clone, Debug, Default)]
pub(super) struct Operand {
    pub(super) value: Value,
    pub(super) is_interface: bool,
    /// Whether Go could take its address, because it is a field behind a pointer. Its pointer methods are then found
    /// when it is printed; as the argument of a function it loses them.
    pub(super) is_addressable: bool,
}

impl Operand {
    /// No value at all (the zero `reflect.Value`).
    pub(super) const INVALID: Self = Self { value: Value::Nil, is_interface: false, is_addressable: false };

    /// A value of its own type; nil is no value.
    pub(super) fn concrete(value: Value) -> Self {
        Self { value, is_interface: false, is_addressable: false }
    }

    /// A value in an interface.
    pub(super) fn interface(value: Value) -> Self {
        Self { value, is_interface: true, is_addressable: false }
    }

    /// An element of a list or map, which are interfaces unless the type says otherwise.
    pub(super) fn element(value: Value, is_interface: bool) -> Self {
        Self { value, is_interface, is_addressable: false }
    }

    /// A field of an object.
    pub(super) fn field(value: Value, is_addressable: bool) -> Self {
        Self { is_addressable, ..Self::result(value) }
    }

    /// What a function with result type `interface{}` or a concrete one returns: only nil tells them apart.
    pub(super) fn result(value: Value) -> Self {
        let is_interface = matches!(value, Value::Nil);
        Self { value, is_interface, is_addressable: false }
    }

    /// Whether there is no value at all.
    pub(super) fn is_invalid(&self) -> bool {
        !self.is_interface && matches!(self.value, Value::Nil)
    }

    /// Whether this is a nil interface.
    pub(super) fn is_nil_interface(&self) -> bool {
        self.is_interface && matches!(self.value, Value::Nil)
    }

    /// The value taken out of its interface.
    pub(super) fn unwrapped(self) -> Self {
        Self { is_interface: false, ..self }
    }

    /// The static type, as error texts print it.
    pub(super) fn type_name(&self) -> &str {
        if self.is_interface { "interface {}" } else { self.value.type_name() }
    }
}

/// A complex literal, which templates can only print.
#[derive(Debug)]
struct Complex(f64, f64);

impl Object for Complex {
    fn type_name(&self) -> &str {
        "complex128"
    }

    fn kind(&self) -> Kind {
        Kind::Complex128
    }

    fn print(&self, _direct: bool) -> String {
        let part = |float: f64| print::format_float(float, b'g', None);
        let sign = if self.1.is_sign_negative() { "" } else { "+" };
        format!("({}{sign}{}i)", part(self.0), part(self.1))
    }

    fn is_true(&self) -> bool {
        self.0 != 0.0 || self.1 != 0.0
    }

    fn to_json(&self) -> Json {
        Json::Null
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// A complex number as a value.
pub(super) fn complex(real: f64, imaginary: f64) -> Value {
    Value::object(Complex(real, imaginary))
}
