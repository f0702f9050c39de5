//! Deploying: from inputs to a recorded revision whose objects are applied.
//!
//! Everything that can go wrong without a write is looked for first (`prepare`): rendering, kinds, ownership, rights.
//! Then the pending record is written, and from there on ([`Deployment::carry_out`]) every step can be repeated: an
//! operator that is killed in between continues from the record.

use std::collections::{BTreeSet, HashSet};
use std::sync::OnceLock;

use jiff::Timestamp;
use tokio::time::Instant;

use super::claim;
use super::earlier::Earlier;
use super::hooks::Hooks;
use super::inputs::Inputs;
use super::journal::Journal;
use super::left_fields::left_rules;
use super::preflight;
use super::secrets::Secrets;
use super::values::Values;
use crate::api::{HelmRequest, Reason};
use crate::cluster::admission::bring_webhook_of;
use crate::cluster::apply::{ApplyOptions, Replacing};
use crate::cluster::kept::{Keeping, Kept};
use crate::cluster::notes::Notes;
use crate::cluster::records::ReleaseKey;
use crate::cluster::{Cluster, Object, ObjectError, ObjectKey};
use crate::controller::context::Context;
use crate::controller::failure::{Failure, refusals};
use crate::controller::turns::Turn;
use crate::plan::Digest;
use crate::release::{Content, Record, Revision, Status};
use crate::render::{Event, Release};
use crate::value::Json;

/// One operation on the release of a request.
pub struct Deployment<'a> {
    /// The operator's shared parts.
    pub context: &'a Context,
    /// The request.
    pub request: &'a HelmRequest,
    /// Its release.
    pub release: &'a ReleaseKey,
    /// The cluster, with the rights of the request.
    pub cluster: &'a Cluster,
    /// Its turn among others.
    pub turn: &'a Turn,
    /// When its turn came.
    pub began: OnceLock<Instant>,
}

/// A revision that is deployed.
pub struct Outcome {
    /// Its record.
    pub record: Record,
    /// Its notes as anybody may read them; nothing where it is not known which of their words are secret.
    pub notes: Option<String>,
}

impl Outcome {
    fn new(record: Record, secrets: &Secrets) -> Self {
        Self { notes: Some(secrets.conceal(&record.info.notes)), record }
    }
}

/// What came of taking a revision of another writer over.
pub enum Adoption {
    /// It is ours now.
    Done(Box<Outcome>),
    /// It is not what the request says; nothing was changed.
    Differs,
}

/// Why an operation did not reach its end.
pub(super) enum Stop {
    /// The API server refused objects for good.
    Refused(Failure, Vec<ObjectError>),
    /// Anything else.
    Failed(Failure),
}

