//! Reading a chart archive: gzip, tar and the rules about what may be in one.

/// What a chart may cost to load. The defaults are Helm's sizes, and more entries and levels than any chart has.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of one file.
    pub file: u64,
    /// Bytes of all files together, decompressed.
    pub total: u64,
    /// Number of files.
    pub entries: usize,
    /// Levels of subcharts within subcharts.
    pub depth: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { file: 5 << 20, total: 100 << 20, entries: 20_000, depth: 32 }
    }
}
