//! Waiting for the requests that a request depends on, before anything new is begun for it.
//!
//! A dependency is met when its present generation is deployed and its objects are healthy. That is read from its status,
//! and from what it would deploy now: while a new chart or new values are known that it has not deployed, it is not met,
//! although its status still tells of the revision before. So the stages of a rollout follow each other even where all of
//! them begin with the same news.
//!
//! What is deployed already is kept whatever becomes of its dependencies.

use std::time::Duration;

use kube::ResourceExt;
use kube::runtime::reflector::ObjectRef;

use super::inputs::Inputs;
use super::report::spec_hash;
use super::status::Standing;
use super::{Reconciliation, deployed};
use crate::api::conditions::{self, ConditionStatus, ConditionType};
use crate::api::helm_request::{Dependency, Destination, HelmRequestStatus, Phase};
use crate::api::{HelmRequest, Reason};
use crate::cel::{CelError, Expression};
use crate::cluster::shards::shard_of;
use crate::controller::context::release_of;
use crate::controller::dependents::dependencies;
use crate::controller::failure::Failure;
use crate::plan::{Situation, ring_through};
use crate::release::Status;
use crate::value::Json;

/// Why a dependency is not met.
struct Unmet {
    /// The dependency as the request names it.
    name: String,
    why: String,
}

