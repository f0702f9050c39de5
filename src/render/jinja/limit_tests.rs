//! Hostile templates end in an error, in bounded time and memory, on a stack of ordinary size.

use std::time::{Duration, Instant};

use serde_json::json;

use super::tests::jinja;
use crate::chart::dependencies::tests::chart;
use crate::render::tests::{Still, with_templates};
use crate::render::{Capabilities, Input, Limits, Program, Release, RenderError, Rendered};
use crate::value::Json;

const LIMITS: Limits = Limits { steps: 200_000, bytes: 8 << 20, depth: 1_000, time: Duration::from_secs(20) };

fn outcome(templates: &[(&str, &str)], limits: Limits) -> Result<String, String> {
    rendered(templates, limits).map(|rendered| rendered.notes).map_err(|error| error.to_string())
}

fn rendered(templates: &[(&str, &str)], limits: Limits) -> Result<Rendered, RenderError> {
    let values = json!({"list": [1.0, 2.0, 3.0], "text": "0123456789"});
    let chart = jinja(with_templates(chart("c", values, Vec::new()), templates));
    let release = Release { name: "r".to_owned(), namespace: "ns".to_owned(), revision: 1, is_upgrade: false };
    let capabilities = Capabilities::default();
    Program::new(chart).render(&Input { chance: &Still, limits, ..Input::new(&Json::Null, &release, &capabilities) })
}

#[test]
fn the_end_of_the_limits_is_told_from_a_template_that_fails() {
    let outcome = |template| rendered(&[("templates/NOTES.txt.j2", template)], LIMITS).expect_err(template);
    let endless = "{% for i in range(90000) %}{% for j in range(90000) %}{% endfor %}{% endfor %}";
    assert!(matches!(outcome(endless), RenderError::Limit(_)));
    assert!(matches!(outcome("{{ nothing.at.all }}"), RenderError::Template(_)));
}

/// The words of every limit.
const LIMIT_WORDS: [&str; 11] = [
    "takes more than 200000 steps",
    "makes more than 8388608 bytes of text",
    "a value holds more than",
    "nested deeper than 100 levels",
    "recursion",
    "too deeply",
    "is too large",
    "operators in a row",
    "range has more than 100000 numbers",
    "takes a width of at most",
    "unable to calculate",
];

/// Renders a template within small limits and expects it to end at one of them, soon.
fn refused(template: &str) {
    let started = Instant::now();
    let shown: String = template.chars().take(200).collect();
    let error = outcome(&[("templates/NOTES.txt.j2", template)], LIMITS).map(|text| text.len()).expect_err(&shown);
    assert!(LIMIT_WORDS.iter().any(|words| error.contains(words)), "{shown}\n{error}");
    assert!(error.len() < 1_200, "{} bytes of message", error.len());
    assert!(started.elapsed() < Duration::from_secs(30), "{shown}\ntook {:?}", started.elapsed());
}

/// Runs a loop often enough for anything that doubles.
fn looped(start: &str, body: &str) -> String {
    format!("{{% set n = namespace(v={start}) %}}{{% for i in range(100) %}}{body}{{% endfor %}}")
}

#[test]
fn loops_without_end() {
    let nested = "{% for a in range(10**5) %}{% for b in range(10**5) %}{% endfor %}{% endfor %}";
    refused(nested);
    refused("{% for a in range(10**5) %}{% for b in range(10**5) if false %}{% endfor %}{% endfor %}");
    refused("{% for a in range(10**9) %}{% endfor %}");
    refused("{{ range(-9223372036854775807, 9223372036854775807) }}");
    refused("{{ range(9223372036854775807, -9223372036854775807, -1) }}");
    refused("{{ until(10**9) }}");
    refused("{% for a in [1, 1] recursive %}{{ loop([1, 1]) }}{% endfor %}");
    refused("{% for a in [1] * 10**8 %}{% endfor %}");
}

