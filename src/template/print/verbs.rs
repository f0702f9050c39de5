//! Format strings: flags, widths, precisions, argument numbers and verbs (`fmt/print.go` doPrintf).

use super::formatter::Flags;
use super::printer::Printer;
use crate::template::unicode;
use crate::value::Value;

/// Widths and precisions beyond this are refused.
const MAX_NUMBER: i64 = 1_000_000;

/// The place in a format string, and which operand comes next.
struct Cursor<'f> {
    format: &'f [u8],
    position: usize,
    operand: usize,
    operands: usize,
    /// Whether any argument number occurred: then operands left over are not reported.
    is_reordered: bool,
    /// Whether the argument numbers of the present directive are right.
    is_number_good: bool,
    /// Whether an argument number came just before.
    is_after_number: bool,
}

impl Cursor<'_> {
    fn byte(&self) -> Option<u8> {
        self.format.get(self.position).copied()
    }

    fn accept(&mut self, byte: u8) -> bool {
        let accepted = self.byte() == Some(byte);
        self.position += usize::from(accepted);
        accepted
    }

    /// A decimal number, where there is one.
    fn number(&mut self) -> Option<usize> {
        let start = self.position;
        let mut number: i64 = 0;
        while let Some(digit) = self.byte().filter(u8::is_ascii_digit) {
            if number > MAX_NUMBER {
                self.position = self.format.len();
                return None;
            }
            number = number * 10 + i64::from(digit - b'0');
            self.position += 1;
        }
        if self.position == start { None } else { usize::try_from(number).ok() }
    }

    /// `[n]`: the next operand by its number.
    fn argument_number(&mut self) {
        self.is_after_number = false;
        if self.byte() != Some(b'[') {
            return;
        }
        self.is_reordered = true;
        let rest = &self.format[self.position..];
        let closing = if rest.len() < 3 { None } else { rest.iter().position(|&byte| byte == b']') };
        let Some(closing) = closing else {
            self.is_number_good = false;
            self.position += 1;
            return;
        };
        let mut inside = Cursor { format: &rest[..closing], position: 1, ..*self };
        let number = inside.number().filter(|_| inside.position == closing);
        self.position += closing + 1;
        match number {
            Some(number) if (1..=self.operands).contains(&number) => {
                self.operand = number - 1;
                self.is_after_number = true;
            }
            Some(_) => {
                self.is_number_good = false;
                self.is_after_number = true;
            }
            None => self.is_number_good = false,
        }
    }

    /// `*`: a width or precision that is an operand.
    fn operand_number(&mut self, values: &[Value]) -> Option<i64> {
        let value = values.get(self.operand)?;
        self.operand += 1;
        let number = match value {
            Value::Int(number) | Value::Int64(number) => *number,
            Value::Uint8(number) => i64::from(*number),
            Value::Uint64(number) => i64::try_from(*number).ok()?,
            Value::Object(object) => object.integer()?,
            _ => return None,
        };
        (-MAX_NUMBER..=MAX_NUMBER).contains(&number).then_some(number)
    }
}

impl Printer {
    /// Prints operands under a format string.
    pub(super) fn print_format(&mut self, format: &[u8], values: &[Value]) {
        let mut cursor = Cursor {
            format,
            position: 0,
            operand: 0,
            operands: values.len(),
            is_reordered: false,
            is_number_good: true,
            is_after_number: false,
        };
        while cursor.position < format.len() && !self.has_failed() {
            let rest = &format[cursor.position..];
            let text = rest.iter().position(|&byte| byte == b'%').unwrap_or(rest.len());
            self.write(&rest[..text]);
            cursor.position += text;
            if cursor.accept(b'%') && !self.print_directive(&mut cursor, values) {
                break;
            }
        }
        if !cursor.is_reordered && cursor.operand < values.len() {
            self.report_extra(&values[cursor.operand..]);
        }
    }

