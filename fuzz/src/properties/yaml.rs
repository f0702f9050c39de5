//! YAML and JSON: any text is read or is an error, and what is written reads back the same, but for what Go's libraries
//! lose as well.

use coxswain::value::{Json, Value};
use coxswain::yaml::{json, parse, parse_members, parse_strict, parse_value, to_string, to_string_pretty};

/// Reads the text in every way, writes what came out in every way, and reads it again.
///
/// # Panics
/// Where two ways differ.
pub fn check(data: &[u8]) {
    let _ = json::decode(data);
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (read, value) = (parse(text), parse_value(text));
    assert_eq!(read.as_ref().err().map(ToString::to_string), value.as_ref().err().map(ToString::to_string));
    let members = parse_members(text, &["a"]);
    assert_eq!(read.as_ref().err(), members.as_ref().err(), "members are read more leniently");
    let (Ok(read), Ok(members), Ok(value)) = (read, members, value) else { return };
    assert_eq!(read.get("a"), members.get("a"), "a member is read in another way");
    if let Ok(strict) = parse_strict(text) {
        assert_eq!(strict, read, "the strict reading differs");
    }
    written(&read, &value);
}

fn written(read: &Json, value: &Value) {
    let yaml = to_string(read).ok();
    assert_eq!(yaml, to_string(value).ok(), "a value and its JSON are written differently");
    if let Some(yaml) = yaml {
        let again = parse_strict(&yaml);
        assert!(again.as_ref() == Ok(read) || !everywhere(read, &survives), "{yaml:?}");
    }
    if let Ok(pretty) = to_string_pretty(value) {
        let again = parse(&pretty);
        assert!(again.as_ref() == Ok(read) || !everywhere(read, &survives_pretty), "pretty: {pretty:?}");
    }
    if let Ok(text) = json::encode(value) {
        assert_eq!(json::decode(text.as_bytes()).ok().as_ref(), Some(read), "JSON: {text}");
        let again = parse(&text);
        assert!(again.as_ref() == Ok(read) || !everywhere(read, &survives_as_json), "JSON as YAML: {text}");
    }
}

/// Whether a string or key survives being written: sigs.k8s.io/yaml writes by way of JSON, where YAML folds U+0085 as one
/// of its line breaks, and go-yaml writes the key `<<` bare, which means a merge when it is read.
pub(super) fn survives(text: &str, is_key: bool) -> bool {
    !text.contains('\u{85}') && !is_merge(text, is_key)
}

/// go-yaml v3 writes the value itself; lines that start with a tab become a block, where a tab is no indentation.
fn survives_pretty(text: &str, is_key: bool) -> bool {
    let is_broken_block = text.starts_with('\t') && text.contains('\n');
    !is_broken_block && !is_merge(text, is_key)
}

fn is_merge(text: &str, is_key: bool) -> bool {
    is_key && text == "<<"
}

/// Go's JSON holds characters as they are that YAML refuses or folds, and keys longer than YAML permits.
fn survives_as_json(text: &str, is_key: bool) -> bool {
    let foreign = |c| matches!(c, '\u{7f}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}');
    let is_too_long = is_key && text.len() > LONGEST_KEY;
    !is_too_long && !text.contains(foreign)
}

/// YAML permits a key of 1,024 characters in front of its colon, and JSON writes up to six for one.
const LONGEST_KEY: usize = 1_024 / 6;

/// Whether every string and key of a value is so.
pub(super) fn everywhere(value: &Json, is_so: &impl Fn(&str, bool) -> bool) -> bool {
    match value {
        Json::String(text) => is_so(text, false),
        Json::Array(items) => items.iter().all(|item| everywhere(item, is_so)),
        Json::Object(members) => members.iter().all(|(key, member)| is_so(key, true) && everywhere(member, is_so)),
        _ => true,
    }
}