#[test]
fn recursion_without_end() {
    refused("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}");
    refused("{% macro m() %}{{ m() }}{{ m() }}{% endmacro %}{{ m() }}");
    refused("{% macro m(n) %}{% if n %}{{ m(n - 1) }}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(60) }}");
    refused("{% macro m(n) %}{% if n %}{% do m(n - 1) %}{% do m(n - 1) %}{% endif %}{% endmacro %}{{ m(60) }}");
    refused("{% macro m() %}{{ caller() }}{% call m() %}x{% endcall %}{% endmacro %}{% call m() %}x{% endcall %}");
    refused("{% block a %}{{ self.a() }}{% endblock %}");
    refused("{% include 'NOTES.txt.j2' %}");
    refused("{% for i in [1, 2] %}{% include 'NOTES.txt.j2' %}{% endfor %}");
    refused("{% import 'NOTES.txt.j2' as x %}");
    refused("{% extends 'NOTES.txt.j2' %}");
}

#[test]
fn texts_that_double() {
    refused(&looped("'x'", "{% set n.v = n.v ~ n.v %}"));
    refused(&looped("'x'", "{% set n.v = n.v + n.v %}"));
    refused(&looped("'x'", "{% set n.v = n.v * 3 %}"));
    refused(&looped("'x'", "{% set n.v = [n.v, n.v]|join %}"));
    refused(&looped("'x'", "{% set n.v = n.v|replace('x', 'xx') %}"));
    refused(&looped("'x'", "{% set n.v = n.v|replace('', 'xx') %}"));
    refused(&looped("'x'", "{% set n.v = '%s%s'|format(n.v, n.v) %}"));
    refused(&looped("'x'", "{% set n.v %}{{ n.v }}{{ n.v }}{% endset %}"));
    refused(&looped("'x'", "{% set n.v = n.v|toJson|quote %}"));
    refused(&looped("'x'", "{% set n.v = quote(n.v, n.v) %}"));
    refused("{% macro m(v, d) %}{{ m(v ~ v, d - 1) if d else v }}{% endmacro %}{{ m('x', 90) }}");
    refused(&format!("{{% set x %}}{{% for i in range(10**5) %}}{}{{% endfor %}}{{% endset %}}", "x".repeat(10_000)));
    refused(&format!(
        "{{% macro m() %}}{}{{% endmacro %}}{{% for i in range(10**5) %}}{{% do m() %}}{{% endfor %}}",
        "x".repeat(10_000)
    ));
}

#[test]
fn long_texts_that_are_taken_apart() {
    let text = "{% set t %}{% for i in range(500) %}{{ 'x' * 10000 }}{% endfor %}{% endset %}";
    for use_of_it in ["t|list", "t[::-1]", "t|upper", "[t] * 5", "max(*t)", "t|batch(2)", "[t, t]|join"] {
        refused(&format!("{text}{{{{ {use_of_it} }}}}"));
    }
    refused(&text.replace("set t", "filter list").replace("endset", "endfilter"));
    refused(&text.replace("set t", "set t | list"));
    refused("{% set l = [Files] * 10**5 %}{{ l }}");
}

#[test]
fn numbers_that_allocate() {
    refused("{{ 'x' * 10**9 }}");
    refused("{{ 'x' * 10**8 }}");
    refused("{{ [1] * 10**8 }}");
    refused("{{ (1, 2) * 10**8 }}");
    refused("{{ (1,) * 10**8 }}");
    refused("{{ Values.text|indent(10**9) }}");
    refused("{{ nindent(10**9, 'x') }}");
    refused("{{ repeat(10**9, 'x') }}");
    refused("{{ [1]|batch(10**9, 0) }}");
    refused("{{ [1]|slice(10**9) }}");
    refused("{{ randAlphaNum(10**10) }}");
}

/// A line for `{{ … }}` whose printed value has no meaning here: whatever minijinja makes of it, it must come back.
#[test]
fn odd_numbers_do_no_harm() {
    for expression in [
        "[1, 2, 3][0:5:-1]",
        "[1, 2, 3][::-9223372036854775807 - 1]",
        "'abc'[5:1:-1]",
        "1.5|round(10**9)",
        "1|round(-400)",
        "(-9223372036854775807 - 1)|abs",
        "'x'|trunc(-9223372036854775807)",
        "seq(1, 0, 5)",
        "'x'|substr(-5, 10**9)",
        "[]|min",
        "2 ** 10**9",
        "'%1000000000d'|format(1)",
        "'%*d'|format(10**9, 1)",
        "'é'|abbrev(4)",
        "9223372036854775807 + 1",
        "10**38 * 10**38",
        "'9' * 400|int",
        "[1, 'a', none, {}]|sort",
        "[[1]|first, []|last]",
    ] {
        let _ = outcome(&[("templates/NOTES.txt.j2", &format!("{{{{ {expression} }}}}"))], LIMITS);
    }
}

