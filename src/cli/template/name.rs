//! The name of a release: given, from a template, or Helm's default (`pkg/action/install.go` NameAndChart).

use std::sync::Arc;

use super::{Failure, TemplateArguments};
use crate::render::{Limits, OperatingSystem};
use crate::template::{Environment, Execution, NoLookup, Set, parse};
use crate::value::Value;

/// The longest name of a release.
const LONGEST: usize = 53;
/// The name of a release that is given none, `--generate-name` or not: `helm template` sets it first.
const DEFAULT: &str = "release-name";

impl TemplateArguments {
    /// The release's name and the chart argument.
    pub(super) fn name_and_chart(&self) -> Result<(String, &str), Failure> {
        match self.name_and_chart.as_slice() {
            [] => Err(Failure::NoChart),
            [chart] if self.name_template.is_empty() => Ok((DEFAULT.to_owned(), chart)),
            [chart] => Ok((from_template(&self.name_template)?, chart)),
            [_, _] if self.generate_name => Err(Failure::TwoNames("--generate-name")),
            [_, _] if !self.name_template.is_empty() => Err(Failure::TwoNames("--name-template")),
            [name, chart] => Ok((name.clone(), chart)),
            [_, _, more @ ..] => Err(Failure::TooManyArguments(more.join(", "))),
        }
    }
}

fn from_template(text: &str) -> Result<String, Failure> {
    const NAME: &str = "name-template";
    let parsed = parse(&text.into()).map_err(|error| Failure::NameTemplate(error.text(NAME)))?;
    let mut set = Set::new();
    let failed = |error: crate::template::TemplateError| Failure::NameTemplate(error.to_string());
    set.add(NAME, &Arc::new(parsed)).map_err(failed)?;
    let environment =
        Environment { lookup: &NoLookup, chance: &OperatingSystem, limits: Limits::default(), lint: false };
    let mut execution = Execution::new(&set, environment);
    let name = execution.render_plain(NAME, &Value::Nil).map_err(Failure::NameTemplate)?;
    Ok(String::from_utf8_lossy(&name).into_owned())
}

/// Whether a release may have this name; the error is Helm's text.
pub(super) fn check(name: &str) -> Result<(), &'static str> {
    if name.is_empty() {
        return Err("no name provided");
    }
    let inner = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let label = |label: &str| {
        let bytes = label.as_bytes();
        let ends = bytes.first().is_some_and(inner) && bytes.last().is_some_and(inner);
        ends && bytes.iter().all(|byte| inner(byte) || *byte == b'-')
    };
    if name.len() <= LONGEST && name.split('.').all(label) {
        return Ok(());
    }
    Err(
        "invalid release name, must match regex ^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$ and \
         the length must not be longer than 53",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked_as_in_helm() {
        for good in ["a", "a-b", "a.b", "0", "a--b.c-d"] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for bad in ["", "A", "-a", "a-", "a..b", ".a", "a_b", &"a".repeat(54)] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }
}
