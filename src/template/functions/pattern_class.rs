//! The classes and escapes of Go's regular expressions, in the `regex` crate's spelling.

use std::collections::BTreeMap;
use std::sync::Mutex;

use regex::Regex;

use super::pattern::PatternError;

/// A bracketed class.
pub(super) struct Class;

impl Class {
    /// Reads the class at the start of the text; its spelling and its length.
    pub(super) fn parse(text: &str) -> Result<(String, usize), PatternError> {
        let mut rest = &text[1..];
        let mut class = String::from("[");
        if let Some(after) = rest.strip_prefix('^') {
            rest = after;
            class.push('^');
        }
        let mut is_first = true;
        while is_first || !rest.starts_with(']') {
            is_first = false;
            let (item, length) = parse_item(rest, text)?;
            class.push_str(&item);
            rest = &rest[length..];
        }
        class.push(']');
        Ok((class, text.len() - rest.len() + 1))
    }
}

fn parse_item(text: &str, whole: &str) -> Result<(String, usize), PatternError> {
    if let Some(item) = posix_class(text)? {
        return Ok(item);
    }
    if let Some(item) = named_escape(text)? {
        return Ok(item);
    }
    let (low, mut length) = parse_character(text, whole)?;
    let after = &text[length..];
    if !after.starts_with('-') || after.len() < 2 || after.starts_with("-]") {
        return Ok((written(low), length));
    }
    let (high, high_length) = parse_character(&after[1..], whole)?;
    length += 1 + high_length;
    if high < low {
        return Err(PatternError::new("invalid character class range", &text[..length]));
    }
    Ok((format!("{}-{}", written(low), written(high)), length))
}

fn parse_character(text: &str, whole: &str) -> Result<(char, usize), PatternError> {
    match text.chars().next() {
        None => Err(PatternError::new("missing closing ]", whole)),
        Some('\\') => escaped(text),
        Some(character) => Ok((character, character.len_utf8())),
    }
}

/// `[:alpha:]` or `[:^alpha:]` inside of a class.
fn posix_class(text: &str) -> Result<Option<(String, usize)>, PatternError> {
    const NAMES: [&str; 14] = [
        "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space", "upper",
        "word", "xdigit",
    ];
    let Some(end) = text.strip_prefix("[:").and_then(|inner| inner.find(":]")) else { return Ok(None) };
    let (class, name) = (&text[..end + 4], &text[2..end + 2]);
    if !NAMES.contains(&name.strip_prefix('^').unwrap_or(name)) {
        return Err(PatternError::new("invalid character class range", class));
    }
    Ok(Some((class.to_owned(), class.len())))
}

/// `\d`, `\pL`, `\p{Greek}` and the like, outside or inside of a class; nothing for other escapes.
pub(super) fn named_escape(text: &str) -> Result<Option<(String, usize)>, PatternError> {
    let class = match text.as_bytes() {
        [b'\\', b'd', ..] => "[0-9]",
        [b'\\', b'D', ..] => "[^0-9]",
        [b'\\', b's', ..] => r"[\t\n\x0C\r ]",
        [b'\\', b'S', ..] => r"[^\t\n\x0C\r ]",
        [b'\\', b'w', ..] => "[0-9A-Za-z_]",
        [b'\\', b'W', ..] => "[^0-9A-Za-z_]",
        [b'\\', b'p' | b'P', ..] => return unicode_class(text).map(Some),
        _ => return Ok(None),
    };
    Ok(Some((class.to_owned(), 2)))
}

fn unicode_class(text: &str) -> Result<(String, usize), PatternError> {
    let refused = |part: &str| PatternError::new("invalid character class range", part);
    let (name, length) = match text[2..].chars().next() {
        Some('{') => {
            let end = text.find('}').ok_or_else(|| refused(text))?;
            (&text[3..end], end + 1)
        }
        Some(letter) => (&text[2..2 + letter.len_utf8()], 2 + letter.len_utf8()),
        None => ("", 2),
    };
    let negated = text.starts_with(r"\P") != name.starts_with('^');
    let name = name.strip_prefix('^').unwrap_or(name);
    let members = unicode_members(name).ok_or_else(|| refused(&text[..length]))?;
    let sign = if negated { "^" } else { "" };
    Ok((format!("[{sign}{members}]"), length))
}

