//! Credentials and certificates out of Secrets and ConfigMaps, under the keys that Captain, Docker and Kubernetes use.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};

use crate::api::verification::SignatureProvider;
use crate::source::{Credentials, Identity, InvalidKeys, Keyring, PublicKeys, SshKeys, Tls, Trust, oci};

/// The key of Secrets of the type `kubernetes.io/dockerconfigjson`.
const DOCKER_CONFIG: &str = ".dockerconfigjson";
/// The authority's certificates.
const AUTHORITY: &str = "ca.crt";

/// What a Secret or ConfigMap holds, and how messages name it.
#[derive(Clone)]
pub struct Keys {
    named: String,
    data: BTreeMap<String, ByteString>,
}

/// What a Secret or ConfigMap lacks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeysError {
    /// It does not say who we are.
    #[error("{0} needs the keys username and password, or the key token: add what is missing")]
    Credentials(String),
    /// Docker's configuration cannot be used.
    #[error("key .dockerconfigjson of {named} cannot be used: {reason}; correct it")]
    DockerConfig {
        /// The Secret and its field.
        named: String,
        /// What is wrong with it.
        reason: String,
    },
    /// It has no key for ssh, or does not say which servers are known.
    #[error("{0} needs the keys identity, a private key, and known_hosts for ssh: add what is missing")]
    Ssh(String),
    /// Nothing is named that has keys for ssh.
    #[error("{url} is one of ssh: name a Secret with identity and known_hosts in {secret}")]
    NoSsh {
        /// The field of the address.
        url: String,
        /// The field that names Secrets.
        secret: String,
    },
    /// A certificate or its key is missing.
    #[error("{0} needs both tls.crt and tls.key, or neither: add what is missing")]
    Identity(String),
    /// There is no authority.
    #[error("{0} needs the key ca.crt: add it")]
    Authority(String),
    /// The public keys cannot be used.
    #[error("{0}")]
    PublicKeys(#[from] InvalidKeys),
    /// There is no token.
    #[error("{0} needs the key token: add it")]
    Token(String),
}

impl Keys {
    /// The keys of a Secret that a field names.
    pub fn of_secret(secret: Secret, name: &str, field: &str) -> Self {
        Self { named: format!("Secret {name:?} of {field}"), data: secret.data.unwrap_or_default() }
    }

    /// The keys of a ConfigMap that a field names.
    pub fn of_config_map(map: ConfigMap, name: &str, field: &str) -> Self {
        let mut data = map.binary_data.unwrap_or_default();
        data.extend(map.data.into_iter().flatten().map(|(key, text)| (key, ByteString(text.into_bytes()))));
        Self { named: format!("ConfigMap {name:?} of {field}"), data }
    }

    /// Whether it says who we are.
    pub fn has_credentials(&self) -> bool {
        [DOCKER_CONFIG, "token", "username", "password"].into_iter().any(|key| self.text(key).is_some())
    }

    /// Who we are to an address; nothing where Docker's configuration has nothing for it.
    ///
    /// # Errors
    /// All or a part of it is missing, or Docker's configuration cannot be used.
    pub fn credentials(&self, url: &str) -> Result<Option<Credentials>, KeysError> {
        if let Some(config) = self.text(DOCKER_CONFIG) {
            let unusable = |reason| KeysError::DockerConfig { named: self.named.clone(), reason };
            return oci::docker_credentials(&config, url).map_err(unusable);
        }
        match (self.text("token"), self.text("username"), self.text("password")) {
            (Some(token), ..) => Ok(Some(Credentials::Token(token))),
            (None, Some(username), Some(password)) => Ok(Some(Credentials::Basic { username, password })),
            _ => Err(KeysError::Credentials(self.named.clone())),
        }
    }

    /// Who we are to a server of ssh, and which servers are known.
    ///
    /// # Errors
    /// A part of it is missing.
    pub fn ssh(&self) -> Result<SshKeys, KeysError> {
        let identity = self.text("identity").or_else(|| self.text("ssh-privatekey"));
        match (identity, self.text("known_hosts")) {
            (Some(identity), Some(known_hosts)) => Ok(SshKeys { identity, known_hosts }),
            _ => Err(KeysError::Ssh(self.named.clone())),
        }
    }

    /// What identifies us in TLS.
    ///
    /// # Errors
    /// A part of it is missing.
    pub fn identity(&self) -> Result<Option<Identity>, KeysError> {
        match (self.text("tls.crt"), self.text("tls.key")) {
            (Some(certificate), Some(key)) => Ok(Some(Identity { certificate, key })),
            (None, None) => Ok(None),
            _ => Err(KeysError::Identity(self.named.clone())),
        }
    }

    /// Whom to trust, where that is said.
    pub fn authority(&self) -> Option<String> {
        self.text(AUTHORITY)
    }

    /// Whom to trust.
    ///
    /// # Errors
    /// It is not said.
    pub fn needed_authority(&self) -> Result<String, KeysError> {
        self.authority().ok_or_else(|| KeysError::Authority(self.named.clone()))
    }

    /// By whom charts must be signed.
    ///
    /// # Errors
    /// It has no public keys, or some that cannot be used.
    pub fn trust(&self, provider: SignatureProvider) -> Result<Trust, KeysError> {
        Ok(match provider {
            SignatureProvider::Provenance => Trust::Provenance(self.keyring()?),
            SignatureProvider::Cosign => {
                // Beside the public key cosign puts the private one into the Secrets that it makes.
                let files = self.files().filter(|(name, _)| name.ends_with(".pub"));
                Trust::Cosign(PublicKeys::read(&self.named, files)?)
            }
        })
    }

