//! From items to values (`toml/parse.go`).

use super::item::{Fault, Item, ItemKind};
use super::lexer::Lexer;
use super::tables::{Entry, ROOT, Tables, dotted};
use crate::template::time::{Time, Zone};
use crate::value::{Map, Value};
use crate::yaml::number::{Integer, parse_integer};
use crate::yaml::quote::quote;

/// How deeply arrays and inline tables may nest, and keys have parts.
const MAX_DEPTH: usize = 200;

/// Reads a document. The error is the library's text.
///
/// # Errors
/// For everything that is no TOML.
pub fn read(text: &[u8]) -> Result<Map, String> {
    let text = match text {
        [0xff, 0xfe, rest @ ..] | [0xfe, 0xff, rest @ ..] | [0xef, 0xbb, 0xbf, rest @ ..] => rest,
        text => text,
    };
    if text.iter().take(6).any(|byte| *byte == 0) {
        let message = "files cannot contain NULL bytes; probably using UTF-16; TOML files must be UTF-8";
        return Err(format!("toml: line 1: {message}"));
    }
    let mut reader = Reader {
        lexer: Lexer::new(text),
        tables: Tables::new(),
        context: Vec::new(),
        key: String::new(),
        line: 0,
        depth: 0,
    };
    match reader.document() {
        Ok(()) => Ok(reader.tables.map(ROOT)),
        Err(fault) => Err(reader.describe(&fault)),
    }
}

struct Reader<'a> {
    lexer: Lexer<'a>,
    tables: Tables,
    /// The path of the current table.
    context: Vec<String>,
    /// The last part of the key that is being set.
    key: String,
    /// The line of the last key.
    line: usize,
    depth: usize,
}

type Read<T> = Result<T, Fault>;

impl<'a> Reader<'a> {
    fn describe(&self, fault: &Fault) -> String {
        let mut path = dotted(&self.context);
        if !self.key.is_empty() {
            path = if path.is_empty() { self.key.clone() } else { format!("{path}.{}", self.key) };
        }
        match path.as_str() {
            "" => format!("toml: line {}: {}", fault.line, fault.message),
            key => format!("toml: line {} (last key {}): {}", fault.line, quote(key), fault.message),
        }
    }

