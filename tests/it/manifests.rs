//! What installs the operator: `config/install.yaml` and `charts/coxswain` say the same, and the API server accepts
//! them.

use anyhow::Result;

use crate::support::manifests::{NAMESPACE, RELEASE, chart, install, project};
use crate::support::{command, shared};

/// Compares a written file with what it should be.
fn assert_current(path: &str, expected: &str) {
    let written = std::fs::read_to_string(project(path)).unwrap_or_default();
    let difference = written.lines().zip(expected.lines()).find(|(written, expected)| written != expected);
    assert!(written == expected, "{path} is not current: run `make manifests`; first difference: {difference:?}");
}

#[test]
fn the_install_manifest_is_what_helm_makes_of_the_chart() -> Result<()> {
    let mut helm = shared().helm();
    let rendered = command::output(helm.args(["template", RELEASE, "--namespace", NAMESPACE]).arg(chart()))?;
    assert_current("config/install.yaml", &install(&rendered)?);
    Ok(())
}

#[test]
fn the_chart_has_the_version_of_the_package() -> Result<()> {
    let text = std::fs::read_to_string(chart().join("Chart.yaml"))?;
    let metadata = coxswain::yaml::parse(&text)?;
    for key in ["version", "appVersion"] {
        assert_eq!(metadata[key], env!("CARGO_PKG_VERSION"), "{key} of charts/coxswain/Chart.yaml");
    }
    Ok(())
}