/// The members of a general category or script; cases, spaces, hyphens and underscores of its name count not.
fn unicode_members(name: &str) -> Option<String> {
    let canonical: String = name.chars().filter(|c| !matches!(c, '_' | '-' | ' ')).collect::<String>().to_lowercase();
    match canonical.as_str() {
        "any" => return Some(r"\x{0}-\x{10FFFF}".to_owned()),
        "assigned" => return Some(r"\P{Cn}".to_owned()),
        "ascii" => return Some(r"\x{0}-\x{7F}".to_owned()),
        "lc" | "casedletter" => return Some(r"\p{Lu}\p{Ll}\p{Lt}".to_owned()),
        _ if canonical.is_empty() || !canonical.chars().all(|c| c.is_ascii_alphanumeric()) => return None,
        _ => {}
    }
    known_members(canonical)
}

/// The members by a canonical name. To find out takes as long as thousands of other characters of a pattern, so what was
/// found is kept: there are some hundred names.
fn known_members(canonical: String) -> Option<String> {
    static FOUND: Mutex<BTreeMap<String, String>> = Mutex::new(BTreeMap::new());
    if let Some(members) = FOUND.lock().ok().and_then(|found| found.get(&canonical).cloned()) {
        return Some(members);
    }
    let candidates = ["gc", "sc"].map(|property| format!(r"\p{{{property}={canonical}}}"));
    let members = candidates.into_iter().find(|class| Regex::new(class).is_ok())?;
    if let Ok(mut found) = FOUND.lock() {
        found.insert(canonical, members.clone());
    }
    Some(members)
}

/// The character that an escape stands for and the length of the escape.
pub(super) fn escaped(text: &str) -> Result<(char, usize), PatternError> {
    let mut characters = text[1..].chars();
    let Some(first) = characters.next() else {
        return Err(PatternError::new("trailing backslash at end of expression", ""));
    };
    let rest = characters.as_str();
    let refused = |rest: &str| PatternError::new("invalid escape sequence", &text[..text.len() - rest.len()]);
    let character = match first {
        'a' => '\x07',
        'f' => '\x0c',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\x0b',
        'x' => return hexadecimal(text, rest),
        '0'..='7' => return octal(text, first, rest).ok_or_else(|| refused(rest)),
        _ if first.is_ascii() && !first.is_ascii_alphanumeric() => first,
        _ => return Err(refused(rest)),
    };
    Ok((character, text.len() - rest.len()))
}

/// Up to three digits; a single one other than zero would be a back-reference.
fn octal(text: &str, first: char, rest: &str) -> Option<(char, usize)> {
    let is_octal = |c: char| c.is_digit(8);
    if first != '0' && !rest.starts_with(is_octal) {
        return None;
    }
    let more = rest.chars().take(2).take_while(|c| is_octal(*c)).count();
    let length = text.len() - rest.len() + more;
    let code = u32::from_str_radix(&text[1..length], 8).ok()?;
    Some((character_of(code), length))
}

/// `\x41` or `\x{1F600}`.
fn hexadecimal(text: &str, after: &str) -> Result<(char, usize), PatternError> {
    let refused = |rest: &str| PatternError::new("invalid escape sequence", &text[..text.len() - rest.len()]);
    let mut characters = after.chars();
    let Some(first) = characters.next() else { return Err(refused(after)) };
    if first != '{' {
        let second = characters.next();
        let digits = [Some(first), second].map(|c| c.and_then(|c| c.to_digit(16)));
        let [Some(high), Some(low)] = digits else { return Err(refused(characters.as_str())) };
        return Ok((character_of(high << 4 | low), text.len() - characters.as_str().len()));
    }
    let mut code = 0;
    let mut any = false;
    while let Some(character) = characters.next() {
        match character.to_digit(16) {
            Some(digit) if code * 16 + digit <= u32::from(char::MAX) => (code, any) = (code * 16 + digit, true),
            None if character == '}' && any => return Ok((character_of(code), text.len() - characters.as_str().len())),
            _ => break,
        }
    }
    Err(refused(characters.as_str()))
}

/// Half of a surrogate pair is no character and matches nothing that a text can hold but its replacement.
fn character_of(code: u32) -> char {
    char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)
}

/// A character as itself, inside and outside of classes.
pub(super) fn written(character: char) -> String {
    if character.is_ascii() && !character.is_ascii_alphanumeric() {
        return format!(r"\x{{{:X}}}", u32::from(character));
    }
    character.to_string()
}
