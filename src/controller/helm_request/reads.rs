//! What the render of a revision read of the cluster: which API versions are served, the server's version, the objects
//! that `lookup` found. It is noted with the revision and followed; when the cluster gives other answers, the chart is
//! rendered again, and a new revision is made where the result differs.
//!
//! What the release itself brings (its objects, its hooks, the kinds of its definitions) is not noted: a chart that
//! looks whether its own Secret exists must not see its own install as a change. Charts that change what they read would
//! still go round; each further look soon after the last one waits longer.

use std::collections::HashSet;
use std::time::Duration;

use super::Reconciliation;
use super::deploy::{Deployment, Outcome};
use super::inputs::Inputs;
use super::journal::Journal;
use super::prepare::Prepared;
use super::values::Values;
use crate::api::Reason;
use crate::cluster::notes::Notes;
use crate::cluster::object::api_versions_of;
use crate::cluster::observe::list_version;
use crate::cluster::records::RevisionMeta;
use crate::cluster::{Object, ObjectKey};
use crate::controller::events::EventType;
use crate::controller::failure::Failure;
use crate::plan::Situation;
use crate::release::{Documents, Record, secret};
use crate::render::{Listed, Looked, Query, Reads};
use crate::value::Json;

/// What another render gave.
enum Anew {
    /// What is deployed.
    Same,
    /// Something else.
    Differs,
}

impl Prepared {
    /// What of a render's reads is noted.
    pub(super) fn noted_reads(&self) -> Reads {
        let mut reads = self.rendered.reads.clone();
        let own: HashSet<&ObjectKey> = self.objects.iter().map(|object| &object.key).collect();
        let hooks = &self.rendered.hooks;
        let is_hook = |query: &Query| {
            hooks.iter().any(|hook| hook.kind == query.kind && (query.name.is_empty() || hook.name == query.name))
        };
        reads.lookups.retain(|looked| !is_hook(&looked.query) && !own.contains(&ObjectKey::from(&looked.query)));
        for Looked { query, resource_version, listed } in &mut reads.lookups {
            if query.name.is_empty() {
                *resource_version = version_of(query, listed, &own).to_string();
            }
        }
        let definitions: Vec<Object> = self.objects.iter().filter(|object| object.is_definition()).cloned().collect();
        for version in api_versions_of(&definitions) {
            reads.api_versions.remove(&version);
        }
        reads
    }
}

/// The version of a list without the release's own objects and without release records, which no watch tells.
fn version_of(query: &Query, listed: &[Listed], own: &HashSet<&ObjectKey>) -> u64 {
    let is_record = |object: &Listed| query.kind == "Secret" && object.name.starts_with(secret::PREFIX);
    let is_own = |object: &Listed| {
        let Listed { namespace, name, .. } = object.clone();
        own.contains(&ObjectKey { namespace, name, ..ObjectKey::from(query) })
    };
    let others = listed.iter().filter(|object| !is_record(object) && !is_own(object));
    list_version(others.map(|object| (&*object.namespace, &*object.name, &*object.resource_version)))
}

impl Deployment<'_> {
    /// Renders a recorded revision again; gives what the render read where the result is the same but for chance: only
    /// where one render differs, a second one tells what chance makes.
    pub(super) async fn render_same(
        &self,
        record: &Record,
        inputs: &Inputs,
        values: &Json,
        objects: &[Object],
    ) -> Result<Option<Reads>, Failure> {
        let release = self.revision(record.version, record.version > 1);
        let recorded = Documents::from(record);
        let prepared = self.prepare(inputs, values, &release, objects).await?;
        let rendered = Documents::from(&prepared.rendered);
        let reads = prepared.noted_reads();
        if recorded.are(&rendered) {
            return Ok(Some(reads));
        }
        let again = self.render(inputs, values, &release, &[], objects).await?;
        Ok(recorded.could_be(&rendered, &Documents::from(&again.rendered)).then_some(reads))
    }

    /// Notes on a deployed revision what a later render read, for the same result.
    async fn note_reads(&self, record: Record, reads: Reads) -> Result<(), Failure> {
        let revision = record.version;
        let notes = Notes { reads, ..self.notes(revision) };
        Journal::new(self.cluster, &self.context.records, record, notes).write().await?;
        self.context.with_memory(self.request, |memory| memory.looked_up = None);
        Ok(())
    }

    /// Renders a deployed revision again and compares; where it is the same, what was read now is noted.
    async fn render_anew(&self, inputs: &Inputs, revision: i64) -> Result<Anew, Failure> {
        let record = self.record(revision).await?;
        let Values { merged, secrets } = inputs.values(self.context, self.cluster, self.request).await?;
        let objects = self.objects_of(&record).await?;
        let same = self.render_same(&record, inputs, &merged, &objects).await;
        let Some(reads) = same.map_err(|failure| secrets.concealed(failure))? else { return Ok(Anew::Differs) };
        self.note_reads(record, reads).await?;
        Ok(Anew::Same)
    }
}

impl Reconciliation<'_> {
    /// Whether what the render of the deployed revision read of the cluster is no longer so.
    pub(super) async fn cluster_changed(&self, deployed: &RevisionMeta) -> Result<bool, Failure> {
        Ok(!self.changes_since(deployed).await?.is_empty())
    }

    /// What has changed, in words.
    async fn changes_since(&self, deployed: &RevisionMeta) -> Result<Vec<String>, Failure> {
        let reads = &deployed.notes.reads;
        self.context.follow_lookups(self.request, deployed.revision, reads).await;
        if reads.is_empty() {
            return Ok(Vec::new());
        }
        let capabilities = self.cluster.discovery().snapshot().await?.capabilities();
        let mut changes = reads.changes(&capabilities);
        changes.extend(self.context.changed_lookups(self.request));
        Ok(changes)
    }

    /// Renders again, and deploys what differs; returns when to look again without being called.
    pub(super) async fn render_anew(
        &self,
        inputs: &Inputs,
        revision: i64,
        situation: &Situation,
    ) -> Result<Option<Duration>, Failure> {
        let pause = self.context.with_memory(self.request, |memory| memory.pause_before_look());
        if pause.is_none() {
            match self.deployment().render_anew(inputs, revision).await? {
                Anew::Same => {}
                Anew::Differs => {
                    self.tell_of_changes(revision).await?;
                    let outcome: Result<Outcome, Failure> = self.deploy(inputs, revision + 1).await;
                    return self.conclude(outcome, inputs).await;
                }
            }
        }
        let told = self.report().standing(self.standing(situation), super::deployed(situation)).await?;
        Ok(pause.into_iter().chain(told).min())
    }

    async fn tell_of_changes(&self, revision: i64) -> Result<(), Failure> {
        let known = self.context.records.revisions(self.release);
        let Some(deployed) = known.iter().find(|meta| meta.revision == revision) else { return Ok(()) };
        let changes = self.changes_since(deployed).await?.join(", ");
        let next = revision + 1;
        let note =
            format!("the chart renders differently since the cluster changed ({changes}); revision {next} follows");
        self.report().event(EventType::Normal, Reason::ClusterChanged.as_str(), "Deploy", &note).await;
        Ok(())
    }
}
