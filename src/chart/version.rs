//! Semantic versions as Helm reads them (`Masterminds/semver` v3.5): [`Version`] parses loosely (`v1.2` is 1.2.0) or
//! strictly and orders by precedence; [`Constraint`] is a range such as `>=1.21-0 <2 || ~3.1`.

mod constraint;

use std::cmp::Ordering;
use std::fmt;

use thiserror::Error;

pub use constraint::{Constraint, ConstraintError};

/// The longest text that is read as a version, in bytes.
const MAX_LENGTH: usize = 256;

/// Why a text is no version. The texts are those of the Go library, which charts' errors show.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum VersionError {
    /// Not of the form of a version.
    #[error("invalid semantic version")]
    Invalid,
    /// No text at all (strict parsing only).
    #[error("version string empty")]
    Empty,
    /// A segment has other characters than digits (strict parsing only).
    #[error("invalid characters in version")]
    InvalidCharacters,
    /// A number with a leading zero where none is allowed.
    #[error("version segment starts with 0")]
    LeadingZero,
    /// An empty or malformed part after `+`.
    #[error("invalid metadata string")]
    InvalidMetadata,
    /// An empty or malformed part after `-`.
    #[error("invalid prerelease string")]
    InvalidPrerelease,
    /// Longer than 256 bytes.
    #[error("version string is too long (max {MAX_LENGTH} bytes)")]
    TooLong,
    /// A segment over 64 bits, in a loosely parsed version.
    #[error("error parsing version segment: strconv.ParseUint: parsing {0:?}: value out of range")]
    SegmentRange(String),
    /// An empty segment or one over 64 bits, in a strictly parsed version.
    #[error("strconv.ParseUint: parsing {segment:?}: {reason}")]
    Segment {
        /// The segment's text.
        segment: String,
        /// Go's reason.
        reason: &'static str,
    },
    /// The next version would not fit 64 bits.
    #[error("{0} version increment would overflow uint64")]
    Overflow(&'static str),
}

/// A semantic version. Equality is of every part and the original text; precedence is [`Version::compare`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Version {
    major: u64,
    minor: u64,
    patch: u64,
    prerelease: String,
    metadata: String,
    original: String,
}

impl Version {
    /// Reads a version loosely: a leading `v`, missing parts and leading zeros are accepted (`NewVersion`).
    pub fn parse(text: &str) -> Result<Self, VersionError> {
        if text.len() > MAX_LENGTH {
            return Err(VersionError::TooLong);
        }
        let (parts, rest) = Parts::scan(text, u8::is_ascii_digit).ok_or(VersionError::Invalid)?;
        if !rest.is_empty() {
            return Err(VersionError::Invalid);
        }
        let version = Self {
            major: loose_segment(parts.major)?,
            minor: parts.minor.map_or(Ok(0), loose_segment)?,
            patch: parts.patch.map_or(Ok(0), loose_segment)?,
            prerelease: parts.prerelease.unwrap_or_default().to_owned(),
            metadata: parts.metadata.unwrap_or_default().to_owned(),
            original: text.to_owned(),
        };
        if !version.prerelease.is_empty() {
            validate_prerelease(&version.prerelease)?;
        }
        Ok(version)
    }

    /// Reads a version as the specification has it: three numbers, no `v`, no leading zeros (`StrictNewVersion`).
    pub fn parse_strict(text: &str) -> Result<Self, VersionError> {
        if text.is_empty() {
            return Err(VersionError::Empty);
        }
        if text.len() > MAX_LENGTH {
            return Err(VersionError::TooLong);
        }
        let mut segments = text.splitn(3, '.');
        let (Some(major), Some(minor), Some(rest)) = (segments.next(), segments.next(), segments.next()) else {
            return Err(VersionError::Invalid);
        };
        let (rest, metadata) = split_extra(rest, '+');
        if let Some(metadata) = metadata {
            validate_metadata(metadata)?;
        }
        let (patch, prerelease) = split_extra(rest, '-');
        if let Some(prerelease) = prerelease {
            validate_prerelease(prerelease)?;
        }
        for segment in [major, minor, patch] {
            validate_segment(segment)?;
        }
        Ok(Self {
            major: strict_segment(major)?,
            minor: strict_segment(minor)?,
            patch: strict_segment(patch)?,
            prerelease: prerelease.unwrap_or_default().to_owned(),
            metadata: metadata.unwrap_or_default().to_owned(),
            original: text.to_owned(),
        })
    }

