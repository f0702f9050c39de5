//! One HTTP exchange: redirects, credentials, limits, and what each way of failing is called.

use std::error::Error;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue, LOCATION, RETRY_AFTER};
use reqwest::{Client, Method, Response, StatusCode, Url, redirect};
use rustls::CertificateError;

use super::SourceError;
use super::access::Tls;
use super::address::{host_and_port, same_origin, shown};
use super::reach::{OutOfReach, Reach, Resolver};
use super::tls;

/// As many as Go's client follows.
const REDIRECTS: usize = 10;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const USER_AGENT: &str = concat!("coxswain/", env!("CARGO_PKG_VERSION"));

/// A client with the TLS settings and time limit of one repository. Proxies come from the environment.
#[derive(Clone, Debug)]
pub(super) struct Transport {
    client: Client,
    reach: Reach,
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

/// An answer whose body is still to come.
pub(super) struct Incoming<'a> {
    pub(super) answer: Answer,
    /// Nothing where the answer is no success.
    response: Option<Response>,
    received: u64,
    limit: u64,
    transport: &'a Transport,
}

impl Incoming<'_> {
    /// The answer, where it is no failure.
    pub(super) fn checked(self) -> Result<Self, SourceError> {
        Ok(Self { answer: self.answer.checked()?, ..self })
    }

    /// The next part of the body; nothing at its end.
    pub(super) async fn chunk(&mut self) -> Result<Option<Bytes>, SourceError> {
        let Some(response) = &mut self.response else { return Ok(None) };
        let chunk = response.chunk().await;
        let chunk = chunk.map_err(|error| self.transport.failure(&error, &self.answer.url, self.received))?;
        self.received += chunk.as_ref().map_or(0, |chunk| chunk.len() as u64);
        if self.received > self.limit { Err(self.too_large()) } else { Ok(chunk) }
    }

    fn too_large(&self) -> SourceError {
        SourceError::TooLarge { url: shown(&self.answer.url), limit: self.limit }
    }
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
    pub(super) fn new(tls: &Tls, reach: Reach, timeout: Duration) -> Result<Self, SourceError> {
        let client = Client::builder()
            .tls_backend_preconfigured(tls::configuration(tls)?)
            .user_agent(USER_AGENT)
            .dns_resolver(Arc::new(Resolver(reach)))
            .redirect(redirect::Policy::none())
            .referer(false)
            .connect_timeout(CONNECT_TIMEOUT.min(timeout))
            .timeout(timeout)
            .build()
            .map_err(|error| SourceError::InvalidCertificate { field: "TLS", reason: innermost(&error) })?;
        Ok(Self { client, reach, timeout })
    }

    /// What is at the URL of a request.
    pub(super) async fn get(&self, request: &Request) -> Result<Answer, SourceError> {
        self.exchange(request).await?.checked()
    }

    /// The server's answer to a request, whatever it is.
    pub(super) async fn exchange(&self, request: &Request) -> Result<Answer, SourceError> {
        let mut incoming = self.open(request).await?;
        let mut body = Vec::new();
        while let Some(chunk) = incoming.chunk().await? {
            body.extend_from_slice(&chunk);
        }
        let body = incoming.answer.status.is_success().then_some(body);
        Ok(Answer { body, ..incoming.answer })
    }

    /// The server's answer to a request, whatever it is, whose body is still to come.
    pub(super) async fn open(&self, request: &Request) -> Result<Incoming<'_>, SourceError> {
        let mut url = request.url.clone();
        for _ in 0..=REDIRECTS {
            let response = self.send(request, &url).await?;
            let Some(next) = redirected(&response, &url) else { return self.receive(request, url, response) };
            if url.scheme() == "https" && next.scheme() == "http" {
                return Err(SourceError::Downgrade { url: shown(&url) });
            }
            url = next;
        }
        Err(SourceError::Redirects { url: shown(&request.url), limit: REDIRECTS })
    }

    async fn send(&self, request: &Request, url: &Url) -> Result<Response, SourceError> {
        if !self.reach.admits(url) {
            return Err(SourceError::OutOfReach { url: shown(url) });
        }
        let mut builder = self.client.request(request.method.clone(), url.clone()).headers(request.headers.clone());
        if let Some(authorization) = request.authorization.as_ref().filter(|_| same_origin(&request.url, url)) {
            builder = builder.header(AUTHORIZATION, authorization.clone());
        }
        builder.send().await.map_err(|error| self.failure(&error, url, 0))
    }

    fn receive(&self, request: &Request, url: Url, response: Response) -> Result<Incoming<'_>, SourceError> {
        let (status, headers) = (response.status(), response.headers().clone());
        let with_authorization = request.authorization.is_some();
        let answer = Answer { status, url, headers, body: None, with_authorization };
        let response = status.is_success().then_some(response);
        let incoming = Incoming { answer, response, received: 0, limit: request.limit, transport: self };
        let announced = incoming.response.as_ref().and_then(Response::content_length).unwrap_or_default();
        if request.method != Method::HEAD && announced > request.limit {
            Err(incoming.too_large())
        } else {
            Ok(incoming)
        }
    }

    fn failure(&self, error: &reqwest::Error, url: &Url, received: u64) -> SourceError {
        let host = || url.host_str().unwrap_or_default().to_owned();
        let address = || host_and_port(url);
        if let Some(error) = causes(error).find_map(tls_error) {
            return tls_failure(error, address());
        }
        if causes(error).any(|cause| cause.is::<OutOfReach>()) {
            return SourceError::OutOfReach { url: shown(url) };
        }
        if error.is_dns() {
            return SourceError::dns(&host(), &innermost(error));
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
