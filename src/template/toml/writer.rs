//! Writing TOML as BurntSushi's encoder does (`toml/encode.go`): of a table first the plain keys, then the tables, each
//! in byte order; nested tables are indented by two spaces, with a blank line before each table at the top.

use std::borrow::Cow;
use std::collections::HashSet;

use crate::template::time::{Duration, Time, Zone};
use crate::value::{Object, Str, Value};
use crate::yaml::number::format_general;

/// How deeply a value may nest.
const MAX_DEPTH: usize = 500;

/// What is said of a value beyond these limits, which Go does not have.
pub const TOO_LARGE: &str = "the value is too deep or too large for TOML";

/// The largest text.
const MAX_OUTPUT: usize = 16 << 20;

/// The text of a value.
///
/// # Errors
/// The library's texts, for what TOML cannot say.
pub fn write(value: &Value) -> Result<Vec<u8>, String> {
    let mut writer = Writer { out: Vec::new(), key: Vec::new() };
    writer.encode(value, 0)?;
    Ok(writer.out)
}

/// What TOML makes of a value.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    Nothing,
    Plain,
    Table,
    /// A list of tables and nothing else.
    Tables,
}

fn shape(value: &Value) -> Result<Shape, String> {
    shape_within(value, 0, &mut HashSet::new())
}

/// `seen` holds the addresses of lists inside that have been looked through: what occurs many times is so once.
fn shape_within(value: &Value, depth: usize, seen: &mut HashSet<usize>) -> Result<Shape, String> {
    if depth > MAX_DEPTH {
        return Err(TOO_LARGE.to_owned());
    }
    Ok(match value {
        Value::Nil => Shape::Nothing,
        Value::Map(map) if map.is_nil() => Shape::Nothing,
        Value::List(list) if list.is_nil() => Shape::Nothing,
        Value::Map(_) => Shape::Table,
        Value::List(list) if !seen.insert(list.address()) => Shape::Plain,
        Value::List(list) => {
            let mut all_tables = !list.is_empty();
            for item in list.items() {
                match shape_within(item, depth + 1, seen)? {
                    Shape::Nothing => return Err("toml: cannot encode array with nil element".to_owned()),
                    shape => all_tables &= shape == Shape::Table,
                }
            }
            if all_tables { Shape::Tables } else { Shape::Plain }
        }
        Value::Object(object) if object.as_any().is::<Time>() || object.as_any().is::<Duration>() => Shape::Plain,
        Value::Object(object) => shape_within(&Value::from(&object.to_json()), depth + 1, &mut HashSet::new())?,
        _ => Shape::Plain,
    })
}

struct Writer {
    out: Vec<u8>,
    /// The path to the current table or value.
    key: Vec<Str>,
}

impl Writer {
    fn encode(&mut self, value: &Value, depth: usize) -> Result<(), String> {
        if depth > MAX_DEPTH || self.out.len() > MAX_OUTPUT {
            return Err(TOO_LARGE.to_owned());
        }
        match shape(value)? {
            // A nil slice is an array where no key goes before it.
            Shape::Nothing if self.key.is_empty() && matches!(value, Value::List(_)) => self.element(value, depth),
            Shape::Nothing => Ok(()),
            Shape::Table => self.table(value, depth),
            Shape::Tables => self.tables(value, depth),
            Shape::Plain => self.key_value(value, depth),
        }
    }

