//! From text to nodes: the parse events of the first document, with its anchors (`yaml/v2/decode.go` parser).

use std::collections::HashMap;

use libyaml_safer::{Encoding, Error, ErrorKind, Event, EventData, Parser};

use super::MAX_DEPTH;

/// A position in [`Document::nodes`].
pub type NodeId = usize;

/// The nodes of a document, the root last known by [`Document::root`].
#[derive(Default)]
pub struct Document {
    pub nodes: Vec<Node>,
    /// Nothing for a stream without documents.
    pub root: Option<NodeId>,
}

/// A node and the line it starts on, counted from zero.
pub struct Node {
    pub line: u64,
    pub kind: NodeKind,
}

pub enum NodeKind {
    Scalar {
        value: String,
        /// The long form, `tag:yaml.org,2002:…`, for the standard tags.
        tag: Option<String>,
        /// Plain, so that its meaning is resolved.
        implicit: bool,
    },
    Alias {
        name: String,
        target: NodeId,
    },
    Sequence(Vec<NodeId>),
    /// Keys and values in turn.
    Mapping(Vec<NodeId>),
}

/// Reads the first document. The error is go-yaml's text without the prefix `yaml: `.
pub fn compose(text: &str) -> Result<Document, String> {
    let mut padded = text.strip_prefix('\u{FEFF}').unwrap_or(text).to_owned();
    let stripped = if padded.ends_with('\n') { None } else { Some(padded.len()) };
    if stripped.is_some() {
        padded.push('\n');
    }
    let mut input = padded.as_bytes();
    let mut parser = Parser::new();
    parser.set_encoding(Encoding::Utf8);
    parser.set_input_string(&mut input);
    let mut composer = Composer::default();
    loop {
        let event = parser.parse().map_err(|error| describe(&error))?;
        if composer.take(event)? {
            return Ok(composer.document);
        }
    }
}

/// go-yaml's text for a failure, with its idea of the line.
fn describe(error: &Error) -> String {
    let line_of = |mark: Option<libyaml_safer::Mark>| mark.map_or(0, |mark| mark.line);
    let line = match line_of(error.problem_mark()) {
        0 => line_of(error.context_mark()),
        line if error.kind() == ErrorKind::Scanner => line + 1,
        line => line,
    };
    match line {
        0 => error.problem().to_owned(),
        line => format!("line {line}: {}", error.problem()),
    }
}

#[derive(Default)]
struct Composer {
    document: Document,
    anchors: HashMap<String, NodeId>,
    /// The collections that are still open.
    open: Vec<NodeId>,
}

impl Composer {
    /// Takes one event; true once the document is complete.
    fn take(&mut self, event: Event) -> Result<bool, String> {
        let line = event.start_mark.line;
        match event.data {
            EventData::StreamStart { .. } | EventData::DocumentStart { .. } => {}
            EventData::StreamEnd | EventData::DocumentEnd { .. } => return Ok(true),
            EventData::Alias { anchor } => {
                let Some(target) = self.anchors.get(&anchor).copied() else {
                    return Err(format!("unknown anchor '{anchor}' referenced"));
                };
                self.add(line, None, NodeKind::Alias { name: anchor, target });
            }
            EventData::Scalar { anchor, tag, value, plain_implicit, .. } => {
                self.add(line, anchor, NodeKind::Scalar { value, tag, implicit: plain_implicit });
            }
            EventData::SequenceStart { anchor, .. } => self.open(line, anchor, NodeKind::Sequence(Vec::new()))?,
            EventData::MappingStart { anchor, .. } => self.open(line, anchor, NodeKind::Mapping(Vec::new()))?,
            EventData::SequenceEnd | EventData::MappingEnd => {
                self.open.pop();
            }
        }
        Ok(false)
    }

    fn add(&mut self, line: u64, anchor: Option<String>, kind: NodeKind) -> NodeId {
        let id = self.document.nodes.len();
        self.document.nodes.push(Node { line, kind });
        match self.open.last() {
            None => self.document.root = Some(id),
            Some(parent) => {
                if let NodeKind::Sequence(children) | NodeKind::Mapping(children) =
                    &mut self.document.nodes[*parent].kind
                {
                    children.push(id);
                }
            }
        }
        if let Some(anchor) = anchor {
            self.anchors.insert(anchor, id);
        }
        id
    }

    fn open(&mut self, line: u64, anchor: Option<String>, kind: NodeKind) -> Result<(), String> {
        if self.open.len() >= MAX_DEPTH {
            return Err(format!("line {}: exceeded max depth of {MAX_DEPTH}", line + 1));
        }
        let id = self.add(line, anchor, kind);
        self.open.push(id);
        Ok(())
    }
}
