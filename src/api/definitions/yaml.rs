//! Definitions as YAML text: block style, keys in order, every text quoted that could be read as something else.

use serde_json::Value;
use std::fmt::Write;

/// Writes a JSON value as one YAML document.
pub fn write(value: &Value) -> String {
    let mut text = String::new();
    block(&mut text, value, 0);
    text
}

/// Writes a value at the place after a key or a dash; what it writes ends with a line break.
fn block(text: &mut String, value: &Value, indent: usize) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (index, (key, value)) in map.iter().enumerate() {
                if index > 0 || indent == 0 {
                    pad(text, indent);
                }
                text.push_str(&scalar(key));
                text.push(':');
                nested(text, value, indent);
            }
        }
        Value::Array(list) if !list.is_empty() => {
            for (index, item) in list.iter().enumerate() {
                if index > 0 {
                    pad(text, indent);
                }
                text.push_str("- ");
                block(text, item, indent + 2);
            }
        }
        Value::String(content) => line(text, &scalar(content)),
        other => line(text, &other.to_string()),
    }
}

fn nested(text: &mut String, value: &Value, indent: usize) {
    let below = match value {
        Value::Object(map) if !map.is_empty() => indent + 2,
        Value::Array(list) if !list.is_empty() => indent,
        _ => {
            text.push(' ');
            return block(text, value, indent);
        }
    };
    text.push('\n');
    pad(text, below);
    block(text, value, below);
}

fn pad(text: &mut String, indent: usize) {
    text.extend(std::iter::repeat_n(' ', indent));
}

fn line(text: &mut String, content: &str) {
    // Writing to a `String` cannot fail.
    let _ = writeln!(text, "{content}");
}

/// A text as it is if it can only be read as a text, else in JSON's quotes, which YAML reads too.
fn scalar(content: &str) -> String {
    let plain = content.starts_with(|c: char| c.is_ascii_alphabetic() || c == '$')
        && content.chars().all(|c| c.is_ascii_alphanumeric() || " -_./$()".contains(c))
        && !content.ends_with(' ')
        && !["true", "false", "null", "yes", "no", "on", "off", "y", "n"]
            .iter()
            .any(|word| content.eq_ignore_ascii_case(word));
    if plain { content.to_owned() } else { Value::from(content).to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn maps_lists_and_texts_are_laid_out_as_kubectl_shows_them() {
        let value = json!({
            "a": {"b": [1, "two", {"c": null, "d": [true]}], "e": {}, "f": []},
            "g": "on", "h": "a: b", "i": "", "j": "plain words (here)",
        });
        let expected = "a:\n  b:\n  - 1\n  - two\n  - c: null\n    d:\n    - true\n  e: {}\n  f: []\n\
                        g: \"on\"\nh: \"a: b\"\ni: \"\"\nj: plain words (here)\n";
        assert_eq!(write(&value), expected);
    }
}
