//! Go's regular expressions (`regexp/syntax`) written as the `regex` crate reads them, with Go's errors.
//!
//! Both are of RE2's family and agree in what matches; they differ in spelling. Here `\d \w \s \b` are ASCII, `{` is a
//! literal where no count follows, `x**` and counts above 1000 are refused, and group names may be anything. So the
//! text is parsed as Go parses it and every atom is written out in full: flags, classes and literals are explicit, and
//! nothing depends on what stands around it.

use super::pattern_class::{self, Class};

/// The largest count of a repetition, nested ones multiplied.
const MAX_REPEAT: u32 = 1_000;
/// How deep groups may be nested.
const MAX_DEPTH: usize = 1_000;

/// A pattern that Go refuses: its reason and the part at fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("error parsing regexp: {reason}: `{part}`")]
pub(super) struct PatternError {
    reason: &'static str,
    part: String,
}

impl PatternError {
    pub(super) fn new(reason: &'static str, part: &str) -> Self {
        Self { reason, part: part.to_owned() }
    }

    /// A pattern that is too large to compile.
    pub(super) fn too_large(pattern: &str) -> Self {
        Self::new("expression too large", pattern)
    }
}

/// A pattern in the other spelling.
#[derive(Debug)]
pub(super) struct Translation {
    /// For the `regex` crate; groups have no names.
    pub(super) pattern: String,
    /// The name of each group, empty for none, from the whole match on.
    pub(super) names: Vec<String>,
}

/// A pattern in the spelling of the `regex` crate, without the names of its groups.
///
/// # Errors
/// Go's text, where `regexp.Compile` refuses the pattern.
pub fn to_regex(pattern: &str) -> Result<String, String> {
    translate(pattern).map(|translation| translation.pattern).map_err(|error| error.to_string())
}

/// Translates a pattern.
pub(super) fn translate(pattern: &str) -> Result<Translation, PatternError> {
    let mut parser = Parser::new(pattern);
    parser.parse()?;
    let Parser { mut groups, names, .. } = parser;
    match groups.pop() {
        Some(whole) if groups.is_empty() => Ok(Translation { pattern: whole.written(), names }),
        _ => Err(PatternError::new("missing closing )", pattern)),
    }
}

#[derive(Clone, Copy, Default)]
struct Flags {
    fold_case: bool,
    multi_line: bool,
    dot_matches_newline: bool,
    swap_greed: bool,
}

/// What a repetition applies to, with the product of the counts inside it.
struct Atom {
    text: String,
    repeats: u32,
}

/// An open group: its alternatives so far and the atoms of the current one.
struct Group {
    captures: bool,
    outer_flags: Flags,
    alternatives: Vec<String>,
    atoms: Vec<Atom>,
    repeats: u32,
}

impl Group {
    fn new(captures: bool, outer_flags: Flags) -> Self {
        Self { captures, outer_flags, alternatives: Vec::new(), atoms: Vec::new(), repeats: 1 }
    }

    fn push(&mut self, text: String) {
        self.atoms.push(Atom { text, repeats: 1 });
    }

    fn end_alternative(&mut self) {
        self.repeats = self.atoms.iter().map(|atom| atom.repeats).fold(self.repeats, u32::max);
        self.alternatives.push(self.atoms.drain(..).map(|atom| atom.text).collect());
    }

    fn written(mut self) -> String {
        self.end_alternative();
        self.alternatives.join("|")
    }
}

struct Parser<'a> {
    whole: &'a str,
    rest: &'a str,
    flags: Flags,
    groups: Vec<Group>,
    names: Vec<String>,
    /// What was left when the repetition began that ends right here.
    repetition: Option<&'a str>,
}

/// What a repetition sign says.
struct Repetition {
    sign: String,
    /// The count that multiplies with counts inside; none for `*`, `+` and `?`.
    most: Option<u32>,
}

impl<'a> Parser<'a> {
    fn new(whole: &'a str) -> Self {
        let groups = vec![Group::new(false, Flags::default())];
        Self { whole, rest: whole, flags: Flags::default(), groups, names: vec![String::new()], repetition: None }
    }

