//! `search` and `show`: what charts there are, and what is in them.
//!
//! Which charts and versions there are is told by the Chart objects that the operator keeps. The files of a chart are
//! downloaded from its repository, as the operator does it, with the credentials that the caller may read.

use clap::{Args, Subcommand};
use kube::api::ListParams;
use kube::{Api, ResourceExt};
use serde::Serialize;

use super::arguments::{Format, OutputArgument};
use super::download::{self, SharedArgument, Wanted};
use super::screen::Screen;
use super::session::Session;
use super::table::Table;
use super::{Error, Outcome};
use crate::api::chart::Chart as ChartObject;
use crate::api::names;
use crate::chart::{File, Limits, load_files};
use crate::cluster::ApiError;
use crate::cluster::pages::all;
use crate::controller::chartrepo::chart_object_name;
use crate::value::Json;

/// How many charts one page of a list has: they are large.
const PAGE: u32 = 50;

/// The flags of `search`.
#[derive(Clone, Debug, Args)]
pub struct SearchArguments {
    /// A part of the name, the description or a keyword; all charts unless given
    pub word: Option<String>,
    /// All versions, not only the newest
    #[arg(long)]
    pub versions: bool,
    /// The charts of the repositories of all namespaces
    #[arg(short = 'A', long)]
    pub all_namespaces: bool,
    /// Only the charts of repositories of this label, for example alauda.io/project=shop
    #[arg(short = 'l', long, value_name = "SELECTOR")]
    pub selector: Option<String>,
    /// Where else repositories are.
    #[command(flatten)]
    pub shared: SharedArgument,
    /// The form of the output.
    #[command(flatten)]
    pub output: OutputArgument,
}

/// The flags of `show`.
#[derive(Clone, Debug, Args)]
#[command(arg_required_else_help = true)]
pub struct ShowArguments {
    /// What is shown.
    #[command(subcommand)]
    pub part: Part,
}

/// What is shown of a chart.
#[derive(Clone, Debug, Subcommand)]
pub enum Part {
    /// The default values
    #[command(after_help = "Example:\n  kubectl captain show values charts/hello > values.yaml")]
    Values(ChartArguments),
    /// The README
    #[command(after_help = "Example:\n  kubectl captain show readme charts/hello")]
    Readme(ChartArguments),
    /// The schema of the values
    #[command(after_help = "Example:\n  kubectl captain show schema charts/hello -v 0.2.0")]
    Schema(ChartArguments),
    /// The metadata of the chart, its Chart.yaml
    #[command(after_help = "Example:\n  kubectl captain show chart charts/hello")]
    Chart(ChartArguments),
    /// The versions, the newest first
    #[command(after_help = "Example:\n  kubectl captain show versions charts/hello")]
    Versions(VersionsArguments),
}

/// The flags of `show versions`.
#[derive(Clone, Debug, Args)]
pub struct VersionsArguments {
    /// The chart, as repository/name
    #[arg(value_name = "REPOSITORY/NAME")]
    pub chart: String,
    /// Where else repositories are.
    #[command(flatten)]
    pub shared: SharedArgument,
    /// The form of the output.
    #[command(flatten)]
    pub output: OutputArgument,
}

/// A version of a chart.
#[derive(Clone, Debug, Args)]
pub struct ChartArguments {
    /// The chart, as repository/name
    #[arg(value_name = "REPOSITORY/NAME")]
    pub chart: String,
    /// The version of the chart, or a range of versions; the newest unless given
    #[arg(short, long, value_name = "VERSION")]
    pub version: Option<String>,
    /// Where else repositories are.
    #[command(flatten)]
    pub shared: SharedArgument,
}

/// A version of a chart as lists show it.
#[derive(Clone, Debug, Serialize)]
struct Line {
    name: String,
    version: String,
    app_version: String,
    description: String,
}

