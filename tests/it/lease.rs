//! One active operator among its replicas.

use std::time::Duration;

use anyhow::Result;
use coxswain::cluster::Cluster;
use coxswain::cluster::lease::{Claim, LeaseOptions};
use tokio::time::timeout;

use crate::support::shared;

const LIMIT: Duration = Duration::from_secs(20);

#[tokio::test]
async fn of_two_replicas_one_acts_and_the_other_follows_when_it_leaves() -> Result<()> {
    let (cluster, namespace) = (Cluster::from_client(shared().client().await?), shared().namespace("lease").await?);
    let options = |identity: &str| LeaseOptions {
        retry_period: Duration::from_millis(200),
        ..LeaseOptions::new(&namespace, "coxswain", identity)
    };
    let first = cluster.stand_for(options("first"));
    timeout(LIMIT, first.claim().wait_for(|claim| *claim == Claim::Held)).await??;
    let second = cluster.stand_for(options("second"));
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!((*first.claim().borrow(), *second.claim().borrow()), (Claim::Held, Claim::Waiting));

    let left = std::time::Instant::now();
    first.release().await;
    timeout(LIMIT, second.claim().wait_for(|claim| *claim == Claim::Held)).await??;
    assert!(left.elapsed() < Duration::from_secs(5), "the lease was not given up: {:?}", left.elapsed());
    second.release().await;
    Ok(())
}
