//! `snippets IN.jsonl > OUT.jsonl` renders small templates as the recording of Helm did and prints for each line its
//! `id` and `output` or `error`; on standard error, how many agree with what the lines themselves hold.

use std::io::{BufRead, Write};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use coxswain::chart::{Chart, File, Metadata};
use coxswain::render::Program;
use coxswain::template;
use coxswain::value::Json;
use serde_json::json;

#[path = "../tests/conformance/mod.rs"]
mod conformance;

use conformance::stubs::Stubs;

/// The file that holds the snippet.
const SNIPPET: &str = "templates/t.yaml";

fn main() -> anyhow::Result<()> {
    let path = PathBuf::from(std::env::args().nth(1).context("usage: snippets IN.jsonl")?);
    let stubs = Stubs::find(conformance::folder().as_deref().into_iter().chain(path.parent()));
    let input = std::io::BufReader::new(std::fs::File::open(&path).with_context(|| path.display().to_string())?);
    let mut output = std::io::BufWriter::new(std::io::stdout().lock());
    let (mut agreeing, mut total) = (0, 0);
    for line in input.lines() {
        let snippet: Json = serde_json::from_str(&line?)?;
        let result = template::on_large_stack(|| render(&snippet, &stubs))?;
        let (key, text) = match &result {
            Ok(text) => ("output", text),
            Err(text) => ("error", text),
        };
        total += 1;
        agreeing += usize::from(snippet[key].as_str() == Some(text));
        serde_json::to_writer(&mut output, &json!({"id": snippet["id"], key: text}))?;
        output.write_all(b"\n")?;
    }
    output.flush()?;
    eprintln!("{agreeing} of {total} agree");
    Ok(())
}

fn render(snippet: &Json, stubs: &Stubs) -> Result<String, String> {
    let program = Program::new(chart(snippet));
    let values = conformance::floats(snippet["values"].clone());
    let files = conformance::render_files(&program, &values, stubs).map_err(|error| error.to_string())?;
    Ok(files.get(&format!("conformance/{SNIPPET}")).cloned().unwrap_or_default())
}

fn chart(snippet: &Json) -> Chart {
    let files = |key: &str, prefix: &str| -> Vec<File> {
        let entries = snippet[key].as_object().into_iter().flatten();
        entries.map(|(name, text)| file(&format!("{prefix}{name}"), text)).collect()
    };
    let mut templates = files("partials", "templates/");
    templates.push(file(SNIPPET, &snippet["template"]));
    let metadata = Metadata {
        api_version: "v2".to_owned(),
        name: "conformance".to_owned(),
        version: "1.2.3".to_owned(),
        app_version: "4.5.6".to_owned(),
        ..Metadata::default()
    };
    Chart {
        metadata: Arc::new(metadata),
        lock: None,
        templates: templates.into(),
        files: files("files", "").into(),
        values: Arc::new(Json::Null),
        schema: None,
        schema_modified: None,
        modified: None,
        dependencies: Vec::new(),
        digest: "".into(),
    }
}

fn file(name: &str, text: &Json) -> File {
    let name = if name.starts_with("templates/templates/") { &name["templates/".len()..] } else { name };
    File { name: name.to_owned(), data: text.as_str().unwrap_or_default().as_bytes().into(), modified: None }
}
