//! Values of every kind under a verb (`fmt/print.go` printArg and printValue).

use super::PrintError;
use super::formatter::Formatter;
use crate::value::{Kind, List, Map, Object, Value};

/// How deep values are followed. Go follows them until its stack ends.
const MAX_DEPTH: usize = 1_000;

/// The printer: formats one call's operands into one text.
#[derive(Debug, Default)]
pub(super) struct Printer {
    pub(super) formatter: Formatter,
    /// Set while a wrong verb is reported, which must not call methods.
    is_reporting: bool,
}

impl Printer {
    pub(super) fn new() -> Self {
        Self::default()
    }

    pub(super) fn write(&mut self, bytes: &[u8]) {
        self.formatter.write(bytes);
    }

    pub(super) fn finish(self) -> Result<Vec<u8>, PrintError> {
        match self.formatter.failure {
            None => Ok(self.formatter.out),
            Some(failure) => Err(failure),
        }
    }

    pub(super) fn has_failed(&self) -> bool {
        self.formatter.failure.is_some()
    }

    /// Prints one operand of a call.
    pub(super) fn print_operand(&mut self, value: &Value, verb: u32) {
        match (value, u8::try_from(verb).unwrap_or(0)) {
            (Value::Nil, b'T' | b'v') => self.formatter.pad(b"<nil>"),
            (Value::Nil, _) => self.bad_verb(value, verb),
            (_, b'T') => self.formatter.string(value.type_name().as_bytes()),
            (_, b'p') => self.print_pointer(value, verb),
            (Value::List(_) | Value::Map(_) | Value::Object(_), b'w') => self.bad_verb(value, verb),
            _ => self.print_value(value, verb, 0),
        }
    }

    /// Prints a value, the one inside an interface where it is part of another value.
    fn print_value(&mut self, value: &Value, verb: u32, depth: usize) {
        if depth > MAX_DEPTH {
            self.formatter.failure.get_or_insert(PrintError::TooDeep);
        }
        if self.has_failed() {
            return;
        }
        match value {
            Value::Nil if self.formatter.flags.sharp_value => self.write(b"interface {}(nil)"),
            Value::Nil => self.write(b"<nil>"),
            Value::Bool(boolean) => match verb_byte(verb) {
                b't' | b'v' => self.formatter.boolean(*boolean),
                _ => self.bad_verb(value, verb),
            },
            Value::Int(number) | Value::Int64(number) => self.print_signed(value, *number, verb),
            Value::Uint64(number) => self.print_unsigned(value, *number, verb),
            Value::Uint8(number) => self.print_unsigned(value, u64::from(*number), verb),
            Value::Float(number) => self.print_float(value, *number, verb),
            Value::Str(text) => self.print_string(value, text.as_bytes(), verb),
            Value::Bytes(bytes) => self.print_bytes(value, bytes.as_bytes(), verb, depth),
            Value::List(list) => self.print_list(list, verb, depth),
            Value::Map(map) => self.print_map(map, verb, depth),
            Value::Object(object) => self.print_object(object.as_ref(), value, verb, depth),
        }
    }

    fn print_signed(&mut self, value: &Value, number: i64, verb: u32) {
        match verb_byte(verb) {
            b'v' | b'd' | b'b' | b'o' | b'O' | b'x' | b'X' => {
                self.formatter.integer(number.unsigned_abs(), number < 0, verb);
            }
            _ => self.print_character(value, number as u64, verb),
        }
    }

    fn print_unsigned(&mut self, value: &Value, number: u64, verb: u32) {
        match verb_byte(verb) {
            b'v' if self.formatter.flags.sharp_value => self.formatter.hexadecimal(number, true),
            b'v' | b'd' | b'b' | b'o' | b'O' | b'x' | b'X' => self.formatter.integer(number, false, verb),
            _ => self.print_character(value, number, verb),
        }
    }

