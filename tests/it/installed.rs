//! The operator as people install it, on a control plane of its own: on the shared one it would act on the requests of
//! all other tests.

use std::time::Duration;

use anyhow::{Context, Result};

use crate::support::manifests::{NAMESPACE, RELEASE, chart, project};
use crate::support::{ChartServer, ControlPlane, Operator, Options, charts, command, folder::Folder, wait};
use crate::world;

/// How long anything may take.
pub const LIMIT: Duration = Duration::from_secs(60);

/// The installed and running operator, and a repository that the sample ChartRepo names.
pub struct Installed {
    _operator: Operator,
    server: ChartServer,
    _charts: Folder,
    cluster: ControlPlane,
}

impl Installed {
    /// Installs the operator's chart with the real Helm, with these values, and runs the operator with the rights of
    /// its service account.
    ///
    /// # Errors
    /// When anything of it does not start.
    pub fn with(values: &[&str]) -> Result<Self> {
        Self::for_namespaces(&[], values, &[])
    }

    /// The same after these namespaces were created, with flags of the operator that say what the values say.
    ///
    /// # Errors
    /// When anything of it does not start.
    pub fn for_namespaces(namespaces: &[&str], values: &[&str], flags: &[&str]) -> Result<Self> {
        let cluster = ControlPlane::start(Options::default())?;
        for namespace in namespaces {
            command::output(cluster.kubectl().args(["create", "namespace", namespace]))?;
        }
        let mut helm = cluster.helm();
        helm.args(["install", RELEASE, "--namespace", NAMESPACE, "--create-namespace"]).arg(chart());
        for value in values {
            helm.args(["--set", value]);
        }
        command::output(&mut helm)?;
        let charts = Folder::new("charts")?;
        charts::repository(&[charts::folder("hello-0.1.0"), charts::folder("objects")], charts.path())?;
        let server = ChartServer::start(charts.path())?;
        let rights = cluster.service_account_kubeconfig(NAMESPACE, RELEASE)?;
        let operator = Operator::start(&cluster, &rights, flags)?;
        let installed = Self { _operator: operator, server, _charts: charts, cluster };
        installed.apply_repository()?;
        Ok(installed)
    }

    /// The sample ChartRepo, with the address of a repository that is there.
    fn apply_repository(&self) -> Result<()> {
        let repository = std::fs::read_to_string(project("config/samples/chartrepo.yaml"))?;
        let file = self.cluster.folder().join("chartrepo.yaml");
        std::fs::write(&file, repository.replace("https://charts.example.com", &self.server.url()))?;
        // The operator's own namespace, whose repositories serve all.
        self.kubectl(&["apply", "--namespace", NAMESPACE, "-f", &file.display().to_string()]).map(drop)
    }

    /// The control plane.
    pub fn cluster(&self) -> &ControlPlane {
        &self.cluster
    }

    /// Runs kubectl in the namespace `default`.
    ///
    /// # Errors
    /// When it fails.
    pub fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        command::output(self.cluster.kubectl().args(["--namespace", "default"]).args(arguments))
    }

    /// Applies a file of `config/samples`.
    ///
    /// # Errors
    /// When kubectl fails.
    pub fn apply_sample(&self, name: &str) -> Result<()> {
        self.kubectl(&["apply", "-f", &project("config/samples").join(name).display().to_string()]).map(drop)
    }

    /// A field of an object of the namespace `default` by its JSON pointer, empty where it is not set. Of a condition,
    /// the pointer begins with its type: `/conditions/Ready/status`.
    ///
    /// # Errors
    /// When there is no such object.
    pub fn field(&self, kind: &str, name: &str, pointer: &str) -> Result<String> {
        let object = self.cluster.objects().get("default", kind, name)?;
        let object = object.with_context(|| format!("there is no {kind} {name}"))?;
        let found = match pointer.strip_prefix("/conditions/").and_then(|rest| rest.split_once('/')) {
            Some((condition, field)) => world::condition(&object, condition).map(|found| &found[field]),
            None => object.pointer(pointer),
        };
        Ok(found.map_or_else(String::new, |value| value.as_str().map_or_else(|| value.to_string(), str::to_owned)))
    }

    /// Waits until a field of an object has a value.
    ///
    /// # Errors
    /// When it has another one for too long.
    pub fn until_field(&self, kind: &str, name: &str, pointer: &str, expected: &str) -> Result<()> {
        wait::until(LIMIT, &format!("{kind} {name} to have {expected:?} at {pointer}"), || {
            Ok((self.field(kind, name, pointer).unwrap_or_default() == expected).then_some(()))
        })
    }

    /// Waits until a request is Ready.
    ///
    /// # Errors
    /// When it is not for too long; what its status says is in the message.
    pub fn until_ready(&self, request: &str) -> Result<()> {
        let ready = self.until_field("helmrequest", request, "/conditions/Ready/status", "True");
        ready.map_err(|error| error.context(self.field("helmrequest", request, "/status").unwrap_or_default()))
    }

    /// The names of the release records in the namespace `default`.
    ///
    /// # Errors
    /// When kubectl fails.
    pub fn records(&self) -> Result<String> {
        self.kubectl(&["get", "secrets", "-l", "owner=helm", "-o", "name"])
    }
}
