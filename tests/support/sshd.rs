//! The real server of OpenSSH on the loopback address, which lets one key in and runs nothing but git for it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use super::cluster::{ControlPlane, Process, free_port};
use super::{command, machine, wait};

/// Where the program is where it is not in PATH.
const PLACES: [&str; 3] = ["/usr/sbin/sshd", "/usr/local/sbin/sshd", "/sbin/sshd"];

/// A running server; ends on drop.
#[derive(Debug)]
pub struct Sshd {
    /// What a URL begins with, up to the path: `ssh://USER@127.0.0.1:PORT`.
    pub url: String,
    /// The private key that is let in.
    pub identity: String,
    /// The server's line of a `known_hosts` file.
    pub known_hosts: String,
    _process: Process,
}

impl Sshd {
    /// Starts it, with keys of its own; nothing where the machine has no such program.
    ///
    /// # Errors
    /// When it does not answer, or is demanded and not there.
    pub fn start(cluster: &ControlPlane) -> Result<Option<Self>> {
        let Some(program) = PLACES.iter().map(Path::new).find(|path| path.exists()) else {
            machine::lacks("sshd", "openssh-server")?;
            return Ok(None);
        };
        let folder = cluster.folder().join("sshd");
        fs::create_dir_all(&folder)?;
        // Root's server wants this folder; on a machine that runs one it is there.
        let _ = fs::create_dir_all("/run/sshd");
        let (host_key, host_public) = key(&folder, "host")?;
        let (identity, public) = key(&folder, "identity")?;
        let only_git = r#"restrict,command="git shell -c \"$SSH_ORIGINAL_COMMAND\"""#;
        let authorized = folder.join("authorized_keys");
        fs::write(&authorized, format!("{only_git} {public}"))?;
        let port = free_port()?;
        let configuration = folder.join("sshd_config");
        let lines = [
            "ListenAddress 127.0.0.1".to_owned(),
            format!("Port {port}"),
            format!("HostKey {}", host_key.display()),
            format!("AuthorizedKeysFile {}", authorized.display()),
            format!("PidFile {}", folder.join("pid").display()),
            "StrictModes no".to_owned(),
            "UsePAM no".to_owned(),
            "PasswordAuthentication no".to_owned(),
            "PermitRootLogin prohibit-password".to_owned(),
            "MaxStartups 100".to_owned(),
        ];
        fs::write(&configuration, lines.join("\n") + "\n")?;
        let mut serve = Command::new(program);
        serve.args(["-D", "-e", "-f"]).arg(&configuration);
        let process = cluster.run("sshd", &serve)?;
        wait::until(Duration::from_secs(30), "sshd to answer", || {
            Ok(std::net::TcpStream::connect(("127.0.0.1", port)).ok())
        })?;
        let user = command::output(Command::new("id").arg("-un"))?;
        let known = host_public.split(' ').take(2).collect::<Vec<_>>().join(" ");
        Ok(Some(Self {
            url: format!("ssh://{}@127.0.0.1:{port}", user.trim()),
            identity: fs::read_to_string(identity)?,
            known_hosts: format!("[127.0.0.1]:{port} {}\n", known.trim()),
            _process: process,
        }))
    }
}

/// A new key: the file of its private part, and its public part.
fn key(folder: &Path, name: &str) -> Result<(PathBuf, String)> {
    let path = folder.join(name);
    command::output(Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&path))?;
    let public = fs::read_to_string(path.with_extension("pub")).context("the public part")?;
    Ok((path, public))
}
