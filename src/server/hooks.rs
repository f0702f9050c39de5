//! Webhooks: `POST /hooks/NAMESPACE/NAME` has a ChartRepo read at once.
//!
//! Who may send them is said by `spec.webhookSecret` of the ChartRepo, see [`super::proof`]. Whoever proves nothing
//! gets the same answer for every name, so it does not tell which repositories there are. A webhook that is taken
//! becomes the refresh annotation of the ChartRepo: every replica sees it, and it is not lost with this process.

use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, BodyDataStream};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, post};
use futures::StreamExt;
use kube::api::{Patch, PatchParams};
use kube::runtime::WatchStreamExt;
use kube::runtime::reflector::{self, ObjectRef, Store};
use kube::runtime::watcher;
use kube::{Api, Client};
use serde_json::json;
use tokio::sync::Semaphore;

use super::proof::{Proof, Verification};
use super::status::Refusal;
use crate::api::chart_repo::ChartRepo;
use crate::api::names;
use crate::cluster::ApiError;
use crate::cluster::scope::Scope;
use crate::controller::chartrepo::webhook::{self, Token};
use crate::controller::repositories::RepositoryKey;

/// The longest body, which is the longest that GitHub sends.
const LONGEST: u64 = 25 << 20;
/// How long a body may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Webhooks that are received at the same time.
const PARALLEL: usize = 64;
/// How long a token is taken for what its Secret has.
const FRESH: Duration = Duration::from_secs(5);
/// Webhooks of one repository within this time are one: a push makes several.
const TOGETHER: Duration = Duration::from_millis(200);
/// How often the wish is written that a webhook becomes.
const ATTEMPTS: u32 = 5;

/// The webhooks of all repositories; a handle that is cheap to clone.
#[derive(Clone)]
pub struct Hooks {
    shared: Arc<Shared>,
}

struct Shared {
    client: Client,
    operator_namespace: String,
    repositories: Store<ChartRepo>,
    tokens: Mutex<HashMap<RepositoryKey, (Instant, Option<Token>)>>,
    /// Repositories for which a wish is about to be written.
    wanted: Mutex<HashSet<RepositoryKey>>,
    receiving: Semaphore,
}

impl Hooks {
    /// The webhooks of the ChartRepos of a scope, and what follows them while it is polled.
    pub fn new(client: Client, scope: &Scope, operator_namespace: &str) -> (Self, impl Future<Output = ()> + use<>) {
        let (repositories, writer) = reflector::store();
        let objects = scope
            .watch_typed::<ChartRepo>(&client, &watcher::Config::default())
            .modify(|object| object.metadata.managed_fields = None)
            .reflect(writer)
            .for_each(|_| std::future::ready(()));
        let shared = Shared {
            client,
            operator_namespace: operator_namespace.to_owned(),
            repositories,
            tokens: Mutex::default(),
            wanted: Mutex::default(),
            receiving: Semaphore::new(PARALLEL),
        };
        (Self { shared: Arc::new(shared) }, objects)
    }

    /// The routes.
    pub fn routes(&self) -> Router {
        let receive: MethodRouter<Self> = post(receive);
        Router::new().route("/hooks/{namespace}/{name}", receive).with_state(self.clone())
    }

    /// The token of a repository, which is remembered for a moment: whoever sends nonsense costs no requests.
    async fn token(&self, key: &RepositoryKey) -> Option<Token> {
        let known = lock(&self.shared.tokens).get(key).filter(|(read, _)| read.elapsed() < FRESH).cloned();
        if let Some((_, token)) = known {
            return token;
        }
        let object = self.shared.repositories.get(&ObjectRef::new(&key.name).within(&key.namespace))?;
        object.spec.webhook_secret.as_ref()?;
        let token = webhook::token(&self.shared.client, &object, &self.shared.operator_namespace).await;
        let mut tokens = lock(&self.shared.tokens);
        tokens.retain(|_, (read, _)| read.elapsed() < FRESH);
        tokens.insert(key.clone(), (Instant::now(), token.clone()));
        token
    }

    /// Has a repository read soon, once for all who want it until then.
    fn want(&self, key: RepositoryKey) {
        if !lock(&self.shared.wanted).insert(key.clone()) {
            return;
        }
        let hooks = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(TOGETHER).await;
            lock(&hooks.shared.wanted).remove(&key);
            let token = format!("webhook-{}", jiff::Timestamp::now());
            for attempt in 1..=ATTEMPTS {
                match hooks.wish(&key, &token).await {
                    Ok(()) | Err(ApiError::NotFound) => return,
                    Err(error) => {
                        tracing::warn!(%error, key.namespace, key.name, "the wish of a webhook cannot be written");
                        tokio::time::sleep(Duration::from_secs(1) * attempt).await;
                    }
                }
            }
        });
    }

    async fn wish(&self, key: &RepositoryKey, token: &str) -> Result<(), ApiError> {
        let api: Api<ChartRepo> = Api::namespaced(self.shared.client.clone(), &key.namespace);
        let patch = json!({"metadata": {"annotations": {names::REFRESH: token}}});
        let params = PatchParams { field_manager: Some("coxswain".to_owned()), ..PatchParams::default() };
        api.patch_metadata(&key.name, &params, &Patch::Merge(patch)).await.map(drop).map_err(ApiError::from)
    }
}

async fn receive(
    State(hooks): State<Hooks>,
    Path((namespace, name)): Path<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let Ok(_permit) = hooks.shared.receiving.try_acquire() else {
        return Refusal::new(StatusCode::TOO_MANY_REQUESTS, "too many webhooks at the same time").into_response();
    };
    let key = RepositoryKey { namespace, name };
    let token = hooks.token(&key).await;
    // Where there is nothing to prove, as much is computed as where there is.
    let secret = token.as_ref().map_or(&b"nobody"[..], Token::as_bytes);
    let mut verification = Proof::of(&headers).map(|proof| proof.verify(secret));
    match tokio::time::timeout(PATIENCE, read(body.into_data_stream(), verification.as_mut())).await {
        Ok(Ok(())) => {}
        Ok(Err(refusal)) => return refusal.into_response(),
        Err(_) => {
            let message = format!("the body took longer than {} seconds", PATIENCE.as_secs());
            return Refusal::new(StatusCode::REQUEST_TIMEOUT, message).into_response();
        }
    }
    if !verification.is_some_and(Verification::finish) || token.is_none() {
        let message = "there is no such ChartRepo, it has no spec.webhookSecret, or the sender does not know its token";
        return Refusal::new(StatusCode::UNAUTHORIZED, message).into_response();
    }
    hooks.want(key);
    StatusCode::ACCEPTED.into_response()
}

/// Takes a body piece by piece and keeps none.
async fn read(mut body: BodyDataStream, mut verification: Option<&mut Verification>) -> Result<(), Refusal> {
    let mut length: u64 = 0;
    while let Some(piece) = body.next().await {
        let piece = piece.map_err(|_| Refusal::new(StatusCode::BAD_REQUEST, "the body broke off"))?;
        length += piece.len() as u64;
        if length > LONGEST {
            let message = format!("a webhook's body may have at most {LONGEST} bytes");
            return Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, message));
        }
        if let Some(verification) = &mut verification {
            verification.update(&piece);
        }
    }
    Ok(())
}

/// Nothing that holds these locks can leave them half changed.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
