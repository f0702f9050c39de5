//! `Chart.yaml`, `requirements.yaml` and the lock files: what they hold, how Helm decodes, cleans and checks them
//! (`pkg/chart/v2/metadata.go`, `dependency.go`).

use std::collections::BTreeSet;
use std::sync::LazyLock;

use regex::Regex;
use serde::{Deserialize, Serialize};

use super::decode::{Decoder, Structure};
use super::version::Version;
use crate::value::Json;

/// The content of `Chart.yaml`. Serialises as Helm's own JSON: empty fields are left out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(missing_docs, reason = "the fields are those of the Chart.yaml specification")]
pub struct Metadata {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub home: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub version: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keywords: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub maintainers: Vec<Maintainer>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub icon: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub api_version: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub condition: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub tags: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub app_version: String,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub deprecated: bool,
    #[serde(skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    pub annotations: std::collections::BTreeMap<String, String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub kube_version: String,
    /// The declared dependencies; absent and empty differ, because Helm selects dependencies only where some are
    /// declared.
    #[serde(skip_serializing_if = "no_dependencies")]
    pub dependencies: Option<Vec<Dependency>>,
    #[serde(rename = "type", skip_serializing_if = "String::is_empty")]
    pub chart_type: String,
}

fn no_dependencies(dependencies: &Option<Vec<Dependency>>) -> bool {
    dependencies.as_ref().is_none_or(Vec::is_empty)
}

/// A maintainer of a chart.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the fields are those of the Chart.yaml specification")]
pub struct Maintainer {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub email: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub url: String,
}

/// A declared dependency, or one line of a lock file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
#[expect(missing_docs, reason = "the fields are those of the Chart.yaml specification")]
pub struct Dependency {
    pub name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub version: String,
    pub repository: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub condition: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub enabled: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub import_values: Vec<Json>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub alias: String,
}

/// `Chart.lock` or `requirements.lock`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the fields are those of the lock file")]
pub struct Lock {
    /// When the lock was made, as RFC 3339 text.
    pub generated: String,
    pub digest: String,
    pub dependencies: Vec<Dependency>,
}

const METADATA: Structure = Structure {
    name: "Metadata",
    type_name: "v2.Metadata",
    fields: &[
        "name",
        "home",
        "sources",
        "version",
        "description",
        "keywords",
        "maintainers",
        "icon",
        "apiVersion",
        "condition",
        "tags",
        "appVersion",
        "deprecated",
        "annotations",
        "kubeVersion",
        "dependencies",
        "type",
    ],
};
const MAINTAINER: Structure =
    Structure { name: "Maintainer", type_name: "v2.Maintainer", fields: &["name", "email", "url"] };
const DEPENDENCY: Structure = Structure {
    name: "Dependency",
    type_name: "v2.Dependency",
    fields: &["name", "version", "repository", "condition", "tags", "enabled", "import-values", "alias"],
};
const LOCK: Structure =
    Structure { name: "Lock", type_name: "v2.Lock", fields: &["generated", "digest", "dependencies"] };

/// Metadata as decoded, before it is checked: lists of structures may hold nulls, which Helm refuses by name.
#[derive(Debug, Default)]
pub(super) struct Decoded {
    pub metadata: Metadata,
    null_maintainer: bool,
    null_dependency: bool,
}

impl Decoded {
    /// Decodes a `Chart.yaml` or `requirements.yaml` over what is there already.
    pub fn read(&mut self, json: &Json) -> Result<(), String> {
        Decoder::run(|decoder| {
            decoder.fields(json, METADATA, |decoder, field, value| self.field(decoder, field, value));
        })
    }

    fn field(&mut self, decoder: &mut Decoder, field: &str, value: &Json) {
        let metadata = &mut self.metadata;
        match field {
            "name" => decoder.text(value, &mut metadata.name),
            "home" => decoder.text(value, &mut metadata.home),
            "sources" => decoder.texts(value, &mut metadata.sources),
            "version" => decoder.text(value, &mut metadata.version),
            "description" => decoder.text(value, &mut metadata.description),
            "keywords" => decoder.texts(value, &mut metadata.keywords),
            "maintainers" => {
                metadata.maintainers.clear();
                decoder.elements(value, "[]*v2.Maintainer", |decoder, item| {
                    self.null_maintainer |= item.is_null();
                    metadata.maintainers.push(Maintainer::read(decoder, item));
                });
            }
            "icon" => decoder.text(value, &mut metadata.icon),
            "apiVersion" => decoder.text(value, &mut metadata.api_version),
            "condition" => decoder.text(value, &mut metadata.condition),
            "tags" => decoder.text(value, &mut metadata.tags),
            "appVersion" => decoder.text(value, &mut metadata.app_version),
            "deprecated" => decoder.boolean(value, &mut metadata.deprecated),
            "annotations" => decoder.text_map(value, &mut metadata.annotations),
            "kubeVersion" => decoder.text(value, &mut metadata.kube_version),
            "dependencies" => {
                let (dependencies, null) = read_dependencies(decoder, value);
                self.null_dependency |= null;
                metadata.dependencies = dependencies;
            }
            _ => decoder.text(value, &mut metadata.chart_type),
        }
    }

