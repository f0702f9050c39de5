//! Who may have what installed where: the bounds that an administrator sets for all requests.

use kube::ResourceExt;

use super::failure::Failure;
use crate::api::{HelmRequest, Reason};
use crate::cluster::object::Object;
use crate::cluster::scope::Scope;

/// The most objects that a message names.
const NAMED: usize = 5;

/// The bounds of requests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tenancy {
    /// The namespaces that are served.
    pub scope: Scope,
    /// The account of a request that names none; without it the operator's own.
    pub default_service_account: Option<String>,
    /// Whether a request is confined to its namespace.
    pub no_cross_namespace: bool,
}

impl Tenancy {
    /// The service account with whose rights a request is served; nothing for the operator's own.
    pub fn account<'a>(&'a self, request: &'a HelmRequest) -> Option<&'a str> {
        request.spec.service_account_name.as_deref().or(self.default_service_account.as_deref())
    }

    /// Whether a request stays within its bounds.
    ///
    /// # Errors
    /// It names another namespace than it may.
    pub fn check(&self, request: &HelmRequest) -> Result<(), Failure> {
        let own = request.namespace().unwrap_or_default();
        let release = request.release_namespace();
        if self.no_cross_namespace && release != own {
            let message = format!(
                "spec.namespace {release:?} is not the request's own namespace, and the operator runs with \
                 --no-cross-namespace; create the request in namespace {release:?}"
            );
            return Err(Failure::new(Reason::NamespaceNotAllowed, message));
        }
        if !self.scope.contains(&release) {
            let message = format!(
                "spec.namespace {release:?} is none that the operator serves (--watch-namespaces {}); name one of them",
                self.scope
            );
            return Err(Failure::new(Reason::NamespaceNotAllowed, message));
        }
        let is_refused =
            |namespace: &str| namespace != own && (self.no_cross_namespace || !self.scope.contains(namespace));
        let refused = request.dependencies().into_iter().find(|dependency| is_refused(&dependency.namespace));
        let Some(refused) = refused else { return Ok(()) };
        let message = format!(
            "{}.namespace {:?} is not the request's own namespace, and the operator runs with {}; remove it",
            refused.field,
            refused.namespace,
            if self.no_cross_namespace { "--no-cross-namespace" } else { "--watch-namespaces" },
        );
        Err(Failure::new(Reason::NamespaceNotAllowed, message))
    }

    /// Whether all these objects are in namespaces that are served.
    ///
    /// # Errors
    /// Those that are not are named.
    pub fn check_objects<'a>(&self, objects: impl IntoIterator<Item = &'a Object>) -> Result<(), Failure> {
        let outside: Vec<&Object> =
            objects.into_iter().filter(|object| !self.scope.contains(&object.key.namespace)).collect();
        let Some(first) = outside.first() else { return Ok(()) };
        let mut named: Vec<String> = outside.iter().take(NAMED).map(|object| object.key.to_string()).collect();
        if outside.len() > NAMED {
            named.push(format!("and {} more", outside.len() - NAMED));
        }
        let why = if first.kind.namespaced { "not in a namespace that is served" } else { "not in any namespace" };
        let message = format!(
            "{} {} {why}, and the operator may only write in namespaces {} (--watch-namespaces); leave the objects out \
             by the chart's values, or have an administrator install them",
            named.join(", "),
            if outside.len() == 1 { "is" } else { "are" },
            self.scope
        );
        Err(Failure::new(Reason::NamespaceNotAllowed, message))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn request(spec: &Value) -> HelmRequest {
        serde_json::from_value(json!({
            "apiVersion": "app.alauda.io/v1", "kind": "HelmRequest", "spec": spec,
            "metadata": {"name": "web", "namespace": "shop"},
        }))
        .expect("a request")
    }

    #[test]
    fn a_request_is_confined_to_what_is_allowed() {
        let open = Tenancy::default();
        let confined = Tenancy { no_cross_namespace: true, ..Tenancy::default() };
        let scope = Scope::of(["shop".to_owned(), "team".to_owned()]);
        let some = Tenancy { scope: scope.clone(), ..Tenancy::default() };
        let both = Tenancy { scope, ..confined.clone() };
        let (plain, team, other) = (json!({}), json!({"namespace": "team"}), json!({"namespace": "other"}));
        let depends = json!({"dependencies": ["db"], "dependsOn": [{"name": "dns", "namespace": "team"}]});
        let outside =
            json!({"dependsOn": [{"name": "dns", "namespace": "team"}, {"name": "db", "namespace": "other"}]});
        let table = [
            (&open, &other, None),
            (&open, &depends, None),
            (&confined, &plain, None),
            (&confined, &team, Some("spec.namespace \"team\" is not the request's own")),
            (&confined, &depends, Some("spec.dependsOn[0].namespace \"team\"")),
            (&some, &team, None),
            (&some, &depends, None),
            (&some, &other, Some("--watch-namespaces shop, team")),
            (&some, &outside, Some("spec.dependsOn[1].namespace \"other\"")),
            (&both, &team, Some("--no-cross-namespace")),
        ];
        for (tenancy, spec, expected) in table {
            let failure = tenancy.check(&request(spec)).err();
            let told = failure.as_ref().map(|failure| failure.message.as_str());
            assert_eq!(told.is_some(), expected.is_some(), "{spec}: {told:?}");
            assert!(told.unwrap_or_default().contains(expected.unwrap_or_default()), "{spec}: {told:?}");
        }
    }

    #[test]
    fn the_account_is_the_requests_or_the_default_one() {
        let tenancy = Tenancy { default_service_account: Some("deployer".into()), ..Tenancy::default() };
        assert_eq!(tenancy.account(&request(&json!({}))), Some("deployer"));
        assert_eq!(tenancy.account(&request(&json!({"serviceAccountName": "mine"}))), Some("mine"));
        assert_eq!(Tenancy::default().account(&request(&json!({}))), None);
    }
}
