//! The tokens of YAML.

use std::borrow::Cow;

/// What a token is.
#[derive(Clone, Debug, PartialEq)]
pub enum TokenKind<'a> {
    StreamStart,
    StreamEnd,
    VersionDirective { major: u8, minor: u8 },
    TagDirective { handle: String, prefix: String },
    DocumentStart,
    DocumentEnd,
    BlockSequenceStart,
    BlockMappingStart,
    BlockEnd,
    FlowSequenceStart,
    FlowSequenceEnd,
    FlowMappingStart,
    FlowMappingEnd,
    BlockEntry,
    FlowEntry,
    Key,
    Value,
    Alias(&'a str),
    Anchor(&'a str),
    Tag { handle: String, suffix: String },
    Scalar { value: Cow<'a, str>, plain: bool },
}

/// A token and its lines, counted from zero.
#[derive(Clone, Debug)]
pub struct Token<'a> {
    pub kind: TokenKind<'a>,
    pub line: usize,
    pub end_line: usize,
}

/// A place in the text: characters in all, line and column, counted from zero.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mark {
    pub index: usize,
    pub line: usize,
    pub column: usize,
}
