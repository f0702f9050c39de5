//! `lint`: what is to be said against a chart and its values before they are installed, found by rendering it.

use clap::Args;

use super::arguments::{Format, GlobalArguments, OutputArgument};
use super::draft::{Draft, DraftArguments};
use super::requests;
use super::screen::{Screen, Tone};
use super::session::Session;
use super::template::alone;
use super::{Error, Outcome};
use crate::chart::lint::{self, Finding, Level};
use crate::render::{RenderError, Rendered};
use crate::value::message::without_controls;

/// The flags of `lint`.
#[derive(Clone, Debug, Args)]
pub struct LintArguments {
    /// The name of the HelmRequest, whose chart is looked at with its values; without one, --path names a chart, which is
    /// looked at with its own values and without a cluster
    #[arg(required_unless_present = "path")]
    pub name: Option<String>,
    /// What is looked at.
    #[command(flatten)]
    pub draft: DraftArguments,
    /// Fail also for warnings
    #[arg(long)]
    pub strict: bool,
    /// The form of the output.
    #[command(flatten)]
    pub output: OutputArgument,
}

impl LintArguments {
    /// Looks at the chart of a request, with its values and what this cluster serves.
    ///
    /// # Errors
    /// There are errors, or chart or values cannot be had.
    pub async fn run(&self, session: &Session) -> Result<Outcome, Error> {
        let name = self.name.as_deref().unwrap_or_default();
        let draft = Draft::of_request(session, &requests::find(session, name).await?, &self.draft).await?;
        let (mut found, rendered) = look(&draft, Some(session)).await?;
        if let Some(rendered) = rendered {
            let definitions = draft.definitions(session).await?;
            let manifest = &rendered.manifest;
            if let Err(error) = session.cluster.read_manifest_with(manifest, draft.namespace(), &definitions).await {
                found.push(Finding::new(Level::Error, "templates/", error.to_string()));
            }
        }
        self.tell(&draft, &found, &session.screen)
    }

    /// Looks at a chart without a cluster.
    ///
    /// # Errors
    /// There are errors, or the chart cannot be read.
    pub async fn run_alone(&self, global: &GlobalArguments) -> Result<Outcome, Error> {
        let draft = alone(&self.draft, global)?;
        self.tell(&draft, &look(&draft, None).await?.0, &Screen::of_process())
    }

    fn tell(&self, draft: &Draft, found: &[Finding], screen: &Screen) -> Result<Outcome, Error> {
        let count = |level: Level| found.iter().filter(|finding| finding.level == level).count();
        let (errors, warnings) = (count(Level::Error), count(Level::Warning));
        let chart = format!("{} {}", draft.chart().name(), draft.chart().metadata.version);
        match self.output.output {
            Format::Json => screen.print_json(&found)?,
            Format::Yaml => screen.print_yaml(&found)?,
            Format::Name => {
                screen.print(&found.iter().map(|finding| format!("{}\n", finding.place)).collect::<String>())?
            }
            Format::Table | Format::Wide => screen.print(&format!("{chart}\n{}", text(found, screen)))?,
        }
        if errors > 0 || (self.strict && warnings > 0) {
            return Err(Error::Unmet(format!("chart {chart} has {errors} errors and {warnings} warnings")));
        }
        Ok(Outcome::Done)
    }
}

/// What is found without the API server's word, and the render where there is one.
async fn look(draft: &Draft, session: Option<&Session>) -> Result<(Vec<Finding>, Option<Rendered>), Error> {
    let mut found = lint::lint(draft.chart());
    if draft.chart().is_library() {
        return Ok((found, None));
    }
    match draft.lint(session).await? {
        Ok(rendered) => {
            found.extend(crate::render::lint(&rendered));
            Ok((found, Some(rendered)))
        }
        Err(error) => {
            let place = match &error {
                RenderError::Schema(_) | RenderError::Values(_) => "values.yaml",
                RenderError::KubeVersion { .. } | RenderError::Dependencies(_) => "Chart.yaml",
                _ => "templates/",
            };
            // What is missing in charts/ was told already.
            if !matches!(error, RenderError::MissingDependencies(_)) {
                found.push(Finding::new(Level::Error, place, error.to_string()));
            }
            Ok((found, None))
        }
    }
}

fn text(found: &[Finding], screen: &Screen) -> String {
    let mut sorted: Vec<&Finding> = found.iter().collect();
    sorted.sort_by_key(|finding| std::cmp::Reverse(finding.level));
    let line = |finding: &&Finding| {
        let tone = match finding.level {
            Level::Error => Tone::Bad,
            Level::Warning => Tone::Uneasy,
            Level::Info => Tone::Faint,
        };
        let level = finding.level.to_string();
        format!("{} {}: {}\n", screen.paint(tone, &level), finding.place, without_controls(finding.message.trim_end()))
    };
    if sorted.is_empty() { "nothing is to be said against it\n".to_owned() } else { sorted.iter().map(line).collect() }
}
