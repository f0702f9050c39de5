//! The objects of a release and what was made for them, as a tree: the worst first at every level.

use serde::Serialize;

use super::screen::{Screen, Tone};
use super::table::{Cell, Table};
use crate::api::helm_request::{ClusterEntry, HelmRequestStatus, ObjectHealth, Phase};
use crate::cluster::ObjectKey;
use crate::cluster::health::Verdict;

/// How many of the things that were made for one object are shown to people, unless they want all.
const SHOWN: usize = 5;

/// How an object stands, the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Health {
    /// It will not get there by waiting.
    Failed,
    /// It is not there.
    NotFound,
    /// It is not as it was applied.
    Drifted,
    /// It is being deleted.
    Terminating,
    /// It is on its way.
    InProgress,
    /// Nobody says.
    Unknown,
    /// It is as declared and works.
    Current,
}

impl Health {
    const fn tone(self) -> Tone {
        match self {
            Self::Failed | Self::NotFound => Tone::Bad,
            Self::Drifted | Self::Terminating | Self::InProgress => Tone::Uneasy,
            Self::Unknown => Tone::Faint,
            Self::Current => Tone::Good,
        }
    }
}

impl From<&Verdict> for Health {
    fn from(verdict: &Verdict) -> Self {
        match verdict {
            Verdict::Current => Self::Current,
            Verdict::InProgress(_) => Self::InProgress,
            Verdict::Failed(_) => Self::Failed,
            Verdict::Terminating => Self::Terminating,
            Verdict::Unknown => Self::Unknown,
        }
    }
}

impl From<&ObjectHealth> for Health {
    fn from(object: &ObjectHealth) -> Self {
        match object.status.as_str() {
            "Failed" => Self::Failed,
            "NotFound" => Self::NotFound,
            "Terminating" => Self::Terminating,
            "InProgress" => Self::InProgress,
            _ => Self::Unknown,
        }
    }
}

/// An object, how it stands, and what was made for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Node {
    /// Its kind.
    pub kind: String,
    /// Its namespace; empty where it is in none.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// How it stands.
    pub health: Health,
    /// Why; empty where nothing is to be said.
    pub message: String,
    /// What was made for it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub made: Vec<Node>,
}

impl Node {
    /// An object of which only the health is known.
    pub fn new(key: &ObjectKey, health: Health) -> Self {
        let ObjectKey { kind, namespace, name, .. } = key.clone();
        Self { kind, namespace, name, health, message: String::new(), made: Vec::new() }
    }

    /// What the object itself says.
    pub fn judge(&mut self, verdict: &Verdict) {
        self.health = verdict.into();
        self.message = verdict.message().unwrap_or_default().to_owned();
    }

    /// The worst health of it and of all that was made for it.
    pub fn worst(&self) -> Health {
        self.made.iter().map(Self::worst).fold(self.health, Ord::min)
    }
}

/// The objects with what the status of their request says about them, in the order of the manifest.
pub fn roots(keys: &[ObjectKey], status: &HelmRequestStatus) -> Vec<Node> {
    let objects = status.objects.clone().unwrap_or_default();
    let hidden = objects.total - objects.ready > i64::try_from(objects.worst.len()).unwrap_or(i64::MAX);
    let healthy = if status.objects.is_none() || hidden { Health::Unknown } else { Health::Current };
    let mut nodes: Vec<Node> = keys.iter().map(|key| Node::new(key, healthy)).collect();
    for worst in &objects.worst {
        let found = place(&mut nodes, &worst.kind, worst.namespace.as_deref(), &worst.name);
        found.health = worst.into();
        found.message = worst.message.clone().unwrap_or_default();
    }
    for drifted in status.drift.iter().flat_map(|drift| &drift.objects) {
        let found = place(&mut nodes, &drifted.kind, drifted.namespace.as_deref(), &drifted.name);
        found.health = found.health.min(Health::Drifted);
        let change = drifted.change.map(|change| format!("{change:?}").to_lowercase()).unwrap_or_default();
        let by = drifted.manager.as_ref().map(|manager| format!(" by {manager}")).unwrap_or_default();
        found.message = format!("{change}{by} {}", drifted.fields.join(", ")).trim().to_owned();
    }
    nodes
}

