//! The command lines of the servers, and the files they read.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use serde_json::json;

use super::programs::{Programs, sources};
use super::{Options, ports};
use crate::support::command;

/// Who talks to the API server, each with a token and all with every right. Different names, so that the audit log
/// tells the control plane's own requests from those of the programs under test.
const USERS: [&str; 5] =
    ["admin", "system:launcher", "system:kube-controller-manager", "system:kube-scheduler", "system:kwok"];

/// Where everything of one control plane is.
#[derive(Debug)]
pub struct Layout {
    folder: PathBuf,
    etcd: u16,
    etcd_peers: u16,
    apiserver: u16,
    controller_manager: u16,
    scheduler: u16,
    kubelet: u16,
}

impl Layout {
    /// Chooses the ports and writes keys, certificates, tokens and kubeconfigs into the folder.
    ///
    /// # Errors
    /// When no port is free or a file cannot be written.
    pub fn prepare(programs: &Programs, folder: &Path, options: &Options) -> Result<Self> {
        let layout = Self {
            folder: folder.to_owned(),
            etcd: ports::free()?,
            etcd_peers: ports::free()?,
            apiserver: ports::free()?,
            controller_manager: ports::free()?,
            scheduler: ports::free()?,
            kubelet: ports::free()?,
        };
        command::output(Command::new(programs.path("credentials")).arg(folder))?;
        let mut tokens = String::new();
        for user in USERS {
            writeln!(tokens, "{},{user},{user},\"system:masters\"", token_of(user))?;
            std::fs::write(layout.kubeconfig(user), layout.kubeconfig_of(user)?)?;
        }
        std::fs::write(layout.file("tokens.csv"), tokens)?;
        std::fs::write(layout.file("pod.log"), pod_log(&options.pod_log))?;
        std::fs::write(layout.file("logs.yaml"), layout.cluster_logs().to_string())?;
        // Readers may come before the first request.
        std::fs::write(layout.audit_log(), "")?;
        Ok(layout)
    }

