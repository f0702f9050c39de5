//! The grammar of `--set` and its kin (`pkg/strvals`): `a.b=1,c[0]={x,y}` written into values.
//!
//! Only [`Form::Typed`] gives types: `true`, `false`, `null` in any case and decimal integers without a leading zero
//! (kept as `i64`, unlike the numbers of values files); everything else is text. A backslash takes the next character
//! as it is.

use crate::value::Json;
use crate::yaml::quote::quote;

type Table = serde_json::Map<String, Json>;

/// Gives the content of a named file, or why it cannot.
pub type ReadFile<'a> = &'a mut dyn FnMut(&str) -> Result<String, String>;

/// The largest list index.
const MAX_INDEX: usize = 65_536;
/// How many names may be chained with dots, and how many indices with brackets, for which Helm has no limit.
const MAX_NESTING: usize = 30;
/// How many empty elements one expression may make in front of those that it sets, for which Helm has no limit.
const MAX_FILLED: usize = 1 << 20;

/// How the right side of an assignment is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `--set`.
    Typed,
    /// `--set-string`: always text.
    Text,
    /// `--set-json`: JSON values; a text that starts with `{` is one object of values.
    Json,
    /// `--set-literal`: one assignment whose value is the rest of the text, as it is.
    Literal,
}

/// An expression that cannot be read. The text is Helm's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SetError(String);

/// Applies an expression to values, over what they hold.
///
/// # Errors
/// [`SetError`]; assignments before the faulty one have taken place.
pub fn apply(expression: &str, form: Form, values: &mut Table) -> Result<(), SetError> {
    if form == Form::Json && expression.trim_start().starts_with('{') {
        let object = serde_json::from_str(expression).map_err(|error| SetError(error.to_string()))?;
        if let Json::Object(object) = floats(object) {
            super::merge_maps(values, object);
        }
        return Ok(());
    }
    Parser::new(expression, form, None).parse(values)
}

/// Applies an expression whose right sides name files; `read` gives their content (`--set-file`).
///
/// # Errors
/// [`SetError`], also with the text of a failed `read`.
pub fn apply_files(expression: &str, read: ReadFile<'_>, values: &mut Table) -> Result<(), SetError> {
    Parser::new(expression, Form::Text, Some(read)).parse(values)
}

/// Why reading stopped.
enum Stop {
    /// At the end of the text, which is no error.
    End,
    Error(String),
}

impl From<String> for Stop {
    fn from(error: String) -> Self {
        Self::Error(error)
    }
}

struct Parser<'a> {
    text: &'a str,
    form: Form,
    read_file: Option<ReadFile<'a>>,
    /// How many further elements lists may be filled up with.
    spare_elements: usize,
    /// How many indices the present assignment has had.
    indices: usize,
}

impl<'a> Parser<'a> {
    fn new(text: &'a str, form: Form, read_file: Option<ReadFile<'a>>) -> Self {
        Self { text, form, read_file, spare_elements: MAX_FILLED, indices: 0 }
    }

    fn parse(mut self, values: &mut Table) -> Result<(), SetError> {
        loop {
            self.indices = 0;
            match self.key(values, 0) {
                Ok(()) => {}
                Err(Stop::End) => return Ok(()),
                Err(Stop::Error(error)) => return Err(SetError(error)),
            }
        }
    }

    fn next(&mut self) -> Option<char> {
        let character = self.text.chars().next()?;
        self.text = &self.text[character.len_utf8()..];
        Some(character)
    }

    /// Reads up to one of the stop characters; nothing as the second part means the text's end.
    fn until(&mut self, stops: &[char]) -> (String, Option<char>) {
        let mut read = String::new();
        while let Some(character) = self.next() {
            match character {
                stop if stops.contains(&stop) => return (read, Some(stop)),
                '\\' if self.form != Form::Literal => match self.next() {
                    Some(escaped) => read.push(escaped),
                    None => return (read, None),
                },
                other => read.push(other),
            }
        }
        (read, None)
    }

