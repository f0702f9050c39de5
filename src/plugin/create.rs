//! `create`, `upgrade`, `rollback` and `trigger-update`: Captain's own ways to change a request.

use clap::Args;
use jiff::Timestamp;
use kube::ResourceExt;
use kube::api::DynamicObject;
use serde_json::json;
use std::time::Duration;

use super::edit::{self, Change, WriteArguments, annotate, change, remove};
use super::requests::{self, KIND};
use super::revisions::{ClusterArgument, Release};
use super::selection::{Chosen, SelectionArguments};
use super::session::Session;
use super::values::ValuesArguments;
use super::waiting::{self, Goal, PATIENCE, State, WaitArguments};
use super::{Error, Outcome};
use crate::api::helm_request::Destination;
use crate::api::{HelmRequest, names};
use crate::cluster::ApiError;
use crate::value::Json;

/// The flags of `create`.
#[derive(Clone, Debug, Args)]
pub struct CreateArguments {
    /// The name of the HelmRequest, and of the release
    pub name: String,
    /// The chart, as repository/name
    #[arg(short, long, value_name = "REPOSITORY/NAME")]
    pub chart: String,
    /// The version of the chart, or a range of versions; the newest unless given
    #[arg(short, long, value_name = "VERSION")]
    pub version: Option<String>,
    /// The namespace that the chart is installed into; that of the HelmRequest unless given
    #[arg(long, value_name = "NAMESPACE")]
    pub target_namespace: Option<String>,
    /// Create the namespace that the chart is installed into
    #[arg(long)]
    pub create_namespace: bool,
    /// The values.
    #[command(flatten)]
    pub values: ValuesArguments,
    /// Whether to wait.
    #[command(flatten)]
    pub wait: WaitArguments,
    /// How it is changed and told.
    #[command(flatten)]
    pub write: WriteArguments,
}

/// The flags of `upgrade`.
#[derive(Clone, Debug, Args)]
pub struct UpgradeArguments {
    /// The name of the HelmRequest
    pub name: String,
    /// The version of the chart, or a range of versions
    #[arg(short, long, value_name = "VERSION")]
    pub version: Option<String>,
    /// The repository to take the chart from instead
    #[arg(short, long, value_name = "REPOSITORY")]
    pub repo: Option<String>,
    /// Forget the values that the HelmRequest has; without this, new ones are merged into them
    #[arg(long)]
    pub reset_values: bool,
    /// The values.
    #[command(flatten)]
    pub values: ValuesArguments,
    /// Whether to wait.
    #[command(flatten)]
    pub wait: WaitArguments,
    /// How it is changed and told.
    #[command(flatten)]
    pub write: WriteArguments,
}

/// The flags of `rollback`.
#[derive(Clone, Debug, Args)]
pub struct RollbackArguments {
    /// The name of the HelmRequest
    pub name: String,
    /// The revision to go back to; unless given, what was wished for before the last `kubectl captain upgrade`, else
    /// the revision before the deployed one
    pub revision: Option<i64>,
    /// The same, as other tools name it
    #[arg(long, value_name = "REVISION", conflicts_with = "revision")]
    pub to_revision: Option<i64>,
    /// Whether to wait.
    #[command(flatten)]
    pub wait: WaitArguments,
    /// How it is changed and told.
    #[command(flatten)]
    pub write: WriteArguments,
}

/// The flags of `trigger-update`.
#[derive(Clone, Debug, Args)]
pub struct TriggerArguments {
    /// Which requests.
    #[command(flatten)]
    pub selection: SelectionArguments,
    /// Whether to wait.
    #[command(flatten)]
    pub wait: WaitArguments,
    /// How it is changed and told.
    #[command(flatten)]
    pub write: WriteArguments,
}

impl CreateArguments {
    /// Creates a request.
    ///
    /// # Errors
    /// It exists, the ConfigMap does not, or the API server refuses it.
    pub async fn run(&self, session: &Session) -> Result<Outcome, Error> {
        self.values.check(session).await?;
        let mut spec = json!({"chart": self.chart});
        for (field, value) in [("version", &self.version), ("namespace", &self.target_namespace)] {
            if let Some(value) = value {
                spec[field] = value.as_str().into();
            }
        }
        if self.create_namespace {
            spec["createNamespace"] = true.into();
        }
        self.values.write_into(&mut spec)?;
        create(session, &self.name, spec, &self.wait, self.write).await
    }
}