    fn next(&mut self) -> Read<Item<'a>> {
        self.lexer.next_item()
    }

    /// A fault of an item.
    fn refuse<T>(item: &Item<'_>, message: String) -> Read<T> {
        Err(Fault { message, line: item.line })
    }

    /// A fault of the last key.
    fn refuse_key<T>(&self, result: Result<T, String>) -> Read<T> {
        result.map_err(|message| Fault { message, line: self.line })
    }

    fn path(&self) -> Vec<String> {
        let mut path = self.context.clone();
        path.push(self.key.clone());
        path
    }

    fn document(&mut self) -> Read<()> {
        loop {
            let item = self.next()?;
            match item.kind {
                ItemKind::Eof => return Ok(()),
                ItemKind::TableStart => self.table(ItemKind::TableEnd)?,
                ItemKind::ArrayTableStart => self.table(ItemKind::ArrayTableEnd)?,
                ItemKind::KeyStart => {
                    let outer = self.context.clone();
                    self.assignment()?;
                    self.context = outer;
                    self.key.clear();
                }
                _ => {}
            }
        }
    }

    /// The parts of a key, up to the item that ends it.
    fn key_parts(&mut self, end: ItemKind) -> Read<Vec<String>> {
        let mut item = self.next()?;
        self.line = item.line;
        let mut parts = Vec::new();
        while item.kind != end && item.kind != ItemKind::Eof {
            if parts.len() >= MAX_DEPTH {
                return Self::refuse(&item, "the key has too many parts".to_owned());
            }
            parts.push(self.key_text(&item)?);
            item = self.next()?;
        }
        Ok(parts)
    }

    fn key_text(&mut self, item: &Item<'a>) -> Read<String> {
        match item.kind {
            ItemKind::EscapedString => Self::replace_escapes(item, item.text),
            _ => Ok(item.text.to_owned()),
        }
    }

    fn table(&mut self, end: ItemKind) -> Read<()> {
        let path = self.key_parts(end)?;
        self.open(&path, end == ItemKind::ArrayTableEnd)?;
        self.tables.set_is_array(&path, false);
        Ok(())
    }

    /// Makes a table the current one. Faults on the way to it still name the key before.
    fn open(&mut self, path: &[String], array: bool) -> Read<()> {
        let parents = path.split_last().map_or(path, |(_, parents)| parents);
        let parent = self.tables.enter(parents);
        let parent = self.refuse_key(parent)?;
        self.context = parents.to_vec();
        let defined = if array {
            self.tables.append(parent, path)
        } else {
            let table = self.tables.add();
            self.tables.set(path, Entry::Table(table))
        };
        self.refuse_key(defined)?;
        self.context = path.to_vec();
        Ok(())
    }

    /// A key, whose parts before the last become tables, and its value. Returns those parts and the value.
    fn assignment(&mut self) -> Read<(Vec<String>, Entry)> {
        let mut parts = self.key_parts(ItemKind::KeyEnd)?;
        self.key = parts.pop().unwrap_or_default();
        for part in &parts {
            let mut path = self.context.clone();
            path.push(part.clone());
            self.tables.add_implicit(&path);
            self.open(&path, false)?;
        }
        let item = self.next()?;
        let value = self.value(&item, false)?;
        let path = self.path();
        let set = self.tables.set(&path, value.clone());
        self.refuse_key(set)?;
        self.tables.set_is_array(&path, matches!(value, Entry::Array(_)));
        Ok((parts, value))
    }

    fn value(&mut self, item: &Item<'a>, in_array: bool) -> Read<Entry> {
        let text = item.text;
        Ok(Entry::Value(match item.kind {
            ItemKind::EscapedString => Self::replace_escapes(item, text)?.into(),
            ItemKind::MultilineString => {
                Self::replace_escapes(item, &join_escaped_lines(without_first_break(text)))?.into()
            }
            ItemKind::RawMultilineString => without_first_break(text).into(),
            ItemKind::Bool => Value::Bool(text == "true"),
            ItemKind::Integer => Self::integer(item)?,
            ItemKind::Float => Self::float(item)?,
            ItemKind::Datetime => Self::datetime(item)?,
            ItemKind::Array | ItemKind::InlineTableStart => {
                self.depth += 1;
                if self.depth > MAX_DEPTH {
                    return Self::refuse(item, "arrays and inline tables nest too deeply".to_owned());
                }
                let entry = if item.kind == ItemKind::Array { self.array()? } else { self.inline_table(in_array)? };
                self.depth -= 1;
                return Ok(entry);
            }
            _ => text.into(),
        }))
    }

    fn array(&mut self) -> Read<Entry> {
        self.tables.set_is_array(&self.path(), true);
        let mut items = Vec::new();
        loop {
            let item = self.next()?;
            match item.kind {
                ItemKind::ArrayEnd => return Ok(Entry::Array(items)),
                ItemKind::CommentStart => {
                    self.next()?;
                }
                _ => items.push(self.value(&item, true)?),
            }
        }
    }

    /// A table in braces. Its keys are set in the tables of the document too, which is where duplicates show.
    fn inline_table(&mut self, in_array: bool) -> Read<Entry> {
        let table = self.tables.add();
        let (outer_context, outer_key) = (self.context.clone(), std::mem::take(&mut self.key));
        let mut path = outer_context.clone();
        path.push(outer_key.clone());
        self.context.clone_from(&path);
        self.tables.add_implicit(&path);
        self.open(&path, in_array)?;
        loop {
            let item = self.next()?;
            match item.kind {
                ItemKind::InlineTableEnd => break,
                ItemKind::CommentStart => {
                    self.next()?;
                    continue;
                }
                _ => {}
            }
            let (parts, value) = self.assignment()?;
            if !self.tables.set_within(table, &parts, &self.key, value) {
                let message = format!("{} is not a table", quote(&dotted(&self.context)));
                return Err(Fault { message, line: self.line });
            }
            self.context.clone_from(&path);
        }
        (self.context, self.key) = (outer_context, outer_key);
        Ok(Entry::Table(table))
    }

    fn integer(item: &Item<'_>) -> Read<Value> {
        let shown = quote(item.text);
        if !underscores_are_between_digits(item.text) {
            return Self::refuse(item, format!("Invalid integer {shown}: underscores must be surrounded by digits"));
        }
        if has_leading_zero(item.text) {
            return Self::refuse(item, format!("Invalid integer {shown}: cannot have leading zeroes"));
        }
        match parse_integer(&item.text.replace('_', "")) {
            Some(Integer::Signed(n)) => Ok(Value::Int64(n)),
            _ => Self::refuse(item, format!("{} is out of range for int64", item.text)),
        }
    }

    fn float(item: &Item<'_>) -> Read<Value> {
        let shown = quote(item.text);
        let parts: Vec<&str> = item.text.split(['.', 'e', 'E']).filter(|part| !part.is_empty()).collect();
        if !parts.iter().all(|part| underscores_are_between_digits(part)) {
            return Self::refuse(item, format!("Invalid float {shown}: underscores must be surrounded by digits"));
        }
        if parts.first().is_some_and(|part| has_leading_zero(part)) {
            return Self::refuse(item, format!("Invalid float {shown}: cannot have leading zeroes"));
        }
        if !points_are_before_digits(item.text) {
            let message = format!("Invalid float {shown}: '.' must be followed by one or more digits");
            return Self::refuse(item, message);
        }
        let plain = item.text.replace('_', "");
        match plain.as_str() {
            "nan" | "+nan" => return Ok(Value::Float(f64::NAN)),
            "-nan" => return Ok(Value::Float(-f64::NAN)),
            _ => {}
        }
        match plain.parse::<f64>() {
            Ok(f) if f.is_infinite() && !plain.contains("inf") => {
                Self::refuse(item, format!("{} is out of range for float64", item.text))
            }
            Ok(f) => Ok(Value::Float(f)),
            Err(_) => Self::refuse(item, format!("Invalid float value: {shown}")),
        }
    }

    /// A date, a time of day or both. What has no zone gets one that the writer knows again.
    fn datetime(item: &Item<'_>) -> Read<Value> {
        let text = item.text.replace('z', "Z").replace(['t', ' '], "T");
        let local = |name: &str| Zone::Fixed(name.to_owned(), Zone::Local.offset_at(0).seconds);
        let layouts: [(&str, Zone); 7] = [
            ("2006-01-02T15:04:05.999999999Z07:00", Zone::Local),
            ("2006-01-02T15:04:05.999999999", local("datetime-local")),
            ("2006-01-02", local("date-local")),
            ("15:04:05.999999999", local("time-local")),
            ("2006-01-02T15:04Z07:00", Zone::Local),
            ("2006-01-02T15:04", local("datetime-local")),
            ("15:04", local("time-local")),
        ];
        for (layout, zone) in layouts {
            if let Ok(time) = Time::parse(layout.as_bytes(), text.as_bytes(), &zone)
                && !misses_leading_zero(&text, layout)
            {
                return Ok(time.into());
            }
        }
        Self::refuse(item, format!("invalid datetime: {}", quote(&text)))
    }

    fn replace_escapes(item: &Item<'_>, text: &str) -> Read<String> {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('\\') {
            out.push_str(before);
            let Some(kind) = after.chars().next() else { break };
            let (replacement, length) = match kind {
                'b' => ('\x08', 1),
                't' => ('\t', 1),
                'n' => ('\n', 1),
                'f' => ('\x0c', 1),
                'r' => ('\r', 1),
                'e' => ('\x1b', 1),
                '"' | '\\' => (kind, 1),
                'x' => (Self::escaped_character(item, after, 2)?, 3),
                'u' => (Self::escaped_character(item, after, 4)?, 5),
                'U' => (Self::escaped_character(item, after, 8)?, 9),
                _ => return Self::refuse(item, format!("invalid escape: '\\{kind}'")),
            };
            out.push(replacement);
            rest = after.get(length..).unwrap_or_default();
        }
        out.push_str(rest);
        Ok(out)
    }

    fn escaped_character(item: &Item<'_>, after: &str, digits: usize) -> Read<char> {
        let digits = after.get(1..=digits).unwrap_or_default();
        match u32::from_str_radix(digits, 16).ok().and_then(char::from_u32) {
            Some(c) => Ok(c),
            None => Self::refuse(item, format!("Escaped character '\\u{digits}' is not valid UTF-8.")),
        }
    }
}

