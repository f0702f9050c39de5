//! Maps of scalars, line by line: what the head of most documents is made of.
//!
//! The text is one that [`outline`](super::outline) has found to be valid, so that only its meaning is read here. What is
//! more than a scalar on a line of its own is left to the real reader.

use std::iter::Peekable;

use serde_json::Map;

use super::decode::resolved;
use super::outline::{key, quoted};
use super::resolve::{Resolved, resolve};
use crate::value::Json;

/// The map that the text is; nothing where it is more than maps of scalars without comments.
pub fn map(text: &str) -> Option<Json> {
    let mut lines = text.split('\n').filter(|line| !line.trim_matches(' ').is_empty()).peekable();
    let members = members(&mut lines, 0)?;
    lines.peek().is_none().then_some(Json::Object(members))
}

/// The members at a column.
fn members<'t>(lines: &mut Peekable<impl Iterator<Item = &'t str>>, column: usize) -> Option<Map<String, Json>> {
    let mut members = Map::new();
    while let Some(line) = lines.next_if(|line| indent(line) == column) {
        let (name, rest) = key(&line[column..])?;
        let is_quoted = line[column..].starts_with(['"', '\'']);
        if !is_quoted && resolve(name) != Resolved::Text {
            return None;
        }
        let value = match (rest.trim_matches(' '), lines.peek().map(|next| indent(next))) {
            ("", Some(inner)) if inner > column => Json::Object(self::members(lines, inner)?),
            ("", _) => Json::Null,
            (_, Some(inner)) if inner > column => return None,
            (text, _) => scalar(text)?,
        };
        members.insert(name.to_owned(), value);
    }
    // What stands at no column of a map around is not judged here.
    lines.peek().is_none_or(|line| indent(line) < column).then_some(members)
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}

fn scalar(text: &str) -> Option<Json> {
    match text.as_bytes().first()? {
        b'"' | b'\'' => {
            let inner = text.get(1..text.len() - 1)?;
            (quoted(text)?.is_empty() && !inner.contains(['\\', '\''])).then(|| Json::from(inner))
        }
        first if first.is_ascii_alphanumeric() || *first == b'/' => {
            if text.contains(" #") {
                None
            } else {
                resolved(resolve(text), text).into_json().ok()
            }
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::map;
    use crate::yaml::parse;

    #[test]
    fn maps_of_scalars_are_those_of_the_reader() {
        let texts = [
            "kind: K\n",
            "apiVersion: v1\nkind: \"K\"\nmetadata:\n  name: 'a b'\n  annotations:\n\n    a.b/c: \"true\"\n    d: 5\n    e: 1e3\n",
            "kind: K\nmetadata:\n",
            "metadata:\n  name:\n  annotations:\n    a: b",
            "metadata:\n    name: x  \nkind: Null\n",
            "kind: yes\nkind: 0x10\na: 2020-01-01\nb: /x\nc: null\nd: 1_000\n",
            "\"kind\": K\n'metadata':\n  \"true\": x\n",
            "kind: K'\nname: a\"b\nother: a#b\ndash: 1 - 2\n",
        ];
        for text in texts {
            assert_eq!(map(text), parse(text).ok(), "{text:?}");
        }
    }

    #[test]
    fn what_is_more_is_left_to_the_reader() {
        let texts = [
            "kind: K # note\n",
            "# note\nkind: K\n",
            "kind: K\n  goes on\n",
            "kind:\n  K\n",
            "kind: |\n  K\n",
            "kind: [K]\n",
            "kind: {}\n",
            "kind: .5\n",
            "kind: ~\n",
            "kind: \"\\n\"\n",
            "kind: 'it''s'\n",
            "metadata:\n- a\n",
            "metadata:\n  - a: b\n",
            "true: x\n",
            "on: x\n",
            "metadata:\n  name: x\n name: y\n",
        ];
        for text in texts {
            assert_eq!(map(text), None, "{text:?}");
        }
    }
}