    /// The API server's address.
    pub fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.apiserver)
    }

    /// The kubeconfig of one of the users.
    pub fn kubeconfig(&self, user: &str) -> PathBuf {
        self.folder.join(format!("{}.kubeconfig", user.trim_start_matches("system:")))
    }

    /// The API server's audit log.
    pub fn audit_log(&self) -> PathBuf {
        self.folder.join("audit.log")
    }

    fn file(&self, name: &str) -> String {
        self.folder.join(name).to_string_lossy().into_owned()
    }

    fn kubeconfig_of(&self, user: &str) -> Result<String> {
        let authority = self.file("ca.crt");
        // JSON is YAML.
        Ok(serde_json::to_string_pretty(&json!({
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "clusters": [{"name": "test", "cluster": {"server": self.url(), "certificate-authority": authority}}],
            "users": [{"name": "test", "user": {"token": token_of(user)}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        }))?)
    }

    fn cluster_logs(&self) -> serde_json::Value {
        json!({
            "apiVersion": "kwok.x-k8s.io/v1alpha1",
            "kind": "ClusterLogs",
            "metadata": {"name": "pods"},
            "spec": {"logs": [{"logsFile": self.file("pod.log"), "follow": false}]},
        })
    }

    /// Where etcd listens.
    pub fn etcd_address(&self) -> String {
        format!("127.0.0.1:{}", self.etcd)
    }

    /// `etcd`, which does not wait for the disk: nothing here has to survive a power cut.
    pub fn etcd(&self) -> Vec<String> {
        let clients = format!("http://127.0.0.1:{}", self.etcd);
        let peers = format!("http://127.0.0.1:{}", self.etcd_peers);
        flags(&[
            ("data-dir", self.file("etcd")),
            ("listen-client-urls", clients.clone()),
            ("advertise-client-urls", clients),
            ("listen-peer-urls", peers.clone()),
            ("initial-advertise-peer-urls", peers.clone()),
            ("initial-cluster", format!("default={peers}")),
            ("unsafe-no-fsync", "true".to_owned()),
            ("quota-backend-bytes", (8_u64 << 30).to_string()),
            ("log-level", "warn".to_owned()),
        ])
    }

    /// `kube-apiserver`.
    pub fn apiserver(&self, options: &Options) -> Vec<String> {
        let mut arguments = flags(&[
            ("etcd-servers", format!("http://127.0.0.1:{}", self.etcd)),
            ("secure-port", self.apiserver.to_string()),
            ("bind-address", "127.0.0.1".to_owned()),
            // Without these two it looks for a network interface, which a sandbox need not have.
            ("advertise-address", "127.0.0.1".to_owned()),
            ("endpoint-reconciler-type", "none".to_owned()),
            ("cert-dir", self.file("certs")),
            ("tls-cert-file", self.file("server.crt")),
            ("tls-private-key-file", self.file("server.key")),
            ("client-ca-file", self.file("ca.crt")),
            ("service-account-issuer", "https://kubernetes.default.svc".to_owned()),
            ("service-account-key-file", self.file("service-account.key")),
            ("service-account-signing-key-file", self.file("service-account.key")),
            ("token-auth-file", self.file("tokens.csv")),
            ("authorization-mode", "RBAC".to_owned()),
            ("service-cluster-ip-range", "10.0.0.0/16".to_owned()),
            ("allow-privileged", "true".to_owned()),
            ("kubelet-preferred-address-types", "InternalIP".to_owned()),
        ]);
        if options.audit {
            arguments.extend(flags(&[
                ("audit-policy-file", sources().join("audit.yaml").to_string_lossy().into_owned()),
                ("audit-log-path", self.audit_log().to_string_lossy().into_owned()),
            ]));
        }
        arguments.extend(options.apiserver_flags.iter().cloned());
        arguments
    }

    /// `kube-controller-manager`. A node stays ready without a heartbeat for a day: the simulated ones send none.
    pub fn controller_manager(&self) -> Vec<String> {
        flags(&[
            ("kubeconfig", self.kubeconfig_flag("system:kube-controller-manager")),
            ("service-account-private-key-file", self.file("service-account.key")),
            ("root-ca-file", self.file("ca.crt")),
            ("use-service-account-credentials", "true".to_owned()),
            ("controllers", "*,-node-ipam-controller".to_owned()),
            ("node-monitor-grace-period", "24h".to_owned()),
            ("leader-elect", "false".to_owned()),
            ("bind-address", "127.0.0.1".to_owned()),
            ("secure-port", self.controller_manager.to_string()),
            ("cert-dir", self.file("controller-manager")),
            ("kube-api-qps", "200".to_owned()),
            ("kube-api-burst", "400".to_owned()),
        ])
    }

    /// `kube-scheduler`.
    pub fn scheduler(&self) -> Vec<String> {
        let kubeconfig = self.kubeconfig_flag("system:kube-scheduler");
        flags(&[
            ("kubeconfig", kubeconfig.clone()),
            ("authentication-kubeconfig", kubeconfig.clone()),
            ("authorization-kubeconfig", kubeconfig),
            ("leader-elect", "false".to_owned()),
            ("bind-address", "127.0.0.1".to_owned()),
            ("secure-port", self.scheduler.to_string()),
            ("cert-dir", self.file("scheduler")),
            ("kube-api-qps", "200".to_owned()),
            ("kube-api-burst", "400".to_owned()),
        ])
    }

    /// `kwok`, which is the kubelet of every simulated node. Its default pod range overlaps the services' range.
    pub fn kwok(&self) -> Vec<String> {
        let mut arguments = flags(&[
            ("kubeconfig", self.kubeconfig_flag("system:kwok")),
            ("manage-nodes-with-label-selector", "type=kwok".to_owned()),
            ("cidr", "10.244.0.0/16".to_owned()),
            ("node-ip", "127.0.0.1".to_owned()),
            ("node-port", self.kubelet.to_string()),
            ("server-address", format!("127.0.0.1:{}", self.kubelet)),
            ("tls-cert-file", self.file("server.crt")),
            ("tls-private-key-file", self.file("server.key")),
            ("config", sources().join("kwok.yaml").to_string_lossy().into_owned()),
            ("config", self.file("logs.yaml")),
        ]);
        arguments.extend(["-v".to_owned(), "WARN".to_owned()]);
        arguments
    }

    fn kubeconfig_flag(&self, user: &str) -> String {
        self.kubeconfig(user).to_string_lossy().into_owned()
    }
}

fn flags(pairs: &[(&str, String)]) -> Vec<String> {
    pairs.iter().map(|(name, value)| format!("--{name}={value}")).collect()
}

/// A token is as secret as the loopback port it is for, and both end with the test.
fn token_of(user: &str) -> String {
    format!("{}-token", user.trim_start_matches("system:"))
}

/// The lines in the format in which a container runtime stores them.
fn pod_log(lines: &str) -> String {
    lines.lines().map(|line| format!("2026-01-01T00:00:00.000000000Z stdout F {line}\n")).collect()
}
