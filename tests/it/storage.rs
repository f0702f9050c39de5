//! Release records: ours read by the `helm` command line, and its read by us.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result};
use coxswain::cluster::fence::{Epoch, Fence};
use coxswain::cluster::storage::{StorageError, Stored};
use coxswain::cluster::{ApiError, Cluster};
use coxswain::release::{Content, Omitted, Record, Revision, Status};
use jiff::Timestamp;
use serde_json::Value;

use crate::support::{charts, command, shared, wait};

const LIMIT: Duration = Duration::from_secs(60);

fn record(namespace: &str, revision: i64) -> Record {
    let content = Content { manifest: "---\n# Source: web/templates/x.yaml\nkind: X\n".into(), ..Content::default() };
    let mut record = Record::install("web", namespace, revision, content, Timestamp::now());
    record.complete();
    record
}

#[tokio::test]
async fn helm_lists_what_we_store_and_we_read_what_helm_stores() -> Result<()> {
    let (cluster, namespace) = (Cluster::from_client(shared().client().await?), shared().namespace("records").await?);
    let annotations = BTreeMap::from([("coxswain.dev/inputs".to_owned(), "abc".to_owned())]);
    let stored = cluster.create_record(&record(&namespace, 1), &annotations).await?;
    assert_eq!(stored.omitted, Omitted::Nothing);
    let again = cluster.create_record(&record(&namespace, 1), &annotations).await;
    assert!(matches!(again, Err(StorageError::Api { error: ApiError::AlreadyExists, .. })), "{again:?}");

    let listed = command::output(shared().helm().args(["list", "--namespace", &namespace, "-o", "json"]))?;
    let listed: Value = serde_json::from_str(&listed)?;
    assert_eq!((&listed[0]["name"], &listed[0]["status"]), (&Value::from("web"), &Value::from("deployed")));

    let chart = charts::folder("hello-0.1.0");
    command::output(shared().helm().args(["install", "greeter"]).arg(chart).args(["--namespace", &namespace]))?;
    let theirs = cluster.last_record(&namespace, "greeter").await?.context("no record of helm's")?;
    assert_eq!((theirs.info.status, theirs.version), (Status::Deployed, 1));
    assert!(theirs.manifest.contains("kind: Deployment"));
    assert!(cluster.record(&namespace, "greeter", 7).await?.is_none());
    Ok(())
}

#[tokio::test]
async fn the_history_is_told_by_metadata_and_pruned() -> Result<()> {
    let (cluster, namespace) = (Cluster::from_client(shared().client().await?), shared().namespace("history").await?);
    for revision in 1..=4 {
        cluster.create_record(&record(&namespace, revision), &BTreeMap::new()).await?;
    }
    for revision in 2..=4 {
        let mut old = record(&namespace, revision);
        old.supersede();
        cluster.update_record(&old, &BTreeMap::new(), None).await?;
    }
    let revisions: Vec<Revision> =
        cluster.revisions(&namespace, "web").await?.iter().map(|meta| meta.revision).collect();
    assert_eq!(revisions[0], Revision { number: 1, status: Status::Deployed });
    assert_eq!(revisions[3], Revision { number: 4, status: Status::Superseded });
    assert_eq!(cluster.prune_history(&namespace, "web", &revisions, 3).await?, [2, 3]);
    let left: Vec<i64> = cluster.revisions(&namespace, "web").await?.iter().map(|meta| meta.revision.number).collect();
    assert_eq!(left, [1, 4]);
    Ok(())
}

#[tokio::test]
async fn a_record_larger_than_a_secret_is_stored_in_parts() -> Result<()> {
    let (cluster, namespace) = (Cluster::from_client(shared().client().await?), shared().namespace("large").await?);
    let mut large = record(&namespace, 1);
    let mut state = 1_u64;
    // Noise that compression does not shrink below the limit.
    large.manifest = (0..400_000)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            format!("{:04x}", state >> 48)
        })
        .collect();
    cluster.create_record(&large, &BTreeMap::new()).await?;
    let back = cluster.record(&namespace, "web", 1).await?.context("no record")?;
    assert_eq!(back.manifest, large.manifest);
    large.manifest.push_str("more");
    cluster.update_record(&large, &BTreeMap::new(), None).await?;
    let back = cluster.record(&namespace, "web", 1).await?.context("no record")?;
    assert_eq!(back.manifest, large.manifest);
    assert_eq!(cluster.revisions(&namespace, "web").await?.len(), 1);

    cluster.delete_record(&namespace, "web", 1).await?;
    wait::until(LIMIT, "the parts to go", || {
        let mut kubectl = shared().kubectl();
        let left = command::output(kubectl.args(["get", "secrets", "--namespace", &namespace, "-o", "name"]))?;
        Ok(left.is_empty().then_some(()))
    })
}

#[tokio::test]
async fn a_record_of_a_later_holder_of_the_lease_is_not_written_over() -> Result<()> {
    let (cluster, namespace) = (Cluster::from_client(shared().client().await?), shared().namespace("epochs").await?);
    let in_epoch = |lease: &str, number| {
        let epoch = Epoch { lease: lease.to_owned(), number };
        cluster.fenced(Fence::open().branch(Some(epoch)))
    };
    let (older, later, other) = (in_epoch("coxswain-1", 4), in_epoch("coxswain-1", 5), in_epoch("coxswain-2", 0));
    let (record, notes) = (record(&namespace, 1), BTreeMap::new());
    let version = |stored: &Stored| stored.resource_version.parse::<u64>().ok();
    let created = version(&older.create_record(&record, &notes).await?);
    let taken_over = version(&later.update_record(&record, &notes, created).await?);
    for known in [created, None] {
        let refused = older.update_record(&record, &notes, known).await;
        assert!(matches!(refused, Err(StorageError::Api { error: ApiError::Fenced, .. })), "{refused:?}");
    }
    cluster.update_record(&record, &notes, None).await?;
    later.update_record(&record, &notes, taken_over).await.context("another writer is written over")?;
    other.update_record(&record, &notes, None).await.context("another lease has another count")?;
    Ok(())
}
