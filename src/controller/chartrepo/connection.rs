//! From a ChartRepo and its Secrets to the plain options of a repository.

use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client, ResourceExt};

use super::Failure;
use crate::api::Reason;
use crate::api::chart_repo::{ChartRepo, RepositoryType, SecretReference};
use crate::cluster::ApiError;
use crate::controller::credentials::{Data, credentials, text};
use crate::source::{Identity, Options, Tls, http, oci};

/// The options; reads the Secrets that the ChartRepo names.
pub(super) async fn options(client: &Client, object: &ChartRepo, operator_namespace: &str) -> Result<Options, Failure> {
    let spec = &object.spec;
    let type_ = spec.type_();
    let needed = match type_ {
        RepositoryType::Http | RepositoryType::Chart => "the folder of index.yaml",
        RepositoryType::Oci => "oci://, the registry's host and a path",
        other => {
            let message =
                format!("spec.type {other:?} is not supported by this version: use an HTTP or OCI repository");
            return Err(Failure::new(Reason::InvalidRequest, message));
        }
    };
    let missing_url = || Failure::new(Reason::InvalidAddress, format!("spec.url is empty: set it to {needed}"));
    let url = spec.url.clone().ok_or_else(missing_url)?;
    let secrets = Secrets { client, object, operator_namespace };
    let credentials = match &spec.secret {
        Some(reference) => {
            let data = secrets.read("spec.secret", reference).await?;
            credentials(&data, &reference.name, "spec.secret", &url)
                .map_err(|message| Failure::new(Reason::CredentialsMissing, message))?
        }
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
    Ok(match type_ {
        RepositoryType::Oci => Options::Oci(oci::Options {
            url,
            charts: spec.charts.clone(),
            tag_filter: spec.tag_filter.clone(),
            credentials,
            tls,
            plain_http: spec.plain_http,
            ..oci::Options::default()
        }),
        _ => {
            let pass_credentials_all = spec.pass_credentials_all;
            Options::Http(http::Options { url, credentials, pass_credentials_all, tls, ..http::Options::default() })
        }
    })
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
    use k8s_openapi::ByteString;

    use super::*;

    fn data(pairs: &[(&str, &str)]) -> Data {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), ByteString(value.as_bytes().to_vec()))).collect()
    }

    #[test]
    fn an_identity_is_a_certificate_with_its_key() {
        assert_eq!(identity(&data(&[("ca.crt", "x")])), Ok(None));
        assert!(identity(&data(&[("tls.crt", "x"), ("tls.key", "y")])).is_ok_and(|identity| identity.is_some()));
        assert!(identity(&data(&[("tls.crt", "x")])).is_err());
    }
}
