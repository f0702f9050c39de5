//! Charts in folders: trees of subcharts, metadata, names, and what is no regular file.

use std::fmt::Write;
use std::path::Path;
use std::process::Command;

use super::{Attack, CHART_YAML, run};

/// Makes a named pipe of that name.
pub fn pipe(name: &'static str) -> impl FnOnce(&Path) {
    move |folder| {
        let made = Command::new("mkfifo").arg(folder.join(name)).status().expect("mkfifo");
        assert!(made.success());
    }
}

fn metadata(name: &str, rest: impl AsRef<[u8]>) -> Attack {
    Attack::template(name, "a: b\n").file("chart/Chart.yaml", [CHART_YAML.as_bytes(), rest.as_ref()].concat())
}

/// Declared dependencies.
fn declared(count: usize, mut each: impl FnMut(usize) -> String) -> String {
    let mut text = String::from("dependencies:\n");
    for number in 0..count {
        let _ = writeln!(text, "- {}", each(number));
    }
    text
}

/// What is said, after the chart, of dependencies that multiply.
const ALIASES: &str = ": dependencies and their aliases make more than 5000 charts";

const SUBCHART: (&str, &str) = ("chart/charts/s/Chart.yaml", "apiVersion: v2\nname: s\nversion: 1.0.0\n");

#[test]
fn hostile_trees() {
    let deep = |levels: usize| {
        let mut attack = Attack::template(format!("charts in charts, {levels} levels"), "a: b\n");
        let mut path = String::from("chart");
        for _ in 0..levels {
            path.push_str("/charts/c");
            attack = attack.file(&format!("{path}/Chart.yaml"), CHART_YAML);
        }
        attack
    };
    let mut wide = Attack::template("fifteen hundred subcharts", "a: b\n");
    for number in 0..1_500 {
        let text = format!("apiVersion: v2\nname: s{number}\nversion: 1.0.0\n");
        wide = wide.file(&format!("chart/charts/s{number}/Chart.yaml"), text);
    }
    let mut multiplied = Attack::template("dependencies that multiply", "a: b\n");
    let mut path = String::from("chart");
    for _ in 0..12 {
        let aliases = declared(10, |n| format!("{{name: s, version: '*', alias: s{n}, repository: ''}}"));
        multiplied = multiplied
            .file(&format!("{path}/Chart.yaml"), format!("apiVersion: v2\nname: s\nversion: 1.0.0\n{aliases}"));
        path.push_str("/charts/s");
    }
    multiplied = multiplied.file(&format!("{path}/Chart.yaml"), "apiVersion: v2\nname: s\nversion: 1.0.0\n");
    let imports =
        |attack: Attack| attack.file(SUBCHART.0, SUBCHART.1).file("chart/charts/s/values.yaml", "a: {b: {c: 1}}\n");
    run(vec![
        deep(30),
        deep(60).fails(["levels deep"]),
        deep(300).fails(["levels deep"]),
        wide,
        multiplied.fails([ALIASES]),
        metadata(
            "a hundred thousand dependencies that are not there",
            declared(100_000, |n| format!("{{name: d{n}, version: '1', repository: ''}}")),
        )
        .fails(["missing"]),
        metadata(
            "twenty thousand aliases of a chart",
            declared(20_000, |n| format!("{{name: s, version: '*', alias: a{n}, condition: a{n}.on, repository: ''}}")),
        )
        .file(SUBCHART.0, SUBCHART.1)
        .fails([ALIASES]),
        metadata(
            "twenty thousand aliases of a chart that are off",
            declared(20_000, |n| format!("{{name: s, version: '*', alias: a{n}, tags: [t], repository: ''}}")),
        )
        .file(SUBCHART.0, SUBCHART.1)
        .and(["--set", "tags.t=false"])
        .fails([ALIASES]),
        metadata(
            "a condition of a megabyte",
            declared(1, |_| {
                format!("{{name: s, version: '*', condition: '{}', repository: ''}}", "a.b,".repeat(200_000))
            }),
        )
        .file(SUBCHART.0, SUBCHART.1),
        metadata(
            "a condition that is deep",
            declared(1, |_| {
                format!("{{name: s, version: '*', condition: '{}a', repository: ''}}", "a.".repeat(200_000))
            }),
        )
        .file(SUBCHART.0, SUBCHART.1),
        metadata(
            "a version range of a megabyte",
            declared(1, |_| format!("{{name: s, version: '{}', repository: ''}}", "1 || ".repeat(200_000))),
        )
        .file(SUBCHART.0, SUBCHART.1),
        imports(metadata(
            "imports of values in themselves",
            declared(1, |_| {
                "{name: s, version: '*', repository: '', import-values: [{child: ., parent: s}, {child: a, parent: s.a.b}, {child: s, parent: .}]}".to_owned()
            }),
        )),
        imports(metadata(
            "imports of ten thousand values",
            declared(1, |_| {
                format!(
                    "{{name: s, version: '*', repository: '', import-values: [{}]}}",
                    (0..10_000).map(|n| format!("{{child: a, parent: p{n}.x}}, ")).collect::<String>()
                )
            }),
        )),
        imports(metadata(
            "imports into a deep place",
            declared(1, |_| {
                format!(
                    "{{name: s, version: '*', repository: '', import-values: [{{child: a, parent: {}a}}]}}",
                    "a.".repeat(100_000)
                )
            }),
        ))
        .fails(["import-values of s"]),
    ]);
}

