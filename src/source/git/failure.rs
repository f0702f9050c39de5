//! What the git program complains of, and what that is called here.
//!
//! Its words are those of Git and OpenSSH in the C locale.

use std::time::Duration;

use super::address::Address;
use crate::source::SourceError;
use crate::source::complaint::told;

/// How the lines begin that tell most, the best first.
const BEGINNINGS: [&str; 3] = ["error: RPC failed", "fatal:", "error:"];

/// Words of a complaint, and what they mean.
const MEANINGS: [(&str, Meaning); 23] = [
    ("Load key ", Meaning::Key),
    ("error in libcrypto", Meaning::Key),
    ("Host key verification failed", Meaning::HostKey),
    ("Permission denied (", Meaning::Denied),
    ("Connection refused", Meaning::Refused),
    ("Could not resolve host", Meaning::Dns),
    ("timed out", Meaning::Timeout),
    ("Operation too slow", Meaning::Timeout),
    ("not our ref", Meaning::NoCommit),
    ("unadvertised object", Meaning::NoCommit),
    ("couldn't find remote ref", Meaning::NoCommit),
    ("bad object", Meaning::NoCommit),
    ("could not read Username", Meaning::Unauthorized),
    ("Authentication failed", Meaning::Unauthorized),
    ("returned error: 401", Meaning::Unauthorized),
    ("returned error: 403", Meaning::Forbidden),
    ("returned error: 404", Meaning::NoRepository),
    ("does not appear to be a git repository", Meaning::NoRepository),
    ("Repository not found", Meaning::NoRepository),
    ("could not be found", Meaning::NoRepository),
    ("no such repository", Meaning::NoRepository),
    ("Could not read from remote repository", Meaning::NoRepository),
    ("No space left on device", Meaning::Disk),
];

#[derive(Clone, Copy)]
enum Meaning {
    Key,
    HostKey,
    Denied,
    Refused,
    Dns,
    Timeout,
    NoCommit,
    Unauthorized,
    Forbidden,
    NoRepository,
    Disk,
}

/// What a complaint about a repository means; `wanted` is what was asked for.
pub(super) fn meaning(
    complaints: &str,
    address: &Address,
    wanted: &str,
    with_credentials: bool,
    limit: Duration,
) -> SourceError {
    let (url, host) = (address.shown().to_owned(), address.host_and_port());
    let Some((_, meaning)) = MEANINGS.iter().find(|(words, _)| complaints.contains(words)) else {
        return SourceError::Client { program: "git", url, cause: told(complaints, &BEGINNINGS) };
    };
    match meaning {
        Meaning::Key => SourceError::InvalidCertificate {
            field: "identity of the Secret",
            reason: "it is not a private key that ssh reads without a passphrase".to_owned(),
        },
        Meaning::HostKey => SourceError::UnknownHostKey { host },
        Meaning::Denied => SourceError::KeyRefused { host },
        Meaning::Refused => SourceError::Refused { address: host },
        Meaning::Dns => SourceError::dns(address.url.host_str().unwrap_or_default(), ""),
        Meaning::Timeout => SourceError::Timeout { url, limit },
        Meaning::NoCommit => SourceError::ReferenceNotFound { url, wanted: wanted.to_owned() },
        Meaning::Unauthorized => SourceError::Unauthorized { url, with_credentials },
        Meaning::Forbidden => SourceError::Forbidden { url },
        Meaning::NoRepository => SourceError::NoRepository { url },
        Meaning::Disk => SourceError::Disk { url, cause: "there is no space left".to_owned() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(complaints: &str) -> SourceError {
        let address = Address::parse("ssh://git@x.org/charts").expect("an address");
        meaning(complaints, &address, "tag v1", true, Duration::from_secs(60))
    }

    #[test]
    fn complaints_have_one_meaning_each() {
        let key = "Load key \"/x/identity\": invalid format\r\ngit@x.org: Permission denied (publickey).\r\nfatal: Could not read from remote repository.\n";
        assert!(matches!(failure(key), SourceError::InvalidCertificate { .. }));
        for (complaints, expected) in [
            (
                "No ED25519 host key is known for x.org and you have requested strict checking.\r\nHost key verification failed.\r\nfatal: Could not read from remote repository.\n",
                "known_hosts",
            ),
            (
                "git@x.org: Permission denied (publickey).\r\nfatal: Could not read from remote repository.\n",
                "identity",
            ),
            (
                "ssh: connect to host x.org port 22: Connection refused\r\nfatal: Could not read from remote repository.\n",
                "refuses connections",
            ),
            ("ssh: connect to host x.org port 22: Connection timed out\r\n", "within 60s"),
            ("fatal: remote error: upload-pack: not our ref 1234\n", "tag v1"),
            ("fatal: '/srv/none' does not appear to be a git repository\n", "check the path"),
            ("ERROR: Repository not found.\nfatal: Could not read from remote repository.\n", "check the path"),
        ] {
            let message = failure(complaints).to_string();
            assert!(message.contains(expected) && message.contains("x.org"), "{message}");
        }
    }
}
