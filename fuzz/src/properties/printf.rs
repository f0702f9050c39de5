//! Go's `fmt`: any format with any operands gives a text of bounded size or an error.

use coxswain::template::print::{sprint, sprintf, sprintln};
use coxswain::value::{List, Map, Value};

/// The largest text that printing may give; its own limit is lower.
const MOST: usize = 256 << 20;

/// The format is what stands before the first zero byte; what follows chooses the operands.
///
/// # Panics
/// Where the text is larger than any limit.
pub fn check(data: &[u8]) {
    let mut parts = data.splitn(2, |byte| *byte == 0);
    let format = parts.next().unwrap_or_default();
    let operands = operands(parts.next().unwrap_or_default());
    for printed in [sprintf(format, &operands), sprint(&operands), sprintln(&operands)].into_iter().flatten() {
        assert!(printed.len() <= MOST, "{} bytes", printed.len());
    }
}

/// A value for each byte and the few that follow it.
fn operands(mut data: &[u8]) -> Vec<Value> {
    let mut operands = Vec::new();
    while let Some((kind, rest)) = data.split_first() {
        let (number, text) = (number(rest), &rest[..rest.len().min(8)]);
        operands.push(match kind % 12 {
            0 => Value::Nil,
            1 => Value::Bool(number % 2 == 0),
            2 => Value::Int(number),
            3 => Value::Int64(number),
            4 => Value::Uint64(number.cast_unsigned()),
            5 => Value::Uint8(text.first().copied().unwrap_or_default()),
            6 => Value::Float(f64::from_bits(number.cast_unsigned())),
            7 => Value::Str(text.into()),
            8 => Value::Bytes(text.into()),
            9 => Value::List(List::new(operands.clone())),
            10 => Value::Map([("k", Value::Str(text.into())), ("n", Value::Int(number))].into_iter().collect::<Map>()),
            _ => Value::Map(operands.iter().map(|value| (value.type_name(), value.clone())).collect::<Map>()),
        });
        data = rest.get(text.len()..).unwrap_or_default();
        if operands.len() > 12 {
            break;
        }
    }
    operands
}

fn number(data: &[u8]) -> i64 {
    let mut bytes = [0; 8];
    for (byte, given) in bytes.iter_mut().zip(data) {
        *byte = *given;
    }
    i64::from_le_bytes(bytes)
}
