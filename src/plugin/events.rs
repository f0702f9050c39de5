//! `events`: what happened to a request and the objects of its release, the newest last.

use std::collections::HashSet;

use clap::Args;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Event;
use kube::api::ListParams;
use kube::{Api, ResourceExt};

use super::arguments::{Format, OutputArgument};
use super::moment::age;
use super::requests;
use super::screen::{Screen, Tone};
use super::selection::{Chosen, SelectionArguments};
use super::session::Session;
use super::status::deployed_objects;
use super::table::{Cell, Table};
use super::{Error, Outcome};
use crate::api::helm_request::Destination;
use crate::cluster::pages::all;

/// How many events one page of a list has.
const PAGE: u32 = 500;
/// What is made for a workload is named after it.
const MADE: [&str; 3] = ["Pod", "ReplicaSet", "Job"];

/// The flags of `events`.
#[derive(Clone, Debug, Args)]
pub struct EventsArguments {
    /// Of which requests.
    #[command(flatten)]
    pub selection: SelectionArguments,
    /// Only warnings
    #[arg(long)]
    pub warnings: bool,
    /// The form of the output.
    #[command(flatten)]
    pub output: OutputArgument,
}

impl EventsArguments {
    /// Shows the events.
    ///
    /// # Errors
    /// There is no such request, or events cannot be read.
    pub async fn run(&self, session: &Session) -> Result<Outcome, Error> {
        let mut found = Vec::new();
        for Chosen { session, name } in self.selection.find(session).await? {
            found.extend(of_request(&session, &name).await?);
        }
        found.retain(|event| !self.warnings || event.type_.as_deref() == Some("Warning"));
        found.sort_by_key(seen);
        // What two requests have made in one namespace may look as if it were of both.
        let mut known = HashSet::new();
        found.retain(|event| known.insert((event.namespace(), event.name_any())));
        let screen = &session.screen;
        match self.output.output {
            Format::Json => screen.print_json(&found)?,
            Format::Yaml => screen.print_yaml(&found)?,
            Format::Name => {
                screen.print(&found.iter().map(|event| format!("event/{}\n", event.name_any())).collect::<String>())?;
            }
            Format::Table | Format::Wide if found.is_empty() => {
                screen.tell("there are no such events; the API server forgets them after an hour");
            }
            form => {
                let with_namespaces = self.selection.all_namespaces || form == Format::Wide;
                screen.print(&text(&found, Timestamp::now(), with_namespaces, screen))?;
            }
        }
        Ok(Outcome::Done)
    }
}

/// The events about a request, the objects of its release, and what was made for them.
async fn of_request(session: &Session, name: &str) -> Result<Vec<Event>, Error> {
    let request = requests::find(session, name).await?;
    // Who may not read records, or not the cluster of the release, sees what happened to the request itself.
    let deployed = deployed_objects(session, request.clone()).await.ok();
    let objects = deployed.iter().flat_map(|(_, objects)| objects);
    let mut known: HashSet<(String, String)> =
        objects.map(|object| (object.key.kind.clone(), object.key.name.clone())).collect();
    let workloads: Vec<String> = known.iter().map(|(_, name)| format!("{name}-")).collect();
    known.insert((requests::KIND.to_owned(), request.name_any()));
    let mut found = read(session, &session.namespace).await?;
    let is_elsewhere = request.destination() != Destination::Own;
    if is_elsewhere || request.release_namespace() != session.namespace {
        let place = deployed.as_ref().map(|(place, _)| place).or((!is_elsewhere).then_some(session));
        if let Some(place) = place {
            found.extend(read(place, &request.release_namespace()).await?);
        }
    }
    found.retain(|event| {
        let (kind, name) = regarding(event);
        let is_made = MADE.contains(&kind.as_str()) && workloads.iter().any(|workload| name.starts_with(workload));
        is_made || known.contains(&(kind, name))
    });
    Ok(found)
}

async fn read(session: &Session, namespace: &str) -> Result<Vec<Event>, Error> {
    let api: Api<Event> = Api::namespaced(session.cluster.client(), namespace);
    let listed = all(&api, ListParams::default().limit(PAGE)).await;
    listed.map_err(|error| Error::api(format!("list events in namespace {namespace:?}"), "Event", error))
}

fn regarding(event: &Event) -> (String, String) {
    let object = &event.involved_object;
    (object.kind.clone().unwrap_or_default(), object.name.clone().unwrap_or_default())
}

/// When an event was last seen; writers use different fields for it.
pub fn seen(event: &Event) -> Option<Timestamp> {
    let series = event.series.as_ref().and_then(|series| series.last_observed_time.as_ref()).map(|time| time.0);
    let last = event.last_timestamp.as_ref().map(|time| time.0);
    let first = event.event_time.as_ref().map(|time| time.0);
    series.or(last).or(first).or_else(|| event.metadata.creation_timestamp.as_ref().map(|time| time.0))
}

fn text(events: &[Event], now: Timestamp, with_namespaces: bool, screen: &Screen) -> String {
    let mut head = vec!["LAST SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"];
    if with_namespaces {
        head.insert(0, "NAMESPACE");
    }
    let mut table = Table::new(head);
    for event in events {
        let (kind, name) = regarding(event);
        let type_ = event.type_.clone().unwrap_or_default();
        let tone = if type_ == "Warning" { Tone::Uneasy } else { Tone::Plain };
        let mut row: Vec<Cell> = vec![
            seen(event).map(|time| age(time, now)).unwrap_or_default().into(),
            Cell::new(type_, tone),
            event.reason.clone().unwrap_or_default().into(),
            format!("{kind}/{name}").into(),
            event.message.clone().unwrap_or_default().into(),
        ];
        if with_namespaces {
            row.insert(0, event.namespace().unwrap_or_default().into());
        }
        table.push(row);
    }
    table.text(screen)
}
