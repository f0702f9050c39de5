//! Slash-separated paths (`path`, and `path/filepath` as on Linux, which is the same).

use super::arguments::Arguments;
use super::{CallError, Function, Host};
use crate::value::Parameter::String as Text;
use crate::value::Value;

/// The functions of this family.
pub const FUNCTIONS: &[Function] = &[
    Function::new("base", &[Text], base),
    Function::new("dir", &[Text], directory),
    Function::new("clean", &[Text], clean),
    Function::new("ext", &[Text], extension),
    Function::new("isAbs", &[Text], is_absolute),
    Function::new("osBase", &[Text], base),
    Function::new("osDir", &[Text], directory),
    Function::new("osClean", &[Text], clean),
    Function::new("osExt", &[Text], extension),
    Function::new("osIsAbs", &[Text], is_absolute),
];

type Outcome = Result<Value, CallError>;

/// The last element; `.` for no path and `/` for nothing but slashes.
fn base(_: &mut dyn Host, arguments: &[Value]) -> Outcome {
    let path = arguments.bytes(0);
    let trimmed = &path[..path.len() - path.iter().rev().take_while(|byte| **byte == b'/').count()];
    Ok(match (path.is_empty(), trimmed.rsplit(|byte| *byte == b'/').next()) {
        (true, _) => ".".into(),
        (false, Some(last)) if !last.is_empty() => last.to_vec().into(),
        _ => "/".into(),
    })
}

fn directory(_: &mut dyn Host, arguments: &[Value]) -> Outcome {
    let path = arguments.bytes(0);
    let end = path.iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1);
    Ok(cleaned(&path[..end]).into())
}

fn clean(_: &mut dyn Host, arguments: &[Value]) -> Outcome {
    Ok(cleaned(arguments.bytes(0)).into())
}

/// The shortest path that leads to the same place (`path.Clean`).
fn cleaned(path: &[u8]) -> Vec<u8> {
    let rooted = path.starts_with(b"/");
    let mut elements: Vec<&[u8]> = Vec::new();
    for element in path.split(|byte| *byte == b'/') {
        match element {
            b"" | b"." => {}
            b".." if elements.last().is_some_and(|last| *last != b"..") => {
                elements.pop();
            }
            b".." if rooted => {}
            _ => elements.push(element),
        }
    }
    let cleaned = elements.join(&b'/');
    match (rooted, cleaned.is_empty()) {
        (true, _) => [b"/", &cleaned[..]].concat(),
        (false, true) => b".".to_vec(),
        (false, false) => cleaned,
    }
}

/// From the last dot of the last element on.
fn extension(_: &mut dyn Host, arguments: &[Value]) -> Outcome {
    let path = arguments.bytes(0);
    let last = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    let dot = last.iter().rposition(|byte| *byte == b'.').unwrap_or(last.len());
    Ok(last[dot..].to_vec().into())
}

fn is_absolute(_: &mut dyn Host, arguments: &[Value]) -> Outcome {
    Ok(arguments.bytes(0).starts_with(b"/").into())
}
