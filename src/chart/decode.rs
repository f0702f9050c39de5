//! Decoding plain data into known structures with the leniency and the error texts of Go's `encoding/json`, behind
//! `sigs.k8s.io/yaml`: keys match in any case, unknown keys are skipped, null changes nothing, numbers and booleans
//! become text where text is wanted, and the first mismatch is reported with its field path after all is read.

use crate::value::Json;
use crate::yaml::number;

/// A Go struct type: its own name, and the name error messages use for it.
#[derive(Clone, Copy, Debug)]
pub struct Structure {
    /// Empty for an anonymous struct.
    pub name: &'static str,
    /// As `reflect.Type` prints it.
    pub type_name: &'static str,
    /// The JSON names of its fields.
    pub fields: &'static [&'static str],
}

/// Where decoding stands, and its first error.
#[derive(Debug, Default)]
pub struct Decoder {
    path: Vec<&'static str>,
    structure: &'static str,
    error: Option<String>,
}

impl Decoder {
    /// Decodes with `read` and returns the first error's text, as `sigs.k8s.io/yaml` words it.
    ///
    /// # Errors
    /// Go's text for a value of the wrong type.
    pub fn run(read: impl FnOnce(&mut Self)) -> Result<(), String> {
        let mut decoder = Self::default();
        read(&mut decoder);
        match decoder.error {
            None => Ok(()),
            Some(error) => Err(format!("error unmarshaling JSON: while decoding JSON: {error}")),
        }
    }

    /// Calls `read` for each known field of an object, in byte order of the keys.
    pub fn fields(&mut self, json: &Json, of: Structure, mut read: impl FnMut(&mut Self, &'static str, &Json)) {
        let object = match json {
            Json::Null => return,
            Json::Object(object) => object,
            other => return self.mismatch(other, of.type_name),
        };
        let outer = std::mem::replace(&mut self.structure, of.name);
        for (key, value) in object {
            if let Some(field) = find(of.fields, key) {
                self.path.push(field);
                self.structure = of.name;
                read(self, field, value);
                self.path.pop();
            }
        }
        self.structure = outer;
    }

    /// A Go string.
    pub fn text(&mut self, json: &Json, target: &mut String) {
        match json {
            Json::Null => {}
            Json::String(text) => target.clone_from(text),
            Json::Bool(b) => *target = b.to_string(),
            Json::Number(number) => *target = number_text(number.as_f64().unwrap_or(f64::NAN)),
            other => self.mismatch(other, "string"),
        }
    }

    /// A Go bool.
    pub fn boolean(&mut self, json: &Json, target: &mut bool) {
        match json {
            Json::Null => {}
            Json::Bool(b) => *target = *b,
            other => self.mismatch(other, "bool"),
        }
    }

    /// Calls `read` for each element of an array; false where the value is null.
    pub fn elements(&mut self, json: &Json, type_name: &str, mut read: impl FnMut(&mut Self, &Json)) -> bool {
        match json {
            Json::Null => return false,
            Json::Array(items) => items.iter().for_each(|item| read(self, item)),
            other => self.mismatch(other, type_name),
        }
        true
    }

    /// A `[]string`.
    pub fn texts(&mut self, json: &Json, target: &mut Vec<String>) {
        target.clear();
        self.elements(json, "[]string", |decoder, item| {
            let mut text = String::new();
            decoder.text(item, &mut text);
            target.push(text);
        });
    }

    /// A `map[string]string`.
    pub fn text_map(&mut self, json: &Json, target: &mut std::collections::BTreeMap<String, String>) {
        match json {
            Json::Null => target.clear(),
            Json::Object(object) => {
                for (key, value) in object {
                    let mut text = String::new();
                    self.text(value, &mut text);
                    target.insert(key.clone(), text);
                }
            }
            other => self.mismatch(other, "map[string]string"),
        }
    }

    fn mismatch(&mut self, json: &Json, type_name: &str) {
        let kind = match json {
            Json::Null => "null",
            Json::Bool(_) => "bool",
            Json::Number(_) => "number",
            Json::String(_) => "string",
            Json::Array(_) => "array",
            Json::Object(_) => "object",
        };
        if self.error.is_some() {
            return;
        }
        let place = if self.path.is_empty() {
            format!("Go value of type {type_name}")
        } else {
            format!("Go struct field {}.{} of type {type_name}", self.structure, self.path.join("."))
        };
        self.error = Some(format!("json: cannot unmarshal {kind} into {place}"));
    }
}

fn find(fields: &'static [&'static str], key: &str) -> Option<&'static str> {
    let exact = fields.iter().find(|field| **field == key);
    exact.or_else(|| fields.iter().find(|field| field.eq_ignore_ascii_case(key))).copied()
}

/// A YAML number aimed at a string: integers whole, others as Go's shortest 32-bit text (`strconv.FormatFloat` with
/// `'g', -1, 32`), so that `1.10` is `1.1`.
fn number_text(number: f64) -> String {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if number.fract() == 0.0 && number.abs() <= EXACT {
        return format!("{number:.0}");
    }
    number::format_general_32(number)
}
