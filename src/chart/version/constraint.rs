//! Version ranges: `||` between alternatives, space or comma between conditions that all must hold.

use std::cmp::Ordering;
use std::fmt;

use thiserror::Error;

use super::{Parts, Version, take_while};
use crate::template::print;

/// The longest text that is read as a constraint, in bytes.
const MAX_LENGTH: usize = 512;
/// The most alternatives.
const MAX_ALTERNATIVES: usize = 32;

/// Why a text is no constraint. The texts are those of the Go library.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ConstraintError {
    /// An alternative that is not of the form of a constraint.
    #[error("improper constraint: {}", quoted(.0))]
    Improper(String),
    /// A condition whose version is none, such as `1x`.
    #[error("constraint parser error")]
    Version,
    /// Longer than 512 bytes.
    #[error("constraint string is too long (max {MAX_LENGTH} bytes)")]
    TooLong,
    /// More than 32 alternatives.
    #[error("too many constraint groups (max {MAX_ALTERNATIVES})")]
    TooManyAlternatives,
}

fn quoted(text: &str) -> String {
    String::from_utf8_lossy(&print::quote(text.as_bytes())).into_owned()
}

/// A range of versions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Constraint {
    alternatives: Vec<Vec<Condition>>,
}

impl Constraint {
    /// Reads a constraint such as `>=1.21-0 <2 || ~3.1 || 4.x - 5`.
    pub fn parse(text: &str) -> Result<Self, ConstraintError> {
        if text.len() > MAX_LENGTH {
            return Err(ConstraintError::TooLong);
        }
        let text = rewrite_hyphen_ranges(text);
        let alternatives: Vec<_> = text.split("||").collect();
        if alternatives.len() > MAX_ALTERNATIVES {
            return Err(ConstraintError::TooManyAlternatives);
        }
        let alternatives = alternatives.into_iter().map(parse_alternative).collect::<Result<_, _>>()?;
        Ok(Self { alternatives })
    }

    /// Whether the version is in the range. A prerelease is only where a condition of the same alternative has one.
    pub fn check(&self, version: &Version) -> bool {
        self.alternatives.iter().any(|conditions| {
            let prereleases = conditions.iter().any(|condition| !condition.version.prerelease.is_empty());
            (prereleases || version.prerelease.is_empty())
                && conditions.iter().all(|condition| condition.check(version))
        })
    }
}

/// The conditions as written, normally spaced.
impl fmt::Display for Constraint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, conditions) in self.alternatives.iter().enumerate() {
            if i > 0 {
                f.write_str(" || ")?;
            }
            for (j, condition) in conditions.iter().enumerate() {
                let space = if j > 0 { " " } else { "" };
                write!(f, "{space}{}{}", condition.sign, condition.written)?;
            }
        }
        Ok(())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    TildeOrEqual,
    NotEqual,
    Greater,
    Less,
    GreaterOrEqual,
    LessOrEqual,
    Tilde,
    Caret,
}

/// The operators as written, a longer one before its prefix.
const OPERATORS: [(&str, Operator); 12] = [
    ("!=", Operator::NotEqual),
    (">=", Operator::GreaterOrEqual),
    ("=>", Operator::GreaterOrEqual),
    ("<=", Operator::LessOrEqual),
    ("=<", Operator::LessOrEqual),
    ("~>", Operator::Tilde),
    ("=", Operator::TildeOrEqual),
    (">", Operator::Greater),
    ("<", Operator::Less),
    ("~", Operator::Tilde),
    ("^", Operator::Caret),
    ("", Operator::TildeOrEqual),
];

/// The first part of the version that was left out or written as a wildcard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wildcard {
    None,
    Major,
    Minor,
    Patch,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Condition {
    operator: Operator,
    sign: &'static str,
    written: String,
    /// The version with zeros for wildcards.
    version: Version,
    wildcard: Wildcard,
}

impl Condition {
    fn check(&self, version: &Version) -> bool {
        match self.operator {
            Operator::TildeOrEqual if self.wildcard == Wildcard::None => self.order(version).is_eq(),
            Operator::TildeOrEqual | Operator::Tilde => self.is_within_tilde(version),
            Operator::NotEqual => self.differs(version),
            Operator::Greater => self.is_exceeded(version),
            Operator::Less => self.order(version).is_lt(),
            Operator::GreaterOrEqual => self.order(version).is_ge(),
            Operator::LessOrEqual => self.is_not_exceeded(version),
            Operator::Caret => self.is_within_caret(version),
        }
    }

    fn order(&self, version: &Version) -> Ordering {
        version.compare(&self.version)
    }

    fn differs(&self, version: &Version) -> bool {
        let limit = &self.version;
        match self.wildcard {
            Wildcard::None => self.order(version).is_ne(),
            _ if version.major != limit.major => true,
            Wildcard::Minor => false,
            _ if version.minor != limit.minor => true,
            // The library compares the patch numbers of a bare `!=*`, where zero stands for the wildcard.
            Wildcard::Major => version.patch != limit.patch || self.order(version).is_ne(),
            Wildcard::Patch => version.prerelease != limit.prerelease,
        }
    }

    fn is_exceeded(&self, version: &Version) -> bool {
        let limit = &self.version;
        match (self.wildcard, version.major.cmp(&limit.major)) {
            (Wildcard::None, _) => self.order(version).is_gt(),
            (_, Ordering::Greater) => true,
            (_, Ordering::Less) | (Wildcard::Minor, _) => false,
            (Wildcard::Patch, _) => version.minor > limit.minor,
            (Wildcard::Major, _) => self.order(version).is_gt(),
        }
    }

