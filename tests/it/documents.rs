//! What is written for people is true: made parts are current, links lead somewhere, and the API server accepts every
//! object in `config/` and in the pages.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use regex::Regex;

use super::manifests::assert_current;
use crate::support::manifests::project;
use crate::support::{command, reference, shared};

/// Every page: the README and those of `docs/`.
fn pages() -> Result<Vec<PathBuf>> {
    let mut pages = vec![project("README.md")];
    pages.extend(files(&project("docs"))?);
    Ok(pages)
}

fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut files = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    files.sort();
    Ok(files)
}

/// The YAML blocks of a page.
fn yaml_blocks(page: &Path) -> Result<Vec<String>> {
    let text = std::fs::read_to_string(page)?;
    let blocks = text.split("```yaml\n").skip(1).filter_map(|rest| rest.split_once("```"));
    Ok(blocks.map(|(block, _)| block.to_owned()).collect())
}

#[test]
fn the_made_parts_of_the_pages_are_current() -> Result<()> {
    for (path, expected) in reference::files()? {
        assert_current(&path, &expected, "make docs");
    }
    Ok(())
}

#[test]
fn links_between_pages_lead_somewhere() -> Result<()> {
    let link = Regex::new(r"\]\(([^)#:]*)(?:#([^)]*))?\)")?;
    for page in pages()? {
        let text = std::fs::read_to_string(&page)?;
        for found in link.captures_iter(&text) {
            let path = &found[1];
            let target = if path.is_empty() { page.clone() } else { page.with_file_name("").join(path) };
            let title = format!("{}: {}", page.display(), &found[0]);
            assert!(target.exists(), "{title} leads nowhere");
            let Some(place) = found.get(2) else { continue };
            assert!(
                anchors(&std::fs::read_to_string(&target)?).contains(place.as_str()),
                "{title} has no such heading"
            );
        }
    }
    Ok(())
}

/// The names by which headings of a page are linked to, as GitHub makes them.
fn anchors(page: &str) -> BTreeSet<String> {
    let titles = page.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim());
    let kept = |c: &char| c.is_alphanumeric() || *c == ' ' || *c == '-';
    titles.map(|title| title.to_lowercase().chars().filter(kept).collect::<String>().replace(' ', "-")).collect()
}

#[tokio::test]
async fn the_api_server_accepts_every_object_of_samples_and_pages() -> Result<()> {
    let cluster = shared();
    install_definitions()?;
    let namespace = cluster.namespace("documents").await?;
    let mut texts = Vec::new();
    for sample in files(&project("config/samples"))? {
        texts.push((sample.display().to_string(), std::fs::read_to_string(&sample)?));
    }
    for page in pages()? {
        texts.extend(yaml_blocks(&page)?.into_iter().map(|block| (page.display().to_string(), block)));
    }
    // Whatever namespace a page names, the objects are tried in the test's own.
    let named = Regex::new("(?m)^  namespace: (?:default|captain-system)$")?;
    for (index, (place, text)) in texts.iter().enumerate() {
        let file = cluster.folder().join(format!("document-{index}.yaml"));
        std::fs::write(&file, named.replace_all(text, "").as_bytes())?;
        let mut kubectl = cluster.kubectl();
        kubectl.args(["apply", "--dry-run=server", "--validate=strict", "--namespace", &namespace, "-f"]).arg(&file);
        command::output(&mut kubectl).with_context(|| format!("{place}:\n{text}"))?;
    }
    Ok(())
}

/// Makes the API server know our kinds.
fn install_definitions() -> Result<()> {
    let kubectl = |arguments: &[&str]| -> Command {
        let mut kubectl = shared().kubectl();
        kubectl.args(arguments).arg(project("crds"));
        kubectl
    };
    command::output(&mut kubectl(&["apply", "--server-side", "--force-conflicts", "-f"]))?;
    command::output(&mut kubectl(&["wait", "--for=condition=Established", "--timeout=30s", "-f"]))?;
    Ok(())
}
