//! References to ConfigMaps and Secrets: in pods wherever they stand, in service accounts and in the TLS sections of
//! ingresses.

use std::collections::BTreeMap;

use super::{Base, text};
use crate::render::pod::{CONTAINERS, for_each_pod};
use crate::value::Json;

/// The references in a pod's spec, `*` for each item of a list, and the kinds that they are to.
const IN_PODS: [(&str, &str); 6] = [
    ("volumes/*/configMap/name", "ConfigMap"),
    ("volumes/*/secret/secretName", "Secret"),
    ("volumes/*/projected/sources/*/configMap/name", "ConfigMap"),
    ("volumes/*/projected/sources/*/secret/name", "Secret"),
    ("volumes/*/csi/nodePublishSecretRef/name", "Secret"),
    ("imagePullSecrets/*/name", "Secret"),
];
/// The references in a container.
const IN_CONTAINERS: [(&str, &str); 4] = [
    ("envFrom/*/configMapRef/name", "ConfigMap"),
    ("envFrom/*/secretRef/name", "Secret"),
    ("env/*/valueFrom/configMapKeyRef/name", "ConfigMap"),
    ("env/*/valueFrom/secretKeyRef/name", "Secret"),
];
/// The references of other objects, by kind.
const IN_KINDS: [(&str, &str, &str); 3] = [
    ("ServiceAccount", "secrets/*/name", "Secret"),
    ("ServiceAccount", "imagePullSecrets/*/name", "Secret"),
    ("Ingress", "spec/tls/*/secretName", "Secret"),
];

/// Rewrites the references of an object to objects that have new names. One without a namespace is in `namespace`.
pub fn rewrite(object: &mut Json, namespace: &str, names: &BTreeMap<Base, String>) {
    let own = text(object, "/metadata/namespace").filter(|own| !own.is_empty());
    let namespace = own.unwrap_or(namespace).to_owned();
    let kind = text(object, "/kind").unwrap_or_default().to_owned();
    let rename = |target: &str, reference: &mut Json| {
        let Some(name) = reference.as_str() else { return };
        let base = Base { kind: target.to_owned(), namespace: namespace.clone(), name: name.to_owned() };
        if let Some(name) = names.get(&base) {
            *reference = name.as_str().into();
        }
    };
    for (_, path, target) in IN_KINDS.iter().filter(|(holder, ..)| *holder == kind) {
        visit(object, path, &mut |reference| rename(target, reference));
    }
    for_each_pod(object, &mut |pod| {
        for (path, target) in IN_PODS {
            visit(pod, path, &mut |reference| rename(target, reference));
        }
        for list in CONTAINERS {
            for (path, target) in IN_CONTAINERS {
                visit(pod, &format!("{list}/*/{path}"), &mut |reference| rename(target, reference));
            }
        }
    });
}

/// Calls a function for everything at a path.
fn visit(json: &mut Json, path: &str, change: &mut dyn FnMut(&mut Json)) {
    let (name, rest) = path.split_once('/').map_or((path, None), |(name, rest)| (name, Some(rest)));
    let mut go_on = |json: &mut Json| match rest {
        Some(rest) => visit(json, rest, change),
        None => change(json),
    };
    match json {
        Json::Array(items) if name == "*" => items.iter_mut().for_each(go_on),
        Json::Object(members) => {
            if let Some(member) = members.get_mut(name) {
                go_on(member);
            }
        }
        _ => {}
    }
}
