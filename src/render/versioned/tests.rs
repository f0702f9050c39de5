use serde_json::json;

use super::*;
use crate::render::post::tests::rendered;

fn config(name: &str, data: &str, annotations: &str) -> String {
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\n  annotations: {{{annotations}}}\n\
         data: {{a: {data:?}}}\n"
    )
}

const OWN: &str = "coxswain.dev/versioned: \"true\"";

/// The objects of a render after naming.
fn named(documents: &[&str], inventory: &Inventory) -> Vec<Json> {
    let mut rendered = rendered(documents);
    apply(&mut rendered, "prod", inventory).expect("documents");
    rendered.documents.iter().map(|document| crate::yaml::parse(&document.content).expect("YAML")).collect()
}

/// What is applied of a render: objects with their namespace.
fn applied(documents: &[&str], inventory: &Inventory) -> Vec<Json> {
    let mut objects = named(documents, inventory);
    objects.iter_mut().for_each(|object| object["metadata"]["namespace"] = json!("prod"));
    objects
}

fn name(objects: &[Json]) -> &str {
    objects[0]["metadata"]["name"].as_str().unwrap_or_default()
}

#[test]
fn objects_without_the_annotation_keep_their_bytes() {
    for annotations in ["", "strategy.spinnaker.io/versioned: \"false\"", "coxswain.dev/versioned: \"\""] {
        let document = config("web", "1", annotations);
        let mut rendered = rendered(&[&document]);
        apply(&mut rendered, "prod", &Inventory::default()).expect("documents");
        assert_eq!(rendered.documents[0].content, document);
    }
    let both = config("web", "1", "strategy.spinnaker.io/versioned: \"true\", coxswain.dev/versioned: \"false\"");
    assert_eq!(name(&named(&[&both], &Inventory::default())), "web", "our own annotation counts");
}

#[test]
fn changed_content_gets_the_next_number_and_known_content_its_own() {
    let mut inventory = Inventory::default();
    let mut revision = 0;
    for (data, annotations, expected) in [
        ("1", OWN, "web-v000"),
        ("2", OWN, "web-v001"),
        ("2", "strategy.spinnaker.io/versioned: \"true\", other: x", "web-v001"),
        ("3", OWN, "web-v002"),
        ("1", OWN, "web-v000"),
        ("4", OWN, "web-v003"),
    ] {
        revision += 1;
        let objects = applied(&[&config("web", data, annotations)], &inventory);
        assert_eq!(name(&objects), expected, "{data}");
        inventory.used_by(revision, &objects);
        assert_eq!(Inventory::parse(&inventory.to_string()), inventory);
    }
    assert_eq!(
        name(&named(&[&config("other", "1", OWN)], &inventory)),
        "other-v000",
        "each object has its own numbers"
    );
}

#[test]
fn versions_go_when_no_kept_revision_uses_them() {
    let mut inventory = Inventory::default();
    let expire = |inventory: &mut Inventory, revision, data, kept: &[i64], annotations| {
        let objects = applied(&[&config("web", data, annotations)], inventory);
        inventory.used_by(revision, &objects);
        let expired = inventory.take_expired(revision, kept, &objects);
        expired.iter().map(Version::name).collect::<Vec<_>>()
    };
    assert_eq!(expire(&mut inventory, 1, "1", &[1], OWN), [""; 0]);
    assert_eq!(expire(&mut inventory, 2, "2", &[1, 2], OWN), [""; 0]);
    assert_eq!(expire(&mut inventory, 3, "3", &[2, 3], OWN), ["web-v000"]);
    assert_eq!(expire(&mut inventory, 4, "2", &[3, 4], OWN), [""; 0], "v001 is in use again");
    assert_eq!(expire(&mut inventory, 5, "2", &[4, 5], OWN), ["web-v002"]);
    assert_eq!(expire(&mut inventory, 6, "6", &[4, 5, 6], OWN), [""; 0]);
    let limited = "strategy.spinnaker.io/versioned: \"true\", strategy.spinnaker.io/max-version-history: \"1\"";
    assert_eq!(expire(&mut inventory, 7, "7", &[4, 5, 6, 7], limited), ["web-v002", "web-v001"]);
    let none =
        expire(&mut inventory, 8, "7", &[8], "coxswain.dev/versioned: \"true\", coxswain.dev/max-versions: \"0\"");
    assert_eq!(none, [""; 0], "what is in use stays");
}