    fn key(&mut self, data: &mut Table, level: usize) -> Result<(), Stop> {
        let stops: &[char] = if self.form == Form::Literal { &['=', '[', '.'] } else { &['=', '[', ',', '.'] };
        let (key, stop) = self.until(stops);
        match stop {
            None if key.is_empty() => Err(Stop::End),
            None => Err(format!("key {} has no value", quote(&key)).into()),
            Some('[') => self.indexed_key(data, key, level),
            Some('=') => {
                let (value, result) = self.value();
                if let Some(value) = value {
                    set(data, key, value);
                }
                result
            }
            Some(',') => {
                let error = format!("key {} has no value (cannot end with ,)", quote(&key));
                set(data, key, Json::String(String::new()));
                Err(error.into())
            }
            Some(_) => self.nested_key(data, key, level + 1),
        }
    }

    fn indexed_key(&mut self, data: &mut Table, key: String, level: usize) -> Result<(), Stop> {
        let index = self.index()?;
        let mut list = match data.remove(&key) {
            None => Vec::new(),
            Some(Json::Array(list)) => list,
            Some(other) => {
                let error = conversion_error(&other, "[]interface {}");
                data.insert(key, other);
                return Err(error);
            }
        };
        let result = self.item(&mut list, index, level);
        set(data, key, Json::Array(list));
        result
    }

    fn nested_key(&mut self, data: &mut Table, key: String, level: usize) -> Result<(), Stop> {
        if level > MAX_NESTING {
            return Err(too_nested());
        }
        let (mut inner, existed) = match data.remove(&key) {
            None => (Table::new(), false),
            Some(Json::Object(inner)) => (inner, true),
            Some(other) => {
                let error = conversion_error(&other, "map[string]interface {}");
                data.insert(key, other);
                return Err(error);
            }
        };
        let mut result = self.key(&mut inner, level);
        if result.is_ok() && inner.is_empty() {
            result = Err(format!("key map {} has no value", quote(&key)).into());
        }
        if existed || !inner.is_empty() {
            set(data, key, Json::Object(inner));
        }
        result
    }

    fn index(&mut self) -> Result<i64, Stop> {
        let (text, stop) = self.until(&[']']);
        if stop.is_none() {
            return Err(Stop::End);
        }
        let invalid = || format!("error parsing index: strconv.Atoi: parsing {}: invalid syntax", quote(&text));
        text.parse().map_err(|_| Stop::Error(invalid()))
    }

    /// What follows `[index]`: a value, a further index or a key.
    fn item(&mut self, list: &mut Vec<Json>, index: i64, level: usize) -> Result<(), Stop> {
        let Ok(index) = usize::try_from(index) else {
            return Err(format!("negative {index} index not allowed").into());
        };
        self.indices += 1;
        if self.indices > MAX_NESTING {
            return Err(too_nested());
        }
        let (rest, stop) = self.until(&['[', '.', '=']);
        if !rest.is_empty() {
            return Err(format!("unexpected data at end of array index: {}", quote(&rest)).into());
        }
        match stop {
            None => Err(Stop::End),
            Some('=') => match self.value() {
                (Some(value), Ok(()) | Err(Stop::End)) => self.set_index(list, index, value),
                (_, result) => result,
            },
            Some('[') => {
                let next = self.index()?;
                let mut inner = match list.get(index) {
                    None | Some(Json::Null) => Vec::new(),
                    Some(Json::Array(inner)) => inner.clone(),
                    Some(other) => return Err(conversion_error(other, "[]interface {}")),
                };
                self.item(&mut inner, next, level)?;
                self.set_index(list, index, Json::Array(inner))
            }
            Some(_) => {
                let mut inner = match list.get_mut(index) {
                    Some(Json::Object(inner)) => std::mem::take(inner),
                    _ => Table::new(),
                };
                let result = self.key(&mut inner, level);
                if result.is_ok() || list.len() > index {
                    self.set_index(list, index, Json::Object(inner))?;
                }
                result
            }
        }
    }

