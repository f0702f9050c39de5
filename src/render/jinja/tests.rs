//! Whole renders of small charts in Jinja.

use serde_json::json;

use super::{ANNOTATION, JINJA};
use crate::chart::Chart;
use crate::chart::dependencies::tests::chart;
use crate::render::Rendered;
use crate::render::tests::{asks_for_a_secret_and_a_version, files, render, with_metadata, with_templates};
use crate::value::Json;

/// A chart that asks for Jinja.
pub(super) fn jinja(chart: Chart) -> Chart {
    with_metadata(chart, |metadata| {
        metadata.annotations.insert(ANNOTATION.to_owned(), JINJA.to_owned());
    })
}

/// What a template prints, or why not.
fn text(template: &str, values: Json) -> String {
    text_of(&[("templates/NOTES.txt.j2", template)], values)
}

/// The notes of a chart with these templates, or why there are none.
fn text_of(templates: &[(&str, &str)], values: Json) -> String {
    let mut chart = jinja(with_templates(chart("c", values, Vec::new()), templates));
    chart.files = files(&[("conf/b.txt", "b"), ("conf/a.txt", "one\ntwo\n"), ("conf/deep/c", "c")]);
    match render(chart, &Json::Null) {
        Ok(Rendered { notes, .. }) => notes,
        Err(error) => error.to_string(),
    }
}

fn check(table: &[(&str, &str)], values: &Json) {
    for (template, expected) in table {
        assert_eq!(text(template, values.clone()), *expected, "{template}");
    }
}

#[test]
fn templates_see_what_go_templates_see() {
    check(
        &[
            (
                "{{ Release.Name }} {{ Release.Namespace }} {{ Release.Revision }} {{ Release.IsUpgrade }}",
                "r ns 3 true",
            ),
            ("{{ Chart.Name }} {{ Chart.Version }} {{ Chart.IsRoot }}", "c 1.0.0 true"),
            ("{{ Values.a.b }} {{ Values['a'].b }} {{ 'b' in Values.a }}", "1 1 true"),
            ("{{ Template.Name }} {{ Template.BasePath }}", "c/templates/NOTES.txt.j2 c/templates"),
            ("{{ Capabilities.KubeVersion }} {{ Capabilities.KubeVersion.Minor }}", "v1.37.0 37"),
            ("{{ Capabilities.APIVersions.has('apps/v1') }} {{ Capabilities.APIVersions.Has('x/v1') }}", "true false"),
            ("{{ Capabilities.APIVersions|length }} {{ Capabilities.APIVersions[0] }}", "57 v1"),
            ("{{ lookup('v1', 'Secret', 'ns', 's') }}", "{}"),
            ("{{ Subcharts }}", "{}"),
        ],
        &json!({"a": {"b": 1.0}}),
    );
}

#[test]
fn files_are_reached_by_name_and_pattern() {
    check(
        &[
            ("{{ Files.get('conf/a.txt') }}|{{ Files.Get('none') }}", "one\ntwo\n|"),
            ("{% for line in Files.lines('conf/a.txt') %}[{{ line }}]{% endfor %}", "[one][two]"),
            (
                "{% for name, content in Files.glob('conf/*')|items %}{{ name }}={{ content|trim }};{% endfor %}",
                "conf/a.txt=one\ntwo;conf/b.txt=b;",
            ),
            ("{{ Files.glob('conf/*').as_config() }}", "a.txt: |\n  one\n  two\nb.txt: b"),
            ("{{ Files.glob('conf/b*').as_secrets() }}", "b.txt: Yg=="),
            ("{{ Files['conf/b.txt']|b64enc }} {{ 'some' if Files.glob('none') else 'none' }}", "Yg== none"),
        ],
        &Json::Null,
    );
}

