//! `history`: the revisions of a release, a line each, oldest first as helm tells them.

use clap::Args;
use futures::future::join_all;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::arguments::{Format, OutputArgument};
use super::moment::exact;
use super::revisions::{ClusterArgument, Release};
use super::screen::{Screen, Tone};
use super::session::Session;
use super::table::{Cell, Table};
use super::{Error, Outcome};
use crate::cluster::storage::{RecordMeta, StorageError};
use crate::release::{Record, Status};
use crate::value::{Json, hex};

/// The flags of `history`.
#[derive(Clone, Debug, Args)]
pub struct HistoryArguments {
    /// The name of the HelmRequest, or of a release of the helm CLI
    pub name: String,
    /// Only the last so many revisions
    #[arg(long, value_name = "NUMBER", default_value_t = 256)]
    pub max: usize,
    /// Where the release is.
    #[command(flatten)]
    pub cluster: ClusterArgument,
    /// The form of the output.
    #[command(flatten)]
    pub output: OutputArgument,
}

/// One revision, as programs read it.
#[derive(Clone, Debug, Default, Serialize)]
struct Entry {
    revision: i64,
    updated: String,
    status: String,
    chart: String,
    version: String,
    app_version: String,
    description: String,
    /// The digest of the user's values, shortened: equal values have equal digests.
    values: String,
}

impl HistoryArguments {
    /// Lists revisions.
    ///
    /// # Errors
    /// There are none, or they cannot be read.
    pub async fn run(&self, session: &Session) -> Result<Outcome, Error> {
        let release = Release::find(session, &self.name, &self.cluster).await?;
        let revisions = release.revisions().await?;
        let shown = &revisions[revisions.len().saturating_sub(self.max)..];
        let cluster = &release.session.cluster;
        let read = |meta: &RecordMeta| cluster.record(&release.namespace, &release.name, meta.revision.number);
        let records = join_all(shown.iter().map(|meta| Box::pin(read(meta)))).await;
        let entries: Vec<Entry> = shown.iter().zip(records).filter_map(|(meta, record)| entry(meta, record)).collect();
        match self.output.output {
            Format::Json => session.screen.print_json(&entries)?,
            Format::Yaml => session.screen.print_yaml(&entries)?,
            Format::Name => session.screen.print(&names(&release.name, &entries))?,
            form => session.screen.print(&text(&entries, form == Format::Wide, &session.screen))?,
        }
        Ok(Outcome::Done)
    }
}

/// One entry; nothing for a revision that went meanwhile. A record that cannot be read is told in its place.
fn entry(meta: &RecordMeta, record: Result<Option<Record>, StorageError>) -> Option<Entry> {
    let of_label =
        Entry { revision: meta.revision.number, status: meta.revision.status.to_string(), ..Entry::default() };
    let record = match record {
        Ok(record) => record?,
        Err(error) => return Some(Entry { description: error.to_string(), ..of_label }),
    };
    let chart = &record.chart.metadata;
    Some(Entry {
        updated: record.info.last_deployed.map(exact).unwrap_or_default(),
        chart: chart.name.clone(),
        version: chart.version.clone(),
        app_version: chart.app_version.clone(),
        description: record.info.description.clone(),
        values: digest(&record.config),
        ..of_label
    })
}

fn digest(values: &Json) -> String {
    let mut digest = hex(&Sha256::digest(values.to_string()));
    digest.truncate(8);
    digest
}

fn names(release: &str, entries: &[Entry]) -> String {
    let name = |entry: &Entry| format!("secret/{}\n", crate::release::secret::name(release, entry.revision));
    entries.iter().map(name).collect()
}

fn text(entries: &[Entry], wide: bool, screen: &Screen) -> String {
    let mut head = vec!["REVISION", "UPDATED", "STATUS", "CHART", "VERSION", "APP VERSION", "DESCRIPTION"];
    if wide {
        head.insert(6, "VALUES");
    }
    let mut table = Table::new(head);
    for entry in entries {
        let mut row: Vec<Cell> = vec![
            entry.revision.to_string().into(),
            (&entry.updated).into(),
            Cell::new(&entry.status, tone(Status::parse(&entry.status))),
            (&entry.chart).into(),
            (&entry.version).into(),
            (&entry.app_version).into(),
            (&entry.description).into(),
        ];
        if wide {
            row.insert(6, (&entry.values).into());
        }
        table.push(row);
    }
    table.text(screen)
}

fn tone(status: Status) -> Tone {
    match status {
        Status::Deployed => Tone::Good,
        Status::Failed => Tone::Bad,
        Status::Superseded | Status::Uninstalled => Tone::Faint,
        _ => Tone::Uneasy,
    }
}
