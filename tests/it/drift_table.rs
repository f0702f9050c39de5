//! Drift of everything: cluster-scoped and custom kinds, deleted, edited, taken over by force, with a member of a map or
//! an item of a list removed. Each is repaired alone and told; what is only reported is not written.

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::support::wait;
use crate::world::{LIMIT, Place, world};

/// One deviation: of which object, by which kubectl command, and how it is told and mended.
struct Row {
    kind: &'static str,
    /// After `kubectl`; `%` stands for the namespace.
    arguments: Vec<String>,
    /// What the event says.
    told: &'static str,
    /// Where the object is to be as declared again, and how; nothing where it is enough that it is there.
    mended: Option<(&'static str, Value)>,
}

fn deletion(kind: &'static str) -> Row {
    let arguments = ["delete", kind, "%"].map(str::to_owned).to_vec();
    Row { kind, arguments, told: "was deleted", mended: None }
}

/// A JSON patch.
fn edit(kind: &'static str, patch: &Value, told: &'static str, pointer: &'static str, value: Value) -> Row {
    let patch = json!([patch]).to_string();
    let arguments = ["patch", kind, "%", "--type=json", "-p", &patch].map(str::to_owned).to_vec();
    Row { kind, arguments, told, mended: Some((pointer, value)) }
}

fn replace(path: &str, value: &Value) -> Value {
    json!({"op": "replace", "path": path, "value": value})
}

fn remove(path: &str) -> Value {
    json!({"op": "remove", "path": path})
}

/// A definition of a kind in any group.
pub fn definition(group: &str, kind: &str, scope: &str) -> Value {
    let plural = format!("{}s", kind.to_lowercase());
    let spec = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.{group}")},
        "spec": {
            "group": group, "scope": scope, "names": {"kind": kind, "plural": plural, "singular": kind.to_lowercase()},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {
                "type": "object", "properties": {"spec": spec},
            }}}],
        },
    })
}

/// The kinds of the rows; those of custom objects get the namespace's own group.
const KINDS: [&str; 9] = [
    "clusterrole",
    "planet",
    "moon",
    "service",
    "deployment",
    "configmap",
    "secret",
    "networkpolicy",
    "serviceaccount",
];

