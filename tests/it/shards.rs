//! Several operators that share the requests: every release has one writer at a time, whoever dies.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use coxswain::cluster::shards::shard_of;
use serde_json::{Value, json};

use crate::lent::HOME;
use crate::support::Operator;
use crate::support::proxy::{Fault, Proxy, Seen};
use crate::support::wait;
use crate::world::{LIMIT, Place, World, condition};

const SHARDS: u16 = 4;
const REQUESTS: usize = 16;
/// How long shards may be without a replica.
const MOVED_WITHIN: Duration = Duration::from_secs(15);

/// A write of a replica.
#[derive(Clone, Debug)]
struct Write {
    by: &'static str,
    namespace: String,
    at: Instant,
}

/// Everything that replicas write, each through a proxy of its own.
#[derive(Clone, Default)]
struct Writes(Arc<Mutex<Vec<Write>>>);

impl Writes {
    /// A replica whose writes are noted.
    fn replica(&self, world: &World, name: &'static str) -> Result<(Operator, Proxy)> {
        let proxy = world.proxy()?;
        self.note(&proxy, name, |_| None);
        let operator = world.start_sharing(&proxy, name, SHARDS)?;
        Ok((operator, proxy))
    }

    fn note(&self, proxy: &Proxy, by: &'static str, fault: fn(&Seen) -> Option<Fault>) {
        let writes = self.clone();
        proxy.judge(move |seen| {
            if seen.writes() {
                writes.lock().push(Write { by, namespace: seen.namespace().to_owned(), at: Instant::now() });
            }
            fault(seen)
        });
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Write>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until nothing has been written for two seconds: what follows a revision, its status and its events, is done.
    fn until_quiet(&self) -> Result<()> {
        const QUIET: Duration = Duration::from_secs(2);
        let is_quiet = || self.lock().last().is_none_or(|write| write.at.elapsed() > QUIET);
        wait::until(LIMIT, "the replicas to have written everything", || Ok(is_quiet().then_some(())))
    }

    /// The writes in some namespaces after a time.
    fn after(&self, time: Instant, namespaces: &[String]) -> Vec<Write> {
        let is_late = |write: &&Write| write.at > time && namespaces.contains(&write.namespace);
        self.lock().iter().filter(is_late).cloned().collect()
    }

    /// Who wrote in each namespace, in their order, each once for writes in a row.
    fn writers(&self) -> BTreeMap<String, Vec<&'static str>> {
        let mut writers: BTreeMap<String, Vec<&'static str>> = BTreeMap::new();
        for Write { by, namespace, .. } in self.lock().iter() {
            let known = writers.entry(namespace.clone()).or_default();
            if known.last() != Some(by) {
                known.push(by);
            }
        }
        writers
    }
}

/// Who holds each shard, as the Lease objects say.
fn holders(world: &World) -> Result<BTreeMap<u16, String>> {
    let leases = world.cluster.objects().list(Some(HOME), "leases.coordination.k8s.io", "")?;
    let holder = |lease: &Value| {
        let shard = lease["metadata"]["name"].as_str()?.strip_prefix("coxswain-")?.parse().ok()?;
        let holder = lease["spec"]["holderIdentity"].as_str().filter(|holder| !holder.is_empty())?;
        Some((shard, holder.to_owned()))
    };
    Ok(leases.iter().filter_map(holder).collect())
}

/// How many shards each replica holds, where all are held.
fn spread(world: &World) -> Result<Option<Vec<(String, usize)>>> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let holders = holders(world)?;
    holders.values().for_each(|holder| *counts.entry(holder.clone()).or_default() += 1);
    Ok((holders.len() == usize::from(SHARDS)).then(|| counts.into_iter().collect()))
}

fn until_spread(world: &World, limit: Duration, expected: &[(&str, usize)]) -> Result<Duration> {
    let began = Instant::now();
    let expected: Vec<(String, usize)> = expected.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
    let waited =
        wait::until(
            limit,
            "the shards to be spread",
            || Ok((spread(world)?.as_ref() == Some(&expected)).then_some(())),
        );
    waited.with_context(|| format!("{:?} instead of {expected:?}", holders(world)))?;
    Ok(began.elapsed())
}

/// Two replicas whose writes are noted, with half of the shards each.
fn two_replicas(world: &World, writes: &Writes) -> Result<[(Operator, Proxy); 2]> {
    let replicas = [writes.replica(world, "a")?, writes.replica(world, "b")?];
    until_spread(world, LIMIT, &[("a", 2), ("b", 2)])?;
    Ok(replicas)
}

