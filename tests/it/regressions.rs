//! What fuzzing found, replayed without a fuzzer: the properties of `fuzz/` hold for every input that is kept there.

use std::path::Path;

use anyhow::{Context, Result};

#[path = "../../fuzz/src/properties/mod.rs"]
mod properties;

/// A property of any bytes; it panics where it does not hold.
type Property = fn(&[u8]);

#[test]
fn what_fuzzing_found_stays_fixed() -> Result<()> {
    let properties: [(&str, Property); 6] = [
        ("archive", properties::archive::check),
        ("printf", properties::printf::check),
        ("set", properties::set::check),
        ("template", properties::template::check),
        ("version", properties::version::check),
        ("yaml", properties::yaml::check),
    ];
    for (target, property) in properties {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/regressions").join(target);
        let inputs = std::fs::read_dir(&folder).with_context(|| folder.display().to_string())?;
        for input in inputs {
            let path = input?.path();
            eprintln!("{}", path.display());
            property(&std::fs::read(path)?);
        }
    }
    Ok(())
}
