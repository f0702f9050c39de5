//! `conformance CHARTS_DIR VALUES_DIR [STEM …] > OUT.jsonl` renders charts as the recording of Helm did, for comparison
//! with it. The stubs' certificate and key are read from the recording's folder, else from beside the charts.

use std::io::Write;
use std::path::PathBuf;

#[path = "../tests/conformance/mod.rs"]
mod conformance;

use conformance::stubs::Stubs;

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (Some(charts), Some(values)) = (arguments.next(), arguments.next()) else {
        anyhow::bail!("usage: conformance CHARTS_DIR VALUES_DIR [STEM …]");
    };
    let stems: Vec<String> = arguments.collect();
    let (charts, values) = (PathBuf::from(charts), PathBuf::from(values));
    let stubs = Stubs::find(conformance::folder().as_deref().into_iter().chain(charts.parent()));
    let wanted = |stem: &str| stems.is_empty() || stems.iter().any(|wanted| wanted == stem);
    let subjects = conformance::subjects(&charts, &values, wanted)?;
    let mut output = std::io::BufWriter::new(std::io::stdout().lock());
    for line in conformance::render_all(&subjects, &stubs)? {
        serde_json::to_writer(&mut output, &line)?;
        output.write_all(b"\n")?;
    }
    output.flush()?;
    Ok(())
}
