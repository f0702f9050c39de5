//! The rooms of the library: which may know which.
//!
//! Each imports only those above it in [`ROOMS`], and the pure ones know neither the cluster nor the network, so that
//! they can be read, tested and fuzzed alone.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::Result;
use regex::Regex;

/// The rooms from top to bottom, and whether each is pure.
const ROOMS: [(&str, bool); 15] = [
    ("value", true),
    ("cel", true),
    ("yaml", true),
    ("template", true),
    ("chart", true),
    ("render", true),
    ("release", true),
    ("plan", true),
    ("source", false),
    ("cluster", false),
    ("api", false),
    ("controller", false),
    ("server", false),
    ("cli", false),
    ("plugin", false),
];

/// Imports against the order that are known, with the path that each is held to.
const EXCEPTIONS: [(&str, &str, &str); 2] = [
    // Version constraints belong to charts, and Sprig's semver functions need them too.
    ("template", "chart", "crate::chart::version"),
    // The operator is put together where its parts are; the HTTP side is one of them.
    ("controller", "server", "crate::server::"),
];

/// One line of one source file that is no comment.
struct Line {
    room: String,
    place: String,
    text: String,
}

fn lines() -> Result<Vec<Line>> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut lines = Vec::new();
    for file in files(&source)? {
        let path = file.strip_prefix(&source)?.to_string_lossy().into_owned();
        let room = path.split(['/', '.']).next().unwrap_or_default().to_owned();
        for (index, text) in std::fs::read_to_string(&file)?.lines().enumerate() {
            if !text.trim_start().starts_with("//") {
                let place = format!("src/{path}:{}", index + 1);
                lines.push(Line { room: room.clone(), place, text: text.to_owned() });
            }
        }
    }
    Ok(lines)
}

fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn position(room: &str) -> Option<usize> {
    ROOMS.iter().position(|(name, _)| *name == room)
}

#[test]
fn every_module_of_the_library_is_a_room() -> Result<()> {
    let outside = ["bin", "lib"];
    let found: BTreeSet<String> = lines()?.into_iter().map(|line| line.room).collect();
    let unknown: Vec<_> =
        found.iter().filter(|room| position(room).is_none() && !outside.contains(&&***room)).collect();
    assert!(unknown.is_empty(), "not in the list of rooms: {unknown:?}");
    Ok(())
}

#[test]
fn a_room_imports_only_rooms_above_it() -> Result<()> {
    let import = Regex::new(r"\bcrate::(?:(\w+)|\{)[\w:]*")?;
    let mut against = Vec::new();
    for line in lines()? {
        let Some(own) = position(&line.room) else { continue };
        for found in import.captures_iter(&line.text) {
            let Some(other) = found.get(1) else {
                against.push(format!("{}: name one room a line: {}", line.place, line.text.trim()));
                continue;
            };
            let known = EXCEPTIONS.iter().any(|(room, other_room, path)| {
                *room == line.room && *other_room == other.as_str() && found[0].starts_with(path)
            });
            if !known && position(other.as_str()).is_some_and(|other| other > own) {
                against.push(format!("{}: {} must not know {}", line.place, line.room, other.as_str()));
            }
        }
    }
    assert!(against.is_empty(), "{}", against.join("\n"));
    Ok(())
}

#[test]
fn only_a_person_who_asks_has_a_source_map_made() -> Result<()> {
    let users: BTreeSet<String> =
        lines()?.into_iter().filter(|line| line.text.contains("render_traced")).map(|line| line.room).collect();
    assert_eq!(users, BTreeSet::from(["plugin".to_owned(), "render".to_owned()]));
    Ok(())
}

#[test]
fn the_pure_rooms_know_neither_cluster_nor_network() -> Result<()> {
    let impure = Regex::new(r"\b(kube|k8s_openapi|tokio|reqwest|axum)\b(::|;)")?;
    let pure: BTreeSet<&str> = ROOMS.iter().filter(|(_, pure)| *pure).map(|(room, _)| *room).collect();
    let lines = lines()?.into_iter().filter(|line| pure.contains(line.room.as_str()));
    let found: Vec<String> =
        lines.filter(|line| impure.is_match(&line.text)).map(|line| format!("{}: {}", line.place, line.text)).collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
    Ok(())
}
