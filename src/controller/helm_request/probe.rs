//! Asking the API server by a dry run whether it would take the objects of an operation, so that a refusal is known
//! before anything is written.
//!
//! Asked is where a refusal could not be undone later: in an upgrade, a rollback, and behind hooks; and where the server
//! has refused an object of the same inputs before. A first install is not asked about, it is taken back (see
//! [`Deployment::take_back`]), so that it costs no request more than it must. Of the answers those count that nothing in
//! the operation can change ([`Changes`]), and those that are the refusal of before; the rest is found out by trying.

use super::deploy::{Deployment, events_of};
use super::inputs::Inputs;
use super::prepare::Prepared;
use crate::cluster::admission::Changes;
use crate::cluster::apply::{ApplyOptions, Replacing};
use crate::cluster::{Object, ObjectError};
use crate::controller::failure::{Failure, refusals};
use crate::release::{Record, Status};

/// An operation as the API server is asked about it.
struct Question<'a> {
    objects: &'a [Object],
    definitions: &'a [Object],
    /// What earlier revisions may have left.
    before: &'a [Object],
    /// Whether hooks run first.
    hooks: bool,
    /// The refusals of an earlier attempt.
    known: Vec<ObjectError>,
}

impl Deployment<'_> {
    /// Asks about a revision that was rendered. `before` is what earlier revisions may have left.
    ///
    /// # Errors
    /// The server would not take it; all refusals are named.
    pub(super) async fn probe(
        &self,
        inputs: &Inputs,
        prepared: &Prepared,
        status: Status,
        before: &[Object],
    ) -> Result<(), Failure> {
        let Prepared { rendered, objects, definitions } = prepared;
        let [first, _] = events_of(status);
        let hooks = rendered.hooks.iter().any(|hook| hook.events.contains(&first));
        let known = self.known_refusals(inputs);
        self.ask(Question { objects, definitions, before, hooks, known }).await
    }

    /// Asks about a revision that is to become live again.
    ///
    /// # Errors
    /// As [`Deployment::probe`].
    pub(super) async fn probe_record(
        &self,
        record: &Record,
        objects: &[Object],
        before: &[Object],
    ) -> Result<(), Failure> {
        let [first, _] = events_of(record.info.status);
        let hooks = !record.hooks_of(first).is_empty();
        self.ask(Question { objects, definitions: &[], before, hooks, known: Vec::new() }).await
    }

    async fn ask(&self, question: Question<'_>) -> Result<(), Failure> {
        let Question { objects, definitions, before, hooks, known } = question;
        let last = self.revisions().last().map(|last| last.status);
        if last.is_none() && !hooks && known.is_empty() {
            return Ok(());
        }
        let before = self.sent_before(before);
        let is_new = |object: &Object| !before.contains_key(&object.key);
        let is_asked =
            |object: &&Object| last != Some(Status::Deployed) || before.get(&object.key) != Some(&object.json);
        let asked: Vec<Object> = objects.iter().filter(is_asked).cloned().collect();
        let changes = Changes::by(asked.iter().chain(definitions), is_new, hooks);
        let counts = |refusal: &ObjectError| known.contains(refusal) || changes.leave(refusal);
        refusals(self.refusals_of(&asked).await.into_iter().filter(counts).collect())
    }

    async fn refusals_of(&self, objects: &[Object]) -> Vec<ObjectError> {
        if objects.is_empty() {
            return Vec::new();
        }
        self.take_turn().await;
        let replacing = Replacing::Changed { by: self.deadline() };
        let options = ApplyOptions { dry_run: true, replacing, ..ApplyOptions::default() };
        self.cluster.apply_all(objects, options).await.failed
    }

    /// For what an install of the same inputs was taken back.
    fn known_refusals(&self, inputs: &Inputs) -> Vec<ObjectError> {
        self.context.recall(self.request, |memory| {
            let refused = memory.refused.as_ref().filter(|refused| refused.inputs == inputs.digest);
            refused.map(|refused| refused.errors.clone()).unwrap_or_default()
        })
    }
}
