//! The patterns of `.Files.Glob`: gobwas/glob with `/` as separator. `*` and `?` stop at `/`, `**` does not,
//! `{a,b*}` are alternatives, `[abc]`, `[a-z]` and `[!a]` are sets, `\` escapes.
//!
//! Matching advances a set of positions through the pattern, so its time is bounded by pattern times text.

use std::collections::BTreeSet;
use std::iter::Peekable;
use std::str::Chars;

/// A compiled pattern.
#[derive(Debug)]
pub struct Glob(Vec<Node>);

#[derive(Debug)]
enum Node {
    Character(char),
    /// `?`
    Single,
    /// `*`
    Any,
    /// `**`
    Super,
    Set {
        members: Members,
        negated: bool,
    },
    Alternatives(Vec<Vec<Node>>),
}

#[derive(Debug)]
enum Members {
    List(String),
    Range(char, char),
}

const SEPARATOR: char = '/';
/// How deep alternatives may nest.
const MAX_NESTING: usize = 100;

impl Glob {
    /// Reads a pattern; nothing where gobwas/glob refuses it.
    pub fn parse(pattern: &str) -> Option<Self> {
        let mut characters = pattern.chars().peekable();
        sequence(&mut characters, 0).map(Self)
    }

    /// Whether the whole text matches.
    pub fn matches(&self, text: &str) -> bool {
        advance(&self.0, text, BTreeSet::from([0])).contains(&text.len())
    }
}

/// Reads until the text's end, or inside alternatives until `,` or `}`, which stay.
fn sequence(characters: &mut Peekable<Chars<'_>>, level: usize) -> Option<Vec<Node>> {
    if level > MAX_NESTING {
        return None;
    }
    let mut nodes = Vec::new();
    while let Some(&character) = characters.peek() {
        if level > 0 && matches!(character, ',' | '}') {
            break;
        }
        characters.next();
        nodes.push(match character {
            '{' => Node::Alternatives(alternatives(characters, level + 1)?),
            '[' => set(characters)?,
            '?' => Node::Single,
            '*' if characters.next_if_eq(&'*').is_some() => Node::Super,
            '*' => Node::Any,
            '\\' => match characters.next() {
                Some(escaped) => Node::Character(escaped),
                None => break,
            },
            other => Node::Character(other),
        });
    }
    Some(nodes)
}

fn alternatives(characters: &mut Peekable<Chars<'_>>, level: usize) -> Option<Vec<Vec<Node>>> {
    let mut alternatives = Vec::new();
    loop {
        alternatives.push(sequence(characters, level)?);
        match characters.next() {
            Some(',') => {}
            _ => return Some(alternatives),
        }
    }
}

fn set(characters: &mut Peekable<Chars<'_>>) -> Option<Node> {
    let negated = characters.next_if_eq(&'!').is_some();
    let mut ahead = characters.clone();
    if let (Some(low), Some('-')) = (ahead.next(), ahead.next()) {
        let high = ahead.next()?;
        if ahead.next()? != ']' || high < low {
            return None;
        }
        *characters = ahead;
        return Some(Node::Set { members: Members::Range(low, high), negated });
    }
    let mut list = String::new();
    loop {
        match characters.next()? {
            ']' if list.is_empty() => return None,
            ']' => return Some(Node::Set { members: Members::List(list), negated }),
            '\\' => list.push(characters.next()?),
            other => list.push(other),
        }
    }
}

/// The positions after the nodes, from the positions before them.
fn advance(nodes: &[Node], text: &str, from: BTreeSet<usize>) -> BTreeSet<usize> {
    nodes.iter().fold(from, |positions, node| match node {
        Node::Alternatives(alternatives) => {
            alternatives.iter().flat_map(|nodes| advance(nodes, text, positions.clone())).collect()
        }
        Node::Any | Node::Super => spread(text, &positions, matches!(node, Node::Super)),
        _ => {
            let after = |position: usize| {
                let character = text[position..].chars().next()?;
                node.accepts(character).then(|| position + character.len_utf8())
            };
            positions.into_iter().filter_map(after).collect()
        }
    })
}

/// Every position that a star reaches.
fn spread(text: &str, from: &BTreeSet<usize>, across_separators: bool) -> BTreeSet<usize> {
    let mut reached = BTreeSet::new();
    for &start in from {
        for (offset, character) in text[start..].char_indices() {
            if !reached.insert(start + offset) || (character == SEPARATOR && !across_separators) {
                break;
            }
        }
        let rest = &text[start..];
        if across_separators || !rest.contains(SEPARATOR) {
            reached.insert(text.len());
        }
    }
    reached
}

impl Node {
    fn accepts(&self, character: char) -> bool {
        match self {
            Self::Character(wanted) => *wanted == character,
            Self::Single => character != SEPARATOR,
            Self::Set { members: Members::List(list), negated } => list.contains(character) != *negated,
            Self::Set { members: Members::Range(low, high), negated } => {
                (*low..=*high).contains(&character) != *negated
            }
            Self::Any | Self::Super | Self::Alternatives(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_gobwas() {
        let table = [
            ("files/*", "files/a.txt", true),
            ("files/*", "files/sub/a.txt", false),
            ("files/**", "files/sub/a.txt", true),
            ("**.json", "files/sub/a.json", true),
            ("*.json", "files/a.json", false),
            ("files/{a,b*}.txt", "files/bcd.txt", true),
            ("files/{a,b*}.txt", "files/c.txt", false),
            ("{x,{y,z}}", "z", true),
            ("file?.txt", "file1.txt", true),
            ("file?txt", "file/txt", false),
            ("[a-c].txt", "b.txt", true),
            ("[!a-c].txt", "b.txt", false),
            ("[xyz].txt", "z.txt", true),
            ("[!xyz].txt", "a.txt", true),
            ("a\\*b", "a*b", true),
            ("a\\*b", "axb", false),
            ("a,b}", "a,b}", true),
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("a*b*c", "abbbc", true),
            ("**/x", "a/b/x", true),
            ("**/x", "x", false),
        ];
        for (pattern, text, expected) in table {
            let glob = Glob::parse(pattern).expect(pattern);
            assert_eq!(glob.matches(text), expected, "{pattern} against {text}");
        }
    }

    #[test]
    fn malformed_sets_are_refused() {
        for pattern in ["[", "[]", "[a", "[z-a]", "[a-", "[a-bc]"] {
            assert!(Glob::parse(pattern).is_none(), "{pattern}");
        }
    }

    #[test]
    fn hostile_patterns_take_polynomial_time() {
        let pattern = "*a".repeat(60);
        let glob = Glob::parse(&pattern).expect("valid");
        assert!(!glob.matches(&format!("{}b", "a".repeat(2_000))));
    }
}
