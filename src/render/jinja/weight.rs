//! How large a value is, told before anything is done with it.
//!
//! Lists and mappings share their parts, so that a few steps can make a value whose text would fill any memory, and one
//! that is nested deeper than any stack. Every one that a template makes is weighed as if nothing were shared, and
//! refused where it is too heavy; so what walks a value later, in minijinja or here, is bounded.

use minijinja::value::{Tuple, Value as Jinja, ValueKind};
use minijinja::{Error, ErrorKind};

use super::execution;
use super::object::Handle;

/// How deep values may be nested.
pub const MAX_DEPTH: usize = 100;
/// How many values one value may hold, its own lists' lists included.
pub const MAX_ITEMS: u64 = 1_000_000;
/// How many bytes of text one value may hold.
const MAX_BYTES: u64 = 16 << 20;
/// What one item costs in a list, in bytes.
pub const ITEM_BYTES: u64 = 32;

fn refused(reason: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, reason.into())
}

/// Weighs a value that a template made, accounts for it, and returns it with its items at hand: minijinja's lazy
/// sequences could grow with every step and cost their work again with every use.
///
/// # Errors
/// Where it is too heavy, or the limits are used up.
pub fn weighed(value: Jinja) -> Result<Jinja, Error> {
    match value.kind() {
        ValueKind::String | ValueKind::Bytes => {
            let length = value.as_bytes().map_or(0, <[u8]>::len) as u64;
            check_length(length)?;
            execution::charge(1, length)?;
            Ok(value)
        }
        ValueKind::Seq | ValueKind::Iterable if is_lazy(&value) => weighed_items(&value),
        ValueKind::Seq | ValueKind::Iterable | ValueKind::Map => {
            account(&value)?;
            Ok(value)
        }
        _ => {
            execution::charge(1, 0)?;
            Ok(value)
        }
    }
}

/// Weighs what becomes a part of another value: a namespace may not, because it could then hold itself.
///
/// # Errors
/// As [`weighed`], and for a namespace.
pub fn weighed_member(value: Jinja) -> Result<Jinja, Error> {
    refuse_namespace(&value)?;
    weighed(value)
}

fn weighed_items(value: &Jinja) -> Result<Jinja, Error> {
    let mut items = Vec::new();
    for item in value.try_iter()? {
        execution::charge(1, ITEM_BYTES)?;
        if items.len() as u64 >= MAX_ITEMS {
            return Err(too_many());
        }
        items.push(item);
    }
    let list = Jinja::from(items);
    account(&list)?;
    Ok(list)
}

/// Whether the items are made anew each time that they are asked for.
fn is_lazy(value: &Jinja) -> bool {
    let is_at_hand = value.downcast_object_ref::<Vec<Jinja>>().is_some()
        || value.downcast_object_ref::<Tuple>().is_some()
        || value.downcast_object_ref::<Handle>().is_some();
    !is_at_hand
}

fn account(value: &Jinja) -> Result<(), Error> {
    let mut weight = Weight::default();
    weight.add_items(value, MAX_DEPTH)?;
    let length = value.len().unwrap_or_default() as u64;
    execution::charge(weight.items + 1, length.saturating_mul(ITEM_BYTES))
}

#[derive(Default)]
struct Weight {
    items: u64,
    bytes: u64,
}

impl Weight {
    fn add(&mut self, value: &Jinja, depth: usize) -> Result<(), Error> {
        self.items += 1;
        if self.items > MAX_ITEMS {
            return Err(too_many());
        }
        match value.kind() {
            ValueKind::String | ValueKind::Bytes => {
                self.bytes += value.as_bytes().map_or(0, <[u8]>::len) as u64;
                check_length(self.bytes)
            }
            ValueKind::Seq | ValueKind::Iterable | ValueKind::Map => {
                refuse_namespace(value)?;
                self.add_items(value, depth)
            }
            _ => Ok(()),
        }
    }

    fn add_items(&mut self, value: &Jinja, depth: usize) -> Result<(), Error> {
        let Some(inner) = depth.checked_sub(1) else {
            return Err(refused(format!("a value is nested deeper than {MAX_DEPTH} levels")));
        };
        if let Some(handle) = value.downcast_object_ref::<Handle>() {
            self.bytes += handle.weight();
            return check_length(self.bytes);
        }
        for item in value.try_iter()? {
            self.add(&item, inner)?;
            if value.kind() == ValueKind::Map {
                self.add(&value.get_item(&item)?, inner)?;
            }
        }
        Ok(())
    }
}

/// Whether a text of that length may be taken apart: a list of its characters is many times as long.
///
/// # Errors
/// Where it may not.
pub fn check_length(bytes: u64) -> Result<(), Error> {
    let limit = MAX_BYTES.min(execution::bytes_left());
    if bytes > limit { Err(refused(format!("a value holds more than {limit} bytes of text"))) } else { Ok(()) }
}

fn too_many() -> Error {
    refused(format!("a value holds more than {MAX_ITEMS} values"))
}

/// minijinja's namespace is the one value that changes after it was made; its type is known by name only.
fn refuse_namespace(value: &Jinja) -> Result<(), Error> {
    let is_namespace = value.as_object().is_some_and(|object| object.type_name().ends_with("::Namespace"));
    if is_namespace { Err(refused("a namespace cannot be a part of another value")) } else { Ok(()) }
}

/// The weighed members of a new namespace or mapping.
///
/// # Errors
/// As [`weighed_member`].
pub fn check_members(arguments: &[Jinja]) -> Result<(), Error> {
    arguments.iter().try_for_each(|argument| weighed_member(argument.clone()).map(drop))
}
