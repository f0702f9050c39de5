//! Patterns in schemas. Helm reads them as Go's regular expressions, the library as JavaScript's.

use crate::template::functions::to_regex;
use crate::value::Json;

/// What stands before a pattern that Go refuses, so that the library refuses it too: nothing can be repeated there.
const REFUSED: &str = "*\u{10fffe}";

/// The format of patterns, whose check in the library cannot be replaced, under another name.
pub const FORMAT: boon::Format = boon::Format { name: "go-regex", func: check };

/// Keywords whose values are data.
const DATA: [&str; 4] = ["const", "default", "enum", "examples"];

/// Writes the patterns of a schema as the library reads them; those that Go refuses are marked.
///
/// The names in `patternProperties`, which other parts of the schema may refer to, stay as they are if they are patterns.
pub fn rewrite(schema: &mut Json) {
    match schema {
        Json::Array(items) => items.iter_mut().for_each(rewrite),
        Json::Object(keywords) => {
            for (keyword, value) in keywords {
                match (keyword.as_str(), value) {
                    ("pattern", Json::String(pattern)) => {
                        *pattern = to_regex(pattern).unwrap_or_else(|_| format!("{REFUSED}{pattern}"));
                    }
                    ("format", Json::String(format)) if format == "regex" => *format = FORMAT.name.to_owned(),
                    ("patternProperties", Json::Object(properties)) => {
                        properties.values_mut().for_each(rewrite);
                        let refused = properties.keys().filter(|name| to_regex(name).is_err());
                        for name in refused.cloned().collect::<Vec<_>>() {
                            let schema = properties.remove(&name).unwrap_or_default();
                            properties.insert(format!("{REFUSED}{name}"), schema);
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

fn check(value: &Json) -> Result<(), Box<dyn std::error::Error>> {
    let Json::String(pattern) = value else { return Ok(()) };
    to_regex(pattern)?;
    Ok(())
}

/// A pattern as it was written.
pub fn written(pattern: &str) -> &str {
    pattern.strip_prefix(REFUSED).unwrap_or(pattern)
}

/// Why Go refuses a pattern, if it does.
pub fn refusal(pattern: &str) -> Option<String> {
    to_regex(written(pattern)).err()
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
    fn patterns_match_as_in_go() {
        let pattern = json!({"properties": {"a": {"pattern": "^\\s$"}}});
        assert_eq!(verdict(&pattern, &json!({"a": "\t"})), "");
        // No space to Go, but to JavaScript.
        let refused = "- at '/a': '\u{feff}' does not match pattern '^\\\\s$'\n";
        assert_eq!(verdict(&pattern, &json!({"a": "\u{feff}"})), refused.replace('\u{feff}', "\\ufeff"));
        let named = json!({"properties": {"a": {"pattern": "^(?P<name>[[:upper:]]+)\\z"}}});
        assert_eq!(verdict(&named, &json!({"a": "ABC"})), "");
    }
}
