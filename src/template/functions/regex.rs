//! Sprig's regular expressions (`sprig/regex.go`), with Go's rules for empty matches, splitting and replacement.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use regex::bytes::{Captures, Regex, RegexBuilder};

use super::arguments::{Arguments, string_list};
use super::pattern::{PatternError, translate};
use super::runes::{is_digit, is_letter, pieces};
use super::{CallError, Function, Host};
use crate::template::print;
use crate::value::Parameter::{Int, String as Text};
use crate::value::{ElementType, List, Str, Value};

/// The functions of this family.
pub const FUNCTIONS: &[Function] = &[
    Function::new("regexMatch", &[Text, Text], is_match),
    Function::new("mustRegexMatch", &[Text, Text], must_match),
    Function::new("regexFind", &[Text, Text], find),
    Function::new("mustRegexFind", &[Text, Text], must_find),
    Function::new("regexFindAll", &[Text, Text, Int], find_all),
    Function::new("mustRegexFindAll", &[Text, Text, Int], must_find_all),
    Function::new("regexReplaceAll", &[Text, Text, Text], replace_all),
    Function::new("mustRegexReplaceAll", &[Text, Text, Text], must_replace_all),
    Function::new("regexReplaceAllLiteral", &[Text, Text, Text], replace_all_literally),
    Function::new("mustRegexReplaceAllLiteral", &[Text, Text, Text], must_replace_all_literally),
    Function::new("regexSplit", &[Text, Text, Int], split),
    Function::new("mustRegexSplit", &[Text, Text, Int], must_split),
    Function::new("regexQuoteMeta", &[Text], quote_meta),
];

type Outcome = Result<Value, CallError>;

/// The longest pattern and the most Unicode classes that are compiled: what is built on the way is a hundred times as
/// large.
const LONGEST_PATTERN: usize = 128 << 10;
const MOST_CLASSES: usize = 10_000;
/// A pattern from this length on is surely too large to be kept.
const LONG_PATTERN: usize = 8 << 10;
/// The bytes that a compiled pattern may take at all, and for it to be kept; how many are kept.
const PATTERN_BYTES: usize = 32 << 20;
const KEPT_PATTERN_BYTES: usize = 256 << 10;
const KEPT_PATTERNS: usize = 64;

/// A text as Go's matcher reads it: each byte that is not UTF-8 is a U+FFFD, but what is cut out are the bytes
/// themselves. Positions are those of the readable form.
struct Subject<'a> {
    original: &'a [u8],
    readable: Cow<'a, [u8]>,
    /// For each readable position the original one; empty where they are the same.
    offsets: Vec<usize>,
}

impl<'a> Subject<'a> {
    /// The second argument of a call. Its length is the work of one pass.
    fn of(host: &mut dyn Host, arguments: &'a [Value]) -> Result<Self, CallError> {
        let original = arguments.bytes(1);
        host.charge(1 + original.len() as u64 / 16, 0)?;
        if std::str::from_utf8(original).is_ok() {
            return Ok(Self { original, readable: Cow::Borrowed(original), offsets: Vec::new() });
        }
        host.charge(original.len() as u64, INVALID_BYTES * original.len() as u64)?;
        let (mut readable, mut offsets, mut at) = (Vec::new(), Vec::new(), 0);
        for (rune, piece) in pieces(original) {
            readable.extend_from_slice(rune.encode_utf8(&mut [0; 4]).as_bytes());
            offsets.resize(readable.len(), at);
            at += piece.len();
        }
        offsets.push(at);
        Ok(Self { original, readable: Cow::Owned(readable), offsets })
    }

    fn len(&self) -> usize {
        self.readable.len()
    }

    fn slice(&self, start: usize, end: usize) -> &'a [u8] {
        let [start, end] = [start, end].map(|position| self.offsets.get(position).copied().unwrap_or(position));
        &self.original[start..end]
    }
}

/// What the readable form takes for each byte of a text that is not UTF-8.
const INVALID_BYTES: u64 = 32;

/// A compiled pattern with the names of its groups.
struct Pattern {
    regex: Regex,
    names: Vec<String>,
    is_empty: bool,
}

/// What a function does with a pattern, the text and the third argument.
type Operation = fn(&mut dyn Host, &Pattern, &[Value]) -> Outcome;

/// Runs an operation of the functions that panic on a bad pattern.
fn compiled(host: &mut dyn Host, arguments: &[Value], operation: Operation) -> Outcome {
    let pattern = pattern(host, arguments.bytes(0))?.map_err(|error| {
        let quoted = String::from_utf8_lossy(&quoted(arguments.bytes(0))).into_owned();
        CallError::from(format!("regexp: Compile({quoted}): {error}"))
    })?;
    operation(host, &pattern, arguments)
}

