//! What the operator asks of the API server, and what a kill in the middle leaves, in a world of the test's own.

use std::collections::{BTreeMap, BTreeSet};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::json;

use crate::support::audit::{Mark, Request};
use crate::support::chance::number;
use crate::support::wait;
use crate::world::{LIMIT, World};

/// How long the API server may take to write what has happened to its audit log.
const LOGGING: Duration = Duration::from_secs(1);
/// How many seconds nothing may be asked for unless `COXSWAIN_QUIET_SECONDS` says otherwise: the check of a release is
/// longer, a test has to end.
const QUIET: u64 = 15;

/// What the operator asked for since a mark, watches and the lists that begin them left out.
fn asked(mark: &Mark) -> Result<Vec<Request>> {
    sleep(LOGGING);
    let own = |request: &Request| request.user == "system:serviceaccount:captain-system:coxswain";
    Ok(mark.requests()?.into_iter().filter(|request| own(request) && request.verb != "watch").collect())
}

fn counted(requests: &[Request]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for request in requests {
        let subresource = if request.subresource.is_empty() { "" } else { "/status" };
        *counts.entry(format!("{} {}{subresource}", request.verb, request.resource)).or_insert(0) += 1;
    }
    counts
}

fn renders(world: &World) -> Result<u64> {
    let metrics = world.metrics()?;
    let line = metrics.lines().find(|line| line.starts_with("coxswain_renders_total") && line.contains("success"));
    Ok(line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or(0))
}

#[tokio::test]
async fn an_install_writes_no_more_than_it_must_and_a_quiet_release_costs_nothing() -> Result<()> {
    let world = World::start()?;
    let place = world.place("quiet", &["hello-0.1.0", "versioned"]).await?;
    let request = |name: &str| place.request(name, json!({"chart": "charts/hello", "version": "0.1.0"}));
    // The first release of a chart starts the watches of its kinds; the second finds them running. The repository's
    // own writes are over once it is told as synced.
    place.apply(&request("first"))?;
    place.until_ready("first")?;
    place.until("chartrepo", "charts", "the repository to be synced", |repo| repo["status"]["phase"] == "Synced")?;
    let mark = world.cluster.audit_mark()?;
    place.apply(&request("second"))?;
    place.until_ready("second")?;
    let requests = asked(&mark)?;
    let reads: Vec<&Request> = requests.iter().filter(|request| !request.writes()).collect();
    assert!(reads.is_empty(), "an install reads nothing but watches: {:?}", counted(&requests));
    // Pods start in their own time, and what becomes ready is told once a second or slower: of the writes of the status
    // only the two that an install itself needs are counted.
    let telling = requests.iter().filter(|request| request.subresource == "status").count();
    let counted_requests = requests.len() - telling.saturating_sub(2);
    assert!(counted_requests <= 4 + 6, "four objects and six more writes: {:?}", counted(&requests));

    let mark = world.cluster.audit_mark()?;
    place.apply(&place.request(
        "second",
        json!({
            "chart": "charts/hello", "version": "0.1.0", "values": {"message": "again"},
        }),
    ))?;
    place.until_ready("second")?;
    let requests = asked(&mark)?;
    let applied = requests.iter().filter(|request| request.verb == "patch" && request.writes());
    let applied: BTreeSet<&str> = applied.map(|request| request.resource.as_str()).collect();
    let changed = ["configmaps", "deployments"];
    assert!(
        changed.iter().all(|resource| applied.contains(resource)) && !applied.contains("services"),
        "an upgrade applies what it changes: {applied:?}"
    );
    let reads = counted(&requests.into_iter().filter(|request| !request.writes()).collect::<Vec<_>>());
    let once = BTreeMap::from([("get secrets".to_owned(), 1)]);
    assert_eq!(reads, once, "an upgrade reads the record that it follows, and that once");

    // Of this one there is an earlier version of an object, which is left alone.
    place.apply(&place.request("third", json!({"chart": "charts/versioned"})))?;
    place.until_ready("third")?;
    place.apply(&place.request("third", json!({"chart": "charts/versioned", "values": {"message": "bye"}})))?;
    place.until_ready("third")?;
    assert!(place.get("configmap", "third-settings-v000")?.is_some());

    let mark = world.cluster.audit_mark()?;
    sleep(Duration::from_secs(number("COXSWAIN_QUIET_SECONDS").unwrap_or(QUIET)));
    let requests = asked(&mark)?;
    assert!(requests.is_empty(), "nothing is asked for at rest: {:?}", counted(&requests));

    world.kill_operator();
    let mark = world.cluster.audit_mark()?;
    world.start_operator()?;
    sleep(Duration::from_secs(5));
    let requests = asked(&mark)?;
    let writes: Vec<&Request> = requests.iter().filter(|request| request.writes()).collect();
    assert!(writes.is_empty(), "a restart writes nothing: {:?}", counted(&requests));
    assert_eq!(renders(&world)?, 0, "a restart renders nothing");

    place.kubectl(&["delete", "service", "second-hello"])?;
    place.until("service", "second-hello", "repair after the restart", |_| true)?;
    world.kill_operator();
    place.kubectl(&["delete", "configmap", "first-hello"])?;
    world.start_operator()?;
    place.until("configmap", "first-hello", "repair of what was deleted meanwhile", |_| true)?;
    Ok(())
}

#[tokio::test]
async fn a_kill_in_the_middle_of_an_install_is_continued_where_it_was() -> Result<()> {
    let world = World::start()?;
    let place = world.place("killed", &["hooks"]).await?;
    place.apply(&place.request("web", json!({"chart": "charts/hooks", "values": {"runFor": "4s"}})))?;
    let job = place.until("job", "web-before", "the first hook to run", |_| true)?;
    world.kill_operator();
    assert!(place.helm(&["history", "web"])?.contains("pending-install"));
    world.start_operator()?;
    wait::until(LIMIT, "the second hook to run", || place.get("job", "web-after"))?;
    world.kill_operator();
    world.start_operator()?;
    let ready = place.until_ready("web")?;
    assert_eq!(ready["status"]["revision"], 1);
    let same = place.get("job", "web-before")?.context("the first hook's Job is gone")?;
    assert_eq!(same["metadata"]["uid"], job["metadata"]["uid"], "a finished hook does not run again");
    let history = place.helm(&["history", "web"])?;
    assert!(history.contains("deployed") && !history.contains("pending"), "{history}");
    Ok(())
}
