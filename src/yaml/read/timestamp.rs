//! Which scalars go-yaml takes for timestamps: four layouts of Go's `time.Parse` (`yaml/v2/resolve.go`).
//!
//! Reading keeps a timestamp as its text, so only the question is answered; writing quotes such a string.

/// Whether the text parses under one of go-yaml's layouts.
pub fn is_timestamp(text: &str) -> bool {
    let bytes = text.as_bytes();
    if bytes.len() < 8 || bytes[4] != b'-' || !bytes[..4].iter().all(u8::is_ascii_digit) {
        return false;
    }
    let mut cursor = Cursor { rest: &bytes[5..] };
    let year = bytes[..4].iter().fold(0, |year, digit| year * 10 + u32::from(digit - b'0'));
    let Some(month) = cursor.number().filter(|month| (1..=12).contains(month)) else { return false };
    if !cursor.skip(b'-') {
        return false;
    }
    let Some(day) = cursor.number() else { return false };
    if day < 1 || day > days_in(month, year) {
        return false;
    }
    match cursor.rest.first() {
        None => true,
        Some(b'T' | b't') => {
            cursor.rest = &cursor.rest[1..];
            cursor.clock() && cursor.zone() && cursor.rest.is_empty()
        }
        Some(b' ') => {
            cursor.skip_spaces();
            cursor.clock() && cursor.rest.is_empty()
        }
        Some(_) => false,
    }
}

fn days_in(month: u32, year: u32) -> u32 {
    match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

struct Cursor<'a> {
    rest: &'a [u8],
}

impl Cursor<'_> {
    fn skip(&mut self, byte: u8) -> bool {
        let found = self.rest.first() == Some(&byte);
        if found {
            self.rest = &self.rest[1..];
        }
        found
    }

    fn skip_spaces(&mut self) {
        while self.skip(b' ') {}
    }

    /// One or two digits.
    fn number(&mut self) -> Option<u32> {
        let length = self.rest.iter().take(2).take_while(|byte| byte.is_ascii_digit()).count();
        let (digits, rest) = self.rest.split_at(length);
        self.rest = rest;
        (length > 0).then(|| digits.iter().fold(0, |n, digit| n * 10 + u32::from(digit - b'0')))
    }

    /// `15:4:5` with an optional fraction.
    fn clock(&mut self) -> bool {
        let below = |number: Option<u32>, limit| number.is_some_and(|n| n < limit);
        let valid = below(self.number(), 24)
            && self.skip(b':')
            && below(self.number(), 60)
            && self.skip(b':')
            && below(self.number(), 60);
        if let [b'.' | b',', digit, ..] = self.rest
            && digit.is_ascii_digit()
        {
            let length = self.rest[1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
            self.rest = &self.rest[1 + length..];
        }
        valid
    }

    /// `Z` or `±hh:mm`.
    fn zone(&mut self) -> bool {
        if self.skip(b'Z') {
            return true;
        }
        let two = |a: u8, b: u8| (a.is_ascii_digit() && b.is_ascii_digit()).then(|| (a - b'0') * 10 + (b - b'0'));
        let [b'+' | b'-', h1, h2, b':', m1, m2, rest @ ..] = self.rest else { return false };
        self.rest = rest;
        two(*h1, *h2).is_some_and(|hours| hours <= 24) && two(*m1, *m2).is_some_and(|minutes| minutes <= 60)
    }
}
