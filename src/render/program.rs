//! A chart with its templates parsed, and one render of it.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::sync::{Arc, OnceLock};

use foldhash::fast::RandomState;

use super::context::{self, Common, Template};
use super::{
    Capabilities, Input, Lookup, Order, Query, Reads, RenderError, Rendered, Sorted, SourceMap, capabilities, jinja,
    manifest, sort_documents,
};
use crate::chart::dependencies::{self, Selected, Selector};
use crate::chart::origins::{self, Setting};
use crate::chart::{Chart, Crd, File, schema, values};
use crate::template::trace::Trace;
use crate::template::{self, Environment, Execution, ParseError, Parsed, Set, TemplateError};
use crate::value::{Json, Map, MapType, Value};

const NOTES: &str = "NOTES.txt";

/// A chart whose templates are parsed when first needed, to be rendered many times and from many threads.
///
/// Very deep template recursion needs a large stack; [`on_large_stack`](crate::template::on_large_stack) provides one.
/// On a smaller stack it ends in an error earlier.
#[derive(Debug)]
pub struct Program {
    chart: Chart,
    /// Every template file of the chart and its subcharts, by its address. Files of equal content are parsed once:
    /// subcharts often bring the same library.
    parsed: HashMap<usize, Arc<Slot>, RandomState>,
    /// The Jinja templates of the charts that ask for Jinja, by the addresses of their files.
    jinja: HashMap<usize, Arc<jinja::Templates>>,
    schemas: schema::Schemas,
    selector: Selector,
}

/// How the templates of one render are run.
#[derive(Default)]
struct Run<'r> {
    /// Whether `required` and `fail` let everything pass.
    lint: bool,
    /// Where it is noted what wrote each line, if that is wanted.
    map: Option<&'r mut SourceMap>,
}

/// A file's tree, once it was needed.
type Slot = OnceLock<Result<Arc<Parsed>, ParseError>>;

impl Program {
    /// Prepares a chart. A template that does not parse is reported by the render, and only if it takes part in one.
    pub fn new(chart: Chart) -> Self {
        let (mut parsed, mut jinja) = (HashMap::default(), HashMap::new());
        compile_jinja(&chart, &mut jinja);
        add_templates(&chart, &mut parsed, &mut HashMap::default());
        let schemas = schema::Schemas::new(&chart);
        let selector = Selector::new(&chart);
        Self { chart, parsed, jinja, schemas, selector }
    }

    /// The chart as it was loaded.
    pub fn chart(&self) -> &Chart {
        &self.chart
    }

    /// Renders one release.
    ///
    /// # Errors
    /// [`RenderError`], with Helm's text.
    pub fn render(&self, input: &Input<'_>) -> Result<Rendered, RenderError> {
        self.render_with(input, &mut Run::default())
    }

    /// Renders one release as `helm lint` does: `required` and `fail` let everything pass.
    ///
    /// # Errors
    /// [`RenderError`], with Helm's text.
    pub fn lint(&self, input: &Input<'_>) -> Result<Rendered, RenderError> {
        self.render_with(input, &mut Run { lint: true, map: None })
    }

    /// Renders one release and tells where each line comes from, which takes longer.
    ///
    /// # Errors
    /// [`RenderError`], with Helm's text.
    pub fn render_traced(&self, input: &Input<'_>) -> Result<(Rendered, SourceMap), RenderError> {
        let mut map = SourceMap::default();
        let rendered = self.render_with(input, &mut Run { lint: false, map: Some(&mut map) })?;
        Ok((rendered, map))
    }

    fn render_with(&self, input: &Input<'_>, run: &mut Run<'_>) -> Result<Rendered, RenderError> {
        self.check_installable()?;
        let user_values = user_values(input.values)?;
        let chart = self.selector.select(&user_values).map_err(RenderError::Dependencies)?;
        let values = values::coalesce(&chart, &user_values, values::Nulls::Delete).map_err(RenderError::Values)?;
        if input.validate_schema {
            self.schemas.validate(&chart, &values).map_err(RenderError::Schema)?;
        }
        check_kube_version(&chart, input.capabilities)?;

        let reads = Rc::new(RefCell::new(Reads::default()));
        let files = self.run_templates(&chart, &values, input, &reads, run)?;
        let (files, notes) = take_notes(files, chart.name());
        let Sorted { manifests: documents, hooks, dropped } = sort_documents(&files, Order::Install)?;
        let chart = chart.to_chart();
        let reads = reads.take();
        Ok(Rendered {
            manifest: manifest::manifest(&documents),
            documents,
            hooks,
            notes,
            crds: chart.crds(),
            old_definitions: manifest::old_definitions(dropped),
            chart,
            reads,
        })
    }

