//! What the operator notes on the Secret of a release record, beside what Helm keeps there: a few annotations that
//! tell, without the record being read, what a revision was made from and how far its operation is.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;

use super::kept::{self, Kept};
use crate::plan::{Digest, Tested};
use crate::render::versioned::Inventory;
use crate::render::{Event, Reads};

/// The HelmRequest that made a revision, `NAMESPACE/NAME`, where that is not the name and namespace of the release.
const REQUEST: &str = "coxswain.dev/request";
/// The digest of the inputs that a revision was made from.
const INPUTS: &str = "coxswain.dev/inputs";
/// The digest of its objects as the API server answered when they were applied.
const OBJECTS: &str = "coxswain.dev/objects";
/// The kinds of its objects, `version/Kind` or `group/version/Kind`, comma-separated.
const KINDS: &str = "coxswain.dev/kinds";
/// The event whose hooks were begun last and when, such as `post-install 2026-01-02T03:04:05Z`.
const STAGE: &str = "coxswain.dev/stage";
/// How often its operation was begun.
const ATTEMPTS: &str = "coxswain.dev/attempts";
/// What `rollbackTo` was when it was made.
const ROLLBACK: &str = "coxswain.dev/rollback-to";
/// How the chart's tests ended: `none`, `succeeded` or `failed`.
const TESTS: &str = "coxswain.dev/tests";
/// What the render read of the cluster, as JSON.
const READS: &str = "coxswain.dev/reads";
/// The digest of the rules by which fields were left to others.
const LEFT: &str = "coxswain.dev/left";
/// The versions of versioned objects that may exist.
const VERSIONS: &str = "coxswain.dev/versions";

/// The notes on one record. A record of another writer has none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notes {
    /// The HelmRequest that made the revision, `NAMESPACE/NAME`; absent where it has the name and namespace of the release.
    pub request: Option<String>,
    /// The digest of the inputs that the revision was made from.
    pub inputs: Option<Digest>,
    /// The digest of its objects as applied; absent until the operation succeeded.
    pub objects: Option<Digest>,
    /// The kinds of its objects, `version/Kind` or `group/version/Kind`.
    pub kinds: Vec<String>,
    /// The event whose hooks are being run; absent where no operation is underway.
    pub stage: Option<Stage>,
    /// How often its operation was begun.
    pub attempts: u32,
    /// What `rollbackTo` was when it was made.
    pub rollback_to: Option<i64>,
    /// How the chart's tests ended, once they have.
    pub tests: Option<Tested>,
    /// The digest of the rules by which fields of its objects were left to others; absent where there were none.
    pub left: Option<Digest>,
    /// The versions of ConfigMaps and Secrets that may exist once the operation has ended.
    pub versions: Inventory,
    /// What the render read of the cluster, but for objects of the release itself.
    pub reads: Reads,
    /// What objects keep of predecessors that its operation has deleted or is about to.
    pub kept: Kept,
}

impl Notes {
    /// Reads the notes among the annotations of a record; what cannot be read counts as absent.
    pub fn read(annotations: &BTreeMap<String, String>) -> Self {
        let text = |name: &str| annotations.get(name).map(String::as_str);
        let kinds = text(KINDS).unwrap_or_default().split(',').filter(|kind| !kind.is_empty());
        Self {
            request: text(REQUEST).map(str::to_owned),
            inputs: text(INPUTS).map(Digest::stored),
            objects: text(OBJECTS).map(Digest::stored),
            kinds: kinds.map(str::to_owned).collect(),
            stage: text(STAGE).and_then(Stage::parse),
            attempts: text(ATTEMPTS).and_then(|text| text.parse().ok()).unwrap_or(0),
            rollback_to: text(ROLLBACK).and_then(|text| text.parse().ok()),
            tests: text(TESTS).and_then(Tested::parse),
            left: text(LEFT).map(Digest::stored),
            versions: text(VERSIONS).map(Inventory::parse).unwrap_or_default(),
            reads: text(READS).and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default(),
            kept: text(kept::ANNOTATION).map(Kept::parse).unwrap_or_default(),
        }
    }

