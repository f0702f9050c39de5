//! `rbac`: the Roles and bindings that the service account of a request needs, ready to be applied.
//!
//! They follow from a render of the chart as the operator would make it now, with the caller's own rights, and from what
//! the chart's hooks, lookups and values need. The API server lets nobody grant rights that he does not have himself, so
//! what the chart's own roles grant is among them.

use std::collections::{BTreeMap, BTreeSet};

use clap::{Args, ValueEnum};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::Api;
use serde_json::json;

use super::draft::{Draft, DraftArguments};
use super::requests::{self, KIND};
use super::revisions::objects_of;
use super::screen::yaml_text;
use super::session::Session;
use super::{Error, Outcome};
use crate::api::HelmRequest;
use crate::api::helm_request::CrdPolicy;
use crate::cluster::access::{LIFE, Right, record_rights, rights};
use crate::cluster::{ApiError, Object, ObjectKey};
use crate::render::Rendered;
use crate::value::Json;

/// The API group of roles.
const RBAC: &str = "rbac.authorization.k8s.io";
/// What following hooks takes besides.
const FOLLOW: [&str; 2] = ["list", "watch"];

/// The flags of `rbac`.
#[derive(Clone, Debug, Args)]
pub struct RbacArguments {
    /// The name of the HelmRequest
    pub name: String,
    /// The service account of the request's namespace; the one that the request names unless given
    #[arg(long, value_name = "NAME")]
    pub account: Option<String>,
    /// Only what the account may not do yet. You need the right to impersonate it
    #[arg(long)]
    pub missing: bool,
    /// What is rendered.
    #[command(flatten)]
    pub draft: DraftArguments,
    /// The form of the output
    #[arg(short, long, value_enum, default_value = "yaml", hide_default_value = true, value_name = "FORM")]
    pub output: Form,
}

/// The forms of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// For `kubectl apply -f -`.
    Yaml,
    /// One List, for programs.
    Json,
}

/// What an account needs.
#[derive(Default)]
struct Needs {
    rights: BTreeSet<Right>,
    /// The rules of the chart's own roles by namespace, empty for the whole cluster.
    granted: BTreeMap<String, Vec<Json>>,
}

/// For whom roles are made.
struct Subject<'a> {
    request: &'a str,
    namespace: &'a str,
    account: &'a str,
}

impl RbacArguments {
    /// Prints the roles.
    ///
    /// # Errors
    /// The chart cannot be had or does not render, or the account cannot be asked about.
    pub async fn run(&self, session: &Session) -> Result<Outcome, Error> {
        let request = requests::find(session, &self.name).await?;
        let named = self.account.as_deref().or(request.spec.service_account_name.as_deref());
        let account = named.ok_or_else(|| {
            let next = "name the one that is to install it with --account";
            Error::Usage(format!("{KIND} {:?} names no service account; {next}", self.name))
        })?;
        let mut needs = self.needs(session, &request).await?;
        if self.missing {
            needs.rights = missing(session, account, &needs.rights).await?;
            needs.granted.clear();
        }
        let namespace = request.metadata.namespace.as_deref().unwrap_or(&session.namespace);
        let subject = Subject { request: requests::bare(&self.name), namespace, account };
        let mut objects = needs.objects(&subject);
        if objects.is_empty() {
            session.screen.tell(&format!("service account {account:?} has all rights that it needs"));
            return Ok(Outcome::Done);
        }
        if is_absent(session, namespace, account).await {
            let metadata = json!({"name": account, "namespace": namespace});
            objects.insert(0, json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}));
        }
        session.screen.print(&self.text(objects)?)?;
        Ok(Outcome::Done)
    }

    fn text(&self, objects: Vec<Json>) -> Result<String, Error> {
        if self.output == Form::Json {
            let list = json!({"apiVersion": "v1", "kind": "List", "items": objects});
            return Ok(format!("{list:#}\n"));
        }
        let documents: Result<Vec<String>, Error> = objects.iter().map(yaml_text).collect();
        Ok(documents?.join("---\n"))
    }

    async fn needs(&self, session: &Session, request: &HelmRequest) -> Result<Needs, Error> {
        let draft = Draft::of_request(session, request, &self.draft).await?;
        let namespace = request.release_namespace();
        let rendered = draft.render(Some(session)).await?;
        let mut needs = Needs { rights: record_rights(&namespace), ..Needs::default() };
        needs.of_request(request);
        if request.spec.crds() != CrdPolicy::Skip {
            needs.of_objects(&draft.definitions(session).await?);
        }
        needs.of_objects(&objects_of(session, &rendered.manifest, &namespace).await?);
        for hook in &rendered.hooks {
            let hooks = session.cluster.read_recorded(&hook.manifest, &namespace).await.map_err(Error::discovery)?;
            needs.of_objects(&hooks.objects);
            needs.rights.extend(rights(&hooks.objects, &FOLLOW));
        }
        needs.of_lookups(session, &rendered).await?;
        Ok(needs)
    }
}

