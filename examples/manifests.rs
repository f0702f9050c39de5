//! Writes `config/install.yaml` and the chart's copies of the definitions, see `tests/support/manifests.rs`.

#[path = "../tests/support/manifests.rs"]
mod manifests;

use anyhow::{Context, Result};

fn main() -> Result<()> {
    for (path, text) in manifests::files()? {
        let file = manifests::project(&path);
        std::fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(())
}
