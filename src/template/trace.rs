//! Where the text of a render comes from: which action of which template wrote it, and which values were read for it.
//!
//! A trace is only kept by a render that was given one; others pay a look at an empty place. Values are known by the
//! identity of the maps and lists that they stand in, so that it does not matter by which way a template came to them:
//! a field, a variable, `with`, or what an `include` was given. What a function made of a value is known no more, but
//! the reading of the value is.

use std::collections::HashMap;

use crate::value::{Map, Str, Value};

/// The output of a template, from first to last byte.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Output {
    /// The text, as it was written.
    pub text: String,
    /// What wrote it, in the order of the text.
    pub spans: Vec<Span>,
}

/// A piece of an output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// Where it begins in the output, in bytes.
    pub start: usize,
    /// Where it ends.
    pub end: usize,
    /// The file of the template that wrote it.
    pub template: String,
    /// The line in it, from 1.
    pub line: usize,
    /// The action as it stands there; empty for plain text.
    pub action: String,
    /// The values that were read for it, as paths below `.Values` of the root chart.
    pub reads: Vec<String>,
    /// The values that decided that it was written: those of the conditions and loops around it.
    pub conditions: Vec<String>,
    /// The outputs of the templates that it included.
    pub included: Vec<Output>,
}

/// What wrote a piece of text.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) template: String,
    pub(super) line: usize,
    pub(super) action: String,
}

/// Takes note of one render.
#[derive(Debug, Default)]
pub struct Trace {
    /// The paths of the maps and lists of the values, by their addresses. They live as long as the render.
    paths: HashMap<usize, String>,
    /// The outputs that are being written, the innermost last.
    open: Vec<Level>,
    /// What was read for each variable, by the address of its file and its number.
    variables: HashMap<(usize, u32), Vec<String>>,
    /// The output that was finished last.
    finished: Option<Output>,
}

/// An output that is being written.
#[derive(Debug, Default)]
struct Level {
    spans: Vec<Span>,
    reads: Vec<String>,
    conditions: Vec<String>,
    included: Vec<Output>,
}

impl Level {
    /// What was read since the last piece, by included templates too.
    fn pending(&self) -> Vec<String> {
        let inner = self.included.iter().flat_map(|output| &output.spans).flat_map(|span| &span.reads);
        self.reads.iter().chain(inner).cloned().collect()
    }
}

impl Trace {
    /// A trace that knows these values.
    pub fn of(values: &Map) -> Self {
        let mut trace = Self::default();
        trace.learn(String::new(), &Value::Map(values.clone()));
        trace
    }

    /// The output that was finished last.
    pub fn take(&mut self) -> Output {
        self.finished.take().unwrap_or_default()
    }

    fn learn(&mut self, path: String, value: &Value) {
        match value {
            Value::Map(map) => {
                for (key, value) in map.entries() {
                    self.learn(below(&path, &key), &value);
                }
                self.paths.entry(map.address()).or_insert(path);
            }
            Value::List(list) => {
                for (index, value) in list.items().iter().enumerate() {
                    self.learn(format!("{path}[{index}]"), value);
                }
                if !list.is_empty() {
                    self.paths.entry(list.address()).or_insert(path);
                }
            }
            _ => {}
        }
    }

    /// An output begins.
    pub(super) fn open(&mut self) {
        self.open.push(Level::default());
    }

    /// The innermost output has ended.
    pub(super) fn close(&mut self, text: &[u8]) {
        let Some(level) = self.open.pop() else { return };
        let output = Output { text: String::from_utf8_lossy(text).into_owned(), spans: level.spans };
        match self.open.last_mut() {
            Some(outer) => outer.included.push(output),
            None => self.finished = Some(output),
        }
    }

    /// A piece of the innermost output was written.
    pub(super) fn wrote(&mut self, place: Place, start: usize, end: usize) {
        let Some(level) = self.open.last_mut() else { return };
        let (reads, included) = (std::mem::take(&mut level.reads), std::mem::take(&mut level.included));
        let conditions = level.conditions.clone();
        let Place { template, line, action } = place;
        if start < end {
            level.spans.push(Span { start, end, template, line, action, reads, conditions, included });
        }
    }

    /// A member of a map was looked at.
    pub(super) fn read(&mut self, map: &Map, name: &Str) {
        let (Some(container), Some(level)) = (self.paths.get(&map.address()), self.open.last_mut()) else { return };
        // Of `.Values.a.b` only the whole way counts.
        if level.reads.last() == Some(container) {
            level.reads.pop();
        }
        level.reads.push(below(container, name));
    }

    /// A value was given to a function.
    pub(super) fn used(&mut self, value: &Value) {
        let address = match value {
            Value::Map(map) => map.address(),
            Value::List(list) if !list.is_empty() => list.address(),
            _ => return,
        };
        let (Some(path), Some(level)) = (self.paths.get(&address), self.open.last_mut()) else { return };
        if !path.is_empty() && level.reads.last() != Some(path) {
            level.reads.push(path.clone());
        }
    }

