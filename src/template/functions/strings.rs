//! Sprig's strings: searching, cutting, joining, padding and the text form of values (`sprig/strings.go`).
//!
//! Positions and widths count bytes, as in Go, so a cut may split a character.

use super::arguments::{Arguments, elements, string_list};
use super::runes::{self, pieces, runes};
use super::{CallError, Function, Host};
use crate::template::print;
use crate::value::Parameter::{Any, Int, String as Text};
use crate::value::{ElementType, List, Map, MapType, Str, Value};

/// The functions of this family.
pub const FUNCTIONS: &[Function] = &[
    Function::new("trim", &[Text], trim_space),
    Function::new("trimall", &[Text, Text], trim_all),
    Function::new("trimAll", &[Text, Text], trim_all),
    Function::new("trimPrefix", &[Text, Text], trim_prefix),
    Function::new("trimSuffix", &[Text, Text], trim_suffix),
    Function::new("trunc", &[Int, Text], truncate),
    Function::new("substr", &[Int, Int, Text], substring),
    Function::new("abbrev", &[Int, Text], abbreviate),
    Function::new("abbrevboth", &[Int, Int, Text], abbreviate_both),
    Function::new("contains", &[Text, Text], contains),
    Function::new("hasPrefix", &[Text, Text], has_prefix),
    Function::new("hasSuffix", &[Text, Text], has_suffix),
    Function::new("replace", &[Text, Text, Text], replace),
    Function::new("repeat", &[Int, Text], repeat),
    Function::new("indent", &[Int, Text], indent),
    Function::new("nindent", &[Int, Text], indent_on_new_line),
    Function::new("plural", &[Text, Text, Int], plural),
    Function::variadic("quote", &[], Any, quote),
    Function::variadic("squote", &[], Any, quote_singly),
    Function::variadic("cat", &[], Any, concatenate),
    Function::new("toString", &[Any], to_string),
    Function::new("toStrings", &[Any], to_strings),
    Function::new("join", &[Text, Any], join),
    Function::new("sortAlpha", &[Any], sort),
    Function::new("split", &[Text, Text], split),
    Function::new("splitn", &[Text, Int, Text], split_limited),
    Function::new("splitList", &[Text, Text], split_list),
];

type Outcome = Result<Value, CallError>;

fn trim_space(_: &mut dyn Host, arguments: &[Value]) -> Outcome {
    Ok(text_value(runes::trim(arguments.bytes(0), runes::is_space)))
}

fn trim_all(_: &mut dyn Host, arguments: &[Value]) -> Outcome {
    let cutset: Vec<char> = runes(arguments.bytes(0)).collect();
    Ok(text_value(runes::trim(arguments.bytes(1), |rune| cutset.contains(&rune))))
}

fn trim_prefix(_: &mut dyn Host, arguments: &[Value]) -> Outcome {
    let (prefix, text) = (arguments.text(0), arguments.text(1));
    Ok(text.as_bytes().strip_prefix(prefix.as_bytes()).map_or_else(|| text.clone().into(), text_value))
}

fn trim_suffix(_: &mut dyn Host, arguments: &[Value]) -> Outcome {
    let (suffix, text) = (arguments.text(0), arguments.text(1));
    Ok(text.as_bytes().strip_suffix(suffix.as_bytes()).map_or_else(|| text.clone().into(), text_value))
}

/// The first bytes, or with a negative count the last.
fn truncate(_: &mut dyn Host, arguments: &[Value]) -> Outcome {
    let (count, text) = (arguments.int(0), arguments.text(1));
    let length = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
    if length >= text.len() {
        return Ok(text.into());
    }
    let at = if count < 0 { text.len() - length } else { length };
    let (head, tail) = text.as_bytes().split_at(at);
    Ok(text_value(if count < 0 { tail } else { head }))
}

