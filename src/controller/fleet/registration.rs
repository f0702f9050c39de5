//! From a Cluster object or a Secret with a kubeconfig to how the cluster is reached.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{ListParams, PartialObjectMeta};
use kube::{Api, Client, ResourceExt};

use crate::api::Reason;
use crate::api::cluster::Cluster as ClusterObject;
use crate::api::names::{CLUSTER_API_LABEL, CLUSTER_LABEL, INSECURE_SKIP_TLS_VERIFY, switched_on};
use crate::cluster::ApiError;
use crate::cluster::connection::{Connection, TokenAccess};
use crate::controller::failure::{Failure, reason_of};

/// The keys of a Secret that may hold a kubeconfig: Cluster API's and Flux's, and the plain word.
const KUBECONFIG: [&str; 3] = ["value", "value.yaml", "kubeconfig"];
/// What Cluster API adds to a cluster's name.
const SUFFIX: &str = "-kubeconfig";

/// Where a Secret is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct SecretKey {
    pub(super) namespace: String,
    pub(super) name: String,
}

/// The Secret that a Cluster's operator logs in with: the one of `authInfo.controller`, else `NAME-kubeconfig`.
pub(super) fn secret_of(object: &ClusterObject) -> SecretKey {
    let own = object.namespace().unwrap_or_default();
    match object.spec.auth_info.as_ref().and_then(|info| info.controller.as_ref()) {
        Some(reference) if !reference.name.is_empty() => {
            let namespace = reference.namespace.clone().unwrap_or(own);
            SecretKey { namespace, name: reference.name.clone() }
        }
        _ => SecretKey { namespace: own, name: format!("{}{SUFFIX}", object.name_any()) },
    }
}

/// The name of the cluster that a Secret registers by itself, if its labels say that it does.
pub(super) fn registered_by(labels: &BTreeMap<String, String>, secret: &str) -> Option<String> {
    let named = labels.get(CLUSTER_LABEL).or_else(|| labels.get(CLUSTER_API_LABEL))?;
    let own = secret.strip_suffix(SUFFIX).unwrap_or(secret);
    Some(if named.is_empty() { own } else { named }.to_owned())
}

/// How a registered cluster is reached.
///
/// # Errors
/// What the Cluster or its Secret lacks.
pub(super) async fn connection(object: &ClusterObject, secret: &Secret) -> Result<Connection, Failure> {
    if let Some(text) = kubeconfig(secret) {
        return of_kubeconfig(&text, secret).await;
    }
    let name = object.name_any();
    let Some(token) = text(secret, "token").filter(|token| !token.is_empty()) else {
        return Err(lacks(secret, "the key token, or a kubeconfig under the key value"));
    };
    let Some(server) = object.spec.server_address() else {
        let message = format!("Cluster {name:?} has no spec.kubernetesApiEndpoints.serverEndpoints[0].serverAddress");
        return Err(Failure::new(Reason::InvalidAddress, message));
    };
    let access = TokenAccess {
        server: server.to_owned(),
        authorities: authorities(object, secret)?,
        token,
        insecure: switched_on(object.annotations().get(INSECURE_SKIP_TLS_VERIFY).map(String::as_str)),
    };
    let unusable = |error| Failure::new(Reason::InvalidAddress, format!("Cluster {name:?}: {error}"));
    Connection::with_token(access).await.map_err(unusable)
}

/// How the cluster is reached that a Secret registers by itself.
///
/// # Errors
/// What the Secret lacks.
pub(super) async fn connection_by(secret: &Secret) -> Result<Connection, Failure> {
    match kubeconfig(secret) {
        Some(text) => of_kubeconfig(&text, secret).await,
        None => Err(lacks(secret, "a kubeconfig under the key value")),
    }
}

async fn of_kubeconfig(text: &str, secret: &Secret) -> Result<Connection, Failure> {
    let unusable = |error| Failure::new(Reason::CredentialsMissing, format!("{}: {error}", named(secret)));
    Connection::with_kubeconfig(text).await.map_err(unusable)
}

