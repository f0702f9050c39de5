//! Arguments by the type of their parameter (`text/template/exec.go` evalArg, validateType).

use super::evaluate::Arguments;
use super::operand::Operand;
use super::{Execution, Failure, Frame};
use crate::template::functions::Parameter;
use crate::template::parse::{NodeId, NodeKind};
use crate::template::time::Duration;
use crate::value::{ElementType, List, Map, MapType, Str, Value};

impl Execution<'_> {
    /// An argument for a parameter.
    pub(super) fn argument(
        &mut self,
        frame: Frame<'_>,
        dot: &Operand,
        parameter: Parameter,
        id: NodeId,
    ) -> Result<Value, Failure> {
        self.at = id;
        match &frame.parsed.node(id).kind {
            NodeKind::Nil => match zero(parameter) {
                Some(value) => Ok(value),
                None => Err(self.error(frame, &format!("cannot assign nil to {}", parameter.name()))),
            },
            NodeKind::Bool(_) | NodeKind::Number(_) | NodeKind::String { .. } => {
                self.literal(frame, dot, parameter, id)
            }
            _ => {
                let operand = self.any_operand(frame, dot, id)?;
                self.validate(frame, operand, parameter)
            }
        }
    }

    /// An argument for a parameter of any type, its interface kept.
    pub(super) fn any_operand(&mut self, frame: Frame<'_>, dot: &Operand, id: NodeId) -> Result<Operand, Failure> {
        self.at = id;
        match &frame.parsed.node(id).kind {
            NodeKind::Dot => Ok(dot.clone()),
            NodeKind::Nil => Ok(Operand::INVALID),
            NodeKind::Field(fields) => self.field_chain(frame, dot, dot, id, *fields, Arguments::NONE),
            NodeKind::Variable { id: variable, fields } => {
                self.variable(frame, dot, id, *variable, *fields, Arguments::NONE)
            }
            NodeKind::Pipe(_) => self.nested_pipeline(frame, dot, id),
            NodeKind::Identifier(callee) => self.call(frame, dot, *callee, id, Arguments::NONE),
            NodeKind::Chain { node, fields } => self.chain(frame, dot, id, *node, *fields, Arguments::NONE),
            NodeKind::Bool(value) => Ok(Operand::concrete(Value::Bool(*value))),
            NodeKind::Number(number) => self.ideal_constant(frame, id, frame.parsed.number(*number)),
            NodeKind::String { text, .. } => Ok(Operand::concrete(Value::Str(frame.parsed.string(*text).clone()))),
            _ => Err(self.error(frame, &format!("can't handle {} as an argument", self.described(frame, id)))),
        }
    }

    /// A literal, which adapts to the parameter's type.
    fn literal(&mut self, frame: Frame<'_>, dot: &Operand, parameter: Parameter, id: NodeId) -> Result<Value, Failure> {
        let kind = &frame.parsed.node(id).kind;
        let number = match kind {
            NodeKind::Number(number) => Some(frame.parsed.number(*number)),
            _ => None,
        };
        let integer = number.and_then(|number| number.integer);
        let expected = match parameter {
            Parameter::Any => return Ok(self.any_operand(frame, dot, id)?.value),
            Parameter::String => match kind {
                NodeKind::String { text, .. } => return Ok(Value::Str(frame.parsed.string(*text).clone())),
                _ => "string",
            },
            Parameter::Bool => match kind {
                NodeKind::Bool(value) => return Ok(Value::Bool(*value)),
                _ => "bool",
            },
            Parameter::Int => match integer {
                Some(integer) => return Ok(Value::Int(integer)),
                None => "integer",
            },
            Parameter::Int64 => match integer {
                Some(integer) => return Ok(Value::Int64(integer)),
                None => "integer",
            },
            Parameter::Uint32 => match integer.filter(|integer| *integer >= 0) {
                Some(integer) => return Ok(Value::Uint64(integer.cast_unsigned())),
                None => "unsigned integer",
            },
            Parameter::Float => match number.and_then(|number| number.float) {
                Some(float) => return Ok(Value::Float(float)),
                None => "float",
            },
            // Its kind is int64, so integers fit it.
            Parameter::Named("time.Duration") => match integer {
                Some(integer) => return Ok(Value::from(Duration(integer))),
                None => "integer",
            },
            Parameter::Map | Parameter::List | Parameter::Bytes | Parameter::Named(_) => {
                let described = self.described(frame, id);
                return Err(
                    self.error(frame, &format!("can't handle {described} for arg of type {}", parameter.name()))
                );
            }
        };
        let described = self.described(frame, id);
        Err(self.error(frame, &format!("expected {expected}; found {described}")))
    }

    /// A value for a parameter: assignable, or an error.
    pub(super) fn validate(&self, frame: Frame<'_>, operand: Operand, parameter: Parameter) -> Result<Value, Failure> {
        if operand.is_invalid() {
            return zero(parameter)
                .ok_or_else(|| self.error(frame, &format!("invalid value; expected {}", parameter.name())));
        }
        match (parameter, &operand.value) {
            (Parameter::Any, _)
            | (Parameter::String, Value::Str(_))
            | (Parameter::Int, Value::Int(_))
            | (Parameter::Int64, Value::Int64(_))
            | (Parameter::Float, Value::Float(_))
            | (Parameter::Bool, Value::Bool(_))
            | (Parameter::Bytes, Value::Bytes(_)) => Ok(operand.value),
            (Parameter::Map, Value::Map(map)) if map.map_type() != MapType::String => {
                Ok(Value::Map(map.with_type(MapType::Any)))
            }
            (Parameter::List, Value::List(list)) if list.element_type() == ElementType::Any => Ok(operand.value),
            (Parameter::Named(name), Value::Object(object))
                if object.type_name() == name || object.type_name().strip_prefix('*') == Some(name) =>
            {
                Ok(operand.value)
            }
            _ => Err(self.wrong_type(frame, &operand, parameter)),
        }
    }

    fn wrong_type(&self, frame: Frame<'_>, operand: &Operand, parameter: Parameter) -> Failure {
        let found = if operand.is_nil_interface() { "interface {}" } else { operand.value.type_name() };
        let message = format!("wrong type for value; expected {}; got {found}", parameter.name());
        self.error(frame, &message)
    }
}

/// The zero value of a type that nil can be assigned to.
fn zero(parameter: Parameter) -> Option<Value> {
    match parameter {
        Parameter::Any => Some(Value::Nil),
        Parameter::Map => Some(Value::Map(Map::nil(MapType::Any))),
        Parameter::List => Some(Value::List(List::nil(ElementType::Any))),
        Parameter::Bytes => Some(Value::Bytes(Str::default())),
        Parameter::String
        | Parameter::Int
        | Parameter::Int64
        | Parameter::Uint32
        | Parameter::Float
        | Parameter::Bool
        | Parameter::Named(_) => None,
    }
}
