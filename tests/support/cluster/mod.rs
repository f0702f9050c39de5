//! A real control plane for tests: etcd, the API server, the controller manager, the scheduler and simulated nodes, all
//! on loopback ports of their own and gone with the test process, whatever way that ends.

mod objects;
mod ports;
mod process;
mod programs;
mod readiness;
mod servers;

pub use self::ports::free as free_port;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use anyhow::{Context, Result, bail};
use k8s_openapi::api::core::v1::Namespace;
use kube::api::PostParams;
use kube::{Api, Client};
use serde_json::json;

pub use self::objects::Objects;
pub use self::process::{Process, Signal};
pub use self::programs::Programs;
use self::servers::Layout;
use super::audit::Mark;
use super::folder::Folder;
use super::{command, running};

/// What a control plane can differ in.
#[derive(Debug, Clone)]
pub struct Options {
    /// How many simulated nodes it has.
    pub nodes: usize,
    /// Whether the API server writes an audit log. It costs some speed, which matters to benchmarks only.
    pub audit: bool,
    /// More flags for the API server, such as `--feature-gates=…`.
    pub apiserver_flags: Vec<String>,
    /// What `kubectl logs` says of any pod.
    pub pod_log: String,
    /// How much memory each of its programs may take before it collects what it no longer needs all the time.
    pub memory: &'static str,
}

impl Default for Options {
    fn default() -> Self {
        let pod_log = "a line from a simulated container".to_owned();
        Self { nodes: 2, audit: true, apiserver_flags: Vec::new(), pod_log, memory: "1GiB" }
    }
}

/// A running control plane. Everything it consists of ends when it is dropped, and when the test process ends.
#[derive(Debug)]
pub struct ControlPlane {
    programs: Programs,
    layout: Layout,
    options: Options,
    kubeconfig: PathBuf,
    objects: Objects,
    audit_log: PathBuf,
    apiserver: Mutex<Option<Process>>,
    /// The other servers. Fields are dropped in this order: the servers, the folder, and the caretaker, which then has
    /// nothing left to do.
    servers: Vec<Process>,
    folder: Folder,
    _caretaker: Option<Process>,
}

/// The control plane that all tests of a process share, started by the first that asks. Work in a namespace of your
/// own, see [`ControlPlane::namespace`].
///
/// # Panics
/// When it does not start; every test that asks then fails with the reason.
pub fn shared() -> &'static ControlPlane {
    static SHARED: OnceLock<std::result::Result<ControlPlane, String>> = OnceLock::new();
    match SHARED.get_or_init(|| ControlPlane::start(Options::default()).map_err(|error| format!("{error:#}"))) {
        Ok(cluster) => cluster,
        Err(error) => panic!("the control plane does not start: {error}"),
    }
}

impl ControlPlane {
    /// Starts a control plane and waits until pods can run. Builds the programs first if they were never built.
    ///
    /// # Errors
    /// When a program cannot be built or a server does not start; the end of its log is in the message.
    pub fn start(options: Options) -> Result<Self> {
        let programs = Programs::locate()?;
        // Between choosing a port and listening on it another process may take it: one more try, with other ports.
        Self::start_once(&programs, &options).or_else(|_| Self::start_once(&programs, &options))
    }

    fn start_once(programs: &Programs, options: &Options) -> Result<Self> {
        let folder = Folder::new("cluster")?;
        let caretaker = if Folder::kept() { None } else { Some(Process::start_caretaker(programs, folder.path())?) };
        let layout = Layout::prepare(programs, folder.path(), options)?;
        let mut cluster = Self {
            objects: Objects::new(&layout.kubeconfig("admin"))?,
            kubeconfig: layout.kubeconfig("admin"),
            audit_log: layout.audit_log(),
            programs: programs.clone(),
            options: options.clone(),
            layout,
            apiserver: Mutex::new(None),
            servers: Vec::new(),
            _caretaker: caretaker,
            folder,
        };
        let etcd = cluster.layout.etcd();
        cluster.add("etcd", &etcd)?;
        cluster.start_apiserver()?;
        let launcher = cluster.layout.kubeconfig("system:launcher");
        readiness::create_nodes(&launcher, options.nodes)?;
        for (name, arguments) in [
            ("kube-controller-manager", cluster.layout.controller_manager()),
            ("kube-scheduler", cluster.layout.scheduler()),
            ("kwok", cluster.layout.kwok()),
        ] {
            cluster.add(name, &arguments)?;
        }
        readiness::wait_for_nodes(&launcher, options.nodes).and_then(|()| cluster.check())?;
        Ok(cluster)
    }

    fn add(&mut self, name: &str, arguments: &[String]) -> Result<()> {
        let server = self.run(name, self.program(name).args(arguments))?;
        self.servers.push(server);
        Ok(())
    }

    /// Fails when one of the servers has ended by itself.
    fn check(&mut self) -> Result<()> {
        let apiserver = self.apiserver.get_mut().unwrap_or_else(PoisonError::into_inner);
        self.servers.iter_mut().chain(apiserver).try_for_each(ended)
    }

    /// The kubeconfig of a user with every right.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// The address of the API server.
    pub fn url(&self) -> String {
        self.layout.url()
    }

    /// A folder that ends with the control plane. The servers' logs are in it.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The path of a program: `helm`, `kubectl`, `credentials`, or one of the servers.
    pub fn bin(&self, name: &str) -> PathBuf {
        self.programs.path(name)
    }

    /// A command of such a program. They are all Go's, and many run at once: with more memory before a collection they
    /// need a fifth less of the processor.
    fn program(&self, name: &str) -> Command {
        let mut program = Command::new(self.bin(name));
        program.envs([("GOGC", "400"), ("GOMEMLIMIT", self.options.memory)]);
        program
    }

