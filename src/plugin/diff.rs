//! `diff`: what differs between two revisions of a release, or between the deployed one and what is in the cluster, or
//! what the request would be rendered to, with another version or other values too.

use clap::{Args, ValueEnum};
use futures::{StreamExt, TryStreamExt, stream};

use super::arguments::{Format, OutputArgument};
use super::comparison::{Differences, between, data, names, text, with_live};
use super::draft::{Draft, DraftArguments, secrets};
use super::inputs::{Changes, Inputs};
use super::requests::KIND;
use super::revisions::{ClusterArgument, Release, objects, objects_of};
use super::session::Session;
use super::{Error, Outcome};
use crate::cluster::ObjectKey;
use crate::release::Record;

/// How many objects are read at the same time.
const PARALLEL: usize = 8;

/// The flags of `diff`.
#[derive(Clone, Debug, Args)]
pub struct DiffArguments {
    /// The name of the HelmRequest, or of a release of the helm CLI
    pub name: String,
    /// The revision to compare from; the deployed one unless given or, between revisions, the one before the other
    #[arg(long, value_name = "NUMBER")]
    pub from: Option<i64>,
    /// The revision to compare with; the deployed one unless given
    #[arg(long, value_name = "NUMBER", conflicts_with_all = ["live", "next", "version", "path", "set", "set_string", "values", "configmap"])]
    pub to: Option<i64>,
    /// Compare with the objects in the cluster, and tell who changed them
    #[arg(long)]
    pub live: bool,
    /// Compare with what the HelmRequest would be rendered to now; so do the flags for another version, another chart and
    /// other values
    #[arg(long, conflicts_with = "live")]
    pub next: bool,
    /// What is compared
    #[arg(long, value_enum, default_value = "objects", hide_default_value = true, value_name = "WHAT")]
    pub of: Compared,
    /// Where the release is.
    #[command(flatten)]
    pub cluster: ClusterArgument,
    /// What is rendered.
    #[command(flatten)]
    pub draft: DraftArguments,
    /// The form of the output.
    #[command(flatten)]
    pub output: OutputArgument,
}

/// What two states of a release are compared by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Compared {
    /// The objects, field by field.
    Objects,
    /// The values that were given, and the defaults of the chart.
    Values,
}

impl DiffArguments {
    /// Shows the differences.
    ///
    /// # Errors
    /// There is no such revision, or one of the two sides cannot be read.
    pub async fn run(&self, session: &Session) -> Result<Outcome, Error> {
        let release = Release::find(session, &self.name, &self.cluster).await?;
        if self.of == Compared::Values {
            return self.compare_values(session, &release).await;
        }
        let (head, found) = if self.live {
            self.with_live(&release).await?
        } else if self.next || self.draft.are_any() {
            self.with_next(session, &release).await?
        } else {
            self.between_revisions(&release).await?
        };
        match self.output.output {
            Format::Json => session.screen.print_json(&data(&found))?,
            Format::Yaml => session.screen.print_yaml(&data(&found))?,
            Format::Name => session.screen.print(&names(&found))?,
            Format::Table | Format::Wide => {
                session.screen.print(&format!("{}: {head}\n{}", release.name, text(&found, &session.screen)))?;
            }
        }
        Ok(if found.is_empty() { Outcome::Done } else { Outcome::WouldChange })
    }

    async fn compare_values(&self, session: &Session, release: &Release) -> Result<Outcome, Error> {
        let inputs = |record: Record| Inputs { given: record.config, defaults: (*record.chart.values).clone() };
        let (head, from, to) = match &release.request {
            _ if self.live => {
                return Err(Error::Usage("in the cluster are objects, no values; leave --live out".to_owned()));
            }
            Some(request) if self.next || self.draft.are_any() => {
                let draft = Draft::of_request(session, request, &self.draft).await?;
                let from = release.record(self.from).await?;
                let head =
                    format!("revision {} -> {} {}", from.version, draft.chart().name(), draft.chart().metadata.version);
                (head, inputs(from), draft.inputs())
            }
            _ => {
                let (from, to) = self.revisions(release).await?;
                (format!("revision {} -> {}", from.version, to.version), inputs(from), inputs(to))
            }
        };
        let changes = Changes::between(from, to, &secrets(session, release.request.as_ref()).await);
        match self.output.output {
            Format::Json => session.screen.print_json(&changes.data())?,
            Format::Yaml => session.screen.print_yaml(&changes.data())?,
            _ => session.screen.print(&format!("{}: {head}\n{}", release.name, changes.text(&session.screen)))?,
        }
        Ok(if changes.are_none() { Outcome::Done } else { Outcome::WouldChange })
    }

    async fn between_revisions(&self, release: &Release) -> Result<(String, Differences), Error> {
        let (from, to) = self.revisions(release).await?;
        let found = between(&objects(&release.session, &from).await?, &objects(&release.session, &to).await?);
        Ok((format!("revision {} -> {}", from.version, to.version), found))
    }

    /// The two revisions that are named, or the deployed one and the one before.
    async fn revisions(&self, release: &Release) -> Result<(Record, Record), Error> {
        let to = release.record(self.to).await?;
        let from = match self.from.or_else(|| Some(to.version - 1).filter(|number| *number > 0)) {
            Some(number) => release.record(Some(number)).await?,
            None => {
                let next = "name another one with --from, or compare with the cluster with --live";
                return Err(Error::Usage(format!("revision {} is the first one; {next}", to.version)));
            }
        };
        Ok((from, to))
    }

    async fn with_live(&self, release: &Release) -> Result<(String, Differences), Error> {
        let session = &release.session;
        let from = release.record(self.from).await?;
        let recorded = objects(session, &from).await?;
        let reads = recorded.iter().map(|object| async move {
            let live = session.cluster.live(object).await.map_err(|error| {
                let ObjectKey { kind, name, .. } = &object.key;
                Error::Api { what: format!("get {kind} {name:?}"), error: Box::new(error.error) }
            })?;
            Ok::<_, Error>(with_live(object, live.as_ref()).map(|difference| (object.key.clone(), difference)))
        });
        let found: Vec<Option<_>> = stream::iter(reads).buffered(PARALLEL).try_collect().await?;
        let mut found: Differences = found.into_iter().flatten().collect();
        found.sort_by(|left, right| left.0.cmp(&right.0));
        Ok((format!("revision {} -> the cluster", from.version), found))
    }

    async fn with_next(&self, session: &Session, release: &Release) -> Result<(String, Differences), Error> {
        let missing =
            || Error::Usage(format!("release {:?} has no {KIND}, so nothing is rendered for it", release.name));
        let request = release.request.as_ref().ok_or_else(missing)?;
        let draft = Draft::of_request(session, request, &self.draft).await?;
        let rendered = draft.render(Some(&release.session)).await?;
        let next = objects_of(&release.session, &rendered.manifest, &release.namespace).await?;
        let chart = format!("{} {}", draft.chart().name(), draft.chart().metadata.version);
        match self.deployed(release).await? {
            Some(record) => {
                let found = between(&objects(&release.session, &record).await?, &next);
                Ok((format!("revision {} -> {chart} as it would be rendered", record.version), found))
            }
            None => Ok((format!("nothing -> {chart} as it would be rendered"), between(&[], &next))),
        }
    }

    /// The revision to compare from; nothing where there is none yet.
    async fn deployed(&self, release: &Release) -> Result<Option<Record>, Error> {
        match release.record(self.from).await {
            Err(Error::NoRelease { .. }) => Ok(None),
            record => record.map(Some),
        }
    }
}
