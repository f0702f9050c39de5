//! What becomes of each request, and what of it has to be changed before.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::ResourceExt;
use kube::api::{DynamicObject, PartialObjectMeta};
use serde::Serialize;

use super::fields;
use super::report::Finding;
use super::stock::Stock;
use crate::api::HelmRequest;
use crate::api::helm_request::Phase;
use crate::api::release::Release;
use crate::plugin::requests::typed;
use crate::value::Json;
use crate::value::message::one_line;

/// A namespace and a name.
type Key = (String, String);

/// What becomes of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "camelCase")]
pub enum Outcome {
    /// Captain has deployed it: its revision becomes a record of Helm, and nothing changes but the owner of fields.
    Adopted {
        /// Captain's revision.
        revision: i64,
    },
    /// Captain has not deployed it as it is: that is done at once.
    Deployed {
        /// Why Captain has not.
        because: String,
    },
    /// It is suspended.
    Left,
    /// It is being deleted: its release is uninstalled.
    Uninstalled,
    /// Coxswain has it already.
    Kept {
        /// Its revision.
        revision: i64,
    },
}

/// A request and what becomes of it.
#[derive(Clone, Debug, Serialize)]
pub struct Request {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// What becomes of it.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// All requests, and what was found about them. One that cannot be read at all is a problem.
pub fn look(stock: &Stock, captains_repositories: &str) -> (Vec<Request>, Vec<Finding>) {
    let deployed = deployed(&stock.releases);
    let definition = definition();
    let mut findings = Vec::new();
    let mut requests = Vec::new();
    let mut releases: BTreeMap<Key, Vec<Key>> = BTreeMap::new();
    for object in &stock.requests {
        let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
        let request = match typed(object) {
            Ok(request) => request,
            Err(error) => {
                findings.push(Finding::problem("HelmRequest", &namespace, &name, error.to_string(), "correct it"));
                continue;
            }
        };
        findings.extend(lost_fields(&definition, object));
        findings.extend(own_repository(stock, &request, captains_repositories));
        let release = (request.release_namespace(), request.release_name());
        let outcome = outcome(&request, deployed.get(&release).copied());
        releases.entry(release).or_default().push((namespace.clone(), name.clone()));
        requests.push(Request { namespace, name, outcome });
    }
    findings.extend(releases.iter().filter_map(|(release, requests)| shared(release, requests)));
    requests.sort_by(|a, b| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
    (requests, findings)
}

/// The newest revision that Captain has deployed of each release, as the labels of its objects tell.
fn deployed(releases: &[PartialObjectMeta<Release>]) -> BTreeMap<Key, i64> {
    let mut newest = BTreeMap::new();
    for release in releases {
        let label = |name: &str| release.labels().get(name).map(String::as_str);
        let revision: Option<i64> = label("version").and_then(|text| text.parse().ok());
        let (Some("deployed"), Some(name), Some(revision)) = (label("status"), label("name"), revision) else {
            continue;
        };
        let key = (release.namespace().unwrap_or_default(), name.to_owned());
        let known = newest.entry(key).or_insert(revision);
        *known = revision.max(*known);
    }
    newest
}

fn outcome(request: &HelmRequest, deployed: Option<i64>) -> Outcome {
    let status = request.status.clone().unwrap_or_default();
    if request.metadata.deletion_timestamp.is_some() {
        return Outcome::Uninstalled;
    }
    if request.is_suspended() {
        return Outcome::Left;
    }
    if let Some(revision) = status.revision {
        return Outcome::Kept { revision };
    }
    let is_synced = status.phase == Some(Phase::Synced);
    match deployed {
        Some(revision) if is_synced => Outcome::Adopted { revision },
        Some(_) => Outcome::Deployed { because: unfinished(status.phase, status.reason.as_deref()) },
        None => Outcome::Deployed { because: "Captain has no deployed Release of it".to_owned() },
    }
}

fn unfinished(phase: Option<Phase>, reason: Option<&str>) -> String {
    let phase = phase.map_or("not told", Phase::as_str);
    match reason.filter(|reason| !reason.is_empty()) {
        Some(reason) => format!("its phase is {phase}: {}", one_line(reason)),
        None => format!("its phase is {phase}"),
    }
}

fn definition() -> CustomResourceDefinition {
    let all = crate::api::definitions::definitions();
    let ours = |definition: &CustomResourceDefinition| definition.spec.names.kind == "HelmRequest";
    all.into_iter().find(ours).unwrap_or_default()
}

fn lost_fields(definition: &CustomResourceDefinition, object: &DynamicObject) -> Vec<Finding> {
    let spec = object.data.get("spec").unwrap_or(&Json::Null);
    let finding = |path: String| {
        let what = format!("{path} is not known and would be dropped");
        let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
        Finding::problem(
            "HelmRequest",
            &namespace,
            &name,
            what,
            "remove it, or say what it says by fields that are known",
        )
    };
    fields::unknown(definition, spec).into_iter().map(finding).collect()
}

/// Captain reads the repositories of one namespace; here a request's own namespace comes first.
fn own_repository(stock: &Stock, request: &HelmRequest, captains_repositories: &str) -> Option<Finding> {
    let (repository, _) = request.spec.chart_reference().filter(|_| request.spec.source.is_none())?;
    let namespace = request.namespace().unwrap_or_default();
    let is_here = |namespace: &str| {
        let found = |object: &DynamicObject| {
            object.namespace().as_deref() == Some(namespace) && object.name_any() == repository
        };
        stock.repositories.iter().any(found)
    };
    let name = request.name_any();
    match (is_here(&namespace), is_here(captains_repositories)) {
        (true, _) if namespace != captains_repositories => {
            let what = format!(
                "ChartRepo {namespace}/{repository}, which Captain did not look at, is used instead of \
                 {captains_repositories}/{repository}"
            );
            Some(Finding::notice(
                "HelmRequest",
                &namespace,
                &name,
                what,
                "compare the two, and delete the one that is not meant",
            ))
        }
        (false, false) => {
            let what = format!("there is no ChartRepo {captains_repositories}/{repository}");
            let next = "what is deployed stays; create the repository before anything is to change";
            Some(Finding::notice("HelmRequest", &namespace, &name, what, next))
        }
        _ => None,
    }
}

/// That several requests have one release: Captain let them overwrite each other.
fn shared((namespace, name): &Key, requests: &[Key]) -> Option<Finding> {
    let names: BTreeSet<String> = requests.iter().map(|(namespace, name)| format!("{namespace}/{name}")).collect();
    if names.len() < 2 {
        return None;
    }
    let names: Vec<String> = names.into_iter().collect();
    let what = format!("the HelmRequests {} have this release; only one of them can", names.join(", "));
    let next = "keep one; annotate the others captain-keep-resources=\"true\" and delete them while Captain runs";
    Some(Finding::problem("Release", namespace, name, what, next))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn request(namespace: &str, name: &str, spec: Json, status: Json) -> DynamicObject {
        let metadata = json!({"namespace": namespace, "name": name});
        let object = json!({"apiVersion": "app.alauda.io/v1", "kind": "HelmRequest", "metadata": metadata, "spec": spec, "status": status});
        serde_json::from_value(object).expect("a request")
    }

    fn release(namespace: &str, name: &str, version: &str, status: &str) -> PartialObjectMeta<Release> {
        let labels = json!({"name": name, "owner": "helm", "version": version, "status": status});
        let name = format!("sh.helm.release.v1.{name}.v{version}");
        serde_json::from_value(json!({"metadata": {"namespace": namespace, "name": name, "labels": labels}}))
            .expect("a Release")
    }

    #[test]
    fn what_captain_has_deployed_is_adopted_and_the_rest_is_deployed() {
        let synced = json!({"phase": "Synced", "lastSpecHash": "1"});
        let mut deleted = request("shop", "gone", json!({}), synced.clone());
        deleted.metadata.deletion_timestamp = serde_json::from_value(json!("2026-01-01T00:00:00Z")).expect("a time");
        let table = [
            (request("shop", "web", json!({}), synced.clone()), Outcome::Adopted { revision: 12 }),
            (
                request("shop", "api", json!({"releaseName": "web"}), json!({"phase": "Failed", "reason": "no\nroom"})),
                Outcome::Deployed { because: "its phase is Failed: no room".into() },
            ),
            (
                request("team", "web", json!({}), synced.clone()),
                Outcome::Deployed { because: "Captain has no deployed Release of it".into() },
            ),
            (request("team", "off", json!({"suspend": true}), synced), Outcome::Left),
            (
                request("team", "new", json!({}), json!({"phase": "Synced", "revision": 3})),
                Outcome::Kept { revision: 3 },
            ),
            (deleted, Outcome::Uninstalled),
        ];
        let releases = [("9", "superseded"), ("12", "deployed"), ("13", "failed"), ("2", "deployed")];
        let releases: Vec<_> =
            releases.into_iter().map(|(version, status)| release("shop", "web", version, status)).collect();
        let deployed = deployed(&releases);
        for (object, expected) in table {
            let request = typed(&object).expect("a request");
            let key = (request.release_namespace(), request.release_name());
            assert_eq!(outcome(&request, deployed.get(&key).copied()), expected);
        }
    }

    #[test]
    fn a_release_of_two_requests_and_a_field_that_is_lost_are_problems() {
        let spec = json!({"chart": "stable/a", "releaseName": "web", "namespace": "shop", "targetClusters": {}});
        let requests = vec![
            request("shop", "web", json!({"chart": "stable/a"}), json!(null)),
            request("team", "b", spec, json!(null)),
        ];
        let repository = |namespace: &str| request(namespace, "stable", json!({}), json!(null));
        let repositories = vec![repository("captain"), repository("team")];
        let stock = Stock { requests, repositories, ..Stock::default() };
        let (found, findings) = look(&stock, "captain");
        assert_eq!(found.len(), 2);
        let told: Vec<String> =
            findings.iter().map(|finding| format!("{}: {}", finding.object, finding.what)).collect();
        assert_eq!(
            told,
            [
                "HelmRequest team/b: spec.targetClusters is not known and would be dropped",
                "HelmRequest team/b: ChartRepo team/stable, which Captain did not look at, is used instead of captain/stable",
                "Release shop/web: the HelmRequests shop/web, team/b have this release; only one of them can",
            ]
        );
    }
}
