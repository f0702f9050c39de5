//! The real web server of Apache with the module of Subversion, over HTTP and TLS on the loopback address.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use super::cluster::{ControlPlane, Process, free_port};
use super::svn::SvnRepository;
use super::{machine, wait};

const PROGRAM: &str = "/usr/sbin/apache2";
const MODULES: &str = "/usr/lib/apache2/modules";
/// What is loaded, in this order.
const LOADED: [&str; 12] = [
    "mpm_event",
    "authn_core",
    "authn_file",
    "authz_core",
    "authz_user",
    "auth_basic",
    "alias",
    "socache_shmcb",
    "ssl",
    "dav",
    "dav_svn",
    "authz_svn",
];

/// A running server of one repository; ends on drop.
#[derive(Debug)]
pub struct Apache {
    /// Where everybody may read the repository, over HTTP.
    pub open: String,
    /// Where it wants the password, over TLS.
    pub closed: String,
    /// A redirect to the open one, by another name of the host.
    pub moved: String,
    /// A path without a repository.
    pub other: String,
    /// The certificate of the door with TLS, which nobody signed.
    pub authority: String,
    _process: Process,
}

impl Apache {
    /// Starts it; nothing where the machine has no such program.
    ///
    /// # Errors
    /// When it does not answer, or is demanded and not there.
    pub fn start(
        cluster: &ControlPlane,
        folder: &Path,
        repository: &SvnRepository,
        user: &str,
        password: &str,
    ) -> Result<Option<Self>> {
        let has = |module: &&str| Path::new(MODULES).join(format!("mod_{module}.so")).exists();
        if !Path::new(PROGRAM).exists() || !LOADED.iter().all(has) {
            machine::lacks("apache2 with mod_dav_svn", "apache2 libapache2-mod-svn")?;
            return Ok(None);
        }
        let folder = folder.join("apache");
        fs::create_dir_all(&folder)?;
        let file = |name: &str, content: &str| fs::write(folder.join(name), content);
        // Subversion knows an address by the common name only.
        let mut parameters = rcgen::CertificateParams::new(["127.0.0.1".to_owned()])?;
        parameters.distinguished_name.push(rcgen::DnType::CommonName, "127.0.0.1");
        let key = rcgen::KeyPair::generate()?;
        let certificate = parameters.self_signed(&key)?;
        file("tls.crt", &certificate.pem())?;
        file("tls.key", &key.serialize_pem())?;
        let hash = bcrypt::hash_with_salt(password, 4, [7; 16]).map_err(|error| anyhow::anyhow!("{error}"))?;
        file("passwords", &format!("{user}:{hash}\n"))?;
        let (plain, secure) = (free_port()?, free_port()?);
        let loaded = LOADED.map(|module| format!("LoadModule {module}_module {MODULES}/mod_{module}.so")).join("\n");
        let (folder, repository) = (folder.display(), repository.path().display());
        let configuration = format!(
            "ServerRoot {folder}\nServerName 127.0.0.1\nPidFile {folder}/pid\nErrorLog {folder}/errors\n\
             {loaded}\nListen 127.0.0.1:{plain}\nListen 127.0.0.1:{secure}\n\
             Redirect permanent /moved http://localhost:{plain}/open\n\
             <Location /open>\nDAV svn\nSVNPath {repository}\n</Location>\n\
             <Location /closed>\nDAV svn\nSVNPath {repository}\nSSLRequireSSL\nAuthType Basic\nAuthName charts\n\
             AuthUserFile {folder}/passwords\nRequire valid-user\n</Location>\n\
             <VirtualHost 127.0.0.1:{secure}>\nSSLEngine on\nSSLCertificateFile {folder}/tls.crt\n\
             SSLCertificateKeyFile {folder}/tls.key\n</VirtualHost>\n"
        );
        let path = format!("{folder}/apache.conf");
        fs::write(&path, configuration)?;
        let mut serve = Command::new(PROGRAM);
        serve.args(["-f", &path, "-DFOREGROUND"]);
        let process = cluster.run(&format!("apache-{plain}"), &serve)?;
        wait::until(Duration::from_secs(30), "Apache to answer", || {
            Ok(std::net::TcpStream::connect(("127.0.0.1", plain)).ok())
        })?;
        let at = |path: &str| format!("http://127.0.0.1:{plain}/{path}");
        Ok(Some(Self {
            open: at("open"),
            closed: format!("https://127.0.0.1:{secure}/closed"),
            moved: at("moved"),
            other: at("other"),
            authority: certificate.pem(),
            _process: process,
        }))
    }
}
