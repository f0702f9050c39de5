//! The operator stopped at every write of every operation, and an API server that fails: what comes out is what an
//! undisturbed run makes, and no hook runs twice.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::support::proxy::{Fault, Proxy, Seen};
use crate::support::wait;
use crate::world::{Place, World, condition};

/// How long an operation may take that is stopped again and again.
const LIMIT: Duration = Duration::from_secs(180);
/// How long what comes to its point is waited for: all of it is stopped by the same kill, and while nothing comes the
/// cluster is looked at that often.
const TOGETHER: Duration = Duration::from_millis(300);
/// How many writes an operation has at most; a point beyond the last is an undisturbed run.
const WRITES: usize = 18;

/// Where an operation is stopped: at its n-th write, before the API server has it or before the answer comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Point {
    write: usize,
    fault: Fault,
}

/// One life with its place and the write at which each of its operations is stopped.
struct Life<'a> {
    place: Place<'a>,
    write: usize,
}

impl Life<'_> {
    /// The point of an operation; two operations that follow each other are stopped on either side of the write. With
    /// `COXSWAIN_FAULTS=turned` each is stopped on the other side, so that two runs stop at every point.
    fn point(&self, operation: usize) -> Point {
        let faults = [Fault::LoseRequest, Fault::LoseAnswer];
        let turned = std::env::var("COXSWAIN_FAULTS").is_ok_and(|sides| sides == "turned");
        Point { write: self.write, fault: faults[(self.write + operation + usize::from(turned)) % faults.len()] }
    }
}

