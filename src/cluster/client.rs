//! The handle on one API server, as the operator itself or as a service account.
//!
//! Impersonation is a layer over the same connections: requests of a thousand service accounts share one pool, and
//! an impersonated handle has no way to send a request without the header.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use kube::{Client, Config};

use super::access::KnownRules;
use super::bounded::{Absence, REQUEST_TIMEOUT, bounded};
use super::discovery::Discovery;
use super::fence::{Epoch, Fence, fenced};
use super::layer;
use super::pace::{Pace, Rate, paced};
use super::scope::Scope;

/// Why no client could be made.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The configuration does not give a working client (TLS material, proxy, credentials).
    #[error("no client can be made from the cluster configuration: {0}")]
    Configuration(#[source] Box<kube::Error>),
    /// The name of a service account cannot stand in a header.
    #[error("service account {account:?} of namespace {namespace:?} is not a valid name")]
    ServiceAccount {
        /// The namespace of the account.
        namespace: String,
        /// The name of the account.
        account: String,
    },
}

/// A handle on one API server. Clones are cheap and share connections and discovery.
#[derive(Clone)]
pub struct Cluster {
    /// Sends as the operator, or as the account where one is set.
    client: Client,
    /// Sends as the operator, always: discovery and new impersonations start here.
    own: Client,
    discovery: Arc<Discovery>,
    absence: Absence,
    /// `system:serviceaccount:NAMESPACE:NAME` where this handle acts for a service account.
    account: Option<Arc<str>>,
    /// The epoch of the lease under which this handle writes.
    epoch: Option<Arc<Epoch>>,
    scope: Scope,
    /// What the accounts may; shared by all handles.
    rules: Arc<KnownRules>,
}

impl Cluster {
    /// A handle on the API server that `config` names, whose answers may take as long as `request_timeout`, and which
    /// is asked no faster than `rate`; sends nothing yet. Must be called within a tokio runtime.
    ///
    /// The client's own repetition of requests is turned off: it would also repeat a create whose outcome is unknown.
    pub fn connect(mut config: Config, request_timeout: Duration, rate: Option<Rate>) -> Result<Self, ConnectError> {
        config.default_retry = false;
        let client = Client::try_from(config).map_err(|error| ConnectError::Configuration(Box::new(error)))?;
        Ok(Self::over_at(client, request_timeout, rate))
    }

    /// A handle over an existing client, whose requests end after [`REQUEST_TIMEOUT`] from now on.
    pub fn from_client(client: Client) -> Self {
        Self::over(client, REQUEST_TIMEOUT)
    }

    /// A handle over an existing client, whose answers may take as long as `request_timeout`.
    pub(super) fn over(client: Client, request_timeout: Duration) -> Self {
        Self::over_at(client, request_timeout, None)
    }

    fn over_at(client: Client, request_timeout: Duration, rate: Option<Rate>) -> Self {
        let absence = Absence::default();
        let client = paced(bounded(client, request_timeout, absence.clone()), Pace::new(rate));
        let discovery = Arc::new(Discovery::new(client.clone()));
        Self {
            own: client.clone(),
            client,
            discovery,
            absence,
            account: None,
            epoch: None,
            scope: Scope::Cluster,
            rules: Arc::default(),
        }
    }

    /// The same API server, every request made as this service account.
    pub fn impersonate(&self, namespace: &str, account: &str) -> Result<Self, ConnectError> {
        let user = format!("system:serviceaccount:{namespace}:{account}");
        let invalid = || ConnectError::ServiceAccount { namespace: namespace.to_owned(), account: account.to_owned() };
        let header = HeaderValue::from_str(&user).map_err(|_| invalid())?;
        Ok(Self {
            client: impersonating(self.own.clone(), header),
            own: self.own.clone(),
            discovery: Arc::clone(&self.discovery),
            absence: self.absence.clone(),
            account: Some(user.into()),
            epoch: self.epoch.clone(),
            scope: self.scope.clone(),
            rules: Arc::clone(&self.rules),
        })
    }

    /// The same API server; what changes something is sent only while the fence is open, also by the service accounts
    /// that the new handle impersonates.
    #[must_use]
    pub fn fenced(&self, fence: Fence) -> Self {
        let epoch = fence.epoch().cloned().map(Arc::new);
        let client = fenced(self.own.clone(), fence);
        Self {
            client: client.clone(),
            own: client,
            discovery: Arc::clone(&self.discovery),
            absence: self.absence.clone(),
            account: None,
            epoch,
            scope: self.scope.clone(),
            rules: Arc::clone(&self.rules),
        }
    }

    /// The same API server, of which only these namespaces are served.
    #[must_use]
    pub fn within(self, scope: Scope) -> Self {
        Self { scope, ..self }
    }

    /// What the accounts may, as far as it is known.
    pub(super) fn known_rules(&self) -> &KnownRules {
        &self.rules
    }

    /// What is served of it.
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// The epoch of the lease under which this handle writes.
    pub(super) fn epoch(&self) -> Option<&Epoch> {
        self.epoch.as_deref()
    }

    /// The client behind this handle, for watches and typed calls.
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// When the API server was last away.
    pub(super) fn absence(&self) -> &Absence {
        &self.absence
    }

    /// What the API server serves; shared by all handles.
    pub fn discovery(&self) -> &Discovery {
        &self.discovery
    }

    /// The user that this handle acts as, where it impersonates a service account.
    pub fn account(&self) -> Option<&str> {
        self.account.as_deref()
    }
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cluster").field("account", &self.account).finish_non_exhaustive()
    }
}

/// Sends by this client as a user.
///
/// Only the user is named: the API server gives a service account its groups by itself
/// (`k8s.io/apiserver/pkg/endpoints/filters/impersonation`), so the operator needs no right to impersonate groups.
fn impersonating(client: Client, user: HeaderValue) -> Client {
    layer::over(client, move |client, mut request| {
        request.headers_mut().insert("impersonate-user", user.clone());
        async move { client.send(request).await }
    })
}
