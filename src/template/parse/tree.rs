//! The tree of a parsed file: nodes in one arena, named by index, so that it is cheap to share and its depth costs no
//! stack to drop.
//!
//! Every node keeps its byte position and can be written back as Go writes it (`parse/node.go` String), because error
//! texts quote both.

use std::ops::Range;

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

/// One node.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) position: u32,
    pub(crate) kind: NodeKind,
}

/// What a node is.
#[derive(Debug)]
pub(crate) enum NodeKind {
    List(Box<[NodeId]>),
    Text(Range<usize>),
    Action(NodeId),
    If(Branch),
    With(Branch),
    Range(Branch),
    Break,
    Continue,
    Template { name: Str, pipe: Option<NodeId> },
    Pipe(Pipe),
    Command(Box<[NodeId]>),
    Identifier { name: Box<str>, callee: Callee },
    Variable { id: VariableId, fields: Box<[Str]> },
    Field(Box<[Str]>),
    Chain { node: NodeId, fields: Box<[Str]> },
    Dot,
    Nil,
    Bool(bool),
    Number(Box<Number>),
    String { quoted: Range<usize>, text: Str },
}

/// A control structure: what decides, and what is run for it.
#[derive(Debug)]
pub(crate) struct Branch {
    pub(crate) pipe: NodeId,
    pub(crate) list: NodeId,
    pub(crate) otherwise: Option<NodeId>,
}

/// A pipeline, with the variables that it declares or assigns to.
#[derive(Debug)]
pub(crate) struct Pipe {
    pub(crate) is_assignment: bool,
    pub(crate) variables: Box<[VariableId]>,
    pub(crate) commands: Box<[NodeId]>,
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

impl std::fmt::Debug for Callee {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::And => "and",
            Self::Or => "or",
            Self::Call => "call",
            Self::Len => "len",
            Self::Function(function) => function.name,
        })
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
    pub(super) text: Box<[u8]>,
    pub(super) nodes: Vec<Node>,
    pub(super) variables: Vec<Str>,
    pub(super) main: Definition,
    pub(super) definitions: Vec<(Str, Definition)>,
}

impl Parsed {
    /// The node of that index.
    pub(crate) fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id as usize]
    }

    /// A text node's bytes.
    pub(crate) fn text(&self, range: &Range<usize>) -> &[u8] {
        &self.text[range.clone()]
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
        let before = &self.text[..self.node(id).position as usize];
        let line_start = before.iter().rposition(|&byte| byte == b'\n').map_or(0, |newline| newline + 1);
        let line = 1 + before.iter().filter(|&&byte| byte == b'\n').count();
        (line, before.len() - line_start)
    }

    /// The node as Go writes it.
    pub(crate) fn describe(&self, id: NodeId) -> Vec<u8> {
        let mut out = Vec::new();
        self.write(id, &mut out);
        out
    }

    fn write(&self, id: NodeId, out: &mut Vec<u8>) {
        match &self.node(id).kind {
            NodeKind::List(nodes) => nodes.iter().for_each(|&node| self.write(node, out)),
            NodeKind::Text(range) => out.extend_from_slice(self.text(range)),
            NodeKind::Action(pipe) => {
                out.extend_from_slice(b"{{");
                self.write(*pipe, out);
                out.extend_from_slice(b"}}");
            }
            NodeKind::If(branch) => self.write_branch("if", branch, out),
            NodeKind::With(branch) => self.write_branch("with", branch, out),
            NodeKind::Range(branch) => self.write_branch("range", branch, out),
            NodeKind::Break => out.extend_from_slice(b"{{break}}"),
            NodeKind::Continue => out.extend_from_slice(b"{{continue}}"),
            NodeKind::Template { name, pipe } => self.write_template(name, *pipe, out),
            NodeKind::Pipe(pipe) => self.write_pipe(pipe, out),
            NodeKind::Command(arguments) => self.write_command(arguments, out),
            NodeKind::Identifier { name, .. } => out.extend_from_slice(name.as_bytes()),
            NodeKind::Variable { id, fields } => {
                out.extend_from_slice(self.variable(*id).as_bytes());
                write_fields(fields, out);
            }
            NodeKind::Field(fields) => write_fields(fields, out),
            NodeKind::Chain { node, fields } => {
                self.write_operand(*node, out);
                write_fields(fields, out);
            }
            NodeKind::Dot => out.push(b'.'),
            NodeKind::Nil => out.extend_from_slice(b"nil"),
            NodeKind::Bool(value) => out.extend_from_slice(value.to_string().as_bytes()),
            NodeKind::Number(number) => out.extend_from_slice(number.text.as_bytes()),
            NodeKind::String { quoted, .. } => out.extend_from_slice(self.text(quoted)),
        }
    }

    fn write_branch(&self, word: &str, branch: &Branch, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{{");
        out.extend_from_slice(word.as_bytes());
        out.push(b' ');
        self.write(branch.pipe, out);
        out.extend_from_slice(b"}}");
        self.write(branch.list, out);
        if let Some(otherwise) = branch.otherwise {
            out.extend_from_slice(b"{{else}}");
            self.write(otherwise, out);
        }
        out.extend_from_slice(b"{{end}}");
    }

    fn write_template(&self, name: &Str, pipe: Option<NodeId>, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{{template ");
        out.extend_from_slice(&print::quote(name.as_bytes()));
        if let Some(pipe) = pipe {
            out.push(b' ');
            self.write(pipe, out);
        }
        out.extend_from_slice(b"}}");
    }

    fn write_pipe(&self, pipe: &Pipe, out: &mut Vec<u8>) {
        for (index, &variable) in pipe.variables.iter().enumerate() {
            out.extend_from_slice(if index > 0 { b", " } else { b"" });
            out.extend_from_slice(self.variable(variable).as_bytes());
        }
        if !pipe.variables.is_empty() {
            out.extend_from_slice(if pipe.is_assignment { b" = " } else { b" := " });
        }
        for (index, &command) in pipe.commands.iter().enumerate() {
            out.extend_from_slice(if index > 0 { b" | " } else { b"" });
            self.write(command, out);
        }
    }

    fn write_command(&self, arguments: &[NodeId], out: &mut Vec<u8>) {
        for (index, &argument) in arguments.iter().enumerate() {
            out.extend_from_slice(if index > 0 { b" " } else { b"" });
            self.write_operand(argument, out);
        }
    }

    /// An operand, a pipeline in parentheses.
    fn write_operand(&self, id: NodeId, out: &mut Vec<u8>) {
        if matches!(self.node(id).kind, NodeKind::Pipe(_)) {
            out.push(b'(');
            self.write(id, out);
            out.push(b')');
        } else {
            self.write(id, out);
        }
    }
}

fn write_fields(fields: &[Str], out: &mut Vec<u8>) {
    for field in fields {
        out.push(b'.');
        out.extend_from_slice(field.as_bytes());
    }
}
