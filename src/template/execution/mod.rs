//! One render: templates of a set run over data, on one thread, within limits (`text/template/exec.go`).
//!
//! What Go keeps in a `reflect.Value` is an [`Operand`](operand::Operand) here; what it keeps in its state is in
//! [`Execution`]. The node that error texts name is the last one that was looked at, so [`Execution::at`] is set exactly
//! where Go sets it.

mod argument;
mod call;
mod cost;
mod evaluate;
mod field;
mod host;
mod operand;
mod walk;

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use super::error::{ExecError, TemplateError};
use super::functions::Chance;
use super::limits::{Limits, StackGuard};
use super::lookup::Lookup;
use super::parse::{NodeId, NodeKind, Parsed, ROOT_VARIABLE, VariableId};
use super::report;
use super::set::{Set, Template};
use super::trace::{Output, Place, Trace};
use crate::value::{Str, Value};
use host::{Scope, Text};
use operand::Operand;

/// What a render depends on besides templates and data.
#[derive(Clone, Copy)]
pub struct Environment<'a> {
    /// Answers `lookup`.
    pub lookup: &'a dyn Lookup,
    /// Chance and the clock.
    pub chance: &'a dyn Chance,
    /// What the render may use up.
    pub limits: Limits,
    /// Whether `required` and `fail` let everything pass, as `helm lint` does.
    pub lint: bool,
}

/// Go's limit of templates within templates.
const MAX_TEMPLATE_DEPTH: usize = 100_000;

/// How many steps pass between two looks at the clock.
const STEPS_PER_CLOCK: u64 = 4096;

/// An error on its way out.
type Failure = Box<ExecError>;

/// One render of a chart: its limits and Helm's counters run over all templates that it renders.
pub struct Execution<'a> {
    set: &'a Set,
    environment: Environment<'a>,
    /// What the templates of the present `tpl` texts define.
    scope: Option<Rc<Scope>>,
    /// The text that the present `tpl` runs, which is named `gotpl`.
    tpl: Option<Arc<Template>>,
    /// The parsed texts of `tpl`.
    texts: HashMap<Str, Text>,
    /// How deep each name is being included, by its number in the set.
    included: Vec<usize>,
    /// The same for names that only `tpl` texts define.
    included_from_text: HashMap<Str, usize>,
    /// The output of the template that runs, or of the `include` around it.
    output: Vec<u8>,
    /// The variables of all running templates, those of the present one from `frame_start` on.
    variables: Vec<(VariableId, Operand)>,
    frame_start: usize,
    /// The node that an error would name.
    at: NodeId,
    /// `template` calls since the last `include`, which Go counts.
    template_depth: usize,
    /// All nested calls.
    depth: usize,
    steps_left: u64,
    bytes_left: u64,
    deadline: Option<Instant>,
    stack: StackGuard,
    spare_arguments: Vec<Vec<Value>>,
    spare_outputs: Vec<Vec<u8>>,
    /// Where it is noted what wrote the output, if that is wanted.
    trace: Option<Box<Trace>>,
}

/// Which of a render's limits is used up.
#[derive(Clone, Copy, Debug)]
enum Excess {
    Steps,
    Bytes,
    Time,
}

impl Excess {
    fn message(self, limits: &Limits) -> String {
        match self {
            Self::Steps => limits.steps_message(),
            Self::Bytes => limits.bytes_message(),
            Self::Time => limits.time_message(),
        }
    }
}

/// The template that runs.
#[derive(Clone, Copy)]
struct Frame<'t> {
    template: &'t Template,
    parsed: &'t Parsed,
}

impl<'t> Frame<'t> {
    /// What tells its file from others.
    fn file(self) -> usize {
        std::ptr::from_ref(self.parsed) as usize
    }

    fn new(template: &'t Template) -> Self {
        Self { template, parsed: &template.unit.parsed }
    }
}

impl<'a> Execution<'a> {
    /// Starts a render.
    pub fn new(set: &'a Set, environment: Environment<'a>) -> Self {
        let limits = environment.limits;
        Self {
            set,
            environment,
            scope: None,
            tpl: None,
            texts: HashMap::new(),
            included: vec![0; set.names()],
            included_from_text: HashMap::new(),
            output: Vec::new(),
            variables: Vec::new(),
            frame_start: 0,
            at: 0,
            template_depth: 0,
            depth: 0,
            steps_left: limits.steps,
            bytes_left: limits.bytes,
            deadline: Instant::now().checked_add(limits.time),
            stack: StackGuard::new(),
            spare_arguments: Vec::new(),
            spare_outputs: Vec::new(),
            trace: None,
        }
    }

    /// Starts a render that takes note of what writes its output.
    pub fn traced(set: &'a Set, environment: Environment<'a>, trace: Trace) -> Self {
        Self { trace: Some(Box::new(trace)), ..Self::new(set, environment) }
    }

    /// What wrote the output of the template that was run last; nothing without a trace.
    pub fn traced_output(&mut self) -> Output {
        self.trace.as_mut().map(|trace| trace.take()).unwrap_or_default()
    }

    /// Runs one template and returns its output, `<no value>` removed.
    ///
    /// # Errors
    /// [`TemplateError`], with Helm's text.
    pub fn render(&mut self, name: &str, data: &Value) -> Result<Vec<u8>, TemplateError> {
        let Some(template) = self.set.get(name.as_bytes()) else {
            return Err(TemplateError::Execution(host::no_template(&name.into())));
        };
        match self.execute(template, data.clone()) {
            Ok(output) => Ok(host::without_no_value(output)),
            Err(error) if error.is_limit() => Err(TemplateError::Limit(error.text())),
            Err(error) => Err(TemplateError::Execution(report::execution_error(name, &error))),
        }
    }