impl Stop {
    pub(super) fn into_failure(self) -> Failure {
        match self {
            Self::Refused(failure, _) | Self::Failed(failure) => failure,
        }
    }
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl<'a> Deployment<'a> {
    /// Renders and deploys a new revision.
    ///
    /// # Errors
    /// Why it could not be deployed. Where the record was written, it says so too.
    pub async fn deploy(&self, inputs: &Inputs, revision: i64) -> Result<Outcome, Failure> {
        self.begin(inputs).await?;
        Box::pin(self.deploy_begun(inputs, revision)).await
    }

    async fn deploy_begun(&self, inputs: &Inputs, revision: i64) -> Result<Outcome, Failure> {
        let Values { merged, secrets } = inputs.values(self.context, self.cluster, self.request).await?;
        let deployed = self.deploy_with(inputs, merged, &secrets, revision).await;
        deployed.map(|record| Outcome::new(record, &secrets)).map_err(|failure| secrets.concealed(failure))
    }

    /// Waits for the turn of an operation that renders. The chart is fetched before, so that a slow chart server holds
    /// nobody else up.
    async fn begin(&self, inputs: &Inputs) -> Result<(), Failure> {
        Box::pin(inputs.program(self.context)).await?;
        self.take_turn().await;
        self.context.still_wanted(self.request)
    }

    /// Waits for the turn of the operation, whose time counts from then.
    pub(super) async fn take_turn(&self) {
        self.turn.take().await;
        self.began.get_or_init(Instant::now);
    }

    /// When the operation must have ended.
    pub(super) fn deadline(&self) -> Instant {
        *self.began.get_or_init(Instant::now) + self.request.spec.timeout()
    }

    async fn deploy_with(
        &self,
        inputs: &Inputs,
        values: Json,
        secrets: &Secrets,
        revision: i64,
    ) -> Result<Record, Failure> {
        let earlier = self.earlier(revision).await?;
        let previous = self.previous(&earlier).await?;
        let release = self.revision(revision, previous.is_some());
        let prepared = self.prepare(inputs, &values, &release, &earlier.objects).await?;
        let reads = prepared.noted_reads();
        let content = Content::new(prepared.rendered, values);
        let ReleaseKey { namespace, name } = self.release;
        let now = Timestamp::now();
        let record = match &previous {
            Some(previous) => Record::upgrade(previous, revision, content, now),
            None => Record::install(name, namespace, revision, content, now),
        };
        let mut journal = self.journal(record, Some(inputs.digest.clone()), &prepared.objects);
        journal.notes.reads = reads;
        journal.secrets = secrets.clone();
        self.create_record(&journal).await?;
        self.finish(&mut journal, &prepared.objects, earlier).await
    }

    /// Continues an operation from its record: an interrupted one where it stopped, a failed one from its start.
    ///
    /// # Errors
    /// Why it could not be deployed.
    pub async fn resume(&self, revision: i64, inputs: &Inputs) -> Result<Outcome, Failure> {
        self.take_turn().await;
        Box::pin(self.resume_begun(revision, inputs)).await
    }

    async fn resume_begun(&self, revision: i64, inputs: &Inputs) -> Result<Outcome, Failure> {
        let secrets = inputs.values(self.context, self.cluster, self.request).await?.secrets;
        let resumed = self.resume_record(revision, &secrets).await;
        resumed.map(|record| Outcome::new(record, &secrets)).map_err(|failure| secrets.concealed(failure))
    }

    async fn resume_record(&self, revision: i64, secrets: &Secrets) -> Result<Record, Failure> {
        let mut record = self.record(revision).await?;
        let objects = self.objects_of(&record).await?;
        let earlier = self.earlier(revision).await?;
        let interrupted = record.info.status.is_pending();
        if !interrupted {
            record.begin_again(crate::release::deployed(&self.revisions()).is_some(), Timestamp::now());
        }
        preflight::check_record(self, &record, &objects, &earlier.objects).await?;
        let noted = self.notes(revision);
        let mut journal = self.journal(record, noted.inputs, &objects);
        journal.secrets = secrets.clone();
        journal.notes.rollback_to = noted.rollback_to;
        journal.notes.reads = noted.reads;
        journal.notes.stage = noted.stage.filter(|_| interrupted);
        journal.notes.attempts = noted.attempts + u32::from(!interrupted);
        journal.write().await?;
        self.finish(&mut journal, &objects, earlier).await
    }

    /// Takes a deployed revision of another writer over where the render gives the same objects, and deploys a new one
    /// where it does not. What chance made of the recorded objects stays as it is.
    ///
    /// # Errors
    /// Why it could not be deployed.
    pub async fn adopt(&self, inputs: &Inputs, revision: i64) -> Result<Adoption, Failure> {
        self.begin(inputs).await?;
        let record = self.record(revision).await?;
        let Values { merged, secrets } = inputs.values(self.context, self.cluster, self.request).await?;
        let objects = self.objects_of(&record).await?;
        let same = self.render_same(&record, inputs, &merged, &objects).await;
        let same = same.map_err(|failure| secrets.concealed(failure))?;
        let Some(reads) = same else { return Ok(Adoption::Differs) };
        self.restore(revision, &objects).await?;
        let mut journal = self.journal(record, Some(inputs.digest.clone()), &objects);
        journal.notes.objects = self.context.objects_digest(self.request);
        journal.notes.reads = reads;
        journal.write().await?;
        Ok(Adoption::Done(Box::new(Outcome::new(journal.record, &secrets))))
    }

    /// The record of a revision.
    ///
    /// # Errors
    /// It cannot be read, or is gone.
    pub async fn record(&self, revision: i64) -> Result<Record, Failure> {
        let ReleaseKey { namespace, name } = self.release;
        let record = self.cluster.record(namespace, name, revision).await?;
        record.ok_or_else(|| {
            let message = format!("the record of revision {revision} of release {namespace}/{name} is gone");
            Failure::new(Reason::RevisionNotFound, message)
        })
    }

    /// The objects of a revision, with the marks of its release.
    ///
    /// # Errors
    /// The record is gone, or a kind of it is no longer served.
    pub async fn stamped_objects(&self, revision: i64) -> Result<Vec<Object>, Failure> {
        self.objects_of(&self.record(revision).await?).await
    }

    pub(super) async fn objects_of(&self, record: &Record) -> Result<Vec<Object>, Failure> {
        let mut objects = self.cluster.read_manifest(&record.manifest, &self.release.namespace).await?;
        self.stamp(&mut objects);
        Ok(objects)
    }

    /// `.Release` of a revision.
    pub(super) fn revision(&self, revision: i64, is_upgrade: bool) -> Release {
        let ReleaseKey { namespace, name } = self.release.clone();
        Release { name, namespace, revision, is_upgrade }
    }

    /// What is noted on the record of a revision.
    pub(super) fn notes(&self, revision: i64) -> Notes {
        let known = self.context.records.revisions(self.release);
        known.into_iter().find(|meta| meta.revision == revision).map(|meta| meta.notes).unwrap_or_default()
    }

    pub(super) fn revisions(&self) -> Vec<Revision> {
        let known = self.context.records.revisions(self.release);
        known.iter().map(|meta| Revision { number: meta.revision, status: meta.status }).collect()
    }

    /// Runs the operation that the journal has underway to its end, and records the end.
    pub(super) async fn finish(
        &self,
        journal: &mut Journal<'_>,
        objects: &[Object],
        mut earlier: Earlier,
    ) -> Result<Record, Failure> {
        self.prune_history(journal.record.version).await?;
        let before = std::mem::take(&mut earlier.objects);
        match self.carry_out(journal, objects, before).await {
            Ok(()) => {
                self.supersede_others(journal.record.version, &mut earlier).await?;
                journal.record.complete();
                journal.notes.kept = Kept::default();
                journal.notes.objects = self.context.objects_digest(self.request);
                journal.write().await?;
                Ok(journal.record.clone())
            }
            Err(Stop::Refused(failure, errors)) if self.can_take_back(journal) => {
                let Err(left) = self.take_back(journal, objects, errors).await else { return Err(failure) };
                let message =
                    format!("{}; what was applied could not be taken back: {}", failure.message, left.message);
                self.fail(journal, Failure::new(failure.reason, message)).await
            }
            // Trouble with the record alone says nothing of the operation, which goes on from where the record stands.
            Err(Stop::Failed(failure)) if failure.reason == Reason::RecordFailed => Err(failure),
            Err(stop) => self.fail(journal, stop.into_failure()).await,
        }
    }

    /// Records that an operation failed, and gives the failure.
    async fn fail<T>(&self, journal: &mut Journal<'_>, failure: Failure) -> Result<T, Failure> {
        journal.record.fail(&failure.message);
        journal.write().await?;
        Err(failure)
    }

    async fn carry_out(&self, journal: &mut Journal<'_>, objects: &[Object], before: Vec<Object>) -> Result<(), Stop> {
        let [pre, post] = events_of(journal.record.info.status);
        self.hooks().run(journal, pre).await?;
        let settled = self.settled(journal.record.version, objects, &before);
        self.apply_keeping(journal, objects, &settled).await?;
        self.delete_leftovers(journal, objects, before).await?;
        if self.request.spec.wait {
            self.turn.pause();
            self.wait_healthy(journal.record.version).await?;
            self.turn.take().await;
        }
        Ok(self.hooks().run(journal, post).await?)
    }

    /// What runs the hooks of an operation.
    pub(super) fn hooks(&self) -> Hooks<'_> {
        let Self { context, request, cluster, turn, .. } = *self;
        Hooks { context, request, cluster, turn, deadline: self.deadline() }
    }

