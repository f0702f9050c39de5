//! Following what was deployed: the bridge between requests and the observer.

use std::collections::{BTreeSet, HashSet};
use std::time::{Duration, Instant};

use kube::ResourceExt;

use super::context::{Context, Memory, Repaired, owner};
use super::failure::Failure;
use crate::api::helm_request::{DriftChange, DriftMode, DriftStatus, DriftedObject, ObjectHealth, ObjectsStatus};
use crate::api::{HelmRequest, Reason};
use crate::cluster::apply::{Applied, ApplyOutcome};
use crate::cluster::discovery::split_api_version;
use crate::cluster::observe::{Deviation, Expectation, ListKey, ListRead, ObserveError, Observed, SourceRead, Taken};
use crate::cluster::ownership::Marks;
use crate::cluster::records::{ReleaseKey, RevisionMeta};
use crate::cluster::{ApiError, Cluster, Kind, Object, ObjectKey};
use crate::plan::Digest;
use crate::render::{Looked, Reads};

/// How long the first list of a kind may take.
const LISTING: Duration = Duration::from_secs(60);
/// An object that has to be repaired again within this time after it could be is being fought over.
const QUIET: Duration = Duration::from_secs(60);
/// How often it is looked whether objects are healthy that may be in a moment.
const GLANCE: Duration = Duration::from_millis(20);
/// A pause up to this long is not made: the first few repairs of an object happen at full speed.
const PATIENCE: Duration = Duration::from_secs(4);

/// How fast an object is being repaired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// As soon as it deviates.
    Full,
    /// From now on with pauses: it had to be repaired again and again.
    Slowing,
    /// With pauses, as before.
    Slow,
}

impl From<ObserveError> for Failure {
    fn from(error: ObserveError) -> Self {
        let reason = match &error {
            ObserveError::Refused { error: ApiError::Forbidden { .. }, .. } => Reason::PermissionDenied,
            ObserveError::OutOfScope { .. } => Reason::NamespaceNotAllowed,
            ObserveError::Refused { error: ApiError::KindNotServed | ApiError::NotFound, .. } => Reason::UnknownKind,
            _ => Reason::ClusterUnreachable,
        };
        Self::new(reason, error.to_string())
    }
}

/// What the render of a revision has looked up, where it can be watched.
#[derive(Clone, Debug, Default)]
pub struct LookedUp {
    /// The revision.
    revision: i64,
    /// The objects.
    objects: Vec<SourceRead>,
    /// The lists.
    lists: Vec<ListRead>,
}

impl LookedUp {
    /// An object, or the list of what is looked up without a name.
    fn push(&mut self, SourceRead { object, version }: SourceRead) {
        if object.name.is_empty() {
            let ObjectKey { group, kind, namespace, .. } = object;
            self.lists.push(ListRead { list: ListKey { group, kind, namespace }, version });
        } else {
            self.objects.push(SourceRead { object, version });
        }
    }
}

impl Context {
    /// Watches the kinds of objects from now on, those that are served already: a kind may come with a definition of
    /// the same operation. Gives the kinds that are watched.
    ///
    /// # Errors
    /// A kind may not be watched, or does not answer.
    pub async fn follow_kinds(&self, objects: &[Object]) -> Result<HashSet<Kind>, Failure> {
        let kinds: HashSet<&Kind> = objects.iter().map(|object| &object.kind).collect();
        let mut served = HashSet::new();
        for kind in kinds {
            if self.discovery().resolve(&kind.resource.api_version, &kind.resource.kind).await?.is_some() {
                served.insert(kind.clone());
            }
        }
        let watched: Vec<Kind> = served.iter().cloned().collect();
        self.observer.ensure(&watched, LISTING).await?;
        Ok(served)
    }

    /// Those of the objects that exist, with the marks of their owners. Objects of releases are known from the
    /// watches; only of a stranger that is in the way the marks are read.
    ///
    /// # Errors
    /// A kind may not be watched, or an object in the way not be read.
    pub async fn marks(&self, cluster: &Cluster, objects: &[Object]) -> Result<Vec<(ObjectKey, Marks)>, Failure> {
        let served = self.follow_kinds(objects).await?;
        let mut marks = Vec::new();
        let mut strangers = Vec::new();
        for object in objects.iter().filter(|object| served.contains(&object.kind)) {
            match self.observer.lookup(&object.key) {
                Observed::Managed(state) => marks.push((object.key.clone(), state.marks)),
                Observed::Absent => {}
                Observed::Foreign | Observed::NotWatched => strangers.push(object.clone()),
            }
        }
        marks.extend(cluster.read_marks(&strangers).await?);
        Ok(marks)
    }

