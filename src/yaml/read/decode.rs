//! From nodes to values: go-yaml v2's decoding into an `interface{}` (`yaml/v2/decode.go` decoder), with aliases,
//! merge keys, tags and the limit on alias expansion.

use std::collections::HashSet;

use super::super::error::ParseError;
use super::super::{MAX_DEPTH, binary};
use super::compose::{Document, NodeId, NodeKind, compose};
use super::lines;
use super::outline;
use super::resolve::{Resolved, resolve};
use super::skim;
use super::tree::Tree;
use crate::value::{Json, Value};

/// What becomes of a key that a map has already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Duplicates {
    LastWins,
    Refused,
}

/// Reads the first document as JSON.
pub fn document(text: &str, duplicates: Duplicates) -> Result<Json, ParseError> {
    let document = compose(text).map_err(ParseError::Yaml)?;
    let mut decoder = Decoder::new(&document, duplicates);
    let tree = decoder.root().map_err(ParseError::Yaml)?;
    if !decoder.refused.is_empty() {
        return Err(ParseError::Unmarshal(decoder.refused));
    }
    tree.into_json().map_err(ParseError::Conversion)
}

/// Reads the first document as a value of templates.
pub fn value(text: &str) -> Result<Value, ParseError> {
    let document = compose(text).map_err(ParseError::Yaml)?;
    let tree = Decoder::new(&document, Duplicates::LastWins).root().map_err(ParseError::Yaml)?;
    tree.into_value().map_err(ParseError::Conversion)
}

/// Reads some members of the first document's map. A member that is not wanted is left out where it is
/// [harmless](skim::is_harmless): it could not cause an error.
pub fn members(text: &str, wanted: &[&str]) -> Result<Json, ParseError> {
    if let Some(kept) = outline::wanted_members(text, wanted) {
        if kept.is_empty() {
            return Ok(Json::Object(serde_json::Map::new()));
        }
        if let Some(members) = lines::map(&kept) {
            return Ok(members);
        }
        if let Ok(members) = composed_members(&kept, wanted) {
            return Ok(members);
        }
    }
    composed_members(text, wanted)
}

fn composed_members(text: &str, wanted: &[&str]) -> Result<Json, ParseError> {
    let mut document = compose(text).map_err(ParseError::Yaml)?;
    skim::drop_members(&mut document, wanted);
    let tree = Decoder::new(&document, Duplicates::LastWins).root().map_err(ParseError::Yaml)?;
    tree.into_json().map_err(ParseError::Conversion)
}

/// Reads the first document as go-yaml decodes it. The error is go-yaml's text without its prefix.
pub fn tree(text: &str) -> Result<Tree, String> {
    let document = compose(text)?;
    Decoder::new(&document, Duplicates::LastWins).root()
}

const STRING_TAG: &str = "tag:yaml.org,2002:str";
const BINARY_TAG: &str = "tag:yaml.org,2002:binary";
const FLOAT_TAG: &str = "tag:yaml.org,2002:float";
const MERGE_TAG: &str = "tag:yaml.org,2002:merge";
const LONG_PREFIX: &str = "tag:yaml.org,2002:";

/// Text that aliases may repeat in all, in bytes. Go shares it in memory; here every alias copies.
const MAX_ALIASED_TEXT: usize = 64 << 20;

struct Decoder<'a> {
    document: &'a Document<'a>,
    duplicates: Duplicates,
    /// Duplicate keys found in strict mode.
    refused: Vec<String>,
    /// The aliases that are being expanded.
    expanding: HashSet<NodeId>,
    decoded: u32,
    decoded_in_aliases: u32,
    aliased_text: usize,
    depth: usize,
}

impl<'a> Decoder<'a> {
    fn new(document: &'a Document<'a>, duplicates: Duplicates) -> Self {
        Self {
            document,
            duplicates,
            refused: Vec::new(),
            expanding: HashSet::new(),
            decoded: 1,
            decoded_in_aliases: 0,
            aliased_text: 0,
            depth: 0,
        }
    }

