//! What a chart reads of the cluster: another answer makes a revision where the chart renders differently with it, and
//! only there.

use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::bad_input::{ask, list, open_store, pack};
use crate::support::{ChartServer, wait};
use crate::world::{LIMIT, Place, condition, world};

/// A chart that looks at a ConfigMap of others, at an API version, at its own Secret, and lets chance in.
fn publish(place: &Place<'_>, group: &str) -> Result<()> {
    let seen = format!(
        "{{{{- $other := lookup \"v1\" \"ConfigMap\" .Release.Namespace \"other\" }}}}\napiVersion: v1\nkind: ConfigMap\n\
         metadata: {{name: seen}}\ndata:\n  size: {{{{ dig \"data\" \"size\" \"none\" $other | quote }}}}\n  served: \
         {{{{ .Capabilities.APIVersions.Has \"{group}/v1/Gauge\" | quote }}}}\n  server: \
         {{{{ .Capabilities.KubeVersion.Version }}}}\n"
    );
    let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: own}\nstringData:\n  known: \
                  {{ lookup \"v1\" \"Secret\" .Release.Namespace \"own\" | empty | quote }}\n  token: \
                  {{ randAlphaNum 12 }}\n";
    list(place, &[pack(place, "looker", "0.1.0", &[("templates/seen.yaml", &seen), ("templates/own.yaml", secret)])?])?;
    open_store(place)
}

fn until_deployed(place: &Place<'_>, revision: i64) -> Result<Value> {
    let what = format!("revision {revision} to be deployed");
    place.until("helmrequest", "web", &what, |request| {
        request["status"]["phase"] == "Synced" && request["status"]["revision"] == revision
    })?;
    Ok(place.get("configmap", "seen")?.context("the object of the release")?["data"].take())
}

fn noted(place: &Place<'_>, revision: i64) -> Result<String> {
    let record = place.get("secret", &format!("sh.helm.release.v1.web.v{revision}"))?.context("the record")?;
    Ok(record["metadata"]["annotations"]["coxswain.dev/reads"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn another_answer_of_the_cluster_makes_a_revision_where_it_matters() -> Result<()> {
    let place = world().bare_place("reads").await?;
    let group = format!("{}.example.org", place.namespace);
    publish(&place, &group)?;
    ask(&place, "web", "store/looker", &json!({}))?;
    let seen = until_deployed(&place, 1)?;
    assert_eq!((&seen["size"], &seen["served"]), (&json!("none"), &json!("false")));
    let reads = noted(&place, 1)?;
    assert!(
        reads.contains("\"other\"") && !reads.contains("\"own\""),
        "what is the release's own is not noted: {reads}"
    );

    place.kubectl(&["create", "configmap", "other", "--from-literal=size=3"])?;
    assert_eq!(until_deployed(&place, 2)?["size"], "3");
    place.until_event("web", "ClusterChanged", "revision 2 follows")?;

    // A change that the chart does not use is looked at and makes none.
    let before = noted(&place, 2)?;
    place.kubectl(&["label", "configmap", "other", "colour=blue"])?;
    wait::until(LIMIT, "the change to be looked at", || Ok((noted(&place, 2)? != before).then_some(())))?;
    until_deployed(&place, 2)?;

    place.apply(&json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("gauges.{group}")},
        "spec": {
            "group": group, "scope": "Namespaced", "names": {"kind": "Gauge", "plural": "gauges", "singular": "gauge"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {"type": "object"}}}],
        },
    }))?;
    assert_eq!(until_deployed(&place, 3)?["served"], "true");
    place.kubectl(&["delete", "customresourcedefinition", &format!("gauges.{group}")])?;
    assert_eq!(until_deployed(&place, 4)?["served"], "false");

    // Deleted while nobody looks is no different; and nothing goes round by itself.
    place.kubectl(&["delete", "configmap", "other"])?;
    assert_eq!(until_deployed(&place, 5)?["size"], "none");
    tokio::time::sleep(Duration::from_secs(3)).await;
    until_deployed(&place, 5)?;
    assert!(!place.helm(&["history", "web"])?.contains("failed"));
    Ok(())
}

