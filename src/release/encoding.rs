//! The text of a record in its Secret: JSON, gzip, base64 (`pkg/storage/driver/util.go`), and what is done with a
//! record that is too large for one Secret.

use std::borrow::Cow;
use std::io::{self, Read, Write};
use std::sync::Arc;

use base64::{Engine, engine::general_purpose::STANDARD};
use flate2::{Compression, read::MultiGzDecoder, write::GzEncoder};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::ser::Formatter;

use super::chart::Files;
use super::{Info, Record, StoredChart, memo};
use crate::chart::{Content, File};
use crate::value::Json;

/// The most bytes that a Secret's data may have (`k8s.io/api/core/v1` MaxSecretSize).
const SECRET_LIMIT: usize = 1 << 20;
/// The most bytes of JSON that are unpacked; a record of the largest Secret of ordinary text has a tenth of it.
const JSON_LIMIT: u64 = 256 << 20;
/// What stands in the JSON where the chart's lists of files go.
const TEMPLATES: &str = "coxswain.dev/the-templates-go-here";
const FILES: &str = "coxswain.dev/the-files-go-here";
/// What Helm reads as the manifest of a record in several parts.
const IN_PARTS: &str = "\"The manifest is too large for one Secret. Coxswain keeps it in several, which helm cannot read: \
                        change the release by its HelmRequest.\"\n";
const GZIP_MAGIC: [u8; 3] = [0x1f, 0x8b, 0x08];

/// Why a record cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot encode release {release:?} revision {revision}: {source}")]
pub struct EncodeError {
    release: String,
    revision: i64,
    source: io::Error,
}

/// Why a record cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// The outer encoding is damaged.
    #[error("release record is not base64: {0}")]
    Base64(#[from] base64::DecodeError),
    /// The compressed data is damaged or cut.
    #[error("release record cannot be unpacked: {0}")]
    Gzip(#[source] io::Error),
    /// It unpacks to more than any release has.
    #[error("release record is larger than {} MiB when unpacked", JSON_LIMIT >> 20)]
    TooLarge,
    /// The JSON is not that of a release.
    #[error("release record is not a release: {0}")]
    Json(#[from] serde_json::Error),
}

/// What had to be left out of a record so that it fits one Secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Omitted {
    /// Nothing.
    Nothing,
    /// The chart's files outside `templates/`.
    Files,
    /// The chart's files and templates.
    FilesAndTemplates,
}

/// A record ready to be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packed {
    /// What was left out.
    pub omitted: Omitted,
    /// The text, usually in one part. Of several, the first is what Helm reads: a record without objects, so that its
    /// commands show the release and refuse to change it. The others together are the text of what does not change.
    pub parts: Vec<String>,
}

/// The text of a record, as Helm writes it.
///
/// # Errors
/// [`EncodeError`] where the record holds something that JSON cannot say.
pub fn encode(record: &Record) -> Result<String, EncodeError> {
    compress(record).map(|bytes| STANDARD.encode(bytes)).map_err(|source| EncodeError {
        release: record.name.clone(),
        revision: record.version,
        source,
    })
}

/// Reads a record's text, of Helm v3 and v4, compressed or not.
///
/// # Errors
/// [`DecodeError`] where it is damaged.
pub fn decode(text: &[u8]) -> Result<Record, DecodeError> {
    decode_json(text)
}

/// Reads base64 of JSON, compressed or not: the form of records and of their parts in Captain's objects.
///
/// # Errors
/// [`DecodeError`] where it is damaged.
pub fn decode_json<T: DeserializeOwned>(text: &[u8]) -> Result<T, DecodeError> {
    let bytes = STANDARD.decode(text)?;
    let json = if bytes.starts_with(&GZIP_MAGIC) { Cow::Owned(decompress(&bytes)?) } else { Cow::Borrowed(&bytes[..]) };
    Ok(serde_json::from_slice(&json)?)
}

