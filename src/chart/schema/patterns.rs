//! Patterns in schemas. Helm reads them as Go's regular expressions, the library as JavaScript's.

use std::borrow::Cow;

use crate::template::functions::to_regex;
use crate::value::{Json, hex};

/// What stands before a pattern that Go refuses, so that the library refuses it too: nothing can be repeated there.
const REFUSED: &str = "*\u{10fffe}";

/// The format of patterns, whose check in the library cannot be replaced, under another name.
pub const FORMAT: boon::Format = boon::Format { name: "go-regex", func: check };

/// Keywords whose values are data.
const DATA: [&str; 4] = ["const", "default", "enum", "examples"];

/// What stands between a pattern in the library's spelling and the one that was written, which follows as a comment.
const WRITTEN: &str = "(?x:#";
const END: &str = "\n)";

/// Writes the patterns of a schema as the library reads them; those that Go refuses are marked.
///
/// The names in `patternProperties`, which other parts of the schema may refer to, stay as they are where both read
/// them alike.
pub fn rewrite(schema: &mut Json) {
    match schema {
        Json::Array(items) => items.iter_mut().for_each(rewrite),
        Json::Object(keywords) => {
            for (keyword, value) in keywords {
                match (keyword.as_str(), value) {
                    ("pattern", Json::String(pattern)) => *pattern = rewritten(pattern),
                    ("format", Json::String(format)) if format == "regex" => *format = FORMAT.name.to_owned(),
                    ("patternProperties", Json::Object(properties)) => {
                        for (pattern, mut schema) in std::mem::take(properties) {
                            rewrite(&mut schema);
                            properties.insert(rewritten(&pattern), schema);
                        }
                    }
                    (keyword, _) if DATA.contains(&keyword) => {}
                    (_, value) => rewrite(value),
                }
            }
        }
        _ => {}
    }
}

fn rewritten(pattern: &str) -> String {
    let is_common = |byte: u8| byte.is_ascii_alphanumeric() || b"^$.|-_/:@,=~ ".contains(&byte);
    if pattern.bytes().all(is_common) {
        return pattern.to_owned();
    }
    match to_regex(pattern) {
        Ok(regex) => format!("{regex}{WRITTEN}{}{END}", hex(pattern.as_bytes())),
        Err(_) => format!("{REFUSED}{pattern}"),
    }
}

/// A pattern as it was written.
pub fn written(pattern: &str) -> Cow<'_, str> {
    if let Some(refused) = pattern.strip_prefix(REFUSED) {
        return refused.into();
    }
    let digits = pattern.rsplit_once(WRITTEN).and_then(|(_, digits)| digits.strip_suffix(END));
    let Some(digits) = digits else { return pattern.into() };
    let byte = |digits: &[u8]| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok();
    let bytes = digits.as_bytes().chunks(2).map(byte).collect::<Option<Vec<u8>>>();
    bytes.and_then(|bytes| String::from_utf8(bytes).ok()).map_or_else(|| pattern.into(), Cow::from)
}

fn check(value: &Json) -> Result<(), Box<dyn std::error::Error>> {
    let Json::String(pattern) = value else { return Ok(()) };
    to_regex(pattern)?;
    Ok(())
}

/// Why Go refuses a pattern, if it does.
pub fn refusal(pattern: &str) -> Option<String> {
    to_regex(&written(pattern)).err()
}

/// A pointer to the `patternProperties` with a name that is marked as refused.
pub fn place(schema: &Json, name: &str) -> Option<String> {
    find(schema, name.strip_prefix(REFUSED)?)
}

fn find(schema: &Json, name: &str) -> Option<String> {
    match schema {
        Json::Array(items) => {
            items.iter().enumerate().find_map(|(index, item)| Some(format!("/{index}{}", find(item, name)?)))
        }
        Json::Object(keywords) => keywords.iter().find_map(|(keyword, value)| {
            let is_owner = keyword == "patternProperties" && value.get(name).is_some();
            let below = if is_owner { String::new() } else { find(value, name)? };
            Some(format!("/{}{below}", token(keyword)))
        }),
        _ => None,
    }
}

