//! The text form of IP addresses, with the errors of Go's `net/netip` ParseAddr.

use crate::template::print;

/// The version of a well-formed address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    V4,
    V6,
}

/// What is wrong with an address and, where it has a place, the text from there on.
struct Malformed<'a>(&'static str, &'a [u8]);

/// Reads an address and says its version.
pub(super) fn parse(text: &[u8]) -> Result<Version, String> {
    let outcome = match text.iter().find(|byte| b".:%".contains(byte)) {
        Some(b'.') => check_v4(text).map(|()| Version::V4),
        Some(b':') => check_v6(text).map(|()| Version::V6),
        Some(_) => Err(Malformed("missing IPv6 address", b"")),
        None => Err(Malformed("unable to parse IP", b"")),
    };
    outcome.map_err(|Malformed(message, at)| {
        let quoted = |text: &[u8]| String::from_utf8_lossy(&print::quote(text)).into_owned();
        let place = if at.is_empty() { String::new() } else { format!(" (at {})", quoted(at)) };
        format!("ParseAddr({}): {message}{place}", quoted(text))
    })
}

/// Four numbers up to 255 without leading zeros.
fn check_v4(text: &[u8]) -> Result<(), Malformed<'_>> {
    let (mut value, mut digits, mut dots) = (0_u32, 0, 0);
    for (at, byte) in text.iter().enumerate() {
        match byte {
            b'0'..=b'9' => {
                if digits == 1 && value == 0 {
                    return Err(Malformed("IPv4 field has octet with leading zero", b""));
                }
                value = value * 10 + u32::from(byte - b'0');
                digits += 1;
                if value > 255 {
                    return Err(Malformed("IPv4 field has value >255", b""));
                }
            }
            b'.' => {
                if at == 0 || at + 1 == text.len() || text[at - 1] == b'.' {
                    return Err(Malformed("IPv4 field must have at least one digit", &text[at..]));
                }
                if dots == 3 {
                    return Err(Malformed("IPv4 address too long", b""));
                }
                (value, digits, dots) = (0, 0, dots + 1);
            }
            _ => return Err(Malformed("unexpected character", &text[at..])),
        }
    }
    if dots < 3 { Err(Malformed("IPv4 address too short", b"")) } else { Ok(()) }
}

/// The bytes of an address of version 6.
const V6_BYTES: usize = 16;

/// Groups of hexadecimal digits, `::` for a run of zeros once, the last two perhaps as version 4; then a zone.
fn check_v6(text: &[u8]) -> Result<(), Malformed<'_>> {
    let (address, zone) = match text.iter().position(|byte| *byte == b'%') {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    };
    if zone.is_some_and(<[u8]>::is_empty) {
        return Err(Malformed("zone must be a non-empty string", b""));
    }
    let (mut rest, mut ellipsis) = match address.strip_prefix(b"::") {
        Some(rest) => (rest, true),
        None => (address, false),
    };
    let mut filled = 0;
    while filled < V6_BYTES && !(rest.is_empty() && ellipsis && filled == 0) {
        let digits = check_group(rest)?;
        if rest.get(digits) == Some(&b'.') {
            check_embedded(rest, filled, ellipsis)?;
            (rest, filled) = (b"", filled + 4);
            break;
        }
        filled += 2;
        rest = &rest[digits..];
        let Some((separator, after)) = rest.split_first() else { break };
        if *separator != b':' {
            return Err(Malformed("unexpected character, want colon", rest));
        }
        if after.is_empty() {
            return Err(Malformed("colon must be followed by more characters", rest));
        }
        rest = after;
        if let Some(after) = rest.strip_prefix(b":") {
            if ellipsis {
                return Err(Malformed("multiple :: in address", rest));
            }
            (rest, ellipsis) = (after, true);
            if rest.is_empty() {
                break;
            }
        }
    }
    match (rest.is_empty(), filled < V6_BYTES, ellipsis) {
        (false, _, _) => Err(Malformed("trailing garbage after address", rest)),
        (true, true, false) => Err(Malformed("address string too short", b"")),
        (true, false, true) => Err(Malformed("the :: must expand to at least one field of zeros", b"")),
        _ => Ok(()),
    }
}

/// How many digits the group at the start has.
fn check_group(text: &[u8]) -> Result<usize, Malformed<'_>> {
    match text.iter().take_while(|byte| byte.is_ascii_hexdigit()).count() {
        0 => Err(Malformed("each colon-separated field must have at least one digit", text)),
        digits @ 1..=4 => Ok(digits),
        _ => Err(Malformed("each group must have 4 or less digits", text)),
    }
}

fn check_embedded(text: &[u8], filled: usize, ellipsis: bool) -> Result<(), Malformed<'_>> {
    if !ellipsis && filled != V6_BYTES - 4 {
        return Err(Malformed("embedded IPv4 address must replace the final 2 fields of the address", text));
    }
    if filled + 4 > V6_BYTES {
        return Err(Malformed("too many hex fields to fit an embedded IPv4 at the end of the address", text));
    }
    check_v4(text)
}
