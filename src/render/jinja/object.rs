//! Objects of the Go engine in Jinja's hands: `Files`, `Capabilities`, times, certificates.

use std::cmp::Ordering;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use minijinja::value::{DynObject, Enumerator, Object as JinjaObject, ObjectRepr, Value as Jinja};
use minijinja::{Error, ErrorKind, State};

use super::functions::coerced;
use super::value::{to_go, to_jinja};
use super::{execution, text};
use crate::value::{Json, Kind, Object, Value};

/// More than the text of any object but files: API versions, a certificate with its key.
const OBJECT_BYTES: u64 = 32 << 10;

/// An object of the render, by its number.
#[derive(Debug)]
pub struct Handle {
    number: usize,
}

impl Handle {
    /// Keeps an object in the execution.
    ///
    /// # Errors
    /// The limits of the render.
    pub fn new(object: &Rc<dyn Object>) -> Result<Self, Error> {
        Ok(Self { number: execution::keep(object)? })
    }

    /// The object itself.
    pub fn object(&self) -> Option<Rc<dyn Object>> {
        execution::object(self.number)
    }

    /// What prints: the object's own text, else its data.
    pub fn text(&self) -> String {
        match self.object() {
            Some(object) if object.has_text(true) => object.print(true),
            Some(object) => object.to_json().to_string(),
            None => String::new(),
        }
    }

    /// About how long its text is, in bytes; told without reading what a render is asked to note.
    pub fn weight(&self) -> u64 {
        let entries = self.object().and_then(|object| object.entries());
        entries.map_or(OBJECT_BYTES, |entries| {
            let length = |value: &Value| if let Value::Bytes(bytes) = value { bytes.len() } else { 0 };
            entries.iter().map(|(name, value)| (name.len() + 2 * length(value)) as u64).sum()
        })
    }

    fn value(&self, key: &Jinja) -> Option<Value> {
        let object = self.object()?;
        if let Some(entries) = object.entries() {
            let key = key.as_str()?;
            return entries.into_iter().find(|(name, _)| name.as_bytes() == key.as_bytes()).map(|(_, value)| value);
        }
        match object.kind() {
            Kind::Slice => object.items()?.into_iter().nth(key.as_usize()?),
            _ => object.field(key.as_str()?),
        }
    }

    fn keys(&self) -> Option<Vec<Jinja>> {
        let object = self.object()?;
        if let Some(entries) = object.entries() {
            return Some(entries.iter().map(|(name, _)| Jinja::from(name.to_text().into_owned())).collect());
        }
        match object.items() {
            Some(items) => items.iter().map(|item| to_jinja(item).ok()).collect(),
            None => {
                let fields = object.fields().into_iter().filter(|(name, _)| object.field(name).is_some());
                Some(fields.map(|(name, _)| Jinja::from(name)).collect())
            }
        }
    }
}

impl JinjaObject for Handle {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        match self.object().map(|object| object.kind()) {
            Some(Kind::Slice) => ObjectRepr::Seq,
            _ => ObjectRepr::Map,
        }
    }

    fn get_value(self: &Arc<Self>, key: &Jinja) -> Option<Jinja> {
        self.value(key).and_then(|value| to_jinja(&value).ok())
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        self.keys().map_or(Enumerator::NonEnumerable, Enumerator::Values)
    }

    fn is_true(self: &Arc<Self>) -> bool {
        self.object().is_some_and(|object| object.is_true())
    }

    fn call_method(self: &Arc<Self>, _: &mut State<'_, '_>, name: &str, given: &[Jinja]) -> Result<Jinja, Error> {
        let object = self.object().ok_or(ErrorKind::UnknownMethod)?;
        let name = camel_case(name);
        let method = object.method(&name).ok_or(ErrorKind::UnknownMethod)?;
        let given = given.iter().map(to_go).collect::<Result<Vec<_>, _>>()?;
        let arguments = coerced(&name, method, given)?;
        let result = object.call(&name, &arguments);
        to_jinja(&result.map_err(|message| Error::new(ErrorKind::InvalidOperation, message))?)
    }

    fn custom_cmp(self: &Arc<Self>, other: &DynObject) -> Option<Ordering> {
        let json = |handle: &Self| handle.object().map_or(Json::Null, |object| object.to_json()).to_string();
        other.downcast_ref::<Self>().map(|other| json(self).cmp(&json(other)))
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&text::text(&Jinja::from_dyn_object(Arc::clone(self))).unwrap_or_default())
    }
}

/// Go's name of a method: `as_config` is `AsConfig`, `get` is `Get`.
fn camel_case(name: &str) -> String {
    let word = |word: &str| {
        let mut characters = word.chars();
        characters.next().map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
    };
    name.split('_').map(word).collect()
}