    fn root(&mut self) -> Result<Tree, String> {
        self.document.root.map_or(Ok(Tree::Null), |root| self.node(root))
    }

    /// Counts one decoded node and holds the balance between what is written and what aliases repeat.
    fn count(&mut self) -> Result<(), String> {
        self.decoded += 1;
        if !self.expanding.is_empty() {
            self.decoded_in_aliases += 1;
        }
        let ratio = f64::from(self.decoded_in_aliases) / f64::from(self.decoded);
        let excessive = self.decoded_in_aliases > 100 && self.decoded > 1000 && ratio > allowed_ratio(self.decoded);
        if excessive || self.aliased_text > MAX_ALIASED_TEXT {
            return Err("document contains excessive aliasing".to_owned());
        }
        Ok(())
    }

    fn node(&mut self, id: NodeId) -> Result<Tree, String> {
        self.count()?;
        self.depth += 1;
        if self.depth > MAX_DEPTH + 1 {
            return Err(format!("exceeded max depth of {MAX_DEPTH}"));
        }
        let node = &self.document.nodes[id];
        let tree = match &node.kind {
            NodeKind::Scalar { value, tag, implicit } => self.scalar(value, tag.as_deref(), *implicit),
            NodeKind::Alias { name, target } => self.alias(id, name, *target, Self::node),
            NodeKind::Sequence(items) => {
                items.iter().map(|item| self.node(*item)).collect::<Result<_, _>>().map(Tree::List)
            }
            NodeKind::Mapping(children) => {
                let mut entries = Entries::new(children.len() / 2, self.duplicates);
                self.mapping(children, &mut entries)?;
                Ok(Tree::Map(entries.assignments))
            }
        };
        self.depth -= 1;
        tree
    }

    fn alias<T>(
        &mut self,
        id: NodeId,
        name: &str,
        target: NodeId,
        decode: impl FnOnce(&mut Self, NodeId) -> Result<T, String>,
    ) -> Result<T, String> {
        if !self.expanding.insert(id) {
            return Err(format!("anchor '{name}' value contains itself"));
        }
        let result = decode(self, target);
        self.expanding.remove(&id);
        result
    }

    fn scalar(&mut self, value: &str, tag: Option<&str>, implicit: bool) -> Result<Tree, String> {
        if !self.expanding.is_empty() {
            self.aliased_text += value.len();
        }
        let text = || Tree::Text(value.to_owned());
        let tag = tag.unwrap_or_default();
        match tag {
            "" if !implicit => Ok(text()),
            "" => Ok(resolved(resolve(value), value)),
            STRING_TAG => Ok(text()),
            BINARY_TAG => match binary::decode(value) {
                Some(bytes) => Ok(Tree::Text(super::super::encode::text(&bytes).into_owned())),
                None => Err("!!binary value contains invalid base64 data".to_owned()),
            },
            _ => tagged(tag, value),
        }
    }

    fn mapping(&mut self, children: &[NodeId], entries: &mut Entries) -> Result<(), String> {
        for pair in children.chunks_exact(2) {
            let (key, value) = (pair[0], pair[1]);
            if self.is_merge(key) {
                self.merge(value, entries)?;
                continue;
            }
            let key = self.node(key)?;
            if matches!(key, Tree::List(_) | Tree::Map(_)) {
                return Err(format!("invalid map key: {}", key.go_syntax()));
            }
            let line = self.document.nodes[value].line;
            let value = self.node(value)?;
            if let Err(key) = entries.assign(key, value) {
                self.refused.push(format!("line {}: key {key} already set in map", line + 1));
            }
        }
        Ok(())
    }

    fn is_merge(&self, id: NodeId) -> bool {
        matches!(
            &self.document.nodes[id].kind,
            NodeKind::Scalar { value, tag, implicit } if value == "<<" && (*implicit || tag.as_deref() == Some(MERGE_TAG))
        )
    }

