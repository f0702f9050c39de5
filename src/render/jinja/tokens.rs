//! A template's tokens, and whether they nest more deeply than minijinja's compiler can follow.
//!
//! minijinja limits brackets and blocks within each other, but not chains such as `1 + 1 + 1` or `elif` after `elif`,
//! which its compiler walks by recursion.

use minijinja::machinery::{Token, tokenize};
use minijinja::syntax::SyntaxConfig;

use super::failure::ParseFailure;
use super::guards::PREFIX;

/// How many operators may follow each other, those in brackets included.
const MAX_CHAIN: usize = 200;

/// A token and where it is, in bytes.
#[derive(Debug)]
pub struct Lexeme<'s> {
    /// What it is.
    pub token: Token<'s>,
    /// Where it begins.
    pub start: usize,
    /// Where it ends.
    pub end: usize,
    line: usize,
}

impl Lexeme<'_> {
    /// Whether it is this word.
    pub fn is_word(&self, word: &str) -> bool {
        matches!(self.token, Token::Ident(found) if found == word)
    }
}

/// The tokens of a template, as far as it has any; what follows an error is for the parser to report.
///
/// # Errors
/// For chains that are too long and names that are kept for the guards.
pub fn read<'s>(source: &'s str, syntax: &SyntaxConfig) -> Result<Vec<Lexeme<'s>>, ParseFailure> {
    let mut lexemes = Vec::new();
    let mut chains = Chains::default();
    for (token, span) in tokenize(source, false, syntax.clone()).map_while(Result::ok) {
        let lexeme = Lexeme {
            token,
            start: span.start_offset as usize,
            end: span.end_offset as usize,
            line: usize::from(span.start_line),
        };
        if let Token::Ident(name) = lexeme.token
            && name.starts_with(PREFIX)
        {
            let reason = format!("the name {name} begins with two underscores; such names are kept for the engine");
            return Err(ParseFailure::new(lexeme.line, reason));
        }
        if chains.add(&lexeme.token) > MAX_CHAIN {
            let reason = format!("more than {MAX_CHAIN} operators in a row; set parts of the expression as variables");
            return Err(ParseFailure::new(lexeme.line, reason));
        }
        lexemes.push(lexeme);
    }
    Ok(lexemes)
}

/// How deep the tree of the present tag can be.
#[derive(Default)]
struct Chains {
    /// Of each open bracket, and of the tag around them: the chain so far, and the deepest of what is behind it.
    open: Vec<(usize, usize)>,
    current: (usize, usize),
    /// Of each `if` that is open, its `elif`s; and those of all.
    branches: Vec<usize>,
    all_branches: usize,
    starts_block: bool,
}

impl Chains {
    /// Adds a token and returns the depth.
    fn add(&mut self, token: &Token<'_>) -> usize {
        let starts_block = std::mem::replace(&mut self.starts_block, matches!(token, Token::BlockStart));
        match token {
            Token::VariableStart | Token::BlockStart => {
                self.open.clear();
                self.current = (0, 0);
            }
            Token::ParenOpen | Token::BracketOpen | Token::BraceOpen => {
                self.current.0 += 1;
                self.open.push(std::mem::take(&mut self.current));
            }
            Token::ParenClose | Token::BracketClose | Token::BraceClose => {
                let (chain, deepest) = self.current;
                self.current = self.open.pop().unwrap_or_default();
                self.current.1 = self.current.1.max(chain + deepest);
            }
            Token::Comma | Token::Colon => self.current = (0, self.current.0 + self.current.1),
            Token::Ident("if") if starts_block => self.branches.push(0),
            Token::Ident("endif") if starts_block => self.all_branches -= self.branches.pop().unwrap_or_default(),
            Token::Ident("elif") if starts_block => {
                if let Some(count) = self.branches.last_mut() {
                    *count += 1;
                    self.all_branches += 1;
                }
            }
            Token::Ident("if" | "else" | "and" | "or" | "not" | "in" | "is") => self.current.0 += 1,
            Token::Ident(_) | Token::Str(_) | Token::String(_) | Token::TemplateData(_) => {}
            Token::Int(_) | Token::Int128(_) | Token::Float(_) | Token::VariableEnd | Token::BlockEnd => {}
            _ => self.current.0 += 1,
        }
        let outer: usize = self.open.iter().map(|(chain, _)| chain).sum();
        (outer + self.current.0 + self.current.1).max(self.all_branches)
    }
}
