//! Templates that never end, nest without end or make text without end.

use super::{Attack, run, run_tight};

/// The place that every message of these attacks names.
const PLACE: &str = "c/templates/t.yaml:";

const NESTED: &str = "rendering template has a nested reference name";
const DEPTH: &str = "exceeded maximum template depth (100000)";
const STEPS: &str = "the render takes more than";
const BYTES: &str = "the render makes more than";

/// An attack whose message names the template and says these words.
fn fails(name: &str, template: impl AsRef<[u8]>, words: &str) -> Attack {
    Attack::template(name, template).fails([PLACE, words])
}

/// A template that must end within tight limits.
fn tight(name: &str, template: impl Into<String>) -> (String, String) {
    (name.to_owned(), template.into())
}

/// An attack whose output, a comment, Helm makes too.
fn renders(name: &str, template: impl AsRef<[u8]>) -> Attack {
    Attack::template(name, [b"# ", template.as_ref()].concat())
}

#[test]
fn hostile_recursion() {
    let own = r#"{{ define "a" }}{{ include "a" . }}{{ end }}{{ include "a" . }}"#;
    let ring: String = (0..7)
        .map(|n| format!(r#"{{{{ define "a{n}" }}}}{{{{ include "a{}" . }}}}{{{{ end }}}}"#, (n + 1) % 7))
        .chain([r#"{{ include "a0" . }}"#.to_owned()])
        .collect();
    let wide: String = (0..3_000)
        .map(|n| format!(r#"{{{{ define "a{n}" }}}}{{{{ include "a{}" . }}}}{{{{ end }}}}"#, (n + 1) % 3_000))
        .chain([r#"{{ include "a0" . }}"#.to_owned()])
        .collect();
    run(vec![
        fails("include of itself", own, NESTED),
        fails("ring of includes", ring, NESTED),
        fails("ring of three thousand includes", wide, "exceeded maximum template depth"),
        fails("include of the file itself", "{{ include .Template.Name . }}", NESTED),
        fails("template of itself", r#"{{ define "a" }}{{ template "a" . }}{{ end }}{{ template "a" . }}"#, DEPTH),
        fails(
            "mutual templates",
            r#"{{ define "a" }}{{ template "b" . }}{{ end }}{{ define "b" }}{{ template "a" . }}{{ end }}{{ template "a" . }}"#,
            DEPTH,
        ),
        fails("template of the file itself", r#"{{ template "c/templates/t.yaml" . }}"#, DEPTH),
        fails("block of itself", r#"{{ block "a" . }}{{ template "a" . }}{{ end }}"#, DEPTH),
        fails(
            "template and include in turn",
            r#"{{ define "a" }}{{ include "b" . }}{{ end }}{{ define "b" }}{{ template "a" . }}{{ end }}{{ template "a" . }}"#,
            NESTED,
        ),
        fails("tpl of itself", "{{ tpl .Values.x . }}", "exceeded maximum template depth")
            .file("chart/values.yaml", "x: '{{ tpl .Values.x . }}'\n"),
        fails("tpl that grows", "{{ tpl .Values.x . }}", "the render").file(
            "chart/values.yaml",
            "x: '{{ $_ := set .Values \"x\" (print .Values.x \" \") }}{{ tpl .Values.x . }}'\n",
        ),
        fails(
            "tpl that defines what it includes",
            r#"{{ tpl "{{ define \"a\" }}{{ include \"a\" . }}{{ end }}{{ include \"a\" . }}" . }}"#,
            NESTED,
        ),
        fails("tpl that includes itself by its hidden name", r#"{{ tpl "{{ include \"gotpl\" . }}" . }}"#, NESTED),
        fails(
            "include and tpl in turn",
            r#"{{ define "a" }}{{ tpl "{{ include \"a\" . }}" . }}{{ end }}{{ include "a" . }}"#,
            NESTED,
        ),
        fails(
            "template and tpl in turn",
            r#"{{ define "a" }}{{ tpl "{{ template \"a\" . }}" . }}{{ end }}{{ template "a" . }}"#,
            "exceeded maximum template depth",
        ),
        fails(
            "recursion through range, with and if",
            r#"{{ define "a" }}{{ range list 1 }}{{ with 1 }}{{ if 1 }}{{ include "a" . }}{{ end }}{{ end }}{{ end }}{{ end }}{{ include "a" . }}"#,
            NESTED,
        ),
        fails(
            "recursion in an argument of an argument",
            r#"{{ define "a" }}{{ print (print (print (include "a" .))) }}{{ end }}{{ include "a" . }}"#,
            NESTED,
        ),
    ]);
}

/// Each name calls the one before it twice.
fn doubling(call: &str, levels: usize, leaf: &str) -> String {
    let mut text = format!(r#"{{{{ define "a0" }}}}{leaf}{{{{ end }}}}"#);
    for level in 1..levels {
        let call = format!(r#"{{{{ {call} "a{}" . }}}}"#, level - 1);
        text.push_str(&format!(r#"{{{{ define "a{level}" }}}}{call}{call}{{{{ end }}}}"#));
    }
    text + &format!(r#"{{{{ {call} "a{}" . }}}}"#, levels - 1)
}

#[test]
fn hostile_growth() {
    run_tight(vec![
        tight("includes that double", doubling("include", 60, "")),
        tight("includes that double a text", doubling("include", 60, &"x".repeat(1_000))),
        tight("templates that double", doubling("template", 60, "")),
        tight("templates that double a text", doubling("template", 60, &"x".repeat(1_000))),
        tight("a string that doubles", r#"{{ $s := "x" }}{{ range until 60 }}{{ $s = print $s $s }}{{ end }}"#),
        tight(
            "a string that doubles by printf",
            r#"{{ $s := "x" }}{{ range until 60 }}{{ $s = printf "%s%s" $s $s }}{{ end }}"#,
        ),
        tight("a string that doubles by cat", r#"{{ $s := "x" }}{{ range until 60 }}{{ $s = cat $s $s }}{{ end }}"#),
        tight(
            "a string that doubles by join",
            r#"{{ $s := "x" }}{{ range until 60 }}{{ $s = join $s (list $s $s) }}{{ end }}"#,
        ),
        tight(
            "a string that doubles by replace",
            r#"{{ $s := "x" }}{{ range until 60 }}{{ $s = replace "x" "xx" $s }}{{ end }}"#,
        ),
        tight(
            "a string that doubles by repeat",
            r#"{{ $s := "x" }}{{ range until 60 }}{{ $s = repeat 2 $s }}{{ end }}"#,
        ),
        tight(
            "a string that doubles by regexReplaceAll",
            r#"{{ $s := "x" }}{{ range until 60 }}{{ $s = regexReplaceAll "(.+)" $s "$1$1" }}{{ end }}"#,
        ),
        tight(
            "a string that doubles by indent",
            r#"{{ $s := "x" }}{{ range until 60 }}{{ $s = indent (len $s) $s }}{{ end }}"#,
        ),
        tight("a string that grows by b64enc", r#"{{ $s := "x" }}{{ range until 200 }}{{ $s = b64enc $s }}{{ end }}"#),
        tight("a string that grows by b32enc", r#"{{ $s := "x" }}{{ range until 200 }}{{ $s = b32enc $s }}{{ end }}"#),
        tight("a string that grows by quote", r#"{{ $s := "\\" }}{{ range until 60 }}{{ $s = quote $s }}{{ end }}"#),
        tight("a string that grows by toJson", r#"{{ $s := "\\" }}{{ range until 60 }}{{ $s = toJson $s }}{{ end }}"#),
        tight("a string that grows by html", r#"{{ $s := "&" }}{{ range until 100000 }}{{ $s = html $s }}{{ end }}"#),
        tight(
            "a string that grows by urlquery",
            r#"{{ $s := "&" }}{{ range until 100000 }}{{ $s = urlquery $s }}{{ end }}"#,
        ),
        tight("a string that grows by js", r#"{{ $s := "&'" }}{{ range until 100000 }}{{ $s = js $s }}{{ end }}"#),
        tight(
            "a string that grows by regexQuoteMeta",
            r#"{{ $s := "." }}{{ range until 60 }}{{ $s = regexQuoteMeta $s }}{{ end }}"#,
        ),
        tight(
            "a string that grows by printf %x",
            r#"{{ $s := "." }}{{ range until 60 }}{{ $s = printf "%x" $s }}{{ end }}"#,
        ),
        tight("a list that doubles", "{{ $l := list 1 }}{{ range until 60 }}{{ $l = concat $l $l }}{{ end }}"),
        tight(
            "a list that doubles and is printed",
            "{{ $l := list 1 }}{{ range until 60 }}{{ $l = list $l $l }}{{ end }}{{ $l }}",
        ),
        tight("a list that grows by append", "{{ $l := list }}{{ range 1000000000 }}{{ $l = append $l . }}{{ end }}"),
        tight("a list that grows by prepend", "{{ $l := list }}{{ range 1000000000 }}{{ $l = prepend $l . }}{{ end }}"),
        tight("a list that is nested in itself", "{{ $l := list }}{{ range 1000000000 }}{{ $l = list $l }}{{ end }}"),
        tight(
            "a dict that is nested in itself",
            r#"{{ $d := dict }}{{ range 1000000000 }}{{ $d = dict "d" $d }}{{ end }}"#,
        ),
        tight(
            "a dict that grows by set",
            r#"{{ $d := dict }}{{ range 1000000000 }}{{ $_ := set $d (toString .) . }}{{ end }}"#,
        ),
        tight(
            "values that grow by set",
            r#"{{ range 1000000000 }}{{ $_ := set $.Values (toString .) $.Values }}{{ end }}"#,
        ),
        tight("variables without end", "{{ range 1000000000 }}{{ $a := . }}{{ $b := . }}{{ end }}"),
        tight("a range of a billion", "{{ range 1000000000 }}{{ end }}"),
        tight("a range of a billion with text", "{{ range 1000000000 }}some text\n{{ end }}"),
        tight("ranges in ranges", "{{ range 100000 }}{{ range 100000 }}{{ end }}{{ end }}"),
        tight(
            "a range over a dict that it fills",
            r#"{{ $d := dict "a" 1 }}{{ range 100 }}{{ range $k, $v := $d }}{{ $_ := set $d (print $k "a") 1 }}{{ $_ := set $d (print $k "b") 1 }}{{ end }}{{ end }}"#,
        ),
        tight(
            "texts of tpl that are all different",
            r#"{{ range 1000000000 }}{{ $_ := tpl (print "{{ 1 }}" .) $ }}{{ end }}"#,
        ),
        tight(
            "texts of tpl that define",
            r#"{{ range 1000000000 }}{{ $_ := tpl (printf "{{ define \"a%d\" }}x{{ end }}" .) $ }}{{ end }}"#,
        ),
    ]);
}

#[test]
fn hostile_growth_within_the_limits_of_the_command() {
    run(vec![
        fails("a range of a billion", "{{ range 1000000000 }}{{ end }}", STEPS),
        fails("a range of a billion texts", "{{ range 1000000000 }}some text\n{{ end }}", BYTES),
        fails("a list of a billion", "{{ $l := list }}{{ range 1000000000 }}{{ $l = append $l . }}{{ end }}", BYTES),
        fails(
            "a dict of a billion",
            r#"{{ $d := dict }}{{ range 1000000000 }}{{ $_ := set $d (printf "%09d" .) . }}{{ end }}"#,
            STEPS,
        ),
        fails("lists in a billion lists", "{{ $l := list }}{{ range 1000000000 }}{{ $l = list $l }}{{ end }}", BYTES),
        fails(
            "a string that doubles",
            r#"{{ $s := "x" }}{{ range until 60 }}{{ $s = print $s $s }}{{ end }}"#,
            "too large",
        ),
        fails("texts that double", doubling("include", 60, &"x".repeat(1_000)), BYTES),
    ]);
}

#[test]
fn hostile_nesting_of_templates() {
    let wrapped = |open: &str, middle: &str, close: &str, n: usize| open.repeat(n) + middle + &close.repeat(n);
    let chain = format!("{{{{ 1 {} }}}}", "| print ".repeat(200_000));
    let else_if = |n: usize| format!("{{{{ if 0 }}}}{}{{{{ end }}}}", "{{ else if 0 }}".repeat(n));
    let else_with = format!("{{{{ with 0 }}}}{}{{{{ end }}}}", "{{ else with 0 }}".repeat(9_000));
    let defines: String = (0..100_000).map(|n| format!("{{{{ define \"a{n}\" }}}}{{{{ end }}}}")).collect();
    let variables: String = (0..3_000).map(|n| format!("{{{{ $a{n} := {n} }}}}{{{{ $_ := $a0 }}}}")).collect();
    run(vec![
        fails("ten thousand parentheses too many", wrapped("{{ ", &wrapped("(", "1", ")", 20_000), " }}", 1), "max expression depth exceeded"),
        fails("a million parentheses", wrapped("{{ ", &wrapped("(", "1", ")", 1_000_000), " }}", 1), "max expression depth exceeded"),
        fails("a million open parentheses", wrapped("{{ ", &"(".repeat(1_000_000), "", 1), "max expression depth exceeded"),
        renders("calls in calls", wrapped("{{ ", &wrapped("(print ", "1", ")", 9_000), " }}", 1)),
        renders("fields of parentheses", wrapped("{{ ", &wrapped("(", ".", ").a", 9_000), " }}", 1)),
        renders("ifs below the limit", wrapped("{{ if 1 }}", "x", "{{ end }}", 9_000)),
        fails("ifs over the limit", wrapped("{{ if 1 }}", "x", "{{ end }}", 250_000), "max nesting depth exceeded"),
        fails("ifs without end", "{{ if 1 }}".repeat(200_000), ""),
        fails("ranges without end", "{{ range . }}".repeat(200_000), ""),
        fails("withs without end", "{{ with . }}".repeat(200_000), ""),
        fails("defines without end", "{{ define \"a\" }}".repeat(200_000), ""),
        fails("ends without a beginning", "{{ end }}".repeat(200_000), "unexpected {{end}}"),
        renders("a pipeline of two hundred thousand", chain),
        renders("else ifs below the limit", else_if(9_000)),
        fails("else ifs over the limit", else_if(100_000), "max nesting depth exceeded"),
        renders("else withs below the limit", else_with),
        renders("a hundred thousand definitions", defines),
        renders("three thousand variables", variables),
        fails("a chain of a million fields", format!("{{{{ {} }}}}", ".a".repeat(100_000)), "nil pointer"),
        fails("a call with a hundred thousand arguments", format!("{{{{ fail {} }}}}", "1 ".repeat(100_000)), "wrong number of args"),
        renders("a call with a hundred thousand arguments that it takes", format!("{{{{ list {} | len }}}}", "1 ".repeat(100_000))),
        renders("a hundred thousand comments", "{{/* x */}}".repeat(100_000)),
        renders("a hundred thousand actions", "{{ 1 }}".repeat(100_000)),
        fails("a comment without an end", format!("{{{{/* {}", "*".repeat(4_000_000)), "unclosed comment"),
        fails("a string without an end", format!("{{{{ \"{}", "x".repeat(4_000_000)), "unterminated quoted string"),
        fails("a raw string without an end", format!("{{{{ `{}", "x\n".repeat(2_000_000)), "unterminated raw quoted string"),
        renders("a string of four megabytes", format!("{{{{ len \"{}\" }}}}", "x".repeat(4_000_000))),
        fails("a number of four megabytes", format!("{{{{ {} }}}}", "1".repeat(4_000_000)), ""),
        fails("a float of four megabytes", format!("{{{{ 0.{}e{} }}}}", "1".repeat(2_000_000), "1".repeat(1_000_000)), ""),
        fails("a name of four megabytes", format!("{{{{ {} }}}}", "x".repeat(4_000_000)), "not defined"),
        fails("a variable of four megabytes", format!("{{{{ ${} }}}}", "x".repeat(4_000_000)), "undefined variable"),
        fails("a character of four megabytes", format!("{{{{ '{}' }}}}", "x".repeat(4_000_000)), ""),
        fails("left delimiters without end", "{{".repeat(2_000_000), "unexpected"),
        fails("trim markers without end", "{{- ".repeat(1_000_000), ""),
        renders("blanks to trim without end", format!("{}{{{{- 1 -}}}}{}", " \n".repeat(1_000_000), " \n".repeat(1_000_000))),
        fails("zero bytes", "{{ \0 }}", ""),
        fails("bytes that are no text", [b"{{ ".as_slice(), &[0xff; 100_000], b" }}"].concat(), ""),
        fails("terminal escapes in a template", "{{ fail \"\x1b]0;owned\x07\x1b[2J\u{9b}31m\" }}", "owned"),
        fails("terminal escapes outside a string", "{{ \x1b[2J }}", ""),
        fails("terminal escapes in a name of a template", "{{ include \"\x1b[2J\" . }}", ""),
        fails("terminal escapes in an unknown function", "{{ x\x1b[2J }}", ""),
        fails("carriage returns in a message", "{{ fail \"all is well\\r\\b\\b\\b\" }}", ""),
        fails("a message of eight megabytes", r#"{{ $s := "x" }}{{ range until 23 }}{{ $s = print $s $s }}{{ end }}{{ fail $s }}"#, "xxx"),
        fails("a required message of megabytes", r#"{{ required (repeat 10000000 "y") nil }}"#, "yyy"),
        fails("a deep chain of errors", format!(r#"{{{{ define "{0}" }}}}{{{{ if gt .n 900 }}}}{{{{ index . 1 2 3 }}}}{{{{ end }}}}{{{{ include "{0}" (dict "n" (add1 .n)) }}}}{{{{ end }}}}{{{{ include "{0}" (dict "n" 1) }}}}"#, "n".repeat(10_000)), ""),
        fails("a deep chain of errors of tpl", "{{ tpl .Values.x (dict \"n\" 1 \"Values\" .Values) }}", "")
            .file("chart/values.yaml", format!("x: '{{{{ if gt .n 500 }}}}{{{{ index . 1 2 3 }}}}{{{{ end }}}}{{{{ tpl .Values.x (dict \"n\" (add1 .n) \"Values\" .Values) }}}}{}'\n", "z".repeat(1_000_000))),
    ]);
}

/// How values that contain themselves are made, under the name `$d`.
const CYCLES: &[(&str, &str)] = &[
    ("a dict in itself", r#"{{ $d := dict }}{{ $_ := set $d "d" $d }}"#),
    ("a dict in a list in itself", r#"{{ $d := dict }}{{ $_ := set $d "d" (list 1 $d) }}"#),
    ("two dicts in each other", r#"{{ $d := dict }}{{ $e := dict "d" $d }}{{ $_ := set $d "e" $e }}"#),
    ("values in themselves", r#"{{ $d := .Values }}{{ $_ := set $d "d" $d }}"#),
    ("the dot in itself", r#"{{ $d := . }}{{ $_ := set $d "d" $d }}"#),
];

/// What is done with such a value: it ends in an error.
const REFUSED: &[&str] = &[
    "$d",
    "print $d",
    "println $d",
    r#"printf "%v" $d"#,
    r#"printf "%+v" $d"#,
    r#"printf "%#v" $d"#,
    r#"printf "%s" $d"#,
    r#"printf "%q" $d"#,
    r#"printf "%x" $d"#,
    r#"printf "%d" $d"#,
    r#"printf "%!" $d"#,
    "quote $d",
    "squote $d",
    "toString $d",
    "toStrings (list $d)",
    r#"join "," (list $d)"#,
    "cat $d",
    "html $d",
    "js $d",
    "urlquery $d",
    "mustToYaml $d",
    "mustToJson $d",
    "mustToPrettyJson $d",
    "mustToRawJson $d",
    "toRawJson $d",
    "mustToToml $d",
    "deepCopy $d",
    "mustDeepCopy $d",
    "merge (dict) $d",
    "mergeOverwrite (dict) $d",
    "mustMerge (dict) $d",
    "mustMergeOverwrite (dict) $d",
    "merge (deepCopy $d) $d",
    "sortAlpha (list $d 1)",
    "uniq (list $d (dict) $d) | toYaml | required nil",
    "index $d $d",
    "ternary 1 2 $d",
    "fail (print $d)",
    "lower $d",
    r#"tpl "{{ . }}" $d"#,
    "int $d | index",
];

/// What Helm itself answers with nothing or with a result.
const HARMLESS: &[&str] = &[
    "toYaml $d",
    "toJson $d",
    "toPrettyJson $d",
    "toYamlPretty $d",
    "toToml $d",
    "len $d",
    "keys $d",
    "hasKey $d \"d\"",
    "typeOf $d",
    "kindOf $d",
    "int $d",
    "int64 $d",
    "float64 $d",
    "empty $d",
    "default 1 nil",
    "first (list $d) | len",
    "coalesce nil $d | len",
];

#[test]
fn hostile_values_that_contain_themselves() {
    let mut attacks = Vec::new();
    for (name, cycle) in CYCLES {
        for call in REFUSED {
            attacks.push(fails(&format!("{name}: {call}"), format!("{cycle}{{{{ {call} }}}}"), ""));
        }
        let calls: String = HARMLESS.iter().map(|call| format!("\n# {{{{ {call} | toString | trunc 20 }}}}")).collect();
        attacks.push(renders(&format!("{name}, harmlessly"), format!("{cycle}{calls}")));
    }
    run(attacks);
}

#[test]
fn hostile_values_that_share_their_parts() {
    let shared = r#"{{ $d := dict "x" 1 }}{{ range until 50 }}{{ $d = dict "l" $d "r" $d }}{{ end }}"#;
    let again = r#"{{ $e := dict "x" 1 }}{{ range until 50 }}{{ $e = dict "l" $e "r" $e }}{{ end }}"#;
    let listed = "{{ $d := list 1 }}{{ range until 50 }}{{ $d = list $d $d }}{{ end }}";
    let calls = [
        "$d",
        "print $d",
        r#"printf "%v" $d"#,
        r#"printf "%T %p" $d $d"#,
        "quote $d",
        "toString $d | len",
        "mustToYaml $d",
        "mustToJson $d",
        "mustToRawJson $d",
        "mustToToml (dict \"d\" $d)",
        "deepCopy $d | len",
        "html $d",
        "toStrings $d",
        "join \",\" (list $d)",
    ];
    let mut attacks = Vec::new();
    for call in calls {
        attacks.push(fails(&format!("shared dicts: {call}"), format!("{shared}{{{{ {call} }}}}"), ""));
    }
    for call in ["print $d", "mustToYaml $d", "mustToJson $d", "deepCopy $d | len"] {
        attacks.push(fails(&format!("shared lists: {call}"), format!("{listed}{{{{ {call} }}}}"), ""));
    }
    attacks.push(fails("shared: deepEqual", format!("{shared}{again}{{{{ deepEqual $d $e }}}}"), STEPS));
    run(attacks);
    let calls = ["merge $e $d | len", "mergeOverwrite $e $d | len", "uniq (list $d $e) | len", "has $d (list $e)"];
    run_tight(calls.map(|call| tight(call, format!("{shared}{again}{{{{ {call} }}}}"))).to_vec());
}