/// One object of each kind, all of the same name: the namespace's.
fn objects(name: &str, group: &str) -> Vec<Value> {
    let metadata = json!({"name": name, "labels": {"team": "red"}});
    let object = |api_version: &str, kind: &str, more: Value| {
        let mut object = json!({"apiVersion": api_version, "kind": kind, "metadata": metadata});
        more.as_object().into_iter().flatten().for_each(|(field, value)| object[field] = value.clone());
        object
    };
    let custom = format!("{group}/v1");
    let container = json!({"name": "app", "image": "example.org/app:1", "env": [
        {"name": "COLOR", "value": "green"}, {"name": "SIZE", "value": "large"},
    ]});
    let side = json!({"name": "side", "image": "example.org/side:1"});
    vec![
        object(
            "rbac.authorization.k8s.io/v1",
            "ClusterRole",
            json!({"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]}),
        ),
        object(&custom, "Planet", json!({"spec": {"moons": 2, "names": ["a", "b"]}})),
        object(&custom, "Moon", json!({"spec": {"phases": {"new": "1", "full": "2"}, "round": true}})),
        object(
            "v1",
            "Service",
            json!({"spec": {"selector": {"app": name}, "ports": [{"name": "http", "port": 80}, {"name": "more", "port": 81}]}}),
        ),
        object(
            "apps/v1",
            "Deployment",
            json!({"spec": {"replicas": 1, "selector": {"matchLabels": {"app": name}}, "template": {
                "metadata": {"labels": {"app": name}}, "spec": {"containers": [container, side]},
            }}}),
        ),
        object("v1", "ConfigMap", json!({"data": {"color": "green", "size": "large"}})),
        object("v1", "Secret", json!({"stringData": {"password": "declared"}})),
        object(
            "networking.k8s.io/v1",
            "NetworkPolicy",
            json!({"spec": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}}),
        ),
        object("v1", "ServiceAccount", json!({})),
    ]
}

/// What each kind's first deviation is; more follow in [`more`].
fn first_of_each() -> Vec<Row> {
    let green = json!("green");
    vec![
        edit(
            "clusterrole",
            &replace("/rules/0/verbs", &json!(["get", "delete"])),
            ".rules changed by kubectl",
            "/rules/0/verbs",
            json!(["get"]),
        ),
        edit("planet", &replace("/spec/moons", &json!(9)), ".spec.moons changed by kubectl", "/spec/moons", json!(2)),
        edit("moon", &remove("/spec/phases/full"), ".spec.phases.full removed", "/spec/phases/full", json!("2")),
        edit("service", &remove("/spec/ports/1"), "port=81", "/spec/ports/1/port", json!(81)),
        edit(
            "deployment",
            &remove("/spec/template/spec/containers/0/env/0"),
            "env[name=COLOR] removed",
            "/spec/template/spec/containers/0/env/0/value",
            green.clone(),
        ),
        edit("configmap", &remove("/data/color"), ".data.color removed", "/data/color", green),
        edit(
            "secret",
            &replace("/data/password", &json!("b3RoZXJz")),
            ".data.password changed by kubectl",
            "/data/password",
            json!("ZGVjbGFyZWQ="),
        ),
        edit(
            "networkpolicy",
            &remove("/spec/policyTypes/1"),
            ".spec.policyTypes",
            "/spec/policyTypes",
            json!(["Ingress", "Egress"]),
        ),
        edit(
            "serviceaccount",
            &remove("/metadata/labels/team"),
            ".metadata.labels.team removed",
            "/metadata/labels/team",
            json!("red"),
        ),
    ]
}

fn more() -> Vec<Row> {
    vec![
        deletion("clusterrole"),
        deletion("planet"),
        deletion("moon"),
        deletion("service"),
        deletion("secret"),
        edit(
            "deployment",
            &remove("/spec/template/spec/containers/1"),
            "containers[name=side] removed",
            "/spec/template/spec/containers/1/image",
            json!("example.org/side:1"),
        ),
        edit("planet", &remove("/spec/names"), ".spec.names removed", "/spec/names", json!(["a", "b"])),
        edit(
            "service",
            &replace("/spec/ports", &json!([{"port": 82}])),
            "port=80",
            "/spec/ports",
            json!([
                {"name": "http", "port": 80, "protocol": "TCP", "targetPort": 80},
                {"name": "more", "port": 81, "protocol": "TCP", "targetPort": 81},
            ]),
        ),
        edit(
            "configmap",
            &remove("/metadata/labels/app.kubernetes.io~1managed-by"),
            "managed-by",
            "/metadata/labels/app.kubernetes.io~1managed-by",
            json!("Helm"),
        ),
    ]
}

struct Stage<'a> {
    place: Place<'a>,
    group: String,
}

impl Stage<'_> {
    async fn open(purpose: &str, drift: &Value) -> Result<Self> {
        let place = world().place(purpose, &["objects"]).await?;
        let group = format!("{}.example.org", place.namespace);
        for (kind, scope) in [("Planet", "Cluster"), ("Moon", "Namespaced")] {
            place.apply(&definition(&group, kind, scope))?;
        }
        let values = json!({"objects": objects(&place.namespace, &group)});
        place.apply(&place.request("web", json!({"chart": "charts/objects", "values": values, "drift": drift})))?;
        place.until_ready("web")?;
        Ok(Self { place, group })
    }

    fn live(&self, kind: &str) -> Result<Option<Value>> {
        let kind = if ["planet", "moon"].contains(&kind) { format!("{kind}s.{}", self.group) } else { kind.to_owned() };
        self.place.get(&kind, &self.place.namespace)
    }

    fn disturb(&self, row: &Row) -> Result<()> {
        let custom = |word: &str| ["planet", "moon"].contains(&word).then(|| format!("{word}s.{}", self.group));
        let words = row.arguments.iter().map(|word| match word.as_str() {
            "%" => self.place.namespace.clone(),
            word => custom(word).unwrap_or_else(|| word.to_owned()),
        });
        let words: Vec<String> = words.collect();
        self.place.kubectl(&words.iter().map(String::as_str).collect::<Vec<_>>()).map(drop)
    }

    fn close(self) -> Result<()> {
        self.place.kubectl(&["delete", "hr", "web"])?;
        let names = ["planets", "moons"].map(|plural| format!("{plural}.{}", self.group));
        self.place.kubectl(&["delete", "crd", &names[0], &names[1], "--wait=false"]).map(drop)
    }
}

