//! What is different for repositories once Coxswain reads them.

use kube::ResourceExt;
use kube::api::DynamicObject;

use super::captain::MUSEUM;
use super::report::Finding;
use super::stock::Stock;
use crate::api::chart_repo::{ChartRepoSpec, RepositoryType};
use crate::value::Json;

/// Where the charts of the Helm project were until 2020; Captain makes a ChartRepo of it by itself.
const CLOSED: &str = "kubernetes-charts.storage.googleapis.com";
/// Where they are kept since then.
const SUCCESSOR: &str = "https://charts.helm.sh/stable";

/// What is to be known about the repositories.
pub fn look(stock: &Stock, captains: &str) -> Vec<Finding> {
    let mut findings: Vec<Finding> = stock.repositories.iter().flat_map(|object| of_one(object, captains)).collect();
    let verified = stock.repositories.iter().filter(|object| is_verified(&spec(object))).count();
    if verified > 0 {
        let what = format!("the certificates of {verified} are verified, which Captain never did");
        let next = "give those with an authority of their own caBundle, tlsSecret or caConfigMap";
        findings.push(Finding::notice("ChartRepos", "", "", what, next));
    }
    findings
}

fn of_one(object: &DynamicObject, captains: &str) -> Vec<Finding> {
    let (namespace, name, spec) = (object.namespace().unwrap_or_default(), object.name_any(), spec(object));
    let url = spec.url.clone().unwrap_or_default();
    let is_of = |type_: RepositoryType| spec.type_ == Some(type_);
    let is_versioned = is_of(RepositoryType::Git) || is_of(RepositoryType::Svn);
    let problem = |what: String, next: &str| Finding::problem("ChartRepo", &namespace, &name, what, next);
    let notice = |what: String, next: &str| Finding::notice("ChartRepo", &namespace, &name, what, next);
    let mut findings = Vec::new();
    if is_of(RepositoryType::Local) && !url.is_empty() {
        let what = format!("Local means charts in ConfigMaps and Secrets; Captain's are in the ChartMuseum at {url}");
        findings.push(problem(what, "set spec.type to HTTP and keep that server, or put the charts into ConfigMaps"));
    } else if url.contains(MUSEUM) && !is_versioned {
        findings.push(notice(format!("its charts are in Captain's ChartMuseum at {url}"), "keep that server running"));
    }
    if url.contains(CLOSED) {
        let next = format!("set spec.url to {SUCCESSOR}, or delete it");
        findings.push(notice(format!("{CLOSED} was closed in 2020"), &next));
    }
    let elsewhere =
        spec.secret.as_ref().and_then(|secret| secret.namespace.clone()).filter(|other| *other != namespace);
    if let Some(other) = elsewhere.filter(|_| namespace != captains) {
        let what = format!("spec.secret is in namespace {other}, which only repositories of {captains} may name");
        findings.push(problem(what, &format!("copy the Secret to {namespace} and remove spec.secret.namespace")));
    }
    if namespace != captains {
        findings.push(notice(
            format!("Captain reads only those of {captains}; this one is read from now on"),
            "delete it if it is not meant",
        ));
    }
    findings
}

/// What it says, as far as it can be read: decoding is forgiving, and what is wrong otherwise is the definition's matter.
fn spec(object: &DynamicObject) -> ChartRepoSpec {
    let spec = object.data.get("spec").cloned().unwrap_or(Json::Null);
    serde_json::from_value(spec).unwrap_or_default()
}

fn is_verified(spec: &ChartRepoSpec) -> bool {
    let source = spec.source.as_ref().map(|source| source.url.as_str());
    let has_authority = spec.ca_bundle.is_some() || spec.tls_secret.is_some() || spec.ca_config_map.is_some();
    let is_tls = |url: &str| url.starts_with("https://") || url.starts_with("oci://");
    [spec.url.as_deref(), source].into_iter().flatten().any(is_tls) && !has_authority && !spec.insecure_skip_tls_verify
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_different_is_told_with_what_to_do() {
        let museum = format!("http://{MUSEUM}:8080/a");
        let table = [
            ("captain", json!({"url": "http://charts"}), vec![]),
            ("captain", json!({"url": museum, "type": "Git", "source": {"url": "http://git"}}), vec![]),
            ("captain", json!({"url": museum, "type": "Local"}), vec!["Local means charts in ConfigMaps"]),
            ("captain", json!({"url": museum}), vec!["its charts are in Captain's ChartMuseum"]),
            ("captain", json!({"url": format!("http://{CLOSED}")}), vec!["was closed in 2020"]),
            (
                "shop",
                json!({"url": "http://a", "secret": {"name": "a", "namespace": "b"}}),
                vec!["spec.secret is in namespace b", "this one is read"],
            ),
        ];
        for (namespace, spec, expected) in table {
            let object = json!({"metadata": {"namespace": namespace, "name": "a"}, "spec": spec});
            let found = of_one(&serde_json::from_value(object).expect("an object"), "captain");
            let told: Vec<&String> = found.iter().map(|finding| &finding.what).collect();
            assert_eq!(told.len(), expected.len(), "{spec}: {told:?}");
            assert!(told.iter().zip(&expected).all(|(told, expected)| told.contains(expected)), "{spec}: {told:?}");
        }
    }

    #[test]
    fn repositories_whose_certificates_are_verified_now_are_counted() {
        let repositories =
            [json!({"url": "https://a"}), json!({"url": "https://b", "caBundle": "x"}), json!({"url": "http://c"})];
        let object = |spec: Json| json!({"metadata": {"namespace": "captain", "name": "a"}, "spec": spec});
        let repositories = repositories.map(|spec| serde_json::from_value(object(spec)).expect("an object")).to_vec();
        let found = look(&Stock { repositories, ..Stock::default() }, "captain");
        assert_eq!(found.len(), 1);
        assert!(found[0].what.contains("certificates of 1 are"), "{found:?}");
    }
}
