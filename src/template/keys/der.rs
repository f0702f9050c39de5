//! The few parts of DER that keys and certificates consist of.

/// Tags.
pub const BOOLEAN: u8 = 0x01;
pub const INTEGER: u8 = 0x02;
pub const BIT_STRING: u8 = 0x03;
pub const OCTET_STRING: u8 = 0x04;
pub const OBJECT_IDENTIFIER: u8 = 0x06;
pub const UTF8_STRING: u8 = 0x0c;
pub const PRINTABLE_STRING: u8 = 0x13;
pub const UTC_TIME: u8 = 0x17;
pub const GENERALIZED_TIME: u8 = 0x18;
pub const SEQUENCE: u8 = 0x30;
pub const SET: u8 = 0x31;

/// The NULL element.
pub const NULL: &[u8] = &[0x05, 0x00];

/// A context-specific tag around other elements.
pub const fn explicit(number: u8) -> u8 {
    0xa0 | number
}

/// A context-specific tag in place of a string's own.
pub const fn implicit(number: u8) -> u8 {
    0x80 | number
}

/// An element with the given content.
pub fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    match content.len() {
        short @ 0..=0x7f => out.push(u8::try_from(short).unwrap_or(0)),
        long => {
            let bytes = long.to_be_bytes();
            let significant = &bytes[bytes.iter().take_while(|byte| **byte == 0).count()..];
            out.push(0x80 | u8::try_from(significant.len()).unwrap_or(0));
            out.extend_from_slice(significant);
        }
    }
    out.extend_from_slice(content);
    out
}

/// A SEQUENCE of elements.
pub fn sequence(elements: &[&[u8]]) -> Vec<u8> {
    element(SEQUENCE, &elements.concat())
}

/// A non-negative INTEGER of big-endian bytes.
pub fn integer(bytes: &[u8]) -> Vec<u8> {
    let significant = &bytes[bytes.iter().take_while(|byte| **byte == 0).count()..];
    let mut content = Vec::with_capacity(significant.len() + 1);
    if significant.first().is_none_or(|first| *first >= 0x80) {
        content.push(0);
    }
    content.extend_from_slice(significant);
    element(INTEGER, &content)
}

/// A BIT STRING of whole bytes.
pub fn bit_string(bytes: &[u8]) -> Vec<u8> {
    element(BIT_STRING, &[&[0], bytes].concat())
}

/// An OBJECT IDENTIFIER from its encoded content.
pub fn object_identifier(content: &[u8]) -> Vec<u8> {
    element(OBJECT_IDENTIFIER, content)
}

/// An element as it was read.
#[derive(Clone, Copy, Debug)]
pub struct Element<'a> {
    pub tag: u8,
    pub content: &'a [u8],
    /// Tag, length and content.
    pub whole: &'a [u8],
}

/// Reads elements one after the other.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next element; nothing where the bytes are no DER.
    pub fn next(&mut self) -> Option<Element<'a>> {
        let all = self.rest;
        let (tag, length, header) = match all {
            [tag, length @ 0..=0x7f, ..] => (*tag, usize::from(*length), 2),
            [tag, form @ 0x81..=0x84, rest @ ..] => {
                let count = usize::from(form & 0x7f);
                let length = rest.get(..count)?.iter().fold(0usize, |length, byte| length << 8 | usize::from(*byte));
                (*tag, length, 2 + count)
            }
            _ => return None,
        };
        let end = header.checked_add(length)?;
        let whole = all.get(..end)?;
        self.rest = &all[end..];
        Some(Element { tag, content: &whole[header..], whole })
    }

    /// The next element, which must have the given tag.
    pub fn expect(&mut self, tag: u8) -> Option<Element<'a>> {
        self.next().filter(|element| element.tag == tag)
    }

    /// The next element if it has the given tag.
    pub fn optional(&mut self, tag: u8) -> Option<Element<'a>> {
        if self.rest.first() == Some(&tag) { self.next() } else { None }
    }

    /// A SEQUENCE that nothing follows.
    pub fn only_sequence(bytes: &'a [u8]) -> Option<Self> {
        let mut reader = Self::new(bytes);
        let sequence = reader.expect(SEQUENCE)?;
        reader.is_at_end().then_some(Self::new(sequence.content))
    }
}
