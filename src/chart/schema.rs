//! Checking values against the charts' `values.schema.json` (`pkg/chart/common/util/jsonschema.go`).
//!
//! Drafts 4 to 2020-12 are known, the newest where a schema names none; formats are asserted up to draft 7. A schema
//! may refer to itself and to the official meta-schemas, not to files or other hosts: a render reaches nothing outside
//! its inputs. An unknown `urn:` accepts everything, as in Helm.

mod complexity;
mod message;
mod path;
mod patterns;
mod plain;

use std::collections::HashMap;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use boon::{Compiler, SchemaIndex};
use bytes::Bytes;

use super::Chart;
use super::dependencies::Selected;
use crate::value::{Json, Map, Value};
use crate::yaml::{json, quote};

const LOCATION: &str = "file:///values.schema.json";

/// The schemas of a chart and its subcharts, each read when first needed.
#[derive(Debug, Default)]
pub struct Schemas(HashMap<usize, OnceLock<Result<Schema, String>>>);

/// A schema, compiled when it is needed for values that cannot be [accepted](plain) without.
#[derive(Debug)]
struct Schema {
    json: Json,
    is_plain: bool,
    compiled: OnceLock<Result<Compiled, String>>,
}

struct Compiled {
    schema: Json,
    schemas: boon::Schemas,
    root: SchemaIndex,
    /// Values of less than this depth were found to be checked [often enough](complexity::MAX_CHECKS) at most.
    approved: AtomicUsize,
}

impl std::fmt::Debug for Compiled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Compiled").field("schemas", &self.schemas.size()).finish_non_exhaustive()
    }
}

impl Schemas {
    /// Takes note of the schemas of a chart and its subcharts.
    pub fn new(chart: &Chart) -> Self {
        let mut schemas = Self::default();
        schemas.add(chart);
        schemas
    }

    fn add(&mut self, chart: &Chart) {
        if let Some(schema) = &chart.schema {
            self.0.insert(address(schema), OnceLock::new());
        }
        chart.dependencies.iter().for_each(|child| self.add(child));
    }

    /// Checks merged values of a chart and, under their names, of its subcharts.
    ///
    /// # Errors
    /// Helm's text: for each chart its name and its violations.
    pub fn validate(&self, chart: &Selected, values: &Map) -> Result<(), String> {
        if self.0.is_empty() {
            return Ok(());
        }
        let mut report = String::new();
        self.check(chart, &Value::Map(values.clone()), None, &mut report);
        if report.is_empty() { Ok(()) } else { Err(report) }
    }

    /// `json` is the values as JSON, where a chart around this one has a schema too.
    fn check(&self, chart: &Selected, values: &Value, json: Option<&Json>, report: &mut String) {
        let own;
        let mut json = json;
        if let Some(schema) = &chart.chart.schema
            && let Some(slot) = self.0.get(&address(schema))
        {
            if json.is_none() {
                own = Json::from(values);
                json = Some(&own);
            }
            let result = match slot.get_or_init(|| Schema::read(schema)) {
                Ok(schema) => schema.validate(json.unwrap_or(&Json::Null)),
                Err(error) => Err(error.clone()),
            };
            if let Err(error) = result {
                report.extend([chart.name(), ":\n", &error]);
            }
        }
        let Value::Map(values) = values else { return };
        for child in &chart.dependencies {
            let name = child.name();
            match values.get(name.as_bytes()) {
                None | Some(Value::Nil) => {}
                Some(table @ Value::Map(_)) => self.check(child, &table, json.and_then(|json| json.get(name)), report),
                Some(other) => {
                    let found = other.type_name();
                    report.push_str(&format!("{name}:\ninvalid type for values: expected object (map), got {found}\n"));
                }
            }
        }
    }
}

fn address(schema: &Bytes) -> usize {
    schema.as_ptr() as usize
}

impl Schema {
    fn read(schema: &[u8]) -> Result<Self, String> {
        // serde_json keeps how numbers are written, Go's reader has Helm's error texts and no limit on depth.
        let json =
            serde_json::from_slice(schema).or_else(|_| json::decode(schema).map_err(|error| error.to_string()))?;
        Ok(Self { is_plain: plain::is_plain(&json), json, compiled: OnceLock::new() })
    }

    fn validate(&self, values: &Json) -> Result<(), String> {
        if self.is_plain && plain::accepts(&self.json, values) {
            return Ok(());
        }
        match self.compiled.get_or_init(|| compile(self.json.clone())) {
            Ok(compiled) => compiled.validate(values),
            Err(error) => Err(error.clone()),
        }
    }
}

fn compile(schema: Json) -> Result<Compiled, String> {
    let mut compiler = Compiler::new();
    compiler.use_loader(Box::new(Loader));
    compiler.register_format(boon::Format { name: "ipv4", func: ipv4 });
    compiler.register_format(patterns::FORMAT);
    let mut schemas = boon::Schemas::new();
    let text = |error: boon::CompileError| message::compile_error(&schema, &error);
    let mut rewritten = schema.clone();
    patterns::rewrite(&mut rewritten);
    compiler.add_resource(LOCATION, rewritten).map_err(text)?;
    let root = compiler.compile(LOCATION, &mut schemas).map_err(text)?;
    Ok(Compiled { schema, schemas, root, approved: AtomicUsize::new(0) })
}

impl Compiled {
    fn validate(&self, values: &Json) -> Result<(), String> {
        let depth = complexity::depth(values);
        if depth >= self.approved.load(Ordering::Relaxed) {
            if complexity::checks(&self.schema, depth) > complexity::MAX_CHECKS {
                return Err(Self::too_many_checks());
            }
            self.approved.fetch_max(depth + 1, Ordering::Relaxed);
        }
        self.schemas.validate(values, self.root).map_err(|error| message::violations(&self.schema, &error))
    }

    fn too_many_checks() -> String {
        format!(
            "values.schema.json makes one value be checked more than {} times: its parts refer to each other too often\n",
            complexity::MAX_CHECKS
        )
    }
}

/// Loads nothing; an unknown name accepts everything.
struct Loader;

impl boon::UrlLoader for Loader {
    fn load(&self, url: &str) -> Result<Json, Box<dyn std::error::Error>> {
        if url.starts_with("urn:") {
            return Ok(Json::Bool(true));
        }
        Err("references to other files and hosts are not followed: put the definition into the schema".into())
    }
}

/// The one common format whose words differ between the two editions of the library.
fn ipv4(value: &Json) -> Result<(), Box<dyn std::error::Error>> {
    let Json::String(text) = value else { return Ok(()) };
    let groups: Vec<&str> = text.split('.').collect();
    if groups.len() != 4 {
        return Err("expected four decimals".into());
    }
    for group in groups {
        if group.len() > 1 && group.starts_with('0') {
            return Err("leading zeros".into());
        }
        let syntax = || format!("strconv.Atoi: parsing {}: invalid syntax", quote::quote(group));
        let number: i64 = group.parse().map_err(|_| syntax())?;
        if !(0..=255).contains(&number) {
            return Err("decimal must be between 0 and 255".into());
        }
    }
    Ok(())
}
