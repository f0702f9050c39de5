//! `.Files`: the chart's other files, as templates reach them (`pkg/engine/files.go`).

use std::any::Any;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::glob::Glob;
use crate::chart::{Content, File};
use crate::value::{ElementType, Json, Kind, List, Map, Method, Object, Str, Value};
use crate::yaml;

/// Files by name. All of a chart share its list; a glob's result holds what it chose.
#[derive(Clone, Debug)]
pub struct Files {
    all: Arc<[File]>,
    chosen: Option<Rc<[usize]>>,
}

impl Files {
    /// All files of a chart.
    pub fn new(all: &Arc<[File]>) -> Self {
        Self { all: Arc::clone(all), chosen: None }
    }

    /// Name and content; where a name occurs twice, the last one counts.
    fn by_name(&self) -> BTreeMap<&str, &Content> {
        match &self.chosen {
            None => self.all.iter().map(|file| (file.name.as_str(), &file.data)).collect(),
            Some(chosen) => chosen
                .iter()
                .filter_map(|index| self.all.get(*index))
                .map(|file| (file.name.as_str(), &file.data))
                .collect(),
        }
    }

    fn get(&self, name: &str) -> Option<&Content> {
        let position = self.all.iter().rposition(|file| file.name == name)?;
        let visible = self.chosen.as_ref().is_none_or(|chosen| chosen.contains(&position));
        visible.then(|| &self.all[position].data)
    }

    fn bytes(&self, name: &Str) -> Str {
        name.as_utf8().and_then(|name| self.get(name)).map_or_else(Str::default, Content::text)
    }

    /// A bad pattern chooses everything.
    fn glob(&self, pattern: &Str) -> Self {
        let glob = pattern.as_utf8().and_then(Glob::parse);
        let matches = |name: &str| glob.as_ref().is_none_or(|glob| glob.matches(name));
        let visible = |index: &usize| self.chosen.as_ref().is_none_or(|chosen| chosen.contains(index));
        let chosen = (0..self.all.len()).filter(visible).filter(|index| matches(&self.all[*index].name));
        Self { all: Arc::clone(&self.all), chosen: Some(chosen.collect()) }
    }

    fn lines(&self, name: &Str) -> Value {
        let content = self.bytes(name);
        let bytes = content.as_bytes();
        if bytes.is_empty() {
            return Value::List(List::of(ElementType::String, []));
        }
        let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        Value::List(List::of(
            ElementType::String,
            bytes.split(|byte| *byte == b'\n').map(|line| Value::Str(line.into())),
        ))
    }

    /// The files as the data of a ConfigMap or Secret: base names to texts.
    fn data(&self, text: impl Fn(&Content) -> Str) -> Value {
        let data = Map::new();
        for (name, content) in self.by_name() {
            data.insert(base_name(name), Value::Str(text(content)));
        }
        let yaml = yaml::to_string(&Value::Map(data)).unwrap_or_default();
        Value::from(yaml.strip_suffix('\n').unwrap_or(&yaml))
    }
}

/// Go's `path.Base`.
fn base_name(path: &str) -> &str {
    path.trim_end_matches('/').rsplit('/').next().filter(|base| !base.is_empty()).unwrap_or(".")
}

impl Object for Files {
    fn type_name(&self) -> &str {
        "engine.files"
    }

    fn kind(&self) -> Kind {
        Kind::Map
    }

    fn field(&self, name: &str) -> Option<Value> {
        Some(Value::Bytes(self.bytes(&name.into())))
    }

    fn method(&self, name: &str) -> Option<Method> {
        match name {
            "Get" | "GetBytes" | "Glob" | "Lines" => Some(Method::STRING),
            "AsConfig" | "AsSecrets" => Some(Method::NULLARY),
            _ => None,
        }
    }

    fn call(&self, method: &str, arguments: &[Value]) -> Result<Value, String> {
        let argument = arguments.first().and_then(Value::as_str).cloned().unwrap_or_default();
        Ok(match method {
            "Get" => Value::Str(self.bytes(&argument)),
            "GetBytes" => Value::Bytes(self.bytes(&argument)),
            "Glob" => Value::object(self.glob(&argument)),
            "Lines" => self.lines(&argument),
            "AsConfig" => self.data(Content::text),
            "AsSecrets" => self.data(|content| STANDARD.encode(content).into()),
            _ => return Err(format!("{method} is not a method of engine.files")),
        })
    }

    fn print(&self, _direct: bool) -> String {
        let entry = |(name, content): (&str, &Content)| {
            let bytes: Vec<String> = content.iter().map(u8::to_string).collect();
            format!("{name}:[{}]", bytes.join(" "))
        };
        let entries: Vec<String> = self.by_name().into_iter().map(entry).collect();
        format!("map[{}]", entries.join(" "))
    }

    fn to_json(&self) -> Json {
        let entries = self.by_name().into_iter();
        Json::Object(entries.map(|(name, content)| (name.to_owned(), Json::String(STANDARD.encode(content)))).collect())
    }

    fn is_true(&self) -> bool {
        !self.by_name().is_empty()
    }

    fn entries(&self) -> Option<Vec<(Str, Value)>> {
        let entries = self.by_name().into_iter();
        Some(entries.map(|(name, content)| (name.into(), Value::Bytes(content.text()))).collect())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
