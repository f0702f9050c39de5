//! The API server's messages without the values that they quote.
//!
//! A refusal quotes what it refuses (`Invalid value: VALUE: rule`, `expected string, got &{VALUE}`), and that may be a
//! secret. What is kept is the rule. Where it is not certain where a value ends, everything after it is given up.

use crate::value::message::one_line;

/// What announces a value (`k8s.io/apimachinery/pkg/util/validation/field/errors.go`).
const ANNOUNCEMENTS: [&str; 4] = ["Invalid value: ", "Duplicate value: ", "Unsupported value: ", DUMP];
/// What announces a value in Go's own form, which nothing ends.
const DUMP: &str = ", got &";

/// A message on one line, without values.
pub(super) fn redacted(message: &str) -> String {
    one_line(&without_values(without_difference(message)))
}

/// The rule of a validation's message: `must be positive` of `Invalid value: -1: must be positive`.
pub(super) fn rule(message: &str) -> String {
    let rule = redacted(message);
    let kinds = ["invalid value: ", "unsupported value: ", "Forbidden: "];
    kinds.iter().find_map(|kind| rule.strip_prefix(kind)).unwrap_or(&rule).to_owned()
}

/// A message with every text in double quotes replaced.
pub(super) fn without_quotations(message: &str) -> String {
    let mut text = String::with_capacity(message.len());
    let mut rest = message;
    while let Some(start) = rest.find('"') {
        text.push_str(&rest[..start]);
        text.push_str("\"…\"");
        rest = after_quotation(&rest[start..]).unwrap_or_default();
    }
    text.push_str(rest);
    one_line(&text)
}

/// The message without the difference of two objects that some validations print below it.
fn without_difference(message: &str) -> &str {
    message.split("\n@@ ").next().unwrap_or_default()
}

fn without_values(message: &str) -> String {
    let mut text = String::with_capacity(message.len());
    let mut rest = message;
    while let Some((start, announcement)) = next_announcement(rest) {
        text.push_str(&rest[..start]);
        text.push_str(&kept(announcement));
        rest = if announcement == DUMP { "" } else { after_value(&rest[start + announcement.len()..]) };
    }
    text.push_str(rest);
    text
}

fn next_announcement(text: &str) -> Option<(usize, &'static str)> {
    let found = ANNOUNCEMENTS.iter().filter_map(|announcement| Some((text.find(announcement)?, *announcement)));
    found.min_by_key(|(start, _)| *start)
}

fn kept(announcement: &str) -> String {
    match announcement {
        DUMP => ", got something else".to_owned(),
        other => other.trim_end_matches([':', ' ']).to_lowercase(),
    }
}

/// What follows the value that the text starts with.
fn after_value(text: &str) -> &str {
    match text.chars().next() {
        Some('"') => after_quotation(text).unwrap_or_default(),
        Some('{' | '[') => after_json(text).unwrap_or_default(),
        _ => after_word(text).unwrap_or_default(),
    }
}

/// What follows a number, a plain word or a duration.
fn after_word(text: &str) -> Option<&str> {
    let (word, _) = text.split_once(": ")?;
    let plain = word.chars().all(|character| character.is_ascii_alphanumeric() || "+-.".contains(character));
    plain.then(|| &text[word.len()..])
}

/// What follows a text in double quotes, as Go's `%q` writes it.
fn after_quotation(text: &str) -> Option<&str> {
    let mut escaped = false;
    for (place, character) in text.char_indices().skip(1) {
        match character {
            '"' if !escaped => return Some(&text[place + 1..]),
            _ => escaped = character == '\\' && !escaped,
        }
    }
    None
}

fn after_json(text: &str) -> Option<&str> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<serde::de::IgnoredAny>();
    values.next()?.ok()?;
    Some(&text[values.byte_offset()..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_stay_and_values_go() {
        let table = [
            ("Invalid value: -1: must be greater than or equal to 0", "must be greater than or equal to 0"),
            (r#"Invalid value: {"a":{"b: c":"}"}}: field is immutable"#, "field is immutable"),
            (r#"Invalid value: "a: \"b\": c": a valid label must be short"#, "a valid label must be short"),
            (
                r#"Unsupported value: "Often": supported values: "Always", "Never""#,
                r#"supported values: "Always", "Never""#,
            ),
            (r#"Duplicate value: "hunter2""#, "duplicate value"),
            ("Invalid value: 5m0s: must be shorter", "must be shorter"),
            ("Invalid value: core.Secret{A:\"x: hunter2\"}", "invalid value"),
            ("Invalid value: {broken: hunter2", "invalid value"),
            ("Forbidden: updates are forbidden\n@@ -1 +1 @@\n-  hunter1\n+  hunter2", "updates are forbidden"),
            ("Required value", "Required value"),
        ];
        for (message, expected) in table {
            assert_eq!(rule(message), expected, "{message}");
        }
    }

    #[test]
    fn a_dump_takes_the_rest_of_the_message_with_it() {
        let message = ".data.k: expected string, got &value.valueUnstructured{Value:map[a:x: hunter2]}";
        assert_eq!(redacted(message), ".data.k: expected string, got something else");
        assert_eq!(redacted(".data: expected map, got &{[hunter2]}"), ".data: expected map, got something else");
    }

    #[test]
    fn quotations_go_where_any_may_be_a_value() {
        assert_eq!(without_quotations(r#"parsing time "hun\"ter" as "2006""#), r#"parsing time "…" as "…""#);
        assert_eq!(without_quotations("an open \"quotation"), "an open \"…\"");
    }
}
