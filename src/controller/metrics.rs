//! What the operator counts and times, for Prometheus. Names say what is counted and in which unit; labels take few
//! values, and never the name of an object.

use std::fmt;
use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

/// All metrics of the operator. Families are cheap to clone and shared; one `Metrics` serves the whole process.
#[derive(Debug)]
pub struct Metrics {
    /// Reconciles that ended.
    pub reconciles: Family<Reconciled, Counter>,
    /// How long reconciles took.
    pub reconcile_duration: Family<Kind, Histogram>,
    /// Charts that were rendered.
    pub renders: Family<Outcome, Counter>,
    /// How long renders took.
    pub render_duration: Histogram,
    /// Objects that were applied.
    pub applies: Family<Outcome, Counter>,
    /// Objects that were repaired because something else had changed or deleted them.
    pub drift_repairs: Family<Cause, Counter>,
    /// From the event of a change to the repaired object.
    pub repair_duration: Histogram,
    /// Writing requests to the API server.
    pub api_writes: Family<Write, Counter>,
    /// Reads of repositories that ended.
    pub repository_syncs: Family<Sync, Counter>,
    /// How long reads of repositories took.
    pub repository_sync_duration: Histogram,
    /// 1 in the process that holds the lease, or the first shard, else 0.
    pub leader: Gauge,
    /// The shards of requests that the process works on.
    pub shards_held: Gauge,
    /// The other clusters that requests are deployed into.
    pub clusters: Gauge,
    /// Those of them that cannot be reached.
    pub clusters_away: Gauge,
    /// The registered clusters whose own requests are served.
    pub member_clusters: Gauge,
    registry: Registry,
}

/// Counts one in a gauge until it is dropped.
#[derive(Debug)]
#[must_use = "it counts only while it lives"]
pub struct Counted(Gauge);

impl Counted {
    /// One more.
    pub fn new(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// The kind of object that was reconciled, and how it ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Reconciled {
    /// `HelmRequest` or `ChartRepo`.
    pub kind: &'static str,
    /// `success` or `failure`.
    pub outcome: &'static str,
    /// The reason of the condition that it ended with.
    pub reason: &'static str,
}

/// A kind of object.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Kind {
    /// `HelmRequest` or `ChartRepo`.
    pub kind: &'static str,
}

/// How something ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Outcome {
    /// `success` or `failure`.
    pub outcome: &'static str,
}

/// Why an object had to be repaired.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Cause {
    /// A word of [`crate::cluster::observe::Cause`].
    pub cause: &'static str,
}

/// A kind of writing request.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Write {
    /// `apply`, `create`, `update`, `patch` or `delete`.
    pub verb: &'static str,
    /// What was written: `object`, `release`, `status`, `chart`, `event` or `lease`.
    pub target: &'static str,
}

/// How a read of a repository ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Sync {
    /// `changed`, `unchanged` or `failed`.
    pub outcome: &'static str,
    /// The reason of the repository's condition.
    pub reason: &'static str,
}

/// From milliseconds for what works in memory to minutes for what waits.
const BOUNDS: [f64; 14] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0, 300.0];

fn histogram() -> Histogram {
    Histogram::new(BOUNDS)
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Self {
            reconciles: Family::default(),
            reconcile_duration: Family::new_with_constructor(histogram),
            renders: Family::default(),
            render_duration: histogram(),
            applies: Family::default(),
            drift_repairs: Family::default(),
            repair_duration: histogram(),
            api_writes: Family::default(),
            repository_syncs: Family::default(),
            repository_sync_duration: histogram(),
            leader: Gauge::default(),
            shards_held: Gauge::default(),
            clusters: Gauge::default(),
            clusters_away: Gauge::default(),
            member_clusters: Gauge::default(),
            registry: Registry::with_prefix("coxswain"),
        };
        metrics.register();
        metrics
    }
}

impl Metrics {
    /// Counts a reconcile of an object of a kind.
    pub fn reconciled(&self, kind: &'static str, failed: bool, reason: &'static str, took: Duration) {
        let outcome = outcome(failed);
        self.reconciles.get_or_create(&Reconciled { kind, outcome, reason }).inc();
        self.reconcile_duration.get_or_create(&Kind { kind }).observe(took.as_secs_f64());
    }

    /// Counts a render.
    pub fn rendered(&self, failed: bool, took: Duration) {
        self.renders.get_or_create(&Outcome { outcome: outcome(failed) }).inc();
        self.render_duration.observe(took.as_secs_f64());
    }

    /// Counts an applied object.
    pub fn applied(&self, failed: bool) {
        self.applies.get_or_create(&Outcome { outcome: outcome(failed) }).inc();
    }

