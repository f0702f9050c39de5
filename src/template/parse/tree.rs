//! The tree of a parsed file: nodes in one arena, named by index, so that it is cheap to share and its depth costs no
//! stack to drop.
//!
//! Every node keeps its byte position and can be written back as Go writes it (`parse/node.go` String), because error
//! texts quote both.

use super::number::Number;
use crate::template::functions::Function;
use crate::template::print;
use crate::value::Str;

/// The index of a node in its file's arena.
pub(crate) type NodeId = u32;

/// A variable's name, interned per file; `$` is 0.
pub(crate) type VariableId = u32;

/// The id of `$`.
pub(crate) const ROOT_VARIABLE: VariableId = 0;

/// A name or constant text, one for all its occurrences in a file.
pub(crate) type StringId = u32;

/// A number's place among those of its file.
pub(crate) type NumberId = u32;

/// One node. It owns nothing, so that a tree is dropped without a look at its nodes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Node {
    pub(crate) position: u32,
    pub(crate) kind: NodeKind,
}

/// What a node is. Fields are the [`StringId`]s of their names.
#[derive(Clone, Copy, Debug)]
pub(crate) enum NodeKind {
    List(Children),
    Text(Place),
    Action(NodeId),
    If(Branch),
    With(Branch),
    Range(Branch),
    Break,
    Continue,
    Template { name: StringId, pipe: Option<NodeId> },
    Pipe(Pipe),
    Command(Children),
    Identifier(Callee),
    Variable { id: VariableId, fields: Children },
    Field(Children),
    Chain { node: NodeId, fields: Children },
    Dot,
    Nil,
    Bool(bool),
    Number(NumberId),
    String { quoted: Place, text: StringId },
}

/// A part of the text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(super) start: u32,
    pub(super) end: u32,
}

impl Place {
    /// The bytes there.
    pub(super) fn of(self, text: &[u8]) -> &[u8] {
        text.get(self.start as usize..self.end as usize).unwrap_or_default()
    }
}

/// Some nodes, variables or strings: a part of the file's list of them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Children {
    pub(super) start: u32,
    pub(super) length: u32,
}

/// A control structure: what decides, and what is run for it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Branch {
    pub(crate) pipe: NodeId,
    pub(crate) list: NodeId,
    pub(crate) otherwise: Option<NodeId>,
}

/// A pipeline, with the variables that it declares or assigns to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pipe {
    pub(crate) is_assignment: bool,
    pub(crate) variables: Children,
    pub(crate) commands: Children,
}

/// What an identifier calls. `and` and `or` do not evaluate all their arguments, `call` and `len` see more of them than
/// their values.
#[derive(Clone, Copy)]
pub(crate) enum Callee {
    And,
    Or,
    Call,
    Len,
    Function(&'static Function),
}

impl Callee {
    /// The name in templates.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::And => "and",
            Self::Or => "or",
            Self::Call => "call",
            Self::Len => "len",
            Self::Function(function) => function.name,
        }
    }
}

impl std::fmt::Debug for Callee {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// A template that a file defines, or the file's own.
#[derive(Debug)]
pub(crate) struct Definition {
    pub(crate) root: NodeId,
    /// Nothing but space and comments.
    pub(crate) is_blank: bool,
    /// The line at which Go notices that it is a second definition.
    pub(crate) line: u32,
}

/// One parsed file: immutable, `Send + Sync`, without a name of its own.
#[derive(Debug)]
pub struct Parsed {
    pub(super) text: Str,
    pub(super) nodes: Vec<Node>,
    pub(super) children: Vec<u32>,
    pub(super) variables: Vec<Str>,
    pub(super) strings: Vec<Str>,
    pub(super) numbers: Vec<Number>,
    pub(super) main: Definition,
    pub(super) definitions: Vec<(Str, Definition)>,
}

impl Parsed {
    /// The node of that index.
    pub(crate) fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id as usize]
    }

    /// The nodes of a list or command, the parts of a pipeline.
    pub(crate) fn children(&self, children: Children) -> &[u32] {
        &self.children[children.start as usize..][..children.length as usize]
    }

    /// A text node's bytes.
    pub(crate) fn text(&self, place: Place) -> &[u8] {
        place.of(self.text.as_bytes())
    }

    /// A name or constant text.
    pub(crate) fn string(&self, id: StringId) -> &Str {
        &self.strings[id as usize]
    }

    /// A number.
    pub(crate) fn number(&self, id: NumberId) -> &Number {
        &self.numbers[id as usize]
    }

    /// The file's own template.
    pub(crate) fn main(&self) -> &Definition {
        &self.main
    }

    /// What it defines, each name once.
    pub(crate) fn definitions(&self) -> &[(Str, Definition)] {
        &self.definitions
    }

    /// A variable's name, with its `$`.
    pub(crate) fn variable(&self, id: VariableId) -> &Str {
        &self.variables[id as usize]
    }

    /// Line and column of a node as error texts count them: lines from 1, columns in bytes from 0.
    pub(crate) fn location(&self, id: NodeId) -> (usize, usize) {
        let before = &self.text.as_bytes()[..self.node(id).position as usize];
        let line_start = before.iter().rposition(|&byte| byte == b'\n').map_or(0, |newline| newline + 1);
        let line = 1 + before.iter().filter(|&&byte| byte == b'\n').count();
        (line, before.len() - line_start)
    }

    /// The node as Go writes it.
    pub(crate) fn describe(&self, id: NodeId) -> Vec<u8> {
        Description { parsed: self, pending: vec![Piece::Node(id)] }.write()
    }
}