impl Reconciliation<'_> {
    /// Why nothing new may be begun yet; nothing where every dependency is met.
    ///
    /// # Errors
    /// An expression cannot be read, or it is not known yet what a dependency would deploy.
    pub(super) async fn unmet_dependencies(&self) -> Result<Option<Failure>, Failure> {
        let named = self.request.dependencies();
        let own = ObjectRef::from_obj(self.request);
        let mut awaited = dependencies(self.request);
        if named.iter().any(|dependency| dependency.ready.is_some()) {
            awaited.push(own.clone());
        }
        self.context.dependents.wait(&own, awaited);
        if let Some(failure) = self.ring(&own) {
            return Ok(Some(failure));
        }
        let mut unmet = Vec::new();
        for dependency in &named {
            if let Some(why) = self.unmet(dependency).await? {
                unmet.push(Unmet { name: self.shown(&dependency.namespace, dependency.name), why });
            }
        }
        if unmet.is_empty() {
            self.context.dependents.wait(&own, Vec::new());
            return Ok(None);
        }
        let told: Vec<String> = unmet.iter().map(|unmet| format!("HelmRequest {} {}", unmet.name, unmet.why)).collect();
        Ok(Some(Failure::new(Reason::DependencyNotReady, format!("waiting: {}", told.join("; ")))))
    }

    /// Keeps what is deployed, and tells what the request waits for.
    ///
    /// # Errors
    /// What is deployed could not be kept, or the status not be written.
    pub(super) async fn wait_for_dependencies(
        &self,
        unmet: Failure,
        situation: &Situation,
    ) -> Result<Option<Duration>, Failure> {
        let again = match situation.keep() {
            Some(step) => self.keep(&step, situation).await?,
            None => None,
        };
        let told = self.tell_waiting(unmet, situation).await?;
        Ok(again.into_iter().chain(told).min())
    }

    async fn tell_waiting(&self, unmet: Failure, situation: &Situation) -> Result<Option<Duration>, Failure> {
        if unmet.reason.stalls() {
            self.report().failed(&unmet, None).await;
            return Ok(None);
        }
        self.report().standing(Standing::Waiting(unmet), deployed(situation)).await
    }

    /// What is missing to know the inputs may come with a dependency: as long as one is not met, it is waited for, and
    /// what is missing is told beside. What is deployed is kept by the caller.
    ///
    /// # Errors
    /// The failure, where no dependency is waited for.
    pub(super) async fn wait_despite(
        &self,
        failure: Failure,
        situation: &Situation,
    ) -> Result<Option<Duration>, Failure> {
        if failure.reason == Reason::Progressing || failure.reason.stalls() {
            return Err(failure);
        }
        match self.unmet_dependencies().await? {
            Some(unmet) => {
                let message = format!("{}; besides, {}: {}", unmet.message, failure.reason, failure.message);
                self.tell_waiting(Failure::new(unmet.reason, message), situation).await
            }
            None => Err(failure),
        }
    }

    /// That the request is part of a ring.
    fn ring(&self, own: &ObjectRef<HelmRequest>) -> Option<Failure> {
        let edges = |of: &ObjectRef<HelmRequest>| {
            self.context.request(of).map(|request| dependencies(&request)).unwrap_or_default()
        };
        let ring = ring_through(own, edges)?;
        let named: Vec<String> = ring
            .iter()
            .chain([own])
            .map(|member| self.shown(member.namespace.as_deref().unwrap_or_default(), &member.name))
            .collect();
        let message = format!(
            "HelmRequests depend on each other in a ring, so none can begin: {}; remove one of these dependencies",
            named.join(" → ")
        );
        Some(Failure::new(Reason::DependencyCycle, message))
    }

    /// A request's name; with its namespace where that is another one.
    pub(super) fn shown(&self, namespace: &str, name: &str) -> String {
        let is_own = self.request.metadata.namespace.as_deref() == Some(namespace);
        if is_own { format!("{name:?}") } else { format!("{:?}", format!("{namespace}/{name}")) }
    }

    async fn unmet(&self, wanted: &Dependency<'_>) -> Result<Option<String>, Failure> {
        let found = self.context.request(&ObjectRef::new(wanted.name).within(&wanted.namespace));
        let Some(found) = found else {
            return Ok(Some(format!("does not exist; create it, or remove it from {}", wanted.field)));
        };
        let status = self.context.last_status(&found);
        if let Some(why) = not_synced(&found, &status) {
            return Ok(Some(why));
        }
        let why = match wanted.ready {
            None => not_ready(&status),
            Some(expression) => self.not_true(expression, &wanted.field, &found, &status)?,
        };
        if why.is_some() {
            return Ok(why);
        }
        let is_news = !self.is_what_it_says(&found, &status).await?;
        Ok(is_news.then(|| "is about to deploy a newer chart or newer values".to_owned()))
    }

    fn not_true(
        &self,
        text: &str,
        field: &str,
        dependency: &HelmRequest,
        status: &HelmRequestStatus,
    ) -> Result<Option<String>, Failure> {
        let wrong = |error: CelError| {
            let message = format!("{field}.ready {text:?}: {error}");
            Failure::new(Reason::InvalidRequest, message)
        };
        let expression = Expression::parse(text).map_err(wrong)?;
        let as_json = |request: &HelmRequest| serde_json::to_value(request).unwrap_or_default();
        let mut dep = as_json(dependency);
        if let Json::Object(members) = &mut dep {
            members.insert("status".to_owned(), serde_json::to_value(status).unwrap_or_default());
        }
        match expression.holds(&[("dep", &dep), ("self", &as_json(self.request))]) {
            Ok(true) => Ok(None),
            Ok(false) => Ok(Some(format!("does not meet {field}.ready: {text}"))),
            // What it looks at may be there later.
            Err(error @ CelError::Evaluation { .. }) => Ok(Some(format!("does not meet {field}.ready: {error}"))),
            Err(error) => Err(wrong(error)),
        }
    }

    /// Whether what a dependency has deployed is what it would deploy now.
    async fn is_what_it_says(&self, dependency: &HelmRequest, status: &HelmRequestStatus) -> Result<bool, Failure> {
        // What is known of other clusters is with whoever serves them.
        if dependency.destination() != Destination::Own {
            return Ok(true);
        }
        let context = self.context.home();
        let last = context.records.revisions(&release_of(dependency)).pop();
        let Some(last) = last.filter(|last| last.status == Status::Deployed) else { return Ok(false) };
        if status.revision != Some(last.revision) {
            return Ok(false);
        }
        if dependency.is_suspended() {
            return Ok(status.last_spec_hash == Some(spec_hash(dependency)));
        }
        let cluster = context.cluster_of(dependency)?;
        let gathered = Inputs::gather(context, &cluster, dependency).await;
        self.forget_if_elsewhere(dependency);
        let inputs = gathered.map_err(|failure| {
            // Its status will tell of it soon, unless it passes.
            let message = format!("HelmRequest {:?}: {}", dependency.name_any(), failure.message);
            Failure::new(Reason::Progressing, message)
        })?;
        let rolled_back = dependency.spec.rollback_to.map(|to| inputs.digest.rolled_back(to));
        Ok(last.notes.inputs.is_some()
            && (last.notes.inputs == Some(inputs.digest) || last.notes.inputs == rolled_back))
    }

    /// Another replica remembers what it needs of its requests.
    fn forget_if_elsewhere(&self, dependency: &HelmRequest) {
        let context = self.context.home();
        let shards = &context.shards;
        let shard = shard_of(&dependency.namespace().unwrap_or_default(), &dependency.name_any(), shards.count());
        if !shards.works_on(shard) {
            context.forget(dependency);
        }
    }
}

/// Why a dependency is not deployed as it says now.
fn not_synced(dependency: &HelmRequest, status: &HelmRequestStatus) -> Option<String> {
    if dependency.metadata.deletion_timestamp.is_some() {
        return Some("is being deleted".to_owned());
    }
    if status.observed_generation != dependency.metadata.generation {
        return Some("has a spec that is not deployed yet".to_owned());
    }
    match status.phase {
        Some(Phase::Synced) => None,
        phase => Some(match conditions::find(&status.conditions, ConditionType::Ready) {
            Some(ready) => format!("is not deployed: {}: {}", ready.reason, ready.message),
            None => format!("is not deployed: it is {}", phase.unwrap_or_default().as_str()),
        }),
    }
}

/// Why a deployed dependency does not work.
fn not_ready(status: &HelmRequestStatus) -> Option<String> {
    match conditions::find(&status.conditions, ConditionType::Ready) {
        Some(ready) if ready.status == ConditionStatus::True => None,
        Some(ready) => Some(format!("is not ready: {}: {}", ready.reason, ready.message)),
        None => Some("does not tell yet whether it is ready".to_owned()),
    }
}
