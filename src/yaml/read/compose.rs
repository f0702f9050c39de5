//! From tokens to nodes: the grammar of the first document (`yaml/v2/parserc.go`) and its anchors
//! (`yaml/v2/decode.go` parser).

use std::borrow::Cow;
use std::collections::HashMap;

use super::super::MAX_DEPTH;
use super::failure::{Failure, Layer};
use super::properties::Properties;
use super::scanner::{Scan, Scanner};
use super::token::{Token, TokenKind};

/// A position in [`Document::nodes`].
pub type NodeId = usize;

/// The nodes of a document.
#[derive(Default)]
pub struct Document<'a> {
    pub nodes: Vec<Node<'a>>,
    /// Nothing for a stream without documents.
    pub root: Option<NodeId>,
}

/// A node and the line it starts on, counted from zero.
pub struct Node<'a> {
    pub line: usize,
    pub kind: NodeKind<'a>,
}

pub enum NodeKind<'a> {
    Scalar {
        value: Cow<'a, str>,
        /// The long form, `tag:yaml.org,2002:…`, for the standard tags.
        tag: Option<Box<str>>,
        /// Plain, so that its meaning is resolved.
        implicit: bool,
    },
    Alias {
        name: &'a str,
        target: NodeId,
    },
    Sequence(Vec<NodeId>),
    /// Keys and values in turn.
    Mapping(Vec<NodeId>),
}

/// Reads the first document. The error is go-yaml's text without the prefix `yaml: `.
pub fn compose(text: &str) -> Result<Document<'_>, String> {
    let mut composer = Composer {
        scanner: Scanner::new(text),
        nodes: Vec::with_capacity(text.len() / 16),
        anchors: HashMap::new(),
        tag_prefixes: Vec::new(),
        open: Vec::new(),
    };
    let root = composer.document().map_err(|failure| failure.describe())?;
    if let Some(failure) = composer.scanner.forbidden_so_far() {
        return Err(failure.describe());
    }
    Ok(Document { nodes: composer.nodes, root })
}

/// Where a node stands, which decides what it may be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Position {
    Block,
    /// The value or key of a block mapping, where a list need not be indented.
    BlockOrIndentless,
    Flow,
}

/// A collection that is being read.
struct Open {
    id: NodeId,
    form: Form,
    /// The line of its first token.
    line: usize,
    /// What was read so far; in mappings, keys and values in turn.
    children: Vec<NodeId>,
    /// In a flow mapping: the last key stands alone, without a value.
    bare_key: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    BlockSequence,
    IndentlessSequence,
    BlockMapping,
    FlowSequence,
    FlowMapping,
    /// The one pair of a mapping that stands in a flow sequence without braces.
    SinglePair,
}

impl Form {
    fn empty_node(self) -> NodeKind<'static> {
        match self {
            Self::BlockSequence | Self::IndentlessSequence | Self::FlowSequence => NodeKind::Sequence(Vec::new()),
            Self::BlockMapping | Self::FlowMapping | Self::SinglePair => NodeKind::Mapping(Vec::new()),
        }
    }
}

/// What comes next in a collection.
enum Step {
    Node(Position),
    /// A node without content, on the given line.
    Empty(usize),
    /// A pair without braces, on the given line.
    Pair(usize),
    End,
}

pub(super) struct Composer<'a> {
    pub(super) scanner: Scanner<'a>,
    nodes: Vec<Node<'a>>,
    anchors: HashMap<&'a str, NodeId>,
    /// The handles of `%TAG` directives and what they stand for.
    pub(super) tag_prefixes: Vec<(String, String)>,
    /// The collections around the current token, outermost first.
    open: Vec<Open>,
}

