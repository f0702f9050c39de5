//! Preparing a revision: everything that can be found out before the release is touched.
//!
//! A chart's own custom resource definitions come first, as with Helm: templates see the API versions that they bring,
//! so a first render is made as if they were there, and everything is checked with it. Only then are they created, and
//! the chart is rendered again, for templates may look at what is served and exists now.

use super::deploy::{Deployment, events_of};
use super::inputs::Inputs;
use super::preflight::{self, Plan};
use crate::cluster::Object;
use crate::cluster::object::api_versions_of;
use crate::cluster::prune::leftover;
use crate::controller::failure::Failure;
use crate::release::Status;
use crate::render::{Hook, Release, Rendered};
use crate::value::Json;

/// What a render made, ready to be applied.
pub struct Prepared {
    /// The render.
    pub rendered: Rendered,
    /// Its objects, with the marks of the release.
    pub objects: Vec<Object>,
    /// The definitions that have to be there first.
    pub definitions: Vec<Object>,
}

impl Deployment<'_> {
    /// Renders a revision, checks it, and creates the definitions that its chart brings. `before` is what earlier
    /// revisions may have left.
    ///
    /// # Errors
    /// Why it cannot be deployed; only definitions may have been written.
    pub(super) async fn prepare(
        &self,
        inputs: &Inputs,
        values: &Json,
        release: &Release,
        before: &[Object],
    ) -> Result<Prepared, Failure> {
        let definitions = self.definitions(inputs, values).await?;
        let prepared = self.render(inputs, values, release, &definitions, before).await?;
        self.check(&prepared, release, before).await?;
        self.check_definitions(&prepared.definitions).await?;
        let status = status_of(release);
        self.probe(inputs, &prepared, status, before).await?;
        if !self.install_definitions(&prepared.definitions).await? {
            return Ok(prepared);
        }
        let prepared = self.render(inputs, values, release, &[], before).await?;
        self.check(&prepared, release, before).await?;
        self.probe(inputs, &prepared, status, before).await?;
        Ok(prepared)
    }

    /// Renders a revision, as if the definitions were there already.
    ///
    /// # Errors
    /// Why it does not render, or holds something that is no object.
    pub(super) async fn render(
        &self,
        inputs: &Inputs,
        values: &Json,
        release: &Release,
        definitions: &[Object],
        before: &[Object],
    ) -> Result<Prepared, Failure> {
        let brought = api_versions_of(definitions);
        let mut rendered = self.context.render(self.cluster, inputs, values, release, brought).await?;
        self.post_render(&mut rendered)?;
        self.name_versions(&mut rendered, before)?;
        let definitions = self.with_old_definitions(definitions, &rendered.old_definitions).await?;
        let read = self.cluster.read_manifest_with(&rendered.manifest, &self.release.namespace, &definitions);
        let mut objects = read.await?;
        self.stamp(&mut objects);
        Ok(Prepared { rendered, objects, definitions })
    }

    async fn check(&self, prepared: &Prepared, release: &Release, before: &[Object]) -> Result<(), Failure> {
        let leaving = leftover(before.to_vec(), &prepared.objects).delete;
        let to_run = |hook: &&Hook| events_of(status_of(release)).iter().any(|event| hook.events.contains(event));
        let hooks = prepared.rendered.hooks.iter().filter(to_run).map(|hook| hook.manifest.as_str()).collect();
        let Prepared { objects, definitions, .. } = prepared;
        preflight::check(self, &Plan { objects, definitions, hooks, leaving: &leaving }).await
    }
}

/// The status of a revision while it is deployed.
fn status_of(release: &Release) -> Status {
    if release.is_upgrade { Status::PendingUpgrade } else { Status::PendingInstall }
}
