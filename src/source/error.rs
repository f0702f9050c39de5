//! Why a repository, an index or an archive cannot be had: one kind for each cause.

use std::time::Duration;

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
    /// The pattern of tags cannot be used.
    #[error("spec.tagFilter {pattern:?} is not a regular expression: {reason}; correct it")]
    InvalidTagFilter {
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        reason: String,
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
    #[error("host {host:?} is not known to DNS: check url and the cluster's DNS")]
    Dns {
        /// The host.
        host: String,
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
    #[error("{url} answered 401: {}", if *.with_credentials { "the credentials are wrong: check the Secret" } else { "it asks for credentials: name a Secret with username and password in secret" })]
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
    #[error("{url} answered 429: too many requests, it is asked again later")]
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
    /// The operator stopped while it worked.
    #[error("reading {url} was interrupted")]
    Interrupted {
        /// What was being read.
        url: String,
    },
}

impl SourceError {
    /// The archive at a URL cannot be loaded.
    pub(super) fn chart(url: &str, error: &LoadError) -> Self {
        Self::Chart { url: url.to_owned(), reason: error.to_string(), too_large: error.is_too_large() }
    }
}
