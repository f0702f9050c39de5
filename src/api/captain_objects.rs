//! Objects as Captain and its clients left them must be read, whatever they look like, and lose nothing when they
//! are written again.

use super::{chart, chart_repo, cluster, helm_request, release};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// Reads an object and writes it again.
fn rewritten<K: DeserializeOwned + Serialize>(object: &Value) -> Value {
    let decoded: K = serde_json::from_value(object.clone()).expect("Captain's object is read");
    serde_json::to_value(decoded).expect("and written")
}

#[test]
fn a_request_that_captain_deployed_keeps_every_field() {
    let request = json!({
        "apiVersion": "app.alauda.io/v1", "kind": "HelmRequest",
        "metadata": {"name": "podinfo-0", "namespace": "bench", "generation": 1, "finalizers": ["captain.cpaas.io"]},
        "spec": {
            "chart": "podinfo/podinfo", "releaseName": "podinfo-0", "clusterName": "west", "dependencies": ["db"],
            "installToAllClusters": true, "namespace": "web", "version": "6.14.1",
            "values": {"replicaCount": 0, "ratio": 1.5, "empty": {}, "nothing": null},
            "valuesFrom": [
                {"configMapKeyRef": {"name": "a", "key": "values.yaml"}},
                {"secretKeyRef": {"name": "b", "key": "c", "optional": true}},
            ],
            "source": {
                "http": {"url": "https://example.com/a.tgz", "secretRef": "login"},
                "oci": {"repo": "registry.example.com/a", "secretRef": "login"},
            },
        },
        "status": {
            "conditions": [{
                "lastTransitionTime": "2026-11-21T04:49:58Z", "message": "chart podinfo:6.14.1 loaded",
                "reason": "ChartLoaded", "status": "True", "type": "Initialized",
            }],
            "lastSpecHash": "4281660189866827659", "notes": "1. Get the URL\n", "phase": "Synced",
            "version": "6.14.1", "syncedClusters": ["west"], "reason": "why not",
        },
    });
    assert_eq!(rewritten::<helm_request::HelmRequest>(&request), request);
}

#[test]
fn a_request_that_a_go_client_wrote_in_full_is_read() {
    let request = json!({
        "apiVersion": "app.alauda.io/v1alpha1", "kind": "HelmRequest",
        "metadata": {"name": "a", "namespace": "b", "creationTimestamp": null},
        "spec": {
            "chart": "stable/a", "version": "", "namespace": "", "releaseName": "", "clusterName": "",
            "installToAllClusters": false, "dependencies": null, "values": {}, "valuesFrom": null,
            "source": {"http": null, "oci": null},
        },
        "status": {
            "phase": "", "reason": "", "notes": "", "version": "", "lastSpecHash": "", "syncedClusters": null,
            "conditions": [{"type": "Initialized", "status": "True", "lastProbeTime": null, "lastTransitionTime": null}],
        },
    });
    let decoded: helm_request::HelmRequest = serde_json::from_value(request).expect("read");
    assert_eq!(decoded.spec.source, None);
    assert_eq!(decoded.spec.values, Some(json!({})));
}

#[test]
fn a_repository_without_a_type_and_one_with_all_fields_are_read() {
    let old = json!({
        "apiVersion": "app.alauda.io/v1alpha1", "kind": "ChartRepo", "metadata": {"name": "stable"},
        "spec": {"url": "https://charts.example.com", "secret": null, "source": null},
    });
    let decoded: chart_repo::ChartRepo = serde_json::from_value(old).expect("read");
    assert_eq!(decoded.spec.type_(), chart_repo::RepositoryType::Http);

    let git = json!({
        "apiVersion": "app.alauda.io/v1beta1", "kind": "ChartRepo", "metadata": {"name": "git"},
        "spec": {
            "url": "http://captain-chartmuseum:8080/git", "type": "Git",
            "secret": {"name": "login", "namespace": "captain"},
            "source": {"url": "https://git.example.com/charts", "path": "/charts"},
        },
        "status": {"phase": "Failed", "reason": "authentication required"},
    });
    assert_eq!(rewritten::<chart_repo::ChartRepo>(&git), git);
}

#[test]
fn a_chart_keeps_what_the_index_said() {
    let chart = json!({
        "apiVersion": "app.alauda.io/v1beta1", "kind": "Chart", "metadata": {"name": "podinfo.podinfo"},
        "spec": {"versions": [{"version": "6.14.1", "digest": "fb93", "unheardOf": {"a": [1, null]}}]},
    });
    assert_eq!(rewritten::<chart::Chart>(&chart), chart);
}

#[test]
fn a_release_keeps_its_data() {
    let release = json!({
        "apiVersion": "app.alauda.io/v1alpha1", "kind": "Release",
        "metadata": {"name": "sh.helm.release.v1.podinfo-0.v1"},
        "spec": {
            "chartData": "H4sI", "configData": "H4sJ", "hooksData": "H4sK", "manifestData": "H4sL",
            "name": "podinfo-0", "version": 1,
        },
        "status": {
            "Description": "Install complete", "first_deployed": "2026-11-21T04:50:01Z",
            "last_deployed": "2026-11-21T04:50:01Z", "notes": "hello", "status": "deployed",
        },
    });
    assert_eq!(rewritten::<release::Release>(&release), release);
}

#[test]
fn a_cluster_of_the_registry_is_read() {
    let cluster = json!({
        "apiVersion": "clusterregistry.k8s.io/v1alpha1", "kind": "Cluster", "metadata": {"name": "west"},
        "spec": {
            "kubernetesApiEndpoints": {
                "serverEndpoints": [{"clientCIDR": "0.0.0.0/0", "serverAddress": "https://192.0.2.1:6443"}],
                "caBundle": "LS0t",
            },
            "authInfo": {"controller": {"kind": "Secret", "namespace": "captain", "name": "west"}},
        },
    });
    assert_eq!(rewritten::<cluster::Cluster>(&cluster), cluster);
    let decoded: cluster::Cluster = serde_json::from_value(cluster).expect("read");
    assert_eq!(decoded.spec.server_address(), Some("https://192.0.2.1:6443"));
}