/// Arms the proxy: in each namespace, the write at its point is lost and the test is told.
fn arm(proxy: &Proxy, lives: &[Life<'_>], operation: usize) -> (Receiver<String>, Arc<AtomicUsize>) {
    let points: BTreeMap<String, Point> =
        lives.iter().map(|life| (life.place.namespace.clone(), life.point(operation))).collect();
    let counts: Mutex<BTreeMap<String, usize>> = Mutex::default();
    let (tell, told) = channel();
    let most = Arc::new(AtomicUsize::new(0));
    let seen_most = Arc::clone(&most);
    proxy.judge(move |seen: &Seen| {
        let point = points.get(seen.namespace()).filter(|_| seen.writes())?;
        let mut counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(seen.namespace().to_owned()).or_default();
        *count += 1;
        seen_most.fetch_max(*count, Ordering::Relaxed);
        (*count == point.write).then(|| {
            let _ = tell.send(seen.namespace().to_owned());
            point.fault
        })
    });
    (told, most)
}

/// Lets an operation run in every life at once, killing the operator at each point, until all have ended as they must.
fn run(
    world: &World,
    proxy: &Proxy,
    lives: &[Life<'_>],
    operation: usize,
    begin: impl Fn(&Place<'_>) -> Result<()>,
    ended: impl Fn(&Life<'_>, &Cluster) -> Result<()>,
) -> Result<()> {
    let (told, most) = arm(proxy, lives, operation);
    for life in lives {
        begin(&life.place)?;
    }
    let (mut kills, mut stopped) = (0, 0);
    let waited = wait::until(LIMIT, "every operation to end", || {
        if told.recv_timeout(TOGETHER).is_ok() {
            sleep(TOGETHER);
            stopped += 1 + told.try_iter().count();
            kills += 1;
            world.kill_operator();
            world.start_operator()?;
            return Ok(None);
        }
        let cluster = Cluster::read(world)?;
        Ok(lives.iter().all(|life| ended(life, &cluster).is_ok()).then_some(()))
    });
    if waited.is_err() {
        let cluster = Cluster::read(world)?;
        for life in lives {
            ended(life, &cluster)
                .with_context(|| format!("stopped at {:?}, after {kills} kills", life.point(operation)))?;
        }
    }
    let (most, lives) = (most.load(Ordering::Relaxed), lives.len());
    ensure!(stopped * 2 > lives, "of {lives} lives only {stopped} were stopped; they had up to {most} writes");
    Ok(())
}

/// Requests and release records of all namespaces.
pub struct Cluster {
    /// The request of each namespace.
    pub requests: BTreeMap<String, Value>,
    /// The statuses of the revisions in each namespace, oldest first.
    pub revisions: BTreeMap<String, Vec<String>>,
}

impl Cluster {
    pub fn read(world: &World) -> Result<Self> {
        let objects = world.cluster.objects();
        let namespace = |object: &Value| object["metadata"]["namespace"].as_str().unwrap_or_default().to_owned();
        let requests = objects.list(None, "helmrequests", "")?;
        let mut revisions: BTreeMap<String, Vec<(i64, String)>> = BTreeMap::new();
        for record in objects.list_metadata(None, "secrets", "owner=helm")? {
            let label = |name: &str| record["metadata"]["labels"][name].as_str().unwrap_or_default().to_owned();
            let entry = (label("version").parse().unwrap_or(0), label("status"));
            revisions.entry(namespace(&record)).or_default().push(entry);
        }
        let sorted = revisions.into_iter().map(|(namespace, mut entries)| {
            entries.sort();
            (namespace, entries.into_iter().map(|(_, status)| status).collect())
        });
        Ok(Self {
            requests: requests.into_iter().map(|request| (namespace(&request), request)).collect(),
            revisions: sorted.collect(),
        })
    }

    fn shows(&self, life: &Life<'_>, phase: &str, revisions: &[&str]) -> Result<()> {
        self.shows_of(&life.place, phase, revisions)
    }

    /// The request of a place stands like this for its present generation, and its revisions have these statuses.
    pub fn shows_of(&self, place: &Place<'_>, phase: &str, revisions: &[&str]) -> Result<()> {
        let request = self.requests.get(&place.namespace).context("no request")?;
        let found = self.revisions.get(&place.namespace).cloned().unwrap_or_default();
        ensure!(found == revisions, "revisions are {found:?}; {request}");
        ensure!(request["status"]["observedGeneration"] == request["metadata"]["generation"], "not seen: {request}");
        let ready = condition(request, "Ready").map(|ready| ready["status"] == "True").unwrap_or_default();
        ensure!(request["status"]["phase"] == phase && ready == (phase == "Synced"), "{request}");
        Ok(())
    }
}

#[tokio::test]
async fn whatever_write_the_operator_is_stopped_at_the_end_is_that_of_an_undisturbed_run() -> Result<()> {
    let (world, proxy) = World::start_proxied()?;
    let mut lives = Vec::new();
    for write in 1..=WRITES {
        lives.push(Life { place: world.place("stopped", &["hooks"]).await?, write });
    }
    let ran = |life: &Life<'_>, job: &str, times: usize| {
        let jobs = proxy.jobs(&life.place.namespace, job);
        ensure!(jobs == times, "{job} ran {jobs} times instead of {times}, stopped at write {}", life.write);
        Ok(())
    };
    let install = |place: &Place<'_>| place.apply(&place.request("web", json!({"chart": "charts/hooks"})));
    run(&world, &proxy, &lives, 0, install, |life, cluster| cluster.shows(life, "Synced", &["deployed"]))?;
    lives.iter().try_for_each(|life| ran(life, "web-before", 1).and(ran(life, "web-after", 1)))?;

    let upgrade = |place: &Place<'_>| place.change(&json!({"values": {"runFor": "1s"}}));
    run(&world, &proxy, &lives, 1, upgrade, |life, cluster| {
        cluster.shows(life, "Synced", &["superseded", "deployed"])
    })?;
    lives.iter().try_for_each(|life| ran(life, "web-before", 2))?;

    let back = |place: &Place<'_>| place.change(&json!({"rollbackTo": 1}));
    let expected = ["superseded", "superseded", "deployed"];
    run(&world, &proxy, &lives, 2, back, |life, cluster| cluster.shows(life, "Synced", &expected))?;
    lives.iter().try_for_each(|life| ran(life, "web-before", 3))?;

    let fail = json!({"rollbackTo": null, "values": {"failBefore": true}, "onFailure": {"strategy": "Rollback"}});
    let expected = ["superseded", "superseded", "superseded", "failed", "deployed"];
    run(
        &world,
        &proxy,
        &lives,
        3,
        |place| place.change(&fail),
        |life, cluster| cluster.shows(life, "Failed", &expected),
    )?;
    lives.iter().try_for_each(|life| ran(life, "web-before", 5))?;

    let remove = |place: &Place<'_>| place.delete("helmrequest", "web");
    run(&world, &proxy, &lives, 4, remove, |life, cluster| {
        let left = cluster.requests.get(&life.place.namespace);
        let records = cluster.revisions.get(&life.place.namespace);
        ensure!(left.is_none() && records.is_none(), "{left:?} with {records:?} is left");
        Ok(())
    })?;
    for life in &lives {
        ran(life, "web-leave", 1)?;
        for (kind, name) in [("configmap", "web"), ("serviceaccount", "web-jobs")] {
            ensure!(life.place.get(kind, name)?.is_none(), "{kind} {name} is left, stopped at write {}", life.write);
        }
    }
    Ok(())
}

/// A Service that is made anew with each change, a ConfigMap that gets a name by its content, and pods that read it.
fn changing(turn: usize) -> Value {
    let target = 8_000 + turn;
    let service = json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": "web", "annotations": {"coxswain.dev/recreate": "true"}},
        "spec": {"type": "NodePort", "selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": target}]},
    });
    let settings = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "data": {"turn": turn.to_string()},
        "metadata": {"name": "settings", "annotations": {"coxswain.dev/versioned": "true"}},
    });
    let pod = json!({
        "containers": [{"name": "main", "image": "example.invalid/main:1"}],
        "volumes": [{"name": "settings", "configMap": {"name": "settings"}}],
    });
    let deployment = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
        "spec": {"selector": {"matchLabels": {"app": "web"}}, "template": {
            "metadata": {"labels": {"app": "web"}}, "spec": pod,
        }},
    });
    json!({"chart": "charts/objects", "historyMax": 2, "values": {"objects": [service, settings, deployment]}})
}

