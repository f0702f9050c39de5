//! Deleting an object and making it anew, where its policy allows that and nothing less helps.
//!
//! Before anything is deleted, the API server is asked whether it would take the new object: by a dry run that creates
//! it under another name. Only an object of the same release is deleted, never one that Helm's resource policy keeps.
//! A StatefulSet leaves its pods to its successor as long as that selects the same ones; a Service keeps its addresses,
//! which are noted before it is deleted, so that an operation that is continued finds them ([`super::kept`]).

use kube::api::{DeleteParams, PostParams, PropagationPolicy};
use serde_json::json;
use tokio::time::Instant;

use super::FIELD_MANAGER;
use super::addresses;
use super::apply::{Applied, ApplyOptions, Replaced, Replacing};
use super::client::Cluster;
use super::error::ApiError;
use super::object::Object;
use super::ownership::Marks;
use super::policy::Change;
use super::prune::{End, Owner, spares};
use crate::value::Json;

/// How much of an object's name its stand-in has; the API server adds 5 characters.
const STAND_IN_NAME: usize = 40;

impl Cluster {
    /// Applies an object as its policy says.
    pub(super) async fn apply_by_policy(
        &self,
        object: &Object,
        options: ApplyOptions<'_>,
    ) -> Result<Applied, ApiError> {
        if let Some(fields) = self.left_to_keep(object, options).await? {
            return self.make_anew(object, &fields, options).await;
        }
        let Some(way) = Way::of(object, options.replacing) else { return self.apply_in_place(object, options).await };
        if way.always && !options.dry_run {
            return match self.would_change(object).await? {
                Some((live, cause)) => self.replace(object, &live, way, cause, options).await,
                None => self.apply_in_place(object, options).await,
            };
        }
        match self.apply_in_place(object, options).await {
            Err(ApiError::Immutable { field, message }) => match self.live_content(object).await? {
                Some(live) if is_free(object, &live) => {
                    self.replace(object, &live, way, Replaced::Immutable { field }, options).await
                }
                _ => Err(ApiError::Immutable { field, message }),
            },
            result => result,
        }
    }

    /// What an object keeps of a predecessor that an interrupted attempt has deleted.
    async fn left_to_keep(&self, object: &Object, options: ApplyOptions<'_>) -> Result<Option<Json>, ApiError> {
        let Some(keeping) = options.keeping else { return Ok(None) };
        let Some(fields) = keeping.of(&object.key).await else { return Ok(None) };
        Ok(self.live_content(object).await?.is_none().then_some(fields))
    }

    /// The live object and why it is to be replaced, where it is ours and applying would change anything of it.
    async fn would_change(&self, object: &Object) -> Result<Option<(Json, Replaced)>, ApiError> {
        let Some(live) = self.live_content(object).await? else { return Ok(None) };
        if !is_free(object, &live) {
            return Ok(None);
        }
        let trial = self.apply_in_place(object, ApplyOptions { dry_run: true, ..ApplyOptions::default() }).await;
        match trial {
            Ok(applied) => Ok((content(&applied.json) != content(&live)).then_some((live, Replaced::Asked))),
            Err(ApiError::Immutable { field, .. }) => Ok(Some((live, Replaced::Immutable { field }))),
            Err(error) => Err(error),
        }
    }

    async fn live_content(&self, object: &Object) -> Result<Option<Json>, ApiError> {
        self.live(object).await.map_err(|error| error.error)
    }

    /// Deletes the live object and makes the new one; a dry run only asks whether the new one would be taken.
    async fn replace(
        &self,
        object: &Object,
        live: &Json,
        way: Way,
        cause: Replaced,
        options: ApplyOptions<'_>,
    ) -> Result<Applied, ApiError> {
        self.try_out(object).await?;
        if options.dry_run {
            return Ok(Applied { key: object.key.clone(), json: live.clone(), replaced: Some(cause) });
        }
        if let Some(keeping) = options.keeping
            && kept(object, live).is_some()
        {
            keeping.note(&object.key, worth_keeping(object, live)).await?;
        }
        let uid = live.pointer("/metadata/uid").and_then(Json::as_str).unwrap_or_default();
        let pods =
            if leaves_pods(object, live, way) { PropagationPolicy::Orphan } else { PropagationPolicy::Background };
        let parameters = DeleteParams { propagation_policy: Some(pods), ..DeleteParams::default() };
        match self.delete_exactly(object, uid, parameters).await {
            Ok(End::Gone) | Err(ApiError::NotFound) => {}
            Ok(End::Open) if self.wait_gone(object, uid, way.by).await => {}
            Ok(End::Open) => return Err(ApiError::Lingering),
            Err(error) => return Err(error),
        }
        tracing::info!(object = %object.key, "deleted to be made anew");
        let applied = self.make_anew(object, live, options).await?;
        Ok(Applied { replaced: Some(cause), ..applied })
    }

