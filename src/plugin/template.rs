//! `template`: the manifest that a request would be rendered to, or that a chart on this machine gives.

use clap::Args;

use super::arguments::GlobalArguments;
use super::draft::{Draft, DraftArguments};
use super::get::hooks;
use super::requests;
use super::screen::Screen;
use super::session::Session;
use super::{Error, Outcome};
use crate::render::{Rendered, split};

/// The namespace of what is rendered for no request.
const NAMESPACE: &str = "default";

/// The flags of `template`.
#[derive(Clone, Debug, Args)]
pub struct TemplateArguments {
    /// The name of the HelmRequest; without one, --path names a chart that is rendered as it is, without a cluster
    #[arg(required_unless_present = "path")]
    pub name: Option<String>,
    /// What is rendered.
    #[command(flatten)]
    pub draft: DraftArguments,
    /// Only the documents of this template, for example templates/service.yaml. May be given several times
    #[arg(long, value_name = "TEMPLATE")]
    pub show_only: Vec<String>,
    /// Leave the hooks out
    #[arg(long)]
    pub no_hooks: bool,
    /// Add the files of the chart's crds/
    #[arg(long)]
    pub include_crds: bool,
}

impl TemplateArguments {
    /// Prints what a request would be rendered to.
    ///
    /// # Errors
    /// Its chart or values cannot be had, or it does not render.
    pub async fn run(&self, session: &Session) -> Result<Outcome, Error> {
        let name = self.name.as_deref().unwrap_or_default();
        let draft = Draft::of_request(session, &requests::find(session, name).await?, &self.draft).await?;
        self.print(&draft.render(Some(session)).await?, &session.screen)
    }

    /// Prints what a chart gives, without a cluster.
    ///
    /// # Errors
    /// It cannot be read, or does not render.
    pub async fn run_alone(&self, global: &GlobalArguments) -> Result<Outcome, Error> {
        self.print(&alone(&self.draft, global)?.render(None).await?, &Screen::of_process())
    }

    fn print(&self, rendered: &Rendered, screen: &Screen) -> Result<Outcome, Error> {
        let text = self.text(rendered);
        if text.is_empty() && !self.show_only.is_empty() {
            return Err(Error::Usage(format!("no document is of template {:?}", self.show_only.join(" or "))));
        }
        screen.print(&text)?;
        Ok(Outcome::Done)
    }

    fn text(&self, rendered: &Rendered) -> String {
        let mut text = String::new();
        for crd in rendered.crds.iter().filter(|crd| self.include_crds && self.shows(&crd.path)) {
            for document in split(&String::from_utf8_lossy(&crd.data)) {
                text.extend(["---\n# Source: ", &crd.path, "\n", document.trim_end(), "\n"]);
            }
        }
        for document in rendered.documents.iter().filter(|document| self.shows(&document.path)) {
            text.extend(["---\n# Source: ", &document.path, "\n", document.content.trim_end(), "\n"]);
        }
        let shown = rendered.hooks.iter().filter(|hook| !self.no_hooks && self.shows(&hook.path));
        let recorded: Vec<crate::release::Hook> = shown.cloned().map(Into::into).collect();
        text + &hooks(&recorded)
    }

    fn shows(&self, path: &str) -> bool {
        let is_it = |wanted: &String| path == wanted || path.ends_with(&format!("/{wanted}"));
        self.show_only.is_empty() || self.show_only.iter().any(is_it)
    }
}

/// The draft of a chart that is for no request.
///
/// # Errors
/// No chart is named, or it cannot be read.
pub fn alone(flags: &DraftArguments, global: &GlobalArguments) -> Result<Draft, Error> {
    let missing = || Error::Usage("name a HelmRequest, or a chart with --path".to_owned());
    let path = flags.path.as_deref().ok_or_else(missing)?;
    Draft::of_path(path, global.namespace.as_deref().unwrap_or(NAMESPACE), &flags.values)
}
