//! Whole templates against what Helm v4.3.1 made of them, and the ends of renders that go too far.

use std::sync::Arc;
use std::time::Duration;

use super::functions::Chance;
use super::{Environment, Execution, Limits, NoLookup, Set, TemplateError, on_large_stack, parse};
use crate::value::{Json, Map, MapType, Value};

/// Recorded from Helm: a line with `values` is the data of the lines after it; the others hold a `template`, perhaps
/// `partials`, and the `output` or `error`.
const RECORDED: &str = include_str!("testdata/execution.jsonl");

const NAME: &str = "conformance/templates/t.yaml";

pub(super) struct NoChance;

impl Chance for NoChance {
    fn now(&self) -> i128 {
        0
    }

    fn bytes(&self, n: usize) -> Vec<u8> {
        vec![7; n]
    }
}

/// Renders as Helm does: deepest names first, then in descending order.
fn render(files: &[(String, String)], values: &Json, limits: Limits) -> Result<String, TemplateError> {
    let mut files: Vec<_> = files.iter().collect();
    files.sort_by(|a, b| b.0.cmp(&a.0));
    let mut set = Set::new();
    for (name, text) in &files {
        let parsed = parse(&text.as_str().into()).map_err(|error| error.into_template_error(name))?;
        set.add(name, &Arc::new(parsed))?;
    }
    let Value::Map(values) = Value::from(values) else { panic!("values are a table") };
    let data: Map = [("Values", Value::Map(values.with_type(MapType::Values)))].into_iter().collect();
    let data = Value::Map(data.with_type(MapType::Values));
    let environment = Environment { lookup: &NoLookup, chance: &NoChance, limits, lint: false };
    let mut execution = Execution::new(&set, environment);
    let mut output = Vec::new();
    for (name, _) in files {
        if name.contains("/_") {
            continue;
        }
        let rendered = execution.render(name, &data)?;
        if name == NAME {
            output = rendered;
        }
    }
    Ok(String::from_utf8_lossy(&output).into_owned())
}

fn render_text(template: &str, limits: Limits) -> Result<String, TemplateError> {
    render(&[(NAME.to_owned(), template.to_owned())], &Json::Object(serde_json::Map::new()), limits)
}

fn with_floats(json: Json) -> Json {
    match json {
        Json::Number(number) => Json::from(number.as_f64()),
        Json::Array(items) => items.into_iter().map(with_floats).collect(),
        Json::Object(entries) => entries.into_iter().map(|(key, value)| (key, with_floats(value))).collect(),
        other => other,
    }
}

