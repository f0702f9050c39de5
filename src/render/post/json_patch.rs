//! JSON patches (RFC 6902) of one object.

use std::fmt;

use crate::value::Json;

/// One operation of a JSON patch.
#[derive(Clone, Debug, PartialEq)]
pub enum Operation {
    /// Sets a member, or inserts an item before the one at the place; `-` is behind the last.
    Add(Pointer, Json),
    /// Removes what is at the place.
    Remove(Pointer),
    /// Replaces what is at the place.
    Replace(Pointer, Json),
    /// Removes what is at the first place and adds it at the second.
    Move(Pointer, Pointer),
    /// Adds what is at the first place at the second too.
    Copy(Pointer, Pointer),
    /// Goes on only if this is at the place.
    Test(Pointer, Json),
}

/// A place in an object (RFC 6901): `/spec/template`, with `~1` for `/` and `~0` for `~` in a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pointer {
    tokens: Vec<String>,
    text: String,
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.text.is_empty() { "the whole object" } else { &self.text })
    }
}

/// Why an operation fails. Values are not told, they may be secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OperationError {
    /// The place does not exist.
    #[error("{0} does not exist; correct the path")]
    NoPlace(String),
    /// A list has no such item.
    #[error("{0} is not a place in the list; write a number up to its length, or - for behind the last")]
    NoItem(String),
    /// The place holds something else than a test expects.
    #[error("the test of {0} fails; it holds another value")]
    Test(String),
    /// A move into itself.
    #[error("{0} cannot be moved into itself")]
    IntoItself(String),
    /// The whole object would go.
    #[error("the whole object cannot be removed; use a strategic merge patch with $patch: delete")]
    Whole,
}

impl Operation {
    /// Reads an operation.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(json: &Json) -> Result<Self, String> {
        let text = |member: &str| json.get(member).and_then(Json::as_str);
        let word = text("op").ok_or("an operation is a map with op and path")?;
        let place = |member: &str| match text(member) {
            Some(text) => Pointer::parse(text),
            None => Err(format!("{word} needs {member}")),
        };
        let value = || json.get("value").cloned().ok_or_else(|| format!("{word} needs value"));
        match word {
            "add" => Ok(Self::Add(place("path")?, value()?)),
            "remove" => Ok(Self::Remove(place("path")?)),
            "replace" => Ok(Self::Replace(place("path")?, value()?)),
            "move" => Ok(Self::Move(place("from")?, place("path")?)),
            "copy" => Ok(Self::Copy(place("from")?, place("path")?)),
            "test" => Ok(Self::Test(place("path")?, value()?)),
            _ => Err(format!("op {word:?} is none of add, remove, replace, move, copy and test")),
        }
    }

    /// Changes an object.
    ///
    /// # Errors
    /// Why it cannot; the object may be changed in part.
    pub fn run(&self, object: &mut Json) -> Result<(), OperationError> {
        match self {
            Self::Add(place, value) => place.add(object, value.clone()),
            Self::Remove(place) => place.remove(object).map(drop),
            Self::Replace(place, value) => {
                *place.find_mut(object)? = value.clone();
                Ok(())
            }
            Self::Move(from, place) if place.is_inside(from) => Err(OperationError::IntoItself(from.to_string())),
            Self::Move(from, place) => {
                let value = from.remove(object)?;
                place.add(object, value)
            }
            Self::Copy(from, place) => {
                let value = from.find(object)?.clone();
                place.add(object, value)
            }
            Self::Test(place, value) if place.find(object)? == value => Ok(()),
            Self::Test(place, _) => Err(OperationError::Test(place.to_string())),
        }
    }
}

impl Pointer {
    fn parse(text: &str) -> Result<Self, String> {
        let mut parts = text.split('/');
        if parts.next() != Some("") {
            return Err(format!("the path {text:?} does not begin with /"));
        }
        let tokens = parts.map(|token| token.replace("~1", "/").replace("~0", "~")).collect();
        Ok(Self { tokens, text: text.to_owned() })
    }

    fn is_inside(&self, other: &Self) -> bool {
        self.tokens.len() > other.tokens.len() && self.tokens.starts_with(&other.tokens)
    }

    fn absent(&self) -> OperationError {
        OperationError::NoPlace(self.to_string())
    }

