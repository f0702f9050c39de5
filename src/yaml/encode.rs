//! One way to walk a [`Value`] or a [`Json`], for every text that is made of them.
//!
//! An [`Encode`] presents itself to a [`Sink`] as `encoding/json` would see it: objects by their JSON form, map keys
//! in byte order. A sink is a JSON or YAML writer.

use std::borrow::Cow;

use crate::value::{Json, Object, Value};

/// Why a value has no text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// An infinity or NaN, as Go prints it.
    #[error("json: unsupported value: {0}")]
    NotFinite(String),
    /// A map that contains itself, or one nested too deeply to tell.
    #[error("json: unsupported value: encountered a cycle via map[string]interface {{}}")]
    Cycle,
    /// The text would exceed [`super::MAX_OUTPUT`].
    #[error("the text of the value exceeds {} MiB", super::MAX_OUTPUT >> 20)]
    TooLarge,
    /// go-yaml cannot read back the value's JSON: control characters, keys of more than 1,024 characters.
    #[error("yaml: {0}")]
    Unreadable(String),
    /// Bytes that are not UTF-8 in a place where go-yaml v3 cannot tag them.
    #[error("yaml: cannot marshal invalid UTF-8 data as {0}")]
    InvalidText(&'static str),
}

/// A plain value that can present itself to a [`Sink`].
pub trait Encode {
    /// Calls the one method of the sink that fits.
    fn encode<S: Sink>(&self, sink: &mut S) -> Result<(), S::Error>;
}

/// A writer of one text.
pub trait Sink {
    /// Why writing stops.
    type Error;

    /// `nil`.
    fn null(&mut self) -> Result<(), Self::Error>;
    /// A boolean.
    fn boolean(&mut self, b: bool) -> Result<(), Self::Error>;
    /// A signed integer.
    fn integer(&mut self, n: i64) -> Result<(), Self::Error>;
    /// An unsigned integer.
    fn unsigned(&mut self, n: u64) -> Result<(), Self::Error>;
    /// A floating point number.
    fn float(&mut self, f: f64) -> Result<(), Self::Error>;
    /// A string, possibly not UTF-8.
    fn text(&mut self, text: &[u8]) -> Result<(), Self::Error>;
    /// A byte slice.
    fn bytes(&mut self, bytes: &[u8]) -> Result<(), Self::Error>;
    /// A list.
    fn list<E: Encode>(&mut self, items: &[E]) -> Result<(), Self::Error>;
    /// A nil slice.
    fn nil_list(&mut self) -> Result<(), Self::Error> {
        self.null()
    }
    /// A nil map.
    fn nil_map(&mut self) -> Result<(), Self::Error> {
        self.null()
    }
    /// A struct's members, in the order of its fields.
    fn structure(&mut self, members: &[(&str, Value)]) -> Result<(), Self::Error> {
        self.map(members.iter().map(|(key, value)| (key.as_bytes(), value)))
    }
    /// A value with methods or struct fields.
    fn object(&mut self, object: &dyn Object) -> Result<(), Self::Error>
    where
        Self: Sized,
    {
        match object.json_members() {
            Some(members) => self.structure(&members),
            None => object.to_json().encode(self),
        }
    }
    /// A map, its keys in byte order.
    fn map<'a, E: Encode + 'a>(
        &mut self,
        entries: impl ExactSizeIterator<Item = (&'a [u8], &'a E)>,
    ) -> Result<(), Self::Error>;
}

impl Encode for Json {
    fn encode<S: Sink>(&self, sink: &mut S) -> Result<(), S::Error> {
        match self {
            Self::Null => sink.null(),
            Self::Bool(b) => sink.boolean(*b),
            Self::Number(number) => match (number.as_i64(), number.as_u64()) {
                (Some(n), _) => sink.integer(n),
                (None, Some(n)) => sink.unsigned(n),
                (None, None) => sink.float(number.as_f64().unwrap_or(f64::NAN)),
            },
            Self::String(text) => sink.text(text.as_bytes()),
            Self::Array(items) => sink.list(items),
            Self::Object(entries) => sink.map(entries.iter().map(|(key, value)| (key.as_bytes(), value))),
        }
    }
}

impl Encode for Value {
    fn encode<S: Sink>(&self, sink: &mut S) -> Result<(), S::Error> {
        match self {
            Self::Nil => sink.null(),
            Self::Bool(b) => sink.boolean(*b),
            Self::Int(n) | Self::Int64(n) => sink.integer(*n),
            Self::Uint64(n) => sink.unsigned(*n),
            Self::Uint8(n) => sink.unsigned(u64::from(*n)),
            Self::Float(f) => sink.float(*f),
            Self::Str(text) => sink.text(text.as_bytes()),
            Self::Bytes(bytes) => sink.bytes(bytes.as_bytes()),
            Self::List(list) if list.is_nil() => sink.nil_list(),
            Self::List(list) => sink.list(list.items()),
            Self::Map(map) if map.is_nil() => sink.nil_map(),
            Self::Map(map) => sink.map(map.read().iter().map(|(key, value)| (key.as_bytes(), value))),
            Self::Object(object) => sink.object(object.as_ref()),
        }
    }
}

impl<E: Encode + ?Sized> Encode for &E {
    fn encode<S: Sink>(&self, sink: &mut S) -> Result<(), S::Error> {
        (**self).encode(sink)
    }
}

/// The text of a Go string as `encoding/json` takes it: each byte that is not part of UTF-8 becomes U+FFFD.
pub fn text(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Cow::Borrowed(text);
    }
    let mut text = String::with_capacity(bytes.len() + 8);
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
    }
    Cow::Owned(text)
}
