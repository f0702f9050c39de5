//! The folder of a Git repository that a request names: `spec.source.git`.

use std::sync::Arc;

use super::place::{self, Access};
use super::{Found, Search};
use crate::api::helm_request::GitSource;
use crate::cluster::observe::SourceRead;
use crate::controller::credentials::KeysError;
use crate::controller::failure::Failure;
use crate::source::{Address, Place, git};

/// The source.
const FIELD: &str = "spec.source.git";

/// Finds the chart in the repository that a request names.
pub(super) async fn find(search: &Search<'_>, source: &GitSource, known: Option<Found>) -> Result<Found, Failure> {
    let anew = known.as_ref().is_some_and(|known| known.is_wanted_anew(search.request));
    let (place, sources) = match place::known(search, known.as_ref()) {
        Some(known) => known,
        None => connect(search, source).await?,
    };
    let (chart, again) = place::current(search, FIELD, &place, source.interval(), anew).await?;
    Ok(Found { place: Some((FIELD, place)), ..search.found(chart, sources, again) })
}

/// Reads the Secret and the ConfigMap, follows them from then on, and gives the place that is reached with them.
async fn connect(search: &Search<'_>, source: &GitSource) -> Result<(Arc<Place>, Vec<SourceRead>), Failure> {
    let mut reader = search.reader();
    let options = options(search, source, &mut reader).await;
    search.follow(&reader.reads).await?;
    let place = search.context.direct.place(Address::Git(options?));
    Ok((place.map_err(|error| place::failure(FIELD, &error))?, reader.reads))
}

async fn options(
    search: &Search<'_>,
    source: &GitSource,
    reader: &mut super::Reader<'_>,
) -> Result<git::Options, Failure> {
    let mut options = git::Options::new(&source.url, search.context.workshop.clone());
    options.wanted = git::Wanted::of(source.reference.as_deref(), source.semver.as_deref());
    options.path = source.path.clone().unwrap_or_default();
    options.submodules = source.submodules;
    options.namespace = search.request.metadata.namespace.clone().unwrap_or_default();
    options.reach = search.context.reach;
    if git::needs_ssh(&source.url) {
        let field = format!("{FIELD}.secretRef");
        let no_secret = || KeysError::NoSsh { url: format!("{FIELD}.url"), secret: field.clone() };
        let name = source.secret_ref.as_deref().ok_or_else(no_secret)?;
        options.ssh = Some(reader.secret(name, &field).await?.ssh()?);
        return Ok(options);
    }
    let access = Access {
        field: FIELD,
        secret: source.secret_ref.as_deref(),
        ca_bundle: source.ca_bundle.as_deref(),
        ca_config_map: source.ca_config_map_ref.as_deref(),
        insecure_skip_tls_verify: source.insecure_skip_tls_verify,
    };
    let (tls, keys) = access.read(reader).await?;
    options.tls = tls;
    options.credentials = keys.map(|keys| keys.credentials(&source.url)).transpose()?.flatten();
    Ok(options)
}