/// The clusters of a request that has several, as its status tells of them.
pub fn of_clusters(status: &HelmRequestStatus) -> Vec<Node> {
    let node = |entry: &ClusterEntry| {
        let health = match (entry.ready, entry.phase) {
            (true, _) => Health::Current,
            (false, Some(Phase::Failed)) => Health::Failed,
            (false, _) => Health::InProgress,
        };
        let revision = entry.revision.map(|revision| format!("revision {revision}"));
        let version = entry.version.as_ref().map(|version| format!("version {version}"));
        let problem = entry.reason.as_ref().filter(|_| !entry.ready).map(ToString::to_string);
        let message = entry.message.clone().filter(|_| !entry.ready);
        let told: Vec<String> = [revision, version, problem, message].into_iter().flatten().collect();
        let (kind, name) = ("Cluster".to_owned(), entry.name.clone());
        Node { kind, namespace: String::new(), name, health, message: told.join(", "), made: Vec::new() }
    };
    status.clusters.iter().map(node).collect()
}

/// The node of an object, added where the manifest has it not.
fn place<'a>(nodes: &'a mut Vec<Node>, kind: &str, namespace: Option<&str>, name: &str) -> &'a mut Node {
    let namespace = namespace.unwrap_or_default();
    let known = nodes.iter().position(|node| node.kind == kind && node.name == name && node.namespace == namespace);
    let index = known.unwrap_or_else(|| {
        let (kind, namespace, name) = (kind.to_owned(), namespace.to_owned(), name.to_owned());
        nodes.push(Node::new(&ObjectKey { group: String::new(), kind, namespace, name }, Health::Unknown));
        nodes.len() - 1
    });
    &mut nodes[index]
}

/// Puts the worst first at every level; what stands alike stays in its order.
pub fn sort(nodes: &mut [Node]) {
    nodes.iter_mut().for_each(|node| sort(&mut node.made));
    nodes.sort_by_key(Node::worst);
}

/// The tree for people, below a first line. `home` is the namespace that needs no telling; without `all` the last of
/// many things of one maker are only counted.
pub fn text(root: &str, nodes: &[Node], home: &str, all: bool, screen: &Screen) -> String {
    let mut table = Table::default();
    table.push(vec![root.into()]);
    branches(nodes, "", &Style { home, all, is_made: false }, &mut table);
    table.text(screen)
}

/// How a level is shown.
struct Style<'a> {
    home: &'a str,
    all: bool,
    is_made: bool,
}

fn branches(nodes: &[Node], indent: &str, style: &Style<'_>, table: &mut Table) {
    let is_long = style.is_made && !style.all && nodes.len() > SHOWN + 1;
    let (shown, counted) = nodes.split_at(if is_long { SHOWN } else { nodes.len() });
    for (index, node) in shown.iter().enumerate() {
        let is_last = index + 1 == shown.len() && counted.is_empty();
        let (branch, below) = if is_last { ("└─", "   ") } else { ("├─", "│  ") };
        let elsewhere = !node.namespace.is_empty() && node.namespace != style.home;
        let place = if elsewhere { format!(" in {}", node.namespace) } else { String::new() };
        let mut row = vec![
            Cell::behind(&format!("{indent}{branch} "), &format!("{}/{}{place}", node.kind, node.name)),
            Cell::new(format!("{:?}", node.health), node.health.tone()),
        ];
        if !node.message.is_empty() {
            row.push((&node.message).into());
        }
        table.push(row);
        let deeper = Style { home: style.home, all: style.all, is_made: true };
        branches(&node.made, &format!("{indent}{below}"), &deeper, table);
    }
    if let Some(worst) = counted.iter().map(Node::worst).min() {
        let row = Cell::behind(&format!("{indent}└─ "), &format!("and {} more", counted.len()));
        table.push(vec![row, Cell::new(format!("{worst:?}"), worst.tone())]);
    }
}

