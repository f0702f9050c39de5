//! What was made for the objects of a release: jobs, replica sets and pods, each with its own reason.

use futures::{StreamExt, stream};
use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{ApiResource, DynamicObject, ListParams, TypeMeta};

use super::Error;
use super::session::Session;
use super::tree::{Health, Node};
use crate::cluster::health::verdict;
use crate::cluster::pages::all;
use crate::cluster::{Object, ObjectKey};
use crate::value::Json;

/// How many objects one page of a list has.
const PAGE: u32 = 500;
/// How many objects are read at the same time.
const PARALLEL: usize = 8;

/// Something that was made, and by whom.
struct Made {
    node: Node,
    /// Kind and name of the maker, which is in the same namespace.
    maker: (String, String),
    /// A replica set of an earlier rollout, which has nothing to do any more.
    is_idle: bool,
}

/// Adds to each object what was made for it, down to the pods.
///
/// # Errors
/// What was made cannot be listed; nothing is added then.
pub async fn add(session: &Session, nodes: &mut [Node]) -> Result<(), Error> {
    let mut found = Vec::new();
    for (namespace, resource) in to_list(nodes) {
        found.extend(list(session, &namespace, &resource).await?);
    }
    nodes.iter_mut().for_each(|node| attach(node, &mut found));
    Ok(())
}

/// Reads the objects of which nobody says how they stand.
pub async fn judge_unknown(session: &Session, objects: &[Object], nodes: &mut [Node]) {
    let unknown = nodes.iter_mut().filter(|node| node.health == Health::Unknown);
    let reads = unknown.filter_map(|node| {
        let is_it = |key: &ObjectKey| key.kind == node.kind && key.namespace == node.namespace && key.name == node.name;
        let object = objects.iter().find(|object| is_it(&object.key))?;
        Some(async move {
            match session.cluster.live(object).await {
                Ok(Some(live)) => node.judge(&verdict(&live)),
                Ok(None) => node.health = Health::NotFound,
                // Who may not read it does not know.
                Err(_) => {}
            }
        })
    });
    stream::iter(reads).buffer_unordered(PARALLEL).collect::<()>().await;
}

/// What is listed, and where.
fn to_list(nodes: &[Node]) -> Vec<(String, ApiResource)> {
    let mut lists = Vec::new();
    for node in nodes {
        let made: &[ApiResource] = match node.kind.as_str() {
            "CronJob" => &[ApiResource::erase::<Job>(&()), ApiResource::erase::<Pod>(&())],
            "Deployment" => &[ApiResource::erase::<ReplicaSet>(&()), ApiResource::erase::<Pod>(&())],
            "StatefulSet" | "DaemonSet" | "ReplicaSet" | "Job" | "ReplicationController" => {
                &[ApiResource::erase::<Pod>(&())]
            }
            _ => &[],
        };
        for resource in made {
            let list = (node.namespace.clone(), resource.clone());
            if !lists.contains(&list) {
                lists.push(list);
            }
        }
    }
    lists
}

async fn list(session: &Session, namespace: &str, resource: &ApiResource) -> Result<Vec<Made>, Error> {
    let api: Api<DynamicObject> = Api::namespaced_with(session.cluster.client(), namespace, resource);
    let listed = all(&api, ListParams::default().limit(PAGE)).await;
    let listed = listed.map_err(|error| Error::Api {
        what: format!("list {} in namespace {namespace:?}", resource.plural),
        error: Box::new(error),
    })?;
    Ok(listed.into_iter().filter_map(|object| made(object, resource)).collect())
}

