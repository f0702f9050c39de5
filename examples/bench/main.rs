//! How fast and how small the operator is, next to a bare client that sends only the same writes.
//!
//! `make bench` runs it with 100 releases; `RELEASES=100,1000 make bench` with several numbers, one after the other.
//! `MANY=10000 make bench` installs so many and measures only what they take at rest and a restart. Everything runs on
//! one machine, the API server included, so a ratio of two figures says more than either. The figures go to
//! `docs/performance.md` too.

mod bare;
mod figures;
mod many;
#[path = "../../tests/support/mod.rs"]
mod support;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use coxswain::api::HelmRequest;
use coxswain::api::conditions::{ConditionType, is_true};
use figures::{Figures, Stage};
use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Client, ResourceExt};
use many::Many;
use serde_json::{Value, json};
use support::audit::{Mark, Request};
use support::{ChartServer, ControlPlane, Operator, Options, charts, command, folder::Folder};

const LIMIT: Duration = Duration::from_secs(900);
/// How many releases are worked on at the same time, by the operator and by the bare client.
const PARALLEL: usize = 16;
/// How many repairs are timed.
const REPAIRS: usize = 100;
/// How many objects the large release has.
const LARGE: usize = 1000;
/// How long the API server takes to write its audit log.
const LOGGING: Duration = Duration::from_secs(2);

#[tokio::main]
async fn main() -> Result<()> {
    rustls::crypto::ring::default_provider().install_default().ok().context("TLS is set up twice")?;
    if let Ok(many) = std::env::var("MANY") {
        let mut sections = Vec::new();
        for requests in numbers("MANY", &many)? {
            println!("{requests} requests");
            sections.push(Many::start(requests)?.run().await?.text());
        }
        return figures::write("many", &format!("MANY={many} make bench"), &sections);
    }
    let releases = std::env::var("RELEASES").unwrap_or_else(|_| "100".to_owned());
    let mut sections = Vec::new();
    for releases in numbers("RELEASES", &releases)? {
        println!("{releases} releases");
        let text = Bench::start(releases)?.run().await?.text();
        println!("{text}");
        sections.push(text);
    }
    let command = if releases == "100" { "make bench".to_owned() } else { format!("RELEASES={releases} make bench") };
    figures::write("operation", &command, &sections)
}

/// The numbers that a variable lists.
fn numbers(variable: &str, list: &str) -> Result<Vec<usize>> {
    let parse = |number: &str| number.trim().parse().with_context(|| format!("{variable}: {number:?} is no number"));
    list.split(',').map(parse).collect()
}

struct Bench {
    releases: usize,
    server: ChartServer,
    _charts: Folder,
    cluster: ControlPlane,
}

/// What is counted from here.
struct Beginning {
    mark: Mark,
    cpu: Duration,
    at: Instant,
}

impl Bench {
    fn start(releases: usize) -> Result<Self> {
        let cluster = control_plane()?;
        let folder = Folder::new("bench")?;
        let large = large_chart(&folder)?;
        charts::repository(&[charts::folder("hello-0.1.0"), large], folder.path())?;
        let server = ChartServer::start(folder.path())?;
        install_operator(&cluster)?;
        command::output(cluster.kubectl().args(["create", "namespace", "bare"]))?;
        Ok(Self { releases, server, _charts: folder, cluster })
    }

    async fn run(&self) -> Result<Figures> {
        let client = self.cluster.client().await?;
        let requests: Api<HelmRequest> = Api::namespaced(client.clone(), "bench");
        let bare = bare::write(&self.cluster, &client, self.releases).await?;
        bare::settle(&client).await?;
        let operator = operator(&self.cluster)?;
        publish(&self.cluster, &self.server.url())?;
        let mut stages = vec![self.install(&operator, &requests, bare).await?];
        stages.push(self.upgrade(&operator, &requests).await?);
        let repairs = self.repair(&client).await?;
        let (peak, rest) = (operator.memory("VmHWM")?, operator.memory("VmRSS")?);
        let (operator, restart) = self.restart(operator)?;
        let memory = [peak, rest, operator.memory("VmRSS")?];
        stages.push(self.large(&operator, &requests).await?);
        stages.push(self.uninstall(&operator, &requests).await?);
        Ok(Figures { releases: self.releases, bare, stages, memory, repairs, restart })
    }

    fn begin(&self, operator: &Operator) -> Result<Beginning> {
        Ok(Beginning { mark: self.cluster.audit_mark()?, cpu: operator.cpu()?, at: Instant::now() })
    }

