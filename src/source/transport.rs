//! One HTTP exchange: redirects, credentials, limits, and what each way of failing is called.

use std::error::Error;
use std::io;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue, LOCATION, RETRY_AFTER};
use reqwest::{Client, Response, StatusCode, Url, redirect};
use rustls::CertificateError;

use super::SourceError;
use super::address::{host_and_port, same_origin, shown};
use super::http::{Credentials, Tls};
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
pub(super) struct Get<'a> {
    pub(super) url: Url,
    /// What is sent to the URL's origin, and to no other one that it redirects to.
    pub(super) credentials: Option<&'a Credentials>,
    /// Headers of a conditional request.
    pub(super) conditions: HeaderMap,
    /// The most bytes of the answer.
    pub(super) limit: u64,
}

/// A complete answer.
pub(super) struct Answer {
    pub(super) headers: HeaderMap,
    /// Nothing for 304.
    pub(super) body: Option<Vec<u8>>,
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

    pub(super) async fn get(&self, get: &Get<'_>) -> Result<Answer, SourceError> {
        let mut url = get.url.clone();
        for _ in 0..=REDIRECTS {
            let response = self.send(get, &url).await?;
            let Some(next) = redirected(&response, &url) else { return self.receive(get, &url, response).await };
            if url.scheme() == "https" && next.scheme() == "http" {
                return Err(SourceError::Downgrade { url: shown(&url) });
            }
            url = next;
        }
        Err(SourceError::Redirects { url: shown(&get.url), limit: REDIRECTS })
    }

    async fn send(&self, get: &Get<'_>, url: &Url) -> Result<Response, SourceError> {
        let mut request = self.client.get(url.clone()).headers(get.conditions.clone());
        if let Some(credentials) = get.credentials.filter(|_| same_origin(&get.url, url)) {
            request = request.header(AUTHORIZATION, credentials.header());
        }
        request.send().await.map_err(|error| self.failure(&error, url, 0))
    }

    async fn receive(&self, get: &Get<'_>, url: &Url, mut response: Response) -> Result<Answer, SourceError> {
        let headers = response.headers().clone();
        if response.status() == StatusCode::NOT_MODIFIED {
            return Ok(Answer { headers, body: None });
        }
        check_status(&response, url, get.credentials.is_some())?;
        let too_large = || SourceError::TooLarge { url: shown(url), limit: get.limit };
        if response.content_length().is_some_and(|length| length > get.limit) {
            return Err(too_large());
        }
        let mut body = Vec::new();
        loop {
            let chunk = response.chunk().await.map_err(|error| self.failure(&error, url, body.len() as u64))?;
            let Some(chunk) = chunk else { return Ok(Answer { headers, body: Some(body) }) };
            if body.len() as u64 + chunk.len() as u64 > get.limit {
                return Err(too_large());
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

impl Credentials {
    /// The header of basic authentication, which debug output does not show.
    fn header(&self) -> HeaderValue {
        use base64::{Engine, engine::general_purpose::STANDARD};
        let text = format!("Basic {}", STANDARD.encode(format!("{}:{}", self.username, self.password)));
        // Base64 has only characters that a header may have.
        let mut value = HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static(""));
        value.set_sensitive(true);
        value
    }
}

fn redirected(response: &Response, url: &Url) -> Option<Url> {
    if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    url.join(response.headers().get(LOCATION)?.to_str().ok()?).ok()
}

fn check_status(response: &Response, url: &Url, with_credentials: bool) -> Result<(), SourceError> {
    let url = || shown(url);
    Err(match response.status().as_u16() {
        200..=299 => return Ok(()),
        401 => SourceError::Unauthorized { url: url(), with_credentials },
        403 => SourceError::Forbidden { url: url() },
        404 | 410 => SourceError::NotFound { url: url() },
        429 => SourceError::RateLimited { url: url(), retry_after: retry_after(response) },
        status @ 500..=599 => SourceError::Server { url: url(), status },
        status => SourceError::Status { url: url(), status },
    })
}

/// Only the form in seconds: a date would have to trust the server's clock.
fn retry_after(response: &Response) -> Option<Duration> {
    let seconds = response.headers().get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
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