fn made(mut object: DynamicObject, resource: &ApiResource) -> Option<Made> {
    // Items of a list do not say what they are.
    object.types = Some(TypeMeta { api_version: resource.api_version.clone(), kind: resource.kind.clone() });
    let owner = object.metadata.owner_references.iter().flatten().find(|owner| owner.controller == Some(true))?;
    let maker = (owner.kind.clone(), owner.name.clone());
    let key = ObjectKey {
        group: resource.group.clone(),
        kind: resource.kind.clone(),
        namespace: object.metadata.namespace.clone().unwrap_or_default(),
        name: object.metadata.name.clone().unwrap_or_default(),
    };
    let json = serde_json::to_value(&object).ok()?;
    let mut node = Node::new(&key, Health::Unknown);
    node.judge(&verdict(&json));
    let count = |pointer: &str| json.pointer(pointer).and_then(Json::as_i64).unwrap_or_default();
    let is_idle = resource.kind == "ReplicaSet" && count("/spec/replicas") == 0 && count("/status/replicas") == 0;
    Some(Made { node, maker, is_idle })
}

fn attach(node: &mut Node, found: &mut Vec<Made>) {
    let is_of =
        |made: &Made| made.maker.0 == node.kind && made.maker.1 == node.name && made.node.namespace == node.namespace;
    let own: Vec<Made> = found.extract_if(.., |made| is_of(made)).collect();
    for mut made in own.into_iter().filter(|made| !made.is_idle) {
        attach(&mut made.node, found);
        node.made.push(made.node);
    }
    node.made.sort_by(|left, right| left.name.cmp(&right.name));
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(kind: &str, name: &str, owner: (&str, &str), rest: &Json) -> DynamicObject {
        let owners = json!([{"apiVersion": "x/v1", "kind": owner.0, "name": owner.1, "uid": "1", "controller": true}]);
        let mut object = json!({"apiVersion": "v1", "kind": kind, "spec": rest["spec"], "status": rest["status"],
                                "metadata": {"name": name, "namespace": "shop", "ownerReferences": owners}});
        if object["spec"].is_null() {
            object["spec"] = json!({});
        }
        serde_json::from_value(object).expect("an object")
    }

    #[test]
    fn each_thing_hangs_below_what_it_was_made_for_and_old_replica_sets_do_not() {
        let waits = json!({"waiting": {"reason": "ImagePullBackOff", "message": "not found"}});
        let sick = json!({"status": {"phase": "Pending", "containerStatuses": [{"name": "main", "state": waits}]}});
        let (set, pod) = (ApiResource::erase::<ReplicaSet>(&()), ApiResource::erase::<Pod>(&()));
        let running = json!({"spec": {"replicas": 1}, "status": {"replicas": 1}});
        let idle = json!({"spec": {"replicas": 0}, "status": {"replicas": 0}});
        let found = [
            made(object("ReplicaSet", "web-1", ("Deployment", "web"), &idle), &set),
            made(object("ReplicaSet", "web-2", ("Deployment", "web"), &running), &set),
            made(object("Pod", "web-2-a", ("ReplicaSet", "web-2"), &sick), &pod),
            made(object("Pod", "other", ("ReplicaSet", "other"), &sick), &pod),
        ];
        let key =
            ObjectKey { group: "apps".into(), kind: "Deployment".into(), namespace: "shop".into(), name: "web".into() };
        let mut node = Node::new(&key, Health::Current);
        attach(&mut node, &mut found.into_iter().flatten().collect());
        let [set] = node.made.as_slice() else { panic!("{node:?}") };
        assert_eq!((set.name.as_str(), set.made.len()), ("web-2", 1));
        assert_eq!(set.made[0].message, "container main waits: ImagePullBackOff: not found");
        assert_eq!(node.worst(), Health::InProgress);
    }

    #[test]
    fn only_what_the_kinds_make_is_listed_and_once() {
        let node = |kind: &str| {
            let key = ObjectKey { group: String::new(), kind: kind.into(), namespace: "shop".into(), name: "a".into() };
            Node::new(&key, Health::Current)
        };
        let listed = |kinds: &[&str]| -> Vec<String> {
            let nodes: Vec<Node> = kinds.iter().map(|kind| node(kind)).collect();
            to_list(&nodes).into_iter().map(|(_, resource)| resource.plural).collect()
        };
        assert!(listed(&["ConfigMap", "Service"]).is_empty());
        assert_eq!(listed(&["Deployment", "StatefulSet", "CronJob"]), ["replicasets", "pods", "jobs"]);
    }
}
