//! Telling people: the request's status, written only when it says something new, and its events.

use std::hash::Hasher;
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use tokio::time::{Instant, timeout};

use super::deploy::Outcome;
use super::inputs::Inputs;
use super::status::{Deployed, DeployedChart, Facts, Standing, Tests, compose, readiness, whole_seconds};
use crate::api::conditions::{ConditionType, is_true};
use crate::api::helm_request::{HelmRequestStatus, ObjectsStatus, RevisionEntry, SHOWN_OBJECTS};
use crate::api::{HelmRequest, Reason};
use crate::controller::context::{Context, release_of};
use crate::controller::events::{EventType, Note};
use crate::controller::failure::Failure;
use crate::controller::repositories::Resolved;
use crate::controller::turns::Turn;
use crate::plan::Tested;
use crate::source::oci::manifest_digest;
use crate::value::Fnv;

/// How long an operation may run before the status says that it runs: most end sooner, and a write is saved. The wait for
/// its turn among many does not count, up to [`QUEUED`].
const SHORT: Duration = Duration::from_secs(1);
/// How long an operation may wait for its turn before the status says that it runs.
const QUEUED: Duration = Duration::from_secs(60);
/// How long the news of a deployed revision is held back: what need not start is healthy as soon as it is seen, and
/// one write tells both.
const SETTLING: Duration = Duration::from_millis(300);
/// How often the progress of unready objects is written at most.
pub const PROGRESS: Duration = Duration::from_secs(2);

/// Writes status and events of one request.
#[derive(Clone, Copy)]
pub struct Report<'a> {
    request: &'a HelmRequest,
    context: &'a Context,
}

impl<'a> Report<'a> {
    /// A report on a request.
    pub fn new(request: &'a HelmRequest, context: &'a Context) -> Self {
        Self { request, context }
    }

    /// Runs an operation; one that takes longer than a moment is told in the status while it runs.
    ///
    /// # Errors
    /// The operation's.
    pub async fn working<T>(
        &self,
        operation: impl Future<Output = Result<T, Failure>>,
        turn: &Turn,
        what: &str,
    ) -> Result<T, Failure> {
        let mut operation = std::pin::pin!(operation);
        let began = Instant::now();
        loop {
            if let Ok(outcome) = timeout(SHORT, &mut operation).await {
                return outcome;
            }
            if began.elapsed() > QUEUED || !turn.was_queued_within(SHORT) {
                break;
            }
        }
        // A status that cannot be written must not stop the operation; the next one tells more.
        let _ = Box::pin(self.write(&self.facts(Standing::Working(what.to_owned()), None))).await;
        operation.await
    }

    /// Tells how it stands with a request for which nothing had to be deployed. Returns when to look again: where
    /// progress was left untold because it was told a moment ago, or an object is not healthy and may say why.
    ///
    /// # Errors
    /// The status could not be written.
    pub async fn standing(&self, standing: Standing, deployed: Option<Deployed>) -> Result<Option<Duration>, Failure> {
        let mut facts = self.facts(standing, deployed);
        let next = compose(&self.previous(), &facts, Timestamp::now());
        let since = self.context.since_last_status(self.request);
        if !is_true(&next.conditions, ConditionType::Ready) && since < PROGRESS && next != self.previous() {
            return Ok(Some(PROGRESS - since));
        }
        let again = self.context.diagnose(self.request).await;
        if let Some(objects) = &mut facts.objects {
            *objects = self.objects();
        }
        self.write(&facts).await?;
        Ok(again)
    }

    /// Tells which object the operation of a revision waits for.
    pub async fn waiting_for_objects(&self, revision: i64) {
        let objects = self.objects();
        let what = format!("deploying revision {revision}; {}", readiness(&objects));
        let facts = Facts { objects: Some(objects), ..self.facts(Standing::Working(what), None) };
        // A status that cannot be written must not stop the operation; the next one tells more.
        let _ = self.write(&facts).await;
    }

    /// Tells what holds an uninstallation up.
    pub async fn waiting_for_deletion(&self, held: &Failure) {
        let what = format!("uninstalling the release; {}", held.message);
        // A status that cannot be written must not stop the operation; the next one tells more.
        let _ = self.write(&self.facts(Standing::Working(what), None)).await;
    }

