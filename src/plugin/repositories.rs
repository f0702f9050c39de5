//! `create-repo` and `resync-repo`: where charts come from.

use std::time::Duration;

use clap::Args;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Patch, PatchParams};
use kube::{Api, ResourceExt};
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::create::token;
use super::edit::{MANAGER, WriteArguments};
use super::session::Session;
use super::waiting::{Commentary, WaitArguments};
use super::{Error, Outcome};
use crate::api::chart_repo::RepositoryPhase;
use crate::api::{ChartRepo, names};
use crate::cluster::ApiError;
use crate::value::Json;

const KIND: &str = "ChartRepo";
/// The pause between looks.
const PAUSE: Duration = Duration::from_millis(500);

/// The flags of `create-repo`.
#[derive(Clone, Debug, Args)]
pub struct CreateRepoArguments {
    /// The name of the ChartRepo
    pub name: String,
    /// The address: where index.yaml is, or oci://registry/path
    #[arg(long, value_name = "URL")]
    pub url: String,
    /// The user, stored in a Secret of the same name
    #[arg(short, long, requires = "password")]
    pub username: Option<String>,
    /// The password, stored in a Secret of the same name
    #[arg(short, long, requires = "username")]
    pub password: Option<String>,
    /// Whether to wait.
    #[command(flatten)]
    pub wait: WaitArguments,
    /// How it is changed and told.
    #[command(flatten)]
    pub write: WriteArguments,
}

/// The flags of `resync-repo`.
#[derive(Clone, Debug, Args)]
pub struct ResyncRepoArguments {
    /// The name of the ChartRepo
    pub name: String,
    /// Whether to wait.
    #[command(flatten)]
    pub wait: WaitArguments,
    /// How it is changed and told.
    #[command(flatten)]
    pub write: WriteArguments,
}

/// A repository as it is to be created.
#[derive(Clone, Debug, Default)]
pub struct NewRepository {
    /// Its name.
    pub name: String,
    /// Its address.
    pub url: String,
    /// User and password.
    pub login: Option<(String, String)>,
}

impl CreateRepoArguments {
    /// Creates a repository.
    ///
    /// # Errors
    /// It exists, or the API server refuses it.
    pub async fn run(&self, session: &Session) -> Result<Outcome, Error> {
        let login = self.username.clone().zip(self.password.clone());
        let repository = NewRepository { name: self.name.clone(), url: self.url.clone(), login };
        let created = repository.create(session, self.write).await?;
        if !self.write.dry_run {
            wait_for(session, &self.name, None, &self.wait).await?;
        }
        self.write.show(session, &repositories(session), &created).await?;
        Ok(if self.write.dry_run { Outcome::WouldChange } else { Outcome::Done })
    }
}

impl NewRepository {
    /// Creates the repository and, where it has a login, its Secret.
    ///
    /// # Errors
    /// Either exists, or the API server refuses it.
    pub async fn create(&self, session: &Session, write: WriteArguments) -> Result<ChartRepo, Error> {
        let Self { name, url, login } = self;
        let mut spec = json!({"url": url});
        if let Some((username, password)) = login {
            let secret = json!({
                "apiVersion": "v1", "kind": "Secret", "metadata": {"name": name},
                "stringData": {"username": username, "password": password},
            });
            let secrets: Api<Secret> = Api::namespaced(session.cluster.client(), &session.namespace);
            put(&secrets, &secret, "Secret", write).await?;
            write.tell(&session.screen, &format!("secret/{name}"), "created")?;
            spec["secret"] = json!({"name": name});
        }
        let object = json!({
            "apiVersion": "app.alauda.io/v1beta1", "kind": KIND, "metadata": {"name": name}, "spec": spec,
        });
        let created = put(&repositories(session), &object, KIND, write).await?;
        write.tell(&session.screen, &shown(name), "created")?;
        Ok(created)
    }
}

