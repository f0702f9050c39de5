//! Semantic versions and constraints: any text is read or is an error, and order is an order.

use coxswain::chart::version::{Constraint, Version};

/// The longest text of a version.
const LONGEST: usize = 256;

/// A line is a version and a constraint at once.
///
/// # Panics
/// Where precedence is no order, or a version's own text is another version.
pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let lines: Vec<&str> = text.lines().take(4).collect();
    let versions: Vec<Version> = lines.iter().filter_map(|line| Version::parse(line).ok()).collect();
    for line in &lines {
        if let Ok(strict) = Version::parse_strict(line) {
            let loose = Version::parse(line).expect("what is strictly a version is one");
            assert!(strict.compare(&loose).is_eq(), "{line}");
        }
        let Ok(constraint) = Constraint::parse(line) else { continue };
        for version in &versions {
            let _ = constraint.check(version);
        }
    }
    for one in &versions {
        // Missing parts are written, which can make a text too long to be read.
        if one.to_string().len() <= LONGEST {
            let again = Version::parse(&one.to_string()).expect("a version's text is a version");
            assert!(again.compare(one).is_eq() && again.to_string() == one.to_string(), "{one}");
        }
        for next in [one.increment_patch(), one.increment_minor(), one.increment_major()].into_iter().flatten() {
            assert!(next.compare(one).is_gt(), "{next} is not after {one}");
        }
        for other in &versions {
            assert_eq!(one.compare(other), other.compare(one).reverse(), "{one} and {other}");
        }
    }
}
