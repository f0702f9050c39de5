//! Replies as Kubernetes 1.37 gave them, and the sentence that each becomes.

use serde_json::{Value, json};

use super::*;

fn sentence(reply: Value) -> String {
    let status: Status = serde_json::from_value(reply).expect("a status");
    ApiError::from(status).to_string()
}

fn plain(code: u16, message: &str) -> Value {
    json!({"status": "Failure", "code": code, "message": message, "metadata": {}})
}

fn invalid(causes: Value) -> Value {
    json!({"code": 422, "reason": "Invalid", "message": "X is invalid", "details": {"name": "x", "causes": causes}})
}

fn forbidden(message: &str) -> Value {
    json!({"code": 403, "reason": "Forbidden", "message": message, "details": {"name": "x", "kind": "configmaps"}})
}

#[test]
fn what_does_not_fit_the_schema_names_its_field() {
    let refused = |finding: &str| {
        sentence(plain(
            500,
            &format!("failed to create typed patch object (shop/d; apps/v1, Kind=Deployment): {finding}"),
        ))
    };
    let table = [
        (
            ".spec.foo: field not declared in schema",
            "unknown field spec.foo; correct the template or the values that write it",
        ),
        (
            "errors:\n  .spec.a: field not declared in schema\n  .spec.b: field not declared in schema",
            "unknown field spec.a, spec.b; correct the template or the values that write it",
        ),
        (
            ".spec.replicas: expected numeric (int or float), got string",
            "not valid: spec.replicas: expected numeric (int or float), got string; correct the template or the values that write it",
        ),
        (
            ".spec.containers[name=\"c: d\"].env: expected list, got &{map[A:hunter2: x]}",
            "not valid: spec.containers[name=\"c: d\"].env: expected list, got something else; correct the template or the values that write it",
        ),
        (
            ".spec.containers[name=\"c\"].env: duplicate entries for key [name=\"A\"]",
            "not valid: spec.containers[name=\"c\"].env: duplicate entries for key [name=\"A\"]; correct the template or the values that write it",
        ),
        (
            ".data.k: expected string, got &{hunter1\nhunter2: x}",
            "not valid: data.k: expected string, got something else; correct the template or the values that write it",
        ),
        (
            "something new",
            "not valid: it does not fit the kind's schema; correct the template or the values that write it",
        ),
    ];
    for (finding, expected) in table {
        assert_eq!(refused(finding), expected);
    }
}

#[test]
fn what_cannot_be_converted_says_why_without_the_value() {
    let refused = |words: &str| {
        sentence(plain(
            500,
            &format!(
                "failed to convert new object (shop/s; /v1, Kind=Secret) to proper version: unable to convert unstructured \
             object to /v1, Kind=Secret: {words}"
            ),
        ))
    };
    assert_eq!(
        refused("cannot convert float64 to int32"),
        "not valid: cannot convert float64 to int32; correct the template or the values that write it"
    );
    assert_eq!(
        refused("error decoding from json: illegal base64 data at input byte 0"),
        "not valid: error decoding from json: illegal base64 data at input byte 0; correct the template or the values that write it"
    );
    assert_eq!(
        refused("parsing time \"hunter2\" as \"2006\""),
        "not valid: parsing time \"…\" as \"…\"; correct the template or the values that write it"
    );
}

#[test]
fn validations_name_fields_and_rules() {
    let table = [
        (
            json!([{"reason": "FieldValueInvalid", "field": "spec.selector",
                 "message": "Invalid value: {\"matchLabels\":{\"a\":\"c\"}}: field is immutable"}]),
            "field spec.selector cannot be changed: field is immutable",
        ),
        (
            json!([{"reason": "FieldValueForbidden", "field": "spec",
                 "message": "Forbidden: spec is immutable after creation except resources.requests\n@@ -1,6 +1,6 @@\n-  \"x\""}]),
            "field spec cannot be changed: spec is immutable after creation except resources.requests",
        ),
        (
            json!([{"reason": "FieldValueNotSupported", "field": "spec.e",
                 "message": "Unsupported value: \"zzz\": supported values: \"a\", \"b\""},
                {"reason": "FieldValueInvalid", "field": "<nil>",
                 "message": "Invalid value: null: some validation rules were not checked because the object was invalid; \
                             correct the existing errors to complete validation"}]),
            "not valid: spec.e: supported values: \"a\", \"b\"; correct the template or the values that write it",
        ),
        (
            json!([{"reason": "FieldValueRequired", "field": "spec.selector", "message": "Required value"}]),
            "not valid: spec.selector: Required value; correct the template or the values that write it",
        ),
        (
            json!([{"reason": "FieldValueTooLong", "field": "[]", "message": "Too long: may not be more than 1048576 bytes"}]),
            "larger than the API server takes: Too long: may not be more than 1048576 bytes; make it smaller or split it",
        ),
    ];
    for (causes, expected) in table {
        assert_eq!(sentence(invalid(causes)), expected);
    }
}

