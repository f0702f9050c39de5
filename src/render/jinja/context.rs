//! One render's Jinja templates: what they see, and their output.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use minijinja::Error;
use minijinja::value::Value as Jinja;

use super::execution::{self, Execution};
use super::value::to_jinja;
use super::{Templates, failure};
use crate::render::RenderError;
use crate::render::context::Template;
use crate::template::Environment;
use crate::value::Map;

/// The Jinja templates of all charts of one render, within one set of limits.
pub struct Rendering<'a> {
    execution: Execution<'a>,
    /// What the templates of each chart see, by the chart's folder of templates.
    contexts: HashMap<Arc<str>, Vec<(String, Jinja)>>,
}

impl<'a> Rendering<'a> {
    /// Begins a render.
    pub fn new(environment: Environment<'a>) -> Self {
        Self { execution: Execution::new(environment), contexts: HashMap::new() }
    }

    /// Takes the context of a template's chart as it is before any template has run. What Go templates change in it
    /// with `set` later, Jinja templates do not see.
    ///
    /// # Errors
    /// Where values are nested too deeply or over the limits.
    pub fn prepare(&mut self, template: &Template<'_>) -> Result<(), RenderError> {
        if self.contexts.contains_key(&template.base_path) {
            return Ok(());
        }
        let context = self.execution.enter(|| {
            let entries = template.context.entries();
            let entries = entries.iter().map(|(key, value)| Ok((key.to_text().into_owned(), to_jinja(value)?)));
            entries.collect::<Result<Vec<_>, Error>>()
        });
        let context = context.map_err(|error| self.failed(template, &error))?;
        self.contexts.insert(Arc::clone(&template.base_path), context);
        Ok(())
    }

    /// Renders one template.
    ///
    /// # Errors
    /// [`RenderError::Template`] or [`RenderError::Limit`] with file, line and reason.
    pub fn render(&self, templates: &Templates, template: &Template<'_>) -> Result<String, RenderError> {
        let context = self.contexts.get(&template.base_path).cloned().unwrap_or_default();
        let render = || {
            self.execution.enter(|| {
                execution::charge(1, template.file.data.len() as u64)?;
                let names = [("Name", template.name.as_str()), ("BasePath", &template.base_path)];
                let names: Map = names.into_iter().map(|(key, text)| (key, text.into())).collect();
                let own = ("Template".to_owned(), to_jinja(&names.into())?);
                let context = Jinja::from_pairs(context.into_iter().chain([own]));
                templates.environment.get_template(&template.file.name)?.render(context)
            })
        };
        // The engine is not ours and the template may be anybody's: a render must never be the end of the operator.
        let rendered = catch_unwind(AssertUnwindSafe(render));
        let crashed = || Error::new(minijinja::ErrorKind::InvalidOperation, "the Jinja engine failed");
        rendered.unwrap_or_else(|_| Err(crashed())).map_err(|error| self.failed(template, &error))
    }

    fn failed(&self, template: &Template<'_>, error: &Error) -> RenderError {
        let chart = template.base_path.strip_suffix("/templates").unwrap_or(&template.base_path);
        let text = failure::execution(chart, &template.file.name, error);
        if self.execution.is_exhausted() { RenderError::Limit(text) } else { RenderError::Template(text) }
    }
}
