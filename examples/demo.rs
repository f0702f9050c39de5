//! A release's whole life on a control plane of its own, shown with the real output of kubectl and helm.
//!
//! `make demo` runs it. With `KEEP=1` the cluster stays up until Enter or Ctrl-C.

#[path = "../tests/support/mod.rs"]
mod support;

use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use support::{ChartServer, ControlPlane, Operator, Options, charts, command, folder::Folder, wait};

const NAMESPACE: &str = "demo";
const LIMIT: Duration = Duration::from_secs(60);

fn main() -> Result<()> {
    rustls::crypto::ring::default_provider().install_default().ok().context("TLS is set up twice")?;
    let started = Instant::now();
    let demo = Demo::start()?;
    demo.show_all().inspect_err(|_| demo.explain())?;
    say(&format!("Done in {} s. Everything that was started is stopped again.", started.elapsed().as_secs()));
    Ok(())
}

struct Demo {
    operator: Operator,
    server: ChartServer,
    charts: Folder,
    cluster: ControlPlane,
}

impl Demo {
    fn start() -> Result<Self> {
        say("Starting a control plane: etcd, API server, controller manager, scheduler, two simulated nodes.");
        let cluster = ControlPlane::start(Options::default())?;
        let charts = Folder::new("charts")?;
        charts::repository(&[charts::folder("hello-0.1.0")], charts.path())?;
        let server = ChartServer::start(charts.path())?;

        say("Installing Coxswain's definitions and rights: kubectl apply -f config/install.yaml");
        show(cluster.kubectl().args(["apply", "--server-side", "-f"]).arg(project("config/install.yaml")))?;
        say(
            "The nodes only pretend to run containers, so the operator runs here as a process, with the rights of its\nservice account and no others.",
        );
        let rights = cluster.service_account_kubeconfig("captain-system", "coxswain")?;
        let operator = Operator::start(&cluster, &rights, &[])?;
        Ok(Self { operator, server, charts, cluster })
    }

    fn show_all(&self) -> Result<()> {
        self.install()?;
        self.repair()?;
        self.upgrade_by_values()?;
        self.upgrade_by_version()?;
        if std::env::var("KEEP").is_ok_and(|keep| keep == "1") {
            return self.keep();
        }
        self.remove()
    }

    /// Something went wrong: what the request says of it, and what the operator logged.
    fn explain(&self) {
        let _ = show(self.cluster.kubectl().args(["describe", "hr,chartrepo", "-n", NAMESPACE]));
        println!("{}", self.operator.log().unwrap_or_default());
    }

    fn install(&self) -> Result<()> {
        say("Telling where charts are (a ChartRepo) and what is wanted (a HelmRequest).");
        let kubectl = || self.cluster.kubectl();
        command::output(kubectl().args(["create", "namespace", NAMESPACE]))?;
        let repository = std::fs::read_to_string(project("config/samples/chartrepo.yaml"))?
            .replace("https://charts.example.com", &self.server.url());
        let path = self.charts.path().join("chartrepo.yaml");
        std::fs::write(&path, repository)?;
        show(kubectl().args(["apply", "-n", NAMESPACE, "-f"]).arg(&path))?;
        show(kubectl().args(["apply", "-n", NAMESPACE, "-f"]).arg(project("config/samples/helmrequest.yaml")))?;
        self.wait_ready()?;
        show(kubectl().args(["get", "chartrepos,charts,helmrequests", "-n", NAMESPACE]))?;
        show(kubectl().args(["get", "deployments,services,configmaps,pods", "-n", NAMESPACE]))?;
        say("The helm command line sees the release as its own.");
        show(self.cluster.helm().args(["list", "-n", NAMESPACE]))?;
        show(self.cluster.helm().args(["history", "greeter", "-n", NAMESPACE]))
    }

    fn repair(&self) -> Result<()> {
        say("Deleting an object of the release.");
        let uid = self.field("deployment", "{.metadata.uid}")?;
        show(self.cluster.kubectl().args(["delete", "deployment", "greeter-hello", "-n", NAMESPACE, "--wait=false"]))?;
        let repaired = self.measure("the Deployment to be back", || {
            Ok(self.field("deployment", "{.metadata.uid}").is_ok_and(|now| !now.is_empty() && now != uid))
        })?;
        say(&format!("It was back {repaired} ms after kubectl had said that it was deleted."));
        self.wait_ready()?;

        say("Editing an object of the release.");
        let patch = r#"{"data":{"message":"tampered with"}}"#;
        show(self.cluster.kubectl().args(["patch", "configmap", "greeter-hello", "-n", NAMESPACE, "-p", patch]))?;
        let repaired = self.measure("the ConfigMap to be as declared", || {
            Ok(self.field("configmap", "{.data.message}")? == "good morning")
        })?;
        say(&format!(
            "It was as declared {repaired} ms after kubectl had said that it was patched. The events tell who did it:"
        ));
        show(self.cluster.kubectl().args(["events", "--for", "helmrequest/greeter", "-n", NAMESPACE]))
    }