impl SearchArguments {
    /// Lists charts.
    ///
    /// # Errors
    /// They cannot be read.
    pub async fn run(&self, session: &Session) -> Result<Outcome, Error> {
        let selector = self.selector.as_deref();
        let own = Some(&*session.namespace).filter(|_| !self.all_namespaces);
        let mut found = charts(session, own, selector).await?;
        if own.is_some() && self.shared.repo_namespace != session.namespace {
            // Who may not look there has only what is in his own namespace.
            found.extend(charts(session, Some(&self.shared.repo_namespace), selector).await.unwrap_or_default());
        }
        let shown = |chart: &ChartObject| if self.versions { chart.spec.versions.len() } else { 1 };
        let wanted = found.iter().filter(|chart| self.is_meant(chart));
        let mut lines: Vec<Line> = wanted
            .flat_map(|chart| chart.spec.versions.iter().take(shown(chart)).map(|entry| line(chart, entry)))
            .collect();
        lines.sort_by(|left, right| left.name.cmp(&right.name));
        print(&lines, self.output.output, &session.screen)?;
        Ok(Outcome::Done)
    }

    fn is_meant(&self, chart: &ChartObject) -> bool {
        let Some(word) = self.word.as_ref().map(|word| word.to_lowercase()) else { return true };
        let Some(entry) = chart.spec.versions.first() else { return false };
        let texts = [name(chart, entry), text(entry, "description").to_owned()];
        let keywords = entry.get("keywords").and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str);
        let mut all = texts.into_iter().chain(keywords.map(str::to_owned));
        all.any(|text| text.to_lowercase().contains(&word))
    }
}

impl ShowArguments {
    /// Shows a part of a chart.
    ///
    /// # Errors
    /// There is no such chart or version, or it cannot be downloaded.
    pub async fn run(&self, session: &Session) -> Result<Outcome, Error> {
        let (chart, file) = match &self.part {
            Part::Versions(arguments) => return arguments.run(session).await,
            Part::Values(chart) => (chart, "values.yaml"),
            Part::Readme(chart) => (chart, "readme.md"),
            Part::Chart(chart) => (chart, "chart.yaml"),
            Part::Schema(chart) => (chart, "values.schema.json"),
        };
        let files = chart.files(session).await?;
        let found = files.iter().find(|shown| shown.name.eq_ignore_ascii_case(file));
        let missing = || Error::Usage(format!("chart {:?} has no {file} in this version", chart.chart));
        let text = String::from_utf8_lossy(&found.ok_or_else(missing)?.data.bytes()).into_owned();
        session.screen.print(&if text.ends_with('\n') { text } else { format!("{text}\n") })?;
        Ok(Outcome::Done)
    }
}

impl ChartArguments {
    /// The files of the archive of the version.
    async fn files(&self, session: &Session) -> Result<Vec<File>, Error> {
        let (repository, chart) = parts(&self.chart)?;
        let wanted = Wanted { repository, chart, version: self.version.as_deref().unwrap_or_default() };
        let archive = download::from_repository(session, &self.shared, wanted).await?;
        load_files(&archive, &Limits::default())
            .map_err(|error| Error::Unmet(format!("chart {:?}: {error}", self.chart)))
    }
}

impl VersionsArguments {
    async fn run(&self, session: &Session) -> Result<Outcome, Error> {
        let (repository, chart) = parts(&self.chart)?;
        let name = chart_object_name(chart, repository);
        for namespace in [&session.namespace, &self.shared.repo_namespace] {
            let api: Api<ChartObject> = Api::namespaced(session.cluster.client(), namespace);
            match api.get_opt(&name).await.map_err(ApiError::from) {
                Ok(Some(found)) => {
                    let lines: Vec<Line> = found.spec.versions.iter().map(|entry| line(&found, entry)).collect();
                    print(&lines, self.output.output, &session.screen)?;
                    return Ok(Outcome::Done);
                }
                Ok(None) => {}
                Err(error) => return Err(Error::api(format!("get Chart {name:?}"), "Chart", error)),
            }
        }
        Err(absent(session, "Chart", &name, "see those that exist: kubectl captain search"))
    }
}

