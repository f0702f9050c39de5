//! Writing YAML in block style: libyaml's emitter as go-yaml v2 and v3 set it up (`emitterc.go`, `encode.go`).
//!
//! The emitter tracks what libyaml does: the column, the indentation, and whether the last thing written was white
//! space or indentation. From these alone follow the compact forms `- - a` and `- key: value`.

use std::borrow::Cow;

use super::super::encode::{Encode, EncodeError, Sink, text};
use super::super::number::{format_general, format_json, parse_integer};
use super::super::read::decode;
use super::super::{MAX_DEPTH, MAX_OUTPUT, binary, json};
use super::order;
use super::scalar::{Analysis, Style, Tabs};
use super::text::Writer;
use crate::value::{Json, Object, Value};

/// go-yaml v2 by way of JSON: lines folded at 80 columns, lists not indented under their key.
pub fn compact<E: Encode + ?Sized>(value: &E) -> Result<String, EncodeError> {
    match document(value, Dialect::Compact) {
        Err(Stop::NeedsDetour) => {
            let tree = decode::tree(&json::encode(value)?).map_err(EncodeError::Unreadable)?;
            document(&tree, Dialect::AfterDetour).map_err(Stop::into_error)
        }
        other => other.map_err(Stop::into_error),
    }
}

/// go-yaml v3: no folding, lists indented under their key.
pub fn pretty<E: Encode + ?Sized>(value: &E) -> Result<String, EncodeError> {
    document(value, Dialect::Pretty).map_err(Stop::into_error)
}

/// Whose style is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Dialect {
    /// go-yaml v2 on a value whose JSON surely reads back as it is; what may not stops with [`Stop::NeedsDetour`].
    Compact,
    /// go-yaml v2 on a tree that was read back from JSON.
    AfterDetour,
    /// go-yaml v3.
    Pretty,
}

impl Dialect {
    fn width(self) -> usize {
        if self == Self::Pretty { usize::MAX } else { 80 }
    }

    fn tabs(self) -> Tabs {
        if self == Self::Pretty { Tabs::AllowedInLiterals } else { Tabs::Special }
    }

    fn key_order(self) -> order::Rule {
        if self == Self::Pretty { order::Rule::V3 } else { order::Rule::V2 }
    }
}

/// Why emitting ended early.
enum Stop {
    Failed(EncodeError),
    /// The value's JSON may read back as something else: only the detour itself can tell.
    NeedsDetour,
}

impl From<EncodeError> for Stop {
    fn from(error: EncodeError) -> Self {
        Self::Failed(error)
    }
}

impl Stop {
    fn into_error(self) -> EncodeError {
        match self {
            Self::Failed(error) => error,
            Self::NeedsDetour => EncodeError::Unreadable("control characters are not allowed".to_owned()),
        }
    }
}

fn document<E: Encode + ?Sized>(value: &E, dialect: Dialect) -> Result<String, Stop> {
    let mut emitter =
        Emitter { writer: Writer::new(dialect.width()), dialect, context: Context::Root, indent: -1, depth: 0 };
    value.encode(&mut emitter)?;
    emitter.writer.write_indent(0);
    Ok(emitter.writer.finish())
}

/// Where the next node stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Context {
    Root,
    Item,
    /// A key short enough to stand before a colon on one line.
    SimpleKey,
    /// Another key, after `? `.
    ComplexKey,
    Value,
}

struct Emitter {
    writer: Writer,
    dialect: Dialect,
    context: Context,
    /// The column of the enclosing block; -1 around the root.
    indent: i32,
    depth: usize,
}

/// Keys longer than this are written after `? `.
const SIMPLE_KEY_LENGTH: usize = 128;

/// A key whose JSON form could exceed the 1,024 characters that a key may have when it is read back.
const SURELY_READABLE_KEY: usize = 160;

