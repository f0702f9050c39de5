//! Addresses of Git repositories: `https://` and `http://`, `ssh://`, and the short form of ssh, `user@host:path`.
//!
//! No other protocol is spoken: Git has some that read the operator's own files or run programs.

use reqwest::Url;

use crate::source::access::Credentials;
use crate::source::{SourceError, address};

/// Where a repository is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) protocol: Protocol,
    /// The address as a URL, without a password.
    pub(super) url: Url,
    /// What the git program is given: there are no credentials in it.
    pub(super) named: String,
    /// What the address itself says of who we are.
    pub(super) credentials: Option<Credentials>,
}

/// How a repository is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Http,
    Https,
    Ssh,
}

impl Protocol {
    /// The protocols that the git program may speak then (`GIT_ALLOW_PROTOCOL`).
    pub(super) fn allowed(self) -> &'static str {
        match self {
            Self::Http => "http:https",
            Self::Https => "https",
            Self::Ssh => "ssh",
        }
    }
}

impl Address {
    /// Reads an address.
    ///
    /// # Errors
    /// [`SourceError::InvalidGitUrl`].
    pub(super) fn parse(text: &str) -> Result<Self, SourceError> {
        let text = text.trim();
        let invalid = |reason: String| SourceError::InvalidGitUrl { url: address::displayable(text), reason };
        let parsed = match text.split_once("://") {
            Some(("http" | "https", _)) => Self::web(text)?,
            Some(("ssh", _)) => Self::ssh(text).map_err(invalid)?,
            Some((scheme, _)) => return Err(invalid(format!("scheme {scheme:?} is not https, http or ssh"))),
            None => Self::short(text).map_err(invalid)?,
        };
        let starts_option = |part: &str| part.starts_with('-');
        if parsed.url.host_str().is_none_or(|host| host.is_empty() || starts_option(host))
            || starts_option(parsed.url.username())
        {
            return Err(invalid("it has no host".to_owned()));
        }
        if parsed.url.query().is_some() {
            return Err(invalid("it has a query".to_owned()));
        }
        if parsed.url.path().trim_matches('/').is_empty() {
            return Err(invalid("it has no path".to_owned()));
        }
        Ok(parsed)
    }

    fn web(text: &str) -> Result<Self, SourceError> {
        let (url, credentials) = address::parse(text).map_err(|error| match error {
            SourceError::InvalidUrl { url, reason } => SourceError::InvalidGitUrl { url, reason },
            error => error,
        })?;
        let protocol = if url.scheme() == "https" { Protocol::Https } else { Protocol::Http };
        Ok(Self { protocol, named: url.to_string(), url, credentials })
    }

    fn ssh(text: &str) -> Result<Self, String> {
        let mut url = Url::parse(text).map_err(|error| error.to_string())?;
        url.set_password(None).map_err(|()| "it has no host".to_owned())?;
        url.set_fragment(None);
        Ok(Self { protocol: Protocol::Ssh, named: url.to_string(), url, credentials: None })
    }

    /// `user@host:path`, whose path begins at the user's home.
    fn short(text: &str) -> Result<Self, String> {
        let no_address = || "it is neither a URL nor user@host:path".to_owned();
        let (place, path) = text.split_once(':').ok_or_else(no_address)?;
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "@.-_".contains(c);
        if place.is_empty()
            || !place.chars().all(is_plain)
            || path.starts_with(['-', ':'])
            || path.contains(['\n', '\0', '?'])
        {
            return Err(no_address());
        }
        let url = Url::parse(&format!("ssh://{place}/{}", path.trim_start_matches('/')));
        let url = url.map_err(|error| error.to_string())?;
        Ok(Self { protocol: Protocol::Ssh, named: text.to_owned(), url, credentials: None })
    }

    /// The address for messages.
    pub(super) fn shown(&self) -> &str {
        &self.named
    }

    /// Host and port for messages.
    pub(super) fn host_and_port(&self) -> String {
        let port = self.url.port_or_known_default().unwrap_or(22);
        format!("{}:{port}", self.url.host_str().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_of_the_web_or_of_ssh() {
        for (text, protocol, named, host) in [
            ("https://x.org/team/charts.git", Protocol::Https, "https://x.org/team/charts.git", "x.org:443"),
            ("http://ann:s3cret@x.org:80/charts", Protocol::Http, "http://x.org/charts", "x.org:80"),
            ("ssh://git:s3cret@x.org:2222/charts.git", Protocol::Ssh, "ssh://git@x.org:2222/charts.git", "x.org:2222"),
            ("git@x.org:team/charts.git", Protocol::Ssh, "git@x.org:team/charts.git", "x.org:22"),
        ] {
            let address = Address::parse(text).expect(text);
            assert_eq!((address.protocol, address.shown(), address.host_and_port().as_str()), (protocol, named, host));
        }
    }

    #[test]
    fn credentials_leave_the_address() {
        let address = Address::parse("https://ann:s3cret@x.org/charts").expect("an address");
        assert!(address.credentials.is_some() && !address.named.contains("s3cret"));
    }

    #[test]
    fn other_protocols_and_options_are_refused_without_a_secret_being_shown() {
        for text in [
            "/etc",
            "file:///etc",
            "git://x.org/charts",
            "ext::sh -c touch% /tmp/x",
            "ssh://-oProxyCommand=x/charts",
            "-oProxyCommand=x:charts",
            "ssh://-x@x.org/charts",
            "x.org:-charts",
            "https://x.org",
            "https://ann:s3cret@x.org/charts?token=s3cret",
            "ftp://ann:s3cret@x.org/charts",
            "",
        ] {
            let error = Address::parse(text).expect_err(text);
            assert!(matches!(error, SourceError::InvalidGitUrl { .. }), "{text}");
            assert!(!error.to_string().contains("s3cret"), "{error}");
        }
    }
}