/// Go's slice expression: a negative start is none, an end that is negative or too large is the end.
fn substring(_: &mut dyn Host, arguments: &[Value]) -> Outcome {
    let (start, end, text) = (arguments.int(0), arguments.int(1), arguments.text(2));
    let length = i64::try_from(text.len()).unwrap_or(i64::MAX);
    let (start, end) = match (start, end) {
        (..0, end) if end < 0 => return Err(format!("runtime error: slice bounds out of range [:{end}]").into()),
        (..0, end) if end > length => {
            return Err(format!("runtime error: slice bounds out of range [:{end}] with length {length}").into());
        }
        (..0, end) => (0, end),
        (start, end) if end < 0 || end > length => (start, length),
        bounds => bounds,
    };
    if start > end {
        return Err(format!("runtime error: slice bounds out of range [{start}:{end}]").into());
    }
    let [start, end] = [start, end].map(|at| usize::try_from(at).unwrap_or_default());
    Ok(text_value(&text.as_bytes()[start..end]))
}

/// The shortest width that leaves room for a letter beside the dots, and for dots on both sides.
const ABBREVIATION: i64 = 4;
const ABBREVIATION_BOTH: i64 = 7;

fn abbreviate(_: &mut dyn Host, arguments: &[Value]) -> Outcome {
    let (width, text) = (arguments.int(0), arguments.text(1));
    if width < ABBREVIATION {
        return Ok(text.into());
    }
    Ok(abbreviated(text.as_bytes(), 0, width).into())
}

fn abbreviate_both(_: &mut dyn Host, arguments: &[Value]) -> Outcome {
    let (offset, width, text) = (arguments.int(0), arguments.int(1), arguments.text(2));
    if width < ABBREVIATION || offset > 0 && width < ABBREVIATION_BOTH {
        return Ok(text.into());
    }
    Ok(abbreviated(text.as_bytes(), offset, width).into())
}

/// The text in at most `width` bytes, around `offset` (`goutils.AbbreviateFull`).
fn abbreviated(text: &[u8], offset: i64, width: i64) -> Str {
    let length = i64::try_from(text.len()).unwrap_or(i64::MAX);
    let at = |position: i64| usize::try_from(position).unwrap_or_default();
    if length <= width {
        return text.into();
    }
    let room = width - 3;
    let offset = offset.min(length - room);
    if offset <= 4 {
        return [&text[..at(room)], b"..."].concat().into();
    }
    if offset + room < length {
        // What follows the offset is cut once more, which fails without room for a letter and leaves the dots alone.
        let rest = &text[at(offset)..];
        let cut = if room < ABBREVIATION { Str::default() } else { abbreviated(rest, 0, room) };
        return [b"...", cut.as_bytes()].concat().into();
    }
    [b"...", &text[at(length - room)..]].concat().into()
}

fn contains(_: &mut dyn Host, arguments: &[Value]) -> Outcome {
    Ok(find(arguments.bytes(1), arguments.bytes(0)).is_some().into())
}

fn has_prefix(_: &mut dyn Host, arguments: &[Value]) -> Outcome {
    Ok(arguments.bytes(1).starts_with(arguments.bytes(0)).into())
}

fn has_suffix(_: &mut dyn Host, arguments: &[Value]) -> Outcome {
    Ok(arguments.bytes(1).ends_with(arguments.bytes(0)).into())
}

/// An empty text to replace stands before every rune and at the end.
fn replace(host: &mut dyn Host, arguments: &[Value]) -> Outcome {
    let (old, new, text) = (arguments.text(0), arguments.text(1), arguments.text(2));
    host.charge(text.len() as u64 / BYTES_PER_STEP, PART_BYTES * occurrences(text.as_bytes(), old.as_bytes()))?;
    let parts =
        if old.is_empty() { around_runes(text.as_bytes()) } else { parts_of(text.as_bytes(), old.as_bytes(), -1) };
    charge_join(host, &parts, new.len())?;
    Ok(parts.join(new.as_bytes()).into())
}

/// How many bytes are searched in the time of one step.
const BYTES_PER_STEP: u64 = 32;

/// How often a text occurs in another.
fn occurrences(text: &[u8], part: &[u8]) -> u64 {
    if part.is_empty() { text.len() as u64 } else { memchr::memmem::find_iter(text, part).count() as u64 }
}

fn around_runes(text: &[u8]) -> Vec<&[u8]> {
    std::iter::once(&[][..]).chain(pieces(text).map(|(_, piece)| piece)).chain([&[][..]]).collect()
}

