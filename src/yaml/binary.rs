//! Base64 as Go's libraries write and read it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// One line, as `encoding/json` writes a byte slice.
pub fn encode_line(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Lines of 70 characters, as go-yaml writes `!!binary`; a single line has no line break.
pub fn encode(bytes: &[u8]) -> String {
    const LINE: usize = 70;
    let line = encode_line(bytes);
    if line.len() < LINE {
        return line;
    }
    let mut lines = String::with_capacity(line.len() + line.len() / LINE + 1);
    let mut rest = line.as_str();
    while !rest.is_empty() {
        let (head, tail) = rest.split_at(rest.len().min(LINE));
        lines.push_str(head);
        lines.push('\n');
        rest = tail;
    }
    lines
}

/// `base64.StdEncoding.DecodeString`: line breaks are skipped, padding is required.
pub fn decode(text: &str) -> Option<Vec<u8>> {
    let compact: String = text.chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
    let lenient = base64::engine::GeneralPurpose::new(
        &base64::alphabet::STANDARD,
        base64::engine::GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
    );
    lenient.decode(compact).ok()
}
