//! A storm over the objects of many releases, of built-in and custom kinds, within namespaces and outside: random
//! deletions, edits, scalings, lost labels and marks and fields taken by force, with the operator killed by SIGKILL in
//! the middle. Afterwards every object is as declared, every request is ready, and of every object that was struck there
//! is an event, and of no other.
//!
//! `COXSWAIN_STORM_RELEASES` sets how many releases there are, and `COXSWAIN_STORM_SEED` repeats an earlier storm; both
//! are printed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, GroupVersionKind, Patch, PatchParams};
use kube::{Client, ResourceExt};
use serde_json::{Value, json};

use crate::drift_table::definition;
use crate::support::chance::{Chance, number};
use crate::world::{Place, World, condition};

/// How many releases there are by default, and how often each is struck.
const RELEASES: u64 = 20;
const STRIKES: u64 = 8;
/// The pause between two strikes.
const PAUSE: Duration = Duration::from_millis(20);
/// How long everything may take afterwards, for each ten releases.
const LIMIT: Duration = Duration::from_secs(45);

/// The kinds of each release: group, version, kind and whether it has a namespace.
const KINDS: [(&str, &str, &str, bool); 8] = [
    (CUSTOM, "v1", "Moon", true),
    (CUSTOM, "v1", "Planet", false),
    ("", "v1", "ConfigMap", true),
    ("", "v1", "Secret", true),
    ("", "v1", "Service", true),
    ("", "v1", "ServiceAccount", true),
    ("apps", "v1", "Deployment", true),
    ("rbac.authorization.k8s.io", "v1", "ClusterRole", false),
];

/// The group of the custom kinds.
const CUSTOM: &str = "storm.example.org";

/// What is done to an object.
#[derive(Clone, Copy, Debug)]
enum Strike {
    Delete,
    Edit,
    Remove,
    Scale,
    Unlabel,
    Disown,
    Take,
}