#[test]
fn values_print_as_yaml_reads_them() {
    check(
        &[
            (
                "{{ Values.port }} {{ Values.big }} {{ Values.half }} {{ Values.on }} {{ Values.list[2] }}",
                "80 1000000 0.5 true null",
            ),
            ("{{ Values.list }} {{ Values.map }}", r#"["a",1,null] {"x":"1","y":{"z":false}}"#),
            (
                "{% for key in Values.map %}{{ key }}{% endfor %} {{ Values.map.items()|list }}",
                r#"xy [["x","1"],["y",{"z":false}]]"#,
            ),
            (
                "{{ 1 + 1 }} {{ 7 / 2 }} {{ 7 // 2 }} {{ Values.port * 2 }} {{ 'a' ~ true ~ Values.port }}",
                "2 3.5 3 160 atrue80",
            ),
            ("{{ Values.map|toYaml }}", "x: \"1\"\n\"y\":\n  z: false"),
            ("{{ Values.map|to_json }} {{ '{\"a\": [80]}'|from_json }}", r#"{"x":"1","y":{"z":false}} {"a":[80]}"#),
            ("<{{ '<b>&' }}>", "<<b>&>"),
        ],
        &json!({"port": 80.0, "big": 1e6, "half": 0.5, "on": true, "list": ["a", 1.0, null], "map": {"y": {"z": false}, "x": "1"}}),
    );
}

#[test]
fn go_functions_are_filters_that_take_the_piped_value_last() {
    check(
        &[
            ("{{ 'release-name-'|trunc(8)|trimSuffix('-') }} {{ trunc(3, 'abcd') }}", "release abc"),
            ("{{ 5|quote }} {{ 'x'|squote }} {{ quote('a', 'b') }}", r#""5" 'x' "a" "b""#),
            ("a:{{ {'b': 1}|toYaml|nindent(2) }}", "a:\n  b: 1"),
            ("a: {{ 'x\ny\n\nz'|indent(2) }}|{{ 'x'|indent(2, first=true) }}", "a: x\n  y\n\n  z|  x"),
            ("{{ 'x'|b64encode }} {{ 'eA=='|b64decode }} {{ ''|sha256sum|trunc(6) }}", "eA== x e3b0c4"),
            (
                "{{ 'v1.2.3'|semverCompare('>=1.0') }} {{ Values.none|default('d') }} {{ ''|default('d', true) }}",
                "true d d",
            ),
            (
                "{{ 'a,b'|splitList(',') }} {{ 'a,b'|split(',') }} {{ ['b', 'a']|sortAlpha|join('+') }}",
                r#"["a","b"] ["a","b"] a+b"#,
            ),
            ("{{ '%s-%d'|format('a', 5) }} {{ printf('%05.1f', 2.5) }}", "a-5 002.5"),
            ("{{ merge({'a': 1}, {'b': 2}) }} {{ pick({'a': 1, 'b': 2}, 'a') }}", "{\"a\":1,\"b\":2} {\"a\":1}"),
            ("{{ ternary('yes', 'no', true) }} {{ until(3) }} {{ range(1, 7, 2)|list }}", "yes [0,1,2] [1,3,5]"),
            ("{% set ca = genCA('ca', 1) %}{{ genSignedCert('x', none, none, 1, ca).Cert|trunc(10) }}", "-----BEGIN"),
            ("{{ date('2006-01-02', now()) }} {{ now()|date('15:04') }}", "1970-01-01 00:00"),
        ],
        &Json::Null,
    );
}

#[test]
fn templates_include_and_import_their_own_charts() {
    let templates = [
        ("templates/_names.j2", "{% macro full(name) %}{{ Release.Name }}-{{ name }}{% endmacro %}never printed"),
        ("templates/parts/_labels.j2", "app: {{ Chart.Name }}{{ suffix }}\n"),
        ("templates/_base.j2", "<{% block body %}{% endblock %}>"),
    ];
    let table = [
        ("{% from '_names.j2' import full with context %}{{ full('web') }}", "r-web"),
        ("{% import '_names.j2' as names %}{{ names.full('web') }}", "r-web"),
        ("{% set suffix = '-x' %}{% include 'parts/_labels.j2' %}!", "app: c-x\n!"),
        ("{% extends '_base.j2' %}{% block body %}{{ Chart.Name }}{% endblock %}", "<c>"),
        ("{% include 'none.j2' ignore missing %}ok", "ok"),
    ];
    for (template, expected) in table {
        let templates: Vec<_> = templates.iter().copied().chain([("templates/NOTES.txt.j2", template)]).collect();
        assert_eq!(text_of(&templates, Json::Null), expected, "{template}");
    }
}

#[test]
fn block_tags_leave_no_lines() {
    let template =
        "a:\n  {% for x in [1, 2] %}\n  - {{ x }}\n  {% endfor %}\n{% if false %}\nb\n{% endif %}\n{# c #}\nd\n";
    assert_eq!(text(template, Json::Null), "a:\n  - 1\n  - 2\nd\n");
}

#[test]
fn errors_name_file_line_and_reason() {
    let place = "template: c/templates/NOTES.txt.j2";
    let table = [
        ("a\n{{ Values.a.b.c }}", ":2: `Values.a.b` is undefined"),
        ("{{ Values.none }}", ":1: `Values.none` is undefined"),
        ("{{ 'a' ~ Values.none }}", ":1: `Values.none` is undefined"),
        ("{{ Values.none|quote }}", ":1: `Values.none` is undefined"),
        ("{{ Values.none|required('give none') }}", ":1: give none"),
        ("\n\n{{ fail('two\nlines') }}", ":3: two lines"),
        ("{{ 'x'|nothing }}", ":1: unknown filter: filter nothing is unknown"),
        ("{{ nothing() }}", ":1: unknown function: nothing is unknown"),
        ("{{ 'x'|trunc('y') }}", ":1: trunc takes an integer as argument 1, not string"),
        ("{{ 'x'|trunc }}", ":1: trunc takes 2 arguments, not 1"),
        ("{{ 'x'|quote(a=1) }}", ":1: quote takes no named arguments"),
        ("{{ 1 + 'a' }}", ":1: tried to use + operator on unsupported types number and string"),
        ("{{ include('x', 1) }}", ":1: unknown function: include is unknown"),
        (
            "{% include '../x.j2' %}",
            ":1: \"../x.j2\" is not below the chart's templates/; a template includes its own chart's only",
        ),
        ("{% include 'x.yaml' %}", ":1: tried to include non-existing template 'x.yaml'"),
        (
            "{% extends 'x.yaml' %}",
            ":1: the chart has no Jinja template templates/x.yaml; names are relative to templates/ and end in .j2",
        ),
        ("{% set n = namespace() %}{% set n.n = n %}", ":1: a namespace cannot be a part of another value"),
    ];
    for (template, expected) in table {
        assert_eq!(text(template, json!({"a": {}})), format!("{place}{expected}"), "{template}");
    }
    let broken = [("templates/_x.j2", "\n{{ 1 | fail }}"), ("templates/NOTES.txt.j2", "{% include '_x.j2' %}")];
    assert_eq!(
        text_of(&broken, Json::Null),
        "template: c/templates/_x.j2:2: fail takes a string as argument 1, not int64"
    );
    let unparsable = "parse error at (c/templates/NOTES.txt.j2:2): syntax error: unexpected end of block";
    assert_eq!(text("\n{% if %}", Json::Null), unparsable);
    let long = text(&format!("{{{{ fail('{}') }}}}", "x".repeat(100_000)), Json::Null);
    assert!(long.len() < 1_100 && long.ends_with('…'), "{} bytes", long.len());
}

#[test]
fn each_chart_of_a_tree_chooses_its_own_engine() {
    let go = "kind: {{ .Chart.Name }}\n";
    let sub = with_templates(chart("sub", Json::Null, Vec::new()), &[("templates/x.yaml.j2", go)]);
    let other =
        with_templates(chart("other", Json::Null, Vec::new()), &[("templates/y.yaml.j2", "kind: {{ Chart.Name }}\n")]);
    let templates = [
        ("templates/a.yaml.j2", "kind: {{ Chart.Name }}-jinja\n"),
        ("templates/b.yaml", "kind: {{ .Chart.Name }}-go\n"),
        ("templates/_c.j2", "{{ never }}"),
        ("templates/NOTES.txt.j2", "{{ Subcharts.other.Chart.Name }}"),
    ];
    let root = jinja(with_templates(chart("c", Json::Null, vec![sub, jinja(other)]), &templates));
    let rendered = render(root, &Json::Null).expect("valid");
    let sources: Vec<(String, String)> =
        rendered.documents.iter().map(|document| (document.path.clone(), document.head.kind.clone())).collect();
    let expected = [
        ("c/charts/other/templates/y.yaml.j2", "other"),
        ("c/charts/sub/templates/x.yaml.j2", "sub"),
        ("c/templates/a.yaml.j2", "c-jinja"),
        ("c/templates/b.yaml", "c-go"),
    ];
    for (path, kind) in expected {
        assert!(sources.contains(&(path.to_owned(), kind.to_owned())), "{path}: {sources:?}");
    }
    assert_eq!(rendered.notes, "other");
}

#[test]
fn an_engine_that_there_is_not_is_an_error() {
    let engine = |name: &str, engine: &str| {
        with_metadata(chart(name, json!({}), Vec::new()), |metadata| {
            metadata.annotations.insert(ANNOTATION.to_owned(), engine.to_owned());
        })
    };
    assert!(render(engine("c", "go"), &Json::Null).is_ok());
    let parent = chart("c", json!({}), vec![engine("child", "Jinja")]);
    for (chart, expected) in [
        (engine("c", "helm"), r#"chart "c" asks for the template engine "helm" in its annotation"#),
        (parent, r#"chart "child" asks for the template engine "Jinja" in its annotation"#),
    ] {
        let error = render(chart, &Json::Null).expect_err(expected);
        assert_eq!(error.to_string(), format!("{expected} coxswain.dev/engine; there are go and jinja"));
    }
}

#[test]
fn what_was_asked_of_the_cluster_is_returned() {
    let template = "{{ Capabilities.APIVersions.has('a/v1') }}{{ lookup('v1', 'Secret', 'ns', 's')|length }}";
    let templates = [("templates/NOTES.txt.j2", template)];
    asks_for_a_secret_and_a_version(jinja(with_templates(chart("c", Json::Null, Vec::new()), &templates)));
}
