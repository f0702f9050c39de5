//! Jinja's own filters and functions, where minijinja's are not bounded by their arguments or print what is no YAML.

use minijinja::value::{Kwargs, Value as Jinja, ValueKind};
use minijinja::{Environment, Error, ErrorKind, State, filters, functions};

use super::execution;
use super::text::text;
use super::value::{Arguments, undefined};
use super::weight::{ITEM_BYTES, MAX_ITEMS, check_length, check_members};

/// The widest indentation.
const MAX_WIDTH: usize = 1_000;
/// How many characters `trim` may be given.
const MAX_TRIMMED: usize = 100;
/// How many numbers `range` gives, as minijinja's own.
const MAX_RANGE: i128 = 100_000;

/// Replaces and removes what minijinja has.
pub fn register(environment: &mut Environment<'static>) {
    environment.remove_global("debug");
    for filter in ["pprint", "safe", "escape", "e"] {
        environment.remove_filter(filter);
    }
    environment.add_function("range", range);
    environment.add_function("namespace", guarded_members(Jinja::from_function(functions::namespace)));
    environment.add_function("dict", guarded_members(Jinja::from_function(functions::dict)));
    environment.add_filter("string", |value: &Jinja| printed(value));
    environment.add_filter("replace", replace);
    environment.add_filter("join", join);
    environment.add_filter("indent", indent);
    environment.add_filter("trim", trim);
    environment.add_filter("sum", sum);
    environment.add_filter("batch", guarded_count(Jinja::from_function(filters::batch)));
    environment.add_filter("slice", guarded_count(Jinja::from_function(filters::slice)));
    environment.set_unknown_method_callback(method);
}

fn refused(reason: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, reason.into())
}

fn printed(value: &Jinja) -> Result<String, Error> {
    if value.is_undefined() {
        return Err(undefined(value));
    }
    text(value).map(std::borrow::Cow::into_owned)
}

/// A function of minijinja whose arguments become parts of its result.
fn guarded_members(function: Jinja) -> impl Fn(&mut State<'_, '_>, Arguments) -> Result<Jinja, Error> {
    move |state, arguments| {
        let arguments = arguments.into_values();
        check_members(&arguments)?;
        function.call(state, &arguments)
    }
}

/// A filter of minijinja whose second argument is how many items it makes.
fn guarded_count(filter: Jinja) -> impl Fn(&mut State<'_, '_>, Arguments) -> Result<Jinja, Error> {
    move |state, arguments| {
        let arguments = arguments.into_values();
        let count = arguments.get(1).and_then(Jinja::as_usize).unwrap_or_default() as u64;
        if count > MAX_ITEMS {
            return Err(refused(format!("a value holds more than {MAX_ITEMS} values")));
        }
        execution::charge(1 + count, count * ITEM_BYTES)?;
        filter.call(state, &arguments)
    }
}

fn range(start: i64, end: Option<i64>, step: Option<i64>) -> Result<Vec<i64>, Error> {
    let (start, end) = end.map_or((0, start), |end| (start, end));
    let (first, last, step) = (i128::from(start), i128::from(end), i128::from(step.unwrap_or(1)));
    if step == 0 {
        return Err(refused("cannot create range with step of 0"));
    }
    let distance = if step > 0 { last - first } else { first - last };
    let count = (distance.max(0) + step.abs() - 1) / step.abs();
    if count > MAX_RANGE {
        return Err(refused(format!("range has more than {MAX_RANGE} numbers")));
    }
    #[expect(clippy::cast_sign_loss, clippy::cast_possible_truncation, reason = "between 0 and the largest range")]
    let length = count as u64;
    execution::charge(length, length * ITEM_BYTES)?;
    Ok((0..count).filter_map(|index| i64::try_from(first + index * step).ok()).collect())
}

fn replace(value: &Jinja, from: &Jinja, to: &Jinja) -> Result<String, Error> {
    let (value, from, to) = (printed(value)?, printed(from)?, printed(to)?);
    let count = value.matches(from.as_str()).count() as u64;
    let length = (value.len() as u64).saturating_add(count.saturating_mul(to.len() as u64));
    check_length(length)?;
    execution::charge(1 + count, length)?;
    Ok(value.replace(from.as_str(), &to))
}

