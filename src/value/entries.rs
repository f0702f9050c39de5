//! The entries of a map: sorted by key in one vector. Templates make and copy many small maps and change few.

use super::{Str, Value};

/// Keys in byte order, each once, with their values.
#[derive(Clone, Debug, Default)]
pub struct Entries(Vec<(Str, Value)>);

impl Entries {
    /// Where the key is, or would be.
    fn position(&self, key: &[u8]) -> Result<usize, usize> {
        self.0.binary_search_by(|(known, _)| known.as_bytes().cmp(key))
    }

    /// The value of a key.
    pub fn get(&self, key: &[u8]) -> Option<&Value> {
        self.position(key).ok().and_then(|position| self.0.get(position)).map(|(_, value)| value)
    }

    /// The entries in the order of their keys.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&Str, &Value)> + ExactSizeIterator {
        self.0.iter().map(|(key, value)| (key, value))
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
        // What is built in order is appended without a search.
        if self.0.last().is_none_or(|(last, _)| *last < key) {
            return self.0.push((key, value));
        }
        match self.position(key.as_bytes()) {
            Ok(position) => self.0[position].1 = value,
            Err(position) => self.0.insert(position, (key, value)),
        }
    }

    pub(super) fn remove(&mut self, key: &[u8]) -> Option<Value> {
        self.position(key).ok().map(|position| self.0.remove(position).1)
    }

    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut Value> {
        self.0.iter_mut().map(|(_, value)| value)
    }

    pub(super) fn to_vec(&self) -> Vec<(Str, Value)> {
        self.0.clone()
    }
}

impl FromIterator<(Str, Value)> for Entries {
    /// Of two entries with one key the later one counts.
    fn from_iter<I: IntoIterator<Item = (Str, Value)>>(entries: I) -> Self {
        let mut entries: Vec<(Str, Value)> = entries.into_iter().collect();
        if !entries.is_sorted_by(|(a, _), (b, _)| a < b) {
            entries.reverse();
            entries.sort_by(|(a, _), (b, _)| a.cmp(b));
            entries.dedup_by(|(a, _), (b, _)| a == b);
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
