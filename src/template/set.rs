//! A namespace of templates: parsed files under their names, and what they define (`text/template/template.go`).

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;

use super::error::{ParseError, TemplateError};
use super::parse::{NodeId, Parsed, multiple_definition};
use crate::value::Str;

/// A parsed file under a name.
#[derive(Debug)]
pub(crate) struct Unit {
    /// The name that positions in error texts carry.
    pub(crate) name: String,
    pub(crate) parsed: Arc<Parsed>,
}

/// One template: its name, the file that it came from and its body.
#[derive(Debug)]
pub(crate) struct Template {
    pub(crate) name: Str,
    pub(crate) unit: Arc<Unit>,
    pub(crate) root: NodeId,
    pub(crate) is_blank: bool,
    /// The number of its name in the set; nothing for a name that only a `tpl` text defines.
    pub(crate) number: Option<usize>,
}

/// The templates of a file, its own first: of the definitions and the body under one name, a blank one gives way.
///
/// # Errors
/// When the file defines its own name although it has a body.
pub(crate) fn templates(
    name: &str,
    parsed: &Arc<Parsed>,
    mut number: impl FnMut(&Str) -> Option<usize>,
) -> Result<Vec<Arc<Template>>, ParseError> {
    let unit = Arc::new(Unit { name: name.to_owned(), parsed: Arc::clone(parsed) });
    let mut template = |name: &Str, root, is_blank| {
        let (name, unit, number) = (name.clone(), Arc::clone(&unit), number(name));
        Arc::new(Template { name, unit, root, is_blank, number })
    };
    let own_name = Str::from(name);
    let main = parsed.main();
    let mut templates = vec![template(&own_name, main.root, main.is_blank)];
    for (name, definition) in parsed.definitions() {
        let defined = template(name, definition.root, definition.is_blank);
        if *name != own_name {
            templates.push(defined);
        } else if !definition.is_blank && !main.is_blank {
            return Err(ParseError::new(main.line, multiple_definition(name)));
        } else if main.is_blank {
            templates[0] = defined;
        }
    }
    Ok(templates)
}

/// Parsed files under their names, with everything they define: one namespace. `Send + Sync`, so that a chart's set is
/// made once.
#[derive(Debug, Default)]
pub struct Set {
    templates: HashMap<Str, Arc<Template>, RandomState>,
    /// How many names were given numbers.
    names: usize,
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
        let mut names = self.names;
        let number = |name: &Str| {
            let known = self.templates.get(name).and_then(|template| template.number);
            names += usize::from(known.is_none());
            known.or(Some(names - 1))
        };
        let templates = templates(name, parsed, number).map_err(|error| error.into_template_error(name))?;
        self.names = names;
        for template in templates {
            if template.is_blank && self.templates.contains_key(&template.name) {
                continue;
            }
            self.templates.insert(template.name.clone(), template);
        }
        Ok(())
    }

    /// How many numbers its names have.
    pub(crate) fn names(&self) -> usize {
        self.names
    }

    /// The template of that name.
    pub(crate) fn get(&self, name: &[u8]) -> Option<&Arc<Template>> {
        self.templates.get(name)
    }
}