    /// Applies the objects of an operation; what those keep that are made anew is noted in its journal.
    async fn apply_keeping(
        &self,
        journal: &mut Journal<'_>,
        objects: &[Object],
        settled: &HashSet<ObjectKey>,
    ) -> Result<(), Stop> {
        let ReleaseKey { namespace, name } = self.release;
        let (revision, kept) = (journal.record.version, std::mem::take(&mut journal.notes.kept));
        let keeping = Keeping::new(self.cluster, namespace, name, revision, kept);
        let replacing = Replacing::Changed { by: self.deadline() };
        let options = ApplyOptions { replacing, keeping: Some(&keeping), ..ApplyOptions::default() };
        let applied = self.apply(objects, options, settled).await;
        journal.notes.kept = keeping.into_kept();
        applied
    }

    /// Applies objects but the settled ones, and follows them all from then on.
    pub(super) async fn apply(
        &self,
        objects: &[Object],
        options: ApplyOptions<'_>,
        settled: &HashSet<ObjectKey>,
    ) -> Result<(), Stop> {
        self.context.follow_kinds(objects).await?;
        let sent: Vec<Object> = objects.iter().filter(|object| !settled.contains(&object.key)).cloned().collect();
        self.take_turn().await;
        let outcome = self.cluster.apply_all(&sent, options).await;
        outcome.applied.iter().for_each(|_| self.context.metrics.applied(false));
        outcome.failed.iter().for_each(|_| self.context.metrics.applied(true));
        if objects.iter().any(Object::is_definition) {
            self.context.follow_kinds(objects).await?;
        }
        self.context.track(self.request, &outcome.applied, settled);
        self.tell_of_replaced(&outcome.applied).await;
        self.tell_of_mutated(&sent, &outcome.applied).await;
        let is_final = |refusal: &ObjectError| refusal.is_final() && !bring_webhook_of(objects, refusal);
        let is_final = outcome.failed.iter().any(is_final);
        refusals(outcome.failed.clone()).map_err(|failure| match is_final {
            true => Stop::Refused(failure, outcome.failed),
            false => Stop::Failed(failure),
        })
    }