impl Emitter {
    fn enter(&mut self) -> Result<(), Stop> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(EncodeError::Cycle.into());
        }
        if self.writer.len() > MAX_OUTPUT {
            return Err(EncodeError::TooLarge.into());
        }
        Ok(())
    }

    fn plain(&mut self, text: &str) {
        self.writer.plain(text, None);
    }

    fn string(&mut self, text: &str) -> Result<(), Stop> {
        if self.dialect == Dialect::Compact && !reads_back(text) {
            return Err(Stop::NeedsDetour);
        }
        let simple_key = self.context == Context::SimpleKey;
        let analysis = Analysis::of(text, self.dialect.tabs());
        let indent = if self.indent < 0 { 2 } else { self.indent + 2 };
        let fold = (!simple_key).then_some(indent);
        match analysis.style(text, simple_key) {
            Style::Plain => self.writer.plain(text, fold),
            Style::SingleQuoted => self.writer.single_quoted(text, indent, fold),
            Style::DoubleQuoted => self.writer.double_quoted(text, fold),
            Style::Literal => self.writer.literal(text, indent),
        }
        Ok(())
    }

    /// A string that is not UTF-8, which go-yaml v3 writes as base64.
    fn tagged_binary(&mut self, bytes: &[u8]) {
        let encoded = binary::encode(bytes);
        self.writer.indicator("!!binary", true, false, false);
        if encoded.contains('\n') && self.context != Context::SimpleKey {
            let indent = if self.indent < 0 { 2 } else { self.indent + 2 };
            self.writer.literal(&encoded, indent);
        } else {
            self.writer.plain(&encoded, None);
        }
    }

    /// A map's entries in the given order.
    fn block_map<'a, E: Encode + 'a>(
        &mut self,
        entries: impl ExactSizeIterator<Item = (Cow<'a, str>, &'a [u8], &'a E)>,
    ) -> Result<(), Stop> {
        self.enter()?;
        if entries.len() == 0 {
            self.writer.indicator("{", true, true, false);
            self.writer.indicator("}", false, false, false);
        } else {
            let outer = self.indent;
            self.indent = if outer < 0 { 0 } else { outer + 2 };
            for (key_text, key, value) in entries {
                self.key(key, &key_text)?;
                value.encode(self)?;
            }
            self.indent = outer;
        }
        self.depth -= 1;
        Ok(())
    }

    fn key(&mut self, key: &[u8], key_text: &str) -> Result<(), Stop> {
        self.writer.write_indent(self.indent);
        if self.dialect == Dialect::Compact && key_text.len() > SURELY_READABLE_KEY {
            return Err(Stop::NeedsDetour);
        }
        let simple = key_text.len() <= SIMPLE_KEY_LENGTH && !Analysis::of(key_text, self.dialect.tabs()).multiline;
        self.context = if simple { Context::SimpleKey } else { Context::ComplexKey };
        if !simple {
            self.writer.indicator("?", true, false, true);
        }
        if self.dialect == Dialect::Pretty {
            self.text(key)?;
        } else {
            self.string(key_text)?;
        }
        if simple {
            self.writer.indicator(":", false, false, false);
        } else {
            self.writer.write_indent(self.indent);
            self.writer.indicator(":", true, false, true);
        }
        self.context = Context::Value;
        Ok(())
    }
}

/// Whether go-yaml reads the string's JSON form back unchanged: it refuses raw control characters and folds at U+0085.
fn reads_back(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.iter().all(|byte| byte.is_ascii() && *byte != 0x7f)
        || !text.chars().any(|c| matches!(c, '\u{7f}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}'))
}

impl Sink for Emitter {
    type Error = Stop;

    fn null(&mut self) -> Result<(), Stop> {
        self.plain("null");
        Ok(())
    }

    fn boolean(&mut self, b: bool) -> Result<(), Stop> {
        self.plain(if b { "true" } else { "false" });
        Ok(())
    }

    fn integer(&mut self, n: i64) -> Result<(), Stop> {
        self.writer.plain_display(n);
        Ok(())
    }

    fn unsigned(&mut self, n: u64) -> Result<(), Stop> {
        self.writer.plain_display(n);
        Ok(())
    }

