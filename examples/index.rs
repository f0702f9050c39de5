//! Measures how a large index is read: `cargo run --release --example index -- 100` for one of 100 MB. Its server is a
//! thread of this process that makes the text as it sends it, so that the memory is that of the reader.

use std::io::{BufRead as _, BufReader, BufWriter, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use coxswain::source::http::{Options, Repository};
use coxswain::source::{Fetched, Validators};

// As the operator itself.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The versions of each chart.
const VERSIONS: usize = 100;
/// What the server knows the index by.
const ETAG: &str = "\"7\"";

fn main() -> Result<()> {
    let megabytes: usize = std::env::args().nth(1).unwrap_or_else(|| "100".to_owned()).parse()?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let url = format!("http://{}", listener.local_addr()?);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            if let Err(error) = stream.map_err(Into::into).and_then(|stream| answer(stream, megabytes)) {
                eprintln!("the server: {error:#}");
            }
        }
    });
    let folder = std::env::temp_dir();
    let repository = Repository::new(Options { url, folder: Some(folder), ..Options::default() })?;
    tokio::runtime::Runtime::new()?.block_on(measure(&repository))
}

async fn measure(repository: &Repository) -> Result<()> {
    let (before, began) = (memory("VmRSS")?, Instant::now());
    let Fetched::Index { document, index, validators } = repository.fetch_index(&Validators::default()).await? else {
        bail!("nothing was known")
    };
    let (took, peak) = (began.elapsed(), memory("VmHWM")?);
    let charts = document.names().count();
    println!("read {charts} charts in {took:.1?}, at most {} MiB more than before", (peak - before) >> 10);
    let began = Instant::now();
    let newest: usize = document.names().filter_map(|chart| document.versions(chart).next()).count();
    println!(
        "the newest versions of {newest} charts in {:.1?}, then {} MiB more",
        began.elapsed(),
        (memory("VmHWM")? - before) >> 10
    );
    drop(document);
    println!("kept of {} charts: {} MiB more", index.len(), memory("VmRSS")?.saturating_sub(before) >> 10);
    let (before, began) = (memory("VmHWM")?, Instant::now());
    let Fetched::Unchanged = repository.fetch_index(&validators).await? else { bail!("nothing has changed") };
    println!("no change in {:.1?}, {} MiB more", began.elapsed(), (memory("VmHWM")? - before) >> 10);
    Ok(())
}

/// A line of what the system says of this process, in KiB.
fn memory(what: &str) -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(what)).context("Linux tells it")?;
    Ok(line.trim_matches(|c: char| !c.is_ascii_digit()).parse()?)
}

fn answer(stream: TcpStream, megabytes: usize) -> Result<()> {
    let mut is_known = false;
    for line in BufReader::new(&stream).lines() {
        let line = line?.to_lowercase();
        is_known |= line == format!("if-none-match: {ETAG}");
        if line.is_empty() {
            break;
        }
    }
    let mut out = BufWriter::new(&stream);
    if is_known {
        write!(out, "HTTP/1.1 304 Not Modified\r\nConnection: close\r\n\r\n")?;
        return Ok(());
    }
    write!(out, "HTTP/1.1 200 OK\r\nETag: {ETAG}\r\nConnection: close\r\n\r\napiVersion: v1\nentries:\n")?;
    let filler = "The quick brown fox jumps over the lazy dog and is described at some length. ".repeat(7);
    for chart in 0..megabytes * 1_000_000 / VERSIONS / 1_000 {
        writeln!(out, "  chart-{chart:06}:")?;
        for version in 0..VERSIONS {
            writeln!(
                out,
                "  - apiVersion: v2\n    appVersion: \"{version}.2.3\"\n    created: \"2026-01-02T03:04:05.678901Z\"\n    \
                 dependencies:\n    - name: common\n      repository: oci://registry.example.com/charts\n      version: 2.x.x\n    \
                 description: {filler}\n    digest: {:064x}\n    home: https://example.com\n    keywords:\n    - a\n    - b\n    \
                 name: chart-{chart:06}\n    type: application\n    urls:\n    - https://charts.example.com/chart-{chart:06}-1.{version}.0.tgz\n    \
                 version: 1.{version}.0",
                chart * VERSIONS + version
            )?;
        }
    }
    out.flush()?;
    Ok(())
}