#[test]
fn what_left_the_chart_goes_with_the_history() {
    let mut inventory = Inventory::default();
    inventory.used_by(1, &applied(&[&config("web", "1", OWN)], &inventory.clone()));
    assert!(inventory.take_expired(2, &[1, 2], []).is_empty());
    assert_eq!(inventory.take_expired(3, &[2, 3], []).len(), 1);
    assert!(inventory.is_empty());
}

#[test]
fn references_are_rewritten_wherever_a_pod_is() {
    let secret =
        "apiVersion: v1\nkind: Secret\nmetadata: {name: web, annotations: {coxswain.dev/versioned: \"true\"}}\n";
    let pod = |config: &str, secret: &str| {
        json!({
            "containers": [{
                "name": "a",
                "envFrom": [{"configMapRef": {"name": config}}, {"secretRef": {"name": secret}}],
                "env": [
                    {"name": "A", "valueFrom": {"configMapKeyRef": {"name": config, "key": "a"}}},
                    {"name": "B", "valueFrom": {"secretKeyRef": {"name": secret, "key": "a"}}},
                    {"name": "C", "valueFrom": {"secretKeyRef": {"name": "foreign", "key": "a"}}},
                    {"name": "web"},
                ],
            }],
            "initContainers": [{"name": "b", "envFrom": [{"configMapRef": {"name": config}}]}],
            "imagePullSecrets": [{"name": secret}],
            "volumes": [
                {"name": "web", "configMap": {"name": config}}, {"name": "s", "secret": {"secretName": secret}},
                {"name": "p", "projected": {"sources": [
                    {"configMap": {"name": config}}, {"secret": {"name": secret}},
                ]}},
            ],
        })
    };
    let objects = |config: &str, secret: &str| {
        let workload = json!({
            "apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "web"},
            "spec": {"jobTemplate": {"spec": {"template": {"spec": pod(config, secret)}}}},
        });
        let account = json!({
            "apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "web"},
            "imagePullSecrets": [{"name": secret}],
        });
        let ingress = json!({
            "apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "web"},
            "spec": {"tls": [{"hosts": ["web"], "secretName": secret}]},
        });
        [account, workload, ingress]
    };
    let before: Vec<String> = objects("web", "web").iter().map(ToString::to_string).collect();
    let config = config("web", "1", OWN);
    let documents: Vec<&str> = [config.as_str(), secret].into_iter().chain(before.iter().map(String::as_str)).collect();
    let mut inventory = Inventory::default();
    inventory.used_by(1, &applied(&[&self::config("web", "0", OWN)], &inventory.clone()));
    let after = named(&documents, &inventory);
    let found: Vec<&Json> =
        after.iter().filter(|object| !matches!(object["kind"].as_str(), Some("ConfigMap" | "Secret"))).collect();
    assert_eq!(found, objects("web-v001", "web-v000").iter().collect::<Vec<_>>());

    let elsewhere = "apiVersion: v1\nkind: Pod\nmetadata: {name: p, namespace: other}\nspec: {containers: [], volumes: \
                     [{configMap: {name: web}}]}\n";
    let pod = named(&[&config, elsewhere], &inventory).pop().expect("a pod");
    assert_eq!(pod["spec"]["volumes"][0]["configMap"]["name"], "web", "an object of another namespace is another");
}

#[test]
fn the_texts_of_a_secret_are_the_data_that_they_become() {
    let secret = |field: &str, value: &str| json!({"kind": "Secret", field: {"password": value}});
    assert_eq!(content(&secret("stringData", "x")), content(&secret("data", "eA==")));
    assert_ne!(content(&secret("stringData", "x")), content(&secret("stringData", "y")));
}