#[test]
fn hostile_metadata() {
    let nested = format!("annotations: {}x{}\n", "{a: ".repeat(50_000), "}".repeat(50_000));
    run(vec![
        metadata("metadata of four megabytes", format!("description: {}\n", "x".repeat(4 << 20))),
        metadata("keywords without end", format!("keywords: [{}]\n", "x, ".repeat(500_000))),
        metadata("maintainers without end", format!("maintainers:\n{}", "- {name: x}\n".repeat(100_000))),
        metadata("nested metadata", nested).fails(["Chart.yaml"]),
        metadata(
            "aliases in metadata",
            format!("annotations:\n  a: &a [{}]\n  b: [{}]\n", "x, ".repeat(20_000), "*a, ".repeat(20_000)),
        )
        .fails(["Chart.yaml"]),
        metadata("a version of Kubernetes of a megabyte", format!("kubeVersion: '{}'\n", "1 || ".repeat(200_000)))
            .fails(["kubeVersion"]),
        metadata("terminal escapes in the version of Kubernetes", "kubeVersion: \"\\e[2J\"\n").fails(["kubeVersion"]),
        metadata("terminal escapes in the type", "type: \"\\e[2J\"\n").fails(["chart.metadata.type"]),
        metadata(
            "terminal escapes in a dependency",
            declared(1, |_| "{name: \"\\e[2J\", version: '1', repository: ''}".to_owned()),
        )
        .fails(["found in Chart.yaml"]),
        metadata(
            "terminal escapes in an alias",
            declared(1, |_| "{name: s, version: '1', alias: \"\\e[2J\", repository: ''}".to_owned()),
        )
        .fails(["dependency \"s\""]),
        Attack::new("terminal escapes in the name")
            .file("chart/Chart.yaml", "apiVersion: v2\nname: \"\\e[2J\"\nversion: 1.0.0\n")
            .file("chart/templates/t.yaml", "{{ fail \"x\" }}")
            .fails(["/templates/t.yaml:1:3"]),
        Attack::new("a name of a megabyte")
            .file("chart/Chart.yaml", format!("apiVersion: v2\nname: {}\nversion: 1.0.0\n", "x".repeat(1 << 20)))
            .file("chart/templates/t.yaml", "{{ fail \"x\" }}")
            .fails(["x"]),
        Attack::new("a name that leads out")
            .file("chart/Chart.yaml", "apiVersion: v2\nname: ../../x\nversion: 1.0.0\n")
            .fails(["chart.metadata.name \"../../x\""]),
        Attack::new("a version of a megabyte")
            .file("chart/Chart.yaml", format!("apiVersion: v2\nname: c\nversion: {}\n", "1".repeat(1 << 20)))
            .fails(["chart.metadata.version"]),
        Attack::new("metadata that is no map").file("chart/Chart.yaml", "[".repeat(100_000)).fails(["Chart.yaml"]),
        Attack::new("metadata that is no text").file("chart/Chart.yaml", b"\xff\xfe\x00").fails(["Chart.yaml"]),
        Attack::template("notes of four megabytes", "a: b\n").file("chart/templates/NOTES.txt", "x".repeat(4 << 20)),
        Attack::template("notes that never end", "a: b\n")
            .file("chart/templates/NOTES.txt", "{{ range 1000000000 }}x{{ end }}")
            .fails(["NOTES.txt:1"]),
        Attack::template("a manifest of a million documents", "{{ range 1000000 }}---\na: b\n{{ end }}"),
        Attack::template("a manifest of a million separators", "{{ range 1000000 }}---\n{{ end }}"),
        Attack::template(
            "a manifest that is an alias bomb",
            format!(
                "a0: &a0 [x, x]\n{}",
                (1..40).map(|n| format!("a{n}: &a{n} [*a{0}, *a{0}]\n", n - 1)).collect::<String>()
            ),
        )
        .fails(["c/templates/t.yaml"]),
        Attack::template("a manifest of brackets", "[".repeat(1_000_000)).fails(["c/templates/t.yaml"]),
        Attack::template("a manifest of open maps", "{{ repeat 1000000 \"a: \" }}").fails(["c/templates/t.yaml"]),
        Attack::template(
            "a manifest with terminal escapes",
            "kind: \"\\e[2J\"\nmetadata: {annotations: {helm.sh/hook: \"\\e[2J\"}}\n",
        ),
        Attack::template(
            "a hook with a weight of a megabyte",
            format!(
                "kind: Pod\nmetadata: {{name: x, annotations: {{helm.sh/hook: pre-install, helm.sh/hook-weight: \"{}\"}}}}\n",
                "9".repeat(1 << 20)
            ),
        ),
    ]);
}

