//! Pipelines, commands and variables (`text/template/exec.go` evalPipeline, evalCommand).

use super::operand::Operand;
use super::{Execution, Failure, Frame};
use crate::template::parse::{Children, Ideal, NodeId, NodeKind, Number, VariableId};
use crate::value::Value;

/// How many variables are passed over in the time of one step.
const VARIABLES_PER_STEP: usize = 8;

/// What a command is given besides dot: its words, itself included, and the result of the stage before it.
pub(super) struct Arguments<'t> {
    pub(super) words: &'t [NodeId],
    pub(super) last: Option<Operand>,
}

impl Arguments<'_> {
    /// Nothing.
    pub(super) const NONE: Self = Self { words: &[], last: None };

    /// Whether there is anything to give.
    pub(super) fn is_any(&self) -> bool {
        self.words.len() > 1 || self.last.is_some()
    }
}

impl Execution<'_> {
    /// A pipeline's value, taken out of its interface; declares or sets its variables.
    pub(super) fn pipeline(&mut self, frame: Frame<'_>, dot: &Operand, id: NodeId) -> Result<Operand, Failure> {
        self.at = id;
        let NodeKind::Pipe(pipe) = &frame.parsed.node(id).kind else { return Ok(Operand::INVALID) };
        let mut value = None;
        for &command in frame.parsed.children(pipe.commands) {
            value = Some(self.command(frame, dot, command, value)?.unwrapped());
        }
        let value = value.unwrap_or(Operand::INVALID);
        for &variable in frame.parsed.children(pipe.variables) {
            self.note(|trace| trace.set(frame.file(), variable));
            if pipe.is_assignment {
                self.assign(frame, variable, value.clone())?;
            } else {
                self.variables.push((variable, value.clone()));
            }
        }
        Ok(value)
    }

    fn command(
        &mut self,
        frame: Frame<'_>,
        dot: &Operand,
        id: NodeId,
        last: Option<Operand>,
    ) -> Result<Operand, Failure> {
        let NodeKind::Command(words) = &frame.parsed.node(id).kind else { return Ok(Operand::INVALID) };
        let words = frame.parsed.children(*words);
        let first = words[0];
        let arguments = Arguments { words, last };
        match &frame.parsed.node(first).kind {
            NodeKind::Field(fields) => {
                self.at = first;
                self.field_chain(frame, dot, dot, first, *fields, arguments)
            }
            NodeKind::Chain { node, fields } => self.chain(frame, dot, first, *node, *fields, arguments),
            NodeKind::Identifier(callee) => {
                self.at = first;
                self.call(frame, dot, *callee, id, arguments)
            }
            NodeKind::Pipe(_) => {
                self.not_a_function(frame, &arguments)?;
                self.nested_pipeline(frame, dot, first)
            }
            NodeKind::Variable { id, fields } => self.variable(frame, dot, first, *id, *fields, arguments),
            kind => {
                self.at = first;
                self.not_a_function(frame, &arguments)?;
                match kind {
                    NodeKind::Bool(value) => Ok(Operand::concrete(Value::Bool(*value))),
                    NodeKind::Dot => Ok(dot.clone()),
                    NodeKind::Number(number) => self.ideal_constant(frame, first, frame.parsed.number(*number)),
                    NodeKind::String { text, .. } => {
                        Ok(Operand::concrete(Value::Str(frame.parsed.string(*text).clone())))
                    }
                    _ => Err(self.error(frame, "nil is not a command")),
                }
            }
        }
    }

    /// A pipeline in parentheses, which may be nested deep.
    pub(super) fn nested_pipeline(&mut self, frame: Frame<'_>, dot: &Operand, id: NodeId) -> Result<Operand, Failure> {
        if self.stack.is_exhausted() {
            return Err(self.limit(frame, "exceeded maximum expression depth"));
        }
        self.pipeline(frame, dot, id)
    }

    fn not_a_function(&self, frame: Frame<'_>, arguments: &Arguments<'_>) -> Result<(), Failure> {
        match arguments.words.first() {
            Some(&first) if arguments.is_any() => {
                let described = self.described(frame, first);
                Err(self.error(frame, &format!("can't give argument to non-function {described}")))
            }
            _ => Ok(()),
        }
    }

    /// A number where no type is asked for.
    pub(super) fn ideal_constant(&mut self, frame: Frame<'_>, id: NodeId, number: &Number) -> Result<Operand, Failure> {
        self.at = id;
        match number.ideal() {
            Ideal::Integer(integer) => Ok(Operand::concrete(Value::Int(integer))),
            Ideal::Float(float) => Ok(Operand::concrete(Value::Float(float))),
            Ideal::Complex(real, imaginary) => Ok(Operand::concrete(super::operand::complex(real, imaginary))),
            Ideal::Overflow => Err(self.error(frame, &format!("{} overflows int", number.text.to_text()))),
        }
    }

    /// `(pipeline).Field` and `function.Field`.
    pub(super) fn chain(
        &mut self,
        frame: Frame<'_>,
        dot: &Operand,
        id: NodeId,
        node: NodeId,
        fields: Children,
        arguments: Arguments<'_>,
    ) -> Result<Operand, Failure> {
        self.at = id;
        let receiver = self.any_operand(frame, dot, node)?;
        self.field_chain(frame, dot, &receiver, id, fields, arguments)
    }

    /// `$x` and `$x.Field`.
    pub(super) fn variable(
        &mut self,
        frame: Frame<'_>,
        dot: &Operand,
        id: NodeId,
        variable: VariableId,
        fields: Children,
        arguments: Arguments<'_>,
    ) -> Result<Operand, Failure> {
        self.at = id;
        let Some(index) = self.variable_index(variable) else {
            return Err(self.undefined(frame, variable));
        };
        // The search passed over every variable that was declared later.
        self.spend(frame, ((self.variables.len() - index) / VARIABLES_PER_STEP) as u64, 0)?;
        let value = self.variables[index].1.clone();
        self.note(|trace| trace.get(frame.file(), variable));
        if frame.parsed.children(fields).is_empty() {
            self.not_a_function(frame, &arguments)?;
            return Ok(value);
        }
        self.field_chain(frame, dot, &value, id, fields, arguments)
    }

    /// The last declaration of a variable in the running template.
    fn variable_index(&self, variable: VariableId) -> Option<usize> {
        let visible = &self.variables[self.frame_start..];
        visible.iter().rposition(|(id, _)| *id == variable).map(|index| self.frame_start + index)
    }

    /// Sets a variable where it was declared.
    pub(super) fn assign(&mut self, frame: Frame<'_>, variable: VariableId, value: Operand) -> Result<(), Failure> {
        match self.variable_index(variable) {
            Some(index) => {
                self.variables[index].1 = value;
                Ok(())
            }
            None => Err(self.undefined(frame, variable)),
        }
    }

    fn undefined(&self, frame: Frame<'_>, variable: VariableId) -> Failure {
        let name = frame.parsed.variable(variable).to_text();
        self.error(frame, &format!("undefined variable: {name}"))
    }
}
