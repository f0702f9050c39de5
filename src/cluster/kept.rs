//! What objects that are made anew keep of their predecessors (the addresses of a Service, the replicas of what others
//! scale), noted on the record of the operation before a predecessor is deleted: an operator that is killed in between
//! finds it there.

use std::collections::BTreeMap;
use std::fmt;

use kube::api::PostParams;
use tokio::sync::Mutex;

use super::FIELD_MANAGER;
use super::client::Cluster;
use super::error::ApiError;
use super::object::ObjectKey;
use super::request::core_kind;
use crate::release::secret;
use crate::value::Json;

/// The annotation of a record that holds what is kept.
pub(super) const ANNOTATION: &str = "coxswain.dev/kept";

/// What is kept, by object: of each the fields of its predecessor that it keeps, in their place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept(BTreeMap<String, Json>);

impl Kept {
    /// Reads what [`Kept`]'s text form says; what cannot be read counts as nothing.
    pub fn parse(text: &str) -> Self {
        Self(serde_json::from_str(text).unwrap_or_default())
    }

    /// Whether nothing is kept.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes over what another operation noted and did not come to use.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    fn with(&self, object: &ObjectKey, fields: Json) -> Self {
        let mut kept = self.clone();
        kept.0.insert(name_of(object), fields);
        kept
    }
}

impl fmt::Display for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(&self.0).unwrap_or_default())
    }
}

fn name_of(object: &ObjectKey) -> String {
    let ObjectKey { group, kind, namespace, name } = object;
    format!("{group}/{kind}/{namespace}/{name}")
}

/// What is kept during one operation, and the record that it is noted on.
pub struct Keeping<'a> {
    cluster: &'a Cluster,
    namespace: &'a str,
    secret: String,
    state: Mutex<State>,
}

/// What is to be used, and what the record says of it.
#[derive(Default)]
struct State {
    kept: Kept,
    written: Kept,
}

impl<'a> Keeping<'a> {
    /// Notes on the record of a revision, on which this much is noted already.
    pub fn new(cluster: &'a Cluster, namespace: &'a str, release: &str, revision: i64, kept: Kept) -> Self {
        let state = Mutex::new(State { written: kept.clone(), kept });
        Self { cluster, namespace, secret: secret::name(release, revision), state }
    }

    /// What is still to be used, for who writes the record next.
    pub fn into_kept(self) -> Kept {
        self.state.into_inner().kept
    }

    /// The same for who may not write the record: what was used up is taken off it here.
    ///
    /// # Errors
    /// The record could not be read or written.
    pub async fn close(self) -> Result<Kept, ApiError> {
        let State { kept, written } = std::mem::take(&mut *self.state.lock().await);
        if kept != written {
            self.write(&kept).await?;
        }
        Ok(kept)
    }

    /// What an object is to keep of a predecessor that an interrupted attempt has deleted.
    pub(super) async fn of(&self, object: &ObjectKey) -> Option<Json> {
        self.state.lock().await.kept.0.get(&name_of(object)).cloned()
    }

    /// Notes what an object is to keep. When this returns, its predecessor may be deleted.
    pub(super) async fn note(&self, object: &ObjectKey, fields: Json) -> Result<(), ApiError> {
        let mut state = self.state.lock().await;
        let next = state.kept.with(object, fields);
        self.write(&next).await?;
        *state = State { kept: next.clone(), written: next };
        Ok(())
    }

    /// The object is there again.
    pub(super) async fn forget(&self, object: &ObjectKey) {
        self.state.lock().await.kept.0.remove(&name_of(object));
    }

    /// Reads and replaces the record's Secret: an account that may deploy has the rights to, but need not have that to
    /// patch it.
    async fn write(&self, kept: &Kept) -> Result<(), ApiError> {
        let secrets = self.cluster.collection(&core_kind("Secret", "secrets", true), self.namespace);
        let mut record: Json = self.cluster.call(secrets.get(&self.secret)).await?;
        let annotations = &mut record["metadata"]["annotations"];
        match annotations.as_object_mut() {
            Some(annotations) if kept.is_empty() => drop(annotations.remove(ANNOTATION)),
            _ => annotations[ANNOTATION] = kept.to_string().into(),
        }
        let parameters = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), dry_run: false };
        self.cluster.call::<Json>(secrets.replace(&self.secret, &parameters, &record)).await.map(drop)
    }
}

impl fmt::Debug for Keeping<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keeping").field("secret", &self.secret).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_kept_is_read_as_it_was_written() {
        let key = |name: &str| ObjectKey {
            group: String::new(),
            kind: "Service".into(),
            namespace: "shop".into(),
            name: name.into(),
        };
        let one = Kept::default().with(&key("web"), json!({"spec": {"clusterIP": "10.0.0.7"}}));
        assert_eq!(Kept::parse(&one.to_string()), one);
        assert_eq!(Kept::parse("no json"), Kept::default());
        let mut both = one.with(&key("api"), json!({"spec": {"clusterIP": "10.0.0.8"}}));
        both.extend(one.with(&key("web"), json!({"spec": {"clusterIP": "10.0.0.9"}})));
        let expected = r#"{"/Service/shop/api":{"spec":{"clusterIP":"10.0.0.8"}},"/Service/shop/web":{"spec":{"clusterIP":"10.0.0.9"}}}"#;
        assert_eq!(both.to_string(), expected);
    }
}