#[test]
fn hostile_files() {
    let mut many = Attack::template("thirty thousand templates", "a: b\n");
    std::fs::create_dir_all(many.path("chart/templates/many")).expect("a folder");
    for number in 0..30_000 {
        std::fs::write(many.path(&format!("chart/templates/many/{number}.yaml")), "x").expect("a file");
    }
    many = many.fails(["more than"]);
    let ignoring = |name: &str, pattern: String| {
        Attack::template(name, "a: b\n")
            .file("chart/.helmignore", pattern)
            .file(&format!("chart/{}", "a".repeat(200)), "x")
    };
    let long = "a".repeat(250);
    run(vec![
        many,
        ignoring("an ignored pattern that goes back and forth", format!("{}b\n", "*a".repeat(100))),
        ignoring("ignored patterns without end", "*a*a*a*b\n".repeat(100_000)),
        ignoring("an ignored pattern of a megabyte", format!("{}\n", "[a-z]".repeat(200_000))),
        ignoring("an ignored pattern without an end", format!("{}\n", "[".repeat(200_000))).fails(["helmignore"]),
        ignoring("an ignored pattern with terminal escapes", "\x1b[2J[\n".to_owned()).fails(["helmignore"]),
        ignoring("everything ignored", "*\n".to_owned()).fails(["no Chart.yaml found"]),
        Attack::template("a template whose name clears the screen", "a: b\n")
            .file("chart/templates/\x1b[2J\x07.yaml", "{{ fail \"x\" }}")
            .fails(["x"]),
        Attack::template("a template with a long name", "a: b\n")
            .file(&format!("chart/templates/{long}/{long}/{long}/{long}/t.yaml"), "{{ fail \"x\" }}")
            .fails(["x"]),
        Attack::template("a template with a name of several lines", "a: b\n")
            .file("chart/templates/a\nError: b\r.yaml", "{{ fail \"x\" }}")
            .fails(["x"]),
        Attack::template("templates that are no text", b"\xff\xfe\x9b".repeat(100_000)).fails(["c/templates/t.yaml"]),
        Attack::template("a pipe for values", "a: b\n")
            .prepared(pipe("chart/values.yaml"))
            .fails(["irregular file values.yaml"]),
        Attack::template("a pipe for a template", "a: b\n")
            .prepared(pipe("chart/templates/p.yaml"))
            .fails(["irregular file templates/p.yaml"]),
        Attack::template("a pipe for ignored patterns", "a: b\n")
            .prepared(pipe("chart/.helmignore"))
            .fails(["helmignore"]),
        Attack::new("a pipe for metadata")
            .prepared(|folder| std::fs::remove_file(folder.join("chart/Chart.yaml")).expect("there"))
            .prepared(pipe("chart/Chart.yaml"))
            .fails(["Chart.yaml"]),
        Attack::template("a folder for values", "a: b\n").file("chart/values.yaml/x", "y"),
        Attack::template("a folder for metadata", "a: b\n")
            .prepared(|folder| std::fs::remove_file(folder.join("chart/Chart.yaml")).expect("there"))
            .file("chart/Chart.yaml/x", "y")
            .fails(["Chart.yaml"]),
        Attack::template("a folder for ignored patterns", "a: b\n").file("chart/.helmignore/x", "y"),
        Attack::template("endless ignored patterns", "a: b\n")
            .prepared(link("/dev/zero", "chart/.helmignore"))
            .fails(["helmignore"]),
        Attack::template("endless values", "a: b\n")
            .prepared(link("/dev/zero", "chart/values.yaml"))
            .fails(["values.yaml"]),
        Attack::template("endless metadata", "a: b\n")
            .prepared(|folder| std::fs::remove_file(folder.join("chart/Chart.yaml")).expect("there"))
            .prepared(link("/dev/zero", "chart/Chart.yaml"))
            .fails(["Chart.yaml"]),
        Attack::template("a link out of the chart", "a: b\n")
            .prepared(link("/etc/passwd", "chart/x"))
            .fails(["points outside"]),
        Attack::template("a link to nothing", "a: b\n").prepared(link("nothing", "chart/x")).fails(["x"]),
        Attack::template("a link to itself", "a: b\n").prepared(link("x", "chart/x")).fails(["x"]),
        Attack::template("a link to its folder", "a: b\n").prepared(link(".", "chart/x")).fails(["levels deep"]),
        Attack::template("a link to the parent, twice", "a: b\n")
            .prepared(link(".", "chart/x"))
            .prepared(link(".", "chart/y"))
            .fails(["levels deep"]),
        Attack::template("a link to a device", "a: b\n").prepared(link("/dev/tty", "chart/x")).fails(["x"]),
        Attack::template("a file of sixteen gigabytes", "a: b\n")
            .prepared(|folder| {
                std::fs::File::create(folder.join("chart/f"))
                    .and_then(|file| file.set_len(1 << 34))
                    .expect("a sparse file");
            })
            .fails(["larger than the maximum size"]),
        Attack::template("values of sixteen gigabytes", "a: b\n")
            .prepared(|folder| {
                std::fs::File::create(folder.join("v.yaml"))
                    .and_then(|file| file.set_len(1 << 34))
                    .expect("a sparse file");
            })
            .and(["-f", "v.yaml"])
            .fails(["v.yaml"]),
        Attack::new("a chart that never ends").with(["/dev/zero"]).fails(["/dev/zero"]),
        Attack::new("a chart that is random").with(["/dev/urandom"]).fails(["/dev/urandom"]),
        Attack::new("a chart that is nothing").with(["/dev/null"]).fails(["/dev/null"]),
        Attack::new("a chart that is a pipe").prepared(pipe("p")).with(["./p"]).fails(["p"]),
        Attack::new("a chart that is not there").with(["./\x1b[2J"]).fails(["path \"./\\x1b[2J\" not found"]),
        Attack::new("a chart of a hundred kilobytes of name")
            .with([format!("./{}", "x".repeat(100_000))])
            .fails(["path \"./xxx"]),
        Attack::new("a folder that is no chart").with(["."]).fails(["Chart.yaml"]),
    ]);
}

/// Makes a symbolic link.
fn link(target: &'static str, name: &'static str) -> impl FnOnce(&Path) {
    move |folder| std::os::unix::fs::symlink(target, folder.join(name)).expect("a link")
}