    fn parse(&mut self) -> Result<(), PatternError> {
        while let Some(first) = self.rest.chars().next() {
            let before = self.rest;
            let mut repeated = false;
            match first {
                '(' => self.open_group()?,
                ')' => self.close_group()?,
                '|' => {
                    self.skip(1);
                    self.group().end_alternative();
                }
                '^' => self.assertion(1, if self.flags.multi_line { "(?m:^)" } else { r"\A" }),
                '$' => self.assertion(1, if self.flags.multi_line { "(?m:$)" } else { r"\z" }),
                '.' => self.assertion(1, if self.flags.dot_matches_newline { "(?s:.)" } else { r"[^\n]" }),
                '[' => self.class()?,
                '*' | '+' | '?' => {
                    self.skip(1);
                    self.repeat(before, Repetition { sign: first.to_string(), most: None })?;
                    repeated = true;
                }
                '{' => repeated = self.counted_repetition()?,
                '\\' => self.escape()?,
                _ => {
                    self.skip(first.len_utf8());
                    self.literal(first);
                }
            }
            self.repetition = repeated.then_some(before);
        }
        Ok(())
    }

    fn group(&mut self) -> &mut Group {
        if self.groups.is_empty() {
            self.groups.push(Group::new(false, self.flags));
        }
        let last = self.groups.len() - 1;
        &mut self.groups[last]
    }

    fn skip(&mut self, bytes: usize) {
        self.rest = &self.rest[bytes..];
    }

