//! What a registry asks for before it answers (RFC 9110 section 11, the token specification of the distribution
//! project), and credentials in Docker's configuration.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use reqwest::Url;
use reqwest::header::{HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use serde::Deserialize;

use crate::source::access::sensitive;
use crate::source::{Credentials, SourceError};

/// How long a token is good that does not say it.
const TOKEN_LIFE: Duration = Duration::from_secs(60);
/// A token is renewed that much before its end.
const EARLY: Duration = Duration::from_secs(10);

/// A way to authenticate that a registry offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Challenge {
    /// User and password with each request.
    Basic,
    /// A token of another server.
    Bearer {
        /// Where tokens are had.
        realm: String,
        /// For whom the token is.
        service: Option<String>,
        /// What it allows.
        scope: Option<String>,
    },
}

impl Challenge {
    /// The first way that is known.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        headers.get_all(WWW_AUTHENTICATE).iter().find_map(|value| Self::parse(value.to_str().ok()?))
    }

    fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.trim().split_once(' ').unwrap_or((text.trim(), ""));
        match scheme.to_lowercase().as_str() {
            "basic" => Some(Self::Basic),
            "bearer" => {
                let mut parameters = parameters(rest);
                let realm = parameters.remove("realm")?;
                Some(Self::Bearer { realm, service: parameters.remove("service"), scope: parameters.remove("scope") })
            }
            _ => None,
        }
    }
}

/// `name="value"` pairs; a comma may be inside of quotes.
fn parameters(mut rest: &str) -> BTreeMap<String, String> {
    let mut parameters = BTreeMap::new();
    while let Some((name, after)) = rest.split_once('=') {
        let (value, next) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => after.split_once(',').unwrap_or((after, "")),
        };
        parameters.insert(name.trim_matches([',', ' ']).to_lowercase(), value.to_owned());
        rest = next;
    }
    parameters
}

/// Where to ask for a token. It is asked for over TLS unless the registry itself is not.
pub(super) fn token_url(registry: &Url, realm: &str, service: Option<&str>, scope: &str) -> Result<Url, SourceError> {
    let registry_shown = crate::source::address::shown(registry);
    let mut url = Url::parse(realm).map_err(|error| SourceError::NotARegistry {
        url: registry_shown.clone(),
        reason: format!("the address of its tokens cannot be used: {error}"),
    })?;
    if registry.scheme() == "https" && url.scheme() != "https" {
        return Err(SourceError::Downgrade { url: registry_shown });
    }
    url.query_pairs_mut().extend_pairs(service.map(|service| ("service", service))).append_pair("scope", scope);
    Ok(url)
}

/// The answer of a token server.
#[derive(Deserialize)]
struct Granted {
    token: Option<String>,
    access_token: Option<String>,
    expires_in: Option<u64>,
}

/// The header of a token, and how long it is good.
pub(super) fn token(answer: &[u8]) -> Option<(HeaderValue, Duration)> {
    let granted: Granted = serde_json::from_slice(answer).ok()?;
    let token = granted.token.filter(|token| !token.is_empty()).or(granted.access_token)?;
    let life = granted.expires_in.map_or(TOKEN_LIFE, Duration::from_secs);
    Some((sensitive(&format!("Bearer {token}")), life.saturating_sub(EARLY)))
}

/// Docker's `config.json`.
#[derive(Deserialize)]
struct DockerConfig {
    #[serde(default)]
    auths: BTreeMap<String, Login>,
}

#[derive(Deserialize)]
struct Login {
    auth: Option<String>,
    username: Option<String>,
    password: Option<String>,
}

/// The credentials that Docker's configuration has for a reference: those of the longest key that is its host or a path
/// above it; nothing where there are none.
///
/// # Errors
/// A sentence that says what is wrong with the text, without quoting it.
pub fn docker_credentials(config: &str, reference: &str) -> Result<Option<Credentials>, String> {
    let config: DockerConfig = serde_json::from_str(config)
        .map_err(|error| format!("it is not Docker's configuration (line {})", error.line()))?;
    let place = |text: &str| {
        let text = text.split_once("://").map_or(text, |(_, rest)| rest);
        let text = text.trim_end_matches('/');
        let text = text.strip_suffix("/v1").or_else(|| text.strip_suffix("/v2")).unwrap_or(text);
        text.replacen("index.docker.io", "docker.io", 1)
    };
    let wanted = place(reference);
    let covers =
        |key: &str| wanted.strip_prefix(key).is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '@']));
    let logins = config.auths.iter().map(|(key, login)| (place(key), login)).filter(|(key, _)| covers(key));
    let Some((key, login)) = logins.max_by_key(|(key, _)| key.len()) else { return Ok(None) };
    login.credentials().map(Some).ok_or_else(|| format!("its entry for {key:?} has no user and password"))
}