/// A part of a description that is still to be written.
#[derive(Clone, Copy)]
enum Piece<'t> {
    Node(NodeId),
    /// An operand: a pipeline stands in parentheses.
    Operand(NodeId),
    Text(&'t [u8]),
    Fields(Children),
}

/// Writes a node with a stack of its own: trees can be deeper than the thread's.
struct Description<'t> {
    parsed: &'t Parsed,
    /// What comes next is last.
    pending: Vec<Piece<'t>>,
}

impl<'t> Description<'t> {
    fn write(mut self) -> Vec<u8> {
        let mut out = Vec::new();
        while let Some(piece) = self.pending.pop() {
            match piece {
                Piece::Text(text) => out.extend_from_slice(text),
                Piece::Fields(fields) => {
                    for &field in self.parsed.children(fields) {
                        out.push(b'.');
                        out.extend_from_slice(self.parsed.string(field).as_bytes());
                    }
                }
                Piece::Operand(id) if matches!(self.parsed.node(id).kind, NodeKind::Pipe(_)) => {
                    self.next([Piece::Text(b"("), Piece::Node(id), Piece::Text(b")")]);
                }
                Piece::Node(id) | Piece::Operand(id) => self.open(id, &mut out),
            }
        }
        out
    }

    /// Puts pieces before everything that is pending.
    fn next(&mut self, pieces: impl IntoIterator<Item = Piece<'t>, IntoIter: DoubleEndedIterator>) {
        self.pending.extend(pieces.into_iter().rev());
    }

    fn open(&mut self, id: NodeId, out: &mut Vec<u8>) {
        let parsed = self.parsed;
        match &parsed.node(id).kind {
            NodeKind::List(nodes) => self.next(parsed.children(*nodes).iter().map(|&node| Piece::Node(node))),
            NodeKind::Text(place) => out.extend_from_slice(parsed.text(*place)),
            NodeKind::Action(pipe) => self.next([Piece::Text(b"{{"), Piece::Node(*pipe), Piece::Text(b"}}")]),
            NodeKind::If(branch) => self.open_branch(b"{{if ", branch),
            NodeKind::With(branch) => self.open_branch(b"{{with ", branch),
            NodeKind::Range(branch) => self.open_branch(b"{{range ", branch),
            NodeKind::Break => out.extend_from_slice(b"{{break}}"),
            NodeKind::Continue => out.extend_from_slice(b"{{continue}}"),
            NodeKind::Template { name, pipe } => {
                out.extend_from_slice(b"{{template ");
                out.extend_from_slice(&print::quote(parsed.string(*name).as_bytes()));
                self.next([Piece::Text(b"}}")]);
                self.next(pipe.iter().flat_map(|&pipe| [Piece::Text(b" "), Piece::Node(pipe)]));
            }
            NodeKind::Pipe(pipe) => self.open_pipe(pipe, out),
            NodeKind::Command(words) => {
                let separated =
                    parsed.children(*words).iter().flat_map(|&word| [Piece::Text(b" "), Piece::Operand(word)]);
                self.next(separated.collect::<Vec<_>>().into_iter().skip(1));
            }
            NodeKind::Identifier(callee) => out.extend_from_slice(callee.name().as_bytes()),
            NodeKind::Variable { id, fields } => {
                out.extend_from_slice(parsed.variable(*id).as_bytes());
                self.next([Piece::Fields(*fields)]);
            }
            NodeKind::Field(fields) => self.next([Piece::Fields(*fields)]),
            NodeKind::Chain { node, fields } => self.next([Piece::Operand(*node), Piece::Fields(*fields)]),
            NodeKind::Dot => out.push(b'.'),
            NodeKind::Nil => out.extend_from_slice(b"nil"),
            NodeKind::Bool(value) => out.extend_from_slice(value.to_string().as_bytes()),
            NodeKind::Number(number) => out.extend_from_slice(parsed.number(*number).text.as_bytes()),
            NodeKind::String { quoted, .. } => out.extend_from_slice(parsed.text(*quoted)),
        }
    }

    fn open_branch(&mut self, start: &'static [u8], branch: &Branch) {
        self.next([Piece::Text(b"{{end}}")]);
        self.next(branch.otherwise.iter().flat_map(|&list| [Piece::Text(b"{{else}}"), Piece::Node(list)]));
        self.next([Piece::Text(start), Piece::Node(branch.pipe), Piece::Text(b"}}"), Piece::Node(branch.list)]);
    }

    fn open_pipe(&mut self, pipe: &Pipe, out: &mut Vec<u8>) {
        let (variables, commands) = (self.parsed.children(pipe.variables), self.parsed.children(pipe.commands));
        for (index, &variable) in variables.iter().enumerate() {
            out.extend_from_slice(if index > 0 { b", " } else { b"" });
            out.extend_from_slice(self.parsed.variable(variable).as_bytes());
        }
        if !variables.is_empty() {
            out.extend_from_slice(if pipe.is_assignment { b" = " } else { b" := " });
        }
        let separated = commands.iter().flat_map(|&command| [Piece::Text(b" | "), Piece::Node(command)]);
        self.next(separated.collect::<Vec<_>>().into_iter().skip(1));
    }
}