    async fn end(&self, operator: &Operator, name: &str, releases: usize, beginning: &Beginning) -> Result<Stage> {
        let took = beginning.at.elapsed();
        tokio::time::sleep(LOGGING).await;
        let mut requests: BTreeMap<String, usize> = BTreeMap::new();
        for request in beginning.mark.requests()?.iter().filter(|request| is_own(request) && request.verb != "watch") {
            let part = if request.subresource.is_empty() { "" } else { "/" };
            let name = format!("{} {}{part}{}", request.verb, request.resource, request.subresource);
            *requests.entry(name).or_default() += 1;
        }
        let cpu = operator.cpu()?.saturating_sub(beginning.cpu);
        Ok(Stage { name: name.to_owned(), took, cpu, requests, releases, times: None })
    }

    async fn install(&self, operator: &Operator, requests: &Api<HelmRequest>, bare: Duration) -> Result<Stage> {
        let beginning = self.begin(operator)?;
        stream::iter(0..self.releases)
            .map(|number| create(requests, format!("r{number}"), json!({"chart": "charts/hello", "version": "0.1.0"})))
            .buffer_unordered(PARALLEL)
            .try_collect::<Vec<()>>()
            .await?;
        until(requests, LIMIT, "every request to be deployed", |request| is_deployed(request, 1)).await?;
        let times = beginning.at.elapsed().as_secs_f64() / bare.as_secs_f64();
        until(requests, LIMIT, "every request to be ready", |request| is_ready(request, 1)).await?;
        let stage = self.end(operator, "installed and ready", self.releases, &beginning).await?;
        Ok(Stage { times: Some((times, stage.took.as_secs_f64() / bare.as_secs_f64())), ..stage })
    }

    /// One label of one object changes.
    async fn upgrade(&self, operator: &Operator, requests: &Api<HelmRequest>) -> Result<Stage> {
        let beginning = self.begin(operator)?;
        let spec = json!({"spec": {"values": {"service": {"port": 81}}}});
        stream::iter(0..self.releases)
            .map(|number| change(requests, format!("r{number}"), &spec))
            .buffer_unordered(PARALLEL)
            .try_collect::<Vec<()>>()
            .await?;
        until(requests, LIMIT, "every request to be upgraded", |request| is_ready(request, 2)).await?;
        self.end(operator, "upgraded, one object changes", self.releases, &beginning).await
    }

    async fn repair(&self, client: &Client) -> Result<Vec<Duration>> {
        let config_maps: Api<ConfigMap> = Api::namespaced(client.clone(), "bench");
        let mut times = Vec::new();
        for number in 0..REPAIRS.min(self.releases) {
            let name = format!("r{number}-hello");
            config_maps.delete(&name, &DeleteParams::default()).await?;
            let began = Instant::now();
            while config_maps.get_opt(&name).await?.is_none() {
                tokio::time::sleep(Duration::from_millis(2)).await;
                ensure!(began.elapsed() < LIMIT, "{name} does not come back");
            }
            times.push(began.elapsed());
        }
        times.sort();
        Ok(times)
    }

    fn restart(&self, operator: Operator) -> Result<(Operator, (Duration, usize))> {
        operator.kill();
        let mark = self.cluster.audit_mark()?;
        let began = Instant::now();
        let operator = crate::operator(&self.cluster)?;
        let ready = began.elapsed();
        std::thread::sleep(Duration::from_secs(10));
        let writes = mark.requests()?.iter().filter(|request| is_own(request) && request.writes()).count();
        Ok((operator, (ready, writes)))
    }

    /// One release of many objects.
    async fn large(&self, operator: &Operator, requests: &Api<HelmRequest>) -> Result<Stage> {
        let beginning = self.begin(operator)?;
        create(requests, "large".to_owned(), json!({"chart": "charts/large"})).await?;
        until(requests, LIMIT, "the large release to be ready", |request| {
            is_ready(request, if request.metadata.name.as_deref() == Some("large") { 1 } else { 2 })
        })
        .await?;
        self.end(operator, &format!("one release of {LARGE} objects installed"), 1, &beginning).await
    }

    async fn uninstall(&self, operator: &Operator, requests: &Api<HelmRequest>) -> Result<Stage> {
        let beginning = self.begin(operator)?;
        let all = requests.list_metadata(&ListParams::default()).await?;
        // One by one: the API server gives up a deletion of all together that takes longer than a minute.
        stream::iter(&all.items)
            .map(|request| async move { requests.delete(&request.name_any(), &DeleteParams::default()).await })
            .buffer_unordered(PARALLEL)
            .try_for_each(|_| async { Ok(()) })
            .await?;
        until(requests, LIMIT, "every request to go", |_| false).await?;
        self.end(operator, "all uninstalled", self.releases + 1, &beginning).await
    }
}