/// Runs an operation of the functions that return a bad pattern as their error.
fn must_compile(host: &mut dyn Host, arguments: &[Value], operation: Operation) -> Outcome {
    let pattern = pattern(host, arguments.bytes(0))?.map_err(|error| CallError::from(error.to_string()))?;
    operation(host, &pattern, arguments)
}

/// The patterns compiled last, which all renders share; a poisoned lock keeps none.
static KEPT: Mutex<BTreeMap<Vec<u8>, Arc<Pattern>>> = Mutex::new(BTreeMap::new());

/// The compiled pattern. A small one is kept for the next call.
fn pattern(host: &mut dyn Host, text: &[u8]) -> Result<Result<Arc<Pattern>, PatternError>, CallError> {
    if let Some(pattern) = KEPT.lock().ok().and_then(|kept| kept.get(text).cloned()) {
        return Ok(Ok(pattern));
    }
    let classes = unicode_classes(text);
    if text.len() > LONGEST_PATTERN || classes > MOST_CLASSES {
        return Ok(Err(PatternError::too_large(&String::from_utf8_lossy(text))));
    }
    host.charge(COMPILE_STEPS * (1 + text.len() as u64) + CLASS_STEPS * classes as u64, 0)?;
    Ok(compile(text).map(|(pattern, size)| {
        let pattern = Arc::new(pattern);
        if let (Size::Small, Ok(mut kept)) = (size, KEPT.lock()) {
            if kept.len() >= KEPT_PATTERNS {
                kept.clear();
            }
            kept.insert(text.to_vec(), Arc::clone(&pattern));
        }
        pattern
    }))
}

/// Whether a compiled pattern is small enough to be kept.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Size {
    Small,
    Large,
}

/// What compiling costs for each byte of a pattern, and for each Unicode class in it.
const COMPILE_STEPS: u64 = 20;
const CLASS_STEPS: u64 = 500;

/// How many Unicode classes a pattern has, at most.
fn unicode_classes(pattern: &[u8]) -> usize {
    pattern.windows(2).filter(|pair| matches!(pair, [b'\\', b'p' | b'P'])).count()
}

fn compile(text: &[u8]) -> Result<(Pattern, Size), PatternError> {
    let text = std::str::from_utf8(text).map_err(|error| {
        let rest = String::from_utf8_lossy(&text[error.valid_up_to()..]);
        PatternError::new("invalid UTF-8", &rest)
    })?;
    let translation = translate(text)?;
    let mut builder = RegexBuilder::new(&translation.pattern);
    builder.nest_limit(10_000).dfa_size_limit(2 * KEPT_PATTERN_BYTES);
    let small = (text.len() < LONG_PATTERN).then(|| builder.size_limit(KEPT_PATTERN_BYTES).build());
    let (regex, size) = match small {
        Some(Ok(regex)) => (regex, Size::Small),
        _ => (builder.size_limit(PATTERN_BYTES).build().map_err(|_| PatternError::too_large(text))?, Size::Large),
    };
    Ok((Pattern { regex, names: translation.names, is_empty: text.is_empty() }, size))
}

/// The pattern in backquotes where a Go raw string can hold it, else as a quoted string.
fn quoted(pattern: &[u8]) -> Vec<u8> {
    let fits = |c: char| (c == '\t' || !c.is_ascii_control()) && !matches!(c, '`' | '\u{feff}');
    match std::str::from_utf8(pattern) {
        Ok(text) if text.chars().all(fits) => [b"`", pattern, b"`"].concat(),
        _ => print::quote(pattern),
    }
}

impl Pattern {
    /// The leftmost match from a position on. An empty match inside of a character is none, as Go walks by runes.
    fn find_at(&self, text: &Subject<'_>, mut start: usize) -> Option<(usize, usize)> {
        loop {
            let found = self.regex.find_at(&text.readable, start)?;
            if !found.is_empty() || !is_inside_character(&text.readable, found.start()) {
                return Some((found.start(), found.end()));
            }
            start = found.start() + 1;
        }
    }

    /// Up to `limit` matches, all for a negative limit. An empty match right after another match is none.
    fn find_all(&self, text: &Subject<'_>, limit: i64) -> Vec<(usize, usize)> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut matches = Vec::new();
        let (mut position, mut previous_end) = (0, None);
        while matches.len() < limit && position <= text.len() {
            let Some((start, end)) = self.find_at(text, position) else { break };
            let accepted = end != position || previous_end != Some(start);
            position = if end == position { after_rune(&text.readable, position) } else { end };
            previous_end = Some(end);
            if accepted {
                matches.push((start, end));
            }
        }
        matches
    }

