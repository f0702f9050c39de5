//! `config/install.yaml` and the chart's copies of the definitions, made from one source: `charts/coxswain` with its
//! defaults and `crds/`. `make manifests` writes them, a test holds them to it.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use coxswain::chart::{self, load_directory};
use coxswain::render::{Capabilities, Input, Program, Release};
use coxswain::template::functions::Chance;
use coxswain::value::Json;

/// The namespace that the operator is installed into, Captain's.
pub const NAMESPACE: &str = "captain-system";
/// The name of the release, and so of every object.
pub const RELEASE: &str = "coxswain";

const HEAD: &str = "\
# Written by `make manifests` from charts/coxswain and crds/; change those. Apply it with
# kubectl apply --server-side -f config/install.yaml
";

const NAMESPACE_OBJECT: &str = "\
apiVersion: v1
kind: Namespace
metadata:
  name: captain-system
  labels:
    pod-security.kubernetes.io/enforce: restricted
";

/// The folder of the operator's chart.
pub fn chart() -> PathBuf {
    project("charts/coxswain")
}

/// The files that are written: path in the project and content.
///
/// # Errors
/// When the chart cannot be rendered or the definitions cannot be read.
pub fn files() -> Result<Vec<(String, String)>> {
    let install = install(&rendered()?)?;
    let copies = definitions()?.into_iter().map(|(name, text)| (format!("charts/coxswain/crds/{name}"), text));
    Ok([("config/install.yaml".to_owned(), install)].into_iter().chain(copies).collect())
}

/// The text of `config/install.yaml`, given what the chart renders.
///
/// # Errors
/// When the definitions cannot be read.
pub fn install(rendered: &str) -> Result<String> {
    let definitions = definitions()?.into_iter().map(|(_, text)| text);
    let documents: Vec<String> = [NAMESPACE_OBJECT.to_owned()].into_iter().chain(definitions).collect();
    Ok(format!("{HEAD}---\n{}{}\n", documents.join("---\n"), rendered.trim_end()))
}

/// What the chart renders with its defaults, by our own engine.
///
/// # Errors
/// When it cannot be loaded or rendered.
pub fn rendered() -> Result<String> {
    let program = Program::new(load_directory(&chart(), &chart::Limits::default())?);
    let release = Release { name: RELEASE.to_owned(), namespace: NAMESPACE.to_owned(), revision: 1, is_upgrade: false };
    let capabilities = Capabilities::default();
    let input = Input { chance: &NoChance, ..Input::new(&Json::Null, &release, &capabilities) };
    Ok(program.render(&input)?.manifest)
}

/// The chart leaves nothing to chance.
struct NoChance;

impl Chance for NoChance {
    fn now(&self) -> i128 {
        0
    }

    fn bytes(&self, n: usize) -> Vec<u8> {
        vec![0; n]
    }
}

/// The files of `crds/` by name.
fn definitions() -> Result<Vec<(String, String)>> {
    let folder = project("crds");
    let entries = std::fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut files = Vec::new();
    for entry in entries {
        let entry = entry?;
        files.push((entry.file_name().to_string_lossy().into_owned(), std::fs::read_to_string(entry.path())?));
    }
    files.sort();
    Ok(files)
}

/// A path in the project.
pub fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}
