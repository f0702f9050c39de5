//! How another cluster is reached: from what is registered of it to the configuration of a client.
//!
//! What is registered comes out of a Secret, so nothing in it may run a program here (exec and auth-provider plugins) or
//! name a file of this machine; both are refused by name. No message quotes what is secret: a kubeconfig that cannot be
//! read is only said to be none.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kube::Config;
use kube::config::{
    AuthInfo, Cluster, Context, KubeConfigOptions, Kubeconfig, NamedAuthInfo, NamedCluster, NamedContext,
};
use sha2::{Digest, Sha256};

/// Why a cluster cannot be reached with what is registered of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConnectionError {
    /// The text is no kubeconfig.
    #[error("it is not a kubeconfig: store one as kubectl config view --raw --minify --flatten prints it")]
    NotAKubeconfig,
    /// The kubeconfig does not say which cluster and user are meant.
    #[error("the kubeconfig has no current context with a cluster and a user; set current-context")]
    NoContext,
    /// It wants something of this machine.
    #[error("the kubeconfig has {0}, which is not done for what a Secret says; store {1} instead")]
    Refused(&'static str, &'static str),
    /// The address is none.
    #[error("the server's address {0:?} is not one; write https://HOST:PORT")]
    Address(String),
    /// The address would send the credentials for all to read.
    #[error("the server's address {0:?} is without TLS; write https://HOST:PORT")]
    NotTls(String),
    /// Certificates or keys cannot be used.
    #[error("its certificates or keys cannot be used; store PEM in base64")]
    Material,
}

/// How a cluster is reached.
#[derive(Clone)]
pub struct Connection {
    config: Config,
    /// Over everything that it was made of.
    digest: [u8; 32],
}

impl PartialEq for Connection {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest
    }
}

impl fmt::Debug for Connection {
    /// Leaves the credentials out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("server", &self.config.cluster_url).finish_non_exhaustive()
    }
}

/// A server, and the token that it takes.
#[derive(Clone, Default)]
pub struct TokenAccess {
    /// The server: a host, host:port or URL.
    pub server: String,
    /// Certificates of the authorities that may have signed the server's, as PEM. Without any, those of the system.
    pub authorities: Option<Vec<u8>>,
    /// The token.
    pub token: String,
    /// Whether the server's certificate may be anyone's.
    pub insecure: bool,
}

impl Connection {
    /// Reaches a server with a token.
    ///
    /// # Errors
    /// The address or the certificates cannot be used.
    pub async fn with_token(access: TokenAccess) -> Result<Self, ConnectionError> {
        let TokenAccess { server, authorities, token, insecure } = access;
        let cluster = Cluster {
            server: Some(if server.contains("://") { server } else { format!("https://{server}") }),
            certificate_authority_data: authorities.filter(|_| !insecure).map(|pem| STANDARD.encode(pem)),
            insecure_skip_tls_verify: Some(insecure),
            ..Cluster::default()
        };
        let user = AuthInfo { token: Some(token.into()), ..AuthInfo::default() };
        Self::made_of(cluster, user).await
    }

    /// Reaches what the current context of a kubeconfig says; of a kubeconfig with one context, that one.
    ///
    /// # Errors
    /// It is no kubeconfig, or wants something of this machine.
    pub async fn with_kubeconfig(text: &str) -> Result<Self, ConnectionError> {
        let kubeconfig = Kubeconfig::from_yaml(text).map_err(|_| ConnectionError::NotAKubeconfig)?;
        let (cluster, user) = current(&kubeconfig).ok_or(ConnectionError::NoContext)?;
        refuse_what_is_of_this_machine(&cluster, &user)?;
        Self::made_of(cluster, user).await
    }

    async fn made_of(cluster: Cluster, user: AuthInfo) -> Result<Self, ConnectionError> {
        let server = cluster.server.clone().unwrap_or_default();
        let address: http::Uri = server.parse().map_err(|_| ConnectionError::Address(server.clone()))?;
        match address.scheme_str() {
            Some("https") if address.host().is_some_and(|host| !host.is_empty()) => {}
            Some("http") => return Err(ConnectionError::NotTls(server)),
            _ => return Err(ConnectionError::Address(server)),
        }
        let name = "registered".to_owned();
        let context = Context { cluster: name.clone(), user: Some(name.clone()), ..Context::default() };
        let kubeconfig = Kubeconfig {
            clusters: vec![NamedCluster { name: name.clone(), cluster: Some(cluster), other: BTreeMap::new() }],
            auth_infos: vec![NamedAuthInfo { name: name.clone(), auth_info: Some(user), other: BTreeMap::new() }],
            contexts: vec![NamedContext { name: name.clone(), context: Some(context), other: BTreeMap::new() }],
            current_context: Some(name),
            ..Kubeconfig::default()
        };
        let text = serde_json::to_vec(&kubeconfig).unwrap_or_default();
        let made = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await;
        let config = made.map_err(|_| ConnectionError::Material)?;
        Ok(Self { config, digest: Sha256::digest(text).into() })
    }

    /// The configuration of a client.
    pub fn config(&self) -> Config {
        self.config.clone()
    }