    /// The text with every match replaced by what `replacement` writes for it.
    fn replace_all(
        &self,
        host: &mut dyn Host,
        text: &Subject<'_>,
        mut replacement: impl FnMut(&Captures<'_>, &mut Vec<u8>),
    ) -> Result<Vec<u8>, CallError> {
        let mut replaced = Vec::with_capacity(text.len());
        let (mut position, mut last_end) = (0, 0);
        while position <= text.len() {
            let Some((start, end)) = self.find_at(text, position) else { break };
            let Some(captures) = self.regex.captures_at(&text.readable, start) else { break };
            replaced.extend_from_slice(text.slice(last_end, start));
            if end > last_end || start == 0 {
                let before = replaced.len();
                replacement(&captures, &mut replaced);
                host.charge(1, (replaced.len() - before) as u64)?;
            }
            last_end = end;
            position = after_rune(&text.readable, position).max(end);
        }
        replaced.extend_from_slice(text.slice(last_end, text.len()));
        Ok(replaced)
    }
}

fn is_inside_character(text: &[u8], position: usize) -> bool {
    text.get(position).is_some_and(|byte| byte & 0xc0 == 0x80)
}

/// The position after the rune at a position; past the end at the end.
fn after_rune(text: &[u8], position: usize) -> usize {
    position + pieces(&text[position..(position + 4).min(text.len())]).next().map_or(1, |(_, piece)| piece.len())
}

/// A bad pattern matches nothing.
fn is_match(host: &mut dyn Host, arguments: &[Value]) -> Outcome {
    match pattern(host, arguments.bytes(0))? {
        Ok(pattern) => matches(host, &pattern, arguments),
        Err(_) => Ok(false.into()),
    }
}

fn must_match(host: &mut dyn Host, arguments: &[Value]) -> Outcome {
    must_compile(host, arguments, matches)
}

fn matches(host: &mut dyn Host, pattern: &Pattern, arguments: &[Value]) -> Outcome {
    let text = Subject::of(host, arguments)?;
    Ok(pattern.find_at(&text, 0).is_some().into())
}

fn find(host: &mut dyn Host, arguments: &[Value]) -> Outcome {
    compiled(host, arguments, first_match)
}

fn must_find(host: &mut dyn Host, arguments: &[Value]) -> Outcome {
    must_compile(host, arguments, first_match)
}

fn first_match(host: &mut dyn Host, pattern: &Pattern, arguments: &[Value]) -> Outcome {
    let text = Subject::of(host, arguments)?;
    Ok(pattern.find_at(&text, 0).map_or_else(|| "".into(), |(start, end)| text.slice(start, end).to_vec().into()))
}

fn find_all(host: &mut dyn Host, arguments: &[Value]) -> Outcome {
    compiled(host, arguments, every_match)
}

fn must_find_all(host: &mut dyn Host, arguments: &[Value]) -> Outcome {
    must_compile(host, arguments, every_match)
}

/// A nil list where nothing matches.
fn every_match(host: &mut dyn Host, pattern: &Pattern, arguments: &[Value]) -> Outcome {
    let text = Subject::of(host, arguments)?;
    let matches = pattern.find_all(&text, arguments.int(2));
    if matches.is_empty() {
        return Ok(List::nil(ElementType::String).into());
    }
    host.charge(matches.len() as u64, MATCH_BYTES * matches.len() as u64)?;
    Ok(string_list(matches.into_iter().map(|(start, end)| Str::from(text.slice(start, end)))))
}

/// The memory of one found text beside its bytes.
const MATCH_BYTES: u64 = 64;

fn replace_all(host: &mut dyn Host, arguments: &[Value]) -> Outcome {
    compiled(host, arguments, replace_by_template)
}

fn must_replace_all(host: &mut dyn Host, arguments: &[Value]) -> Outcome {
    must_compile(host, arguments, replace_by_template)
}

fn replace_by_template(host: &mut dyn Host, pattern: &Pattern, arguments: &[Value]) -> Outcome {
    let text = Subject::of(host, arguments)?;
    let template = Replacement::parse(arguments.bytes(2));
    let replaced = pattern.replace_all(host, &text, |captures, out| {
        template.expand(&pattern.names, captures, &text, out);
    })?;
    Ok(replaced.into())
}

fn replace_all_literally(host: &mut dyn Host, arguments: &[Value]) -> Outcome {
    compiled(host, arguments, replace_by_text)
}

fn must_replace_all_literally(host: &mut dyn Host, arguments: &[Value]) -> Outcome {
    must_compile(host, arguments, replace_by_text)
}

fn replace_by_text(host: &mut dyn Host, pattern: &Pattern, arguments: &[Value]) -> Outcome {
    let text = Subject::of(host, arguments)?;
    let new = arguments.bytes(2);
    Ok(pattern.replace_all(host, &text, |_, out| out.extend_from_slice(new))?.into())
}

fn split(host: &mut dyn Host, arguments: &[Value]) -> Outcome {
    compiled(host, arguments, split_by)
}

fn must_split(host: &mut dyn Host, arguments: &[Value]) -> Outcome {
    must_compile(host, arguments, split_by)
}

/// The texts between matches, at most as many as the limit; nil for a limit of zero.
fn split_by(host: &mut dyn Host, pattern: &Pattern, arguments: &[Value]) -> Outcome {
    let text = Subject::of(host, arguments)?;
    let limit = arguments.int(2);
    if limit == 0 {
        return Ok(List::nil(ElementType::String).into());
    }
    if text.len() == 0 && !pattern.is_empty {
        return Ok(string_list([Str::default()]));
    }
    let most = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut parts: Vec<Str> = Vec::new();
    let (mut part_start, mut last_start) = (0, 0);
    for (start, end) in pattern.find_all(&text, limit) {
        if parts.len() + 1 == most {
            break;
        }
        last_start = start;
        if end != 0 {
            parts.push(text.slice(part_start, start).into());
        }
        part_start = end;
    }
    if last_start != text.len() {
        parts.push(text.slice(part_start, text.len()).into());
    }
    host.charge(parts.len() as u64, MATCH_BYTES * parts.len() as u64)?;
    Ok(string_list(parts))
}

fn quote_meta(host: &mut dyn Host, arguments: &[Value]) -> Outcome {
    let text = arguments.bytes(0);
    host.charge(1, 2 * text.len() as u64)?;
    let mut quoted = Vec::with_capacity(text.len());
    for &byte in text {
        if br"\.+*?()|[]{}^$".contains(&byte) {
            quoted.push(b'\\');
        }
        quoted.push(byte);
    }
    Ok(quoted.into())
}

/// A replacement text with references to groups: `$1`, `$name`, `${1}`, and `$$` for a dollar sign.
struct Replacement<'a>(Vec<Piece<'a>>);