    /// The files of `crds/` that come with these values: those of disabled dependencies do not.
    ///
    /// # Errors
    /// [`RenderError`], with Helm's text.
    pub fn crds(&self, values: &Json) -> Result<Vec<Crd>, RenderError> {
        if self.chart.crds().is_empty() {
            return Ok(Vec::new());
        }
        self.check_installable()?;
        let chart = self.selector.select(&user_values(values)?).map_err(RenderError::Dependencies)?;
        Ok(chart.to_chart().crds())
    }

    /// Only runs the templates (`engine.Render`): the output of each that is not a partial, by its full name.
    ///
    /// # Errors
    /// [`RenderError`], with Helm's text.
    pub fn render_files(&self, input: &Input<'_>) -> Result<BTreeMap<String, String>, RenderError> {
        let user_values = user_values(input.values)?;
        let chart = self.selector.select(&user_values).map_err(RenderError::Dependencies)?;
        let values = values::coalesce(&chart, &user_values, values::Nulls::Delete).map_err(RenderError::Values)?;
        self.run_templates(&chart, &values, input, &Rc::default(), &mut Run::default())
    }

    /// Where each value that templates see comes from. `layers` are the values that were given, later ones over earlier
    /// ones.
    ///
    /// # Errors
    /// [`RenderError`], with Helm's text.
    pub fn origins(&self, layers: &[&Json], merged: &Json) -> Result<Vec<Setting>, RenderError> {
        let user_values = user_values(merged)?;
        let chart = self.selector.select(&user_values).map_err(RenderError::Dependencies)?;
        let values = values::coalesce(&chart, &user_values, values::Nulls::Delete).map_err(RenderError::Values)?;
        Ok(origins::settings(&self.chart, &chart, layers, &Json::from(&Value::Map(values))))
    }

    fn check_installable(&self) -> Result<(), RenderError> {
        if self.chart.is_library() {
            return Err(RenderError::Library);
        }
        let missing = dependencies::missing(&self.chart);
        if missing.is_empty() { Ok(()) } else { Err(RenderError::MissingDependencies(missing)) }
    }

    /// The output of every template that is not a partial, by its name.
    fn run_templates(
        &self,
        chart: &Selected,
        values: &Map,
        input: &Input<'_>,
        reads: &Rc<RefCell<Reads>>,
        run: &mut Run<'_>,
    ) -> Result<BTreeMap<String, String>, RenderError> {
        check_engines(chart)?;
        let common = Common {
            release: context::release(input.release),
            capabilities: capabilities::object(input.capabilities, reads),
        };
        let templates = context::templates(chart, values, &common);
        let set = self.assemble(&templates)?;
        let lookup = RecordedLookup { lookup: input.lookup, reads };
        let environment = Environment { lookup: &lookup, chance: input.chance, limits: input.limits, lint: run.lint };
        let mut execution = match run.map {
            Some(_) => Execution::traced(&set, environment, Trace::of(values)),
            None => Execution::new(&set, environment),
        };
        let mut rendering = jinja::Rendering::new(environment);
        for template in templates.iter().filter(|template| self.jinja(template).is_some()) {
            rendering.prepare(template)?;
        }
        let mut files = BTreeMap::new();
        for template in templates {
            if context::is_partial(&template.name) {
                continue;
            }
            if let Some(compiled) = self.jinja(&template) {
                let output = rendering.render(compiled, &template)?;
                files.insert(jinja_output_name(template.name), output);
                continue;
            }
            let dot = dot(&template);
            let output = execution.render(&template.name, &dot).map_err(template_error)?;
            if let Some(map) = &mut run.map {
                map.add(&template.name, execution.traced_output());
            }
            let output = String::from_utf8(output)
                .unwrap_or_else(|invalid| String::from_utf8_lossy(invalid.as_bytes()).into_owned());
            files.insert(template.name, output);
        }
        Ok(files)
    }

    /// The compiled templates of a Jinja template's chart; nothing for a Go template.
    fn jinja(&self, template: &Template<'_>) -> Option<&jinja::Templates> {
        self.jinja.get(&address(template.file)).map(Arc::as_ref)
    }

