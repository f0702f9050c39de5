//! The guards of expressions. The methods follow minijinja's grammar, each the rule of its name.

use minijinja::machinery::Token;

use super::Guarding;
use crate::render::jinja::guards::{COMPARED, FACTOR, OPERAND, TEXT, VALUE, WHOLE};

/// A piece of the source: where it begins and ends.
type Piece = (usize, usize);

impl Guarding<'_> {
    /// An expression, conditional ones included.
    pub(super) fn expression(&mut self) -> Option<()> {
        self.condition()?;
        while self.skip_word("if") {
            self.condition()?;
            if self.skip_word("else") {
                self.expression()?;
            }
        }
        Some(())
    }

    /// An expression that is not conditional: `or` of `and` of `not`.
    pub(super) fn condition(&mut self) -> Option<()> {
        loop {
            while self.skip_word("not") {}
            self.comparison()?;
            if !self.skip_word("and") && !self.skip_word("or") {
                return Some(());
            }
        }
    }

    fn comparison(&mut self) -> Option<()> {
        let mut last = self.piece(Self::sum)?;
        while self.comparison_operator()? {
            self.wrap(last, COMPARED);
            last = self.piece(Self::sum)?;
        }
        Some(())
    }

    /// Whether a comparison goes on.
    fn comparison_operator(&mut self) -> Option<bool> {
        if self.skip_word("not") {
            return self.skip_word("in").then_some(true);
        }
        let operators = [Token::Eq, Token::Ne, Token::Lt, Token::Lte, Token::Gt, Token::Gte];
        Some(self.skip_word("in") || operators.iter().any(|operator| self.skip(operator)))
    }

    fn sum(&mut self) -> Option<()> {
        self.chain(Self::concatenation, &[Token::Plus], &[Token::Minus], OPERAND, Some(VALUE))
    }

    fn concatenation(&mut self) -> Option<()> {
        self.chain(Self::product, &[Token::Tilde], &[], TEXT, None)
    }

    fn product(&mut self) -> Option<()> {
        let unguarded = [Token::Div, Token::FloorDiv, Token::Mod];
        self.chain(Self::power, &[Token::Mul], &unguarded, FACTOR, Some(VALUE))
    }

    fn power(&mut self) -> Option<()> {
        self.chain(Self::filtered, &[], &[Token::Pow], "", None)
    }

    /// Operands with operators of one rank between them. Where one of the guarded ones is there, all operands are
    /// guarded, and the result too.
    fn chain(
        &mut self,
        operand: fn(&mut Self) -> Option<()>,
        guarded: &[Token<'_>],
        unguarded: &[Token<'_>],
        guard: &str,
        result: Option<&str>,
    ) -> Option<()> {
        let mut operands = vec![self.piece(operand)?];
        let mut is_guarded = false;
        loop {
            let found = guarded.iter().any(|operator| self.skip(operator));
            is_guarded |= found;
            if !found && !unguarded.iter().any(|operator| self.skip(operator)) {
                break;
            }
            operands.push(self.piece(operand)?);
        }
        if !is_guarded {
            return Some(());
        }
        let whole = (operands.first()?.0, operands.last()?.1);
        operands.iter().for_each(|operand| self.wrap(*operand, guard));
        result.into_iter().for_each(|result| self.wrap(whole, result));
        Some(())
    }

    /// An operand with its filters and tests.
    fn filtered(&mut self) -> Option<()> {
        let operand = self.piece(Self::operand)?;
        let mut is_filtered = false;
        loop {
            if self.skip(&Token::Pipe) {
                self.filter()?;
            } else if self.skip_word("is") {
                self.test()?;
            } else {
                break;
            }
            is_filtered = true;
        }
        if is_filtered {
            self.wrap(operand, WHOLE);
            self.wrap((operand.0, self.end()), VALUE);
        }
        Some(())
    }

    /// A filter's name and arguments.
    pub(super) fn filter(&mut self) -> Option<()> {
        self.take_name()?;
        while self.skip(&Token::Dot) {
            self.take_name()?;
        }
        if self.is(&Token::ParenOpen) { self.arguments() } else { Some(()) }
    }

    /// A test's name and its arguments, one of which may do without brackets.
    fn test(&mut self) -> Option<()> {
        self.skip_word("not");
        self.take_name()?;
        while self.skip(&Token::Dot) {
            self.take_name()?;
        }
        let continues = ["and", "or", "else", "is"].iter().any(|word| self.is_word(word));
        match self.token() {
            Some(Token::ParenOpen) => self.arguments(),
            Some(Token::Ident(_)) if continues => Some(()),
            Some(
                Token::Ident(_)
                | Token::Str(_)
                | Token::String(_)
                | Token::Int(_)
                | Token::Int128(_)
                | Token::Float(_)
                | Token::Plus
                | Token::Minus
                | Token::BracketOpen
                | Token::BraceOpen,
            ) => self.operand(),
            _ => Some(()),
        }
    }

    /// A primary expression with its attributes, subscripts and calls.
    fn operand(&mut self) -> Option<()> {
        while self.skip(&Token::Minus) {}
        let start = self.start();
        self.primary()?;
        loop {
            if self.skip(&Token::Dot) {
                self.at += 1;
            } else if self.is(&Token::BracketOpen) {
                let subject = (start, self.end());
                if self.subscript()? {
                    self.wrap(subject, WHOLE);
                    self.wrap((start, self.end()), VALUE);
                }
            } else if self.is(&Token::ParenOpen) {
                self.arguments()?;
            } else {
                return Some(());
            }
        }
    }

    /// A subscript; whether it is a slice.
    fn subscript(&mut self) -> Option<bool> {
        self.take(&Token::BracketOpen)?;
        let mut is_slice = false;
        while !self.skip(&Token::BracketClose) {
            if self.skip(&Token::Colon) {
                is_slice = true;
            } else {
                self.expression()?;
            }
        }
        Some(is_slice)
    }

    /// The arguments of a call, with their brackets.
    pub(super) fn arguments(&mut self) -> Option<()> {
        self.take(&Token::ParenOpen)?;
        while !self.skip(&Token::ParenClose) {
            if self.skip(&Token::Comma) || self.skip(&Token::Pow) {
                continue;
            }
            if self.skip(&Token::Mul) {
                let spread = self.piece(Self::expression)?;
                self.wrap(spread, WHOLE);
                continue;
            }
            let is_named = matches!(self.lexemes.get(self.at + 1)?.token, Token::Assign);
            self.at += if is_named { 2 } else { 0 };
            self.expression()?;
        }
        Some(())
    }

    fn primary(&mut self) -> Option<()> {
        match self.token()? {
            Token::ParenOpen => self.literal(&Token::ParenClose),
            Token::BracketOpen => self.literal(&Token::BracketClose),
            Token::BraceOpen => self.literal(&Token::BraceClose),
            Token::Str(_) | Token::String(_) => {
                while self.skip(&Token::Str("")) || self.skip(&Token::String(Box::from(""))) {}
                Some(())
            }
            Token::Ident(_) | Token::Int(_) | Token::Int128(_) | Token::Float(_) => {
                self.at += 1;
                Some(())
            }
            _ => None,
        }
    }

    /// A list, mapping, tuple or expression in brackets.
    fn literal(&mut self, close: &Token<'_>) -> Option<()> {
        let start = self.start();
        let mut is_value = !matches!(close, Token::ParenClose);
        self.at += 1;
        while !self.skip(close) {
            if self.skip(&Token::Comma) {
                is_value = true;
            } else if !self.skip(&Token::Colon) {
                self.expression()?;
            }
        }
        if is_value {
            self.wrap((start, self.end()), VALUE);
        }
        Some(())
    }

    fn piece(&mut self, rule: fn(&mut Self) -> Option<()>) -> Option<Piece> {
        let start = self.start();
        rule(self)?;
        Some((start, self.end()))
    }
}