fn repeat(host: &mut dyn Host, arguments: &[Value]) -> Outcome {
    let (count, text) = (arguments.int(0), arguments.text(1));
    repeated(host, text.as_bytes(), count).map(Value::from)
}

/// `strings.Repeat`.
fn repeated(host: &mut dyn Host, text: &[u8], count: i64) -> Result<Vec<u8>, CallError> {
    let count = u64::try_from(count).map_err(|_| "strings: negative Repeat count")?;
    let bytes = count.checked_mul(text.len() as u64).ok_or("strings: Repeat output length overflow")?;
    host.charge(bytes, bytes)?;
    Ok(text.repeat(if text.is_empty() { 0 } else { usize::try_from(count).unwrap_or_default() }))
}

fn indent(host: &mut dyn Host, arguments: &[Value]) -> Outcome {
    indented(host, arguments, b"").map(Value::from)
}

fn indent_on_new_line(host: &mut dyn Host, arguments: &[Value]) -> Outcome {
    indented(host, arguments, b"\n").map(Value::from)
}

/// Every line with spaces before it, empty lines and the one after a final line break too.
fn indented(host: &mut dyn Host, arguments: &[Value], before: &[u8]) -> Result<Vec<u8>, CallError> {
    let (spaces, text) = (arguments.int(0), arguments.text(1));
    let text = text.as_bytes();
    let pad = repeated(host, b" ", spaces)?;
    let lines = 1 + text.iter().filter(|byte| **byte == b'\n').count();
    let bytes = before.len() + text.len() + pad.len().saturating_mul(lines);
    host.charge(lines as u64, bytes as u64)?;
    let mut indented = Vec::with_capacity(bytes);
    indented.extend_from_slice(before);
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        indented.extend_from_slice(&pad);
        indented.extend_from_slice(line);
    }
    if text.is_empty() || text.ends_with(b"\n") {
        indented.extend_from_slice(&pad);
    }
    Ok(indented)
}

fn plural(_: &mut dyn Host, arguments: &[Value]) -> Outcome {
    Ok(arguments.text(if arguments.int(2) == 1 { 0 } else { 1 }).into())
}

fn quote(host: &mut dyn Host, arguments: &[Value]) -> Outcome {
    let quoted = present(arguments).map(|value| Ok(print::quote(text_of(value)?.as_bytes())));
    let quoted = quoted.collect::<Result<Vec<_>, CallError>>()?;
    charge_join(host, &quoted, 1)?;
    Ok(quoted.join(&b' ').into())
}

fn quote_singly(host: &mut dyn Host, arguments: &[Value]) -> Outcome {
    let quoted = present(arguments).map(|value| Ok([b"'", print::to_text(value)?.as_bytes(), b"'"].concat()));
    let quoted = quoted.collect::<Result<Vec<_>, CallError>>()?;
    charge_join(host, &quoted, 1)?;
    Ok(quoted.join(&b' ').into())
}

fn concatenate(host: &mut dyn Host, arguments: &[Value]) -> Outcome {
    let texts = present(arguments).map(print::to_text).collect::<Result<Vec<_>, _>>()?;
    join_texts(host, b" ", &texts)
}

fn to_string(_: &mut dyn Host, arguments: &[Value]) -> Outcome {
    text_of(arguments.any(0)).map(Value::from)
}

fn to_strings(_: &mut dyn Host, arguments: &[Value]) -> Outcome {
    match arguments.any(0) {
        Value::List(list) if list.element_type() == ElementType::String => Ok(Value::List(list.clone())),
        value => Ok(string_list(texts_of(value)?)),
    }
}

fn join(host: &mut dyn Host, arguments: &[Value]) -> Outcome {
    let texts = texts_of(arguments.any(1))?;
    join_texts(host, arguments.bytes(0), &texts)
}

/// Sorts by bytes; a value that is no list is the only element of one.
fn sort(host: &mut dyn Host, arguments: &[Value]) -> Outcome {
    let value = arguments.any(0);
    let mut texts = if matches!(value, Value::Nil) { vec![text_of(value)?] } else { texts_of(value)? };
    host.charge(texts.len() as u64, 0)?;
    texts.sort_unstable();
    Ok(string_list(texts))
}

