//! Leaving out of a text, before it is read, what a reader of a few members does not need.
//!
//! Most documents are block style of the plainest kind, line by line. Here the lines of such a document are checked
//! one after the other, without making anything of them; what is not recognised is left to the real reader. A document
//! that is recognised as a whole is valid, has no aliases, merges or tags, and all its keys and scalars have a JSON
//! form, so that the members that are not wanted can go.

use super::characters::first_forbidden;
use super::resolve::{Resolved, resolve};

/// Deeper documents are not judged.
const MAX_DEPTH: usize = 90;

/// Longer keys are not judged: a key and its colon stand at most 1,024 characters apart.
const MAX_KEY: usize = 500;

/// The text with only the wanted members of the map at its root; nothing where the text is not plain enough to tell.
pub fn wanted_members(text: &str, wanted: &[&str]) -> Option<String> {
    if !has_plain_characters(text) {
        return None;
    }
    let mut outline = Outline { collections: vec![Collection { indent: 0, is_list: false }], state: State::Complete };
    let mut kept = String::new();
    let mut is_wanted = false;
    let mut has_members = false;
    for line in text.split_inclusive('\n') {
        if let Some(key) = outline.line(line.strip_suffix('\n').unwrap_or(line))? {
            is_wanted = wanted.iter().any(|name| name.eq_ignore_ascii_case(key));
            has_members = true;
        }
        if is_wanted {
            kept.push_str(line);
        }
    }
    has_members.then_some(kept)
}

/// Whether all characters are allowed and a line feed is the only line break among them.
fn has_plain_characters(text: &str) -> bool {
    let chunk_has = |chunk: &[u8], is: fn(u8) -> bool| chunk.iter().fold(false, |found, &byte| found | is(byte));
    let is_control = |byte: u8| (byte < 0x20 && byte != b'\n' && byte != b'\t') || byte == 0x7F;
    let chunks = || text.as_bytes().chunks(64);
    if chunks().any(|chunk| chunk_has(chunk, is_control)) {
        return false;
    }
    if !chunks().any(|chunk| chunk_has(chunk, |byte| byte >= 0x80)) {
        return true;
    }
    first_forbidden(text).is_none() && !text.contains(['\u{85}', '\u{2028}', '\u{2029}', '\u{FEFF}'])
}

/// A map or list around the current line.
#[derive(Clone, Copy)]
struct Collection {
    indent: usize,
    is_list: bool,
}

/// What the line before left open.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing.
    Complete,
    /// A key without a value.
    Key,
    /// A plain scalar, which a deeper line continues.
    Plain,
    /// A block scalar, once its first line has said how deep it is.
    Block(Option<usize>),
}

struct Outline {
    /// Innermost last; the map at the root is always there.
    collections: Vec<Collection>,
    state: State,
}

impl Outline {
    /// Takes a line in. Nothing where it is not recognised; the key where the line begins a member of the root.
    fn line<'t>(&mut self, line: &'t str) -> Option<Option<&'t str>> {
        let bytes = line.as_bytes();
        let indent = bytes.iter().take_while(|&&byte| byte == b' ').count();
        if indent == bytes.len() {
            // Blanks before a block scalar's first line take part in finding its indentation.
            return (self.state != State::Block(None) || indent == 0).then_some(None);
        }
        if let State::Block(known) = self.state {
            if known.is_none() && bytes[indent] == b'\t' {
                return None;
            }
            let block = known.unwrap_or(indent);
            if indent >= block && block > self.indent() {
                self.state = State::Block(Some(block));
                return Some(None);
            }
            self.state = State::Complete;
        }
        match bytes[indent] {
            b'\t' => return None,
            b'#' => {
                if self.state == State::Plain {
                    self.state = State::Complete;
                }
                return Some(None);
            }
            _ => {}
        }
        let content = &line[indent..];
        if self.state == State::Plain && indent > self.indent() {
            return is_plain_text(content).then_some(None);
        }
        self.open(indent, is_item(content))?;
        self.content(indent, content)
    }

    /// The column of the innermost collection.
    fn indent(&self) -> usize {
        self.collections.last().map_or(0, |collection| collection.indent)
    }

    /// Ends the collections that a line at this column ends, and begins one where a key waits for it.
    fn open(&mut self, indent: usize, is_list: bool) -> Option<()> {
        let innermost = *self.collections.last()?;
        if self.state == State::Key && (indent > innermost.indent || (is_list && indent == innermost.indent)) {
            return self.push(indent, is_list);
        }
        while self.collections.len() > 1 && self.indent() > indent {
            self.collections.pop();
        }
        // A list may stand at the column of the key that it belongs to.
        if !is_list && self.collections.len() > 1 && self.collections.last()?.is_list {
            self.collections.pop();
        }
        let innermost = self.collections.last()?;
        (innermost.indent == indent && innermost.is_list == is_list).then_some(())
    }

    fn push(&mut self, indent: usize, is_list: bool) -> Option<()> {
        self.collections.push(Collection { indent, is_list });
        (self.collections.len() < MAX_DEPTH).then_some(())
    }

    /// The items, the key and the value on a line.
    fn content<'t>(&mut self, mut indent: usize, mut content: &'t str) -> Option<Option<&'t str>> {
        while is_item(content) {
            let rest = content.get(1..)?;
            let inner = rest.trim_start_matches(' ');
            indent += content.len() - inner.len();
            content = inner;
            if is_item(content) || key(content).is_some() {
                self.push(indent, is_item(content))?;
            } else {
                self.state = value(content).filter(|state| *state != State::Key)?;
                return Some(None);
            }
        }
        let (name, rest) = key(content)?;
        self.state = value(rest)?;
        Some((indent == 0 && self.collections.len() == 1).then_some(name))
    }
}

