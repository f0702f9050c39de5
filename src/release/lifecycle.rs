//! The life of a record: how one comes to be and what each outcome makes of it, in Helm's words
//! (`pkg/action/install.go`, `upgrade.go`, `rollback.go`, `uninstall.go`).

use jiff::Timestamp;

use super::{ApplyMethod, Hook, Info, Record, Status, StoredChart};
use crate::render::Rendered;
use crate::value::Json;

/// What a new revision consists of.
#[derive(Clone, Debug, Default)]
pub struct Content {
    /// The chart.
    pub chart: StoredChart,
    /// The user's merged values.
    pub config: Json,
    /// The rendered documents without hooks.
    pub manifest: String,
    /// The rendered hooks.
    pub hooks: Vec<Hook>,
    /// The rendered NOTES.txt.
    pub notes: String,
}

impl Content {
    /// What a render made of the user's merged values `config`.
    pub fn new(rendered: Rendered, config: Json) -> Self {
        Self {
            chart: StoredChart::from(&rendered.chart),
            config,
            manifest: rendered.manifest,
            hooks: rendered.hooks.into_iter().map(Hook::from).collect(),
            notes: rendered.notes,
        }
    }
}

impl Record {
    /// The pending record of an installation. `revision` is 1, or the next one where uninstalled or failed revisions
    /// are left.
    pub fn install(name: &str, namespace: &str, revision: i64, content: Content, now: Timestamp) -> Self {
        let info = Info {
            first_deployed: Some(now),
            last_deployed: Some(now),
            status: Status::PendingInstall,
            description: "Initial install underway".to_owned(),
            notes: content.notes,
            ..Info::default()
        };
        Self {
            name: name.to_owned(),
            namespace: namespace.to_owned(),
            version: revision,
            info,
            chart: content.chart,
            config: content.config,
            manifest: content.manifest,
            hooks: content.hooks,
            apply_method: ApplyMethod::ServerSide,
            labels: Default::default(),
        }
    }

    /// The pending record of an upgrade of `current`.
    pub fn upgrade(current: &Self, revision: i64, content: Content, now: Timestamp) -> Self {
        let mut record = Self::install(&current.name, &current.namespace, revision, content, now);
        record.info.first_deployed = current.info.first_deployed;
        record.info.status = Status::PendingUpgrade;
        record.info.description = "Preparing upgrade".to_owned();
        record.labels = current.labels.clone();
        record
    }

    /// The pending record of a rollback to `target`; `last` is the newest revision. Nothing is rendered: chart,
    /// values, manifest, hooks and notes are those of the target.
    pub fn rollback(last: &Self, target: &Self, now: Timestamp) -> Self {
        let info = Info {
            first_deployed: last.info.first_deployed,
            last_deployed: Some(now),
            deleted: None,
            description: format!("Rollback to {}", target.version),
            status: Status::PendingRollback,
            rollback_revision: target.version,
            notes: target.info.notes.clone(),
        };
        Self {
            namespace: last.namespace.clone(),
            version: last.version + 1,
            info,
            apply_method: ApplyMethod::ServerSide,
            ..target.clone()
        }
    }

    /// Marks that a failed operation is begun once more under the same number: one revision a change, not one a try.
    /// `was_deployed` is whether the release has a deployed revision.
    pub fn begin_again(&mut self, was_deployed: bool, now: Timestamp) {
        self.info.last_deployed = Some(now);
        match self.info.rollback_revision {
            0 if was_deployed => self.set(Status::PendingUpgrade, "Preparing upgrade".to_owned()),
            0 => self.set(Status::PendingInstall, "Initial install underway".to_owned()),
            target => self.set(Status::PendingRollback, format!("Rollback to {target}")),
        }
    }

    /// Marks the start of an uninstallation.
    pub fn uninstall(&mut self, now: Timestamp) {
        self.info.deleted = Some(now);
        self.set(Status::Uninstalling, "Deletion in progress (or silently failed)".to_owned());
    }

    /// Marks the success of the operation that is underway; a record with none underway stays as it is.
    pub fn complete(&mut self) {
        match self.info.status {
            Status::PendingInstall => self.set(Status::Deployed, "Install complete".to_owned()),
            Status::PendingUpgrade => self.set(Status::Deployed, "Upgrade complete".to_owned()),
            Status::PendingRollback => self.info.status = Status::Deployed,
            Status::Uninstalling => self.set(Status::Uninstalled, "Uninstallation complete".to_owned()),
            Status::Deployed | Status::Uninstalled | Status::Superseded | Status::Failed | Status::Unknown => {}
        }
    }

