//! Sprig's numbers (`sprig/numeric.go`, `spf13/cast` 1.7): conversions that never fail, wrapping integer arithmetic,
//! and decimal arithmetic whose only rounding is the last.

use super::arguments::Arguments;
use super::decimal::Decimal;
use super::{CallError, Function, Host};
use crate::template::print;
use crate::template::strconv::{parse_float, parse_int};
use crate::value::Parameter::{Any, Float, Int, String as Text};
use crate::value::{ElementType, List, Object, Value};

/// The functions of this family.
pub const FUNCTIONS: &[Function] = &[
    Function::new("atoi", &[Text], atoi),
    Function::new("int", &[Any], int),
    Function::new("int64", &[Any], int64),
    Function::new("float64", &[Any], float64),
    Function::new("toDecimal", &[Any], octal_to_decimal),
    Function::new("until", &[Int], until),
    Function::new("untilStep", &[Int, Int, Int], until_step),
    Function::variadic("seq", &[], Int, sequence),
    Function::new("add1", &[Any], add_one),
    Function::variadic("add", &[], Any, add),
    Function::new("sub", &[Any, Any], subtract),
    Function::new("div", &[Any, Any], divide),
    Function::new("mod", &[Any, Any], remainder),
    Function::variadic("mul", &[Any], Any, multiply),
    Function::variadic("max", &[Any], Any, greatest),
    Function::variadic("biggest", &[Any], Any, greatest),
    Function::variadic("min", &[Any], Any, least),
    Function::new("add1f", &[Any], add_one_decimal),
    Function::variadic("addf", &[], Any, add_decimals),
    Function::variadic("subf", &[Any], Any, subtract_decimals),
    Function::variadic("divf", &[Any], Any, divide_decimals),
    Function::variadic("mulf", &[Any], Any, multiply_decimals),
    Function::variadic("maxf", &[Any], Any, greatest_float),
    Function::variadic("minf", &[Any], Any, least_float),
    Function::new("ceil", &[Any], ceil),
    Function::new("floor", &[Any], floor),
    Function::variadic("round", &[Any, Int], Float, round),
];

type Outcome = Result<Value, CallError>;

/// `cast.ToInt64`: zero for what is no number; a string may have a base prefix and trailing `.0`.
pub(super) fn to_int64(value: &Value) -> i64 {
    match value {
        Value::Bool(b) => i64::from(*b),
        Value::Int(n) | Value::Int64(n) => *n,
        Value::Uint64(n) => n.cast_signed(),
        Value::Uint8(n) => i64::from(*n),
        Value::Float(f) => truncated(*f),
        Value::Str(text) => parse_int(without_zero_decimals(text.as_bytes())).unwrap_or(0),
        Value::Object(object) => calendar_number(object.as_ref()),
        Value::Nil | Value::Bytes(_) | Value::List(_) | Value::Map(_) => 0,
    }
}

/// `cast.ToFloat64`: zero for what is no number.
pub(super) fn to_float64(value: &Value) -> f64 {
    match value {
        Value::Bool(b) => f64::from(u8::from(*b)),
        Value::Int(n) | Value::Int64(n) => *n as f64,
        Value::Uint64(n) => *n as f64,
        Value::Uint8(n) => f64::from(*n),
        Value::Float(f) => *f,
        Value::Str(text) => parse_float(text.as_bytes()).unwrap_or(0.0),
        Value::Object(object) => calendar_number(object.as_ref()) as f64,
        Value::Nil | Value::Bytes(_) | Value::List(_) | Value::Map(_) => 0.0,
    }
}

/// Of named integer types the casts know only these two.
fn calendar_number(object: &dyn Object) -> i64 {
    match object.type_name() {
        "time.Month" | "time.Weekday" => object.integer().unwrap_or(0),
        _ => 0,
    }
}

/// Go's conversion on amd64, where what does not fit is the least number.
fn truncated(float: f64) -> i64 {
    let fits = (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&float);
    if fits { float as i64 } else { i64::MIN }
}

