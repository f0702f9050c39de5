//! What the lexer takes for a blank, a part of a name, a trim marker.

use crate::template::unicode;

/// Which bytes names are made of, besides letters and digits that are not ASCII.
const IS_WORD: [bool; 256] = {
    let mut is_word = [false; 256];
    let mut byte = 0;
    while byte < 128 {
        is_word[byte] = (byte as u8).is_ascii_alphanumeric() || byte as u8 == b'_';
        byte += 1;
    }
    is_word
};

/// How many bytes of a name a text begins with, up to one that is not ASCII.
pub(super) fn word_length(text: &[u8]) -> usize {
    text.iter().take_while(|byte| IS_WORD[usize::from(**byte)]).count()
}

/// How long `text` is without the blanks at its end. Trim markers remove only these four, whatever Unicode says.
pub(super) fn length_without_blanks(text: &[u8]) -> usize {
    text.iter().rposition(|&byte| !is_space(byte)).map_or(0, |last| last + 1)
}

/// How many blanks a text begins with.
pub(super) fn leading_spaces(text: &[u8]) -> usize {
    text.iter().take_while(|&&byte| is_space(byte)).count()
}

/// What Go's lexer takes for a blank.
pub(super) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// Whether a rune may be part of a name.
pub(super) fn is_alphanumeric(rune: u32) -> bool {
    rune == u32::from(b'_') || unicode::is_letter(rune) || unicode::is_digit(rune)
}

/// Whether a trim marker follows a left delimiter.
pub(super) fn has_left_trim_marker(text: &[u8]) -> bool {
    matches!(text, [b'-', space, ..] if is_space(*space))
}

/// Whether a trim marker begins here that belongs to a right delimiter.
pub(super) fn has_right_trim_marker(text: &[u8]) -> bool {
    matches!(text, [space, b'-', ..] if is_space(*space))
}

/// How many lines end in a text.
pub(super) fn newlines(text: &[u8]) -> u32 {
    // Not worth a call for what is between two words.
    if text.len() < 16 {
        return text.iter().map(|byte| u32::from(*byte == b'\n')).sum();
    }
    u32::try_from(memchr::memchr_iter(b'\n', text).count()).unwrap_or(u32::MAX)
}
