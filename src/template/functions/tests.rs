//! Sprig's functions against what Sprig 3.3.0 itself gave.

use std::sync::Arc;

use super::Chance;
use crate::template::{Environment, Execution, Limits, NoLookup, Set, TemplateError, parse};
use crate::value::{Json, Value};

/// A line holds a call and, after a tab, `=` and the result's type and quoted text, or `!` and how the error ends; both
/// as JSON. A line with its own braces is a whole template, whose output follows `=`.
const RECORDED: &str = include_str!("testdata/sprig.txt");
/// The data that the calls refer to. Its numbers are float64, as in a values file.
const DATA: &str = include_str!("testdata/sprig.json");

struct NoChance;

impl Chance for NoChance {
    fn now(&self) -> i128 {
        0
    }

    fn bytes(&self, n: usize) -> Vec<u8> {
        vec![7; n]
    }
}

fn render_within(template: &str, limits: Limits) -> Result<String, String> {
    let data: Json = serde_json::from_str(DATA).expect("the data is JSON");
    let parsed = parse(&template.into()).map_err(|error| error.text("t"))?;
    let mut set = Set::new();
    set.add("t", &Arc::new(parsed)).map_err(|error| error.to_string())?;
    let environment = Environment { lookup: &NoLookup, chance: &NoChance, limits, lint: false };
    let data = Value::from(&with_floats(data));
    let rendered: Result<Vec<u8>, TemplateError> = Execution::new(&set, environment).render("t", &data);
    rendered.map(|text| String::from_utf8_lossy(&text).into_owned()).map_err(|error| error.to_string())
}

fn render(template: &str) -> Result<String, String> {
    render_within(template, Limits::default())
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
fn calls_give_what_sprig_gives() {
    let mut failures = Vec::new();
    for line in RECORDED.lines() {
        let (call, expected) = line.split_once('\t').expect("two columns");
        let text: String = serde_json::from_str(&expected[1..]).expect("a JSON string");
        let template = match call.contains("{{") {
            true => call.to_owned(),
            false => format!(r#"{{{{ $r := {call} }}}}{{{{ typeOf $r }}}} {{{{ printf "%q" (toString $r) }}}}"#),
        };
        let outcome = render(&template);
        let agrees = match &outcome {
            Ok(output) => expected.starts_with('=') && *output == text.replace("<no value>", ""),
            Err(error) => expected.starts_with('!') && error.ends_with(&text),
        };
        if !agrees {
            failures.push(format!("{call}\n  expected {expected}\n  got {outcome:?}"));
        }
    }
    assert!(failures.is_empty(), "{} calls differ\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn a_call_that_would_explode_ends_in_an_error() {
    let calls = [
        r#"repeat 1000000000000 "x""#,
        "until 1000000000000",
        "untilStep 0 9223372036854775807 1",
        "seq 9000000000000000000",
        r#"indent 1000000000000 "x""#,
        r#"wrapWith 1 (repeat 100000 "x") (repeat 100000 "y")"#,
        r#"replace "" (repeat 100000 "x") (repeat 100000 "y")"#,
        r#"regexReplaceAll "" (repeat 100000 "y") (repeat 100000 "x")"#,
        r#"join (repeat 100000 "x") (until 100000)"#,
        "randAlphaNum 1000000000000",
        r#"uniq (regexFindAll "." (repeat 100000 "x") -1 | reverse | concat (until 100000))"#,
    ];
    for call in calls {
        let limits = Limits { steps: 10_000_000, bytes: 64 << 20, ..Limits::default() };
        assert!(render_within(&format!("{{{{ {call} | len }}}}"), limits).is_err(), "{call}");
    }
}

#[test]
fn a_dict_in_itself_ends_in_an_error() {
    for call in ["deepCopy $d", "merge (dict \"d\" (dict \"d\" $d)) $d", "deepEqual $d $e", "mergeOverwrite $d $e"] {
        let template = format!(
            r#"{{{{ $d := dict }}}}{{{{ $e := dict }}}}{{{{ $_ := set $d "d" $d }}}}{{{{ $_ := set $e "d" $e }}}}{{{{ {call} | len }}}}"#
        );
        assert!(render(&template).is_err(), "{call}");
    }
}

#[test]
fn values_that_share_parts_are_not_walked_without_end() {
    let doubled = r#"{{ $d := dict "x" 1 }}{{ range until 60 }}{{ $d = dict "l" $d "r" $d }}{{ end }}"#;
    let copied = r#"{{ $e := dict "x" 1 }}{{ range until 60 }}{{ $e = dict "l" $e "r" $e }}{{ end }}"#;
    for call in ["deepCopy $d", "deepEqual $d $e", "merge $e $d"] {
        let limits = Limits { steps: 1_000_000, ..Limits::default() };
        assert!(render_within(&format!("{doubled}{copied}{{{{ {call} }}}}"), limits).is_err(), "{call}");
    }
}

#[test]
fn random_text_is_of_the_asked_length_and_set() {
    for (function, set) in [("randAlphaNum", "[0-9A-Za-z]"), ("randAlpha", "[A-Za-z]"), ("randNumeric", "[0-9]")] {
        let template = format!(r#"{{{{ regexMatch "^{set}{{20}}$" ({function} 20) }}}}{{{{ {function} -1 }}}}"#);
        assert_eq!(render(&template).as_deref(), Ok("true"), "{function}");
    }
    assert_eq!(render(r#"{{ randInt 5 6 }}{{ len (shuffle "héllo") }}"#).as_deref(), Ok("56"));
    assert!(render("{{ randInt 5 5 }}").is_err_and(|error| error.ends_with("invalid argument to Intn")));
}