#[tokio::test]
async fn a_list_that_a_chart_looks_up_is_followed_with_every_object_in_it() -> Result<()> {
    let place = world().bare_place("lists").await?;
    let seen = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: seen}\ndata:\n  services: \
                {{ range (lookup \"v1\" \"Service\" .Release.Namespace \"\").items }}{{ .metadata.name }} {{ end }}x\n  \
                secrets: {{ len (lookup \"v1\" \"Secret\" .Release.Namespace \"\").items | quote }}\n---\n\
                apiVersion: v1\nkind: Service\nmetadata: {name: own}\nspec: {ports: [{port: 80}]}\n";
    list(&place, &[pack(&place, "lister", "0.1.0", &[("templates/seen.yaml", seen)])?])?;
    place.kubectl(&["create", "service", "externalname", "other", "--external-name=example.org"])?;
    open_store(&place)?;
    ask(&place, "web", "store/lister", &json!({}))?;
    assert_eq!(until_deployed(&place, 1)?["services"], "other x");

    // The release's own Service and its record are in the lists now, and no news.
    tokio::time::sleep(Duration::from_secs(2)).await;
    until_deployed(&place, 1)?;
    place.kubectl(&["delete", "service", "other"])?;
    assert_eq!(until_deployed(&place, 2)?["services"], "own x");
    place.until_event("web", "ClusterChanged", "the list of every Service in namespace")?;

    place.kubectl(&["create", "service", "externalname", "another", "--external-name=example.org"])?;
    assert_eq!(until_deployed(&place, 3)?["services"], "another own x");
    tokio::time::sleep(Duration::from_secs(2)).await;
    until_deployed(&place, 3)?;
    Ok(())
}

/// An API server of its own for a group, reached through the cluster's.
fn aggregate(place: &Place<'_>, group: &str) -> Result<ChartServer> {
    let folder = place.folder.path().join("aggregated");
    std::fs::create_dir_all(folder.join("apis").join(group))?;
    let kinds =
        json!([{"name": "gauges", "singularName": "gauge", "namespaced": true, "kind": "Gauge", "verbs": ["get"]}]);
    let list = json!({
        "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": format!("{group}/v1"), "resources": kinds,
    });
    std::fs::write(folder.join("apis").join(group).join("v1"), list.to_string())?;
    let (server, _) = ChartServer::start_tls(&folder)?;
    let port: u16 = server.url().trim_end_matches('/').rsplit(':').next().context("a port")?.parse()?;
    place.apply(&json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "gauges", "namespace": place.namespace},
        "spec": {"type": "ExternalName", "externalName": "localhost"},
    }))?;
    place.apply(&json!({
        "apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", "metadata": {"name": format!("v1.{group}")},
        "spec": {
            "group": group, "version": "v1", "groupPriorityMinimum": 100, "versionPriority": 10,
            "insecureSkipTLSVerify": true, "service": {"name": "gauges", "namespace": place.namespace, "port": port},
        },
    }))?;
    Ok(server)
}

#[tokio::test]
async fn an_aggregated_api_that_comes_and_goes_makes_a_revision_and_an_outage_none() -> Result<()> {
    let place = world().bare_place("aggregated").await?;
    let group = format!("{}.example.org", place.namespace);
    publish(&place, &group)?;
    ask(&place, "web", "store/looker", &json!({}))?;
    assert_eq!(until_deployed(&place, 1)?["served"], "false");
    let server = aggregate(&place, &group)?;
    let service = format!("v1.{group}");
    assert_eq!(until_deployed(&place, 2)?["served"], "true");

    drop(server);
    place.until("apiservice", &service, "the outage to be noticed", |live| {
        condition(live, "Available").is_some_and(|available| available["status"] == "False")
    })?;
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(until_deployed(&place, 2)?["served"], "true");
    place.kubectl(&["delete", "apiservice", &service])?;
    assert_eq!(until_deployed(&place, 3)?["served"], "false");
    Ok(())
}