/// A control plane whose servers may take the memory that they need: what is measured last would else pay for all that
/// was made before.
fn control_plane() -> Result<ControlPlane> {
    ControlPlane::start(Options { memory: "8GiB", ..Options::default() })
}

/// Installs what the operator needs, and makes the namespace of the requests.
fn install_operator(cluster: &ControlPlane) -> Result<()> {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/install.yaml");
    command::output(cluster.kubectl().args(["apply", "--server-side", "-f"]).arg(manifest))?;
    command::output(cluster.kubectl().args(["create", "namespace", "bench"])).map(drop)
}

/// Starts an operator and waits until it is ready.
fn operator(cluster: &ControlPlane) -> Result<Operator> {
    let rights = cluster.service_account_kubeconfig("captain-system", "coxswain")?;
    Operator::start_within(LIMIT, cluster, &rights, &["--leader-election=false"])
}

/// Makes the ChartRepo of the requests.
fn publish(cluster: &ControlPlane, url: &str) -> Result<()> {
    let repository = json!({
        "apiVersion": "app.alauda.io/v1beta1", "kind": "ChartRepo",
        "metadata": {"name": "charts", "namespace": "bench"}, "spec": {"url": url},
    });
    let path = cluster.folder().join("repository.json");
    std::fs::write(&path, repository.to_string())?;
    command::output(cluster.kubectl().args(["apply", "-f"]).arg(&path)).map(drop)
}

/// A chart of so many ConfigMaps.
fn large_chart(folder: &Folder) -> Result<std::path::PathBuf> {
    let chart = folder.path().join("large");
    std::fs::create_dir_all(chart.join("templates"))?;
    std::fs::write(chart.join("Chart.yaml"), "apiVersion: v2\nname: large\nversion: 0.1.0\n")?;
    let template = format!(
        "{{{{- range until {LARGE} }}}}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{{{ $.Release.Name }}}}-{{{{ . \
         }}}}\ndata:\n  number: {{{{ . | quote }}}}\n{{{{- end }}}}\n"
    );
    std::fs::write(chart.join("templates/all.yaml"), template)?;
    Ok(chart)
}

fn is_own(request: &Request) -> bool {
    request.user.ends_with("captain-system:coxswain")
}

/// Waits until something holds of every request. By a watch: lists of a thousand requests would be the most of what is
/// measured.
async fn until(
    requests: &Api<HelmRequest>,
    limit: Duration,
    what: &str,
    holds: impl Fn(&HelmRequest) -> bool,
) -> Result<()> {
    let waiting = async {
        let mut events = std::pin::pin!(watcher(requests.clone(), watcher::Config::default()));
        let (mut known, mut listed) = (BTreeMap::new(), false);
        while let Some(event) = events.next().await {
            match event? {
                Event::Init => known.clear(),
                Event::InitDone => listed = true,
                Event::InitApply(request) | Event::Apply(request) => {
                    known.insert(request.name_any(), holds(&request));
                }
                Event::Delete(request) => drop(known.remove(&request.name_any())),
            }
            if listed && known.values().all(|holds| *holds) {
                break;
            }
        }
        Ok(())
    };
    tokio::time::timeout(limit, waiting).await.with_context(|| format!("gave up waiting for {what}"))?
}

async fn create(requests: &Api<HelmRequest>, name: String, spec: Value) -> Result<()> {
    let request = json!({
        "apiVersion": "app.alauda.io/v1", "kind": "HelmRequest", "metadata": {"name": name}, "spec": spec,
    });
    requests.create(&PostParams::default(), &serde_json::from_value(request)?).await?;
    Ok(())
}

async fn change(requests: &Api<HelmRequest>, name: String, patch: &Value) -> Result<()> {
    requests.patch(&name, &PatchParams::default(), &Patch::Merge(patch)).await?;
    Ok(())
}

/// Whether a revision is deployed.
fn is_deployed(request: &HelmRequest, revision: i64) -> bool {
    request.status.as_ref().is_some_and(|status| status.revision == Some(revision))
}

/// Whether a revision is deployed and everything of it is healthy.
fn is_ready(request: &HelmRequest, revision: i64) -> bool {
    request
        .status
        .as_ref()
        .is_some_and(|status| status.revision == Some(revision) && is_true(&status.conditions, ConditionType::Ready))
}
