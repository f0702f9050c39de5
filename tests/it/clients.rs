//! Clients that openapi-generator makes of our kinds: they compile, and stores written with them install, change and
//! delete a release. `make clients` runs it; it needs a JDK and downloads the generator.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::support::cluster::free_port;
use crate::support::folder::Folder;
use crate::support::manifests::project;
use crate::support::{command, http, wait};
use crate::world::{LIMIT, world};

/// How long generating and compiling may take.
const GENERATING: Duration = Duration::from_secs(600);

#[tokio::test]
#[ignore = "needs a JDK and openapi-generator: make clients"]
async fn stores_with_generated_clients_install_change_and_delete_a_release() -> Result<()> {
    let place = world().place("clients", &["hello-0.1.0", "hello-0.2.0"]).await?;
    let cluster = &place.world.cluster;
    let folder = Folder::new("clients")?;
    let programs = cluster.bin("kubectl").parent().map(Path::to_owned).context("kubectl is in a folder")?;
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = [programs].into_iter().chain(std::env::split_paths(&path));
    let mut generate = Command::new(project("tests/clients/generate.sh"));
    generate.arg(folder.path()).env("KUBECONFIG", cluster.kubeconfig()).env("PATH", std::env::join_paths(folders)?);
    let generated = command::finish(&mut generate, GENERATING)?;
    eprint!("{}", generated.stderr);
    ensure!(generated.success, "it does not compile: {}", generated.stdout);

    let listen = format!("127.0.0.1:{}", free_port()?);
    let port = listen.rsplit(':').next().unwrap_or_default();
    let _proxy = cluster.run("kubectl-proxy", cluster.kubectl().args(["proxy", "--port", port]))?;
    wait::until(LIMIT, "kubectl proxy to answer", || Ok(http::get(&listen, "/version").ok()))?;
    for store in ["install", "install-java"] {
        let mut run = Command::new(folder.path().join(store));
        run.args([&*format!("http://{listen}"), &*place.namespace, store]);
        let done = command::finish(&mut run, 3 * LIMIT)?;
        let expected = "revision 1: chart version 0.1.0\nrevision 2: chart version 0.2.0\ndeleted\n";
        ensure!(done.stdout == expected, "{store}: {}{}", done.stdout, done.stderr);
        eprint!("{store}:\n{}", done.stdout);
    }
    Ok(())
}
