//! Tags, anchors and directives.

use super::scanner::{Scan, Scanner};
use super::token::{Mark, TokenKind};

fn is_alphanumeric(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

impl<'a> Scanner<'a> {
    fn scan_word(&mut self) -> &'a str {
        let start = self.position;
        let length = self.text.as_bytes()[start..].iter().take_while(|byte| is_alphanumeric(**byte)).count();
        self.advance_to(start + length);
        self.text.get(start..start + length).unwrap_or_default()
    }

    /// The name of an anchor or alias, after its indicator.
    pub(super) fn scan_anchor(&mut self) -> Scan<&'a str> {
        let start = self.mark;
        self.skip();
        let name = self.scan_word();
        let ended =
            self.is_blank_or_end(0) || matches!(self.byte(0), b'?' | b':' | b',' | b']' | b'}' | b'%' | b'@' | b'`');
        if name.is_empty() || !ended {
            return Err(self.failure(start, "did not find expected alphabetic or numeric character"));
        }
        Ok(name)
    }

    /// `!<uri>`, `!suffix` or `!handle!suffix`.
    pub(super) fn scan_tag(&mut self) -> Scan<TokenKind<'a>> {
        let start = self.mark;
        let (handle, suffix) = if self.byte(1) == b'<' {
            self.advance_to(self.position + 2);
            let suffix = self.scan_uri("", start)?;
            if self.byte(0) != b'>' {
                return Err(self.failure(start, "did not find the expected '>'"));
            }
            self.skip();
            (String::new(), suffix)
        } else {
            self.scan_short_tag(start)?
        };
        if !self.is_blank_or_end(0) {
            return Err(self.failure(start, "did not find expected whitespace or line break"));
        }
        Ok(TokenKind::Tag { handle, suffix })
    }

    fn scan_short_tag(&mut self, start: Mark) -> Scan<(String, String)> {
        let handle = self.scan_handle(false, start)?;
        if handle.len() > 1 && handle.ends_with('!') {
            let suffix = self.scan_uri("", start)?;
            return Ok((handle.to_owned(), suffix));
        }
        let suffix = self.scan_uri(handle, start)?;
        Ok(if suffix.is_empty() { (String::new(), "!".to_owned()) } else { ("!".to_owned(), suffix) })
    }

    fn scan_handle(&mut self, directive: bool, start: Mark) -> Scan<&'a str> {
        if self.byte(0) != b'!' {
            return Err(self.failure(start, "did not find expected '!'"));
        }
        let from = self.position;
        self.skip();
        let word = self.scan_word();
        if self.byte(0) == b'!' {
            self.skip();
        } else if directive && !word.is_empty() {
            return Err(self.failure(start, "did not find expected '!'"));
        }
        Ok(self.text.get(from..self.position).unwrap_or_default())
    }

    /// The characters of a URI, escapes decoded, after the given head without its exclamation mark.
    fn scan_uri(&mut self, head: &str, start: Mark) -> Scan<String> {
        let mut uri: Vec<u8> = head.bytes().skip(1).collect();
        let mut found = !head.is_empty();
        loop {
            let byte = self.byte(0);
            if byte == b'%' {
                self.scan_uri_escape(&mut uri, start)?;
            } else if is_alphanumeric(byte) || b";/?:@&=+$,.!~*'()[]".contains(&byte) {
                uri.push(byte);
                self.skip();
            } else {
                break;
            }
            found = true;
        }
        if !found {
            return Err(self.failure(start, "did not find expected tag URI"));
        }
        Ok(String::from_utf8_lossy(&uri).into_owned())
    }

    /// One character as `%` escapes of its UTF-8 bytes.
    fn scan_uri_escape(&mut self, uri: &mut Vec<u8>, start: Mark) -> Scan<()> {
        let mut missing = None;
        while missing != Some(0) {
            let digits = (char::from(self.byte(1)).to_digit(16), char::from(self.byte(2)).to_digit(16));
            let (b'%', (Some(high), Some(low))) = (self.byte(0), digits) else {
                return Err(self.failure(start, "did not find URI escaped octet"));
            };
            let octet = u8::try_from(high * 16 + low).unwrap_or_default();
            missing = Some(match (missing, octet) {
                (None, 0..=0x7F) => 0,
                (None, 0xC0..=0xDF) => 1,
                (None, 0xE0..=0xEF) => 2,
                (None, 0xF0..=0xF7) => 3,
                (None, _) => return Err(self.failure(start, "found an incorrect leading UTF-8 octet")),
                (Some(missing), 0x80..=0xBF) => missing - 1,
                (Some(_), _) => return Err(self.failure(start, "found an incorrect trailing UTF-8 octet")),
            });
            uri.push(octet);
            self.advance_to(self.position + 3);
        }
        Ok(())
    }

    /// A `%YAML` or `%TAG` line.
    pub(super) fn scan_directive(&mut self) -> Scan<TokenKind<'a>> {
        let start = self.mark;
        self.skip();
        let name = self.scan_word();
        if name.is_empty() {
            return Err(self.failure(start, "could not find expected directive name"));
        }
        if !self.is_blank_or_end(0) {
            return Err(self.failure(start, "found unexpected non-alphabetical character"));
        }
        let kind = match name {
            "YAML" => self.scan_version(start)?,
            "TAG" => self.scan_tag_directive(start)?,
            _ => return Err(self.failure(start, "found unknown directive name")),
        };
        self.skip_blanks();
        self.skip_comment();
        if !self.at_end() && !self.is_break(0) {
            return Err(self.failure(start, "did not find expected comment or line break"));
        }
        self.take_break();
        Ok(kind)
    }

    fn scan_version(&mut self, start: Mark) -> Scan<TokenKind<'a>> {
        self.skip_blanks();
        let major = self.scan_version_number(start)?;
        if self.byte(0) != b'.' {
            return Err(self.failure(start, "did not find expected digit or '.' character"));
        }
        self.skip();
        let minor = self.scan_version_number(start)?;
        Ok(TokenKind::VersionDirective { major, minor })
    }

    fn scan_version_number(&mut self, start: Mark) -> Scan<u8> {
        let mut digits = 0;
        let mut number = 0;
        while self.byte(0).is_ascii_digit() {
            digits += 1;
            if digits > 2 {
                return Err(self.failure(start, "found extremely long version number"));
            }
            number = number * 10 + (self.byte(0) - b'0');
            self.skip();
        }
        if digits == 0 {
            return Err(self.failure(start, "did not find expected version number"));
        }
        Ok(number)
    }

    fn scan_tag_directive(&mut self, start: Mark) -> Scan<TokenKind<'a>> {
        self.skip_blanks();
        let handle = self.scan_handle(true, start)?.to_owned();
        if !self.is_blank(0) {
            return Err(self.failure(start, "did not find expected whitespace"));
        }
        self.skip_blanks();
        let prefix = self.scan_uri("", start)?;
        if !self.is_blank_or_end(0) {
            return Err(self.failure(start, "did not find expected whitespace or line break"));
        }
        Ok(TokenKind::TagDirective { handle, prefix })
    }
}