/// How a cluster is reached that is registered in a namespace, read once with the rights of `client`.
///
/// # Errors
/// It is not registered, or what is registered cannot be read or used, in words.
pub async fn registered_cluster(client: &Client, namespace: &str, name: &str) -> Result<Connection, String> {
    look_up(client, namespace, name).await.map_err(|failure| failure.message)
}

async fn look_up(client: &Client, namespace: &str, name: &str) -> Result<Connection, Failure> {
    let clusters: Api<ClusterObject> = Api::namespaced(client.clone(), namespace);
    let unread = |kind: &str, error: ApiError| {
        Failure::new(reason_of(&error), format!("{kind} of namespace {namespace:?} cannot be read: {error}"))
    };
    let object = match clusters.get_opt(name).await.map_err(ApiError::from) {
        Err(ApiError::KindNotServed) => None,
        object => object.map_err(|error| unread("Clusters", error))?,
    };
    if let Some(object) = object {
        return connection(&object, &secret(client, &secret_of(&object)).await?).await;
    }
    let secrets: Api<Secret> = Api::namespaced(client.clone(), namespace);
    for label in [CLUSTER_LABEL, CLUSTER_API_LABEL] {
        let labelled = ListParams::default().labels(label);
        let listed = secrets.list_metadata(&labelled).await.map_err(|error| unread("Secrets", error.into()))?;
        let is_it = |secret: &&PartialObjectMeta<Secret>| {
            registered_by(secret.labels(), &secret.name_any()).as_deref() == Some(name)
        };
        if let Some(found) = listed.items.iter().find(is_it) {
            let key = SecretKey { namespace: namespace.to_owned(), name: found.name_any() };
            return connection_by(&secret(client, &key).await?).await;
        }
    }
    Err(Failure::new(Reason::ClusterNotFound, format!("nothing registers it in namespace {namespace:?}")))
}

/// A Secret that a cluster is registered with.
///
/// # Errors
/// It does not exist or cannot be read.
pub(super) async fn secret(client: &Client, key: &SecretKey) -> Result<Secret, Failure> {
    let SecretKey { namespace, name } = key;
    let secrets: Api<Secret> = Api::namespaced(client.clone(), namespace);
    secrets.get(name).await.map_err(|error| match ApiError::from(error) {
        ApiError::NotFound => {
            let message = format!("Secret {namespace}/{name} does not exist; create it or correct the reference");
            Failure::new(Reason::CredentialsMissing, message)
        }
        error => Failure::new(reason_of(&error), format!("Secret {namespace}/{name} cannot be read: {error}")),
    })
}

fn authorities(object: &ClusterObject, secret: &Secret) -> Result<Option<Vec<u8>>, Failure> {
    let bundle = object.spec.kubernetes_api_endpoints.as_ref().and_then(|endpoints| endpoints.ca_bundle.as_deref());
    let Some(bundle) = bundle else { return Ok(text(secret, "ca.crt").map(String::into_bytes)) };
    let decoded = STANDARD.decode(bundle.trim()).map_err(|_| {
        let message = format!("caBundle of Cluster {:?} is not PEM in base64; correct it", object.name_any());
        Failure::new(Reason::CredentialsMissing, message)
    })?;
    Ok(Some(decoded))
}

fn kubeconfig(secret: &Secret) -> Option<String> {
    KUBECONFIG.iter().find_map(|key| text(secret, key))
}

/// The text under a key, without the line break at its end that `echo` leaves.
fn text(secret: &Secret, key: &str) -> Option<String> {
    let data = secret.data.as_ref()?.get(key)?;
    Some(String::from_utf8(data.0.clone()).ok()?.trim().to_owned())
}

fn lacks(secret: &Secret, what: &str) -> Failure {
    Failure::new(Reason::CredentialsMissing, format!("{} has not {what}: add it", named(secret)))
}

