//! A replica that shares the requests and is told to end gives its share to the others at once.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;

use crate::support::wait;
use crate::world::{LIMIT, World};

const SHARDS: u16 = 4;
/// A lease that its holder does not renew any more is taken after ten seconds, one that is given up is taken before.
const AT_ONCE: Duration = Duration::from_secs(7);

/// How many shards a replica holds, as the Lease objects say.
fn held_by(world: &World, replica: &str) -> Result<usize> {
    let leases = world.cluster.objects().list(Some("captain-system"), "leases.coordination.k8s.io", "")?;
    let is_shard = |name: &str| name.strip_prefix("coxswain-").is_some_and(|shard| shard.parse::<u16>().is_ok());
    let held = leases.iter().filter(|lease| lease["metadata"]["name"].as_str().is_some_and(is_shard));
    Ok(held.filter(|lease| lease["spec"]["holderIdentity"] == replica).count())
}

fn until_held(world: &World, limit: Duration, replica: &str, count: usize) -> Result<()> {
    let what = format!("{replica} to hold {count} shards");
    wait::until(limit, &what, || Ok((held_by(world, replica)? == count).then_some(())))
}

#[tokio::test]
async fn a_replica_that_is_told_to_end_hands_its_shards_over_at_once() -> Result<()> {
    let world = World::start_idle()?;
    let [first_proxy, second_proxy] = [world.proxy()?, world.proxy()?];
    let first = world.start_sharing(&first_proxy, "a", SHARDS)?;
    let second = world.start_sharing(&second_proxy, "b", SHARDS)?;
    until_held(&world, LIMIT, "a", 2)?;
    until_held(&world, LIMIT, "b", 2)?;
    let place = world.place("farewell", &["hello-0.1.0"]).await?;
    let names = ["one", "two", "three", "four", "five", "six"];
    for name in names {
        place.apply(&place.request(name, json!({"chart": "charts/hello", "version": "0.1.0"})))?;
    }
    for name in names {
        place.until_ready(name)?;
    }

    first.terminate(LIMIT)?;
    until_held(&world, AT_ONCE, "b", usize::from(SHARDS))?;
    // The one that is left serves what the other did.
    for name in names {
        place.merge("helmrequest", name, &json!({"spec": {"values": {"message": "again"}}}))?;
    }
    for name in names {
        let ready = place.until_ready(name)?;
        ensure!(ready["status"]["revision"] == 2, "{ready}");
    }
    let metrics = second.metrics()?;
    metrics.contains("coxswain_shards_held 4").then_some(()).context(metrics)
}
