//! Where the versions of charts are in the text of an index. The text is read line by line, or byte by byte where it is
//! JSON, and nothing is parsed but the names of charts; what has another layout than Helm's is not cut.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry as Slot;
use std::io::{self, BufRead, Read as _};
use std::ops::Range;

use crate::value::Json;
use crate::yaml;

/// The most bytes outside of the entries; there is nothing of interest.
const OUTSIDE: usize = 1 << 20;
/// How deep brackets of JSON are followed.
const DEEPEST: usize = 128;

/// The entries of a chart.
#[derive(Debug, PartialEq)]
pub(super) enum Piece {
    /// Where each is.
    At(Vec<Range<u64>>),
    /// What stands there instead of a list.
    Value(Json),
}

/// An index that was cut.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Cut {
    pub(super) charts: BTreeMap<String, Piece>,
    /// The `apiVersion`.
    pub(super) api_version: Option<Json>,
}

impl Cut {
    /// Notes a chart; nothing where there is one of this name already.
    fn add(&mut self, name: String, piece: Piece) -> Option<()> {
        match self.charts.entry(name) {
            Slot::Vacant(slot) => {
                slot.insert(piece);
                Some(())
            }
            Slot::Occupied(_) => None,
        }
    }
}

/// Cuts an index in YAML of Helm's layout; nothing where it has another one.
pub(super) fn yaml(reader: &mut dyn BufRead) -> io::Result<Option<Cut>> {
    let mut lines = Lines::default();
    let (mut line, mut place) = (Vec::new(), 0);
    while (&mut *reader).take(OUTSIDE as u64).read_until(b'\n', &mut line)? > 0 {
        let Some(text) = std::str::from_utf8(&line).ok().filter(|_| line.len() < OUTSIDE) else { return Ok(None) };
        let next = place + line.len() as u64;
        if lines.read(text, place).is_none() {
            return Ok(None);
        }
        place = next;
        line.clear();
    }
    Ok(lines.end(place))
}

/// The lines of an index, as far as they were read.
#[derive(Debug, Default)]
struct Lines {
    cut: Cut,
    outside: String,
    is_inside: bool,
    was_inside: bool,
    /// How far the names of charts are indented.
    depth: Option<usize>,
    chart: Option<Chart>,
}

/// The chart whose lines are read.
#[derive(Debug)]
struct Chart {
    name: String,
    /// What stands on the line of its name.
    value: Json,
    /// How far its entries are indented.
    depth: Option<usize>,
    starts: Vec<u64>,
}

impl Lines {
    /// Takes a line that begins at a place.
    fn read(&mut self, line: &str, place: u64) -> Option<()> {
        if self.is_inside && !line.starts_with([' ', '#', '\n', '\r']) {
            self.is_inside = false;
            self.finish(place)?;
        }
        if self.is_inside {
            return self.read_inside(line, place);
        }
        if line.trim_end() == "entries:" {
            // There may be only one.
            (self.is_inside, self.was_inside) = ((!self.was_inside).then_some(true)?, true);
        }
        self.outside.push_str(line);
        (self.outside.len() <= OUTSIDE).then_some(())
    }

    fn read_inside(&mut self, line: &str, place: u64) -> Option<()> {
        let content = line.trim_start_matches(' ');
        if content.is_empty() || content.starts_with(['#', '\n', '\r']) {
            return Some(());
        }
        let depth = line.len() - content.len();
        let first = *self.depth.get_or_insert(depth);
        if depth < first || content.starts_with('\t') {
            return None;
        }
        if depth == first && !content.starts_with('-') {
            self.finish(place)?;
            self.chart = Some(Chart::named(content)?);
            return Some(());
        }
        self.chart.as_mut()?.read(depth, content, place)
    }