impl<'a> Composer<'a> {
    pub(super) fn peek(&mut self) -> Scan<&Token<'a>> {
        self.scanner.peek()
    }

    fn next_is(&mut self, kinds: &[TokenKind<'static>]) -> Scan<bool> {
        let kind = &self.peek()?.kind;
        Ok(kinds.iter().any(|wanted| wanted == kind))
    }

    /// Takes the next token if it is the given one, and says on which line it ended.
    fn accept(&mut self, kind: &TokenKind<'static>) -> Scan<Option<usize>> {
        if self.next_is(std::slice::from_ref(kind))? {
            return self.scanner.take().map(|token| Some(token.end_line));
        }
        Ok(None)
    }

    /// A fault at the next token, within what began on the given line.
    pub(super) fn failure(&mut self, context_line: usize, problem: &'static str) -> Failure {
        match self.peek() {
            Ok(token) => {
                let line = token.line;
                self.fault(Layer::Parser, line, context_line, problem)
            }
            Err(failure) => failure,
        }
    }

    pub(super) fn fault(
        &self,
        layer: Layer,
        line: usize,
        context_line: usize,
        problem: impl Into<Cow<'static, str>>,
    ) -> Failure {
        let problem = problem.into();
        self.scanner.forbidden_so_far().unwrap_or(Failure { layer, problem, line, context_line })
    }

    fn add(&mut self, line: usize, anchor: Option<&'a str>, kind: NodeKind<'a>) -> NodeId {
        let id = self.nodes.len();
        self.nodes.push(Node { line, kind });
        if let Some(anchor) = anchor {
            self.anchors.insert(anchor, id);
        }
        if let Some(parent) = self.open.last_mut() {
            parent.children.push(id);
        }
        id
    }

    fn empty(&mut self, line: usize) -> NodeId {
        self.add(line, None, NodeKind::Scalar { value: Cow::Borrowed(""), tag: None, implicit: true })
    }

    fn open(&mut self, line: usize, anchor: Option<&'a str>, form: Form) -> Scan<NodeId> {
        if self.open.len() >= MAX_DEPTH {
            return Err(self.fault(Layer::Scanner, line, 0, format!("exceeded max depth of {MAX_DEPTH}")));
        }
        let id = self.add(line, anchor, form.empty_node());
        let line = match form {
            Form::IndentlessSequence | Form::SinglePair => line,
            _ => self.scanner.take()?.line,
        };
        self.open.push(Open { id, form, line, children: Vec::new(), bare_key: false });
        Ok(id)
    }

    fn close(&mut self) {
        let Some(closed) = self.open.pop() else { return };
        if let NodeKind::Sequence(children) | NodeKind::Mapping(children) = &mut self.nodes[closed.id].kind {
            *children = closed.children;
        }
    }

    fn document(&mut self) -> Scan<Option<NodeId>> {
        self.scanner.take()?;
        if self.next_is(&[TokenKind::StreamEnd])? {
            return Ok(None);
        }
        let explicit = matches!(
            self.peek()?.kind,
            TokenKind::VersionDirective { .. } | TokenKind::TagDirective { .. } | TokenKind::DocumentStart
        );
        self.directives()?;
        if explicit && self.accept(&TokenKind::DocumentStart)?.is_none() {
            return Err(self.failure(0, "did not find expected <document start>"));
        }
        let token = self.peek()?;
        let line = token.line;
        let empty = explicit
            && matches!(
                token.kind,
                TokenKind::VersionDirective { .. }
                    | TokenKind::TagDirective { .. }
                    | TokenKind::DocumentStart
                    | TokenKind::DocumentEnd
                    | TokenKind::StreamEnd
            );
        let root = if empty { self.empty(line) } else { self.node(Position::Block)? };
        while let Some(form) = self.open.last().map(|open| open.form) {
            match self.step(form)? {
                Step::Node(position) => self.node(position)?,
                Step::Empty(line) => self.empty(line),
                Step::Pair(line) => self.open(line, None, Form::SinglePair)?,
                Step::End => {
                    self.close();
                    continue;
                }
            };
        }
        self.peek()?;
        Ok(Some(root))
    }

    /// Reads a scalar or alias whole, or opens a collection.
    fn node(&mut self, position: Position) -> Scan<NodeId> {
        let token = self.peek()?;
        let line = token.line;
        if let TokenKind::Alias(name) = token.kind {
            let Some(target) = self.anchors.get(name).copied() else {
                return Err(self.fault(Layer::Composer, line, 0, format!("unknown anchor '{name}' referenced")));
            };
            self.scanner.take()?;
            return Ok(self.add(line, None, NodeKind::Alias { name, target }));
        }
        let properties = self.properties(line)?;
        self.content(position, line, properties)
    }

    fn content(&mut self, position: Position, line: usize, properties: Properties<'a>) -> Scan<NodeId> {
        let block = position != Position::Flow;
        let Properties { anchor, tag } = properties;
        let form = match &self.peek()?.kind {
            TokenKind::Scalar { .. } => return self.scalar(line, anchor, tag),
            TokenKind::BlockEntry if position == Position::BlockOrIndentless => Form::IndentlessSequence,
            TokenKind::FlowSequenceStart => Form::FlowSequence,
            TokenKind::FlowMappingStart => Form::FlowMapping,
            TokenKind::BlockSequenceStart if block => Form::BlockSequence,
            TokenKind::BlockMappingStart if block => Form::BlockMapping,
            _ if anchor.is_some() || tag.is_some() => {
                let implicit = tag.is_none();
                return Ok(self.add(line, anchor, NodeKind::Scalar { value: Cow::Borrowed(""), tag, implicit }));
            }
            _ => return Err(self.failure(line, "did not find expected node content")),
        };
        self.open(line, anchor, form)
    }

    fn scalar(&mut self, line: usize, anchor: Option<&'a str>, tag: Option<Box<str>>) -> Scan<NodeId> {
        let TokenKind::Scalar { value, plain } = self.scanner.take()?.kind else { return Ok(self.empty(line)) };
        let implicit = tag.as_deref().map_or(plain, |tag| tag == "!");
        Ok(self.add(line, anchor, NodeKind::Scalar { value, tag, implicit }))
    }

    fn step(&mut self, form: Form) -> Scan<Step> {
        match form {
            Form::BlockSequence => self.block_sequence_step(),
            Form::IndentlessSequence => self.indentless_sequence_step(),
            Form::BlockMapping => self.block_mapping_step(),
            Form::FlowSequence => self.flow_sequence_step(),
            Form::FlowMapping => self.flow_mapping_step(),
            Form::SinglePair => self.single_pair_step(),
        }
    }

    /// A node after an indicator, or an empty one where the next token cannot begin any.
    fn node_unless(&mut self, line: usize, position: Position, ends: &[TokenKind<'static>]) -> Scan<Step> {
        Ok(if self.next_is(ends)? { Step::Empty(line) } else { Step::Node(position) })
    }

    /// How many nodes the innermost collection has, and where it began.
    fn innermost(&self) -> (usize, usize) {
        self.open.last().map_or((0, 0), |open| (open.children.len(), open.line))
    }

    fn block_sequence_step(&mut self) -> Scan<Step> {
        if let Some(line) = self.accept(&TokenKind::BlockEntry)? {
            return self.node_unless(line, Position::Block, &[TokenKind::BlockEntry, TokenKind::BlockEnd]);
        }
        match self.accept(&TokenKind::BlockEnd)? {
            Some(_) => Ok(Step::End),
            None => Err(self.failure(self.innermost().1, "did not find expected '-' indicator")),
        }
    }

    fn indentless_sequence_step(&mut self) -> Scan<Step> {
        const ENDS: [TokenKind<'static>; 4] =
            [TokenKind::BlockEntry, TokenKind::Key, TokenKind::Value, TokenKind::BlockEnd];
        match self.accept(&TokenKind::BlockEntry)? {
            Some(line) => self.node_unless(line, Position::Block, &ENDS),
            None => Ok(Step::End),
        }
    }

    fn block_mapping_step(&mut self) -> Scan<Step> {
        const ENDS: [TokenKind<'static>; 3] = [TokenKind::Key, TokenKind::Value, TokenKind::BlockEnd];
        let (length, start) = self.innermost();
        let indicator = if length.is_multiple_of(2) { TokenKind::Key } else { TokenKind::Value };
        if let Some(line) = self.accept(&indicator)? {
            return self.node_unless(line, Position::BlockOrIndentless, &ENDS);
        }
        if indicator == TokenKind::Value {
            return Ok(Step::Empty(self.peek()?.line));
        }
        match self.accept(&TokenKind::BlockEnd)? {
            Some(_) => Ok(Step::End),
            None => Err(self.failure(start, "did not find expected key")),
        }
    }

    /// Passes the comma before another element of a flow collection; true at its end.
    fn flow_ends(&mut self, end: &TokenKind<'static>, problem: &'static str) -> Scan<bool> {
        let (length, start) = self.innermost();
        if length > 0 && !self.next_is(std::slice::from_ref(end))? && self.accept(&TokenKind::FlowEntry)?.is_none() {
            return Err(self.failure(start, problem));
        }
        Ok(self.accept(end)?.is_some())
    }

    fn flow_sequence_step(&mut self) -> Scan<Step> {
        if self.flow_ends(&TokenKind::FlowSequenceEnd, "did not find expected ',' or ']'")? {
            return Ok(Step::End);
        }
        let line = self.peek()?.line;
        Ok(match self.accept(&TokenKind::Key)? {
            Some(_) => Step::Pair(line),
            None => Step::Node(Position::Flow),
        })
    }

    /// A missing key swallows the token after it, as in libyaml.
    fn single_pair_step(&mut self) -> Scan<Step> {
        const ENDS: [TokenKind<'static>; 3] = [TokenKind::FlowEntry, TokenKind::FlowSequenceEnd, TokenKind::Value];
        match self.innermost().0 {
            0 if self.next_is(&ENDS)? => Ok(Step::Empty(self.scanner.take()?.end_line)),
            0 => Ok(Step::Node(Position::Flow)),
            1 => self.flow_value(&ENDS[..2]),
            _ => Ok(Step::End),
        }
    }

    fn flow_mapping_step(&mut self) -> Scan<Step> {
        const ENDS: [TokenKind<'static>; 3] = [TokenKind::FlowEntry, TokenKind::FlowMappingEnd, TokenKind::Value];
        if !self.innermost().0.is_multiple_of(2) {
            let bare = self.open.last_mut().is_some_and(|open| std::mem::take(&mut open.bare_key));
            return if bare { Ok(Step::Empty(self.peek()?.line)) } else { self.flow_value(&ENDS[..2]) };
        }
        if self.flow_ends(&TokenKind::FlowMappingEnd, "did not find expected ',' or '}'")? {
            return Ok(Step::End);
        }
        if self.accept(&TokenKind::Key)?.is_some() {
            let line = self.peek()?.line;
            return self.node_unless(line, Position::Flow, &ENDS);
        }
        if let Some(open) = self.open.last_mut() {
            open.bare_key = true;
        }
        Ok(Step::Node(Position::Flow))
    }

    /// The value of a pair in flow context.
    fn flow_value(&mut self, ends: &[TokenKind<'static>]) -> Scan<Step> {
        let line = self.peek()?.line;
        match self.accept(&TokenKind::Value)? {
            Some(_) => self.node_unless(line, Position::Flow, ends),
            None => Ok(Step::Empty(line)),
        }
    }
}
