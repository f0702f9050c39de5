//! The parts of `docs/` that are made from the code: reasons, fields, flags and metrics. `make docs` writes them, a
//! test holds them to it.
//!
//! Each part stands in its page between `<!-- NAME -->` and `<!-- /NAME -->`; the rest of a page is written by hand.

use std::fmt::Write;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Arg, CommandFactory};
use coxswain::api::Reason;
use coxswain::api::definitions::definitions;
use coxswain::cli::Arguments;
use coxswain::controller::metrics::Metrics;
use serde_json::{Map, Value};

use super::manifests::project;

#[path = "plugin_reference.rs"]
mod plugin;

/// A part of a page: its name and what makes it.
type Part = (&'static str, fn() -> Result<String>);

/// The pages with their made parts replaced: path in the project and content.
///
/// # Errors
/// When a page cannot be read or lacks a part.
pub fn files() -> Result<Vec<(String, String)>> {
    let pages: [(&str, &[Part]); 5] = [
        ("docs/reasons.md", &[("reasons", || Ok(reasons()))]),
        (
            "docs/helmrequest.md",
            &[("spec", || fields("HelmRequest", "spec")), ("status", || fields("HelmRequest", "status"))],
        ),
        (
            "docs/chartrepo.md",
            &[("spec", || fields("ChartRepo", "spec")), ("status", || fields("ChartRepo", "status"))],
        ),
        ("docs/operations.md", &[("flags", flags), ("metrics", metrics)]),
        (
            "docs/kubectl-captain.md",
            &[("global flags", || Ok(plugin::global_flags())), ("commands", || Ok(plugin::commands()))],
        ),
    ];
    let mut files = Vec::new();
    for (path, parts) in pages {
        let mut page = std::fs::read_to_string(project(path)).with_context(|| format!("cannot read {path}"))?;
        for (name, part) in parts {
            page = replace(&page, name, &part()?).with_context(|| format!("{path} has no part {name:?}"))?;
        }
        files.push((path.to_owned(), page));
    }
    Ok(files)
}

/// The page with one part replaced; nothing where the page has no such part.
/// The page with another text between the marks of a part; nothing where it has no such marks.
pub fn replace(page: &str, name: &str, part: &str) -> Option<String> {
    let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- /{name} -->"));
    let (before, rest) = page.split_once(&begin)?;
    let (_, after) = rest.split_once(&end)?;
    Some(format!("{before}{begin}{part}{end}{after}"))
}

/// A table in Markdown.
pub fn table(head: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let row = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let head: Vec<String> = head.iter().map(|&cell| cell.to_owned()).collect();
    let line = vec!["---".to_owned(); head.len()];
    let rows = rows.into_iter().map(|cells| cells.iter().map(|cell| cell.replace('|', "\\|")).collect::<Vec<_>>());
    [head, line].into_iter().chain(rows).map(|cells| row(&cells)).collect()
}

fn reasons() -> String {
    let cure = |reason: &Reason| if reason.stalls() { "yes" } else { "" };
    let rows = Reason::ALL
        .iter()
        .map(|reason| vec![format!("`{reason}`"), reason.meaning().to_owned(), cure(reason).to_owned()]);
    table(&["Reason", "Meaning", "Stalled"], rows)
}

/// The fields of a kind below `spec` or `status`, from the schema of its definition.
fn fields(kind: &str, part: &str) -> Result<String> {
    let definition = definitions().into_iter().find(|definition| definition.spec.names.kind == kind);
    let definition = serde_json::to_value(definition.context("no such kind")?)?;
    let schema = definition.pointer(&format!("/spec/versions/0/schema/openAPIV3Schema/properties/{part}"));
    let mut rows = Vec::new();
    collect(schema.context("no schema")?, "", &mut rows);
    Ok(table(&["Field", "Type", "Meaning"], rows))
}

fn collect(schema: &Value, path: &str, rows: &mut Vec<Vec<String>>) {
    let none = Map::new();
    for (name, field) in schema["properties"].as_object().unwrap_or(&none) {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        let meaning = field["description"].as_str().unwrap_or_default();
        rows.push(vec![format!("`{path}`"), type_of(field), meaning.to_owned()]);
        let items = field.get("items");
        collect(items.unwrap_or(field), &format!("{path}{}", if items.is_some() { "[]" } else { "" }), rows);
    }
}

fn type_of(schema: &Value) -> String {
    let words: Vec<_> = schema["enum"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let words: Vec<_> = words.into_iter().filter(|word| !word.is_empty()).map(|word| format!("`{word}`")).collect();
    if !words.is_empty() {
        return words.join(", ");
    }
    let name = schema["type"].as_str().unwrap_or("any");
    match (name, schema["format"].as_str()) {
        ("array", _) => format!("list of {}", schema["items"]["type"].as_str().unwrap_or("any")),
        ("string", Some("date-time")) => "time".to_owned(),
        ("object", _) if schema.get("additionalProperties").is_some() => "map".to_owned(),
        _ => name.to_owned(),
    }
}

/// The flags of `coxswain controller`, from its command line.
fn flags() -> Result<String> {
    let command = Arguments::command();
    let controller = command.find_subcommand("controller").context("there is no controller subcommand")?;
    let known = controller.get_arguments().filter_map(|argument| {
        let (flag, variable) = (argument.get_long()?, argument.get_env()?.to_str()?);
        let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
        Some(vec![format!("`--{flag}`"), format!("`{variable}`"), default_of(argument), help])
    });
    Ok(table(&["Flag", "Variable", "Default", "What"], known.collect::<Vec<_>>()))
}

/// The default as it is on every machine.
fn default_of(argument: &Arg) -> String {
    match argument.get_id().as_str() {
        "identity" => "the host name".to_owned(),
        "cache_dir" => "`coxswain-charts` among temporary files; `/cache` in the image".to_owned(),
        "api_listen" => "none; `0.0.0.0:8082` in the manifests".to_owned(),
        _ => argument.get_default_values().iter().map(|value| format!("`{}`", value.to_string_lossy())).collect(),
    }
}

/// The names of the flags of `coxswain controller`.
///
/// # Errors
/// When there is no such subcommand.
pub fn flag_names() -> Result<Vec<String>> {
    let command = Arguments::command();
    let controller = command.find_subcommand("controller").context("there is no controller subcommand")?;
    let flags = controller.get_arguments().filter(|argument| argument.get_env().is_some());
    Ok(flags.filter_map(|argument| argument.get_long().map(str::to_owned)).collect())
}

/// Metrics by name, from what an operator would print that has seen everything once.
fn metrics() -> Result<String> {
    let metrics = Metrics::default();
    let moment = Duration::ZERO;
    metrics.reconciled("HelmRequest", false, "Synced", moment);
    metrics.rendered(false, moment);
    metrics.applied(false);
    metrics.repaired("deleted", moment);
    metrics.wrote("apply", "object");
    metrics.repository_synced("changed", "Synced", moment);
    let text = metrics.encode()?;
    let described = |kind: &str, name: &str| {
        let begin = format!("# {kind} {name} ");
        text.lines().find_map(|line| line.strip_prefix(&begin)).unwrap_or_default().to_owned()
    };
    let names = text.lines().filter_map(|line| line.strip_prefix("# HELP ")?.split(' ').next());
    let rows = names.map(|name| {
        let type_ = described("TYPE", name);
        let suffix = if type_ == "counter" { "_total" } else { "" };
        let help = described("HELP", name);
        vec![format!("`{name}{suffix}`"), type_, labels(&text, name), help.trim_end_matches('.').to_owned()]
    });
    Ok(table(&["Metric", "Type", "Labels", "What"], rows.collect::<Vec<_>>()))
}

/// The names of the labels that a metric's samples have.
fn labels(text: &str, name: &str) -> String {
    let mut found = String::new();
    let sample = text.lines().find(|line| line.starts_with(name) && line.contains('{'));
    let inside = sample.and_then(|line| Some(line.split_once('{')?.1.split_once('}')?.0));
    for label in inside.unwrap_or_default().split(',').filter_map(|label| Some(label.split_once('=')?.0)) {
        if label != "le" {
            let comma = if found.is_empty() { "" } else { ", " };
            // Writing to a `String` cannot fail.
            let _ = write!(found, "{comma}`{label}`");
        }
    }
    found
}
