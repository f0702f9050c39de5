use serde_json::json;

use super::*;

fn merged(base: &Json, patch: &Json) -> Result<Json, String> {
    let mut object = base.clone();
    match merge(&mut object, patch) {
        Ok(Merged::Changed) => Ok(object),
        Ok(Merged::Deleted) => Ok(Json::Null),
        Err(error) => Err(error.to_string()),
    }
}

/// A Deployment with this pod.
fn deployment(pod: &Json) -> Json {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"template": {"spec": pod}}})
}

#[test]
fn lists_of_pods_are_merged_by_their_keys_and_what_the_patch_names_comes_first() {
    let table = [
        (
            "containers by name",
            json!({"containers": [{"name": "a", "image": "a:1"}, {"name": "b", "args": ["x", "y"]}]}),
            json!({"containers": [{"name": "d", "image": "d:1"}, {"name": "b", "args": ["z"]}]}),
            json!({"containers": [
                {"name": "d", "image": "d:1"}, {"name": "b", "args": ["z"]}, {"name": "a", "image": "a:1"},
            ]}),
        ),
        (
            "ports by number and protocol",
            json!({"containers": [{"name": "a", "ports": [
                {"containerPort": 80, "protocol": "TCP"}, {"containerPort": 80, "protocol": "UDP"},
                {"containerPort": 90},
            ]}]}),
            json!({"containers": [{"name": "a", "ports": [
                {"containerPort": 80, "protocol": "UDP", "name": "dns"}, {"containerPort": 90, "name": "web"},
                {"containerPort": 90, "protocol": "UDP"},
            ]}]}),
            json!({"containers": [{"name": "a", "ports": [
                {"containerPort": 80, "protocol": "UDP", "name": "dns"}, {"containerPort": 90, "name": "web"},
                {"containerPort": 90, "protocol": "UDP"}, {"containerPort": 80, "protocol": "TCP"},
            ]}]}),
        ),
        (
            "variables by name, one of them deleted",
            json!({"containers": [{"name": "a", "env": [{"name": "X", "value": "1"}, {"name": "Y", "value": "2"}]}]}),
            json!({"containers": [{"name": "a", "env": [
                {"name": "X", "$patch": "delete"}, {"name": "Y", "value": null, "valueFrom": {"fieldRef": {}}},
                {"name": "gone", "$patch": "delete"},
            ]}]}),
            json!({"containers": [{"name": "a", "env": [{"name": "Y", "valueFrom": {"fieldRef": {}}}]}]}),
        ),
        (
            "mounts by path",
            json!({"initContainers": [{"name": "a", "volumeMounts": [{"mountPath": "/a", "name": "a"}]}]}),
            json!({"initContainers": [{"name": "a", "volumeMounts": [{"mountPath": "/a", "readOnly": true}]}]}),
            json!({"initContainers": [{"name": "a", "volumeMounts": [
                {"mountPath": "/a", "name": "a", "readOnly": true},
            ]}]}),
        ),
        (
            "one volume replaced",
            json!({"volumes": [{"name": "a", "emptyDir": {}}, {"name": "b", "emptyDir": {}}]}),
            json!({"volumes": [{"name": "b", "configMap": {"name": "x"}, "$patch": "replace"}]}),
            json!({"volumes": [{"name": "b", "configMap": {"name": "x"}}, {"name": "a", "emptyDir": {}}]}),
        ),
        (
            "one volume with only the keys that are kept",
            json!({"volumes": [{"name": "a", "emptyDir": {}}]}),
            json!({"volumes": [{"name": "a", "configMap": {"name": "x"}, "$retainKeys": ["name", "configMap"]}]}),
            json!({"volumes": [{"name": "a", "configMap": {"name": "x"}}]}),
        ),
        (
            "all volumes replaced",
            json!({"volumes": [{"name": "a", "emptyDir": {}}]}),
            json!({"volumes": [{"$patch": "replace"}, {"name": "b", "emptyDir": {}}]}),
            json!({"volumes": [{"name": "b", "emptyDir": {}}]}),
        ),
        (
            "all volumes deleted",
            json!({"volumes": [{"name": "a", "emptyDir": {}}], "hostNetwork": true}),
            json!({"volumes": [{"$patch": "delete"}]}),
            json!({"hostNetwork": true}),
        ),
        (
            "tolerations are atomic",
            json!({"tolerations": [{"key": "a"}]}),
            json!({"tolerations": [{"key": "b"}]}),
            json!({"tolerations": [{"key": "b"}]}),
        ),
        (
            "new lists have no nulls and no directives",
            json!({}),
            json!({
                "containers": [{"name": "a", "image": null}, {"name": "b", "$patch": "delete"}],
                "nodeSelector": {"x": null},
            }),
            json!({"containers": [{"name": "a"}], "nodeSelector": {}}),
        ),
    ];
    for (what, base, patch, expected) in table {
        let patch = json!({"spec": {"template": {"spec": patch}}});
        assert_eq!(merged(&deployment(&base), &patch), Ok(deployment(&expected)), "{what}");
    }
}

