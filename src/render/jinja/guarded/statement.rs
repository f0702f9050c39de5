//! The guards of statements.

use minijinja::machinery::Token;

use super::{Body, Guarding, Insertion};
use crate::render::jinja::guards::{ENTER, MEMBER, TRY, VALUE, WHOLE};

impl Guarding<'_> {
    /// A statement, behind `{%`.
    pub(super) fn statement(&mut self) -> Option<()> {
        match self.take_name()? {
            "for" => self.for_loop()?,
            "if" | "elif" => self.condition()?,
            "with" => self.with_block()?,
            "set" => self.set()?,
            "filter" => self.filter_chain()?,
            "macro" => {
                self.take_name()?;
                self.parameters()?;
                return self.begin_body(true);
            }
            "call" => {
                if self.is(&Token::ParenOpen) {
                    self.parameters()?;
                }
                self.expression()?;
                return self.begin_body(true);
            }
            "block" => return self.block(),
            "endfor" | "endmacro" | "endcall" | "endblock" => {
                self.end_body()?;
                self.skip_words();
            }
            "autoescape" | "do" | "extends" | "include" | "import" => {
                self.expression()?;
                self.skip_words();
            }
            "from" => {
                self.expression()?;
                while !self.is(&Token::BlockEnd) {
                    self.at += 1;
                    self.token()?;
                }
            }
            _ => {}
        }
        self.take(&Token::BlockEnd)
    }

    /// `{% for TARGET in ITEMS if CONDITION recursive %}`.
    fn for_loop(&mut self) -> Option<()> {
        self.target(|guarding| guarding.is_word("in"))?;
        self.take_name()?;
        self.condition()?;
        if self.skip_word("if") {
            let start = self.start();
            self.expression()?;
            let piece = (start, self.end());
            self.surround(piece, &format!("{TRY}() and ("), ")");
        }
        self.skip_word("recursive");
        self.begin_body(true)?;
        self.at -= 1;
        Some(())
    }

    /// `{% with NAME = VALUE, … %}`.
    fn with_block(&mut self) -> Option<()> {
        while !self.is(&Token::BlockEnd) {
            self.target(|guarding| guarding.is(&Token::Assign))?;
            self.take(&Token::Assign)?;
            self.expression()?;
            self.skip(&Token::Comma);
        }
        Some(())
    }

    /// `{% set TARGET = VALUE, … %}` and `{% set TARGET | FILTER %}`.
    fn set(&mut self) -> Option<()> {
        let before = self.at;
        let ends = [Token::Assign, Token::Pipe, Token::BlockEnd];
        self.target(|guarding| ends.iter().any(|end| guarding.is(end)))?;
        let has_member = self.lexemes[before..self.at].iter().any(|lexeme| matches!(lexeme.token, Token::Dot));
        if self.skip(&Token::Pipe) {
            return self.filter_chain();
        }
        if !self.skip(&Token::Assign) {
            return Some(());
        }
        let start = self.start();
        self.expression()?;
        let is_tuple = self.is(&Token::Comma);
        while self.skip(&Token::Comma) {
            if !self.is(&Token::BlockEnd) {
                self.expression()?;
            }
        }
        let piece = (start, self.end());
        match (is_tuple, has_member) {
            (true, false) => self.surround(piece, &format!("{VALUE}(("), "))"),
            (true, true) => self.surround(piece, &format!("{MEMBER}(("), "))"),
            (false, true) => self.wrap(piece, MEMBER),
            (false, false) => {}
        }
        Some(())
    }

    fn filter_chain(&mut self) -> Option<()> {
        let start = self.start();
        self.surround((start, start), "", &format!("{WHOLE}|"));
        self.filter()?;
        while self.skip(&Token::Pipe) {
            self.filter()?;
        }
        Some(())
    }

    /// `{% block NAME scoped required %}`; a required one has no body.
    fn block(&mut self) -> Option<()> {
        self.take_name()?;
        self.skip_word("scoped");
        let is_required = self.skip_word("required");
        self.begin_body(!is_required)
    }

    /// `(NAME, NAME = DEFAULT, …)`.
    fn parameters(&mut self) -> Option<()> {
        self.take(&Token::ParenOpen)?;
        while !self.skip(&Token::ParenClose) {
            self.take_name()?;
            if self.skip(&Token::Assign) {
                self.expression()?;
            }
            self.skip(&Token::Comma);
        }
        Some(())
    }

    /// Names that are assigned to.
    fn target(&mut self, ends: impl Fn(&Self) -> bool) -> Option<()> {
        while !ends(self) {
            self.token()?;
            self.at += 1;
        }
        Some(())
    }

    fn skip_words(&mut self) {
        while matches!(self.token(), Some(Token::Ident(_))) {
            self.at += 1;
        }
    }

    fn begin_body(&mut self, is_guarded: bool) -> Option<()> {
        let tag = self.start();
        self.take(&Token::BlockEnd)?;
        let length = self.source.get(tag..)?.find("%}")? + 2;
        let tag_end = self.source.get(tag..tag + length)?.to_owned();
        self.bodies.push(Body { start: tag + length, tag_end, is_guarded });
        Some(())
    }

    fn end_body(&mut self) -> Option<()> {
        let end = self.lexemes.get(self.at.checked_sub(2)?)?.start;
        let Body { start, tag_end, is_guarded } = self.bodies.pop()?;
        let length = end.saturating_sub(start);
        if is_guarded {
            let text = format!("{{% do {ENTER}({length}) {tag_end}");
            self.insertions.push(Insertion { at: start, order: (false, i64::MAX), text });
        }
        Some(())
    }
}
