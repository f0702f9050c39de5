//! What templates and value sources read of a cluster.

use anyhow::Result;
use coxswain::cluster::Cluster;
use coxswain::cluster::lookup::ClusterLookup;
use coxswain::cluster::reference::{Keeper, ReferenceError};
use coxswain::render::{Lookup, Query};
use serde_json::Value;

use crate::support::{command, shared};

fn query(api_version: &str, kind: &str, namespace: &str, name: &str) -> Query {
    Query { api_version: api_version.into(), kind: kind.into(), namespace: namespace.into(), name: name.into() }
}

#[tokio::test]
async fn lookup_finds_objects_lists_and_nothing() -> Result<()> {
    let (cluster, namespace) = (Cluster::from_client(shared().client().await?), shared().namespace("lookup").await?);
    let create = ["create", "configmap", "settings", "--from-literal=color=blue", "-n", &namespace];
    command::output(shared().kubectl().args(create))?;

    let lookup = ClusterLookup::new(cluster);
    let queries = [
        query("v1", "ConfigMap", &namespace, "settings"),
        query("v1", "ConfigMap", &namespace, "missing"),
        query("v1", "ConfigMap", &namespace, ""),
        query("v1", "ConfigMap", "", "settings"),
        query("v1", "Namespace", "", &namespace),
        query("v1", "Nothing", &namespace, "x"),
        query("example.org/v1", "Nothing", &namespace, "x"),
    ];
    let answers: Vec<_> =
        tokio::task::spawn_blocking(move || queries.iter().map(|query| lookup.lookup(query)).collect()).await?;
    let [Ok(object), Ok(missing), Ok(list), Ok(nowhere), Ok(of_cluster), Ok(no_kind), Err(unknown)] = &answers[..]
    else {
        anyhow::bail!("{answers:?}");
    };
    assert_eq!((&object["data"]["color"], missing, nowhere), (&Value::from("blue"), &Value::Null, &Value::Null));
    assert!(list["items"].as_array().is_some_and(|items| items.iter().any(|item| item["data"]["color"] == "blue")));
    assert_eq!(of_cluster["metadata"]["name"], namespace.as_str());
    assert_eq!(no_kind, &Value::Null);
    let expected = "unable to get apiresource from unstructured: example.org/v1, Kind=Nothing: the server could not find \
                    the requested resource";
    assert_eq!(unknown, expected);
    Ok(())
}

#[tokio::test]
async fn a_value_source_that_is_not_there_is_named() -> Result<()> {
    let (cluster, namespace) = (Cluster::from_client(shared().client().await?), shared().namespace("values").await?);
    let create =
        ["create", "secret", "generic", "db", "--from-literal=values.yaml=password: hunter2", "-n", &namespace];
    command::output(shared().kubectl().args(create))?;
    let read = cluster.read_key(Keeper::Secret, &namespace, "db", "values.yaml").await?;
    assert_eq!(read.text, "password: hunter2");
    assert!(!format!("{read:?}").contains("hunter2"));

    let no_key = cluster.read_key(Keeper::Secret, &namespace, "db", "other").await;
    assert!(matches!(no_key, Err(ReferenceError::NoKey { .. })), "{no_key:?}");
    let absent = cluster.read_key(Keeper::ConfigMap, &namespace, "db", "values.yaml").await;
    let text = absent.err().map(|error| error.to_string());
    assert_eq!(
        text,
        Some(format!(
            "ConfigMap \"db\" does not exist in namespace {namespace:?}; create it or correct the reference to it"
        ))
    );
    Ok(())
}

#[tokio::test]
async fn a_namespace_is_made_once() -> Result<()> {
    let cluster = Cluster::from_client(shared().client().await?);
    let name = format!("{}-made", shared().namespace("made").await?);
    assert!(!cluster.namespace_exists(&name).await?);
    assert!(cluster.create_namespace(&name).await?);
    assert!(!cluster.create_namespace(&name).await?);
    assert!(cluster.namespace_exists(&name).await?);
    Ok(())
}