    /// Ends the chart that was read so far.
    fn finish(&mut self, place: u64) -> Option<()> {
        let Some(Chart { name, value, starts, .. }) = self.chart.take() else { return Some(()) };
        if starts.is_empty() {
            return self.cut.add(name, Piece::Value(value));
        }
        let ends = starts.iter().skip(1).copied().chain([place]);
        let pieces = starts.iter().copied().zip(ends).map(|(start, end)| start..end).collect();
        self.cut.add(name, Piece::At(pieces))
    }

    fn end(mut self, place: u64) -> Option<Cut> {
        self.finish(place)?;
        let root = yaml::parse(&self.outside).ok().filter(|_| self.was_inside)?;
        self.cut.api_version = root.get("apiVersion").cloned();
        Some(self.cut)
    }
}

impl Chart {
    fn named(line: &str) -> Option<Self> {
        let head = yaml::parse(line.trim_end()).ok()?;
        let Json::Object(head) = head else { return None };
        let (name, value) = head.into_iter().next()?;
        Some(Self { name, value, depth: None, starts: Vec::new() })
    }

    /// Takes a line below the name: one that begins an entry, or one within.
    fn read(&mut self, depth: usize, content: &str, place: u64) -> Option<()> {
        let first = *self.depth.get_or_insert(depth);
        let is_start = depth == first && content.starts_with('-');
        if is_start {
            self.starts.push(place);
        }
        ((is_start || depth > first) && self.value.is_null() && !self.starts.is_empty()).then_some(())
    }
}

/// Cuts an index in JSON; nothing where it is something else.
pub(super) fn json(reader: &mut dyn BufRead) -> io::Result<Option<Cut>> {
    let mut cut = Cut::default();
    match (Bytes { reader, place: 0 }).index(&mut cut) {
        Ok(()) => Ok(Some(cut)),
        Err(NotJson::Other) => Ok(None),
        Err(NotJson::Io(error)) => Err(error),
    }
}

/// Why an index in JSON is not cut.
enum NotJson {
    Other,
    Io(io::Error),
}

impl From<io::Error> for NotJson {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// The bytes of a text, with their places.
struct Bytes<'a> {
    reader: &'a mut dyn BufRead,
    place: u64,
}

