//! Chart archives: any bytes load or are an error, within limits, and no path leaves the chart.

use std::io::Write;
use std::time::Duration;

use coxswain::chart::{Chart, Limits, load_archive};
use coxswain::render::{Capabilities, Input, Program, Release};
use coxswain::template;
use coxswain::value::Json;
use flate2::Compression;
use flate2::write::GzEncoder;

use super::Still;

const LIMITS: Limits = Limits { file: 64 << 10, total: 256 << 10, entries: 100, depth: 4 };

/// Loads the bytes as they are, then as the tar inside an archive, and renders what loads.
///
/// # Panics
/// Where a path leaves the chart.
pub fn check(data: &[u8]) {
    let _ = load_archive(data, &LIMITS);
    let mut gzip = GzEncoder::new(Vec::new(), Compression::none());
    let Ok(archive) = gzip.write_all(data).and_then(|()| gzip.finish()) else { return };
    let Ok(chart) = load_archive(&archive, &LIMITS) else { return };
    assert_contained(&chart, 0);
    render(chart);
}

fn assert_contained(chart: &Chart, depth: usize) {
    assert!(depth <= LIMITS.depth, "subcharts nest {depth} levels deep");
    for file in chart.files.iter().chain(&*chart.templates) {
        let escapes = file.name.starts_with('/') || file.name.split(['/', '\\']).any(|element| element == "..");
        assert!(!escapes, "{:?} leaves the chart", file.name);
    }
    chart.dependencies.iter().for_each(|child| assert_contained(child, depth + 1));
}

fn render(chart: Chart) {
    let release = Release { name: "r".to_owned(), namespace: "n".to_owned(), revision: 1, is_upgrade: false };
    let limits = template::Limits { steps: 20_000, bytes: 1 << 20, depth: 100, time: Duration::from_secs(2) };
    let capabilities = Capabilities::default();
    let input = Input { chance: &Still, limits, ..Input::new(&Json::Null, &release, &capabilities) };
    let _ = Program::new(chart).render(&input);
}