    /// Deletes what left the manifest, and the versions that nothing kept uses.
    async fn delete_leftovers(
        &self,
        journal: &mut Journal<'_>,
        objects: &[Object],
        before: Vec<Object>,
    ) -> Result<(), Failure> {
        let mut versions = journal.notes.versions.clone();
        let leaving = self.leaving(before, objects, journal.record.version, &mut versions);
        let outcome = self.cluster.prune_observed(&leaving, self.release, &self.context.observer).await;
        refusals(outcome.failed)?;
        journal.notes.versions = versions;
        Ok(())
    }

    /// Deletes the revisions that are too many with this one. That is done once its own record is there, which then
    /// has all that is needed of them: what is rolled back to may be among them.
    async fn prune_history(&self, revision: i64) -> Result<(), Failure> {
        let maximum = self.request.spec.history_max().unwrap_or(0);
        let ReleaseKey { namespace, name } = self.release;
        let before: Vec<Revision> = self.revisions().into_iter().filter(|known| known.number < revision).collect();
        let gone = self.cluster.prune_history(namespace, name, &before, maximum).await?;
        gone.into_iter().for_each(|revision| self.context.records.forget(self.release, revision));
        Ok(())
    }

    /// Writes the pending record, the first write of an operation; makes the namespace where the request asks for it.
    pub(super) async fn create_record(&self, journal: &Journal<'_>) -> Result<(), Failure> {
        if self.request.spec.create_namespace && journal.record.version == 1 {
            self.cluster.create_namespace(&self.release.namespace).await?;
        }
        Ok(journal.create().await?)
    }

    pub(super) fn journal(&self, record: Record, inputs: Option<Digest>, objects: &[Object]) -> Journal<'_> {
        let rollback_to = self.request.spec.rollback_to;
        let versions = self.versions_with(record.version, objects);
        let (kinds, kept) = (kinds_of(objects), self.left_to_keep());
        let left = left_rules(self.request);
        let request = claim::noted(self.request, self.release);
        let notes =
            Notes { request, inputs, kinds, attempts: 1, rollback_to, left, versions, kept, ..Notes::default() };
        Journal::new(self.cluster, &self.context.records, record, notes)
    }

    /// Marks objects as the release's, lets those be replaced that the request says may be, and leaves fields to others.
    pub(super) fn stamp(&self, objects: &mut [Object]) {
        for object in objects.iter_mut() {
            object.stamp(&self.release.name, &self.release.namespace);
            let rules = &self.request.spec.replace;
            if rules.iter().any(|rule| rule.is_about(&object.key.kind, &object.key.name)) {
                object.allow_replacing();
            }
        }
        self.leave_fields(objects);
    }
}

/// The kinds of objects as they are noted.
pub(super) fn kinds_of(objects: &[Object]) -> Vec<String> {
    let kinds = objects.iter().map(|object| {
        let resource = &object.kind.resource;
        format!("{}/{}", resource.api_version, resource.kind)
    });
    let kinds: BTreeSet<String> = kinds.collect();
    kinds.into_iter().collect()
}

/// The events before and after an operation, which the status of its record tells.
pub fn events_of(status: Status) -> [Event; 2] {
    match status {
        Status::PendingInstall => [Event::PreInstall, Event::PostInstall],
        Status::PendingRollback => [Event::PreRollback, Event::PostRollback],
        _ => [Event::PreUpgrade, Event::PostUpgrade],
    }
}
