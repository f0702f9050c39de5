use std::collections::BTreeMap;

use serde_json::json;

use super::*;
use crate::chart::dependencies::tests::chart;
use crate::render::{Event, Order, Reads, Sorted, sort_documents};

const CONFIG_MAP: &str = "# by hand\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: web}\ndata: {a: \"1\"}\n";
const SERVICE: &str =
    "apiVersion: v1\nkind: Service\nmetadata:\n  name: web\n  labels: {app: web}\nspec:\n  replicas: 3\n";
const HOOK: &str = "apiVersion: batch/v1\nkind: Job\nmetadata:\n  name: before\n  annotations:\n    \
                    helm.sh/hook: pre-install\n";

/// A render of these documents, each of a template of its own.
pub fn rendered(documents: &[&str]) -> Rendered {
    let files =
        documents.iter().enumerate().map(|(place, text)| (format!("c/templates/{place}.yaml"), (*text).to_owned()));
    let Sorted { manifests: documents, hooks, .. } =
        sort_documents(&files.collect::<BTreeMap<_, _>>(), Order::Install).expect("documents");
    let manifest = crate::render::manifest::manifest(&documents);
    let chart = chart("c", Json::Null, Vec::new());
    Rendered {
        manifest,
        documents,
        hooks,
        notes: String::new(),
        crds: Vec::new(),
        old_definitions: Vec::new(),
        chart,
        reads: Reads::default(),
    }
}

fn patch(target: Option<Target>, text: &str) -> Rules {
    Rules { patches: vec![Patch { target, text: text.to_owned() }], namespace: "prod".to_owned(), ..Rules::default() }
}

fn kind(kind: &str) -> Option<Target> {
    Some(Target { kind: Some(kind.to_owned()), ..Target::default() })
}

/// The documents after the rules, by the name of the template.
fn applied(rules: &Rules, documents: &[&str]) -> Result<Vec<String>, String> {
    let mut rendered = rendered(documents);
    apply(rules, &mut rendered).map_err(|error| error.to_string())?;
    Ok(rendered.documents.into_iter().map(|document| document.content).collect())
}

#[test]
fn what_nothing_changes_keeps_its_bytes_and_what_is_changed_is_in_the_manifest() {
    let mut rendered = rendered(&[CONFIG_MAP, SERVICE]);
    apply(&patch(kind("Service"), "spec: {replicas: 5}"), &mut rendered).expect("the patch fits");
    let service =
        "apiVersion: v1\nkind: Service\nmetadata:\n  labels:\n    app: web\n  name: web\nspec:\n  replicas: 5\n";
    let expected =
        format!("---\n# Source: c/templates/0.yaml\n{CONFIG_MAP}\n---\n# Source: c/templates/1.yaml\n{service}\n");
    assert_eq!(rendered.manifest, expected);
}

#[test]
fn a_patch_without_target_names_its_object() {
    let text = |namespace: &str| {
        format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: web{namespace}}}\ndata: {{b: \"2\"}}\n")
    };
    let merged = "apiVersion: v1\ndata:\n  a: \"1\"\n  b: \"2\"\nkind: ConfigMap\nmetadata:\n  name: web\n";
    for namespace in ["", ", namespace: prod"] {
        let documents = applied(&patch(None, &text(namespace)), &[CONFIG_MAP]);
        assert_eq!(documents, Ok(vec![merged.to_owned()]), "an object without a namespace is in the release's");
    }
    let missing =
        "postRender.patches[0] is for ConfigMap \"web\", and the chart renders no such object; correct the patch";
    assert_eq!(applied(&patch(None, &text(", namespace: other")), &[CONFIG_MAP]), Err(missing.to_owned()));
}

#[test]
fn a_strategic_merge_patch_does_not_rename_and_may_delete() {
    let rename =
        patch(kind("ConfigMap"), "apiVersion: x/v1\nkind: X\nmetadata: {name: x, namespace: x, labels: {a: b}}");
    let renamed = "apiVersion: v1\ndata:\n  a: \"1\"\nkind: ConfigMap\nmetadata:\n  labels:\n    a: b\n  name: web\n";
    assert_eq!(applied(&rename, &[CONFIG_MAP]), Ok(vec![renamed.to_owned()]));
    assert_eq!(
        applied(&patch(kind("ConfigMap"), "$patch: delete"), &[CONFIG_MAP, SERVICE]),
        Ok(vec![SERVICE.to_owned()])
    );
}

#[test]
fn targets_are_regular_expressions_that_match_as_a_whole() {
    let objects = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web-1, labels: {tier: front}}\n---\n\
                   apiVersion: v1\nkind: Service\nmetadata: {name: web-2, namespace: other}\n";
    let target = |field: &str, text: &str| {
        let mut target = Target::default();
        let place = match field {
            "group" => &mut target.group,
            "version" => &mut target.version,
            "kind" => &mut target.kind,
            "name" => &mut target.name,
            "namespace" => &mut target.namespace,
            _ => &mut target.labels,
        };
        *place = Some(text.to_owned());
        target
    };
    for (field, text, expected) in [
        ("name", "web-.*", 2),
        ("name", "web", 0),
        ("name", "web-1", 1),
        ("group", "apps", 1),
        ("version", "v1", 2),
        ("kind", "Deployment|Service", 2),
        ("namespace", "prod", 1),
        ("labels", "tier in (front)", 1),
        ("labels", "!tier", 1),
    ] {
        let rules = patch(Some(target(field, text)), "metadata: {annotations: {found: \"yes\"}}");
        let documents = applied(&rules, &[objects]);
        let found = documents.map_or(0, |all| all.iter().filter(|text| text.contains("found")).count());
        assert_eq!(found, expected, "{field} {text}");
    }
}

