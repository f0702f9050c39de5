//! Base64, base32 and checksums. Text that does not decode gives the error's text, not an error.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};

use super::arguments::Arguments;
use super::{CallError, Function, Host};
use crate::value::Parameter::String as Text;
use crate::value::Value;

/// The functions of this family.
pub const FUNCTIONS: &[Function] = &[
    Function::new("b64enc", &[Text], encode_base64),
    Function::new("b64dec", &[Text], decode_base64),
    Function::new("b32enc", &[Text], encode_base32),
    Function::new("b32dec", &[Text], decode_base32),
    Function::new("sha1sum", &[Text], sha1),
    Function::new("sha256sum", &[Text], sha256),
    Function::new("sha512sum", &[Text], sha512),
    Function::new("adler32sum", &[Text], adler32),
];

type Outcome = Result<Value, CallError>;

fn encode_base64(host: &mut dyn Host, arguments: &[Value]) -> Outcome {
    let bytes = arguments.bytes(0);
    host.charge(1, 2 * bytes.len() as u64)?;
    Ok(STANDARD.encode(bytes).into())
}

fn decode_base64(_: &mut dyn Host, arguments: &[Value]) -> Outcome {
    Ok(match base64_decoded(arguments.bytes(0)) {
        Ok(bytes) => bytes.into(),
        Err(Corrupt(at)) => format!("illegal base64 data at input byte {at}").into(),
    })
}

fn encode_base32(host: &mut dyn Host, arguments: &[Value]) -> Outcome {
    let bytes = arguments.bytes(0);
    host.charge(1, 2 * bytes.len() as u64)?;
    let mut text = Vec::with_capacity(bytes.len().div_ceil(5) * 8);
    for quantum in bytes.chunks(5) {
        let mut padded = [0; 8];
        padded[3..3 + quantum.len()].copy_from_slice(quantum);
        let bits = u64::from_be_bytes(padded);
        let used = (quantum.len() * 8).div_ceil(5);
        text.extend((0..used).map(|place| BASE32[(bits >> (35 - 5 * place) & 31) as usize]));
        text.extend(std::iter::repeat_n(b'=', 8 - used));
    }
    Ok(text.into())
}

fn decode_base32(_: &mut dyn Host, arguments: &[Value]) -> Outcome {
    // Unlike base64, Go drops line breaks here before it counts positions.
    let text: Vec<u8> = arguments.bytes(0).iter().copied().filter(|byte| !is_line_break(*byte)).collect();
    Ok(match base32_decoded(&text) {
        Ok(bytes) => bytes.into(),
        Err(Corrupt(at)) => format!("illegal base32 data at input byte {at}").into(),
    })
}

/// Where a text cannot be decoded, by Go's count.
pub(super) struct Corrupt(pub(super) usize);

fn is_line_break(byte: u8) -> bool {
    matches!(byte, b'\r' | b'\n')
}

/// Decodes with padding; line breaks may stand anywhere, and the unused bits of the last digit may be set.
pub(super) fn base64_decoded(text: &[u8]) -> Result<Vec<u8>, Corrupt> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut count) = (0_u32, 0);
    for (at, &byte) in text.iter().enumerate() {
        if is_line_break(byte) {
            continue;
        }
        if byte == b'=' {
            check_base64_padding(text, at, count)?;
            let whole = (bits << (24 - 6 * count)).to_be_bytes();
            bytes.extend_from_slice(&whole[1..count as usize]);
            return Ok(bytes);
        }
        bits = bits << 6 | base64_digit(byte).ok_or(Corrupt(at))?;
        count += 1;
        if count == 4 {
            bytes.extend_from_slice(&bits.to_be_bytes()[1..]);
            (bits, count) = (0, 0);
        }
    }
    if count == 0 { Ok(bytes) } else { Err(Corrupt(text.len() - count as usize)) }
}