/// `"3.00"` without what follows the number: in a tail of zeros and dots, what stands from the last dot before a zero
/// on.
fn without_zero_decimals(text: &[u8]) -> &[u8] {
    let tail = text.iter().rposition(|byte| !b"0.".contains(byte)).map_or(0, |last| last + 1);
    let last_zero = text[tail..].iter().rposition(|byte| *byte == b'0').unwrap_or(0);
    let dot = text[tail..tail + last_zero].iter().rposition(|byte| *byte == b'.');
    dot.map_or(text, |dot| &text[..tail + dot])
}

fn atoi(_: &mut dyn Host, arguments: &[Value]) -> Outcome {
    Ok(Value::Int(match parse_digits(arguments.bytes(0), 10) {
        Some((number, _)) => number,
        None => 0,
    }))
}

/// Whether a number fits 64 bits.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Range {
    Inside,
    Outside,
}

/// `strconv.ParseInt` in a given base: the number, or the one nearest to it that fits, whatever stands after the digit
/// that goes beyond.
fn parse_digits(text: &[u8], base: u32) -> Option<(i64, Range)> {
    let (sign, digits) = match text {
        [b'-', rest @ ..] => (-1, rest),
        [b'+', rest @ ..] => (1, rest),
        _ => (1, text),
    };
    if digits.is_empty() {
        return None;
    }
    let nearest = if sign < 0 { i64::MIN } else { i64::MAX };
    let mut number: u64 = 0;
    for &byte in digits {
        let digit = char::from(byte).to_digit(base)?;
        match number.checked_mul(base.into()).and_then(|number| number.checked_add(digit.into())) {
            Some(next) => number = next,
            None => return Some((nearest, Range::Outside)),
        }
    }
    let signed = sign * i128::from(number);
    Some(i64::try_from(signed).map_or((nearest, Range::Outside), |number| (number, Range::Inside)))
}

fn int(_: &mut dyn Host, arguments: &[Value]) -> Outcome {
    Ok(Value::Int(to_int64(arguments.any(0))))
}

fn int64(_: &mut dyn Host, arguments: &[Value]) -> Outcome {
    Ok(Value::Int64(to_int64(arguments.any(0))))
}

fn float64(_: &mut dyn Host, arguments: &[Value]) -> Outcome {
    Ok(to_float64(arguments.any(0)).into())
}

fn octal_to_decimal(_: &mut dyn Host, arguments: &[Value]) -> Outcome {
    let text = print::sprint(&arguments[..1])?;
    Ok(Value::Int64(match parse_digits(&text, 8) {
        Some((number, Range::Inside)) => number,
        Some((_, Range::Outside)) | None => 0,
    }))
}

fn until(host: &mut dyn Host, arguments: &[Value]) -> Outcome {
    let count = arguments.int(0);
    int_list(steps(host, 0, count, if count < 0 { -1 } else { 1 })?)
}

fn until_step(host: &mut dyn Host, arguments: &[Value]) -> Outcome {
    int_list(steps(host, arguments.int(0), arguments.int(1), arguments.int(2))?)
}

fn int_list(numbers: Vec<i64>) -> Outcome {
    Ok(List::of(ElementType::Int, numbers.into_iter().map(Value::Int)).into())
}

/// The numbers from `start` to before `stop`; none where the step leads away from it.
fn steps(host: &mut dyn Host, start: i64, stop: i64, step: i64) -> Result<Vec<i64>, CallError> {
    let distance = i128::from(stop) - i128::from(start);
    if step == 0 || distance == 0 || (distance < 0) != (step < 0) {
        return Ok(Vec::new());
    }
    let count = distance.unsigned_abs().div_ceil(i128::from(step).unsigned_abs());
    let count = u64::try_from(count).unwrap_or(u64::MAX);
    host.charge(count, count.saturating_mul(size_of::<Value>() as u64))?;
    Ok((0..count).map(|position| start.wrapping_add(step.wrapping_mul(position.cast_signed()))).collect())
}