#[test]
fn templates_render_and_fail_as_with_helm() {
    let mut values = Json::Null;
    let mut failures = Vec::new();
    for line in RECORDED.lines() {
        let mut line: Json = serde_json::from_str(line).expect("a JSON line");
        if let Some(data) = line.get_mut("values") {
            values = with_floats(data.take());
            continue;
        }
        let text = |key: &str| line[key].as_str().map(str::to_owned);
        let mut files = vec![(NAME.to_owned(), text("template").expect("a template"))];
        for (name, partial) in line["partials"].as_object().into_iter().flatten() {
            files.push((format!("conformance/templates/{name}"), partial.as_str().expect("a text").to_owned()));
        }
        let rendered = render(&files, &values, Limits::default()).map_err(|error| error.to_string());
        let expected = text("output").ok_or_else(|| text("error").unwrap_or_default());
        if rendered != expected {
            failures.push(format!("{}\n  expected {expected:?}\n  rendered {rendered:?}", files[0].1));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn parentheses_nest_as_deep_as_in_go() {
    let nested = |depth| format!("{{{{ {}1{} }}}}", "(".repeat(depth), ")".repeat(depth));
    let render = |depth| on_large_stack(|| render_text(&nested(depth), Limits::default())).expect("a thread");
    assert_eq!(render(9_000).as_deref(), Ok("1"));
    let refused = render(10_001).expect_err("one too many").to_string();
    assert_eq!(refused, format!("parse error at ({NAME}:1): max expression depth exceeded"));
}

#[test]
fn endless_recursion_ends_where_go_ends_it() {
    let template = "{{ define \"r\" }}{{ template \"r\" . }}{{ end }}\n{{ template \"r\" . }}";
    let error = on_large_stack(|| render_text(template, Limits::default())).expect("a thread");
    let expected = format!(
        "{NAME}:1:28\n  executing \"r\" at <{{{{template \"r\" .}}}}>:\n    exceeded maximum template depth (100000)"
    );
    assert_eq!(error.expect_err("endless").to_string(), expected);
}

#[test]
fn a_small_stack_ends_recursion_in_an_error() {
    let templates = [
        "{{ define \"r\" }}{{ template \"r\" . }}{{ end }}{{ template \"r\" . }}",
        "{{ define \"r\" }}{{ if 1 }}{{ tpl \"{{ template `r` . }}\" . }}{{ end }}{{ end }}{{ template \"r\" . }}",
    ];
    for template in templates {
        let error = render_text(template, Limits::default()).expect_err("endless");
        assert!(matches!(error, TemplateError::Limit(_)), "{error}");
    }
    let nested = format!("{}x{}", "{{ if 1 }}".repeat(9_000), "{{ end }}".repeat(9_000));
    let error = render_text(&nested, Limits::default()).expect_err("too deep for this stack");
    assert!(error.to_string().contains("exceeded maximum nesting depth"), "{error}");
}

#[test]
fn every_limit_ends_a_render_and_names_the_place() {
    let tight = Limits { steps: 1_000, ..Limits::default() };
    let few_bytes = Limits { bytes: 100, ..Limits::default() };
    let no_time = Limits { time: Duration::ZERO, ..Limits::default() };
    let shallow = Limits { depth: 10, ..Limits::default() };
    let recursion = "{{ define \"r\" }}{{ include \"r\" . }}{{ end }}\n{{ include \"r\" . }}";
    let cases = [
        ("\n{{ range 1000000 }}{{ end }}", tight, "takes more than 1000 steps"),
        ("\n{{ range 1000000 }}some text{{ end }}", few_bytes, "makes more than 100 bytes of text"),
        ("\n{{ print (repeat 99 \"a\") \"b\" | len }}", few_bytes, "makes more than 100 bytes of text"),
        ("\n{{ range 100000 }}{{ end }}", no_time, "takes longer than 0ns"),
        (recursion, shallow, "exceeded maximum template depth (10)"),
    ];
    for (template, limits, expected) in cases {
        let error = render_text(template, limits).expect_err(template);
        assert!(matches!(error, TemplateError::Limit(_)), "{error}");
        let text = error.to_string();
        assert!(text.contains(expected) && text.contains(&format!("{NAME}:")), "{text}");
    }
}

#[test]
fn a_map_that_contains_itself_is_an_error() {
    for print in ["$d", "print $d", "printf \"%v\" $d", "$d | quote"] {
        let template = format!("{{{{ $d := dict }}}}{{{{ $_ := set $d \"a\" $d }}}}{{{{ {print} }}}}");
        let error = render_text(&template, Limits::default()).expect_err("endless");
        assert!(error.to_string().ends_with("value is nested too deep to be printed"), "{error}");
    }
}

#[test]
fn one_parsed_file_serves_many_names_and_threads() {
    let parsed = Arc::new(parse(&"{{ fail \"x\" }}".into()).expect("it parses"));
    std::thread::scope(|scope| {
        for name in ["a/templates/t.yaml", "b/templates/t.yaml"] {
            let parsed = &parsed;
            scope.spawn(move || {
                let mut set = Set::new();
                set.add(name, parsed).expect("a new name");
                let environment =
                    Environment { lookup: &NoLookup, chance: &NoChance, limits: Limits::default(), lint: false };
                let error = Execution::new(&set, environment).render(name, &Value::Nil).expect_err("it fails");
                assert_eq!(error.to_string(), format!("execution error at ({name}:1:3): x"));
            });
        }
    });
}

#[test]
fn lint_lets_missing_values_pass() {
    let parsed = Arc::new(parse(&"[{{ required \"x\" nil }}{{ fail \"y\" }}]".into()).expect("it parses"));
    let mut set = Set::new();
    set.add("t", &parsed).expect("a new name");
    let environment = Environment { lookup: &NoLookup, chance: &NoChance, limits: Limits::default(), lint: true };
    assert_eq!(Execution::new(&set, environment).render("t", &Value::Nil), Ok(b"[]".to_vec()));
}
