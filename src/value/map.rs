//! Go maps with string keys, shared by reference.

use std::cell::{Ref, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use super::entries::Entries;
use super::frozen::{Frozen, FrozenMap};
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
    content: Rc<RefCell<Content>>,
}

/// What a map holds.
#[derive(Debug, Default)]
struct Content {
    /// The entries, where nobody has looked at them or changed any; [`Content::entries`] is empty then.
    frozen: Option<Arc<FrozenMap>>,
    entries: Entries,
}

impl Content {
    fn thaw(&mut self) {
        if let Some(frozen) = self.frozen.take() {
            let entries = frozen.entries().iter();
            self.entries = entries.map(|(key, value)| (key.clone(), Value::from(value))).collect();
        }
    }
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
        Self { map_type, nil: false, content: Rc::default() }
    }

    /// A nil map. To write to it is a panic in Go, `assignment to entry in nil map`: functions that write check
    /// [`Map::is_nil`] and return that text.
    pub fn nil(map_type: MapType) -> Self {
        Self { map_type, nil: true, content: Rc::default() }
    }

    /// Whether this is Go's nil map.
    pub fn is_nil(&self) -> bool {
        self.nil
    }

    /// The same entries under another type, as Go's conversion between map types.
    pub fn with_type(&self, map_type: MapType) -> Self {
        Self { map_type, nil: self.nil, content: Rc::clone(&self.content) }
    }

    /// The map's type.
    pub fn map_type(&self) -> MapType {
        self.map_type
    }

    /// A map of these entries, each level of which is copied when it is first looked into.
    pub fn thawing(frozen: Arc<FrozenMap>) -> Self {
        let content = Content { frozen: Some(frozen), entries: Entries::default() };
        Self { map_type: MapType::Any, nil: false, content: Rc::new(RefCell::new(content)) }
    }

    /// The frozen entries, where nobody has looked into this map yet.
    pub fn frozen(&self) -> Option<Arc<FrozenMap>> {
        self.content.borrow().frozen.clone()
    }

    /// The value of a key.
    pub fn get(&self, key: &[u8]) -> Option<Value> {
        if let Some(frozen) = &self.content.borrow().frozen {
            match frozen.get(key) {
                // A map in here must be the same one the next time.
                Some(Frozen::Map(_) | Frozen::List(_)) => {}
                other => return other.map(Value::from),
            }
        }
        self.read().get(key).cloned()
    }

    /// Whether the key is there, whatever its value.
    pub fn contains_key(&self, key: &[u8]) -> bool {
        let content = self.content.borrow();
        content.frozen.as_ref().map_or_else(|| content.entries.get(key).is_some(), |frozen| frozen.get(key).is_some())
    }

    /// Sets a key, for every holder of this map; a nil map stays as it is.
    pub fn insert(&self, key: impl Into<Str>, value: Value) {
        if self.nil {
            return;
        }
        let mut content = self.content.borrow_mut();
        content.thaw();
        content.entries.insert(key.into(), value);
    }

    /// Removes a key, for every holder of this map.
    pub fn remove(&self, key: &[u8]) -> Option<Value> {
        let mut content = self.content.borrow_mut();
        content.thaw();
        content.entries.remove(key)
    }

    /// How many keys.
    pub fn len(&self) -> usize {
        let content = self.content.borrow();
        content.frozen.as_ref().map_or_else(|| content.entries.len(), |frozen| frozen.entries().len())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A snapshot of the entries in byte order of their keys, the order of `range`.
    pub fn entries(&self) -> Vec<(Str, Value)> {
        self.read().to_vec()
    }

    /// The entries themselves, borrowed; nothing may change the map meanwhile.
    pub fn read(&self) -> Ref<'_, Entries> {
        let content = self.content.borrow();
        if content.frozen.is_none() {
            return Ref::map(content, |content| &content.entries);
        }
        drop(content);
        self.content.borrow_mut().thaw();
        Ref::map(self.content.borrow(), |content| &content.entries)
    }

    /// A snapshot of the keys in byte order.
    pub fn keys(&self) -> Vec<Str> {
        self.read().iter().map(|(key, _)| key.clone()).collect()
    }

    /// Whether both handles are the same map.
    pub fn is_same(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.content, &other.content)
    }

    /// Whether nobody else holds this map.
    pub fn is_sole(&self) -> bool {
        Rc::strong_count(&self.content) == 1
    }

    /// Takes nested lists and maps out, where nobody else holds this map.
    pub(super) fn take_nested(&mut self, nested: &mut Vec<Value>) {
        if let Some(content) = Rc::get_mut(&mut self.content) {
            let containers = content.get_mut().entries.values_mut().filter(|value| value.is_container());
            nested.extend(containers.map(std::mem::take));
        }
    }

    /// An address that tells two maps apart, for cycle detection.
    pub fn address(&self) -> usize {
        Rc::as_ptr(&self.content) as usize
    }
}

impl<K: Into<Str>> FromIterator<(K, Value)> for Map {
    fn from_iter<I: IntoIterator<Item = (K, Value)>>(entries: I) -> Self {
        let entries = entries.into_iter().map(|(key, value)| (key.into(), value)).collect();
        let content = Content { frozen: None, entries };
        Self { map_type: MapType::Any, nil: false, content: Rc::new(RefCell::new(content)) }
    }
}

impl Drop for Map {
    #[inline]
    fn drop(&mut self) {
        if Rc::strong_count(&self.content) > 1 {
            return;
        }
        let mut nested = Vec::new();
        self.take_nested(&mut nested);
        super::dismantle(nested);
    }
}
