//! Go's quoted forms of strings and runes (`strconv/quote.go`).

use crate::template::unicode;

/// `strconv.Quote`: a double-quoted Go string literal.
pub fn quote(text: &[u8]) -> Vec<u8> {
    quote_with(text, b'"', false)
}

/// `strconv.QuoteToASCII`.
pub fn quote_to_ascii(text: &[u8]) -> Vec<u8> {
    quote_with(text, b'"', true)
}

/// `strconv.QuoteRune`, or its ASCII form.
pub(super) fn quote_rune(rune: u32, is_ascii: bool) -> Vec<u8> {
    let mut out = vec![b'\''];
    let rune = char::from_u32(rune).map_or(unicode::REPLACEMENT, u32::from);
    push_escaped(&mut out, rune, b'\'', is_ascii);
    out.push(b'\'');
    out
}

fn quote_with(text: &[u8], quote: u8, is_ascii: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + 2);
    out.push(quote);
    let mut rest = text;
    while let Some(&first) = rest.first() {
        let plain = rest.iter().position(|&byte| !matches!(byte, b' '..=b'~') || byte == quote || byte == b'\\');
        let (clean, after) = rest.split_at(plain.unwrap_or(rest.len()));
        if !clean.is_empty() {
            out.extend_from_slice(clean);
            rest = after;
            continue;
        }
        let (rune, width) = unicode::decode(rest);
        if width == 1 && rune == unicode::REPLACEMENT {
            out.extend_from_slice(format!("\\x{first:02x}").as_bytes());
        } else {
            push_escaped(&mut out, rune, quote, is_ascii);
        }
        rest = &rest[width..];
    }
    out.push(quote);
    out
}

fn push_escaped(out: &mut Vec<u8>, rune: u32, quote: u8, is_ascii: bool) {
    if rune == u32::from(quote) || rune == u32::from(b'\\') {
        out.push(b'\\');
        unicode::push(out, rune);
        return;
    }
    if unicode::is_printable(rune) && (!is_ascii || rune < 0x80) {
        unicode::push(out, rune);
        return;
    }
    let escape = match rune {
        0x07 => r"\a".to_owned(),
        0x08 => r"\b".to_owned(),
        0x0C => r"\f".to_owned(),
        0x0A => r"\n".to_owned(),
        0x0D => r"\r".to_owned(),
        0x09 => r"\t".to_owned(),
        0x0B => r"\v".to_owned(),
        0..0x20 | 0x7F => format!("\\x{rune:02x}"),
        0x80..0x10000 => format!("\\u{rune:04x}"),
        _ => format!("\\U{rune:08x}"),
    };
    out.extend_from_slice(escape.as_bytes());
}

/// Whether the text can stand in backquotes (`strconv.CanBackquote`).
pub(super) fn can_backquote(text: &[u8]) -> bool {
    unicode::runes(text).all(|(_, rune, width)| match rune {
        0xFEFF => false,
        unicode::REPLACEMENT => width > 1,
        _ if width > 1 => true,
        0x09 => true,
        _ => rune >= 0x20 && rune != u32::from(b'`') && rune != 0x7F,
    })
}

/// `%#U`: the code point, and the character where it can be shown.
pub fn unicode_point(rune: u32) -> String {
    match char::from_u32(rune).filter(|_| unicode::is_printable(rune)) {
        Some(character) => format!("U+{rune:04X} '{character}'"),
        None => format!("U+{rune:04X}"),
    }
}
