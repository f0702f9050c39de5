//! `status`: one request, the objects of its release, what was made for them and what is wrong, the worst first.
//!
//! Which objects there are is in the record of the deployed revision, how they stand is in the request's status; only
//! those are read of which it does not tell. Below them come the replica sets, jobs and pods that were made for them.
//! Who may not read all of this is shown the rest, and what is missing.

use clap::Args;
use kube::ResourceExt;
use serde::Serialize;

use super::arguments::{Format, OutputArgument};
use super::list::{chart_of, condition, is_observed, is_ready, phase_of, state_of, version_of};
use super::moment::exact;
use super::requests;
use super::revisions::{ClusterArgument, Release, objects};
use super::screen::{Screen, Tone};
use super::selection::{Chosen, SelectionArguments};
use super::session::Session;
use super::table::{Cell, Table};
use super::tree::{self, Node};
use super::{Error, Outcome, made};
use crate::api::HelmRequest;
use crate::api::conditions::ConditionType;
use crate::api::helm_request::Destination;
use crate::cluster::{Object, ObjectKey};
use crate::value::message::one_line;

/// The flags of `status`.
#[derive(Clone, Debug, Args)]
pub struct StatusArguments {
    /// Which requests.
    #[command(flatten)]
    pub selection: SelectionArguments,
    /// The form of the output.
    #[command(flatten)]
    pub output: OutputArgument,
}

/// Everything that is shown.
#[derive(Debug, Serialize)]
struct Report {
    request: HelmRequest,
    objects: Vec<Node>,
    /// Why not everything is shown; empty where it is.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    incomplete: Vec<String>,
}

impl StatusArguments {
    /// Shows the requests.
    ///
    /// # Errors
    /// There is none of a name.
    pub async fn run(&self, session: &Session) -> Result<Outcome, Error> {
        let mut reports = Vec::new();
        for Chosen { session, name } in self.selection.find(session).await? {
            reports.push(Report::read(&session, requests::find(&session, &name).await?).await);
        }
        let (screen, form) = (&session.screen, self.output.output);
        match (form, reports.as_slice()) {
            (Format::Json, [only]) if self.selection.names.len() == 1 => screen.print_json(only)?,
            (Format::Yaml, [only]) if self.selection.names.len() == 1 => screen.print_yaml(only)?,
            (Format::Json, all) => screen.print_json(&all)?,
            (Format::Yaml, all) => screen.print_yaml(&all)?,
            (Format::Name, all) => all.iter().try_for_each(|report| screen.print(&tree::names(&report.objects)))?,
            (form, all) => {
                let texts = all.iter().map(|report| text(report, form == Format::Wide, screen));
                screen.print(&texts.collect::<Vec<_>>().join("\n"))?;
            }
        }
        Ok(Outcome::Done)
    }
}

impl Report {
    async fn read(session: &Session, request: HelmRequest) -> Self {
        let status = request.status.clone().unwrap_or_default();
        let (mut incomplete, mut objects) = (Vec::new(), Vec::new());
        let mut place = (request.destination() == Destination::Own).then(|| session.clone());
        if status.revision.is_some() {
            match deployed_objects(session, request.clone()).await {
                Ok((found, recorded)) => (place, objects) = (Some(found), recorded),
                Err(error) => incomplete.push(format!("Not all objects are shown: {error}")),
            }
        }
        let keys: Vec<ObjectKey> = objects.iter().map(|object| object.key.clone()).collect();
        let mut nodes = tree::roots(&keys, &status);
        if let Some(place) = place {
            made::judge_unknown(&place, &objects, &mut nodes).await;
            if let Err(error) = made::add(&place, &mut nodes).await {
                incomplete.push(format!("What was made for the objects is not shown: {error}"));
            }
        }
        nodes.extend(tree::of_clusters(&status));
        tree::sort(&mut nodes);
        Self { objects: nodes, request, incomplete: incomplete.iter().map(|text| one_line(text)).collect() }
    }
}

