//! `spec.postRender` on live objects, and its meaning beside Kustomize's own.

use anyhow::{Context, Result};
use coxswain::chart::load_directory;
use coxswain::render::post::{self, Image, Patch, Rules, Target};
use coxswain::render::{Capabilities, Input, Program, Release, Rendered};
use serde_json::{Value, json};

use crate::support::charts;
use crate::world::{Place, world};

async fn place(purpose: &str) -> Result<Place<'static>> {
    world().place(purpose, &["hello-0.1.0", "hooks"]).await
}

fn spec(chart: &str, rules: &Value) -> Value {
    json!({"chart": format!("charts/{chart}"), "postRender": rules})
}

fn change(place: &Place<'_>, rules: &Value) -> Result<()> {
    place.merge("helmrequest", "web", &json!({"spec": {"postRender": rules}}))
}

fn rules() -> Value {
    json!({
        "patches": [
            {
                "target": {"kind": "Deployment", "name": "web-.*"},
                "patch": "spec:\n  template:\n    spec:\n      containers:\n      - name: hello\n        env:\n        - \
                          {name: EXTRA, value: \"1\"}\n      - {name: side, image: \"example.invalid/side:1\"}\n",
            },
            {
                "target": {"kind": "ConfigMap", "labelSelector": "app.kubernetes.io/instance=web"},
                "patch": "- {op: test, path: /data/message, value: hello}\n- {op: add, path: /data/added, value: here}",
            },
            {"patch": "apiVersion: v1\nkind: Service\nmetadata: {name: web-hello}\nspec: {type: NodePort}"},
        ],
        "images": [{"name": "example.invalid/side", "newName": "example.invalid/car", "newTag": "2"}],
        "commonLabels": {"team": "a"},
        "commonAnnotations": {"owner": "b"},
    })
}

