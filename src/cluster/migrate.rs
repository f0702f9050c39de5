//! From client-side to server-side apply: who owned fields by updates now owns them by applies.
//!
//! A server-side apply removes a field only if our own *Apply* entry in `managedFields` had it. Objects made by Helm 3,
//! `kubectl apply` or Captain carry those fields in an *Update* entry, so they would stay for ever. The rule is that
//! of client-go's `csaupgrade`: the client-side entry's fields are united with our Apply entry (or the entry becomes
//! it) and the client-side entry goes. It is one JSON patch of `managedFields`, guarded by the resource version; it
//! changes no field of the object and no generation.

use serde_json::{Map, json};

use super::FIELD_MANAGER;
use super::object::RELEASE_NAME_ANNOTATION;
use crate::value::Json;

/// A writer that used updates where we use applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientSideManager {
    /// Helm 3, and Helm 4 without server-side apply.
    Helm,
    /// `kubectl apply`.
    Kubectl,
    /// Captain, whose field manager is the name of its program. Programs of other operators have this name too, so the
    /// entry is taken only if it wrote Helm's release annotation.
    Captain,
}

impl ClientSideManager {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Helm, Self::Kubectl, Self::Captain];

    fn name(self) -> &'static str {
        match self {
            Self::Helm => "helm",
            Self::Kubectl => "kubectl-client-side-apply",
            Self::Captain => "manager",
        }
    }
}

/// The entries of an object's `managedFields`.
pub fn entries(object: &Json) -> impl Iterator<Item = &Json> {
    managed_fields(object).into_iter().flatten()
}

/// Our entry in an object's `managedFields`: our Apply entry for the object itself.
pub fn applied_entry(object: &Json) -> Option<&Json> {
    entries(object).find(|entry| is_entry(entry, FIELD_MANAGER, "Apply"))
}

/// The fields that we own in an object, in the `FieldsV1` form.
pub fn applied_fields(object: &Json) -> Option<&Json> {
    applied_entry(object)?.get("fieldsV1")
}

/// The JSON patch that moves the fields of client-side managers into the Apply entry of `manager`, or nothing where
/// none of them has an entry.
pub fn migration(object: &Json, from: &[ClientSideManager], manager: &str) -> Option<Json> {
    let after = from.iter().fold(managed_fields(object)?.clone(), |entries, source| moved(entries, *source, manager));
    patch(object, after)
}

/// The JSON patch with which we let go of fields, in our own entry and in those that [`migration`] would make ours;
/// nothing where none of them has any. `let_go` takes them out of a set in the `FieldsV1` form.
pub fn release(object: &Json, let_go: impl Fn(&mut Json)) -> Option<Json> {
    let mut after = managed_fields(object)?.clone();
    let is_ours = |entry: &Json| {
        is_entry(entry, FIELD_MANAGER, "Apply") || ClientSideManager::ALL.iter().any(|source| source.wrote(entry))
    };
    for entry in after.iter_mut().filter(|entry| is_ours(entry)) {
        let_go(&mut entry["fieldsV1"]);
    }
    patch(object, after)
}

/// The JSON patch that gives an object these entries, nothing where it has them.
fn patch(object: &Json, after: Vec<Json>) -> Option<Json> {
    let resource_version = object.pointer("/metadata/resourceVersion")?;
    (after != *managed_fields(object)?).then(|| {
        json!([
            {"op": "replace", "path": "/metadata/managedFields", "value": after},
            // Not "test": a changed resource version is then refused as a conflict, not as an invalid request.
            {"op": "replace", "path": "/metadata/resourceVersion", "value": resource_version},
        ])
    })
}

/// The entries after those of one client-side manager are united with the Apply entry of `manager`.
fn moved(mut entries: Vec<Json>, source: ClientSideManager, manager: &str) -> Vec<Json> {
    let Some(first) = entries.iter().position(|entry| source.wrote(entry)) else { return entries };
    match entries.iter().position(|entry| is_entry(entry, manager, "Apply")) {
        Some(target) => {
            let version = entries[target]["apiVersion"].clone();
            let of_version = |entry: &&Json| source.wrote(entry) && entry["apiVersion"] == version;
            if let Some(fields) = entries.iter().find(of_version).map(|entry| entry["fieldsV1"].clone()) {
                let own = entries[target]["fieldsV1"].take();
                entries[target]["fieldsV1"] = union(own, fields);
            }
        }
        None => {
            entries[first]["operation"] = "Apply".into();
            entries[first]["manager"] = manager.into();
        }
    }
    entries.retain(|entry| !source.wrote(entry));
    entries
}

impl ClientSideManager {
    fn wrote(self, entry: &Json) -> bool {
        is_entry(entry, self.name(), "Update") && (self != Self::Captain || names_a_release(entry))
    }
}

fn names_a_release(entry: &Json) -> bool {
    let annotations = entry.pointer("/fieldsV1/f:metadata/f:annotations");
    annotations.is_some_and(|annotations| annotations.get(format!("f:{RELEASE_NAME_ANNOTATION}")).is_some())
}

