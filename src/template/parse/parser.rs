//! The parser's state and the top of its grammar: a file is text, actions and definitions.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use super::number::Number;
use super::token::{Token, TokenKind};
use super::tokens::Tokens;
use super::tree::{Children, Definition, Node, NodeId, NodeKind, NumberId, Parsed, StringId, VariableId};
use crate::template::error::ParseError;
use crate::template::limits::StackGuard;
use crate::template::strconv;
use crate::template::unicode;
use crate::value::Str;

/// How deep control structures and definitions may nest, as Go has it for parentheses. Go itself only ends with its
/// stack, which is a gigabyte.
const MAX_NESTING: usize = 10_000;
const TOO_DEEP: &str = "max nesting depth exceeded";

/// About as many nodes an action makes, with the text before it.
const NODES_PER_ACTION: usize = 5;

/// The state of one template while it is parsed. A definition has its own.
pub(super) struct Tree {
    /// The line of the last token that was read for this template, which messages name.
    line: u32,
    /// The declared variables, and how often each is among them.
    variables: Vec<VariableId>,
    declarations: HashMap<VariableId, u32>,
    /// The line of the left delimiter of the action that is being parsed.
    pub(super) action_line: u32,
    pub(super) range_depth: usize,
    pub(super) parentheses: usize,
}

impl Tree {
    fn new() -> Self {
        Self {
            line: 0,
            variables: vec![super::ROOT_VARIABLE],
            declarations: HashMap::from([(super::ROOT_VARIABLE, 1)]),
            action_line: 0,
            range_depth: 0,
            parentheses: 0,
        }
    }

    pub(super) fn declare(&mut self, variable: VariableId) {
        self.variables.push(variable);
        *self.declarations.entry(variable).or_default() += 1;
    }

    pub(super) fn is_declared(&self, variable: VariableId) -> bool {
        self.declarations.get(&variable).is_some_and(|count| *count > 0)
    }

    /// How many variables are declared here.
    pub(super) fn declared(&self) -> usize {
        self.variables.len()
    }

    /// Ends the scope of all variables but the first ones.
    pub(super) fn keep_declared(&mut self, count: usize) {
        for variable in self.variables.drain(count..) {
            if let Some(count) = self.declarations.get_mut(&variable) {
                *count -= 1;
            }
        }
    }
}

/// The parser.
pub(super) struct Parser<'t> {
    source: &'t Str,
    pub(super) text: &'t [u8],
    tokens: Tokens<'t>,
    pub(super) tree: Tree,
    nodes: Vec<Node>,
    children: Vec<u32>,
    /// The children, so far, of all nodes that are being parsed, outer ones first.
    pending: Vec<u32>,
    variables: Vec<Str>,
    variable_ids: HashMap<&'t [u8], VariableId, RandomState>,
    strings: Vec<Str>,
    /// Names and plain strings that occurred before: one text each.
    string_ids: HashMap<&'t [u8], StringId, RandomState>,
    numbers: Vec<Number>,
    definitions: Vec<(Str, Definition)>,
    /// Where in `definitions` a name is.
    definition_indices: HashMap<Str, usize>,
    /// Control structures, definitions and blocks around the present place.
    pub(super) nesting: usize,
    stack: StackGuard,
}

/// Adds an item; its place in the list.
fn append<T>(list: &mut Vec<T>, item: T) -> u32 {
    let place = u32::try_from(list.len()).unwrap_or(u32::MAX);
    list.push(item);
    place
}

/// What ends a list of nodes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Terminator {
    End,
    Else { position: u32 },
}

impl Terminator {
    pub(super) fn describe(self) -> &'static str {
        match self {
            Self::End => "{{end}}",
            Self::Else { .. } => "{{else}}",
        }
    }
}

/// An action, or the end of a list of them.
pub(super) enum Item {
    Node(NodeId),
    Terminator(Terminator),
}

/// Errors are boxed: every node is returned through one of these.
pub(super) type Parse<T> = Result<T, Box<ParseError>>;

impl<'t> Parser<'t> {
    pub(super) fn new(source: &'t Str) -> Self {
        let text = source.as_bytes();
        let actions = memchr::memmem::find_iter(text, "{{").count();
        let nodes = (actions * NODES_PER_ACTION).min(text.len() / 8) + 1;
        let mut parser = Self {
            source,
            text,
            tokens: Tokens::new(text),
            tree: Tree::new(),
            nodes: Vec::with_capacity(nodes),
            children: Vec::with_capacity(nodes),
            pending: Vec::new(),
            variables: Vec::new(),
            variable_ids: HashMap::default(),
            strings: Vec::new(),
            string_ids: HashMap::default(),
            numbers: Vec::new(),
            definitions: Vec::new(),
            definition_indices: HashMap::new(),
            nesting: 0,
            stack: StackGuard::new(),
        };
        parser.variable_id(b"$");
        parser
    }

