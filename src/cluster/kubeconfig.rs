//! The configuration that a command line connects with: a kubeconfig and one of its contexts, or, where there is none,
//! the service account of the pod around.

use std::path::{Path, PathBuf};

use kube::Config;
use kube::config::{self, KubeConfigOptions, Kubeconfig};

/// Why no configuration could be made.
#[derive(Debug, thiserror::Error)]
pub enum KubeconfigError {
    /// There is no kubeconfig, and this is no pod either.
    #[error("no kubeconfig: {0}, and this is no pod of a cluster; name a file with --kubeconfig or KUBECONFIG")]
    Absent(String),
    /// A kubeconfig that was named cannot be read.
    #[error("kubeconfig {file}: {cause}; correct the file or name another one")]
    Unreadable {
        /// The file, or where it was looked for.
        file: String,
        /// What is wrong.
        cause: String,
    },
    /// The kubeconfig says no context.
    #[error("kubeconfig {file} has no current context; choose one of its contexts: {known}")]
    NoCurrentContext {
        /// The file, or where it was looked for.
        file: String,
        /// The contexts that it has.
        known: String,
    },
    /// The kubeconfig does not have the context.
    #[error("kubeconfig {file} has no context {context:?}; choose one of its contexts: {known}")]
    NoContext {
        /// The file, or where it was looked for.
        file: String,
        /// The context that was asked for.
        context: String,
        /// The contexts that it has.
        known: String,
    },
}

/// The configuration of a context of a kubeconfig; without a file the one that `KUBECONFIG` names or that of the home
/// folder, without a context the current one. Where neither is named and there is no kubeconfig, the pod's own.
///
/// # Errors
/// What is missing, with what there is instead.
pub async fn config(kubeconfig: Option<&Path>, context: Option<&str>) -> Result<Config, KubeconfigError> {
    let read = kubeconfig.map_or_else(Kubeconfig::read, Kubeconfig::read_from);
    let place = kubeconfig.map_or_else(searched, |path| path.display().to_string());
    let failure = match read {
        Ok(kubeconfig) => match of_context(kubeconfig, context, &place).await {
            Ok(config) => return Ok(config),
            Err(failure) => failure,
        },
        Err(config::KubeconfigError::ReadConfig(error, path)) if kubeconfig.is_none() => {
            KubeconfigError::Absent(format!("{} cannot be read ({error})", path.display()))
        }
        Err(error) => KubeconfigError::Unreadable { file: place, cause: words(&error) },
    };
    if kubeconfig.is_some() || context.is_some() {
        return Err(failure);
    }
    Config::incluster().map_err(|_| failure)
}

async fn of_context(kubeconfig: Kubeconfig, context: Option<&str>, place: &str) -> Result<Config, KubeconfigError> {
    let names: Vec<String> = kubeconfig.contexts.iter().map(|context| format!("{:?}", context.name)).collect();
    let known = if names.is_empty() { "it has none".to_owned() } else { names.join(", ") };
    let (file, current) = (place.to_owned(), kubeconfig.current_context.clone());
    let Some(context) = context.map(str::to_owned).or(current).filter(|context| !context.is_empty()) else {
        return Err(KubeconfigError::NoCurrentContext { file, known });
    };
    if !kubeconfig.contexts.iter().any(|candidate| candidate.name == context) {
        return Err(KubeconfigError::NoContext { file, context, known });
    }
    let options = KubeConfigOptions { context: Some(context), ..KubeConfigOptions::default() };
    let made = Config::from_custom_kubeconfig(kubeconfig, &options).await;
    made.map_err(|error| KubeconfigError::Unreadable { file, cause: words(&error) })
}

/// Where a kubeconfig is looked for that is not named.
fn searched() -> String {
    let named = std::env::var_os("KUBECONFIG").filter(|list| !list.is_empty()).map(PathBuf::from);
    let own = || std::env::var_os("HOME").map(|home| Path::new(&home).join(".kube/config"));
    named.or_else(own).unwrap_or_default().display().to_string()
}

/// What an error says, without the file that is named beside it.
fn words(error: &config::KubeconfigError) -> String {
    match error {
        config::KubeconfigError::ReadConfig(cause, _) => cause.to_string(),
        other => other.to_string(),
    }
}