fn without_first_break(text: &str) -> &str {
    text.strip_prefix("\r\n").or_else(|| text.strip_prefix('\n')).unwrap_or(text)
}

/// Removes backslashes at line ends with the white space after them.
fn join_escaped_lines(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        out.push_str(before);
        if let Some(after_pair) = after.strip_prefix('\\') {
            out.push_str("\\\\");
            rest = after_pair;
            continue;
        }
        let trimmed = after.trim_start_matches([' ', '\t', '\r', '\n']);
        let blank = &after[..after.len() - trimmed.len()];
        if blank.contains('\n') {
            rest = trimmed;
        } else {
            out.push('\\');
            rest = after;
        }
    }
    out.push_str(rest);
    out
}

fn underscores_are_between_digits(text: &str) -> bool {
    if matches!(text, "nan" | "+nan" | "-nan" | "inf" | "-inf" | "+inf") {
        return true;
    }
    let mut accepted = false;
    for byte in text.bytes() {
        if byte == b'_' && !accepted {
            return false;
        }
        accepted = byte.is_ascii_hexdigit();
    }
    accepted
}

fn has_leading_zero(text: &str) -> bool {
    match text.as_bytes() {
        [b'0', second, ..] => !matches!(second, b'b' | b'o' | b'x'),
        [b'-' | b'+', b'0', _, ..] => true,
        _ => false,
    }
}

fn points_are_before_digits(text: &str) -> bool {
    let mut after_point = false;
    for byte in text.bytes() {
        if after_point && !byte.is_ascii_digit() {
            return false;
        }
        after_point = byte == b'.';
    }
    !after_point
}

/// Whether a part of a date has fewer digits than its layout.
fn misses_leading_zero(text: &str, layout: &str) -> bool {
    layout
        .bytes()
        .take_while(|byte| !matches!(byte, b'.' | b'Z'))
        .enumerate()
        .any(|(at, byte)| !byte.is_ascii_digit() && text.as_bytes().get(at) != Some(&byte))
}
