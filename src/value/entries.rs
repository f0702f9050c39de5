//! The entries of a map: sorted by key in one vector. Templates make and copy many small maps and change few.

use std::cmp::Ordering;

use super::{Str, Value};

/// Keys in byte order, each once, with their values.
#[derive(Clone, Debug, Default)]
pub struct Entries(Vec<Entry>);

#[derive(Clone, Debug)]
struct Entry {
    /// The key's [`head`], by which most keys are told apart without looking at their texts.
    head: u64,
    key: Str,
    value: Value,
}

impl Entry {
    fn new(key: Str, value: Value) -> Self {
        Self { head: head(key.as_bytes()), key, value }
    }

    fn compare(&self, head: u64, key: &[u8]) -> Ordering {
        self.head.cmp(&head).then_with(|| self.key.as_bytes().cmp(key))
    }
}

/// The first eight bytes of a key as a number of the same order; a shorter key is filled up with zeros.
pub(super) fn head(key: &[u8]) -> u64 {
    match key.first_chunk() {
        Some(bytes) => u64::from_be_bytes(*bytes),
        None => key.iter().rev().fold(0, |number, byte| number >> 8 | u64::from(*byte) << 56),
    }
}

impl Entries {
    /// Where the key is, or would be.
    fn position(&self, key: &[u8]) -> Result<usize, usize> {
        let head = head(key);
        self.0.binary_search_by(|entry| entry.compare(head, key))
    }

    /// The value of a key.
    pub fn get(&self, key: &[u8]) -> Option<&Value> {
        self.position(key).ok().and_then(|position| self.0.get(position)).map(|entry| &entry.value)
    }

    /// The entries in the order of their keys.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&Str, &Value)> + ExactSizeIterator {
        self.0.iter().map(|entry| (&entry.key, &entry.value))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn insert(&mut self, key: Str, value: Value) {
        let entry = Entry::new(key, value);
        let key = entry.key.as_bytes();
        // What is built in order is appended without a search.
        if self.0.last().is_none_or(|last| last.compare(entry.head, key).is_lt()) {
            return self.0.push(entry);
        }
        match self.0.binary_search_by(|known| known.compare(entry.head, key)) {
            Ok(position) => self.0[position].value = entry.value,
            Err(position) => self.0.insert(position, entry),
        }
    }

    pub(super) fn remove(&mut self, key: &[u8]) -> Option<Value> {
        self.position(key).ok().map(|position| self.0.remove(position).value)
    }

    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut Value> {
        self.0.iter_mut().map(|entry| &mut entry.value)
    }

    pub(super) fn to_vec(&self) -> Vec<(Str, Value)> {
        self.0.iter().map(|entry| (entry.key.clone(), entry.value.clone())).collect()
    }
}

impl FromIterator<(Str, Value)> for Entries {
    /// Of two entries with one key the later one counts.
    fn from_iter<I: IntoIterator<Item = (Str, Value)>>(entries: I) -> Self {
        let mut entries: Vec<Entry> = entries.into_iter().map(|(key, value)| Entry::new(key, value)).collect();
        let order = |a: &Entry, b: &Entry| a.compare(b.head, b.key.as_bytes());
        if !entries.is_sorted_by(|a, b| order(a, b).is_lt()) {
            entries.reverse();
            entries.sort_by(order);
            entries.dedup_by(|a, b| order(a, b).is_eq());
        }
        Self(entries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(pairs: &[(&str, i64)]) -> Entries {
        pairs.iter().map(|&(key, number)| (Str::from(key), Value::Int(number))).collect()
    }

    fn shown(entries: &Entries) -> String {
        let pairs = entries.iter().map(|(key, value)| match value {
            Value::Int(number) => format!("{}={number}", key.to_text()),
            _ => String::new(),
        });
        pairs.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn entries_are_sorted_and_the_later_of_two_counts() {
        assert_eq!(shown(&entries(&[("b", 1), ("a", 2), ("b", 3), ("B", 4)])), "B=4 a=2 b=3");
    }

    #[test]
    fn heads_are_in_the_order_of_the_keys() {
        let keys: [&[u8]; 8] = [b"", b"\0", b"a", b"a\0", b"ab", b"abcdefgh", b"abcdefghi", b"b"];
        assert!(keys.is_sorted_by_key(|key| (head(key), *key)));
        assert_eq!(head(b"ab"), 0x6162_0000_0000_0000);
    }

    #[test]
    fn a_key_is_found_replaced_and_removed() {
        let mut entries = entries(&[("a", 1), ("c", 3)]);
        entries.insert("b".into(), Value::Int(2));
        entries.insert("a".into(), Value::Int(9));
        entries.insert("d".into(), Value::Int(4));
        assert_eq!(shown(&entries), "a=9 b=2 c=3 d=4");
        assert!(entries.remove(b"c").is_some() && entries.remove(b"c").is_none());
        assert!(entries.get(b"c").is_none() && entries.get(b"d").is_some());
    }
}
