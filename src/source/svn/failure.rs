//! What the svn program complains of, mostly by codes that are the same in every language, and what that is called here.

use std::time::Duration;

use super::Inner;
use crate::source::SourceError;
use crate::source::address::host_and_port;
use crate::source::complaint::told;

/// What only says where it failed, not why.
const PLACE: &str = "E170013";

/// Parts of complaints, and what they mean; one that tells more comes first.
const MEANINGS: [(&str, Meaning); 27] = [
    ("E000111", Meaning::Refused),
    ("E670002", Meaning::Dns),
    ("E670008", Meaning::Dns),
    ("E000110", Meaning::Timeout),
    ("E175012", Meaning::Timeout),
    ("different hostname", Meaning::OtherName),
    ("certificate has expired", Meaning::Expired),
    ("E230001", Meaning::Untrusted),
    ("E160006", Meaning::NoRevision),
    ("E175013", Meaning::Forbidden),
    ("E220004", Meaning::Forbidden),
    ("Authorization failed", Meaning::Forbidden),
    ("Not authorized", Meaning::Forbidden),
    ("No access allowed", Meaning::Forbidden),
    ("E215004", Meaning::Unauthorized),
    ("E170001", Meaning::Unauthorized),
    ("E160013", Meaning::NoFolder),
    ("W170000", Meaning::NoFolder),
    ("E170000", Meaning::NoFolder),
    ("E200009", Meaning::NoFolder),
    ("E210005", Meaning::NoFolder),
    ("E000002: Could not find the requested SVN filesystem", Meaning::NoFolder),
    ("E170011", Meaning::Moved),
    ("E175003", Meaning::NoServer),
    ("E210002", Meaning::NoServer),
    ("E210004", Meaning::NoServer),
    ("E000028", Meaning::Disk),
];

#[derive(Clone, Copy)]
enum Meaning {
    Refused,
    Dns,
    Timeout,
    OtherName,
    Expired,
    Untrusted,
    NoRevision,
    Forbidden,
    Unauthorized,
    NoFolder,
    Moved,
    NoServer,
    Disk,
}

/// What a complaint about a repository means; `wanted` is the revision that was asked for.
pub(super) fn meaning(complaints: &str, inner: &Inner, wanted: &str, limit: Duration) -> SourceError {
    let (url, host) = (inner.url.to_string(), host_and_port(&inner.url));
    let Some((_, meaning)) = MEANINGS.iter().find(|(words, _)| complaints.contains(words)) else {
        let causes: Vec<&str> = complaints.lines().filter(|line| !line.contains(PLACE)).collect();
        return SourceError::Client { program: "svn", url, cause: told(&causes.join("\n"), &["svn: E"]) };
    };
    match meaning {
        Meaning::Refused => SourceError::Refused { address: host },
        Meaning::Dns => SourceError::dns(inner.url.host_str().unwrap_or_default(), ""),
        Meaning::Timeout => SourceError::Timeout { url, limit },
        Meaning::OtherName => SourceError::WrongName { host },
        Meaning::Expired => SourceError::ExpiredCertificate { host },
        Meaning::Untrusted => SourceError::UnknownAuthority { host },
        Meaning::NoRevision => SourceError::ReferenceNotFound { url, wanted: format!("revision {wanted}") },
        Meaning::Forbidden => SourceError::Forbidden { url },
        Meaning::Unauthorized => SourceError::Unauthorized { url, with_credentials: inner.credentials.is_some() },
        Meaning::NoFolder => SourceError::NoRepository { url },
        Meaning::Moved => super::invalid(&url, "it redirects: write the address that it redirects to"),
        Meaning::NoServer => {
            let reason = "the server does not answer as Subversion's servers do".to_owned();
            SourceError::NotARepository { url, kind: "Subversion", reason }
        }
        Meaning::Disk => SourceError::Disk { url, cause: "there is no space left".to_owned() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::svn::{Options, Repository};
    use crate::source::workshop::tests::workshop;

    #[test]
    fn complaints_have_one_meaning_each() -> anyhow::Result<()> {
        let repository = Repository::new(Options::new("svn://x.org/charts", workshop("svn-failure")?))?;
        let failure = |complaints: &str| {
            let complaints =
                format!("svn: E170013: Unable to connect to a repository at URL 'svn://x.org'\n{complaints}\n");
            meaning(&complaints, &repository.inner, "7", Duration::from_secs(60)).to_string()
        };
        for (complaints, expected) in [
            ("svn: E000111: Can't connect to host 'x.org': Connection refused", "refuses connections"),
            ("svn: E670002: Unknown hostname 'x.org'", "cannot be resolved"),
            ("svn: E160006: No such revision 7", "revision 7: correct source.ref"),
            ("svn: E170001: Authentication error from server: Password incorrect", "name a Secret"),
            ("svn: E170001: Authorization failed", "answered 403"),
            ("svn: warning: W170000: URL 'x' non-existent in revision 3\n\nsvn: E200009: Could not", "check the path"),
            (
                "svn: E230001: Server SSL certificate verification failed: issued for a different hostname",
                "another name",
            ),
            ("svn: E210005: No repository found in 'svn://x.org/charts'", "check the path"),
            ("svn: E210002: Network connection closed unexpectedly", "not a Subversion repository"),
            (
                "svn: E120106: ra_serf: odd at 'https://ann:s3cret@x.org/a?b=s3cret'",
                "E120106: ra_serf: odd at 'https://x.org/a",
            ),
        ] {
            let message = failure(complaints);
            assert!(
                message.contains(expected) && message.contains("x.org") && !message.contains("s3cret"),
                "{message}"
            );
        }
        Ok(())
    }
}