    /// Cleans the texts and checks what Helm checks (`Metadata.Validate`).
    pub fn validate(self) -> Result<Metadata, String> {
        let mut metadata = self.metadata;
        metadata.sanitize();
        metadata.check()?;
        if self.null_maintainer {
            return Err("maintainers must not contain empty or null nodes".to_owned());
        }
        if self.null_dependency {
            return Err("dependencies must not contain empty or null nodes".to_owned());
        }
        let mut names = BTreeSet::new();
        for dependency in metadata.dependencies.iter().flatten() {
            if !dependency.alias.is_empty() && !is_alias(&dependency.alias) {
                return Err(format!("dependency {:?} has disallowed characters in the alias", dependency.name));
            }
            let name = if dependency.alias.is_empty() { &dependency.name } else { &dependency.alias };
            if !names.insert(name) {
                return Err(format!("more than one dependency with name or alias {name:?}"));
            }
        }
        Ok(metadata)
    }
}

impl Metadata {
    fn sanitize(&mut self) {
        let texts = [
            &mut self.name,
            &mut self.description,
            &mut self.home,
            &mut self.icon,
            &mut self.condition,
            &mut self.tags,
            &mut self.app_version,
            &mut self.kube_version,
        ];
        texts.into_iter().chain(&mut self.sources).chain(&mut self.keywords).for_each(sanitize);
        for maintainer in &mut self.maintainers {
            [&mut maintainer.name, &mut maintainer.email, &mut maintainer.url].into_iter().for_each(sanitize);
        }
        for dependency in self.dependencies.iter_mut().flatten() {
            let texts =
                [&mut dependency.name, &mut dependency.version, &mut dependency.repository, &mut dependency.condition];
            texts.into_iter().chain(&mut dependency.tags).for_each(sanitize);
        }
    }

    fn check(&self) -> Result<(), String> {
        let name = &self.name;
        if self.api_version.is_empty() {
            return Err("chart.metadata.apiVersion is required".to_owned());
        }
        if name.is_empty() {
            return Err("chart.metadata.name is required".to_owned());
        }
        if name == "." || name == ".." {
            return Err(format!("chart.metadata.name {name:?} is not allowed"));
        }
        if name.contains('/') {
            return Err(format!("chart.metadata.name {name:?} is invalid"));
        }
        if self.version.is_empty() {
            return Err("chart.metadata.version is required".to_owned());
        }
        if Version::parse(&self.version).is_err() {
            return Err(format!("chart.metadata.version {:?} is invalid", self.version));
        }
        if !matches!(self.chart_type.as_str(), "" | "application" | "library") {
            return Err("chart.metadata.type must be application or library".to_owned());
        }
        Ok(())
    }
}

impl Maintainer {
    fn read(decoder: &mut Decoder, json: &Json) -> Self {
        let mut maintainer = Self::default();
        decoder.fields(json, MAINTAINER, |decoder, field, value| match field {
            "name" => decoder.text(value, &mut maintainer.name),
            "email" => decoder.text(value, &mut maintainer.email),
            _ => decoder.text(value, &mut maintainer.url),
        });
        maintainer
    }
}

impl Dependency {
    fn read(decoder: &mut Decoder, json: &Json) -> Self {
        let mut dependency = Self::default();
        decoder.fields(json, DEPENDENCY, |decoder, field, value| match field {
            "name" => decoder.text(value, &mut dependency.name),
            "version" => decoder.text(value, &mut dependency.version),
            "repository" => decoder.text(value, &mut dependency.repository),
            "condition" => decoder.text(value, &mut dependency.condition),
            "tags" => decoder.texts(value, &mut dependency.tags),
            "enabled" => decoder.boolean(value, &mut dependency.enabled),
            "import-values" => {
                decoder.elements(value, "[]interface {}", |_, item| dependency.import_values.push(item.clone()));
            }
            _ => decoder.text(value, &mut dependency.alias),
        });
        dependency
    }
}

impl Lock {
    /// Decodes a lock file; nothing where it is empty.
    pub(super) fn read(json: &Json) -> Result<Option<Self>, String> {
        if json.is_null() {
            return Ok(None);
        }
        let mut lock = Self::default();
        Decoder::run(|decoder| {
            decoder.fields(json, LOCK, |decoder, field, value| match field {
                "generated" => decoder.text(value, &mut lock.generated),
                "digest" => decoder.text(value, &mut lock.digest),
                _ => lock.dependencies = read_dependencies(decoder, value).0.unwrap_or_default(),
            });
        })?;
        Ok(Some(lock))
    }
}

/// The dependencies, and whether one of them is null.
fn read_dependencies(decoder: &mut Decoder, json: &Json) -> (Option<Vec<Dependency>>, bool) {
    let mut dependencies = Vec::new();
    let mut null = false;
    let present = decoder.elements(json, "[]*v2.Dependency", |decoder, item| {
        null |= item.is_null();
        dependencies.push(Dependency::read(decoder, item));
    });
    (present.then_some(dependencies), null)
}

fn is_alias(alias: &str) -> bool {
    alias.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
}

/// Makes every space a plain one and drops what cannot be printed (Go's `unicode.IsPrint`).
fn sanitize(text: &mut String) {
    static PRINTABLE: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"^[\p{L}\p{M}\p{N}\p{P}\p{S}]$").ok());
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return;
    }
    let printable = |c: char| PRINTABLE.as_ref().is_some_and(|p| p.is_match(c.encode_utf8(&mut [0; 4])));
    let cleaned = text.chars().filter_map(|c| match c {
        c if c.is_whitespace() => Some(' '),
        c if printable(c) => Some(c),
        _ => None,
    });
    *text = cleaned.collect();
}