impl Needs {
    fn add(&mut self, namespace: &str, resource: &str, verbs: &[&str]) {
        let right = |verb: &&str| Right {
            namespace: namespace.to_owned(),
            group: String::new(),
            resource: resource.to_owned(),
            verb: (*verb).to_owned(),
        };
        self.rights.extend(verbs.iter().map(right));
    }

    /// What the request itself names: values, credentials, its namespace; and what tells why something does not work.
    fn of_request(&mut self, request: &HelmRequest) {
        let (own, release) = (request.metadata.namespace.clone().unwrap_or_default(), request.release_namespace());
        for source in &request.spec.values_from {
            if source.config_map_key_ref.is_some() {
                self.add(&own, "configmaps", &["get"]);
            }
            if source.secret_key_ref.is_some() {
                self.add(&own, "secrets", &["get"]);
            }
        }
        if request.spec.source.is_some() {
            self.add(&own, "secrets", &["get"]);
            self.add(&own, "configmaps", &["get"]);
        }
        if request.spec.create_namespace {
            self.add("", "namespaces", &["create"]);
        }
        self.add(&release, "pods", &["list"]);
        self.add(&release, "pods/log", &["get"]);
        self.add(&release, "events", &["list"]);
    }

    fn of_objects(&mut self, objects: &[Object]) {
        self.rights.extend(rights(objects, &LIFE));
        for object in objects.iter().filter(|object| object.key.group == RBAC && object.key.kind.ends_with("Role")) {
            let rules = object.json.get("rules").and_then(Json::as_array).into_iter().flatten();
            let granted = self.granted.entry(object.key.namespace.clone()).or_default();
            let new: Vec<Json> = rules.filter(|rule| !granted.contains(rule)).cloned().collect();
            granted.extend(new);
        }
    }

    async fn of_lookups(&mut self, session: &Session, rendered: &Rendered) -> Result<(), Error> {
        for looked in &rendered.reads.lookups {
            let ObjectKey { group, kind, namespace, name } = ObjectKey::from(&looked.query);
            let found = session.cluster.discovery().resolve_any_version(&group, &kind).await;
            if let Some(found) = found.map_err(Error::discovery)? {
                let verb = if name.is_empty() { "list" } else { "get" };
                let resource = found.resource.plural;
                self.rights.insert(Right { namespace, group, resource, verb: verb.to_owned() });
            }
        }
        Ok(())
    }

    /// A role and its binding for each namespace, and for the whole cluster.
    fn objects(&self, subject: &Subject<'_>) -> Vec<Json> {
        let namespaces: BTreeSet<&str> = self
            .rights
            .iter()
            .map(|right| right.namespace.as_str())
            .chain(self.granted.iter().filter(|(_, rules)| !rules.is_empty()).map(|(namespace, _)| namespace.as_str()))
            .collect();
        namespaces.into_iter().flat_map(|namespace| self.role(subject, namespace)).collect()
    }