/// Namespaces with a request `web` each, for charts of one repository that serves all.
async fn requests(world: &World) -> Result<(Place<'_>, Vec<String>)> {
    let place = world.place("shards", &["hooks"]).await?;
    let mut repository = place.repository("shared", &place.server.url());
    repository["metadata"]["namespace"] = HOME.into();
    world.cluster.objects().apply(HOME, &repository)?;
    let mut namespaces = Vec::new();
    for _ in 0..REQUESTS {
        namespaces.push(world.cluster.namespace("share").await?);
    }
    for namespace in &namespaces {
        let request = json!({
            "apiVersion": "app.alauda.io/v1", "kind": "HelmRequest", "metadata": {"name": "web", "namespace": namespace},
            "spec": {"chart": "shared/hooks", "values": {"runFor": "3s"}},
        });
        world.cluster.objects().apply(namespace, &request)?;
    }
    Ok((place, namespaces))
}

/// Waits until a replica runs the hooks of so many releases.
fn until_hooks_run(namespaces: &[String], replica: &Proxy, count: usize) -> Result<()> {
    wait::until(LIMIT, "hooks of the first replica to run", || {
        let begun = namespaces.iter().filter(|namespace| replica.jobs(namespace, "web-before") > 0).count();
        Ok((begun >= count).then_some(()))
    })
}

/// The releases that are deployed, at their first and only revision.
fn deployed(world: &World) -> Result<BTreeSet<String>> {
    let records = world.cluster.objects().list_metadata(None, "secrets", "owner=helm")?;
    let mut revisions: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
    for record in &records {
        let text = |pointer: &str| record.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let revision = (text("/metadata/labels/version"), text("/metadata/labels/status"));
        revisions.entry(text("/metadata/namespace")).or_default().push(revision);
    }
    let first = [("1".to_owned(), "deployed".to_owned())];
    Ok(revisions.into_iter().filter(|(_, found)| *found == first).map(|(namespace, _)| namespace).collect())
}

fn until_deployed(world: &World, namespaces: &[String]) -> Result<()> {
    let expected: BTreeSet<String> = namespaces.iter().cloned().collect();
    wait::until(LIMIT * 2, "every release to be deployed", || Ok((deployed(world)? == expected).then_some(())))
}

fn assert_hooks_ran_once(namespaces: &[String], proxies: &[&Proxy]) -> Result<()> {
    for namespace in namespaces {
        for job in ["web-before", "web-after"] {
            let ran: usize = proxies.iter().map(|proxy| proxy.jobs(namespace, job)).sum();
            ensure!(ran == 1, "{job} of {namespace} was created {ran} times");
        }
    }
    Ok(())
}

#[tokio::test]
async fn three_operators_share_the_requests_and_two_go_on_when_one_is_killed_during_installs() -> Result<()> {
    let (world, writes) = (World::start_idle()?, Writes::default());
    let (first, first_proxy) = writes.replica(&world, "a")?;
    let (_second, second_proxy) = writes.replica(&world, "b")?;
    let (third, third_proxy) = writes.replica(&world, "c")?;
    until_spread(&world, LIMIT, &[("a", 2), ("b", 1), ("c", 1)])?;
    let (_place, namespaces) = requests(&world).await?;
    let before = holders(&world)?;
    let of = |namespace: &String| before[&shard_of(namespace, "web", SHARDS)].clone();
    until_hooks_run(&namespaces, &first_proxy, 3)?;
    let metrics = third.metrics()?;
    ensure!(metrics.contains("coxswain_shards_held 1"), "{metrics}");

    first.kill();
    let moved = until_spread(&world, MOVED_WITHIN, &[("b", 2), ("c", 2)])?;
    println!("the shards of the killed replica moved within {moved:?}");
    until_deployed(&world, &namespaces)?;
    assert_hooks_ran_once(&namespaces, &[&first_proxy, &second_proxy, &third_proxy])?;
    let writers = writes.writers();
    let after = holders(&world)?;
    for namespace in &namespaces {
        let (shard, first) = (shard_of(namespace, "web", SHARDS), of(namespace));
        let mut expected = vec![first.as_str()];
        if first == "a" {
            expected.push(after[&shard].as_str());
        }
        let found = &writers[namespace];
        // What was deployed before the kill, or not begun, has one writer only.
        let is_part = found == &expected || (found.len() == 1 && expected.contains(&found[0]));
        ensure!(is_part, "{namespace} was written by {found:?} instead of {expected:?}");
    }
    ensure!(writers.values().any(|found| found.len() == 2), "the kill interrupted nothing");

    // One that comes is given its share, and what is deployed is not written anew.
    writes.until_quiet()?;
    let quiet = Instant::now();
    let (_fourth, fourth_proxy) = writes.replica(&world, "d")?;
    until_spread(&world, LIMIT, &[("b", 2), ("c", 1), ("d", 1)])?;
    let now = holders(&world)?;
    let taken = namespaces.iter().find(|namespace| now[&shard_of(namespace, "web", SHARDS)] == "d");
    let taken = taken.context("no request is in the shard that moved")?;
    world.cluster.objects().merge(taken, "helmrequest", "web", &json!({"spec": {"values": {"runFor": "1s"}}}))?;
    wait::until(LIMIT, "the newcomer to upgrade", || Ok((fourth_proxy.jobs(taken, "web-before") > 0).then_some(())))?;
    let others = writes.after(quiet, &namespaces);
    ensure!(others.iter().all(|write| write.by == "d" && write.namespace == *taken), "{others:?}");
    Ok(())
}

