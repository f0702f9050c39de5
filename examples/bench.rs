//! How fast and how small the operator is, next to a bare client that sends only the same writes.
//!
//! `make bench` runs it; `RELEASES=1000 make bench` with more releases. Everything runs on one machine, the API server
//! included, so the ratio of two columns says more than either.

#[path = "../tests/support/mod.rs"]
mod support;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use coxswain::api::HelmRequest;
use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::{Client, ResourceExt};
use serde_json::{Value, json};

use support::{ChartServer, ControlPlane, Operator, Options, charts, command, folder::Folder, wait};

const LIMIT: Duration = Duration::from_secs(900);
/// How many releases are worked on at the same time, by the operator and by the bare client.
const PARALLEL: usize = 16;
/// How many repairs are timed.
const REPAIRS: usize = 100;

#[tokio::main]
async fn main() -> Result<()> {
    rustls::crypto::ring::default_provider().install_default().ok().context("TLS is set up twice")?;
    let releases = std::env::var("RELEASES").ok().and_then(|text| text.parse().ok()).unwrap_or(100);
    let bench = Bench::start(releases)?;
    let client = bench.cluster.client().await?;
    let bare = bench.bare(&client).await?;
    println!("bare client    {releases} releases, 7 writes each: {:.1} s", bare.as_secs_f64());
    let operator = bench.operator()?;
    let installed = bench.install(&client, &operator, bare).await?;
    println!("{installed}");
    println!("{}", bench.repair(&client).await?);
    let operator = bench.restart(operator)?;
    bench.uninstall(&client).await?;
    drop(operator);
    Ok(())
}

struct Bench {
    releases: usize,
    server: ChartServer,
    _charts: Folder,
    cluster: ControlPlane,
}

impl Bench {
    fn start(releases: usize) -> Result<Self> {
        let cluster = ControlPlane::start(Options::default())?;
        let folder = Folder::new("bench")?;
        charts::repository(&[charts::folder("hello-0.1.0")], folder.path())?;
        let server = ChartServer::start(folder.path())?;
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/install.yaml");
        command::output(cluster.kubectl().args(["apply", "--server-side", "-f"]).arg(manifest))?;
        for namespace in ["bench", "bare"] {
            command::output(cluster.kubectl().args(["create", "namespace", namespace]))?;
        }
        Ok(Self { releases, server, _charts: folder, cluster })
    }

    fn operator(&self) -> Result<Operator> {
        let rights = self.cluster.service_account_kubeconfig("captain-system", "coxswain")?;
        Operator::start(&self.cluster, &rights, &["--leader-election=false"])
    }

    /// The same writes as an install, with nothing around them: the record, four objects, the record again, a status.
    async fn bare(&self, client: &Client) -> Result<Duration> {
        let record = self.record_text()?;
        let began = Instant::now();
        stream::iter(0..self.releases)
            .map(|number| bare_release(client.clone(), number, record.clone()))
            .buffer_unordered(PARALLEL)
            .try_collect::<Vec<()>>()
            .await?;
        Ok(began.elapsed())
    }

    /// A text of the size that a record of the chart has.
    fn record_text(&self) -> Result<String> {
        let chart = charts::folder("hello-0.1.0");
        let args = ["install", "size", "-n", "bare"];
        command::output(self.cluster.helm().args(args).arg(chart))?;
        let get = ["get", "secret", "-n", "bare", "-l", "owner=helm", "-o", "jsonpath={.items[0].data.release}"];
        let text = command::output(self.cluster.kubectl().args(get))?;
        command::output(self.cluster.helm().args(["uninstall", "size", "-n", "bare"]))?;
        Ok(text)
    }

    async fn install(&self, client: &Client, operator: &Operator, bare: Duration) -> Result<String> {
        let repository = json!({
            "apiVersion": "app.alauda.io/v1beta1", "kind": "ChartRepo",
            "metadata": {"name": "charts", "namespace": "bench"}, "spec": {"url": self.server.url()},
        });
        let path = self.cluster.folder().join("repository.json");
        std::fs::write(&path, repository.to_string())?;
        command::output(self.cluster.kubectl().args(["apply", "-f"]).arg(&path))?;
        let requests: Api<HelmRequest> = Api::namespaced(client.clone(), "bench");
        let mark = self.cluster.audit_mark()?;
        let cpu = operator.cpu()?;
        let began = Instant::now();
        stream::iter(0..self.releases)
            .map(|number| create_request(requests.clone(), number))
            .buffer_unordered(PARALLEL)
            .try_collect::<Vec<()>>()
            .await?;
        let synced = self.until(&requests, "every request to be synced", |request| phase(request) == "Synced").await?;
        let ready = self.until(&requests, "every request to be ready", is_ready).await?;
        let _ = (synced, ready);
        let took = began.elapsed();
        tokio::time::sleep(Duration::from_secs(2)).await;
        let mut verbs: BTreeMap<String, usize> = BTreeMap::new();
        for request in mark.requests()? {
            if request.user.ends_with("captain-system:coxswain") && request.verb != "watch" {
                *verbs.entry(format!("{} {}", request.verb, request.resource)).or_default() += 1;
            }
        }
        let total: usize = verbs.values().sum();
        let cpu = operator.cpu()? - cpu;
        Ok(format!(
            "operator       {} releases installed and ready: {:.1} s, {:.2} times the bare client; {:.1} s of CPU; \
             {:.1} MiB peak, {:.1} MiB now; {:.1} requests a release: {verbs:?}",
            self.releases,
            took.as_secs_f64(),
            took.as_secs_f64() / bare.as_secs_f64(),
            cpu.as_secs_f64(),
            operator.memory("VmHWM")?,
            operator.memory("VmRSS")?,
            total as f64 / self.releases as f64,
        ))
    }