/// The objects of the deployed revision, and a session in the cluster where they are.
///
/// # Errors
/// Its record cannot be read.
pub async fn deployed_objects(session: &Session, request: HelmRequest) -> Result<(Session, Vec<Object>), Error> {
    let revision = request.status.as_ref().and_then(|status| status.revision);
    let release = Release::of(session, request, &ClusterArgument::default()).await?;
    let found = objects(&release.session, &release.record(revision).await?).await?;
    Ok((release.session, found))
}

/// The report for people: the headline, what is wrong, facts, the tree of objects.
fn text(report: &Report, all: bool, screen: &Screen) -> String {
    let request = &report.request;
    let (name, namespace) = (request.name_any(), request.namespace().unwrap_or_default());
    let headline = headline(request);
    let mut text = format!("{name} in namespace {namespace}: {}\n", screen.paint(headline.1, &headline.0));
    let mut facts = Table::indented(2);
    for (label, fact, tone) in facts_of(request) {
        facts.push(vec![label.into(), Cell::new(fact, tone)]);
    }
    text.push_str(&facts.text(screen));
    text.push('\n');
    let home = request.release_namespace();
    text.push_str(&tree::text(&format!("HelmRequest/{name}"), &report.objects, &home, all, screen));
    for missing in &report.incomplete {
        text.push_str(&format!("\n{missing}\n"));
    }
    text
}

fn headline(request: &HelmRequest) -> (String, Tone) {
    let phase = phase_of(request).as_str();
    match state_of(request) {
        (_, tone) if is_ready(request) => (format!("{phase} and ready"), tone),
        (_, tone) if !is_observed(request) => ("changed, and the operator has not looked at it yet".to_owned(), tone),
        ("", tone) => (phase.to_owned(), tone),
        (state, tone) => (format!("{phase}, {state}"), tone),
    }
}

fn facts_of(request: &HelmRequest) -> Vec<(&'static str, String, Tone)> {
    let status = request.status.clone().unwrap_or_default();
    let mut facts = Vec::new();
    if let Some(ready) = condition(request, ConditionType::Ready).filter(|_| !is_ready(request)) {
        facts.push(("why", ready.message.clone(), state_of(request).1));
    }
    if request.is_suspended() {
        facts.push(("suspended", "nothing is written for it".to_owned(), Tone::Uneasy));
    }
    facts.push(("chart", format!("{} {}", chart_of(request), version_of(request)), Tone::Plain));
    let release = format!("{} in namespace {}", request.release_name(), request.release_namespace());
    let revision = status.revision.map_or_else(|| "not deployed".to_owned(), |number| format!("revision {number}"));
    let cluster = match request.destination() {
        Destination::One(name) => format!(" of cluster {name}"),
        _ => String::new(),
    };
    let is_in_several = matches!(request.destination(), Destination::Several(_));
    if is_in_several {
        let deployed = status.synced_clusters.len();
        let clusters = format!("{release} of each cluster, deployed in {deployed} of {}", status.clusters.len());
        facts.push(("release", clusters, Tone::Plain));
    } else {
        facts.push(("release", format!("{release}{cluster}, {revision}"), Tone::Plain));
    }
    let entry = status.history.iter().find(|entry| Some(entry.revision) == status.revision);
    if let Some((entry, time)) = entry.and_then(|entry| Some((entry, entry.updated.as_ref()?))) {
        let description = entry.description.clone().unwrap_or_default();
        facts.push(("deployed", format!("{} {description}", exact(time.0)), Tone::Plain));
    }
    if let Some(objects) = &status.objects {
        let tone = if objects.ready < objects.total { Tone::Uneasy } else { Tone::Plain };
        facts.push(("objects", format!("{} of {} ready", objects.ready, objects.total), tone));
    }
    if let Some(tests) = condition(request, ConditionType::TestSuccess) {
        facts.push(("tests", format!("{}: {}", tests.reason, tests.message), Tone::Plain));
    }
    facts
}