/// Whether a list's item begins here.
fn is_item(content: &str) -> bool {
    content.starts_with("- ")
}

/// A plain or quoted key of harmless characters, and what follows its colon.
fn key(content: &str) -> Option<(&str, &str)> {
    let (name, rest) = match content.as_bytes().first()? {
        quote @ (b'"' | b'\'') => {
            let inner = content.get(1..)?;
            let end = inner.find(char::from(*quote))?;
            let name = inner.get(..end)?;
            (!name.contains('\\')).then_some((name, inner.get(end + 1..)?))?
        }
        first if first.is_ascii_alphabetic() || *first == b'_' => {
            let is_key = |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'/' | b'-');
            let end = content.as_bytes().iter().take_while(is_key).count();
            let name = content.get(..end)?;
            // Null is no key.
            (!matches!(resolve(name), Resolved::Null)).then_some((name, content.get(end..)?))?
        }
        _ => return None,
    };
    let rest = rest.strip_prefix(':')?;
    (name != "<<" && name.len() < MAX_KEY && (rest.is_empty() || rest.starts_with(' '))).then_some((name, rest))
}

/// What a value on a line leaves open; nothing where it is not recognised.
fn value(text: &str) -> Option<State> {
    let text = text.trim_matches(' ');
    if text.contains('\t') {
        return None;
    }
    if let Some((before, _)) = text.split_once(" #").filter(|_| !text.starts_with(['\'', '"', '|', '>'])) {
        // Nothing continues a scalar behind a comment.
        return value(before).map(|state| if state == State::Plain { State::Complete } else { state });
    }
    match text.as_bytes() {
        [] | [b'#', ..] => Some(State::Key),
        b"{}" | b"[]" => Some(State::Complete),
        b"|" | b"|-" | b"|+" | b">" | b">-" | b">+" => Some(State::Block(None)),
        [b'\'', ..] => is_quoted(text, '\'').then_some(State::Complete),
        [b'"', ..] => is_quoted(text, '"').then_some(State::Complete),
        [b'-', second, ..] if *second != b' ' => plain(text),
        [first, ..] if first.is_ascii_alphanumeric() || matches!(first, b'/' | b'.' | b'_' | b'$' | b'(' | b'^') => {
            plain(text)
        }
        _ => None,
    }
}

/// A plain scalar's first line. Numbers may have no JSON form; they are asked about.
fn plain(text: &str) -> Option<State> {
    if !is_plain_text(text) || text.starts_with("---") || text.starts_with("...") {
        return None;
    }
    let may_be_number = text.starts_with(['-', '.']) || text.as_bytes()[0].is_ascii_digit();
    if may_be_number && matches!(resolve(text), Resolved::Float(number) if !number.is_finite()) {
        return None;
    }
    Some(State::Plain)
}

/// Whether nothing in the text ends a plain scalar.
fn is_plain_text(text: &str) -> bool {
    let ends = memchr::memchr3_iter(b':', b'#', b'\t', text.as_bytes()).any(|at| match text.as_bytes()[at] {
        b':' => matches!(text.as_bytes().get(at + 1), None | Some(b' ')),
        b'#' => at == 0 || text.as_bytes()[at - 1] == b' ',
        _ => true,
    });
    !ends
}

/// Whether the text is one quoted scalar without anything special in it.
fn is_quoted(text: &str, quote: char) -> bool {
    let inner = text.get(1..).and_then(|rest| rest.strip_suffix(quote));
    inner.is_some_and(|inner| !inner.contains([quote, '\\']))
}

#[cfg(test)]
mod tests {
    use super::wanted_members;

    const WANTED: [&str; 2] = ["kind", "metadata"];

    #[test]
    fn plain_documents_lose_what_is_not_wanted() {
        let text = "# note\nkind: K # note\nspec:\n  a: [] # note\n  list:\n  - b: 'x'\n    c: |-\n      {{ \n\n      d: e\n  - f\n\
                    metadata:\n  name: x\nrules:\n- - 1\n- text\n  goes on\nKind: L\n";
        let expected = "kind: K # note\nmetadata:\n  name: x\nKind: L\n";
        assert_eq!(wanted_members(text, &WANTED).as_deref(), Some(expected));
    }

    #[test]
    fn what_the_reader_could_refuse_is_left_to_it() {
        let texts = [
            "a: b: c\n",
            "a: *x\n",
            "a: &x b\n",
            "a: !!int x\n",
            "a: .inf\n",
            "null: a\n",
            "<<: a\n",
            "a: \"\\q\"\n",
            "a: 'b\n",
            "a: [b\n",
            "a:\n  b: c\n   d: e\n",
            "a:\n    b: c\n  d: e\n",
            "a: b\n- c\n",
            "- a\nb: c\n",
            "a:\n\tb: c\n",
            "a: |\n    \n  b\n",
            "a: |\n  \tb\n",
            "a\n",
            "--- a\n",
            "a: b\r\n",
            "a: b\u{85}",
            "",
        ];
        for text in texts {
            assert_eq!(wanted_members(text, &WANTED), None, "{text:?}");
        }
    }
}
