//! Loading archives and values files.

use std::io::Write;

use serde_json::json;

use super::*;

const CHART_YAML: &str = "apiVersion: v2\nname: c\nversion: 1.2.3\n";

/// A gzip-compressed tar archive of the given entries.
fn archive(entries: &[(&str, &str)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, text) in entries {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(1_700_000_000);
        builder.append_data(&mut header, name, text.as_bytes()).expect("memory");
    }
    compress(&builder.into_inner().expect("memory"))
}

fn compress(data: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(data).expect("memory");
    encoder.finish().expect("memory")
}

fn load(entries: &[(&str, &str)]) -> Result<Chart, String> {
    load_archive(&archive(entries), &Limits::default()).map_err(|error| error.to_string())
}

#[test]
fn files_are_sorted_into_their_places() {
    let chart = load(&[
        ("c/values.yaml", "\u{feff}a: 1\n---\nb: {c: 2}\n"),
        ("c/Chart.yaml", CHART_YAML),
        ("c/templates/x.yaml", "\u{feff}x"),
        ("c/templates/nested/NOTES.txt", "n"),
        ("c/crds/crd.yaml", "k"),
        ("c/README.md", "r"),
        ("c/charts/sub/Chart.yaml", "apiVersion: v1\nname: sub\nversion: 0.1.0\n"),
        ("c/charts/sub/crds/crd.YML", "k"),
        ("c/charts/_ignored/x", "x"),
        ("c/charts/sub.tgz.prov", "p"),
    ])
    .expect("valid");
    let names = |files: &[File]| files.iter().map(|file| file.name.clone()).collect::<Vec<_>>();
    assert_eq!(*chart.values, json!({"a": 1.0, "b": {"c": 2.0}}));
    assert_eq!(names(&chart.templates), ["templates/x.yaml", "templates/nested/NOTES.txt"]);
    assert_eq!(&*chart.templates[0].data, b"x", "the byte order mark is removed");
    assert_eq!(names(&chart.files), ["crds/crd.yaml", "README.md", "charts/sub.tgz.prov"]);
    let crds: Vec<String> = chart.crds().into_iter().map(|crd| crd.path).collect();
    assert_eq!(crds, ["c/crds/crd.yaml", "c/charts/sub/crds/crd.YML"]);
    assert_eq!(chart.modified.map(jiff::Timestamp::as_second), Some(1_700_000_000));
}

#[test]
fn numbers_in_chart_yaml_become_helms_text() {
    let yaml = "apiVersion: v2\nNAME: c\nversion: 1.2\nappVersion: 1.10\nannotations: {a: 12, b: true, c: 0123}\n";
    let chart = load(&[("c/Chart.yaml", yaml)]).expect("valid");
    assert_eq!((chart.metadata.version.as_str(), chart.metadata.app_version.as_str()), ("1.2", "1.1"));
    let annotations: Vec<&str> = chart.metadata.annotations.values().map(String::as_str).collect();
    assert_eq!(annotations, ["12", "true", "83"]);
}

#[test]
fn invalid_charts_are_refused_in_helms_words() {
    let head = "apiVersion: v2\nversion: 1.0.0\n";
    let table = [
        ("name: c\nversion: 1.0.0\napiVersion: v9\n".to_owned(), "unsupported chart version"),
        ("name: c\nversion: 1.0.0\napiVersion: v3\n".to_owned(), "invalid chart apiVersion"),
        (head.to_owned(), "validation: chart.metadata.name is required"),
        (format!("{head}name: ..\n"), "validation: chart.metadata.name \"..\" is not allowed"),
        (format!("{head}name: a/b\n"), "validation: chart.metadata.name \"a/b\" is invalid"),
        ("apiVersion: v2\nname: c\n".to_owned(), "validation: chart.metadata.version is required"),
        ("apiVersion: v2\nname: c\nversion: x.y\n".to_owned(), "validation: chart.metadata.version \"x.y\" is invalid"),
        (format!("{head}name: c\ntype: other\n"), "validation: chart.metadata.type must be application or library"),
        (format!("{head}name: c\nmaintainers: [~]\n"), "validation: maintainers must not contain empty or null nodes"),
        (
            format!("{head}name: c\ndependencies: [{{name: a}}, {{name: b, alias: a}}]\n"),
            "validation: more than one dependency with name or alias \"a\"",
        ),
        (
            format!("{head}name: c\ndependencies: [{{name: a, alias: 'x y'}}]\n"),
            "validation: dependency \"a\" has disallowed characters in the alias",
        ),
        (
            format!("{head}name: c\nkeywords: {{}}\n"),
            "cannot load Chart.yaml: error unmarshaling JSON: while decoding JSON: json: cannot unmarshal object \
             into Go struct field Metadata.keywords of type []string",
        ),
    ];
    for (yaml, expected) in table {
        assert_eq!(load(&[("c/Chart.yaml", &yaml)]).err().as_deref(), Some(expected), "{yaml}");
    }
}

#[test]
fn subcharts_are_unpacked_from_archives_and_folders() {
    let inner = archive(&[("sub/Chart.yaml", "apiVersion: v2\nname: sub\nversion: 1.0.0\n")]);
    let mut builder = tar::Builder::new(Vec::new());
    for (name, data) in [("c/Chart.yaml", CHART_YAML.as_bytes()), ("c/charts/sub-1.0.0.tgz", &inner)] {
        let mut header = tar::Header::new_gnu();
        header.set_size(data.len() as u64);
        builder.append_data(&mut header, name, data).expect("memory");
    }
    let outer = compress(&builder.into_inner().expect("memory"));
    let chart = load_archive(&outer, &Limits::default()).expect("valid");
    assert_eq!(chart.dependencies[0].name(), "sub");

    let stray = load(&[("c/Chart.yaml", CHART_YAML), ("c/charts/README.md", "x")]);
    let expected = "error unpacking subchart README.md in c: Chart.yaml file is missing";
    assert_eq!(stray.err().as_deref(), Some(expected));
}

