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

/// Nor are flow collections that are nested deeper.
const MAX_FLOW_DEPTH: usize = 8;

/// Longer keys are not judged: a key and its colon stand at most 1,024 characters apart.
const MAX_KEY: usize = 500;

/// The text with only the wanted members of the map at its root; nothing where the text is not plain enough to tell. A
/// wanted `a.b` asks for the member `b` of the member `a`.
pub fn wanted_members(text: &str, wanted: &[&str]) -> Option<String> {
    if !has_plain_characters(text) {
        return None;
    }
    let mut outline = Outline {
        collections: vec![Collection { indent: 0, is_list: false }],
        state: State::Complete,
        has_tabs: memchr::memchr(b'\t', text.as_bytes()).is_some(),
    };
    let mut kept = String::new();
    let (mut root, mut is_wanted) = ("", false);
    let mut start = 0;
    while start < text.len() {
        let end = memchr::memchr(b'\n', &text.as_bytes()[start..]).map_or(text.len(), |length| start + length);
        let next = text.len().min(end + 1);
        match outline.line(text.get(start..end)?)? {
            Some(Key { level: Level::Root, name }) => {
                root = name;
                is_wanted = wanted.iter().any(|path| is_on_path(path, root, None));
            }
            Some(Key { level: Level::Member, name }) => {
                is_wanted = wanted.iter().any(|path| is_on_path(path, root, Some(name)));
            }
            None => {}
        }
        if is_wanted {
            kept.push_str(text.get(start..next)?);
        }
        start = next;
    }
    (!root.is_empty()).then_some(kept)
}

/// Whether a wanted path leads to a member of the root, or to a member of that.
pub fn is_on_path(path: &str, root: &str, member: Option<&str>) -> bool {
    let (first, second) = path.split_once('.').map_or((path, None), |(first, second)| (first, Some(second)));
    let is_wanted = |second: &str| member.is_none_or(|member| second.eq_ignore_ascii_case(member));
    first.eq_ignore_ascii_case(root) && second.is_none_or(is_wanted)
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

/// Where a key is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    /// In the map at the root.
    Root,
    /// In a map that a key of the root leads to.
    Member,
}

/// A key of the outer two levels.
struct Key<'t> {
    level: Level,
    name: &'t str,
}

struct Outline {
    /// Innermost last; the map at the root is always there.
    collections: Vec<Collection>,
    state: State,
    /// Whether there is a tab anywhere in the text.
    has_tabs: bool,
}

impl Outline {
    /// Takes a line in. Nothing where it is not recognised; the key where the line begins a member of the outer levels.
    fn line<'t>(&mut self, line: &'t str) -> Option<Option<Key<'t>>> {
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
    fn content<'t>(&mut self, mut indent: usize, mut content: &'t str) -> Option<Option<Key<'t>>> {
        while is_item(content) {
            let rest = content.get(1..)?;
            let inner = rest.trim_start_matches(' ');
            indent += content.len() - inner.len();
            content = inner;
            if is_item(content) || key(content).is_some() {
                self.push(indent, is_item(content))?;
            } else {
                self.state = self.value(content).filter(|state| *state != State::Key)?;
                return Some(None);
            }
        }
        let (name, rest) = key(content)?;
        self.state = self.value(rest)?;
        Some(match self.collections.as_slice() {
            [_] if indent == 0 => Some(Key { level: Level::Root, name }),
            [_, Collection { is_list: false, .. }] => Some(Key { level: Level::Member, name }),
            _ => None,
        })
    }

    /// What a value on a line leaves open; nothing where it is not recognised.
    fn value(&self, text: &str) -> Option<State> {
        if self.has_tabs && text.contains('\t') {
            return None;
        }
        value(text)
    }
}

/// Whether a list's item begins here.
fn is_item(content: &str) -> bool {
    content.starts_with("- ")
}