    fn is_not_exceeded(&self, version: &Version) -> bool {
        let limit = &self.version;
        match self.wildcard {
            Wildcard::None => self.order(version).is_le(),
            Wildcard::Minor => version.major <= limit.major,
            Wildcard::Major | Wildcard::Patch => (version.major, version.minor) <= (limit.major, limit.minor),
        }
    }

    /// `~1.2.3` is below 1.3, `~1` below 2, `~0.0.0` and a bare wildcard are open.
    fn is_within_tilde(&self, version: &Version) -> bool {
        let limit = &self.version;
        if self.order(version).is_lt() {
            return false;
        }
        let is_zero = (limit.major, limit.minor, limit.patch) == (0, 0, 0);
        if is_zero && matches!(self.wildcard, Wildcard::None | Wildcard::Major) {
            return true;
        }
        version.major == limit.major && (version.minor == limit.minor || self.wildcard == Wildcard::Minor)
    }

    /// No change of the leftmost number that is not zero.
    fn is_within_caret(&self, version: &Version) -> bool {
        let limit = &self.version;
        if self.order(version).is_lt() || version.major != limit.major {
            return false;
        }
        if limit.major > 0 || self.wildcard == Wildcard::Minor {
            return true;
        }
        if version.minor != limit.minor {
            return false;
        }
        limit.minor > 0 || self.wildcard == Wildcard::Patch || version.patch == limit.patch
    }
}

fn is_version_byte(byte: &u8) -> bool {
    byte.is_ascii_digit() || matches!(byte, b'|' | b'x' | b'X' | b'*')
}

fn is_space(byte: &u8) -> bool {
    matches!(byte, b'\t' | b'\n' | 0x0c | b'\r' | b' ')
}

fn skip_space(text: &str) -> &str {
    take_while(text, is_space).map_or(text, |(_, rest)| rest)
}

/// One alternative: conditions after one another, each with a version, divided by space or a comma.
fn parse_alternative(text: &str) -> Result<Vec<Condition>, ConstraintError> {
    let improper = || ConstraintError::Improper(text.to_owned());
    let mut written = Vec::new();
    let mut rest = text;
    loop {
        let (condition, after) = scan_condition(skip_space(rest)).ok_or_else(improper)?;
        written.push(condition);
        rest = skip_space(after);
        if rest.is_empty() {
            break;
        }
        let divided = rest.len() < after.len();
        match rest.strip_prefix(',') {
            Some(next) => rest = next,
            None if divided => {}
            None => return Err(improper()),
        }
    }
    written.into_iter().map(Written::resolve).collect()
}

/// A condition whose version is not yet read.
struct Written<'a> {
    operator: Operator,
    sign: &'static str,
    text: &'a str,
    parts: Parts<'a>,
}

fn scan_condition(text: &str) -> Option<(Written<'_>, &str)> {
    OPERATORS.iter().find_map(|&(sign, operator)| {
        let start = skip_space(text.strip_prefix(sign)?);
        let (parts, rest) = Parts::scan(start, is_version_byte)?;
        Some((Written { operator, sign, text: &start[..start.len() - rest.len()], parts }, rest))
    })
}

impl Written<'_> {
    fn resolve(self) -> Result<Condition, ConstraintError> {
        let is_wildcard = |part: Option<&str>| matches!(part, None | Some("x" | "X" | "*"));
        let Parts { major, minor, patch, prerelease, .. } = self.parts;
        let prerelease = prerelease.map(|p| format!("-{p}")).unwrap_or_default();
        let (version, wildcard) = if is_wildcard(Some(major)) {
            (format!("0.0.0{prerelease}"), Wildcard::Major)
        } else if is_wildcard(minor) {
            (format!("{major}.0.0{prerelease}"), Wildcard::Minor)
        } else if is_wildcard(patch) {
            (format!("{major}.{}.0{prerelease}", minor.unwrap_or_default()), Wildcard::Patch)
        } else {
            (self.text.to_owned(), Wildcard::None)
        };
        let version = Version::parse(&version).map_err(|_| ConstraintError::Version)?;
        Ok(Condition { operator: self.operator, sign: self.sign, written: self.text.to_owned(), version, wildcard })
    }
}

/// Writes every `a - b` as `>= a, <= b`.
fn rewrite_hyphen_ranges(text: &str) -> String {
    let mut rewritten = text.to_owned();
    let mut rest = text;
    while let Some((range, after)) = find_hyphen_range(rest) {
        rewritten = rewritten.replacen(range.whole, &format!(">= {}, <= {} ", range.from, range.to), 1);
        rest = after;
    }
    rewritten
}

struct HyphenRange<'a> {
    whole: &'a str,
    from: &'a str,
    to: &'a str,
}

fn find_hyphen_range(text: &str) -> Option<(HyphenRange<'_>, &str)> {
    text.char_indices().find_map(|(start, _)| scan_hyphen_range(&text[start..]))
}

fn scan_hyphen_range(text: &str) -> Option<(HyphenRange<'_>, &str)> {
    let version = |text| {
        let (_, rest) = Parts::scan(text, is_version_byte)?;
        Some((&text[..text.len() - rest.len()], rest))
    };
    let (from, rest) = version(skip_space(text))?;
    let (_, rest) = take_while(rest, is_space)?;
    let (_, rest) = take_while(rest.strip_prefix('-')?, is_space)?;
    let (to, rest) = version(rest)?;
    let rest = skip_space(rest);
    Some((HyphenRange { whole: &text[..text.len() - rest.len()], from, to }, rest))
}
