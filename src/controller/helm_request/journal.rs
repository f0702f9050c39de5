//! The journal of an operation: its release record, written before the first object is touched and after every step
//! that must not be repeated.

use jiff::Timestamp;

use super::secrets::Secrets;
use crate::cluster::Cluster;
use crate::cluster::notes::{Notes, Stage};
use crate::cluster::records::{RecordIndex, ReleaseKey, RevisionMeta};
use crate::cluster::storage::{StorageError, Stored};
use crate::release::{Phase, Record, Status};
use crate::render::Event;

/// A record together with what the operator notes on its Secret.
pub struct Journal<'a> {
    cluster: &'a Cluster,
    index: &'a RecordIndex,
    /// The record as it will be written next.
    pub record: Record,
    /// The notes on it.
    pub notes: Notes,
    /// What the logs of its hooks must not show, as far as that is known.
    pub secrets: Secrets,
}

impl<'a> Journal<'a> {
    /// The journal of a record that is about to be written or was read.
    pub fn new(cluster: &'a Cluster, index: &'a RecordIndex, record: Record, notes: Notes) -> Self {
        Self { cluster, index, record, notes, secrets: Secrets::default() }
    }

    /// Writes a new record.
    ///
    /// # Errors
    /// The API server refused, or another writer was faster.
    pub async fn create(&self) -> Result<(), StorageError> {
        let stored = self.cluster.create_record(&self.record, &self.present_notes().annotations()).await?;
        self.note(&stored);
        Ok(())
    }

    /// Writes the present state of the record over the stored one.
    ///
    /// # Errors
    /// The API server refused.
    pub async fn write(&self) -> Result<(), StorageError> {
        let known = self.index.revisions(&self.release()).into_iter().find(|meta| meta.revision == self.record.version);
        let known = known.map(|meta| meta.resource_version);
        let stored = self.cluster.update_record(&self.record, &self.present_notes().annotations(), known).await?;
        self.note(&stored);
        Ok(())
    }

    /// Notes that the hooks of an event begin, or are continued; gives the time from which their runs count, or
    /// nothing where all of them were done before.
    pub fn enter(&mut self, event: Event) -> Option<Timestamp> {
        match self.notes.stage {
            Some(stage) if stage.event == event => Some(stage.began),
            Some(stage) if stage.is_after(event) => None,
            _ => {
                let began = Timestamp::now();
                self.notes.stage = Some(Stage { event, began });
                Some(began)
            }
        }
    }

    /// Notes that a hook is about to be created; returns the token of this run. Only what runs to an end (a Job, a
    /// Pod) must not run twice; anything else may be applied again, so its start needs no write of its own.
    ///
    /// # Errors
    /// The API server refused.
    pub async fn start_hook(&mut self, place: usize) -> Result<String, StorageError> {
        self.record.hooks[place].start(Timestamp::now());
        if self.runs_to_an_end(place) {
            self.write().await?;
        }
        Ok(self.hook_token(place))
    }

    fn runs_to_an_end(&self, place: usize) -> bool {
        matches!(self.record.hooks[place].kind.as_str(), "Job" | "Pod")
    }

    /// What tells the run of a hook that is underway from every other run.
    pub fn hook_token(&self, place: usize) -> String {
        let Record { name, version, hooks, .. } = &self.record;
        let started = hooks[place].last_run.started_at.unwrap_or(Timestamp::UNIX_EPOCH);
        format!("{name}.v{version}.{place}.{}", started.as_millisecond())
    }

    /// Notes the outcome of a hook.
    ///
    /// # Errors
    /// The API server refused.
    pub async fn finish_hook(&mut self, place: usize, phase: Phase) -> Result<(), StorageError> {
        self.record.hooks[place].finish(phase, Timestamp::now());
        if self.runs_to_an_end(place) { self.write().await } else { Ok(()) }
    }

    fn release(&self) -> ReleaseKey {
        ReleaseKey { namespace: self.record.namespace.clone(), name: self.record.name.clone() }
    }

    /// The notes as they are to be stored: where nothing is underway, there is no stage.
    fn present_notes(&self) -> Notes {
        Notes { stage: self.notes.stage.filter(|stage| self.is_underway(*stage)), ..self.notes.clone() }
    }

    fn is_underway(&self, stage: Stage) -> bool {
        let status = self.record.info.status;
        status.is_pending() || status == Status::Uninstalling || stage.event == Event::Test
    }

    fn note(&self, stored: &Stored) {
        let meta = RevisionMeta {
            revision: self.record.version,
            status: self.record.info.status,
            notes: self.present_notes(),
            resource_version: stored.resource_version.parse().unwrap_or(0),
        };
        self.index.note(&self.release(), meta);
    }
}
