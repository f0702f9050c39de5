//! Messages as people may be shown them. What charts, values and servers put into a message is hostile: it could fill a
//! screen, or move its cursor.

use std::borrow::Cow;

/// The longest message, in bytes. The places of an error are at its beginning, its cause is at its end.
const MAX_BYTES: usize = 3_500;
/// How much of the end of a longer one is kept.
const END_BYTES: usize = 1_000;

/// The message without anything that a terminal obeys, and without its middle where it is long.
pub fn presentable(message: &str) -> Cow<'_, str> {
    let escaped = without_controls(message);
    if escaped.len() <= MAX_BYTES {
        return escaped;
    }
    let (beginning, end) = (beginning(&escaped, MAX_BYTES - END_BYTES), end(&escaped, END_BYTES));
    let left_out = escaped.len() - beginning.len() - end.len();
    Cow::Owned(format!("{beginning} … {left_out} bytes left out … {end}"))
}

/// The message with control characters, and those that turn the direction of writing, in the notation of Go's quotes.
/// Line breaks and tabs stay.
pub fn without_controls(message: &str) -> Cow<'_, str> {
    if !message.contains(is_obeyed) {
        return Cow::Borrowed(message);
    }
    let mut escaped = String::with_capacity(message.len() + 16);
    for character in message.chars() {
        match character {
            '\r' => escaped.push_str("\\r"),
            c if !is_obeyed(c) => escaped.push(c),
            c if c.is_ascii() => escaped.push_str(&format!("\\x{:02x}", u32::from(c))),
            c => escaped.push_str(&format!("\\u{:04x}", u32::from(c))),
        }
    }
    Cow::Owned(escaped)
}

fn is_obeyed(character: char) -> bool {
    let turns = matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    turns || character.is_control() && !matches!(character, '\n' | '\t')
}

/// The message on one line, with single spaces and nothing that a terminal obeys.
pub fn one_line(message: &str) -> String {
    without_controls(&message.split_whitespace().collect::<Vec<_>>().join(" ")).into_owned()
}

/// The text in at most so many bytes; where that is not all of it, its beginning with a sign that more followed.
pub fn shortened(text: &str, longest: usize) -> Cow<'_, str> {
    if text.len() <= longest {
        return Cow::Borrowed(text);
    }
    Cow::Owned(format!("{}…", beginning(text, longest.saturating_sub('…'.len_utf8()))))
}

/// As much of a text as fits into so many bytes.
pub fn beginning(text: &str, longest: usize) -> &str {
    let end = (0..=longest.min(text.len())).rev().find(|&index| text.is_char_boundary(index));
    &text[..end.unwrap_or(0)]
}

/// As much of the end of a text as fits into so many bytes.
pub fn end(text: &str, longest: usize) -> &str {
    let start = (text.len().saturating_sub(longest)..).find(|&index| text.is_char_boundary(index));
    &text[start.unwrap_or(text.len())..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_terminal_obeys_is_left() {
        assert_eq!(presentable("a\x1b[2J\u{9b}m\r\x07\u{202e}b\n\té"), "a\\x1b[2J\\u009bm\\r\\x07\\u202eb\n\té");
        assert!(matches!(presentable("as it is"), Cow::Borrowed(_)));
    }

    #[test]
    fn the_ends_of_a_long_message_stay() {
        let long = format!("place{}cause", "é".repeat(1 << 20));
        let shown = presentable(&long);
        assert!(shown.starts_with("placeé") && shown.ends_with("écause"), "{shown}");
        assert!(shown.contains(" bytes left out … ") && shown.len() < MAX_BYTES + 100);
        let many_controls = presentable(&"\x07".repeat(1 << 20)).into_owned();
        assert!(many_controls.len() < MAX_BYTES + 100);
    }

    #[test]
    fn texts_are_cut_between_characters() {
        assert_eq!((beginning("aéb", 2), beginning("aéb", 3), beginning("aéb", 9)), ("a", "aé", "aéb"));
        assert_eq!((end("aéb", 2), end("aéb", 3), end("aéb", 9), end("é", 0)), ("b", "éb", "aéb", ""));
        assert_eq!((shortened("aéb", 4), shortened("éééé", 7)), ("aéb".into(), "éé…".into()));
    }

    #[test]
    fn a_line_has_single_spaces() {
        assert_eq!(one_line(" a\t\n\u{a0} b\x07\n"), "a b\\x07");
    }
}
