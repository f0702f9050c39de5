//! `import`: a HelmRequest for a release of the helm CLI, which the operator then takes over as it is.
//!
//! Chart, version and values are in the release's record. Only the repository is not: it is named by `--repo`, or it is
//! the one that has this chart in this version; helm's own list of repositories tells its address where there is no
//! ChartRepo of the name yet.

use std::path::{Path, PathBuf};

use clap::{ArgAction, Args};
use serde_json::json;

use super::charts::charts;
use super::create::create;
use super::edit::WriteArguments;
use super::get::user_values;
use super::repositories::{self, NewRepository};
use super::revisions::Release;
use super::session::Session;
use super::waiting::WaitArguments;
use super::{Error, Outcome};
use crate::api::chart::Chart;
use crate::api::names;
use crate::release::Record;
use crate::value::Json;
use crate::yaml;

/// The flags of `import`.
#[derive(Clone, Debug, Args)]
pub struct ImportArguments {
    /// The name of the release, and of the HelmRequest
    pub release: String,
    /// The repository of the chart; the ChartRepo that has it unless given
    #[arg(short, long, value_name = "REPOSITORY")]
    pub repo: Option<String>,
    /// The namespace of shared repositories, which is looked in after the HelmRequest's
    #[arg(long, value_name = "NAMESPACE", default_value = "captain-system")]
    pub repo_namespace: String,
    /// No longer needed: the helm command is not called
    #[arg(long, value_name = "FILE", hide = true)]
    pub helm_bin_path: Option<PathBuf>,
    /// Create the ChartRepo that --repo names if helm knows it and the cluster does not
    #[arg(long, default_value_t = true, action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub create_chartrepo: bool,
    /// The name of the chart; that of the release's chart unless given
    #[arg(short, long, value_name = "NAME")]
    pub chart: Option<String>,
    /// The version of the chart; that of the release's chart unless given
    #[arg(short, long, value_name = "VERSION")]
    pub version: Option<String>,
    /// Whether to wait.
    #[command(flatten)]
    pub wait: WaitArguments,
    /// How it is changed and told.
    #[command(flatten)]
    pub write: WriteArguments,
}

impl ImportArguments {
    /// Creates the request.
    ///
    /// # Errors
    /// There is no such release, its repository is not known, or the API server refuses the request.
    pub async fn run(&self, session: &Session) -> Result<Outcome, Error> {
        let (namespace, name) = (session.namespace.clone(), self.release.clone());
        let release = Release { session: session.clone(), namespace, name, request: None };
        let record = release.record(None).await?;
        let metadata = &record.chart.metadata;
        let (name, version) = match self.chart.as_deref().map(|chart| chart.rsplit_once('/').unwrap_or(("", chart))) {
            Some((_, chart)) => (chart.to_owned(), self.version.clone().unwrap_or_else(|| metadata.version.clone())),
            None => (metadata.name.clone(), self.version.clone().unwrap_or_else(|| metadata.version.clone())),
        };
        let given = self.repo.clone().or_else(|| {
            let chart = self.chart.as_deref()?;
            chart.rsplit_once('/').map(|(repository, _)| repository.to_owned())
        });
        let repository = match given {
            Some(repository) => {
                self.make_repository(session, &repository).await?;
                repository
            }
            None => self.only_repository(session, &name, &version).await?,
        };
        let spec = spec(&record, &format!("{repository}/{name}"), &version);
        create(session, &self.release, spec, &self.wait, self.write).await
    }

    /// Creates the repository where the cluster has none of the name.
    async fn make_repository(&self, session: &Session, name: &str) -> Result<(), Error> {
        if repositories::find(session, &self.repo_namespace, name).await?.is_some() {
            return Ok(());
        }
        let missing = || {
            let next = format!("create it: kubectl captain create-repo {name} --url URL");
            Error::Usage(format!("no ChartRepo {name:?}, and helm knows no repository of this name; {next}"))
        };
        let known = helm_repositories().into_iter().find(|known| known.name == name);
        let known = known.filter(|_| self.create_chartrepo).ok_or_else(missing)?;
        known.create(session, self.write).await.map(drop)
    }

    /// The repository that has a version of a chart, where it is the only one.
    async fn only_repository(&self, session: &Session, chart: &str, version: &str) -> Result<String, Error> {
        for namespace in [&session.namespace, &self.repo_namespace] {
            let listed = charts(session, Some(namespace), None).await?;
            let having = listed.iter().filter(|candidate| has(candidate, chart, version));
            let mut found: Vec<String> = having.filter_map(repository_of).collect();
            found.sort();
            found.dedup();
            match found.as_slice() {
                [] => {}
                [one] => return Ok(one.clone()),
                several => {
                    let names = several.join(", ");
                    let message = format!("chart {chart:?} {version} is in {names}; choose one with --repo");
                    return Err(Error::Usage(message));
                }
            }
        }
        let next = "name the repository with --repo, or another version with --version";
        Err(Error::Usage(format!("no ChartRepo has chart {chart:?} in version {version}; {next}")))
    }
}

fn spec(record: &Record, chart: &str, version: &str) -> Json {
    let mut spec = json!({"chart": chart, "version": version});
    let values = user_values(record.config.clone());
    if values.as_object().is_some_and(|values| !values.is_empty()) {
        spec["values"] = values;
    }
    spec
}

fn repository_of(chart: &Chart) -> Option<String> {
    chart.metadata.labels.as_ref()?.get(names::REPO_LABEL).cloned()
}

fn has(candidate: &Chart, chart: &str, version: &str) -> bool {
    let mut entries = candidate.spec.versions.iter();
    entries.any(|entry| entry["name"] == chart && entry["version"] == version)
}

/// The repositories that the helm command knows: of this version and of the one that Captain's plugin worked with.
fn helm_repositories() -> Vec<NewRepository> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = variable("HOME").unwrap_or_default();
    let configured = variable("HELM_REPOSITORY_CONFIG");
    let of_home = variable("HELM_CONFIG_HOME").or_else(|| Some(variable("XDG_CONFIG_HOME")?.join("helm")));
    let of_home = of_home.unwrap_or_else(|| home.join(".config/helm")).join("repositories.yaml");
    let old = home.join(".helm/repository/repositories.yaml");
    [configured, Some(of_home), Some(old)].into_iter().flatten().flat_map(|path| read(&path)).collect()
}

fn read(path: &Path) -> Vec<NewRepository> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let list = yaml::parse(&text).unwrap_or_default();
    let entries = list.get("repositories").and_then(Json::as_array).cloned().unwrap_or_default();
    entries.iter().filter_map(repository).collect()
}

fn repository(entry: &Json) -> Option<NewRepository> {
    let text = |name: &str| entry.get(name).and_then(Json::as_str).filter(|text| !text.is_empty()).map(str::to_owned);
    Some(NewRepository { name: text("name")?, url: text("url")?, login: text("username").zip(text("password")) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_helm_knows_of_a_repository_is_read() {
        let of = |entry: Json| repository(&entry).map(|found| (found.name, found.url, found.login));
        let plain = json!({"name": "a", "url": "https://a", "username": "", "password": ""});
        assert_eq!(of(plain), Some(("a".into(), "https://a".into(), None)));
        let login = json!({"name": "a", "url": "https://a", "username": "u", "password": "p"});
        assert_eq!(of(login).and_then(|found| found.2), Some(("u".into(), "p".into())));
        assert_eq!(of(json!({"name": "a"})), None);
    }
}
