//! What functions may ask of the render: `include`, `tpl`, `lookup`, limits (`pkg/engine/engine.go`).

use std::rc::Rc;
use std::sync::Arc;

use super::Execution;
use crate::template::error::{ExecError, ParseError};
use crate::template::functions::{CallError, Chance, Host};
use crate::template::parse::parse;
use crate::template::print;
use crate::template::set::{Template, templates};
use crate::value::{Str, Value};

/// The name of the template set, under which `tpl` parses its texts.
const SET_NAME: &str = "gotpl";

/// How deep Helm lets one name be included.
const MAX_INCLUDED: usize = 1_000;

/// How much of a text of `tpl` is quoted in a message.
const MAX_QUOTED: usize = 64 << 10;

/// What a parsed text takes up for each of its bytes, and at least.
const PARSED_BYTES: u64 = 4;
const LEAST_PARSED_BYTES: u64 = 1_024;

/// What Go prints where there is no value; Helm removes it from every output.
const NO_VALUE: &[u8] = b"<no value>";

/// What a `tpl` text defines, in front of what was defined around it. It vanishes when the text has run.
#[derive(Debug)]
pub(super) struct Scope {
    outer: Option<Rc<Scope>>,
    templates: Vec<Arc<Template>>,
}

/// A text of `tpl`, parsed: its own template and its definitions.
pub(super) type Text = Rc<Result<Vec<Arc<Template>>, ParseError>>;

impl Execution<'_> {
    /// The template of a name, where the execution is.
    pub(super) fn find(&self, name: &[u8]) -> Option<Arc<Template>> {
        let mut scope = self.scope.as_deref();
        while let Some(inner) = scope {
            if let Some(found) = inner.templates.iter().find(|template| template.name.as_bytes() == name) {
                return Some(Arc::clone(found));
            }
            scope = inner.outer.as_deref();
        }
        match &self.tpl {
            Some(text) if name == SET_NAME.as_bytes() => Some(Arc::clone(text)),
            _ => self.set.get(name).cloned(),
        }
    }

    /// The text parsed, from an earlier call if there was one.
    fn parsed_text(&mut self, text: &Str) -> Result<Text, CallError> {
        if let Some(parsed) = self.texts.get(text) {
            return Ok(Rc::clone(parsed));
        }
        let length = text.len() as u64;
        self.charge(length, LEAST_PARSED_BYTES + PARSED_BYTES * length)?;
        let number = |name: &Str| self.set.get(name.as_bytes()).and_then(|template| template.number);
        let parsed = parse(text).and_then(|parsed| templates(SET_NAME, &Arc::new(parsed), number));
        let parsed = Rc::new(parsed);
        self.texts.insert(text.clone(), Rc::clone(&parsed));
        Ok(parsed)
    }

    /// The scope within a text; a blank definition gives way to what is there already.
    fn scope_of(&self, definitions: &[Arc<Template>]) -> Option<Rc<Scope>> {
        let replaces = |template: &&Arc<Template>| !template.is_blank || self.find(template.name.as_bytes()).is_none();
        let templates: Vec<_> = definitions.iter().filter(replaces).cloned().collect();
        if templates.is_empty() {
            return self.scope.clone();
        }
        Some(Rc::new(Scope { outer: self.scope.clone(), templates }))
    }

    /// Runs a text's own template among its definitions.
    fn run_text(&mut self, text: &Str, templates: &[Arc<Template>], data: Value) -> Result<Value, CallError> {
        let Some((main, definitions)) = templates.split_first() else { return Ok(Value::Str(Str::default())) };
        let inner = self.scope_of(definitions);
        let outer = std::mem::replace(&mut self.scope, inner);
        let outer_text = self.tpl.replace(Arc::clone(main));
        let result = self.execute(main, data);
        self.tpl = outer_text;
        self.scope = outer;
        match result {
            Ok(output) => Ok(self.finished(without_no_value(output))),
            Err(error) if error.is_limit() => Err(CallError::Template(error)),
            Err(error) => {
                let prefix = format!("error during tpl function execution for {}: ", quoted_text(text));
                Err(CallError::Template(Box::new(error.wrap(prefix))))
            }
        }
    }

    /// An output as a value; its memory serves the next one.
    fn finished(&mut self, mut output: Vec<u8>) -> Value {
        let text = Str::from(output.as_slice());
        output.clear();
        self.spare_outputs.push(output);
        Value::Str(text)
    }

    /// How deep a name is being included.
    fn included(&mut self, template: &Template) -> &mut usize {
        match template.number.and_then(|number| self.included.get_mut(number)) {
            Some(count) => count,
            None => self.included_from_text.entry(template.name.clone()).or_default(),
        }
    }

    /// Helm's error for a name that is included deeper than it allows.
    fn nested_too_deep(name: &Str) -> CallError {
        let prefix = format!("rendering template has a nested reference name: {}: ", name.to_text());
        let error = ExecError::new("unable to execute template".to_owned()).wrap(prefix);
        CallError::Template(Box::new(error))
    }
}