fn join(value: &Jinja, separator: Option<&Jinja>, attribute: Option<&str>, named: Kwargs) -> Result<String, Error> {
    if value.is_undefined() {
        return Err(undefined(value));
    }
    let separator = match separator {
        Some(given) => printed(given)?,
        None => named.get::<Option<String>>("d")?.unwrap_or_default(),
    };
    let named_attribute: Option<&str> = named.get("attribute")?;
    named.assert_all_used()?;
    let mut joined = String::new();
    for (index, item) in value.try_iter()?.enumerate() {
        let item = match attribute.or(named_attribute) {
            Some(name) => item.get_attr(name)?,
            None => item,
        };
        let item = printed(&item)?;
        let separator = if index == 0 { "" } else { &separator };
        execution::charge(1, (item.len() + separator.len()) as u64)?;
        joined.extend([separator, &item]);
        check_length(joined.len() as u64)?;
    }
    Ok(joined)
}

/// Jinja's: every line but the first and the blank ones.
fn indent(
    value: &Jinja,
    width: Option<usize>,
    first: Option<bool>,
    blank: Option<bool>,
    named: Kwargs,
) -> Result<String, Error> {
    let value = printed(value)?;
    let width = width.map_or_else(|| named.get::<Option<usize>>("width"), |width| Ok(Some(width)))?.unwrap_or(4);
    let first = first.map_or_else(|| named.get::<Option<bool>>("first"), |first| Ok(Some(first)))?.unwrap_or(false);
    let blank = blank.map_or_else(|| named.get::<Option<bool>>("blank"), |blank| Ok(Some(blank)))?.unwrap_or(false);
    named.assert_all_used()?;
    if width > MAX_WIDTH {
        return Err(refused(format!("indent takes a width of at most {MAX_WIDTH}, not {width}")));
    }
    let lines = value.matches('\n').count() + 1;
    let length = (value.len() + lines * width) as u64;
    check_length(length)?;
    execution::charge(lines as u64, length)?;
    let margin = " ".repeat(width);
    let mut indented = String::with_capacity(value.len() + lines * width);
    for (index, line) in value.split('\n').enumerate() {
        indented.push_str(if index == 0 { "" } else { "\n" });
        let is_blank = line.trim_end_matches('\r').is_empty();
        let takes_margin = if index == 0 { first } else { blank || !is_blank };
        indented.extend([if takes_margin { margin.as_str() } else { "" }, line]);
    }
    Ok(indented)
}

fn trim(value: &Jinja, characters: Option<&str>) -> Result<String, Error> {
    let value = printed(value)?;
    let Some(characters) = characters else { return Ok(value.trim().to_owned()) };
    let characters: Vec<char> = characters.chars().take(MAX_TRIMMED + 1).collect();
    if characters.len() > MAX_TRIMMED {
        return Err(refused(format!("trim takes at most {MAX_TRIMMED} characters")));
    }
    Ok(value.trim_matches(&characters[..]).to_owned())
}

/// Numbers only: minijinja's would put lists and texts together, each time anew.
fn sum(state: &mut State<'_, '_>, value: &Jinja, arguments: Arguments) -> Result<Jinja, Error> {
    if value.is_undefined() {
        return Err(undefined(value));
    }
    let native = Jinja::from_function(filters::sum);
    let mut all = vec![value.clone()];
    all.extend(arguments.into_values());
    let named = all.last().filter(|last| last.is_kwargs()).and_then(|named| named.get_attr("attribute").ok());
    for item in value.try_iter()? {
        let item = match named.as_ref().and_then(Jinja::as_str) {
            Some(name) => item.get_attr(name)?,
            None => item,
        };
        if item.kind() != ValueKind::Number {
            return Err(refused(format!("sum adds numbers, not {}", item.kind())));
        }
    }
    native.call(state, &all)
}

/// The methods of mappings that templates from elsewhere use: `items`, `keys`, `values`, `get`.
fn method(_: &mut State<'_, '_>, value: &Jinja, name: &str, arguments: &[Jinja]) -> Result<Jinja, Error> {
    if value.kind() != ValueKind::Map {
        return Err(ErrorKind::UnknownMethod.into());
    }
    let keys = || value.try_iter().map(|keys| keys.collect::<Vec<_>>());
    match (name, arguments) {
        ("items", []) => filters::items(value),
        ("keys", []) => Ok(keys()?.into()),
        ("values", []) => Ok(keys()?.iter().map(|key| value.get_item(key)).collect::<Result<Vec<_>, _>>()?.into()),
        ("get", [key]) => Ok(found(value, key)?.unwrap_or_else(|| Jinja::from(()))),
        ("get", [key, default]) => Ok(found(value, key)?.unwrap_or_else(|| default.clone())),
        _ => Err(ErrorKind::UnknownMethod.into()),
    }
}

fn found(value: &Jinja, key: &Jinja) -> Result<Option<Jinja>, Error> {
    let found = value.get_item(key)?;
    Ok(if found.is_undefined() { None } else { Some(found) })
}