impl Bytes<'_> {
    fn index(&mut self, cut: &mut Cut) -> Result<(), NotJson> {
        if self.reader.fill_buf()?.starts_with("\u{feff}".as_bytes()) {
            self.skip('\u{feff}'.len_utf8());
        }
        self.members(|bytes, name| match name.as_str() {
            "apiVersion" => {
                cut.api_version = Some(bytes.scalar()?);
                Ok(())
            }
            "entries" if bytes.peek()? == b'{' => bytes.members(|bytes, name| {
                let piece = bytes.entries()?;
                cut.add(name, piece).ok_or(NotJson::Other)
            }),
            "entries" => {
                if bytes.scalar()?.is_null() {
                    Ok(())
                } else {
                    Err(NotJson::Other)
                }
            }
            _ => bytes.value().map(drop),
        })?;
        // Nothing may follow.
        match self.peek() {
            Err(NotJson::Other) => Ok(()),
            Err(error) => Err(error),
            Ok(_) => Err(NotJson::Other),
        }
    }

    /// The members of an object, each with its name; the function reads the value.
    fn members(&mut self, mut read: impl FnMut(&mut Self, String) -> Result<(), NotJson>) -> Result<(), NotJson> {
        self.expect(b'{')?;
        if self.peek()? == b'}' {
            return self.expect(b'}');
        }
        loop {
            let Json::String(name) = self.scalar()? else { return Err(NotJson::Other) };
            self.expect(b':')?;
            self.peek()?;
            read(self, name)?;
            match self.next()? {
                b',' => {}
                b'}' => return Ok(()),
                _ => return Err(NotJson::Other),
            }
        }
    }

    /// The entries of a chart.
    fn entries(&mut self) -> Result<Piece, NotJson> {
        match self.peek()? {
            b'[' => self.expect(b'[')?,
            b'{' => {
                // It is nothing that an index has; what it is exactly plays no part.
                self.value()?;
                return Ok(Piece::Value(Json::Bool(true)));
            }
            _ => return self.scalar().map(Piece::Value),
        }
        let mut places = Vec::new();
        if self.peek()? == b']' {
            self.expect(b']')?;
            return Ok(Piece::At(places));
        }
        loop {
            places.push(self.value()?);
            match self.next()? {
                b',' => {}
                b']' => return Ok(Piece::At(places)),
                _ => return Err(NotJson::Other),
            }
        }
    }

    /// Passes a value; gives where it is.
    fn value(&mut self) -> Result<Range<u64>, NotJson> {
        self.peek()?;
        let start = self.place;
        let mut depth = 0;
        loop {
            match self.peek()? {
                b'"' => drop(self.text()?),
                b'[' | b'{' => {
                    self.skip(1);
                    depth += 1;
                    if depth > DEEPEST {
                        return Err(NotJson::Other);
                    }
                    continue;
                }
                b']' | b'}' if depth > 0 => {
                    self.skip(1);
                    depth -= 1;
                }
                b',' | b':' if depth > 0 => {
                    self.skip(1);
                    continue;
                }
                b',' | b':' | b']' | b'}' => return Err(NotJson::Other),
                _ => drop(self.word()?),
            }
            if depth == 0 {
                return Ok(start..self.place);
            }
        }
    }

    /// A text, number or word.
    fn scalar(&mut self) -> Result<Json, NotJson> {
        let bytes = if self.peek()? == b'"' { self.text()? } else { self.word()? };
        serde_json::from_slice(&bytes).map_err(|_| NotJson::Other)
    }

    /// A text with its quotes.
    fn text(&mut self) -> Result<Vec<u8>, NotJson> {
        let mut text = vec![b'"'];
        self.skip(1);
        loop {
            let (part, is_end) = {
                let buffer = self.reader.fill_buf()?;
                if buffer.is_empty() {
                    return Err(NotJson::Other);
                }
                let end = memchr::memchr2(b'"', b'\\', buffer);
                (buffer[..end.map_or(buffer.len(), |end| end + 1)].to_vec(), end.map(|end| buffer[end] == b'"'))
            };
            self.skip(part.len());
            text.extend_from_slice(&part);
            match is_end {
                Some(true) => return Ok(text),
                Some(false) => {
                    // What is escaped ends no text.
                    text.push(self.byte()?);
                    self.skip(1);
                }
                None => {}
            }
        }
    }

    /// A number or a word, up to what ends it.
    fn word(&mut self) -> Result<Vec<u8>, NotJson> {
        let mut word = Vec::new();
        loop {
            match self.byte() {
                Ok(byte) if byte.is_ascii_alphanumeric() || b"+-.".contains(&byte) => word.push(byte),
                Ok(_) | Err(NotJson::Other) if !word.is_empty() => return Ok(word),
                Ok(_) => return Err(NotJson::Other),
                Err(error) => return Err(error),
            }
            self.skip(1);
        }
    }

    fn expect(&mut self, wanted: u8) -> Result<(), NotJson> {
        if self.next()? == wanted { Ok(()) } else { Err(NotJson::Other) }
    }

    /// The next byte that is no space, which is passed.
    fn next(&mut self) -> Result<u8, NotJson> {
        let byte = self.peek()?;
        self.skip(1);
        Ok(byte)
    }

    /// The next byte that is no space.
    fn peek(&mut self) -> Result<u8, NotJson> {
        while self.byte()?.is_ascii_whitespace() {
            self.skip(1);
        }
        self.byte()
    }

    fn byte(&mut self) -> Result<u8, NotJson> {
        self.reader.fill_buf()?.first().copied().ok_or(NotJson::Other)
    }

    fn skip(&mut self, bytes: usize) {
        self.reader.consume(bytes);
        self.place += bytes as u64;
    }
}
