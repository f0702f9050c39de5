//! From tokens to a tree of bounded depth, by CEL's grammar.

use serde_json::Number;

use super::CelError;
use super::functions::Function;
use super::lexer::{Token, TokenKind, column, syntax, tokens};
use crate::value::Json;

/// How deep a tree may be: evaluating takes as many frames of the stack.
const DEEPEST: usize = 48;

/// Words that no name may be (`cel-spec/doc/langdef.md`).
const RESERVED: [&str; 19] = [
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "in",
    "let",
    "loop",
    "namespace",
    "package",
    "return",
    "true",
    "false",
    "null",
    "var",
];

/// A part of an expression.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Term {
    pub(super) node: Node,
    /// The column where it is written.
    pub(super) column: usize,
    depth: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Node {
    Literal(Json),
    Name(String),
    List(Vec<Term>),
    Map(Vec<(Term, Term)>),
    /// A member of a map.
    Select(Box<Term>, String),
    /// Whether a map has a member.
    Has(Box<Term>, String),
    Index(Box<[Term; 2]>),
    Not(Box<Term>),
    Negate(Box<Term>),
    And(Box<[Term; 2]>),
    Or(Box<[Term; 2]>),
    /// The condition, what follows if it is true, and if not.
    Conditional(Box<[Term; 3]>),
    Binary(Operator, Box<[Term; 2]>),
    /// A function of its arguments; what it is called on comes first.
    Call(Function, Vec<Term>),
    /// What is done for each item of a list or each key of a map.
    Each(Box<Comprehension>),
}

/// A macro over a list or a map.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Comprehension {
    pub(super) how: Each,
    pub(super) range: Term,
    /// The name of the item.
    pub(super) variable: String,
    /// What an item has to meet; for a map without such a condition nothing.
    pub(super) condition: Option<Term>,
    /// What a map makes of an item.
    pub(super) result: Option<Term>,
}

/// The macros over lists and maps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Each {
    All,
    Exists,
    ExistsOne,
    Filter,
    Map,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

impl Operator {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::In => "in",
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Remainder => "%",
        }
    }
}

/// Operators by how strongly they bind, the weakest first; each level is read from left to right.
const LEVELS: [&[Operator]; 3] = [
    &[
        Operator::Equal,
        Operator::NotEqual,
        Operator::LessOrEqual,
        Operator::GreaterOrEqual,
        Operator::Less,
        Operator::Greater,
        Operator::In,
    ],
    &[Operator::Add, Operator::Subtract],
    &[Operator::Multiply, Operator::Divide, Operator::Remainder],
];

pub(super) fn parse(text: &str) -> Result<Term, CelError> {
    let mut parser = Parser { text, tokens: tokens(text)?, next: 0, nested: 0 };
    let root = parser.expression()?;
    match parser.peek() {
        Token { kind: TokenKind::End, .. } => Ok(root),
        Token { at, .. } => Err(syntax(text, *at, "the expression is over before this")),
    }
}

struct Parser<'a> {
    text: &'a str,
    tokens: Vec<Token>,
    next: usize,
    nested: usize,
}