    fn find<'a>(&self, object: &'a Json) -> Result<&'a Json, OperationError> {
        object.pointer(&self.text).ok_or_else(|| self.absent())
    }

    fn find_mut<'a>(&self, object: &'a mut Json) -> Result<&'a mut Json, OperationError> {
        object.pointer_mut(&self.text).ok_or_else(|| self.absent())
    }

    /// The map or list that holds the place, and the last part of the path; nothing for the whole object.
    fn holder<'a, 'b>(&'b self, object: &'a mut Json) -> Result<Option<(&'a mut Json, &'b str)>, OperationError> {
        let (Some(last), Some((holder, _))) = (self.tokens.last(), self.text.rsplit_once('/')) else {
            return Ok(None);
        };
        let holder = object.pointer_mut(holder).ok_or_else(|| self.absent())?;
        Ok(Some((holder, last)))
    }

    fn add(&self, object: &mut Json, value: Json) -> Result<(), OperationError> {
        match self.holder(object)? {
            None => *object = value,
            Some((Json::Object(members), name)) => drop(members.insert(name.to_owned(), value)),
            Some((Json::Array(items), "-")) => items.push(value),
            Some((Json::Array(items), place)) => {
                let place = index(place).filter(|place| *place <= items.len());
                items.insert(place.ok_or_else(|| OperationError::NoItem(self.to_string()))?, value);
            }
            Some(_) => return Err(self.absent()),
        }
        Ok(())
    }

    fn remove(&self, object: &mut Json) -> Result<Json, OperationError> {
        let removed = match self.holder(object)? {
            None => return Err(OperationError::Whole),
            Some((Json::Object(members), name)) => members.remove(name),
            Some((Json::Array(items), place)) => {
                index(place).filter(|place| *place < items.len()).map(|place| items.remove(place))
            }
            Some(_) => None,
        };
        removed.ok_or_else(|| self.absent())
    }
}

/// The number of an item: digits without a leading zero.
fn index(text: &str) -> Option<usize> {
    let is_plain = text == "0" || !text.starts_with(['0', '+']);
    if is_plain { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn run(object: &Json, operation: &Json) -> Result<Json, String> {
        let operation = Operation::read(operation)?;
        let mut object = object.clone();
        operation.run(&mut object).map_err(|error| error.to_string())?;
        Ok(object)
    }

    #[test]
    fn operations_do_what_the_standard_says() {
        let object = json!({"a": 1, "l": [1, 2], "m": {"x/y": "s", "t~": null}});
        let table = [
            (json!({"op": "add", "path": "/b", "value": 2}), json!({"a": 1, "b": 2, "l": [1, 2], "m": object["m"]})),
            (json!({"op": "add", "path": "/a", "value": null}), json!({"a": null, "l": [1, 2], "m": object["m"]})),
            (json!({"op": "add", "path": "/l/0", "value": 0}), json!({"a": 1, "l": [0, 1, 2], "m": object["m"]})),
            (json!({"op": "add", "path": "/l/2", "value": 3}), json!({"a": 1, "l": [1, 2, 3], "m": object["m"]})),
            (json!({"op": "add", "path": "/l/-", "value": 3}), json!({"a": 1, "l": [1, 2, 3], "m": object["m"]})),
            (json!({"op": "remove", "path": "/m/x~1y"}), json!({"a": 1, "l": [1, 2], "m": {"t~": null}})),
            (
                json!({"op": "replace", "path": "/m/t~0", "value": 1}),
                json!({"a": 1, "l": [1, 2], "m": {"x/y": "s", "t~": 1}}),
            ),
            (json!({"op": "move", "from": "/l/0", "path": "/l/1"}), json!({"a": 1, "l": [2, 1], "m": object["m"]})),
            (json!({"op": "copy", "from": "/a", "path": "/l/-"}), json!({"a": 1, "l": [1, 2, 1], "m": object["m"]})),
            (json!({"op": "test", "path": "/l", "value": [1, 2]}), object.clone()),
            (json!({"op": "replace", "path": "", "value": {}}), json!({})),
        ];
        for (operation, expected) in table {
            assert_eq!(run(&object, &operation), Ok(expected), "{operation}");
        }
    }

    #[test]
    fn what_cannot_be_done_is_told_with_the_place_and_without_values() {
        let object = json!({"a": "secret", "l": [1, 2], "m": {}});
        let table = [
            (json!({"op": "remove", "path": "/b"}), "/b does not exist; correct the path"),
            (json!({"op": "remove", "path": "/l/2"}), "/l/2 does not exist; correct the path"),
            (json!({"op": "remove", "path": "/l/01"}), "/l/01 does not exist; correct the path"),
            (json!({"op": "remove", "path": "/a/x"}), "/a/x does not exist; correct the path"),
            (json!({"op": "replace", "path": "/m/x", "value": 1}), "/m/x does not exist; correct the path"),
            (json!({"op": "add", "path": "/x/y", "value": 1}), "/x/y does not exist; correct the path"),
            (
                json!({"op": "add", "path": "/l/3", "value": 1}),
                "/l/3 is not a place in the list; write a number up to its length, or - for behind the last",
            ),
            (json!({"op": "copy", "from": "/l/-", "path": "/a"}), "/l/- does not exist; correct the path"),
            (json!({"op": "move", "from": "/m", "path": "/m/x"}), "/m cannot be moved into itself"),
            (json!({"op": "test", "path": "/a", "value": "x"}), "the test of /a fails; it holds another value"),
            (json!({"op": "add", "path": "/a"}), "add needs value"),
            (json!({"op": "move", "path": "/a"}), "move needs from"),
            (json!({"op": "add", "path": "a", "value": 1}), "the path \"a\" does not begin with /"),
            (json!({"op": "merge", "path": "/a"}), "op \"merge\" is none of add, remove, replace, move, copy and test"),
            (json!("add"), "an operation is a map with op and path"),
        ];
        for (operation, expected) in table {
            assert_eq!(run(&object, &operation), Err(expected.to_owned()), "{operation}");
        }
    }
}
