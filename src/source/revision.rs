//! One state of a repository that keeps histories, and what the charts in it are called: the version of a chart is its
//! own with the state as its build, and its address is that of the repository with the state and the folder.

/// A state of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Revision {
    /// The repository, without credentials.
    pub(super) url: String,
    /// What identifies the state: a commit, or the number of a revision.
    pub(super) id: String,
    /// When it was made, where that is known.
    pub(super) created: Option<String>,
}

/// How much of a commit a version shows.
const SHOWN: usize = 12;

impl Revision {
    /// The version of a chart in this state. What comes after the plus decides no order of versions.
    pub(super) fn version(&self, version: &str) -> String {
        let separator = if version.contains('+') { '.' } else { '+' };
        format!("{version}{separator}{}", self.id.get(..SHOWN).unwrap_or(&self.id))
    }

    /// The address of a folder in this state.
    pub(super) fn address(&self, folder: &str) -> String {
        format!("{}#{}:{folder}", self.url, self.id)
    }
}

/// The state and the folder of an address that [`Revision::address`] made.
pub(super) fn parse(address: &str) -> Option<(&str, &str)> {
    // Addresses and folders may have such signs too, and states have none.
    let is_state = |id: &str| !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let mut ends = address.match_indices('#').map(|(at, sign)| &address[at + sign.len()..]);
    ends.find_map(|end| end.split_once(':').filter(|(id, _)| is_state(id)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chart::version::Version;

    fn revision(id: &str) -> Revision {
        Revision { url: "git@x.org:team/charts.git".to_owned(), id: id.to_owned(), created: None }
    }

    #[test]
    fn a_version_tells_the_state() {
        let commit = revision("0123456789abcdef0123456789abcdef01234567");
        for (version, expected) in [("1.2.3", "1.2.3+0123456789ab"), ("1.2.3-rc.1+x.1", "1.2.3-rc.1+x.1.0123456789ab")]
        {
            let shown = commit.version(version);
            assert_eq!(shown, expected);
            assert!(Version::parse(&shown).is_ok());
        }
        assert_eq!(revision("r7").version("1.0.0"), "1.0.0+r7");
    }

    #[test]
    fn an_address_names_state_and_folder() {
        assert_eq!(parse(&revision("abc").address("charts/web")), Some(("abc", "charts/web")));
        assert_eq!(parse(&revision("abc").address("")), Some(("abc", "")));
        let odd = Revision { url: "git@x.org:team#1/charts.git".to_owned(), ..revision("abc") };
        assert_eq!(parse(&odd.address("c#/a#b:c")), Some(("abc", "c#/a#b:c")));
        assert_eq!(parse("https://x.org/web.tgz"), None);
    }
}