    /// Makes an object of which there was one before; `old` is that one, or the fields of it that are kept.
    async fn make_anew(&self, object: &Object, old: &Json, options: ApplyOptions<'_>) -> Result<Applied, ApiError> {
        if let Some(kept) = kept(object, old) {
            match self.apply_in_place(&kept, options).await {
                // Applied once more below, so that what was kept does not become ours.
                Ok(_) => {}
                Err(error) if error.is_transient() => return Err(error),
                // An address was taken meanwhile, or does not fit any more.
                Err(error) => tracing::warn!(object = %object.key, %error, "made anew without what it had"),
            }
        }
        let applied = self.apply_in_place(object, options).await?;
        if let Some(keeping) = options.keeping {
            keeping.forget(&object.key).await;
        }
        Ok(applied)
    }

    /// Asks the API server whether it would create the object, under a name that nothing has.
    async fn try_out(&self, object: &Object) -> Result<(), ApiError> {
        let parameters = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), dry_run: true };
        let request = self.collection(&object.kind, &object.key.namespace).create(&parameters, &stand_in(object));
        match self.call::<Json>(request).await {
            // The old object still counts against a quota.
            Ok(_) | Err(ApiError::Quota { .. } | ApiError::AlreadyExists) => Ok(()),
            Err(ApiError::Invalid { causes }) if causes.iter().all(|cause| cause.field.starts_with("metadata.")) => {
                Ok(())
            }
            Err(error) => Err(error),
        }
    }
}

/// How an object is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Way {
    /// For every change, whether it could be made in place or not.
    always: bool,
    /// When the old object has to be gone.
    by: Instant,
}

impl Way {
    fn of(object: &Object, replacing: Replacing) -> Option<Self> {
        match (object.policy.change, replacing) {
            (Change::InPlace, _) | (_, Replacing::Never) => None,
            (Change::Recreate, Replacing::Changed { by }) => Some(Self { always: true, by }),
            (_, Replacing::Changed { by } | Replacing::Refused { by }) => Some(Self { always: false, by }),
        }
    }
}

/// Whether a live object may be deleted to make this one.
fn is_free(object: &Object, live: &Json) -> bool {
    let Marks { release: Some(name), namespace: Some(namespace), .. } = Marks::of(&object.json) else { return false };
    !object.is_kept() && spares(live, Owner::Release { name: &name, namespace: &namespace }).is_none()
}

/// What an apply can change of an object.
fn content(object: &Json) -> Json {
    let mut content = object.clone();
    if let Some(object) = content.as_object_mut() {
        object.remove("status");
        if let Some(metadata) = object.get_mut("metadata").and_then(Json::as_object_mut) {
            for name in ["managedFields", "resourceVersion", "generation"] {
                metadata.remove(name);
            }
        }
    }
    content
}

/// Whether pods stay: those of a StatefulSet whose successor looks for the same ones. Others would never be adopted and
/// keep their names from new ones.
fn leaves_pods(object: &Object, live: &Json, way: Way) -> bool {
    let is_stateful = object.key.group == "apps" && object.key.kind == "StatefulSet";
    is_stateful && !way.always && object.json.pointer("/spec/selector") == live.pointer("/spec/selector")
}

/// The object with what it keeps of its predecessor; nothing where that is nothing.
fn kept(object: &Object, live: &Json) -> Option<Object> {
    let mut kept = object.clone();
    if object.key.group.is_empty() && object.key.kind == "Service" {
        kept.json = addresses::kept(&object.json, live)?;
        return Some(kept);
    }
    let replicas = live.pointer("/spec/replicas").filter(|_| object.policy.leaves_replicas())?;
    kept.json["spec"]["replicas"] = replicas.clone();
    Some(kept)
}

/// The fields of a live object that [`kept`] reads.
fn worth_keeping(object: &Object, live: &Json) -> Json {
    if object.key.kind == "Service" {
        addresses::of(live)
    } else {
        json!({"spec": {"replicas": live["spec"]["replicas"]}})
    }
}

