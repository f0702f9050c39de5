//! An archive's content while it is unpacked: gzip members, inflated one after the other into one buffer, which the
//! files then share. It is inflated as far as somebody reads, so that what is refused early costs little.
//!
//! The checksum behind a member is not looked at. The end of a tar file comes before it, so that Helm does not reach it
//! either; what is downloaded is verified by its digest.

use std::io::{Error, ErrorKind, Read, Result, Seek, SeekFrom};

use flate2::{Crc, Decompress, FlushDecompress, Status};

/// How far ahead of the reader is inflated.
const STEP: usize = 1 << 20;
/// The largest ratio that deflate reaches.
const MAX_RATIO: usize = 1032;
/// The checksum and the length behind a member.
const TRAILER: usize = 8;

/// A gzip archive and what was inflated of it.
pub struct Unpacking<'a> {
    /// What is still compressed.
    rest: &'a [u8],
    /// How long the archive is.
    length: usize,
    inflater: Decompress,
    is_inside_member: bool,
    content: Vec<u8>,
    /// How long the content is expected to be.
    expected: usize,
    limit: usize,
    position: usize,
    /// Why there is no more: the end, or a failure.
    end: Option<End>,
}

#[derive(Clone, Copy)]
enum End {
    Regular,
    Failure(ErrorKind, &'static str),
}

impl<'a> Unpacking<'a> {
    /// Begins with an archive, whose content may be so large.
    pub fn new(archive: &'a [u8], limit: usize) -> Self {
        let length = archive.last_chunk().map_or(0, |length| u32::from_le_bytes(*length) as usize);
        let expected = length.min(limit).min(archive.len().saturating_mul(MAX_RATIO));
        Self {
            rest: archive,
            length: archive.len(),
            inflater: Decompress::new(false),
            is_inside_member: false,
            content: Vec::with_capacity(expected + 1),
            expected,
            limit,
            position: 0,
            end: None,
        }
    }

    /// How far it was read, in bytes of the content.
    pub fn position(&self) -> usize {
        self.position
    }

    /// All that was inflated.
    pub fn into_content(self) -> Vec<u8> {
        self.content
    }

    /// Inflates up to a place; tells whether there is so much.
    fn reach(&mut self, place: usize) -> Result<bool> {
        while self.content.len() < place {
            match self.end {
                None => self.end = self.advance(place).err(),
                Some(End::Regular) => return Ok(false),
                Some(End::Failure(kind, text)) => {
                    let rest = if kind == ErrorKind::UnexpectedEof { 0 } else { self.rest.len() };
                    let offset = self.length - rest;
                    return Err(Error::new(kind, format!("{text} at byte {offset} of the archive")));
                }
            }
        }
        Ok(true)
    }

    fn advance(&mut self, place: usize) -> std::result::Result<(), End> {
        if self.is_inside_member {
            return self.inflate(place);
        }
        if self.rest.is_empty() {
            return Err(End::Regular);
        }
        self.rest = after_header(self.rest)?;
        self.inflater.reset(false);
        self.is_inside_member = true;
        Ok(())
    }

    fn inflate(&mut self, place: usize) -> std::result::Result<(), End> {
        let length = self.content.len();
        let step = length.saturating_add(STEP);
        // One byte more than expected, so that the end is noticed.
        let ahead = if length > self.expected { step } else { step.min(self.expected + 1) };
        let ahead = ahead.min(self.limit).max(place);
        if ahead > self.limit {
            return Err(End::Failure(ErrorKind::FileTooLarge, "more content than a chart may have"));
        }
        self.content.resize(ahead, 0);
        let before = (self.inflater.total_in(), self.inflater.total_out());
        let status = self.inflater.decompress(self.rest, &mut self.content[length..], FlushDecompress::None);
        let since = |total: u64, before: u64| usize::try_from(total - before).unwrap_or(usize::MAX);
        let read = since(self.inflater.total_in(), before.0);
        let written = since(self.inflater.total_out(), before.1);
        self.content.truncate(length + written);
        self.rest = self.rest.get(read..).unwrap_or_default();
        match status {
            Err(_) => Err(End::Failure(ErrorKind::InvalidInput, "corrupt deflate stream")),
            Ok(Status::StreamEnd) => {
                self.is_inside_member = false;
                self.rest = self.rest.get(TRAILER..).ok_or(TRUNCATED)?;
                Ok(())
            }
            Ok(_) if written == 0 && read == 0 => Err(TRUNCATED),
            Ok(_) => Ok(()),
        }
    }
}

const TRUNCATED: End = End::Failure(ErrorKind::UnexpectedEof, "unexpected end of file");
const INVALID_HEADER: End = End::Failure(ErrorKind::InvalidInput, "invalid gzip header");

/// What follows a member's header (RFC 1952, 2.3).
fn after_header(member: &[u8]) -> std::result::Result<&[u8], End> {
    const HEADER_CHECKSUM: u8 = 1 << 1;
    const EXTRA: u8 = 1 << 2;
    const TEXTS: [u8; 2] = [1 << 3, 1 << 4];
    let (fixed, mut rest) = member.split_first_chunk::<10>().ok_or(TRUNCATED)?;
    let [0x1f, 0x8b, 8, flags, ..] = *fixed else { return Err(INVALID_HEADER) };
    if flags & EXTRA != 0 {
        let (length, extra) = rest.split_first_chunk().ok_or(TRUNCATED)?;
        rest = extra.get(usize::from(u16::from_le_bytes(*length))..).ok_or(TRUNCATED)?;
    }
    for _ in TEXTS.iter().filter(|text| flags & *text != 0) {
        let end = memchr::memchr(0, rest).ok_or(TRUNCATED)?;
        rest = &rest[end + 1..];
    }
    if flags & HEADER_CHECKSUM != 0 {
        let (checksum, content) = rest.split_first_chunk().ok_or(TRUNCATED)?;
        let mut sum = Crc::new();
        sum.update(&member[..member.len() - rest.len()]);
        if sum.sum() & 0xffff != u32::from(u16::from_le_bytes(*checksum)) {
            return Err(INVALID_HEADER);
        }
        rest = content;
    }
    Ok(rest)
}

impl Read for Unpacking<'_> {
    fn read(&mut self, into: &mut [u8]) -> Result<usize> {
        let wanted = self.position.saturating_add(into.len());
        self.reach(wanted)?;
        let there = self.content.get(self.position..).unwrap_or_default();
        let length = there.len().min(into.len());
        into[..length].copy_from_slice(&there[..length]);
        self.position += length;
        Ok(length)
    }
}

