//! What was found: in words for people, as data for programs.

use kube::ResourceExt;
use serde::Serialize;

use super::captain::{Captain, Controller};
use super::repositories;
use super::requests::{self, Outcome, Request};
use super::stock::Stock;
use crate::api::cluster::Cluster;
use crate::api::definitions::definitions;
use crate::plugin::screen::{Screen, Tone};
use crate::plugin::table::{Cell, Table};

/// The namespace that the operator's manifest installs into.
const OPERATORS: &str = "captain-system";

/// What was found about one object.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// How much it matters.
    pub weight: Weight,
    /// The object: its kind, namespace and name.
    pub object: String,
    /// What there is to know.
    pub what: String,
    /// What to do.
    pub next: String,
}

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Weight {
    /// It has to be solved before.
    Problem,
    /// It is good to know.
    Notice,
}

impl Finding {
    /// Something that has to be solved before Captain is replaced.
    pub fn problem(kind: &str, namespace: &str, name: &str, what: String, next: &str) -> Self {
        Self::new(Weight::Problem, kind, namespace, name, what, next)
    }

    /// Something that is good to know.
    pub fn notice(kind: &str, namespace: &str, name: &str, what: String, next: &str) -> Self {
        Self::new(Weight::Notice, kind, namespace, name, what, next)
    }

    fn new(weight: Weight, kind: &str, namespace: &str, name: &str, what: String, next: &str) -> Self {
        let object = match (namespace, name) {
            ("", "") => kind.to_owned(),
            ("", name) => format!("{kind} {name}"),
            (namespace, name) => format!("{kind} {namespace}/{name}"),
        };
        Self { weight, object, what, next: next.to_owned() }
    }
}

/// Everything that was found.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    captain: Captain,
    requests: Vec<Request>,
    findings: Vec<Finding>,
    steps: Vec<String>,
}

impl Report {
    /// What a cluster's stock amounts to.
    pub fn of(stock: &Stock) -> Self {
        let captain = Captain::of(stock);
        let (requests, mut findings) = requests::look(stock, &captain.repositories);
        findings.extend(repositories::look(stock, &captain.repositories));
        findings.extend(unverified_clusters(stock));
        findings.extend(stored_versions(stock));
        findings.extend(stock.unread.iter().map(|what| {
            let next = "ask somebody who may to run this";
            Finding::notice(what, "", "", "you may not list them, so they were not looked at".to_owned(), next)
        }));
        findings.sort_by_key(|finding| finding.weight);
        let steps = steps(&captain, !stock.releases.is_empty());
        Self { captain, requests, findings, steps }
    }

    /// How many findings have to be solved.
    pub fn problems(&self) -> usize {
        self.findings.iter().filter(|finding| finding.weight == Weight::Problem).count()
    }

    /// The requests by kind and name, a line each.
    pub fn names(&self) -> String {
        self.requests.iter().map(|request| format!("helmrequest.app.alauda.io/{}\n", request.name)).collect()
    }

    /// The report for people.
    pub fn text(&self, screen: &Screen) -> String {
        let mut parts = vec![self.captain_text(screen), self.requests_text(screen)];
        for (title, weight, tone) in
            [("To be solved before", Weight::Problem, Tone::Bad), ("Good to know", Weight::Notice, Tone::Uneasy)]
        {
            let found: Vec<&Finding> = self.findings.iter().filter(|finding| finding.weight == weight).collect();
            if !found.is_empty() {
                let line = |finding: &&Finding| format!("  {}: {}; {}\n", finding.object, finding.what, finding.next);
                parts.push(format!("{}\n{}", screen.paint(tone, title), found.iter().map(line).collect::<String>()));
            }
        }
        let steps: String =
            self.steps.iter().enumerate().map(|(index, step)| format!("  {}. {step}\n", index + 1)).collect();
        parts.push(format!("Steps, as docs/migrating-from-captain.md explains them\n{steps}"));
        parts.join("\n")
    }

    fn captain_text(&self, screen: &Screen) -> String {
        let mut table = Table::indented(2);
        for found in &self.captain.controllers {
            let replicas = match found.replicas {
                0 => Cell::new("stopped", Tone::Good),
                1 => "1 replica".into(),
                count => format!("{count} replicas").into(),
            };
            let place = format!("namespace {}", found.namespace);
            table.push(vec![
                format!("deployment/{}", found.name).into(),
                place.into(),
                (&found.image).into(),
                replicas,
            ]);
        }
        let webhooks: String = self.captain.webhooks.iter().map(|webhook| format!("  {webhook}\n")).collect();
        let found = table.text(screen) + &webhooks;
        let found = if found.is_empty() { "  nothing of it runs\n" } else { &found };
        format!("Captain\n{found}  its repositories are in namespace {}\n", self.captain.repositories)
    }

    fn requests_text(&self, screen: &Screen) -> String {
        if self.requests.is_empty() {
            return "Requests\n  there are none\n".to_owned();
        }
        let mut table = Table::indented(2);
        for request in &self.requests {
            let name = format!("{}/{}", request.namespace, request.name);
            table.push(vec![name.into(), request.outcome.cell()]);
        }
        format!("Requests\n{}", table.text(screen))
    }
}