/// The numbers of `seq(1)`, both ends included, with spaces between them.
fn sequence(host: &mut dyn Host, arguments: &[Value]) -> Outcome {
    let direction = |start: i64, end: i64| if end < start { -1 } else { 1 };
    let numbers = match arguments.len() {
        1 => {
            let end = arguments.int(0);
            let step = direction(1, end);
            steps(host, 1, end.wrapping_add(step), step)?
        }
        2 => {
            let (start, end) = (arguments.int(0), arguments.int(1));
            let step = direction(start, end);
            steps(host, start, end.wrapping_add(step), step)?
        }
        3 => {
            let (start, step, end) = (arguments.int(0), arguments.int(1), arguments.int(2));
            if end < start && step > 0 {
                return Ok("".into());
            }
            steps(host, start, end.wrapping_add(direction(start, end)), step)?
        }
        _ => Vec::new(),
    };
    let numbers: Vec<String> = numbers.iter().map(i64::to_string).collect();
    Ok(numbers.join(" ").into())
}

fn add_one(_: &mut dyn Host, arguments: &[Value]) -> Outcome {
    Ok(Value::Int64(to_int64(arguments.any(0)).wrapping_add(1)))
}

fn add(_: &mut dyn Host, arguments: &[Value]) -> Outcome {
    Ok(Value::Int64(arguments.iter().map(to_int64).fold(0, i64::wrapping_add)))
}

fn subtract(_: &mut dyn Host, arguments: &[Value]) -> Outcome {
    Ok(Value::Int64(to_int64(arguments.any(0)).wrapping_sub(to_int64(arguments.any(1)))))
}

fn divide(_: &mut dyn Host, arguments: &[Value]) -> Outcome {
    Ok(Value::Int64(to_int64(arguments.any(0)).wrapping_div(divisor(arguments)?)))
}

fn remainder(_: &mut dyn Host, arguments: &[Value]) -> Outcome {
    Ok(Value::Int64(to_int64(arguments.any(0)).wrapping_rem(divisor(arguments)?)))
}

fn divisor(arguments: &[Value]) -> Result<i64, CallError> {
    match to_int64(arguments.any(1)) {
        0 => Err("runtime error: integer divide by zero".into()),
        divisor => Ok(divisor),
    }
}

fn multiply(_: &mut dyn Host, arguments: &[Value]) -> Outcome {
    Ok(Value::Int64(arguments.iter().map(to_int64).fold(1, i64::wrapping_mul)))
}

fn greatest(_: &mut dyn Host, arguments: &[Value]) -> Outcome {
    Ok(Value::Int64(arguments.iter().map(to_int64).max().unwrap_or(0)))
}

fn least(_: &mut dyn Host, arguments: &[Value]) -> Outcome {
    Ok(Value::Int64(arguments.iter().map(to_int64).min().unwrap_or(0)))
}

fn add_one_decimal(host: &mut dyn Host, arguments: &[Value]) -> Outcome {
    folded(host, &[arguments.any(0).clone(), Value::Int(1)], |left, right| Ok(left.add(right)))
}

fn add_decimals(host: &mut dyn Host, arguments: &[Value]) -> Outcome {
    let operands: Vec<Value> = std::iter::once(Value::Float(0.0)).chain(arguments.iter().cloned()).collect();
    folded(host, &operands, |left, right| Ok(left.add(right)))
}

fn subtract_decimals(host: &mut dyn Host, arguments: &[Value]) -> Outcome {
    folded(host, arguments, |left, right| Ok(left.subtract(right)))
}

fn multiply_decimals(host: &mut dyn Host, arguments: &[Value]) -> Outcome {
    folded(host, arguments, |left, right| Ok(left.multiply(right)))
}