impl Seek for Unpacking<'_> {
    fn seek(&mut self, to: SeekFrom) -> Result<u64> {
        let place = match to {
            SeekFrom::Start(place) => Some(place),
            SeekFrom::Current(distance) => (self.position as u64).checked_add_signed(distance),
            SeekFrom::End(_) => None,
        };
        let place = place.and_then(|place| usize::try_from(place).ok()).ok_or(ErrorKind::Unsupported)?;
        if !self.reach(place)? {
            let length = self.content.len();
            let text = format!("unexpected end of file: the decompressed stream has {length} bytes and not {place}");
            return Err(Error::new(ErrorKind::UnexpectedEof, text));
        }
        self.position = place;
        Ok(place as u64)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, GzBuilder, write::GzEncoder};

    use super::*;

    fn gzip(content: &[u8]) -> Vec<u8> {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(content).expect("memory");
        gzip.finish().expect("memory")
    }

    fn unpack(archive: &[u8]) -> std::result::Result<Vec<u8>, String> {
        let mut content = Vec::new();
        let read = Unpacking::new(archive, 9 << 20).read_to_end(&mut content);
        read.map(|_| content).map_err(|error| error.to_string())
    }

    #[test]
    fn members_follow_each_other() {
        assert_eq!(unpack(&gzip(b"")), Ok(Vec::new()));
        assert_eq!(unpack(&[gzip(b"one "), gzip(b""), gzip(b"two")].concat()), Ok(b"one two".to_vec()));
        let large: Vec<u8> =
            (0..3_000_000_u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        assert!(unpack(&gzip(&large)) == Ok(large), "several steps");
    }

    #[test]
    fn headers_are_passed_over_with_all_their_parts() {
        let mut gzip =
            GzBuilder::new().extra("extra").filename("name").comment("comment").write(Vec::new(), Compression::fast());
        gzip.write_all(b"x").expect("memory");
        let mut archive = gzip.finish().expect("memory");
        assert_eq!(unpack(&archive), Ok(b"x".to_vec()));
        archive[3] |= 2;
        assert_eq!(
            unpack(&archive),
            Err("invalid gzip header at byte 0 of the archive".to_owned()),
            "the header has no checksum"
        );
    }

    #[test]
    fn what_is_broken_is_noticed_only_when_it_is_reached() {
        let whole = gzip(b"0123456789");
        let with = |more: &[u8]| [&whole, more].concat();
        let table = [
            (whole[..whole.len() - 1].to_vec(), "unexpected end of file at byte 29 of the archive"),
            (whole[..14].to_vec(), "unexpected end of file at byte 14 of the archive"),
            (with(b"rubbish, and more of it"), "invalid gzip header at byte 30 of the archive"),
            (with(&whole[..5]), "unexpected end of file at byte 35 of the archive"),
            (with(&[&whole[..10], b"\xff\xff\xff\xff"].concat()), "corrupt deflate stream at byte 41 of the archive"),
        ];
        for (archive, expected) in &table {
            assert_eq!(unpack(archive), Err((*expected).to_owned()), "{archive:?}");
        }
        let mut start = [0; 10];
        Unpacking::new(&table[2].0, 99).read_exact(&mut start).expect("whole so far");
        assert_eq!(&start, b"0123456789");
    }

    #[test]
    fn no_more_than_the_limit_is_inflated() {
        let bomb = gzip(&vec![0; 8 << 20]);
        let mut unpacking = Unpacking::new(&bomb, 1 << 20);
        let error = unpacking.seek(SeekFrom::Start(2 << 20)).expect_err("too much");
        assert_eq!(error.kind(), ErrorKind::FileTooLarge, "{error}");
        assert!(unpacking.into_content().len() <= 1 << 20);
    }
}
