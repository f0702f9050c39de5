use serde_json::json;

use super::*;

#[test]
fn documents_name_their_template_and_lists_are_flattened() {
    let manifest = "---\n# Source: web/templates/all.yaml\napiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  \
                    kind: ConfigMap\n  metadata: {name: a}\n- apiVersion: v1\n  kind: Secret\n  metadata: {name: b}\n";
    let (documents, errors) = documents(manifest);
    assert_eq!(errors, []);
    let read: Vec<_> = documents.iter().map(|d| (d.source.as_str(), d.kind.as_str(), d.name.as_str())).collect();
    assert_eq!(read, [("web/templates/all.yaml", "ConfigMap", "a"), ("web/templates/all.yaml", "Secret", "b")]);
}

#[test]
fn wrong_documents_are_all_named() {
    let manifest = "---\n# Source: c/templates/a.yaml\n- 1\n---\n# Source: c/templates/b.yaml\nkind: X\n---\n\
                    # Source: c/templates/c.yaml\napiVersion: v1\nkind: Pod\nmetadata: {generateName: p-}\n";
    let (documents, errors) = documents(manifest);
    assert!(documents.is_empty());
    let expected = [
        DocumentError::NotAMap { source_path: "c/templates/a.yaml".into() },
        DocumentError::MissingField { source_path: "c/templates/b.yaml".into(), field: "apiVersion" },
        DocumentError::MissingName { source_path: "c/templates/c.yaml".into(), kind: "Pod".into() },
    ];
    assert_eq!(errors, expected);
}

#[test]
fn whole_numbers_become_integers_and_others_stay() {
    let read = with_integers(json!({"replicas": 3.0, "ratio": 0.5, "big": 1e21, "list": [-1.0, true, "2.0"]}));
    assert_eq!(read, json!({"replicas": 3, "ratio": 0.5, "big": 1e21, "list": [-1, true, "2.0"]}));
}

#[test]
fn a_namespace_is_given_only_where_the_kind_has_one() {
    let object = || json!({"metadata": {"name": "x"}});
    let mut namespaced = object();
    assert_eq!(place(&mut namespaced, true, "shop"), "shop");
    assert_eq!(namespaced["metadata"]["namespace"], "shop");
    let mut elsewhere = json!({"metadata": {"name": "x", "namespace": "other"}});
    assert_eq!(place(&mut elsewhere, true, "shop"), "other");
    assert_eq!(place(&mut elsewhere, false, "shop"), "");
    assert_eq!(elsewhere, object());
}

#[test]
fn definitions_bring_their_served_versions() {
    let definition = json!({
        "kind": "CustomResourceDefinition",
        "spec": {
            "group": "example.org", "scope": "Namespaced", "names": {"kind": "Widget", "plural": "widgets"},
            "versions": [{"name": "v1", "served": true}, {"name": "v1alpha1", "served": false}],
        },
    });
    let kinds = defined_kinds([&definition].into_iter());
    assert_eq!(kinds.len(), 1);
    let kind = &kinds[&("example.org/v1".to_owned(), "Widget".to_owned())];
    assert_eq!((kind.resource.plural.as_str(), kind.namespaced), ("widgets", true));
}

#[test]
fn stamping_keeps_other_labels() {
    let mut object = object("ConfigMap", "a");
    object.json["metadata"]["labels"] = json!({"app": "x"});
    object.stamp("web", "shop");
    assert_eq!(object.label("app"), Some("x"));
    assert_eq!(object.label(MANAGED_BY_LABEL), Some("Helm"));
    assert_eq!(object.annotation(RELEASE_NAME_ANNOTATION), Some("web"));
    assert_eq!(object.annotation(RELEASE_NAMESPACE_ANNOTATION), Some("shop"));
}

#[test]
fn runs_end_where_the_kind_changes() {
    let objects =
        [object("ConfigMap", "a"), object("ConfigMap", "b"), object("Service", "a"), object("ConfigMap", "c")];
    let lengths: Vec<_> = runs(&objects).map(<[Object]>::len).collect();
    assert_eq!(lengths, [2, 1, 1]);
}

#[test]
fn of_an_object_written_twice_the_later_one_stays() {
    let mut second = object("ConfigMap", "a");
    second.source = "web/templates/second.yaml".into();
    let left = last_of_each(vec![object("ConfigMap", "a"), object("ConfigMap", "b"), second]);
    let sources: Vec<_> = left.iter().map(|object| (object.key.name.as_str(), object.source.as_str())).collect();
    assert_eq!(sources, [("b", "web/templates/x.yaml"), ("a", "web/templates/second.yaml")]);
}

fn object(kind: &str, name: &str) -> Object {
    let resource = ApiResource {
        group: String::new(),
        version: "v1".into(),
        api_version: "v1".into(),
        kind: kind.into(),
        plural: format!("{}s", kind.to_lowercase()),
    };
    Object {
        key: ObjectKey { group: String::new(), kind: kind.into(), namespace: "shop".into(), name: name.into() },
        kind: Kind { resource, namespaced: true },
        source: "web/templates/x.yaml".into(),
        json: json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": "shop"}}),
        policy: Policy::default(),
    }
}
