//! Changes that cannot be made in place: refused by default, and made by deleting and making anew where that is asked.

use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::support::wait;
use crate::world::{LIMIT, Place, world};

/// A place whose chart `one` renders the objects in `values.objects`.
async fn place(purpose: &str) -> Result<Place<'static>> {
    world().place(purpose, &["objects"]).await
}

fn spec(objects: &[Value]) -> Value {
    json!({"chart": "charts/objects", "values": {"objects": objects}})
}

fn uid(place: &Place<'_>, kind: &str, name: &str) -> Result<Value> {
    let object = place.get(kind, name)?.with_context(|| format!("there is no {kind} {name}"))?;
    Ok(object["metadata"]["uid"].clone())
}

/// Waits until the request is deployed as this revision; whether its objects are healthy is another matter.
fn until_deployed(place: &Place<'_>, revision: i64) -> Result<Value> {
    place.until("helmrequest", "web", &format!("revision {revision} to be deployed"), |request| {
        request["status"]["observedGeneration"] == request["metadata"]["generation"]
            && request["status"]["phase"] == "Synced"
            && request["status"]["revision"] == revision
    })
}

/// The refusal of what the request asks for now; nothing was recorded and the release is as it was.
fn refusal(place: &Place<'_>, revision: i64) -> Result<String> {
    let message = place.until_failed("web", "ImmutableField")?;
    let secrets = place.kubectl(&["get", "secrets", "-l", "owner=helm", "-o", "name"])?;
    assert_eq!(i64::try_from(secrets.lines().count())?, revision, "no revision was begun: {secrets}");
    Ok(message)
}

fn job(message: &str, annotations: &Value) -> Value {
    json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "seed", "annotations": annotations}, "spec": {
        "template": {"spec": {"restartPolicy": "Never", "containers": [
            {"name": "main", "image": "example.org/seed:1", "args": [message]},
        ]}},
    }})
}

fn message_of(job: &Value) -> &Value {
    &job["spec"]["template"]["spec"]["containers"][0]["args"][0]
}

fn stateful_set(service: &str, app: &str) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "StatefulSet",
        "metadata": {"name": "db", "annotations": {"coxswain.dev/replace": "true"}},
        "spec": {"serviceName": service, "replicas": 2, "selector": {"matchLabels": {"app": app}}, "template": {
            "metadata": {"labels": {"app": app}},
            "spec": {"containers": [{"name": "main", "image": "example.org/db:1"}]},
        }},
    })
}

fn pod_uids(place: &Place<'_>) -> Result<Option<Vec<String>>> {
    let names = ["db-0", "db-1"].into_iter().map(|name| place.get("pod", name));
    let pods: Vec<Value> = names.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect();
    let uids = pods.iter().filter_map(|pod| pod["metadata"]["uid"].as_str().map(str::to_owned)).collect();
    Ok((pods.len() == 2).then_some(uids))
}

fn service(fields: Value) -> Value {
    let mut service = json!({"apiVersion": "v1", "kind": "Service",
        "metadata": {"name": "web", "annotations": {"coxswain.dev/replace": "true"}},
        "spec": {"type": "LoadBalancer", "selector": {"app": "web"}, "ports": [
            {"name": "http", "port": 80, "targetPort": 8080}, {"name": "https", "port": 443},
        ]},
    });
    if let (Some(spec), Value::Object(fields)) = (service["spec"].as_object_mut(), fields) {
        spec.extend(fields);
    }
    service
}

/// What clients of a Service know.
fn addresses(service: &Value) -> (Value, Vec<Value>) {
    let ports = service["spec"]["ports"].as_array().cloned().unwrap_or_default();
    (service["spec"]["clusterIP"].clone(), ports.iter().map(|port| port["nodePort"].clone()).collect())
}

fn fields_of_helm(object: &Value) -> Value {
    let entries = object["metadata"]["managedFields"].as_array().cloned().unwrap_or_default();
    let ours = entries.into_iter().find(|entry| entry["manager"] == "helm" && entry["operation"] == "Apply");
    ours.map(|entry| entry["fieldsV1"].clone()).unwrap_or_default()
}

fn live(place: &Place<'_>, kind: &str, name: &str) -> Result<Value> {
    let text = place.kubectl(&["get", kind, name, "-o", "json", "--show-managed-fields"])?;
    Ok(serde_json::from_str(&text)?)
}

fn deployment(replicas: i64, image: &str, annotations: &Value) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "annotations": annotations},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": "web"}}, "template": {
            "metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "main", "image": image}]},
        }},
    })
}

