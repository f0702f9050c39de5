//! `.Capabilities` as templates see it, with its Go types and methods; what they ask is noted in [`Reads`].

use std::any::Any;
use std::cell::RefCell;
use std::rc::Rc;

use serde_json::json;

use super::{Capabilities, HelmVersion, KubeVersion};
use crate::render::Reads;
use crate::value::{Json, Kind, Method, Object, Value};

/// What is shared by the parts of one render's `.Capabilities`.
#[derive(Debug)]
struct Shared {
    capabilities: Capabilities,
    reads: Rc<RefCell<Reads>>,
}

/// `.Capabilities` for one render.
pub fn object(capabilities: &Capabilities, reads: &Rc<RefCell<Reads>>) -> Value {
    Value::object(Root(Rc::new(Shared { capabilities: capabilities.clone(), reads: Rc::clone(reads) })))
}

/// `*common.Capabilities`.
#[derive(Debug)]
struct Root(Rc<Shared>);

impl Object for Root {
    fn type_name(&self) -> &str {
        "*common.Capabilities"
    }

    fn kind(&self) -> Kind {
        Kind::Pointer
    }

    fn field(&self, name: &str) -> Option<Value> {
        let mut reads = self.0.reads.borrow_mut();
        match name {
            "KubeVersion" => {
                reads.kube_version = Some(self.0.capabilities.kube_version.version.clone());
                Some(Value::object(self.0.capabilities.kube_version.clone()))
            }
            "HelmVersion" => Some(Value::object(self.0.capabilities.helm_version.clone())),
            "APIVersions" => Some(Value::object(VersionSet(Rc::clone(&self.0)))),
            _ => None,
        }
    }

    fn print(&self, _direct: bool) -> String {
        let fields = ["KubeVersion", "APIVersions", "HelmVersion"].map(|name| match self.field(name) {
            Some(Value::Object(object)) => object.print(false),
            _ => String::new(),
        });
        format!("&{{{}}}", fields.join(" "))
    }

    fn fields(&self) -> Vec<(&str, Value)> {
        ["KubeVersion", "APIVersions", "HelmVersion"]
            .into_iter()
            .filter_map(|name| Some((name, self.field(name)?)))
            .collect()
    }

    fn json_members(&self) -> Option<Vec<(&str, Value)>> {
        Some(self.fields())
    }

    fn to_json(&self) -> Json {
        self.fields().iter().map(|(name, value)| ((*name).to_owned(), Json::from(value))).collect()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// `common.VersionSet`.
#[derive(Debug)]
struct VersionSet(Rc<Shared>);

impl VersionSet {
    fn all(&self) -> &[String] {
        let mut reads = self.0.reads.borrow_mut();
        reads.all_api_versions.get_or_insert_with(|| self.0.capabilities.api_versions_digest());
        &self.0.capabilities.api_versions
    }
}

impl Object for VersionSet {
    fn type_name(&self) -> &str {
        "common.VersionSet"
    }

    fn kind(&self) -> Kind {
        Kind::Slice
    }

    fn method(&self, name: &str) -> Option<Method> {
        (name == "Has").then_some(Method::STRING)
    }

    fn call(&self, _method: &str, arguments: &[Value]) -> Result<Value, String> {
        let Some(Value::Str(wanted)) = arguments.first() else { return Ok(Value::Bool(false)) };
        let wanted = wanted.to_text();
        let found = self.0.capabilities.has(&wanted);
        self.0.reads.borrow_mut().api_versions.insert(wanted.into_owned(), found);
        Ok(Value::Bool(found))
    }

    fn print(&self, _direct: bool) -> String {
        format!("[{}]", self.all().join(" "))
    }

    fn to_json(&self) -> Json {
        self.all().iter().map(String::as_str).collect()
    }

    fn is_true(&self) -> bool {
        !self.0.capabilities.api_versions.is_empty()
    }

    fn items(&self) -> Option<Vec<Value>> {
        Some(self.all().iter().map(|version| Value::from(version.as_str())).collect())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Object for KubeVersion {
    fn type_name(&self) -> &str {
        "common.KubeVersion"
    }

    fn field(&self, name: &str) -> Option<Value> {
        match name {
            "Version" => Some(self.version.as_str().into()),
            "Major" => Some(self.major.as_str().into()),
            "Minor" => Some(self.minor.as_str().into()),
            _ => None,
        }
    }

    fn method(&self, name: &str) -> Option<Method> {
        matches!(name, "String" | "GitVersion").then_some(Method::NULLARY)
    }

    fn call(&self, method: &str, _arguments: &[Value]) -> Result<Value, String> {
        Ok(if method == "String" { self.comparable().into() } else { self.version.as_str().into() })
    }

    /// `String` has a pointer receiver, which Go finds only where the field itself is printed.
    fn print(&self, direct: bool) -> String {
        if direct {
            return self.comparable().to_owned();
        }
        format!("{{{} {} {} {}}}", self.version, self.normalized, self.major, self.minor)
    }

    fn has_text(&self, direct: bool) -> bool {
        direct
    }

    fn fields(&self) -> Vec<(&str, Value)> {
        vec![
            ("Version", self.version.as_str().into()),
            ("normalizedVersion", self.normalized.as_str().into()),
            ("Major", self.major.as_str().into()),
            ("Minor", self.minor.as_str().into()),
        ]
    }

    fn deep_copy(&self) -> Option<Value> {
        Some(Value::object(Self { normalized: String::new(), ..self.clone() }))
    }

    fn json_members(&self) -> Option<Vec<(&str, Value)>> {
        Some(["Version", "Major", "Minor"].into_iter().filter_map(|name| Some((name, self.field(name)?))).collect())
    }

    fn to_json(&self) -> Json {
        json!({"Version": self.version, "Major": self.major, "Minor": self.minor})
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl HelmVersion {
    fn parts(&self) -> [(&'static str, &'static str, &str); 5] {
        [
            ("Version", "version", &self.version),
            ("GitCommit", "git_commit", &self.git_commit),
            ("GitTreeState", "git_tree_state", &self.git_tree_state),
            ("GoVersion", "go_version", &self.go_version),
            ("KubeClientVersion", "kube_client_version", &self.kube_client_version),
        ]
    }
}

impl Object for HelmVersion {
    fn type_name(&self) -> &str {
        "version.BuildInfo"
    }

    fn field(&self, name: &str) -> Option<Value> {
        self.parts().into_iter().find(|(field, ..)| *field == name).map(|(.., value)| value.into())
    }

    fn print(&self, _direct: bool) -> String {
        format!("{{{}}}", self.parts().map(|(.., value)| value).join(" "))
    }

    fn fields(&self) -> Vec<(&str, Value)> {
        self.parts().into_iter().map(|(field, _, value)| (field, value.into())).collect()
    }

    fn json_members(&self) -> Option<Vec<(&str, Value)>> {
        let kept =
            self.parts().into_iter().filter(|(_, key, value)| !value.is_empty() || *key == "kube_client_version");
        Some(kept.map(|(_, key, value)| (key, value.into())).collect())
    }

    fn to_json(&self) -> Json {
        let members = self.json_members().unwrap_or_default();
        Json::Object(members.iter().map(|(key, value)| ((*key).to_owned(), Json::from(value))).collect())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