#[test]
fn admission_says_who_refused() {
    let policy = json!({
        "code": 422, "reason": "Invalid",
        "message": "services \"x\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no such name",
        "details": {"name": "x", "causes": [{"message": "ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no such name"}]},
    });
    let table = [
        (
            policy,
            "refused by an admission rule: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no such name; correct the object or change the rule",
        ),
        (
            forbidden("pods \"p\" is forbidden: violates PodSecurity \"restricted:latest\": runAsNonRoot != true"),
            "refused by an admission rule: violates PodSecurity \"restricted:latest\": runAsNonRoot != true; correct the object or change the rule",
        ),
        (
            forbidden(
                "configmaps \"c\" is forbidden: exceeded quota: q, requested: configmaps=1, used: configmaps=3, limited: configmaps=3",
            ),
            "refused by a quota: exceeded quota: q, requested: configmaps=1, used: configmaps=3, limited: configmaps=3; raise the quota or ask for less",
        ),
        (
            plain(403, "admission webhook \"w.example.org\" denied the request: replicas must be odd"),
            "admission webhook \"w.example.org\" denied the request: replicas must be odd; correct the object or the webhook's rules",
        ),
        (
            plain(
                500,
                "Internal error occurred: failed calling webhook \"w.example.org\": failed to call webhook: connection refused",
            ),
            "admission webhook \"w.example.org\" cannot be reached: failed to call webhook: connection refused; see whether its server runs",
        ),
    ];
    for (reply, expected) in table {
        assert_eq!(sentence(reply), expected);
    }
}

#[test]
fn a_missing_right_is_named() {
    let user = "User \"system:serviceaccount:shop:deployer\" cannot";
    let table = [
        (
            format!(
                "deployments.apps \"web\" is forbidden: {user} patch resource \"deployments\" in API group \"apps\" in the namespace \"shop\""
            ),
            "system:serviceaccount:shop:deployer may not patch deployments.apps in namespace \"shop\"; grant the right",
        ),
        (
            format!(
                "namespaces is forbidden: {user} list resource \"namespaces\" in API group \"\" at the cluster scope"
            ),
            "system:serviceaccount:shop:deployer may not list namespaces in the cluster; grant the right",
        ),
    ];
    for (message, expected) in table {
        assert_eq!(sentence(forbidden(&message)), expected);
    }
}

#[test]
fn namespaces_and_kinds_that_are_not_there_are_told_apart() {
    let missing = json!({"code": 404, "reason": "NotFound", "message": "namespaces \"nope\" not found",
                         "details": {"name": "nope", "kind": "namespaces"}});
    let terminating = json!({"code": 403, "reason": "Forbidden",
        "message": "configmaps \"z\" is forbidden: unable to create new content in namespace term because it is being terminated",
        "details": {"causes": [{"reason": "NamespaceTerminating", "message": "namespace term is being terminated"}]}});
    let object =
        json!({"code": 404, "reason": "NotFound", "message": "x not found", "details": {"name": "x", "kind": "pods"}});
    let table = [
        (missing, "namespace \"nope\" does not exist; create it or set createNamespace"),
        (terminating, "namespace \"term\" is being deleted; wait until it is gone"),
        (object, "not found"),
        (
            plain(404, "404 page not found"),
            "the API server does not serve this kind and version; install its custom resource definition or correct apiVersion",
        ),
    ];
    for (reply, expected) in table {
        assert_eq!(sentence(reply), expected);
    }
}

#[test]
fn a_conflict_of_fields_names_the_owners() {
    let reply = json!({"code": 409, "reason": "Conflict", "message": "Apply failed with 1 conflict", "details": {"causes": [
        {"reason": "FieldManagerConflict", "field": ".spec.replicas", "message": "conflict with \"kubectl\" using apps/v1"},
    ]}});
    assert_eq!(sentence(reply), "fields belong to others: spec.replicas of \"kubectl\"");
}

#[test]
fn a_busy_server_says_when_to_come_back() {
    let reply = json!({"code": 429, "message": "too many requests", "details": {"retryAfterSeconds": 7}});
    let error = ApiError::from(serde_json::from_value::<Status>(reply).expect("a status"));
    assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
    assert!(error.is_transient());
}