#[test]
fn the_place_in_a_subchart_is_that_in_its_own_archive() {
    let load = |inner: &[u8]| {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, data) in [("c/Chart.yaml", CHART_YAML.as_bytes()), ("c/charts/sub.tgz", inner)] {
            let mut header = tar::Header::new_gnu();
            header.set_size(data.len() as u64);
            builder.append_data(&mut header, name, data).expect("memory");
        }
        let outer = compress(&builder.into_inner().expect("memory"));
        load_archive(&outer, &Limits::default()).map(drop).map_err(|error| error.to_string())
    };
    let inner = archive(&[("sub/Chart.yaml", CHART_YAML), ("sub", "x")]);
    let table = [
        (&b"PK"[..], "gzip: invalid header"),
        (
            &inner[..40],
            "unexpected end of file at byte 40 of the archive: read up to byte 0 of the decompressed stream",
        ),
        (
            &inner,
            "chart illegally contains content outside the base directory: \"sub\": entry \"sub\" at byte 1024 of the \
             decompressed stream",
        ),
    ];
    for (inner, expected) in table {
        assert_eq!(load(inner), Err(format!("error unpacking subchart sub.tgz in c: {expected}")));
    }
}

#[test]
fn links_and_limits_end_a_load() {
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Symlink);
    header.set_size(0);
    builder.append_link(&mut header, "c/templates/x.yaml", "/etc/passwd").expect("memory");
    let linked = compress(&builder.into_inner().expect("memory"));
    let error = load_archive(&linked, &Limits::default()).expect_err("a link");
    let expected = "unable to load chart archive: chart contains a symbolic link: only regular files are allowed: entry \
                    \"c/templates/x.yaml\" at byte 0 of the decompressed stream";
    assert_eq!(error.to_string(), expected);

    let large = archive(&[("c/Chart.yaml", CHART_YAML), ("c/a", &"x".repeat(3_000)), ("c/b", &"x".repeat(3_000))]);
    let limits = |file, total, entries| Limits { file, total, entries, depth: 4 };
    let table = [
        (
            limits(2_999, 100_000, 9),
            "decompressed chart file \"a\" is larger than the maximum file size 2999: entry \"c/a\" at byte 1024",
        ),
        (
            limits(5_000, 5_000, 9),
            "decompressed chart is larger than the maximum size 5000: entry \"c/b\" at byte 4608",
        ),
        (limits(5_000, 50_000, 2), "chart has more than 2 files: entry \"c/b\" at byte 4608"),
    ];
    for (limits, expected) in table {
        let error = load_archive(&large, &limits).expect_err(expected);
        assert_eq!(error.to_string(), format!("unable to load chart archive: {expected} of the decompressed stream"));
        assert!(error.is_too_large());
    }
}

#[test]
fn headers_alone_do_not_pass_the_limit() {
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Directory);
    header.set_size(1 << 20);
    builder.append_data(&mut header, "c/folder", &vec![0; 1 << 20][..]).expect("memory");
    let archive = compress(&builder.into_inner().expect("memory"));
    let limits = Limits { file: 1_000, total: 10_000, entries: 8, depth: 4 };
    let error = load_archive(&archive, &limits).expect_err("a large folder");
    let expected = "unable to load chart archive: decompressed archive is larger than 30480 bytes, more than a chart may \
                    have with the headers of its files: entry \"c/folder\" at byte 0 of the decompressed stream";
    assert_eq!(error.to_string(), expected);
    assert!(error.is_too_large());
}

#[test]
fn archives_that_are_none_are_refused() {
    let load = |data: &[u8]| load_archive(data, &Limits::default()).map(drop).map_err(|error| error.to_string());
    let not_gzip = "stream does not appear to be a valid chart file (details: gzip: invalid header)";
    assert_eq!(load(b""), Err(not_gzip.to_owned()));
    assert_eq!(load(b"apiVersion: v2\n"), Err(not_gzip.to_owned()));
    assert_eq!(load(&archive(&[])), Err("unable to load chart archive: no files in chart archive".to_owned()));
    let missing = "unable to detect chart version, no Chart.yaml found";
    assert_eq!(load(&archive(&[("c/x", "")])), Err(missing.to_owned()));
}

#[test]
fn values_files_hold_several_documents() {
    let load = |text: &str| load_values(text.as_bytes());
    assert_eq!(load("a: {b: 1, c: 2}\n---\na: {b: ~}\n"), Ok(json!({"a": {"b": null, "c": 2.0}})));
    assert_eq!(load("# none\n"), Ok(json!({})));
    assert_eq!(load("--- # note\r\na: 1\r\n"), Ok(json!({"a": 1.0})));
    let separator = "error reading yaml document: invalid Yaml document separator: x";
    assert_eq!(load("a: 1\n--- x\n"), Err(separator.to_owned()));
    let list = "cannot unmarshal yaml document: error unmarshaling JSON: while decoding JSON: json: cannot \
                unmarshal array into Go value of type map[string]interface {}";
    assert_eq!(load("- a\n"), Err(list.to_owned()));
}