    fn assemble(&self, templates: &[Template<'_>]) -> Result<Set, RenderError> {
        let mut set = Set::new();
        for template in templates {
            if let Some(compiled) = self.jinja(template) {
                let error = compiled.parse_error(&template.file.name, &template.name);
                error.map_or(Ok(()), |error| Err(RenderError::Template(error)))?;
                continue;
            }
            let Some(slot) = self.parsed.get(&address(template.file)) else { continue };
            match slot.get_or_init(|| template::parse(&template.file.data.text()).map(Arc::new)) {
                Ok(parsed) => set.add(&template.name, parsed).map_err(template_error)?,
                Err(error) => return Err(RenderError::Template(parse_error(&error.text(&template.name)))),
            }
        }
        Ok(set)
    }
}

fn compile_jinja(chart: &Chart, compiled: &mut HashMap<usize, Arc<jinja::Templates>>) {
    if let Some(templates) = jinja::Templates::compile(chart).map(Arc::new) {
        for file in chart.templates.iter().filter(|file| jinja::is_template(&file.name)) {
            compiled.insert(address(file), Arc::clone(&templates));
        }
    }
    for child in &chart.dependencies {
        compile_jinja(child, compiled);
    }
}

/// Takes note of the templates of a chart and its subcharts.
fn add_templates<'c>(
    chart: &'c Chart,
    parsed: &mut HashMap<usize, Arc<Slot>, RandomState>,
    contents: &mut HashMap<&'c [u8], Arc<Slot>, RandomState>,
) {
    for file in chart.templates.iter() {
        let slot = contents.entry(&file.data).or_default();
        parsed.insert(address(file), Arc::clone(slot));
    }
    chart.dependencies.iter().for_each(|child| add_templates(child, parsed, contents));
}

/// The list of templates is shared between all copies of a chart and lives as long as the program, so that the address
/// of a file names it.
fn address(file: &File) -> usize {
    std::ptr::from_ref(file) as usize
}

fn user_values(values: &Json) -> Result<Map, RenderError> {
    match Value::from(values) {
        Value::Nil => Ok(Map::new()),
        Value::Map(map) => Ok(map),
        _ => Err(RenderError::Values("values must be a table".to_owned())),
    }
}

fn check_kube_version(chart: &Selected, capabilities: &Capabilities) -> Result<(), RenderError> {
    let constraint = &chart.chart.metadata.kube_version;
    let version = &capabilities.kube_version;
    if constraint.is_empty() || dependencies::is_compatible(constraint, version.comparable()) {
        return Ok(());
    }
    Err(RenderError::KubeVersion { constraint: constraint.clone(), version: version.version.clone() })
}

/// Every chart that takes part must ask for an engine that there is, if it asks for one.
fn check_engines(chart: &Selected) -> Result<(), RenderError> {
    let metadata = &chart.chart.metadata;
    match metadata.annotations.get(jinja::ANNOTATION) {
        Some(engine) if !jinja::ENGINES.contains(&engine.as_str()) => {
            Err(RenderError::UnknownEngine { chart: metadata.name.clone(), engine: engine.clone() })
        }
        _ => chart.dependencies.iter().try_for_each(check_engines),
    }
}

/// The dot of a template: its chart's context, which names the template that is running.
fn dot(template: &Template<'_>) -> Value {
    let names = [("Name", template.name.as_str().into()), ("BasePath", (&*template.base_path).into())];
    let names: Map = names.into_iter().collect();
    template.context.insert("Template", Value::Map(names.with_type(MapType::Values)));
    Value::Map(template.context.with_type(MapType::Values))
}

/// Jinja's `NOTES.txt.j2` is notes; every other output keeps the name of its template.
fn jinja_output_name(name: String) -> String {
    match name.strip_suffix(jinja::EXTENSION) {
        Some(notes) if notes.ends_with(NOTES) => notes.to_owned(),
        _ => name,
    }
}

/// Takes every NOTES.txt out; the root chart's is the notes.
fn take_notes(files: BTreeMap<String, String>, root: &str) -> (BTreeMap<String, String>, String) {
    let (mut notes, files): (BTreeMap<_, _>, BTreeMap<_, _>) =
        files.into_iter().partition(|(name, _)| name.ends_with(NOTES));
    (files, notes.remove(&format!("{root}/templates/{NOTES}")).unwrap_or_default())
}

/// Helm's form of Go's parse error: the place, and what follows the last colon.
fn parse_error(text: &str) -> String {
    let mut tokens = text.split(": ");
    match (tokens.nth(1), text.rsplit(": ").next()) {
        (Some(location), Some(message)) => format!("parse error at ({location}): {message}"),
        _ => format!("parse error: {text}"),
    }
}

fn template_error(error: TemplateError) -> RenderError {
    match error {
        TemplateError::Limit(text) => RenderError::Limit(text),
        TemplateError::Parse(text) | TemplateError::Execution(text) => RenderError::Template(text),
    }
}

/// Passes lookups on and notes them.
struct RecordedLookup<'a> {
    lookup: &'a dyn Lookup,
    reads: &'a RefCell<Reads>,
}

impl template::Lookup for RecordedLookup<'_> {
    fn lookup(&self, api_version: &str, kind: &str, namespace: &str, name: &str) -> Result<Json, String> {
        let query = Query {
            api_version: api_version.to_owned(),
            kind: kind.to_owned(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        };
        let answer = self.lookup.lookup(&query)?;
        self.reads.borrow_mut().look_up(query, &answer);
        Ok(answer)
    }
}
