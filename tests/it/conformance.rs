//! Compares renders of real charts with the recording of Helm, byte for byte. Skipped, and said so, where the
//! recording is absent. The example `conformance` prints the same renders for the recording's own script.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use flate2::read::GzDecoder;
use serde_json::Value;

use super::recording::stubs::Stubs;
use super::recording::{self, Line};

/// Charts that must be in the recording: a smaller one proves too little.
const REQUIRED: [&str; 12] = [
    "argoproj--argo-cd",
    "bitnami--nginx",
    "bitnami--postgresql",
    "bitnami--redis",
    "goharbor--harbor",
    "hashicorp--vault",
    "jenkinsci--jenkins",
    "kubernetes--ingress-nginx",
    "prometheus-community--kube-prometheus-stack",
    "traefik--traefik",
    "zylpsrs--greeter",
    "zylpsrs--hello",
];

type Key = (String, String, bool);

#[test]
fn charts_render_as_helm_renders_them() {
    let Some(folder) = recording::folder() else {
        eprintln!("skipped: no recording of Helm (set COXSWAIN_CONFORMANCE)");
        return;
    };
    let stubs = Stubs::find([folder.as_path()]);
    let subjects = recording::subjects(&folder.join("charts"), &folder.join("values"), |_| true).expect("charts");
    let goldens = goldens(&folder.join("goldens.jsonl.gz")).expect("goldens");
    for required in REQUIRED {
        let archive = format!("{required}.tgz");
        assert!(goldens.keys().any(|(chart, ..)| *chart == archive), "{archive} is missing in the recording");
    }
    let lines = recording::render_all(&subjects, &stubs).expect("renders");
    assert_eq!(lines.len(), goldens.len(), "a case is missing");
    let differences: Vec<String> = lines.iter().filter_map(|line| difference(line, &goldens)).collect();
    assert!(
        differences.is_empty(),
        "{} of {} cases differ:\n{}",
        differences.len(),
        lines.len(),
        differences.join("\n")
    );
}

/// Large charts with libraries, subcharts and includes in includes.
const TRACED: [&str; 3] = ["bitnami--redis", "kubernetes--ingress-nginx", "traefik--traefik"];

#[test]
fn a_source_map_changes_no_byte_and_knows_every_line() {
    let Some(folder) = recording::folder() else {
        eprintln!("skipped: no recording of Helm (set COXSWAIN_CONFORMANCE)");
        return;
    };
    let stubs = Stubs::find([folder.as_path()]);
    for chart in TRACED {
        let archive = std::fs::read(folder.join(format!("charts/{chart}.tgz"))).expect(chart);
        let loaded = coxswain::chart::load_archive(&archive, &coxswain::chart::Limits::default()).expect(chart);
        let program = coxswain::render::Program::new(loaded);
        let traced = coxswain::template::on_large_stack(|| {
            let plain = recording::render(&program, &Value::Null, false, &stubs).expect(chart);
            let (rendered, map) = recording::render_traced(&program, &Value::Null, &stubs).expect(chart);
            assert_eq!((rendered.manifest, &rendered.notes), (plain.manifest, &plain.notes), "{chart}");
            for document in &rendered.documents {
                for (number, line) in document.content.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
                    let written = map.find(&document.path, &document.content, number);
                    assert!(written.is_some_and(|written| !written.by.is_empty()), "{}: {line}", document.path);
                }
            }
        });
        traced.expect(chart);
    }
}

fn goldens(path: &Path) -> anyhow::Result<BTreeMap<Key, Value>> {
    let lines = BufReader::new(GzDecoder::new(File::open(path)?)).lines();
    lines
        .map(|line| {
            let golden: Value = serde_json::from_str(&line?)?;
            let text = |key: &str| golden[key].as_str().unwrap_or_default().to_owned();
            let key = (text("chart"), text("values"), golden["is_upgrade"] == true);
            Ok((key, golden))
        })
        .collect()
}

/// The first field in which a case differs, and where.
fn difference(line: &Line, goldens: &BTreeMap<Key, Value>) -> Option<String> {
    let values = line.values.clone().unwrap_or_default();
    let case = format!("{} {values}{}", line.chart, if line.is_upgrade { " (upgrade)" } else { "" });
    let Some(golden) = goldens.get(&(line.chart.clone(), values, line.is_upgrade)) else {
        return Some(format!("{case}: not in the recording"));
    };
    let rendered = serde_json::to_value(line).expect("a line is plain data");
    let field =
        ["error", "manifest", "hooks", "notes", "crds"].into_iter().find(|field| rendered[field] != golden[field])?;
    let (got, want) = (text(&rendered[field]), text(&golden[field]));
    let same = got.lines().zip(want.lines()).take_while(|(got, want)| got == want).count();
    let at = |text: &str| text.lines().nth(same).map_or_else(|| "the end".to_owned(), |line| format!("{line:?}"));
    Some(format!("{case}: {field}, line {}: got {}, want {}", same + 1, at(&got), at(&want)))
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| serde_json::to_string_pretty(value).unwrap_or_default(), str::to_owned)
}
