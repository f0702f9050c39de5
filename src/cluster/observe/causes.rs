//! Who or what made an object deviate, in the few words that metrics count by.

use super::ownership::{Taken, Writer};
use crate::cluster::object::{RELEASE_NAME_ANNOTATION, RELEASE_NAMESPACE_ANNOTATION};
use crate::value::Json;

/// Why an object is not as it was deployed. What admission changes within our own write is no deviation, see
/// [`mutated`](super::mutated).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// It was deleted.
    Deletion,
    /// It carries the marks of another release.
    OtherRelease,
    /// An autoscaler changed it.
    Autoscaler,
    /// A person changed it, with kubectl or another tool for people.
    Person,
    /// Another controller, or somebody who removed fields without owning them.
    Controller,
}

impl Cause {
    /// The word that is counted by and told.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Deletion => "deletion",
            Self::OtherRelease => "other release",
            Self::Autoscaler => "autoscaler",
            Self::Person => "person",
            Self::Controller => "controller",
        }
    }

    /// The cause of a deviation, from the object as it was found and the fields that were lost. `release` is its name
    /// and namespace.
    pub fn of(live: Option<&Json>, taken: &[Taken], release: (&str, &str)) -> Self {
        let Some(live) = live else { return Self::Deletion };
        let mark = |name: &str| live.pointer("/metadata/annotations").and_then(|all| all.get(name)?.as_str());
        let marks = (mark(RELEASE_NAME_ANNOTATION), mark(RELEASE_NAMESPACE_ANNOTATION));
        if matches!(marks, (Some(name), Some(namespace)) if (name, namespace) != release) {
            return Self::OtherRelease;
        }
        let mut writers = taken.iter().filter_map(|taken| taken.by.as_ref());
        writers.next().map_or(Self::Controller, Writer::cause)
    }
}

/// The beginnings of the field managers of tools for people. A browser's is its own name, Lens' is its HTTP client's.
const PEOPLE: [&str; 9] =
    ["kubectl", "k9s", "Mozilla", "node-fetch", "Lens", "OpenLens", "headlamp", "dashboard", "octant"];
/// Those of autoscalers beside the built-in one, which writes through the subresource.
const AUTOSCALERS: [&str; 4] = ["keda", "vpa-", "vertical-pod-autoscaler", "cluster-proportional-autoscaler"];

impl Writer {
    fn cause(&self) -> Cause {
        let begins = |names: &[&str]| names.iter().any(|name| self.manager.starts_with(name));
        if begins(&PEOPLE) {
            Cause::Person
        } else if self.subresource == "scale" || begins(&AUTOSCALERS) {
            Cause::Autoscaler
        } else {
            Cause::Controller
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_first_writer_tells_the_cause_unless_the_object_is_gone_or_another_releases() {
        let taken = |manager: &str, subresource: &str| {
            let (manager, operation) = (manager.to_owned(), "Update".to_owned());
            let by = Writer { manager, operation, subresource: subresource.to_owned() };
            vec![Taken { by: Some(by), fields: Vec::new() }]
        };
        let nobody = vec![Taken { by: None, fields: Vec::new() }];
        let marked = |release: &str| {
            json!({"metadata": {"annotations": {
                "meta.helm.sh/release-name": release, "meta.helm.sh/release-namespace": "shop",
            }}})
        };
        let table = [
            (None, nobody.clone(), Cause::Deletion),
            (Some(marked("other")), nobody.clone(), Cause::OtherRelease),
            (Some(marked("web")), nobody, Cause::Controller),
            (Some(marked("web")), taken("kubectl-edit", ""), Cause::Person),
            (Some(marked("web")), taken("kubectl", "scale"), Cause::Person),
            (Some(marked("web")), taken("kube-controller-manager", "scale"), Cause::Autoscaler),
            (Some(marked("web")), taken("keda-operator", ""), Cause::Autoscaler),
            (Some(json!({})), taken("cert-manager-cainjector", ""), Cause::Controller),
        ];
        for (live, taken, expected) in table {
            assert_eq!(Cause::of(live.as_ref(), &taken, ("web", "shop")), expected, "{live:?} {taken:?}");
        }
    }
}