    fn merge(&mut self, id: NodeId, entries: &mut Entries) -> Result<(), String> {
        match &self.document.nodes[id].kind {
            NodeKind::Sequence(items) => {
                for item in items.iter().rev() {
                    self.merge_one(*item, entries)?;
                }
                Ok(())
            }
            _ => self.merge_one(id, entries),
        }
    }

    /// Merges a map or an alias of one.
    fn merge_one(&mut self, id: NodeId, entries: &mut Entries) -> Result<(), String> {
        let document = self.document;
        match &document.nodes[id].kind {
            NodeKind::Mapping(children) => {
                self.count()?;
                self.mapping(children, entries)
            }
            NodeKind::Alias { name, target } => match &document.nodes[*target].kind {
                NodeKind::Mapping(_) => {
                    self.count()?;
                    self.alias(id, name, *target, |decoder, target| decoder.merge_one(target, entries))
                }
                _ => Err(WANT_MAP.to_owned()),
            },
            _ => Err(WANT_MAP.to_owned()),
        }
    }
}

const WANT_MAP: &str = "map merge requires map or sequence of maps as the value";

/// The share of decoded nodes that aliases may repeat: nearly all in a small document, a tenth in a huge one.
fn allowed_ratio(decoded: u32) -> f64 {
    const LOW: f64 = 400_000.0;
    const HIGH: f64 = 4_000_000.0;
    match f64::from(decoded) {
        few if few <= LOW => 0.99,
        many if many >= HIGH => 0.10,
        between => 0.99 - 0.89 * ((between - LOW) / (HIGH - LOW)),
    }
}

/// What a plain scalar without a tag becomes.
pub(super) fn resolved(resolved: Resolved, value: &str) -> Tree {
    match resolved {
        Resolved::Null => Tree::Null,
        Resolved::Bool(b) => Tree::Bool(b),
        Resolved::Signed(n) => Tree::Signed(n),
        Resolved::Unsigned(n) => Tree::Unsigned(n),
        Resolved::Float(f) => Tree::Float(f),
        Resolved::Timestamp | Resolved::Text => Tree::Text(value.to_owned()),
    }
}

/// A scalar with a tag other than string and binary: a standard tag must fit what the text means, any other is
/// ignored.
fn tagged(tag: &str, value: &str) -> Result<Tree, String> {
    let Some(short) = tag.strip_prefix(LONG_PREFIX) else { return Ok(Tree::Text(value.to_owned())) };
    if !matches!(short, "bool" | "int" | "float" | "null" | "timestamp") {
        return Ok(Tree::Text(value.to_owned()));
    }
    let meaning = match resolve(value) {
        Resolved::Timestamp if short != "timestamp" => Resolved::Text,
        meaning => meaning,
    };
    let short_tag = format!("!!{short}");
    #[expect(clippy::cast_precision_loss, reason = "an integer tagged as a float is one")]
    match meaning {
        Resolved::Signed(n) if tag == FLOAT_TAG => Ok(Tree::Float(n as f64)),
        meaning if meaning.short_tag() == short_tag => Ok(resolved(meaning, value)),
        meaning => Err(format!("cannot decode {} `{value}` as a {short_tag}", meaning.short_tag())),
    }
}

/// The assignments to one map.
struct Entries {
    assignments: Vec<(Tree, Tree)>,
    /// The keys so far, as Go syntax, where duplicates are refused.
    known: Option<HashSet<String>>,
}

impl Entries {
    fn new(capacity: usize, duplicates: Duplicates) -> Self {
        let known = (duplicates == Duplicates::Refused).then(HashSet::new);
        Self { assignments: Vec::with_capacity(capacity), known }
    }

    /// Sets a key; the error is the key in Go's syntax.
    fn assign(&mut self, key: Tree, value: Tree) -> Result<(), String> {
        if let Some(known) = &mut self.known {
            let name = key.go_syntax();
            if !known.insert(name.clone()) {
                return Err(name);
            }
        }
        self.assignments.push((key, value));
        Ok(())
    }
}
