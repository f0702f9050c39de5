//! Writes the parts of `docs/` that are made from the code, see `tests/support/reference.rs`.

#[path = "../tests/support/manifests.rs"]
#[allow(dead_code, reason = "tests use the rest")]
mod manifests;
#[path = "../tests/support/reference.rs"]
#[allow(dead_code, reason = "tests use the rest")]
mod reference;

use anyhow::{Context, Result};

fn main() -> Result<()> {
    for (path, text) in reference::files()? {
        let file = manifests::project(&path);
        std::fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(())
}