/// Kind and name of every object, for other commands.
pub fn names(nodes: &[Node]) -> String {
    nodes.iter().map(|node| format!("{}/{}\n", node.kind.to_lowercase(), node.name)).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn key(kind: &str, name: &str) -> ObjectKey {
        ObjectKey { group: String::new(), kind: kind.into(), namespace: "shop".into(), name: name.into() }
    }

    fn node(kind: &str, name: &str, health: Health, made: Vec<Node>) -> Node {
        Node { made, ..Node::new(&key(kind, name), health) }
    }

    fn status(json: Value) -> HelmRequestStatus {
        serde_json::from_value(json).expect("a status")
    }

    fn shown(keys: &[(&str, &str)], status: &HelmRequestStatus) -> Vec<String> {
        let keys: Vec<ObjectKey> = keys.iter().map(|(kind, name)| key(kind, name)).collect();
        let mut nodes = roots(&keys, status);
        sort(&mut nodes);
        nodes.iter().map(|node| format!("{}/{} {:?} {}", node.kind, node.name, node.health, node.message)).collect()
    }

    #[test]
    fn the_worst_objects_come_first_and_the_others_as_in_the_manifest() {
        let worst = json!([{"kind": "Job", "name": "c", "namespace": "shop", "status": "Failed", "message": "no"}]);
        let drift = json!({"total": 1, "objects": [{"kind": "Service", "name": "b", "namespace": "shop",
                           "change": "Modified", "fields": [".spec.type"], "manager": "kubectl"}]});
        let status = status(json!({"objects": {"ready": 2, "total": 3, "worst": worst}, "drift": drift}));
        let expected = ["Job/c Failed no", "Service/b Drifted modified by kubectl .spec.type", "ConfigMap/a Current "];
        assert_eq!(shown(&[("ConfigMap", "a"), ("Service", "b"), ("Job", "c")], &status), expected);
    }

    #[test]
    fn an_object_counts_as_healthy_only_where_the_status_tells_all_that_are_not() {
        let more = status(json!({"objects": {"ready": 0, "total": 3, "worst": []}}));
        assert_eq!(shown(&[("ConfigMap", "a")], &more), ["ConfigMap/a Unknown "]);
        assert_eq!(shown(&[("ConfigMap", "a")], &status(json!({}))), ["ConfigMap/a Unknown "]);
    }

    #[test]
    fn an_object_that_no_record_has_is_shown_all_the_same() {
        let worst = json!([{"kind": "Job", "name": "c", "status": "InProgress"}]);
        let status = status(json!({"objects": {"ready": 0, "total": 1, "worst": worst}}));
        assert_eq!(shown(&[], &status), ["Job/c InProgress "]);
    }

    #[test]
    fn a_sick_pod_brings_what_it_was_made_for_to_the_top() {
        let sick = Node { message: "no image".into(), ..node("Pod", "b-1-x", Health::Failed, vec![]) };
        let set = node("ReplicaSet", "b-1", Health::Current, vec![node("Pod", "b-1-y", Health::Current, vec![]), sick]);
        let mut nodes =
            vec![node("Service", "a", Health::Current, vec![]), node("Deployment", "b", Health::Current, vec![set])];
        sort(&mut nodes);
        let expected = "\
HelmRequest/web
├─ Deployment/b        Current
│  └─ ReplicaSet/b-1   Current
│     ├─ Pod/b-1-x     Failed    no image
│     └─ Pod/b-1-y     Current
└─ Service/a           Current
";
        assert_eq!(text("HelmRequest/web", &nodes, "shop", false, &Screen::of_process()), expected);
    }

    #[test]
    fn of_many_pods_the_first_are_shown_and_the_others_counted() {
        let pods = |count: usize| {
            let pods = (0..count).map(|number| node("Pod", &number.to_string(), Health::Current, vec![])).collect();
            [node("DaemonSet", "a", Health::Current, pods)]
        };
        let lines = |count, all| text("web", &pods(count), "shop", all, &Screen::of_process()).lines().count();
        assert_eq!((lines(6, false), lines(9, false), lines(9, true)), (8, 8, 11));
        assert!(text("web", &pods(9), "shop", false, &Screen::of_process()).contains("└─ and 4 more"));
    }
}
