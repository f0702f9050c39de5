//! Go maps with string keys, shared by reference.

use std::cell::{Ref, RefCell};
use std::rc::Rc;

use super::entries::Entries;
use super::{Str, Value};

/// The type of a map, which `typeOf` sees and field access depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapType {
    /// `map[string]interface {}`: a missing key is nil.
    Any,
    /// `map[string]string`: a missing key is `""` (`split`, annotations of `.Chart`).
    String,
    /// `common.Values`: `.Values`, with its methods.
    Values,
}

impl MapType {
    /// The Go type name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Any => "map[string]interface {}",
            Self::String => "map[string]string",
            Self::Values => "common.Values",
        }
    }
}

/// A Go map: every clone is a handle on the same entries. A nil map reads as an empty one, is `null` in JSON, and
/// refuses to be written to.
#[derive(Clone, Debug)]
pub struct Map {
    map_type: MapType,
    nil: bool,
    entries: Rc<RefCell<Entries>>,
}

impl Default for Map {
    fn default() -> Self {
        Self::new()
    }
}

impl Map {
    /// An empty `map[string]interface {}`.
    pub fn new() -> Self {
        Self::of(MapType::Any)
    }

    /// An empty map of the given type.
    pub fn of(map_type: MapType) -> Self {
        Self { map_type, nil: false, entries: Rc::default() }
    }

    /// A nil map. To write to it is a panic in Go, `assignment to entry in nil map`: functions that write check
    /// [`Map::is_nil`] and return that text.
    pub fn nil(map_type: MapType) -> Self {
        Self { map_type, nil: true, entries: Rc::default() }
    }

    /// Whether this is Go's nil map.
    pub fn is_nil(&self) -> bool {
        self.nil
    }

    /// The same entries under another type, as Go's conversion between map types.
    pub fn with_type(&self, map_type: MapType) -> Self {
        Self { map_type, nil: self.nil, entries: Rc::clone(&self.entries) }
    }

    /// The map's type.
    pub fn map_type(&self) -> MapType {
        self.map_type
    }

    /// The value of a key.
    pub fn get(&self, key: &[u8]) -> Option<Value> {
        self.entries.borrow().get(key).cloned()
    }

    /// Whether the key is there, whatever its value.
    pub fn contains_key(&self, key: &[u8]) -> bool {
        self.entries.borrow().get(key).is_some()
    }

    /// Sets a key, for every holder of this map; a nil map stays as it is.
    pub fn insert(&self, key: impl Into<Str>, value: Value) {
        if self.nil {
            return;
        }
        self.entries.borrow_mut().insert(key.into(), value);
    }

    /// Removes a key, for every holder of this map.
    pub fn remove(&self, key: &[u8]) -> Option<Value> {
        self.entries.borrow_mut().remove(key)
    }

    /// How many keys.
    pub fn len(&self) -> usize {
        self.entries.borrow().len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A snapshot of the entries in byte order of their keys, the order of `range`.
    pub fn entries(&self) -> Vec<(Str, Value)> {
        self.entries.borrow().to_vec()
    }

    /// The entries themselves, borrowed; nothing may change the map meanwhile.
    pub fn read(&self) -> Ref<'_, Entries> {
        self.entries.borrow()
    }

    /// A snapshot of the keys in byte order.
    pub fn keys(&self) -> Vec<Str> {
        self.entries.borrow().iter().map(|(key, _)| key.clone()).collect()
    }

    /// Whether both handles are the same map.
    pub fn is_same(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.entries, &other.entries)
    }

    /// Whether nobody else holds this map.
    pub fn is_sole(&self) -> bool {
        Rc::strong_count(&self.entries) == 1
    }

    /// Takes nested lists and maps out, where nobody else holds this map.
    pub(super) fn take_nested(&mut self, nested: &mut Vec<Value>) {
        if let Some(entries) = Rc::get_mut(&mut self.entries) {
            let containers = entries.get_mut().values_mut().filter(|value| value.is_container());
            nested.extend(containers.map(std::mem::take));
        }
    }

    /// An address that tells two maps apart, for cycle detection.
    pub fn address(&self) -> usize {
        Rc::as_ptr(&self.entries) as usize
    }
}

impl<K: Into<Str>> FromIterator<(K, Value)> for Map {
    fn from_iter<I: IntoIterator<Item = (K, Value)>>(entries: I) -> Self {
        let entries = entries.into_iter().map(|(key, value)| (key.into(), value)).collect();
        Self { map_type: MapType::Any, nil: false, entries: Rc::new(RefCell::new(entries)) }
    }
}

impl Drop for Map {
    #[inline]
    fn drop(&mut self) {
        if Rc::strong_count(&self.entries) > 1 {
            return;
        }
        let mut nested = Vec::new();
        self.take_nested(&mut nested);
        super::dismantle(nested);
    }
}