/// The object under a name of the API server's choice, and without what only one object can have.
fn stand_in(object: &Object) -> Json {
    let mut stand_in = object.json.clone();
    if let Some(metadata) = stand_in.get_mut("metadata").and_then(Json::as_object_mut) {
        metadata.remove("name");
        let name: String = object.key.name.chars().take(STAND_IN_NAME).collect();
        metadata.insert("generateName".to_owned(), format!("{name}-").into());
    }
    if object.key.group.is_empty() && object.key.kind == "Service" {
        addresses::without_addresses(&mut stand_in);
    }
    stand_in
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::left::LeftField;
    use crate::cluster::object::ObjectKey;
    use crate::cluster::policy::Policy;
    use crate::cluster::request::builtin_kind;

    fn object(group: &str, kind: &str, change: Change, json: Json) -> Object {
        let key = ObjectKey { group: group.into(), kind: kind.into(), namespace: "shop".into(), name: "a".repeat(60) };
        let policy = Policy { change, left: vec![LeftField::replicas()] };
        Object { key, kind: builtin_kind(group, "v1", kind, "x", true), source: String::new(), json, policy }
    }

    #[test]
    fn the_policy_and_the_operation_decide_together() {
        let by = Instant::now();
        let (always, refused) = (Some(Way { always: true, by }), Some(Way { always: false, by }));
        let (changed, restored) = (Replacing::Changed { by }, Replacing::Refused { by });
        let table = [
            (Change::InPlace, changed, None),
            (Change::Replace, Replacing::Never, None),
            (Change::Replace, changed, refused),
            (Change::Replace, restored, refused),
            (Change::Recreate, changed, always),
            (Change::Recreate, restored, refused),
        ];
        for (change, replacing, expected) in table {
            assert_eq!(Way::of(&object("", "Pod", change, json!({})), replacing), expected, "{change:?} {replacing:?}");
        }
    }

    #[test]
    fn pods_stay_with_the_same_selector_only() {
        let (selector, other) = (json!({"matchLabels": {"app": "web"}}), json!({"matchLabels": {"app": "other"}}));
        let of = |selector: &Json| json!({"spec": {"selector": selector}});
        let stays = |kind: &str, wanted: &Json, always: bool| {
            let way = Way { always, by: Instant::now() };
            leaves_pods(&object("apps", kind, Change::Replace, of(wanted)), &of(&selector), way)
        };
        assert!(stays("StatefulSet", &selector, false));
        assert!(!stays("StatefulSet", &other, false));
        assert!(!stays("StatefulSet", &selector, true));
        assert!(!stays("Deployment", &selector, false));
    }

    #[test]
    fn only_what_is_ours_and_not_kept_is_free() {
        let with = |annotations: Json| json!({"metadata": {"labels": {"app.kubernetes.io/managed-by": "Helm"}, "annotations": annotations}});
        let ours = || with(json!({"meta.helm.sh/release-name": "web", "meta.helm.sh/release-namespace": "shop"}));
        let job = |json: Json| object("batch", "Job", Change::Replace, json);
        assert!(is_free(&job(ours()), &ours()));
        assert!(!is_free(&job(ours()), &with(json!({"meta.helm.sh/release-name": "other"}))));
        assert!(!is_free(&job(json!({})), &ours()), "an object without marks says nothing");
        let mut keeping = ours();
        keeping["metadata"]["annotations"]["helm.sh/resource-policy"] = "keep".into();
        assert!(!is_free(&job(ours()), &keeping));
        assert!(!is_free(&job(keeping), &ours()));
    }

    #[test]
    fn a_stand_in_has_no_name_of_its_own_and_no_address() {
        let service = json!({"metadata": {"name": "web", "labels": {"a": "b"}}, "spec": {
            "clusterIP": "10.0.0.7", "ports": [{"port": 80, "nodePort": 30080}]}});
        let expected = json!({"metadata": {"generateName": format!("{}-", "a".repeat(40)), "labels": {"a": "b"}},
            "spec": {"ports": [{"port": 80}]}});
        assert_eq!(stand_in(&object("", "Service", Change::Replace, service)), expected);
    }

    #[test]
    fn what_the_server_counts_is_no_change() {
        let live = json!({"metadata": {"name": "a", "resourceVersion": "1", "generation": 1, "managedFields": []},
            "spec": {"a": 1}, "status": {"b": 2}});
        let mut trial = json!({"metadata": {"name": "a", "resourceVersion": "2", "generation": 2}, "spec": {"a": 1}});
        assert_eq!(content(&trial), content(&live));
        trial["spec"]["a"] = json!(2);
        assert_ne!(content(&trial), content(&live));
    }
}