    /// The first number.
    pub fn major(&self) -> u64 {
        self.major
    }

    /// The second number.
    pub fn minor(&self) -> u64 {
        self.minor
    }

    /// The third number.
    pub fn patch(&self) -> u64 {
        self.patch
    }

    /// What follows `-`, empty for a release.
    pub fn prerelease(&self) -> &str {
        &self.prerelease
    }

    /// What follows `+`.
    pub fn metadata(&self) -> &str {
        &self.metadata
    }

    /// The text that was parsed.
    pub fn original(&self) -> &str {
        &self.original
    }

    /// Precedence: numbers, then the prerelease by its dotted parts, a release being the highest. Metadata counts not.
    pub fn compare(&self, other: &Self) -> Ordering {
        (self.major, self.minor, self.patch)
            .cmp(&(other.major, other.minor, other.patch))
            .then_with(|| compare_prerelease(&self.prerelease, &other.prerelease))
    }

    /// The next patch version; of a prerelease, its release.
    pub fn increment_patch(&self) -> Result<Self, VersionError> {
        let patch = if self.prerelease.is_empty() { next(self.patch, "patch")? } else { self.patch };
        Ok(self.release(self.major, self.minor, patch))
    }

    /// The next minor version.
    pub fn increment_minor(&self) -> Result<Self, VersionError> {
        Ok(self.release(self.major, next(self.minor, "minor")?, 0))
    }

    /// The next major version.
    pub fn increment_major(&self) -> Result<Self, VersionError> {
        Ok(self.release(next(self.major, "major")?, 0, 0))
    }

    /// The same version with another prerelease, none when empty.
    pub fn with_prerelease(&self, prerelease: &str) -> Result<Self, VersionError> {
        if !prerelease.is_empty() {
            validate_prerelease(prerelease)?;
        }
        Ok(Self { prerelease: prerelease.to_owned(), ..self.clone() }.with_derived_original())
    }

    /// The same version with other metadata, none when empty.
    pub fn with_metadata(&self, metadata: &str) -> Result<Self, VersionError> {
        if !metadata.is_empty() {
            validate_metadata(metadata)?;
        }
        Ok(Self { metadata: metadata.to_owned(), ..self.clone() }.with_derived_original())
    }

    fn release(&self, major: u64, minor: u64, patch: u64) -> Self {
        let original = self.original.clone();
        Self { major, minor, patch, prerelease: String::new(), metadata: String::new(), original }
            .with_derived_original()
    }

    /// Sets the original to the normal form, keeping a leading `v` of the old original.
    fn with_derived_original(mut self) -> Self {
        let prefix = if self.original.starts_with('v') { "v" } else { "" };
        self.original = format!("{prefix}{self}");
        self
    }
}

/// The normal form: three numbers, then prerelease and metadata.
impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)?;
        if !self.prerelease.is_empty() {
            write!(f, "-{}", self.prerelease)?;
        }
        if !self.metadata.is_empty() {
            write!(f, "+{}", self.metadata)?;
        }
        Ok(())
    }
}

/// The parts of a loosely written version, in a version (digits) as in a constraint (digits and wildcards).
struct Parts<'a> {
    major: &'a str,
    minor: Option<&'a str>,
    patch: Option<&'a str>,
    prerelease: Option<&'a str>,
    metadata: Option<&'a str>,
}