    /// The annotations that say the same.
    pub fn annotations(&self) -> BTreeMap<String, String> {
        let kinds = (!self.kinds.is_empty()).then(|| self.kinds.join(","));
        let notes = [
            (REQUEST, self.request.clone()),
            (INPUTS, self.inputs.as_ref().map(ToString::to_string)),
            (OBJECTS, self.objects.as_ref().map(ToString::to_string)),
            (KINDS, kinds),
            (STAGE, self.stage.map(|stage| stage.to_string())),
            (ATTEMPTS, (self.attempts > 0).then(|| self.attempts.to_string())),
            (ROLLBACK, self.rollback_to.map(|revision| revision.to_string())),
            (TESTS, self.tests.map(|tested| tested.as_str().to_owned())),
            (LEFT, self.left.as_ref().map(ToString::to_string)),
            (VERSIONS, (!self.versions.is_empty()).then(|| self.versions.to_string())),
            (
                READS,
                Some(&self.reads).filter(|reads| !reads.is_empty()).and_then(|reads| serde_json::to_string(reads).ok()),
            ),
            (kept::ANNOTATION, (!self.kept.is_empty()).then(|| self.kept.to_string())),
        ];
        notes.into_iter().filter_map(|(name, text)| Some((name.to_owned(), text?))).collect()
    }
}

/// The event whose hooks were begun last in an operation, and when. One hook may belong to several events, so its last
/// run alone does not tell whether it has run for this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stage {
    /// The event.
    pub event: Event,
    /// When its hooks were begun; what ran earlier ran for another event.
    pub began: Timestamp,
}

impl Stage {
    /// Reads what [`Stage`]'s text form says.
    pub fn parse(text: &str) -> Option<Self> {
        let (event, began) = text.split_once(' ')?;
        Some(Self { event: Event::parse(event)?, began: began.parse().ok()? })
    }

    /// Whether the hooks of an event were all done before this stage began.
    pub fn is_after(self, event: Event) -> bool {
        let comes_first =
            |event| matches!(event, Event::PreInstall | Event::PreUpgrade | Event::PreRollback | Event::PreDelete);
        comes_first(event) && !comes_first(self.event)
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.event.name(), self.began)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_read_as_they_were_written() {
        let stage = Stage { event: Event::PostInstall, began: Timestamp::UNIX_EPOCH };
        let notes = Notes {
            request: Some("demo/other".to_owned()),
            inputs: Some(Digest::stored("a")),
            objects: Some(Digest::stored("b")),
            kinds: vec!["v1/Secret".to_owned(), "apps/v1/Deployment".to_owned()],
            stage: Some(stage),
            attempts: 3,
            rollback_to: Some(2),
            tests: Some(Tested::Failed),
            left: Some(Digest::stored("c")),
            versions: Inventory::parse("Secret/demo/web/3/c0ffee/7"),
            reads: Reads { kube_version: Some("v1.37.0".to_owned()), ..Reads::default() },
            kept: Kept::parse(r#"{"/Service/demo/web":{"spec":{"clusterIP":"10.0.0.7"}}}"#),
        };
        assert_eq!(Notes::read(&notes.annotations()), notes);
        assert_eq!(Notes::read(&BTreeMap::new()), Notes::default());
        assert_eq!(Notes::default().annotations(), BTreeMap::new());
        assert_eq!(Stage::parse("post-install"), None);
    }

    #[test]
    fn what_comes_before_an_operation_is_over_once_what_comes_after_has_begun() {
        let after = Stage { event: Event::PostUpgrade, began: Timestamp::UNIX_EPOCH };
        assert!(after.is_after(Event::PreUpgrade));
        assert!(!after.is_after(Event::PostUpgrade));
        let before = Stage { event: Event::PreUpgrade, began: Timestamp::UNIX_EPOCH };
        assert!(!before.is_after(Event::PostUpgrade));
    }
}