    /// The server's address.
    pub fn server(&self) -> String {
        self.config.cluster_url.to_string()
    }

    /// Whether the server's certificate is verified.
    pub fn verifies(&self) -> bool {
        !self.config.accept_invalid_certs
    }
}

/// The cluster and the user of the current context, or of the only one.
fn current(kubeconfig: &Kubeconfig) -> Option<(Cluster, AuthInfo)> {
    let named = kubeconfig.current_context.as_deref().filter(|name| !name.is_empty());
    let context = match (named, kubeconfig.contexts.as_slice()) {
        (Some(name), contexts) => contexts.iter().find(|context| context.name == name)?,
        (None, [only]) => only,
        (None, _) => return None,
    };
    let context = context.context.as_ref()?;
    let cluster = kubeconfig.clusters.iter().find(|cluster| cluster.name == context.cluster)?.cluster.clone()?;
    let user = context.user.as_deref().unwrap_or_default();
    let user = kubeconfig.auth_infos.iter().find(|info| info.name == user)?.auth_info.clone()?;
    Some((cluster, user))
}

fn refuse_what_is_of_this_machine(cluster: &Cluster, user: &AuthInfo) -> Result<(), ConnectionError> {
    let refused = [
        (user.exec.is_some(), "an exec plugin", "a token or a client certificate"),
        (user.auth_provider.is_some(), "an auth provider", "a token or a client certificate"),
        (user.token_file.is_some(), "tokenFile", "the token itself"),
        (user.client_certificate.is_some(), "the file client-certificate", "client-certificate-data"),
        (user.client_key.is_some(), "the file client-key", "client-key-data"),
        (cluster.certificate_authority.is_some(), "the file certificate-authority", "certificate-authority-data"),
    ];
    match refused.into_iter().find(|(is_there, ..)| *is_there) {
        Some((_, what, instead)) => Err(ConnectionError::Refused(what, instead)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kubeconfig(cluster: &str, user: &str) -> String {
        format!(
            "apiVersion: v1\nkind: Config\nclusters:\n- name: a\n  cluster: {{server: \"https://a:6443\"{cluster}}}\n\
             users:\n- name: b\n  user: {{{user}}}\ncontexts:\n- name: c\n  context: {{cluster: a, user: b}}\n"
        )
    }

    #[tokio::test]
    async fn what_would_use_this_machine_is_refused_by_name() {
        let table = [
            ("", "exec: {command: aws, apiVersion: client.authentication.k8s.io/v1}", "an exec plugin"),
            ("", "auth-provider: {name: gcp, config: {}}", "an auth provider"),
            ("", "tokenFile: /etc/passwd", "tokenFile"),
            ("", "client-certificate: /a", "the file client-certificate"),
            ("", "token: t, client-key: /a", "the file client-key"),
            (", certificate-authority: /a", "token: t", "the file certificate-authority"),
        ];
        for (cluster, user, expected) in table {
            let refused = Connection::with_kubeconfig(&kubeconfig(cluster, user)).await;
            assert!(
                matches!(refused, Err(ConnectionError::Refused(what, _)) if what == expected),
                "{user}: {refused:?}"
            );
        }
    }

    #[tokio::test]
    async fn a_kubeconfig_with_one_context_needs_no_current_one() {
        let made = Connection::with_kubeconfig(&kubeconfig("", "token: t")).await.expect("a connection");
        assert_eq!((made.server().as_str(), made.verifies()), ("https://a:6443/", true));
        let open = Connection::with_kubeconfig(&kubeconfig(", insecure-skip-tls-verify: true", "token: t")).await;
        assert!(!open.expect("a connection").verifies());
    }

    #[tokio::test]
    async fn what_is_no_kubeconfig_is_not_quoted() {
        for text in ["hunter2", "users: hunter2", "token: [hunter2"] {
            let refused = Connection::with_kubeconfig(text).await.expect_err(text);
            assert!(!refused.to_string().contains("hunter2"), "{refused}");
        }
    }

    #[tokio::test]
    async fn a_server_is_a_host_or_a_url_with_tls() {
        let server = |server: &str| TokenAccess { server: server.into(), token: "t".into(), ..TokenAccess::default() };
        let made = Connection::with_token(server("a:6443")).await.expect("a connection");
        assert_eq!(made.server(), "https://a:6443/");
        assert_eq!(made, Connection::with_token(server("https://a:6443")).await.expect("a connection"));
        assert_ne!(made, Connection::with_token(server("b:6443")).await.expect("a connection"));
        let plain = Connection::with_token(server("http://a")).await;
        assert_eq!(plain, Err(ConnectionError::NotTls("http://a".into())));
        assert!(matches!(Connection::with_token(server("")).await, Err(ConnectionError::Address(_))));
    }

    #[tokio::test]
    async fn another_token_is_another_connection() {
        let token = |token: &str| TokenAccess { server: "a".into(), token: token.into(), ..TokenAccess::default() };
        let made = Connection::with_token(token("one")).await.expect("a connection");
        assert_ne!(made, Connection::with_token(token("two")).await.expect("a connection"));
    }
}
