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
    let start = boundary(&escaped, MAX_BYTES - END_BYTES);
    let end = boundary(&escaped, escaped.len() - END_BYTES);
    let left_out = end - start;
    Cow::Owned(format!("{} … {left_out} bytes left out … {}", &escaped[..start], &escaped[end..]))
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

/// The last place up to `index` where the text can be cut.
fn boundary(text: &str, index: usize) -> usize {
    (0..=index).rev().find(|&index| text.is_char_boundary(index)).unwrap_or(0)
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
}