impl Host for Execution<'_> {
    fn chance(&self) -> &dyn Chance {
        self.environment.chance
    }

    fn lookup(&mut self, api_version: &str, kind: &str, namespace: &str, name: &str) -> Result<Value, CallError> {
        let found = self.environment.lookup.lookup(api_version, kind, namespace, name)?;
        match Value::from(&found) {
            Value::Nil => Ok(Value::Map(crate::value::Map::new())),
            value => Ok(value),
        }
    }

    fn include(&mut self, name: &Str, data: Value) -> Result<Value, CallError> {
        let Some(template) = self.find(name.as_bytes()) else {
            return Err(CallError::Message(no_template(name)));
        };
        let count = self.included(&template);
        if *count > MAX_INCLUDED {
            return Err(Self::nested_too_deep(name));
        }
        *count += 1;
        let result = self.execute(&template, data);
        *self.included(&template) -= 1;
        match result {
            Ok(output) => Ok(self.finished(output)),
            Err(error) => Err(CallError::Template(error)),
        }
    }

    fn tpl(&mut self, text: &Str, data: Value) -> Result<Value, CallError> {
        if !text.as_bytes().windows(2).any(|pair| pair == b"{{") {
            return Ok(Value::Str(without_no_value_in(text)));
        }
        let parsed = self.parsed_text(text)?;
        match &*parsed {
            Ok(templates) => self.run_text(text, templates, data),
            Err(error) => {
                let prefix = format!("cannot parse template {}: ", quoted_text(text));
                let error = ExecError::new(error.text(SET_NAME)).wrap(prefix);
                Err(CallError::Template(Box::new(error)))
            }
        }
    }

    fn lint(&self) -> bool {
        self.environment.lint
    }

    fn charge(&mut self, steps: u64, bytes: u64) -> Result<(), CallError> {
        self.take(steps, bytes).map_err(|excess| CallError::limit(excess.message(&self.environment.limits)))
    }
}

/// Go's text for a name that no template has.
pub(super) fn no_template(name: &Str) -> String {
    format!("template: no template {} associated with template \"{SET_NAME}\"", quoted(name.as_bytes()))
}

/// A text in Go's quotes.
pub(super) fn quoted(text: &[u8]) -> String {
    String::from_utf8_lossy(&print::quote(text)).into_owned()
}

/// A text of `tpl` in a message. One that is too long to be read is cut: a failure deep in nested texts quotes each.
fn quoted_text(text: &Str) -> String {
    quoted(&text.as_bytes()[..text.len().min(MAX_QUOTED)])
}

/// A value as `%v` prints it in a message.
pub(super) fn printed(value: &Value) -> String {
    print::to_text(value).map_or_else(|_| value.type_name().to_owned(), |text| text.to_text().into_owned())
}

/// The type that a pointer type points to.
pub(super) fn pointed(type_name: &str) -> &str {
    type_name.strip_prefix('*').unwrap_or(type_name)
}

/// An output without `<no value>`.
pub(super) fn without_no_value(output: Vec<u8>) -> Vec<u8> {
    let Some(first) = memchr::memmem::find(&output, NO_VALUE) else { return output };
    let mut clean = Vec::with_capacity(output.len());
    let mut start = 0;
    let mut next = Some(first);
    while let Some(found) = next {
        clean.extend_from_slice(&output[start..start + found]);
        start += found + NO_VALUE.len();
        next = memchr::memmem::find(&output[start..], NO_VALUE);
    }
    clean.extend_from_slice(&output[start..]);
    clean
}

fn without_no_value_in(text: &Str) -> Str {
    match memchr::memmem::find(text.as_bytes(), NO_VALUE) {
        None => text.clone(),
        Some(_) => without_no_value(text.as_bytes().to_vec()).into(),
    }
}