    /// Marks the failure of the operation that is underway. `cause` is one sentence without secrets. A failed
    /// uninstallation stays underway, as with Helm; a record with no operation underway stays as it is.
    pub fn fail(&mut self, cause: &str) {
        let operation = match self.info.status {
            Status::PendingInstall => "Release",
            Status::PendingUpgrade => "Upgrade",
            Status::PendingRollback => "Rollback",
            _ => return,
        };
        let description = format!("{operation} {:?} failed: {cause}", self.name);
        self.set(Status::Failed, description);
    }

    /// Marks that a newer revision took its place.
    pub fn supersede(&mut self) {
        self.info.status = Status::Superseded;
    }

    /// Marks that a new installation of the name took its place.
    pub fn replace(&mut self) {
        self.set(Status::Superseded, "superseded by new release".to_owned());
    }

    fn set(&mut self, status: Status, description: String) {
        self.info.status = status;
        self.info.description = description;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Timestamp = Timestamp::constant(1_000, 0);
    const LATER: Timestamp = Timestamp::constant(2_000, 0);

    fn installed() -> Record {
        let content =
            Content { manifest: "---\nkind: A\n".to_owned(), notes: "first".to_owned(), ..Content::default() };
        let mut record = Record::install("web", "prod", 1, content, FIRST);
        record.complete();
        record
    }

    fn state(record: &Record) -> (Status, &str) {
        (record.info.status, &record.info.description)
    }

    #[test]
    fn an_installation_begins_pending_and_ends_deployed() {
        let mut record = Record::install("web", "prod", 1, Content::default(), FIRST);
        assert_eq!(state(&record), (Status::PendingInstall, "Initial install underway"));
        record.complete();
        assert_eq!(state(&record), (Status::Deployed, "Install complete"));
        assert_eq!((record.info.first_deployed, record.info.last_deployed), (Some(FIRST), Some(FIRST)));
    }

    #[test]
    fn an_upgrade_keeps_the_first_time_and_the_labels() {
        let mut current = installed();
        current.labels.insert("team".to_owned(), "a".to_owned());
        let mut record = Record::upgrade(&current, 2, Content::default(), LATER);
        assert_eq!(state(&record), (Status::PendingUpgrade, "Preparing upgrade"));
        assert_eq!((record.version, &record.labels), (2, &current.labels));
        assert_eq!((record.info.first_deployed, record.info.last_deployed), (Some(FIRST), Some(LATER)));
        record.complete();
        current.supersede();
        assert_eq!(state(&record), (Status::Deployed, "Upgrade complete"));
        assert_eq!(state(&current), (Status::Superseded, "Install complete"));
    }

    #[test]
    fn a_rollback_takes_everything_from_its_target() {
        let target = installed();
        let last = Record::upgrade(&target, 4, Content::default(), LATER);
        let mut record = Record::rollback(&last, &target, LATER);
        assert_eq!((record.version, record.info.rollback_revision), (5, 1));
        assert_eq!((record.manifest.as_str(), record.info.notes.as_str()), ("---\nkind: A\n", "first"));
        record.complete();
        assert_eq!(state(&record), (Status::Deployed, "Rollback to 1"));
    }

    #[test]
    fn failures_are_told_in_helm_words() {
        let pending =
            |status| Record { info: Info { status, ..Info::default() }, name: "web".to_owned(), ..Record::default() };
        for (status, expected) in [
            (Status::PendingInstall, (Status::Failed, "Release \"web\" failed: no room")),
            (Status::PendingUpgrade, (Status::Failed, "Upgrade \"web\" failed: no room")),
            (Status::PendingRollback, (Status::Failed, "Rollback \"web\" failed: no room")),
            (Status::Uninstalling, (Status::Uninstalling, "")),
            (Status::Deployed, (Status::Deployed, "")),
        ] {
            let mut record = pending(status);
            record.fail("no room");
            assert_eq!(state(&record), expected);
        }
    }

    #[test]
    fn a_failed_operation_begins_again_as_what_it_was() {
        let target = installed();
        let mut rollback = Record::rollback(&target, &target, LATER);
        let mut upgrade = Record::upgrade(&target, 2, Content::default(), LATER);
        let mut install = Record::install("web", "prod", 1, Content::default(), FIRST);
        for (record, was_deployed, expected) in [
            (&mut rollback, true, (Status::PendingRollback, "Rollback to 1")),
            (&mut upgrade, true, (Status::PendingUpgrade, "Preparing upgrade")),
            (&mut install, false, (Status::PendingInstall, "Initial install underway")),
        ] {
            record.fail("no room");
            record.begin_again(was_deployed, LATER);
            assert_eq!((state(record), record.info.last_deployed), (expected, Some(LATER)));
        }
    }

    #[test]
    fn an_uninstallation_has_its_own_time() {
        let mut record = installed();
        record.uninstall(LATER);
        assert_eq!(record.info.deleted, Some(LATER));
        record.complete();
        assert_eq!(state(&record), (Status::Uninstalled, "Uninstallation complete"));
    }
}