#[tokio::test]
async fn whatever_is_done_to_whatever_kind_is_undone_and_told() -> Result<()> {
    let stage = Stage::open("everything", &json!({})).await?;
    let mut rows = first_of_each();
    rows.extend(more());
    for row in rows {
        let before = stage.live(row.kind)?.with_context(|| row.kind)?["metadata"]["uid"].take();
        stage.disturb(&row).with_context(|| format!("{:?}", row.arguments))?;
        wait::until(LIMIT, &format!("{:?} to be undone", row.arguments), || {
            let Some(live) = stage.live(row.kind)? else { return Ok(None) };
            let is_mended = match &row.mended {
                Some((pointer, value)) => live.pointer(pointer) == Some(value),
                None => live["metadata"]["uid"] != before && live["metadata"]["deletionTimestamp"].is_null(),
            };
            Ok(is_mended.then_some(()))
        })?;
        let told = wait::until(LIMIT, &format!("the event of {:?}", row.arguments), || {
            let kind = row.kind.to_lowercase();
            let events = stage.place.events("web", "DriftRepaired")?;
            Ok(events.into_iter().find(|note| note.to_lowercase().starts_with(&kind) && note.contains(row.told)))
        })?;
        assert!(!told.contains("b3RoZXJz") && !told.contains("ZGVjbGFyZWQ="), "{told}");
    }

    // By force, as another tool that applies server-side does.
    let path = stage.place.folder.path().join("taken.json");
    let mut taken = objects(&stage.place.namespace, &stage.group).remove(1);
    taken["spec"]["moons"] = 7.into();
    std::fs::write(&path, taken.to_string())?;
    let path = path.to_string_lossy();
    stage.place.kubectl(&["apply", "--server-side", "--force-conflicts", "--field-manager=stargazer", "-f", &path])?;
    let note = stage.place.until_event("web", "DriftRepaired", "changed by stargazer")?;
    assert!(note.contains(".spec.moons") && note.contains("to 7, restored 2"), "{note}");
    wait::until(LIMIT, "the planet to be as declared", || {
        Ok((stage.live("planet")?.context("the planet")?["spec"]["moons"] == 2).then_some(()))
    })?;
    stage.place.until_ready("web")?;
    stage.close()
}

#[tokio::test]
async fn what_is_only_reported_is_all_told_and_never_written() -> Result<()> {
    let stage = Stage::open("all-reported", &json!({"mode": "Report"})).await?;
    let mark = stage.place.world.cluster.audit_mark()?;
    for row in first_of_each() {
        stage.disturb(&row).with_context(|| format!("{:?}", row.arguments))?;
    }
    let reported = stage.place.until("helmrequest", "web", "every object to be reported", |request| {
        let objects = request["status"]["drift"]["objects"].as_array().cloned().unwrap_or_default();
        objects.len() == KINDS.len()
            && objects.iter().all(|object| object["fields"].as_array().is_some_and(|all| !all.is_empty()))
    })?;
    assert_eq!(reported["status"]["drift"]["total"], KINDS.len());
    for row in first_of_each() {
        let live = stage.live(row.kind)?.with_context(|| row.kind)?;
        let (pointer, value) = row.mended.context("each is an edit")?;
        assert_ne!(live.pointer(pointer), Some(&value), "{:?} was undone", row.arguments);
    }
    std::thread::sleep(std::time::Duration::from_secs(1));
    let requests = mark.requests()?.into_iter().filter(|request| {
        request.user == "system:serviceaccount:captain-system:coxswain"
            && request.namespace == stage.place.namespace
            && request.writes()
            && !request.uri.contains("dryRun=All")
            && !["helmrequests", "events"].contains(&request.resource.as_str())
    });
    assert_eq!(requests.collect::<Vec<_>>(), []);
    stage.close()
}
