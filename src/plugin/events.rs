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
    /// The name of the HelmRequest
    pub name: String,
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
        let request = requests::find(session, &self.name).await?;
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
        let is_about = |event: &Event| {
            let (kind, name) = regarding(event);
            let is_made = MADE.contains(&kind.as_str()) && workloads.iter().any(|workload| name.starts_with(workload));
            is_made || known.contains(&(kind, name))
        };
        found.retain(|event| is_about(event) && (!self.warnings || event.type_.as_deref() == Some("Warning")));
        found.sort_by_key(seen);
        match self.output.output {
            Format::Json => return session.screen.print_json(&found).map(|()| Outcome::Done),
            Format::Yaml => return session.screen.print_yaml(&found).map(|()| Outcome::Done),
            Format::Name => {
                let names: String = found.iter().map(|event| format!("event/{}\n", event.name_any())).collect();
                return session.screen.print(&names).map(|()| Outcome::Done);
            }
            Format::Table | Format::Wide => {}
        }
        if found.is_empty() {
            session.screen.tell(&format!("no events about {:?}; the API server forgets them after an hour", self.name));
            return Ok(Outcome::Done);
        }
        session.screen.print(&text(&found, Timestamp::now(), &session.screen))?;
        Ok(Outcome::Done)
    }
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

fn text(events: &[Event], now: Timestamp, screen: &Screen) -> String {
    let mut table = Table::new(["LAST SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"]);
    for event in events {
        let (kind, name) = regarding(event);
        let type_ = event.type_.clone().unwrap_or_default();
        let tone = if type_ == "Warning" { Tone::Uneasy } else { Tone::Plain };
        table.push(vec![
            seen(event).map(|time| age(time, now)).unwrap_or_default().into(),
            Cell::new(type_, tone),
            event.reason.clone().unwrap_or_default().into(),
            format!("{kind}/{name}").into(),
            event.message.clone().unwrap_or_default().into(),
        ]);
    }
    table.text(screen)
}
