//! Many requests: what they take at rest and how soon a restarted operator follows them again.
//!
//! Each is a release of five objects. Its Deployment has no replicas, so that the simulated nodes have nothing to do; to
//! the operator it is an object like any other. Nothing is compared with here, and everything is installed by the
//! operator itself.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use coxswain::api::HelmRequest;
use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, DeleteParams};
use serde_json::json;

use super::support::folder::Folder;
use super::support::reference::table;
use super::support::{ChartServer, ControlPlane, Operator};
use super::{
    LIMIT, PARALLEL, control_plane, create, install_operator, is_deployed, is_own, is_ready, operator, publish, until,
};

/// The objects of one release.
const OBJECTS: usize = 5;
/// How long the operator is left alone before its memory at rest is read.
const REST: Duration = Duration::from_secs(30);
/// How long a restarted operator may take until it is ready.
const RESTART: Duration = Duration::from_secs(300);

/// What was measured.
pub struct Figures {
    requests: usize,
    installed: Duration,
    cpu: Duration,
    /// The operator's memory in MiB: at its peak, at rest, at its peak after a restart, and at rest after that.
    memory: [f64; 4],
    /// From the start of the process until it was ready, and until it repaired an object that went meanwhile.
    restart: (Duration, Duration),
    restart_cpu: Duration,
    /// The operator's requests after the restart by verb.
    restart_requests: BTreeMap<String, usize>,
    /// The operator's watches.
    watches: usize,
    /// The database of etcd in MiB, and the memory of the API server and of etcd.
    servers: [f64; 3],
    /// What the API server keeps of each kind, in bytes an object.
    stored: Vec<(String, u64)>,
}

impl Figures {
    /// The figures as a section of the page.
    pub fn text(&self) -> String {
        let Self { requests, memory: [peak, rest, listing, restarted], .. } = self;
        let objects = requests * OBJECTS;
        let seconds = |time: Duration| format!("{:.1}", time.as_secs_f64());
        let (ready, following) = self.restart;
        let named: Vec<String> = self.restart_requests.iter().map(|(verb, count)| format!("{verb} {count}")).collect();
        let [database, apiserver, etcd] = self.servers;
        let rows = [
            ("Installed", format!("{} s, {} s of CPU", seconds(self.installed), seconds(self.cpu))),
            ("Memory while they were installed, at most", format!("{peak:.1} MiB")),
            ("Memory at rest", format!("{rest:.1} MiB")),
            ("A restart until it is ready", format!("{} s", seconds(ready))),
            ("A restart until an object that went meanwhile is back", format!("{} s", seconds(following))),
            ("CPU of a restart", format!("{} s", seconds(self.restart_cpu))),
            ("Requests of a restart", named.join(", ")),
            ("Memory while it restarts, at most", format!("{listing:.1} MiB")),
            ("Memory at rest after a restart", format!("{restarted:.1} MiB")),
            ("Watches", self.watches.to_string()),
            ("Database of etcd", format!("{database:.0} MiB")),
            ("Memory of the API server and of etcd", format!("{apiserver:.0} and {etcd:.0} MiB")),
        ];
        let rows = rows.into_iter().map(|(what, figure)| vec![what.to_owned(), figure]);
        let stored = self.stored.iter().map(|(resource, bytes)| vec![resource.clone(), bytes.to_string()]);
        format!(
            "### {requests} requests with {objects} objects\n\n{}\n{}",
            table(&["What", "How much"], rows),
            table(&["Kept in etcd of one object, as the API server estimates it", "Bytes"], stored),
        )
    }
}

/// So many requests on a control plane of their own.
pub struct Many {
    requests: usize,
    server: ChartServer,
    _charts: Folder,
    cluster: ControlPlane,
}

impl Many {
    /// Starts the control plane.
    ///
    /// # Errors
    /// It does not start.
    pub fn start(requests: usize) -> Result<Self> {
        let cluster = control_plane()?;
        let folder = Folder::new("many")?;
        super::support::charts::repository(&[chart(&folder)?], folder.path())?;
        let server = ChartServer::start(folder.path())?;
        install_operator(&cluster)?;
        Ok(Self { requests, server, _charts: folder, cluster })
    }

    /// Measures.
    ///
    /// # Errors
    /// Something does not come to an end.
    pub async fn run(&self) -> Result<Figures> {
        let client = self.cluster.client().await?;
        let requests: Api<HelmRequest> = Api::namespaced(client.clone(), "bench");
        let config_maps: Api<ConfigMap> = Api::namespaced(client, "bench");
        let first = operator(&self.cluster)?;
        publish(&self.cluster, &self.server.url())?;
        let installed = self.install(&requests).await?;
        tokio::time::sleep(REST).await;
        let (cpu, peak, rest) = (first.cpu()?, first.memory("VmHWM")?, first.memory("VmRSS")?);
        first.kill();
        config_maps.delete("r0-five", &DeleteParams::default()).await?;
        let mark = self.cluster.audit_mark()?;
        let (second, restart) = self.restart(&config_maps).await?;
        tokio::time::sleep(REST).await;
        let (listing, restarted) = (second.memory("VmHWM")?, second.memory("VmRSS")?);
        let (mut restart_requests, mut watches) = (BTreeMap::new(), 0);
        for request in mark.requests()?.into_iter().filter(is_own) {
            match request.verb.as_str() {
                "watch" => watches += 1,
                verb => *restart_requests.entry(verb.to_owned()).or_default() += 1,
            }
        }
        Ok(Figures {
            requests: self.requests,
            installed,
            cpu,
            memory: [peak, rest, listing, restarted],
            restart,
            restart_cpu: second.cpu()?,
            restart_requests,
            watches,
            servers: self.servers()?,
            stored: self.stored()?,
        })
    }

