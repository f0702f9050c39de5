//! Values files, `--set` and its kin, and the other arguments.

use super::{Attack, run};

/// A values file; messages name it.
fn file(name: &str, content: impl AsRef<[u8]>) -> Attack {
    Attack::template(name, "a: b\n").file("v.yaml", content).and(["-f", "v.yaml"])
}

fn refused(name: &str, content: impl AsRef<[u8]>, words: &str) -> Attack {
    file(name, content).fails(["v.yaml", words])
}

/// An argument of the command line.
fn set(flag: &str, expression: impl AsRef<str>, words: &[&str]) -> Attack {
    let expression = expression.as_ref();
    Attack::template(format!("{flag} {expression:.60}"), "a: b\n").and([flag, expression]).fails(words.iter().copied())
}

/// A name by template, without another name.
fn named(template: &str) -> Attack {
    let attack = Attack::template(format!("--name-template {template}"), "a: b\n");
    attack.with(["--name-template", template, "chart"]).without_name()
}

/// A template for the name that does not end well; messages name its place.
fn name_template(template: &str, words: &str) -> Attack {
    named(template).fails(["name-template:1:", words])
}

/// Lists of aliases of the lists before.
fn bomb(levels: usize, width: usize) -> String {
    let mut text = String::from("a0: &a0 [x, x]\n");
    for level in 1..levels {
        let aliases = format!("*a{}, ", level - 1).repeat(width);
        text.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
    }
    text
}

#[test]
fn hostile_values_files() {
    let merges: String = (1..60).map(|n| format!("a{n}: &a{n} {{<<: [*a{0}, *a{0}], b{n}: 1}}\n", n - 1)).collect();
    let anchors: String = (0..200_000).map(|n| format!("- &a{n} x\n")).collect();
    let keys: String = (0..200_000).map(|n| format!("a{n}: 1\n")).collect();
    run(vec![
        refused("aliases that double", bomb(60, 2), "excessive aliasing"),
        refused("aliases that multiply", bomb(12, 10), "excessive aliasing"),
        refused(
            "aliases of a long list",
            format!("a: &a [{}]\nb: [{}]\n", "x, ".repeat(20_000), "*a, ".repeat(20_000)),
            "excessive aliasing",
        ),
        refused(
            "aliases of a long text",
            format!("a: &a {}\nb: [{}]\n", "x".repeat(1 << 20), "*a, ".repeat(5_000)),
            "",
        ),
        refused("merges that double", format!("a0: &a0 {{b: 1}}\n{merges}"), "excessive aliasing"),
        refused("an anchor in itself", "a: &a [*a]\n", "contains itself"),
        refused("an anchor in itself by a merge", "a: &a {<<: *a}\n", "contains itself"),
        refused("an anchor in itself by a key", "? &a [*a]\n: 1\n", ""),
        refused("an unknown anchor", "a: *b\n", "unknown anchor"),
        refused("brackets without end", "[".repeat(1_000_000), ""),
        refused("braces without end", "{".repeat(1_000_000), ""),
        refused("lists without end", "- ".repeat(1_000_000), ""),
        refused("keys without end", "? ".repeat(1_000_000), ""),
        refused("maps in a line without end", "a: ".repeat(1_000_000), ""),
        refused("tags without end", "!".repeat(1_000_000), ""),
        file("anchors without end", "&a ".repeat(500_000)),
        refused("quotes without end", format!("a: \"{}", "\\\"".repeat(1_000_000)), ""),
        refused("tabs without end", "\t".repeat(1_000_000), ""),
        refused("a text of five megabytes that is no map", "x".repeat(5 << 20), ""),
        file("a text of five megabytes", format!("a: {}\n", "x".repeat(5 << 20))),
        file("a folded text of five megabytes", format!("a: >\n  {}\n", "x y\n  ".repeat(1_000_000))),
        file("a key of five megabytes", format!("? {}\n: 1\n", "x".repeat(5 << 20))),
        file("comments of five megabytes", "# x\n".repeat(1_000_000)),
        file("two hundred thousand keys", keys),
        refused("two hundred thousand anchors", anchors, "cannot unmarshal"),
        file("a hundred thousand documents", "---\na: 1\n".repeat(100_000)),
        refused("directives without end", "%YAML 1.1\n".repeat(100_000), ""),
        file("a number with five million digits", format!("a: {}\n", "9".repeat(5_000_000))),
        refused("maps nested deeper than any limit", format!("{}x{}", "{a: ".repeat(20_000), "}".repeat(20_000)), ""),
        file("maps nested below the limit", format!("{}x{}", "{a: ".repeat(400), "}".repeat(400))),
        refused("zero bytes", "a: \0\n", "control characters"),
        refused("terminal escapes", "a: \x1b[2J\n", "control characters"),
        refused("terminal escapes in an anchor", "a: *b\u{9b}\n", ""),
        refused("bytes that are no text", b"a: \xff\xfe\n", "UTF-8"),
        refused("half of UTF-16", b"\xff\xfea", ""),
        refused("a duplicate of everything that is no map", "- a\n- b\n", "cannot unmarshal array"),
        refused("a binary text that is none", "a: !!binary \"***\"\n", ""),
        refused("an infinite number", "a: .inf\n", ""),
        refused("a key that is a list", "[a]: 1\n", ""),
        Attack::template("no end of values", "a: b\n").and(["-f", "/dev/zero"]).fails(["/dev/zero"]),
        Attack::template("no end of random values", "a: b\n").and(["-f", "/dev/urandom"]).fails(["/dev/urandom"]),
        Attack::template("a folder of values", "a: b\n").and(["-f", "chart"]).fails(["chart"]),
        Attack::template("no values", "a: b\n").and(["-f", "/dev/null"]),
        Attack::template("a pipe that nobody writes to", "a: b\n")
            .prepared(super::charts::pipe("p"))
            .and(["-f", "p"])
            .fails(["p"]),
        Attack::template("values that are not there", "a: b\n").and(["-f", "\x1b[2J"]).fails(["no such file"]),
        file("ten thousand values files", "a: 1\n").and(["-f", "v.yaml,".repeat(10_000).trim_end_matches(',')]),
    ]);
}

