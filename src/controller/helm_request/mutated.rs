//! Telling that the cluster changed, within our own write, what was applied: a mutating webhook or policy. Applying again
//! would give the same, so it is told once for each operation, and nothing else is done about it.

use std::collections::HashMap;

use super::deploy::Deployment;
use crate::cluster::apply::Applied;
use crate::cluster::observe::{FieldPath, mutated};
use crate::cluster::{Object, ObjectKey};
use crate::controller::events::{EventType, Note, Related};

/// How many fields are named.
const NAMED: usize = 5;

impl Deployment<'_> {
    /// Tells which fields of the applied objects are not as they were sent.
    pub(super) async fn tell_of_mutated(&self, sent: &[Object], applied: &[Applied]) {
        let sent: HashMap<&ObjectKey, &Object> = sent.iter().map(|object| (&object.key, object)).collect();
        let changed = applied.iter().filter_map(|applied| {
            let sent = sent.get(&applied.key)?;
            Some((*sent, mutated(&sent.json, &applied.json))).filter(|(_, fields)| !fields.is_empty())
        });
        let changed: Vec<(&Object, Vec<FieldPath>)> = changed.collect();
        let Some((object, fields)) = changed.first() else { return };
        let note = Note {
            event_type: EventType::Normal,
            reason: "ChangedByAdmission".to_owned(),
            action: "Apply".to_owned(),
            text: tell(&object.key, fields, changed.len() - 1),
            related: Some(Related {
                api_version: object.kind.resource.api_version.clone(),
                kind: object.key.kind.clone(),
                namespace: object.key.namespace.clone(),
                name: object.key.name.clone(),
            }),
        };
        self.context.publish(self.request, &note).await;
    }
}

/// The fields, never a value: it may be secret.
fn tell(object: &ObjectKey, fields: &[FieldPath], others: usize) -> String {
    let mut named: Vec<String> = fields.iter().take(NAMED).map(ToString::to_string).collect();
    if fields.len() > NAMED {
        named.push(format!("{} more", fields.len() - NAMED));
    }
    let others = match others {
        0 => String::new(),
        1 => "; one more object was changed too".to_owned(),
        number => format!("; {number} more objects were changed too"),
    };
    format!(
        "{object}: {} became another than was applied, by admission; it stays so: see the cluster's mutating webhooks \
         and policies{others}",
        named.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_are_named_and_further_objects_counted() {
        let (group, kind) = (String::new(), "ConfigMap".to_owned());
        let key = ObjectKey { group, kind, namespace: "shop".into(), name: "web".into() };
        let owned = json!({"f:data": {"f:a": {}, "f:b": {}, "f:c": {}, "f:d": {}, "f:e": {}, "f:g": {}}});
        let entry = json!({"manager": "helm", "operation": "Apply", "fieldsV1": owned});
        let sent = json!({"data": {"a": "1", "b": "1", "c": "1", "d": "1", "e": "1", "g": "1"}});
        let fields = mutated(&sent, &json!({"metadata": {"managedFields": [entry]}, "data": {}}));
        let text = tell(&key, &fields, 2);
        for words in [".data.a, .data.b", ".data.e, 1 more became", "by admission", "2 more objects"] {
            assert!(text.contains(words), "{words} in {text}");
        }
    }
}
