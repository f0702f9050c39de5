//! Which revisions of a release matter: the last, the deployed one, and those that are too many
//! (`pkg/storage/storage.go`, `pkg/action/upgrade.go`).

use std::collections::BTreeMap;

use super::{Record, Status};

/// Number and status of a revision, which its Secret's labels tell without decoding it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Revision {
    /// The number, from 1.
    pub number: i64,
    /// The status.
    pub status: Status,
}

impl Revision {
    /// Reads a revision from the labels of its Secret; nothing where they are not those of a release.
    pub fn from_labels(labels: &BTreeMap<String, String>) -> Option<Self> {
        let number = labels.get("version")?.parse().ok()?;
        let status = Status::parse(labels.get("status")?);
        (labels.get("owner")? == super::secret::OWNER).then_some(Self { number, status })
    }
}

impl From<&Record> for Revision {
    fn from(record: &Record) -> Self {
        record.revision()
    }
}

/// The newest revision.
pub fn last(revisions: &[Revision]) -> Option<Revision> {
    revisions.iter().copied().max_by_key(|revision| revision.number)
}

/// The newest deployed revision; operations that ran at the same time may have left several.
pub fn deployed(revisions: &[Revision]) -> Option<Revision> {
    let deployed = revisions.iter().copied().filter(|revision| revision.status == Status::Deployed);
    deployed.max_by_key(|revision| revision.number)
}

/// The revision that an upgrade starts from: the deployed one, else the last one if it failed or was superseded.
pub fn current(revisions: &[Revision]) -> Option<Revision> {
    let fallback = last(revisions).filter(|last| matches!(last.status, Status::Failed | Status::Superseded));
    deployed(revisions).or(fallback)
}

/// The numbers of the revisions to delete, oldest first, before a new one is written, so that with it at most
/// `maximum` are left; 0 keeps all. The deployed one is never among them.
pub fn surplus(revisions: &[Revision], maximum: usize) -> Vec<i64> {
    if maximum == 0 {
        return Vec::new();
    }
    let deployed = deployed(revisions).map(|revision| revision.number);
    let mut numbers: Vec<i64> = revisions.iter().map(|revision| revision.number).collect();
    numbers.sort_unstable();
    let too_many = (numbers.len() + 1).saturating_sub(maximum);
    numbers.into_iter().filter(|number| Some(*number) != deployed).take(too_many).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn revisions(statuses: &[(i64, Status)]) -> Vec<Revision> {
        statuses.iter().map(|(number, status)| Revision { number: *number, status: *status }).collect()
    }

    #[test]
    fn the_newest_of_several_deployed_revisions_counts() {
        let history = revisions(&[(3, Status::Failed), (1, Status::Deployed), (2, Status::Deployed)]);
        assert_eq!(last(&history).map(|r| r.number), Some(3));
        assert_eq!(deployed(&history).map(|r| r.number), Some(2));
        assert_eq!(current(&history).map(|r| r.number), Some(2));
    }

    #[test]
    fn an_upgrade_starts_from_a_failed_revision_only_where_none_is_deployed() {
        let number = |history: &[Revision]| current(history).map(|r| r.number);
        assert_eq!(number(&revisions(&[(1, Status::Superseded), (2, Status::Failed)])), Some(2));
        assert_eq!(number(&revisions(&[(1, Status::Superseded), (2, Status::PendingUpgrade)])), None);
        assert_eq!(number(&[]), None);
    }

    #[test]
    fn the_oldest_go_and_the_deployed_one_stays() {
        let history = revisions(&[
            (2, Status::Deployed),
            (1, Status::Superseded),
            (3, Status::Failed),
            (4, Status::Failed),
            (5, Status::Failed),
        ]);
        for (maximum, expected) in
            [(0, vec![]), (10, vec![]), (6, vec![]), (5, vec![1]), (3, vec![1, 3, 4]), (1, vec![1, 3, 4, 5])]
        {
            assert_eq!(surplus(&history, maximum), expected, "at most {maximum}");
        }
    }

    #[test]
    fn labels_of_something_else_are_no_revision() {
        let labels = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let release = labels(&[("owner", "helm"), ("version", "7"), ("status", "failed"), ("name", "x")]);
        assert_eq!(Revision::from_labels(&release), Some(Revision { number: 7, status: Status::Failed }));
        assert_eq!(Revision::from_labels(&labels(&[("owner", "me"), ("version", "7"), ("status", "failed")])), None);
        assert_eq!(Revision::from_labels(&labels(&[("owner", "helm"), ("version", "x"), ("status", "failed")])), None);
    }
}
