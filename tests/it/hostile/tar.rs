//! Archives as raw as their formats, so that they can be wrong in every way.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::CHART_YAML;

/// The size of a header, and what content is filled up to.
pub const BLOCK: usize = 512;

/// An entry of a tar file, as raw as the format.
pub struct Entry<'a> {
    pub name: &'a [u8],
    pub kind: u8,
    pub content: &'a [u8],
    /// The size that the header claims, where it is not the content's.
    pub claimed: Option<[u8; 12]>,
    pub link: &'a [u8],
}

pub fn entry<'a>(name: &'a str, content: &'a [u8]) -> Entry<'a> {
    Entry { name: name.as_bytes(), kind: b'0', content, claimed: None, link: b"" }
}

pub fn special<'a>(name: &'a str, kind: u8, link: &'a str) -> Entry<'a> {
    Entry { name: name.as_bytes(), kind, content: b"", claimed: None, link: link.as_bytes() }
}

pub fn octal(number: usize) -> [u8; 12] {
    let mut field = [0; 12];
    field[..11].copy_from_slice(format!("{number:011o}").as_bytes());
    field
}

impl Entry<'_> {
    pub fn header(&self) -> [u8; BLOCK] {
        let mut header = [0; BLOCK];
        header[..self.name.len().min(100)].copy_from_slice(&self.name[..self.name.len().min(100)]);
        header[100..107].copy_from_slice(b"0000644");
        header[124..136].copy_from_slice(&self.claimed.unwrap_or_else(|| octal(self.content.len())));
        header[136..147].copy_from_slice(b"00000000000");
        header[156] = self.kind;
        header[157..157 + self.link.len()].copy_from_slice(self.link);
        header[257..265].copy_from_slice(b"ustar\x0000");
        header[148..156].copy_from_slice(b"        ");
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        header
    }

    pub fn write(&self, tar: &mut Vec<u8>) {
        tar.extend(self.header());
        tar.extend(self.content);
        tar.resize(tar.len().next_multiple_of(BLOCK), 0);
    }
}

/// A tar file of a chart with these further entries.
pub fn tar(entries: &[Entry<'_>]) -> Vec<u8> {
    let mut tar = Vec::new();
    entry("c/Chart.yaml", CHART_YAML.as_bytes()).write(&mut tar);
    entries.iter().for_each(|entry| entry.write(&mut tar));
    tar.resize(tar.len() + 2 * BLOCK, 0);
    tar
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(bytes).expect("memory");
    gzip.finish().expect("memory")
}

/// The records of a pax header.
pub fn pax(key: &str, value: &[u8]) -> Vec<u8> {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while rest + length.to_string().len() != length {
        length += 1;
    }
    [format!("{length} {key}=").as_bytes(), value, b"\n"].concat()
}
