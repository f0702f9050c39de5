//! Runes as Go sees them: decoded from bytes that need not be UTF-8, and classified by Go's own Unicode tables.

mod tables;

/// What an invalid byte decodes to (`utf8.RuneError`).
pub const REPLACEMENT: u32 = 0xFFFD;

/// The first rune of `bytes` and its width; an invalid byte is [`REPLACEMENT`] of width 1 (`utf8.DecodeRune`). Nothing
/// is left of an empty slice: width 0.
pub fn decode(bytes: &[u8]) -> (u32, usize) {
    let Some(&first) = bytes.first() else { return (REPLACEMENT, 0) };
    if first < 0x80 {
        return (u32::from(first), 1);
    }
    let width = match first {
        0xC2..=0xDF => 2,
        0xE0..=0xEF => 3,
        0xF0..=0xF4 => 4,
        _ => return (REPLACEMENT, 1),
    };
    let text = bytes.get(..width).and_then(|sequence| std::str::from_utf8(sequence).ok());
    text.and_then(|text| text.chars().next()).map_or((REPLACEMENT, 1), |character| (u32::from(character), width))
}

/// How many runes `bytes` has (`utf8.RuneCount`).
pub fn count(bytes: &[u8]) -> usize {
    if bytes.is_ascii() {
        return bytes.len();
    }
    runes(bytes).count()
}

/// The runes of `bytes`, each with its offset and width.
pub fn runes(bytes: &[u8]) -> impl Iterator<Item = (usize, u32, usize)> {
    let mut offset = 0;
    std::iter::from_fn(move || {
        let start = offset;
        let (rune, width) = decode(bytes.get(start..)?);
        offset += width;
        (width > 0).then_some((start, rune, width))
    })
}

/// Appends a rune as UTF-8, [`REPLACEMENT`] for what is none (`utf8.AppendRune`).
pub fn push(bytes: &mut Vec<u8>, rune: u32) {
    let character = char::from_u32(rune).unwrap_or(char::REPLACEMENT_CHARACTER);
    bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
}

/// `unicode.IsLetter`.
pub fn is_letter(rune: u32) -> bool {
    match ascii(rune) {
        Some(byte) => byte.is_ascii_alphabetic(),
        None => contains(&tables::LETTERS, rune),
    }
}

/// `unicode.IsDigit`.
pub fn is_digit(rune: u32) -> bool {
    match ascii(rune) {
        Some(byte) => byte.is_ascii_digit(),
        None => contains(&tables::DIGITS, rune),
    }
}

/// `unicode.IsPrint` and `strconv.IsPrint`: of the spaces, only the ASCII one.
pub fn is_printable(rune: u32) -> bool {
    match ascii(rune) {
        Some(byte) => matches!(byte, b' '..=b'~'),
        None => contains(&tables::PRINTABLE, rune),
    }
}

/// `unicode.IsSpace`.
pub fn is_space(rune: u32) -> bool {
    matches!(rune, 0x09..=0x0D | 0x20 | 0x85 | 0xA0 | 0x1680 | 0x2000..=0x200A | 0x2028 | 0x2029 | 0x202F | 0x205F | 0x3000)
}

fn ascii(rune: u32) -> Option<u8> {
    u8::try_from(rune).ok().filter(u8::is_ascii)
}

fn contains(table: &[(u32, u32)], rune: u32) -> bool {
    let index = table.partition_point(|&(_, last)| last < rune);
    table.get(index).is_some_and(|&(first, _)| first <= rune)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invalid_byte_is_one_rune() {
        let decoded: Vec<_> = runes(b"a\xffb\xc3\xa9\xe2\x82").map(|(_, rune, width)| (rune, width)).collect();
        let broken = (REPLACEMENT, 1);
        assert_eq!(decoded, [(97, 1), broken, (98, 1), (0xE9, 2), broken, broken]);
    }

    #[test]
    fn runes_have_go_classes() {
        assert!(is_letter(u32::from('é')) && !is_letter(u32::from('٣')) && is_digit(u32::from('٣')));
        assert!(is_printable(u32::from('日')) && !is_printable(0xA0) && !is_printable(0x200B) && !is_printable(0x7F));
    }
}