enum Piece<'a> {
    Text(&'a [u8]),
    Group(usize),
    Named(&'a [u8]),
}

impl<'a> Replacement<'a> {
    fn parse(template: &'a [u8]) -> Self {
        let mut pieces = Vec::new();
        let mut rest = template;
        while let Some(dollar) = rest.iter().position(|byte| *byte == b'$') {
            pieces.push(Piece::Text(&rest[..dollar]));
            let after = &rest[dollar + 1..];
            rest = if after.starts_with(b"$") {
                pieces.push(Piece::Text(b"$"));
                &after[1..]
            } else if let Some((name, after)) = reference(after) {
                pieces.push(group_number(name).map_or(Piece::Named(name), Piece::Group));
                after
            } else {
                pieces.push(Piece::Text(b"$"));
                after
            };
        }
        pieces.push(Piece::Text(rest));
        Self(pieces)
    }

    /// Writes the replacement of one match; a group that is not there or did not match is empty.
    fn expand(&self, names: &[String], captures: &Captures<'_>, text: &Subject<'_>, out: &mut Vec<u8>) {
        for piece in &self.0 {
            let group = match piece {
                Piece::Text(text) => {
                    out.extend_from_slice(text);
                    continue;
                }
                Piece::Group(number) => captures.get(*number),
                Piece::Named(name) => {
                    let named = names.iter().enumerate().filter(|(_, own)| own.as_bytes() == *name);
                    named.filter_map(|(number, _)| captures.get(number)).next()
                }
            };
            out.extend_from_slice(group.map_or(&[], |group| text.slice(group.start(), group.end())));
        }
    }
}

/// The name after a dollar sign: in braces, or as many letters, digits and underscores as follow.
fn reference(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let (text, braced) = text.strip_prefix(b"{").map_or((text, false), |inner| (inner, true));
    let in_name = |rune: char| rune == '_' || is_letter(rune) || is_digit(rune);
    let end = pieces(text).take_while(|(rune, _)| in_name(*rune)).map(|(_, piece)| piece.len()).sum();
    let (name, rest) = text.split_at(end);
    match (name.is_empty(), braced) {
        (true, _) => None,
        (false, true) => rest.strip_prefix(b"}").map(|rest| (name, rest)),
        (false, false) => Some((name, rest)),
    }
}

/// The number that a name is; one with a leading zero is a name.
fn group_number(name: &[u8]) -> Option<usize> {
    if name.len() > 1 && name[0] == b'0' || !name.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(name).ok()?.parse().ok()
}
