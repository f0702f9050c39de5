//! Which requests a command is about: those that are named, or all that their labels or namespaces find.

use clap::Args;
use kube::ResourceExt;

use super::Error;
use super::requests::{self, KIND};
use super::session::Session;

/// The names, or `-l` and `-A`.
#[derive(Clone, Debug, Default, Args)]
pub struct SelectionArguments {
    /// The names of the HelmRequests
    #[arg(value_name = "NAME", required_unless_present_any = ["selector", "all_namespaces"])]
    pub names: Vec<String>,
    /// All requests with these labels instead, for example team=shop,tier!=test
    #[arg(short = 'l', long, value_name = "SELECTOR", conflicts_with = "names")]
    pub selector: Option<String>,
    /// All requests of all namespaces instead, or those of them that --selector finds
    #[arg(short = 'A', long, conflicts_with = "names")]
    pub all_namespaces: bool,
}

/// A request that was chosen.
#[derive(Clone, Debug)]
pub struct Chosen {
    /// A session in its namespace.
    pub session: Session,
    /// Its name.
    pub name: String,
}

impl SelectionArguments {
    /// The requests in the order of their namespaces and names, or as they were named; those that are named need not be
    /// there. That nothing is found is told.
    ///
    /// # Errors
    /// They cannot be listed.
    pub async fn find(&self, session: &Session) -> Result<Vec<Chosen>, Error> {
        if !self.names.is_empty() {
            let named = self.names.iter().map(|name| requests::bare(name).to_owned());
            return Ok(named.map(|name| Chosen { session: session.clone(), name }).collect());
        }
        let found = requests::list(session, self.all_namespaces, self.selector.as_deref()).await?;
        let mut keys: Vec<(String, String)> =
            found.iter().map(|object| (object.namespace().unwrap_or_default(), object.name_any())).collect();
        keys.sort();
        if keys.is_empty() {
            session.screen.tell(&self.nothing(session));
        }
        let chosen = |(namespace, name): (String, String)| Chosen { session: session.within(&namespace), name };
        Ok(keys.into_iter().map(chosen).collect())
    }

    /// That nothing was found.
    pub fn nothing(&self, session: &Session) -> String {
        let labels = self.selector.as_ref().map(|selector| format!(" with labels {selector}")).unwrap_or_default();
        format!("no {KIND}s{labels} found{}", requests::place(session, self.all_namespaces))
    }
}
