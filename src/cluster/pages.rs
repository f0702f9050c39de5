//! Lists in pages, so that neither the API server nor we hold a long one at once.

use std::fmt::Debug;

use futures::{Stream, TryStreamExt, stream};
use kube::Api;
use kube::api::{ListParams, ObjectList, PartialObjectMeta};
use serde::de::DeserializeOwned;

use super::error::ApiError;

/// The objects of a list, page by page.
pub fn pages<K: Clone + DeserializeOwned + Debug>(
    api: &Api<K>,
    parameters: ListParams,
) -> impl Stream<Item = Result<Vec<K>, ApiError>> + '_ {
    follow(parameters, move |parameters| async move { api.list(&parameters).await })
}

/// The metadata of the objects of a list, page by page.
pub fn metadata_pages<K: Clone + DeserializeOwned + Debug>(
    api: &Api<K>,
    parameters: ListParams,
) -> impl Stream<Item = Result<Vec<PartialObjectMeta<K>>, ApiError>> + '_ {
    follow(parameters, move |parameters| async move { api.list_metadata(&parameters).await })
}

/// All objects of a list, for who needs them together.
///
/// # Errors
/// A page cannot be read.
pub async fn all<K: Clone + DeserializeOwned + Debug>(
    api: &Api<K>,
    parameters: ListParams,
) -> Result<Vec<K>, ApiError> {
    pages(api, parameters).try_concat().await
}

/// The metadata of all objects of a list.
///
/// # Errors
/// A page cannot be read.
pub async fn all_metadata<K: Clone + DeserializeOwned + Debug>(
    api: &Api<K>,
    parameters: ListParams,
) -> Result<Vec<PartialObjectMeta<K>>, ApiError> {
    metadata_pages(api, parameters).try_concat().await
}

fn follow<T: Clone, F: Future<Output = kube::Result<ObjectList<T>>>>(
    first: ListParams,
    list: impl Fn(ListParams) -> F,
) -> impl Stream<Item = Result<Vec<T>, ApiError>> {
    stream::try_unfold(Some(first), move |next| {
        let asked = next.map(|parameters| (list(parameters.clone()), parameters));
        async move {
            let Some((page, parameters)) = asked else { return Ok(None) };
            let page = page.await?;
            let token = page.metadata.continue_.filter(|token| !token.is_empty());
            Ok(Some((page.items, token.map(|token| parameters.continue_token(&token)))))
        }
    })
}
