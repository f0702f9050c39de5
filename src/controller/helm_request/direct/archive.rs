//! The archive of a chart that a request names by its address: `spec.source.http`. With a digest it is fetched once and
//! never asked for again.

use std::sync::Arc;

use super::place::{self, Access};
use super::{Found, Reader, Search};
use crate::api::Reason;
use crate::api::helm_request::HttpSource;
use crate::api::verification::SignatureProvider;
use crate::cluster::observe::SourceRead;
use crate::controller::failure::Failure;
use crate::controller::repositories::Resolved;
use crate::source::index::Entry;
use crate::source::{Address, Digest, Keyring, Place, Reach, http};

/// The source.
pub(super) const FIELD: &str = "spec.source.http";

/// Finds the archive that a request names.
pub(super) async fn find(search: &Search<'_>, source: &HttpSource, known: Option<Found>) -> Result<Found, Failure> {
    let anew = known.as_ref().is_some_and(|known| known.is_wanted_anew(search.request));
    let (place, sources) = match place::known(search, known.as_ref()) {
        Some(known) => known,
        None => connect(search, source).await?,
    };
    let (chart, again) = match &source.digest {
        Some(digest) => (pinned(search, digest, &place).await?, None),
        None => place::current(search, FIELD, &place, source.interval(), anew).await?,
    };
    Ok(Found { place: Some((FIELD, place)), ..search.found(chart, sources, again) })
}

/// The archive with a digest; it is fetched here only where its version matters.
async fn pinned(search: &Search<'_>, digest: &str, place: &Place) -> Result<Resolved, Failure> {
    let digest = parsed(digest)?;
    let repository = place.repository();
    let mut entry = Entry::new("", &place.url(), Some(digest));
    if search.request.spec.version.is_some() {
        let program = search.context.charts.program(&repository, &entry).await;
        let program = program.map_err(|error| place::failure(FIELD, &error))?;
        entry = Entry::new(&program.chart().metadata.version, &place.url(), Some(digest));
    }
    Ok(Resolved { entry, repository })
}

/// Reads the Secret and the ConfigMap, follows them from then on, and gives the place that is reached with them.
async fn connect(search: &Search<'_>, source: &HttpSource) -> Result<(Arc<Place>, Vec<SourceRead>), Failure> {
    let mut reader = search.reader();
    let options = options(&mut reader, source, search.context.reach).await;
    search.follow(&reader.reads).await?;
    let place = search.context.direct.place(Address::Http(options?));
    Ok((place.map_err(|error| place::failure(FIELD, &error))?, reader.reads))
}

/// The digest that a request asks for.
///
/// # Errors
/// It is none.
pub(super) fn parsed(digest: &str) -> Result<Digest, Failure> {
    Digest::parse(digest).ok_or_else(|| {
        let message = format!("{FIELD}.digest {digest:?} is no SHA-256: write its 64 hexadecimal digits");
        Failure::new(Reason::InvalidRequest, message)
    })
}

/// How the address is reached.
///
/// # Errors
/// A Secret or ConfigMap that it names cannot be used.
pub(super) async fn options(
    reader: &mut Reader<'_>,
    source: &HttpSource,
    reach: Reach,
) -> Result<http::Options, Failure> {
    let access = Access {
        field: FIELD,
        secret: source.secret_ref.as_deref(),
        ca_bundle: source.ca_bundle.as_deref(),
        ca_config_map: source.ca_config_map_ref.as_deref(),
        insecure_skip_tls_verify: source.insecure_skip_tls_verify,
    };
    let (tls, keys) = access.read(reader).await?;
    let keyring = keyring(reader, source).await?;
    let credentials = keys.map(|keys| keys.credentials(&source.url)).transpose()?.flatten();
    Ok(http::Options { url: source.url.clone(), credentials, tls, reach, keyring, ..http::Options::default() })
}

/// Who must have signed the archive.
async fn keyring(reader: &mut Reader<'_>, source: &HttpSource) -> Result<Option<Keyring>, Failure> {
    let Some(verify) = &source.verify else { return Ok(None) };
    if verify.provider() == SignatureProvider::Cosign {
        let message = format!("signatures of cosign are in registries: set {FIELD}.verify.provider to Provenance");
        return Err(Failure::new(Reason::InvalidRequest, message));
    }
    Ok(Some(reader.secret(&verify.secret_ref, &format!("{FIELD}.verify.secretRef")).await?.keyring()?))
}