    fn float(&mut self, f: f64) -> Result<(), Stop> {
        match self.dialect {
            Dialect::Compact if !f.is_finite() => return Err(EncodeError::NotFinite(format_general(f)).into()),
            Dialect::Compact if f == f.trunc() && f.abs() < 1e15 => {
                #[expect(clippy::cast_possible_truncation, reason = "whole and within the range")]
                self.writer.plain_display(f as i64);
            }
            Dialect::Compact if f == f.trunc() => match parse_integer(&format_json(f)) {
                Some(integer) => self.writer.plain_display(integer),
                None => self.plain(&format_general(f)),
            },
            Dialect::Compact => self.plain(&format_general(f)),
            Dialect::AfterDetour | Dialect::Pretty => match f {
                f if f.is_nan() => self.plain(".nan"),
                f64::INFINITY => self.plain(".inf"),
                f64::NEG_INFINITY => self.plain("-.inf"),
                f => self.plain(&format_general(f)),
            },
        }
        Ok(())
    }

    fn text(&mut self, bytes: &[u8]) -> Result<(), Stop> {
        match text(bytes) {
            Cow::Borrowed(text) => self.string(text),
            Cow::Owned(_) if self.dialect == Dialect::Pretty => {
                self.tagged_binary(bytes);
                Ok(())
            }
            Cow::Owned(text) => self.string(&text),
        }
    }

    fn bytes(&mut self, bytes: &[u8]) -> Result<(), Stop> {
        if self.dialect == Dialect::Pretty {
            let numbers: Vec<Json> = bytes.iter().map(|byte| Json::from(*byte)).collect();
            return self.list(&numbers);
        }
        self.string(&binary::encode_line(bytes))
    }

    /// go-yaml v3 looks at the value itself: it knows times and durations, and writes a struct's exported fields in
    /// lower case.
    fn object(&mut self, object: &dyn Object) -> Result<(), Stop> {
        if self.dialect == Dialect::Pretty {
            match object.type_name() {
                "time.Time" => {
                    self.plain(object.to_json().as_str().unwrap_or_default());
                    return Ok(());
                }
                "time.Duration" => return self.string(&object.print(false)),
                _ => {}
            }
            let fields = object.fields();
            let exported = fields.into_iter().filter(|(name, _)| name.starts_with(|c: char| c.is_uppercase()));
            let members: Vec<(String, Value)> = exported.map(|(name, value)| (name.to_lowercase(), value)).collect();
            if !members.is_empty() {
                return self
                    .block_map(members.iter().map(|(key, value)| (text(key.as_bytes()), key.as_bytes(), value)));
            }
        }
        match object.json_members() {
            Some(members) => self.structure(&members),
            None => object.to_json().encode(self),
        }
    }

    fn nil_list(&mut self) -> Result<(), Stop> {
        if self.dialect == Dialect::Pretty { self.list::<Json>(&[]) } else { self.null() }
    }

    fn nil_map(&mut self) -> Result<(), Stop> {
        if self.dialect == Dialect::Pretty { Json::Object(serde_json::Map::new()).encode(self) } else { self.null() }
    }

    fn list<E: Encode>(&mut self, items: &[E]) -> Result<(), Stop> {
        self.enter()?;
        if items.is_empty() {
            self.writer.indicator("[", true, true, false);
            self.writer.indicator("]", false, false, false);
        } else {
            let outer = self.indent;
            let after_key = self.context == Context::Value && !self.writer.indention();
            let indentless = after_key && self.dialect != Dialect::Pretty;
            self.indent = if outer < 0 {
                0
            } else if indentless {
                outer
            } else {
                outer + 2
            };
            for item in items {
                self.writer.write_indent(self.indent);
                self.writer.indicator("-", true, false, true);
                self.context = Context::Item;
                item.encode(self)?;
            }
            self.indent = outer;
        }
        self.depth -= 1;
        Ok(())
    }

    fn map<'a, E: Encode + 'a>(
        &mut self,
        entries: impl ExactSizeIterator<Item = (&'a [u8], &'a E)>,
    ) -> Result<(), Stop> {
        let mut entries: Vec<_> = entries.map(|(key, value)| (text(key), key, value)).collect();
        order::sort(&mut entries, self.dialect.key_order(), |entry| &entry.0);
        self.block_map(entries.into_iter())
    }
}