#[tokio::test]
async fn a_replica_that_cannot_renew_writes_nothing_more_and_comes_back() -> Result<()> {
    let (world, writes) = (World::start_idle()?, Writes::default());
    let [(_first, first_proxy), (_second, second_proxy)] = two_replicas(&world, &writes)?;
    let (_place, namespaces) = requests(&world).await?;
    until_hooks_run(&namespaces, &first_proxy, 1)?;

    writes.note(&first_proxy, "a", |seen| seen.path.contains("/leases").then_some(Fault::LoseRequest));
    until_spread(&world, LIMIT, &[("b", 4)])?;
    let (lost, now) = (Instant::now(), holders(&world)?);
    ensure!(now.values().all(|holder| holder == "b"), "{now:?}");
    until_deployed(&world, &namespaces)?;
    let late = writes.lock().iter().filter(|write| write.by == "a" && write.at > lost).count();
    ensure!(late == 0, "the first replica wrote {late} times after it had lost its shards");
    ensure!(writes.writers().values().all(|found| found.len() <= 2), "{:?}", writes.writers());
    assert_hooks_ran_once(&namespaces, &[&first_proxy, &second_proxy])?;

    writes.note(&first_proxy, "a", |_| None);
    until_spread(&world, LIMIT, &[("a", 2), ("b", 2)])?;
    Ok(())
}

#[tokio::test]
async fn a_replica_that_stood_still_for_longer_than_its_lease_drops_its_work() -> Result<()> {
    let (world, writes) = (World::start_idle()?, Writes::default());
    let [(first, first_proxy), (_second, second_proxy)] = two_replicas(&world, &writes)?;
    let (_place, namespaces) = requests(&world).await?;
    until_hooks_run(&namespaces, &first_proxy, 1)?;

    first.pause()?;
    until_spread(&world, LIMIT, &[("b", 4)])?;
    until_deployed(&world, &namespaces)?;
    writes.until_quiet()?;
    let resumed = Instant::now();
    first.resume()?;
    until_spread(&world, LIMIT, &[("a", 2), ("b", 2)])?;
    std::thread::sleep(Duration::from_secs(2));
    let late = writes.after(resumed, &namespaces);
    ensure!(late.is_empty(), "after it went on, writes were made for releases that were deployed by then: {late:?}");
    ensure!(writes.writers().values().all(|found| found.len() <= 2), "{:?}", writes.writers());
    assert_hooks_ran_once(&namespaces, &[&first_proxy, &second_proxy])?;
    ensure!(deployed(&world)?.len() == namespaces.len(), "a release has another revision");
    Ok(())
}

/// Two names whose requests in a namespace belong to different replicas.
fn names_apart(holders: &BTreeMap<u16, String>, namespace: &str) -> Result<[String; 2]> {
    let of = |name: &str| &holders[&shard_of(namespace, name, SHARDS)];
    let mut names = (0..64).map(|number| format!("named-{number}"));
    let first = names.next().context("a name")?;
    let second = names.find(|name| of(name) != of(&first)).context("no name in a shard of the other replica")?;
    Ok([first, second])
}

