//! The journal of an operation: its release record, written before the first object is touched and after every step
//! that must not be repeated.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::cluster::Cluster;
use crate::cluster::records::{
    INPUTS_ANNOTATION, KINDS_ANNOTATION, OBJECTS_ANNOTATION, RecordIndex, ReleaseKey, RevisionMeta,
};
use crate::cluster::storage::{StorageError, Stored};
use crate::plan::Digest;
use crate::release::{Phase, Record};

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
}

impl<'a> Journal<'a> {
    /// The journal of a record that is about to be written or was read.
    pub fn new(cluster: &'a Cluster, index: &'a RecordIndex, record: Record, inputs: Option<Digest>) -> Self {
        Self { cluster, index, record, inputs, kinds: Vec::new(), objects: None }
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

    /// Notes that a hook is about to be created; returns the token of this run.
    ///
    /// # Errors
    /// The API server refused.
    pub async fn start_hook(&mut self, place: usize) -> Result<String, StorageError> {
        self.record.hooks[place].start(Timestamp::now());
        self.write().await?;
        Ok(self.hook_token(place))
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
        self.write().await
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
        ];
        notes.into_iter().filter_map(|(name, text)| Some((name.to_owned(), text?))).collect()
    }

    fn note(&self, stored: &Stored) {
        let meta = RevisionMeta {
            revision: self.record.version,
            status: self.record.info.status,
            inputs: self.inputs.clone(),
            objects: self.objects.clone(),
            kinds: self.kinds.clone(),
            resource_version: stored.resource_version.parse().unwrap_or(0),
        };
        self.index.note(&self.release(), meta);
    }
}
