//! Go's `time.Time` in JSON, and what else Go's decoder tolerates: null, absent and (from Helm v3) empty times.

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// How Go writes a time that was never set.
pub(super) const ZERO: &str = "0001-01-01T00:00:00Z";

/// An RFC 3339 time with as many fractional digits as it needs, or nothing for an unset one.
pub(super) fn parse(text: &str) -> Result<Option<Timestamp>, jiff::Error> {
    match text {
        "" | ZERO => Ok(None),
        text => text.parse().map(Some),
    }
}

/// For `#[serde(with)]`: Go's `omitzero`; the field needs `skip_serializing_if = "Option::is_none"`.
pub(super) mod optional {
    use super::*;

    pub fn serialize<S: Serializer>(time: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
        match time {
            Some(time) => serializer.collect_str(time),
            None => ZERO.serialize(serializer),
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?.unwrap_or_default();
        parse(&text).map_err(D::Error::custom)
    }
}

/// For `#[serde(deserialize_with)]`: null is the default value, as Go's decoder has it.
pub(super) fn null_is_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unset_times_have_three_spellings() -> Result<(), jiff::Error> {
        assert_eq!(parse("")?, None);
        assert_eq!(parse(ZERO)?, None);
        assert!(parse("yesterday").is_err());
        Ok(())
    }

    #[test]
    fn times_are_read_with_any_offset_and_written_with_the_digits_they_need() -> Result<(), jiff::Error> {
        for (read, written) in [
            ("2026-11-21T04:49:59.974512204Z", "2026-11-21T04:49:59.974512204Z"),
            ("2026-11-21T04:49:59.500000000Z", "2026-11-21T04:49:59.5Z"),
            ("2026-11-21T12:49:59+08:00", "2026-11-21T04:49:59Z"),
        ] {
            assert_eq!(parse(read)?.map(|time| time.to_string()).as_deref(), Some(written));
        }
        Ok(())
    }
}
