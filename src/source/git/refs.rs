//! Branches and tags of a repository as its server tells them, and the one that is wanted.

use std::fmt;

use crate::chart::version::{Constraint, Version};

/// What is wanted of a repository.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Wanted {
    /// Its default branch.
    #[default]
    Default,
    /// A branch, a tag, a whole name such as `refs/tags/v1`, or a commit.
    Named(String),
    /// The newest tag in a range of versions.
    Newest(String),
}

impl Wanted {
    /// What the fields `ref` and `semver` say; the range comes first.
    pub fn of(reference: Option<&str>, range: Option<&str>) -> Self {
        match (range, reference) {
            (Some(range), _) => Self::Newest(range.to_owned()),
            (None, Some(name)) => Self::Named(name.to_owned()),
            (None, None) => Self::Default,
        }
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default branch"),
            Self::Named(name) => write!(f, "branch, tag or commit {name:?}"),
            Self::Newest(range) => write!(f, "tag in the range {range:?}"),
        }
    }
}

/// A commit that was chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Chosen {
    /// The branch or tag to fetch it by; nothing where it has none.
    pub(super) name: Option<String>,
    /// Its whole hexadecimal name.
    pub(super) commit: String,
}

/// The branches and tags of a repository: each by its whole name with its commit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Refs(Vec<(String, String)>);

impl Refs {
    /// Reads what a server answers over HTTP (`gitprotocol-http`, `gitprotocol-pack`).
    ///
    /// # Errors
    /// A sentence that says what it is instead.
    pub(super) fn of_advertisement(bytes: &[u8]) -> Result<Self, String> {
        let mut refs = Self::default();
        let mut lines = Packets(bytes);
        let first = lines.next().ok_or("it is empty")??;
        if !first.starts_with(b"# service=git-upload-pack") {
            return Err("it does not begin like one".to_owned());
        }
        for line in lines {
            let line = line?;
            let line = line.split(|byte| *byte == 0).next().unwrap_or_default();
            let line = String::from_utf8_lossy(line);
            if let Some((commit, name)) = line.trim_end().split_once(' ') {
                refs.add(commit, name);
            }
        }
        Ok(refs)
    }

    /// Reads what `git ls-remote` prints.
    pub(super) fn of_listing(text: &str) -> Self {
        let mut refs = Self::default();
        for (commit, name) in text.lines().filter_map(|line| line.split_once('\t')) {
            refs.add(commit, name);
        }
        refs
    }

    /// A tag with a message is followed by its commit, as `NAME^{}`.
    fn add(&mut self, commit: &str, name: &str) {
        let is_empty = name == "capabilities^{}";
        match name.strip_suffix("^{}") {
            _ if is_empty || !is_commit(commit) => {}
            Some(tag) => {
                if let Some((_, known)) = self.0.iter_mut().rfind(|(name, _)| name == tag) {
                    commit.clone_into(known);
                }
            }
            None => self.0.push((name.to_owned(), commit.to_owned())),
        }
    }

    /// The commit that is wanted. Of a branch and a tag of one name it is the branch's.
    ///
    /// # Errors
    /// [`NotChosen`].
    pub(super) fn choose(&self, wanted: &Wanted) -> Result<Chosen, NotChosen> {
        match wanted {
            Wanted::Default => self.get("HEAD").ok_or(NotChosen::Missing),
            Wanted::Named(name) if is_commit(name) => Ok(Chosen { name: None, commit: name.to_ascii_lowercase() }),
            Wanted::Named(name) => {
                let whole = name.starts_with("refs/").then(|| self.get(name)).flatten();
                let branch = || self.get(&format!("refs/heads/{name}"));
                whole.or_else(branch).or_else(|| self.get(&format!("refs/tags/{name}"))).ok_or(NotChosen::Missing)
            }
            Wanted::Newest(range) => {
                let constraint = Constraint::parse(range).map_err(|error| NotChosen::Range(error.to_string()))?;
                let newest = self.tags().filter(|(version, _)| constraint.check(version));
                let newest = newest.max_by(|(left, _), (right, _)| left.compare(right));
                newest.and_then(|(_, name)| self.get(name)).ok_or(NotChosen::Missing)
            }
        }
    }

    fn get(&self, whole: &str) -> Option<Chosen> {
        let (name, commit) = self.0.iter().find(|(name, _)| name == whole)?;
        Some(Chosen { name: Some(name.clone()), commit: commit.clone() })
    }

    /// The tags that are versions, by their whole names.
    fn tags(&self) -> impl Iterator<Item = (Version, &str)> {
        self.0.iter().filter_map(|(name, _)| {
            let tag = name.strip_prefix("refs/tags/")?;
            Some((Version::parse(tag).ok()?, name.as_str()))
        })
    }
}

