//! A template's source with the guards in it.
//!
//! minijinja's operators and loops cannot be intercepted, only functions can. So before a template is compiled, calls
//! of the [`guards`](super::guards) are put around what can grow or repeat:
//!
//! | the template says | what is compiled |
//! | --- | --- |
//! | `a ~ b` | `__text(a) ~ __text(b)` |
//! | `a + b`, `a * b` | `__value(__operand(a) + __operand(b))`, `__value(__factor(a) * __factor(b))` |
//! | `a == b`, `a in b` | `__compared(a) == b` |
//! | `[a, b]`, `x \| f`, `x[1:]` | `__value([a, b])`, `__value(__whole(x) \| f)`, `__value(__whole(x)[1:])` |
//! | `{% for x in y if c %}` | `{% for x in y if __try() and (c) %}{% do __enter(120) %}` |
//! | `{% macro %}`, `{% call %}`, `{% block %}` | the same and `{% do __enter(…) %}` |
//! | `{% set n.x = y %}` | `{% set n.x = __member(y) %}` |
//!
//! Nothing is put on a line of its own, so that lines stay what they are, and a guard at the head of a body ends as the
//! tag before it does, so that white space is treated alike. An operator between calls is also no constant, which
//! minijinja would compute, whatever its size, while it compiles.

mod expression;
mod statement;

use minijinja::machinery::{Token, parse};
use minijinja::syntax::SyntaxConfig;

use super::failure::ParseFailure;
use super::tokens::{self, Lexeme};

/// The source that is compiled in place of a template's.
///
/// # Errors
/// Where the template does not parse.
pub fn source(source: &str, syntax: &SyntaxConfig) -> Result<String, ParseFailure> {
    let lexemes = tokens::read(source, syntax)?;
    parse(source, "", syntax.clone()).map_err(|error| ParseFailure::from(&error))?;
    let mut guarding = Guarding { source, lexemes, at: 0, insertions: Vec::new(), bodies: Vec::new() };
    match guarding.template() {
        Some(()) => Ok(guarding.finish()),
        None => {
            let line = 1 + source[..guarding.start()].matches('\n').count();
            Err(ParseFailure::new(line, "this cannot be checked against the limits of a render; write it more simply"))
        }
    }
}

/// Something that is put into the source.
#[derive(Debug)]
struct Insertion {
    at: usize,
    /// At one place, what closes comes before what opens, and what is outside encloses what is inside: each is
    /// recorded after what it encloses.
    order: (bool, i64),
    text: String,
}

/// The end of a tag whose body is guarded.
#[derive(Debug)]
struct Body {
    /// The place behind the tag.
    start: usize,
    /// How the tag ends: `%}`, `-%}` or `+%}`.
    tag_end: String,
    is_guarded: bool,
}

/// A walk over the tokens of a template, which is known to parse. A method that cannot follow gives nothing.
struct Guarding<'s> {
    source: &'s str,
    lexemes: Vec<Lexeme<'s>>,
    at: usize,
    insertions: Vec<Insertion>,
    bodies: Vec<Body>,
}

impl<'s> Guarding<'s> {
    fn template(&mut self) -> Option<()> {
        while let Some(lexeme) = self.lexemes.get(self.at) {
            let starts_variable = matches!(lexeme.token, Token::VariableStart);
            let starts_block = matches!(lexeme.token, Token::BlockStart);
            self.at += 1;
            if starts_variable {
                self.expression()?;
                self.take(&Token::VariableEnd)?;
            } else if starts_block {
                self.statement()?;
            }
        }
        self.bodies.is_empty().then_some(())
    }

    fn finish(mut self) -> String {
        self.insertions.sort_by_key(|insertion| (insertion.at, insertion.order));
        let mut guarded = String::with_capacity(self.source.len() * 2);
        let mut done = 0;
        for insertion in &self.insertions {
            guarded.push_str(&self.source[done..insertion.at]);
            guarded.push_str(&insertion.text);
            done = insertion.at;
        }
        guarded.push_str(&self.source[done..]);
        guarded
    }

