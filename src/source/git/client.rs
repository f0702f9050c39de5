//! The real git program, as a child process.
//!
//! Git's protocols, ssh, proxies and the ways of servers to refuse are what people test with that program and nothing
//! else, so a repository that they can clone is one that can be read here. It is given an environment of its own: no
//! configuration of the machine or of a user, no prompt, no protocol but the one of the address, and credentials that
//! stand in no command line and belong to one origin.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::Url;

use super::address::{Address, Protocol};
use super::refs::{Chosen, Refs};
use super::{Options, failure};
use crate::source::SourceError;
use crate::source::access::Credentials;
use crate::source::address::same_origin;
use crate::source::command::{Finished, Run, RunError};
use crate::source::reach::Reach;
use crate::source::revision::Revision;
use crate::source::workshop::Bench;

/// The most bytes that are fetched.
const FETCHED: u64 = 192 << 20;
/// The most bytes that are checked out.
const CHECKED_OUT: u64 = 320 << 20;
/// The most files that are checked out.
const FILES: usize = 100_000;
/// The most bytes of a program's output: a line for each file or branch.
const OUTPUT: u64 = 64 << 20;
/// How long a fetch may take.
const FETCH: Duration = Duration::from_secs(300);

/// What is fetched is kept under this name.
const FETCHED_AS: &str = "refs/coxswain/wanted";

/// Settings of every run: nothing runs beside it, and nothing is asked or followed.
const SETTINGS: [(&str, &str); 17] = [
    ("advice.detachedHead", "false"),
    ("core.askPass", ""),
    ("core.autocrlf", "false"),
    // Larger files are streamed, not held in memory.
    ("core.bigFileThreshold", "8m"),
    ("core.fsync", "none"),
    ("core.hooksPath", "/dev/null"),
    ("credential.helper", ""),
    // What is received stays one file, whose size is watched.
    ("fetch.unpackLimit", "1"),
    ("gc.auto", "0"),
    // The address was asked before, and answered from where it leads to.
    ("http.followRedirects", "false"),
    ("http.lowSpeedLimit", "1"),
    ("http.lowSpeedTime", "60"),
    ("init.defaultBranch", "main"),
    ("maintenance.auto", "false"),
    ("pack.threads", "1"),
    ("submodule.recurse", "false"),
    ("transfer.unpackLimit", "1"),
];

/// The program, for one repository on one bench.
pub(super) struct Client<'a> {
    options: &'a Options,
    address: &'a Address,
    /// Where the address leads to.
    url: &'a str,
    bench: &'a Bench,
    environment: Vec<(OsString, OsString)>,
    limit: Duration,
}

impl<'a> Client<'a> {
    /// Puts on the bench what the program needs; nothing is sent.
    pub(super) fn new(
        options: &'a Options,
        address: &'a Address,
        url: &'a str,
        bench: &'a Bench,
    ) -> Result<Self, SourceError> {
        let environment = environment(options, address, url, bench);
        let environment = environment.map_err(|error| SourceError::disk(address.shown(), &error))?;
        Ok(Self { options, address, url, bench, environment, limit: FETCH.max(options.timeout) })
    }

    /// The branches and tags of a repository.
    pub(super) async fn list(&self) -> Result<Refs, SourceError> {
        let run = Run { limit: self.options.timeout, ..self.run(&["ls-remote", "--quiet", "--", self.url]) };
        let output = self.succeed(&run, "branches").await?;
        Ok(Refs::of_listing(&String::from_utf8_lossy(&output)))
    }

    /// Fetches a commit without its history and checks it out; gives the folder and what is in it.
    pub(super) async fn check_out(&self, chosen: &Chosen) -> Result<(PathBuf, Revision), SourceError> {
        let tree = self.bench.path().join("tree");
        std::fs::create_dir(&tree).map_err(|error| SourceError::disk(self.address.shown(), &error))?;
        self.git(&["init", "--quiet", "--template="]).await?;
        self.fetch(chosen).await?;
        let described = self.git(&["log", "-1", "--format=%H %cI", FETCHED_AS]).await?;
        let described = String::from_utf8_lossy(&described).trim().to_owned();
        let (id, created) = described.split_once(' ').unwrap_or((&described, ""));
        let created = Some(created.to_owned()).filter(|created| !created.is_empty());
        self.measure(id).await?;
        self.git(&["checkout", "--quiet", "--force", "--detach", id]).await?;
        if self.options.submodules {
            self.check_out_submodules(&tree).await?;
        }
        Ok((tree, Revision { url: self.address.shown().to_owned(), id: id.to_owned(), created }))
    }

