//! Identifiers from words in any style: `FooBar`, `foo_bar`, `foo-bar` (`xstrings` 1.5 ToPascalCase, ToSnakeCase and
//! ToKebabCase).

use super::runes::{is_letter, is_number, is_punctuation, is_space, is_upper, pieces, to_lower, to_upper};

/// Joins words, each with a capital first letter. Of several connectors between two words all but the last are kept,
/// as are all at the start.
pub(super) fn pascal_case(runes: &[char]) -> String {
    let leading = runes.iter().take_while(|rune| is_connector(**rune)).count();
    let mut text: String = runes[..leading].iter().collect();
    let Some((&first, rest)) = runes[leading..].split_first() else {
        // Nothing but connectors: the library writes the last one twice.
        text.extend(runes.last());
        return text;
    };
    let mut in_capitals = is_upper(first);
    let mut pending = to_upper(first);
    for &rune in rest {
        let after_connector = is_connector(pending);
        if after_connector && is_connector(rune) {
            text.push(pending);
            pending = rune;
            continue;
        }
        let mut next = rune;
        if after_connector {
            in_capitals = is_upper(rune);
            next = to_upper(rune);
        } else {
            if in_capitals && is_upper(rune) {
                next = to_lower(rune);
            } else {
                in_capitals = false;
            }
            text.push(pending);
        }
        pending = next;
    }
    text.push(pending);
    text
}

/// Divides an identifier into words and joins them in lower case.
pub(super) fn joined_lower_case(text: &[u8], connector: char) -> Vec<u8> {
    let mut joiner = Joiner { text: Vec::with_capacity(text.len() + 8), connector };
    joiner.join(text);
    joiner.text
}

fn is_connector(rune: char) -> bool {
    matches!(rune, '-' | '_') || is_space(rune)
}

/// A letter, but not a CJK character, which is a word of its own kind.
fn is_alphabetic(rune: char) -> bool {
    is_letter(rune) && !matches!(rune, '\u{3400}'..='\u{4d85}' | '\u{4e00}'..='\u{9fcc}' | '\u{20000}'..='\u{2b81d}')
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    Invalid,
    Number,
    UpperCase,
    Alphabet,
    Connector,
    Punctuation,
    Other,
}

impl Word {
    fn continues_number(self) -> bool {
        matches!(self, Self::Alphabet | Self::Number)
    }

    fn needs_connector(self) -> bool {
        !matches!(self, Self::Connector | Self::Punctuation)
    }
}

struct Joiner {
    text: Vec<u8>,
    connector: char,
}

impl Joiner {
    fn join(&mut self, text: &[u8]) {
        if text.is_empty() {
            return;
        }
        let (mut kind, mut word, mut rest) = next_word(text);
        while !rest.is_empty() {
            if kind != Word::Connector {
                self.write(kind, word);
            }
            let (previous, last) = (kind, word);
            (kind, word, rest) = next_word(rest);
            match previous {
                Word::Number => {
                    (kind, word, rest) = self.write_number_tail(kind, word, rest);
                    if kind != Word::Invalid && kind.needs_connector() {
                        self.write_connector();
                    }
                }
                Word::Connector => self.write(previous, last),
                Word::Punctuation => {}
                _ => (kind, word, rest) = self.divide(kind, word, rest),
            }
        }
        self.write(kind, word);
    }

