//! `test` and `wait`: whether a request works, as an exit status.

use std::time::Duration;

use clap::{Args, ValueEnum};
use k8s_openapi::api::core::v1::Event;
use kube::Api;
use kube::api::ListParams;
use tokio::time::{Instant, sleep};

use super::arguments::OutputArgument;
use super::create::token;
use super::edit::{Change, WriteArguments, annotate, change, remove};
use super::list::condition;
use super::requests::{self, KIND};
use super::selection::{Chosen, SelectionArguments};
use super::session::Session;
use super::waiting::{self, Goal, LimitArgument, PATIENCE, State};
use super::{Error, Outcome};
use crate::api::conditions::{Condition, ConditionStatus, ConditionType};
use crate::api::helm_request::ObjectHealth;
use crate::api::{HelmRequest, names};
use crate::value::Json;

/// The pause between looks.
const PAUSE: Duration = Duration::from_millis(500);
/// How many events of an object are looked at.
const EVENTS: u32 = 100;

/// The flags of `test`.
#[derive(Clone, Debug, Args)]
pub struct TestArguments {
    /// The name of the HelmRequest
    pub name: String,
    /// How long to wait for the outcome.
    #[command(flatten)]
    pub limit: LimitArgument,
    /// How it is changed and told.
    #[command(flatten)]
    pub write: WriteArguments,
}

/// The flags of `wait`.
#[derive(Clone, Debug, Args)]
pub struct WaitForArguments {
    /// Which requests.
    #[command(flatten)]
    pub selection: SelectionArguments,
    /// What is waited for
    #[arg(long = "for", value_enum, default_value = "ready", value_name = "STATE")]
    pub state: WaitedFor,
    /// Wait for this revision or a later one
    #[arg(long, value_name = "NUMBER")]
    pub revision: Option<i64>,
    /// How long a failure may last that may pass by itself; one that needs a change ends the wait at once
    #[arg(long, value_name = "TIME", default_value = "75s")]
    pub patience: crate::api::GoDuration,
    /// How long to wait.
    #[command(flatten)]
    pub limit: LimitArgument,
    /// The form of the output.
    #[command(flatten)]
    pub output: OutputArgument,
}

/// The states that can be waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum WaitedFor {
    /// Deployed, every object is healthy, nothing drifts.
    Ready,
    /// Deployed.
    Deployed,
}

impl WaitForArguments {
    /// Waits for each of the requests.
    ///
    /// # Errors
    /// One failed, or the time is over; the failing object and its last event are told.
    pub async fn run(&self, session: &Session) -> Result<Outcome, Error> {
        let state = if self.state == WaitedFor::Ready { State::Ready } else { State::Deployed };
        let goal = Goal { revision: self.revision, ..Goal::of_state(state, self.patience.0) };
        let chosen = self.selection.find(session).await?;
        if chosen.is_empty() {
            return Err(Error::Unmet(self.selection.nothing(session)));
        }
        for Chosen { session, name } in &chosen {
            match waiting::until(session, name, &goal, self.limit).await {
                Ok(request) => {
                    let revision = request.status.as_ref().and_then(|status| status.revision).unwrap_or_default();
                    let reached = if state == State::Ready { "ready" } else { "deployed" };
                    let told = WriteArguments { dry_run: false, output: self.output.output };
                    let done = format!("{reached} at revision {revision}");
                    told.tell(&session.screen, &requests::shown(name), &done)?;
                    told.show(session, &session.requests(), &request).await?;
                }
                Err(Error::Unmet(message)) => return Err(Error::Unmet(with_worst(session, name, message).await)),
                Err(error) => return Err(error),
            }
        }
        Ok(Outcome::Done)
    }
}

/// A message with the worst object of a request and its last event, as far as they may be read.
async fn with_worst(session: &Session, name: &str, message: String) -> String {
    let Ok(request) = requests::find(session, name).await else { return message };
    let objects = request.status.as_ref().and_then(|status| status.objects.clone()).unwrap_or_default();
    let Some(worst) = objects.worst.first() else { return message };
    let why = worst.message.clone().unwrap_or_else(|| worst.status.clone());
    let event = last_event(session, worst).await.map(|event| format!("; its last event: {event}")).unwrap_or_default();
    format!("{message}; worst object: {} {:?}: {why}{event}", worst.kind, worst.name)
}

async fn last_event(session: &Session, object: &ObjectHealth) -> Option<String> {
    let namespace = object.namespace.as_deref().unwrap_or("default");
    let api: Api<Event> = Api::namespaced(session.cluster.client(), namespace);
    let fields = format!("involvedObject.kind={},involvedObject.name={}", object.kind, object.name);
    let found = api.list(&ListParams::default().fields(&fields).limit(EVENTS)).await.ok()?;
    let newest = found.items.into_iter().max_by_key(super::events::seen)?;
    Some(format!("{}: {}", newest.reason.unwrap_or_default(), newest.message.unwrap_or_default()))
}

impl TestArguments {
    /// Runs the chart's tests for the deployed revision and tells their outcome. Where the request does not run them
    /// by itself it does until they are done; where it has run them they run for a revision of their own.
    ///
    /// # Errors
    /// A test failed, there is nothing deployed to test, or the time is over.
    pub async fn run(&self, session: &Session) -> Result<Outcome, Error> {
        let name = requests::bare(&self.name);
        let before = requests::find(session, name).await?;
        let tests_itself = before.spec.test;
        let begin = |_: &HelmRequest, object: &mut Json| {
            object["spec"]["test"] = true.into();
            if tests_itself {
                annotate(object, names::RESYNC, &token());
            }
            Ok(())
        };
        let made = change(session, name, self.write, begin).await?;
        if self.write.dry_run {
            self.write.tell(&session.screen, &requests::shown(name), "tested")?;
            self.write.show(session, &requests::whole(session), &made.after).await?;
            return Ok(Outcome::WouldChange);
        }
        let outcome = self.outcome(session, &Goal::of_change(&made, PATIENCE), &made).await;
        if !tests_itself {
            let end = |_: &HelmRequest, object: &mut Json| {
                remove(object, "/spec", "test");
                Ok(())
            };
            change(session, name, WriteArguments::default(), end).await?;
        }
        let tested = outcome?;
        let done = format!("{}: {}", tested.reason, tested.message);
        self.write.tell(&session.screen, &requests::shown(name), &done)?;
        self.write.show(session, &requests::whole(session), &made.after).await?;
        Ok(Outcome::Done)
    }

    async fn outcome(&self, session: &Session, goal: &Goal, asked: &Change) -> Result<Condition, Error> {
        let name = requests::bare(&self.name);
        let begun = Instant::now();
        waiting::until(session, name, goal, self.limit).await?;
        loop {
            let request = requests::find(session, name).await?;
            let tested = condition(&request, ConditionType::TestSuccess).cloned();
            let is_new = |tested: &Condition| tested.observed_generation >= asked.after.metadata.generation;
            match tested.filter(is_new) {
                Some(tested) if tested.status == ConditionStatus::True => return Ok(tested),
                Some(tested) if tested.status == ConditionStatus::False => {
                    return Err(Error::Unmet(format!("the tests of {KIND} {name:?} failed: {}", tested.message)));
                }
                _ => {}
            }
            if self.limit.is_over(begun) {
                let limit = self.limit.timeout;
                return Err(Error::Unmet(format!("the tests of {KIND} {name:?} have not ended after {limit}")));
            }
            sleep(PAUSE).await;
        }
    }
}
