//! Whole renders of small charts.

use std::sync::Arc;

use serde_json::json;

use super::*;
use crate::chart::dependencies::tests::chart;
use crate::chart::{File, Metadata};
use crate::value::Value;

/// No chance at all: the templates here need none.
pub(super) struct Still;

impl Chance for Still {
    fn now(&self) -> i128 {
        0
    }

    fn bytes(&self, n: usize) -> Vec<u8> {
        vec![0; n]
    }

    fn stub(&self, _function: &str, _arguments: &[Value]) -> Option<Result<Value, String>> {
        None
    }
}

pub(super) fn files(entries: &[(&str, &str)]) -> Arc<[File]> {
    let file =
        |(name, text): &(&str, &str)| File { name: (*name).to_owned(), data: text.as_bytes().into(), modified: None };
    entries.iter().map(file).collect()
}

pub(super) fn with_templates(mut chart: Chart, templates: &[(&str, &str)]) -> Chart {
    chart.templates = files(templates);
    chart
}

pub(super) fn with_metadata(mut chart: Chart, change: impl FnOnce(&mut Metadata)) -> Chart {
    change(Arc::make_mut(&mut chart.metadata));
    chart
}

fn render_with(chart: Chart, values: &Json, capabilities: &Capabilities) -> Result<Rendered, RenderError> {
    render_within(chart, values, capabilities, Limits::default())
}

fn render_within(
    chart: Chart,
    values: &Json,
    capabilities: &Capabilities,
    limits: Limits,
) -> Result<Rendered, RenderError> {
    let release = Release { name: "r".to_owned(), namespace: "ns".to_owned(), revision: 3, is_upgrade: true };
    Program::new(chart).render(&Input { chance: &Still, limits, ..Input::new(values, &release, capabilities) })
}

pub(super) fn render(chart: Chart, values: &Json) -> Result<Rendered, RenderError> {
    render_with(chart, values, &Capabilities::default())
}

/// What one template prints.
fn text(template: &str, values: Json) -> String {
    let chart = with_templates(chart("c", values, Vec::new()), &[("templates/NOTES.txt", template)]);
    match render(chart, &Json::Null) {
        Ok(rendered) => rendered.notes,
        Err(error) => error.to_string(),
    }
}

#[test]
fn the_context_has_helms_names() {
    let table = [
        (
            "{{ .Release.Name }} {{ .Release.Namespace }} {{ .Release.Revision }} {{ .Release.IsUpgrade }} \
             {{ .Release.IsInstall }} {{ .Release.Service }}",
            "r ns 3 true false Helm",
        ),
        ("{{ .Chart.Name }} {{ .Chart.Version }} {{ .Chart.APIVersion }} {{ .Chart.IsRoot }}", "c 1.0.0 v2 true"),
        ("[{{ .Chart.Nothing }}] [{{ .Chart.Annotations.none }}] {{ len .Chart.Keywords }}", "[] [] 0"),
        ("{{ .Template.Name }} {{ .Template.BasePath }}", "c/templates/NOTES.txt c/templates"),
        (
            "{{ typeOf .Values }} {{ typeOf . }} {{ typeOf .Chart }} {{ typeOf .Files }}",
            "common.Values common.Values map[string]interface {} engine.files",
        ),
        ("{{ .Values.a.b }} {{ .Values.PathValue \"a.b\" }} {{ (.Values.Table \"a\").b }}", "1 1 1"),
    ];
    for (template, expected) in table {
        assert_eq!(text(template, json!({"a": {"b": 1.0}})), expected, "{template}");
    }
}

#[test]
fn capabilities_print_as_in_helm() {
    let table = [
        ("{{ .Capabilities.KubeVersion }} {{ .Capabilities.KubeVersion.GitVersion }}", "v1.37.0 v1.37.0"),
        ("{{ quote .Capabilities.KubeVersion }}", "\"{v1.37.0 v1.37.0 1 37}\""),
        ("{{ .Capabilities.KubeVersion.Major }}.{{ .Capabilities.KubeVersion.Minor }}", "1.37"),
        (
            "{{ .Capabilities.APIVersions.Has \"apps/v1\" }} {{ .Capabilities.APIVersions.Has \"apps/v1/Deployment\" }}",
            "true false",
        ),
        ("{{ .Capabilities.HelmVersion.Version }} {{ len .Capabilities.APIVersions }}", "v4.3.1 57"),
        ("{{ typeOf .Capabilities }} {{ typeOf .Capabilities.APIVersions }}", "*common.Capabilities common.VersionSet"),
    ];
    for (template, expected) in table {
        assert_eq!(text(template, Json::Null), expected, "{template}");
    }
}

