//! Commands, operands and terms: what pipelines are made of.

use super::number::Number;
use super::parser::{Parse, Parser};
use super::token::{Token, TokenKind};
use super::tree::{Callee, NodeId, NodeKind, StringId};
use crate::template::functions;
use crate::template::print;

/// How deep Go lets parentheses nest.
const MAX_PARENTHESES: usize = 10_000;

impl Parser<'_> {
    /// Operands separated by spaces, up to a `|`, which is read, or an end, which is not.
    pub(super) fn command(&mut self) -> Parse<NodeId> {
        let position = self.peek_non_space().start;
        let mark = self.mark();
        loop {
            self.peek_non_space();
            if let Some(operand) = self.operand()? {
                self.add(operand);
            }
            let token = self.next();
            match token.kind {
                TokenKind::Space => continue,
                TokenKind::RightDelimiter | TokenKind::RightParenthesis => self.back_up(),
                TokenKind::Pipe => {}
                _ => return Err(self.unexpected(&token, "operand")),
            }
            break;
        }
        if self.mark() == mark {
            return Err(self.error("empty command".to_owned()));
        }
        let words = self.children_since(mark);
        Ok(self.push(position, NodeKind::Command(words)))
    }

    /// A term and the fields behind it. Fields of fields and of variables become part of those, at the position of the
    /// added ones.
    fn operand(&mut self) -> Parse<Option<NodeId>> {
        let Some(term) = self.term()? else { return Ok(None) };
        if self.peek().kind != TokenKind::Field {
            return Ok(Some(term));
        }
        let position = self.peek().start;
        let term_kind = *self.kind(term);
        let mark = self.mark();
        if let NodeKind::Field(fields) | NodeKind::Variable { fields, .. } = term_kind {
            self.add_again(fields);
        }
        while self.peek().kind == TokenKind::Field {
            let token = self.next();
            let name = self.field_name(&token);
            self.add(name);
        }
        let fields = self.children_since(mark);
        let kind = match term_kind {
            NodeKind::Field(_) => NodeKind::Field(fields),
            NodeKind::Variable { id, .. } => NodeKind::Variable { id, fields },
            NodeKind::Bool(_) | NodeKind::String { .. } | NodeKind::Number(_) | NodeKind::Nil | NodeKind::Dot => {
                let quoted = print::quote(&self.constant_text(term));
                let message = format!("unexpected . after term {}", String::from_utf8_lossy(&quoted));
                return Err(self.error(message));
            }
            _ => NodeKind::Chain { node: term, fields },
        };
        Ok(Some(self.push(position, kind)))
    }

    /// A constant as it stands in the text.
    fn constant_text(&self, id: NodeId) -> Vec<u8> {
        match self.kind(id) {
            NodeKind::Bool(value) => value.to_string().into_bytes(),
            NodeKind::String { quoted, .. } => quoted.of(self.text).to_vec(),
            NodeKind::Number(number) => self.number(*number).text.as_bytes().to_vec(),
            NodeKind::Nil => b"nil".to_vec(),
            _ => b".".to_vec(),
        }
    }

    fn field_name(&mut self, token: &Token) -> StringId {
        self.string_id(token.value(self.text).get(1..).unwrap_or_default())
    }

    /// One simple expression; nothing where the next token begins none.
    fn term(&mut self) -> Parse<Option<NodeId>> {
        let token = self.next_non_space();
        let position = token.start;
        let kind = match token.kind {
            TokenKind::Identifier => self.identifier(&token)?,
            TokenKind::Dot => NodeKind::Dot,
            TokenKind::Nil => NodeKind::Nil,
            TokenKind::Variable => self.variable(&token)?,
            TokenKind::Field => {
                let mark = self.mark();
                let name = self.field_name(&token);
                self.add(name);
                NodeKind::Field(self.children_since(mark))
            }
            TokenKind::Bool => NodeKind::Bool(token.value(self.text) == b"true"),
            TokenKind::CharConstant | TokenKind::Complex | TokenKind::Number => {
                let number = Number::parse(token.value(self.text), token.kind);
                let number = number.map_err(|message| self.error(message))?;
                NodeKind::Number(self.add_number(number))
            }
            TokenKind::LeftParenthesis => return self.parentheses().map(Some),
            TokenKind::String | TokenKind::RawString => {
                NodeKind::String { text: self.unquote(&token)?, quoted: token.place() }
            }
            _ => {
                self.back_up();
                return Ok(None);
            }
        };
        Ok(Some(self.push(position, kind)))
    }

    fn parentheses(&mut self) -> Parse<NodeId> {
        if self.tree.parentheses >= MAX_PARENTHESES {
            return Err(self.error("max expression depth exceeded".to_owned()));
        }
        self.check_depth()?;
        self.tree.parentheses += 1;
        let pipe = self.pipeline("parenthesized pipeline", TokenKind::RightParenthesis)?;
        self.tree.parentheses -= 1;
        Ok(pipe)
    }

    fn identifier(&mut self, token: &Token) -> Parse<NodeKind> {
        let name = String::from_utf8_lossy(token.value(self.text));
        let callee = match &*name {
            "and" => Some(Callee::And),
            "or" => Some(Callee::Or),
            "call" => Some(Callee::Call),
            "len" => Some(Callee::Len),
            _ => functions::find(&name).map(Callee::Function),
        };
        match callee {
            Some(callee) => Ok(NodeKind::Identifier(callee)),
            None => {
                let quoted = print::quote(name.as_bytes());
                Err(self.error(format!("function {} not defined", String::from_utf8_lossy(&quoted))))
            }
        }
    }

    fn variable(&mut self, token: &Token) -> Parse<NodeKind> {
        let id = self.variable_id(token.value(self.text));
        if !self.tree.is_declared(id) {
            let quoted = print::quote(self.variable_name(id).as_bytes());
            return Err(self.error(format!("undefined variable {}", String::from_utf8_lossy(&quoted))));
        }
        let fields = self.children_since(self.mark());
        Ok(NodeKind::Variable { id, fields })
    }
}
