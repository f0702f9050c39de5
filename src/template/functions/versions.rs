//! Semantic versions in templates: `semver`, `semverCompare` and the version object with its methods.

use std::any::Any;
use std::rc::Rc;

use super::arguments::Arguments;
use super::{CallError, Function, Host};
use crate::chart::version::{Constraint, Version};
use crate::value::Parameter::{Named, String as Text};
use crate::value::{Json, Kind, Method, Object, Value};

/// The functions of this family.
pub const FUNCTIONS: &[Function] =
    &[Function::new("semver", &[Text], semver), Function::new("semverCompare", &[Text, Text], compare)];

type Outcome = Result<Value, CallError>;

fn semver(_: &mut dyn Host, arguments: &[Value]) -> Outcome {
    let version = Version::parse(&arguments.text(0).to_text()).map_err(|error| error.to_string())?;
    Ok(Value::object(SemanticVersion { version, form: Form::Pointer }))
}

fn compare(_: &mut dyn Host, arguments: &[Value]) -> Outcome {
    let constraint = Constraint::parse(&arguments.text(0).to_text()).map_err(|error| error.to_string())?;
    let version = Version::parse(&arguments.text(1).to_text()).map_err(|error| error.to_string())?;
    Ok(constraint.check(&version).into())
}

/// `semver` gives a pointer; the methods that make another version give the struct itself, which has fewer methods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Pointer,
    Struct,
}

#[derive(Clone, Debug)]
struct SemanticVersion {
    version: Version,
    form: Form,
}

impl SemanticVersion {
    fn derived(version: Version) -> Value {
        Value::object(Self { version, form: Form::Struct })
    }
}

/// A method whose only parameter is another version.
const COMPARISON: Method = Method { parameters: &[Named("*semver.Version")], rest: None, results: &[] };

impl Object for SemanticVersion {
    fn type_name(&self) -> &str {
        match self.form {
            Form::Pointer => "*semver.Version",
            Form::Struct => "semver.Version",
        }
    }

    fn kind(&self) -> Kind {
        match self.form {
            Form::Pointer => Kind::Pointer,
            Form::Struct => Kind::Struct,
        }
    }

    fn method(&self, name: &str) -> Option<Method> {
        match name {
            "Major" | "Minor" | "Patch" | "Prerelease" | "Metadata" | "String" | "IncMajor" | "IncMinor"
            | "IncPatch" | "MarshalText" | "MarshalJSON" | "Value" => Some(Method::NULLARY),
            "SetPrerelease" | "SetMetadata" => Some(Method::STRING),
            _ if self.form == Form::Struct => None,
            "Original" => Some(Method::NULLARY),
            "Compare" | "Equal" | "LessThan" | "LessThanEqual" | "GreaterThan" | "GreaterThanEqual" => Some(COMPARISON),
            _ => None,
        }
    }

    fn call(&self, method: &str, arguments: &[Value]) -> Result<Value, String> {
        let version = &self.version;
        let derived = |version: Result<Version, crate::chart::version::VersionError>| {
            version.map(Self::derived).map_err(|error| error.to_string())
        };
        Ok(match method {
            "Major" => Value::Uint64(version.major()),
            "Minor" => Value::Uint64(version.minor()),
            "Patch" => Value::Uint64(version.patch()),
            "Prerelease" => version.prerelease().into(),
            "Metadata" => version.metadata().into(),
            "Original" => version.original().into(),
            "String" | "Value" => version.to_string().into(),
            "MarshalText" => Value::Bytes(version.to_string().into()),
            "MarshalJSON" => Value::Bytes(format!("\"{version}\"").into()),
            "IncMajor" => derived(version.increment_major())?,
            "IncMinor" => derived(version.increment_minor())?,
            "IncPatch" => derived(version.increment_patch())?,
            "SetPrerelease" => derived(version.with_prerelease(&arguments.text(0).to_text()))?,
            "SetMetadata" => derived(version.with_metadata(&arguments.text(0).to_text()))?,
            _ => self.compare_by(method, arguments)?,
        })
    }

    fn print(&self, _direct: bool) -> String {
        self.version.to_string()
    }

    fn has_text(&self, _direct: bool) -> bool {
        true
    }

    fn fields(&self) -> Vec<(&str, Value)> {
        let version = &self.version;
        vec![
            ("major", Value::Uint64(version.major())),
            ("minor", Value::Uint64(version.minor())),
            ("patch", Value::Uint64(version.patch())),
            ("pre", version.prerelease().into()),
            ("metadata", version.metadata().into()),
            ("original", version.original().into()),
        ]
    }

    /// No field of Go's struct is exported.
    fn deep_copy(&self) -> Option<Value> {
        Some(Value::object(Self { version: Version::default(), form: self.form }))
    }

    fn to_json(&self) -> Json {
        Json::String(self.version.to_string())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl SemanticVersion {
    fn compare_by(&self, method: &str, arguments: &[Value]) -> Result<Value, String> {
        let other = match arguments.any(0) {
            Value::Object(object) => object.as_any().downcast_ref::<Self>(),
            _ => None,
        };
        let other = other.ok_or("runtime error: invalid memory address or nil pointer dereference")?;
        let order = self.version.compare(&other.version);
        Ok(match method {
            "Compare" => Value::Int(order as i64),
            "Equal" => order.is_eq().into(),
            "LessThan" => order.is_lt().into(),
            "LessThanEqual" => order.is_le().into(),
            "GreaterThan" => order.is_gt().into(),
            _ => order.is_ge().into(),
        })
    }
}

/// Whether two values of this type are the same in every part, the original text included; nothing for other values.
pub(super) fn equal_versions(left: &Rc<dyn Object>, right: &Rc<dyn Object>) -> Option<bool> {
    let [left, right] = [left, right].map(|object| object.as_any().downcast_ref::<SemanticVersion>());
    let (left, right) = (left?, right?);
    Some(left.form == right.form && left.version == right.version)
}