impl<'a> Parts<'a> {
    /// Takes the longest version at the start of the text and returns it with the rest.
    fn scan(text: &'a str, in_segment: fn(&u8) -> bool) -> Option<(Self, &'a str)> {
        let text = text.strip_prefix('v').unwrap_or(text);
        let (major, text) = take_while(text, in_segment)?;
        let (minor, text) = take_segment(text, in_segment);
        let (patch, text) = if minor.is_some() { take_segment(text, in_segment) } else { (None, text) };
        let (prerelease, text) = take_extra(text, '-');
        let (metadata, text) = take_extra(text, '+');
        Some((Self { major, minor, patch, prerelease, metadata }, text))
    }
}

/// The longest non-empty run of matching bytes.
fn take_while(text: &str, matches: fn(&u8) -> bool) -> Option<(&str, &str)> {
    let end = text.bytes().position(|b| !matches(&b)).unwrap_or(text.len());
    (end > 0).then(|| text.split_at(end))
}

fn take_segment(text: &str, in_segment: fn(&u8) -> bool) -> (Option<&str>, &str) {
    match text.strip_prefix('.').and_then(|rest| take_while(rest, in_segment)) {
        Some((segment, rest)) => (Some(segment), rest),
        None => (None, text),
    }
}

/// Dotted identifiers after `-` or `+`.
fn take_extra(text: &str, sign: char) -> (Option<&str>, &str) {
    let Some(start) = text.strip_prefix(sign) else { return (None, text) };
    let Some((_, mut rest)) = take_while(start, is_identifier) else { return (None, text) };
    while let Some((_, next)) = rest.strip_prefix('.').and_then(|rest| take_while(rest, is_identifier)) {
        rest = next;
    }
    (Some(&start[..start.len() - rest.len()]), rest)
}

fn is_identifier(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || *byte == b'-'
}

fn split_extra(text: &str, sign: char) -> (&str, Option<&str>) {
    text.split_once(sign).map_or((text, None), |(head, extra)| (head, Some(extra)))
}

fn loose_segment(digits: &str) -> Result<u64, VersionError> {
    digits.parse().map_err(|_| VersionError::SegmentRange(digits.to_owned()))
}

fn strict_segment(digits: &str) -> Result<u64, VersionError> {
    let reason = if digits.is_empty() { "invalid syntax" } else { "value out of range" };
    digits.parse().map_err(|_| VersionError::Segment { segment: digits.to_owned(), reason })
}

fn validate_segment(segment: &str) -> Result<(), VersionError> {
    if !segment.bytes().all(|b| b.is_ascii_digit()) {
        return Err(VersionError::InvalidCharacters);
    }
    if segment.len() > 1 && segment.starts_with('0') {
        return Err(VersionError::LeadingZero);
    }
    Ok(())
}

fn validate_prerelease(prerelease: &str) -> Result<(), VersionError> {
    for part in prerelease.split('.') {
        if part.is_empty() || !part.bytes().all(|b| is_identifier(&b)) {
            return Err(VersionError::InvalidPrerelease);
        }
        if part.len() > 1 && part.starts_with('0') && part.bytes().all(|b| b.is_ascii_digit()) {
            return Err(VersionError::LeadingZero);
        }
    }
    Ok(())
}

fn validate_metadata(metadata: &str) -> Result<(), VersionError> {
    let valid = |part: &str| !part.is_empty() && part.bytes().all(|b| is_identifier(&b));
    if metadata.split('.').all(valid) { Ok(()) } else { Err(VersionError::InvalidMetadata) }
}

fn next(number: u64, part: &'static str) -> Result<u64, VersionError> {
    number.checked_add(1).ok_or(VersionError::Overflow(part))
}

/// A release, which has no prerelease, is above every prerelease; more dotted parts are above fewer.
fn compare_prerelease(left: &str, right: &str) -> Ordering {
    match (left.is_empty(), right.is_empty()) {
        (true, true) => return Ordering::Equal,
        (true, false) => return Ordering::Greater,
        (false, true) => return Ordering::Less,
        (false, false) => {}
    }
    let (mut left, mut right) = (left.split('.'), right.split('.'));
    loop {
        let order = match (left.next(), right.next()) {
            (None, None) => return Ordering::Equal,
            (Some(_), None) => Ordering::Greater,
            (None, Some(_)) => Ordering::Less,
            (Some(left), Some(right)) => compare_part(left, right),
        };
        if order.is_ne() {
            return order;
        }
    }
}