    /// Between two words of letters; a number belongs to the word before it, unless lower case follows it.
    fn divide<'a>(&mut self, kind: Word, word: &'a [u8], rest: &'a [u8]) -> (Word, &'a [u8], &'a [u8]) {
        if kind != Word::Number {
            if kind.needs_connector() {
                self.write_connector();
            }
            return (kind, word, rest);
        }
        if rest.is_empty() {
            return (kind, word, rest);
        }
        let number = word;
        let (kind, word, rest) = next_word(rest);
        if kind != Word::Alphabet {
            self.write(Word::Number, number);
            if kind.needs_connector() {
                self.write_connector();
            }
            return (kind, word, rest);
        }
        self.write_connector();
        self.write(Word::Number, number);
        let (kind, word, rest) = self.write_number_tail(kind, word, rest);
        if kind != Word::Invalid && kind.needs_connector() {
            self.write_connector();
        }
        (kind, word, rest)
    }

    fn write_number_tail<'a>(
        &mut self,
        mut kind: Word,
        mut word: &'a [u8],
        mut rest: &'a [u8],
    ) -> (Word, &'a [u8], &'a [u8]) {
        while kind.continues_number() {
            self.write(kind, word);
            (kind, word, rest) = next_word(rest);
        }
        (kind, word, rest)
    }

    fn write_connector(&mut self) {
        self.push(self.connector);
    }

    fn write(&mut self, kind: Word, word: &[u8]) {
        if !matches!(kind, Word::UpperCase | Word::Connector) {
            self.text.extend_from_slice(word);
            return;
        }
        for (rune, _) in pieces(word) {
            self.push(if is_connector(rune) { self.connector } else { to_lower_if_upper(rune) });
        }
    }

    fn push(&mut self, rune: char) {
        self.text.extend_from_slice(rune.encode_utf8(&mut [0; 4]).as_bytes());
    }
}

fn to_lower_if_upper(rune: char) -> char {
    if is_upper(rune) { to_lower(rune) } else { rune }
}

/// The word at the start of the text: its kind, its bytes, the rest.
fn next_word(text: &[u8]) -> (Word, &[u8], &[u8]) {
    let Some((rune, size)) = next_valid(text, char::REPLACEMENT_CHARACTER) else { return (Word::Invalid, text, text) };
    let rest = &text[size..];
    let (kind, more) = match rune {
        char::REPLACEMENT_CHARACTER => (Word::Invalid, 0),
        _ if is_connector(rune) => (Word::Connector, run(rest, rune, is_connector)),
        _ if is_punctuation(rune) => (Word::Punctuation, run(rest, rune, is_punctuation)),
        _ if is_upper(rune) => (Word::UpperCase, upper_case_run(rest, rune)),
        _ if is_alphabetic(rune) => (Word::Alphabet, run(rest, rune, is_lower_alphabetic)),
        _ if is_number(rune) => (Word::Number, run(rest, rune, is_number)),
        _ => (Word::Other, run(rest, rune, is_other)),
    };
    let (word, rest) = text.split_at(size + more);
    (kind, word, rest)
}

fn is_lower_alphabetic(rune: char) -> bool {
    is_alphabetic(rune) && !is_upper(rune)
}

fn is_other(rune: char) -> bool {
    !is_connector(rune) && !is_alphabetic(rune) && !is_number(rune) && !is_punctuation(rune)
}

/// After a capital letter: more capitals, of which the last starts the next word if lower case follows; or lower case.
fn upper_case_run(text: &[u8], first: char) -> usize {
    let Some((second, size)) = next_valid(text, first) else { return 0 };
    if !is_upper(second) {
        return if is_alphabetic(second) { size + run(&text[size..], second, is_lower_alphabetic) } else { 0 };
    }
    let (mut length, mut last_size) = (size, size);
    let mut previous = second;
    while let Some((rune, size)) = next_valid(&text[length..], previous) {
        if !is_upper(rune) {
            return if is_alphabetic(rune) { length - last_size } else { length };
        }
        (previous, last_size) = (rune, size);
        length += size;
    }
    length
}

/// The length of the run of matching runes; bytes that are not UTF-8 belong to the rune before them.
fn run(text: &[u8], first: char, matches: fn(char) -> bool) -> usize {
    let (mut length, mut previous) = (0, first);
    while let Some((rune, size)) = next_valid(&text[length..], previous) {
        if !matches(rune) {
            break;
        }
        previous = rune;
        length += size;
    }
    length
}

/// The next rune that is valid, with the length of it and of what is skipped before it; `otherwise` where there is none.
fn next_valid(text: &[u8], otherwise: char) -> Option<(char, usize)> {
    if text.is_empty() {
        return None;
    }
    let mut size = 0;
    for (rune, piece) in pieces(text) {
        size += piece.len();
        if rune != char::REPLACEMENT_CHARACTER {
            return Some((rune, size));
        }
    }
    Some((otherwise, size))
}