/// Creates a request with a spec.
///
/// # Errors
/// It exists, or the API server refuses it.
pub async fn create(
    session: &Session,
    name: &str,
    spec: Json,
    wait: &WaitArguments,
    write: WriteArguments,
) -> Result<Outcome, Error> {
    let api = requests::whole(session);
    let mut object = DynamicObject::new(name, &requests::resource());
    object.data = json!({"spec": spec});
    let created = match api.create(&write.parameters(), &object).await.map_err(ApiError::from) {
        Ok(created) => created,
        Err(ApiError::AlreadyExists) => {
            let place = &session.namespace;
            let next = "change it with kubectl captain upgrade, or choose another name";
            return Err(Error::Usage(format!("{KIND} {name:?} exists in namespace {place:?}; {next}")));
        }
        Err(error) => return Err(Error::api(format!("create {KIND} {name:?}"), KIND, error)),
    };
    write.tell(&session.screen, &requests::shown(name), "created")?;
    if wait.wait && !write.dry_run {
        waiting::until(session, name, &Goal::of_state(State::Deployed, Duration::ZERO), wait.limit).await?;
    }
    write.show(session, &api, &created).await?;
    Ok(if write.dry_run { Outcome::WouldChange } else { Outcome::Done })
}

impl UpgradeArguments {
    /// Changes what a request wishes for, and deploys it once more where nothing changes.
    ///
    /// # Errors
    /// It is not there, the ConfigMap is not, or the API server refuses the change.
    pub async fn run(&self, session: &Session) -> Result<Outcome, Error> {
        self.values.check(session).await?;
        let made = change(session, &self.name, self.write, |before, object| self.edit(before, object)).await?;
        finish(session, &made, "upgraded", &self.wait, self.write).await
    }

    fn edit(&self, before: &HelmRequest, object: &mut Json) -> Result<(), Error> {
        keep_spec(object);
        if let Some(version) = &self.version {
            object["spec"]["version"] = version.as_str().into();
        }
        if let Some(repository) = &self.repo {
            let chart = before.spec.chart_reference().map(|(_, chart)| format!("{repository}/{chart}"));
            let message = || format!("{KIND} {:?} has no chart of a repository, so --repo says nothing", self.name);
            object["spec"]["chart"] = chart.ok_or_else(|| Error::Usage(message()))?.into();
        }
        if self.reset_values {
            remove(object, "/spec", "values");
        }
        remove(object, "/spec", "rollbackTo");
        self.values.write_into(&mut object["spec"])
    }
}

impl TriggerArguments {
    /// Deploys requests once more as they are.
    ///
    /// # Errors
    /// One is not there, the API server refuses the change, or what was waited for failed.
    pub async fn run(&self, session: &Session) -> Result<Outcome, Error> {
        let (mut changes, mut outcome) = (Vec::new(), Outcome::Done);
        for Chosen { session, name } in self.selection.find(session).await? {
            let edit = |_: &HelmRequest, object: &mut Json| {
                annotate(object, names::RESYNC, &token());
                Ok(())
            };
            let made = change(&session, &name, self.write, edit).await?;
            changes.push((session, made));
        }
        for (session, made) in &changes {
            outcome = outcome.and(finish(session, made, "triggered", &self.wait, self.write).await?);
        }
        Ok(outcome)
    }
}

impl RollbackArguments {
    /// Goes back.
    ///
    /// # Errors
    /// There is nothing to go back to, or the API server refuses the change.
    pub async fn run(&self, session: &Session) -> Result<Outcome, Error> {
        let revision = self.revision.or(self.to_revision);
        if let Some(revision) = revision {
            self.check(session, revision).await?;
        }
        let made = change(session, &self.name, self.write, |before, object| edit_back(before, object, revision));
        finish(session, &made.await?, "rolled back", &self.wait, self.write).await
    }

    /// Whether the revision exists. Who may not read records is told by the operator, and so is who means several.
    async fn check(&self, session: &Session, number: i64) -> Result<(), Error> {
        let request = requests::find(session, &self.name).await?;
        if matches!(request.destination(), Destination::Several(_)) {
            return Ok(());
        }
        let known = match Release::of(session, request, &ClusterArgument::default()).await {
            Ok(release) => release.revisions().await.map(|known| (release, known)),
            Err(error) => Err(error),
        };
        let (release, known) = match known {
            Err(error) if error.is_forbidden() || matches!(error, Error::Elsewhere { .. }) => return Ok(()),
            known => known?,
        };
        let known: Vec<i64> = known.iter().map(|meta| meta.revision.number).collect();
        if known.contains(&number) {
            return Ok(());
        }
        Err(Error::NoRevision { release: release.name, namespace: release.namespace, revision: number, known })
    }
}