fn volume_claim(size: &str, class: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data", "annotations": {"coxswain.dev/replace": "true", "coxswain.dev/recreate": "true"}},
        "spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": class, "resources": {"requests": {"storage": size}}},
    })
}

#[tokio::test]
async fn a_job_whose_template_changes_is_refused_and_made_anew_only_where_that_is_asked() -> Result<()> {
    let place = place("replace-job").await?;
    place.apply(&place.request("web", spec(&[job("one", &json!({}))])))?;
    until_deployed(&place, 1)?;
    let first = uid(&place, "job", "seed")?;

    place.apply(&place.request("web", spec(&[job("two", &json!({}))])))?;
    let message = refusal(&place, 1)?;
    let expected = format!("Job \"seed\" in namespace {:?}: field spec.template cannot be changed", place.namespace);
    assert!(message.contains(&expected), "{message}");
    assert_eq!(uid(&place, "job", "seed")?, first);

    place.apply(&place.request("web", spec(&[job("two", &json!({"strategy.spinnaker.io/replace": "true"}))])))?;
    until_deployed(&place, 2)?;
    let second = uid(&place, "job", "seed")?;
    assert_ne!(second, first);
    place.until_event("web", "ObjectReplaced", "Job \"seed\"")?;
    place.until_event("web", "ObjectReplaced", "field spec.template cannot be changed")?;
    assert_eq!(message_of(&place.get("job", "seed")?.context("no job")?), "two");

    let mut by_rule = spec(&[job("three", &json!({}))]);
    by_rule["replace"] = json!([{"kind": "Job"}]);
    place.apply(&place.request("web", by_rule))?;
    until_deployed(&place, 3)?;
    assert_ne!(uid(&place, "job", "seed")?, second);

    let mut invalid = job("four", &json!({"coxswain.dev/replace": "true"}));
    invalid["spec"]["template"]["spec"]["restartPolicy"] = json!("Always");
    let third = uid(&place, "job", "seed")?;
    place.apply(&place.request("web", spec(&[invalid])))?;
    let message = place.until_failed("web", "ObjectRefused")?;
    assert!(message.contains("restartPolicy"), "{message}");
    assert_eq!(uid(&place, "job", "seed")?, third, "nothing is deleted for what would not be taken");
    Ok(())
}