#[test]
fn hostile_arguments() {
    let deep = |n: usize, end: &str| format!("{}{end}", "a.".repeat(n));
    run(vec![
        set("--set", "a[1000000000]=x", &["maximum supported index of 65536"]),
        set("--set", "a[9223372036854775807]=x", &["maximum supported index of 65536"]),
        set("--set", "a[99999999999999999999]=x", &["error parsing index"]),
        set("--set", "a[-1]=x", &["negative -1 index"]),
        set("--set", format!("a{}=x", "[65536]".repeat(1_000)), &["nested level is greater"]),
        set("--set", format!("a{}=x", "[0]".repeat(20_000)), &["nested level is greater"]),
        set("--set", format!("a{}=x", "[0].a".repeat(20_000)), &["nested level is greater"]),
        set("--set", deep(31, "a=x"), &["nested level is greater"]),
        set("--set", deep(50_000, "a=x"), &["nested level is greater"]),
        set("--set", deep(50_000, ""), &["nested level is greater"]),
        set("--set", format!("a={{{}", "x,".repeat(50_000)), &["list must terminate"]),
        set("--set", "x".repeat(120_000), &["has no value"]),
        set("--set", "a=\x1b[2J,b", &["has no value"]),
        set("--set", "\x1b]2J", &["has no value"]),
        set("--set-string", format!("{}[1000000000]=x", "a".repeat(100)), &["maximum supported index"]),
        set("--set-json", format!("a={}", "[".repeat(100_000)), &["--set-json"]),
        set("--set-json", format!("a={}1{}", "[".repeat(50_000), "]".repeat(50_000)), &["--set-json"]),
        set("--set-json", format!("a={}1{}", "{\"a\":".repeat(20_000), "}".repeat(20_000)), &["--set-json"]),
        set("--set-json", "a=\x1b[2J", &["--set-json"]),
        set("--set-json", "{".repeat(100_000), &["--set-json"]),
        set("--set-json", "a[1000000000]=1", &["--set-json"]),
        set("--set-literal", deep(31, "a=x"), &["nested level is greater"]),
        set("--set-file", "a=/dev/zero", &["/dev/zero"]),
        set("--set-file", "a=chart", &["chart"]),
        set("--set-file", "a[1000000000]=chart/Chart.yaml", &["maximum supported index"]),
        set("--kube-version", "1".repeat(120_000), &["kube version"]),
        set("--kube-version", "\x1b[2J", &["kube version"]),
        set("--show-only", "\x1b[2J", &["could not find template"]),
        set("--show-only", "x".repeat(120_000), &["could not find template"]),
        name_template("{{ repeat 1000000000 \"x\" }}", "the render"),
        name_template("{{ range 1000000000 }}{{ end }}", "the render"),
        name_template(
            "{{ define \"a\" }}{{ template \"a\" . }}{{ end }}{{ template \"a\" . }}",
            "maximum template depth",
        ),
        named("\x1b[2J").fails(["release name"]),
        set("--nonsense\x1b[2J", "x", &[r"--nonsense\x1b[2J"]),
        set("--timeout", "9999999999999999999999h", &["--timeout"]),
        Attack::template("a name of a hundred kilobytes", "a: b\n").fails(["release name"]).named("x".repeat(100_000)),
        Attack::template("a name that clears the screen", "a: b\n").fails(["release name"]).named("\x1b[2J"),
        Attack::template("ten thousand versions of an API", "a: b\n").and(["--api-versions", &"a/v1,".repeat(20_000)]),
        Attack::template("a list of sixty-five thousand", "a: b\n")
            .and(["--set", &(0..10).map(|n| format!("a{n}[65536]=x,")).collect::<String>()]),
        Attack::template("lists in lists of sixty-five thousand", "a: b\n")
            .and(["--set", &(0..3).map(|n| format!("a[{n}][65536][65536][65536]=x,")).collect::<String>()]),
        Attack::template("ten thousand lists of sixty-five thousand", "a: b\n")
            .and(["--set", &(0..8_000).map(|n| format!("a{n}[65536]=x,")).collect::<String>()])
            .fails(["--set data: lists are filled up with more than"]),
    ]);
}