impl Parser<'_> {
    fn peek(&self) -> &Token {
        &self.tokens[self.next.min(self.tokens.len() - 1)]
    }

    fn take(&mut self) -> Token {
        let token = self.peek().clone();
        self.next += 1;
        token
    }

    fn skip(&mut self, symbol: &str) -> bool {
        let found = matches!(&self.peek().kind, TokenKind::Symbol(found) if *found == symbol);
        self.next += usize::from(found);
        found
    }

    fn expect(&mut self, symbol: &str) -> Result<(), CelError> {
        if self.skip(symbol) { Ok(()) } else { Err(self.wrong(&format!("{symbol:?} is missing"))) }
    }

    fn wrong(&self, message: &str) -> CelError {
        syntax(self.text, self.peek().at, message)
    }

    /// A term over others, if it is not too deep.
    fn term(&self, at: usize, depth: usize, node: Node) -> Result<Term, CelError> {
        if depth > DEEPEST {
            return Err(syntax(self.text, at, too_deep()));
        }
        Ok(Term { node, column: column(self.text, at), depth })
    }

    fn expression(&mut self) -> Result<Term, CelError> {
        self.nested(|parser| {
            let at = parser.peek().at;
            let condition = parser.or()?;
            if !parser.skip("?") {
                return Ok(condition);
            }
            let then = parser.or()?;
            parser.expect(":")?;
            let parts = [condition, then, parser.expression()?];
            parser.term(at, above(&parts), Node::Conditional(Box::new(parts)))
        })
    }

    /// Reads what stands within something else.
    fn nested(&mut self, read: impl FnOnce(&mut Self) -> Result<Term, CelError>) -> Result<Term, CelError> {
        if self.nested >= DEEPEST {
            return Err(self.wrong(&too_deep()));
        }
        self.nested += 1;
        let term = read(self)?;
        self.nested -= 1;
        Ok(term)
    }

    fn or(&mut self) -> Result<Term, CelError> {
        let mut left = self.and()?;
        loop {
            let at = self.peek().at;
            if !self.skip("||") {
                return Ok(left);
            }
            let parts = [left, self.and()?];
            left = self.term(at, above(&parts), Node::Or(Box::new(parts)))?;
        }
    }

    fn and(&mut self) -> Result<Term, CelError> {
        let mut left = self.level(0)?;
        loop {
            let at = self.peek().at;
            if !self.skip("&&") {
                return Ok(left);
            }
            let parts = [left, self.level(0)?];
            left = self.term(at, above(&parts), Node::And(Box::new(parts)))?;
        }
    }

    /// The operators of a level and those that bind more strongly.
    fn level(&mut self, level: usize) -> Result<Term, CelError> {
        let Some(operators) = LEVELS.get(level) else { return self.unary() };
        let mut left = self.level(level + 1)?;
        loop {
            let at = self.peek().at;
            let Some(operator) = self.operator(operators) else { return Ok(left) };
            let parts = [left, self.level(level + 1)?];
            left = self.term(at, above(&parts), Node::Binary(operator, Box::new(parts)))?;
        }
    }

    fn operator(&mut self, operators: &[Operator]) -> Option<Operator> {
        let found = match &self.peek().kind {
            TokenKind::Symbol(symbol) => *symbol,
            TokenKind::Word(word) => word.as_str(),
            _ => return None,
        };
        let operator = operators.iter().copied().find(|operator| operator.as_str() == found)?;
        self.next += 1;
        Some(operator)
    }

    fn unary(&mut self) -> Result<Term, CelError> {
        let at = self.peek().at;
        let is_not = self.skip("!");
        if !is_not && !self.skip("-") {
            return self.member();
        }
        self.nested(|parser| {
            let part = parser.unary()?;
            let depth = part.depth + 1;
            parser.term(at, depth, if is_not { Node::Not(Box::new(part)) } else { Node::Negate(Box::new(part)) })
        })
    }

    fn member(&mut self) -> Result<Term, CelError> {
        let mut term = self.primary()?;
        loop {
            let at = self.peek().at;
            if self.skip(".") {
                let name = self.member_name()?;
                term = if self.skip("(") { self.method(at, term, &name)? } else { self.select(at, term, name)? };
            } else if self.skip("[") {
                let parts = [term, self.expression()?];
                self.expect("]")?;
                term = self.term(at, above(&parts), Node::Index(Box::new(parts)))?;
            } else {
                return Ok(term);
            }
        }
    }

    fn select(&self, at: usize, of: Term, name: String) -> Result<Term, CelError> {
        let depth = of.depth + 1;
        self.term(at, depth, Node::Select(Box::new(of), name))
    }

    fn primary(&mut self) -> Result<Term, CelError> {
        let Token { kind, at } = self.take();
        match kind {
            TokenKind::Int(int) => self.literal(at, Json::from(int)),
            TokenKind::Double(double) => self.literal(at, Number::from_f64(double).map_or(Json::Null, Json::Number)),
            TokenKind::Text(text) => self.literal(at, Json::String(text)),
            TokenKind::Symbol("(") => {
                let inner = self.expression()?;
                self.expect(")")?;
                Ok(inner)
            }
            TokenKind::Symbol("[") => {
                let items = self.items("]")?;
                self.term(at, above(&items), Node::List(items))
            }
            TokenKind::Symbol("{") => self.map(at),
            TokenKind::Word(word) => match word.as_str() {
                "true" | "false" => self.literal(at, Json::Bool(word == "true")),
                "null" => self.literal(at, Json::Null),
                reserved if RESERVED.contains(&reserved) => {
                    Err(syntax(self.text, at, format!("{reserved} is a word of the language, not a name")))
                }
                _ if self.skip("(") => self.function(at, &word),
                _ => self.term(at, 1, Node::Name(word)),
            },
            TokenKind::End => Err(syntax(self.text, at, "the expression ends too early")),
            TokenKind::Symbol(symbol) => Err(syntax(self.text, at, format!("a value is missing before {symbol:?}"))),
        }
    }

    fn literal(&self, at: usize, value: Json) -> Result<Term, CelError> {
        self.term(at, 1, Node::Literal(value))
    }

    /// Terms between commas, up to a bracket.
    fn items(&mut self, end: &str) -> Result<Vec<Term>, CelError> {
        let mut items = Vec::new();
        while !self.skip(end) {
            items.push(self.expression()?);
            if !self.skip(",") {
                self.expect(end)?;
                break;
            }
        }
        Ok(items)
    }

    fn map(&mut self, at: usize) -> Result<Term, CelError> {
        let mut members = Vec::new();
        let mut depth = 1;
        while !self.skip("}") {
            let key = self.expression()?;
            self.expect(":")?;
            let value = self.expression()?;
            depth = depth.max(1 + key.depth.max(value.depth));
            members.push((key, value));
            if !self.skip(",") {
                self.expect("}")?;
                break;
            }
        }
        self.term(at, depth, Node::Map(members))
    }

    /// A name behind a dot.
    fn member_name(&mut self) -> Result<String, CelError> {
        match self.take() {
            Token { kind: TokenKind::Word(word), .. } => Ok(word),
            Token { at, .. } => Err(syntax(self.text, at, "a name is missing behind the dot")),
        }
    }

    /// What is called by its name alone.
    fn function(&mut self, at: usize, name: &str) -> Result<Term, CelError> {
        let arguments = self.items(")")?;
        if name != "has" {
            return self.call(at, name, arguments);
        }
        match <[Term; 1]>::try_from(arguments) {
            Ok([Term { node: Node::Select(of, member), depth, .. }]) => self.term(at, depth, Node::Has(of, member)),
            _ => Err(syntax(self.text, at, "has() takes one member, for example has(dep.status.version)")),
        }
    }

    /// What is called on a value.
    fn method(&mut self, at: usize, on: Term, name: &str) -> Result<Term, CelError> {
        let mut arguments = self.items(")")?;
        let how = match (name, arguments.len()) {
            ("all", 2) => Each::All,
            ("exists", 2) => Each::Exists,
            ("exists_one", 2) => Each::ExistsOne,
            ("filter", 2) => Each::Filter,
            ("map", 2 | 3) => Each::Map,
            ("all" | "exists" | "exists_one" | "filter" | "map", _) => {
                return Err(syntax(self.text, at, format!("{name}() takes a name and an expression")));
            }
            _ => {
                arguments.insert(0, on);
                return self.call(at, name, arguments);
            }
        };
        let depth = above(&arguments).max(on.depth + 1);
        let mut arguments = arguments.into_iter();
        let (Some(Term { node: Node::Name(variable), .. }), Some(first)) = (arguments.next(), arguments.next()) else {
            return Err(syntax(self.text, at, format!("the first argument of {name}() is a name")));
        };
        // Of the three arguments of map() the last one makes the items, and the one before chooses them.
        let (condition, result) = match arguments.next() {
            None if how == Each::Map => (None, Some(first)),
            last => (Some(first), last),
        };
        let comprehension = Comprehension { how, range: on, variable, condition, result };
        self.term(at, depth, Node::Each(Box::new(comprehension)))
    }

    fn call(&self, at: usize, name: &str, arguments: Vec<Term>) -> Result<Term, CelError> {
        let Some(function) = Function::find(name, arguments.len()) else {
            let message = format!(
                "there is no function {name} of {} arguments; there are {}",
                arguments.len(),
                Function::names()
            );
            return Err(syntax(self.text, at, message));
        };
        self.term(at, above(&arguments), Node::Call(function, arguments))
    }
}

/// The depth of a term over others.
fn above(parts: &[Term]) -> usize {
    1 + parts.iter().map(|part| part.depth).max().unwrap_or(0)
}

fn too_deep() -> String {
    format!("the expression is nested more than {DEEPEST} deep")
}