    fn push(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    fn newline(&mut self) {
        if !self.out.is_empty() {
            self.push("\n");
        }
    }

    fn indent(&mut self) {
        for _ in 1..self.key.len() {
            self.push("  ");
        }
    }

    fn header(&mut self, open: &str, close: &str) {
        self.indent();
        let path: Vec<String> = self.key.iter().map(|part| quoted_key(&part.to_text()).into_owned()).collect();
        let path = path.join(".");
        self.push(open);
        self.push(&path);
        self.push(close);
        self.newline();
    }

    fn key_value(&mut self, value: &Value, depth: usize) -> Result<(), String> {
        let Some(last) = self.key.last() else { return self.element(value, depth) };
        let name = quoted_key(&last.to_text()).into_owned();
        self.indent();
        self.push(&name);
        self.push(" = ");
        self.element(value, depth)?;
        self.newline();
        Ok(())
    }

    fn table(&mut self, value: &Value, depth: usize) -> Result<(), String> {
        if self.key.len() == 1 {
            self.newline();
        }
        if !self.key.is_empty() {
            self.header("[", "]");
        }
        self.entries(value, depth)
    }

    fn tables(&mut self, value: &Value, depth: usize) -> Result<(), String> {
        if self.key.is_empty() {
            return Err("toml: top-level values must be Go maps or structs".to_owned());
        }
        let Value::List(list) = value else { return Ok(()) };
        for table in list.items() {
            self.newline();
            self.header("[[", "]]");
            self.entries(table, depth)?;
        }
        Ok(())
    }

    fn entries(&mut self, value: &Value, depth: usize) -> Result<(), String> {
        for (key, value) in ordered_entries(value)?.into_iter().map(|(entry, _)| entry) {
            self.key.push(key);
            self.encode(&value, depth + 1)?;
            self.key.pop();
        }
        Ok(())
    }

    /// A value behind an equals sign or in a list.
    fn element(&mut self, value: &Value, depth: usize) -> Result<(), String> {
        if depth > MAX_DEPTH || self.out.len() > MAX_OUTPUT {
            return Err(TOO_LARGE.to_owned());
        }
        match value {
            Value::Nil => return Err("unexpected type: nil".to_owned()),
            Value::Bool(b) => self.push(&b.to_string()),
            Value::Int(n) | Value::Int64(n) => self.push(&n.to_string()),
            Value::Uint64(n) => self.push(&n.to_string()),
            Value::Uint8(n) => self.push(&n.to_string()),
            Value::Float(f) => self.push(&float(*f)),
            Value::Str(text) => self.out.extend(quote_bytes(text.as_bytes())),
            Value::Bytes(bytes) => {
                let numbers: Vec<String> = bytes.as_bytes().iter().map(u8::to_string).collect();
                self.push(&format!("[{}]", numbers.join(", ")));
            }
            Value::List(list) => {
                self.push("[");
                for (index, item) in list.items().iter().enumerate() {
                    self.push(if index == 0 { "" } else { ", " });
                    self.element(item, depth + 1)?;
                }
                self.push("]");
            }
            Value::Map(_) => self.inline_table(value, depth)?,
            Value::Object(object) => match (Time::of(value), Duration::of(value)) {
                (Some(time), _) => self.push(&datetime(time)),
                (None, Some(duration)) => self.push(&quote(&duration.to_string())),
                (None, None) => self.element(&Value::from(&object.to_json()), depth + 1)?,
            },
        }
        Ok(())
    }

    /// A table in braces. The comma after the last plain key depends on whether tables follow, even if they are nil.
    fn inline_table(&mut self, value: &Value, depth: usize) -> Result<(), String> {
        let entries = ordered_entries(value)?;
        let plain = entries.iter().filter(|(_, is_table)| !is_table).count();
        let total = entries.len();
        self.push("{");
        for (index, ((key, value), is_table)) in entries.into_iter().enumerate() {
            if shape(&value)? == Shape::Nothing {
                continue;
            }
            self.push(&quoted_key(&key.to_text()));
            self.push(" = ");
            self.element(&value, depth + 1)?;
            let last_of_its_kind = index + 1 == if is_table { total } else { plain };
            if !last_of_its_kind || (!is_table && total > plain) {
                self.push(", ");
            }
        }
        self.push("}");
        Ok(())
    }
}

/// A struct's members under Go's names, in the order of its fields.
fn exported_fields(object: &dyn Object) -> Vec<(Str, Value)> {
    let fields = object.fields().into_iter();
    fields.filter(|(name, _)| name.starts_with(char::is_uppercase)).map(|(name, value)| (name.into(), value)).collect()
}

/// A key, its value, and whether that is a table itself.
type TableEntry = ((Str, Value), bool);

/// The entries of a table, plain ones first.
fn ordered_entries(value: &Value) -> Result<Vec<TableEntry>, String> {
    let entries = match value {
        Value::Map(map) => map.entries(),
        Value::Object(object) if !object.fields().is_empty() => exported_fields(object.as_ref()),
        Value::Object(object) => match Value::from(&object.to_json()) {
            Value::Map(map) => map.entries(),
            _ => Vec::new(),
        },
        _ => Vec::new(),
    };
    let mut entries = entries
        .into_iter()
        .map(|entry| {
            let is_table = matches!(shape(&entry.1)?, Shape::Table | Shape::Tables);
            Ok((entry, is_table))
        })
        .collect::<Result<Vec<_>, String>>()?;
    entries.sort_by_key(|(_, is_table)| *is_table);
    Ok(entries)
}

/// A number with a point or an exponent.
fn float(f: f64) -> String {
    match f {
        f if f.is_nan() => if f.is_sign_negative() { "-nan" } else { "nan" }.to_owned(),
        f if f.is_infinite() => if f < 0.0 { "-inf" } else { "inf" }.to_owned(),
        f => {
            let text = format_general(f);
            if text.contains(['e', '.']) { text } else { text + ".0" }
        }
    }
}

/// A key, in quotes where it is not bare.
pub(super) fn quoted_key(key: &str) -> Cow<'_, str> {
    let bare = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    if !key.is_empty() && key.bytes().all(bare) { key.into() } else { quote(key).into() }
}

/// A basic string.
fn quote(text: &str) -> String {
    String::from_utf8_lossy(&quote_bytes(text.as_bytes())).into_owned()
}

/// A basic string of bytes that need not be UTF-8, which are written as they are.
fn quote_bytes(text: &[u8]) -> Vec<u8> {
    let mut quoted = Vec::with_capacity(text.len() + 2);
    quoted.push(b'"');
    for byte in text {
        match byte {
            b'"' => quoted.extend(b"\\\""),
            b'\\' => quoted.extend(b"\\\\"),
            0x08 => quoted.extend(b"\\b"),
            b'\t' => quoted.extend(b"\\t"),
            b'\n' => quoted.extend(b"\\n"),
            0x0c => quoted.extend(b"\\f"),
            b'\r' => quoted.extend(b"\\r"),
            0..=0x1f | 0x7f => quoted.extend(format!("\\u{byte:04x}").bytes()),
            byte => quoted.push(*byte),
        }
    }
    quoted.push(b'"');
    quoted
}

/// A time as it was read: without zone, without date, or whole.
fn datetime(time: &Time) -> String {
    let layout: &[u8] = match time.zone() {
        Zone::Fixed(name, _) if name == "datetime-local" => b"2006-01-02T15:04:05.999999999",
        Zone::Fixed(name, _) if name == "date-local" => b"2006-01-02",
        Zone::Fixed(name, _) if name == "time-local" => b"15:04:05.999999999",
        _ => return time.rfc3339(),
    };
    String::from_utf8_lossy(&time.in_zone(Zone::Utc).format(layout)).into_owned()
}
