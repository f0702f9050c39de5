//! Sprig's letters: case, initials, identifiers in one style or another, wrapping (`goutils`, `xstrings`).

use super::arguments::Arguments;
use super::runes::{self, is_space, is_upper, runes};
use super::words;
use super::{CallError, Function, Host};
use crate::value::Parameter::{Int, String as Text};
use crate::value::Value;

/// The functions of this family.
pub const FUNCTIONS: &[Function] = &[
    Function::new("upper", &[Text], upper),
    Function::new("lower", &[Text], lower),
    Function::new("title", &[Text], title),
    Function::new("untitle", &[Text], untitle),
    Function::new("swapcase", &[Text], swap_case),
    Function::new("initials", &[Text], initials),
    Function::new("nospace", &[Text], without_space),
    Function::new("camelcase", &[Text], camel_case),
    Function::new("snakecase", &[Text], snake_case),
    Function::new("kebabcase", &[Text], kebab_case),
    Function::new("wrap", &[Int, Text], wrap),
    Function::new("wrapWith", &[Int, Text, Text], wrap_with),
];

type Outcome = Result<Value, CallError>;

fn upper(_: &mut dyn Host, arguments: &[Value]) -> Outcome {
    let text = arguments.text(0);
    if text.as_bytes().is_ascii() {
        return Ok(text.as_bytes().to_ascii_uppercase().into());
    }
    Ok(runes(text.as_bytes()).map(runes::to_upper).collect::<String>().into())
}

fn lower(_: &mut dyn Host, arguments: &[Value]) -> Outcome {
    let text = arguments.text(0);
    if text.as_bytes().is_ascii() {
        return Ok(text.as_bytes().to_ascii_lowercase().into());
    }
    Ok(runes(text.as_bytes()).map(runes::to_lower).collect::<String>().into())
}

/// `strings.Title`: the first letter of each word; the rest is left alone.
fn title(_: &mut dyn Host, arguments: &[Value]) -> Outcome {
    let mut previous = ' ';
    let titled = runes(arguments.bytes(0)).map(|rune| {
        let starts = divides_words(previous);
        previous = rune;
        if starts { runes::to_title(rune) } else { rune }
    });
    Ok(titled.collect::<String>().into())
}

fn divides_words(rune: char) -> bool {
    if rune.is_ascii() { !rune.is_ascii_alphanumeric() && rune != '_' } else { is_space(rune) }
}

fn untitle(_: &mut dyn Host, arguments: &[Value]) -> Outcome {
    let mut at_start = true;
    let lowered = runes(arguments.bytes(0)).map(|rune| {
        let starts = at_start;
        at_start = is_space(rune);
        if starts { runes::to_lower(rune) } else { rune }
    });
    Ok(lowered.collect::<String>().into())
}

/// Lower case at the start of a word becomes title case, elsewhere upper case; everything else lower case.
fn swap_case(_: &mut dyn Host, arguments: &[Value]) -> Outcome {
    let mut at_start = true;
    let swapped = runes(arguments.bytes(0)).map(|rune| {
        let starts = at_start;
        at_start = false;
        if is_upper(rune) || runes::is_title(rune) {
            runes::to_lower(rune)
        } else if runes::is_lower(rune) {
            if starts { runes::to_title(rune) } else { runes::to_upper(rune) }
        } else {
            at_start = is_space(rune);
            rune
        }
    });
    Ok(swapped.collect::<String>().into())
}

/// The first byte of each word, read as Latin-1.
fn initials(_: &mut dyn Host, arguments: &[Value]) -> Outcome {
    let mut at_start = true;
    let initials = arguments.bytes(0).iter().map(|byte| char::from(*byte)).filter(|rune| {
        let starts = at_start;
        at_start = is_space(*rune);
        starts && !at_start
    });
    Ok(initials.collect::<String>().into())
}

/// Drops the bytes that are space in Latin-1 and, where there are any, reads all others as Latin-1 too.
fn without_space(_: &mut dyn Host, arguments: &[Value]) -> Outcome {
    let text = arguments.text(0);
    let is_latin_space = |byte: &u8| is_space(char::from(*byte));
    if !text.as_bytes().iter().any(is_latin_space) {
        return Ok(text.into());
    }
    let kept = text.as_bytes().iter().filter(|byte| !is_latin_space(byte)).map(|byte| char::from(*byte));
    Ok(kept.collect::<String>().into())
}

fn camel_case(_: &mut dyn Host, arguments: &[Value]) -> Outcome {
    Ok(words::pascal_case(&runes(arguments.bytes(0)).collect::<Vec<_>>()).into())
}

fn snake_case(_: &mut dyn Host, arguments: &[Value]) -> Outcome {
    Ok(words::joined_lower_case(arguments.bytes(0), '_').into())
}

fn kebab_case(_: &mut dyn Host, arguments: &[Value]) -> Outcome {
    Ok(words::joined_lower_case(arguments.bytes(0), '-').into())
}

fn wrap(host: &mut dyn Host, arguments: &[Value]) -> Outcome {
    wrapped(host, arguments.bytes(1), arguments.int(0), b"\n", LongWords::Keep)
}

fn wrap_with(host: &mut dyn Host, arguments: &[Value]) -> Outcome {
    let separator = arguments.text(1);
    let separator = if separator.is_empty() { b"\n" } else { separator.as_bytes() };
    wrapped(host, arguments.bytes(2), arguments.int(0), separator, LongWords::Break)
}

/// What becomes of a word that is longer than a line.
#[derive(Clone, Copy, PartialEq, Eq)]
enum LongWords {
    Keep,
    Break,
}

/// Lines of at most `width` bytes, divided at spaces (`goutils.WrapCustom`).
fn wrapped(host: &mut dyn Host, text: &[u8], width: i64, separator: &[u8], long: LongWords) -> Outcome {
    let width = usize::try_from(width).unwrap_or_default().max(1);
    let most = text.len().saturating_add((text.len() / width).saturating_mul(separator.len()));
    host.charge(text.len() as u64, most as u64)?;
    let mut lines: Vec<&[u8]> = Vec::new();
    let mut rest = text;
    while rest.len() > width {
        if let Some(after) = rest.strip_prefix(b" ") {
            rest = after;
            continue;
        }
        let space = rest[..=width].iter().rposition(|byte| *byte == b' ');
        let (end, skip) = match (space, long) {
            (Some(space), _) => (space, 1),
            (None, LongWords::Break) => (width, 0),
            (None, LongWords::Keep) => match rest[width..].iter().position(|byte| *byte == b' ') {
                Some(space) => (width + space, 1),
                None => break,
            },
        };
        lines.push(&rest[..end]);
        rest = &rest[end + skip..];
    }
    lines.push(rest);
    Ok(lines.join(separator).into())
}
