//! Replacing container images by name, as Kustomize's `images` does.
//!
//! An image is found by its name without tag and digest, compared as text. It is looked for in the containers of every
//! pod wherever it stands, in objects of custom kinds too, and in volumes that are images.

use super::Image;
use crate::render::pod::{CONTAINERS, for_each_pod};
use crate::value::Json;

/// Replaces the images of an object by the rules, one after the other.
pub fn replace(object: &mut Json, rules: &[Image]) {
    if rules.is_empty() {
        return;
    }
    for_each_pod(object, &mut |pod| {
        for list in CONTAINERS {
            references(pod.get_mut(list), "/image", rules);
        }
        references(pod.get_mut("volumes"), "/image/reference", rules);
    });
}

/// Replaces the image reference at a place in each item of a list.
fn references(list: Option<&mut Json>, place: &str, rules: &[Image]) {
    for item in list.and_then(Json::as_array_mut).into_iter().flatten() {
        let Some(reference) = item.pointer_mut(place) else { continue };
        for rule in rules {
            if let Some(replaced) = reference.as_str().and_then(|text| replaced(text, rule)) {
                *reference = replaced.into();
            }
        }
    }
}

/// The reference that a rule makes of another; nothing where the rule is for another image.
fn replaced(reference: &str, rule: &Image) -> Option<String> {
    let (name, tag, digest) = parts(reference);
    if name != rule.name {
        return None;
    }
    let (tag, digest) = match (&rule.new_tag, &rule.digest) {
        (None, None) => (tag, digest),
        (tag, digest) => (tag.as_deref(), digest.as_deref()),
    };
    let mut replaced = rule.new_name.clone().unwrap_or_else(|| rule.name.clone());
    for (sign, part) in [(':', tag), ('@', digest)] {
        if let Some(part) = part {
            replaced.push(sign);
            replaced.push_str(part);
        }
    }
    Some(replaced)
}

/// Name, tag and digest of a reference: `[HOST[:PORT]/]PATH[:TAG][@DIGEST]`.
fn parts(reference: &str) -> (&str, Option<&str>, Option<&str>) {
    let (rest, digest) = match reference.split_once('@') {
        Some((rest, digest)) => (rest, Some(digest)),
        None => (reference, None),
    };
    let path = rest.rfind('/').map_or(0, |slash| slash + 1);
    match rest[path..].split_once(':') {
        Some((_, tag)) => (&rest[..rest.len() - tag.len() - 1], Some(tag), digest),
        None => (rest, None, digest),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn rule(name: &str, new_name: Option<&str>, new_tag: Option<&str>, digest: Option<&str>) -> Image {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        Image { name: name.to_owned(), new_name: owned(new_name), new_tag: owned(new_tag), digest: owned(digest) }
    }

    #[test]
    fn references_are_replaced_as_kustomize_replaces_them() {
        let table = [
            ("nginx", rule("nginx", None, Some("2"), None), Some("nginx:2")),
            ("nginx:1", rule("nginx", None, Some("2"), None), Some("nginx:2")),
            ("nginx:1@sha256:aa", rule("nginx", None, Some("2"), None), Some("nginx:2")),
            ("nginx:1", rule("nginx", None, None, Some("sha256:bb")), Some("nginx@sha256:bb")),
            ("nginx:1", rule("nginx", None, Some("2"), Some("sha256:bb")), Some("nginx:2@sha256:bb")),
            ("nginx:1@sha256:aa", rule("nginx", Some("r:5000/n"), None, None), Some("r:5000/n:1@sha256:aa")),
            ("r:5000/nginx", rule("r:5000/nginx", None, Some("2"), None), Some("r:5000/nginx:2")),
            ("r:5000/nginx:1", rule("r:5000/nginx", Some("nginx"), None, None), Some("nginx:1")),
            ("library/nginx:1", rule("nginx", None, Some("2"), None), None),
            ("nginx-unprivileged:1", rule("nginx", None, Some("2"), None), None),
            ("nginxx", rule("ngin.*", None, Some("2"), None), None),
        ];
        for (reference, rule, expected) in table {
            assert_eq!(replaced(reference, &rule).as_deref(), expected, "{reference} {rule:?}");
        }
    }

    #[test]
    fn images_are_found_in_every_pod_template_and_not_in_definitions() {
        let rules = [rule("a", None, Some("2"), None)];
        let pod = json!({
            "containers": [{"image": "a:1"}, {"image": "b:1"}, {"name": "none"}],
            "initContainers": [{"image": "a"}], "ephemeralContainers": [{"image": "a"}],
            "volumes": [{"image": {"reference": "a:1"}}, {"name": "none"}],
        });
        let expected = json!({
            "containers": [{"image": "a:2"}, {"image": "b:1"}, {"name": "none"}],
            "initContainers": [{"image": "a:2"}], "ephemeralContainers": [{"image": "a:2"}],
            "volumes": [{"image": {"reference": "a:2"}}, {"name": "none"}],
        });
        let mut job = json!({"kind": "CronJob", "spec": {"jobTemplate": {"spec": {"template": {"spec": pod}}}}});
        replace(&mut job, &rules);
        assert_eq!(job["spec"]["jobTemplate"]["spec"]["template"]["spec"], expected);
        let mut custom = json!({"kind": "Fleet", "spec": {"groups": [{"pod": pod}]}});
        replace(&mut custom, &rules);
        assert_eq!(custom["spec"]["groups"][0]["pod"], expected);
        let mut definition = json!({"kind": "CustomResourceDefinition", "spec": pod});
        replace(&mut definition, &rules);
        assert_eq!(definition["spec"], pod);
    }
}