/// Numbers compare as numbers and are below words, words compare by bytes.
fn compare_part(left: &str, right: &str) -> Ordering {
    match (left.parse::<u64>(), right.parse::<u64>()) {
        (Ok(left), Ok(right)) => left.cmp(&right),
        (Ok(_), Err(_)) => Ordering::Less,
        (Err(_), Ok(_)) => Ordering::Greater,
        (Err(_), Err(_)) => left.cmp(right),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each line: a constraint, a version, and what the Go library makes of them (`true` or `false` with both printed,
    /// or `!` and the error).
    const RECORDED: &str = include_str!("version/testdata/constraints.txt");

    fn outcome(constraint: &str, version: &str) -> String {
        match (Constraint::parse(constraint), Version::parse(version)) {
            (Err(error), _) => format!("!{error}"),
            (_, Err(error)) => format!("!{error}"),
            (Ok(constraint), Ok(version)) => format!("{} {constraint} {version}", constraint.check(&version)),
        }
    }

    #[test]
    fn constraints_admit_what_the_go_library_admits() {
        for line in RECORDED.lines() {
            let fields: Vec<&str> = line.splitn(3, '\t').collect();
            assert_eq!(outcome(fields[0].trim_matches('"'), fields[1].trim_matches('"')), fields[2], "{line}");
        }
    }

    #[test]
    fn precedence_follows_the_specification() {
        let ascending = [
            "1.0.0-1",
            "1.0.0-2",
            "1.0.0-11",
            "1.0.0-alpha",
            "1.0.0-alpha.1",
            "1.0.0-alpha.beta",
            "1.0.0-beta",
            "1.0.0-rc.1",
            "1.0.0",
            "1.0.1-0",
            "1.0.1",
            "1.10.0",
            "v2",
        ];
        for pair in ascending.windows(2) {
            let [low, high] = [pair[0], pair[1]].map(|text| Version::parse(text).expect("a version"));
            assert_eq!(low.compare(&high), Ordering::Less, "{low} {high}");
            assert_eq!(high.compare(&low), Ordering::Greater, "{low} {high}");
        }
    }

    #[test]
    fn strict_parsing_names_what_is_wrong() {
        let cases = [
            ("1.2.3-rc.1+build.5", "1.2.3-rc.1+build.5"),
            ("", "version string empty"),
            ("1.2", "invalid semantic version"),
            ("v1.2.3", "invalid characters in version"),
            ("1.02.3", "version segment starts with 0"),
            ("1.2.3-", "invalid prerelease string"),
            ("1.2.3-01", "version segment starts with 0"),
            ("1.2.3+", "invalid metadata string"),
            ("1..3", "strconv.ParseUint: parsing \"\": invalid syntax"),
            ("1.2.99999999999999999999", "strconv.ParseUint: parsing \"99999999999999999999\": value out of range"),
        ];
        for (text, expected) in cases {
            let outcome = Version::parse_strict(text).map_or_else(|e| e.to_string(), |v| v.to_string());
            assert_eq!(outcome, expected, "{text}");
        }
    }

    #[test]
    fn an_increment_keeps_the_leading_v_and_drops_the_rest() {
        let version = Version::parse("v1.2.3-rc.1+b").expect("a version");
        assert_eq!(version.increment_patch().expect("fits").original(), "v1.2.3");
        assert_eq!(version.increment_minor().expect("fits").original(), "v1.3.0");
        assert_eq!(version.increment_major().expect("fits").original(), "v2.0.0");
        assert_eq!(Version::parse("18446744073709551615").expect("fits").increment_major().ok(), None);
    }
}