/// Encodes a record so that each part fits a Secret: whole, else without the chart's files, else without its templates
/// too, else in several parts (see [`Packed::parts`]). What makes a release work (manifest, hooks, values) is never
/// left out.
///
/// # Errors
/// As [`encode`].
pub fn pack(record: &Record) -> Result<Packed, EncodeError> {
    pack_within(record, SECRET_LIMIT)
}

/// Reads the parts that [`pack`] made, in their order.
///
/// # Errors
/// As [`decode`].
pub fn unpack<P: AsRef<[u8]>>(parts: &[P]) -> Result<Record, DecodeError> {
    let [first, further @ ..] = parts else { return decode(&[]) };
    let first = decode(first.as_ref())?;
    if further.is_empty() {
        return Ok(first);
    }
    let mut record = decode(&further.iter().flat_map(|part| part.as_ref()).copied().collect::<Vec<_>>())?;
    record.info = Info { notes: std::mem::take(&mut record.info.notes), ..first.info };
    Ok(record)
}

fn pack_within(record: &Record, limit: usize) -> Result<Packed, EncodeError> {
    let whole = encode(record)?;
    if whole.len() <= limit {
        return Ok(Packed { omitted: Omitted::Nothing, parts: vec![whole] });
    }
    // What is left at the least comes first: where that is too much, what is in between need not be tried.
    let without_files = Record { chart: StoredChart { files: Arc::new([]), ..record.chart.clone() }, ..record.clone() };
    let chart = StoredChart { templates: Arc::new([]), ..without_files.chart.clone() };
    let bare = encode(&Record { chart, ..without_files.clone() })?;
    if bare.len() > limit {
        let chunks = encode(&constant(record))?;
        let chunks = chunks.as_bytes().chunks(limit).map(|part| String::from_utf8_lossy(part).into_owned());
        let parts = std::iter::once(summary_within(record, limit)?).chain(chunks).collect();
        return Ok(Packed { omitted: Omitted::Nothing, parts });
    }
    let without_files = encode(&without_files)?;
    Ok(match without_files.len() <= limit {
        true => Packed { omitted: Omitted::Files, parts: vec![without_files] },
        false => Packed { omitted: Omitted::FilesAndTemplates, parts: vec![bare] },
    })
}

/// What stays the same through the life of a revision; the rest is in the first part. So its other parts are written
/// once and not at each change of its status.
fn constant(record: &Record) -> Record {
    Record { info: Info { notes: record.info.notes.clone(), ..Info::default() }, ..record.clone() }
}

/// A record for Helm in place of one that is too large for it. Its manifest is a sentence and no object, so whatever
/// would change the release ends with an error instead of taking it for an empty one.
fn summary_within(record: &Record, limit: usize) -> Result<String, EncodeError> {
    let metadata = Arc::clone(&record.chart.metadata);
    let mut summary = Record {
        chart: StoredChart { metadata, ..StoredChart::default() },
        manifest: IN_PARTS.to_owned(),
        hooks: Vec::new(),
        ..record.clone()
    };
    let text = encode(&summary)?;
    if text.len() <= limit {
        return Ok(text);
    }
    (summary.config, summary.info.notes) = (Json::Null, String::new());
    encode(&summary)
}

/// Compresses a record in several gzip members, which every reader of gzip joins: the chart's templates and files are
/// by far the most of it and the same in every release of the chart, so they are compressed once.
fn compress(record: &Record) -> io::Result<Vec<u8>> {
    let StoredChart { templates, files, .. } = &record.chart;
    let mut rest = record.clone();
    (rest.chart.templates, rest.chart.files) = (placeholder(TEMPLATES), placeholder(FILES));
    let text = json(&rest)?;
    let marks = [json(&Files(&rest.chart.templates))?, json(&Files(&rest.chart.files))?];
    let Some([head, middle, tail]) = cut(&text, &marks) else { return gzip(&json(record)?) };
    let (templates, files) = (memo::compressed(templates)?, memo::compressed(files)?);
    Ok([&gzip(head)?[..], &templates, &gzip(middle)?, &files, &gzip(tail)?].concat())
}