    /// Expects the objects of a request to stay as they were applied, and the settled ones as before.
    pub fn track(&self, request: &HelmRequest, applied: &[Applied], settled: &HashSet<ObjectKey>) {
        let expected = applied.iter().map(|applied| (applied.key.clone(), Expectation::from_reply(&applied.json)));
        self.observer.track_beside(&owner(request), expected.collect(), settled);
    }

    /// Expects the objects of a request to be as a dry run of their apply shows them. Where that was refused, the live
    /// object cannot be what is declared.
    pub fn track_declared(&self, request: &HelmRequest, dry_run: &ApplyOutcome) {
        let shown = dry_run.applied.iter().map(|applied| (&applied.key, Expectation::from_dry_run(&applied.json)));
        let refused = dry_run.failed.iter().map(|refused| (&refused.object, Expectation::ANOTHER));
        let expected = shown.chain(refused).map(|(key, expected)| (key.clone(), expected));
        self.observer.track(&owner(request), expected.collect());
    }

    /// Expects one object of a request to stay as it was applied, beside the others.
    pub fn expect(&self, request: &HelmRequest, applied: &Applied) {
        self.observer.expect(&owner(request), &applied.key, Expectation::from_reply(&applied.json));
    }

    /// Expects the live objects of a release to stay as they are, and gives the digest over them: what a restarted
    /// operator compares with what the record says.
    ///
    /// # Errors
    /// A kind of the release may not be watched.
    pub async fn follow_live(
        &self,
        request: &HelmRequest,
        release: &ReleaseKey,
        deployed: &RevisionMeta,
    ) -> Result<Option<Digest>, Failure> {
        let kinds = self.served_kinds(deployed.notes.kinds.iter()).await?;
        self.observer.ensure(&kinds, LISTING).await?;
        let earlier =
            deployed.notes.versions.unused_by(deployed.revision).map(|version| Object::of_version(version).key);
        let earlier: BTreeSet<ObjectKey> = earlier.collect();
        let live = self.observer.objects_of(&release.name, &release.namespace).into_iter();
        let live = live.filter(|key| !earlier.contains(key));
        let expected = live.map(|key| (key, Expectation::Live)).collect();
        self.observer.track(&owner(request), expected);
        Ok(self.objects_digest(request))
    }

    /// The digest over what is expected of the objects of a request.
    pub fn objects_digest(&self, request: &HelmRequest) -> Option<Digest> {
        self.observer.digest(&owner(request)).map(Digest::stored)
    }

    async fn served_kinds(&self, kinds: impl Iterator<Item = &String>) -> Result<Vec<Kind>, Failure> {
        let mut served = Vec::new();
        for kind in kinds {
            let Some((api_version, kind)) = kind.rsplit_once('/') else { continue };
            let (group, _) = split_api_version(api_version);
            let discovery = self.discovery();
            let found = match discovery.resolve(api_version, kind).await? {
                Some(found) => Some(found),
                None => discovery.resolve_any_version(group, kind).await?,
            };
            served.extend(found);
        }
        Ok(served)
    }

    /// Follows the ConfigMaps and Secrets that a request takes values from.
    ///
    /// # Errors
    /// They may not be watched.
    pub async fn follow_sources(&self, request: &HelmRequest, reads: Vec<SourceRead>) -> Result<(), Failure> {
        let home = self.home();
        for SourceRead { object, .. } in &reads {
            home.watch(object).await?;
        }
        home.with_memory(request, |memory| memory.sources = reads);
        home.follow_reads(request);
        Ok(())
    }

    /// Follows the objects that the render of a request's revision looked up. What cannot be watched is left out: a
    /// change of it is not noticed then.
    pub async fn follow_lookups(&self, request: &HelmRequest, revision: i64, reads: &Reads) {
        let followed = |memory: &mut Memory| memory.looked_up.as_ref().is_some_and(|known| known.revision == revision);
        if self.with_memory(request, followed) {
            return;
        }
        let mut followed = LookedUp { revision, ..LookedUp::default() };
        for Looked { query, resource_version, .. } in &reads.lookups {
            let object = ObjectKey::from(query);
            match self.watch(&object).await {
                Ok(true) => followed.push(SourceRead::new(object, Some(resource_version.as_str()))),
                Ok(false) => {}
                Err(failure) => tracing::warn!(
                    namespace = request.namespace(), name = request.name_any(), %object, message = failure.message,
                    "changes of a looked-up object are not noticed"
                ),
            }
        }
        self.with_memory(request, |memory| memory.looked_up = Some(followed));
        self.follow_reads(request);
    }

