//! Telling that objects were deleted and made anew, one event for each.

use super::deploy::Deployment;
use crate::cluster::apply::{Applied, Replaced};
use crate::controller::events::{EventType, Note, Related};

impl Deployment<'_> {
    /// Tells which of the applied objects were made anew, and why.
    pub(super) async fn tell_of_replaced(&self, applied: &[Applied]) {
        for Applied { key, json, replaced } in applied {
            let Some(cause) = replaced else { continue };
            let note = Note {
                event_type: EventType::Normal,
                reason: "ObjectReplaced".to_owned(),
                action: "Replace".to_owned(),
                text: format!("{key} was deleted and made anew: {}", because(cause)),
                related: Some(Related {
                    api_version: json["apiVersion"].as_str().unwrap_or_default().to_owned(),
                    kind: key.kind.clone(),
                    namespace: key.namespace.clone(),
                    name: key.name.clone(),
                }),
            };
            self.context.publish(self.request, &note).await;
        }
    }
}

fn because(cause: &Replaced) -> String {
    match cause {
        Replaced::Immutable { field } => format!("field {field} cannot be changed"),
        Replaced::Asked => "its annotation asks for that with every change".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_field_that_forced_it_is_named() {
        let field = "spec.template".to_owned();
        assert_eq!(because(&Replaced::Immutable { field }), "field spec.template cannot be changed");
        assert!(because(&Replaced::Asked).contains("annotation"));
    }
}