    /// Tells that a revision was deployed.
    ///
    /// # Errors
    /// The status could not be written.
    pub async fn deployed(&self, outcome: &Outcome, inputs: &Inputs) -> Result<Option<Duration>, Failure> {
        let record = &outcome.record;
        let chart = &record.chart.metadata;
        self.context.settle(self.request, SETTLING).await;
        self.write_deployed(outcome, inputs, Standing::Deployed).await?;
        let back = match record.info.rollback_revision {
            0 => String::new(),
            target => format!("a rollback to revision {target}, "),
        };
        let message = format!("revision {} is deployed: {back}chart {} {}", record.version, chart.name, chart.version);
        self.event(EventType::Normal, Reason::Synced.as_str(), "Deploy", &message).await;
        Ok(self.context.diagnose(self.request).await)
    }

    /// Tells that a failed operation was rolled back to a revision.
    ///
    /// # Errors
    /// The status could not be written.
    pub async fn rolled_back(
        &self,
        outcome: &Outcome,
        inputs: &Inputs,
        failed: &Failure,
        to: i64,
    ) -> Result<Option<Duration>, Failure> {
        let message = format!(
            "{}; rolled back to revision {to}, which stays until the chart, the values or the spec change",
            failed.message
        );
        let failure = Failure::new(Reason::RolledBack, message);
        self.write_deployed(outcome, inputs, Standing::RolledBack(failure.clone())).await?;
        self.event(EventType::Warning, Reason::RolledBack.as_str(), "Rollback", &failure.message).await;
        Ok(None)
    }

    /// Tells how the chart's tests ended.
    pub async fn tested(&self, revision: i64, tested: Tested, failure: Option<&Failure>) {
        let told = failure.map(Failure::told);
        self.context.with_memory(self.request, |memory| memory.test_failure.clone_from(&told));
        match (tested, told) {
            (Tested::None, _) => {}
            (_, Some(message)) => {
                let note = format!("revision {revision}: {message}");
                self.event(EventType::Warning, Reason::TestsFailed.as_str(), "Test", &note).await;
            }
            (_, None) => {
                let note = format!("the tests of revision {revision} succeeded");
                self.event(EventType::Normal, Reason::TestsSucceeded.as_str(), "Test", &note).await;
            }
        }
    }

