//! The user's values: files, then the `--set` family in Helm's fixed order (`pkg/cli/values/options.go`).

use super::{Failure, TemplateArguments, arguments, file, remote};
use crate::chart::set::{self, Form};
use crate::chart::{load_values, merge_maps};
use crate::value::Json;

type Table = serde_json::Map<String, Json>;

/// All values that the arguments give, merged.
pub(super) fn merged(arguments: &TemplateArguments) -> Result<Json, Failure> {
    let mut values = Table::new();
    for path in arguments.values.iter().flat_map(|list| arguments::comma_separated(list)) {
        let parsed = load_values(&read(&path)?);
        let parsed = parsed.map_err(|reason| Failure::ValuesFile { path: path.clone(), reason })?;
        if let Json::Object(parsed) = parsed {
            merge_maps(&mut values, parsed);
        }
    }
    for expression in &arguments.set_json {
        set::apply(expression, Form::Json, &mut values).map_err(|_| json_failure(expression))?;
    }
    apply("--set", Form::Typed, &arguments.set, &mut values)?;
    apply("--set-string", Form::Text, &arguments.set_string, &mut values)?;
    for expression in &arguments.set_file {
        let mut content = |path: &str| match read(path) {
            Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
            Err(failure) => Err(failure.to_string()),
        };
        let applied = set::apply_files(expression, &mut content, &mut values);
        applied.map_err(|cause| Failure::Set { flag: "--set-file", cause })?;
    }
    apply("--set-literal", Form::Literal, &arguments.set_literal, &mut values)?;
    Ok(Json::Object(values))
}

fn apply(flag: &'static str, form: Form, expressions: &[String], values: &mut Table) -> Result<(), Failure> {
    for expression in expressions {
        set::apply(expression, form, values).map_err(|cause| Failure::Set { flag, cause })?;
    }
    Ok(())
}

fn json_failure(expression: &str) -> Failure {
    if expression.trim().starts_with('{') {
        Failure::SetJsonObject(expression.to_owned())
    } else {
        Failure::SetJson(expression.to_owned())
    }
}

/// The content of a file, of standard input (`-`) or of a URL.
fn read(path: &str) -> Result<Vec<u8>, Failure> {
    if path.trim() == "-" {
        return file::read_from(std::io::stdin(), "/dev/stdin");
    }
    if remote::is_url(path) {
        return remote::fetch(path, &TemplateArguments::default()).map(|downloaded| downloaded.content);
    }
    file::read(path)
}