impl Login {
    fn credentials(&self) -> Option<Credentials> {
        if let (Some(username), Some(password)) = (&self.username, &self.password) {
            return Some(Credentials::Basic { username: username.clone(), password: password.clone() });
        }
        let decoded = String::from_utf8(STANDARD.decode(self.auth.as_ref()?.trim()).ok()?).ok()?;
        let (username, password) = decoded.split_once(':')?;
        let password = password.trim_end_matches('\0').to_owned();
        Some(Credentials::Basic { username: username.to_owned(), password })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_are_read_with_commas_in_quotes() {
        let bearer = r#"Bearer realm="https://x.org/token",service="x.org",scope="repository:web:pull,push""#;
        assert_eq!(
            Challenge::parse(bearer),
            Some(Challenge::Bearer {
                realm: "https://x.org/token".to_owned(),
                service: Some("x.org".to_owned()),
                scope: Some("repository:web:pull,push".to_owned()),
            })
        );
        assert_eq!(Challenge::parse("Basic realm=\"r\""), Some(Challenge::Basic));
        for none in ["", "Bearer", "Bearer service=x", "Negotiate"] {
            assert_eq!(Challenge::parse(none), None, "{none:?}");
        }
    }

    #[test]
    fn tokens_are_asked_for_where_the_registry_says_but_never_without_tls() {
        let registry = Url::parse("https://x.org/").expect("a URL");
        let url = token_url(&registry, "https://auth.x.org/t?a=b", Some("x y"), "repository:web:pull").expect("a URL");
        assert_eq!(url.as_str(), "https://auth.x.org/t?a=b&service=x+y&scope=repository%3Aweb%3Apull");
        let error = token_url(&registry, "http://auth.x.org/t", None, "s").expect_err("no TLS");
        assert!(matches!(error, SourceError::Downgrade { .. }));
        assert!(token_url(&registry, "nowhere", None, "s").is_err());
    }

    #[test]
    fn a_token_says_how_long_it_is_good() {
        let (header, life) = token(br#"{"token":"t","expires_in":300}"#).expect("a token");
        assert_eq!((header.to_str().ok(), life), (Some("Bearer t"), Duration::from_secs(290)));
        assert!(header.is_sensitive());
        assert_eq!(token(br#"{"token":"","access_token":"t"}"#).expect("a token").1, Duration::from_secs(50));
        assert!(token(b"{}").is_none() && token(b"<html>").is_none());
    }

    #[test]
    fn docker_logins_are_found_by_host_and_path() {
        let config = r#"{"auths": {
            "https://x.org/v2/": {"auth": "YW5uOnM6M2NyZXQ="},
            "x.org/team": {"username": "bob", "password": "other"},
            "https://index.docker.io/v1/": {"username": "hub", "password": "p"},
            "empty.org": {}}}"#;
        let found = |reference| docker_credentials(config, reference);
        let login = |username: &str, password: &str| {
            Ok(Some(Credentials::Basic { username: username.to_owned(), password: password.to_owned() }))
        };
        assert_eq!(found("oci://x.org/charts"), login("ann", "s:3cret"));
        assert_eq!(found("oci://x.org/team/web"), login("bob", "other"));
        assert_eq!(found("oci://docker.io/ann/web"), login("hub", "p"));
        assert_eq!(found("oci://x.org.evil/team"), Ok(None));
        assert!(found("oci://empty.org/x").is_err_and(|error| error.contains("empty.org")));
        assert!(docker_credentials("no", "x").is_err());
        assert_eq!(found("x.org/charts"), login("ann", "s:3cret"));
    }
}