    /// The memory of one of its servers in MiB.
    ///
    /// # Errors
    /// When it has ended.
    pub fn memory_of(&self, server: &str) -> Result<f64> {
        let folder = self.folder().to_string_lossy().into_owned();
        running::memory(running::find(server, |word| word.contains(&folder))?, "VmRSS")
    }

    /// The audit log of the API server, one JSON object a line; [`Mark`] reads it.
    pub fn audit_log(&self) -> &Path {
        &self.audit_log
    }

    /// The present end of the audit log, to ask later what has been requested since.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn audit_mark(&self) -> Result<Mark> {
        Mark::here(&self.audit_log)
    }

    /// The real Helm, for this control plane, with nothing of the user's own Helm.
    pub fn helm(&self) -> Command {
        self.helm_named("helm")
    }

    /// The real Helm of version 3, likewise.
    pub fn helm_3(&self) -> Command {
        self.helm_named("helm3")
    }

    fn helm_named(&self, program: &str) -> Command {
        let mut helm = self.program(program);
        helm.env("KUBECONFIG", &self.kubeconfig);
        for (name, folder) in [("HELM_CACHE_HOME", "cache"), ("HELM_CONFIG_HOME", "config"), ("HELM_DATA_HOME", "data")]
        {
            helm.env(name, self.folder.path().join("helm").join(folder));
        }
        helm
    }

    /// `kubectl`, for this control plane.
    pub fn kubectl(&self) -> Command {
        let mut kubectl = self.program("kubectl");
        kubectl.env("KUBECONFIG", &self.kubeconfig).arg("--cache-dir").arg(self.folder.path().join("kubectl"));
        kubectl
    }

    /// What reads and writes objects for tests that block.
    pub fn objects(&self) -> &Objects {
        &self.objects
    }

    /// A client with every right, for the runtime it is asked for in.
    ///
    /// # Errors
    /// When it cannot be made.
    pub async fn client(&self) -> Result<Client> {
        readiness::client(&self.kubeconfig).await
    }

    /// Makes a namespace that no other test has, and gives its name.
    ///
    /// # Errors
    /// When the API server refuses it.
    pub async fn namespace(&self, purpose: &str) -> Result<String> {
        static NUMBER: AtomicU32 = AtomicU32::new(1);
        let name = format!("{purpose}-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let namespace: Namespace = serde_json::from_value(json!({"metadata": {"name": name}}))?;
        Api::all(self.client().await?).create(&PostParams::default(), &namespace).await?;
        Ok(name)
    }

    /// Writes the kubeconfig of a service account, which has the rights its bindings give it and no others.
    ///
    /// # Errors
    /// When there is no such service account.
    pub fn service_account_kubeconfig(&self, namespace: &str, name: &str) -> Result<PathBuf> {
        let token = command::output(self.kubectl().args(["create", "token", name, "--namespace", namespace]))?;
        let mut kubeconfig: serde_json::Value = serde_json::from_slice(&std::fs::read(&self.kubeconfig)?)?;
        kubeconfig["users"][0]["user"]["token"] = json!(token.trim_end());
        kubeconfig["contexts"][0]["context"]["namespace"] = json!(namespace);
        let path = self.folder.path().join(format!("{namespace}.{name}.kubeconfig"));
        std::fs::write(&path, kubeconfig.to_string())?;
        Ok(path)
    }

    /// Runs a program, such as the operator, that is not to outlive the test process. What it says is appended to
    /// `NAME.log` in [`Self::folder`]. Its `KUBECONFIG` is not set.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn run(&self, name: &str, command: &Command) -> Result<Process> {
        Process::start(&self.programs, name, command, self.folder.path())
    }

    /// Kills the API server. What is stored stays, the other servers stay and knock.
    pub fn stop_apiserver(&self) {
        *self.apiserver() = None;
    }

    /// Starts the API server, at the same address as before, and waits until it is ready.
    ///
    /// # Errors
    /// When it is not ready within a minute.
    pub fn start_apiserver(&self) -> Result<()> {
        let arguments = self.layout.apiserver(&self.options);
        let apiserver = self.run("kube-apiserver", self.program("kube-apiserver").args(arguments))?;
        *self.apiserver() = Some(apiserver);
        let launcher = self.layout.kubeconfig("system:launcher");
        readiness::wait_for_apiserver(&launcher, || self.apiserver().as_mut().map_or(Ok(()), ended))
            .context("starting the API server")
    }

    /// Has etcd forget everything but the present state: no watch can begin at an earlier one any more.
    ///
    /// # Errors
    /// When etcd refuses.
    pub fn compact(&self) -> Result<()> {
        let ask = |path: &str, body: &str| -> Result<serde_json::Value> {
            let answer = super::http::post(&self.layout.etcd_address(), path, body)?;
            anyhow::ensure!(answer.status == 200, "etcd answered {}: {}", answer.status, answer.body);
            Ok(serde_json::from_str(&answer.body)?)
        };
        let status = ask("/v3/maintenance/status", "{}")?;
        let revision = status["header"]["revision"].as_str().context("etcd tells no revision")?;
        ask("/v3/kv/compaction", &json!({"revision": revision, "physical": true}).to_string()).map(drop)
    }

    fn apiserver(&self) -> MutexGuard<'_, Option<Process>> {
        self.apiserver.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Kills the API server and starts it again.
    ///
    /// # Errors
    /// When it is not ready within a minute.
    pub fn restart_apiserver(&self) -> Result<()> {
        self.stop_apiserver();
        self.start_apiserver()
    }
}

/// Fails when a server has ended by itself.
fn ended(server: &mut Process) -> Result<()> {
    match server.exit()? {
        Some(status) => bail!("{status} of {}", server.last_words()),
        None => Ok(()),
    }
}