#[tokio::test]
async fn a_release_that_requests_of_two_replicas_name_has_one_of_them_as_its_owner() -> Result<()> {
    let (world, writes) = (World::start_idle()?, Writes::default());
    let _replicas = two_replicas(&world, &writes)?;
    let places = [world.place("claimed", &["hello-0.1.0"]).await?, world.place("claimed", &["hello-0.1.0"]).await?];
    let held = holders(&world)?;
    for place in &places {
        for (turn, name) in names_apart(&held, &place.namespace)?.iter().enumerate() {
            let spec =
                json!({"chart": "charts/hello", "releaseName": "web", "values": {"message": format!("from {turn}")}});
            place.apply(&place.request(name, spec))?;
        }
    }
    for place in &places {
        let names = names_apart(&held, &place.namespace)?;
        let requests = wait::until(LIMIT, "one request to be served and the other to be refused", || {
            let read = |name: &String| Ok::<_, anyhow::Error>(place.get("helmrequest", name)?.unwrap_or_default());
            let requests = [read(&names[0])?, read(&names[1])?];
            let count = |phase: &str| requests.iter().filter(|request| request["status"]["phase"] == phase).count();
            Ok((count("Synced") == 1 && count("Failed") == 1).then_some(requests))
        })?;
        let [owner, other] = match requests[0]["status"]["phase"] == "Synced" {
            true => [0, 1],
            false => [1, 0],
        };
        let message = place.until_failed(&names[other], "ReleaseOwnedByOther")?;
        ensure!(message.contains(&format!("HelmRequest {}/{}", place.namespace, names[owner])), "{message}");
        place.until_ready(&names[owner])?;

        // It stays so, and the one that goes without having owned it takes nothing along.
        place.delete("helmrequest", &names[other])?;
        wait::until(LIMIT, "the other request to go", || {
            Ok(place.get("helmrequest", &names[other])?.is_none().then_some(()))
        })?;
        ensure!(place.get("configmap", "web-hello")?.is_some(), "the release went with a request that did not own it");
        ensure!(deployed(&world)?.contains(&place.namespace), "the release has another revision");
        let spec = json!({"chart": "charts/hello", "releaseName": "web", "values": {"message": "from the heir"}});
        place.apply(&place.request(&names[other], spec))?;
        place.until_failed(&names[other], "ReleaseOwnedByOther")?;
        place.delete("helmrequest", &names[owner])?;
        place.until_ready(&names[other])?;
    }
    Ok(())
}

#[tokio::test]
async fn dependencies_with_another_replica_are_waited_for_and_followed() -> Result<()> {
    let (world, writes) = (World::start_idle()?, Writes::default());
    let (_first, _first_proxy) = writes.replica(&world, "a")?;
    let (_second, _second_proxy) = writes.replica(&world, "b")?;
    until_spread(&world, LIMIT, &[("a", 2), ("b", 2)])?;
    let place = world.place("apart", &["hello-0.1.0"]).await?;
    let [dependency, dependent] = names_apart(&holders(&world)?, &place.namespace)?;
    let unready = json!({"podLabels": {"kwok-unready": "true"}});
    let ask = |name: &str, spec: &Value| place.apply(&place.request(name, spec.clone()));
    ask(&dependent, &json!({"chart": "charts/hello", "dependsOn": [{"name": dependency}]}))?;
    ask(&dependency, &json!({"chart": "charts/hello", "values": unready}))?;
    place.until("helmrequest", &dependent, "it to wait for what is not ready", |request| {
        condition(request, "Ready").is_some_and(|ready| {
            let message = ready["message"].as_str().unwrap_or_default();
            ready["reason"] == "DependencyNotReady" && message.contains("is not ready: NotReady")
        })
    })?;
    ensure!(!place.is_recorded(&dependent)?, "it was installed before what it depends on was ready");
    place.merge("helmrequest", &dependency, &json!({"spec": {"values": {"podLabels": null}}}))?;
    place.until_ready(&dependent)?;

    // Deleting goes the other way round.
    place.delete("helmrequest", &dependency)?;
    place.delete("helmrequest", &dependent)?;
    for name in [&dependent, &dependency] {
        wait::until(LIMIT, &format!("{name} to go"), || {
            let is_first = name == &dependent;
            let found = place.get("helmrequest", name)?;
            if is_first && found.is_some() {
                ensure!(place.is_recorded(&dependency)?, "what was depended on went first");
            }
            Ok(found.is_none().then_some(()))
        })?;
    }
    Ok(())
}

#[tokio::test]
async fn replicas_that_divide_the_requests_otherwise_wait_until_the_others_are_gone() -> Result<()> {
    let (world, writes) = (World::start_idle()?, Writes::default());
    let proxy = world.proxy()?;
    let whole = world.start_replica(&proxy, "whole")?;
    let (divided, _divided_proxy) = writes.replica(&world, "a")?;
    std::thread::sleep(Duration::from_secs(8));
    ensure!(holders(&world)?.is_empty(), "{:?}", holders(&world)?);
    whole.kill();
    until_spread(&world, LIMIT, &[("a", 4)])?;

    // One that does all the work again waits for those that share it.
    let place = world.place("otherwise", &["hello-0.1.0"]).await?;
    let whole = world.start_replica(&proxy, "whole")?;
    place.apply(&place.request("web", json!({"chart": "charts/hello"})))?;
    place.until_ready("web")?;
    ensure!(whole.metrics()?.contains("coxswain_leader 0"), "it works beside another");
    divided.kill();
    wait::until(LIMIT, "the other to work", || Ok(whole.metrics()?.contains("coxswain_leader 1").then_some(())))?;
    Ok(())
}
