//! What is secret among the values of a request, and texts without it.
//!
//! A template or a schema may quote the value that it refuses, and notes may show one. Status, events and logs have more
//! readers than Secrets, so what came from a Secret is taken out of them.

use std::collections::BTreeSet;

use crate::controller::failure::Failure;
use crate::value::Json;
use crate::value::message::one_line;

/// Shorter texts are not taken out: they are parts of other words, and a message without them would say nothing.
const SHORTEST: usize = 4;
/// What stands in the place of a secret.
const CONCEALED: &str = "…";

/// The texts that came from Secrets. Not for showing.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secrets {
    texts: BTreeSet<String>,
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Secrets").field("texts", &self.texts.len()).finish()
    }
}

impl Secrets {
    /// Adds every text and number among values.
    pub fn add(&mut self, values: &Json) {
        match values {
            Json::String(text) => self.add_text(text),
            Json::Number(number) => {
                let number = number.to_string();
                self.add_text(number.strip_suffix(".0").unwrap_or(&number));
            }
            Json::Array(items) => items.iter().for_each(|item| self.add(item)),
            Json::Object(entries) => entries.values().for_each(|entry| self.add(entry)),
            Json::Null | Json::Bool(_) => {}
        }
    }

    /// Adds every word of a text.
    pub fn add_words(&mut self, text: &str) {
        text.split_whitespace().for_each(|word| self.add_text(word));
    }

    /// Adds the lines of a text, because messages are on one line whatever they quote.
    fn add_text(&mut self, text: &str) {
        let lines = text.lines().flat_map(|line| [line.trim().to_owned(), one_line(line)]);
        self.texts.extend(lines.filter(|line| line.len() >= SHORTEST));
    }

    /// A text without the secrets.
    pub fn conceal(&self, text: &str) -> String {
        let mut longest_first: Vec<&String> = self.texts.iter().filter(|secret| text.contains(*secret)).collect();
        longest_first.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        longest_first.into_iter().fold(text.to_owned(), |text, secret| text.replace(secret, CONCEALED))
    }

    /// A failure whose message is without the secrets.
    pub fn concealed(&self, failure: Failure) -> Failure {
        let log = failure.log.as_deref().map(|log| self.conceal(log));
        Failure { log, retries: failure.retries, ..Failure::new(failure.reason, self.conceal(&failure.message)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_came_from_secrets_is_taken_out_and_the_rest_stays() {
        let mut secrets = Secrets::default();
        secrets.add(
            &json!({"a": [{"b": "hunter2"}, 12_345_678.0], "short": "web", "on": true, "long": "hunter2 and more"}),
        );
        secrets.add(&json!({"key": "-----BEGIN\n  line one\n"}));
        let table = [
            ("web: 'hunter2' does not match", "web: '…' does not match"),
            ("hunter2 and more", "…"),
            ("-----BEGIN line one of 12345678", "… … of …"),
            ("true", "true"),
        ];
        for (text, expected) in table {
            assert_eq!(secrets.conceal(text), expected);
        }
        assert!(!format!("{secrets:?}").contains("hunter2"));
    }
}
