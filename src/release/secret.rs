//! Name, labels and key of the Secret that holds a record (`pkg/storage/driver/secrets.go`), as plain data.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::Record;

/// The Secret's type.
pub const TYPE: &str = "helm.sh/release.v1";
/// The key of its data that holds the encoded record.
pub const KEY: &str = "release";
/// The value of the label `owner`.
pub const OWNER: &str = "helm";
/// What the name of every record begins with.
pub const PREFIX: &str = "sh.helm.release.v1.";

const SYSTEM_LABELS: [&str; 6] = ["name", "owner", "status", "version", "createdAt", "modifiedAt"];

/// Which of the two time labels a write sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Write {
    /// The Secret is created at this time.
    Create(Timestamp),
    /// The Secret is replaced at this time.
    Update(Timestamp),
}

/// The Secret's name.
pub fn name(release: &str, revision: i64) -> String {
    format!("{PREFIX}{release}.v{revision}")
}

/// Release and revision of a Secret's name.
pub fn parse_name(name: &str) -> Option<(&str, i64)> {
    let (release, revision) = name.strip_prefix(PREFIX)?.rsplit_once(".v")?;
    Some((release, revision.parse().ok()?))
}

/// The labels of the Secret: the user's, then Helm's own.
pub fn labels(record: &Record, write: Write) -> BTreeMap<String, String> {
    let (stamp, time) = match write {
        Write::Create(time) => ("createdAt", time),
        Write::Update(time) => ("modifiedAt", time),
    };
    let own = [
        (stamp, time.as_second().to_string()),
        ("name", record.name.clone()),
        ("owner", OWNER.to_owned()),
        ("status", record.info.status.name().to_owned()),
        ("version", record.version.to_string()),
    ];
    let mut labels = record.labels.clone();
    labels.extend(own.map(|(label, value)| (label.to_owned(), value)));
    labels
}

/// The user's labels among those of a Secret.
pub fn user_labels(labels: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let user = labels.iter().filter(|(label, _)| !SYSTEM_LABELS.contains(&label.as_str()));
    user.map(|(label, value)| (label.clone(), value.clone())).collect()
}

/// The selector of all revisions of a release.
pub fn selector(release: &str) -> String {
    format!("name={release},owner={OWNER}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::release::{Info, Status};

    #[test]
    fn names_round_trip_even_with_dots() {
        for (release, revision) in [("web", 1), ("a.v2", 10), ("x.vault", 3)] {
            assert_eq!(parse_name(&name(release, revision)), Some((release, revision)));
        }
        assert_eq!(name("web", 1), "sh.helm.release.v1.web.v1");
        assert_eq!(parse_name("sh.helm.release.v1.web"), None);
        assert_eq!(parse_name("other.web.v1"), None);
    }

    #[test]
    fn helm_own_labels_win_over_the_user_ones() {
        let labels_of_user =
            BTreeMap::from([("team".to_owned(), "a".to_owned()), ("owner".to_owned(), "me".to_owned())]);
        let record = Record {
            name: "web".to_owned(),
            version: 3,
            info: Info { status: Status::PendingUpgrade, ..Info::default() },
            labels: labels_of_user,
            ..Record::default()
        };
        let labels = labels(&record, Write::Update(Timestamp::constant(1_795_236_602, 5)));
        let expected = [
            ("modifiedAt", "1795236602"),
            ("name", "web"),
            ("owner", "helm"),
            ("status", "pending-upgrade"),
            ("team", "a"),
            ("version", "3"),
        ];
        assert!(labels.iter().map(|(k, v)| (k.as_str(), v.as_str())).eq(expected));
        assert!(user_labels(&labels).into_keys().eq(["team"]));
    }
}