/// A plain or quoted key of harmless characters, and what follows its colon.
pub fn key(content: &str) -> Option<(&str, &str)> {
    let (name, rest) = match content.as_bytes().first()? {
        b'"' | b'\'' => {
            let rest = quoted(content)?;
            let name = content.get(1..content.len() - rest.len() - 1)?;
            (!name.contains(['\\', '\''])).then_some((name, rest))?
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

/// What a value without tabs leaves open; nothing where it is not recognised.
fn value(text: &str) -> Option<State> {
    let text = text.trim_matches(' ');
    let may_be_comment = !text.starts_with(['\'', '"', '|', '>']);
    if may_be_comment && let Some(at) = memchr::memchr_iter(b'#', text.as_bytes()).find(|&at| is_comment(text, at)) {
        // Nothing continues a scalar behind a comment.
        let before = value(text.get(..at)?);
        return before.map(|state| if state == State::Plain { State::Complete } else { state });
    }
    match text.as_bytes() {
        [] | [b'#', ..] => Some(State::Key),
        b"|" | b"|-" | b"|+" | b">" | b">-" | b">+" => Some(State::Block(None)),
        [b'\'' | b'"', ..] => is_rest_empty(quoted(text)?).then_some(State::Complete),
        [b'[' | b'{', ..] => flow(text, 0)?.is_empty().then_some(State::Complete),
        [b'-', second, ..] if *second != b' ' => plain(text),
        [first, ..] if first.is_ascii_alphanumeric() || b"/._$(^+~\\".contains(first) => plain(text),
        _ => None,
    }
}

/// Whether nothing but a comment follows a quoted scalar.
fn is_rest_empty(rest: &str) -> bool {
    rest.is_empty() || (rest.starts_with(' ') && rest.trim_start_matches(' ').starts_with('#'))
}

/// Whether the number sign at a place other than the beginning begins a comment.
fn is_comment(text: &str, at: usize) -> bool {
    at.checked_sub(1).is_some_and(|before| text.as_bytes().get(before) == Some(&b' '))
}

/// A plain scalar's first line. Numbers may have no JSON form; they are asked about.
fn plain(text: &str) -> Option<State> {
    if !is_plain_text(text) || text.starts_with("---") || text.starts_with("...") {
        return None;
    }
    has_json_form(text).then_some(State::Plain)
}

/// Whether a plain scalar is no number, or one that JSON has.
fn has_json_form(text: &str) -> bool {
    let may_be_number = text.starts_with(['-', '+', '.']) || text.as_bytes().first().is_some_and(u8::is_ascii_digit);
    !may_be_number || !matches!(resolve(text), Resolved::Float(number) if !number.is_finite())
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

/// What follows the quoted scalar at the beginning of a text; nothing where it has any but the commonest escapes.
pub fn quoted(text: &str) -> Option<&str> {
    let bytes = text.as_bytes();
    let quote = *bytes.first()?;
    let mut at = 1;
    loop {
        at += memchr::memchr2(quote, b'\\', bytes.get(at..)?)?;
        match (bytes[at], bytes.get(at + 1)) {
            (b'\\', Some(b'"' | b'\\' | b'n' | b't')) if quote == b'"' => at += 2,
            (b'\\', _) if quote == b'\'' => at += 1,
            (b'\'', Some(b'\'')) => at += 2,
            (b'\\', _) => return None,
            _ => return text.get(at + 1..),
        }
    }
}

/// What follows the flow collection, quoted scalar or plain word at the beginning of a text.
fn flow(text: &str, depth: usize) -> Option<&str> {
    let end = match text.as_bytes().first()? {
        b'[' => ']',
        b'{' => '}',
        b'\'' | b'"' => return quoted(text),
        _ => return word(text).map(|(_, rest)| rest),
    };
    let mut rest = text.get(1..)?.trim_start_matches(' ');
    if let Some(rest) = rest.strip_prefix(end) {
        return Some(rest);
    }
    if depth >= MAX_FLOW_DEPTH {
        return None;
    }
    loop {
        if end == '}' {
            let (_, value) = key(rest)?;
            rest = value.trim_start_matches(' ');
        }
        rest = flow(rest, depth + 1)?.trim_start_matches(' ');
        match rest.strip_prefix(',') {
            Some(next) => rest = next.trim_start_matches(' '),
            None => return rest.strip_prefix(end),
        }
    }
}

/// A plain word in a flow collection, and what follows it.
fn word(text: &str) -> Option<(&str, &str)> {
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'/' | b'-');
    let length = text.as_bytes().iter().take_while(|byte| is_word(byte)).count();
    let (word, rest) = text.split_at_checked(length)?;
    let begins = word.starts_with(|c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '/'));
    let ends = rest.trim_start_matches(' ').starts_with([',', ']', '}']);
    (begins && ends && has_json_form(word)).then_some((word, rest))
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
    fn of_a_member_only_the_wanted_members_are_kept() {
        let text = "kind: K\nmetadata:\n  labels:\n    a: [b, \"c d\", {e: 1}]\n  name: \"x \\\"y\\\"\" # note\n  other:\n  - \
                    name: z\nspec:\n  name: 'it''s'\n";
        let kept = wanted_members(text, &["kind", "metadata.name"]);
        assert_eq!(kept.as_deref(), Some("kind: K\nmetadata:\n  name: \"x \\\"y\\\"\" # note\n"));
        assert_eq!(wanted_members(text, &["metadata.none", "x"]).as_deref(), Some("metadata:\n"));
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
            "a: [b,]\n",
            "a: [b] c\n",
            "a: [b c]\n",
            "a: {b}\n",
            "a: {b:c}\n",
            "a: {null: c}\n",
            "a: [.inf]\n",
            "a: \"b\"# c\n",
            "a: [*x]\n",
            "a: +.inf\n",
            "a: \"b\" c\n",
            "a: \"\\x\"\n",
            "a: 'b' 'c'\n",
            "'it''s': b\n",
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