    fn role(&self, subject: &Subject<'_>, namespace: &str) -> [Json; 2] {
        let Subject { request, namespace: own, account } = *subject;
        let (kind, metadata) = match namespace {
            "" => ("ClusterRole", json!({"name": format!("{own}-{request}-deployer")})),
            _ => ("Role", json!({"name": format!("{request}-deployer"), "namespace": namespace})),
        };
        let mut rules = rules(self.rights.iter().filter(|right| right.namespace == namespace));
        rules.extend(self.granted.get(namespace).into_iter().flatten().cloned());
        let version = format!("{RBAC}/v1");
        let role = json!({"apiVersion": version, "kind": kind, "metadata": metadata, "rules": rules});
        let binding = json!({
            "apiVersion": version, "kind": format!("{kind}Binding"), "metadata": metadata,
            "roleRef": {"apiGroup": RBAC, "kind": kind, "name": metadata["name"]},
            "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": own}],
        });
        [role, binding]
    }
}

/// Few rules that give the rights: resources of a group with the same verbs are in one.
fn rules<'a>(rights: impl Iterator<Item = &'a Right>) -> Vec<Json> {
    let mut verbs: BTreeMap<(&str, &str), BTreeSet<&str>> = BTreeMap::new();
    for right in rights {
        verbs.entry((&right.group, &right.resource)).or_default().insert(&right.verb);
    }
    let mut resources: BTreeMap<(&str, BTreeSet<&str>), Vec<&str>> = BTreeMap::new();
    for ((group, resource), verbs) in verbs {
        resources.entry((group, verbs)).or_default().push(resource);
    }
    let rule = |((group, verbs), resources)| json!({"apiGroups": [group], "resources": resources, "verbs": verbs});
    resources.into_iter().map(rule).collect()
}

/// Those of the rights that the account does not have.
async fn missing(session: &Session, account: &str, needed: &BTreeSet<Right>) -> Result<BTreeSet<Right>, Error> {
    let acting = session.cluster.impersonate(&session.namespace, account)?;
    let failed = |error: ApiError| Error::api(format!("ask what service account {account:?} may do"), "review", error);
    Ok(acting.missing_rights(needed).await.map_err(failed)?.into_iter().collect())
}

/// Whether the account is known not to exist.
async fn is_absent(session: &Session, namespace: &str, account: &str) -> bool {
    let accounts: Api<ServiceAccount> = Api::namespaced(session.cluster.client(), namespace);
    matches!(accounts.get_metadata_opt(account).await, Ok(None))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn right(namespace: &str, group: &str, resource: &str, verb: &str) -> Right {
        let own = |text: &str| text.to_owned();
        Right { namespace: own(namespace), group: own(group), resource: own(resource), verb: own(verb) }
    }

    #[test]
    fn rights_become_few_rules_and_a_binding_to_the_account() {
        let mut needs = Needs::default();
        for verb in ["patch", "create"] {
            needs.rights.insert(right("shop", "", "services", verb));
            needs.rights.insert(right("shop", "", "configmaps", verb));
        }
        needs.rights.insert(right("shop", "", "secrets", "get"));
        needs.rights.insert(right("shop", "apps", "deployments", "create"));
        needs.rights.insert(right("", "", "namespaces", "create"));
        let rule = json!({"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]});
        needs.granted.insert("shop".into(), vec![rule.clone()]);
        let subject = Subject { request: "web", namespace: "team", account: "deployer" };
        let objects = needs.objects(&subject);
        let kinds: Vec<&str> = objects.iter().filter_map(|object| object["kind"].as_str()).collect();
        assert_eq!(kinds, ["ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"]);
        assert_eq!(objects[0]["metadata"], json!({"name": "team-web-deployer"}));
        assert_eq!(objects[2]["metadata"], json!({"name": "web-deployer", "namespace": "shop"}));
        let expected = json!([
            {"apiGroups": [""], "resources": ["configmaps", "services"], "verbs": ["create", "patch"]},
            {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]},
            {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["create"]},
            rule,
        ]);
        assert_eq!(objects[2]["rules"], expected);
        assert_eq!(objects[3]["roleRef"]["name"], "web-deployer");
        assert_eq!(
            objects[3]["subjects"][0],
            json!({"kind": "ServiceAccount", "name": "deployer", "namespace": "team"})
        );
    }
}
