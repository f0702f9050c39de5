//! Go's escaping functions (`text/template/funcs.go`, `net/url` QueryEscape).

use super::{CallError, Function, Parameter};
use crate::template::print;
use crate::template::unicode;
use crate::value::Value;

/// `html`, `js`, `urlquery`.
pub const FUNCTIONS: &[Function] = &[
    Function::variadic("html", &[], Parameter::Any, |_, arguments| Ok(Value::Str(html(&joined(arguments)?).into()))),
    Function::variadic("js", &[], Parameter::Any, |_, arguments| {
        Ok(Value::Str(javascript(&joined(arguments)?).into()))
    }),
    Function::variadic("urlquery", &[], Parameter::Any, |_, arguments| {
        Ok(Value::Str(query(&joined(arguments)?).into()))
    }),
];

/// The arguments as an action would print them, joined as `print` does.
fn joined(arguments: &[Value]) -> Result<Vec<u8>, CallError> {
    if let [Value::Str(text)] = arguments {
        return Ok(text.as_bytes().to_vec());
    }
    let shown: Vec<Value> = arguments
        .iter()
        .map(|argument| match argument {
            Value::Nil => Value::from("<no value>"),
            other => other.clone(),
        })
        .collect();
    print::sprint(&shown)
}

fn html(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for &byte in text {
        match byte {
            0 => out.extend_from_slice("\u{FFFD}".as_bytes()),
            b'"' => out.extend_from_slice(b"&#34;"),
            b'\'' => out.extend_from_slice(b"&#39;"),
            b'&' => out.extend_from_slice(b"&amp;"),
            b'<' => out.extend_from_slice(b"&lt;"),
            b'>' => out.extend_from_slice(b"&gt;"),
            _ => out.push(byte),
        }
    }
    out
}

fn javascript(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for (offset, rune, width) in unicode::runes(text) {
        match rune {
            0x5C | 0x27 | 0x22 => {
                out.push(b'\\');
                unicode::push(&mut out, rune);
            }
            0x3C | 0x3E | 0x26 | 0x3D | 0..0x20 => out.extend_from_slice(format!("\\u{rune:04X}").as_bytes()),
            0x20..0x80 => unicode::push(&mut out, rune),
            _ if unicode::is_printable(rune) => out.extend_from_slice(&text[offset..offset + width]),
            _ => out.extend_from_slice(format!("\\u{rune:04X}").as_bytes()),
        }
    }
    out
}

fn query(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for &byte in text {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(byte),
            b' ' => out.push(b'+'),
            _ => out.extend_from_slice(format!("%{byte:02X}").as_bytes()),
        }
    }
    out
}