/// A name as a part of a JSON pointer.
pub fn token(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::chart::schema::Schema;

    fn verdict(schema: &Json, values: &Json) -> String {
        let schema = Schema::read(schema.to_string().as_bytes()).expect("a schema");
        schema.validate(values).err().unwrap_or_default()
    }

    #[test]
    fn what_go_refuses_is_refused_with_its_words() {
        let draft = "http://json-schema.org/draft-07/schema#";
        let head = format!(
            "\"file:///values.schema.json#\" is not valid against metaschema: jsonschema validation failed with '{draft}'\n"
        );
        for (pattern, reason) in [
            ("a{1001}", "invalid repeat count: `{1001}`"),
            ("(a{100}){100}", "invalid repeat count: `{100}`"),
            ("a(", "missing closing ): `a(`"),
            ("a(?=b)", "invalid or unsupported Perl syntax: `(?=`"),
        ] {
            let schema = json!({"$schema": draft, "properties": {"a": {"pattern": pattern}}});
            let expected = format!(
                "{head}- at '/properties/a/pattern': '{pattern}' is not valid regex: error parsing regexp: {reason}"
            );
            assert_eq!(verdict(&schema, &json!({})), expected);
            let schema = json!({"$schema": draft, "properties": {"a/b": {"patternProperties": {pattern: {}}}}});
            let expected = format!(
                "{head}- at '/properties/a~1b/patternProperties': invalid propertyName '{pattern}'\n  - at '': '{pattern}' \
                 is not valid regex: error parsing regexp: {reason}"
            );
            assert_eq!(verdict(&schema, &json!({})), expected);
            let schema =
                json!({"$schema": draft, "properties": {"a": {"format": "regex", "default": {"pattern": pattern}}}});
            let expected = format!("- at '/a': '{pattern}' is not valid regex: error parsing regexp: {reason}\n");
            assert_eq!(verdict(&schema, &json!({"a": pattern})), expected);
        }
    }

    #[test]
    fn older_drafts_refuse_names_at_their_compilation() {
        let schema = json!({"$schema": "http://json-schema.org/draft-04/schema#", "patternProperties": {"\\e": {}}});
        let expected = r#"invalid regex "\\e" at "file:///values.schema.json#/patternProperties": "#;
        assert_eq!(
            verdict(&schema, &json!({})),
            format!(r"{expected}error parsing regexp: invalid escape sequence: `\e`")
        );
    }

    #[test]
    fn patterns_match_as_in_go() {
        let cases = [
            // No space to Go, but to JavaScript.
            (r"^\s$", "\u{feff}", r"'\ufeff' does not match pattern '^\\s$'"),
            (r"^\s$", "\t", ""),
            ("^(?P<name>[[:upper:]]+)\\z", "ABC", ""),
            (r"^a{,2}\Q.\E$", "a{,2}.", ""),
            (r"^[\d-z]+$", "1-z", ""),
            (r"^[\d-z]+$", "a", r"'a' does not match pattern '^[\\d-z]+$'"),
        ];
        for (pattern, text, expected) in cases {
            let schema = json!({"properties": {"a": {"pattern": pattern}}});
            let line = if expected.is_empty() { String::new() } else { format!("- at '/a': {expected}\n") };
            assert_eq!(verdict(&schema, &json!({"a": text})), line, "{pattern}");
            let schema = json!({"patternProperties": {pattern: true}, "additionalProperties": false});
            assert_eq!(verdict(&schema, &json!({text: 1})).is_empty(), expected.is_empty(), "{pattern}");
        }
    }

    #[test]
    fn what_was_written_comes_back() {
        for pattern in ["a", "^a.b$", r"\d+", "é{2}", "(", "", "# )"] {
            assert_eq!(written(&rewritten(pattern)), pattern);
        }
    }
}