    /// Whose provenance files count.
    ///
    /// # Errors
    /// It has no keyring, or something else.
    pub fn keyring(&self) -> Result<Keyring, KeysError> {
        Ok(Keyring::read(&self.named, self.files())?)
    }

    fn files(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.data.iter().map(|(name, content)| (name.as_str(), content.0.as_slice()))
    }

    /// What webhooks prove to know, in the key that Flux's receivers have it in.
    ///
    /// # Errors
    /// It is missing.
    pub fn needed_token(&self) -> Result<String, KeysError> {
        self.text("token").ok_or_else(|| KeysError::Token(self.named.clone()))
    }

    /// A key that is there and not empty, without the line break that files end with.
    fn text(&self, key: &str) -> Option<String> {
        let text = String::from_utf8_lossy(&self.data.get(key)?.0).trim_end_matches(['\r', '\n']).to_owned();
        (!text.is_empty()).then_some(text)
    }
}

/// Whom to trust and who we are in TLS: `bundle` counts, else what a Secret has, else a ConfigMap, which is read only
/// then.
///
/// # Errors
/// What a Secret or ConfigMap lacks, and why the ConfigMap cannot be read.
pub async fn tls<E: From<KeysError>>(
    bundle: Option<&str>,
    insecure_skip_verify: bool,
    secret: Option<&Keys>,
    map: Option<impl Future<Output = Result<Keys, E>>>,
) -> Result<Tls, E> {
    let identity = secret.map(Keys::identity).transpose()?.flatten();
    let mut authorities = bundle.map(str::to_owned).or_else(|| secret?.authority());
    if let (None, Some(map)) = (&authorities, map) {
        authorities = Some(map.await?.needed_authority()?);
    }
    Ok(Tls { authorities, identity, insecure_skip_verify })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(pairs: &[(&str, &str)]) -> Keys {
        let data = pairs.iter().map(|(key, value)| ((*key).to_owned(), ByteString(value.as_bytes().to_vec())));
        Keys { named: "Secret \"login\" of spec.secret".to_owned(), data: data.collect() }
    }

    fn basic(username: &str) -> Credentials {
        Credentials::Basic { username: username.to_owned(), password: "s3cret".to_owned() }
    }

    #[test]
    fn credentials_are_a_token_or_a_user_with_a_password() {
        let user = [("username", "ann\n"), ("password", "s3cret")];
        let read = |pairs: &[(&str, &str)]| keys(pairs).credentials("https://x.org");
        assert_eq!(read(&user), Ok(Some(basic("ann"))));
        let token = [&user[..], &[("token", "t0ken\n")]].concat();
        assert_eq!(read(&token), Ok(Some(Credentials::Token("t0ken".to_owned()))));
        assert!(keys(&token).has_credentials() && !keys(&[("ca.crt", "x"), ("token", "")]).has_credentials());
        for incomplete in [&[][..], &[("username", "ann")], &[("username", ""), ("password", "s3cret")]] {
            let error = read(incomplete).expect_err("incomplete").to_string();
            assert!(error.starts_with("Secret \"login\" of spec.secret needs the keys"), "{error}");
            assert!(!error.contains("s3cret"));
        }
    }

    #[test]
    fn dockers_configuration_is_read_for_the_host() {
        let config = r#"{"auths": {"x.org": {"username": "ann", "password": "s3cret"}}}"#;
        let read = |config, url| keys(&[(DOCKER_CONFIG, config)]).credentials(url);
        assert_eq!(read(config, "oci://x.org/charts"), Ok(Some(basic("ann"))));
        assert_eq!(read(config, "oci://y.org/charts"), Ok(None), "as nobody");
        let error = read("{s3cret", "oci://x.org").expect_err("no JSON").to_string();
        assert!(error.contains(DOCKER_CONFIG) && error.contains("spec.secret") && !error.contains("s3cret"), "{error}");
    }

    #[test]
    fn keys_of_ssh_come_with_the_servers_that_are_known() {
        let keys_of = |pairs: &[(&str, &str)]| keys(pairs).ssh();
        let known = ("known_hosts", "x.org ssh-ed25519 AAAA\n");
        for name in ["identity", "ssh-privatekey"] {
            let read = keys_of(&[(name, "key\n"), known]).expect("complete");
            assert_eq!((read.identity.as_str(), read.known_hosts.as_str()), ("key", "x.org ssh-ed25519 AAAA"));
        }
        let error = keys_of(&[("identity", "s3cret")]).expect_err("no known hosts").to_string();
        assert!(error.contains("identity") && error.contains("known_hosts") && !error.contains("s3cret"), "{error}");
    }

    #[test]
    fn an_identity_is_a_certificate_with_its_key() {
        assert_eq!(keys(&[("ca.crt", "x")]).identity(), Ok(None));
        let whole = keys(&[("tls.crt", "x"), ("tls.key", "y")]);
        assert!(whole.identity().is_ok_and(|identity| identity.is_some()));
        assert!(keys(&[("tls.crt", "x")]).identity().is_err());
    }

    #[test]
    fn authorities_may_stand_in_a_config_map() {
        let map = |json| serde_json::from_value(json).expect("a ConfigMap");
        let keys = |json| Keys::of_config_map(map(json), "ca", "spec.caConfigMap");
        assert_eq!(keys(serde_json::json!({"data": {"ca.crt": "x\n"}})).needed_authority(), Ok("x".to_owned()));
        let error = keys(serde_json::json!({})).needed_authority().expect_err("nothing").to_string();
        assert_eq!(error, "ConfigMap \"ca\" of spec.caConfigMap needs the key ca.crt: add it");
    }
}