/// Why no commit is the wanted one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NotChosen {
    /// There is none.
    Missing,
    /// The range is none.
    Range(String),
}

/// Whether this is the whole hexadecimal name of a commit.
pub(super) fn is_commit(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Lines with their length in front, in four hexadecimal digits; those without content are left out.
struct Packets<'a>(&'a [u8]);

impl<'a> Iterator for Packets<'a> {
    type Item = Result<&'a [u8], String>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (length, rest) = self.0.split_first_chunk::<4>()?;
            let length = std::str::from_utf8(length).ok().and_then(|digits| usize::from_str_radix(digits, 16).ok());
            let Some(content) = length.and_then(|length| rest.get(..length.saturating_sub(4))) else {
                self.0 = &[];
                return Some(Err("it breaks off or is not in Git's form".to_owned()));
            };
            self.0 = &rest[content.len()..];
            if !content.is_empty() {
                return Some(Ok(content));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LISTING: &str = "\
1111111111111111111111111111111111111111\tHEAD
1111111111111111111111111111111111111111\trefs/heads/main
2222222222222222222222222222222222222222\trefs/heads/v1.2.0
3333333333333333333333333333333333333333\trefs/tags/v1.2.0
4444444444444444444444444444444444444444\trefs/tags/v1.2.0^{}
5555555555555555555555555555555555555555\trefs/tags/v1.10.0
6666666666666666666666666666666666666666\trefs/tags/v2.0.0-rc.1
7777777777777777777777777777777777777777\trefs/tags/later
";

    fn packets(lines: &[&str]) -> Vec<u8> {
        let line =
            |line: &&str| if line.is_empty() { "0000".to_owned() } else { format!("{:04x}{line}", line.len() + 4) };
        lines.iter().map(line).collect::<String>().into_bytes()
    }

    #[test]
    fn a_branch_a_tag_a_commit_or_a_range_is_wanted() {
        let refs = Refs::of_listing(LISTING);
        let named = |name: &str| Wanted::of(Some(name), None);
        let range = |range: &str| Wanted::of(Some("main"), Some(range));
        let commit = "ABCDEF1234abcdef1234abcdef1234abcdef1234";
        for (wanted, digit, name) in [
            (Wanted::of(None, None), "1", Some("HEAD")),
            (named("main"), "1", Some("refs/heads/main")),
            (named("v1.2.0"), "2", Some("refs/heads/v1.2.0")),
            (named("refs/tags/v1.2.0"), "4", Some("refs/tags/v1.2.0")),
            (named("later"), "7", Some("refs/tags/later")),
            (range("^1"), "5", Some("refs/tags/v1.10.0")),
            (range("1.2.x"), "4", Some("refs/tags/v1.2.0")),
            (range(">=2.0.0-0"), "6", Some("refs/tags/v2.0.0-rc.1")),
        ] {
            let chosen = refs.choose(&wanted).expect("there");
            assert_eq!((chosen.commit, chosen.name.as_deref()), (digit.repeat(40), name), "{wanted}");
        }
        let chosen = refs.choose(&named(commit)).expect("a commit");
        assert_eq!((chosen.commit, chosen.name), (commit.to_lowercase(), None));
        for missing in [named("abc"), named("refs/heads/none"), range("^3")] {
            assert_eq!(refs.choose(&missing), Err(NotChosen::Missing), "{missing}");
        }
        assert!(matches!(refs.choose(&range("one")), Err(NotChosen::Range(_))));
        assert_eq!(Refs::default().choose(&Wanted::Default), Err(NotChosen::Missing), "an empty repository");
    }

    #[test]
    fn what_a_server_advertises_is_what_is_listed() {
        let commit = "1".repeat(40);
        let head = format!("{commit} HEAD\0multi_ack symref=HEAD:refs/heads/main agent=git/2\n");
        let main = format!("{commit} refs/heads/main\n");
        let advertised = packets(&["# service=git-upload-pack\n", "", &head, &main, ""]);
        let listed = format!("{commit}\tHEAD\n{commit}\trefs/heads/main\n");
        assert_eq!(Refs::of_advertisement(&advertised), Ok(Refs::of_listing(&listed)));
        let empty = format!("{} capabilities^{{}}\0agent=git/2\n", "0".repeat(40));
        let empty = packets(&["# service=git-upload-pack\n", "", &empty, ""]);
        assert_eq!(Refs::of_advertisement(&empty), Ok(Refs::default()));
        for broken in [&b""[..], b"<html>", b"zzzz", b"0003", b"00ff# service", &advertised[..40], &packets(&["else"])]
        {
            assert!(Refs::of_advertisement(broken).is_err(), "{broken:?}");
        }
    }
}