    /// Counts a repaired object, `took` after the event of the change.
    pub fn repaired(&self, cause: &'static str, took: Duration) {
        self.drift_repairs.get_or_create(&Cause { cause }).inc();
        self.repair_duration.observe(took.as_secs_f64());
    }

    /// Counts a writing request.
    pub fn wrote(&self, verb: &'static str, target: &'static str) {
        self.api_writes.get_or_create(&Write { verb, target }).inc();
    }

    /// Counts a read of a repository.
    pub fn repository_synced(&self, outcome: &'static str, reason: &'static str, took: Duration) {
        self.repository_syncs.get_or_create(&Sync { outcome, reason }).inc();
        self.repository_sync_duration.observe(took.as_secs_f64());
    }

    /// Says how many shards this process works on, and whether the first is among them.
    pub fn set_shards(&self, held: usize, holds_first: bool) {
        self.shards_held.set(i64::try_from(held).unwrap_or(i64::MAX));
        self.leader.set(i64::from(holds_first));
    }

    /// The metrics as OpenMetrics text.
    ///
    /// # Errors
    /// None with a text that only grows.
    pub fn encode(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        text::encode(&mut text, &self.registry)?;
        Ok(text)
    }

    fn register(&mut self) {
        let Self {
            reconciles,
            reconcile_duration,
            renders,
            render_duration,
            applies,
            drift_repairs,
            repair_duration,
            api_writes,
            repository_syncs,
            repository_sync_duration,
            leader,
            shards_held,
            clusters,
            clusters_away,
            member_clusters,
            registry,
        } = self;
        registry.register("reconciles", "Reconciles that ended", reconciles.clone());
        let help = "How long reconciles took";
        registry.register_with_unit("reconcile_duration", help, Unit::Seconds, reconcile_duration.clone());
        registry.register("renders", "Charts that were rendered", renders.clone());
        let help = "How long renders took";
        registry.register_with_unit("render_duration", help, Unit::Seconds, render_duration.clone());
        registry.register("applies", "Objects that were applied", applies.clone());
        let help = "Objects repaired after something else had changed or deleted them";
        registry.register("drift_repairs", help, drift_repairs.clone());
        let help = "From the event of a change to the repaired object";
        registry.register_with_unit("repair_duration", help, Unit::Seconds, repair_duration.clone());
        registry.register("api_writes", "Writing requests to the API server", api_writes.clone());
        registry.register("repository_syncs", "Reads of repositories that ended", repository_syncs.clone());
        let help = "How long reads of repositories took";
        registry.register_with_unit("repository_sync_duration", help, Unit::Seconds, repository_sync_duration.clone());
        registry.register(
            "leader",
            "1 in the process that holds the lease, or the first shard, else 0",
            leader.clone(),
        );
        registry.register("shards_held", "Shards of requests that the process works on", shards_held.clone());
        registry.register("clusters", "Other clusters that requests are deployed into", clusters.clone());
        registry.register("clusters_away", "Those of them that cannot be reached", clusters_away.clone());
        let help = "Registered clusters whose own requests are served";
        registry.register("member_clusters", help, member_clusters.clone());
    }
}

fn outcome(failed: bool) -> &'static str {
    if failed { "failure" } else { "success" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_what_is_counted_and_in_which_unit() -> fmt::Result {
        let metrics = Metrics::default();
        metrics.reconciled("HelmRequest", true, "ChartNotFound", Duration::from_millis(20));
        metrics.repaired("deletion", Duration::from_millis(3));
        metrics.repository_synced("unchanged", "Synced", Duration::from_millis(3));
        metrics.wrote("apply", "object");
        metrics.set_shards(2, true);
        let (_counted, uncounted) = (Counted::new(&metrics.clusters), Counted::new(&metrics.clusters));
        drop(uncounted);
        let text = metrics.encode().map_err(|_| fmt::Error)?;
        for line in [
            "coxswain_reconciles_total{kind=\"HelmRequest\",outcome=\"failure\",reason=\"ChartNotFound\"} 1",
            "coxswain_reconcile_duration_seconds_count{kind=\"HelmRequest\"} 1",
            "coxswain_drift_repairs_total{cause=\"deletion\"} 1",
            "coxswain_repair_duration_seconds_count 1",
            "coxswain_repository_syncs_total{outcome=\"unchanged\",reason=\"Synced\"} 1",
            "coxswain_api_writes_total{verb=\"apply\",target=\"object\"} 1",
            "coxswain_leader 1",
            "coxswain_shards_held 2",
            "coxswain_clusters 1",
            "coxswain_clusters_away 0",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
        Ok(())
    }
}