fn split(host: &mut dyn Host, arguments: &[Value]) -> Outcome {
    numbered(host, &arguments.text(1), &arguments.text(0), -1)
}

fn split_limited(host: &mut dyn Host, arguments: &[Value]) -> Outcome {
    numbered(host, &arguments.text(2), &arguments.text(0), arguments.int(1))
}

/// The memory of one part of a split text beside its bytes.
const PART_BYTES: u64 = 64;

/// A `map[string]string` of the parts, `_0`, `_1` and so on.
fn numbered(host: &mut dyn Host, text: &Str, separator: &Str, limit: i64) -> Outcome {
    let parts = parts_of(text.as_bytes(), separator.as_bytes(), limit);
    host.charge(parts.len() as u64, text.len() as u64 + PART_BYTES * parts.len() as u64)?;
    let map = Map::of(MapType::String);
    for (number, part) in parts.into_iter().enumerate() {
        map.insert(format!("_{number}"), text_value(part));
    }
    Ok(map.into())
}

fn split_list(host: &mut dyn Host, arguments: &[Value]) -> Outcome {
    let (separator, text) = (arguments.text(0), arguments.text(1));
    let parts = parts_of(text.as_bytes(), separator.as_bytes(), -1);
    host.charge(parts.len() as u64, text.len() as u64 + PART_BYTES * parts.len() as u64)?;
    Ok(Value::List(List::of(ElementType::String, parts.into_iter().map(text_value))))
}

/// `strings.SplitN`: an empty separator divides into runes, a limit of zero gives no parts, a negative one all.
fn parts_of<'a>(text: &'a [u8], separator: &[u8], limit: i64) -> Vec<&'a [u8]> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut parts = Vec::new();
    let mut rest = text;
    if separator.is_empty() && text.is_empty() || limit == 0 {
        return parts;
    }
    while parts.len() + 1 < limit {
        let end = match pieces(rest).next() {
            Some((_, piece)) if separator.is_empty() && piece.len() < rest.len() => Some(piece.len()),
            _ if separator.is_empty() => None,
            _ => find(rest, separator),
        };
        let Some(end) = end else { break };
        parts.push(&rest[..end]);
        rest = &rest[end + separator.len()..];
    }
    parts.push(rest);
    parts
}

/// Where a text is found first.
fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    memchr::memmem::find(text, wanted)
}

/// The arguments that are not nil.
fn present(arguments: &[Value]) -> impl Iterator<Item = &Value> {
    arguments.iter().filter(|value| !matches!(value, Value::Nil))
}

/// The string form of a value: a string or `[]byte` as it is, anything else as `%v` prints it (`strval`).
pub(super) fn text_of(value: &Value) -> Result<Str, CallError> {
    match value {
        Value::Bytes(bytes) => Ok(bytes.clone()),
        _ => print::to_text(value),
    }
}

/// The string forms of a list's elements without nils; of any other value its own (`strslice`).
fn texts_of(value: &Value) -> Result<Vec<Str>, CallError> {
    match elements(value) {
        Some(items) => present(&items).map(text_of).collect(),
        None => present(std::slice::from_ref(value)).map(text_of).collect(),
    }
}

fn join_texts(host: &mut dyn Host, separator: &[u8], texts: &[Str]) -> Outcome {
    let parts: Vec<&[u8]> = texts.iter().map(Str::as_bytes).collect();
    charge_join(host, &parts, separator.len())?;
    Ok(parts.join(separator).into())
}

fn charge_join(host: &mut dyn Host, parts: &[impl AsRef<[u8]>], separator: usize) -> Result<(), CallError> {
    let own: usize = parts.iter().map(|part| part.as_ref().len()).sum();
    let bytes = own.saturating_add(separator.saturating_mul(parts.len().saturating_sub(1)));
    host.charge(parts.len() as u64, bytes as u64)
}

fn text_value(bytes: &[u8]) -> Value {
    Value::Str(bytes.into())
}
