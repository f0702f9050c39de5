//! One hash over the fields that we own in an object, computed while `managedFields` passes by: in the stream of a watch,
//! where nothing is built for it, and in an object that is at hand. Statuses change often and our fields seldom, so this
//! is what most events of a watch cost.
//!
//! It is a sum over all members of the set, each hashed with its path: so it does not depend on times, on the API
//! version or on the order of keys, and is the same in every process.

use std::hash::Hasher;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess};

use super::forgiving::{Forgiving, Read};
use crate::cluster::FIELD_MANAGER;
use crate::value::{Fnv, Json};

/// The hash of an empty set; 0 is left to what no set has.
const EMPTY: u64 = 0x9e37_79b9_7f4a_7c15;

/// A hash of the fields that we own in an object as the API server returned it, or nothing where we own none.
pub fn ownership_hash(object: &Json) -> Option<u64> {
    OwnHash::deserialize(object.pointer("/metadata/managedFields")?).ok()?.0
}

/// The path of a member.
#[derive(Clone, Copy, Default)]
struct Place(Fnv);

impl Place {
    fn member(mut self, name: &str) -> Self {
        self.0.write(name.as_bytes());
        // No UTF-8 text has this byte.
        self.0.write(&[0xff]);
        self
    }

    /// What the member adds to the sum: the hash with every bit spread over the others (Steele's SplitMix64).
    fn weight(self) -> u64 {
        let hash = self.0.finish();
        let hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        hash ^ (hash >> 31)
    }
}

/// Reads a set of fields; gives its sum.
struct Sum(Place);

impl<'de> Read<'de> for Sum {
    type Output = u64;

    fn map<A: MapAccess<'de>>(self, mut map: A) -> Result<u64, A::Error> {
        let mut sum = 0_u64;
        while let Some(place) = map.next_key_seed(Forgiving(Member(self.0)))? {
            let below = map.next_value_seed(Forgiving(Sum(place)))?;
            sum = sum.wrapping_add(place.weight()).wrapping_add(below);
        }
        Ok(sum)
    }
}

/// Reads the name of a member.
struct Member(Place);

impl Read<'_> for Member {
    type Output = Place;

    fn text(self, name: &str) -> Place {
        self.0.member(name)
    }
}

/// The hash over our entry, read from `managedFields`.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct OwnHash(pub(super) Option<u64>);

impl<'de> Deserialize<'de> for OwnHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Forgiving(Entries).deserialize(deserializer).map(Self)
    }
}

/// Reads the list of entries; gives the hash of the first that is ours.
struct Entries;

impl<'de> Read<'de> for Entries {
    type Output = Option<u64>;

    fn list<A: SeqAccess<'de>>(self, mut list: A) -> Result<Option<u64>, A::Error> {
        let mut found = None;
        while let Some(hash) = list.next_element_seed(Forgiving(Entry))? {
            found = found.or(hash);
        }
        Ok(found)
    }
}

/// Reads one entry; gives its hash where it is ours. The API server tells first who wrote it, so the fields of others
/// are skipped.
struct Entry;

impl<'de> Read<'de> for Entry {
    type Output = Option<u64>;

    fn map<A: MapAccess<'de>>(self, mut map: A) -> Result<Option<u64>, A::Error> {
        let (mut is_other, mut told, mut hash) = (false, 0, None);
        while let Some(key) =
            map.next_key_seed(Forgiving(OneOf(&["manager", "operation", "subresource", "fieldsV1"])))?
        {
            match key {
                Some("manager") => {
                    is_other |= map.next_value_seed(Forgiving(OneOf(&[FIELD_MANAGER])))?.is_none();
                    told += 1;
                }
                Some("operation") => {
                    is_other |= map.next_value_seed(Forgiving(OneOf(&["Apply"])))?.is_none();
                    told += 1;
                }
                Some("fieldsV1") if !is_other => {
                    let sum = map.next_value_seed(Forgiving(Sum(Place::default())))?;
                    hash = Some(EMPTY.wrapping_add(sum));
                }
                key => {
                    is_other |= key == Some("subresource");
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(hash.filter(|_| !is_other && told == 2))
    }
}

/// Reads a text that is one of these.
struct OneOf(&'static [&'static str]);

impl Read<'_> for OneOf {
    type Output = Option<&'static str>;

