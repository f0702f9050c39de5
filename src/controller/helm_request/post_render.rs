//! The border between `spec.postRender` and the rules that the render room follows.

use super::deploy::Deployment;
use crate::api::helm_request::{self as api, PostRender};
use crate::controller::failure::Failure;
use crate::render::Rendered;
use crate::render::post::{self, Image, Patch, Rules, Target};

impl Deployment<'_> {
    /// Changes what was rendered as the request asks.
    ///
    /// # Errors
    /// Which rule cannot be followed, and why.
    pub(super) fn post_render(&self, rendered: &mut Rendered) -> Result<(), Failure> {
        match &self.request.spec.post_render {
            Some(fields) => Ok(post::apply(&rules(fields, &self.release.namespace), rendered)?),
            None => Ok(()),
        }
    }
}

/// The rules of a request whose objects are in a namespace unless they say another.
pub fn rules(fields: &PostRender, namespace: &str) -> Rules {
    Rules {
        patches: fields.patches.iter().map(patch).collect(),
        images: fields.images.iter().map(image).collect(),
        labels: fields.common_labels.clone(),
        annotations: fields.common_annotations.clone(),
        hooks: fields.hooks,
        namespace: namespace.to_owned(),
    }
}

fn patch(fields: &api::Patch) -> Patch {
    Patch { target: fields.target.as_ref().map(target), text: fields.patch.clone() }
}

fn target(fields: &api::PatchTarget) -> Target {
    let api::PatchTarget { group, version, kind, name, namespace, label_selector } = fields.clone();
    Target { group, version, kind, name, namespace, labels: label_selector }
}

fn image(fields: &api::Image) -> Image {
    let api::Image { name, new_name, new_tag, digest } = fields.clone();
    Image { name, new_name, new_tag, digest }
}