/// The union of two field sets in the `FieldsV1` form: a member is an empty map, or holds `.` beside its own members.
fn union(left: Json, right: Json) -> Json {
    let (Json::Object(left), Json::Object(right)) = (left, right) else { return json!({}) };
    match (left.is_empty(), right.is_empty()) {
        (true, true) => json!({}),
        (true, false) => Json::Object(with_itself(right)),
        (false, true) => Json::Object(with_itself(left)),
        (false, false) => Json::Object(united(left, right)),
    }
}

fn united(mut left: Map<String, Json>, right: Map<String, Json>) -> Map<String, Json> {
    for (name, fields) in right {
        let both = match left.remove(&name) {
            Some(own) => union(own, fields),
            None => fields,
        };
        left.insert(name, both);
    }
    left
}

/// A node that has members and is a member itself.
fn with_itself(mut node: Map<String, Json>) -> Map<String, Json> {
    node.insert(".".to_owned(), json!({}));
    node
}

fn managed_fields(object: &Json) -> Option<&Vec<Json>> {
    object.pointer("/metadata/managedFields")?.as_array()
}

fn is_entry(entry: &Json, manager: &str, operation: &str) -> bool {
    entry["manager"] == manager && entry["operation"] == operation && entry.get("subresource").is_none()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::left::LeftField;

    fn object(entries: Json) -> Json {
        json!({"metadata": {"resourceVersion": "7", "managedFields": entries}})
    }

    fn entry(manager: &str, operation: &str, fields: Json) -> Json {
        json!({"manager": manager, "operation": operation, "apiVersion": "v1", "fieldsV1": fields})
    }

    #[test]
    fn an_object_without_client_side_writers_needs_nothing() {
        let entries =
            json!([entry("helm", "Apply", json!({"f:data": {}})), entry("kcm", "Update", json!({"f:x": {}}))]);
        assert_eq!(migration(&object(entries), &ClientSideManager::ALL, "helm"), None);
    }

    #[test]
    fn fields_of_updates_are_united_with_our_applies() {
        let applied = entry("helm", "Apply", json!({"f:data": {"f:new": {}, "f:both": {}}}));
        let updated = entry("helm", "Update", json!({"f:data": {".": {}, "f:old": {}, "f:both": {"f:inner": {}}}}));
        let patch = migration(&object(json!([applied, updated])), &ClientSideManager::ALL, "helm").expect("a patch");
        let fields = json!({"f:data": {
            ".": {}, "f:new": {}, "f:old": {}, "f:both": {".": {}, "f:inner": {}},
        }});
        assert_eq!(patch[0]["value"], json!([entry("helm", "Apply", fields)]));
        assert_eq!(patch[1]["value"], "7");
    }

    #[test]
    fn without_an_apply_the_update_becomes_one() {
        let updated = entry("kubectl-client-side-apply", "Update", json!({"f:data": {}}));
        let patch = migration(&object(json!([updated])), &[ClientSideManager::Kubectl], "helm").expect("a patch");
        assert_eq!(patch[0]["value"], json!([entry("helm", "Apply", json!({"f:data": {}}))]));
    }

    #[test]
    fn of_the_writers_called_manager_only_captain_is_taken() {
        let captain = json!({"f:metadata": {"f:annotations": {"f:meta.helm.sh/release-name": {}}}});
        let other = entry("manager", "Update", json!({"f:spec": {"f:replicas": {}}}));
        assert_eq!(migration(&object(json!([other])), &ClientSideManager::ALL, "helm"), None);
        let entries = json!([entry("manager", "Update", captain.clone())]);
        let patch = migration(&object(entries), &ClientSideManager::ALL, "helm").expect("a patch");
        assert_eq!(patch[0]["value"], json!([entry("helm", "Apply", captain)]));
    }

    #[test]
    fn a_field_is_let_go_of_in_every_entry_that_is_or_becomes_ours() {
        let replicas = |fields: &mut Json| LeftField::replicas().let_go(fields, &json!({"spec": {"replicas": 1}}));
        let spec = |fields: Json| json!({"f:spec": fields});
        let both = || spec(json!({"f:replicas": {}, "f:template": {}}));
        let scaled = entry("kubectl", "Update", spec(json!({"f:replicas": {}})));
        let entries = json!([entry("helm", "Apply", both()), entry("helm", "Update", both()), scaled]);
        let patch = release(&object(entries), replicas).expect("a patch");
        let template = || spec(json!({"f:template": {}}));
        let expected = json!([entry("helm", "Apply", template()), entry("helm", "Update", template()), scaled]);
        assert_eq!(patch[0]["value"], expected);
        assert_eq!(patch[1]["value"], "7");
        assert_eq!(release(&object(expected), replicas), None);
    }

    #[test]
    fn updates_of_subresources_stay() {
        let mut status = entry("helm", "Update", json!({"f:status": {}}));
        status["subresource"] = "status".into();
        assert_eq!(migration(&object(json!([status])), &ClientSideManager::ALL, "helm"), None);
    }
}