    fn print_character(&mut self, value: &Value, number: u64, verb: u32) {
        match verb_byte(verb) {
            b'c' => self.formatter.character(number),
            b'q' => self.formatter.quoted_character(number),
            b'U' => self.formatter.code_point(number),
            _ => self.bad_verb(value, verb),
        }
    }

    fn print_float(&mut self, value: &Value, number: f64, verb: u32) {
        match verb_byte(verb) {
            b'v' => self.formatter.float(number, b'g', None),
            byte @ (b'b' | b'g' | b'G' | b'x' | b'X') => self.formatter.float(number, byte, None),
            byte @ (b'f' | b'e' | b'E') => self.formatter.float(number, byte, Some(6)),
            b'F' => self.formatter.float(number, b'f', Some(6)),
            _ => self.bad_verb(value, verb),
        }
    }

    fn print_string(&mut self, value: &Value, text: &[u8], verb: u32) {
        match verb_byte(verb) {
            b'v' if self.formatter.flags.sharp_value => self.formatter.quoted(text),
            b'v' | b's' => self.formatter.string(text),
            b'x' => self.formatter.bytes_in_hexadecimal(text, false),
            b'X' => self.formatter.bytes_in_hexadecimal(text, true),
            b'q' => self.formatter.quoted(text),
            _ => self.bad_verb(value, verb),
        }
    }

    fn print_bytes(&mut self, value: &Value, bytes: &[u8], verb: u32, depth: usize) {
        match verb_byte(verb) {
            b's' | b'x' | b'X' | b'q' => return self.print_string(value, bytes, verb),
            _ => {}
        }
        let type_name = if depth == 0 { "[]byte" } else { "[]uint8" };
        self.open_list(type_name);
        for (index, &byte) in bytes.iter().enumerate() {
            self.separate(index);
            self.print_value(&Value::Uint8(byte), verb, depth + 1);
        }
        self.close_list();
    }

    fn print_list(&mut self, list: &List, verb: u32, depth: usize) {
        if self.formatter.flags.sharp_value && list.is_nil() {
            self.write(list.element_type().list_type_name().as_bytes());
            return self.write(b"(nil)");
        }
        self.open_list(list.element_type().list_type_name());
        for (index, item) in list.items().iter().enumerate() {
            self.separate(index);
            self.print_value(item, verb, depth + 1);
        }
        self.close_list();
    }

    fn open_list(&mut self, type_name: &str) {
        if self.formatter.flags.sharp_value {
            self.write(type_name.as_bytes());
            self.write(b"{");
        } else {
            self.write(b"[");
        }
    }

    fn close_list(&mut self) {
        self.write(if self.formatter.flags.sharp_value { b"}" } else { b"]" });
    }

    fn separate(&mut self, index: usize) {
        if index > 0 {
            self.write(if self.formatter.flags.sharp_value { b", " } else { b" " });
        }
    }

    fn print_map(&mut self, map: &Map, verb: u32, depth: usize) {
        if self.formatter.flags.sharp_value && map.is_nil() {
            self.write(map.map_type().name().as_bytes());
            return self.write(b"(nil)");
        }
        self.print_entries(map.map_type().name(), &map.entries(), verb, depth);
    }

    fn print_entries(&mut self, type_name: &str, entries: &[(crate::value::Str, Value)], verb: u32, depth: usize) {
        if self.formatter.flags.sharp_value {
            self.write(type_name.as_bytes());
            self.write(b"{");
        } else {
            self.write(b"map[");
        }
        for (index, (key, value)) in entries.iter().enumerate() {
            self.separate(index);
            self.print_value(&Value::Str(key.clone()), verb, depth + 1);
            self.write(b":");
            self.print_value(value, verb, depth + 1);
        }
        self.close_list();
    }