    /// The whole file.
    pub(super) fn parse(mut self) -> Parse<Parsed> {
        let position = self.peek().start;
        while self.peek().kind != TokenKind::Eof {
            let token = self.next_non_space();
            if token.kind == TokenKind::LeftDelimiter && self.peek_non_space().kind == TokenKind::Define {
                self.next();
                self.definition()?;
                continue;
            }
            match self.text_or_action(&token)? {
                Item::Node(node) => self.add(node),
                Item::Terminator(end) => return Err(self.error(format!("unexpected {}", end.describe()))),
            }
        }
        let items = self.children_since(0);
        let root = self.push(position, NodeKind::List(items));
        let main = Definition { root, is_blank: self.is_blank(root), line: self.tree.line };
        Ok(Parsed {
            text: self.source.clone(),
            nodes: self.nodes,
            children: self.children,
            variables: self.variables,
            strings: self.strings,
            numbers: self.numbers,
            main,
            definitions: self.definitions,
        })
    }

    /// A `define`, whose keyword has been read.
    fn definition(&mut self) -> Parse<()> {
        const CONTEXT: &str = "define clause";
        let outer = std::mem::replace(&mut self.tree, Tree::new());
        let name = self.next_non_space();
        if !matches!(name.kind, TokenKind::String | TokenKind::RawString) {
            return Err(self.unexpected(&name, CONTEXT));
        }
        let name = self.unquote(&name)?;
        let name = self.string(name).clone();
        self.expect(TokenKind::RightDelimiter, CONTEXT)?;
        let (root, end) = self.item_list()?;
        if end != Terminator::End {
            return Err(self.error(format!("unexpected {} in {CONTEXT}", end.describe())));
        }
        self.define(name, root)?;
        self.tree = outer;
        Ok(())
    }

    /// The body of a `block`, whose action has been read.
    pub(super) fn block_body(&mut self, name: Str) -> Parse<()> {
        let outer = std::mem::replace(&mut self.tree, Tree::new());
        let (root, end) = self.item_list()?;
        let inner = std::mem::replace(&mut self.tree, outer);
        if end != Terminator::End {
            return Err(self.error(format!("unexpected {} in block clause", end.describe())));
        }
        let outer = std::mem::replace(&mut self.tree, inner);
        self.define(name, root)?;
        self.tree = outer;
        Ok(())
    }

    /// Adds a definition: a blank one gives way, two others of one name in a file are an error.
    fn define(&mut self, name: Str, root: NodeId) -> Parse<()> {
        let definition = Definition { root, is_blank: self.is_blank(root), line: self.tree.line };
        let known = self.definition_indices.get(&name).and_then(|&index| self.definitions.get_mut(index));
        match known {
            None => {
                self.definition_indices.insert(name.clone(), self.definitions.len());
                self.definitions.push((name, definition));
            }
            Some((_, old)) if old.is_blank => *old = definition,
            Some(_) if definition.is_blank => {}
            Some(_) => return Err(self.error(multiple_definition(&name))),
        }
        Ok(())
    }

    /// Nodes up to `end` or `else`.
    pub(super) fn item_list(&mut self) -> Parse<(NodeId, Terminator)> {
        if self.nesting >= MAX_NESTING {
            return Err(self.error(TOO_DEEP.to_owned()));
        }
        self.nesting += 1;
        let position = self.peek_non_space().start;
        let mark = self.mark();
        while self.peek_non_space().kind != TokenKind::Eof {
            let token = self.next();
            match self.text_or_action(&token)? {
                Item::Node(node) => self.add(node),
                Item::Terminator(end) => {
                    self.nesting -= 1;
                    let items = self.children_since(mark);
                    let list = self.push(position, NodeKind::List(items));
                    return Ok((list, end));
                }
            }
        }
        Err(self.error("unexpected EOF".to_owned()))
    }

    /// What a token begins outside of actions.
    fn text_or_action(&mut self, token: &Token) -> Parse<Item> {
        match token.kind {
            TokenKind::Text => Ok(Item::Node(self.push(token.start, NodeKind::Text(token.place())))),
            TokenKind::LeftDelimiter => {
                self.tree.action_line = token.line;
                self.check_depth()?;
                let item = self.action()?;
                self.tree.action_line = 0;
                Ok(item)
            }
            _ => Err(self.unexpected(token, "input")),
        }
    }

    /// Go's stack grows to a gigabyte; here nesting ends with the stack that there is.
    pub(super) fn check_depth(&self) -> Parse<()> {
        if self.stack.is_exhausted() {
            let mut error = self.error(TOO_DEEP.to_owned());
            error.is_too_deep = true;
            return Err(error);
        }
        Ok(())
    }

    /// Whether there is nothing but space (`parse/parse.go` IsEmptyTree).
    fn is_blank(&self, id: NodeId) -> bool {
        match &self.nodes[id as usize].kind {
            NodeKind::List(nodes) => self.children(*nodes).iter().all(|&node| self.is_blank(node)),
            NodeKind::Text(place) => unicode::runes(place.of(self.text)).all(|(_, rune, _)| unicode::is_space(rune)),
            _ => false,
        }
    }

    pub(super) fn push(&mut self, position: u32, kind: NodeKind) -> NodeId {
        append(&mut self.nodes, Node { position, kind })
    }

