//! The shards that come and go: before work on one begins, the caches have to know what its last holder wrote; when one
//! has gone, what was remembered of its requests is of no use.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::channel::mpsc::{UnboundedReceiver, UnboundedSender};
use futures::{FutureExt, StreamExt, TryStreamExt};
use kube::api::{ListParams, PartialObjectMeta};
use kube::runtime::reflector::ObjectRef;
use kube::{Client, ResourceExt};
use tokio::time::{Instant, sleep};

use super::context::Context;
use super::metrics::Metrics;
use crate::api::HelmRequest;
use crate::cluster::ApiError;
use crate::cluster::pages::metadata_pages;
use crate::cluster::shards::{Change, FIRST_SHARD, Shards, shard_of};

/// The requests of one page of a list.
const PAGE: u32 = 500;
/// How long the watch of requests may lag behind a list; the longest that a request's old status can be taken for new.
const LAG: Duration = Duration::from_secs(10);
/// The pause between looks at what the watch has told, and between attempts to list.
const PAUSE: Duration = Duration::from_millis(50);

/// Follows the changes of the shards. Called when every cache has had its first list.
pub(super) async fn follow(
    changes: UnboundedReceiver<Change>,
    client: Client,
    context: Arc<Context>,
    triggers: UnboundedSender<ObjectRef<HelmRequest>>,
) {
    let mut changes = changes;
    while let Some(first) = changes.next().await {
        // What came at the same time needs one look only.
        let mut taken = Vec::new();
        for change in std::iter::once(first).chain(std::iter::from_fn(|| changes.next().now_or_never().flatten())) {
            match change {
                Change::Taken { shard, epoch } => taken.push((shard, epoch)),
                Change::Left { shard } => {
                    taken.retain(|(other, _)| *other != shard);
                    context.forget_shard(shard);
                    context.fleet.forget_shard(shard);
                }
            }
        }
        tell(&context.shards, &context.metrics);
        if taken.is_empty() {
            continue;
        }
        context.fleet.list_anew();
        catch_up(&client, &context, &taken).await;
        for (shard, epoch) in &taken {
            context.shards.begin(*shard, *epoch);
        }
        tell(&context.shards, &context.metrics);
        for request in context.matching_requests(|request| is_of(request, &context.shards, &taken)) {
            let _ = triggers.unbounded_send(request);
        }
    }
}

/// Tells the metrics what is held.
pub(super) fn tell(shards: &Shards, metrics: &Metrics) {
    metrics.set_shards(shards.held(), shards.works_on(FIRST_SHARD));
}

/// Waits until the caches know everything that was written before now. Where the API server cannot be asked, work would
/// be in vain anyway.
async fn catch_up(client: &Client, context: &Context, taken: &[(u16, i64)]) {
    loop {
        let read = async {
            context.records.catch_up(client, context.cluster().scope()).await?;
            wait_for_requests(client, context, taken).await
        };
        match read.await {
            Ok(()) => return,
            Err(error) => tracing::warn!(%error, "what the last holder of a shard wrote could not be read"),
        }
        sleep(PAUSE * 20).await;
    }
}

/// Waits until the watch has shown each request of the shards as it is now.
async fn wait_for_requests(client: &Client, context: &Context, taken: &[(u16, i64)]) -> Result<(), ApiError> {
    let deadline = Instant::now() + LAG;
    for api in context.cluster().scope().typed::<HelmRequest>(client) {
        let mut pages = pin!(metadata_pages(&api, ListParams::default().limit(PAGE)));
        while let Some(page) = pages.try_next().await? {
            for item in &page {
                while lags(context, taken, item) && Instant::now() < deadline {
                    sleep(PAUSE).await;
                }
            }
        }
    }
    Ok(())
}

/// Whether a request is of the shards, and the watch has not shown it yet as it is listed.
fn lags(context: &Context, taken: &[(u16, i64)], listed: &PartialObjectMeta<HelmRequest>) -> bool {
    let (namespace, name) = (listed.namespace().unwrap_or_default(), listed.name_any());
    let shard = shard_of(&namespace, &name, context.shards.count());
    let known = context.request(&ObjectRef::new(&name).within(&namespace));
    let is_old = known.is_none_or(|known| version(known.resource_version()) < version(listed.resource_version()));
    is_old && taken.iter().any(|(other, _)| *other == shard)
}

fn version(text: Option<String>) -> u64 {
    text.and_then(|text| text.parse().ok()).unwrap_or(0)
}

fn is_of(request: &HelmRequest, shards: &Shards, taken: &[(u16, i64)]) -> bool {
    let shard = shard_of(&request.namespace().unwrap_or_default(), &request.name_any(), shards.count());
    taken.iter().any(|(other, _)| *other == shard)
}
