use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use http::{Request, Response, StatusCode};
use kube::client::Body;
use serde_json::{Value, json};
use tower::service_fn;

use super::*;

/// An API server that has each Secret that it is asked for, save those called `missing`.
async fn answer(request: Request<Body>) -> Result<Response<Body>, std::convert::Infallible> {
    let name = request.uri().path().rsplit('/').next().unwrap_or_default().to_owned();
    let (status, object) = match name.as_str() {
        "missing" => {
            let failure = json!({"kind": "Status", "status": "Failure", "reason": "NotFound", "code": 404});
            (StatusCode::NOT_FOUND, failure)
        }
        _ => (StatusCode::OK, json!({"metadata": {"name": name}, "data": {"token": "YWJj"}})),
    };
    let mut answer = Response::new(Body::from(object.to_string().into_bytes()));
    *answer.status_mut() = status;
    Ok(answer)
}

fn clerk(registry: &Registry) -> Clerk<impl Fn(&str) + Send + Sync + use<>> {
    Clerk::new(Client::new(service_fn(answer), "default"), "home", registry.clone(), |_| {})
}

fn object(name: &str, secret: &str, tier: &str) -> ClusterObject {
    serde_json::from_value(json!({
        "apiVersion": "clusterregistry.k8s.io/v1alpha1", "kind": "Cluster",
        "metadata": {"name": name, "namespace": "home", "labels": {"tier": tier}},
        "spec": {
            "kubernetesApiEndpoints": {"serverEndpoints": [{"serverAddress": "10.0.0.1"}]},
            "authInfo": {"controller": {"name": secret}},
        },
    }))
    .expect("a Cluster")
}

fn secret(name: &str, labels: &Value) -> PartialObjectMeta<Secret> {
    serde_json::from_value(json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": "home", "labels": labels},
    }))
    .expect("a Secret's metadata")
}

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[tokio::test]
async fn a_secret_concerns_the_clusters_that_log_in_with_it_or_that_it_registers() {
    let mut clerk = clerk(&Registry::default());
    clerk.take_object(Ok(Event::Apply(object("east", "token", "core"))));
    let mut changed = |name: &str, labels: Value| clerk.take_secret("home", Ok(Event::Apply(secret(name, &labels))));
    assert_eq!(changed("token", Value::Null), names(&["east"]));
    assert_eq!(changed("other", Value::Null), names(&[]));
    assert_eq!(changed("west-kubeconfig", json!({"coxswain.dev/cluster": ""})), names(&["west"]));
    assert_eq!(changed("west-kubeconfig", json!({"coxswain.dev/cluster": "far"})), names(&["west", "far"]));
    assert_eq!(changed("west-kubeconfig", Value::Null), names(&["far"]), "it registers nothing any more");
}

#[tokio::test]
async fn what_was_read_of_a_cluster_counts_while_its_secret_cannot_be_read() {
    let registry = Registry::default();
    let is_away = Arc::new(AtomicBool::new(false));
    let server = {
        let is_away = Arc::clone(&is_away);
        service_fn(move |request: Request<Body>| {
            let is_away = is_away.load(Ordering::Relaxed);
            async move {
                let answered = answer(request).await.map_err(io::Error::other);
                if is_away { Err(io::ErrorKind::ConnectionRefused.into()) } else { answered }
            }
        })
    };
    let mut clerk = Clerk::new(Client::new(server, "default"), "home", registry.clone(), |_| {});
    let mut tell = async |object: ClusterObject| {
        let affected = clerk.take_object(Ok(Event::Apply(object)));
        clerk.read(affected).await;
        !clerk.unread.is_empty()
    };
    assert!(!tell(object("east", "token", "core")).await);
    let connection = registry.connection("home", "east");
    assert!(connection.is_ok());
    is_away.store(true, Ordering::Relaxed);
    assert!(tell(object("east", "token", "edge")).await, "it is read again");
    assert!(registry.connection("home", "east") == connection);
    let edge: LabelSelector = serde_json::from_value(json!({"matchLabels": {"tier": "edge"}})).expect("a selector");
    assert!(!registry.passes_over(&edge, "east"), "its labels are known");
    assert!(tell(object("west", "token", "edge")).await);
    let failure = registry.connection("home", "west").expect_err("nothing was read of it");
    assert_eq!(failure.reason, Reason::ClusterUnreachable);
}

#[tokio::test]
async fn what_is_registered_is_known_once_both_lists_were_told_and_where_the_kind_is_not_there() {
    let registry = Registry::default();
    let mut clerk = clerk(&registry);
    let unknown = || registry.connection("home", "east").expect_err("it is not registered");
    assert_eq!(unknown().reason, Reason::Progressing);
    clerk.take_secret("home", Ok(Event::Init));
    let affected = clerk.take_secret("home", Ok(Event::InitDone));
    clerk.read(affected).await;
    assert_eq!(unknown().reason, Reason::Progressing);
    clerk.take_problem(&ApiError::NotFound);
    clerk.read(BTreeSet::new()).await;
    assert_eq!(unknown().reason, Reason::ClusterNotFound);
    assert_eq!(registry.picked(None), Ok(Some(BTreeSet::new())));
}

#[tokio::test]
async fn clusters_are_picked_by_their_labels_and_one_without_its_secret_says_so() {
    let registry = Registry::default();
    let mut clerk = clerk(&registry);
    clerk.has_secrets = true;
    for event in [
        Event::Init,
        Event::InitApply(object("east", "token", "core")),
        Event::InitApply(object("west", "missing", "edge")),
        Event::InitDone,
    ] {
        let affected = clerk.take_object(Ok(event));
        clerk.read(affected).await;
    }
    assert!(registry.connection("home", "east").is_ok());
    let failure = registry.connection("home", "west").expect_err("its Secret is not there");
    assert!(failure.reason == Reason::CredentialsMissing && failure.away, "{failure:?}");
    let edge: LabelSelector = serde_json::from_value(json!({"matchLabels": {"tier": "edge"}})).expect("a selector");
    assert_eq!(registry.picked(Some(&edge)), Ok(Some(names(&["west"]))));
    assert!(registry.passes_over(&edge, "east") && !registry.passes_over(&edge, "west"));
    assert!(!registry.passes_over(&edge, "north"), "of what is not registered nothing is taken away");
}