/// An object by kind and name.
type Key = (&'static str, String);

fn declared(kind: &str, name: &str) -> Value {
    let more = match kind {
        "ConfigMap" => json!({"data": {"color": "green", "size": "large"}}),
        "Secret" => json!({"stringData": {"password": "declared"}}),
        "Service" => json!({"spec": {"selector": {"app": name}, "ports": [{"port": 80}]}}),
        "Deployment" => json!({"spec": {"replicas": 1, "selector": {"matchLabels": {"app": name}}, "template": {
            "metadata": {"labels": {"app": name}},
            "spec": {"containers": [{"name": "app", "image": "example.org/app:1"}]},
        }}}),
        "ClusterRole" => json!({"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]}),
        "Moon" | "Planet" => json!({"spec": {"phases": {"new": "1", "full": "2"}, "names": ["a", "b"]}}),
        _ => json!({}),
    };
    let (group, version, ..) = KINDS.iter().find(|known| known.2 == kind).expect("a kind of the releases");
    let api_version = if group.is_empty() { (*version).to_owned() } else { format!("{group}/{version}") };
    let mut object = json!({
        "apiVersion": api_version, "kind": kind, "metadata": {"name": name, "labels": {"team": "red"}},
    });
    more.as_object().into_iter().flatten().for_each(|(field, value)| object[field] = value.clone());
    object
}

/// Whether a live object has what is declared.
fn is_declared(kind: &str, live: &Value) -> bool {
    let labels = &live["metadata"]["labels"];
    let own = match kind {
        "ConfigMap" => live["data"] == json!({"color": "green", "size": "large"}),
        "Secret" => live["data"] == json!({"password": "ZGVjbGFyZWQ="}),
        "Service" => live["spec"]["ports"][0]["port"] == 80,
        "Deployment" => live["spec"]["replicas"] == 1,
        "ClusterRole" => live["rules"][0]["verbs"] == json!(["get"]),
        "Moon" | "Planet" => live["spec"] == json!({"phases": {"new": "1", "full": "2"}, "names": ["a", "b"]}),
        _ => true,
    };
    let marks = &live["metadata"]["annotations"];
    own && live["metadata"]["deletionTimestamp"].is_null()
        && marks["meta.helm.sh/release-name"].is_string()
        && marks["meta.helm.sh/release-namespace"].is_string()
        && labels["team"] == "red"
        && labels["app.kubernetes.io/managed-by"] == "Helm"
}

/// A change of one field of ours, and the removal of one.
fn edits(kind: &str) -> (Value, Value) {
    let label = json!({"metadata": {"labels": {"team": null}}});
    match kind {
        "ConfigMap" => (json!({"data": {"color": "red"}}), json!({"data": {"size": null}})),
        "Secret" => (json!({"data": {"password": "b3RoZXJz"}}), json!({"data": null})),
        "Service" => (json!({"spec": {"ports": [{"port": 81}]}}), label),
        "Deployment" => (json!({"spec": {"replicas": 3}}), label),
        "ClusterRole" => (json!({"rules": []}), label),
        "Moon" | "Planet" => (json!({"spec": {"names": ["c"]}}), json!({"spec": {"phases": {"full": null}}})),
        _ => (json!({"metadata": {"labels": {"team": "blue"}}}), label),
    }
}

struct Storm<'a> {
    place: &'a Place<'a>,
    client: Client,
    chance: Chance,
    /// The objects that were struck.
    struck: BTreeSet<Key>,
}

impl Storm<'_> {
    fn api(&self, kind: &str) -> Api<DynamicObject> {
        let (group, version, kind, namespaced) =
            KINDS.iter().find(|known| known.2 == kind).expect("a kind of the releases");
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
        match namespaced {
            true => Api::namespaced_with(self.client.clone(), &self.place.namespace, &resource),
            false => Api::all_with(self.client.clone(), &resource),
        }
    }

    /// The name of the objects of a release, unlike in any other namespace.
    fn name(&self, release: u64) -> String {
        format!("{}-r{release}", self.place.namespace)
    }

    fn define(&self) -> Result<()> {
        for (kind, scope) in [("Moon", "Namespaced"), ("Planet", "Cluster")] {
            self.place.apply(&definition(CUSTOM, kind, scope))?;
            let name = format!("{}s.{CUSTOM}", kind.to_lowercase());
            self.place.kubectl(&["wait", "--for=condition=Established", "crd", &name])?;
        }
        Ok(())
    }

    fn install(&self, releases: u64) -> Result<()> {
        let request = |release: u64| {
            let objects: Vec<Value> = KINDS.iter().map(|known| declared(known.2, &self.name(release))).collect();
            let spec = json!({"chart": "charts/objects", "values": {"objects": objects}});
            self.place.request(&format!("r{release}"), spec)
        };
        (0..releases).map(request).try_for_each(|request| self.place.apply(&request))
    }

    /// Strikes one object.
    async fn strike(&mut self, releases: u64) -> Result<()> {
        let release = self.chance.below(releases);
        let name = self.name(release);
        let kind = self.chance.one_of(&KINDS).2;
        let strikes = [
            Strike::Delete,
            Strike::Edit,
            Strike::Remove,
            Strike::Scale,
            Strike::Unlabel,
            Strike::Disown,
            Strike::Take,
        ];
        let strike = *self.chance.one_of(&strikes);
        let kind = if matches!(strike, Strike::Scale) { "Deployment" } else { kind };
        let (api, (edit, removal)) = (self.api(kind), edits(kind));
        let by = |manager: &str| PatchParams { field_manager: Some(manager.to_owned()), ..PatchParams::default() };
        let disown = json!({"metadata": {"annotations": {
            "meta.helm.sh/release-name": null, "meta.helm.sh/release-namespace": null,
        }}});
        let unlabel = json!({"metadata": {"labels": {"app.kubernetes.io/managed-by": null}}});
        let done = match strike {
            Strike::Delete => api.delete(&name, &DeleteParams::default()).await.map(drop),
            Strike::Edit => api.patch(&name, &by("kubectl-edit"), &Patch::Merge(&edit)).await.map(drop),
            Strike::Remove => api.patch(&name, &by("pruner"), &Patch::Merge(&removal)).await.map(drop),
            Strike::Scale => {
                let scale = json!({"spec": {"replicas": 2}});
                api.patch_scale(&name, &by("kubectl"), &Patch::Merge(&scale)).await.map(drop)
            }
            Strike::Unlabel => api.patch(&name, &by("labeller"), &Patch::Merge(&unlabel)).await.map(drop),
            Strike::Disown => api.patch(&name, &by("labeller"), &Patch::Merge(&disown)).await.map(drop),
            Strike::Take => {
                let mut object = declared(kind, &name);
                object["metadata"]["labels"]["team"] = "green".into();
                object.as_object_mut().into_iter().for_each(|fields| {
                    fields.retain(|field, _| ["apiVersion", "kind", "metadata"].contains(&field.as_str()));
                });
                // What was just deleted is not to be made by somebody else.
                match api.get_opt(&name).await? {
                    Some(_) => {
                        api.patch(&name, &PatchParams::apply("taker").force(), &Patch::Apply(&object)).await.map(drop)
                    }
                    None => return Ok(()),
                }
            }
        };
        match done {
            Ok(()) => drop(self.struck.insert((kind, name))),
            Err(kube::Error::Api(status)) if [404, 409].contains(&status.code) => {}
            Err(error) => return Err(error).with_context(|| format!("{strike:?} {kind} {name}")),
        }
        Ok(())
    }

    /// The objects that are not as declared.
    async fn astray(&self, releases: u64) -> Result<Vec<Key>> {
        let mut astray = Vec::new();
        for (.., kind, _) in KINDS {
            let list = self.api(kind).list(&Default::default()).await?;
            let live: BTreeMap<String, Value> = list
                .into_iter()
                .map(|object| Ok((object.name_any(), serde_json::to_value(object)?)))
                .collect::<Result<_>>()?;
            let names = (0..releases).map(|release| self.name(release));
            let wrong = names.filter(|name| !live.get(name).is_some_and(|live| is_declared(kind, live)));
            astray.extend(wrong.map(|name| (kind, name)));
        }
        Ok(astray)
    }

    fn unready(&self) -> Result<Vec<String>> {
        let list: Value = serde_json::from_str(&self.place.kubectl(&["get", "helmrequests", "-o", "json"])?)?;
        let is_ready = |request: &Value| condition(request, "Ready").is_some_and(|ready| ready["status"] == "True");
        let unready = list["items"].as_array().into_iter().flatten().filter(|request| !is_ready(request));
        Ok(unready
            .map(|request| format!("{}: {}", request["metadata"]["name"], request["status"]["conditions"]))
            .collect())
    }

    /// The objects that an event of a repair is about.
    fn told(&self) -> Result<BTreeSet<(String, String)>> {
        let list: Value = serde_json::from_str(&self.place.kubectl(&["get", "events.events.k8s.io", "-o", "json"])?)?;
        let repairs = list["items"].as_array().into_iter().flatten().filter(|event| event["reason"] == "DriftRepaired");
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Ok(repairs.map(|event| (text(&event["related"]["kind"]), text(&event["related"]["name"]))).collect())
    }
}

/// Waits until nothing is left, and tells what is.
async fn until_none<T: std::fmt::Debug>(
    limit: Duration,
    what: &str,
    mut left: impl AsyncFnMut() -> Result<Vec<T>>,
) -> Result<()> {
    let deadline = Instant::now() + limit;
    loop {
        let found = left().await?;
        if found.is_empty() {
            return Ok(());
        }
        if Instant::now() > deadline {
            bail!("{what} after {limit:?}: {found:?}");
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_storm_every_object_is_as_declared_and_every_repair_is_told() -> Result<()> {
    let releases = number("COXSWAIN_STORM_RELEASES").unwrap_or(RELEASES);
    println!("COXSWAIN_STORM_RELEASES={releases}");
    let world = World::start()?;
    let place = world.place("storm", &["objects"]).await?;
    let (client, chance) = (world.cluster.client().await?, Chance::seeded("COXSWAIN_STORM_SEED"));
    let mut storm = Storm { place: &place, client, chance, struck: BTreeSet::new() };
    storm.define()?;
    storm.install(releases)?;
    let limit = LIMIT * u32::try_from(releases.div_ceil(10))?;
    until_none(limit, "these are not ready", async || storm.unready()).await?;

    let strikes = releases * STRIKES;
    let (kill, start) = (strikes / 2, strikes * 5 / 8);
    for number in 0..strikes {
        if number == kill {
            world.kill_operator();
        }
        if number == start {
            world.start_operator()?;
        }
        storm.strike(releases).await?;
        tokio::time::sleep(PAUSE).await;
    }
    let ended = Instant::now();
    until_none(limit, "these are not as declared", async || storm.astray(releases).await).await?;
    println!(
        "{strikes} strikes on {} objects; all was as declared {:?} after the last",
        storm.struck.len(),
        ended.elapsed()
    );
    until_none(limit, "these are not ready", async || storm.unready()).await?;
    until_none(Duration::from_secs(10), "of these there is no event", async || {
        let told = storm.told()?;
        let untold = |(kind, name): &&Key| !told.contains(&((*kind).to_owned(), name.clone()));
        Ok(storm.struck.iter().filter(untold).cloned().collect())
    })
    .await?;
    let struck: BTreeSet<(String, String)> =
        storm.struck.iter().map(|(kind, name)| ((*kind).to_owned(), name.clone())).collect();
    let untouched: Vec<_> = storm.told()?.difference(&struck).cloned().collect();
    assert!(untouched.is_empty(), "nothing was done to these, and yet there is an event: {untouched:?}");
    Ok(())
}