    fn token(&self) -> Option<&Token<'s>> {
        self.lexemes.get(self.at).map(|lexeme| &lexeme.token)
    }

    fn is(&self, token: &Token<'_>) -> bool {
        self.token().is_some_and(|found| std::mem::discriminant(found) == std::mem::discriminant(token))
    }

    fn is_word(&self, word: &str) -> bool {
        self.lexemes.get(self.at).is_some_and(|lexeme| lexeme.is_word(word))
    }

    /// Where the present token begins.
    fn start(&self) -> usize {
        self.lexemes.get(self.at).map_or(self.source.len(), |lexeme| lexeme.start)
    }

    /// Where the token before the present one ends.
    fn end(&self) -> usize {
        self.at.checked_sub(1).and_then(|before| self.lexemes.get(before)).map_or(0, |lexeme| lexeme.end)
    }

    fn skip(&mut self, token: &Token<'_>) -> bool {
        let found = self.is(token);
        self.at += usize::from(found);
        found
    }

    fn skip_word(&mut self, word: &str) -> bool {
        let found = self.is_word(word);
        self.at += usize::from(found);
        found
    }

    fn take(&mut self, token: &Token<'_>) -> Option<()> {
        self.skip(token).then_some(())
    }

    fn take_name(&mut self) -> Option<&'s str> {
        match self.token() {
            Some(Token::Ident(name)) => {
                let name = *name;
                self.at += 1;
                Some(name)
            }
            _ => None,
        }
    }

    /// Puts a call around what lies between two places.
    fn wrap(&mut self, (start, end): (usize, usize), function: &str) {
        self.surround((start, end), &format!("{function}("), ")");
    }

    fn surround(&mut self, (start, end): (usize, usize), open: &str, close: &str) {
        let count = self.insertions.len() as i64;
        self.insertions.push(Insertion { at: start, order: (true, -count), text: open.to_owned() });
        self.insertions.push(Insertion { at: end, order: (false, count), text: close.to_owned() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guarded(template: &str) -> String {
        source(template, &super::super::syntax()).unwrap_or_else(|failure| failure.text("x"))
    }

    #[test]
    fn guards_stand_around_what_can_grow_or_repeat() {
        let table = [
            ("{{ a }}{# a + b #}{% raw %}{{ a + b }}{% endraw %}", None),
            ("{{ a.b[0].c(1, x=2) - -3 ** 2 % 4 // 5 }}", None),
            ("{{ a if b else c and not d }}", None),
            ("{{ a ~ 'b' ~ c }}", Some("{{ __text(a) ~ __text('b') ~ __text(c) }}")),
            ("{{ (a + b) - c }}", Some("{{ (__value(__operand(a) + __operand(b))) - c }}")),
            ("{{ a * -b }}", Some("{{ __value(__factor(a) * __factor(-b)) }}")),
            (
                "{{ a + b * c ~ d }}",
                Some("{{ __value(__operand(a) + __operand(__text(__value(__factor(b) * __factor(c))) ~ __text(d))) }}"),
            ),
            ("{{ a == b }}", Some("{{ __compared(a) == b }}")),
            ("{{ not a.b not in c < d }}", Some("{{ not __compared(a.b) not in __compared(c) < d }}")),
            ("{{ -a|f(b|g)|h is i }}", Some("{{ __value(__whole(-a)|f(__value(__whole(b)|g))|h is i) }}")),
            ("{{ [1, [2]] }}", Some("{{ __value([1, __value([2])]) }}")),
            ("{{ f({'a': (1,)}) }}", Some("{{ f(__value({'a': __value((1,))})) }}")),
            ("{{ a.b[1:n+1].c }}", Some("{{ __value(__whole(a.b)[1:__value(__operand(n)+__operand(1))]).c }}")),
            ("{% set a, b = 1, 2 %}", Some("{% set a, b = __value((1, 2)) %}")),
            ("{% set n.a = b %}", Some("{% set n.a = __member(b) %}")),
            (
                "{% set a | f(b ~ c) %}d{% endset %}",
                Some("{% set a | __whole|f(__text(b) ~ __text(c)) %}d{% endset %}"),
            ),
            (
                "{% if a == 1 %}{% elif a|f %}{% endif %}",
                Some("{% if __compared(a) == 1 %}{% elif __value(__whole(a)|f) %}{% endif %}"),
            ),
            (
                "{% with a = b ~ 1, c = d %}{% endwith %}",
                Some("{% with a = __text(b) ~ __text(1), c = d %}{% endwith %}"),
            ),
            (
                "{% for a, (b, c) in d if e or f -%}\n {% endfor %}",
                Some("{% for a, (b, c) in d if __try() and (e or f) -%}{% do __enter(2) -%}\n {% endfor %}"),
            ),
            (
                "{% for a in b recursive %}{{ loop(a) }}{% endfor %}",
                Some("{% for a in b recursive %}{% do __enter(13) %}{{ loop(a) }}{% endfor %}"),
            ),
            (
                "{% macro a(b, c=d~e) +%}f{% endmacro %}",
                Some("{% macro a(b, c=__text(d)~__text(e)) +%}{% do __enter(1) +%}f{% endmacro %}"),
            ),
            ("{% call(a) b(c) %}d{% endcall %}", Some("{% call(a) b(c) %}{% do __enter(1) %}d{% endcall %}")),
            ("{% block a scoped %}b{% endblock a %}", Some("{% block a scoped %}{% do __enter(1) %}b{% endblock a %}")),
            ("{% block a required %} {% endblock %}", None),
            ("{% filter f(a)|g %}b{% endfilter %}", Some("{% filter __whole|f(a)|g %}b{% endfilter %}")),
            ("{% do f(a, *b, **c) %}", Some("{% do f(a, *__whole(b), **c) %}")),
            ("{% import a ~ b as c %}", Some("{% import __text(a) ~ __text(b) as c %}")),
            ("{% from 'a' import b as c, d with context %}{% include 'a' ignore missing %}{% extends 'a' %}", None),
            (
                "{% autoescape true %}{% endautoescape %}{% for a in b %}{% break %}{% else %}{% endfor %}",
                Some(
                    "{% autoescape true %}{% endautoescape %}{% for a in b %}{% do __enter(21) %}{% break %}{% else %}{% endfor %}",
                ),
            ),
        ];
        for (template, expected) in table {
            assert_eq!(guarded(template), expected.unwrap_or(template), "{template}");
        }
    }

    #[test]
    fn what_cannot_be_guarded_is_refused() {
        let table = [
            (
                "{{ __value(1) }}",
                "parse error at (x:1): the name __value begins with two underscores; such names are kept for the engine",
            ),
            (
                "\n{% set __enter = 1 %}",
                "parse error at (x:2): the name __enter begins with two underscores; such names are kept for the engine",
            ),
            ("a\n{% if %}", "parse error at (x:2): syntax error: unexpected end of block"),
            ("a\n\n{{ 'open", "parse error at (x:3): syntax error: unexpected end of string"),
        ];
        for (template, expected) in table {
            assert_eq!(guarded(template), expected, "{template}");
        }
    }
}
