//! Random text and numbers. Each function first asks the source of chance for a fixed result in its place.

use super::arguments::Arguments;
use super::runes::runes;
use super::{CallError, Chance, Function, Host};
use crate::value::Parameter::{Int, String as Text};
use crate::value::Value;

/// The functions of this family.
pub const FUNCTIONS: &[Function] = &[
    Function::new("randAlphaNum", &[Int], alphanumeric),
    Function::new("randAlpha", &[Int], alphabetic),
    Function::new("randNumeric", &[Int], numeric),
    Function::new("randAscii", &[Int], ascii),
    Function::new("randInt", &[Int, Int], integer),
    Function::new("shuffle", &[Text], shuffle),
];

type Outcome = Result<Value, CallError>;

fn alphanumeric(host: &mut dyn Host, arguments: &[Value]) -> Outcome {
    random_text(host, "randAlphaNum", arguments, |byte| byte.is_ascii_alphanumeric())
}

fn alphabetic(host: &mut dyn Host, arguments: &[Value]) -> Outcome {
    random_text(host, "randAlpha", arguments, |byte| byte.is_ascii_alphabetic())
}

fn numeric(host: &mut dyn Host, arguments: &[Value]) -> Outcome {
    random_text(host, "randNumeric", arguments, |byte| byte.is_ascii_digit())
}

fn ascii(host: &mut dyn Host, arguments: &[Value]) -> Outcome {
    random_text(host, "randAscii", arguments, |byte| (b' '..0x7f).contains(&byte))
}

/// A text of characters of the set, each as likely as any other; empty for a count below one.
fn random_text(host: &mut dyn Host, function: &str, arguments: &[Value], is_member: fn(u8) -> bool) -> Outcome {
    let count = u64::try_from(arguments.int(0)).unwrap_or(0);
    host.charge(count, count)?;
    if let Some(fixed) = host.chance().stub(function, arguments) {
        return Ok(fixed?);
    }
    let set: Vec<u8> = (0..=0x7f).filter(|byte| is_member(*byte)).collect();
    let chance = host.chance();
    Ok((0..count).map(|_| char::from(set[below(chance, set.len() as u64) as usize])).collect::<String>().into())
}

/// A number from the first to before the second.
fn integer(host: &mut dyn Host, arguments: &[Value]) -> Outcome {
    if let Some(fixed) = host.chance().stub("randInt", arguments) {
        return Ok(fixed?);
    }
    let (least, end) = (arguments.int(0), arguments.int(1));
    match u64::try_from(end.wrapping_sub(least)) {
        Ok(span @ 1..) => Ok(Value::Int(least.wrapping_add(below(host.chance(), span).cast_signed()))),
        _ => Err("invalid argument to Intn".into()),
    }
}

fn shuffle(host: &mut dyn Host, arguments: &[Value]) -> Outcome {
    if let Some(fixed) = host.chance().stub("shuffle", arguments) {
        return Ok(fixed?);
    }
    let mut shuffled: Vec<char> = runes(arguments.bytes(0)).collect();
    host.charge(shuffled.len() as u64, 4 * shuffled.len() as u64)?;
    for last in (1..shuffled.len()).rev() {
        shuffled.swap(last, below(host.chance(), last as u64 + 1) as usize);
    }
    Ok(shuffled.into_iter().collect::<String>().into())
}

/// A random number below a bound that is not zero. Numbers of the last, incomplete multiple of the bound are drawn
/// again, so that none is more likely than another.
fn below(chance: &dyn Chance, bound: u64) -> u64 {
    let complete = u64::MAX - u64::MAX % bound;
    loop {
        let drawn = chance.bytes(8).iter().fold(0, |number: u64, byte| number << 8 | u64::from(*byte));
        if drawn < complete {
            return drawn % bound;
        }
    }
}
