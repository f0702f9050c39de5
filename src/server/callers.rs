//! Who calls the API, and whether he may: the API server is asked, with the token that the caller has there.
//!
//! An answer counts for a moment, so that a page of a store does not cost two requests for each of its parts.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, StatusCode};
use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec, UserInfo};
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec};
use kube::api::PostParams;
use kube::{Api, Client};
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;

use super::status::Refusal;
use crate::api::names;
use crate::cluster::ApiError;

/// How long an answer counts.
const FRESH: Duration = Duration::from_secs(10);
/// Answers that are remembered.
const REMEMBERED: usize = 4_096;
/// Questions to the API server at the same time.
const PARALLEL: usize = 16;

/// What somebody wants to read: a Chart.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Wanted {
    /// The namespace.
    pub namespace: String,
    /// The name of the Chart object.
    pub name: String,
}

/// A digest of the caller's token, which itself is not kept, and what he wants.
type Question = ([u8; 32], Wanted);
/// When it was asked, and what the answer was.
type Answer = (Instant, Result<(), Refusal>);

/// The callers of the API.
pub struct Callers {
    client: Client,
    answers: Mutex<HashMap<Question, Answer>>,
    asking: Semaphore,
}

impl Callers {
    /// Callers that a client's API server knows.
    pub fn new(client: Client) -> Self {
        Self { client, answers: Mutex::default(), asking: Semaphore::new(PARALLEL) }
    }

    /// Lets a caller pass who may get the Chart.
    ///
    /// # Errors
    /// He is not known, may not, or the API server cannot be asked. It does not tell whether there is such a Chart.
    pub async fn admit(&self, headers: &HeaderMap, wanted: &Wanted) -> Result<(), Refusal> {
        let Some(token) = token(headers) else {
            return Err(unknown("send the token of a user or a service account: Authorization: Bearer TOKEN"));
        };
        let key = (Sha256::digest(token.as_bytes()).into(), wanted.clone());
        if let Some(answer) = self.known(&key) {
            return answer;
        }
        let unavailable = |_| Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "the operator stops");
        let _permit = self.asking.acquire().await.map_err(unavailable)?;
        let answer = self.ask(token, wanted).await;
        if answer.as_ref().err().is_none_or(|refusal| refusal.code.is_client_error()) {
            self.remember(key, answer.clone());
        }
        answer
    }

    async fn ask(&self, token: &str, wanted: &Wanted) -> Result<(), Refusal> {
        let spec = TokenReviewSpec { token: token.to_owned(), audiences: None };
        let review = TokenReview { spec, ..TokenReview::default() };
        let api: Api<TokenReview> = Api::all(self.client.clone());
        let status = api.create(&PostParams::default(), &review).await.map_err(failed)?.status.unwrap_or_default();
        let (Some(true), Some(user)) = (status.authenticated, status.user) else {
            return Err(unknown("the API server does not know the token, or it has expired"));
        };
        let name = user.username.clone().unwrap_or_default();
        let review = SubjectAccessReview { spec: access(user, wanted), ..SubjectAccessReview::default() };
        let api: Api<SubjectAccessReview> = Api::all(self.client.clone());
        let status = api.create(&PostParams::default(), &review).await.map_err(failed)?.status;
        if status.is_some_and(|status| status.allowed && status.denied != Some(true)) {
            return Ok(());
        }
        let message = format!(
            "charts.{} {:?} is forbidden: User {name:?} cannot get resource \"charts\" in API group {:?} in the namespace {:?}",
            names::GROUP,
            wanted.name,
            names::GROUP,
            wanted.namespace
        );
        Err(Refusal::new(StatusCode::FORBIDDEN, message))
    }

    fn known(&self, key: &Question) -> Option<Result<(), Refusal>> {
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.get(key).filter(|(asked, _)| asked.elapsed() < FRESH).map(|(_, answer)| answer.clone())
    }

    fn remember(&self, key: Question, answer: Result<(), Refusal>) {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        if answers.len() >= REMEMBERED {
            answers.retain(|_, (asked, _)| asked.elapsed() < FRESH);
        }
        if answers.len() < REMEMBERED {
            answers.insert(key, (Instant::now(), answer));
        }
    }
}

fn token(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    (scheme.eq_ignore_ascii_case("bearer") && !token.trim().is_empty()).then(|| token.trim())
}

fn access(user: UserInfo, wanted: &Wanted) -> SubjectAccessReviewSpec {
    SubjectAccessReviewSpec {
        user: user.username,
        uid: user.uid,
        groups: user.groups,
        extra: user.extra,
        resource_attributes: Some(ResourceAttributes {
            namespace: Some(wanted.namespace.clone()),
            verb: Some("get".to_owned()),
            group: Some(names::GROUP.to_owned()),
            resource: Some("charts".to_owned()),
            name: Some(wanted.name.clone()),
            ..ResourceAttributes::default()
        }),
        ..SubjectAccessReviewSpec::default()
    }
}

fn unknown(message: &str) -> Refusal {
    Refusal::new(StatusCode::UNAUTHORIZED, message)
}

fn failed(error: kube::Error) -> Refusal {
    let error = ApiError::from(error);
    tracing::warn!(%error, "the API server cannot be asked who calls and what he may: the operator has to be allowed \
                            to create tokenreviews.authentication.k8s.io and subjectaccessreviews.authorization.k8s.io");
    Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "the API server cannot be asked who you are; see the operator's log")
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn a_token_is_that_of_a_bearer() {
        let read = |text: &'static str| {
            let headers = HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_static(text))]);
            token(&headers).map(str::to_owned)
        };
        assert_eq!(read("Bearer abc").as_deref(), Some("abc"));
        assert_eq!(read("bearer  abc ").as_deref(), Some("abc"));
        assert_eq!((read("Basic abc"), read("Bearer "), read("abc")), (None, None, None));
    }
}