/// What clients of a Service know of it.
fn addresses(place: &Place<'_>) -> Result<(Value, Value)> {
    let service = place.get("service", "web")?.context("there is no Service")?;
    Ok((service["spec"]["clusterIP"].clone(), service["spec"]["ports"][0]["nodePort"].clone()))
}

fn settings(place: &Place<'_>) -> Result<Vec<String>> {
    let objects = place.world.cluster.objects();
    let found = objects.list(Some(&place.namespace), "configmaps", "app.kubernetes.io/managed-by=Helm")?;
    Ok(found.iter().filter_map(|object| object["metadata"]["name"].as_str().map(str::to_owned)).collect())
}

#[tokio::test]
async fn what_is_made_anew_keeps_its_addresses_whatever_write_the_operator_is_stopped_at() -> Result<()> {
    let (world, proxy) = World::start_proxied()?;
    let mut lives = Vec::new();
    for write in 1..=12 {
        lives.push(Life { place: world.place("anew", &["objects"]).await?, write });
    }
    let install = |place: &Place<'_>| place.apply(&place.request("web", changing(0)));
    run(&world, &proxy, &lives, 0, install, |life, cluster| cluster.shows(life, "Synced", &["deployed"]))?;
    let known: Vec<_> = lives.iter().map(|life| addresses(&life.place)).collect::<Result<_>>()?;

    let both = ["superseded", "deployed"];
    let expected = [["settings-v000", "settings-v001"], ["settings-v001", "settings-v002"]];
    for (turn, versions) in (1..).zip(expected) {
        let upgrade = |place: &Place<'_>| place.change(&changing(turn));
        run(&world, &proxy, &lives, turn, upgrade, |life, cluster| cluster.shows(life, "Synced", &both))?;
        for (life, known) in lives.iter().zip(&known) {
            let service = life.place.get("service", "web")?.context("there is no Service")?;
            assert_eq!(service["spec"]["ports"][0]["targetPort"], 8_000 + turn);
            assert_eq!(&addresses(&life.place)?, known, "upgrade {turn}, {:?}", life.point(turn));
            assert_eq!(settings(&life.place)?, versions, "upgrade {turn}, {:?}", life.point(turn));
        }
    }

    let back = |place: &Place<'_>| place.change(&json!({"rollbackTo": 2}));
    run(&world, &proxy, &lives, 3, back, |life, cluster| cluster.shows(life, "Synced", &both))?;
    for (life, known) in lives.iter().zip(&known) {
        assert_eq!(&addresses(&life.place)?, known, "rollback, {:?}", life.point(3));
        let pods = life.place.get("deployment", "web")?.context("there is no Deployment")?;
        let volume = &pods["spec"]["template"]["spec"]["volumes"][0];
        assert_eq!(volume["configMap"]["name"], "settings-v001", "rollback, {:?}", life.point(3));
        assert_eq!(settings(&life.place)?, expected[1]);
        let record = life.place.get("secret", "sh.helm.release.v1.web.v4")?.context("there is no record")?;
        assert!(record["metadata"]["annotations"]["coxswain.dev/kept"].is_null(), "what was kept is used up");
    }

    let remove = |place: &Place<'_>| place.delete("helmrequest", "web");
    run(&world, &proxy, &lives, 4, remove, |life, cluster| {
        let left = cluster.requests.get(&life.place.namespace);
        ensure!(left.is_none() && !cluster.revisions.contains_key(&life.place.namespace), "{left:?}");
        Ok(())
    })?;
    for life in &lives {
        assert_eq!(settings(&life.place)?, Vec::<String>::new(), "{:?}", life.point(4));
    }
    Ok(())
}

