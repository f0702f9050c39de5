//! `get`: what is in the record of a revision.

use clap::{Args, Subcommand, ValueEnum};

use super::revisions::{ClusterArgument, Release};
use super::screen::yaml_text;
use super::session::Session;
use super::{Error, Outcome};
use crate::cluster::object::with_integers;
use crate::release::{Hook, Record};
use crate::value::Json;

/// The flags of `get`.
#[derive(Clone, Debug, Args)]
#[command(arg_required_else_help = true)]
pub struct GetArguments {
    /// What is read.
    #[command(subcommand)]
    pub part: Part,
}

/// What is read of a revision.
#[derive(Clone, Debug, Subcommand)]
pub enum Part {
    /// The values that the chart was given
    #[command(after_help = "Example:\n  kubectl captain get values web > values.yaml")]
    Values {
        /// Which revision.
        #[command(flatten)]
        revision: RevisionArguments,
        /// The form of the output
        #[arg(short, long, value_enum, default_value = "yaml", hide_default_value = true, value_name = "FORM")]
        output: DataFormat,
    },
    /// The manifest that was applied, hooks not included
    #[command(after_help = "Example:\n  kubectl captain get manifest web --revision 2")]
    Manifest(RevisionArguments),
    /// The notes of the chart
    #[command(after_help = "Example:\n  kubectl captain get notes web")]
    Notes(RevisionArguments),
    /// The manifests of the hooks
    #[command(after_help = "Example:\n  kubectl captain get hooks web")]
    Hooks(RevisionArguments),
}

/// The forms of data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DataFormat {
    /// As a values file.
    Yaml,
    /// For programs.
    Json,
}

/// Which revision of which release.
#[derive(Clone, Debug, Args)]
pub struct RevisionArguments {
    /// The name of the HelmRequest, or of a release of the helm CLI
    pub name: String,
    /// The number of the revision; the deployed one unless given
    #[arg(long, value_name = "NUMBER")]
    pub revision: Option<i64>,
    /// Where the release is.
    #[command(flatten)]
    pub cluster: ClusterArgument,
}

impl RevisionArguments {
    async fn read(&self, session: &Session) -> Result<Record, Error> {
        Release::find(session, &self.name, &self.cluster).await?.record(self.revision).await
    }
}

impl GetArguments {
    /// Prints a part of a revision.
    ///
    /// # Errors
    /// There is no such revision, or it cannot be read.
    pub async fn run(&self, session: &Session) -> Result<Outcome, Error> {
        match &self.part {
            Part::Values { revision, output } => {
                let values = user_values(revision.read(session).await?.config);
                match output {
                    DataFormat::Yaml => session.screen.print(&yaml_text(&values)?)?,
                    DataFormat::Json => session.screen.print_json(&values)?,
                }
            }
            Part::Manifest(revision) => return manifest(session, revision).await,
            Part::Notes(revision) => session.screen.print(&ended(&revision.read(session).await?.info.notes))?,
            Part::Hooks(revision) => session.screen.print(&hooks(&revision.read(session).await?.hooks))?,
        }
        Ok(Outcome::Done)
    }
}

/// Prints the manifest of a revision.
///
/// # Errors
/// There is no such revision, or it cannot be read.
pub async fn manifest(session: &Session, revision: &RevisionArguments) -> Result<Outcome, Error> {
    session.screen.print(&ended(&revision.read(session).await?.manifest))?;
    Ok(Outcome::Done)
}

/// The values of a record as a person would write them: a map, whole numbers without a point.
pub fn user_values(config: Json) -> Json {
    match config {
        Json::Null => Json::Object(serde_json::Map::new()),
        config => with_integers(config),
    }
}

/// A text that ends with a line break, unless it is empty.
fn ended(text: &str) -> String {
    let text = text.trim_end_matches('\n');
    if text.is_empty() { String::new() } else { format!("{text}\n") }
}

/// The manifests of hooks, each with the template that it is from.
pub fn hooks(hooks: &[Hook]) -> String {
    hooks.iter().map(|hook| format!("---\n# Source: {}\n{}", hook.path, ended(&hook.manifest))).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_a_map_with_whole_numbers() {
        assert_eq!(user_values(Json::Null), json!({}));
        assert_eq!(user_values(json!({"replicas": 2.0, "ratio": 0.5})), json!({"replicas": 2, "ratio": 0.5}));
    }

    #[test]
    fn every_hook_says_where_it_is_from() {
        let hook = |path: &str| Hook { path: path.into(), manifest: "kind: Job".into(), ..Hook::default() };
        let text = hooks(&[hook("web/templates/a.yaml"), hook("web/templates/b.yaml")]);
        let expected =
            "---\n# Source: web/templates/a.yaml\nkind: Job\n---\n# Source: web/templates/b.yaml\nkind: Job\n";
        assert_eq!(text, expected);
    }
}
