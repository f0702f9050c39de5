use super::*;
use crate::release::Status;

#[test]
fn the_metadata_of_a_secret_tells_number_and_status() {
    let secret = json!({"metadata": {
        "resourceVersion": "9",
        "labels": {"owner": "helm", "name": "web", "version": "3", "status": "superseded", "team": "a"},
        "annotations": {"coxswain.dev/inputs": "x"},
    }});
    let meta = read_meta(&secret).expect("a record");
    assert_eq!(meta.revision, Revision { number: 3, status: Status::Superseded });
    assert_eq!((meta.resource_version.as_str(), meta.annotations["coxswain.dev/inputs"].as_str()), ("9", "x"));
}

#[test]
fn other_secrets_are_not_records() {
    let secret = json!({"metadata": {"labels": {"owner": "somebody", "version": "3", "status": "deployed"}}});
    assert_eq!(read_meta(&secret), None);
}

#[test]
fn further_parts_have_names_that_helm_does_not_look_for() {
    let place = Place { namespace: "shop", secret: secret::name("web", 3) };
    let part = place.part("text");
    assert_eq!(part.secret, "sh.helm.release.v1.web.v3.982d9e3eb996f559");
    assert_eq!(secret::parse_name(&part.secret), None);
    assert_ne!(part.secret, place.part("other").secret);
}