#[tokio::test]
async fn an_api_server_that_refuses_falls_silent_and_restarts_only_takes_time() -> Result<()> {
    let (world, proxy) = World::start_proxied()?;
    let mut places = Vec::new();
    for _ in 0..6 {
        places.push(world.place("refusing", &["hooks"]).await?);
    }
    let count = AtomicUsize::new(0);
    proxy.judge(move |seen: &Seen| {
        if seen.watches {
            return Some(Fault::CutAfter(Duration::from_secs(2)));
        }
        // Every fourth write fails, each time in another way; every seventh is slow, and some are never answered.
        let count = seen.writes().then(|| count.fetch_add(1, Ordering::Relaxed))?;
        match (count % 4, count % 7, count % 23) {
            (0, _, _) => Some(Fault::Refuse([429, 500, 409, 503][count / 4 % 4])),
            (_, _, 11) => Some(Fault::LoseAnswer),
            (_, 0, _) => Some(Fault::Delay(Duration::from_millis(300))),
            _ => None,
        }
    });
    let ends = |life: &Place<'_>, statuses: &[&str]| -> Result<()> {
        let waited = wait::until(LIMIT, "the operation to end", || {
            let cluster = Cluster::read(&world)?;
            Ok(cluster.revisions.get(&life.namespace).is_some_and(|found| found == statuses).then_some(()))
        });
        waited.with_context(|| {
            format!("{:?}", life.get("helmrequest", "web").ok().flatten().unwrap_or_default()["status"])
        })
    };
    for place in &places {
        place.apply(&place.request("web", json!({"chart": "charts/hooks"})))?;
    }
    let has_begun = || Ok((proxy.jobs(&places[0].namespace, "web-before") > 0).then_some(()));
    wait::until(LIMIT, "a hook to run", has_begun)?;
    world.cluster.restart_apiserver()?;
    places.iter().try_for_each(|place| ends(place, &["deployed"]))?;
    for place in &places {
        place.change(&json!({"values": {"runFor": "1s"}}))?;
    }
    world.cluster.restart_apiserver()?;
    places.iter().try_for_each(|place| ends(place, &["superseded", "deployed"]))?;
    for place in &places {
        for (job, times) in [("web-before", 2), ("web-after", 1)] {
            let ran = proxy.jobs(&place.namespace, job);
            ensure!(ran == times, "{job} ran {ran} times instead of {times} in {}", place.namespace);
        }
        place.kubectl(&["delete", "configmap", "web"])?;
    }
    for place in &places {
        place.until("configmap", "web", "what was deleted to be repaired", |_| true)?;
        place.delete("helmrequest", "web")?;
    }
    wait::until(LIMIT, "everything to be removed", || {
        let Cluster { requests, revisions } = Cluster::read(&world)?;
        Ok((requests.is_empty() && revisions.is_empty()).then_some(()))
    })
}

#[tokio::test]
async fn an_operator_that_has_lost_its_lease_writes_nothing_more() -> Result<()> {
    let world = World::start_idle()?;
    let (first, second) = (world.proxy()?, world.proxy()?);
    let _leader = world.start_replica(&first, "first")?;
    let place = world.place("lease", &["hooks"]).await?;
    let _follower = world.spawn_replica(&second, "second")?;
    place.apply(&place.request("web", json!({"chart": "charts/hooks", "values": {"runFor": "30s"}})))?;
    place.until("job", "web-before", "the first hook to run", |_| true)?;

    let (last_write, first_write) = (Arc::new(Mutex::new(None)), Arc::new(Mutex::new(None)));
    let note = |time: &Arc<Mutex<Option<Instant>>>, only_first: bool| {
        let time = Arc::clone(time);
        move || {
            let mut time = time.lock().unwrap_or_else(PoisonError::into_inner);
            if !(only_first && time.is_some()) {
                *time = Some(Instant::now());
            }
        }
    };
    let (noted, begun) = (note(&last_write, false), note(&first_write, true));
    first.judge(move |seen| {
        if seen.path.contains("/leases") {
            return Some(Fault::LoseRequest);
        }
        if seen.writes() {
            noted();
        }
        None
    });
    second.judge(move |seen| {
        if seen.writes() {
            begun();
        }
        None
    });
    wait::until(LIMIT, "the other replica to finish", || {
        Ok(place.get("helmrequest", "web")?.filter(|request| request["status"]["phase"] == "Synced"))
    })?;
    let read = |time: &Arc<Mutex<Option<Instant>>>| *time.lock().unwrap_or_else(PoisonError::into_inner);
    let began = read(&first_write).context("the other replica wrote nothing")?;
    ensure!(read(&last_write).is_none_or(|last| last < began), "both replicas wrote at the same time");
    for job in ["web-before", "web-after"] {
        let ran = first.jobs(&place.namespace, job) + second.jobs(&place.namespace, job);
        ensure!(ran == 1, "{job} was created {ran} times");
    }
    Ok(())
}