    /// Where the children of the node begin that is parsed from here on.
    pub(super) fn mark(&self) -> usize {
        self.pending.len()
    }

    /// Adds a child to the innermost node that is being parsed.
    pub(super) fn add(&mut self, child: u32) {
        self.pending.push(child);
    }

    /// Adds the children of another node.
    pub(super) fn add_again(&mut self, children: Children) {
        let range = children.start as usize..(children.start + children.length) as usize;
        self.pending.extend_from_slice(self.children.get(range).unwrap_or_default());
    }

    /// The children that were added since the mark; no more can be.
    pub(super) fn children_since(&mut self, mark: usize) -> Children {
        let number = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
        let (start, length) = (number(self.children.len()), number(self.pending.len() - mark));
        self.children.extend(self.pending.drain(mark..));
        Children { start, length }
    }

    pub(super) fn children(&self, children: Children) -> &[u32] {
        &self.children[children.start as usize..][..children.length as usize]
    }

    pub(super) fn kind(&self, id: NodeId) -> &NodeKind {
        &self.nodes[id as usize].kind
    }

    /// Where a node begins.
    pub(super) fn position(&self, id: NodeId) -> u32 {
        self.nodes[id as usize].position
    }

    pub(super) fn variable_name(&self, id: VariableId) -> &Str {
        &self.variables[id as usize]
    }

    pub(super) fn variable_id(&mut self, name: &'t [u8]) -> VariableId {
        let variables = &mut self.variables;
        *self.variable_ids.entry(name).or_insert_with(|| append(variables, name.into()))
    }

    /// A part of the text, shared between its occurrences.
    pub(super) fn string_id(&mut self, text: &'t [u8]) -> StringId {
        let strings = &mut self.strings;
        *self.string_ids.entry(text).or_insert_with(|| append(strings, text.into()))
    }

    pub(super) fn string(&self, id: StringId) -> &Str {
        &self.strings[id as usize]
    }

    pub(super) fn add_number(&mut self, number: Number) -> NumberId {
        append(&mut self.numbers, number)
    }

    pub(super) fn number(&self, id: NumberId) -> &Number {
        &self.numbers[id as usize]
    }

    pub(super) fn unquote(&mut self, token: &Token) -> Parse<StringId> {
        let literal = token.value(self.text);
        let is_raw = literal.first() == Some(&b'`');
        let special: &[u8] = if is_raw { b"\r" } else { b"\\" };
        if let Some(inner) = literal.get(1..literal.len().saturating_sub(1)) {
            let is_plain = memchr::memmem::find(inner, special).is_none();
            if is_plain && (is_raw || std::str::from_utf8(inner).is_ok()) {
                return Ok(self.string_id(inner));
            }
        }
        match strconv::unquote(literal) {
            Some(text) => Ok(append(&mut self.strings, text.into())),
            None => Err(self.error("invalid syntax".to_owned())),
        }
    }

    // Tokens.

    pub(super) fn next(&mut self) -> Token {
        let token = *self.peek();
        self.tokens.cursor += 1;
        token
    }

    /// Gives back the last token.
    pub(super) fn back_up(&mut self) {
        self.back_up_by(1);
    }

    /// Gives back the last tokens; at most [`LOOK_BACK`](super::tokens::LOOK_BACK) of them.
    pub(super) fn back_up_by(&mut self, count: usize) {
        self.tokens.cursor -= count;
    }

    pub(super) fn peek(&mut self) -> &Token {
        if self.tokens.is_unread() {
            self.tree.line = self.tokens.read();
        }
        self.tokens.current()
    }

    pub(super) fn next_non_space(&mut self) -> Token {
        loop {
            let token = self.next();
            if token.kind != TokenKind::Space {
                return token;
            }
        }
    }

    pub(super) fn peek_non_space(&mut self) -> Token {
        loop {
            let token = *self.peek();
            if token.kind != TokenKind::Space {
                return token;
            }
            self.tokens.cursor += 1;
        }
    }

    pub(super) fn expect(&mut self, kind: TokenKind, context: &str) -> Parse<Token> {
        let token = self.next_non_space();
        if token.kind == kind { Ok(token) } else { Err(self.unexpected(&token, context)) }
    }

    // Errors.

    pub(super) fn error(&self, message: String) -> Box<ParseError> {
        Box::new(ParseError::new(self.tree.line, message))
    }

    pub(super) fn unexpected(&self, token: &Token, context: &str) -> Box<ParseError> {
        let Some(message) = self.tokens.message().filter(|_| token.kind == TokenKind::Error) else {
            return self.error(format!("unexpected {} in {context}", token.describe(self.text)));
        };
        let start = self.tree.action_line;
        let has_word = message.ends_with(" action");
        let action = (start != 0 && start != token.line).then_some((start, has_word));
        Box::new(ParseError { action, ..ParseError::new(self.tree.line, message.to_owned()) })
    }
}

/// What Go says to a second definition; it repeats its own prefix.
pub(crate) fn multiple_definition(name: &Str) -> String {
    let quoted = crate::template::print::quote(name.as_bytes());
    format!("template: multiple definition of template {}", String::from_utf8_lossy(&quoted))
}
