//! A chart behind an address that may come to mean another one: what archives and folders of Git repositories have in
//! common.
//!
//! The address is asked at each interval, at once when a retry or the resync annotation wants it, and what was found
//! last counts while the server is away.

use std::sync::Arc;
use std::time::Duration;

use super::{Found, Reader, Search};
use crate::api::{HelmRequest, Reason};
use crate::chart::version::{Constraint, Version};
use crate::cluster::observe::SourceRead;
use crate::controller::backoff::spread;
use crate::controller::credentials::{self, Keys};
use crate::controller::events::EventType;
use crate::controller::failure::Failure;
use crate::controller::helm_request::report::Report;
use crate::controller::repositories::Resolved;
use crate::source::{Place, SourceError, Tls};

/// What a source says about whom to trust and who we are.
pub(super) struct Access<'a> {
    /// The source, for example `spec.source.http`.
    pub(super) field: &'static str,
    pub(super) secret: Option<&'a str>,
    pub(super) ca_bundle: Option<&'a str>,
    pub(super) ca_config_map: Option<&'a str>,
    pub(super) insecure_skip_tls_verify: bool,
}

impl Access<'_> {
    /// Reads the Secret and the ConfigMap: whom to trust, and the Secret where it says who we are.
    pub(super) async fn read(&self, reader: &mut Reader<'_>) -> Result<(Tls, Option<Keys>), Failure> {
        let (of_secret, of_map) = (format!("{}.secretRef", self.field), format!("{}.caConfigMapRef", self.field));
        let secret = match self.secret {
            Some(name) => Some(reader.secret(name, &of_secret).await?),
            None => None,
        };
        let map = self.ca_config_map.map(|name| reader.config_map(name, &of_map));
        let tls = credentials::tls(self.ca_bundle, self.insecure_skip_tls_verify, secret.as_ref(), map).await?;
        let is_for_tls = |secret: &Keys| tls.identity.is_some() || secret.authority().is_some();
        let keys = secret.filter(|secret| secret.has_credentials() || !is_for_tls(secret));
        Ok((tls, keys))
    }
}

/// The place that is known, where it is still reached in the same way.
pub(super) fn known(search: &Search<'_>, known: Option<&Found>) -> Option<(Arc<Place>, Vec<SourceRead>)> {
    let known = known.filter(|known| known.is_reached_so(search.context, search.request))?;
    let (_, place) = known.place.as_ref()?;
    Some((Arc::clone(place), known.sources.clone()))
}

/// The chart that is there now, or was when it was looked at last, and when to look again.
pub(super) async fn current(
    search: &Search<'_>,
    field: &'static str,
    place: &Place,
    interval: Duration,
    anew: bool,
) -> Result<(Resolved, Option<Duration>), Failure> {
    let Search { context, request, .. } = *search;
    let look = place.look(&context.charts, spread(interval), anew).await.map_err(|error| failure(field, &error))?;
    if let Some(error) = look.failure {
        let failure = failure(field, &error);
        let note = format!("{}: {}; the chart that was read last goes on to count", failure.reason, failure.message);
        tracing::warn!(
            namespace = request.metadata.namespace,
            name = request.metadata.name,
            message = note,
            "not read"
        );
        Report::new(request, context).event(EventType::Warning, "FailedSync", "Read", &note).await;
    }
    Ok((Resolved { entry: look.entry, repository: place.repository() }, Some(look.again)))
}

/// Refuses a chart that has not the version that the request wants.
pub(super) fn check_version(request: &HelmRequest, field: &'static str, chart: &Resolved) -> Result<(), Failure> {
    let Some(wanted) = &request.spec.version else { return Ok(()) };
    let Resolved { entry, repository } = chart;
    if is_version(wanted, &entry.version)? {
        return Ok(());
    }
    let message = format!(
        "the chart at {} has version {}, not {wanted:?}: correct spec.version or {field}",
        repository.shown(),
        entry.version
    );
    Err(Failure::new(Reason::ChartVersionNotFound, message))
}

/// Whether a chart's version is the wanted one or in the wanted range.
fn is_version(wanted: &str, actual: &str) -> Result<bool, Failure> {
    if wanted == actual {
        return Ok(true);
    }
    let constraint = Constraint::parse(wanted).map_err(|error| {
        let message = format!("spec.version {wanted:?} is neither a version nor a range: {error}; correct it");
        Failure::new(Reason::InvalidRequest, message)
    })?;
    Ok(Version::parse(actual).is_ok_and(|actual| constraint.check(&actual)))
}

/// Why a chart at an address cannot be had, with the field to correct.
pub fn failure(field: &'static str, error: &SourceError) -> Failure {
    let message = match error {
        SourceError::NotFound { url } | SourceError::ArchiveNotFound { url } => {
            format!("{url} answered 404: correct {field}.url, or publish the chart there")
        }
        SourceError::Unauthorized { url, with_credentials: false } => format!(
            "{url} answered 401: it asks for credentials; name a Secret with username and password, or with token, in \
             {field}.secretRef"
        ),
        SourceError::DigestMismatch { url, expected, actual } => {
            format!("{url} has digest {actual}, but {expected} is wanted: correct {field}.digest or the archive")
        }
        error => format!("{field}: {error}"),
    };
    Failure::new(Reason::from(error), message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_exact_or_in_a_range() {
        for (wanted, actual, expected) in [
            ("1.2.3", "1.2.3", Some(true)),
            ("not-a-version", "not-a-version", Some(true)),
            ("^1.2", "1.9.0", Some(true)),
            ("1.2.3", "1.2.3+0123456789ab", Some(true)),
            ("1.2.3", "1.2.4", Some(false)),
            ("<1", "1.0.0", Some(false)),
            ("one", "1.0.0", None),
        ] {
            assert_eq!(is_version(wanted, actual).ok(), expected, "{wanted} {actual}");
        }
    }

    #[test]
    fn a_failure_names_the_field() {
        let url = || "https://x.org/web.tgz".to_owned();
        let digest = |byte: &str| byte.repeat(32);
        for (error, field) in [
            (SourceError::NotFound { url: url() }, "spec.source.http.url"),
            (SourceError::Unauthorized { url: url(), with_credentials: false }, "spec.source.http.secretRef"),
            (
                SourceError::DigestMismatch { url: url(), expected: digest("00"), actual: digest("11") },
                "spec.source.http.digest",
            ),
            (
                SourceError::Dns { host: "x.org".to_owned(), resolvers: String::new(), cause: String::new() },
                "spec.source.http: host",
            ),
        ] {
            let failure = failure("spec.source.http", &error);
            assert_eq!(failure.reason, Reason::from(&error));
            assert!(failure.message.contains(field), "{}", failure.message);
        }
    }
}