    fn upgrade_by_values(&self) -> Result<()> {
        say("Upgrading by changing values: three replicas.");
        self.change(r#"{"spec":{"values":{"replicas":3}}}"#)?;
        show(self.cluster.kubectl().args(["get", "deployment", "greeter-hello", "-n", NAMESPACE]))
    }

    fn upgrade_by_version(&self) -> Result<()> {
        say("Publishing version 0.2.0 of the chart and upgrading to it.");
        let folders = [charts::folder("hello-0.1.0"), charts::folder("hello-0.2.0")];
        charts::repository(&folders, self.charts.path())?;
        let refresh = format!("coxswain.dev/refresh={}", std::process::id());
        show(self.cluster.kubectl().args(["annotate", "chartrepo", "samples", "-n", NAMESPACE, &refresh]))?;
        self.change(r#"{"spec":{"version":"0.2.0"}}"#)?;
        show(self.cluster.kubectl().args(["get", "hr", "-n", NAMESPACE, "-o", "wide"]))?;
        show(self.cluster.helm().args(["history", "greeter", "-n", NAMESPACE]))
    }

    fn remove(&self) -> Result<()> {
        say("Removing everything by deleting the request.");
        show(self.cluster.kubectl().args(["delete", "hr", "greeter", "-n", NAMESPACE, "--timeout", "60s"]))?;
        show(self.cluster.kubectl().args(["get", "deployments,services,configmaps", "-n", NAMESPACE]))?;
        show(self.cluster.helm().args(["list", "--all-namespaces"]))
    }

    fn keep(&self) -> Result<()> {
        say("The cluster stays up until you press Enter or Ctrl-C. In another terminal:");
        println!("    export KUBECONFIG={}", self.cluster.kubeconfig().display());
        println!("    {} get hr -n {NAMESPACE}", self.cluster.bin("kubectl").display());
        println!("    {} list -n {NAMESPACE}", self.cluster.bin("helm").display());
        // Without a terminal nobody can press Enter: then only a signal ends it.
        if std::io::stdin().read_line(&mut String::new())? == 0 {
            loop {
                std::thread::park();
            }
        }
        Ok(())
    }

    /// Patches the request and waits until the change is deployed.
    fn change(&self, patch: &str) -> Result<()> {
        let revision = self.revision()?;
        show(self.cluster.kubectl().args(["patch", "hr", "greeter", "-n", NAMESPACE, "--type", "merge", "-p", patch]))?;
        wait::until(LIMIT, "the next revision", || Ok((self.revision()? > revision).then_some(())))?;
        self.wait_ready()
    }

    fn revision(&self) -> Result<u32> {
        Ok(self.field("hr", "{.status.revision}")?.parse().unwrap_or(0))
    }

    fn wait_ready(&self) -> Result<()> {
        let wait = ["wait", "--for=condition=Ready", "hr/greeter", "-n", NAMESPACE, "--timeout=60s"];
        show(self.cluster.kubectl().args(wait))
    }

    fn field(&self, kind: &str, path: &str) -> Result<String> {
        let name = if kind == "hr" { "greeter" } else { "greeter-hello" };
        let output = format!("jsonpath={path}");
        command::output(self.cluster.kubectl().args(["get", kind, name, "-n", NAMESPACE, "-o", &output]))
    }

    /// Milliseconds until something holds, as a user with kubectl can see it.
    fn measure(&self, what: &str, mut holds: impl FnMut() -> Result<bool>) -> Result<u128> {
        let began = Instant::now();
        wait::until(LIMIT, what, || Ok(holds()?.then_some(())))?;
        Ok(began.elapsed().as_millis())
    }
}

fn say(text: &str) {
    println!("\n== {text}");
}

/// Runs a command and prints it as it would be typed, with what it answers.
fn show(command: &mut Command) -> Result<()> {
    let program = Path::new(command.get_program()).file_name().unwrap_or_default().to_string_lossy().into_owned();
    let arguments: Vec<_> = command.get_args().map(|argument| argument.to_string_lossy().into_owned()).collect();
    let typed = arguments.iter().scan(false, |skip, argument| {
        let hidden = *skip || argument == "--cache-dir";
        *skip = argument == "--cache-dir";
        Some((!hidden).then(|| quoted(argument)))
    });
    println!("$ {program} {}", typed.flatten().collect::<Vec<_>>().join(" "));
    let finished = command::finish(command, LIMIT + LIMIT)?;
    print!("{}{}", finished.stdout, finished.stderr);
    std::io::stdout().flush()?;
    anyhow::ensure!(finished.success, "that should have worked");
    Ok(())
}

fn quoted(argument: &str) -> String {
    if argument.contains(['{', '"', ' ', '*']) { format!("'{argument}'") } else { argument.to_owned() }
}

fn project(path: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}
