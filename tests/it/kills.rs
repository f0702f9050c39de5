//! The operator killed by SIGKILL at random moments while many releases are installed and upgraded at once.
//!
//! `COXSWAIN_KILLS_RELEASES` sets how many releases there are (each is installed and upgraded three times), and
//! `COXSWAIN_KILLS_SEED` repeats the moments of an earlier run, which are printed.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use serde_json::json;

use crate::faults::Cluster;
use crate::support::chance::{Chance, number};
use crate::support::proxy::Proxy;
use crate::support::wait;
use crate::world::{Place, World};

/// How many releases there are by default, and how many operations each has.
const RELEASES: usize = 3;
const TURNS: usize = 4;
/// How often the operator is killed at most, for each release: on a busy machine it would else never get far.
const KILLS: usize = 3;
/// How long everything may take, for each release.
const LIMIT: Duration = Duration::from_secs(30);
/// The operator lives that many milliseconds, at least and at most, once it is ready.
const LIFE: (u64, u64) = (50, 1_500);

/// A release, and how many of its operations are done.
struct Release<'a> {
    place: Place<'a>,
    turn: usize,
}

impl Release<'_> {
    /// Asks for the operation of the present turn.
    fn begin(&self) -> Result<()> {
        let values = json!({"extra": format!("turn-{}", self.turn), "runFor": format!("{}s", self.turn % 2)});
        self.place.apply(&self.place.request("web", json!({"chart": "charts/hooks", "values": values})))
    }

    /// The operation of the present turn has ended as it must.
    fn has_ended(&self, cluster: &Cluster) -> Result<()> {
        let mut revisions = vec!["superseded"; self.turn];
        revisions.push("deployed");
        cluster.shows_of(&self.place, "Synced", &revisions)
    }

    /// Every object is as declared, nothing else is left, and every hook ran once for each operation.
    fn is_undisturbed(&self, proxy: &Proxy) -> Result<()> {
        let namespace = &self.place.namespace;
        for (job, expected) in [("web-before", TURNS), ("web-after", 1), ("web-leave", 0), ("web-test", 0)] {
            let ran = proxy.jobs(namespace, job);
            ensure!(ran == expected, "{job} ran {ran} times instead of {expected} in {namespace}");
        }
        let names = |kind: &str| -> Result<Vec<String>> {
            let found = self.place.world.cluster.objects().list_metadata(Some(namespace), kind, "")?;
            let names = found.iter().filter_map(|object| object["metadata"]["name"].as_str());
            Ok(names.filter(|name| !["kube-root-ca.crt", "default"].contains(name)).map(str::to_owned).collect())
        };
        let last = format!("web-turn-{}", TURNS - 1);
        let (maps, accounts) = (names("configmap")?, names("serviceaccount")?);
        ensure!(maps == ["web", &last] && accounts.is_empty(), "{maps:?} and {accounts:?} in {namespace}");
        let map = self.place.get("configmap", "web")?.context("the object of the release")?;
        let revision = map["data"]["revision"].as_str().and_then(|revision| revision.parse().ok());
        ensure!(revision == Some(TURNS), "{map}");
        let history = self.place.helm(&["history", "web"])?;
        ensure!(!history.contains("pending") && !history.contains("failed"), "{history}");
        Ok(())
    }
}

/// Kills the operator and starts it again until everything is done, that often at most; gives how often.
fn kill_until(done: &AtomicBool, world: &World, mut chance: Chance, most: usize) -> Result<usize> {
    for kills in 0..most {
        sleep(Duration::from_millis(LIFE.0 + chance.below(LIFE.1 - LIFE.0)));
        if done.load(Ordering::Relaxed) {
            return Ok(kills);
        }
        world.kill_operator();
        world.start_operator()?;
    }
    Ok(most)
}

/// Begins the next operation of each release when the one before has ended, until all have.
fn drive(world: &World, releases: &mut [Release<'_>]) -> Result<()> {
    let limit = LIMIT * u32::try_from(releases.len())?;
    let waited = wait::until(limit, "every operation to end", || {
        let cluster = Cluster::read(world)?;
        for release in releases.iter_mut().filter(|release| release.turn < TURNS) {
            if release.has_ended(&cluster).is_ok() {
                release.turn += 1;
                if release.turn < TURNS {
                    release.begin()?;
                }
            }
        }
        Ok(releases.iter().all(|release| release.turn == TURNS).then_some(()))
    });
    if waited.is_err() {
        let cluster = Cluster::read(world)?;
        releases.iter().filter(|release| release.turn < TURNS).try_for_each(|release| release.has_ended(&cluster))?;
    }
    waited
}

#[tokio::test]
async fn kills_at_random_moments_change_nothing_of_what_comes_out() -> Result<()> {
    let releases =
        number("COXSWAIN_KILLS_RELEASES").and_then(|number| usize::try_from(number).ok()).unwrap_or(RELEASES);
    let chance = Chance::seeded("COXSWAIN_KILLS_SEED");
    println!("COXSWAIN_KILLS_RELEASES={releases}");
    let (world, proxy) = World::start_proxied()?;
    let mut lives = Vec::new();
    for _ in 0..releases {
        lives.push(Release { place: world.place("random", &["hooks"]).await?, turn: 0 });
    }
    lives.iter().try_for_each(Release::begin)?;

    let (done, began) = (AtomicBool::new(false), Instant::now());
    let (ended, kills) = scope(|threads| {
        let killer = threads.spawn(|| kill_until(&done, &world, chance, KILLS * releases));
        let ended = drive(&world, &mut lives);
        done.store(true, Ordering::Relaxed);
        (ended, killer.join())
    });
    ended?;
    let kills = kills.map_err(|_| anyhow!("the killing thread panicked"))??;
    println!("{} operations with {kills} kills took {:?}", releases * TURNS, began.elapsed());
    ensure!(kills * 2 >= releases, "only {kills} kills");
    lives.iter().try_for_each(|release| release.is_undisturbed(&proxy))
}
