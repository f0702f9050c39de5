//! Rings among things that depend on each other: whoever is part of one waits for himself.

use std::collections::HashSet;
use std::hash::Hash;

/// The shortest ring through `start`: itself, what it depends on, and so on, until one that depends on it. Nothing where
/// there is none. `dependencies` gives what a thing depends on.
pub fn ring_through<K: Clone + Eq + Hash>(start: &K, dependencies: impl Fn(&K) -> Vec<K>) -> Option<Vec<K>> {
    // Everything that was reached, with the place of what it was reached from.
    let mut reached: Vec<(K, usize)> = vec![(start.clone(), 0)];
    let mut known = HashSet::from([start.clone()]);
    let mut next = 0;
    while let Some((from, _)) = reached.get(next).cloned() {
        for to in dependencies(&from) {
            if to == *start {
                return Some(way_to(&reached, next));
            }
            if known.insert(to.clone()) {
                reached.push((to, next));
            }
        }
        next += 1;
    }
    None
}

fn way_to<K: Clone>(reached: &[(K, usize)], place: usize) -> Vec<K> {
    let mut way = vec![reached[place].0.clone()];
    let mut place = place;
    while place != 0 {
        place = reached[place].1;
        way.push(reached[place].0.clone());
    }
    way.reverse();
    way
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_ring_is_named_from_where_one_stands() {
        let edges = |from: &char| match from {
            'a' => vec!['b', 'c'],
            'b' => vec!['d'],
            'c' => vec!['e'],
            'd' => vec!['b', 'f'],
            'e' => vec!['a'],
            's' => vec!['s'],
            _ => vec![],
        };
        let table =
            [('a', Some("ace")), ('c', Some("cea")), ('b', Some("bd")), ('f', None), ('s', Some("s")), ('x', None)];
        for (start, expected) in table {
            let ring: Option<String> = ring_through(&start, edges).map(|ring| ring.into_iter().collect());
            assert_eq!(ring.as_deref(), expected, "from {start}");
        }
    }
}