/// A list that marks the place of another one.
fn placeholder(mark: &str) -> Arc<[File]> {
    Arc::new([File { name: mark.to_owned(), data: Content::default(), modified: None }])
}

/// The text before, between and after the marks; nothing where one of them stands somewhere else too.
fn cut<'a>(text: &'a str, [first, second]: &[String; 2]) -> Option<[&'a str; 3]> {
    let (head, rest) = text.split_once(first)?;
    let (middle, tail) = rest.split_once(second)?;
    let is_clean = |part: &&str| !part.contains(first) && !part.contains(second);
    Some([head, middle, tail]).filter(|parts| parts.iter().all(is_clean))
}

pub(super) fn json(value: &impl Serialize) -> io::Result<String> {
    let mut text = Vec::new();
    value.serialize(&mut serde_json::Serializer::with_formatter(&mut text, GoText))?;
    String::from_utf8(text).map_err(io::Error::other)
}

pub(super) fn gzip(text: &str) -> io::Result<Vec<u8>> {
    // Helm's level 9 takes twice the time for a hundredth less.
    let mut writer = GzEncoder::new(Vec::new(), Compression::default());
    writer.write_all(text.as_bytes())?;
    writer.finish()
}

fn decompress(bytes: &[u8]) -> Result<Vec<u8>, DecodeError> {
    let mut json = Vec::new();
    MultiGzDecoder::new(bytes).take(JSON_LIMIT + 1).read_to_end(&mut json).map_err(DecodeError::Gzip)?;
    if json.len() as u64 > JSON_LIMIT { Err(DecodeError::TooLarge) } else { Ok(json) }
}

/// Compact JSON with Go's spelling: a whole float64 has no fraction, and what HTML would read is escaped.
struct GoText;

