//! Replacing Captain: what the check tells is done as it says, on an installation of Captain with requests of its.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::{assert_golden, captain, run};
use crate::captain::{captain_leaves, identities};
use crate::support::manifests::project;
use crate::support::{Operator, charts, command};
use crate::world::{Place, World};

const HOME: &str = "captain-system";

/// Runs a line as whoever follows the page would: in a shell, in the project's folder.
fn typed(place: &Place<'_>, line: &str) -> Result<()> {
    let cluster = &place.world.cluster;
    let path = cluster.bin("").display().to_string() + ":" + &std::env::var("PATH").unwrap_or_default();
    let mut shell = std::process::Command::new("sh");
    let folder = project("");
    shell.args(["-euc", line]).current_dir(folder).env("KUBECONFIG", cluster.kubeconfig()).env("PATH", path);
    let finished = command::finish(&mut shell, 2 * crate::world::LIMIT)?;
    ensure!(finished.success, "{line}: {}{}", finished.stdout, finished.stderr);
    Ok(())
}

/// An installation of Captain that has installed two requests and failed at a third; those of the oldest version are
/// stored as that. Its webhook comes last, as nobody answers it here.
fn install_captain(place: &Place<'_>) -> Result<()> {
    let manifest = std::fs::read_to_string(project("tests/it/plugin/captain.yaml"))?;
    let (all, webhook) = manifest.rsplit_once("---\n").context("two parts")?;
    let folder = place.folder.path();
    std::fs::write(folder.join("captain.txt"), all)?;
    std::fs::write(folder.join("webhook.txt"), webhook)?;
    typed(place, &format!("kubectl apply -f {}", folder.join("captain.txt").display()))?;
    typed(place, "kubectl wait --for=condition=Established --all crd")?;
    let mut repository = place.repository("charts", &place.server.url());
    repository["metadata"]["namespace"] = json!("captain");
    place.apply(&repository)?;
    let mut old = place.request("old", json!({"chart": "charts/hello", "version": "0.1.0"}));
    old["apiVersion"] = json!("app.alauda.io/v1alpha1");
    old["metadata"]["finalizers"] = json!(["captain.alauda.io"]);
    place.apply(&old)?;
    // From 1.5 on they are stored as v1; those that nobody writes stay as they are.
    let versions = r#"[{"op": "replace", "path": "/spec/versions/0/storage", "value": false},
                       {"op": "replace", "path": "/spec/versions/1/storage", "value": true}]"#;
    typed(place, &format!("kubectl patch crd helmrequests.app.alauda.io --type json -p '{versions}'"))?;
    captain_leaves(place)?;
    typed(place, &format!("kubectl apply -f {}", folder.join("webhook.txt").display()))
}

#[tokio::test]
async fn captain_is_replaced_step_by_step_and_what_it_deployed_stays_as_it_is() -> Result<()> {
    let world = World::start_bare()?;
    let place = world.bare_place("moving").await?;
    let folders = ["hello-0.1.0", "hello-0.2.0"].map(charts::folder);
    charts::repository(&folders, place.folder.path())?;
    install_captain(&place)?;
    let before = identities(&place)?;

    let checked = captain(&place, &["migrate", "--check"])?;
    ensure!(checked.code == Some(0), "{}{}", checked.stdout, checked.stderr);
    assert_golden(&place, "migrate", &checked.stdout)?;
    let found: Value = serde_json::from_str(&captain(&place, &["migrate", "--check", "-o", "json"])?.stdout)?;
    let steps = found["steps"].as_array().context("steps")?;
    for step in steps.iter().filter_map(Value::as_str) {
        typed(
            &place,
            &step
                .replace("captain.yaml", "/dev/null")
                .replace("IMAGE", "coxswain")
                .replace("kubectl captain", super::binary()),
        )?;
    }
    let stored =
        place.kubectl(&["get", "crd", "helmrequests.app.alauda.io", "-o", "jsonpath={.status.storedVersions}"])?;
    assert_eq!(stored, r#"["v1alpha1","v1"]"#);

    let rights = world.cluster.service_account_kubeconfig(HOME, "coxswain")?;
    let operator =
        Operator::start(&world.cluster, &rights, &["--leader-election=false", "--chartrepo-namespace=captain"])?;
    let ready = place.until_ready("web")?;
    assert_eq!((&ready["status"]["version"], &ready["status"]["revision"]), (&json!("0.1.0"), &json!(2)));
    assert_eq!(identities(&place)?, before, "no new generation, no new object, no restart");
    assert_eq!(place.until_ready("old")?["status"]["revision"], 1);
    // The definition's old version is written anew by the operator, and both finalizers let it go.
    for name in ["old", "web"] {
        place.kubectl(&["delete", "helmrequest", name])?;
    }
    assert!(place.get("deployment", "web-hello")?.is_none());
    operator.kill();
    Ok(())
}

#[tokio::test]
async fn what_stands_in_the_way_of_replacing_captain_is_told_with_what_to_do() -> Result<()> {
    let world = World::start_idle()?;
    let place = world.bare_place("in-the-way").await?;
    let without_check = captain(&place, &["migrate"])?;
    assert!(without_check.code == Some(1) && without_check.stderr.contains("--check"), "{}", without_check.stderr);
    for name in ["web", "web-2"] {
        let spec = json!({"chart": "charts/hello", "releaseName": "web", "namespace": place.namespace});
        place.apply(&place.request(name, spec))?;
    }
    let mut local = place.repository("local", "http://captain-chartmuseum:8080/local");
    local["spec"]["type"] = json!("Local");
    place.apply(&local)?;
    let checked = captain(&place, &["migrate", "--check"])?;
    assert!(checked.code == Some(1) && checked.stderr.contains("2 problems have to be solved"), "{}", checked.stderr);
    for part in ["only one of them can", "Local means charts in ConfigMaps"] {
        assert!(checked.stdout.contains(part), "{part}: {}", checked.stdout);
    }
    let kubeconfig = world.cluster.service_account_kubeconfig(&place.namespace, "default")?;
    let mut nobody = std::process::Command::new(super::binary());
    let refused = run(nobody.env("KUBECONFIG", kubeconfig).args(["migrate", "--check"]))?;
    assert!(refused.code == Some(1) && refused.stderr.contains("helmrequests"), "{}", refused.stderr);
    Ok(())
}