    /// Watches the kind of an object; tells whether it is served.
    async fn watch(&self, object: &ObjectKey) -> Result<bool, Failure> {
        let Some(kind) = self.discovery().resolve_any_version(&object.group, &object.kind).await? else {
            return Ok(false);
        };
        self.observer.ensure(&[kind], LISTING).await?;
        Ok(true)
    }

    fn follow_reads(&self, request: &HelmRequest) {
        let (reads, lists) = self.with_memory(request, |memory| {
            let looked_up = memory.looked_up.clone().unwrap_or_default();
            (memory.sources.iter().cloned().chain(looked_up.objects).collect(), looked_up.lists)
        });
        let owner = owner(request);
        self.observer.read_sources(&owner, reads);
        self.observer.read_lists(&owner, lists);
    }

    /// What is not as it was looked up, in words.
    pub fn changed_lookups(&self, request: &HelmRequest) -> Vec<String> {
        let LookedUp { objects, lists, .. } =
            self.with_memory(request, |memory| memory.looked_up.clone()).unwrap_or_default();
        let reader = owner(request);
        let is_same = |read: &ListRead| self.observer.list_version(&read.list, &reader) == Some(read.version);
        let objects = objects.iter().filter(|read| !self.is_unchanged(read)).map(|read| read.object.to_string());
        let lists = lists.iter().filter(|read| !is_same(read)).map(|read| read.list.to_string());
        objects.chain(lists).collect()
    }

    /// Whether sources are still as they were read.
    pub fn are_unchanged(&self, reads: &[SourceRead]) -> bool {
        reads.iter().all(|read| self.home().is_unchanged(read))
    }

    fn is_unchanged(&self, read: &SourceRead) -> bool {
        self.observer.version(&read.object) == Some(read.version)
    }

    /// What of a request's objects deviates and is to be repaired.
    pub fn deviations(&self, request: &HelmRequest) -> Vec<Deviation> {
        match request.spec.drift_mode() {
            DriftMode::Repair => self.deviating(request),
            DriftMode::Report | DriftMode::Off => Vec::new(),
        }
    }

    /// What of a request's objects deviates and is not left to others.
    pub fn deviating(&self, request: &HelmRequest) -> Vec<Deviation> {
        let mut deviations = self.observer.deviations(&owner(request));
        deviations.retain(|Deviation { object, .. }| !request.spec.ignores(&object.kind, &object.name));
        deviations
    }

    /// Why changes of some of a request's objects are not noticed.
    pub fn blindness(&self, request: &HelmRequest) -> Option<Failure> {
        self.observer.blindness(&owner(request)).map(Failure::from)
    }

    /// Splits deviations into those to repair now and the pause until the others: an object that has to be repaired
    /// again and again is taken by somebody who will not give way, and each repair waits longer than the one before.
    pub fn repairs_due(&self, request: &HelmRequest, deviations: &[Deviation]) -> (Vec<Deviation>, Option<Duration>) {
        let owner = owner(request);
        self.with_memory(request, |memory| {
            let mut due = Vec::new();
            let mut later: Option<Duration> = None;
            for deviation in deviations {
                let object = &deviation.object;
                let after = memory.repairs.get(object).map(|repaired| repaired.after);
                if after.is_none_or(|after| after.elapsed() > QUIET) {
                    self.repairs.succeed(&(owner.clone(), object.clone()));
                }
                match after {
                    Some(at) if at > Instant::now() => {
                        let pause = at - Instant::now();
                        later = Some(later.map_or(pause, |shortest| shortest.min(pause)));
                    }
                    _ => due.push(deviation.clone()),
                }
            }
            (due, later)
        })
    }

