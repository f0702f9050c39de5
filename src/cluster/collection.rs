//! Requests to the objects of one kind in one namespace.
//!
//! Names, namespaces and (from definitions in a manifest) even plural names come from charts, so they are checked
//! before they become part of a path: by the API's own rule for path segments
//! (`k8s.io/apimachinery/pkg/api/validation/path`), and with everything escaped that means something in a URL. A
//! manifest can thus never reach a path that its kind, namespace and name do not spell.

use std::fmt::Write as _;

use http::HeaderValue;
use kube::api::{DeleteParams, GetParams, ListParams, Patch, PatchParams, PostParams};
use kube::core::{DynamicObject, Request};
use kube::{Resource, core};

use super::FIELD_MANAGER;
use super::client::Cluster;
use super::discovery::Kind;
use super::error::{ApiError, Cause};
use crate::value::Json;

/// A request ready to be sent, or why none could be made.
pub(super) type Built = Result<http::Request<Vec<u8>>, ApiError>;

/// The objects of one kind in one namespace, or of the whole cluster.
pub(super) struct Collection {
    request: Result<Request, ApiError>,
}

impl Cluster {
    /// The objects of a kind; `namespace` is ignored for kinds without one, and empty means all.
    pub(super) fn collection(&self, kind: &Kind, namespace: &str) -> Collection {
        Collection::new(kind, namespace)
    }
}

impl Collection {
    fn new(kind: &Kind, namespace: &str) -> Self {
        let core::ApiResource { group, version, plural, .. } = &kind.resource;
        let parts = [("apiVersion", group.as_str()), ("apiVersion", version), ("kind", plural)];
        let unsafe_part = parts.into_iter().find(|(_, part)| !is_plain(part));
        let request = match unsafe_part {
            Some((field, _)) => Err(invalid(field)),
            None if kind.namespaced && !namespace.is_empty() => segment(namespace, "metadata.namespace")
                .map(|namespace| Request::new(DynamicObject::url_path(&kind.resource, Some(&namespace)))),
            None => Ok(Request::new(DynamicObject::url_path(&kind.resource, None))),
        };
        Self { request }
    }

    pub(super) fn get(&self, name: &str) -> Built {
        self.named(name, |request, name| request.get(name, &GetParams::default()))
    }

    pub(super) fn get_metadata(&self, name: &str) -> Built {
        self.named(name, |request, name| request.get_metadata(name, &GetParams::default()))
    }

    pub(super) fn list(&self, parameters: &ListParams) -> Built {
        self.built(|request| request.list(parameters))
    }

    pub(super) fn list_metadata(&self, parameters: &ListParams) -> Built {
        self.built(|request| request.list_metadata(parameters))
    }

    /// Creates an object; the name is in the object.
    pub(super) fn create(&self, parameters: &PostParams, object: &Json) -> Built {
        self.built(|request| request.create(parameters, object.to_string().into_bytes()))
    }

    pub(super) fn replace(&self, name: &str, parameters: &PostParams, object: &Json) -> Built {
        self.named(name, |request, name| request.replace(name, parameters, object.to_string().into_bytes()))
    }

    pub(super) fn delete(&self, name: &str, parameters: &DeleteParams) -> Built {
        self.named(name, |request, name| request.delete(name, parameters))
    }

    pub(super) fn apply(&self, name: &str, parameters: &PatchParams, object: &Json) -> Built {
        self.named(name, |request, name| request.patch(name, parameters, &Patch::Apply(object)))
    }

    /// A merge patch whose fields are ours.
    pub(super) fn merge_as_owner(&self, name: &str, patch: &Json) -> Built {
        let ours = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        self.named(name, |request, name| request.patch(name, &ours, &Patch::Merge(patch)))
    }