    fn set_index(&mut self, list: &mut Vec<Json>, index: usize, value: Json) -> Result<(), Stop> {
        if index > MAX_INDEX {
            return Err(format!("index of {index} is greater than maximum supported index of {MAX_INDEX}").into());
        }
        if list.len() <= index {
            let filled = index - list.len();
            let too_many = || format!("lists are filled up with more than {MAX_FILLED} empty elements");
            self.spare_elements = self.spare_elements.checked_sub(filled).ok_or_else(too_many)?;
            list.resize(index + 1, Json::Null);
        }
        list[index] = value;
        Ok(())
    }

    /// The right side of an assignment, and how reading it ended.
    fn value(&mut self) -> (Option<Json>, Result<(), Stop>) {
        if self.form == Form::Literal {
            let rest = std::mem::take(&mut self.text);
            return (Some(Json::String(rest.to_owned())), Ok(()));
        }
        let result = match self.form {
            Form::Json => self.json(),
            _ if self.text.is_empty() => return (Some(Json::String(String::new())), Err(Stop::End)),
            _ if self.text.starts_with('{') => self.list(),
            _ => {
                let (text, _) = self.until(&[',']);
                self.convert(text)
            }
        };
        match result {
            Ok(value) => (Some(value), Ok(())),
            Err(error) => (None, Err(Stop::Error(error))),
        }
    }

    fn list(&mut self) -> Result<Json, String> {
        self.next();
        let mut list = Vec::new();
        loop {
            let (text, stop) = self.until(&[',', '}']);
            let Some(stop) = stop else { return Err("list must terminate with '}'".to_owned()) };
            if stop == '}' && self.text.starts_with(',') {
                self.next();
            }
            list.push(self.convert(text)?);
            if stop == '}' {
                return Ok(Json::Array(list));
            }
        }
    }

    fn json(&mut self) -> Result<Json, String> {
        if self.skip_blank() {
            return Ok(Json::Null);
        }
        let mut stream = serde_json::Deserializer::from_str(self.text).into_iter::<Json>();
        let value = stream.next().unwrap_or(Ok(Json::Null)).map_err(|error| error.to_string())?;
        self.text = self.text.get(stream.byte_offset()..).unwrap_or_default();
        self.skip_blank();
        Ok(floats(value))
    }

    /// Skips white space and one comma after it; true where a comma or the end was reached.
    fn skip_blank(&mut self) -> bool {
        self.text = self.text.trim_start();
        match self.text.strip_prefix(',') {
            Some(rest) => {
                self.text = rest;
                true
            }
            None => self.text.is_empty(),
        }
    }

    fn convert(&mut self, text: String) -> Result<Json, String> {
        if let Some(read) = &mut self.read_file {
            return read(&text).map(Json::String);
        }
        Ok(if self.form == Form::Typed { typed(text) } else { Json::String(text) })
    }
}

fn typed(text: String) -> Json {
    if let Some(word) = ["true", "false", "null"].iter().position(|word| text.eq_ignore_ascii_case(word)) {
        return [Json::Bool(true), Json::Bool(false), Json::Null][word].clone();
    }
    let integer = if text == "0" || !text.starts_with('0') { text.parse::<i64>().ok() } else { None };
    integer.map_or(Json::String(text), Json::from)
}

fn too_nested() -> Stop {
    format!("value name nested level is greater than maximum supported nested level of {MAX_NESTING}").into()
}

/// An empty key is skipped.
fn set(data: &mut Table, key: String, value: Json) {
    if !key.is_empty() {
        data.insert(key, value);
    }
}

/// Go's text for the failed type assertion that Helm recovers from.
fn conversion_error(found: &Json, wanted: &str) -> Stop {
    let found = match found {
        Json::Null => "nil",
        Json::Bool(_) => "bool",
        Json::Number(number) if number.is_f64() => "float64",
        Json::Number(_) => "int64",
        Json::String(_) => "string",
        Json::Array(_) => "[]interface {}",
        Json::Object(_) => "map[string]interface {}",
    };
    Stop::Error(format!("unable to parse key: interface conversion: interface {{}} is {found}, not {wanted}"))
}

