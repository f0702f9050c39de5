//! Lists that others have put items into which the API server does not take together with ours: two ports without names,
//! two volumes at one path. An apply leaves the items of others alone, so it can never succeed; the declared list has to
//! take the place of the whole.

use serde_json::json;

use super::client::Cluster;
use super::error::{ApiError, ObjectError};
use super::object::Object;
use crate::value::Json;

impl Cluster {
    /// Puts the declared lists in the place of the live ones that made the API server refuse an apply; tells whether
    /// there are any. They are written as by an update of ours, which the next apply takes over.
    ///
    /// # Errors
    /// The server's refusal, with the object.
    pub async fn replace_lists(&self, object: &Object, refusal: &ApiError) -> Result<bool, ObjectError> {
        let Some(patch) = declared_lists(&object.json, refusal) else { return Ok(false) };
        let request = self.collection(&object.kind, &object.key.namespace).merge_as_owner(&object.key.name, &patch);
        match self.call::<Json>(request).await {
            Ok(_) => Ok(true),
            Err(error) => Err(ObjectError { object: object.key.clone(), error }),
        }
    }
}

/// A merge patch of the declared lists in which a refusal found something wrong.
fn declared_lists(declared: &Json, refusal: &ApiError) -> Option<Json> {
    let ApiError::Invalid { causes } = refusal else { return None };
    let mut patch = json!({});
    for cause in causes {
        let Some((path, _)) = cause.field.split_once('[') else { continue };
        let pointer = format!("/{}", path.replace('.', "/"));
        let Some(list) = declared.pointer(&pointer).filter(|list| list.is_array()) else { continue };
        let names = path.split('.');
        *names.fold(&mut patch, |place, name| &mut place[name]) = list.clone();
    }
    patch.as_object().is_some_and(|members| !members.is_empty()).then_some(patch)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::error::Cause;

    #[test]
    fn the_lists_that_were_refused_are_patched_as_declared() {
        let declared =
            json!({"spec": {"type": "NodePort", "ports": [{"port": 80}], "template": {"spec": {"volumes": []}}}});
        let refusal = |fields: &[&str]| {
            let cause = |field: &&str| Cause { field: (*field).to_owned(), message: "required".to_owned() };
            ApiError::Invalid { causes: fields.iter().map(cause).collect() }
        };
        let ports = json!({"spec": {"ports": [{"port": 80}]}});
        let both = json!({"spec": {"ports": [{"port": 80}], "template": {"spec": {"volumes": []}}}});
        let table = [
            (refusal(&["spec.ports[0].name", "spec.ports[1].name"]), Some(ports)),
            (refusal(&["spec.ports[0]", "spec.template.spec.volumes[2].name"]), Some(both)),
            (refusal(&["spec.type", "spec.others[0]", ""]), None),
            (ApiError::NotFound, None),
        ];
        for (refusal, expected) in table {
            assert_eq!(declared_lists(&declared, &refusal), expected, "{refusal}");
        }
    }
}
