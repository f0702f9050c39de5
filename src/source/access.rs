//! Who we are to a server, and whom we trust: what every kind of chart source is given for it.

use std::fmt;

use reqwest::header::HeaderValue;

/// Who we are; debug output does not show it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Credentials {
    /// For basic authentication.
    Basic {
        /// The user.
        username: String,
        /// The password.
        password: String,
    },
    /// A bearer token.
    Token(String),
}

/// Who we are to a server of ssh, and which servers are known; debug output does not show the key.
#[derive(Clone, PartialEq, Eq)]
pub struct SshKeys {
    /// The private key, in a form that OpenSSH reads.
    pub identity: String,
    /// The servers' keys, as lines of a `known_hosts` file.
    pub known_hosts: String,
}

/// Whom to trust, and who we are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// PEM certificates of the only trusted authorities; the system's where there are none.
    pub authorities: Option<String>,
    /// What identifies us.
    pub identity: Option<Identity>,
    /// Do not verify the server's certificate.
    pub insecure_skip_verify: bool,
}

/// A client certificate; debug output does not show the key.
#[derive(Clone, PartialEq, Eq)]
pub struct Identity {
    /// PEM certificates, our own first.
    pub certificate: String,
    /// The PEM key.
    pub key: String,
}

impl Credentials {
    /// The header of the request, which debug output does not show.
    pub(super) fn header(&self) -> HeaderValue {
        use base64::{Engine, engine::general_purpose::STANDARD};
        match self {
            Self::Basic { username, password } => {
                sensitive(&format!("Basic {}", STANDARD.encode(format!("{username}:{password}"))))
            }
            Self::Token(token) => sensitive(&format!("Bearer {token}")),
        }
    }
}

/// The value of a header that debug output does not show; empty where it has characters that no header may have.
pub(super) fn sensitive(text: &str) -> HeaderValue {
    let mut value = HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static(""));
    value.set_sensitive(true);
    value
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(..)")
    }
}

impl fmt::Debug for SshKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SshKeys(..)")
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity(..)")
    }
}
