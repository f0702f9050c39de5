//! From a ChartRepo and its Secrets to the plain options of a repository.

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::core::PartialObjectMeta;
use kube::runtime::reflector::{ObjectRef, Store};
use kube::{Api, Client, ResourceExt};

use super::{Failure, shelf};
use crate::api::chart_repo::{ChartRepo, ConfigMapReference, RepositoryType, SecretReference, VersionControl};
use crate::api::verification::SignatureProvider;
use crate::api::{Reason, Verification};
use crate::cluster::ApiError;
use crate::controller::credentials::{self, Keys, KeysError};
use crate::source::{Credentials, Keyring, Options, Reach, Tls, Trust, Workshop, git, http, oci, svn};

/// Where the objects are read that a ChartRepo names, and which addresses it may have.
#[derive(Clone, Copy)]
pub(super) struct Surroundings<'a> {
    pub(super) client: &'a Client,
    pub(super) operator_namespace: &'a str,
    pub(super) reach: Reach,
    /// What to write with; nothing where that is up to another replica.
    pub(super) writer: Option<&'a Client>,
    /// Where repositories are checked out; nothing where none are.
    pub(super) workshop: Option<&'a Workshop>,
}

/// The options; reads the Secrets and the ConfigMap that the ChartRepo names.
pub(super) async fn options(surroundings: &Surroundings<'_>, object: &ChartRepo) -> Result<Options, Failure> {
    let type_ = object.spec.type_();
    if object.spec.verify.is_some()
        && matches!(type_, RepositoryType::Git | RepositoryType::Svn | RepositoryType::Local)
    {
        let message = "spec.verify is for repositories of the types HTTP and OCI: charts in Git, SVN and Local have no \
                       signatures; remove it";
        return Err(Failure::new(Reason::InvalidRequest, message));
    }
    match type_ {
        RepositoryType::Http | RepositoryType::Chart => surroundings.http(object).await.map(Options::Http),
        RepositoryType::Oci => surroundings.oci(object).await.map(Options::Oci),
        RepositoryType::Git => surroundings.git(object).await.map(Options::Git),
        RepositoryType::Svn => surroundings.svn(object).await.map(Options::Svn),
        RepositoryType::Local => {
            let writer = surroundings.writer.cloned();
            Ok(Options::Local(shelf::options(surroundings.client, writer, object)))
        }
    }
}

