//! A namespace of templates.

use std::sync::Arc;

use super::error::TemplateError;
use super::parse::Parsed;

/// Parsed files under their names, with everything they define: one namespace (`text/template` Template).
#[derive(Debug, Default)]
pub struct Set {
    files: Vec<(String, Arc<Parsed>)>,
}

impl Set {
    /// An empty namespace.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a file under a name, in Helm's order of parsing: a later definition of a name wins, unless its body is
    /// blank.
    ///
    /// # Errors
    /// When the file defines a template of its own name a second time.
    pub fn add(&mut self, name: &str, parsed: &Arc<Parsed>) -> Result<(), TemplateError> {
        self.files.push((name.to_owned(), Arc::clone(parsed)));
        Ok(())
    }
}
