//! The versions of a release's objects that may exist in the cluster.
//!
//! The newest revision's record carries it: what the revision before it left, and what it has itself. So which versions
//! to name anew and which to delete is known without reading the cluster or older records.

use std::collections::BTreeMap;
use std::fmt;

use super::{content, is_versioned, limit, text};
use crate::value::Json;

/// What the versions of one object have in common.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Base {
    /// `ConfigMap` or `Secret`.
    pub kind: String,
    /// The namespace.
    pub namespace: String,
    /// The name as the chart renders it.
    pub name: String,
}

impl Base {
    /// What an object is a version of; one without a namespace is in `namespace`.
    pub fn of(object: &Json, namespace: &str) -> Option<Self> {
        let own = text(object, "/metadata/namespace").filter(|own| !own.is_empty());
        Some(Self {
            kind: text(object, "/kind")?.to_owned(),
            namespace: own.unwrap_or(namespace).to_owned(),
            name: text(object, "/metadata/name")?.to_owned(),
        })
    }

    /// The name of a version.
    pub fn name_of(&self, number: u32) -> String {
        format!("{}-v{number:03}", self.name)
    }
}

/// One version of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// Which object.
    pub base: Base,
    /// Its number, from 0.
    pub number: u32,
    /// The digest of its content.
    content: String,
    /// The newest revision that uses it.
    revision: i64,
}

impl Version {
    /// The name of the object.
    pub fn name(&self) -> String {
        self.base.name_of(self.number)
    }

    /// What a versioned object is, by its name; nothing where it is not named as one.
    fn of(object: &Json, revision: i64) -> Option<Self> {
        let mut base = Base::of(object, "").filter(|_| is_versioned(object))?;
        let (name, digits) = base.name.rsplit_once("-v")?;
        let number = digits.parse().ok().filter(|_| digits.len() >= 3)?;
        base.name = name.to_owned();
        Some(Self { base, number, content: content(object), revision })
    }

    fn parse(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.split('/').collect();
        let [kind, namespace, name, number, content, revision] = parts.as_slice() else { return None };
        let base = Base { kind: (*kind).to_owned(), namespace: (*namespace).to_owned(), name: (*name).to_owned() };
        let (number, revision) = (number.parse().ok()?, revision.parse().ok()?);
        Some(Self { base, number, content: (*content).to_owned(), revision })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { base: Base { kind, namespace, name }, number, content, revision } = self;
        write!(f, "{kind}/{namespace}/{name}/{number}/{content}/{revision}")
    }
}

/// The versions of a release's objects that may exist.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inventory(Vec<Version>);

impl Inventory {
    /// Reads what [`Inventory`]'s text form says; what cannot be read is left out.
    pub fn parse(text: &str) -> Self {
        Self(text.split(',').filter_map(Version::parse).collect())
    }

    /// The versions.
    pub fn versions(&self) -> &[Version] {
        &self.0
    }

    /// The versions that a revision does not use.
    pub fn unused_by(&self, revision: i64) -> impl Iterator<Item = &Version> {
        self.0.iter().filter(move |version| version.revision != revision)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The number that an object gets: that of the newest version with this content, else the next one.
    pub(super) fn number(&self, base: &Base, content: &str) -> u32 {
        let versions = || self.0.iter().filter(|version| version.base == *base);
        let known = versions().filter(|version| version.content == content).map(|version| version.number).max();
        known.unwrap_or_else(|| versions().map(|version| version.number + 1).max().unwrap_or(0))
    }

    /// Notes that a revision uses the versions among its objects, which name their namespaces.
    pub fn used_by<'a>(&mut self, revision: i64, objects: impl IntoIterator<Item = &'a Json>) {
        for used in objects.into_iter().filter_map(|object| Version::of(object, revision)) {
            self.0.retain(|version| version.base != used.base || version.number != used.number);
            self.0.push(used);
        }
    }

    /// Takes out the versions that are not to be kept: those that no revision of `kept` uses, and of an object that
    /// limits its versions those that are too many. What `revision` uses, whose `objects` these are, is never among
    /// them.
    pub fn take_expired<'a>(
        &mut self,
        revision: i64,
        kept: &[i64],
        objects: impl IntoIterator<Item = &'a Json>,
    ) -> Vec<Version> {
        let limited = |object| Some((Version::of(object, revision)?.base, limit(object)?));
        let limits: BTreeMap<Base, usize> = objects.into_iter().filter_map(limited).collect();
        let mut newest_first: Vec<&Version> = self.0.iter().collect();
        newest_first.sort_by_key(|version| std::cmp::Reverse((version.revision == revision, version.number)));
        let mut counts: BTreeMap<&Base, usize> = BTreeMap::new();
        let mut expired = Vec::new();
        for version in newest_first {
            let count = counts.entry(&version.base).or_default();
            *count += 1;
            let is_kept =
                kept.contains(&version.revision) && limits.get(&version.base).is_none_or(|limit| *count <= *limit);
            if version.revision != revision && !is_kept {
                expired.push(version.clone());
            }
        }
        self.0.retain(|version| !expired.contains(version));
        expired
    }
}

impl fmt::Display for Inventory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let versions: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&versions.join(","))
    }
}