impl Surroundings<'_> {
    async fn http(&self, object: &ChartRepo) -> Result<http::Options, Failure> {
        let url = url(object, "the folder of index.yaml")?;
        Ok(http::Options {
            credentials: self.credentials(object, &url).await?,
            url,
            pass_credentials_all: object.spec.pass_credentials_all,
            tls: self.tls(object).await?,
            reach: self.reach,
            folder: self.workshop.map(|workshop| workshop.folder().to_owned()),
            keyring: self.keyring(object).await?,
            ..http::Options::default()
        })
    }

    async fn oci(&self, object: &ChartRepo) -> Result<oci::Options, Failure> {
        let (url, spec) = (url(object, "oci://, the registry's host and a path")?, &object.spec);
        Ok(oci::Options {
            credentials: self.credentials(object, &url).await?,
            url,
            charts: spec.charts.clone(),
            tag_filter: spec.tag_filter.clone(),
            tls: self.tls(object).await?,
            reach: self.reach,
            plain_http: spec.plain_http,
            trust: self.trust(object).await?,
            ..oci::Options::default()
        })
    }

    /// Who must have signed the charts of a registry.
    async fn trust(&self, object: &ChartRepo) -> Result<Option<Trust>, Failure> {
        let Some(verify) = &object.spec.verify else { return Ok(None) };
        Ok(Some(self.public_keys(object, verify).await?.trust(verify.provider())?))
    }

    /// Who must have signed the charts of a web server.
    async fn keyring(&self, object: &ChartRepo) -> Result<Option<Keyring>, Failure> {
        let Some(verify) = &object.spec.verify else { return Ok(None) };
        if verify.provider() == SignatureProvider::Cosign {
            let message = "signatures of cosign are in registries: set spec.verify.provider to Provenance";
            return Err(Failure::new(Reason::InvalidRequest, message));
        }
        Ok(Some(self.public_keys(object, verify).await?.keyring()?))
    }

    async fn public_keys(&self, object: &ChartRepo, verify: &Verification) -> Result<Keys, Failure> {
        let reference = SecretReference { name: verify.secret_ref.clone(), namespace: None };
        self.secret(object, "spec.verify.secretRef", &reference).await
    }

    async fn svn(&self, object: &ChartRepo) -> Result<svn::Options, Failure> {
        let (source, workshop) = self.checked_out(object)?;
        Ok(svn::Options {
            revision: source.reference.clone(),
            path: source.path.clone().unwrap_or_default(),
            namespace: object.namespace().unwrap_or_default(),
            credentials: self.credentials(object, &source.url).await?,
            tls: self.tls(object).await?,
            reach: self.reach,
            ..svn::Options::new(&source.url, workshop)
        })
    }

    /// What is checked out, and where.
    fn checked_out<'a>(&self, object: &'a ChartRepo) -> Result<(&'a VersionControl, Workshop), Failure> {
        let missing_url =
            || Failure::new(Reason::InvalidAddress, "spec.source.url is empty: set it to what is checked out");
        let source = object.spec.source.as_ref().filter(|source| !source.url.is_empty()).ok_or_else(missing_url)?;
        let no_workshop = || Failure::new(Reason::InternalError, "repositories are not checked out here");
        Ok((source, self.workshop.ok_or_else(no_workshop)?.clone()))
    }

    async fn git(&self, object: &ChartRepo) -> Result<git::Options, Failure> {
        let (source, workshop) = self.checked_out(object)?;
        let mut options = git::Options::new(&source.url, workshop);
        options.wanted = git::Wanted::of(source.reference.as_deref(), source.semver.as_deref());
        options.path = source.path.clone().unwrap_or_default();
        options.submodules = source.submodules;
        options.namespace = object.namespace().unwrap_or_default();
        options.reach = self.reach;
        if git::needs_ssh(&source.url) {
            let no_secret = || KeysError::NoSsh { url: "spec.source.url".to_owned(), secret: "spec.secret".to_owned() };
            let reference = object.spec.secret.as_ref().ok_or_else(no_secret)?;
            options.ssh = Some(self.secret(object, "spec.secret", reference).await?.ssh()?);
        } else {
            options.credentials = self.credentials(object, &source.url).await?;
            options.tls = self.tls(object).await?;
        }
        Ok(options)
    }

    /// Who we are to an address.
    async fn credentials(&self, object: &ChartRepo, url: &str) -> Result<Option<Credentials>, Failure> {
        match &object.spec.secret {
            Some(reference) => Ok(self.secret(object, "spec.secret", reference).await?.credentials(url)?),
            None => Ok(None),
        }
    }

    async fn tls(&self, object: &ChartRepo) -> Result<Tls, Failure> {
        let spec = &object.spec;
        let secret = match &spec.tls_secret {
            Some(reference) => Some(self.secret(object, "spec.tlsSecret", reference).await?),
            None => None,
        };
        let map = spec.ca_config_map.as_ref().map(|named| self.config_map(object, "spec.caConfigMap", named));
        credentials::tls(spec.ca_bundle.as_deref(), spec.insecure_skip_tls_verify, secret.as_ref(), map).await
    }

    /// The Secret that a field names.
    pub(super) async fn secret(
        &self,
        object: &ChartRepo,
        field: &str,
        reference: &SecretReference,
    ) -> Result<Keys, Failure> {
        let own = object.namespace().unwrap_or_default();
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
        match api.get_opt(&reference.name).await.map_err(ApiError::from)? {
            Some(secret) => Ok(Keys::of_secret(secret, &reference.name, field)),
            None => Err(absent("Secret", &reference.name, field, namespace)),
        }
    }

    async fn config_map(&self, object: &ChartRepo, field: &str, named: &ConfigMapReference) -> Result<Keys, Failure> {
        let namespace = object.namespace().unwrap_or_default();
        let api: Api<ConfigMap> = Api::namespaced(self.client.clone(), &namespace);
        match api.get_opt(&named.name).await.map_err(ApiError::from)? {
            Some(map) => Ok(Keys::of_config_map(map, &named.name, field)),
            None => Err(absent("ConfigMap", &named.name, field, &namespace)),
        }
    }
}

fn url(object: &ChartRepo, needed: &str) -> Result<String, Failure> {
    let missing = || Failure::new(Reason::InvalidAddress, format!("spec.url is empty: set it to {needed}"));
    object.spec.url.clone().ok_or_else(missing)
}

/// The ChartRepos that name a ConfigMap.
pub(super) fn users_of_map(store: &Store<ChartRepo>, map: &PartialObjectMeta<ConfigMap>) -> Vec<ObjectRef<ChartRepo>> {
    let (namespace, name) = (map.namespace(), map.name_any());
    let names_it = |object: &ChartRepo| {
        object.namespace() == namespace && object.spec.ca_config_map.as_ref().is_some_and(|other| other.name == name)
    };
    let users = store.state().into_iter().filter(|object| names_it(object));
    users.map(|object| ObjectRef::from_obj(object.as_ref())).collect()
}

/// The ChartRepos that name a Secret.
pub(super) fn users_of(store: &Store<ChartRepo>, secret: &PartialObjectMeta<Secret>) -> Vec<ObjectRef<ChartRepo>> {
    let (namespace, name) = (secret.namespace().unwrap_or_default(), secret.name_any());
    let names_it = |object: &ChartRepo| {
        let own = object.namespace().unwrap_or_default();
        let spec = &object.spec;
        let mut references = spec.secret.iter().chain(&spec.tls_secret).chain(&spec.webhook_secret);
        references.any(|other| other.name == name && *other.namespace.as_ref().unwrap_or(&own) == namespace)
            || spec.verify.as_ref().is_some_and(|verify| verify.secret_ref == name && own == namespace)
    };
    let users = store.state().into_iter().filter(|object| names_it(object));
    users.map(|object| ObjectRef::from_obj(object.as_ref())).collect()
}

fn absent(kind: &str, name: &str, field: &str, namespace: &str) -> Failure {
    let message = format!("{kind} {name:?} of {field} is not in namespace {namespace:?}: create it or correct {field}");
    Failure::new(Reason::CredentialsMissing, message)
}
