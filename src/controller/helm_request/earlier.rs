//! What an operation needs of the revisions before it: their objects, and the records that it succeeds.

use super::deploy::Deployment;
use super::journal::Journal;
use crate::cluster::Object;
use crate::cluster::kept::Kept;
use crate::controller::failure::Failure;
use crate::release::{Record, Status, current, deployed};

/// The revisions that an operation may find something of in the cluster. Each of their records is read once.
#[derive(Default)]
pub(super) struct Earlier {
    /// The objects that they may have left, each once.
    pub objects: Vec<Object>,
    records: Vec<Record>,
}

impl Earlier {
    fn record(&self, revision: i64) -> Option<&Record> {
        self.records.iter().find(|record| record.version == revision)
    }

    fn take(&mut self, revision: i64) -> Option<Record> {
        let place = self.records.iter().position(|record| record.version == revision)?;
        Some(self.records.swap_remove(place))
    }
}

impl Deployment<'_> {
    /// What comes before a revision: the deployed one, and later attempts that did not succeed and so may have made
    /// some of their objects.
    ///
    /// # Errors
    /// A record cannot be read, or the API server not be asked.
    pub(super) async fn earlier(&self, revision: i64) -> Result<Earlier, Failure> {
        let revisions = self.revisions();
        let deployed = deployed(&revisions).map_or(0, |deployed| deployed.number);
        let mut earlier = Earlier::default();
        for known in revisions.iter().filter(|known| known.number >= deployed && known.number < revision) {
            if matches!(known.status, Status::Uninstalled | Status::Superseded) {
                continue;
            }
            let record = self.record(known.number).await?;
            let objects = self.cluster.read_recorded(&record.manifest, &self.release.namespace).await?.objects;
            earlier.objects.extend(objects);
            earlier.records.push(record);
        }
        earlier.objects.sort_by(|left, right| left.key.cmp(&right.key));
        earlier.objects.dedup_by(|left, right| left.key == right.key);
        Ok(earlier)
    }

    /// The record that a new revision follows, where there is one: the deployed one, else the last failed one.
    pub(super) async fn previous(&self, earlier: &Earlier) -> Result<Option<Record>, Failure> {
        let Some(previous) = current(&self.revisions()) else { return Ok(None) };
        match earlier.record(previous.number) {
            Some(record) => Ok(Some(record.clone())),
            None => self.record(previous.number).await.map(Some),
        }
    }

    /// Marks every other deployed revision as superseded, before this one becomes the deployed one; and those that
    /// another writer began and left.
    pub(super) async fn supersede_others(&self, revision: i64, earlier: &mut Earlier) -> Result<(), Failure> {
        for other in self.context.records.revisions(self.release) {
            if other.revision == revision || !(other.status == Status::Deployed || other.status.is_pending()) {
                continue;
            }
            let mut record = match earlier.take(other.revision) {
                Some(record) => record,
                None => self.record(other.revision).await?,
            };
            record.supersede();
            Journal::new(self.cluster, &self.context.records, record, other.notes).write().await?;
        }
        Ok(())
    }

    /// What operations after the deployed revision have noted to keep and did not come to use.
    pub(super) fn left_to_keep(&self) -> Kept {
        let known = self.context.records.revisions(self.release);
        let deployed = known.iter().rposition(|meta| meta.status == Status::Deployed).map_or(0, |place| place + 1);
        let mut kept = Kept::default();
        known.into_iter().skip(deployed).for_each(|meta| kept.extend(meta.notes.kept));
        kept
    }
}