impl ResyncRepoArguments {
    /// Has a repository read at once.
    ///
    /// # Errors
    /// It is not there, or the API server refuses the change.
    pub async fn run(&self, session: &Session) -> Result<Outcome, Error> {
        let token = token();
        // The phase is what Captain looks at, and what scripts wait to see changed.
        let patch = json!({"metadata": {"annotations": {names::REFRESH: token}}, "status": {"phase": "Pending"}});
        let parameters = PatchParams { dry_run: self.write.dry_run, ..PatchParams::apply(MANAGER) };
        let patched = repositories(session).patch(&self.name, &parameters, &Patch::Merge(patch)).await;
        match patched.map_err(ApiError::from) {
            Ok(patched) => {
                self.write.tell(&session.screen, &shown(&self.name), "resynced")?;
                if !self.write.dry_run {
                    wait_for(session, &self.name, Some(&token), &self.wait).await?;
                }
                self.write.show(session, &repositories(session), &patched).await?;
                Ok(if self.write.dry_run { Outcome::WouldChange } else { Outcome::Done })
            }
            Err(ApiError::NotFound) => Err(absent(session, &self.name)),
            Err(error) => Err(Error::api(format!("change {KIND} {:?}", self.name), KIND, error)),
        }
    }
}

/// The repositories of the session's namespace.
pub fn repositories(session: &Session) -> Api<ChartRepo> {
    Api::namespaced(session.cluster.client(), &session.namespace)
}

/// The repository of a name in the session's namespace, else in that of shared ones; nothing where there is none.
///
/// # Errors
/// One cannot be read.
pub async fn find(session: &Session, shared: &str, name: &str) -> Result<Option<ChartRepo>, Error> {
    for namespace in [session.namespace.as_str(), shared] {
        let found = repositories(&session.within(namespace)).get_opt(name).await;
        let found = found.map_err(|error| Error::api(format!("get {KIND} {name:?}"), KIND, error.into()))?;
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

/// A repository by kind and name, as kubectl takes it.
fn shown(name: &str) -> String {
    format!("chartrepo.app.alauda.io/{name}")
}

fn absent(session: &Session, name: &str) -> Error {
    let hint = format!("see those that exist: kubectl get chartrepos -n {}", session.namespace);
    Error::Absent { kind: KIND, name: name.to_owned(), namespace: session.namespace.clone(), hint }
}

async fn put<K>(api: &Api<K>, object: &Json, kind: &'static str, write: WriteArguments) -> Result<K, Error>
where
    K: Clone + std::fmt::Debug + serde::de::DeserializeOwned + serde::Serialize,
{
    let what = || format!("create {kind} {}", object["metadata"]["name"]);
    let unreadable =
        |error: serde_json::Error| Error::api(what(), kind, ApiError::Undecodable { message: error.to_string() });
    let object: K = serde_json::from_value(object.clone()).map_err(unreadable)?;
    let created = api.create(&write.parameters(), &object).await;
    created.map_err(|error| Error::api(what(), kind, error.into()))
}

/// Waits until a repository was read, where that is wanted.
async fn wait_for(session: &Session, name: &str, refresh: Option<&str>, wait: &WaitArguments) -> Result<(), Error> {
    let (begun, limit) = (Instant::now(), wait.limit);
    if !wait.wait {
        return Ok(());
    }
    let mut commentary = Commentary::new(&session.screen, name);
    loop {
        let asked = repositories(session).get(name).await;
        let repository = asked.map_err(|error| Error::api(format!("get {KIND} {name:?}"), KIND, error.into()))?;
        let status = repository.status.clone().unwrap_or_default();
        let is_new = refresh.is_none() || refresh == status.last_handled_refresh.as_deref();
        let reason = status.reason.unwrap_or_default();
        match status.phase {
            Some(RepositoryPhase::Synced) if is_new => return Ok(()),
            Some(RepositoryPhase::Failed) if is_new => {
                return Err(Error::Unmet(format!("{KIND} {:?} failed: {reason}", repository.name_any())));
            }
            _ if limit.is_over(begun) => {
                return Err(Error::Unmet(format!("{KIND} {name:?} is not read after {}: {reason}", limit.timeout)));
            }
            _ => {
                let progress = if is_new { reason } else { "the operator has not read it yet".to_owned() };
                if !progress.is_empty() {
                    commentary.tell(progress);
                }
                sleep(PAUSE).await;
            }
        }
    }
}
