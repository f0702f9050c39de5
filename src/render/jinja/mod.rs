//! Charts whose templates are written in Jinja.
//!
//! A chart with the annotation `coxswain.dev/engine: jinja` renders the files of its `templates/` that end in `.j2`
//! with minijinja; its other templates, and every other chart's, are Go templates as ever. A Jinja template sees what a
//! Go template sees: the same values and objects, and the same functions under the same names.
//!
//! minijinja bounds neither the time nor the memory of a template. So a template's source is given guards before it is
//! compiled ([`guarded`]), which account to a [`meter`](meter::Meter) for everything that can repeat or grow, and the
//! filters whose results can be much larger than their arguments are replaced ([`filters`]). Templates are compiled
//! once a chart; what a render depends on is reached through the one [`execution`] that the thread is in.

mod context;
mod execution;
mod failure;
mod filters;
mod functions;
mod guarded;
mod guards;
mod meter;
mod object;
mod text;
mod tokens;
mod value;
mod weight;

#[cfg(test)]
mod limit_tests;
#[cfg(test)]
mod tests;

pub use context::Rendering;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::OnceLock;

use minijinja::syntax::SyntaxConfig;
use minijinja::{AutoEscape, Environment, Error, ErrorKind, UndefinedBehavior};

use crate::chart::Chart;

/// The annotation of `Chart.yaml` that chooses the engine.
pub const ANNOTATION: &str = "coxswain.dev/engine";
/// The annotation's value for Jinja.
const JINJA: &str = "jinja";
/// Every value that it may have; without the annotation it is Go.
pub const ENGINES: [&str; 2] = ["go", JINJA];

const FOLDER: &str = "templates/";
/// What the names of Jinja templates end in.
pub const EXTENSION: &str = ".j2";

/// The Jinja templates of one chart, compiled. A chart's templates include each other only.
#[derive(Debug)]
pub struct Templates {
    environment: Environment<'static>,
    /// Those that do not compile, by name.
    broken: BTreeMap<String, failure::ParseFailure>,
}

/// Whether a file of an annotated chart is a Jinja template.
pub fn is_template(name: &str) -> bool {
    name.starts_with(FOLDER) && name.ends_with(EXTENSION)
}

impl Templates {
    /// Compiles a chart's Jinja templates; nothing for a chart that has not asked for Jinja.
    pub fn compile(chart: &Chart) -> Option<Self> {
        if chart.metadata.annotations.get(ANNOTATION).is_none_or(|engine| engine != JINJA) {
            return None;
        }
        let mut templates = Self { environment: environment(), broken: BTreeMap::new() };
        for file in chart.templates.iter().filter(|file| is_template(&file.name)) {
            if let Err(error) = templates.add(&file.name, &file.data) {
                templates.broken.insert(file.name.clone(), error);
            }
        }
        Some(templates)
    }

    fn add(&mut self, name: &str, data: &[u8]) -> Result<(), failure::ParseFailure> {
        let source =
            std::str::from_utf8(data).map_err(|_| failure::ParseFailure::new(1, "the template is not UTF-8 text"))?;
        let guarded = guarded::source(source, self.environment.syntax())?;
        self.environment.add_template_owned(name.to_owned(), guarded).map_err(|error| (&error).into())
    }

    /// The text of the error for a template that does not compile, in Helm's form.
    pub fn parse_error(&self, name: &str, path: &str) -> Option<String> {
        self.broken.get(name).map(|failure| failure.text(path))
    }
}

/// What every chart's environment begins as.
fn environment() -> Environment<'static> {
    static BASE: OnceLock<Environment<'static>> = OnceLock::new();
    BASE.get_or_init(|| {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_auto_escape_callback(|_| AutoEscape::None);
        environment.set_debug(true);
        environment.set_syntax(syntax());
        environment.set_formatter(text::write);
        environment.set_path_join_callback(included);
        environment.set_loader(|name| Err::<Option<String>, _>(not_included(name)));
        functions::register(&mut environment);
        filters::register(&mut environment);
        guards::register(&mut environment);
        environment
    })
    .clone()
}

/// A line with nothing but block tags leaves nothing, and the last line keeps its end.
fn syntax() -> SyntaxConfig {
    let mut syntax = SyntaxConfig::builder();
    syntax.trim_blocks(true).lstrip_blocks(true).keep_trailing_newline(true);
    syntax.build().unwrap_or_default()
}

/// What no template is named: an include that the limits refuse.
const REFUSED: &str = "\0";

/// What an include costs besides what the template does.
const INCLUDE_STEPS: u64 = 16;
/// The same in memory: of the blocks of a parent, for instance, and of a state.
const INCLUDE_BYTES: u64 = 1024;

/// The name of the template that an `include`, `import` or `extends` names: always below `templates/`.
fn included<'s>(name: &'s str, _parent: &'s str) -> Cow<'s, str> {
    match execution::charge(INCLUDE_STEPS, INCLUDE_BYTES) {
        Ok(()) => Cow::Owned(format!("{FOLDER}{name}")),
        Err(_) => Cow::Borrowed(REFUSED),
    }
}

/// Why a name is no template of the chart.
fn not_included(name: &str) -> Error {
    if name == REFUSED {
        return execution::charge(1, 0).err().unwrap_or_else(|| ErrorKind::InvalidOperation.into());
    }
    let name = name.strip_prefix(FOLDER).unwrap_or(name);
    if name.starts_with('/') || name.split('/').any(|part| part == "..") {
        let reason = format!("{name:?} is not below the chart's templates/; a template includes its own chart's only");
        return Error::new(ErrorKind::InvalidOperation, reason);
    }
    Error::new(
        ErrorKind::TemplateNotFound,
        format!(
            "the chart has no Jinja template {FOLDER}{name}; names are relative to {FOLDER} and end in {EXTENSION}"
        ),
    )
}
