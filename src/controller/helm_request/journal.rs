//! The journal of an operation: its release record, written before the first object is touched and after every step
//! that must not be repeated.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;

use crate::cluster::Cluster;
use crate::cluster::records::{
    INPUTS_ANNOTATION, KINDS_ANNOTATION, OBJECTS_ANNOTATION, RecordIndex, ReleaseKey, RevisionMeta, STAGE_ANNOTATION,
};
use crate::cluster::storage::{StorageError, Stored};
use crate::plan::Digest;
use crate::release::{Phase, Record, Status};
use crate::render::Event;

/// A record together with what the operator notes on its Secret.
pub struct Journal<'a> {
    cluster: &'a Cluster,
    index: &'a RecordIndex,
    /// The record as it will be written next.
    pub record: Record,
    /// The digest of the inputs it was made from.
    pub inputs: Option<Digest>,
    /// The kinds of its objects.
    pub kinds: Vec<String>,
    /// The digest of its objects as applied, once all are.
    pub objects: Option<Digest>,
    /// The event whose hooks were begun last.
    pub stage: Option<Stage>,
}

/// The event whose hooks were begun last in an operation, and when. One hook may belong to several events, so its last
/// run alone does not tell whether it has run for this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stage {
    /// The event.
    pub event: Event,
    /// When its hooks were begun; what ran earlier ran for another event.
    pub began: Timestamp,
}

impl Stage {
    /// Reads what [`Stage`]'s text form says.
    pub fn parse(text: &str) -> Option<Self> {
        let (event, began) = text.split_once(' ')?;
        Some(Self { event: Event::parse(event)?, began: began.parse().ok()? })
    }

    /// Whether the hooks of an event were all done before this stage began.
    pub fn is_after(self, event: Event) -> bool {
        let comes_first =
            |event| matches!(event, Event::PreInstall | Event::PreUpgrade | Event::PreRollback | Event::PreDelete);
        comes_first(event) && !comes_first(self.event)
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.event.name(), self.began)
    }
}

impl<'a> Journal<'a> {
    /// The journal of a record that is about to be written or was read.
    pub fn new(cluster: &'a Cluster, index: &'a RecordIndex, record: Record, inputs: Option<Digest>) -> Self {
        Self { cluster, index, record, inputs, kinds: Vec::new(), objects: None, stage: None }
    }

    /// Writes a new record.
    ///
    /// # Errors
    /// The API server refused, or another writer was faster.
    pub async fn create(&self) -> Result<(), StorageError> {
        let stored = self.cluster.create_record(&self.record, &self.annotations()).await?;
        self.note(&stored);
        Ok(())
    }

    /// Writes the present state of the record over the stored one.
    ///
    /// # Errors
    /// The API server refused.
    pub async fn write(&self) -> Result<(), StorageError> {
        let stored = self.cluster.update_record(&self.record, &self.annotations()).await?;
        self.note(&stored);
        Ok(())
    }

    /// Notes that the hooks of an event begin, or are continued; gives the time from which their runs count, or
    /// nothing where all of them were done before.
    pub fn enter(&mut self, event: Event) -> Option<Timestamp> {
        match self.stage {
            Some(stage) if stage.event == event => Some(stage.began),
            Some(stage) if stage.is_after(event) => None,
            _ => {
                let began = Timestamp::now();
                self.stage = Some(Stage { event, began });
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

    fn annotations(&self) -> BTreeMap<String, String> {
        let kinds = (!self.kinds.is_empty()).then(|| self.kinds.join(","));
        let notes = [
            (INPUTS_ANNOTATION, self.inputs.as_ref().map(ToString::to_string)),
            (OBJECTS_ANNOTATION, self.objects.as_ref().map(ToString::to_string)),
            (KINDS_ANNOTATION, kinds),
            (STAGE_ANNOTATION, self.stage.as_ref().filter(|_| self.is_underway()).map(ToString::to_string)),
        ];
        notes.into_iter().filter_map(|(name, text)| Some((name.to_owned(), text?))).collect()
    }

    fn is_underway(&self) -> bool {
        let status = self.record.info.status;
        status.is_pending() || status == Status::Uninstalling
    }

    fn note(&self, stored: &Stored) {
        let meta = RevisionMeta {
            revision: self.record.version,
            status: self.record.info.status,
            inputs: self.inputs.clone(),
            objects: self.objects.clone(),
            kinds: self.kinds.clone(),
            stage: self.stage.as_ref().filter(|_| self.is_underway()).map(ToString::to_string),
            resource_version: stored.resource_version.parse().unwrap_or(0),
        };
        self.index.note(&self.release(), meta);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_is_read_as_it_was_written() {
        let stage = Stage { event: Event::PostInstall, began: Timestamp::UNIX_EPOCH };
        assert_eq!(Stage::parse(&stage.to_string()), Some(stage));
        assert_eq!(Stage::parse("post-install"), None);
    }

    #[test]
    fn what_comes_before_an_operation_is_over_once_what_comes_after_has_begun() {
        let after = Stage { event: Event::PostUpgrade, began: Timestamp::UNIX_EPOCH };
        assert!(after.is_after(Event::PreUpgrade));
        assert!(!after.is_after(Event::PostUpgrade));
        let before = Stage { event: Event::PreUpgrade, began: Timestamp::UNIX_EPOCH };
        assert!(!before.is_after(Event::PostUpgrade));
    }
}