    async fn until(
        &self,
        requests: &Api<HelmRequest>,
        what: &str,
        holds: impl Fn(&HelmRequest) -> bool,
    ) -> Result<Duration> {
        let began = Instant::now();
        wait::until_async(LIMIT, what, || async {
            tokio::time::sleep(Duration::from_millis(250)).await;
            let list = requests.list(&ListParams::default()).await?;
            Ok(list.items.iter().all(&holds).then_some(()))
        })
        .await?;
        Ok(began.elapsed())
    }

    async fn repair(&self, client: &Client) -> Result<String> {
        let config_maps: Api<ConfigMap> = Api::namespaced(client.clone(), "bench");
        let mut times = Vec::new();
        for number in 0..REPAIRS.min(self.releases) {
            let name = format!("r{number}-hello");
            config_maps.delete(&name, &DeleteParams::default()).await?;
            let began = Instant::now();
            while config_maps.get_opt(&name).await?.is_none() {
                tokio::time::sleep(Duration::from_millis(2)).await;
                anyhow::ensure!(began.elapsed() < LIMIT, "{name} does not come back");
            }
            times.push(began.elapsed());
        }
        times.sort();
        let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_millis();
        Ok(format!(
            "repair         of {} deleted objects: median {} ms, 99th percentile {} ms",
            times.len(),
            at(0.5),
            at(0.99)
        ))
    }

    fn restart(&self, operator: Operator) -> Result<Operator> {
        operator.kill();
        let mark = self.cluster.audit_mark()?;
        let began = Instant::now();
        let operator = self.operator()?;
        let ready = began.elapsed();
        std::thread::sleep(Duration::from_secs(5));
        let own = |request: &support::audit::Request| request.user.ends_with("captain-system:coxswain");
        let writes = mark.requests()?.iter().filter(|request| own(request) && request.writes()).count();
        println!(
            "restart        ready in {:.1} s, {writes} writes, {:.1} MiB",
            ready.as_secs_f64(),
            operator.memory("VmRSS")?
        );
        Ok(operator)
    }

    async fn uninstall(&self, client: &Client) -> Result<()> {
        let requests: Api<HelmRequest> = Api::namespaced(client.clone(), "bench");
        let began = Instant::now();
        requests.delete_collection(&DeleteParams::default(), &ListParams::default()).await?;
        self.until(&requests, "every request to go", |_| false).await?;
        println!("uninstall      of all: {:.1} s", began.elapsed().as_secs_f64());
        Ok(())
    }
}

async fn create_request(requests: Api<HelmRequest>, number: usize) -> Result<()> {
    let request: HelmRequest = serde_json::from_value(json!({
        "apiVersion": "app.alauda.io/v1", "kind": "HelmRequest", "metadata": {"name": format!("r{number}")},
        "spec": {"chart": "charts/hello", "version": "0.1.0"},
    }))?;
    requests.create(&PostParams::default(), &request).await?;
    Ok(())
}

fn phase(request: &HelmRequest) -> &'static str {
    request.status.as_ref().and_then(|status| status.phase).map_or("", |phase| phase.as_str())
}

fn is_ready(request: &HelmRequest) -> bool {
    use coxswain::api::conditions::{ConditionType, is_true};
    request.status.as_ref().is_some_and(|status| is_true(&status.conditions, ConditionType::Ready))
}

async fn bare_release(client: Client, number: usize, record: String) -> Result<()> {
    let secrets: Api<Secret> = Api::namespaced(client.clone(), "bare");
    let name = format!("record-{number}");
    let secret: Secret = serde_json::from_value(json!({"metadata": {"name": name}, "data": {"release": record}}))?;
    secrets.create(&PostParams::default(), &secret).await?;
    for object in objects(number) {
        apply(&client, &object).await?;
    }
    secrets.replace(&name, &PostParams::default(), &secret).await?;
    let status = json!({"metadata": {"annotations": {"status": "deployed"}}});
    secrets.patch(&name, &PatchParams::default(), &Patch::Merge(&status)).await?;
    Ok(())
}

async fn apply(client: &Client, object: &Value) -> Result<()> {
    let word = |name: &str| object[name].as_str().unwrap_or_default();
    let (group, version) = word("apiVersion").split_once('/').unwrap_or(("", word("apiVersion")));
    let kind = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, word("kind")));
    let object: DynamicObject = serde_json::from_value(object.clone())?;
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), "bare", &kind);
    api.patch(&object.name_any(), &PatchParams::apply("helm").force(), &Patch::Apply(&object)).await?;
    Ok(())
}

/// Four objects like those of the chart.
fn objects(number: usize) -> [Value; 4] {
    let name = format!("r{number}-hello");
    let labels = json!({"app.kubernetes.io/name": "hello", "app.kubernetes.io/instance": name});
    let metadata = json!({"name": name, "labels": labels});
    [
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}),
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"message": "hello"}}),
        json!({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {
            "selector": labels, "ports": [{"name": "http", "port": 80, "targetPort": "http"}]}}),
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": {
            "replicas": 1, "selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": {
                "serviceAccountName": name,
                "containers": [{"name": "hello", "image": "example.invalid/hello:1", "ports": [{"name": "http", "containerPort": 8080}]}]}}}}),
    ]
}