/// What a rollback changes: to a revision, to the spec before the last upgrade, or to the revision before.
fn edit_back(before: &HelmRequest, object: &mut Json, revision: Option<i64>) -> Result<(), Error> {
    if let Some(revision) = revision {
        object["spec"]["rollbackTo"] = revision.into();
        return Ok(());
    }
    let annotations = before.metadata.annotations.clone().unwrap_or_default();
    if let Some(last) = annotations.get(names::LAST_SPEC) {
        let spec: Json = serde_json::from_str(last).map_err(|error| {
            Error::Usage(format!("annotation {} is no spec ({error}); name a revision to go back to", names::LAST_SPEC))
        })?;
        keep_spec(object);
        object["spec"] = spec;
        return Ok(());
    }
    let status = before.status.clone().unwrap_or_default();
    let is_earlier = |number: i64| status.revision.is_some_and(|deployed| number < deployed);
    let went_well = |state: &str| ["superseded", "deployed"].contains(&state);
    let earlier = status.history.iter().filter(|entry| is_earlier(entry.revision) && went_well(&entry.status));
    let earlier = earlier.map(|entry| entry.revision).max();
    let nothing = "there is no earlier revision to go back to; see kubectl captain history";
    object["spec"]["rollbackTo"] = earlier.ok_or_else(|| Error::Usage(nothing.to_owned()))?.into();
    Ok(())
}

/// Notes the present spec for a rollback, and asks for a deployment even where nothing else changes.
fn keep_spec(object: &mut Json) {
    let spec = object["spec"].to_string();
    annotate(object, names::LAST_SPEC, &spec);
    annotate(object, names::RESYNC, &token());
}

/// A new value for annotations that act once for each.
pub fn token() -> String {
    Timestamp::now().to_string()
}

/// Tells what was changed, and waits where that is wanted.
///
/// # Errors
/// What was waited for failed.
pub async fn finish(
    session: &Session,
    made: &Change,
    done: &str,
    wait: &WaitArguments,
    write: WriteArguments,
) -> Result<Outcome, Error> {
    let (name, screen) = (made.after.name_any(), &session.screen);
    let api = requests::whole(session);
    if made.differences.is_empty() {
        let write = WriteArguments { dry_run: false, ..write };
        write.tell(screen, &requests::shown(&name), "unchanged")?;
        write.show(session, &api, &made.after).await?;
        return Ok(Outcome::Done);
    }
    write.tell(screen, &requests::shown(&name), done)?;
    if write.dry_run && write.is_for_people() {
        screen.print(&made.differences.iter().map(|line| format!("  {line}\n")).collect::<String>())?;
    }
    if wait.wait && !write.dry_run {
        waiting::until(session, &name, &Goal::of_change(made, PATIENCE), wait.limit).await?;
    }
    write.show(session, &api, &made.after).await?;
    Ok(if write.dry_run { Outcome::WouldChange } else { Outcome::Done })
}

/// Sets or removes a field of the spec of a request.
///
/// # Errors
/// It is not there, or the API server refuses the change.
pub async fn switch(
    session: &Session,
    name: &str,
    write: WriteArguments,
    edit: impl FnMut(&HelmRequest, &mut Json) -> Result<(), Error>,
    done: &str,
) -> Result<Outcome, Error> {
    let made = edit::change(session, name, write, edit).await?;
    finish(session, &made, done, &WaitArguments::default(), write).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(annotations: &Json, status: &Json) -> HelmRequest {
        let object = json!({"apiVersion": "app.alauda.io/v1", "kind": "HelmRequest", "spec": {"version": "2"},
                            "metadata": {"name": "web", "annotations": annotations}, "status": status});
        serde_json::from_value(object).expect("a request")
    }

    #[test]
    fn a_rollback_goes_to_the_revision_the_last_spec_or_the_revision_before() {
        let history = json!([{"revision": 4, "status": "deployed"}, {"revision": 3, "status": "failed"},
                             {"revision": 2, "status": "superseded"}]);
        let status = json!({"revision": 4, "history": history});
        let last = json!({(names::LAST_SPEC): "{\"version\":\"1\"}"});
        for (annotations, revision, expected) in [
            (json!({}), Some(1), json!({"version": "2", "rollbackTo": 1})),
            (last, None, json!({"version": "1"})),
            (json!({}), None, json!({"version": "2", "rollbackTo": 2})),
        ] {
            let mut object = json!({"spec": {"version": "2"}, "metadata": {}});
            edit_back(&request(&annotations, &status), &mut object, revision).expect("a way back");
            assert_eq!(object["spec"], expected);
        }
        let first = request(&json!({}), &json!({"revision": 1}));
        let error = edit_back(&first, &mut json!({"spec": {}}), None).expect_err("there is nothing before");
        assert!(error.to_string().contains("no earlier revision"), "{error}");
    }
}