impl Outcome {
    fn cell(&self) -> Cell {
        match self {
            Self::Adopted { revision } => Cell::new(format!("adopted as it is, at revision {revision}"), Tone::Good),
            Self::Kept { revision } => Cell::new(format!("Coxswain's already, at revision {revision}"), Tone::Good),
            Self::Deployed { because } => Cell::new(format!("deployed at once: {because}"), Tone::Uneasy),
            Self::Left => Cell::new("left alone while it is suspended", Tone::Faint),
            Self::Uninstalled => Cell::new("uninstalled, as it is being deleted", Tone::Uneasy),
        }
    }
}

/// Clusters that do not say who may sign the certificate of their API server, which Captain never looked at.
fn unverified_clusters(stock: &Stock) -> Vec<Finding> {
    let has_authority = |cluster: &Cluster| {
        cluster.spec.kubernetes_api_endpoints.as_ref().is_some_and(|endpoints| endpoints.ca_bundle.is_some())
    };
    let finding = |cluster: &Cluster| {
        let (namespace, name) = (cluster.namespace().unwrap_or_default(), cluster.name_any());
        let what = "it has no caBundle, and the certificate of its API server is verified now".to_owned();
        let next = "add it, unless ca.crt is in its Secret or a public authority has signed";
        Finding::notice("Cluster", &namespace, &name, what, next)
    };
    stock.clusters.iter().filter(|cluster| !has_authority(cluster)).map(finding).collect()
}

/// Versions in which objects are stored and which our definitions do not serve: those objects could not be read.
fn stored_versions(stock: &Stock) -> Vec<Finding> {
    let ours = definitions();
    let mut findings = Vec::new();
    for found in &stock.definitions {
        let Some(own) = ours.iter().find(|own| own.metadata.name == found.metadata.name) else { continue };
        let stored = found.status.iter().flat_map(|status| status.stored_versions.iter().flatten());
        for version in stored.filter(|version| own.spec.versions.iter().all(|served| served.name != **version)) {
            let name = found.metadata.name.clone().unwrap_or_default();
            let what = format!("objects may be stored in version {version}, which is not served any more");
            let next = "write each of them once in another version, then remove it from status.storedVersions";
            findings.push(Finding::problem("CustomResourceDefinition", "", &name, what, next));
        }
    }
    findings
}

fn steps(captain: &Captain, has_releases: bool) -> Vec<String> {
    let releases = if has_releases { ",releases.app.alauda.io" } else { "" };
    let mut steps = vec![format!("kubectl get helmrequests,chartrepos{releases} -A -o yaml > captain.yaml")];
    for controller in captain.controllers.iter().filter(|controller| controller.replicas > 0) {
        let Controller { namespace, name, .. } = controller;
        steps.push(format!("kubectl scale deployment/{name} -n {namespace} --replicas=0"));
    }
    if !captain.webhooks.is_empty() {
        steps.push(format!("kubectl delete {}", captain.webhooks.join(" ")));
    }
    steps.push("kubectl apply --server-side --force-conflicts -f crds/".to_owned());
    let elsewhere = |value: &str, namespace: Option<&str>| {
        let other = namespace.filter(|namespace| *namespace != OPERATORS);
        other.map(|other| format!(" --set {value}={other}")).unwrap_or_default()
    };
    let repositories = elsewhere("chartRepoNamespace", Some(&captain.repositories));
    let clusters = elsewhere("clusterNamespace", captain.clusters.as_deref());
    steps.push(format!(
        "helm install coxswain charts/coxswain -n {OPERATORS} --create-namespace --set image.repository=IMAGE{repositories}{clusters}"
    ));
    steps.push("kubectl captain list -A --not-ready".to_owned());
    steps
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::migrate::captain::DEFAULT_NAMESPACE;

    #[test]
    fn the_steps_stop_captain_before_anything_is_replaced_and_name_its_repositories() {
        let controller = Controller { namespace: "a".into(), name: "b".into(), image: "c".into(), replicas: 1 };
        let webhooks = vec!["mutatingwebhookconfiguration/m".to_owned(), "validatingwebhookconfiguration/v".to_owned()];
        let steps = steps(
            &Captain {
                controllers: vec![controller],
                webhooks,
                repositories: DEFAULT_NAMESPACE.into(),
                clusters: Some("c".into()),
            },
            true,
        );
        assert_eq!(steps[1], "kubectl scale deployment/b -n a --replicas=0");
        assert_eq!(steps[2], "kubectl delete mutatingwebhookconfiguration/m validatingwebhookconfiguration/v");
        assert!(
            steps[3].contains("-f crds/")
                && steps[4].ends_with("--set chartRepoNamespace=captain --set clusterNamespace=c"),
            "{steps:?}"
        );
        let nothing = Captain { repositories: OPERATORS.into(), ..Captain::default() };
        assert!(super::steps(&nothing, false)[2].ends_with("image.repository=IMAGE"), "{nothing:?}");
    }

    #[test]
    fn a_version_that_is_stored_and_no_more_served_is_a_problem() {
        let mut found = definitions().remove(0);
        let stored = vec!["v1alpha1".to_owned(), "v1beta1".to_owned(), "v1alpha0".to_owned()];
        found.status.get_or_insert_default().stored_versions = Some(stored);
        let findings = stored_versions(&Stock { definitions: vec![found], ..Stock::default() });
        assert_eq!(findings.len(), 1);
        assert!(findings[0].what.contains("v1alpha0"), "{findings:?}");
    }
}
