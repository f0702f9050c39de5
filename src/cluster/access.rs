//! Which rights an operation needs, and whether the acting account has them.
//!
//! Asked before the first write where a service account is impersonated: the rules of a namespace come with one review
//! (`SelfSubjectRulesReview`), which counts for a moment, and what they do not clearly grant is asked one by one
//! (`SelfSubjectAccessReview`), which also covers authorizers that cannot list their rules.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures::FutureExt;
use kube::api::PostParams;
use serde::Deserialize;
use serde_json::json;

use super::client::Cluster;
use super::error::ApiError;
use super::object::Object;
use super::parallel::in_parallel;
use super::request::builtin_kind;
use crate::value::Json;

/// What applying objects needs: an apply of an object that does not exist is also a creation.
pub const APPLY: [&str; 2] = ["create", "patch"];
/// What deleting objects needs: the live owner is read first.
pub const DELETE: [&str; 2] = ["get", "delete"];
/// What an object needs from its creation to its deletion.
pub const LIFE: [&str; 4] = ["create", "delete", "get", "patch"];

/// What running hooks needs: what is left of an earlier run is deleted first.
pub const HOOK: [&str; 4] = ["create", "delete", "get", "patch"];

/// One right.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Right {
    /// The namespace, empty for the whole cluster.
    pub namespace: String,
    /// The API group, empty for the core group.
    pub group: String,
    /// The resource, plural.
    pub resource: String,
    /// The verb.
    pub verb: String,
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { namespace, group, resource, verb } = self;
        let dot = if group.is_empty() { "" } else { "." };
        write!(f, "{verb} {resource}{dot}{group}")?;
        if namespace.is_empty() { write!(f, " in the cluster") } else { write!(f, " in namespace {namespace:?}") }
    }
}

/// The rights that these verbs on these objects need, each once.
pub fn rights<'a>(objects: impl IntoIterator<Item = &'a Object>, verbs: &[&str]) -> BTreeSet<Right> {
    let of_object = |object: &'a Object| {
        verbs.iter().map(move |verb| Right {
            namespace: object.key.namespace.clone(),
            group: object.key.group.clone(),
            resource: object.kind.resource.plural.clone(),
            verb: (*verb).to_owned(),
        })
    };
    objects.into_iter().flat_map(of_object).collect()
}

/// The rights that the release records of a namespace need.
pub fn record_rights(namespace: &str) -> BTreeSet<Right> {
    let right = |verb: &str| Right {
        namespace: namespace.to_owned(),
        group: String::new(),
        resource: "secrets".to_owned(),
        verb: verb.to_owned(),
    };
    ["create", "delete", "get", "update"].map(right).into()
}

/// One rule of a `SelfSubjectRulesReview`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Rule {
    verbs: Vec<String>,
    api_groups: Vec<String>,
    resources: Vec<String>,
    resource_names: Vec<String>,
}

impl Rule {
    fn grants(&self, right: &Right) -> bool {
        let holds = |list: &[String], wanted: &str| list.iter().any(|entry| entry == "*" || entry == wanted);
        self.resource_names.is_empty()
            && holds(&self.verbs, &right.verb)
            && holds(&self.api_groups, &right.group)
            && holds(&self.resources, &right.resource)
    }
}

/// How long the rules of an account count as known. What they do not grant is asked about each time, so that a right
/// that was granted counts at once; of one that was taken away the write itself tells.
const FRESH: Duration = Duration::from_secs(10);
/// How many lists of rules are known at most.
const MOST: usize = 1_000;

/// An account, or nothing for oneself, and a namespace.
type RulesKey = (Option<String>, String);

/// When rules were told, and which.
type ToldRules = (Instant, Arc<Vec<Rule>>);

/// The rules that accounts have in namespaces, as they were told a moment ago.
#[derive(Default)]
pub(super) struct KnownRules {
    known: Mutex<HashMap<RulesKey, ToldRules>>,
}

impl KnownRules {
    fn get(&self, key: &RulesKey) -> Option<Arc<Vec<Rule>>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(key).filter(|(told, _)| told.elapsed() < FRESH).map(|(_, rules)| Arc::clone(rules))
    }

    fn insert(&self, key: RulesKey, rules: Arc<Vec<Rule>>) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST {
            known.retain(|_, (told, _)| told.elapsed() < FRESH);
        }
        if known.len() < MOST {
            known.insert(key, (Instant::now(), rules));
        }
    }
}

