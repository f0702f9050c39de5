//! Actions: control structures, templates and pipelines.

use super::parser::{Item, Parse, Parser, Terminator};
use super::token::{Token, TokenKind};
use super::tree::{Branch, Children, NodeId, NodeKind, Pipe, StringId};

/// The control structures that have a body.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Control {
    If,
    With,
    Range,
}

impl Control {
    fn name(self) -> &'static str {
        match self {
            Self::If => "if",
            Self::With => "with",
            Self::Range => "range",
        }
    }

    /// The keyword that may follow `else` to continue the same structure.
    fn continuation(self) -> Option<TokenKind> {
        match self {
            Self::If => Some(TokenKind::If),
            Self::With => Some(TokenKind::With),
            Self::Range => None,
        }
    }

    fn node(self, branch: Branch) -> NodeKind {
        match self {
            Self::If => NodeKind::If(branch),
            Self::With => NodeKind::With(branch),
            Self::Range => NodeKind::Range(branch),
        }
    }
}

impl Parser<'_> {
    /// What follows a left delimiter.
    pub(super) fn action(&mut self) -> Parse<Item> {
        let token = self.next_non_space();
        let node = match token.kind {
            TokenKind::Block => self.block()?,
            TokenKind::Break => self.jump(&token, NodeKind::Break, "{{break}}")?,
            TokenKind::Continue => self.jump(&token, NodeKind::Continue, "{{continue}}")?,
            TokenKind::Else => return self.otherwise(),
            TokenKind::End => {
                self.expect(TokenKind::RightDelimiter, "end")?;
                return Ok(Item::Terminator(Terminator::End));
            }
            TokenKind::If => self.control(Control::If)?,
            TokenKind::Range => self.control(Control::Range)?,
            TokenKind::With => self.control(Control::With)?,
            TokenKind::Template => self.template()?,
            _ => {
                self.back_up();
                let position = self.peek().start;
                let pipe = self.pipeline("command", TokenKind::RightDelimiter)?;
                self.push(position, NodeKind::Action(pipe))
            }
        };
        Ok(Item::Node(node))
    }

    fn jump(&mut self, token: &Token, kind: NodeKind, text: &str) -> Parse<NodeId> {
        let next = self.next_non_space();
        if next.kind != TokenKind::RightDelimiter {
            return Err(self.unexpected(&next, text));
        }
        if self.tree.range_depth == 0 {
            return Err(self.error(format!("{text} outside {{{{range}}}}")));
        }
        Ok(self.push(token.start, kind))
    }

    /// An `else`. A control keyword behind it is left for the structure that it continues.
    fn otherwise(&mut self) -> Parse<Item> {
        let next = self.peek_non_space();
        let token = match next.kind {
            TokenKind::If | TokenKind::With => next,
            _ => self.expect(TokenKind::RightDelimiter, "else")?,
        };
        Ok(Item::Terminator(Terminator::Else { position: token.start }))
    }

    /// A control structure, whose keyword has been read. Its variables end with it.
    fn control(&mut self, control: Control) -> Parse<NodeId> {
        self.check_depth()?;
        let visible = self.tree.declared();
        let pipe = self.pipeline(control.name(), TokenKind::RightDelimiter)?;
        self.tree.range_depth += usize::from(control == Control::Range);
        let (list, end) = self.item_list()?;
        self.tree.range_depth -= usize::from(control == Control::Range);
        let otherwise = match end {
            Terminator::End => None,
            Terminator::Else { position } => Some(self.else_list(control, position)?),
        };
        self.tree.keep_declared(visible);
        let position = self.position(pipe);
        Ok(self.push(position, control.node(Branch { pipe, list, otherwise })))
    }

    /// What follows an `else`: a list, or another structure of the same kind, which takes the same `end`.
    fn else_list(&mut self, control: Control, position: u32) -> Parse<NodeId> {
        if control.continuation() == Some(self.peek().kind) {
            self.next();
            self.nesting += 1;
            let nested = self.control(control)?;
            self.nesting -= 1;
            let mark = self.mark();
            self.add(nested);
            let list = self.children_since(mark);
            return Ok(self.push(position, NodeKind::List(list)));
        }
        let (list, end) = self.item_list()?;
        match end {
            Terminator::End => Ok(list),
            Terminator::Else { .. } => Err(self.error(format!("expected end; found {}", end.describe()))),
        }
    }

    fn block(&mut self) -> Parse<NodeId> {
        const CONTEXT: &str = "block clause";
        let token = self.next_non_space();
        let name = self.template_name(&token, CONTEXT)?;
        let pipe = self.pipeline(CONTEXT, TokenKind::RightDelimiter)?;
        let defined = self.string(name).clone();
        self.block_body(defined)?;
        Ok(self.push(token.start, NodeKind::Template { name, pipe: Some(pipe) }))
    }

    fn template(&mut self) -> Parse<NodeId> {
        const CONTEXT: &str = "template clause";
        let token = self.next_non_space();
        let name = self.template_name(&token, CONTEXT)?;
        let mut pipe = None;
        if self.next_non_space().kind != TokenKind::RightDelimiter {
            self.back_up();
            pipe = Some(self.pipeline(CONTEXT, TokenKind::RightDelimiter)?);
        }
        Ok(self.push(token.start, NodeKind::Template { name, pipe }))
    }

    fn template_name(&mut self, token: &Token, context: &str) -> Parse<StringId> {
        match token.kind {
            TokenKind::String | TokenKind::RawString => self.unquote(token),
            _ => Err(self.unexpected(token, context)),
        }
    }

    /// Declarations and commands up to `end`, which is read.
    pub(super) fn pipeline(&mut self, context: &str, end: TokenKind) -> Parse<NodeId> {
        let position = self.peek_non_space().start;
        let mark = self.mark();
        let is_assignment = self.declarations(context)?;
        let variables = self.children_since(mark);
        loop {
            let token = self.next_non_space();
            match token.kind {
                kind if kind == end => break,
                TokenKind::Bool
                | TokenKind::CharConstant
                | TokenKind::Complex
                | TokenKind::Dot
                | TokenKind::Field
                | TokenKind::Identifier
                | TokenKind::Number
                | TokenKind::Nil
                | TokenKind::RawString
                | TokenKind::String
                | TokenKind::Variable
                | TokenKind::LeftParenthesis => {
                    self.back_up();
                    let command = self.command()?;
                    self.add(command);
                }
                _ => return Err(self.unexpected(&token, context)),
            }
        }
        let commands = self.children_since(mark);
        self.check_pipeline(commands, context)?;
        Ok(self.push(position, NodeKind::Pipe(Pipe { is_assignment, variables, commands })))
    }

    /// Adds the variables before `:=` or `=`, and tells whether it is an assignment. To tell a declaration from an
    /// argument takes three tokens.
    fn declarations(&mut self, context: &str) -> Parse<bool> {
        let mark = self.mark();
        loop {
            let variable = self.peek_non_space();
            if variable.kind != TokenKind::Variable {
                return Ok(false);
            }
            self.next();
            let adjacent = *self.peek();
            let next = self.peek_non_space();
            match next.kind {
                TokenKind::Assign | TokenKind::Declare => {
                    self.next_non_space();
                    self.declare(&variable);
                    return Ok(next.kind == TokenKind::Assign);
                }
                TokenKind::Char if next.value(self.text) == b"," => {
                    self.next_non_space();
                    self.declare(&variable);
                    if context != "range" || self.mark() - mark >= 2 {
                        return Err(self.error(format!("too many declarations in {context}")));
                    }
                    let follower = self.peek_non_space().kind;
                    if !matches!(
                        follower,
                        TokenKind::Variable | TokenKind::RightDelimiter | TokenKind::RightParenthesis
                    ) {
                        return Err(self.error("range can only initialize variables".to_owned()));
                    }
                }
                _ if adjacent.kind == TokenKind::Space => {
                    self.back_up_by(2);
                    return Ok(false);
                }
                _ => {
                    self.back_up();
                    return Ok(false);
                }
            }
        }
    }

    fn declare(&mut self, variable: &Token) {
        let id = self.variable_id(variable.value(self.text));
        self.add(id);
        self.tree.declare(id);
    }

    /// Only the first command may be something that cannot take an argument.
    fn check_pipeline(&self, commands: Children, context: &str) -> Parse<()> {
        let commands = self.children(commands);
        if commands.is_empty() {
            return Err(self.error(format!("missing value for {context}")));
        }
        for (index, &command) in commands.iter().enumerate().skip(1) {
            let NodeKind::Command(arguments) = self.kind(command) else { continue };
            let is_constant = self.children(*arguments).first().is_some_and(|&first| {
                matches!(
                    self.kind(first),
                    NodeKind::Bool(_) | NodeKind::Dot | NodeKind::Nil | NodeKind::Number(_) | NodeKind::String { .. }
                )
            });
            if is_constant {
                return Err(self.error(format!("non executable command in pipeline stage {}", index + 1)));
            }
        }
        Ok(())
    }
}