#[test]
fn what_was_asked_of_the_cluster_is_returned() {
    let template = "{{ .Capabilities.APIVersions.Has \"a/v1\" }}{{ lookup \"v1\" \"Secret\" \"ns\" \"s\" | len }}";
    asks_for_a_secret_and_a_version(with_templates(
        chart("c", Json::Null, Vec::new()),
        &[("templates/NOTES.txt", template)],
    ));
}

/// Checks that a chart has asked for the version `a/v1` and the Secret `s`, and for nothing else.
pub(super) fn asks_for_a_secret_and_a_version(chart: Chart) {
    let reads = render(chart, &Json::Null).expect("valid").reads;
    let query = Query { api_version: "v1".into(), kind: "Secret".into(), namespace: "ns".into(), name: "s".into() };
    let lookups = vec![Looked { query, resource_version: String::new(), listed: Vec::new() }];
    let api_versions = [("a/v1".to_owned(), false)].into();
    assert_eq!(reads, Reads { lookups, api_versions, ..Reads::default() });
}

#[test]
fn files_are_reached_by_name_and_pattern() {
    let table = [
        ("{{ .Files.Get \"conf/a.txt\" }}|{{ .Files.Get \"none\" }}", "one\ntwo\n|"),
        ("{{ range .Files.Lines \"conf/a.txt\" }}[{{ . }}]{{ end }}{{ len (.Files.Lines \"empty\") }}", "[one][two]0"),
        ("{{ range $n, $c := .Files.Glob \"conf/*\" }}{{ $n }};{{ end }}", "conf/a.txt;conf/b.txt;"),
        ("{{ (.Files.Glob \"conf/*\").AsConfig }}", "a.txt: |\n  one\n  two\nb.txt: b"),
        ("{{ (.Files.Glob \"conf/b*\").AsSecrets }}", "b.txt: Yg=="),
        ("{{ (.Files.Glob \"none\").AsConfig }} {{ if .Files.Glob \"none\" }}some{{ end }}", "{} "),
        ("{{ .Files.GetBytes \"conf/b.txt\" }} {{ len (.Files.Glob \"[\") }}", "[98] 4"),
    ];
    for (template, expected) in table {
        let mut chart = with_templates(chart("c", Json::Null, Vec::new()), &[("templates/NOTES.txt", template)]);
        chart.files = files(&[("conf/b.txt", "b"), ("conf/a.txt", "one\ntwo\n"), ("conf/deep/c", "c"), ("empty", "")]);
        assert_eq!(render(chart, &Json::Null).expect(template).notes, expected, "{template}");
    }
}

#[test]
fn a_subchart_shares_its_values_with_its_parent() {
    let child = with_templates(
        chart("sub", json!({"a": "default"}), Vec::new()),
        &[("templates/x.yaml", "{{ $_ := set .Values \"seen\" .Chart.IsRoot }}kind: {{ .Values.a }}")],
    );
    let parent = with_templates(
        chart("c", Json::Null, vec![child]),
        &[(
            "templates/NOTES.txt",
            "{{ .Values.sub.seen }} {{ .Subcharts.sub.Values.seen }} {{ .Subcharts.sub.Chart.Name }}",
        )],
    );
    let rendered = render(parent, &json!({"sub": {"a": "given"}})).expect("valid");
    assert_eq!(rendered.notes, "false false sub");
    assert_eq!(rendered.manifest, "---\n# Source: c/charts/sub/templates/x.yaml\nkind: given\n");
}

#[test]
fn documents_are_in_install_order_and_notes_and_hooks_apart() {
    let chart = with_templates(
        chart("c", Json::Null, Vec::new()),
        &[
            ("templates/a.yaml", "kind: Deployment\n---\nkind: Service\n\n---\n# only a comment\n"),
            ("templates/b.yaml", "kind: Secret\n"),
            ("templates/hook.yaml", "kind: Job\nmetadata: {name: h, annotations: {helm.sh/hook: pre-upgrade}}\n"),
            ("templates/_part.tpl", "{{ define \"part\" }}x{{ end }}never printed"),
            ("templates/nested/NOTES.txt", "not these"),
            ("templates/NOTES.txt", "{{ include \"part\" . }}"),
            ("templates/empty.yaml", "{{ if false }}x{{ end }}\n"),
        ],
    );
    let rendered = render(chart, &Json::Null).expect("valid");
    let expected = "---\n# Source: c/templates/b.yaml\nkind: Secret\n\n---\n# Source: c/templates/a.yaml\nkind: \
                    Service\n\n\n---\n# Source: c/templates/a.yaml\nkind: Deployment\n\n---\n# Source: \
                    c/templates/a.yaml\n# only a comment\n\n";
    assert_eq!(rendered.manifest, expected);
    assert_eq!(rendered.notes, "x");
    assert_eq!(rendered.hooks.iter().map(|hook| hook.name.as_str()).collect::<Vec<_>>(), ["h"]);
}