impl Formatter for GoText {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut rest = fragment;
        while let Some(place) = rest.find(['<', '>', '&', '\u{2028}', '\u{2029}']) {
            let (plain, special) = rest.split_at(place);
            let mut characters = special.chars();
            writer.write_all(plain.as_bytes())?;
            write!(writer, "\\u{:04x}", characters.next().map_or(0, u32::from))?;
            rest = characters.as_str();
        }
        writer.write_all(rest.as_bytes())
    }

    fn write_f64<W: ?Sized + Write>(&mut self, writer: &mut W, value: f64) -> io::Result<()> {
        write!(writer, "{value}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::release::{Phase, Status};

    const HELM_4: &str = include_str!("testdata/helm-4.3.1.json");
    const HELM_3: &str = include_str!("testdata/helm-3.json");

    fn stored_json(record: &Record) -> anyhow::Result<String> {
        Ok(String::from_utf8(decompress(&STANDARD.decode(encode(record)?)?)?)?)
    }

    #[test]
    fn a_record_of_helm_comes_back_byte_for_byte() -> anyhow::Result<()> {
        let record = decode(STANDARD.encode(HELM_4.trim_end()).as_bytes())?;
        assert_eq!(record.chart.values["replicas"], 2.0);
        assert_eq!(stored_json(&record)?, HELM_4.trim_end());
        assert_eq!(stored_json(&record)?, HELM_4.trim_end(), "with what is remembered of the first time");
        Ok(())
    }

    #[test]
    fn a_record_of_helm_3_is_read() -> anyhow::Result<()> {
        let record = decode(STANDARD.encode(HELM_3).as_bytes())?;
        assert_eq!((record.info.status, record.info.deleted), (Status::Deployed, None));
        assert_eq!(record.info.first_deployed, Some("2023-03-13T02:11:12.345678Z".parse()?));
        assert_eq!(record.hooks[0].last_run.phase, Phase::Never);
        assert!(record.apply_method.is_client_side());
        Ok(())
    }

    #[test]
    fn records_in_several_gzip_members_are_read() -> anyhow::Result<()> {
        let (head, tail) = HELM_3.split_at(200);
        let mut bytes = Vec::new();
        for part in [head, tail] {
            let mut writer = GzEncoder::new(&mut bytes, Compression::fast());
            writer.write_all(part.as_bytes())?;
            writer.finish()?;
        }
        assert_eq!(decode(STANDARD.encode(bytes).as_bytes())?.name, "old");
        Ok(())
    }

    #[test]
    fn a_record_that_holds_our_marks_is_written_whole() -> anyhow::Result<()> {
        let mut record = decode(STANDARD.encode(HELM_4).as_bytes())?;
        record.config = serde_json::json!({"a": [{"name": FILES, "data": ""}], "b": [{"name": TEMPLATES, "data": ""}]});
        record.chart.values = Arc::new(record.config.clone());
        assert_eq!(decode(encode(&record)?.as_bytes())?.config, record.config);
        assert_eq!(stored_json(&record)?, json(&record)?);
        Ok(())
    }

    #[test]
    fn damage_is_told_apart() -> anyhow::Result<()> {
        let text = encode(&decode(STANDARD.encode(HELM_4).as_bytes())?)?;
        assert!(matches!(decode(b"%"), Err(DecodeError::Base64(_))));
        assert!(matches!(decode(&text.as_bytes()[..400]), Err(DecodeError::Gzip(_))));
        assert!(matches!(decode(STANDARD.encode("[]x").as_bytes()), Err(DecodeError::Json(_))));
        Ok(())
    }

    /// Text that gzip cannot make smaller.
    fn noise(bytes: usize, mut seed: u64) -> Arc<[File]> {
        let mut next = || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) as u8
        };
        let data: Vec<u8> = (0..bytes).map(|_| next()).collect();
        Arc::new([File { name: "noise".to_owned(), data: data.into(), modified: None }])
    }

    #[test]
    fn a_large_record_loses_files_then_templates_then_is_cut_in_parts() -> anyhow::Result<()> {
        let mut record = decode(STANDARD.encode(HELM_4).as_bytes())?;
        record.chart.files = noise(3_000, 1);
        record.chart.templates = noise(3_000, 2);
        for (limit, omitted, in_parts, kept) in [
            (20_000, Omitted::Nothing, false, (1, 1)),
            (8_000, Omitted::Files, false, (0, 1)),
            (3_000, Omitted::FilesAndTemplates, false, (0, 0)),
            (900, Omitted::Nothing, true, (1, 1)),
        ] {
            let packed = pack_within(&record, limit)?;
            assert!(packed.parts.iter().all(|part| part.len() <= limit), "limit {limit}");
            assert_eq!((packed.omitted, packed.parts.len() > 1), (omitted, in_parts), "limit {limit}");
            let unpacked = unpack(&packed.parts)?;
            assert_eq!((unpacked.chart.files.len(), unpacked.chart.templates.len()), kept, "limit {limit}");
            assert_eq!((&unpacked.manifest, &unpacked.info), (&record.manifest, &record.info));
        }
        let pending = pack_within(&record, 900)?;
        record.supersede();
        let superseded = pack_within(&record, 900)?;
        assert_eq!(pending.parts[1..], superseded.parts[1..], "only the first part is written anew");
        Ok(())
    }

    #[test]
    fn of_a_record_in_parts_helm_reads_what_it_can_show_and_nothing_it_could_apply() -> anyhow::Result<()> {
        let mut record = decode(STANDARD.encode(HELM_4).as_bytes())?;
        record.chart.templates = noise(3_000, 2);
        record.manifest = String::from_utf8_lossy(&noise(6_000, 3)[0].data).into_owned();
        let long = String::from_utf8_lossy(&noise(3_000, 4)[0].data).into_owned();
        for (notes, shown) in [("read me".to_owned(), true), (long, false)] {
            record.info.notes = notes;
            let first = decode(pack_within(&record, 1_000)?.parts[0].as_bytes())?;
            assert_eq!((&first.name, first.version, first.info.status), (&record.name, 1, record.info.status));
            assert_eq!(first.info.notes == record.info.notes, shown);
            assert!(first.manifest.contains("too large") && first.hooks.is_empty());
        }
        Ok(())
    }
}
