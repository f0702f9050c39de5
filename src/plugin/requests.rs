//! Finding requests: one by its name, with what it may have been meant for, or many by what they are.

use std::fmt::Debug;

use k8s_openapi::api::core::v1::Namespace;
use kube::api::{ApiResource, DynamicObject, ListParams, PartialObjectMeta};
use kube::{Api, ResourceExt};
use serde::de::DeserializeOwned;

use super::Error;
use super::session::Session;
use crate::api::HelmRequest;
use crate::cluster::ApiError;
use crate::cluster::pages::{all, all_metadata};
use crate::value::Json;

/// The word for requests in messages.
pub const KIND: &str = "HelmRequest";
/// How many requests one page of a list has.
const PAGE: u32 = 250;
/// How many names like a missing one are proposed.
const PROPOSALS: usize = 3;

/// What is known of an API object as it is, with every field that it has.
pub fn resource() -> ApiResource {
    ApiResource::erase::<HelmRequest>(&())
}

/// The requests of the session's namespace as they are, with every field that they have.
pub fn whole(session: &Session) -> Api<DynamicObject> {
    Api::namespaced_with(session.cluster.client(), &session.namespace, &resource())
}

/// A request by kind and name, as kubectl takes it.
pub fn shown(name: &str) -> String {
    format!("helmrequest.app.alauda.io/{name}")
}

/// The name that is meant by `web`, `hr/web` or `helmrequest.app.alauda.io/web`.
pub fn bare(name: &str) -> &str {
    name.rsplit_once('/').map_or(name, |(_, name)| name)
}

/// Reads a request.
///
/// # Errors
/// It is not there; names like it and where else it is are told.
pub async fn find(session: &Session, name: &str) -> Result<HelmRequest, Error> {
    get(session, &session.requests(), bare(name)).await
}

/// Reads a request as whatever the API gives.
///
/// # Errors
/// As of [`find`].
pub async fn get<K>(session: &Session, api: &Api<K>, name: &str) -> Result<K, Error>
where
    K: Clone + DeserializeOwned + Debug,
{
    match api.get(name).await.map_err(ApiError::from) {
        Ok(request) => Ok(request),
        Err(ApiError::NotFound) => Err(absent(session, name).await),
        Err(error) => Err(Error::api(format!("get {KIND} {name:?}"), KIND, error)),
    }
}

/// Reads all requests that a selector finds, page by page, each with every field that it has.
///
/// # Errors
/// They cannot be listed.
pub async fn list(session: &Session, everywhere: bool, selector: Option<&str>) -> Result<Vec<DynamicObject>, Error> {
    let (client, resource) = (session.cluster.client(), resource());
    let api: Api<DynamicObject> = match everywhere {
        true => Api::all_with(client, &resource),
        false => Api::namespaced_with(client, &session.namespace, &resource),
    };
    let parameters = ListParams { label_selector: selector.map(str::to_owned), ..ListParams::default() };
    let listed = all(&api, parameters.limit(PAGE)).await;
    let mut found =
        listed.map_err(|error| Error::api(format!("list {KIND}s{}", place(session, everywhere)), KIND, error))?;
    for object in &mut found {
        // Items of a list do not say what they are.
        object.types.get_or_insert_with(kube::api::TypeMeta::resource::<HelmRequest>);
    }
    Ok(found)
}

/// Where a list looks, for messages.
pub fn place(session: &Session, everywhere: bool) -> String {
    if everywhere { String::new() } else { format!(" in namespace {:?}", session.namespace) }
}

/// An object with every field, as the type that this version knows.
///
/// # Errors
/// It is no request.
pub fn typed(object: &DynamicObject) -> Result<HelmRequest, Error> {
    let unreadable = |error: serde_json::Error| {
        let error = ApiError::Undecodable { message: error.to_string() };
        Error::api(format!("read {KIND} {:?}", object.name_any()), KIND, error)
    };
    let json: Json = serde_json::to_value(object).map_err(unreadable)?;
    serde_json::from_value(json).map_err(unreadable)
}

/// That a request is not there, and what may have been meant.
async fn absent(session: &Session, name: &str) -> Error {
    let namespace = session.namespace.clone();
    let hint = match near(session, name).await {
        Some(hint) => hint,
        None if is_missing(session).await => "the namespace does not exist".to_owned(),
        None => format!("see those that exist: kubectl captain list -n {namespace}"),
    };
    Error::Absent { kind: KIND, name: name.to_owned(), namespace, hint }
}

async fn near(session: &Session, name: &str) -> Option<String> {
    let here: Vec<String> = metadata(&session.requests(), ListParams::default())
        .await
        .into_iter()
        .map(|object| object.name_any())
        .collect();
    let alike = likest(name, &here);
    if !alike.is_empty() {
        return Some(format!("did you mean {}?", alike.join(" or ")));
    }
    let everywhere: Api<HelmRequest> = Api::all(session.cluster.client());
    let elsewhere = metadata(&everywhere, ListParams::default().fields(&format!("metadata.name={name}"))).await;
    let namespaces: Vec<String> = elsewhere.iter().filter_map(ResourceExt::namespace).take(PROPOSALS).collect();
    let first = namespaces.first()?;
    Some(format!("there is one in namespace {}: add -n {first}", quoted(&namespaces).join(" and ")))
}

/// What a list tells; nothing where it is not allowed.
async fn metadata(api: &Api<HelmRequest>, parameters: ListParams) -> Vec<PartialObjectMeta<HelmRequest>> {
    all_metadata(api, parameters.limit(PAGE)).await.unwrap_or_default()
}

async fn is_missing(session: &Session) -> bool {
    let namespaces: Api<Namespace> = Api::all(session.cluster.client());
    let asked = namespaces.get_metadata_opt(&session.namespace).await;
    matches!(asked, Ok(None))
}

/// The names most like a name, quoted, the likest first.
fn likest(name: &str, names: &[String]) -> Vec<String> {
    let distance = |other: &String| {
        let distance = strsim::damerau_levenshtein(name, other);
        let is_near = distance <= (name.chars().count() / 3).max(1) || other.contains(name);
        is_near.then(|| (distance, other.clone()))
    };
    let mut alike: Vec<(usize, String)> = names.iter().filter_map(distance).collect();
    alike.sort();
    let names: Vec<String> = alike.into_iter().take(PROPOSALS).map(|(_, name)| name).collect();
    quoted(&names)
}

fn quoted(names: &[String]) -> Vec<String> {
    names.iter().map(|name| format!("{name:?}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_like_a_missing_one_are_proposed_and_others_are_not() {
        let names = ["web", "web-2", "database", "wbe"].map(str::to_owned);
        assert_eq!(likest("web", &names), ["\"web\"", "\"wbe\"", "\"web-2\""].map(str::to_owned));
        assert_eq!(likest("datebase", &names), ["\"database\"".to_owned()]);
        assert!(likest("queue", &names).is_empty());
    }

    #[test]
    fn a_name_may_be_given_as_other_commands_print_it() {
        for name in ["web", "hr/web", "helmrequest.app.alauda.io/web"] {
            assert_eq!(bare(name), "web");
        }
    }
}
