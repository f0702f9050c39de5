//! Why a repository, an index or an archive cannot be had: one kind for each cause.

use std::io;
use std::time::Duration;

use super::revision::Revision;
use super::signatures::NotTrusted;
use crate::chart::LoadError;

/// Why a chart source failed. Messages are one sentence with the place and the next step; URLs in them carry neither
/// credentials nor a query.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// The address cannot be used.
    #[error("url {url:?} cannot be used: {reason}; write https:// or http://, a host and a path")]
    InvalidUrl {
        /// The address, shortened to what is safe to show.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The reference cannot be used.
    #[error("{url:?} cannot be used: {reason}; write oci://, the registry's host and a path")]
    InvalidReference {
        /// The reference, shortened to what is safe to show.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The address of a Git repository cannot be used.
    #[error(
        "url {url:?} cannot be used: {reason}; write https://, ssh:// or http://, a host and a path, or user@host:path"
    )]
    InvalidGitUrl {
        /// The address, shortened to what is safe to show.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The address of a Subversion repository cannot be used.
    #[error("url {url:?} cannot be used: {reason}; write https://, http:// or svn://, a host and a path")]
    InvalidSvnUrl {
        /// The address, shortened to what is safe to show.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The range of tags cannot be used.
    #[error("semver: the {range} is no range: {reason}; correct it, for example ^1.2")]
    InvalidRange {
        /// The range.
        range: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The pattern of tags cannot be used.
    #[error("spec.tagFilter {pattern:?} is not a regular expression: {reason}; correct it")]
    InvalidTagFilter {
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The address is one of the metadata of machines.
    #[error(
        "{url} leads to the metadata of the machine, where there are credentials and no charts: correct url, or allow it \
         by the operator's flag --allow-metadata-addresses"
    )]
    OutOfReach {
        /// What was asked for.
        url: String,
    },
    /// A certificate or key that was given is not usable.
    #[error("{field} cannot be used: {reason}; correct it")]
    InvalidCertificate {
        /// The field it was given in.
        field: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The host's name cannot be resolved.
    #[error("host {host:?} cannot be resolved by {resolvers}: {cause}; check url and the cluster's DNS")]
    Dns {
        /// The host.
        host: String,
        /// Who was asked.
        resolvers: String,
        /// What the system said.
        cause: String,
    },
    /// Nothing listens at the address.
    #[error("{address} refuses connections: check host and port of url, and whether the server runs")]
    Refused {
        /// Host and port.
        address: String,
    },
    /// The connection failed in another way.
    #[error("{address} cannot be reached: {cause}; check host and port of url and the network")]
    Unreachable {
        /// Host and port.
        address: String,
        /// What the network said.
        cause: String,
    },
    /// No answer in time.
    #[error("{url} did not answer within {}s: see whether the server runs and the network lets the operator through", .limit.as_secs_f64())]
    Timeout {
        /// What was asked for.
        url: String,
        /// The limit that was exceeded.
        limit: Duration,
    },
    /// The certificate's issuer is not trusted.
    #[error("the certificate of {host} is signed by an unknown authority: put the authority's certificate in caBundle")]
    UnknownAuthority {
        /// The server.
        host: String,
    },
    /// The certificate is not valid at this time.
    #[error("the certificate of {host} has expired or is not valid yet: renew it on the server")]
    ExpiredCertificate {
        /// The server.
        host: String,
    },
    /// The certificate is for another name.
    #[error("the certificate of {host} is for another name: use a name from the certificate in url")]
    WrongName {
        /// The server.
        host: String,
    },
    /// TLS failed in another way.
    #[error("TLS with {host} failed: {cause}; check the certificate and the settings of the server")]
    Tls {
        /// The server.
        host: String,
        /// What the TLS library said.
        cause: String,
    },
    /// The server does not speak TLS.
    #[error(
        "{host} does not speak TLS: correct its port, or allow HTTP with http:// in url or, for a registry, with plainHTTP"
    )]
    NotTls {
        /// The server.
        host: String,
    },
    /// 401.
    #[error("{url} answered 401: {}", if *.with_credentials { "the credentials are wrong: check the Secret" } else { "it asks for credentials: name a Secret with username and password, or with token, in secret" })]
    Unauthorized {
        /// What was asked for.
        url: String,
        /// Whether credentials were sent.
        with_credentials: bool,
    },
    /// 403.
    #[error("{url} answered 403: these credentials may not read it; grant them the right or name other ones")]
    Forbidden {
        /// What was asked for.
        url: String,
    },
    /// 404 or 410 for an index.
    #[error("{url} answered 404: check the path of url")]
    NotFound {
        /// What was asked for.
        url: String,
    },
    /// 404 or 410 for an archive.
    #[error("{url} answered 404, but the index names it: publish the archive again or correct the index")]
    ArchiveNotFound {
        /// What was asked for.
        url: String,
    },
    /// 429.
    #[error("{url} answered 429: too many requests, it is asked again {}", match .retry_after { Some(wait) => format!("in {}s as it says, or later", wait.as_secs()), None => "later".to_owned() })]
    RateLimited {
        /// What was asked for.
        url: String,
        /// When the server wants to be asked again.
        retry_after: Option<Duration>,
    },
    /// 5xx.
    #[error("{url} answered {status}: the server failed, it is asked again later")]
    Server {
        /// What was asked for.
        url: String,
        /// The status.
        status: u16,
    },
    /// Any other status.
    #[error("{url} answered {status}, which is no answer to this request: check url")]
    Status {
        /// What was asked for.
        url: String,
        /// The status.
        status: u16,
    },
    /// More redirects than anyone needs.
    #[error("{url} redirects more than {limit} times: correct the redirect on the server")]
    Redirects {
        /// What was asked for.
        url: String,
        /// The limit.
        limit: usize,
    },
    /// A redirect from HTTPS to HTTP.
    #[error("{url} redirects from https to http, which is not followed: correct the redirect on the server")]
    Downgrade {
        /// What was asked for.
        url: String,
    },
    /// The answer is not an index.
    #[error("{url} is not a chart index: {reason}; url must be the folder of the index.yaml of a chart repository")]
    NotAnIndex {
        /// What was asked for.
        url: String,
        /// What it is instead.
        reason: String,
    },
    /// The answer is not one of a registry.
    #[error("{url} is no answer of a registry: {reason}; check the host and path of url")]
    NotARegistry {
        /// What was asked for.
        url: String,
        /// What it is instead.
        reason: String,
    },
    /// The registry does not tell what it has.
    #[error("{registry} does not list its repositories: name the charts in spec.charts")]
    Unlisted {
        /// The registry.
        registry: String,
    },
    /// The registry refuses what is asked for, and does not tell what it has.
    #[error("{refusal}; if {path:?} is a folder of charts, name them in spec.charts, as the registry does not list it")]
    UnlistedBelow {
        /// What was asked for.
        path: String,
        /// Why it is refused.
        refusal: Box<SourceError>,
    },
    /// There is no such tag or digest.
    #[error("{repository} has no version {wanted:?}: correct the version or push it")]
    TagNotFound {
        /// The repository.
        repository: String,
        /// What was wanted.
        wanted: String,
    },
    /// What a registry has there is not a chart.
    #[error(
        "{url} holds {found}, not a Helm chart: name another repository or version, or push the chart with helm push"
    )]
    NotAChart {
        /// The reference.
        url: String,
        /// Its media types.
        found: String,
    },
    /// The answer ended early.
    #[error("{url} broke off after {received} bytes, it is asked again later")]
    Truncated {
        /// What was asked for.
        url: String,
        /// How much came.
        received: u64,
    },
    /// The answer is larger than allowed.
    #[error("{url} is larger than {} MiB, more than is read: make it smaller", .limit >> 20)]
    TooLarge {
        /// What was asked for.
        url: String,
        /// The limit in bytes.
        limit: u64,
    },
    /// The archive is not the one that the index names.
    #[error("{url} has digest {actual}, but the index names {expected}: one of them was replaced; publish both again")]
    DigestMismatch {
        /// What was asked for.
        url: String,
        /// What the index says.
        expected: String,
        /// What was downloaded.
        actual: String,
    },
    /// The chart in a registry is not the one that is pinned.
    #[error("{url} has digest sha256:{actual}, but sha256:{expected} is asked for: correct the digest, or the version")]
    NotThePinned {
        /// The reference.
        url: String,
        /// The digest that is asked for.
        expected: String,
        /// The digest of its manifest.
        actual: String,
    },
    /// The chart is not signed by whom it must be signed.
    #[error(transparent)]
    NotTrusted(Box<NotTrusted>),
    /// The archive is not a chart.
    #[error("{url} is not a chart that can be installed: {reason}; {}", if *.too_large { "make it smaller and publish it again" } else { "correct it and publish it again" })]
    Chart {
        /// The archive.
        url: String,
        /// What is wrong with it, in Helm's words.
        reason: String,
        /// Whether a limit of size, entries or depth was exceeded.
        too_large: bool,
    },
    /// What is kept in objects of the cluster is no chart.
    #[error("{shown}: {problem}")]
    Kept {
        /// The objects.
        shown: String,
        /// What is wrong with one of them, and what to do.
        problem: String,
    },
    /// Objects of the cluster cannot be read.
    #[error("{problem}; it is tried again later")]
    Objects {
        /// What the API server said.
        problem: String,
    },
    /// The server's key is not among the known ones.
    #[error(
        "the host key of {host} is not known: put its line of ssh-keyscan, once verified, in known_hosts of the Secret \
         in secret"
    )]
    UnknownHostKey {
        /// The server.
        host: String,
    },
    /// The server does not accept our key.
    #[error(
        "{host} refuses the key: check identity of the Secret in secret, and whether the server knows its public key"
    )]
    KeyRefused {
        /// The server.
        host: String,
    },
    /// There is no repository at this address, or none that may be read.
    #[error("{url} is no repository that can be read: check the path of url, and whether the credentials may read it")]
    NoRepository {
        /// What was asked for.
        url: String,
    },
    /// The answer is not one of a server of this kind of repository.
    #[error("{url} is not a {kind} repository: {reason}; check host and path of url")]
    NotARepository {
        /// What was asked for.
        url: String,
        /// Git or Subversion.
        kind: &'static str,
        /// What it is instead.
        reason: String,
    },
    /// There is no such branch, tag or commit.
    #[error("{url} has no {wanted}: correct source.ref or source.semver, or push it")]
    ReferenceNotFound {
        /// The repository.
        url: String,
        /// What was wanted.
        wanted: String,
    },
    /// There is no chart in the folder.
    #[error("{url} has no Chart.yaml in or below folder {path:?} at {revision}: correct source.path or push the chart")]
    NoChart {
        /// The repository.
        url: String,
        /// The folder.
        path: String,
        /// What was checked out.
        revision: String,
    },
    /// There are several charts where one is wanted.
    #[error("{url} has several charts, {charts}: name the folder of one in path")]
    SeveralCharts {
        /// The repository.
        url: String,
        /// The folders of the first ones.
        charts: String,
    },
    /// What is to be checked out has too many files.
    #[error("{url} has more than {limit} files, more than are checked out: keep charts in a repository of their own")]
    TooManyFiles {
        /// The repository.
        url: String,
        /// The limit.
        limit: usize,
    },
    /// What a chart depends on cannot be had.
    #[error("{url} is not complete: {}{reason}", if .dependency.is_empty() { String::new() } else { format!("dependency {dependency}: ") })]
    Dependency {
        /// The chart.
        url: String,
        /// Name and version; empty where it is about all.
        dependency: String,
        /// Why, and what to do.
        reason: String,
    },
    /// A client program is not there.
    #[error("there is no program {program:?}, which {needed_for} needs: use the operator's image or install it")]
    NoProgram {
        /// The program.
        program: &'static str,
        /// The kind of repository.
        needed_for: &'static str,
    },
    /// A client program failed in a way that has no name here.
    #[error("{program} cannot read {url}: {cause}")]
    Client {
        /// The program.
        program: &'static str,
        /// The repository.
        url: String,
        /// What it complains of.
        cause: String,
    },
    /// The operator's disk cannot be used.
    #[error("what {url} has cannot be checked out in the operator's --cache-dir: {cause}; make room or mend it")]
    Disk {
        /// The repository.
        url: String,
        /// What the system said.
        cause: String,
    },
    /// The operator stopped while it worked.
    #[error("reading {url} was interrupted")]
    Interrupted {
        /// What was being read.
        url: String,
    },
}

impl SourceError {
    /// The folder of a state of a repository has no charts.
    pub(super) fn no_chart(revision: &Revision, path: &str) -> Self {
        let Revision { url, id, .. } = revision.clone();
        Self::NoChart { url, path: path.to_owned(), revision: id }
    }

    /// The disk cannot be used for what comes from a URL.
    pub(super) fn disk(url: &str, error: &io::Error) -> Self {
        Self::Disk { url: url.to_owned(), cause: error.to_string() }
    }

    /// The archive at a URL cannot be loaded.
    pub(super) fn chart(url: &str, error: &LoadError) -> Self {
        Self::Chart { url: url.to_owned(), reason: error.to_string(), too_large: error.is_too_large() }
    }
}
