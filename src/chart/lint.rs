//! What can be said against a chart before it is rendered (`pkg/chart/v2/lint/rules`, in our words). What would keep it
//! from being loaded is no matter of this.

use serde::Serialize;
use std::fmt;

use super::dependencies::missing;
use super::{Chart, Metadata};
use crate::value::Json;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Level {
    /// It could be better.
    Info,
    /// It may be an error.
    Warning,
    /// It cannot be installed so.
    Error,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Info => "INFO",
            Self::Warning => "WARNING",
            Self::Error => "ERROR",
        })
    }
}

/// Something that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub level: Level,
    /// The file.
    pub place: String,
    /// What it is, and what to do.
    pub message: String,
}

impl Finding {
    /// A finding.
    pub fn new(level: Level, place: impl Into<String>, message: impl Into<String>) -> Self {
        Self { level, place: place.into(), message: message.into() }
    }
}

/// What is to be said against a chart.
pub fn lint(chart: &Chart) -> Vec<Finding> {
    let mut found = of_metadata(&chart.metadata);
    if matches!(*chart.values, Json::Null) {
        found.push(Finding::new(Level::Info, "values.yaml", "there is none: give the values that the templates read"));
    }
    for name in missing(chart) {
        let message = format!("dependency {name:?} is declared and not there: run helm dependency build");
        found.push(Finding::new(Level::Error, "charts/", message));
    }
    if chart.templates.is_empty() && chart.dependencies.is_empty() && !chart.is_library() {
        found.push(Finding::new(Level::Warning, "templates/", "there are none, so nothing would be installed"));
    }
    for template in chart.templates.iter() {
        let base = template.name.rsplit('/').next().unwrap_or_default();
        let extension = base.rsplit_once('.').map_or("", |(_, extension)| extension);
        if !["yaml", "yml", "tpl", "txt", "j2"].contains(&extension) {
            let message = format!("extension {extension:?} is none of .yaml, .yml, .tpl and .txt: rename it");
            found.push(Finding::new(Level::Warning, &template.name, message));
        }
    }
    found
}

fn of_metadata(metadata: &Metadata) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut say = |level, message: String| found.push(Finding::new(level, "Chart.yaml", message));
    if !matches!(metadata.api_version.as_str(), "v1" | "v2") {
        say(Level::Error, format!("apiVersion {:?} is neither v1 nor v2", metadata.api_version));
    }
    if metadata.api_version == "v1" && metadata.dependencies.is_some() {
        say(Level::Warning, "dependencies are of apiVersion v2: raise it, or use requirements.yaml".to_owned());
    }
    if metadata.icon.is_empty() {
        say(Level::Info, "icon is recommended".to_owned());
    }
    if metadata.deprecated {
        say(Level::Warning, "the chart is deprecated".to_owned());
    }
    for maintainer in &metadata.maintainers {
        if maintainer.name.is_empty() {
            say(Level::Error, "every maintainer needs a name".to_owned());
        } else if !maintainer.email.is_empty() && !maintainer.email.contains('@') {
            say(Level::Error, format!("maintainer {:?}: email {:?} is none", maintainer.name, maintainer.email));
        }
    }
    for (field, url) in metadata.sources.iter().map(|url| ("sources", url)).chain([("icon", &metadata.icon)]) {
        if !url.is_empty() && !url.contains("://") && !url.starts_with("data:") {
            say(Level::Error, format!("{field}: {url:?} is no URL"));
        }
    }
    for dependency in metadata.dependencies.iter().flatten().filter(|dependency| dependency.version.is_empty()) {
        say(Level::Warning, format!("dependency {:?} says no version", dependency.name));
    }
    found
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::super::dependencies::tests::chart;
    use super::*;

    #[test]
    fn each_fault_of_a_chart_is_told_with_its_file() {
        let mut faulty = chart("web", Json::Null, Vec::new());
        let metadata = json!({"apiVersion": "v3", "name": "web", "version": "1.0.0", "sources": ["here"],
                              "maintainers": [{"name": ""}, {"name": "a", "email": "b"}], "icon": "https://x/y.png",
                              "dependencies": [{"name": "db", "version": ""}], "deprecated": true});
        faulty.metadata = Arc::new(serde_json::from_value(metadata).expect("metadata"));
        let found: Vec<String> =
            lint(&faulty).iter().map(|found| format!("{} {} {}", found.level, found.place, found.message)).collect();
        let expected = [
            "ERROR Chart.yaml apiVersion \"v3\"",
            "WARNING Chart.yaml the chart is deprecated",
            "ERROR Chart.yaml every maintainer",
            "ERROR Chart.yaml maintainer \"a\"",
            "ERROR Chart.yaml sources",
            "WARNING Chart.yaml dependency \"db\" says no version",
            "INFO values.yaml",
            "ERROR charts/ dependency \"db\"",
            "WARNING templates/ there are none",
        ];
        assert_eq!(found.len(), expected.len(), "{found:#?}");
        for (found, expected) in found.iter().zip(expected) {
            assert!(found.starts_with(expected), "{found}");
        }
    }
}
