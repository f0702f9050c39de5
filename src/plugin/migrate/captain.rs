//! What runs of Captain: its Deployments and the webhooks that were registered for its kinds.

use k8s_openapi::api::admissionregistration::v1::RuleWithOperations;
use k8s_openapi::api::apps::v1::Deployment;
use kube::ResourceExt;
use serde::Serialize;

use super::stock::Stock;
use crate::api::names;

/// The name of Captain's Deployment in its install manifest.
const DEPLOYMENT: &str = "captain-controller-manager";
/// The last part of the names of Captain's images.
const IMAGES: [&str; 2] = ["captain", "captain-arm64"];
/// Captain's ChartMuseum, where the charts of its repositories of the types Git, SVN and Local are.
pub const MUSEUM: &str = "captain-chartmuseum";
/// The flag that tells the namespace of repositories.
const REPOSITORIES: &str = "--chartrepo-namespace";
/// The flag that tells the namespace of Clusters.
const CLUSTERS: &str = "--cluster-namespace";
/// The namespace of both where Captain is told nothing.
pub const DEFAULT_NAMESPACE: &str = "captain";

/// What there is of Captain.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Captain {
    /// Its controllers.
    pub controllers: Vec<Controller>,
    /// Webhook configurations about its kinds, as `validatingwebhookconfiguration/NAME`.
    pub webhooks: Vec<String>,
    /// The namespace whose repositories it reads.
    pub repositories: String,
    /// The namespace of its Clusters, where there are any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clusters: Option<String>,
}

/// One Deployment of Captain.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Controller {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its image.
    pub image: String,
    /// How many replicas it is to have.
    pub replicas: i32,
}

impl Captain {
    /// What of it is in a cluster.
    pub fn of(stock: &Stock) -> Self {
        let deployments = || stock.deployments.iter().filter(|deployment| is_captain(deployment));
        let told = |flag: &str| deployments().find_map(|deployment| told(deployment, flag));
        let clusters =
            (!stock.clusters.is_empty()).then(|| told(CLUSTERS).unwrap_or_else(|| DEFAULT_NAMESPACE.to_owned()));
        let mutating = stock.mutating.iter().map(|found| {
            let rules = found.webhooks.iter().flatten().filter_map(|webhook| webhook.rules.as_deref());
            ("mutatingwebhookconfiguration", found.name_any(), rules.flatten().any(is_about_us))
        });
        let validating = stock.validating.iter().map(|found| {
            let rules = found.webhooks.iter().flatten().filter_map(|webhook| webhook.rules.as_deref());
            ("validatingwebhookconfiguration", found.name_any(), rules.flatten().any(is_about_us))
        });
        let about_us = mutating.chain(validating).filter(|(_, _, is_about_us)| *is_about_us);
        Self {
            controllers: deployments().map(Controller::of).collect(),
            webhooks: about_us.map(|(kind, name, _)| format!("{kind}/{name}")).collect(),
            repositories: told(REPOSITORIES).unwrap_or_else(|| guessed(stock)),
            clusters,
        }
    }
}

impl Controller {
    fn of(deployment: &Deployment) -> Self {
        Self {
            namespace: deployment.namespace().unwrap_or_default(),
            name: deployment.name_any(),
            image: images(deployment).next().unwrap_or_default().to_owned(),
            replicas: deployment.spec.replicas.unwrap_or(1),
        }
    }
}

fn is_captain(deployment: &Deployment) -> bool {
    deployment.name_any() == DEPLOYMENT || images(deployment).any(|image| IMAGES.contains(&bare(image)))
}

fn images(deployment: &Deployment) -> impl Iterator<Item = &str> {
    let containers = deployment.spec.template.spec.iter().flat_map(|pod| &pod.containers);
    containers.filter_map(|container| container.image.as_deref())
}

/// The last part of an image's name, without tag and digest.
fn bare(image: &str) -> &str {
    let last = image.rsplit('/').next().unwrap_or(image);
    last.split(['@', ':']).next().unwrap_or(last)
}

/// The namespace that a flag of the Deployment tells; Captain's manifest names its own through a variable.
fn told(deployment: &Deployment, flag: &str) -> Option<String> {
    let pod = deployment.spec.template.spec.as_ref()?;
    let words = pod.containers.iter().flat_map(|one| one.command.iter().chain(&one.args)).flatten();
    let mut words = words.map(String::as_str).skip_while(|word| !word.starts_with(flag));
    let first = words.next()?;
    let value = match first.split_once('=') {
        Some((_, value)) => value,
        None => words.next()?,
    };
    if value.starts_with("$(") { deployment.namespace() } else { Some(value.to_owned()) }
}

/// Where no Deployment tells: the only namespace whose repositories Captain has read, else its default.
fn guessed(stock: &Stock) -> String {
    let read = stock.repositories.iter().filter(|found| found.annotations().contains_key(names::LAST_SYNC_AT));
    let mut namespaces: Vec<String> = read.filter_map(ResourceExt::namespace).collect();
    namespaces.sort();
    namespaces.dedup();
    match namespaces.as_slice() {
        [only] => only.clone(),
        _ => DEFAULT_NAMESPACE.to_owned(),
    }
}

fn is_about_us(rule: &RuleWithOperations) -> bool {
    rule.api_groups.iter().flatten().any(|group| group == names::GROUP)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn deployment(name: &str, image: &str, arguments: &[&str]) -> Deployment {
        serde_json::from_value(json!({
            "metadata": {"name": name, "namespace": "system"},
            "spec": {"selector": {}, "template": {"spec": {"containers": [{"name": "a", "image": image, "args": arguments}]}}},
        }))
        .expect("a Deployment")
    }

    #[test]
    fn captain_is_known_by_its_name_or_image_and_tells_where_its_repositories_are() {
        let variable = "--chartrepo-namespace=$(KUBERNETES_NAMESPACE)";
        for (name, image, arguments, expected) in [
            (DEPLOYMENT, "example.com/other:1", &["--chartrepo-namespace=charts"][..], Some("charts")),
            ("a", "example.com:5000/alaudapublic/captain:v1.5.0", &["--chartrepo-namespace", "b"], Some("b")),
            ("a", "alaudapublic/captain@sha256:00", &[variable], Some("system")),
            ("a", "captain-arm64:v1", &[], Some(DEFAULT_NAMESPACE)),
            ("captain-chartmuseum", "chartmuseum/chartmuseum:latest", &[variable], None),
        ] {
            let stock = Stock { deployments: vec![deployment(name, image, arguments)], ..Stock::default() };
            let captain = Captain::of(&stock);
            assert_eq!(captain.controllers.len(), usize::from(expected.is_some()), "{image}");
            assert_eq!(captain.repositories, expected.unwrap_or(DEFAULT_NAMESPACE), "{image}");
        }
    }

    #[test]
    fn webhooks_about_our_kinds_are_captains_and_no_others() {
        let about = |group: &str| {
            let rules =
                json!([{"apiGroups": [group], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["*"]}]);
            json!([{"name": "a.b.c", "rules": rules, "admissionReviewVersions": ["v1"], "sideEffects": "None", "clientConfig": {}}])
        };
        let validating = |name: &str, group: &str| {
            serde_json::from_value(json!({"metadata": {"name": name}, "webhooks": about(group)})).expect("a webhook")
        };
        let validating =
            vec![validating("captain", "app.alauda.io"), validating("all", "*"), validating("apps", "apps")];
        let stock = Stock { validating, ..Stock::default() };
        assert_eq!(Captain::of(&stock).webhooks, ["validatingwebhookconfiguration/captain"]);
    }
}