    fn text(self, text: &str) -> Option<&'static str> {
        self.0.iter().find(|known| **known == text).copied()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::*;
    use crate::cluster::observe::ownership::tests::{entry, object};

    fn owned() -> Json {
        json!({
            "f:metadata": {"f:labels": {"f:app": {}, "f:app.kubernetes.io/name": {}}},
            "f:spec": {"f:replicas": {}, "f:containers": {"k:{\"name\":\"app\"}": {".": {}, "f:image": {}}}},
        })
    }

    fn fields_hash(fields: &Json) -> u64 {
        let ours = entry("helm", "Apply", "", fields.clone());
        ownership_hash(&object(json!([ours]))).expect("an entry of ours")
    }

    /// From the stream, in this order of the members of an entry.
    fn read(entries: &str) -> Option<u64> {
        serde_json::from_str::<OwnHash>(entries).expect("anything is read").0
    }

    #[test]
    fn the_hash_is_of_our_entry_alone_and_knows_no_time() {
        let ours = entry("helm", "Apply", "", owned());
        let mut later = ours.clone();
        later["time"] = "2027-01-01T00:00:00Z".into();
        later["apiVersion"] = "apps/v1beta1".into();
        let other = entry("kubectl", "Update", "", json!({"f:spec": {}}));
        let hash = ownership_hash(&object(json!([ours])));
        assert!(hash.is_some());
        assert_eq!(hash, ownership_hash(&object(json!([other, later]))));
        assert_eq!(None, ownership_hash(&object(json!([other]))));
        assert_eq!(None, ownership_hash(&object(json!([entry("helm", "Update", "", owned())]))));
        assert_eq!(None, ownership_hash(&json!({})));
    }

    #[test]
    fn the_hash_is_the_same_in_every_process() {
        assert_eq!(fields_hash(&json!({"f:a": {"f:b": {}}, "f:c": {".": {}}})), 0x572d_50dc_250f_cd3d);
    }

    #[test]
    fn sets_that_differ_in_nesting_differ_in_hash() {
        let sets = [json!({}), json!({"f:a": {}}), json!({"f:a": {"f:b": {}}}), json!({"f:a": {}, "f:b": {}})];
        let hashes: BTreeSet<_> = sets.iter().map(fields_hash).collect();
        assert_eq!(hashes.len(), sets.len());
    }

    #[test]
    fn the_stream_gives_the_same_in_any_order_and_of_any_shape() {
        let fields = owned().to_string();
        let expected = ownership_hash(&object(json!([entry("helm", "Apply", "", owned())])));
        assert!(expected.is_some());
        let other = r#"{"manager":"kcm","operation":"Update","fieldsV1":{"f:status":{}},"subresource":"status"}"#;
        let ours = [
            format!(r#"{{"manager":"helm","operation":"Apply","apiVersion":"v1","time":"t","fieldsV1":{fields}}}"#),
            format!(r#"{{"fieldsV1":{fields},"operation":"Apply","manager":"helm"}}"#),
        ];
        for ours in ours {
            assert_eq!(read(&format!("[{other},{ours}]")), expected, "{ours}");
        }
        let not_ours = [
            format!(r#"{{"manager":"helm","operation":"Update","fieldsV1":{fields}}}"#),
            format!(r#"{{"manager":"helm","operation":"Apply","fieldsV1":{fields},"subresource":"status"}}"#),
            format!(r#"{{"fieldsV1":{fields},"operation":"Apply","manager":"other"}}"#),
            format!(r#"{{"operation":"Apply","fieldsV1":{fields}}}"#),
            r#"{"manager":"helm","operation":"Apply"}"#.to_owned(),
        ];
        for entry in not_ours {
            assert_eq!(read(&format!("[{entry}]")), None, "{entry}");
        }
        for strange in
            ["null", "7", "{}", "\"text\"", "[7]", "[null]", r#"[{"manager":7,"operation":[],"fieldsV1":"x"}]"#]
        {
            assert_eq!(read(strange), None, "{strange}");
        }
    }
}