#[test]
fn charts_that_cannot_be_rendered_are_refused_in_helms_words() {
    let library = with_metadata(chart("c", Json::Null, Vec::new()), |m| m.chart_type = "library".to_owned());
    let old = with_metadata(chart("c", Json::Null, Vec::new()), |m| m.kube_version = "<1.20-0".to_owned());
    let incomplete = with_metadata(chart("c", Json::Null, Vec::new()), |m| {
        m.dependencies = serde_json::from_value(json!([{"name": "gone", "version": "1"}])).ok();
    });
    let mut strict = chart("c", json!({"replicas": "two"}), Vec::new());
    strict.schema = Some(br#"{"properties": {"replicas": {"type": "integer"}}}"#.as_slice().into());
    let unreadable = with_templates(chart("c", Json::Null, Vec::new()), &[("templates/x.yaml", "a:\n\t- b\n")]);
    let unparsable = with_templates(chart("c", Json::Null, Vec::new()), &[("templates/x.yaml", "{{ if }}")]);
    let failing = with_templates(chart("c", Json::Null, Vec::new()), &[("templates/x.yaml", "{{ fail \"no\" }}")]);
    let table = [
        (library, "library charts are not installable"),
        (old, "chart requires kubeVersion: <1.20-0 which is incompatible with Kubernetes v1.37.0"),
        (
            incomplete,
            "an error occurred while checking for chart dependencies. You may need to run `helm dependency build` to \
             fetch missing dependencies: found in Chart.yaml, but missing in charts/ directory: gone",
        ),
        (
            strict,
            "values don't meet the specifications of the schema(s) in the following chart(s):\nc:\n- at '/replicas': \
             got string, want integer\n",
        ),
        (
            unreadable,
            "YAML parse error on c/templates/x.yaml: error converting YAML to JSON: yaml: line 2: found character \
             that cannot start any token",
        ),
        (unparsable, "parse error at (c/templates/x.yaml:1): missing value for if"),
        (failing, "execution error at (c/templates/x.yaml:1:3): no"),
    ];
    for (chart, expected) in table {
        assert_eq!(render(chart, &Json::Null).expect_err(expected).to_string(), expected);
    }
}

#[test]
fn the_end_of_the_limits_is_told_from_a_template_that_fails() {
    let outcome = |template: &str| {
        let chart = with_templates(chart("c", json!({}), Vec::new()), &[("templates/t.yaml", template)]);
        let few = Limits { steps: 1_000, ..Limits::default() };
        render_within(chart, &Json::Null, &Capabilities::default(), few).expect_err(template)
    };
    assert!(matches!(outcome("{{ range 1000000 }}{{ end }}"), RenderError::Limit(_)));
    assert!(matches!(outcome("{{ fail \"no\" }}"), RenderError::Template(_)));
    assert!(matches!(outcome("{{ fail"), RenderError::Template(_)));
}

#[test]
fn a_template_that_does_not_parse_matters_only_where_it_takes_part() {
    let broken = with_templates(chart("sub", Json::Null, Vec::new()), &[("templates/x.yaml", "{{ if }}")]);
    let parent = with_metadata(chart("c", Json::Null, vec![broken]), |m| {
        let declared = json!([{"name": "sub", "version": "1.0.0", "condition": "sub.enabled"}]);
        m.dependencies = serde_json::from_value(declared).ok();
    });
    let program = Program::new(parent);
    let release = Release { name: "r".to_owned(), namespace: "ns".to_owned(), revision: 1, is_upgrade: false };
    let run = |enabled: bool| {
        let values = json!({"sub": {"enabled": enabled}});
        program.render(&Input {
            values: &values,
            release: &release,
            capabilities: &Capabilities::default(),
            lookup: &NoCluster,
            chance: &Still,
            limits: Limits::default(),
            validate_schema: true,
        })
    };
    assert!(run(true).is_err());
    assert_eq!(run(false).expect("the subchart is off").manifest, "");
}
