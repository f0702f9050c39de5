//! A namespace whose objects' statuses are rewritten all the time costs next to nothing and delays no one.
//!
//! `COXSWAIN_CHURN_SECONDS` makes a measurement of it: 200 Deployments, ten times a second or as often as the API server
//! can; what that costs the operator is printed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use k8s_openapi::api::apps::v1::Deployment;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::support::chance::number;
use crate::world::{Place, World};

/// How many Deployments a release has.
const EACH: u64 = 20;
/// How many writers there are.
const WRITERS: u64 = 20;
/// How often each Deployment is to be rewritten a second.
const OFTEN: u64 = 10;

fn deployment(name: &str) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
        "spec": {"replicas": 0, "selector": {"matchLabels": {"app": name}}, "template": {
            "metadata": {"labels": {"app": name}},
            "spec": {"containers": [{"name": "app", "image": "example.org/app:1", "ports": [{"containerPort": 80}],
                "env": [{"name": "COLOR", "value": "green"}], "resources": {"requests": {"cpu": "10m", "memory": "10Mi"}}}]},
        }},
    })
}

fn ask(place: &Place<'_>, name: &str, objects: &[Value]) -> Result<()> {
    place.apply(&place.request(name, json!({"chart": "charts/objects", "values": {"objects": objects}})))
}

/// Rewrites the statuses of a share of the Deployments until it is told to stop.
async fn rewrite(maps: Api<Deployment>, names: Vec<String>, stop: Arc<AtomicBool>, written: Arc<AtomicU64>) {
    let round = Duration::from_millis(1_000 / OFTEN);
    for turn in 1.. {
        let began = Instant::now();
        for name in &names {
            if stop.load(Ordering::Relaxed) {
                return;
            }
            // Nobody sets this back, and health does not depend on it.
            let status = Patch::Merge(json!({"status": {"collisionCount": turn}}));
            if maps.patch_status(name, &PatchParams::default(), &status).await.is_ok() {
                written.fetch_add(1, Ordering::Relaxed);
            }
        }
        tokio::time::sleep(round.saturating_sub(began.elapsed())).await;
    }
}

/// How long it takes until a deleted object is there again.
fn repair(place: &Place<'_>) -> Result<Duration> {
    let uid = |place: &Place<'_>| {
        Ok::<_, anyhow::Error>(place.get("configmap", "calm")?.map(|map| map["metadata"]["uid"].clone()))
    };
    let before = uid(place)?.context("the object")?;
    let began = Instant::now();
    place.delete("configmap", "calm")?;
    place.until("configmap", "calm", "the repair", |live| live["metadata"]["uid"] != before)?;
    Ok(began.elapsed())
}

#[tokio::test(flavor = "multi_thread")]
async fn statuses_that_are_rewritten_all_the_time_lead_to_nothing() -> Result<()> {
    let measured = number("COXSWAIN_CHURN_SECONDS");
    let releases = if measured.is_some() { 10 } else { 1 };
    let world = World::start()?;
    let (busy, calm) = (world.place("busy", &["objects"]).await?, world.place("calm", &["objects"]).await?);
    ask(&calm, "calm", &[json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "calm"}})])?;
    calm.until_ready("calm")?;
    let names = |release: u64| (0..EACH).map(move |number| format!("d{release}-{number}"));
    for release in 0..releases {
        ask(&busy, &format!("r{release}"), &names(release).map(|name| deployment(&name)).collect::<Vec<_>>())?;
    }
    for release in 0..releases {
        busy.until_ready(&format!("r{release}"))?;
    }
    tokio::time::sleep(Duration::from_secs(2)).await;

    let (stop, written) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let all: Vec<String> = (0..releases).flat_map(names).collect();
    let mut writers = JoinSet::new();
    for names in all.chunks(all.len() / usize::try_from(WRITERS)?) {
        let maps = Api::namespaced(world.cluster.client().await?, &busy.namespace);
        writers.spawn(rewrite(maps, names.to_vec(), Arc::clone(&stop), Arc::clone(&written)));
    }
    let mark = world.cluster.audit_mark()?;
    let (began, cpu) = (Instant::now(), world.cpu()?);
    let time = Duration::from_secs(measured.unwrap_or(2));
    let mut repairs = vec![repair(&calm)?];
    while began.elapsed() < time {
        tokio::time::sleep(Duration::from_millis(500)).await;
        repairs.push(repair(&calm)?);
    }
    let (took, used) = (began.elapsed(), world.cpu()? - cpu);
    stop.store(true, Ordering::Relaxed);
    while writers.join_next().await.is_some() {}
    repairs.sort();
    let rate = written.load(Ordering::Relaxed) as f64 / took.as_secs_f64();
    let share = used.as_secs_f64() / took.as_secs_f64() * 100.0;
    println!("{rate:.0} statuses a second for {took:?}: {share:.1} % of a core; repairs of others took {repairs:?}");

    tokio::time::sleep(Duration::from_secs(1)).await;
    let asked = mark.requests()?.into_iter().filter(|request| {
        request.user == "system:serviceaccount:captain-system:coxswain" && request.namespace == busy.namespace
    });
    assert_eq!(asked.collect::<Vec<_>>(), [], "they are no news");
    Ok(())
}
