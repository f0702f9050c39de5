//! What the API server's answer to a write depends on beside the object itself: definitions, rights, quotas, policies
//! and webhooks. A dry run answers by those of now, an operation may change them before it sends the object.

use std::collections::BTreeSet;

use super::error::{ApiError, ObjectError};
use super::object::Object;
use crate::render::is_builtin_group;
use crate::value::Json;

/// What a refusal rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ground {
    /// The object, by the rules of its kind.
    Object,
    /// Rules of the cluster: rights, quotas, policies.
    Rules,
    /// A webhook, which may look at anything.
    Webhook,
    /// Something that is not there: the object, its namespace, its kind.
    Absence,
    /// A state that passes, or a failure that says nothing of the object.
    State,
}

impl ApiError {
    /// What this refusal rests on.
    pub fn ground(&self) -> Ground {
        match self {
            Self::Immutable { .. }
            | Self::UnknownField { .. }
            | Self::Invalid { .. }
            | Self::LosesData { .. }
            | Self::TooLarge { .. } => Ground::Object,
            Self::Forbidden { .. } | Self::Rejected { .. } | Self::Quota { racing: false, .. } => Ground::Rules,
            Self::WebhookDenied { .. } => Ground::Webhook,
            Self::NotFound | Self::NamespaceNotFound { .. } | Self::KindNotServed => Ground::Absence,
            _ => Ground::State,
        }
    }
}

/// What an operation changes before the API server sees all its objects.
#[derive(Debug, Default)]
pub struct Changes {
    /// Hooks run, which may change anything.
    hooks: bool,
    /// Objects are made that were not there.
    makes: bool,
    /// Objects are written by which the server admits others.
    rules: bool,
    /// The groups of the definitions that are written.
    defined: BTreeSet<String>,
}

impl Changes {
    /// The changes by objects and definitions that are to be written, of which those are new that `is_new` says, and by
    /// hooks, where any run before.
    pub fn by<'a>(
        objects: impl IntoIterator<Item = &'a Object>,
        is_new: impl Fn(&Object) -> bool,
        hooks: bool,
    ) -> Self {
        let mut changes = Self { hooks, ..Self::default() };
        for object in objects {
            changes.makes |= is_new(object);
            changes.rules |= is_rule(object);
            let name = object.key.name.split_once('.').filter(|_| object.is_definition());
            changes.defined.extend(name.map(|(_, group)| group.to_owned()));
        }
        changes
    }

    /// Whether a refusal of now will also meet the operation.
    pub fn leave(&self, refusal: &ObjectError) -> bool {
        let group = &refusal.object.group;
        match refusal.error.ground() {
            Ground::Object => is_builtin_group(group) || !(self.hooks || self.defined.contains(group)),
            Ground::Rules => !self.hooks && !self.rules,
            Ground::Webhook => !self.hooks && !self.rules && !self.makes,
            Ground::Absence | Ground::State => false,
        }
    }
}

/// Whether the server admits other objects by this one. A custom resource may be a policy.
fn is_rule(object: &Object) -> bool {
    match object.key.group.as_str() {
        "" => matches!(object.key.kind.as_str(), "Namespace" | "ServiceAccount" | "LimitRange" | "ResourceQuota"),
        "admissionregistration.k8s.io" | "rbac.authorization.k8s.io" | "scheduling.k8s.io" | "node.k8s.io" => true,
        "storage.k8s.io" => object.key.kind == "StorageClass",
        "networking.k8s.io" => object.key.kind == "IngressClass",
        group => !is_builtin_group(group),
    }
}

/// Whether one of these objects registers the webhook that refused; its server may only be starting.
pub fn bring_webhook_of(objects: &[Object], refusal: &ObjectError) -> bool {
    let ApiError::WebhookDenied { webhook: denying, .. } = &refusal.error else { return false };
    let registrations = objects.iter().filter(|object| object.key.group == "admissionregistration.k8s.io");
    let mut webhooks = registrations.filter_map(|object| object.json.get("webhooks")?.as_array()).flatten();
    webhooks.any(|webhook| webhook.get("name").and_then(Json::as_str) == Some(denying))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cluster::error::Cause;
    use crate::cluster::object::ObjectKey;
    use crate::cluster::policy::Policy;
    use crate::cluster::request::builtin_kind;

    fn refusal(group: &str, error: ApiError) -> ObjectError {
        let (kind, namespace, name) = ("Thing".to_owned(), "n".to_owned(), "x".to_owned());
        ObjectError { object: ObjectKey { group: group.to_owned(), kind, namespace, name }, error }
    }

    fn object(group: &str, kind: &str, name: &str, json: Json) -> Object {
        let key = ObjectKey { group: group.into(), kind: kind.into(), namespace: String::new(), name: name.into() };
        let kind = builtin_kind(group, "v1", kind, "x", false);
        Object { key, kind, source: String::new(), json, policy: Policy::default() }
    }

    #[test]
    fn a_refusal_counts_unless_the_operation_changes_what_it_rests_on() {
        let config = object("", "ConfigMap", "c", Json::Null);
        let account = object("", "ServiceAccount", "s", Json::Null);
        let policy = object("kyverno.io", "Policy", "p", Json::Null);
        let definition = object("apiextensions.k8s.io", "CustomResourceDefinition", "things.example.org", Json::Null);
        let invalid = || ApiError::Invalid { causes: vec![Cause { field: "a".into(), message: "b".into() }] };
        let rejected = || ApiError::Rejected { message: "no".into() };
        let denied = || ApiError::WebhookDenied { webhook: "w".into(), message: "no".into() };
        let changed = |objects: &[&Object]| Changes::by(objects.iter().copied(), |_| false, false);
        let behind_hooks = || Changes { hooks: true, ..Changes::default() };
        let made = Changes::by([&config], |_| true, false);
        let table = [
            (changed(&[&config]), refusal("apps", invalid()), true),
            (behind_hooks(), refusal("apps", invalid()), true),
            (changed(&[&definition]), refusal("apps", invalid()), true),
            (changed(&[&config]), refusal("example.org", invalid()), true),
            (changed(&[&definition]), refusal("example.org", invalid()), false),
            (behind_hooks(), refusal("example.org", invalid()), false),
            (changed(&[&config]), refusal("apps", rejected()), true),
            (Changes::by([&config], |_| true, false), refusal("apps", rejected()), true),
            (changed(&[&account]), refusal("apps", rejected()), false),
            (changed(&[&policy]), refusal("apps", rejected()), false),
            (behind_hooks(), refusal("apps", rejected()), false),
            (changed(&[&config]), refusal("apps", denied()), true),
            (made, refusal("apps", denied()), false),
            (changed(&[&config]), refusal("apps", ApiError::KindNotServed), false),
            (changed(&[&config]), refusal("apps", ApiError::DryRunUnsupported { webhook: "w".into() }), false),
        ];
        for (changes, refusal, expected) in table {
            assert_eq!(changes.leave(&refusal), expected, "{changes:?} {refusal}");
        }
    }

    #[test]
    fn a_webhook_of_the_release_is_known_by_its_name() {
        let json = json!({"webhooks": [{"name": "a.example.org"}, {"name": "w"}]});
        let registration = object("admissionregistration.k8s.io", "ValidatingWebhookConfiguration", "x", json);
        let denied =
            |webhook: &str| refusal("", ApiError::WebhookDenied { webhook: webhook.into(), message: "no".into() });
        assert!(bring_webhook_of(std::slice::from_ref(&registration), &denied("w")));
        assert!(!bring_webhook_of(&[registration], &denied("b.example.org")));
    }
}