/// Every number as `f64`, as Go reads JSON.
fn floats(json: Json) -> Json {
    match json {
        Json::Number(number) => number.as_f64().map_or(Json::Null, Json::from),
        Json::Array(items) => items.into_iter().map(floats).collect(),
        Json::Object(entries) => Json::Object(entries.into_iter().map(|(key, value)| (key, floats(value))).collect()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn run(expression: &str, form: Form) -> Result<Json, String> {
        let mut values = Table::new();
        apply(expression, form, &mut values).map_err(|error| error.to_string())?;
        Ok(Json::Object(values))
    }

    #[test]
    fn typed_expressions_give_helms_values() {
        let table = [
            ("", json!({})),
            ("name1=value1,name2=value2,", json!({"name1": "value1", "name2": "value2"})),
            ("a=true,b=FALSE,c=null", json!({"a": true, "b": false, "c": null})),
            ("a=0,b=007,c=1.5,d=1e3,e=-3,f=", json!({"a": 0, "b": "007", "c": "1.5", "d": "1e3", "e": -3, "f": ""})),
            ("a.b.c=1,a.b.d=2", json!({"a": {"b": {"c": 1, "d": 2}}})),
            ("a={1,x,true},b=z", json!({"a": [1, "x", true], "b": "z"})),
            ("a={}", json!({"a": [""]})),
            ("a[0].b=1,a[0].c=2,a[2]=x", json!({"a": [{"b": 1, "c": 2}, null, "x"]})),
            ("a[0][1]=x", json!({"a": [[null, "x"]]})),
            ("a\\.b=c\\,d", json!({"a.b": "c,d"})),
            ("a==b", json!({"a": "=b"})),
        ];
        for (expression, expected) in table {
            assert_eq!(run(expression, Form::Typed), Ok(expected), "{expression}");
        }
    }

    #[test]
    fn faulty_expressions_get_helms_words() {
        let deep = format!("{}=x", vec!["a"; 32].join("."));
        let indices = format!("a{}=x", "[0]".repeat(31));
        let filled: String = (0..17).map(|n| format!("a{n}[65536]=x,")).collect();
        let table = [
            ("name1", "key \"name1\" has no value"),
            ("name1=v,name2", "key \"name2\" has no value"),
            ("name1,name2=", "key \"name1\" has no value (cannot end with ,)"),
            ("a={x", "list must terminate with '}'"),
            ("a[-1]=x", "negative -1 index not allowed"),
            ("a[x]=x", "error parsing index: strconv.Atoi: parsing \"x\": invalid syntax"),
            ("a[0]b=x", "unexpected data at end of array index: \"b\""),
            ("a[65537]=x", "index of 65537 is greater than maximum supported index of 65536"),
            (&indices, "value name nested level is greater than maximum supported nested level of 30"),
            (&filled, "lists are filled up with more than 1048576 empty elements"),
            (
                "a=1,a.b=2",
                "unable to parse key: interface conversion: interface {} is int64, not map[string]interface {}",
            ),
            ("a=x,a[0]=2", "unable to parse key: interface conversion: interface {} is string, not []interface {}"),
            (&deep, "value name nested level is greater than maximum supported nested level of 30"),
        ];
        for (expression, expected) in table {
            assert_eq!(run(expression, Form::Typed), Err(expected.to_owned()), "{expression}");
        }
    }

    #[test]
    fn the_other_forms_read_their_own_way() {
        assert_eq!(run("a=1,b=true", Form::Text), Ok(json!({"a": "1", "b": "true"})));
        assert_eq!(run("a.b=x,y={\\", Form::Literal), Ok(json!({"a": {"b": "x,y={\\"}})));
        assert_eq!(
            run("a={\"b\": 1} ,c[1]=[true],d=", Form::Json),
            Ok(json!({"a": {"b": 1.0}, "c": [null, [true]], "d": null}))
        );
        assert_eq!(run("{\"a\": {\"b\": 1}}", Form::Json), Ok(json!({"a": {"b": 1.0}})));
        let mut values = Table::new();
        let mut read = |path: &str| Ok(format!("<{path}>"));
        apply_files("a=x.txt,b={y,z}", &mut read, &mut values).expect("valid");
        assert_eq!(Json::Object(values), json!({"a": "<x.txt>", "b": ["<y>", "<z>"]}));
    }
}