#[test]
fn maps_are_merged_and_null_removes() {
    let metadata = json!({"labels": {"a": "1", "b": "2"}, "finalizers": ["x", "y"]});
    let base = json!({"apiVersion": "v1", "metadata": metadata, "data": {"k": "v"}});
    let table = [
        (json!({"metadata": {"labels": {"a": null, "c": "3"}}}), "/metadata/labels", json!({"b": "2", "c": "3"})),
        (json!({"metadata": {"labels": {"$patch": "replace", "c": "3"}}}), "/metadata/labels", json!({"c": "3"})),
        (json!({"metadata": {"labels": {"$patch": "merge", "c": "3"}}}), "/metadata/labels/c", json!("3")),
        (json!({"metadata": {"finalizers": ["z", "x"]}}), "/metadata/finalizers", json!(["z", "x", "y"])),
        (json!({"metadata": {"$deleteFromPrimitiveList/finalizers": ["x"]}}), "/metadata/finalizers", json!(["y"])),
        (json!({"data": {"$patch": "delete"}}), "/metadata/labels/a", json!("1")),
    ];
    for (patch, place, expected) in table {
        let object = merged(&base, &patch).expect("it can be merged");
        assert_eq!(object.pointer(place), Some(&expected), "{patch}");
    }
    assert_eq!(
        merged(&base, &json!({"data": {"$patch": "delete"}})).map(|object| object.get("data").cloned()),
        Ok(None)
    );
    assert_eq!(merged(&base, &json!({"$patch": "delete"})), Ok(Json::Null));
}

#[test]
fn services_and_webhooks_have_keys_and_custom_kinds_have_none() {
    let service =
        json!({"apiVersion": "v1", "kind": "Service", "spec": {"ports": [{"port": 80, "name": "a"}, {"port": 81}]}});
    let patch = json!({"spec": {"ports": [{"port": 81, "targetPort": 8081}]}});
    let ports = merged(&service, &patch).map(|service| service["spec"]["ports"].clone());
    assert_eq!(ports, Ok(json!([{"port": 81, "targetPort": 8081}, {"port": 80, "name": "a"}])));

    let webhook =
        json!({"apiVersion": "admissionregistration.k8s.io/v1", "webhooks": [{"name": "x", "failurePolicy": "Fail"}]});
    let patch = json!({"webhooks": [{"name": "x", "timeoutSeconds": 5}]});
    let webhooks = merged(&webhook, &patch).map(|webhook| webhook["webhooks"].clone());
    assert_eq!(webhooks, Ok(json!([{"name": "x", "failurePolicy": "Fail", "timeoutSeconds": 5}])));

    let custom = json!({"apiVersion": "example.com/v1", "kind": "Fleet", "spec": {"containers": [{"name": "a"}]}});
    let patch = json!({"spec": {"containers": [{"name": "b", "x": null}]}});
    let containers = merged(&custom, &patch).map(|custom| custom["spec"]["containers"].clone());
    assert_eq!(containers, Ok(json!([{"name": "b"}])));
}

#[test]
fn what_cannot_be_merged_is_told_with_the_place() {
    let base = deployment(&json!({"containers": [{"name": "a"}]}));
    let pod = |pod: Json| json!({"spec": {"template": {"spec": pod}}});
    let table = [
        (
            pod(json!({"containers": [{"image": "x"}]})),
            "/spec/template/spec/containers: an item has no name, by which items of this list are found; add it",
        ),
        (
            pod(json!({"containers": [{"name": "a", "$patch": "remove"}]})),
            "/spec/template/spec/containers: $patch: \"remove\" is no directive; write $patch: delete, replace or \
             merge",
        ),
        (pod(json!({"$retainKeys": "x"})), "/spec/template/spec: $retainKeys takes a list"),
        (
            pod(json!({"$setElementOrder/containers": []})),
            "/spec/template/spec: $setElementOrder/containers is no directive; write $patch: delete, replace or merge",
        ),
    ];
    for (patch, expected) in table {
        assert_eq!(merged(&base, &patch), Err(expected.to_owned()));
    }
}
