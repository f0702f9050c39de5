//! Calls against a server that answers as it is told.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::ready;
use std::sync::{Arc, Mutex, PoisonError};

use http::{Request, Response};
use kube::Client;
use kube::api::{PatchParams, PostParams};
use kube::client::Body;
use serde_json::json;
use tower::service_fn;

use super::*;
use crate::cluster::collection::Built;
use crate::value::Json;

/// Answers with these codes in turn, then with success; counts the requests.
#[derive(Clone)]
struct Script {
    codes: Arc<Mutex<VecDeque<u16>>>,
    requests: Arc<Mutex<Vec<Request<()>>>>,
}

impl Script {
    fn new(codes: &[u16]) -> Self {
        Self { codes: Arc::new(Mutex::new(codes.iter().copied().collect())), requests: Arc::default() }
    }

    fn cluster(&self) -> Cluster {
        let script = self.clone();
        let answer = service_fn(move |request| ready(Ok::<_, Infallible>(script.answer(request))));
        Cluster::from_client(Client::new(answer, "default"))
    }

    fn requests(&self) -> usize {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    fn answer(&self, request: Request<Body>) -> Response<Body> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).push(request.map(drop));
        let code = self.codes.lock().unwrap_or_else(PoisonError::into_inner).pop_front().unwrap_or(200);
        let (reason, message) = match code {
            403 => ("Forbidden", r#"x is forbidden: User "u" cannot get resource "configmaps" in API group """#),
            _ => ("", "told so"),
        };
        let status = json!({"status": "Failure", "code": code, "message": message, "reason": reason});
        let body = if code == 200 { json!({"metadata": {"name": "x"}}) } else { status };
        let mut response = Response::new(Body::from(body.to_string().into_bytes()));
        *response.status_mut() = http::StatusCode::from_u16(code).unwrap_or_default();
        response
    }
}

fn get(cluster: &Cluster) -> Built {
    cluster.collection(&core_kind("ConfigMap", "configmaps", true), "shop").get("x")
}

fn create(cluster: &Cluster) -> Built {
    let object = json!({"metadata": {"name": "x"}});
    cluster.collection(&core_kind("ConfigMap", "configmaps", true), "shop").create(&PostParams::default(), &object)
}

#[tokio::test]
async fn a_busy_server_is_asked_again() {
    let script = Script::new(&[429, 503]);
    let cluster = script.cluster();
    let reply: Result<Json, ApiError> = cluster.call(create(&cluster)).await;
    assert!(reply.is_ok(), "{reply:?}");
    assert_eq!(script.requests(), 3);
}

#[tokio::test]
async fn a_create_whose_outcome_is_unknown_is_not_repeated_and_a_read_is() {
    let script = Script::new(&[504, 504]);
    let cluster = script.cluster();
    let created: Result<Json, ApiError> = cluster.call(create(&cluster)).await;
    assert!(matches!(created, Err(ApiError::Busy { taken: true, .. })), "{created:?}");
    assert_eq!(script.requests(), 1);
    let read: Result<Json, ApiError> = cluster.call(get(&cluster)).await;
    assert!(read.is_ok(), "{read:?}");
    assert_eq!(script.requests(), 3);
}

#[tokio::test]
async fn an_apply_is_repeated_after_an_error_of_the_server_and_when_two_writers_met() {
    let script = Script::new(&[500, 409]);
    let cluster = script.cluster();
    let parameters = PatchParams::apply("helm");
    let collection = cluster.collection(&core_kind("ConfigMap", "configmaps", true), "shop");
    let applied: Result<Json, ApiError> = cluster.call(collection.apply("x", &parameters, &json!({}))).await;
    assert!(applied.is_ok(), "{applied:?}");
    assert_eq!(script.requests(), 3);
    let script = Script::new(&[500]);
    let created: Result<Json, ApiError> = script.cluster().call(create(&script.cluster())).await;
    assert!(matches!(created, Err(ApiError::Server { code: 500, .. })), "{created:?}");
}

#[tokio::test]
async fn a_refusal_is_final() {
    let script = Script::new(&[422]);
    let cluster = script.cluster();
    let reply: Result<Json, ApiError> = cluster.call(get(&cluster)).await;
    assert!(matches!(reply, Err(ApiError::Invalid { .. })), "{reply:?}");
    assert_eq!(script.requests(), 1);
}

#[tokio::test]
async fn every_request_of_an_impersonating_handle_names_the_account() {
    let script = Script::new(&[]);
    let cluster = script.cluster().impersonate("shop", "deployer").expect("a valid name");
    let reply: Result<Json, ApiError> = cluster.call(get(&cluster)).await;
    assert!(reply.is_ok(), "{reply:?}");
    let requests = script.requests.lock().unwrap_or_else(PoisonError::into_inner);
    assert_eq!(requests[0].headers()["impersonate-user"], "system:serviceaccount:shop:deployer");
    assert!(script.cluster().impersonate("shop", "bad\nname").is_err());
}

#[tokio::test]
async fn a_missing_right_counts_only_once_the_api_server_has_settled() {
    let script = Script::new(&[403]);
    let cluster = script.cluster();
    let refused: Result<Json, ApiError> = cluster.call(get(&cluster)).await;
    assert!(matches!(refused, Err(ApiError::Forbidden { .. })), "{refused:?}");
    let script = Script::new(&[503, 403, 403]);
    let cluster = script.cluster();
    let created: Result<Json, ApiError> = cluster.call(create(&cluster)).await;
    assert!(created.is_ok(), "{created:?}");
    assert_eq!(script.requests(), 4);
}