    /// A JSON patch. (kube builds one only with a patch crate that we have no other use for.)
    pub(super) fn json_patch(&self, name: &str, patch: &Json) -> Built {
        let merge = Patch::Merge(patch);
        let mut request = self.named(name, |request, name| request.patch(name, &PatchParams::default(), &merge))?;
        let content_type = HeaderValue::from_static("application/json-patch+json");
        request.headers_mut().insert(http::header::CONTENT_TYPE, content_type);
        Ok(request)
    }

    /// The newest lines of a container's log; the collection is one of pods.
    pub(super) fn log_tail(&self, pod: &str, container: &str, lines: u32, bytes: u32) -> Built {
        let mut request = self.get(pod)?;
        let container = segment(container, "container")?;
        let path = request.uri().path();
        let uri = format!("{path}/log?container={container}&tailLines={lines}&limitBytes={bytes}");
        *request.uri_mut() = uri.parse().map_err(|_| invalid("container"))?;
        Ok(request)
    }

    fn named(
        &self,
        name: &str,
        build: impl FnOnce(&Request, &str) -> Result<http::Request<Vec<u8>>, core::request::Error>,
    ) -> Built {
        let name = segment(name, "metadata.name")?;
        self.built(|request| build(request, &name))
    }

    fn built(&self, build: impl FnOnce(&Request) -> Result<http::Request<Vec<u8>>, core::request::Error>) -> Built {
        let request = self.request.as_ref().map_err(Clone::clone)?;
        build(request).map_err(|error| ApiError::Transport { message: error.to_string(), sent: false })
    }
}

/// A group, version or plural name: nothing in it means anything in a URL.
fn is_plain(part: &str) -> bool {
    part != ".." && part.chars().all(|character| character.is_ascii_alphanumeric() || "-.".contains(character))
}

/// A name as part of a path.
fn segment(name: &str, field: &str) -> Result<String, ApiError> {
    if matches!(name, "" | "." | "..") || name.contains(['/', '%']) {
        return Err(invalid(field));
    }
    let mut segment = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~:".contains(&byte) {
            segment.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(segment, "%{byte:02X}");
        }
    }
    Ok(segment)
}

fn invalid(field: &str) -> ApiError {
    let message = "may not be empty, '.' or '..', nor contain '/' or '%'".to_owned();
    ApiError::Invalid { causes: vec![Cause { field: field.to_owned(), message }] }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::request::builtin_kind;

    fn uri(plural: &str, namespace: &str, name: &str) -> Option<String> {
        let kind = builtin_kind("rbac.example.org", "v1", "Role", plural, true);
        Collection::new(&kind, namespace).get(name).ok().map(|request| request.uri().to_string())
    }

    #[test]
    fn names_stay_within_their_place() {
        let roles = "/apis/rbac.example.org/v1/namespaces/shop/roles";
        let table = [
            ("roles", "shop", "web", Some(format!("{roles}/web"))),
            ("roles", "shop", "system:node", Some(format!("{roles}/system:node"))),
            ("roles", "shop", "a b?dryRun=All#x", Some(format!("{roles}/a%20b%3FdryRun%3DAll%23x"))),
            ("roles", "shop", "web/status", None),
            ("roles", "shop", "..", None),
            ("roles", "shop", "%2e%2e", None),
            ("roles", "shop/secrets", "web", None),
            ("../secrets", "shop", "web", None),
        ];
        for (plural, namespace, name, expected) in table {
            assert_eq!(uri(plural, namespace, name), expected, "{plural} {namespace} {name}");
        }
    }

    #[test]
    fn a_log_is_asked_for_with_escaped_names() {
        let kind = builtin_kind("", "v1", "Pod", "pods", true);
        let request = Collection::new(&kind, "shop").log_tail("web-1", "a&b", 20, 100).expect("a request");
        let expected = "/api/v1/namespaces/shop/pods/web-1/log?container=a%26b&tailLines=20&limitBytes=100";
        assert_eq!(request.uri().to_string(), expected);
    }
}