    async fn install(&self, requests: &Api<HelmRequest>) -> Result<Duration> {
        let began = Instant::now();
        let limit = LIMIT.max(Duration::from_secs(self.requests as u64 / 5));
        let (mut done, mut told) = (0, began);
        let mut creating = stream::iter(0..self.requests)
            .map(|number| create(requests, format!("r{number}"), json!({"chart": "charts/five"})))
            .buffer_unordered(PARALLEL);
        while creating.try_next().await?.is_some() {
            done += 1;
            if told.elapsed() > Duration::from_secs(10) {
                println!("{done} requests created after {:.0} s", began.elapsed().as_secs_f64());
                told = Instant::now();
            }
        }
        until(requests, limit, "every request to be deployed", |request| is_deployed(request, 1)).await?;
        println!("all deployed after {:.0} s", began.elapsed().as_secs_f64());
        until(requests, limit, "every request to be ready", |request| is_ready(request, 1)).await?;
        Ok(began.elapsed())
    }

    /// Starts an operator anew; gives how long it took to be ready, and to repair what went before.
    async fn restart(&self, config_maps: &Api<ConfigMap>) -> Result<(Operator, (Duration, Duration))> {
        let began = Instant::now();
        let operator = operator(&self.cluster)?;
        let ready = began.elapsed();
        while config_maps.get_opt("r0-five").await?.is_none() {
            tokio::time::sleep(Duration::from_millis(20)).await;
            ensure!(began.elapsed() < RESTART, "what went is not brought back");
        }
        Ok((operator, (ready, began.elapsed())))
    }

    fn servers(&self) -> Result<[f64; 3]> {
        let database = fs::metadata(self.cluster.folder().join("etcd/member/snap/db"))?.len();
        let mebibytes = f64::from(1 << 20);
        let memory = |name: &str| self.cluster.memory_of(name);
        #[expect(clippy::cast_precision_loss, reason = "shown in MiB")]
        let database = database as f64 / mebibytes;
        Ok([database, memory("kube-apiserver")?, memory("etcd")?])
    }

    /// What the API server keeps of the kinds that are concerned, each object's share of its own estimate.
    fn stored(&self) -> Result<Vec<(String, u64)>> {
        let mut kubectl = self.cluster.kubectl();
        let metrics = super::support::command::output(kubectl.args(["get", "--raw", "/metrics"]))?;
        let figure = |metric: &str, group: &str, resource: &str| {
            let line = metrics.lines().find(|line| {
                line.starts_with(metric)
                    && line.contains(&format!("group=\"{group}\""))
                    && line.contains(&format!("resource=\"{resource}\""))
            });
            line.and_then(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
        };
        let kinds = [
            ("app.alauda.io", "helmrequests"),
            ("", "secrets"),
            ("", "configmaps"),
            ("", "serviceaccounts"),
            ("", "services"),
            ("apps", "deployments"),
            ("events.k8s.io", "events"),
            ("", "events"),
        ];
        let stored = kinds.into_iter().filter_map(|(group, resource)| {
            let bytes = figure("apiserver_resource_size_estimate_bytes", group, resource)?;
            let count = figure("apiserver_resource_objects", group, resource)?;
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole bytes are told")]
            (count > 0.0 && bytes > 0.0).then(|| (resource.to_owned(), (bytes / count) as u64))
        });
        Ok(stored.collect())
    }
}

/// A chart of five objects.
fn chart(folder: &Folder) -> Result<PathBuf> {
    let chart = folder.path().join("five");
    fs::create_dir_all(chart.join("templates"))?;
    fs::write(chart.join("Chart.yaml"), "apiVersion: v2\nname: five\nversion: 0.1.0\n")?;
    let name = "{{ .Release.Name }}-five";
    let labels = format!("{{app.kubernetes.io/name: five, app.kubernetes.io/instance: \"{name}\"}}");
    let head = |version: &str, kind: &str| {
        format!("---\napiVersion: {version}\nkind: {kind}\nmetadata:\n  name: {name}\n  labels: {labels}\n")
    };
    let objects = [
        head("v1", "ServiceAccount"),
        head("v1", "ConfigMap") + "data:\n  message: hello\n",
        head("v1", "Secret") + "stringData:\n  word: hello\n",
        head("v1", "Service") + &format!("spec:\n  selector: {labels}\n  ports: [{{name: http, port: 80}}]\n"),
        head("apps/v1", "Deployment")
            + &format!(
                "spec:\n  replicas: 0\n  selector: {{matchLabels: {labels}}}\n  template:\n    metadata: {{labels: \
                 {labels}}}\n    spec:\n      serviceAccountName: {name}\n      containers:\n        - name: five\n          \
                 image: example.invalid/five:1\n          ports: [{{name: http, containerPort: 8080}}]\n"
            ),
    ];
    fs::write(chart.join("templates/all.yaml"), objects.concat()).context("cannot write the chart")?;
    Ok(chart)
}