    /// Notes that an object was repaired, or that this failed, and what had been done to it, where that is known; where
    /// that was the same the last time, the next repair may have to wait. What is not known counts as the same: a fight
    /// is not over because one repair of it failed or came too late to see who had changed what.
    pub fn repaired(&self, request: &HelmRequest, object: &ObjectKey, taken: Option<Vec<Taken>>) -> Pace {
        let key = (owner(request), object.clone());
        let before = self.with_memory(request, |memory| memory.repairs.remove(object));
        let was_slow = before.as_ref().is_some_and(|before| !before.pause.is_zero());
        let taken_before = before.map(|before| before.taken);
        if taken.is_some() && taken_before.as_ref().is_some_and(|before| Some(before) != taken.as_ref()) {
            self.repairs.succeed(&key);
        }
        let pause = self.repairs.fail(key);
        let pause = if pause <= PATIENCE { Duration::ZERO } else { pause };
        let taken = taken.or(taken_before).unwrap_or_default();
        let repaired = Repaired { after: Instant::now() + pause, pause, taken };
        self.with_memory(request, |memory| memory.repairs.insert(object.clone(), repaired));
        match (was_slow, pause.is_zero()) {
            (_, true) => Pace::Full,
            (false, false) => Pace::Slowing,
            (true, false) => Pace::Slow,
        }
    }

    /// Whether every object of a request is healthy.
    pub fn is_healthy(&self, request: &HelmRequest) -> bool {
        self.observer.health(&owner(request)).is_ready()
    }

    /// Waits a moment for every object of a request to be healthy.
    pub async fn settle(&self, request: &HelmRequest, limit: Duration) {
        let deadline = tokio::time::Instant::now() + limit;
        while !self.observer.look_at_health(&owner(request)).is_ready() && tokio::time::Instant::now() < deadline {
            tokio::time::sleep(GLANCE).await;
        }
    }

    /// The health of a request's objects, the worst first and at most `shown` of them.
    pub fn health(&self, request: &HelmRequest, shown: usize) -> ObjectsStatus {
        let health = self.observer.health(&owner(request));
        let worst = health.unhealthy.iter().take(shown).map(|(key, standing)| ObjectHealth {
            kind: key.kind.clone(),
            namespace: Some(key.namespace.clone()).filter(|namespace| !namespace.is_empty()),
            name: key.name.clone(),
            status: standing.as_str().to_owned(),
            message: standing.message().map(str::to_owned),
        });
        let count = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        ObjectsStatus { ready: count(health.ready), total: count(health.total), worst: worst.collect() }
    }

    /// What differs from what was deployed, unless nobody wants to know.
    pub fn drift(&self, request: &HelmRequest, shown: usize) -> Option<DriftStatus> {
        if request.spec.drift_mode() == DriftMode::Off {
            return None;
        }
        let deviations = self.deviating(request);
        if deviations.is_empty() {
            return None;
        }
        let mut explained = self.recall(request, |memory| memory.explained.clone());
        let objects = deviations.iter().take(shown).map(|deviation| DriftedObject {
            kind: deviation.object.kind.clone(),
            namespace: Some(deviation.object.namespace.clone()).filter(|namespace| !namespace.is_empty()),
            name: deviation.object.name.clone(),
            change: Some(if deviation.gone { DriftChange::Deleted } else { DriftChange::Modified }),
            ..explanation(explained.remove(&deviation.object).map(|(_, taken)| taken).unwrap_or_default())
        });
        let total = i64::try_from(deviations.len()).unwrap_or(i64::MAX);
        Some(DriftStatus { total, since: None, objects: objects.collect() })
    }

    /// Waits until every object of a request is healthy.
    ///
    /// # Errors
    /// The deadline has passed, an object has failed for good, or the request has changed meanwhile.
    pub async fn wait_healthy(&self, request: &HelmRequest, deadline: tokio::time::Instant) -> Result<(), Failure> {
        loop {
            let health = self.observer.health(&owner(request));
            if health.is_ready() {
                return Ok(());
            }
            let worst = health
                .unhealthy
                .first()
                .map(|(key, standing)| format!("{key}: {}", standing.message().unwrap_or(standing.as_str())));
            let worst = worst.unwrap_or_default();
            if self.is_outdated(request) {
                return Err(Failure::new(Reason::Progressing, "the request changed while its objects were waited for"));
            }
            if tokio::time::Instant::now() >= deadline {
                let message = format!(
                    "{} of {} objects were ready when the timeout was over; {worst}",
                    health.ready, health.total
                );
                return Err(Failure::new(Reason::Timeout, message));
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

/// The most fields of one object that are told.
const SHOWN_FIELDS: usize = 10;

/// The fields of an object that others changed, and the first of them.
fn explanation(taken: Vec<Taken>) -> DriftedObject {
    let manager = taken.iter().find_map(|taken| taken.by.as_ref()).map(|writer| writer.manager.clone());
    let fields = taken.iter().flat_map(|taken| &taken.fields).take(SHOWN_FIELDS).map(ToString::to_string).collect();
    DriftedObject { fields, manager, ..DriftedObject::default() }
}