fn parts(chart: &str) -> Result<(&str, &str), Error> {
    let parts = chart.split_once('/').filter(|(repository, name)| !repository.is_empty() && !name.is_empty());
    parts.ok_or_else(|| Error::Usage(format!("chart {chart:?} is not REPOSITORY/NAME")))
}

fn absent(session: &Session, kind: &'static str, name: &str, hint: &str) -> Error {
    Error::Absent { kind, name: name.to_owned(), namespace: session.namespace.clone(), hint: hint.to_owned() }
}

/// The charts of the repositories of a namespace, or of all.
///
/// # Errors
/// They cannot be listed.
pub async fn charts(
    session: &Session,
    namespace: Option<&str>,
    selector: Option<&str>,
) -> Result<Vec<ChartObject>, Error> {
    let (api, place): (Api<ChartObject>, String) = match namespace {
        Some(namespace) => {
            (Api::namespaced(session.cluster.client(), namespace), format!(" in namespace {namespace:?}"))
        }
        None => (Api::all(session.cluster.client()), String::new()),
    };
    let parameters = ListParams { label_selector: selector.map(str::to_owned), ..ListParams::default() };
    let listed = all(&api, parameters.limit(PAGE)).await;
    listed.map_err(|error| Error::api(format!("list Charts{place}"), "Chart", error))
}

/// How a request names the chart.
fn name(chart: &ChartObject, entry: &Json) -> String {
    let repository = chart.labels().get(names::REPO_LABEL).cloned().unwrap_or_default();
    format!("{repository}/{}", text(entry, "name"))
}

fn text<'a>(entry: &'a Json, field: &str) -> &'a str {
    entry.get(field).and_then(Json::as_str).unwrap_or_default()
}

fn line(chart: &ChartObject, entry: &Json) -> Line {
    Line {
        name: name(chart, entry),
        version: text(entry, "version").to_owned(),
        app_version: text(entry, "appVersion").to_owned(),
        description: text(entry, "description").to_owned(),
    }
}

fn print(lines: &[Line], form: Format, screen: &Screen) -> Result<(), Error> {
    match form {
        Format::Json => screen.print_json(&lines),
        Format::Yaml => screen.print_yaml(&lines),
        Format::Name => screen.print(&lines.iter().map(|line| format!("{}\n", line.name)).collect::<String>()),
        Format::Table | Format::Wide if lines.is_empty() => {
            screen.tell("no charts found; see whether the repositories were read: kubectl get chartrepos -A");
            Ok(())
        }
        Format::Table | Format::Wide => {
            let mut table = Table::new(["NAME", "VERSION", "APP VERSION", "DESCRIPTION"]);
            for Line { name, version, app_version, description } in lines {
                table.push([name, version, app_version, description].map(Into::into).into());
            }
            screen.print(&table.text(screen))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_search_looks_at_names_descriptions_and_keywords() {
        let object = json!({
            "apiVersion": "app.alauda.io/v1beta1", "kind": "Chart",
            "metadata": {"name": "hello.shop", "labels": {"repo": "shop"}},
            "spec": {"versions": [{"name": "hello", "description": "A Server", "keywords": ["web"]}]},
        });
        let chart: ChartObject = serde_json::from_value(object).expect("a chart");
        for (word, expected) in
            [("hel", true), ("shop/hello", true), ("server", true), ("WEB", true), ("database", false)]
        {
            let output = OutputArgument::default();
            let shared = SharedArgument { repo_namespace: "captain-system".into() };
            let (word, selector) = (Some(word.to_owned()), None);
            let arguments = SearchArguments { word, versions: false, all_namespaces: false, selector, shared, output };
            assert_eq!(arguments.is_meant(&chart), expected, "{:?}", arguments.word);
        }
    }
}