#[test]
fn items_of_lists_are_objects_of_their_own() {
    let list = "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: ConfigMap, metadata: {name: a}}\n\
                - {apiVersion: v1, kind: Secret, metadata: {name: b}}\n";
    let delete = applied(&patch(kind("ConfigMap"), "$patch: delete"), &[list]).expect("the patch fits");
    let expected = "apiVersion: v1\nitems:\n- apiVersion: v1\n  kind: Secret\n  metadata:\n    name: b\nkind: List\n";
    assert_eq!(delete, [expected]);
}

#[test]
fn hooks_are_changed_by_choice_and_read_again() {
    let rules = Rules { hooks: true, ..patch(kind("Job"), "metadata: {annotations: {helm.sh/hook-weight: \"7\"}}") };
    let mut changed = rendered(&[HOOK]);
    apply(&rules, &mut changed).expect("the patch fits");
    assert_eq!((changed.hooks[0].weight, changed.hooks[0].events.as_slice()), (7, [Event::PreInstall].as_slice()));

    let rules = Rules { hooks: true, ..patch(kind("Job"), "metadata: {annotations: {helm.sh/hook: null}}") };
    let mut changed = rendered(&[HOOK]);
    apply(&rules, &mut changed).expect("the patch fits");
    assert!(changed.hooks.is_empty());
    assert_eq!(changed.documents[0].head.name, "before");

    let labels = BTreeMap::from([("team".to_owned(), "a".to_owned())]);
    for (hooks, expected) in [(false, 0), (true, 1)] {
        let mut changed = rendered(&[HOOK]);
        apply(&Rules { labels: labels.clone(), hooks, ..Rules::default() }, &mut changed).expect("labels fit");
        assert_eq!(changed.hooks.iter().filter(|hook| hook.manifest.contains("team: a")).count(), expected);
    }
}

#[test]
fn what_cannot_be_followed_is_told_by_number_object_and_place() {
    let name = |text: &str| Some(Target { name: Some(text.to_owned()), ..Target::default() });
    let table = [
        (
            patch(kind("Service"), "- {op: test, path: /spec/replicas, value: 4}"),
            "postRender.patches[0], operation 0, Service \"web\": the test of /spec/replicas fails; it holds another \
             value",
        ),
        (
            patch(kind("Service"), "- {op: remove, path: /spec/replicas}\n- {op: remove, path: /spec/replicas}"),
            "postRender.patches[0], operation 1, Service \"web\": /spec/replicas does not exist; correct the path",
        ),
        (
            patch(kind("Service"), "- {op: sub, path: /spec}"),
            "postRender.patches[0], operation 0: op \"sub\" is none of add, remove, replace, move, copy and test",
        ),
        (
            patch(None, "- {op: remove, path: /spec}"),
            "postRender.patches[0] is a JSON patch without target; say which objects it is for",
        ),
        (
            patch(None, "kind: Service"),
            "postRender.patches[0] has no target and does not name its object; add apiVersion",
        ),
        (
            patch(kind("Job"), "a: b"),
            "postRender.patches[0] is for kind \"Job\", and the chart renders no such object but a hook; set \
             postRender.hooks to change hooks too",
        ),
        (
            patch(name("we"), "a: b"),
            "postRender.patches[0] is for name \"we\", and the chart renders no such object; correct the patch",
        ),
        (
            patch(kind("Service"), " "),
            "postRender.patches[0] is no patch; write a map (strategic merge patch) or a list (JSON patch)",
        ),
        (
            patch(kind("Service"), "spec: {$patch: drop}"),
            "postRender.patches[0], Service \"web\": /spec: $patch: \"drop\" is no directive; write $patch: delete, \
             replace or merge",
        ),
        (
            Rules { images: vec![Image::default()], ..Rules::default() },
            "postRender.images[0] has no name; name the image to look for, without tag and digest",
        ),
    ];
    for (rules, expected) in table {
        assert_eq!(applied(&rules, &[SERVICE, HOOK]), Err(expected.to_owned()), "{rules:?}");
    }
    for (rules, expected) in [
        (patch(kind("Service"), "a: ["), "postRender.patches[0] is not YAML: "),
        (patch(name("we["), "a: b"), "postRender.patches[0].target.name \"we[\": it is no regular expression: "),
        (
            patch(Some(Target { labels: Some("a of b".to_owned()), ..Target::default() }), "a: b"),
            "postRender.patches[0].target.labelSelector \"a of b\": ",
        ),
    ] {
        let error = applied(&rules, &[SERVICE, HOOK]).expect_err(expected);
        assert!(error.starts_with(expected), "{error}");
    }
}

#[test]
fn rules_are_followed_in_order() {
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec: {containers: [{name: a, image: old:1}]}\n";
    let mut rules = patch(kind("Pod"), "- {op: replace, path: /spec/containers/0/image, value: new:1}");
    rules.images = vec![Image { name: "new".to_owned(), new_tag: Some("2".to_owned()), ..Image::default() }];
    rules.annotations = BTreeMap::from([("a".to_owned(), "b".to_owned())]);
    let [pod]: [String; 1] = applied(&rules, &[pod]).expect("they fit").try_into().expect("one document");
    let pod = crate::yaml::parse(&pod).expect("YAML");
    assert_eq!(pod["spec"]["containers"][0]["image"], "new:2");
    assert_eq!(pod["metadata"], json!({"name": "web", "annotations": {"a": "b"}}));
}
