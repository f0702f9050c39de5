//! How a string may be written in YAML: libyaml's analysis of a scalar (`yaml/v2/emitterc.go` analyze_scalar) and
//! go-yaml's choice of style.

use super::super::read::resolve::{Resolved, is_base_60, resolve};

/// The styles that the emitter writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    Plain,
    SingleQuoted,
    DoubleQuoted,
    Literal,
}

/// What the characters of a text permit.
#[derive(Clone, Copy, Debug)]
pub struct Analysis {
    /// The text has a line break, so it is no simple key.
    pub multiline: bool,
    plain_allowed: bool,
    single_quoted_allowed: bool,
    literal_allowed: bool,
}

/// Whether a tab forbids a literal block, as in go-yaml v2, or not, as in v3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tabs {
    Special,
    AllowedInLiterals,
}

impl Analysis {
    /// Looks at every character once.
    pub fn of(text: &str, tabs: Tabs) -> Self {
        let Some(first) = text.chars().next() else {
            return Self { multiline: false, plain_allowed: true, single_quoted_allowed: true, literal_allowed: false };
        };
        let mut indicators = text.starts_with("---") || text.starts_with("...") || leading_indicator(first, text);
        let (mut breaks, mut special, mut tab) = (false, false, false);
        let (mut break_space, mut space_break) = (false, false);
        let mut previous = Previous::Other;
        let mut preceded_by_blank = true;
        for (at, c) in text.char_indices() {
            match c {
                '#' if preceded_by_blank => indicators = true,
                ':' => indicators |= text.as_bytes().get(at + 1).is_none_or(|next| matches!(next, b' ' | b'\t')),
                '\t' if tabs == Tabs::AllowedInLiterals => tab = true,
                _ => special |= !is_printable(c),
            }
            let current = Previous::of(c);
            break_space |= current == Previous::Space && previous == Previous::Break;
            space_break |= current == Previous::Break && previous == Previous::Space;
            breaks |= current == Previous::Break;
            previous = current;
            preceded_by_blank = current != Previous::Other || matches!(c, '\t' | '\0');
        }
        let leading = Previous::of(first) != Previous::Other;
        let trailing = previous != Previous::Other;
        Self {
            multiline: breaks,
            plain_allowed: !(leading
                || trailing
                || breaks
                || indicators
                || break_space
                || space_break
                || special
                || tab),
            single_quoted_allowed: !(break_space || space_break || special || tab),
            literal_allowed: !(previous == Previous::Space || space_break || special),
        }
    }

    /// The style of a string: plain unless it would be read as something else or its characters forbid it, literal
    /// where it has lines (`encode.go` stringv, `emitterc.go` select_scalar_style).
    pub fn style(&self, text: &str, simple_key: bool) -> Style {
        let wanted = if text.contains('\n') {
            Style::Literal
        } else if resolve(text) == Resolved::Text && !is_base_60(text) {
            Style::Plain
        } else {
            Style::DoubleQuoted
        };
        match wanted {
            _ if simple_key && self.multiline => Style::DoubleQuoted,
            Style::Plain if self.plain_allowed => Style::Plain,
            Style::Plain if self.single_quoted_allowed => Style::SingleQuoted,
            Style::Literal if self.literal_allowed && !simple_key => Style::Literal,
            _ => Style::DoubleQuoted,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Previous {
    Space,
    Break,
    Other,
}

impl Previous {
    fn of(c: char) -> Self {
        match c {
            ' ' => Self::Space,
            _ if is_break(c) => Self::Break,
            _ => Self::Other,
        }
    }
}

fn leading_indicator(first: char, text: &str) -> bool {
    match first {
        '#' | ',' | '[' | ']' | '{' | '}' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%' | '@' | '`' => true,
        '?' | ':' | '-' => text.as_bytes().get(1).is_none_or(|next| matches!(next, b' ' | b'\t')),
        _ => false,
    }
}

/// YAML 1.1's line breaks.
pub fn is_break(c: char) -> bool {
    matches!(c, '\r' | '\n' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// What go-yaml writes unescaped: printable characters of the basic plane.
pub fn is_printable(c: char) -> bool {
    matches!(c, '\n' | ' '..='~' | '\u{A0}'..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}') && c != '\u{FEFF}'
}