    fn print_object(&mut self, object: &dyn Object, value: &Value, verb: u32, depth: usize) {
        let flags = self.formatter.flags;
        let is_textual = matches!(verb_byte(verb), b'v' | b's' | b'x' | b'X' | b'q');
        if is_textual && !flags.sharp_value && !self.is_reporting && object.has_text(false) {
            return self.print_string(value, object.print(false).as_bytes(), verb);
        }
        if flags.sharp_value && !self.is_reporting && object.method("GoString").is_some() {
            let text = object.call("GoString", &[]).ok();
            return self.formatter.string(text.as_ref().and_then(Value::as_str).map_or(&[], |text| text.as_bytes()));
        }
        if let Some(number) = object.integer() {
            return self.print_signed(value, number, verb);
        }
        if object.kind() == Kind::Pointer && (depth > 0 || !object.is_true()) {
            return self.print_inner_pointer(object, value, verb);
        }
        let fields = object.fields();
        if !fields.is_empty() {
            return self.print_fields(object.type_name(), &fields, verb, depth);
        }
        if let Some(entries) = object.entries() {
            return self.print_entries(object.type_name(), &entries, verb, depth);
        }
        if let Some(items) = object.items() {
            self.open_list(object.type_name());
            for (index, item) in items.iter().enumerate() {
                self.separate(index);
                self.print_value(item, verb, depth + 1);
            }
            return self.close_list();
        }
        self.write(object.print(false).as_bytes());
    }

    /// A pointer that is nil or part of another value.
    fn print_inner_pointer(&mut self, object: &dyn Object, value: &Value, verb: u32) {
        let address = if object.is_true() { SOME_ADDRESS } else { 0 };
        match verb_byte(verb) {
            b'v' if address == 0 => self.formatter.pad(b"<nil>"),
            b'v' => self.formatter.hexadecimal(address, !self.formatter.flags.sharp),
            b'b' | b'o' | b'd' | b'x' | b'X' => self.formatter.integer(address, false, verb),
            _ => self.bad_verb(value, verb),
        }
    }

    fn print_fields(&mut self, type_name: &str, fields: &[(&str, Value)], verb: u32, depth: usize) {
        let flags = self.formatter.flags;
        if let Some(pointed) = type_name.strip_prefix('*') {
            self.write(b"&");
            if flags.sharp_value {
                self.write(pointed.as_bytes());
            }
        } else if flags.sharp_value {
            self.write(type_name.as_bytes());
        }
        self.write(b"{");
        for (index, (name, value)) in fields.iter().enumerate() {
            self.separate(index);
            if flags.plus_value || flags.sharp_value {
                self.write(name.as_bytes());
                self.write(b":");
            }
            self.print_value(value, verb, depth + 1);
        }
        self.write(b"}");
    }

    /// The address of what is shared; no two runs print the same, in Go as here.
    fn print_pointer(&mut self, value: &Value, verb: u32) {
        let address = match value {
            Value::List(list) => list.address(),
            Value::Map(map) => map.address(),
            Value::Bytes(bytes) => bytes.as_bytes().as_ptr().addr(),
            _ => return self.bad_verb(value, verb),
        };
        let has_prefix = !self.formatter.flags.sharp;
        self.formatter.hexadecimal(address as u64, has_prefix);
    }

    /// `%!d(string=x)`: the verb does not fit the value.
    pub(super) fn bad_verb(&mut self, value: &Value, verb: u32) {
        let was_reporting = std::mem::replace(&mut self.is_reporting, true);
        self.write(b"%!");
        crate::template::unicode::push(&mut self.formatter.out, verb);
        self.write(b"(");
        match value {
            Value::Nil => self.write(b"<nil>"),
            _ => {
                self.write(value.type_name().as_bytes());
                self.write(b"=");
                self.print_value(value, u32::from(b'v'), 0);
            }
        }
        self.write(b")");
        self.is_reporting = was_reporting;
    }
}

/// Where Go prints an address, another one in every process.
const SOME_ADDRESS: u64 = 0xc0_0000_0000;

/// The verb where it is ASCII; no verb of Go's is anything else.
fn verb_byte(verb: u32) -> u8 {
    u8::try_from(verb).unwrap_or(0)
}
