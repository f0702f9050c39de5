//! The items that a TOML text consists of.

/// What an item is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ItemKind {
    Eof,
    Text,
    String,
    /// A string with escapes to replace.
    EscapedString,
    RawString,
    MultilineString,
    RawMultilineString,
    Bool,
    Integer,
    Float,
    Datetime,
    Array,
    ArrayEnd,
    TableStart,
    TableEnd,
    ArrayTableStart,
    ArrayTableEnd,
    KeyStart,
    KeyEnd,
    CommentStart,
    InlineTableStart,
    InlineTableEnd,
}

/// An item: its text and its line, counted from one.
#[derive(Clone, Copy, Debug)]
pub struct Item<'a> {
    pub kind: ItemKind,
    pub text: &'a str,
    pub line: usize,
}

/// A fault in the characters.
#[derive(Clone, Debug)]
pub struct Fault {
    pub message: String,
    pub line: usize,
}