#[tokio::test]
async fn recreated_objects_go_before_each_change_and_only_then() -> Result<()> {
    let place = place("recreate").await?;
    let map = |text: &str, label: &str| {
        json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"text": text}, "metadata": {
            "name": "settings", "labels": {"label": label}, "annotations": {"strategy.spinnaker.io/recreate": "true"},
        }})
    };
    let other = |text: &str| json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"text": text}, "metadata": {"name": "other"}});
    place.apply(&place.request("web", spec(&[map("one", "a"), other("one")])))?;
    until_deployed(&place, 1)?;
    let first = uid(&place, "configmap", "settings")?;
    place.apply(&place.request("web", spec(&[map("one", "a"), other("two")])))?;
    until_deployed(&place, 2)?;
    assert_eq!(uid(&place, "configmap", "settings")?, first, "it did not change");
    place.apply(&place.request("web", spec(&[map("one", "b"), other("two")])))?;
    until_deployed(&place, 3)?;
    let second = uid(&place, "configmap", "settings")?;
    assert_ne!(second, first);
    place.until_event("web", "ObjectReplaced", "its annotation asks for that")?;
    assert_eq!(place.events("web", "ObjectReplaced")?.len(), 1, "what stays is no event");

    place.kubectl(&["patch", "configmap", "settings", "-p", r#"{"data":{"text":"tampered"}}"#])?;
    place.until("configmap", "settings", "the repair", |map| map["data"]["text"] == "one")?;
    assert_eq!(uid(&place, "configmap", "settings")?, second, "drift is repaired in place");
    Ok(())
}

#[tokio::test]
async fn a_stateful_set_is_replaced_and_its_pods_stay() -> Result<()> {
    let place = place("replace-pods").await?;
    place.apply(&place.request("web", spec(&[stateful_set("one", "db")])))?;
    until_deployed(&place, 1)?;
    let pods = wait::until(LIMIT, "two pods", || pod_uids(&place))?;
    let first = uid(&place, "statefulset", "db")?;
    place.apply(&place.request("web", spec(&[stateful_set("two", "db")])))?;
    until_deployed(&place, 2)?;
    let second = uid(&place, "statefulset", "db")?;
    assert_ne!(second, first);
    let adopted = place
        .until("pod", "db-1", "the pod to be adopted", |pod| pod["metadata"]["ownerReferences"][0]["uid"] == second)?;
    assert_eq!(adopted["metadata"]["deletionTimestamp"], Value::Null);
    assert_eq!(pod_uids(&place)?, Some(pods));
    Ok(())
}

#[tokio::test]
async fn a_service_keeps_its_addresses() -> Result<()> {
    let place = place("replace-service").await?;
    place.apply(&place.request("web", spec(&[service(json!({"loadBalancerClass": "example.org/one"}))])))?;
    until_deployed(&place, 1)?;
    let first = live(&place, "service", "web")?;
    let (address, node_ports) = addresses(&first);
    assert!(address.is_string() && node_ports.iter().all(Value::is_i64), "{first}");

    place.apply(&place.request("web", spec(&[service(json!({"loadBalancerClass": "example.org/two"}))])))?;
    until_deployed(&place, 2)?;
    let second = live(&place, "service", "web")?;
    assert_ne!(second["metadata"]["uid"], first["metadata"]["uid"]);
    assert_eq!(second["spec"]["loadBalancerClass"], "example.org/two");
    assert_eq!(addresses(&second), (address.clone(), node_ports.clone()));
    assert_eq!(fields_of_helm(&second), fields_of_helm(&first), "what was kept did not become the chart's");

    place.apply(&place.request("web", spec(&[service(json!({"type": "NodePort"}))])))?;
    until_deployed(&place, 3)?;
    assert_eq!(addresses(&live(&place, "service", "web")?), (address, node_ports.clone()));

    place.apply(&place.request("web", spec(&[service(json!({"type": "ClusterIP", "clusterIP": "None"}))])))?;
    until_deployed(&place, 4)?;
    assert_eq!(live(&place, "service", "web")?["spec"]["clusterIP"], "None", "what the chart sets counts");
    Ok(())
}

#[tokio::test]
async fn a_repair_that_makes_a_service_anew_keeps_its_addresses_and_so_does_one_that_was_cut_off() -> Result<()> {
    let place = place("repair-service").await?;
    place.apply(&place.request("web", spec(&[service(json!({"loadBalancerClass": "example.org/one"}))])))?;
    until_deployed(&place, 1)?;
    let first = live(&place, "service", "web")?;

    // Somebody makes it anew as it must not be, which no apply can change back.
    let mut other = first.clone();
    other["spec"]["loadBalancerClass"] = json!("example.org/two");
    for field in ["uid", "resourceVersion", "managedFields", "creationTimestamp"] {
        other["metadata"].as_object_mut().context("metadata")?.remove(field);
    }
    let path = place.folder.path().join("service.json");
    std::fs::write(&path, other.to_string())?;
    let suspended = |spec: bool| {
        place.kubectl(&[
            "patch",
            "helmrequest",
            "web",
            "--type",
            "merge",
            "-p",
            &json!({"spec": {"suspend": spec}}).to_string(),
        ])
    };
    suspended(true)?;
    place.until("helmrequest", "web", "the request to be suspended", |request| {
        request["status"]["observedGeneration"] == request["metadata"]["generation"]
    })?;
    place.kubectl(&["replace", "--force", "-f", &path.to_string_lossy()])?;
    suspended(false)?;
    let is_back = |service: &Value| service["spec"]["loadBalancerClass"] == "example.org/one";
    let second = place.until("service", "web", "the Service to be repaired", is_back)?;
    assert_eq!(addresses(&second), addresses(&first));
    place.until_event("web", "ObjectReplaced", "loadBalancerClass")?;

    // As a repair leaves it that ends after the deletion: what is kept stands on the record.
    let record = "sh.helm.release.v1.web.v1";
    let kept = json!({format!("/Service/{}/web", place.namespace): {"spec": {
        "clusterIP": first["spec"]["clusterIP"], "clusterIPs": first["spec"]["clusterIPs"], "ports": first["spec"]["ports"],
    }}});
    place.kubectl(&["annotate", "secret", record, &format!("coxswain.dev/kept={kept}")])?;
    sleep(Duration::from_secs(1));
    place.kubectl(&["delete", "service", "web"])?;
    let is_new = |service: &Value| service["metadata"]["uid"] != second["metadata"]["uid"];
    let third = place.until("service", "web", "the Service to be back", is_new)?;
    assert_eq!(addresses(&third), addresses(&first));
    place.until("secret", record, "what was kept to be used up", |record| {
        record["metadata"]["annotations"]["coxswain.dev/kept"].is_null()
    })?;
    Ok(())
}

#[tokio::test]
async fn a_volume_claim_is_never_replaced() -> Result<()> {
    let place = place("replace-claim").await?;
    let mut request = spec(&[volume_claim("1Gi", "one")]);
    request["replace"] = json!([{"kind": "PersistentVolumeClaim"}]);
    place.apply(&place.request("web", request.clone()))?;
    until_deployed(&place, 1)?;
    let first = uid(&place, "persistentvolumeclaim", "data")?;
    request["values"]["objects"] = json!([volume_claim("1Gi", "two")]);
    place.apply(&place.request("web", request))?;
    let message = refusal(&place, 1)?;
    assert!(message.contains("PersistentVolumeClaim \"data\""), "{message}");
    assert!(message.contains("field spec cannot be changed") && message.contains("never deleted"), "{message}");
    assert_eq!(uid(&place, "persistentvolumeclaim", "data")?, first);
    Ok(())
}

#[tokio::test]
async fn replicas_that_are_kept_belong_to_whoever_scales() -> Result<()> {
    let place = place("keep-replicas").await?;
    let keep = json!({"strategy.spinnaker.io/use-source-capacity": "true"});
    let replicas = |deployment: &Value| deployment["spec"]["replicas"].clone();
    place.apply(&place.request("web", spec(&[deployment(3, "example.org/app:1", &keep)])))?;
    until_deployed(&place, 1)?;
    assert_eq!(replicas(&live(&place, "deployment", "web")?), 3, "a new object has the chart's number");

    place.apply(&place.request("web", spec(&[deployment(3, "example.org/app:2", &keep)])))?;
    until_deployed(&place, 2)?;
    assert_eq!(replicas(&live(&place, "deployment", "web")?), 3, "leaving it out does not reset it");

    place.kubectl(&["scale", "deployment", "web", "--replicas", "5"])?;
    place.apply(&place.request("web", spec(&[deployment(4, "example.org/app:3", &keep)])))?;
    until_deployed(&place, 3)?;
    let scaled = live(&place, "deployment", "web")?;
    assert_eq!(replicas(&scaled), 5);
    assert_eq!(scaled["spec"]["template"]["spec"]["containers"][0]["image"], "example.org/app:3");
    place.kubectl(&["set", "image", "deployment/web", "main=example.org/tampered"])?;
    place.until("deployment", "web", "the repair", |live| {
        live["spec"]["template"]["spec"]["containers"][0]["image"] == "example.org/app:3"
    })?;
    assert_eq!(replicas(&live(&place, "deployment", "web")?), 5, "a repair leaves it too");
    let repairs = place.events("web", "DriftRepaired")?;
    assert!(!repairs.iter().any(|note| note.contains(".spec.replicas")), "{repairs:?}");

    place.apply(&place.request("web", spec(&[deployment(4, "example.org/app:3", &json!({}))])))?;
    until_deployed(&place, 4)?;
    assert_eq!(replicas(&live(&place, "deployment", "web")?), 4, "without the annotation the chart's number counts");
    place.apply(&place.request("web", spec(&[deployment(2, "example.org/app:3", &keep)])))?;
    until_deployed(&place, 5)?;
    assert_eq!(replicas(&live(&place, "deployment", "web")?), 4, "what was ours is let go of, not reset");
    Ok(())
}

#[tokio::test]
async fn the_right_to_delete_is_asked_for_before_anything_is_written() -> Result<()> {
    let place = place("replace-rights").await?;
    place.kubectl(&["create", "serviceaccount", "deployer"])?;
    let account = format!("--serviceaccount={}:deployer", place.namespace);
    let role = |verbs: &str, resource: &str, name: &str| -> Result<()> {
        place.kubectl(&["create", "role", name, &format!("--verb={verbs}"), &format!("--resource={resource}")])?;
        place.kubectl(&["create", "rolebinding", name, &format!("--role={name}"), &account])?;
        Ok(())
    };
    role("*", "secrets", "records")?;
    role("create,patch", "jobs.batch", "jobs")?;
    let mut request = spec(&[job("one", &json!({}))]);
    request["serviceAccountName"] = json!("deployer");
    place.apply(&place.request("web", request.clone()))?;
    until_deployed(&place, 1)?;
    let first = uid(&place, "job", "seed")?;

    request["values"]["objects"] = json!([job("two", &json!({"coxswain.dev/replace": "true"}))]);
    place.apply(&place.request("web", request))?;
    let message = place.until_failed("web", "PermissionDenied")?;
    assert!(message.contains("delete jobs.batch"), "{message}");
    role("get,delete", "jobs.batch", "replacing")?;
    until_deployed(&place, 2)?;
    assert_ne!(uid(&place, "job", "seed")?, first);
    Ok(())
}