    /// Fetches by the name, else by the commit. A server that gives no commits by themselves is asked for everything.
    async fn fetch(&self, chosen: &Chosen) -> Result<(), SourceError> {
        let wanted = chosen.name.as_deref().unwrap_or(&chosen.commit);
        let fetched = self.fetch_refs(wanted, &["--depth=1"], &[&format!("+{wanted}:{FETCHED_AS}")]).await;
        match fetched {
            Err(SourceError::ReferenceNotFound { .. }) if chosen.name.is_none() => {
                let everything = ["+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"];
                self.fetch_refs(wanted, &["--update-head-ok"], &everything).await?;
                let run = self.run(&["update-ref", FETCHED_AS, wanted]);
                self.succeed(&run, wanted).await.map(drop).map_err(|_| SourceError::ReferenceNotFound {
                    url: self.address.shown().to_owned(),
                    wanted: format!("commit {wanted:?}"),
                })
            }
            other => other,
        }
    }

    async fn fetch_refs(&self, wanted: &str, depth: &[&str], refs: &[&str]) -> Result<(), SourceError> {
        let fixed = ["fetch", "--quiet", "--no-tags", "--no-recurse-submodules", "--no-write-fetch-head"];
        let arguments = [&fixed, depth, &["--", self.url], refs].concat();
        let filling = Some((self.bench.path().join("repository"), FETCHED));
        self.succeed(&Run { filling, ..self.run(&arguments) }, &format!("{wanted:?}")).await.map(drop)
    }

    /// Refuses what is too large before it is written out.
    async fn measure(&self, commit: &str) -> Result<(), SourceError> {
        let url = || self.address.shown().to_owned();
        let listing =
            self.git(&["ls-tree", "-r", "-l", "-z", "--full-tree", commit]).await.map_err(|error| match error {
                SourceError::TooLarge { url, .. } => SourceError::TooManyFiles { url, limit: FILES },
                error => error,
            })?;
        let (mut files, mut bytes) = (0_usize, 0_u64);
        for entry in listing.split(|byte| *byte == 0).filter(|entry| !entry.is_empty()) {
            let size = entry.split(|byte| *byte == b'\t').next().unwrap_or_default();
            let size = size.rsplit(|byte| *byte == b' ').next().unwrap_or_default();
            files += 1;
            bytes =
                bytes.saturating_add(std::str::from_utf8(size).ok().and_then(|size| size.parse().ok()).unwrap_or(0));
        }
        if files > FILES {
            return Err(SourceError::TooManyFiles { url: url(), limit: FILES });
        }
        if bytes > CHECKED_OUT {
            return Err(SourceError::TooLarge { url: url(), limit: CHECKED_OUT });
        }
        Ok(())
    }

    /// Runs a command on what was fetched.
    async fn git(&self, arguments: &[&str]) -> Result<Vec<u8>, SourceError> {
        self.succeed(&self.run(arguments), "the commit").await
    }

    /// What is filled with submodules, and with how much.
    pub(super) fn room_for_submodules(&self) -> (PathBuf, u64) {
        (self.bench.path().to_owned(), FETCHED + CHECKED_OUT)
    }

    /// Which addresses are asked.
    pub(super) fn reach(&self) -> Reach {
        self.options.reach
    }

    /// The address of the repository for messages.
    pub(super) fn shown(&self) -> &str {
        self.address.shown()
    }

    pub(super) fn run(&self, arguments: &[&str]) -> Run {
        Run {
            program: "git",
            arguments: arguments.iter().map(OsString::from).collect(),
            environment: self.environment.clone(),
            folder: self.bench.path().to_owned(),
            input: None,
            limit: self.limit,
            output: OUTPUT,
            filling: None,
        }
    }

    pub(super) async fn succeed(&self, run: &Run, wanted: &str) -> Result<Vec<u8>, SourceError> {
        let url = || self.address.shown().to_owned();
        let finished = run.finish().await.map_err(|error| match error {
            RunError::Missing => SourceError::NoProgram { program: "git", needed_for: "Git" },
            RunError::Timeout => SourceError::Timeout { url: url(), limit: run.limit },
            RunError::Output => SourceError::TooLarge { url: url(), limit: run.output },
            RunError::Filled => SourceError::TooLarge { url: url(), limit: FETCHED },
            RunError::Io(error) => SourceError::disk(&url(), &error),
        })?;
        let Finished { status, output, complaints } = finished;
        if status.success() {
            return Ok(output);
        }
        let with_credentials = self.options.credentials.is_some() || self.address.credentials.is_some();
        tracing::debug!(url = url(), command = ?run.arguments.first(), "git failed");
        Err(failure::meaning(&complaints, self.address, wanted, with_credentials, run.limit))
    }
}