impl Cluster {
    /// Those of the rights that the acting account does not have.
    ///
    /// # Errors
    /// Why the API server could not be asked.
    pub async fn missing_rights(&self, needed: &BTreeSet<Right>) -> Result<Vec<Right>, ApiError> {
        let namespaces: BTreeSet<&str> = needed.iter().map(|right| right.namespace.as_str()).collect();
        let mut unclear = Vec::new();
        for namespace in namespaces {
            let of_namespace = needed.iter().filter(|right| right.namespace == namespace);
            let rules = if namespace.is_empty() { Arc::default() } else { self.rules(namespace).await? };
            unclear.extend(of_namespace.filter(|right| !rules.iter().any(|rule| rule.grants(right))));
        }
        let asked = in_parallel(unclear.iter().map(|right| self.has_right(right).boxed())).await;
        let has: Vec<bool> = asked.into_iter().collect::<Result<_, _>>()?;
        Ok(unclear.into_iter().zip(has).filter(|(_, has)| !has).map(|(right, _)| right.clone()).collect())
    }

    async fn rules(&self, namespace: &str) -> Result<Arc<Vec<Rule>>, ApiError> {
        let key = (self.account().map(str::to_owned), namespace.to_owned());
        if let Some(rules) = self.known_rules().get(&key) {
            return Ok(rules);
        }
        let answer = self.review("SelfSubjectRulesReview", json!({"namespace": namespace})).await?;
        let rules = answer.pointer("/status/resourceRules").cloned().unwrap_or_default();
        let rules = Arc::new(serde_json::from_value(rules).unwrap_or_default());
        self.known_rules().insert(key, Arc::clone(&rules));
        Ok(rules)
    }

    async fn has_right(&self, right: &Right) -> Result<bool, ApiError> {
        let Right { namespace, group, resource, verb } = right;
        let attributes = json!({"namespace": namespace, "verb": verb, "group": group, "resource": resource});
        let answer = self.review("SelfSubjectAccessReview", json!({"resourceAttributes": attributes})).await?;
        Ok(answer.pointer("/status/allowed") == Some(&Json::Bool(true)))
    }

    async fn review(&self, kind: &str, spec: Json) -> Result<Json, ApiError> {
        let plural = format!("{}s", kind.to_lowercase());
        let review = json!({"apiVersion": "authorization.k8s.io/v1", "kind": kind, "spec": spec});
        let kind = builtin_kind("authorization.k8s.io", "v1", kind, &plural, false);
        self.call(self.collection(&kind, "").create(&PostParams::default(), &review)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn right(verb: &str, group: &str, resource: &str) -> Right {
        Right { namespace: "shop".into(), group: group.into(), resource: resource.into(), verb: verb.into() }
    }

    #[test]
    fn a_rule_grants_what_it_names_and_stars_grant_all() {
        let rule = |verbs: &[&str], groups: &[&str], resources: &[&str], names: &[&str]| {
            let owned = |list: &[&str]| list.iter().map(|entry| (*entry).to_owned()).collect();
            Rule {
                verbs: owned(verbs),
                api_groups: owned(groups),
                resources: owned(resources),
                resource_names: owned(names),
            }
        };
        let deployments = right("patch", "apps", "deployments");
        let table = [
            (rule(&["patch"], &["apps"], &["deployments"], &[]), true),
            (rule(&["*"], &["*"], &["*"], &[]), true),
            (rule(&["get"], &["apps"], &["deployments"], &[]), false),
            (rule(&["patch"], &[""], &["deployments"], &[]), false),
            (rule(&["patch"], &["apps"], &["deployments/scale"], &[]), false),
            (rule(&["patch"], &["apps"], &["deployments"], &["web"]), false),
        ];
        for (rule, expected) in table {
            assert_eq!(rule.grants(&deployments), expected, "{rule:?}");
        }
    }

    #[test]
    fn a_right_reads_as_a_sentence() {
        assert_eq!(right("patch", "apps", "deployments").to_string(), "patch deployments.apps in namespace \"shop\"");
        let cluster = Right { namespace: String::new(), ..right("create", "", "namespaces") };
        assert_eq!(cluster.to_string(), "create namespaces in the cluster");
    }
}