/// The padding that starts at `at` after `count` digits: as much as is missing, then nothing but line breaks.
fn check_base64_padding(text: &[u8], at: usize, count: u32) -> Result<(), Corrupt> {
    let after_breaks = |start: usize| {
        text[start..].iter().position(|byte| !is_line_break(*byte)).map_or(text.len(), |position| start + position)
    };
    let mut next = after_breaks(at + 1);
    match count {
        0 | 1 => return Err(Corrupt(at)),
        2 if next == text.len() => return Err(Corrupt(next)),
        2 if text[next] != b'=' => return Err(Corrupt(next - 1)),
        2 => next = after_breaks(next + 1),
        _ => {}
    }
    if next < text.len() { Err(Corrupt(next)) } else { Ok(()) }
}

fn base64_digit(byte: u8) -> Option<u32> {
    Some(match byte {
        b'A'..=b'Z' => u32::from(byte - b'A'),
        b'a'..=b'z' => u32::from(byte - b'a') + 26,
        b'0'..=b'9' => u32::from(byte - b'0') + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    })
}

/// Decodes quanta of eight digits. Padding near the end ends the text, whatever stands after a whole quantum of it.
fn base32_decoded(text: &[u8]) -> Result<Vec<u8>, Corrupt> {
    let mut bytes = Vec::with_capacity(text.len() / 8 * 5);
    let (mut bits, mut count) = (0_u64, 0);
    for (at, &byte) in text.iter().enumerate() {
        let left = text.len() - at - 1;
        if byte == b'=' && count >= 2 && left < 8 {
            check_base32_padding(text, at, count)?;
            let whole = (bits << (40 - 5 * count)).to_be_bytes();
            bytes.extend_from_slice(&whole[3..3 + count * 5 / 8]);
            return Ok(bytes);
        }
        bits = bits << 5 | base32_digit(byte).ok_or(Corrupt(at))?;
        count += 1;
        if count == 8 {
            bytes.extend_from_slice(&bits.to_be_bytes()[3..]);
            (bits, count) = (0, 0);
        }
    }
    if count == 0 { Ok(bytes) } else { Err(Corrupt(text.len() - count)) }
}

/// The padding that starts at `at` after `count` digits of a quantum.
fn check_base32_padding(text: &[u8], at: usize, count: usize) -> Result<(), Corrupt> {
    let after = &text[at + 1..];
    let missing = 7 - count;
    if after.len() < missing {
        return Err(Corrupt(text.len()));
    }
    if let Some(other) = after[..missing].iter().position(|byte| *byte != b'=') {
        return Err(Corrupt(at + other));
    }
    if matches!(count, 3 | 6) { Err(Corrupt(at)) } else { Ok(()) }
}

fn base32_digit(byte: u8) -> Option<u64> {
    BASE32.iter().position(|digit| *digit == byte).map(|position| position as u64)
}

const BASE32: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

fn sha1(_: &mut dyn Host, arguments: &[Value]) -> Outcome {
    Ok(hexadecimal(&Sha1::digest(arguments.bytes(0))))
}

fn sha256(_: &mut dyn Host, arguments: &[Value]) -> Outcome {
    Ok(hexadecimal(&Sha256::digest(arguments.bytes(0))))
}

fn sha512(_: &mut dyn Host, arguments: &[Value]) -> Outcome {
    Ok(hexadecimal(&Sha512::digest(arguments.bytes(0))))
}

fn hexadecimal(digest: &[u8]) -> Value {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16);
    digest.iter().flat_map(|byte| [byte >> 4, byte & 15]).filter_map(digit).collect::<String>().into()
}

fn adler32(_: &mut dyn Host, arguments: &[Value]) -> Outcome {
    const MODULUS: u32 = 65_521;
    let (low, high) = arguments.bytes(0).iter().fold((1, 0), |(low, high), byte| {
        let low = (low + u32::from(*byte)) % MODULUS;
        (low, (high + low) % MODULUS)
    });
    Ok((high << 16 | low).to_string().into())
}