#[tokio::test]
async fn rules_land_on_live_objects_and_in_the_record_and_drift_repair_keeps_them() -> Result<()> {
    let place = place("post-render").await?;
    place.apply(&place.request("web", spec("hello", &rules())))?;
    place.until_ready("web")?;

    let deployment = place.get("deployment", "web-hello")?.context("there is no Deployment")?;
    let pod = &deployment["spec"]["template"]["spec"];
    assert_eq!(pod["containers"][0]["env"][0], json!({"name": "EXTRA", "value": "1"}));
    assert_eq!(pod["containers"][0]["env"][1]["name"], "MESSAGE", "what the patch does not name stays");
    assert_eq!(pod["containers"][1]["image"], "example.invalid/car:2");
    assert!(deployment["spec"]["template"]["metadata"]["labels"].get("team").is_none(), "pods keep their labels");
    for (kind, name) in [("deployment", "web-hello"), ("service", "web-hello"), ("serviceaccount", "web-hello")] {
        let metadata = place.get(kind, name)?.context("an object is missing")?["metadata"].take();
        assert_eq!(
            (&metadata["labels"]["team"], &metadata["annotations"]["owner"]),
            (&json!("a"), &json!("b")),
            "{kind}"
        );
    }
    assert_eq!(place.get("service", "web-hello")?.context("there is no Service")?["spec"]["type"], "NodePort");

    let manifest = place.helm(&["get", "manifest", "web"])?;
    for text in
        ["# Source: hello/templates/deployment.yaml", "name: EXTRA", "added: here", "example.invalid/car:2", "team: a"]
    {
        assert!(manifest.contains(text), "{text} is not in {manifest}");
    }

    place.kubectl(&["patch", "configmap", "web-hello", "-p", r#"{"data":{"added":"tampered"}}"#])?;
    place.until("configmap", "web-hello", "the patched field to be repaired", |map| map["data"]["added"] == "here")?;

    change(&place, &json!({"commonLabels": {"team": "c"}}))?;
    place.until("service", "web-hello", "the changed label", |service| service["metadata"]["labels"]["team"] == "c")?;
    assert_eq!(place.until_ready("web")?["status"]["revision"], 2, "one change of the rules is one revision");
    change(&place, &Value::Null)?;
    place.until("service", "web-hello", "the rules to be gone", |service| {
        service["metadata"]["labels"].get("team").is_none()
    })?;
    assert_eq!(place.until_ready("web")?["status"]["revision"], 3);
    Ok(())
}

#[tokio::test]
async fn a_rule_that_cannot_be_followed_writes_nothing_and_is_told_by_name() -> Result<()> {
    let place = place("post-render-bad").await?;
    let target = json!({"kind": "Service"});
    let cases = [
        (json!([{"target": target, "patch": "a: ["}]), "patches[0] is not YAML"),
        (
            json!([{"target": target, "patch": "- {op: remove, path: /spec/nothing}"}]),
            "patches[0], operation 0, Service \"web-hello\": /spec/nothing does not exist",
        ),
        (
            json!([{"target": target, "patch": "- {op: test, path: /spec/ports/0/port, value: 81}"}]),
            "patches[0], operation 0, Service \"web-hello\": the test of /spec/ports/0/port fails",
        ),
        (
            json!([{"target": target, "patch": "{}"}, {"target": {"kind": "Ingress"}, "patch": "{}"}]),
            "patches[1] is for kind \"Ingress\", and the chart renders no such object",
        ),
    ];
    place.apply(&place.request("web", spec("hello", &json!({"commonLabels": {"a": "b"}, "patches": cases[0].0}))))?;
    for (patches, expected) in &cases {
        change(&place, &json!({"patches": patches}))?;
        place.until_event("web", "FailedSync", expected)?;
        let message = place.until_failed("web", "PostRenderFailed")?;
        assert!(message.contains(expected), "{message} does not tell {expected}");
    }
    assert!(place.get("service", "web-hello")?.is_none(), "nothing is written");
    assert_eq!(place.kubectl(&["get", "secrets", "-l", "owner=helm", "-o", "name"])?, "", "nothing is recorded");

    change(&place, &json!({"patches": null}))?;
    assert_eq!(place.until_ready("web")?["status"]["revision"], 1);
    Ok(())
}

#[tokio::test]
async fn hooks_are_changed_where_the_rules_say_so() -> Result<()> {
    let place = place("post-render-hooks").await?;
    let patch = "metadata: {annotations: {helm.sh/hook-weight: \"9\", helm.sh/hook-delete-policy: hook-failed}}";
    let rules = json!({
        "patches": [{"target": {"kind": "Job", "name": ".*-before"}, "patch": patch}],
        "images": [{"name": "example.invalid/hook", "newTag": "2"}],
        "commonLabels": {"team": "a"},
        "hooks": true,
    });
    place.apply(&place.request("web", spec("hooks", &rules)))?;
    place.until_ready("web")?;
    let job = place.get("job", "web-before")?.context("the hook is gone")?;
    assert_eq!(job["metadata"]["labels"]["team"], "a");
    assert_eq!(job["spec"]["template"]["spec"]["containers"][0]["image"], "example.invalid/hook:2");
    let hooks = place.helm(&["get", "hooks", "web"])?;
    assert!(hooks.contains("helm.sh/hook-weight: \"9\"") && hooks.contains("example.invalid/hook:2"), "{hooks}");
    Ok(())
}

/// Kustomize as `kubectl` brings it.
fn kustomize(place: &Place<'_>, documents: &str, patches: &Value, images: &Value) -> Result<Value> {
    let folder = place.folder.path().join("kustomize");
    std::fs::create_dir_all(&folder)?;
    std::fs::write(folder.join("documents.yaml"), documents)?;
    let rules = json!({"resources": ["documents.yaml"], "patches": patches, "images": images});
    std::fs::write(folder.join("kustomization.yaml"), rules.to_string())?;
    read(&place.kubectl(&["kustomize", &folder.to_string_lossy()])?)
}

fn read(text: &str) -> Result<Value> {
    let documents = coxswain::render::split(text).into_iter().map(coxswain::yaml::parse);
    Ok(documents.collect::<Result<Vec<_>, _>>()?.into())
}

/// The chart `hello` as it is rendered without rules.
fn rendered() -> Result<Rendered> {
    let chart = load_directory(&charts::folder("hello-0.1.0"), &coxswain::chart::Limits::default())?;
    let release = Release { name: "web".to_owned(), namespace: "prod".to_owned(), revision: 1, is_upgrade: false };
    Ok(Program::new(chart).render(&Input::new(&Value::Null, &release, &Capabilities::default()))?)
}

#[tokio::test]
async fn patches_and_images_mean_what_they_mean_to_kustomize() -> Result<()> {
    let place = world().bare_place("kustomize").await?;
    let original = rendered()?;
    let head = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web-hello}\n";
    let pod = |containers: &str, rest: &str| {
        format!("{head}spec: {{template: {{spec: {{containers: [{containers}]{rest}}}}}}}")
    };
    let merges = [
        format!("{head}spec: {{replicas: null, strategy: {{type: Recreate}}}}"),
        pod("{name: side, image: side}, {name: hello, args: [a, b]}", ""),
        pod("{name: hello, args: [a]}, {name: side, image: side}", ", volumes: [{name: v, emptyDir: {}}]"),
        pod("{name: hello, env: [{name: A, value: \"1\"}, {name: MESSAGE, valueFrom: null, value: x}]}", ""),
        pod("{name: hello, env: [{name: MESSAGE, $patch: delete}]}", ""),
        pod("{name: hello, ports: [{containerPort: 9090, name: m}, {containerPort: 8080, hostPort: 80}]}", ""),
        pod("{name: hello, readinessProbe: {$patch: replace, exec: {command: [x]}}}", ", tolerations: [{key: a}]"),
        format!("{head}$patch: delete"),
        "apiVersion: v1\nkind: Service\nmetadata: {name: web-hello}\nspec: {ports: [{port: 80, targetPort: 1}, {port: 81}]}"
            .to_owned(),
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web-hello, labels: {a: b}}\ndata: {message: null, b: c}".to_owned(),
    ];
    let mut cases: Vec<(Value, Value)> = merges.iter().map(|text| (json!([{"patch": text}]), json!([]))).collect();
    let operations = "- {op: add, path: /metadata/labels/a~1b, value: c}\n- {op: copy, from: /kind, path: /metadata/labels/k}\n\
                      - {op: move, from: /metadata/labels/k, path: /metadata/labels/l}";
    for target in [json!({"kind": "Deployment|Service"}), json!({"name": "web-.*", "version": "v1", "group": "apps"})] {
        cases.push((json!([{"target": target, "patch": operations}]), json!([])));
    }
    let selected =
        json!({"labelSelector": "app.kubernetes.io/instance in (web, other), app.kubernetes.io/managed-by!=x"});
    cases.push((json!([{"target": selected, "patch": operations}]), json!([])));
    for image in [
        json!({"newTag": "2"}),
        json!({"digest": "sha256:aa"}),
        json!({"newName": "r:5000/x", "newTag": "2", "digest": "sha256:aa"}),
    ] {
        let mut image = image;
        image["name"] = json!("example.invalid/hello");
        cases.push((json!([]), json!([image])));
    }
    for (patches, images) in cases {
        let mut ours = original.clone();
        post::apply(&rules_of(&patches, &images), &mut ours)?;
        let theirs = kustomize(&place, &original.manifest, &patches, &images)?;
        assert_eq!(sorted(read(&ours.manifest)?), sorted(theirs), "{patches} {images}");
    }
    Ok(())
}

/// The rules that Kustomize's fields stand for.
fn rules_of(patches: &Value, images: &Value) -> Rules {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let target = |value: &Value| Target {
        group: text(&value["group"]),
        version: text(&value["version"]),
        kind: text(&value["kind"]),
        name: text(&value["name"]),
        namespace: text(&value["namespace"]),
        labels: text(&value["labelSelector"]),
    };
    let patch = |value: &Value| Patch {
        target: value.get("target").map(target),
        text: text(&value["patch"]).unwrap_or_default(),
    };
    let image = |value: &Value| Image {
        name: text(&value["name"]).unwrap_or_default(),
        new_name: text(&value["newName"]),
        new_tag: text(&value["newTag"]),
        digest: text(&value["digest"]),
    };
    Rules {
        patches: patches.as_array().into_iter().flatten().map(patch).collect(),
        images: images.as_array().into_iter().flatten().map(image).collect(),
        namespace: "prod".to_owned(),
        ..Rules::default()
    }
}

/// Objects in an order of their own: Kustomize has none that is Helm's.
fn sorted(objects: Value) -> Vec<Value> {
    let mut objects = objects.as_array().cloned().unwrap_or_default();
    objects.sort_by_key(|object| object["kind"].to_string());
    objects
}