/// All that the program is told beside its arguments.
fn environment(
    options: &Options,
    address: &Address,
    url: &str,
    bench: &Bench,
) -> io::Result<Vec<(OsString, OsString)>> {
    let folder = bench.path();
    let mut settings: Vec<(String, String)> =
        SETTINGS.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    // What submodules with relative addresses are relative to.
    settings.push(("remote.origin.url".to_owned(), url.to_owned()));
    let mut environment: Vec<(OsString, OsString)> = vec![
        ("HOME".into(), folder.into()),
        ("TMPDIR".into(), folder.into()),
        ("GIT_DIR".into(), folder.join("repository").into()),
        ("GIT_WORK_TREE".into(), folder.join("tree").into()),
        ("GIT_CONFIG_NOSYSTEM".into(), "1".into()),
        ("GIT_CONFIG_GLOBAL".into(), "/dev/null".into()),
        ("GIT_ATTR_NOSYSTEM".into(), "1".into()),
        ("GIT_TERMINAL_PROMPT".into(), "0".into()),
        ("GIT_ALLOW_PROTOCOL".into(), address.protocol.allowed().into()),
        ("GIT_LFS_SKIP_SMUDGE".into(), "1".into()),
    ];
    match address.protocol {
        Protocol::Ssh => environment.extend(ssh(options, bench)?),
        Protocol::Http | Protocol::Https => settings.extend(web(options, address, url, bench)?),
    }
    environment.push(("GIT_CONFIG_COUNT".into(), settings.len().to_string().into()));
    for (place, (key, value)) in settings.into_iter().enumerate() {
        environment.push((format!("GIT_CONFIG_KEY_{place}").into(), key.into()));
        environment.push((format!("GIT_CONFIG_VALUE_{place}").into(), value.into()));
    }
    Ok(environment)
}

/// Settings for HTTP: whom to trust, and who we are to the origin that the credentials were given for.
fn web(options: &Options, address: &Address, url: &str, bench: &Bench) -> io::Result<Vec<(String, String)>> {
    let mut settings = Vec::new();
    let mut set = |key: &str, value: String| settings.push((key.to_owned(), value));
    let path = |path: PathBuf| path.to_string_lossy().into_owned();
    let tls = &options.tls;
    if tls.insecure_skip_verify {
        set("http.sslVerify", "false".to_owned());
    }
    if let Some(authorities) = &tls.authorities {
        set("http.sslCAInfo", path(bench.put("ca.crt", authorities)?));
    }
    if let Some(identity) = &tls.identity {
        set("http.sslCert", path(bench.put("tls.crt", &identity.certificate)?));
        set("http.sslKey", path(bench.put("tls.key", &identity.key)?));
    }
    let is_same = Url::parse(url).is_ok_and(|url| same_origin(&url, &address.url));
    if let Some(credentials) = options.credentials.as_ref().or(address.credentials.as_ref()).filter(|_| is_same) {
        let origin = address.url.origin().ascii_serialization();
        set(&format!("http.{origin}/.extraHeader"), authorization(credentials));
    }
    Ok(settings)
}

fn authorization(credentials: &Credentials) -> String {
    format!("Authorization: {}", credentials.header().to_str().unwrap_or_default())
}

/// How ssh is run: with our key and no other, to a host whose key is known.
fn ssh(options: &Options, bench: &Bench) -> io::Result<[(OsString, OsString); 2]> {
    let Some(keys) = &options.ssh else {
        return Ok([("GIT_SSH_COMMAND".into(), "false".into()), ("GIT_SSH_VARIANT".into(), "ssh".into())]);
    };
    // A key without a line break at its end is none to ssh.
    let identity = bench.put("identity", &format!("{}\n", keys.identity.trim_end()))?;
    let known = bench.put("known_hosts", &format!("{}\n", keys.known_hosts.trim_end()))?;
    let quoted = |path: &Path| format!("'{}'", path.to_string_lossy().replace('\'', "'\\''"));
    let command = format!(
        "ssh -F /dev/null -i {} -o UserKnownHostsFile={} -o GlobalKnownHostsFile=/dev/null \
         -o StrictHostKeyChecking=yes -o UpdateHostKeys=no -o IdentitiesOnly=yes -o IdentityAgent=none \
         -o BatchMode=yes -o ConnectTimeout=10 -o ServerAliveInterval=15 -o ServerAliveCountMax=2",
        quoted(&identity),
        quoted(&known)
    );
    Ok([("GIT_SSH_COMMAND".into(), command.into()), ("GIT_SSH_VARIANT".into(), "ssh".into())])
}