    /// Runs one template as Go alone does: `<no value>` stays.
    ///
    /// # Errors
    /// Go's text.
    pub fn render_plain(&mut self, name: &str, data: &Value) -> Result<Vec<u8>, String> {
        let Some(template) = self.set.get(name.as_bytes()) else { return Err(host::no_template(&name.into())) };
        self.execute(template, data.clone()).map_err(|error| report::plain_error(&error))
    }

    /// Runs a template as Go's `Execute` does: with variables and a depth of its own. Returns what it wrote.
    fn execute(&mut self, template: &Template, data: Value) -> Result<Vec<u8>, Failure> {
        let frame = Frame::new(template);
        let data = Operand::concrete(data);
        let outer_output = std::mem::replace(&mut self.output, self.spare_outputs.pop().unwrap_or_default());
        let outer_depth = std::mem::take(&mut self.template_depth);
        self.note(Trace::open);
        let result = self.run(frame, &data);
        self.template_depth = outer_depth;
        let output = std::mem::replace(&mut self.output, outer_output);
        self.note(|trace| trace.close(&output));
        result.map(|()| output)
    }

    /// Runs a template's body with no variables but `$`.
    fn run(&mut self, frame: Frame<'_>, dot: &Operand) -> Result<(), Failure> {
        let outer_at = self.at;
        let outer_start = std::mem::replace(&mut self.frame_start, self.variables.len());
        self.variables.push((ROOT_VARIABLE, dot.clone()));
        self.depth += 1;
        self.at = frame.template.root;
        let result = match self.check_depth(frame) {
            Ok(()) => self.walk(frame, dot, frame.template.root).map(|_| ()),
            Err(error) => Err(error),
        };
        self.depth -= 1;
        self.variables.truncate(self.frame_start);
        self.frame_start = outer_start;
        self.at = outer_at;
        result
    }

    fn check_depth(&self, frame: Frame<'_>) -> Result<(), Failure> {
        if self.depth > self.environment.limits.depth || self.stack.is_exhausted() {
            return Err(self.limit(frame, &format!("exceeded maximum template depth ({})", self.depth - 1)));
        }
        Ok(())
    }

    /// Accounts for one step of work.
    fn step(&mut self, frame: Frame<'_>) -> Result<(), Failure> {
        self.spend(frame, 1, 0)
    }

    /// Accounts for steps of work and bytes of memory.
    #[inline]
    fn spend(&mut self, frame: Frame<'_>, steps: u64, bytes: u64) -> Result<(), Failure> {
        self.take(steps, bytes).map_err(|excess| self.limit(frame, &excess.message(&self.environment.limits)))
    }

    #[inline]
    fn take(&mut self, steps: u64, bytes: u64) -> Result<(), Excess> {
        let ticks = self.steps_left / STEPS_PER_CLOCK;
        self.steps_left = self.steps_left.checked_sub(steps).ok_or(Excess::Steps)?;
        self.bytes_left = self.bytes_left.checked_sub(bytes).ok_or(Excess::Bytes)?;
        if self.steps_left / STEPS_PER_CLOCK != ticks && self.is_late() { Err(Excess::Time) } else { Ok(()) }
    }

    fn is_late(&self) -> bool {
        self.deadline.is_some_and(|deadline| Instant::now() > deadline)
    }

    /// Tells the trace of something, where there is one.
    #[inline]
    fn note(&mut self, tell: impl FnOnce(&mut Trace)) {
        if let Some(trace) = &mut self.trace {
            tell(trace);
        }
    }

    /// Notes that the present node wrote the output since `start`.
    #[cold]
    fn note_output(&mut self, frame: Frame<'_>, start: usize) {
        let (line, _) = frame.parsed.location(self.at);
        let is_text = matches!(frame.parsed.node(self.at).kind, NodeKind::Text(_));
        let action = if is_text { String::new() } else { self.described(frame, self.at) };
        let (place, end) = (Place { template: frame.template.unit.name.clone(), line, action }, self.output.len());
        self.note(|trace| trace.wrote(place, start, end));
    }

    /// Accounts for the output since `start`.
    fn account(&mut self, frame: Frame<'_>, start: usize) -> Result<(), Failure> {
        if self.trace.is_some() {
            self.note_output(frame, start);
        }
        self.spend(frame, 0, (self.output.len() - start) as u64)
    }

    /// An error of execution at the present node (`text/template/exec.go` errorf).
    fn error(&self, frame: Frame<'_>, message: &str) -> Failure {
        Box::new(ExecError::new(self.place(frame) + message))
    }

    fn limit(&self, frame: Frame<'_>, message: &str) -> Failure {
        Box::new(ExecError::limit(self.place(frame) + message))
    }

    /// Where the execution is, as error texts begin.
    fn place(&self, frame: Frame<'_>) -> String {
        let (line, column) = frame.parsed.location(self.at);
        format!(
            "template: {}:{line}:{column}: executing {} at <{}>: ",
            frame.template.unit.name,
            host::quoted(frame.template.name.as_bytes()),
            self.described(frame, self.at),
        )
    }

    /// A node as it stands in the template.
    fn described(&self, frame: Frame<'_>, node: NodeId) -> String {
        String::from_utf8_lossy(&frame.parsed.describe(node)).into_owned()
    }
}
