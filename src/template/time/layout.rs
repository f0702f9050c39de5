//! Go's layouts: a time is described by how a certain reference time would be written (`format.go` nextStdChunk).

/// An element of a layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element {
    /// `2006`.
    LongYear,
    /// `06`.
    Year,
    /// `January`.
    LongMonth,
    /// `Jan`.
    Month,
    /// `1`, `01`.
    MonthNumber(Padding),
    /// `Monday`.
    LongWeekday,
    /// `Mon`.
    Weekday,
    /// `2`, `_2`, `02`.
    Day(Padding),
    /// `__2`, `002`.
    DayOfYear(Padding),
    /// `15`.
    Hour,
    /// `3`, `03`.
    HourOfHalfDay(Padding),
    /// `4`, `04`.
    Minute(Padding),
    /// `5`, `05`.
    Second(Padding),
    /// `PM` or, true, `pm`.
    HalfDay { lower_case: bool },
    /// `MST`.
    ZoneName,
    /// `-0700` and its kin.
    ZoneOffset { utc_as_z: bool, colons: bool, precision: OffsetPrecision },
    /// `.000` or, where trailing zeros go, `.999`.
    Fraction { digits: usize, trimmed: bool, separator: u8 },
}

/// How a number is filled up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Padding {
    None,
    Space,
    Zero,
}

/// How far an offset from UTC is written out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OffsetPrecision {
    Hours,
    Minutes,
    Seconds,
}

/// The next element of a layout: what stands before it, itself and what follows; nothing where only text is left.
pub struct Chunk<'a> {
    pub prefix: &'a [u8],
    pub element: Option<Element>,
    pub suffix: &'a [u8],
}

/// Finds the next element.
pub fn next_chunk(layout: &[u8]) -> Chunk<'_> {
    for at in 0..layout.len() {
        let rest = &layout[at..];
        // In `_2006` the underscore is plain text.
        if rest.starts_with(b"_2006") {
            return Chunk { prefix: &layout[..=at], element: Some(Element::LongYear), suffix: &rest[5..] };
        }
        if let Some((element, length)) = element_at(rest) {
            return Chunk { prefix: &layout[..at], element: Some(element), suffix: &rest[length..] };
        }
    }
    Chunk { prefix: layout, element: None, suffix: &[] }
}

fn element_at(rest: &[u8]) -> Option<(Element, usize)> {
    use Element::{
        Day, DayOfYear, HalfDay, Hour, HourOfHalfDay, LongMonth, LongWeekday, LongYear, Minute, Month, MonthNumber,
        Second, Weekday, Year, ZoneName,
    };
    use Padding::{None as Bare, Space, Zero};
    let word = |length: usize| !rest.get(length).is_some_and(u8::is_ascii_lowercase);
    Some(match rest {
        [b'J', b'a', b'n', b'u', b'a', b'r', b'y', ..] => (LongMonth, 7),
        [b'J', b'a', b'n', ..] if word(3) => (Month, 3),
        [b'M', b'o', b'n', b'd', b'a', b'y', ..] => (LongWeekday, 6),
        [b'M', b'o', b'n', ..] if word(3) => (Weekday, 3),
        [b'M', b'S', b'T', ..] => (ZoneName, 3),
        [b'0', b'1', ..] => (MonthNumber(Zero), 2),
        [b'0', b'2', ..] => (Day(Zero), 2),
        [b'0', b'3', ..] => (HourOfHalfDay(Zero), 2),
        [b'0', b'4', ..] => (Minute(Zero), 2),
        [b'0', b'5', ..] => (Second(Zero), 2),
        [b'0', b'6', ..] => (Year, 2),
        [b'0', b'0', b'2', ..] => (DayOfYear(Zero), 3),
        [b'1', b'5', ..] => (Hour, 2),
        [b'1', ..] => (MonthNumber(Bare), 1),
        [b'2', b'0', b'0', b'6', ..] => (LongYear, 4),
        [b'2', ..] => (Day(Bare), 1),
        [b'_', b'2', ..] => (Day(Space), 2),
        [b'_', b'_', b'2', ..] => (DayOfYear(Space), 3),
        [b'3', ..] => (HourOfHalfDay(Bare), 1),
        [b'4', ..] => (Minute(Bare), 1),
        [b'5', ..] => (Second(Bare), 1),
        [b'P', b'M', ..] => (HalfDay { lower_case: false }, 2),
        [b'p', b'm', ..] => (HalfDay { lower_case: true }, 2),
        [sign @ (b'-' | b'Z'), offset @ ..] => return offset_at(offset, *sign == b'Z'),
        [separator @ (b'.' | b','), digits @ ..] => return fraction_at(*separator, digits),
        _ => return None,
    })
}

fn offset_at(offset: &[u8], utc_as_z: bool) -> Option<(Element, usize)> {
    const FORMS: [(&[u8], bool, OffsetPrecision); 5] = [
        (b"070000", false, OffsetPrecision::Seconds),
        (b"07:00:00", true, OffsetPrecision::Seconds),
        (b"0700", false, OffsetPrecision::Minutes),
        (b"07:00", true, OffsetPrecision::Minutes),
        (b"07", false, OffsetPrecision::Hours),
    ];
    let (form, colons, precision) = FORMS.into_iter().find(|(form, ..)| offset.starts_with(form))?;
    Some((Element::ZoneOffset { utc_as_z, colons, precision }, 1 + form.len()))
}

/// A run of zeros or nines after a point or comma, if no other digit follows it.
fn fraction_at(separator: u8, digits: &[u8]) -> Option<(Element, usize)> {
    let first = *digits.first().filter(|digit| matches!(digit, b'0' | b'9'))?;
    let count = digits.iter().take_while(|digit| **digit == first).count();
    let ended = !digits.get(count).is_some_and(u8::is_ascii_digit);
    ended.then_some((Element::Fraction { digits: count, trimmed: first == b'9', separator }, 1 + count))
}