    /// The part of the pattern from an earlier point to here.
    fn since(&self, before: &'a str) -> &'a str {
        &before[..before.len() - self.rest.len()]
    }

    fn assertion(&mut self, bytes: usize, text: &str) {
        self.skip(bytes);
        self.group().push(text.to_owned());
    }

    fn literal(&mut self, character: char) {
        let text = self.folded(pattern_class::written(character));
        self.group().push(text);
    }

    fn folded(&self, text: String) -> String {
        if self.flags.fold_case { format!("(?i:{text})") } else { text }
    }

    fn open_group(&mut self) -> Result<(), PatternError> {
        if self.groups.len() > MAX_DEPTH {
            return Err(PatternError::new("expression nests too deeply", self.whole));
        }
        if self.rest.starts_with("(?") {
            return self.special_group();
        }
        self.skip(1);
        self.open_capture(String::new());
        Ok(())
    }

    fn open_capture(&mut self, name: String) {
        self.names.push(name);
        self.groups.push(Group::new(true, self.flags));
    }

    fn close_group(&mut self) -> Result<(), PatternError> {
        if self.groups.len() < 2 {
            return Err(PatternError::new("unexpected )", self.whole));
        }
        self.skip(1);
        let Some(mut group) = self.groups.pop() else { return Ok(()) };
        self.flags = group.outer_flags;
        group.end_alternative();
        let start = if group.captures { "(" } else { "(?:" };
        let atom = Atom { repeats: group.repeats, text: format!("{start}{})", group.alternatives.join("|")) };
        self.group().atoms.push(atom);
        Ok(())
    }

    /// `(?P<name>`, `(?<name>`, `(?flags)` or `(?flags:`.
    fn special_group(&mut self) -> Result<(), PatternError> {
        let before = self.rest;
        let named = [("(?P<", 4), ("(?<", 3)]
            .into_iter()
            .find(|(start, length)| before.starts_with(start) && before.len() > *length);
        if let Some((_, start)) = named {
            let end = before.find('>').ok_or_else(|| PatternError::new("invalid named capture", before))?;
            let name = &before[start..end];
            if name.is_empty() || !name.chars().all(|c| c == '_' || c.is_ascii_alphanumeric()) {
                return Err(PatternError::new("invalid named capture", &before[..=end]));
            }
            self.skip(end + 1);
            self.open_capture(name.to_owned());
            return Ok(());
        }
        self.skip(2);
        self.flags_or_group(before)
    }

    fn flags_or_group(&mut self, before: &'a str) -> Result<(), PatternError> {
        let mut flags = self.flags;
        let mut value = true;
        let mut any_since_minus = true;
        while let Some(character) = self.rest.chars().next() {
            self.skip(character.len_utf8());
            match character {
                'i' => flags.fold_case = value,
                'm' => flags.multi_line = value,
                's' => flags.dot_matches_newline = value,
                'U' => flags.swap_greed = value,
                '-' if value => {
                    (value, any_since_minus) = (false, false);
                    continue;
                }
                ':' | ')' if any_since_minus => {
                    if character == ':' {
                        self.groups.push(Group::new(false, self.flags));
                    }
                    self.flags = flags;
                    return Ok(());
                }
                _ => break,
            }
            any_since_minus = true;
        }
        Err(PatternError::new("invalid or unsupported Perl syntax", self.since(before)))
    }

    /// `{2}`, `{2,}` or `{2,5}`; anything else is a literal brace. Says whether it was a repetition.
    fn counted_repetition(&mut self) -> Result<bool, PatternError> {
        let before = self.rest;
        let Some((least, most, length)) = parse_counts(before) else {
            self.skip(1);
            self.literal('{');
            return Ok(false);
        };
        self.skip(length);
        if least > MAX_REPEAT || most.is_some_and(|most| most > MAX_REPEAT || most < least) {
            return Err(PatternError::new("invalid repeat count", self.since(before)));
        }
        let sign = self.since(before).to_owned();
        self.repeat(before, Repetition { sign, most: Some(most.unwrap_or(least)) })?;
        Ok(true)
    }

    fn repeat(&mut self, before: &'a str, repetition: Repetition) -> Result<(), PatternError> {
        let lazy = self.rest.starts_with('?');
        if lazy {
            self.skip(1);
        }
        if let Some(previous) = self.repetition {
            return Err(PatternError::new("invalid nested repetition operator", self.since(previous)));
        }
        let part = self.since(before);
        let suffix = if lazy != self.flags.swap_greed { "?" } else { "" };
        let Some(atom) = self.group().atoms.last_mut() else {
            return Err(PatternError::new("missing argument to repetition operator", part));
        };
        match repetition.most {
            Some(0) => atom.repeats = 1,
            Some(most) => atom.repeats = atom.repeats.saturating_mul(most),
            None => {}
        }
        if repetition.most.is_some_and(|most| most > 1) && atom.repeats > MAX_REPEAT {
            return Err(PatternError::new("invalid repeat count", part));
        }
        atom.text = format!("(?:{}){}{suffix}", atom.text, repetition.sign);
        Ok(())
    }

    fn class(&mut self) -> Result<(), PatternError> {
        let (class, length) = Class::parse(self.rest)?;
        self.skip(length);
        let text = self.folded(class);
        self.group().push(text);
        Ok(())
    }

    fn escape(&mut self) -> Result<(), PatternError> {
        match self.rest.as_bytes().get(1) {
            Some(b'A') => self.assertion(2, r"\A"),
            Some(b'z') => self.assertion(2, r"\z"),
            Some(b'b') => self.assertion(2, r"(?-u:\b)"),
            Some(b'B') => self.assertion(2, r"(?-u:\B)"),
            Some(b'C') => return Err(PatternError::new("invalid escape sequence", &self.rest[..2])),
            Some(b'Q') => self.quotation(),
            _ => {
                if let Some((class, length)) = pattern_class::named_escape(self.rest)? {
                    self.skip(length);
                    let text = self.folded(class);
                    self.group().push(text);
                } else {
                    let (character, length) = pattern_class::escaped(self.rest)?;
                    self.skip(length);
                    self.literal(character);
                }
            }
        }
        Ok(())
    }

    /// `\Q` to `\E` or the end: literals.
    fn quotation(&mut self) {
        let text = &self.rest[2..];
        let (quoted, rest) = text.split_once(r"\E").unwrap_or((text, ""));
        self.rest = rest;
        for character in quoted.chars() {
            self.literal(character);
        }
    }
}

/// The counts in braces and the length of all; a count of too many digits is larger than any allowed.
fn parse_counts(text: &str) -> Option<(u32, Option<u32>, usize)> {
    let inner = text.strip_prefix('{')?;
    let (least, rest) = parse_count(inner)?;
    let (most, rest) = match rest.strip_prefix(',') {
        None => (Some(least), rest),
        Some(rest) if rest.starts_with('}') => (None, rest),
        Some(rest) => parse_count(rest).map(|(most, rest)| (Some(most), rest))?,
    };
    let rest = rest.strip_prefix('}')?;
    Some((least, most, text.len() - rest.len()))
}

fn parse_count(text: &str) -> Option<(u32, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let digits = &text[..end];
    if digits.is_empty() || digits.len() > 1 && digits.starts_with('0') {
        return None;
    }
    Some((digits.parse().unwrap_or(u32::MAX), &text[end..]))
}