fn divide_decimals(host: &mut dyn Host, arguments: &[Value]) -> Outcome {
    folded(host, arguments, |left, right| left.divide(right).ok_or_else(|| "decimal division by 0".into()))
}

/// Applies an exact operation from left to right and rounds the result to a float64.
fn folded(
    host: &mut dyn Host,
    operands: &[Value],
    operation: fn(&Decimal, &Decimal) -> Result<Decimal, CallError>,
) -> Outcome {
    let mut result = exact(operands.any(0))?;
    for operand in operands.rest(1) {
        let operand = exact(operand)?;
        host.charge(result.work(&operand), 0)?;
        result = operation(&result, &operand)?;
    }
    Ok(result.to_float().into())
}

fn exact(value: &Value) -> Result<Decimal, CallError> {
    let float = to_float64(value);
    Decimal::from_float(float)
        .ok_or_else(|| format!("Cannot create a Decimal from {}", print::format_float(float, b'g', None)).into())
}

fn greatest_float(_: &mut dyn Host, arguments: &[Value]) -> Outcome {
    Ok(arguments.rest(1).iter().map(to_float64).fold(to_float64(arguments.any(0)), maximum).into())
}

fn least_float(_: &mut dyn Host, arguments: &[Value]) -> Outcome {
    let negated = |value: &Value| -to_float64(value);
    let greatest = arguments.rest(1).iter().map(negated).fold(negated(arguments.any(0)), maximum);
    Ok((-greatest).into())
}

/// `math.Max`: infinity wins over NaN, NaN over numbers, and zero over negative zero.
fn maximum(left: f64, right: f64) -> f64 {
    if left == f64::INFINITY || right == f64::INFINITY {
        return f64::INFINITY;
    }
    if left.is_nan() || right.is_nan() {
        return f64::NAN;
    }
    if left == 0.0 && right == 0.0 {
        return if left.is_sign_negative() { right } else { left };
    }
    left.max(right)
}

fn ceil(_: &mut dyn Host, arguments: &[Value]) -> Outcome {
    Ok(to_float64(arguments.any(0)).ceil().into())
}

fn floor(_: &mut dyn Host, arguments: &[Value]) -> Outcome {
    Ok(to_float64(arguments.any(0)).floor().into())
}

/// Rounds up where the fraction reaches the third argument (a half by default), else down, so towards minus infinity.
fn round(_: &mut dyn Host, arguments: &[Value]) -> Outcome {
    let round_up_from = if arguments.len() > 2 { arguments.float(2) } else { 0.5 };
    let power = power_of_ten(arguments.int(1));
    let scaled = power * to_float64(arguments.any(0));
    let fraction = if scaled.is_infinite() { f64::NAN } else { scaled.fract() };
    let rounded = if fraction >= round_up_from { scaled.ceil() } else { scaled.floor() };
    Ok((rounded / power).into())
}

/// `math.Pow(10, exponent)`, whose rounding is that of repeated squaring of 0.625.
fn power_of_ten(exponent: i64) -> f64 {
    if exponent == 1 {
        return 10.0;
    }
    let (mut mantissa, mut binary) = (1.0, 0_i64);
    let (mut square, mut square_binary) = (0.625, 4_i64);
    let mut bits = exponent.unsigned_abs();
    while bits != 0 {
        if !(-4096..=4096).contains(&square_binary) {
            binary += square_binary;
            break;
        }
        if bits & 1 == 1 {
            mantissa *= square;
            binary += square_binary;
        }
        square *= square;
        square_binary *= 2;
        if square < 0.5 {
            square *= 2.0;
            square_binary -= 1;
        }
        bits >>= 1;
    }
    if exponent < 0 {
        (mantissa, binary) = (1.0 / mantissa, -binary);
    }
    let binary = i32::try_from(binary.clamp(-2200, 2200)).unwrap_or_default();
    mantissa * 2f64.powi(binary / 2) * 2f64.powi(binary - binary / 2)
}
