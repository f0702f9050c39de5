//! What differs between the inputs of two states of a release: the values that were given, and the defaults of the chart.
//! Of what comes from Secrets only the names are told.

use super::edit::compare;
use super::get::user_values;
use super::screen::{Screen, Tone};
use crate::cluster::object::with_integers;
use crate::value::Json;

/// What stands for a value of a Secret.
const HIDDEN: &str = "(hidden)";

/// The inputs of a state of a release.
#[derive(Clone, Debug)]
pub struct Inputs {
    /// The values that were given.
    pub given: Json,
    /// The defaults of the chart.
    pub defaults: Json,
}

/// What differs, a line each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    given: Vec<String>,
    defaults: Vec<String>,
}

/// Which values are not shown.
#[derive(Clone, Debug)]
pub enum Hidden {
    /// Those that are among these.
    These(Json),
    /// All: it is not known which of them are secret.
    All,
}

impl Hidden {
    fn hides(&self, path: &str) -> bool {
        match self {
            Self::All => true,
            Self::These(secret) => {
                let mut value = secret;
                // A path that ends before the secret value does holds it, one that goes on is within it.
                for name in path.split('.').filter(|name| !name.is_empty()) {
                    let name = name.split('[').next().unwrap_or_default();
                    match value.get(name) {
                        Some(below) => value = below,
                        None => return !value.is_object(),
                    }
                }
                !value.as_object().is_some_and(serde_json::Map::is_empty) && !value.is_null()
            }
        }
    }
}

impl Changes {
    /// What differs between two states.
    pub fn between(from: Inputs, to: Inputs, hidden: &Hidden) -> Self {
        let lines = |old: Json, new: Json| {
            let mut lines = Vec::new();
            compare("", Some(&old), Some(&new), &mut lines);
            lines
        };
        let shown = |line: String| match line.split_once(": ") {
            Some((path, _)) if hidden.hides(path) => format!("{path}: {HIDDEN}"),
            _ => line,
        };
        let given = lines(user_values(from.given), user_values(to.given)).into_iter().map(shown).collect();
        Self { given, defaults: lines(with_integers(from.defaults), with_integers(to.defaults)) }
    }

    /// Whether nothing differs.
    pub fn are_none(&self) -> bool {
        self.given.is_empty() && self.defaults.is_empty()
    }

    /// For programs.
    pub fn data(&self) -> Json {
        serde_json::json!({"values": self.given, "defaults": self.defaults})
    }

    /// For people.
    pub fn text(&self, screen: &Screen) -> String {
        let mut text = String::new();
        for (head, lines) in [("values", &self.given), ("defaults of the chart", &self.defaults)] {
            if !lines.is_empty() {
                text.push_str(&format!("\n{} {head} changed\n", screen.paint(Tone::Uneasy, "~")));
                lines.iter().for_each(|line| text.push_str(&format!("    {line}\n")));
            }
        }
        text.push_str(&format!("\n{} values, {} defaults changed\n", self.given.len(), self.defaults.len()));
        text
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn given_values_and_defaults_are_told_apart_and_secrets_are_hidden() {
        let from = Inputs { given: json!({"a": 1.0, "db": {"word": "x", "port": 1.0}}), defaults: json!({"tag": "1"}) };
        let to = Inputs { given: json!({"a": 2.0, "db": {"word": "y", "port": 2.0}}), defaults: json!({"tag": "2"}) };
        let hidden = Hidden::These(json!({"db": {"word": "y"}}));
        let changes = Changes::between(from.clone(), to.clone(), &hidden);
        let expected = "
~ values changed
    .a: 1 -> 2
    .db.port: 1 -> 2
    .db.word: (hidden)

~ defaults of the chart changed
    .tag: \"1\" -> \"2\"

3 values, 1 defaults changed
";
        assert_eq!(changes.text(&Screen::of_process()), expected);
        assert!(Changes::between(from.clone(), from.clone(), &hidden).are_none());
        let all = Changes::between(from, to, &Hidden::All);
        assert_eq!(all.given, [".a: (hidden)", ".db.port: (hidden)", ".db.word: (hidden)"]);
    }

    #[test]
    fn a_map_that_holds_a_secret_is_hidden_as_a_whole() {
        let hidden = Hidden::These(json!({"db": {"word": "y"}, "list": ["x"]}));
        for (path, expected) in
            [(".db", true), (".db.word", true), (".db.port", false), (".list[0].x", true), (".a", false)]
        {
            assert_eq!(hidden.hides(path), expected, "{path}");
        }
    }
}