    /// A variable was set from what was read last.
    pub(super) fn set(&mut self, file: usize, variable: u32) {
        if let Some(level) = self.open.last() {
            self.variables.insert((file, variable), level.pending());
        }
    }

    /// A variable was read.
    pub(super) fn get(&mut self, file: usize, variable: u32) {
        let (Some(reads), Some(level)) = (self.variables.get(&(file, variable)), self.open.last_mut()) else { return };
        level.reads.extend(reads.iter().cloned());
    }

    /// What was read last was for nothing that is written.
    pub(super) fn forget(&mut self) {
        if let Some(level) = self.open.last_mut() {
            level.reads.clear();
            level.included.clear();
        }
    }

    /// What was read last decides about what follows. Returns what [`Trace::leave`] needs.
    pub(super) fn enter(&mut self) -> usize {
        let Some(level) = self.open.last_mut() else { return 0 };
        let mark = level.conditions.len();
        let pending = level.pending();
        level.conditions.extend(pending);
        level.reads.clear();
        level.included.clear();
        mark
    }

    /// What was entered has ended.
    pub(super) fn leave(&mut self, mark: usize) {
        if let Some(level) = self.open.last_mut() {
            level.conditions.truncate(mark);
        }
    }
}

fn below(path: &str, key: &Str) -> String {
    let key = key.to_text();
    if path.is_empty() { key.into_owned() } else { format!("{path}.{key}") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::tests::NoChance;
    use super::super::{Environment, Execution, Limits, NoLookup, Set, parse};
    use super::*;

    /// What each piece of the output of `main` is, and what was read for it.
    fn traced(main: &str, helpers: &str) -> Vec<(String, String)> {
        let values = json!({"name": "web", "count": 2, "image": {"tag": "1", "args": ["x"]}, "on": true});
        let Value::Map(values) = Value::from(&values) else { panic!("a map") };
        let mut set = Set::new();
        for (name, text) in [("_helpers.tpl", helpers), ("main.yaml", main)] {
            set.add(name, &std::sync::Arc::new(parse(&Str::from(text)).expect("a template"))).expect("one of a name");
        }
        let environment = Environment { lookup: &NoLookup, chance: &NoChance, limits: Limits::default(), lint: false };
        let dot = Value::Map([("Values", Value::Map(values.clone()))].into_iter().collect());
        let mut plain = Execution::new(&set, environment);
        let mut execution = Execution::traced(&set, environment, Trace::of(&values));
        let expected = plain.render("main.yaml", &dot).expect("it renders");
        assert_eq!(execution.render("main.yaml", &dot).expect("it renders"), expected, "a trace changes nothing");
        let output = execution.traced_output();
        assert_eq!(output.text.as_bytes(), expected);
        let told = |span: &Span| {
            let inner = span.included.iter().flat_map(|output| &output.spans);
            let inner = inner.map(|span| format!("{}:{} {}", span.template, span.line, span.reads.join(",")));
            let inner: Vec<String> = inner.collect();
            let text = output.text[span.start..span.end].to_owned();
            let told = format!("{}|{}|{}", span.reads.join(","), span.conditions.join(","), inner.join(";"));
            (text, format!("{}:{told}", span.line))
        };
        output.spans.iter().map(told).collect()
    }

    fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        expected.iter().map(|(text, told)| ((*text).to_owned(), (*told).to_owned())).collect()
    }

    #[test]
    fn fields_variables_and_arguments_tell_their_values() {
        assert_eq!(
            traced("a: {{ .Values.image.tag }}\n", ""),
            pairs(&[("a: ", "1:||"), ("1", "1:image.tag||"), ("\n", "1:||")])
        );
        let set = "{{ $x := .Values.name }}{{ $x }}";
        assert_eq!(traced(set, ""), pairs(&[("web", "1:name||")]));
        let list = "\n{{ toYaml .Values.image.args }}";
        assert_eq!(traced(list, "")[1], ("- x".to_owned(), "2:image.args||".to_owned()));
    }

    #[test]
    fn conditions_and_loops_are_told_for_what_stands_in_them() {
        let with = "{{ with .Values.image }}{{ .tag }}{{ end }}{{ .Values.name }}";
        assert_eq!(traced(with, ""), pairs(&[("1", "1:image.tag|image|"), ("web", "1:name||")]));
        let each = "{{ if .Values.on }}{{ range .Values.image.args }}{{ . }}{{ end }}{{ end }}!";
        assert_eq!(traced(each, ""), pairs(&[("x", "1:|on,image.args|"), ("!", "1:||")]));
    }

    #[test]
    fn what_is_included_is_told_with_its_own_lines() {
        let helpers = "{{ define \"full\" }}\n{{ .Values.name }}-x{{ end }}";
        let found = traced("{{ include \"full\" . | trim }}", helpers);
        let told = "1:||_helpers.tpl:1 ;_helpers.tpl:2 name;_helpers.tpl:2 ";
        assert_eq!(found, pairs(&[("web-x", told)]));
        assert_eq!(traced("{{ template \"full\" . }}", helpers)[1], ("web".to_owned(), "2:name||".to_owned()));
    }
}