#[test]
fn lists_that_double() {
    refused(&looped("[1]", "{% set n.v = n.v + n.v %}"));
    refused(&looped("[1]", "{% set n.v = [n.v, n.v] %}"));
    refused(&looped("[1]", "{% set n.v = {'a': n.v, 'b': n.v} %}"));
    refused(&looped("[1]", "{% set n.v = (n.v, n.v) %}"));
    refused(&looped("[1]", "{% set n.v = n.v, n.v %}"));
    refused(&looped("[1]", "{% set n.v = dict(a=n.v, b=n.v) %}"));
    refused(&looped("[1]", "{% set n.v = n.v|zip(n.v) %}"));
    refused(&looped("[1]", "{% set n.v = list(n.v, n.v) %}"));
    refused(&looped("[1]", "{% set n.v = n.v|chain(n.v) %}"));
    refused(&looped("[1]", "{% set n.v = concat(n.v, n.v) %}"));
}

#[test]
fn values_deeper_than_a_stack() {
    let deep = |body: &str| {
        format!("{{% set n = namespace(v=[]) %}}{{% for i in range(10**5) %}}{body}{{% endfor %}}{{{{ n.v }}}}")
    };
    for body in [
        "{% set n.v = [n.v] %}",
        "{% set n.v = {'a': n.v} %}",
        "{% set n.v = dict(a=n.v) %}",
        "{% set n.v = list(n.v) %}",
    ] {
        refused(&deep(body));
    }
    refused(&deep("{% set n.v = n.v[0:] %}{% set n.v = n.v + [1] %}"));
    let nested = format!("{}1{}", "{\"a\":".repeat(300), "}".repeat(300));
    let json = format!("{{{{ '{nested}'|fromJson }}}}");
    refused(&json);
}

#[test]
fn long_expressions_and_deep_blocks() {
    refused(&format!("{{{{ 1{} }}}}", " + 1".repeat(100_000)));
    refused(&format!("{{{{ x{} }}}}", ".a".repeat(100_000)));
    refused(&format!("{{{{ x{} }}}}", "|upper".repeat(100_000)));
    refused(&format!("{{{{ {}1 }}}}", "not ".repeat(100_000)));
    refused(&format!("{{{{ {}1 }}}}", "-".repeat(100_000)));
    refused(&format!("{{{{ {}1{} }}}}", "(".repeat(100_000), ")".repeat(100_000)));
    refused(&format!("{{{{ {}1{} }}}}", "[".repeat(140), "]".repeat(140)));
    refused(&format!("{{% if a %}}{}{{% endif %}}", "{% elif a %}".repeat(100_000)));
    refused(&format!("{}{}", "{% if 1 %}".repeat(100_000), "{% endif %}".repeat(100_000)));
    refused(&format!("{{{{ 1{} }}}}", " if 1 else 1".repeat(10_000)));
}

#[test]
fn comparisons_and_the_clock() {
    let limits = Limits { steps: u64::MAX, bytes: u64::MAX, depth: 1_000, time: Duration::from_millis(300) };
    let template = "{% set a = range(10**5)|list %}{% set b = range(10**5)|list %}{% for i in range(10**5) %}{% if a == b %}{% endif %}{% endfor %}";
    let started = Instant::now();
    let error = outcome(&[("templates/NOTES.txt.j2", template)], limits).expect_err("it takes too long");
    assert!(error.contains("takes longer than 300ms"), "{error}");
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
}

#[test]
fn what_a_chart_needs_is_far_within_the_limits() {
    let chained = format!("{{{{ 'a'{} }}}}", " ~ 'b'".repeat(150));
    assert_eq!(outcome(&[("templates/NOTES.txt.j2", &chained)], LIMITS).map(|text| text.len()), Ok(151));
    let appended =
        "{% set n = namespace(l=[]) %}{% for i in range(500) %}{% set n.l = n.l + [i] %}{% endfor %}{{ n.l|length }}";
    assert_eq!(outcome(&[("templates/NOTES.txt.j2", appended)], Limits::default()).as_deref(), Ok("500"));
}