fn named(secret: &Secret) -> String {
    format!("Secret {}/{}", secret.namespace().unwrap_or_default(), secret.name_any())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn object(spec: &Value) -> ClusterObject {
        serde_json::from_value(json!({
            "apiVersion": "clusterregistry.k8s.io/v1alpha1", "kind": "Cluster",
            "metadata": {"name": "east", "namespace": "captain-system"}, "spec": spec,
        }))
        .expect("a Cluster")
    }

    fn secret(data: &[(&str, &str)]) -> Secret {
        let data: BTreeMap<&str, String> = data.iter().map(|(key, text)| (*key, STANDARD.encode(text))).collect();
        serde_json::from_value(json!({"metadata": {"name": "east-token", "namespace": "captain-system"}, "data": data}))
            .expect("a Secret")
    }

    #[test]
    fn the_secret_is_the_controllers_or_named_like_cluster_api_does() {
        let key = |namespace: &str, name: &str| SecretKey { namespace: namespace.into(), name: name.into() };
        let named = |controller: Value| secret_of(&object(&json!({"authInfo": {"controller": controller}})));
        assert_eq!(named(json!({"kind": "Secret", "name": "t", "namespace": "n"})), key("n", "t"));
        assert_eq!(named(json!({"name": "t"})), key("captain-system", "t"));
        assert_eq!(secret_of(&object(&json!({}))), key("captain-system", "east-kubeconfig"));
    }

    #[test]
    fn a_label_registers_a_secret_under_its_value_or_the_secrets_own_name() {
        let registered = |label: &str, value: &str| {
            registered_by(&BTreeMap::from([(label.to_owned(), value.to_owned())]), "west-kubeconfig")
        };
        assert_eq!(registered(CLUSTER_LABEL, "far").as_deref(), Some("far"));
        assert_eq!(registered(CLUSTER_LABEL, "").as_deref(), Some("west"));
        assert_eq!(registered(CLUSTER_API_LABEL, "west").as_deref(), Some("west"));
        assert_eq!(registered("app", "west"), None);
    }

    #[tokio::test]
    async fn a_token_with_a_line_break_is_the_token() {
        let endpoints = json!({"kubernetesApiEndpoints": {"serverEndpoints": [{"serverAddress": "10.0.0.1:6443"}]}});
        let with = |token: &str| {
            let (object, secret) = (object(&endpoints), secret(&[("token", token)]));
            async move { connection(&object, &secret).await.expect("a connection") }
        };
        let (one, same) = (with("abc").await, with("abc\n").await);
        assert_eq!((one.server().as_str(), one.verifies()), ("https://10.0.0.1:6443/", true));
        assert!(one == same);
    }

    #[tokio::test]
    async fn what_is_missing_is_named_with_its_place_and_no_secret() {
        let empty = json!({});
        let failure = connection(&object(&empty), &secret(&[("tok", "abc")])).await.expect_err("no token");
        assert_eq!(failure.reason, Reason::CredentialsMissing);
        assert!(failure.message.contains("captain-system/east-token has not the key token"), "{}", failure.message);
        let failure = connection(&object(&empty), &secret(&[("token", "abc")])).await.expect_err("no address");
        assert_eq!(failure.reason, Reason::InvalidAddress);
        let failure = connection(&object(&empty), &secret(&[("value", "hunter2")])).await.expect_err("no kubeconfig");
        assert!(!failure.message.contains("hunter2"), "{}", failure.message);
    }

    #[tokio::test]
    async fn turning_verification_off_takes_the_annotation() {
        let endpoints = json!({"kubernetesApiEndpoints": {"serverEndpoints": [{"serverAddress": "a"}]}});
        let mut open = object(&endpoints);
        open.annotations_mut().insert(INSECURE_SKIP_TLS_VERIFY.into(), "true".into());
        assert!(!connection(&open, &secret(&[("token", "t")])).await.expect("a connection").verifies());
    }
}
