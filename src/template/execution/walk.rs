//! Walking the tree: text, actions, control structures and template calls (`text/template/exec.go` walk).

use super::operand::Operand;
use super::{Execution, Failure, Frame, MAX_TEMPLATE_DEPTH, host};
use crate::template::parse::{Branch, NodeId, NodeKind, Pipe};
use crate::template::print;
use crate::template::trace::Trace;
use crate::value::{ElementType, MapType, Str, Value};

/// How a node ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flow {
    Next,
    Break,
    Continue,
}

impl Execution<'_> {
    pub(super) fn walk(&mut self, frame: Frame<'_>, dot: &Operand, id: NodeId) -> Result<Flow, Failure> {
        self.at = id;
        match &frame.parsed.node(id).kind {
            NodeKind::List(nodes) => {
                for &node in frame.parsed.children(*nodes) {
                    let flow = self.walk(frame, dot, node)?;
                    if flow != Flow::Next {
                        return Ok(flow);
                    }
                }
                Ok(Flow::Next)
            }
            NodeKind::Text(place) => {
                let start = self.output.len();
                self.output.extend_from_slice(frame.parsed.text(*place));
                self.account(frame, start)?;
                Ok(Flow::Next)
            }
            NodeKind::Action(pipe) => self.action(frame, dot, id, *pipe),
            NodeKind::If(branch) => self.condition(frame, dot, branch, false),
            NodeKind::With(branch) => self.condition(frame, dot, branch, true),
            NodeKind::Range(branch) => self.range(frame, dot, branch),
            NodeKind::Template { name, pipe } => self.template(frame, dot, frame.parsed.string(*name), *pipe),
            NodeKind::Break => Ok(Flow::Break),
            NodeKind::Continue => Ok(Flow::Continue),
            _ => Err(self.error(frame, &format!("unknown node: {}", self.described(frame, id)))),
        }
    }

    /// Evaluates a pipeline and prints its value, unless it declares variables, which last until the next `end`.
    fn action(&mut self, frame: Frame<'_>, dot: &Operand, id: NodeId, pipe: NodeId) -> Result<Flow, Failure> {
        self.step(frame)?;
        let value = self.pipeline(frame, dot, pipe)?;
        if has_variables(frame, pipe) {
            self.note(Trace::forget);
            return Ok(Flow::Next);
        }
        self.at = id;
        let start = self.output.len();
        print::print_action(&value.value, value.is_addressable, &mut self.output)
            .map_err(|error| self.error(frame, &error.to_string()))?;
        self.account(frame, start)?;
        Ok(Flow::Next)
    }

    fn condition(&mut self, frame: Frame<'_>, dot: &Operand, branch: &Branch, sets_dot: bool) -> Result<Flow, Failure> {
        self.step(frame)?;
        self.check_nesting(frame)?;
        let mark = self.variables.len();
        let value = self.pipeline(frame, dot, branch.pipe)?;
        let conditions = self.enter();
        let flow = if value.value.is_true() {
            self.walk(frame, if sets_dot { &value } else { dot }, branch.list)
        } else if let Some(otherwise) = branch.otherwise {
            self.walk(frame, dot, otherwise)
        } else {
            Ok(Flow::Next)
        };
        self.note(|trace| trace.leave(conditions));
        self.variables.truncate(mark);
        flow
    }

    /// Tells the trace that what was read decides about what follows.
    fn enter(&mut self) -> usize {
        self.trace.as_mut().map_or(0, |trace| trace.enter())
    }

    /// Control structures nest as deep as the parser's stack allowed, which may be more than there is here.
    fn check_nesting(&self, frame: Frame<'_>) -> Result<(), Failure> {
        if self.stack.is_exhausted() {
            return Err(self.limit(frame, "exceeded maximum nesting depth"));
        }
        Ok(())
    }

    fn range(&mut self, frame: Frame<'_>, dot: &Operand, branch: &Branch) -> Result<Flow, Failure> {
        self.step(frame)?;
        self.check_nesting(frame)?;
        let mark = self.variables.len();
        let value = self.pipeline(frame, dot, branch.pipe)?.value;
        let conditions = self.enter();
        let has_run = self.iterate(frame, branch, &value)?;
        let mut flow = Flow::Next;
        if let Some(otherwise) = branch.otherwise.filter(|_| !has_run) {
            flow = self.walk(frame, dot, otherwise)?;
        }
        self.note(|trace| trace.leave(conditions));
        self.variables.truncate(mark);
        // A `break` anywhere below belongs to this range.
        Ok(if flow == Flow::Break { Flow::Next } else { flow })
    }

    /// Runs the body for each element; tells whether there was any.
    fn iterate(&mut self, frame: Frame<'_>, branch: &Branch, value: &Value) -> Result<bool, Failure> {
        match value {
            Value::Nil => Ok(false),
            Value::Int(count) => self.count(frame, branch, *count, value, Value::Int),
            Value::Int64(count) => self.count(frame, branch, *count, value, Value::Int64),
            Value::Uint8(count) => {
                self.count(frame, branch, i64::from(*count), value, |n| Value::Uint8(n.to_le_bytes()[0]))
            }
            Value::Uint64(count) => {
                let count = i64::try_from(*count).unwrap_or(i64::MAX);
                self.count(frame, branch, count, value, |n| Value::Uint64(n.unsigned_abs()))
            }
            Value::List(list) => {
                let is_interface = list.element_type() == ElementType::Any;
                let items = list.items().iter().map(|item| Operand::element(item.clone(), is_interface));
                self.each_indexed(frame, branch, items)
            }
            Value::Bytes(bytes) => {
                let items = bytes.as_bytes().iter().map(|&byte| Operand::concrete(Value::Uint8(byte)));
                self.each_indexed(frame, branch, items)
            }
            Value::Map(map) => {
                let is_interface = map.map_type() != MapType::String;
                self.each_entry(frame, branch, map.entries(), is_interface)
            }
            Value::Object(object) => {
                if let Some(count) = object.integer() {
                    self.count(frame, branch, count, value, Value::Int64)
                } else if let Some(entries) = object.entries() {
                    self.each_entry(frame, branch, entries, false)
                } else if let Some(items) = object.items() {
                    self.each_indexed(frame, branch, items.into_iter().map(Operand::result))
                } else {
                    Err(self.cannot_iterate(frame, value))
                }
            }
            Value::Bool(_) | Value::Float(_) | Value::Str(_) => Err(self.cannot_iterate(frame, value)),
        }
    }

    fn cannot_iterate(&self, frame: Frame<'_>, value: &Value) -> Failure {
        self.error(frame, &format!("range can't iterate over {}", host::printed(value)))
    }

    fn count(
        &mut self,
        frame: Frame<'_>,
        branch: &Branch,
        count: i64,
        value: &Value,
        element: fn(i64) -> Value,
    ) -> Result<bool, Failure> {
        if declared_names(frame, branch.pipe) > 1 {
            let message = format!("can't use {} to iterate over more than one variable", host::printed(value));
            return Err(self.error(frame, &message));
        }
        for number in 0..count {
            if self.iteration(frame, branch, Operand::INVALID, Operand::concrete(element(number)))? == Flow::Break {
                break;
            }
        }
        Ok(count > 0)
    }

    fn each_indexed(
        &mut self,
        frame: Frame<'_>,
        branch: &Branch,
        items: impl Iterator<Item = Operand>,
    ) -> Result<bool, Failure> {
        let mut has_run = false;
        for (index, item) in items.enumerate() {
            has_run = true;
            let index = Operand::concrete(Value::Int(i64::try_from(index).unwrap_or(i64::MAX)));
            if self.iteration(frame, branch, index, item)? == Flow::Break {
                break;
            }
        }
        Ok(has_run)
    }

    fn each_entry(
        &mut self,
        frame: Frame<'_>,
        branch: &Branch,
        entries: Vec<(Str, Value)>,
        is_interface: bool,
    ) -> Result<bool, Failure> {
        let has_run = !entries.is_empty();
        for (key, value) in entries {
            let key = Operand::concrete(Value::Str(key));
            if self.iteration(frame, branch, key, Operand::element(value, is_interface))? == Flow::Break {
                break;
            }
        }
        Ok(has_run)
    }

    /// One run of a range's body: sets the variables, which were pushed when the pipeline was evaluated.
    fn iteration(
        &mut self,
        frame: Frame<'_>,
        branch: &Branch,
        index: Operand,
        element: Operand,
    ) -> Result<Flow, Failure> {
        self.step(frame)?;
        let mark = self.variables.len();
        if let NodeKind::Pipe(pipe) = &frame.parsed.node(branch.pipe).kind {
            self.set_range_variables(frame, pipe, index, &element)?;
        }
        let flow = self.walk(frame, &element, branch.list)?;
        self.variables.truncate(mark);
        Ok(flow)
    }

    /// With two variables the index comes first; with one, it is the element.
    fn set_range_variables(
        &mut self,
        frame: Frame<'_>,
        pipe: &Pipe,
        index: Operand,
        element: &Operand,
    ) -> Result<(), Failure> {
        let top = self.variables.len();
        match (frame.parsed.children(pipe.variables), pipe.is_assignment) {
            ([], _) => {}
            ([only], true) => self.assign(frame, *only, element.clone())?,
            ([first, second, ..], true) => {
                self.assign(frame, *first, index)?;
                self.assign(frame, *second, element.clone())?;
            }
            (names, false) => {
                self.variables[top - 1].1 = element.clone();
                if names.len() > 1 {
                    self.variables[top - 2].1 = index;
                }
            }
        }
        Ok(())
    }

    fn template(&mut self, frame: Frame<'_>, dot: &Operand, name: &Str, pipe: Option<NodeId>) -> Result<Flow, Failure> {
        self.step(frame)?;
        let Some(template) = self.find(name.as_bytes()) else {
            let message = format!("template {} not defined", host::quoted(name.as_bytes()));
            return Err(self.error(frame, &message));
        };
        if self.template_depth == MAX_TEMPLATE_DEPTH {
            return Err(self.error(frame, &format!("exceeded maximum template depth ({MAX_TEMPLATE_DEPTH})")));
        }
        let dot = match pipe {
            Some(pipe) => self.pipeline(frame, dot, pipe)?,
            None => Operand::INVALID,
        };
        self.template_depth += 1;
        let result = self.run(Frame::new(&template), &dot);
        self.template_depth -= 1;
        result.map(|()| Flow::Next)
    }
}

/// How many variables a pipeline names.
fn declared_names(frame: Frame<'_>, pipe: NodeId) -> usize {
    match &frame.parsed.node(pipe).kind {
        NodeKind::Pipe(pipe) => frame.parsed.children(pipe.variables).len(),
        _ => 0,
    }
}

fn has_variables(frame: Frame<'_>, pipe: NodeId) -> bool {
    declared_names(frame, pipe) > 0
}
