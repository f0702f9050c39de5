//! The natural order of keys in written YAML: runs of digits compare as numbers, and a letter comes after whatever is
//! none (`yaml/v2/sorter.go`).

use std::cmp::Ordering;
use std::sync::LazyLock;

use regex::Regex;

/// Whose order: v3 lets a letter come first where digits precede the difference (`a1b` < `a1-`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    V2,
    V3,
}

/// Sorts entries by key. The order is not quite total for keys with leading zeros, which the standard sort may answer
/// with a panic; merging gives some order then, as Go does.
pub fn sort<T>(entries: &mut Vec<T>, rule: Rule, key: impl Fn(&T) -> &str + Copy) {
    let misplaced = |a: &T, b: &T| compare(key(a), key(b), rule) == Ordering::Greater;
    if entries.windows(2).all(|pair| !misplaced(&pair[0], &pair[1])) {
        return;
    }
    if entries.len() <= INSERTION {
        for end in 1..entries.len() {
            let mut at = end;
            while at > 0 && misplaced(&entries[at - 1], &entries[at]) {
                entries.swap(at - 1, at);
                at -= 1;
            }
        }
        return;
    }
    let mut right = entries.split_off(entries.len() / 2);
    sort(entries, rule, key);
    sort(&mut right, rule, key);
    let (mut left, mut right) = (std::mem::take(entries).into_iter().peekable(), right.into_iter().peekable());
    while let (Some(a), Some(b)) = (left.peek(), right.peek()) {
        let next = if misplaced(a, b) { right.next() } else { left.next() };
        entries.extend(next);
    }
    entries.extend(left);
    entries.extend(right);
}

/// Up to this length a list is sorted by insertion.
const INSERTION: usize = 12;

/// Compares two keys naturally.
pub fn compare(a: &str, b: &str, rule: Rule) -> Ordering {
    let mut start = a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b).count();
    while !a.is_char_boundary(start) || !b.is_char_boundary(start) {
        start -= 1;
    }
    let (Some(first), Some(second)) = (a[start..].chars().next(), b[start..].chars().next()) else {
        return a.len().cmp(&b.len());
    };
    let after_digit = rule == Rule::V3 && a[..start].chars().next_back().is_some_and(is_digit);
    match (is_letter(first), is_letter(second)) {
        (true, true) => first.cmp(&second),
        (true, false) if after_digit => Ordering::Less,
        (false, true) if after_digit => Ordering::Greater,
        (true, false) => Ordering::Greater,
        (false, true) => Ordering::Less,
        (false, false) => compare_numbers(a, b, start).then_with(|| first.cmp(&second)),
    }
}

/// Compares the runs of digits at the first difference, then their lengths.
fn compare_numbers(a: &str, b: &str, start: usize) -> Ordering {
    let leading_zero = a[start..].starts_with('0') || b[start..].starts_with('0');
    let within_number = leading_zero && a[..start].chars().rev().take_while(|c| is_digit(*c)).any(|c| c != '0');
    let run = |text: &str| {
        text[start..].chars().take_while(|c| is_digit(*c)).fold((i64::from(within_number), 0usize), |(n, length), c| {
            (n.wrapping_mul(10).wrapping_add(i64::from(u32::from(c)) - i64::from(b'0')), length + 1)
        })
    };
    run(a).cmp(&run(b))
}

static LETTER: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"^\p{L}").ok());
static DIGIT: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"^\p{Nd}").ok());

fn is_letter(c: char) -> bool {
    if c.is_ascii() { c.is_ascii_alphabetic() } else { in_category(&LETTER, c) }
}

fn is_digit(c: char) -> bool {
    if c.is_ascii() { c.is_ascii_digit() } else { in_category(&DIGIT, c) }
}

fn in_category(category: &LazyLock<Option<Regex>>, c: char) -> bool {
    category.as_ref().is_some_and(|category| category.is_match(c.encode_utf8(&mut [0; 4])))
}
