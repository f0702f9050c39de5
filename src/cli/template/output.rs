//! What is printed of a render: everything, some templates only, or files in a directory (`pkg/cmd/template.go`,
//! `pkg/action/action.go`).

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::Path;

use super::{Failure, TemplateArguments, path};
use crate::chart::pattern;
use crate::render::{Event, Hook, Rendered, split};

/// Prints the renders of one invocation.
pub(super) struct Output<'a> {
    arguments: &'a TemplateArguments,
    release: &'a str,
}

impl<'a> Output<'a> {
    /// For these arguments and the release's name.
    pub(super) fn new(arguments: &'a TemplateArguments, release: &'a str) -> Self {
        Self { arguments, release }
    }

    /// Prints a render, or writes it into the output directory.
    pub(super) fn print(&self, rendered: &Rendered) -> Result<(), Failure> {
        let text = if self.arguments.output_dir.is_empty() {
            self.text(rendered)
        } else {
            self.write_files(rendered)?;
            "\n".to_owned()
        };
        if self.arguments.show_only.is_empty() { write(&text) } else { write(&self.chosen(&text)?) }
    }

    /// Prints the outputs of templates that are not valid YAML, by their paths.
    pub(super) fn print_invalid(&self, files: &BTreeMap<String, String>) -> Result<(), Failure> {
        let mut text = String::new();
        for (path, content) in files {
            if !path.ends_with("NOTES.txt") && !content.trim().is_empty() {
                push(&mut text, path, content);
            }
        }
        let text = format!("{}\n", text.trim());
        if self.arguments.show_only.is_empty() { write(&text) } else { write(&self.chosen(&text).unwrap_or_default()) }
    }

    fn text(&self, rendered: &Rendered) -> String {
        let mut text = String::with_capacity(rendered.manifest.len() + 1);
        if self.arguments.include_crds {
            for crd in &rendered.crds {
                push(&mut text, &crd.path, &String::from_utf8_lossy(&crd.data));
            }
        }
        text.push_str(&rendered.manifest);
        text.truncate(text.trim_end().len());
        text.drain(..text.len() - text.trim_start().len());
        text.push('\n');
        for hook in self.hooks(rendered) {
            push(&mut text, &hook.path, &hook.manifest);
        }
        text
    }

    fn hooks<'r>(&self, rendered: &'r Rendered) -> impl Iterator<Item = &'r Hook> + use<'r> {
        let (none, no_tests) = (self.arguments.no_hooks, self.arguments.skip_tests);
        let wanted = move |hook: &&Hook| !(none || no_tests && hook.events.contains(&Event::Test));
        rendered.hooks.iter().filter(wanted)
    }

    /// The documents that `--show-only` asks for, in the order of its patterns.
    fn chosen(&self, text: &str) -> Result<String, Failure> {
        let documents: Vec<(&str, &str)> =
            split(text).into_iter().filter_map(|document| Some((source(document)?, document))).collect();
        let mut chosen = String::new();
        for wanted in &self.arguments.show_only {
            let before = chosen.len();
            for (path, document) in &documents {
                if pattern::matches(wanted, path).unwrap_or(false) {
                    chosen.extend(["---\n", document, "\n"]);
                }
            }
            if chosen.len() == before {
                return Err(Failure::NoTemplate(wanted.clone()));
            }
        }
        Ok(chosen)
    }

    fn write_files(&self, rendered: &Rendered) -> Result<(), Failure> {
        let plain = &self.arguments.output_dir;
        let mut written = BTreeSet::new();
        if self.arguments.include_crds {
            for crd in &rendered.crds {
                let again = !written.insert(crd.path.as_str());
                write_file(plain, &crd.path, &String::from_utf8_lossy(&crd.data), again)?;
            }
        }
        let directory = if self.arguments.release_name {
            path::clean(&Path::new(plain).join(self.release)).to_string_lossy().into_owned()
        } else {
            plain.clone()
        };
        for document in &rendered.documents {
            let again = !written.insert(document.path.as_str());
            write_file(&directory, &document.path, &document.content, again)?;
        }
        for hook in self.hooks(rendered) {
            let exists = Path::new(&directory).join(&hook.path).exists();
            write_file(&directory, &hook.path, &hook.manifest, exists)?;
        }
        Ok(())
    }
}

fn push(text: &mut String, path: &str, content: &str) {
    text.extend(["---\n# Source: ", path, "\n", content, "\n"]);
}

/// The path inside the chart that a document's comment names: what follows the first `/` after `# Source: `.
fn source(document: &str) -> Option<&str> {
    const MARK: &str = "# Source: ";
    let mut rest = document;
    loop {
        rest = &rest[rest.find(MARK)? + MARK.len()..];
        let Some(slash) = rest.find('/') else { continue };
        let path = rest[slash + 1..].split('\n').next().unwrap_or_default();
        if slash > 0 && !path.is_empty() {
            return Some(path);
        }
    }
}

fn write(text: &str) -> Result<(), Failure> {
    let mut output = std::io::stdout().lock();
    match output.write_all(text.as_bytes()).and_then(|()| output.flush()) {
        // Nobody reads on, as with `| head`.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        written => written.map_err(Failure::Output),
    }
}

fn write_file(directory: &str, name: &str, content: &str, append: bool) -> Result<(), Failure> {
    let target = format!("{directory}/{name}");
    let folder = path::clean(Path::new(&target).parent().unwrap_or(Path::new(".")));
    fs::create_dir_all(&folder).map_err(|error| Failure::file("mkdir", folder.to_string_lossy(), &error))?;
    let file = if append { OpenOptions::new().append(true).open(&target) } else { File::create(&target) };
    let mut text = String::with_capacity(content.len() + name.len() + 16);
    push(&mut text, name, content);
    file.and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|error| Failure::file("open", target.clone(), &error))?;
    write(&format!("wrote {target}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_names_its_template() {
        for (document, expected) in [
            ("# Source: c/templates/x.yaml\na: 1", Some("templates/x.yaml")),
            ("a: 1\n# Source: c/charts/d/templates/x.yaml", Some("charts/d/templates/x.yaml")),
            ("a: 1", None),
            ("# Source: c", None),
        ] {
            assert_eq!(source(document), expected, "{document}");
        }
    }
}
