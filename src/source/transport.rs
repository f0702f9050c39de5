//! One HTTP exchange: redirects, credentials, limits, and what each way of failing is called.

use std::error::Error;
use std::io;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue, LOCATION, RETRY_AFTER};
use reqwest::{Client, Method, Response, StatusCode, Url, redirect};
use rustls::CertificateError;

use super::SourceError;
use super::access::Tls;
use super::address::{host_and_port, same_origin, shown};
use super::tls;

/// As many as Go's client follows.
const REDIRECTS: usize = 10;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const USER_AGENT: &str = concat!("coxswain/", env!("CARGO_PKG_VERSION"));

/// A client with the TLS settings and time limit of one repository. Proxies come from the environment.
#[derive(Clone, Debug)]
pub(super) struct Transport {
    client: Client,
    timeout: Duration,
}

/// A request.
pub(super) struct Request {
    pub(super) method: Method,
    pub(super) url: Url,
    /// Who we are. It is sent to the URL's origin, and to no other one that it redirects to.
    pub(super) authorization: Option<HeaderValue>,
    pub(super) headers: HeaderMap,
    /// The most bytes of the answer.
    pub(super) limit: u64,
}

/// An answer, complete where it is a success.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    /// Where it came from in the end.
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    /// Nothing for 304, and for every failure.
    pub(super) body: Option<Vec<u8>>,
    with_authorization: bool,
}

impl Request {
    /// Asks for what is at a URL, as nobody.
    pub(super) fn get(url: Url, limit: u64) -> Self {
        Self { method: Method::GET, url, authorization: None, headers: HeaderMap::new(), limit }
    }
}

impl Answer {
    /// The answer, where it is no failure.
    pub(super) fn checked(self) -> Result<Self, SourceError> {
        let url = || shown(&self.url);
        Err(match self.status.as_u16() {
            200..=299 | 304 => return Ok(self),
            401 => SourceError::Unauthorized { url: url(), with_credentials: self.with_authorization },
            403 => SourceError::Forbidden { url: url() },
            404 | 410 => SourceError::NotFound { url: url() },
            429 => SourceError::RateLimited { url: url(), retry_after: retry_after(&self.headers) },
            status @ 500..=599 => SourceError::Server { url: url(), status },
            status => SourceError::Status { url: url(), status },
        })
    }
}

impl Transport {
    pub(super) fn new(tls: &Tls, timeout: Duration) -> Result<Self, SourceError> {
        let client = Client::builder()
            .tls_backend_preconfigured(tls::configuration(tls)?)
            .user_agent(USER_AGENT)
            .redirect(redirect::Policy::none())
            .referer(false)
            .connect_timeout(CONNECT_TIMEOUT.min(timeout))
            .timeout(timeout)
            .build()
            .map_err(|error| SourceError::InvalidCertificate { field: "TLS", reason: innermost(&error) })?;
        Ok(Self { client, timeout })
    }

    /// What is at the URL of a request.
    pub(super) async fn get(&self, request: &Request) -> Result<Answer, SourceError> {
        self.exchange(request).await?.checked()
    }

    /// The server's answer to a request, whatever it is.
    pub(super) async fn exchange(&self, request: &Request) -> Result<Answer, SourceError> {
        let mut url = request.url.clone();
        for _ in 0..=REDIRECTS {
            let response = self.send(request, &url).await?;
            let Some(next) = redirected(&response, &url) else { return self.receive(request, url, response).await };
            if url.scheme() == "https" && next.scheme() == "http" {
                return Err(SourceError::Downgrade { url: shown(&url) });
            }
            url = next;
        }
        Err(SourceError::Redirects { url: shown(&request.url), limit: REDIRECTS })
    }

    async fn send(&self, request: &Request, url: &Url) -> Result<Response, SourceError> {
        let mut builder = self.client.request(request.method.clone(), url.clone()).headers(request.headers.clone());
        if let Some(authorization) = request.authorization.as_ref().filter(|_| same_origin(&request.url, url)) {
            builder = builder.header(AUTHORIZATION, authorization.clone());
        }
        builder.send().await.map_err(|error| self.failure(&error, url, 0))
    }

    async fn receive(&self, request: &Request, url: Url, mut response: Response) -> Result<Answer, SourceError> {
        let (status, headers) = (response.status(), response.headers().clone());
        let with_authorization = request.authorization.is_some();
        let answer = |url, body| Answer { status, url, headers, body, with_authorization };
        if !status.is_success() {
            return Ok(answer(url, None));
        }
        let too_large = |url| SourceError::TooLarge { url: shown(url), limit: request.limit };
        if request.method != Method::HEAD && response.content_length().is_some_and(|length| length > request.limit) {
            return Err(too_large(&url));
        }
        let mut body = Vec::new();
        loop {
            let chunk = response.chunk().await.map_err(|error| self.failure(&error, &url, body.len() as u64))?;
            let Some(chunk) = chunk else { return Ok(answer(url, Some(body))) };
            if body.len() as u64 + chunk.len() as u64 > request.limit {
                return Err(too_large(&url));
            }
            body.extend_from_slice(&chunk);
        }
    }

    fn failure(&self, error: &reqwest::Error, url: &Url, received: u64) -> SourceError {
        let host = || url.host_str().unwrap_or_default().to_owned();
        let address = || host_and_port(url);
        if let Some(error) = causes(error).find_map(tls_error) {
            return tls_failure(error, address());
        }
        if error.is_dns() {
            return SourceError::Dns { host: host() };
        }
        if error.is_timeout() {
            return SourceError::Timeout { url: shown(url), limit: self.timeout };
        }
        if causes(error).any(|cause| io_kind(cause) == Some(io::ErrorKind::ConnectionRefused)) {
            return SourceError::Refused { address: address() };
        }
        if error.is_connect() || error.is_request() {
            return SourceError::Unreachable { address: address(), cause: innermost(error) };
        }
        SourceError::Truncated { url: shown(url), received }
    }
}

fn redirected(response: &Response, url: &Url) -> Option<Url> {
    if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    url.join(response.headers().get(LOCATION)?.to_str().ok()?).ok()
}

/// Only the form in seconds: a date would have to trust the server's clock.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

fn tls_failure(error: &rustls::Error, host: String) -> SourceError {
    match error {
        rustls::Error::InvalidCertificate(certificate) => match certificate {
            CertificateError::UnknownIssuer | CertificateError::BadSignature => SourceError::UnknownAuthority { host },
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. } => SourceError::ExpiredCertificate { host },
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                SourceError::WrongName { host }
            }
            other => SourceError::Tls { host, cause: other.to_string() },
        },
        rustls::Error::InvalidMessage(_) => SourceError::NotTls { host },
        other => SourceError::Tls { host, cause: other.to_string() },
    }
}

fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error: &&(dyn Error + 'static)| (*error).source())
}

/// The TLS error itself, or inside I/O errors, which do not show what they wrap as their source.
fn tls_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    match error.downcast_ref::<io::Error>() {
        Some(wrapper) => tls_error(wrapper.get_ref()?),
        None => error.downcast_ref(),
    }
}

fn io_kind(error: &(dyn Error + 'static)) -> Option<io::ErrorKind> {
    error.downcast_ref::<io::Error>().map(io::Error::kind)
}

/// The text of the first cause; the outer ones only repeat the URL, which may carry a secret.
fn innermost(error: &(dyn Error + 'static)) -> String {
    causes(error).last().map(ToString::to_string).unwrap_or_default()
}
