//! From a ChartRepo and its Secrets to the plain options of a repository.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client, ResourceExt};

use super::Failure;
use crate::api::Reason;
use crate::api::chart_repo::{ChartRepo, RepositoryType, SecretReference};
use crate::cluster::ApiError;
use crate::source::{Credentials, Identity, Options, Tls, http};

type Data = BTreeMap<String, ByteString>;

/// The options; reads the Secrets that the ChartRepo names.
pub(super) async fn options(client: &Client, object: &ChartRepo, operator_namespace: &str) -> Result<Options, Failure> {
    let spec = &object.spec;
    match spec.type_() {
        RepositoryType::Http | RepositoryType::Chart => {}
        other => {
            let message = format!("spec.type {other:?} is not supported by this version: use an HTTP repository");
            return Err(Failure::new(Reason::InvalidRequest, message));
        }
    }
    let missing_url = || Failure::new(Reason::InvalidAddress, "spec.url is empty: set it to the folder of index.yaml");
    let url = spec.url.clone().ok_or_else(missing_url)?;
    let secrets = Secrets { client, object, operator_namespace };
    let credentials = match &spec.secret {
        Some(reference) => Some(credentials(&secrets.read("spec.secret", reference).await?, reference)?),
        None => None,
    };
    let certificates = match &spec.tls_secret {
        Some(reference) => secrets.read("spec.tlsSecret", reference).await?,
        None => Data::new(),
    };
    let tls = Tls {
        authorities: spec.ca_bundle.clone().or_else(|| text(&certificates, "ca.crt")),
        identity: identity(&certificates)?,
        insecure_skip_verify: spec.insecure_skip_tls_verify,
    };
    let pass_credentials_all = spec.pass_credentials_all;
    Ok(Options::Http(http::Options { url, credentials, pass_credentials_all, tls, ..http::Options::default() }))
}

struct Secrets<'a> {
    client: &'a Client,
    object: &'a ChartRepo,
    operator_namespace: &'a str,
}

impl Secrets<'_> {
    async fn read(&self, field: &str, reference: &SecretReference) -> Result<Data, Failure> {
        let own = self.object.namespace().unwrap_or_default();
        let namespace = reference.namespace.as_ref().unwrap_or(&own);
        if *namespace != own && own != self.operator_namespace {
            let message = format!(
                "{field}.namespace {namespace:?} is not the ChartRepo's own: only a ChartRepo in {:?} may use Secrets \
                 of other namespaces",
                self.operator_namespace
            );
            return Err(Failure::new(Reason::InvalidRequest, message));
        }
        let api: Api<Secret> = Api::namespaced(self.client.clone(), namespace);
        match api.get_opt(&reference.name).await {
            Ok(Some(secret)) => Ok(secret.data.unwrap_or_default()),
            Ok(None) => {
                let message = format!(
                    "Secret {:?} of {field} is not in namespace {namespace:?}: create it or correct {field}",
                    reference.name
                );
                Err(Failure::new(Reason::CredentialsMissing, message))
            }
            Err(error) => Err(Failure::from(ApiError::from(error))),
        }
    }
}

fn credentials(data: &Data, reference: &SecretReference) -> Result<Credentials, Failure> {
    match (text(data, "username"), text(data, "password")) {
        (Some(username), Some(password)) => Ok(Credentials { username, password }),
        _ => {
            let message = format!(
                "Secret {:?} of spec.secret needs the keys username and password: add what is missing",
                reference.name
            );
            Err(Failure::new(Reason::CredentialsMissing, message))
        }
    }
}

fn identity(data: &Data) -> Result<Option<Identity>, Failure> {
    match (text(data, "tls.crt"), text(data, "tls.key")) {
        (Some(certificate), Some(key)) => Ok(Some(Identity { certificate, key })),
        (None, None) => Ok(None),
        _ => {
            let message =
                "the Secret of spec.tlsSecret needs both tls.crt and tls.key, or neither: add what is missing";
            Err(Failure::new(Reason::CredentialsMissing, message))
        }
    }
}

/// A key that is there and not empty, without the line break that files end with.
fn text(data: &Data, key: &str) -> Option<String> {
    let text = String::from_utf8_lossy(&data.get(key)?.0).trim_end_matches(['\r', '\n']).to_owned();
    (!text.is_empty()).then_some(text)
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        let reason = match error {
            ApiError::Forbidden { .. } => Reason::PermissionDenied,
            ApiError::Timeout { .. } | ApiError::Transport { .. } => Reason::ClusterUnreachable,
            _ => Reason::InternalError,
        };
        Self { reason, message: error.to_string(), retry_after: error.retry_after() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(pairs: &[(&str, &str)]) -> Data {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), ByteString(value.as_bytes().to_vec()))).collect()
    }

    #[test]
    fn both_parts_of_credentials_are_needed() {
        let reference = SecretReference { name: "login".to_owned(), namespace: None };
        let complete = credentials(&data(&[("username", "ann\n"), ("password", "s3cret")]), &reference);
        assert_eq!(complete.map(|c| (c.username, c.password)), Ok(("ann".to_owned(), "s3cret".to_owned())));
        for incomplete in [data(&[]), data(&[("username", "ann")]), data(&[("username", ""), ("password", "s3cret")])] {
            let failure = credentials(&incomplete, &reference).expect_err("incomplete");
            assert_eq!(failure.reason, Reason::CredentialsMissing);
            assert!(!failure.message.contains("s3cret"));
        }
    }

    #[test]
    fn an_identity_is_a_certificate_with_its_key() {
        assert_eq!(identity(&data(&[("ca.crt", "x")])), Ok(None));
        assert!(identity(&data(&[("tls.crt", "x"), ("tls.key", "y")])).is_ok_and(|identity| identity.is_some()));
        assert!(identity(&data(&[("tls.crt", "x")])).is_err());
    }
}
