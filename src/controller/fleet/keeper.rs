//! Whether a cluster can be reached, found out once for all its requests: by the watch of its release records, and while
//! that fails by one small request now and then. Requests of a cluster that is away send nothing, and are woken when it
//! is back.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::ListParams;
use tokio::sync::{Notify, watch};

use super::seat::Standing;
use crate::api::Reason;
use crate::cluster::ApiError;
use crate::cluster::records::ReleaseKey;
use crate::controller::autoscalers;
use crate::controller::backoff::pause;
use crate::controller::context::Context;
use crate::controller::failure::Failure;
use crate::controller::metrics::Counted;

/// The longest pause between looks at a cluster that is away.
const LONGEST: Duration = Duration::from_secs(30);

/// What others tell the keeper.
#[derive(Clone, Default)]
pub(super) struct Signals {
    /// Something failed as if the cluster could not be reached.
    pub(super) doubts: Arc<Notify>,
    /// It may be reached now: its credentials are others.
    pub(super) hope: Arc<Notify>,
    /// Another operator may have written records there that have not been seen.
    pub(super) anew: Arc<Notify>,
}

/// Keeps the records of a cluster and whether it can be reached.
pub(super) struct Keeper<W, C> {
    pub(super) context: Arc<Context>,
    pub(super) name: Arc<str>,
    pub(super) standing: Arc<watch::Sender<Standing>>,
    pub(super) signals: Signals,
    /// Completes as soon as the autoscalers are known.
    pub(super) autoscalers: watch::Receiver<bool>,
    /// Wakes all requests of the cluster.
    pub(super) wake: W,
    /// Wakes the requests of a release that somebody else has changed.
    pub(super) changed: C,
}

/// Why the records have to be listed again.
enum End {
    /// The cluster cannot be reached.
    Away(Failure),
    /// What is known may lag behind.
    Anew,
}

impl<W: Fn() + Send + Sync, C: Fn(&ReleaseKey) + Send + Sync> Keeper<W, C> {
    /// Keeps for ever.
    pub(super) async fn run(self) {
        loop {
            if let End::Away(failure) = self.follow().await {
                self.wait_for_return(failure).await;
            }
            self.standing.send_replace(Standing::Connecting);
        }
    }

    /// Follows the records until they have to be listed again.
    async fn follow(&self) -> End {
        let cluster = self.context.cluster();
        let mut changes = pin!(self.context.records.watch(&cluster.client(), cluster.scope()));
        loop {
            tokio::select! {
                change = changes.next() => match change {
                    Some(Ok(Some(release))) => (self.changed)(&release),
                    Some(Ok(None)) => {
                        autoscalers::known(self.autoscalers.clone()).await;
                        if self.tell(Standing::Reached) {
                            tracing::info!(cluster = &*self.name, "a cluster can be reached");
                        }
                    }
                    Some(Err(error)) if is_refusal(&error) => return End::Away(self.failure(&error)),
                    Some(Err(_)) => if let Err(failure) = self.probe().await { return End::Away(failure) },
                    None => std::future::pending().await,
                },
                () = self.signals.doubts.notified() => {
                    if let Err(failure) = self.probe().await {
                        return End::Away(failure);
                    }
                }
                () = self.signals.anew.notified() => return End::Anew,
            }
        }
    }

    /// Looks now and then whether the cluster can be reached again.
    async fn wait_for_return(&self, failure: Failure) {
        let _counted = Counted::new(&self.context.metrics.clusters_away);
        let mut last = failure;
        let mut failures = 1;
        loop {
            if self.tell(Standing::Away(last.clone())) {
                tracing::warn!(
                    cluster = &*self.name, reason = %last.reason, message = last.message, "a cluster cannot be reached"
                );
            }
            let waited = tokio::time::timeout(pause(failures).min(LONGEST), self.signals.hope.notified()).await;
            match self.probe().await {
                Ok(()) => return,
                // Other words for the same are no news to all its requests.
                Err(failure) if failure.reason != last.reason => last = failure,
                Err(_) => {}
            }
            failures = if waited.is_ok() { 1 } else { failures.saturating_add(1) };
        }
    }

    /// Sets how it stands; whom it concerns is woken where that is news.
    fn tell(&self, standing: Standing) -> bool {
        let is_news = self.standing.send_if_modified(|told| {
            let is_news = *told != standing;
            *told = standing;
            is_news
        });
        if is_news {
            (self.wake)();
        }
        is_news
    }

    /// Asks for one release record.
    async fn probe(&self) -> Result<(), Failure> {
        let records: Api<Secret> = Api::all(self.context.cluster().client());
        let one = ListParams::default().labels("owner=helm").limit(1);
        let asked = records.list_metadata(&one).await.map_err(ApiError::from);
        asked.map(drop).map_err(|error| self.failure(&error))
    }

    fn failure(&self, error: &ApiError) -> Failure {
        failure(&self.name, error)
    }
}

/// Whether only somebody's doing changes the answer.
fn is_refusal(error: &ApiError) -> bool {
    matches!(error, ApiError::Forbidden { .. } | ApiError::Unauthorized)
}

/// Why a cluster cannot be reached.
fn failure(name: &str, error: &ApiError) -> Failure {
    let (reason, next) = match error {
        ApiError::Unauthorized => {
            (Reason::AuthenticationRequired, "store a valid token or kubeconfig in the Secret of the Cluster")
        }
        ApiError::Forbidden { .. } => (Reason::PermissionDenied, "grant the right in that cluster"),
        ApiError::Transport { message, .. } if message.contains("certificate") => (
            Reason::TLSNotTrusted,
            "store the authority of that API server in caBundle of the Cluster or ca.crt of its Secret",
        ),
        _ => (Reason::ClusterUnreachable, "it is looked at again and again"),
    };
    Failure::new(reason, format!("cluster {name:?}: {error}; {next}")).away()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn why_a_cluster_is_away_has_a_reason_of_its_own() {
        let transport = |message: &str| ApiError::Transport { message: message.into(), sent: false };
        let table = [
            (ApiError::Unauthorized, Reason::AuthenticationRequired),
            (transport("invalid peer certificate: UnknownIssuer"), Reason::TLSNotTrusted),
            (transport("Connection refused"), Reason::ClusterUnreachable),
            (ApiError::Timeout { seconds: 30 }, Reason::ClusterUnreachable),
        ];
        for (error, expected) in table {
            let failure = failure("east", &error);
            assert!(failure.reason == expected && failure.away, "{failure:?}");
            assert!(failure.message.starts_with("cluster \"east\": "), "{}", failure.message);
        }
    }
}
