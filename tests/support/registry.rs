//! The real registry of the distribution project on the loopback address: one store behind three doors. One lets
//! everybody in and push, one wants a password and speaks TLS, one wants a token.

mod attach;
mod tokens;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::json;

use self::tokens::TokenServer;
use super::cluster::{ControlPlane, Process, free_port};
use super::{command, wait};

/// The user of the doors that are closed.
pub const USER: &str = "reader";

/// A running registry; ends on drop.
#[derive(Debug)]
pub struct Registry {
    /// Host and port where everybody may read and write, over HTTP.
    pub open: String,
    /// Host and port that want the password, over TLS.
    pub closed: String,
    /// Host and port that want a token, over HTTP.
    pub guarded: String,
    /// The certificate of the door with TLS, which nobody signed.
    pub authority: String,
    tokens: TokenServer,
    _servers: Vec<Process>,
}

impl Registry {
    /// Starts it, with an empty store; [`USER`] has this password.
    ///
    /// # Errors
    /// When a server does not answer.
    pub fn start(cluster: &ControlPlane, password: &str) -> Result<Self> {
        let folder = cluster.folder().join("registry");
        std::fs::create_dir_all(folder.join("store"))?;
        let host = || Ok::<_, anyhow::Error>(format!("127.0.0.1:{}", free_port()?));
        let (open, closed, guarded) = (host()?, host()?, host()?);
        let key = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()])?;
        let tokens = TokenServer::start(USER, password)?;
        let file = |name: &str, content: &[u8]| {
            let path = folder.join(name);
            std::fs::write(&path, content).map(|()| path)
        };
        let certificate = file("tls.crt", key.cert.pem().as_bytes())?;
        let private = file("tls.key", key.signing_key.serialize_pem().as_bytes())?;
        let hash =
            bcrypt::hash_with_salt(password, 4, [7; 16]).map_err(|error| anyhow::anyhow!("{error}"))?.to_string();
        let passwords = file("htpasswd", format!("{USER}:{hash}\n").as_bytes())?;
        let keys = file("jwks.json", tokens.keys().to_string().as_bytes())?;
        let doors = [
            ("open", json!({"addr": open}), json!(null)),
            (
                "closed",
                json!({"addr": closed, "tls": {"certificate": certificate, "key": private}}),
                json!({"htpasswd": {"realm": "registry", "path": passwords}}),
            ),
            ("guarded", json!({"addr": guarded}), tokens.configuration(&keys)),
        ];
        let mut servers = Vec::new();
        for (name, http, auth) in doors {
            let mut configuration = json!({
                "version": "0.1", "http": http, "log": {"level": "warn", "accesslog": {"disabled": true}},
                "storage": {"filesystem": {"rootdirectory": folder.join("store")}, "delete": {"enabled": true}},
            });
            if !auth.is_null() {
                configuration["auth"] = auth;
            }
            let path = file(&format!("{name}.yaml"), configuration.to_string().as_bytes())?;
            let mut serve = Command::new(cluster.bin("registry"));
            serve.arg("serve").arg(path).env("OTEL_TRACES_EXPORTER", "none");
            servers.push(cluster.run(&format!("registry-{name}"), &serve)?);
        }
        for address in [&open, &closed, &guarded] {
            wait::until(Duration::from_secs(30), "the registry to answer", || {
                Ok(std::net::TcpStream::connect(address.as_str()).ok())
            })?;
        }
        Ok(Self { open, closed, guarded, authority: key.cert.pem(), tokens, _servers: servers })
    }

    /// How many tokens were given out.
    pub fn granted(&self) -> usize {
        self.tokens.granted()
    }

    /// Pushes an archive below a path with the real helm.
    ///
    /// # Errors
    /// When helm fails.
    pub fn push(&self, cluster: &ControlPlane, archive: &Path, path: &str) -> Result<()> {
        let place = format!("oci://{}/{path}", self.open);
        command::output(cluster.helm().arg("push").arg(archive).args([&place, "--plain-http"])).map(drop)
    }

    /// Gives a manifest another tag, and the archive in it another media type.
    ///
    /// # Errors
    /// When the registry refuses it.
    pub async fn push_with_media_type(
        &self,
        repository: &str,
        tag: &str,
        new_tag: &str,
        media_type: &str,
    ) -> Result<()> {
        let mut manifest: serde_json::Value = serde_json::from_slice(&self.manifest(repository, tag).await?)?;
        *manifest.pointer_mut("/layers/0/mediaType").context("a layer")? = json!(media_type);
        self.put_manifest(repository, new_tag, &manifest).await.map(drop)
    }
}