    async fn write_deployed(&self, outcome: &Outcome, inputs: &Inputs, standing: Standing) -> Result<(), Failure> {
        let record = &outcome.record;
        let chart = &record.chart.metadata;
        // What was rolled back to is not the chart that the request names.
        let is_back = record.info.rollback_revision != 0;
        let Resolved { entry, repository } = inputs.chart();
        let shown = if repository.has_one_state() && !is_back { &*entry.version } else { &chart.version };
        let chart_told = DeployedChart {
            version: shown.to_owned(),
            digest: manifest_digest(&entry.url).filter(|_| !is_back).map(str::to_owned),
            signed_by: repository.signed_by(entry).filter(|_| !is_back),
        };
        let deployed = Deployed {
            revision: record.version,
            chart: Some(chart_told),
            notes: outcome.notes.clone().filter(|notes| !notes.trim().is_empty()),
        };
        let mut facts = self.facts(standing, Some(deployed));
        facts.history = Some(self.history(RevisionEntry {
            revision: record.version,
            chart: chart.name.clone(),
            version: chart.version.clone(),
            status: record.info.status.name().to_owned(),
            digest: Some(inputs.digest.to_string()),
            updated: Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(whole_seconds(Timestamp::now()))),
            description: Some(record.info.description.clone()).filter(|text| !text.is_empty()),
        }));
        facts.spec_hash = Some(spec_hash(self.request));
        facts.handled_resync = self.request.resync_token().map(str::to_owned);
        self.write(&facts).await
    }

    /// Tells what a request waits for of which nothing was told yet.
    pub async fn waiting(&self, failure: &Failure) {
        if self.previous().phase.is_some() {
            return;
        }
        // A status that cannot be written is written by the next look.
        let _ = self.write(&self.facts(Standing::Working(failure.message.clone()), None)).await;
    }

    /// Tells that an attempt failed and when the next one is, if there is one.
    pub async fn failed(&self, failure: &Failure, pause: Option<Duration>) {
        let standing = Standing::Failed { failure: failure.clone(), retry: pause };
        let told_before = self.previous().reason.as_deref() == Some(failure.message.as_str());
        let written = self.write(&self.facts(standing, None)).await;
        if let Err(error) = written {
            tracing::warn!(message = error.message, "the status could not be written");
        }
        if !told_before {
            self.tell_failure(failure).await;
        }
    }

    /// Tells that the cluster that the request is deployed into cannot be reached.
    pub async fn away(&self, failure: &Failure) {
        let told_before = self.previous().reason.as_deref() == Some(failure.message.as_str());
        let written = self.write(&self.facts(Standing::Away(failure.clone()), None)).await;
        if let Err(error) = written {
            tracing::warn!(message = error.message, "the status could not be written");
        }
        if !told_before {
            self.tell_failure(failure).await;
        }
    }

    async fn tell_failure(&self, failure: &Failure) {
        let deleting = self.request.metadata.deletion_timestamp.is_some();
        let (reason, action) = if deleting { ("FailedDelete", "Delete") } else { ("FailedSync", "Deploy") };
        self.event(EventType::Warning, reason, action, &format!("{}: {}", failure.reason, failure.told())).await;
    }

    /// Tells that the release is uninstalled.
    pub async fn deleted(&self) {
        self.event(EventType::Normal, "SuccessfulDelete", "Delete", "the release is uninstalled").await;
    }

    /// Publishes an event; one that cannot be published is lost, and nothing else.
    pub async fn event(&self, type_: EventType, reason: &str, action: &str, note: &str) {
        let note = Note {
            event_type: type_,
            reason: reason.to_owned(),
            action: action.to_owned(),
            text: note.to_owned(),
            related: None,
        };
        self.context.publish(self.request, &note).await;
    }

    fn previous(&self) -> HelmRequestStatus {
        self.context.last_status(self.request)
    }

    fn facts(&self, standing: Standing, deployed: Option<Deployed>) -> Facts {
        let deployed =
            deployed.or_else(|| self.previous().revision.map(|revision| Deployed { revision, ..Deployed::default() }));
        Facts {
            generation: self.request.metadata.generation,
            standing,
            objects: deployed.as_ref().map(|_| self.objects()),
            drift: self.context.drift(self.request, SHOWN_OBJECTS),
            blind: self.context.blindness(self.request),
            tests: self.tests(deployed.as_ref()),
            deployed,
            history: None,
            spec_hash: None,
            handled_resync: None,
        }
    }

    /// The health of the objects and, where it is known, why some are not healthy.
    fn objects(&self) -> ObjectsStatus {
        let mut objects = self.context.health(self.request, SHOWN_OBJECTS);
        self.context.explain(self.request, &mut objects);
        objects
    }

    /// How it stands with the tests of the deployed revision; nothing where they are not asked for.
    fn tests(&self, deployed: Option<&Deployed>) -> Option<Tests> {
        let deployed = deployed.filter(|_| self.request.spec.test)?;
        let known = self.context.records.revisions(&release_of(self.request));
        let tested = known.into_iter().find(|meta| meta.revision == deployed.revision)?.notes.tests;
        Some(match tested {
            None => Tests::Due,
            Some(Tested::None | Tested::Succeeded) => Tests::Succeeded,
            Some(Tested::Failed) => {
                Tests::Failed(self.context.recall(self.request, |memory| memory.test_failure.clone()))
            }
        })
    }

    async fn write(&self, facts: &Facts) -> Result<(), Failure> {
        let previous = self.previous();
        let next = compose(&previous, facts, Timestamp::now());
        self.context.patch_status(self.request, &previous, next).await
    }

    /// The revisions that the records know, the newest first; what a record's metadata does not tell is taken from
    /// what was told before.
    fn history(&self, newest: RevisionEntry) -> Vec<RevisionEntry> {
        let before = self.previous().history;
        let known = self.context.records.revisions(&release_of(self.request)).into_iter().rev().take(SHOWN_OBJECTS);
        let entries = known.map(|meta| {
            if meta.revision == newest.revision {
                return newest.clone();
            }
            let told = before.iter().find(|entry| entry.revision == meta.revision).cloned().unwrap_or_default();
            RevisionEntry { revision: meta.revision, status: meta.status.name().to_owned(), ..told }
        });
        entries.collect()
    }
}

/// A decimal hash of the spec, in the place where Captain kept its own.
pub(super) fn spec_hash(request: &HelmRequest) -> String {
    let text = serde_json::to_string(&request.spec).unwrap_or_default();
    let mut hasher = Fnv::default();
    hasher.write(text.as_bytes());
    hasher.finish().to_string()
}
