//! Whose an object is: Helm's rule for taking objects into a release (`helm.sh/helm/v4/pkg/action/validate.go`).
//!
//! An object that exists may be taken if it carries Helm's label and names this very release. [`conflicts`] looks at
//! all objects of an operation before the first write, so that a refusal names every object at once.

use std::collections::BTreeMap;

use super::object::{MANAGED_BY, MANAGED_BY_LABEL, ObjectKey, RELEASE_NAME_ANNOTATION, RELEASE_NAMESPACE_ANNOTATION};
use crate::value::Json;

/// What marks the owner of a live object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Marks {
    /// The label `app.kubernetes.io/managed-by`.
    pub managed_by: Option<String>,
    /// The annotation `meta.helm.sh/release-name`.
    pub release: Option<String>,
    /// The annotation `meta.helm.sh/release-namespace`.
    pub namespace: Option<String>,
}

impl Marks {
    /// The marks in an object's labels and annotations.
    pub fn read(labels: Option<&BTreeMap<String, String>>, annotations: Option<&BTreeMap<String, String>>) -> Self {
        let text = |map: Option<&BTreeMap<String, String>>, name: &str| map.and_then(|map| map.get(name)).cloned();
        Self {
            managed_by: text(labels, MANAGED_BY_LABEL),
            release: text(annotations, RELEASE_NAME_ANNOTATION),
            namespace: text(annotations, RELEASE_NAMESPACE_ANNOTATION),
        }
    }

    /// The marks of an object as the API server returned it.
    pub fn of(object: &Json) -> Self {
        let text = |path: &str, name: &str| {
            object.pointer(path).and_then(|map| map.get(name)).and_then(Json::as_str).map(str::to_owned)
        };
        Self {
            managed_by: text("/metadata/labels", MANAGED_BY_LABEL),
            release: text("/metadata/annotations", RELEASE_NAME_ANNOTATION),
            namespace: text("/metadata/annotations", RELEASE_NAMESPACE_ANNOTATION),
        }
    }

    /// Whether the object belongs to this release.
    pub fn are_of(&self, release: &str, namespace: &str) -> bool {
        self.mismatches(release, namespace).is_empty()
    }

    fn mismatches(&self, release: &str, namespace: &str) -> Vec<String> {
        let required = [
            ("label", MANAGED_BY_LABEL, &self.managed_by, MANAGED_BY),
            ("annotation", RELEASE_NAME_ANNOTATION, &self.release, release),
            ("annotation", RELEASE_NAMESPACE_ANNOTATION, &self.namespace, namespace),
        ];
        let mismatch = |(what, name, found, wanted): (&str, &str, &Option<String>, &str)| match found {
            Some(found) if found == wanted => None,
            Some(found) => {
                Some(format!("{what} validation error: key {name:?} must equal {wanted:?}: current value is {found:?}"))
            }
            None => Some(format!("{what} validation error: missing key {name:?}: must be set to {wanted:?}")),
        };
        required.into_iter().filter_map(mismatch).collect()
    }
}

/// An object that exists and belongs to another release or to nobody.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{} {:?} in namespace {:?} exists and cannot be imported into the current release: invalid ownership metadata; {reason}",
    .object.kind, .object.name, .object.namespace
)]
pub struct Conflict {
    /// The object.
    pub object: ObjectKey,
    /// Which marks are missing or other, in Helm's words.
    pub reason: String,
    /// The release that the object names as its own, as `NAMESPACE/NAME`.
    pub owner: Option<String>,
}

/// The objects that stand in the way of an operation of this release: those that exist and are not its own.
pub fn conflicts<'a>(
    release: &str,
    namespace: &str,
    existing: impl IntoIterator<Item = (&'a ObjectKey, &'a Marks)>,
) -> Vec<Conflict> {
    let conflict = |(object, marks): (&ObjectKey, &Marks)| {
        let mismatches = marks.mismatches(release, namespace);
        (!mismatches.is_empty()).then(|| Conflict {
            object: object.clone(),
            reason: mismatches.join("; "),
            owner: owner(marks),
        })
    };
    existing.into_iter().filter_map(conflict).collect()
}

fn owner(marks: &Marks) -> Option<String> {
    let (release, namespace) = (marks.release.as_ref()?, marks.namespace.as_ref()?);
    Some(format!("{namespace}/{release}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> ObjectKey {
        ObjectKey { group: "apps".into(), kind: "Deployment".into(), namespace: "shop".into(), name: "web".into() }
    }

    fn marks(managed_by: Option<&str>, release: Option<&str>, namespace: Option<&str>) -> Marks {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        Marks { managed_by: owned(managed_by), release: owned(release), namespace: owned(namespace) }
    }

    #[test]
    fn an_object_of_this_release_is_no_conflict() {
        let own = marks(Some("Helm"), Some("web"), Some("shop"));
        assert_eq!(conflicts("web", "shop", [(&key(), &own)]), []);
    }

    #[test]
    fn an_object_of_nobody_is_refused_in_helms_words() {
        let found = conflicts("web", "shop", [(&key(), &Marks::default())]);
        let expected = "Deployment \"web\" in namespace \"shop\" exists and cannot be imported into the current \
             release: invalid ownership metadata; label validation error: missing key \
             \"app.kubernetes.io/managed-by\": must be set to \"Helm\"; annotation validation error: missing key \
             \"meta.helm.sh/release-name\": must be set to \"web\"; annotation validation error: missing key \
             \"meta.helm.sh/release-namespace\": must be set to \"shop\"";
        assert_eq!(found.iter().map(ToString::to_string).collect::<Vec<_>>(), [expected]);
        assert_eq!(found[0].owner, None);
    }

    #[test]
    fn an_object_of_another_release_names_that_release() {
        let other = marks(Some("Helm"), Some("db"), Some("shop"));
        let found = conflicts("web", "shop", [(&key(), &other)]);
        assert_eq!(found[0].owner.as_deref(), Some("shop/db"));
        assert!(
            found[0].reason.contains("key \"meta.helm.sh/release-name\" must equal \"web\": current value is \"db\"")
        );
    }
}
