//! Strings as Go walks them: by runes, where each byte that is not part of valid UTF-8 is a U+FFFD of its own; and the
//! classes and case mappings of Go's `unicode` package, which map one rune to one rune.

use std::sync::LazyLock;

use regex::Regex;

use crate::template::unicode;

/// The runes of a string.
pub(super) fn runes(bytes: &[u8]) -> impl Iterator<Item = char> {
    pieces(bytes).map(|(rune, _)| rune)
}

/// Each rune with the bytes that it was read from. A step looks at no more than four bytes, so that who takes one piece
/// and starts anew with the rest does not read the rest again and again.
pub(super) fn pieces(bytes: &[u8]) -> impl Iterator<Item = (char, &[u8])> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let (rune, size) = first_rune(rest)?;
        let (piece, after) = rest.split_at(size);
        rest = after;
        Some((rune, piece))
    })
}

/// `utf8.DecodeRune`: the first rune and its length in bytes.
fn first_rune(bytes: &[u8]) -> Option<(char, usize)> {
    let first = *bytes.first()?;
    if first.is_ascii() {
        return Some((char::from(first), 1));
    }
    let valid = bytes[..bytes.len().min(4)].utf8_chunks().next()?.valid();
    Some(valid.chars().next().map_or((char::REPLACEMENT_CHARACTER, 1), |rune| (rune, rune.len_utf8())))
}

/// The string without leading and trailing runes that match (`strings.TrimFunc`).
pub(super) fn trim(bytes: &[u8], matches: impl Fn(char) -> bool) -> &[u8] {
    let start: usize = pieces(bytes).take_while(|(rune, _)| matches(*rune)).map(|(_, piece)| piece.len()).sum();
    let mut end = start;
    let mut at = start;
    for (rune, piece) in pieces(&bytes[start..]) {
        at += piece.len();
        if !matches(rune) {
            end = at;
        }
    }
    &bytes[start..end]
}

/// `unicode.IsSpace`.
pub(super) fn is_space(rune: char) -> bool {
    unicode::is_space(u32::from(rune))
}

/// `unicode.IsUpper`: category Lu.
pub(super) fn is_upper(rune: char) -> bool {
    if rune.is_ascii() { rune.is_ascii_uppercase() } else { UPPER.contains(rune) }
}

/// `unicode.IsLower`: category Ll.
pub(super) fn is_lower(rune: char) -> bool {
    if rune.is_ascii() { rune.is_ascii_lowercase() } else { LOWER.contains(rune) }
}

/// `unicode.IsTitle`: category Lt.
pub(super) fn is_title(rune: char) -> bool {
    !rune.is_ascii() && TITLE.contains(rune)
}

/// `unicode.IsLetter`: categories L.
pub(super) fn is_letter(rune: char) -> bool {
    unicode::is_letter(u32::from(rune))
}

/// `unicode.IsDigit`: category Nd.
pub(super) fn is_digit(rune: char) -> bool {
    unicode::is_digit(u32::from(rune))
}

/// `unicode.IsNumber`: categories N.
pub(super) fn is_number(rune: char) -> bool {
    if rune.is_ascii() { rune.is_ascii_digit() } else { NUMBER.contains(rune) }
}

/// `unicode.IsPunct`: categories P.
pub(super) fn is_punctuation(rune: char) -> bool {
    if rune.is_ascii() {
        rune.is_ascii_punctuation() && !matches!(rune, '$' | '+' | '<' | '=' | '>' | '^' | '`' | '|' | '~')
    } else {
        PUNCTUATION.contains(rune)
    }
}

/// `unicode.ToUpper`.
pub(super) fn to_upper(rune: char) -> char {
    let mut mapped = rune.to_uppercase();
    match (mapped.next(), mapped.next()) {
        (Some(upper), None) => known(upper, rune),
        _ => to_upper_with_iota(rune),
    }
}

/// `unicode.ToTitle`.
pub(super) fn to_title(rune: char) -> char {
    match rune {
        '\u{01c4}'..='\u{01c6}' => '\u{01c5}',
        '\u{01c7}'..='\u{01c9}' => '\u{01c8}',
        '\u{01ca}'..='\u{01cc}' => '\u{01cb}',
        '\u{01f1}'..='\u{01f3}' => '\u{01f2}',
        // Georgian has capital letters, but no use for them at the start of a word.
        '\u{10d0}'..='\u{10ff}' => rune,
        _ => to_upper(rune),
    }
}

/// `unicode.ToLower`.
pub(super) fn to_lower(rune: char) -> char {
    rune.to_lowercase().next().map_or(rune, |lower| known(lower, rune))
}

/// What a rune is mapped to, unless Go's version of Unicode has no such rune.
fn known(mapped: char, rune: char) -> char {
    if mapped == rune || mapped.is_ascii() || ASSIGNED.contains(mapped) && ASSIGNED.contains(rune) {
        mapped
    } else {
        rune
    }
}

/// The mapping of the runes whose full upper case is several: Greek vowels with iota subscript have a capital letter of
/// their own, all others are left alone.
fn to_upper_with_iota(rune: char) -> char {
    match rune {
        '\u{1f80}'..='\u{1faf}' => char::from_u32(u32::from(rune) | 8).unwrap_or(rune),
        '\u{1fb3}' => '\u{1fbc}',
        '\u{1fc3}' => '\u{1fcc}',
        '\u{1ff3}' => '\u{1ffc}',
        _ => rune,
    }
}

/// A class of runes that the standard library does not know, by the regular expression that matches one of them.
struct Class(LazyLock<Option<Regex>>);

impl Class {
    fn contains(&self, rune: char) -> bool {
        self.0.as_ref().is_some_and(|regex| regex.is_match(rune.encode_utf8(&mut [0; 4])))
    }
}

// Go 1.26 knows Unicode 15.0.
static ASSIGNED: Class = Class(LazyLock::new(|| Regex::new(r"^\p{age=15.0}$").ok()));
static NUMBER: Class = Class(LazyLock::new(|| Regex::new(r"^[\p{N}&&\p{age=15.0}]$").ok()));
static UPPER: Class = Class(LazyLock::new(|| Regex::new(r"^[\p{Lu}&&\p{age=15.0}]$").ok()));
static LOWER: Class = Class(LazyLock::new(|| Regex::new(r"^[\p{Ll}&&\p{age=15.0}]$").ok()));
static TITLE: Class = Class(LazyLock::new(|| Regex::new(r"^[\p{Lt}&&\p{age=15.0}]$").ok()));
static PUNCTUATION: Class = Class(LazyLock::new(|| Regex::new(r"^[\p{P}&&\p{age=15.0}]$").ok()));
