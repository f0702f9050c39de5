//! The namespace of a release that is given none: the one of the kubeconfig's context, as for Helm and kubectl
//! (`k8s.io/client-go/tools/clientcmd`). Files are only read as far as that needs; no client is made.

use std::path::{Path, PathBuf};

use super::TemplateArguments;
use crate::value::Json;
use crate::yaml;

const DEFAULT: &str = "default";
const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// The namespace to render for.
pub(super) fn namespace(arguments: &TemplateArguments) -> String {
    if !arguments.namespace.is_empty() {
        return arguments.namespace.clone();
    }
    let Some(configurations) = read(arguments) else { return DEFAULT.to_owned() };
    let first = |field: &str| {
        let named = configurations.iter().filter_map(|configuration| configuration.get(field)?.as_str());
        named.map(str::to_owned).find(|name| !name.is_empty())
    };
    let context =
        Some(arguments.kube_context.clone()).filter(|name| !name.is_empty()).or_else(|| first("current-context"));
    let Some(context) = context else { return in_cluster().unwrap_or_else(|| DEFAULT.to_owned()) };
    let namespace = configurations.iter().find_map(|configuration| {
        let contexts = configuration.get("contexts")?.as_array()?;
        let found = contexts.iter().find(|candidate| candidate["name"] == context.as_str())?;
        Some(found["context"]["namespace"].as_str().unwrap_or_default().to_owned())
    });
    namespace.filter(|namespace| !namespace.is_empty()).unwrap_or_else(|| DEFAULT.to_owned())
}

/// The kubeconfig files that count; nothing where one of them cannot be read.
fn read(arguments: &TemplateArguments) -> Option<Vec<Json>> {
    if !arguments.kubeconfig.is_empty() {
        return Some(vec![parse(Path::new(&arguments.kubeconfig))?]);
    }
    let present = files().into_iter().filter(|path| path.is_file());
    present.map(|path| parse(&path)).collect()
}

fn files() -> Vec<PathBuf> {
    match std::env::var_os("KUBECONFIG").filter(|list| !list.is_empty()) {
        Some(list) => std::env::split_paths(&list).filter(|path| !path.as_os_str().is_empty()).collect(),
        None => std::env::var_os("HOME").map(|home| Path::new(&home).join(".kube/config")).into_iter().collect(),
    }
}

fn parse(path: &Path) -> Option<Json> {
    yaml::parse(&std::fs::read_to_string(path).ok()?).ok()
}

fn in_cluster() -> Option<String> {
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let account = Path::new(SERVICE_ACCOUNT);
    if !set("KUBERNETES_SERVICE_HOST") || !set("KUBERNETES_SERVICE_PORT") || !account.join("token").is_file() {
        return None;
    }
    let named = std::env::var("POD_NAMESPACE").ok().filter(|namespace| !namespace.is_empty());
    let namespace = named.or_else(|| std::fs::read_to_string(account.join("namespace")).ok())?;
    Some(namespace.trim().to_owned()).filter(|namespace| !namespace.is_empty())
}