    /// One directive, whose `%` is read; false where the format ends within it.
    fn print_directive(&mut self, cursor: &mut Cursor<'_>, values: &[Value]) -> bool {
        cursor.is_number_good = true;
        self.formatter.flags = Flags::default();
        self.read_flags(cursor);
        cursor.argument_number();
        self.read_width(cursor, values);
        if cursor.position + 1 < cursor.format.len() && cursor.accept(b'.') {
            self.read_precision(cursor, values);
        }
        if !cursor.is_after_number {
            cursor.argument_number();
        }
        let (verb, width) = unicode::decode(&cursor.format[cursor.position.min(cursor.format.len())..]);
        if width == 0 {
            self.write(b"%!(NOVERB)");
            return false;
        }
        cursor.position += width;
        self.print_verb(cursor, values, verb);
        true
    }

    fn read_flags(&mut self, cursor: &mut Cursor<'_>) {
        let flags = &mut self.formatter.flags;
        while let Some(byte) = cursor.byte() {
            match byte {
                b'#' => flags.sharp = true,
                b'0' => flags.zero = true,
                b'+' => flags.plus = true,
                b'-' => flags.minus = true,
                b' ' => flags.space = true,
                _ => break,
            }
            cursor.position += 1;
        }
    }

    fn read_width(&mut self, cursor: &mut Cursor<'_>, values: &[Value]) {
        if !cursor.accept(b'*') {
            self.formatter.flags.width = cursor.number();
            if cursor.is_after_number && self.formatter.flags.width.is_some() {
                cursor.is_number_good = false;
            }
            return;
        }
        match cursor.operand_number(values) {
            None => self.write(b"%!(BADWIDTH)"),
            Some(width) => {
                let flags = &mut self.formatter.flags;
                flags.width = usize::try_from(width.unsigned_abs()).ok();
                if width < 0 {
                    flags.minus = true;
                    flags.zero = false;
                }
            }
        }
        cursor.is_after_number = false;
    }

    fn read_precision(&mut self, cursor: &mut Cursor<'_>, values: &[Value]) {
        if cursor.is_after_number {
            cursor.is_number_good = false;
        }
        cursor.argument_number();
        if !cursor.accept(b'*') {
            self.formatter.flags.precision = Some(cursor.number().unwrap_or(0));
            return;
        }
        let precision = cursor.operand_number(values).and_then(|number| usize::try_from(number).ok());
        if precision.is_none() {
            self.write(b"%!(BADPREC)");
        }
        self.formatter.flags.precision = precision;
        cursor.is_after_number = false;
    }

    fn print_verb(&mut self, cursor: &mut Cursor<'_>, values: &[Value], verb: u32) {
        let report = |printer: &mut Self, what: &[u8]| {
            printer.write(b"%!");
            unicode::push(&mut printer.formatter.out, verb);
            printer.write(what);
        };
        if verb == u32::from(b'%') {
            return self.write(b"%");
        }
        if !cursor.is_number_good {
            return report(self, b"(BADINDEX)");
        }
        let Some(value) = values.get(cursor.operand) else { return report(self, b"(MISSING)") };
        if verb == u32::from(b'v') || verb == u32::from(b'w') {
            let flags = &mut self.formatter.flags;
            flags.sharp_value = std::mem::take(&mut flags.sharp);
            flags.plus_value = std::mem::take(&mut flags.plus);
        }
        self.print_operand(value, verb);
        cursor.operand += 1;
    }

    fn report_extra(&mut self, values: &[Value]) {
        self.formatter.flags = Flags::default();
        self.write(b"%!(EXTRA ");
        for (index, value) in values.iter().enumerate() {
            self.write(if index > 0 { b", " } else { b"" });
            if !matches!(value, Value::Nil) {
                self.write(value.type_name().as_bytes());
                self.write(b"=");
            }
            self.print_operand(value, u32::from(b'v'));
        }
        self.write(b")");
    }
}
